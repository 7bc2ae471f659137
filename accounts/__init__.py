"""Who is who: schools, users, memberships, the door into a school, and the audit log."""

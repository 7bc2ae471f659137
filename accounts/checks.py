"""System checks about who serves."""

from typing import Any

from django.core import checks
from django.db import DatabaseError, connection


@checks.register(deploy=True)
def served_by_a_role_that_owns_nothing(**kwargs: Any) -> list[checks.CheckMessage]:
    """Warn when the role that serves owns the tables, or is above row-level security.

    Asks the database, because the process that serves is not told of the owner's address.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                select exists (select 1 from pg_class
                               where relname = 'changes_change' and relowner = r.oid)
                       or r.rolsuper or r.rolbypassrls
                from pg_roles r where r.rolname = current_user
                """
            )
            (too_strong,) = cursor.fetchone()
    except DatabaseError as error:
        return [checks.Warning(f"The database does not answer: {error}", id="accounts.W002")]
    if not too_strong:
        return []
    return [
        checks.Warning(
            "The role that serves is the role that owns the tables, or a superuser.",
            hint=(
                "An intruder in the application could switch off triggers and row-level security, "
                "and so rewrite the ledger or read another school. Set DATABASE_OWNER_URL to a "
                "role that owns the tables and migrates, and DATABASE_URL to one that owns nothing."
            ),
            id="accounts.W001",
        )
    ]

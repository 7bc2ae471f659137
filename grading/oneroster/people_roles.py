"""What people are, of version 1.2, where it stands in a file of its own: roles.csv."""

from collections import defaultdict
from dataclasses import replace

from grading.oneroster.check import Tables
from grading.oneroster.problems import Problems
from grading.oneroster.rows import Role, User

IN_ORDER = ("student", "teacher")
"""Of several roles of a person the one that counts here: a pupil who is also an aide is a pupil."""


def give_roles(tables: Tables, known: dict[str, User], problems: Problems) -> None:
    """Give each person the role and the schools that roles.csv says; where it says nothing, those
    by which they are `known` already (sourcedId to person)."""
    roles: dict[str, list[Role]] = defaultdict(list)
    for role in tables.roles.rows.values():
        roles[role.user].append(role)
    for sourced_id, user in list(tables.users.rows.items()):
        if user.role:
            continue
        found = roles.get(sourced_id, [])
        before = known.get(sourced_id)
        if found:
            names = {each.role for each in found}
            main = next((name for name in IN_ORDER if name in names), "")
            orgs = tuple(dict.fromkeys(each.org for each in found if each.role == main or not main))
            tables.users.rows[sourced_id] = replace(user, role=main or "other", orgs=orgs)
        elif before is not None:
            tables.users.rows[sourced_id] = replace(user, role=before.role, orgs=before.orgs)
        elif tables.roles.whole or not tables.roles.lines:
            problems.add("users.csv", user.line, "sourcedId", "{} is not in roles.csv", sourced_id)
            del tables.users.rows[sourced_id]

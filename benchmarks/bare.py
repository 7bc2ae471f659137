"""The bare UPDATE: what the database alone takes to write the same rows."""

import uuid
from collections.abc import Callable, Collection

from django.db import connection, connections
from psycopg import sql

from accounts.in_school import enter
from accounts.models import School
from changes.guard import PROJECTOR_SETTING


def update_of(
    its: School, enrollments: Collection[uuid.UUID], *, field: str = "grade"
) -> Callable[[], None]:
    """Return what writes one column of these enrolments, in a transaction of its own: in the table
    itself, as the role that serves, with its indexes, its triggers and row-level security. The
    values are those that stand, which are lost to nobody; the database writes each row anew."""
    with enter(its), connection.cursor() as cursor:
        query = sql.SQL(
            "select id, {} from grading_enrollment where school_id = %s and id = any(%s)"
        ).format(sql.Identifier(field))
        cursor.execute(query.as_string(None), [its.pk, list(enrollments)])
        ids, values = map(list, zip(*cursor.fetchall(), strict=True))
    assert len(ids) == len(set(enrollments))
    statement = sql.SQL(
        "update grading_enrollment e set {} = n.value"
        " from unnest(%s::uuid[], %s::text[]) n (id, value)"
        " where e.school_id = %s and e.id = n.id"
    ).format(sql.Identifier(field))

    def update() -> None:
        with enter(its), connection.cursor() as cursor:
            cursor.execute("select set_config(%s, 'on', true)", [PROJECTOR_SETTING])
            cursor.execute(statement.as_string(None), [ids, values, its.pk])
            assert cursor.rowcount == len(ids)

    return update


def analyze() -> None:
    """Have the planner know what the tables hold, as autovacuum does a while after each filling."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("vacuum analyze")

"""The law read from the database's own catalogue, so that a new table, column, trigger or status
cannot be forgotten; and that no setting of a session switches it off."""

import itertools
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from accounts.privileges import append_only_tables, never_deleted_tables
from changes import registry, revert
from changes.models import Change, Decision
from grading.models import GradeCorrection
from tests.cast import Cast, only
from tests.test_law import (
    a_decision_of,
    about,
    assert_refused,
    busy,
    execute,
    facts,
    rows,
    tables_of_schools,
)

__all__ = ["busy"]  # a fixture

MAY_BE_REWRITTEN = {
    "accounts_outboxmessage",
    "grading_bankcomment",
    "grading_logo",
    "grading_rosterupload",
}
"""Tables of a school that hold no history: messages on their way, and what can be entered anew."""


def test_of_every_table_of_a_school_it_is_said_who_may_change_its_rows(db):
    said = (
        append_only_tables().keys()
        | never_deleted_tables()
        | {tracked.table for tracked in registry.in_order()}
    )
    assert set(tables_of_schools()) - said == MAY_BE_REWRITTEN


def test_every_row_of_a_school_can_be_referred_to_together_with_its_school(db):
    unique = rows(
        """
        select c.conrelid::regclass::text from pg_constraint c
        where c.contype in ('u', 'p') and (
            select array_agg(attname::text order by attname) from pg_attribute
            where attrelid = c.conrelid and attnum = any(c.conkey)
        ) in (array['id', 'school_id'], array['school_id'])
        """
    )
    assert set(tables_of_schools()) - {table for (table,) in unique} == set()


def test_the_serving_role_can_empty_no_table_and_hang_nothing_on_one(db):
    rights = "truncate, references, trigger"
    assert rows(
        "select relname from pg_class where relkind in ('r', 'p', 'v', 'm', 'f')"
        " and relnamespace = 'public'::regnamespace and has_table_privilege(oid, %s)",
        rights,
    ) == []  # fmt: skip


# Triggers. ----------------------------------------------------------------------------------------

EACH_ROW, BEFORE, UPDATE, DELETE, TRUNCATE = 1, 2, 16, 8, 32


def triggers(table: str, event: int) -> list[tuple[str, str, bool]]:
    """The triggers before an event: name, the text of the function, and whether it always fires."""
    return rows(
        """
        select t.tgname, p.prosrc, t.tgqual is null and t.tgenabled in ('O', 'A')
        from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = %s::regclass and not t.tgisinternal
          and t.tgtype & %s = %s and t.tgattr::text = '' and (%s = 32 or t.tgtype & 1 = 1)
        """,
        table,
        event | BEFORE,
        event | BEFORE,
        event,
    )


@pytest.mark.parametrize("event", [DELETE, TRUNCATE, UPDATE])
def test_whatever_only_grows_has_a_trigger_that_always_fires_and_asks_no_setting(db, event):
    for table in append_only_tables():
        firm = [
            name
            for name, text, always in triggers(table, event)
            if always and "current_setting" not in text and "raise exception" in text
        ]
        assert firm, table


def test_the_triggers_of_what_is_decided_once_name_every_fact(db):
    """By these the owner is refused too; the privileges are of the serving role alone."""
    for table, column in facts():
        texts = [text for _, text, _ in triggers(table, UPDATE)]
        assert any(
            f"old.{column}" in text  # compared
            or "to_jsonb(old)" in text  # the row as a whole, less what is named
            or "if" not in text  # refused in any case
            for text in texts
        ), (table, column)


# Settings of the session. -------------------------------------------------------------------------


def every_trigger() -> str:
    """All triggers there are, as pgtrigger's setting lists those to ignore."""
    found = rows("select tgrelid::regclass || ':' || tgname from pg_trigger where not tgisinternal")
    return "{" + ",".join(name for (name,) in found) + "}"


def switched_off() -> None:
    """Set whatever is known to switch a trigger off, of what the serving role may set at all."""
    execute("select set_config('schoolmarks.projector', 'on', true)")
    execute("select set_config('pgtrigger.ignore', %s, true)", every_trigger())


def test_the_serving_role_may_not_set_what_switches_triggers_off(busy):
    assert_refused("permission denied", "set session_replication_role = replica")
    assert_refused("must be owner", "alter table changes_change disable trigger user")
    assert rows(
        "select name from pg_settings where context in ('superuser', 'superuser-backend')"
        " and has_parameter_privilege(current_user, name, 'set')"
    ) == []  # fmt: skip
    others = rows("select rolname from pg_roles where pg_has_role(current_user, oid, 'member')")
    assert others == rows("select current_user")


ALREADY_DECIDED = {
    "changes_change": "status <> 'provisional'",
    "changes_exclusion": "lifted_by_id is not null",
    "grading_gradecorrection": "status <> 'pending'",
}


def test_no_setting_lets_a_row_of_a_history_be_changed_or_removed(busy):
    reverted = Decision.objects.get(kind="revert")
    busy.b.reinstates(revert.Reverted(reverted, None, []))
    switched_off()
    for table, column in facts():
        assert_refused("permission denied", about("update {} set {} = {}", table, column, column))
    for table in append_only_tables():
        assert_refused("permission denied", about("delete from {}", table))
        assert_refused("permission denied", about("truncate {}", table))
    for table, decided in ALREADY_DECIDED.items():
        for column in append_only_tables()[table]:
            undo = about(f"update {{}} set {{}} = null where {decided}", table, column)  # noqa: S608
            assert_refused("decided once|lifted once", undo)


def test_no_setting_shows_the_rows_of_another_school(busy):
    execute("select set_config('schoolmarks.school', %s, true)", str(busy.other_school.pk))
    switched_off()
    count = "select count(*) from {} where school_id is not null"
    for table in tables_of_schools():
        assert rows(about(count, table).as_string(None)) == [(0,)]
    execute("set local row_security = off")  # which says that a policy must not hide anything
    for table in tables_of_schools():
        assert_refused("row-level security policy", about("select count(*) from {}", table))


# Statuses. ----------------------------------------------------------------------------------------


def moves(table: str, statuses: dict[str, Any], into: dict[str, str]) -> set[tuple[str, str]]:
    """Try every move from a status to another by SQL, with all that belongs to the new one;
    return those that the database takes."""
    taken = set()
    for before, after in itertools.product(statuses, into):
        try:
            with transaction.atomic():
                execute(
                    f"update {table} set {into[after]} where id = %s",  # noqa: S608 - our own text
                    statuses[before],
                )
                execute("set constraints all immediate")
                taken.add((before, after))
                transaction.set_rollback(True)
        except DatabaseError:
            continue
    return taken


def test_a_change_moves_from_waiting_to_decided_and_no_other_way(busy: Cast):
    busy.a.declines(only(busy.t2.types(busy.marks[2], "12")))
    only(busy.t1.types(busy.marks[2], "55"))
    statuses = {
        status: Change.objects.filter(status=status, kind="value", two_people=False).latest("id").pk
        for status in ("provisional", "approved", "declined")
    }
    assert {status for (status,) in rows("select distinct status from changes_change")} == set(
        statuses
    )
    decision = f"decision_id = '{a_decision_of(busy, busy.b.user).pk}'"
    by = f"decided_by_id = '{busy.b.user.pk}'"
    into = {
        "provisional": "status = 'provisional', position = null, decision_id = null,"
        " decided_by_id = null",
        "approved": f"status = 'approved', position = 99999, {decision}, {by}",
        "declined": f"status = 'declined', position = null, {decision}, {by}",
        "gone": f"status = 'gone', position = null, {decision}, {by}",
    }
    assert moves("changes_change", statuses, into) == {
        ("provisional", "provisional"),  # which changes nothing
        ("provisional", "approved"),
        ("provisional", "declined"),
    }


def test_a_correction_moves_from_pending_to_decided_and_no_other_way(busy: Cast):
    waiting = GradeCorrection.objects.filter(status="pending").latest("id")
    busy.a.declines(Change.objects.get(pk=str(waiting.change_id)))
    only(busy.t2.types(busy.marks[0], "77", reason="recounted"))
    statuses = {
        status: GradeCorrection.objects.filter(status=status, kind="correction").latest("id").pk
        for status in ("pending", "approved", "rejected")
    }
    stamp = (
        f"approved_by_id = '{busy.b.user.pk}', approved_at = now(),"
        f" decision_id = '{a_decision_of(busy, busy.b.user).pk}'"
    )
    into = {
        "pending": "status = 'pending', approved_by_id = null, approved_at = null,"
        " decision_id = null",
        "approved": f"status = 'approved', {stamp}",
        "rejected": f"status = 'rejected', {stamp}",
        "gone": f"status = 'gone', {stamp}",
    }
    assert moves("grading_gradecorrection", statuses, into) == {
        ("pending", "pending"),  # which changes nothing
        ("pending", "approved"),
        ("pending", "rejected"),
    }

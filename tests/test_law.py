"""What the database itself refuses, whatever the code above it does: history only grows, one
school never sees or touches another, and nobody approves their own correction."""

import datetime
import functools
import io
from collections.abc import Iterable
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction
from PIL import Image
from psycopg import sql

from accounts import disclosures
from accounts.in_school import enter
from accounts.models import User
from accounts.privileges import append_only_tables, never_deleted_tables
from changes import registry
from changes.models import Change, Decision
from grading import not_the_same
from grading.extensions import extend, extend_for_instructor
from grading.hand_in import hand_in
from grading.models import (
    BankComment,
    CardOfRun,
    CardRelease,
    CardRun,
    GradeCorrection,
    IssuedCard,
    Logo,
    RosterUpload,
    Section,
)
from grading.paper.press import Press
from students.models import Programme
from tests import cast, test_paper
from tests.cast import Cast, only

CROSS_SCHOOLS = {"accounts_membership"}
"""Tables that name a school and yet belong to none: who works where."""

MAY_BE_OF_NO_SCHOOL = {"accounts_auditlog"}
"""An unknown e-mail at sign-in."""

MAY_VANISH = {
    ("grading_gradecorrection", "enrollment_id"),
    ("grading_coursechangehistory", "section_id"),
}
"""References without a foreign key: the row tells of a record that need not stand any more."""


def rows(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def execute(query: str | sql.Composable, *parameters: Any, using: Any = None) -> int:
    text = query if isinstance(query, str) else query.as_string(None)
    with (using or connection).cursor() as cursor:
        cursor.execute(text, parameters)
        return cursor.rowcount


def assert_refused(match: str, query: str | sql.Composable, *parameters: Any, using: Any = None):
    def try_it() -> None:
        with transaction.atomic(using and using.alias):
            execute(query, *parameters, using=using)
            # What is checked at the end of the transaction is checked now.
            execute("set constraints all immediate", using=using)

    with pytest.raises(DatabaseError, match=match):
        try_it()


def about(query: str, table: str, *columns: str) -> sql.Composable:
    return sql.SQL(query).format(sql.Identifier(table), *map(sql.Identifier, columns))


def tables_of_schools() -> list[str]:
    found = rows(
        "select table_name from information_schema.columns c"
        " join information_schema.tables t using (table_schema, table_name)"
        " where column_name = 'school_id' and table_type = 'BASE TABLE'"
        " and table_schema = 'public' order by 1"
    )
    return [name for (name,) in found if name not in CROSS_SCHOOLS]


@pytest.fixture
def busy(inside: Cast) -> Cast:
    """A school in which every kind of thing has happened, so that no table of it is empty."""
    fill(inside)
    return inside


def a_picture() -> bytes:
    """A PNG of one dot."""
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "PNG")
    return file.getvalue()


def fill(people: Cast) -> None:
    people.stand(people.marks[0], "60", by=people.t1)
    people.stand(people.marks[0], "70", by=people.t1)
    people.t1.changes_cell("student", people.students[0], email="ada@hill.example")
    people.t1.changes_cell("section", people.section, schedule="Mon 3")
    people.a.approves(*Change.objects.open().order_by("id"))
    people.v.types(people.marks[1], "95")
    people.a.reverts(people.v)
    people.t2.types(people.marks[0], "75", reason="recounted")
    section = Section.objects.get(pk=people.section)
    until = datetime.date(2026, 12, 24)
    extend(section, until=until, reason="ill", by=people.a.member, origin=people.a.origin())
    extend_for_instructor(
        people.t2.user,
        section.term,
        until=until,
        reason="ill",
        by=people.a.member,
        origin=people.a.origin(),
    )
    hand_in(section, confirmed=people.marks, by=people.t1.member, origin=people.t1.origin(), key="")
    for owner in (None, people.t1.user):
        BankComment.objects.create(school=people.school, owner=owner, text="{name} reads well.")
    not_the_same.note(*people.students[:2], by=people.a.member, origin=people.a.origin())
    Programme.objects.create(school=people.school, name="Science", credits="12")
    disclosures.note(
        [people.students[0]],
        what="transcript as PDF",
        why="applies there",
        to="Vale School",
        school=people.school,
        user=people.a.user,
        origin=people.a.origin(),
    )
    RosterUpload.objects.create(
        school=people.school,
        uploaded_by=people.a.user,
        uploaded_at=people.clock.tick(),
        name="roster.zip",
        content=b"PK",
    )
    fill_report_cards(people)


@functools.cache
def a_printed_card() -> bytes:
    with Press() as press:
        return press.print("report_card", test_paper.card(), at=cast.MONDAY).pdf


def fill_report_cards(people: Cast) -> None:
    at, by, pupil = people.clock.tick(), people.a.user, people.students[0]
    drafts = cast.creation(
        "remark", {"student": str(pupil), "term": str(people.term), "text": "A good term."}
    )
    people.a.enters(drafts, whole=True)
    Logo.objects.create(school=people.school, image=a_picture(), kind="png")
    run = CardRun.objects.create(
        school=people.school,
        term_id=people.term,
        label="Ada",
        pupil_ids=[pupil],
        with_blanks=False,
        asked_by=by,
        asked_at=at,
        finished_at=at,
        handled=1,
    )
    card = IssuedCard.objects.create(
        school=people.school,
        term_id=people.term,
        pupil_id=pupil,
        version=1,
        pupil="Ada",
        said={},
        file=a_printed_card(),
        blanks=0,
        issued_by=by,
        issued_at=at,
    )
    CardOfRun.objects.create(
        school=people.school, run=run, place=1, pupil="Ada", card=card, is_new=True
    )
    CardRelease.objects.create(
        school=people.school, term_id=people.term, released_by=by, released_at=at
    )


# One school. --------------------------------------------------------------------------------------


def test_every_table_of_a_school_stands_behind_forced_row_level_security(db):
    found = tables_of_schools()
    assert {"changes_change", "students_student", "accounts_outboxmessage"} <= set(found)
    lacking = rows(
        "select relname from pg_class where relkind = 'r' and relname = any(%s)"
        " and not (relrowsecurity and relforcerowsecurity"
        "          and exists (select 1 from pg_policy where polrelid = pg_class.oid))",
        found,
    )
    assert lacking == []


def test_every_policy_is_about_the_school_that_the_request_is_in(db):
    for table, policy in rows(
        "select tablename, coalesce(qual, with_check) from pg_policies where schemaname = 'public'"
    ):
        assert "school_id = (NULLIF(current_setting('schoolmarks.school'" in policy, table


def test_every_model_of_a_school_says_whose_it_is_in_its_table(db):
    of_schools = {
        model._meta.db_table
        for model in apps.get_models()
        if any(field.name == "school" for field in model._meta.get_fields() if field.concrete)
    }
    assert of_schools - CROSS_SCHOOLS == set(tables_of_schools())
    nullable = rows(
        "select table_name from information_schema.columns where column_name = 'school_id'"
        " and table_schema = 'public' and is_nullable = 'YES'"
    )
    assert {name for (name,) in nullable} == MAY_BE_OF_NO_SCHOOL


def test_the_serving_role_owns_nothing_and_has_no_way_around(db):
    (role,) = rows(
        "select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = current_user"
    )
    assert not any(role)
    assert rows("select relname from pg_class where relowner = current_user::regrole") == []
    assert rows("select proname from pg_proc where proowner = current_user::regrole") == []
    # Nowhere can it make a table, a function or an operator that would be found in place of ours.
    assert rows("select nspname from pg_namespace where has_schema_privilege(oid, 'create')") == []
    in_database = "has_database_privilege(current_database(), %s)"
    assert rows(f"select {in_database} or {in_database}", "create", "temporary") == [(False,)]


def test_one_schools_rows_are_invisible_inside_another_and_outside_every_school(busy):
    def seen() -> dict[str, int]:
        return {
            table: rows(
                about("select count(*) from {} where school_id is not null", table).as_string(None)
            )[0][0]
            for table in tables_of_schools()
        }

    inside = seen()
    assert [table for table, count in inside.items() if not count] == []
    with enter(busy.other_school):
        assert set(seen().values()) == {0}
    execute("select set_config('schoolmarks.school', '', true)")
    assert set(seen().values()) == {0}
    assert registry.get("student").model.objects.count() == 0


@pytest.mark.parametrize("query", ["update {} set {} = {}", "delete from {}"])
def test_another_schools_rows_cannot_be_reached_by_writing(busy, query):
    with enter(busy.other_school):
        for table in ("accounts_outboxmessage", "students_student", "changes_ledgerhead"):
            if "delete" in query and table in never_deleted_tables():
                continue
            parts = (table, "school_id", "school_id") if "set" in query else (table,)
            execute("select set_config('schoolmarks.projector', 'on', true)")
            assert execute(about(query, *parts)) == 0


def test_a_row_cannot_be_put_into_another_school(busy):
    with enter(busy.other_school):
        execute("select set_config('schoolmarks.projector', 'on', true)")
        assert_refused(
            "row-level security",
            "insert into students_student (id, school_id, given_names, family_name, email,"
            " guardian_email, year_level, home_group) values (gen_random_uuid(), %s, '', '', '',"
            " '', '', '')",
            busy.school.pk,
        )
    assert_refused(
        "row-level security",
        "insert into accounts_auditlog (id, school_id, event, at, user_agent, detail, metadata)"
        " values (gen_random_uuid(), %s, 'view', now(), '', '', '{}')",
        busy.other_school.pk,
    )


def foreign_keys() -> Iterable[tuple[str, list[str], str, list[str]]]:
    """Every foreign key between tables of schools: table, columns, other table, its columns."""
    for table, columns, other, others in rows(
        """
        select c.conrelid::regclass::text, c.confrelid::regclass::text,
               array(select attname::text from unnest(c.conkey) with ordinality k (n, i)
                     join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.n order by i),
               array(select attname::text from unnest(c.confkey) with ordinality k (n, i)
                     join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.n order by i)
        from pg_constraint c where c.contype = 'f' and c.connamespace = 'public'::regnamespace
        """
    ):
        yield table, other, columns, others


def test_no_reference_leads_from_one_school_into_another(db):
    of_schools = set(tables_of_schools())
    loose = [
        (table, columns)
        for table, columns, other, others in foreign_keys()
        if table in of_schools
        and other in of_schools | CROSS_SCHOOLS
        and not (columns[0] == others[0] == "school_id")
    ]
    assert loose == []


def test_every_reference_of_a_model_is_one_in_the_database(db):
    known = {(table, column) for table, columns, *_ in foreign_keys() for column in columns}
    missing = {
        (model._meta.db_table, field.column)
        for model in apps.get_models()
        if model._meta.db_table in tables_of_schools()
        for field in model._meta.concrete_fields
        if field.remote_field
        and field.column != "school_id"
        and (model._meta.db_table, field.column) not in known
    }
    assert missing == MAY_VANISH


def test_a_change_cannot_join_another_schools_change_set(busy):
    with enter(busy.other_school):
        theirs = only(
            busy.outsider.proposes(
                [cast.Draft(entity_type="room", entity_id=busy.room, field="exists", typed="true")]
            )
        )
    assert_refused(
        "foreign key",
        "insert into changes_change select (jsonb_populate_record(c, jsonb_build_object("
        " 'id', gen_random_uuid(), 'number', 9999, 'status', 'provisional', 'position', null,"
        " 'decision_id', null, 'decided_by_id', null, 'change_set_id', %s::text))).*"
        " from changes_change c limit 1",
        theirs.change_set_id,
    )


def test_every_unique_and_index_of_a_school_begins_with_the_school(db):
    loose = rows(
        """
        select i.indexrelid::regclass::text from pg_index i
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        join pg_class t on t.oid = i.indrelid
        where t.relname = any(%s) and not i.indisprimary and a.attname <> 'school_id'
        """,
        tables_of_schools(),
    )
    # The audit log is also read by account, across schools, by nobody but the owner.
    assert [name for (name,) in loose if not name.startswith("accounts_auditlog_user_id")] == []


# A history that only grows. -----------------------------------------------------------------------


def facts() -> list[tuple[str, str]]:
    return [
        (table, column)
        for table, once in append_only_tables().items()
        for (column,) in rows(
            "select column_name from information_schema.columns where table_name = %s"
            " and table_schema = 'public' order by ordinal_position",
            table,
        )
        if column not in once
    ]


def test_ledger_corrections_history_and_audit_log_are_among_what_only_grows():
    assert {
        "changes_changeset",
        "changes_change",
        "changes_decision",
        "changes_exclusion",
        "grading_gradecorrection",
        "grading_coursechangehistory",
        "grading_extension",
        "grading_handin",
        "accounts_auditlog",
        "accounts_disclosure",
    } <= append_only_tables().keys()


def test_no_fact_of_them_can_be_updated(busy):
    for table, column in facts():
        assert_refused("permission denied", about("update {} set {} = {}", table, column, column))


def test_nothing_of_them_can_be_deleted_and_no_table_of_a_school_truncated(busy):
    for table in append_only_tables():
        assert_refused("permission denied", about("delete from {}", table))
    for table in tables_of_schools():
        assert_refused("permission denied", about("truncate {} cascade", table))
    for table in never_deleted_tables():
        assert_refused("permission denied", about("delete from {}", table))


def test_a_change_is_decided_once(busy):
    decided = Change.objects.filter(status="approved").first()
    for column, value in (("status", "declined"), ("position", 10_000), ("decided_by_id", None)):
        assert_refused(
            "decided once",
            about("update {} set {} = %s where id = %s", "changes_change", column),
            value,
            decided.pk,
        )


def test_an_exclusion_is_lifted_once_and_a_correction_decided_once(busy):
    inside_again = Decision.objects.filter(kind="approve").first()
    reverted = Decision.objects.get(kind="revert")
    busy.b.reinstates(cast.revert.Reverted(reverted, None, []))
    assert_refused("lifted once", "update changes_exclusion set lifted_by_id = null")
    assert_refused("lifted once", "update changes_exclusion set lifted_by_id = %s", inside_again.pk)
    assert_refused(
        "decided once",
        "update grading_gradecorrection set status = 'rejected' where status = 'approved'",
    )


def test_a_row_begins_undecided(busy):
    assert_refused(
        "begins provisional",
        "insert into changes_change select (jsonb_populate_record(c, jsonb_build_object("
        " 'id', gen_random_uuid(), 'number', 9999, 'position', 9999))).*"
        " from changes_change c where status = 'approved' limit 1",
    )
    assert_refused(
        "begins in force",
        "insert into changes_exclusion select gen_random_uuid(), school_id, change_id, decision_id,"
        " decision_id from changes_exclusion limit 1",
    )


def test_the_counters_of_a_school_never_go_back(busy):
    for column in ("last_position", "last_decision"):
        assert_refused(
            "goes forward", about("update {} set {} = {} - 1", "changes_ledgerhead", column, column)
        )


def test_the_law_holds_for_the_owner_too(own_cast):
    if "owner" not in settings.DATABASES:
        pytest.skip("one role serves and owns here: DATABASE_OWNER_URL is not set")
    people = own_cast
    with enter(people.school):
        fill(people)
    owner = connections["owner"]
    with transaction.atomic("owner"):
        execute(
            "select set_config('schoolmarks.school', %s, true)", str(people.school.pk), using=owner
        )
        # No policy lets anybody update or delete a row of the audit log: there is none to be met.
        assert execute("update accounts_auditlog set detail = ''", using=owner) == 0
        assert execute("delete from accounts_auditlog", using=owner) == 0
        for table in append_only_tables().keys() - {"accounts_auditlog"}:
            assert_refused(
                "only grows|never change|decided once|nothing else of it changes",
                about("update {} set {} = gen_random_uuid()", table, "id"),
                using=owner,
            )
            assert_refused("only grows", about("delete from {}", table), using=owner)
        for table in append_only_tables():
            assert_refused("only grows", about("truncate {} cascade", table), using=owner)
        for table in never_deleted_tables():
            assert_refused("only grows", about("delete from {}", table), using=owner)


# Who writes, and who approves. --------------------------------------------------------------------


def test_nobody_but_the_projector_writes_a_tracked_table(busy):
    assert_refused(
        "written by the projector alone",
        "update grading_enrollment set grade = '100' where id = %s",
        busy.marks[0],
    )
    for tracked in registry.in_order():
        assert_refused("written by the projector alone", about("delete from {}", tracked.table))
        assert_refused(
            "written by the projector alone",
            about("insert into {0} select * from {0} limit 1", tracked.table),
        )
    assert busy.is_equal()


def a_decision_of(people: Cast, user: User | None) -> Decision:
    """Insert a decision by SQL, as somebody who forges would."""
    return Decision.objects.create(
        school=people.school,
        number=Decision.objects.count() + 1,
        kind="approve",
        decided_by=user,
        rule="" if user else "a rule",
        decided_at=people.clock.tick(),
        digest=bytes(32),
    )


APPROVE = (
    "update changes_change set status = 'approved', position = 99999, decision_id = %s,"
    " decided_by_id = %s where id = %s"
)
STAMP = (
    "update grading_gradecorrection set status = 'approved', approved_at = now(), decision_id = %s,"
    " approved_by_id = %s where change_id = %s and status = 'pending'"
)


@pytest.fixture
def own(busy: Cast) -> Change:
    """A correction that A, of the office, proposed."""
    return only(busy.a.types(busy.marks[0], "99", reason="a favour"))


def test_nobody_approves_their_own_correction_by_sql(busy, own):
    decision = a_decision_of(busy, busy.a.user)
    assert_refused("change_two_people", APPROVE, decision.pk, busy.a.user.pk, own.pk)
    assert_refused("second_person", STAMP, decision.pk, busy.a.user.pk, own.pk)


def test_no_rule_approves_a_correction(busy, own):
    decision = a_decision_of(busy, None)
    assert_refused("change_two_people", APPROVE, decision.pk, None, own.pk)
    assert_refused("decided_whole", STAMP, decision.pk, None, own.pk)


def test_nobody_approves_their_own_correction_in_the_name_of_another(busy, own):
    decision = a_decision_of(busy, busy.a.user)
    assert_refused("foreign key", APPROVE, decision.pk, busy.b.user.pk, own.pk)
    assert_refused("foreign key", STAMP, decision.pk, busy.b.user.pk, own.pk)


def test_what_a_person_decided_is_not_stamped_as_by_a_rule_nor_anything_by_no_decision(busy):
    waiting = only(busy.t1.types(busy.marks[2], "61"))
    for decision in (a_decision_of(busy, busy.a.user).pk, waiting.pk):
        assert_refused("no decision of a rule", APPROVE, decision, None, waiting.pk)
    execute(APPROVE, a_decision_of(busy, None).pk, None, waiting.pk)
    execute("set constraints all immediate")


def test_an_extension_is_for_a_class_or_for_an_instructor_of_the_school(busy):
    put = (
        "insert into grading_extension select (jsonb_populate_record(e, jsonb_build_object("
        " 'id', gen_random_uuid(), {changed}))).* from grading_extension e"
        " where e.section_id is {which} limit 1"
    )
    for which, changed in (
        ("null", "'section_id', gen_random_uuid()"),
        ("null", "'term_id', null"),
        ("null", "'instructor_id', null"),
        ("not null", "'section_id', null"),
        ("not null", "'term_id', gen_random_uuid()"),
    ):
        assert_refused("class_or_instructor", put.format(which=which, changed=changed))
    assert_refused(
        "foreign key",
        put.format(which="null", changed="'instructor_id', %s::text"),
        busy.outsider.user.pk,
    )


def test_a_stranger_decides_nothing(busy, own):
    with pytest.raises(DatabaseError, match="foreign key"), transaction.atomic():
        a_decision_of(busy, busy.outsider.user)


def test_what_is_decided_belongs_to_a_decision(busy, own):
    nobody = "00000000-0000-0000-0000-000000000000"
    assert_refused("foreign key", APPROVE, nobody, busy.b.user.pk, own.pk)
    assert_refused("decided_unless_provisional", APPROVE, None, busy.b.user.pk, own.pk)
    assert GradeCorrection.objects.get(change_id=own.pk).status == "pending"

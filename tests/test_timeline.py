"""Everything that happened to a record, and what was done in a session, as the office reads it."""

import csv
import datetime as dt
import io
import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import audit
from accounts.in_school import enter
from accounts.models import AuditLog
from accounts.origin import Origin
from changes import review, timeline
from changes.models import Change, Decision
from changes.propose import creation, propose
from changes.timeline import Became, Entry
from grading.models import GradeCorrection
from tests.cast import Cast, Person, only, typed
from tests.pages import Browser, more_pupils

pytestmark = pytest.mark.django_db


def told(people: Cast, entity_type: str, entity_id: uuid.UUID) -> list[Entry]:
    return timeline.entries(list(timeline.of_record(people.school, entity_type, entity_id)))


def of_mark(people: Cast, field: str = "grade") -> list[tuple[str, str]]:
    """What happened to the first pupil's mark, the oldest first: what was said, what became."""
    entries = [e for e in told(people, "enrollment", people.marks[0]) if e.change.field == field]
    return [(each.said, each.became.value) for each in reversed(entries)]


# What became of a change. -------------------------------------------------------------------------


def test_a_mark_is_told_from_the_first_value_to_the_last(inside):
    inside.t1.types(inside.marks[0], "50")
    first = only(inside.t1.types(inside.marks[0], "60"))
    inside.a.approves(first)
    inside.stand(inside.marks[0], "70", by=inside.t2)
    inside.t1.types(inside.marks[0], "75", reason="recounted")
    assert of_mark(inside) == [
        ("nothing → 50", "superseded"),
        ("nothing → 60", "replaced"),
        ("60 → 70", "approved"),
        ("70 → 75", "waiting"),
    ]


def test_what_was_withdrawn_and_what_was_declined_is_told_as_such(inside):
    inside.t1.withdraws(only(inside.t1.types(inside.marks[0], "50")))
    inside.a.declines(only(inside.t2.types(inside.marks[0], "51")), reason="not her class")
    assert of_mark(inside) == [
        ("nothing → 50", "withdrawn"),
        ("withdrew what they had proposed", "withdrawal"),
        ("nothing → 51", "declined"),
    ]
    (declined, *_) = told(inside, "enrollment", inside.marks[0])
    assert declined.change.decision.reason == "not her class"
    assert declined.change.decided_by == inside.a.user


def test_an_excluded_change_says_by_which_revert_and_whether_it_was_lifted(inside):
    change = only(inside.v.types(inside.marks[0], "99"))
    inside.a.approves(change)
    reverted = inside.a.reverts(inside.v)
    (entry, *_) = told(inside, "enrollment", inside.marks[0])
    assert entry.became == Became.EXCLUDED
    (row,) = entry.exclusions
    assert (row.decision_id, row.lifted_by) == (reverted.decision.pk, None)
    inside.b.reinstates(reverted)
    (entry, *_) = told(inside, "enrollment", inside.marks[0])
    assert entry.became == Became.APPROVED
    (row,) = entry.exclusions
    assert row.lifted_by.decided_by == inside.b.user


def test_what_waits_again_after_a_revert_of_what_was_typed_over_it_is_told_as_waiting(inside):
    """Somebody else on her account typed over her waiting 70."""
    inside.v.types(inside.marks[0], "70", ip="10.0.1.3")
    inside.v.types(inside.marks[0], "99", ip="203.0.113.7")
    inside.a.reverts(inside.v, ip="203.0.113.7")
    assert of_mark(inside) == [("nothing → 70", "waiting"), ("nothing → 99", "excluded")]


def test_the_corrections_that_decisions_left_are_linked(inside):
    inside.stand(inside.marks[0], "60", by=inside.t1)
    corrected = inside.stand(inside.marks[0], "70", by=inside.t1)
    inside.a.reverts(inside.t1, start=corrected.change_set.received_at)
    words = {
        each.said: [effect.words for effect in each.effects]
        for each in told(inside, "enrollment", inside.marks[0])
        if each.change.field == "grade"
    }
    assert words["nothing → 60"] == []
    assert words["60 → 70"] == [
        "grade correction, 60 → 70, approved",
        "grade correction by revert, 70 → 60, approved",
    ]
    assert GradeCorrection.objects.count() == 2


def test_the_history_of_a_section_is_linked(inside):
    inside.a.approves(*inside.t1.changes_cell("section", inside.section, schedule="Mon 3").changes)
    (entry, *_) = told(inside, "section", inside.section)
    assert [effect.words for effect in entry.effects] == ["in the history of the section"]


def test_references_are_told_by_name(inside):
    inside.a.approves(*inside.t1.changes_cell("section", inside.section, room=None).changes)
    (entry, *_) = told(inside, "section", inside.section)
    assert entry.said == "SCI 201 → nothing"


# Whose. -------------------------------------------------------------------------------------------


def test_a_pupil_s_timeline_holds_their_enrolments_and_nobody_else_s(inside):
    inside.t1.types(inside.marks[0], "50")
    inside.t1.types(inside.marks[1], "51")
    inside.t1.changes_cell("student", inside.students[0], email="ada@hill.example")
    entries = told(inside, "student", inside.students[0])
    assert {each.title for each in entries} == {"Abbott, Ada", "Abbott, Ada in BIO-2"}
    assert {each.new for each in entries} >= {"50", "ada@hill.example"}


def test_a_section_s_timeline_holds_its_marks_and_a_term_s_its_sections(inside):
    inside.t1.types(inside.marks[1], "51")
    assert "Brown, Ben in BIO-2" in {each.title for each in told(inside, "section", inside.section)}
    assert "BIO-2" in {each.title for each in told(inside, "term", inside.term)}


def test_what_was_never_approved_and_what_is_gone_has_its_timeline_too(inside):
    dora = inside.t1.creates("student", family_name="Dean")
    assert told(inside, "student", dora)[0].title == "Dean"
    inside.a.approves(*inside.open_of(dora))
    inside.b.approves(*inside.t1.deletes("student", dora).changes)
    assert [e.said for e in told(inside, "student", dora) if e.is_record] == ["deleted", "added"]


# The page. ----------------------------------------------------------------------------------------


def path(people: Cast, entity_type: str = "student", entity_id: uuid.UUID | None = None) -> str:
    return reverse("admin:timeline", args=[entity_type, entity_id or people.students[0]])


def page(person: Person, at: str) -> str:
    response = Browser(person).get(at)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


@pytest.fixture
def busy(people: Cast) -> Cast:
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        people.t2.types(people.marks[0], "66", reason="recounted", ip="203.0.113.9")
        people.v.types(people.marks[0], "99", reason="typo")
        people.a.reverts(people.v)
        people.a.declines(only(people.t1.types(people.marks[0], "=1+1", field="comment")))
    return people


def test_the_page_says_who_from_where_by_way_of_what_and_who_decided(busy):
    shown = page(busy.a, path(busy))
    for words in (
        'T2 Teacher</a> <span class="state-note">from 203.0.113.9, typed on a page',
        "“recounted”",
        "Activity of </span>A Admin</a>",
        "“not right”",
        "excluded 9 Nov 2026",
        "“it was her niece”",
        "9 Nov 2026, 09:",
    ):
        assert words in shown, words
    assert str(busy.students[0]) not in re.sub(r"<[^>]*>", "", shown)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=waiting", ["66"]),
        ("state=declined", ["=1+1"]),
        ("state=excluded", ["99"]),
        ("field=enrollment.comment", ["=1+1"]),
        ("field=enrollment.grade", ["99", "66", "60"]),
        ("since=2026-11-10", []),
        ("until=2026-11-08", []),
        ("since=2026-11-09&until=2026-11-09&state=waiting", ["66"]),
        ("since=nonsense", []),
        ("author=nonsense", []),
        ("until=9999-12-31&state=waiting", ["66"]),
        ("record=enrollment&state=waiting", ["66"]),
        ("record=student&state=waiting", []),
    ],
)
def test_the_page_is_filtered(busy, query, found):
    shown = page(busy.a, f"{path(busy)}?{query}")
    assert re.findall(r"<ins>([^<]*)</ins>", shown) == found


def test_the_page_is_filtered_by_who(busy):
    shown = page(busy.a, f"{path(busy)}?author={busy.t2.user.pk}")
    assert re.findall(r"<ins>([^<]*)</ins>", shown) == ["66"]


def test_days_are_those_of_the_school_s_clocks(people):
    """Quarter past midnight in summer is a quarter past eleven of the day before in UTC."""
    with enter(people.school):
        at = dt.datetime(2027, 6, 1, 23, 15, tzinfo=dt.UTC)
        people.t1.types(people.marks[0], "50", at=at)
    assert "<ins>50</ins>" in page(people.a, f"{path(people)}?since=2027-06-02")
    assert "<ins>50</ins>" not in page(people.a, f"{path(people)}?until=2027-06-01")


def test_a_record_that_this_school_does_not_have_is_not_found(busy):
    browser = Browser(busy.outsider)
    with enter(busy.school):
        change = Change.objects.latest("id")
    for at in (
        path(busy),
        path(busy, "section", busy.section),
        reverse("admin:timeline_session", args=[change.change_set_id]),
    ):
        assert browser.get(at).status_code == 404
        assert browser.get(f"{at}?csv").status_code == 404
    browser = Browser(busy.a)
    assert browser.get(path(busy, "section")).status_code == 404  # a pupil's id
    assert browser.get(path(busy, "nonsense")).status_code == 404


def test_a_teacher_is_refused(busy):
    assert Browser(busy.t1).get(path(busy)).status_code == 403


def test_the_pages_of_records_of_reverts_and_of_the_review_lead_to_timelines(busy):
    assert path(busy) in page(
        busy.a, reverse("admin:students_student_change", args=[busy.students[0]])
    )
    with enter(busy.school):
        number = Change.objects.get(value="99").exclusions.get().decision.number
    sheet = reverse("admin:review_sheet", args=[f"section-{busy.section}", busy.t2.user.pk])
    assert path(busy, "enrollment", busy.marks[0]) in page(busy.a, sheet)
    shown = page(busy.a, reverse("admin:reverted", args=[number]))
    assert path(busy, "enrollment", busy.marks[0]) in shown


# A session. ---------------------------------------------------------------------------------------


def test_from_an_entry_one_comes_to_what_else_was_done_in_that_session(people):
    def saves(mark: int, text: str, session: str) -> Change:
        draft = typed(people.marks[mark], text)
        origin = Origin(at=people.clock.tick(), ip="203.0.113.7", session=session)
        return only(propose([draft], by=people.t1.member, origin=origin))

    with enter(people.school):
        first = saves(0, "50", "one")
        saves(1, "51", "one")
        saves(2, "52", "another")
    at = reverse("admin:timeline_session", args=[first.change_set_id])
    assert f'href="{at}">This session' in page(people.a, path(people))
    shown = page(people.a, at)
    assert re.findall(r"<ins>([^<]*)</ins>", shown) == ["51", "50"]
    assert "from 203.0.113.7" in shown


def test_a_session_names_what_was_decided_and_exported_in_it_and_who_decides_can_be_followed(
    people,
):
    session = Origin(at=people.clock.tick(), ip="203.0.113.7", session="one")
    with enter(people.school):
        waiting = only(people.t1.types(people.marks[0], "50"))
        own = propose([typed(people.marks[1], "51")], by=people.a.member, origin=session)
        review.approve([waiting.pk], school=people.school, by=people.a.member, origin=session)
        audit.record(
            AuditLog.Event.EXPORT,
            origin=session,
            school=people.school,
            user=people.a.user,
            detail="every mark as CSV",
        )
        people.a.approves(*own.changes)  # in no session
        number = Decision.objects.get(session="one").number
    shown = page(people.b, reverse("admin:timeline_session", args=[own.change_set.pk]))
    assert "1 decision, 1 export" in shown
    assert f">Decision {number}</a>: approved" in shown
    assert "every mark as CSV" in shown
    at = reverse("admin:activity", args=[people.a.user.pk])
    assert f'approved by <a href="{at}">' in page(people.b, path(people))


def test_a_save_without_a_session_stands_for_itself(busy):
    with enter(busy.school):
        change = Change.objects.get(value="66")
    shown = page(busy.a, reverse("admin:timeline_session", args=[change.change_set_id]))
    assert re.findall(r"<ins>([^<]*)</ins>", shown) == ["66"]
    assert "This save has no session" in shown


# The file. ----------------------------------------------------------------------------------------


def test_the_file_holds_what_the_filters_show_and_no_formula_and_the_export_is_written_down(busy):
    response = Browser(busy.a).get(f"{path(busy)}?state=declined&csv")
    assert response["Content-Disposition"].startswith("attachment;")
    lines = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    (line,) = lines
    assert line["To"] == "'=1+1"
    assert line["Who"] == "T1 Teacher"
    assert line["From the address"] == "10.0.1.1"
    assert line["What became of it"] == "declined"
    assert line["Reason of the decision"] == "not right"
    assert line["When"].startswith("2026-11-09 09:")
    with enter(busy.school):
        row = AuditLog.objects.get(event="export")
    assert row.detail == "timeline of Abbott, Ada as CSV"
    assert row.metadata["record"] == str(busy.students[0])
    assert row.metadata["filters"] == {"state": "declined"}


def test_looking_is_not_written_down_as_an_export(busy):
    page(busy.a, path(busy))
    with enter(busy.school):
        assert not AuditLog.objects.filter(event="export").exists()


# What it costs. -----------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?csv"])
def test_a_long_timeline_costs_the_same_as_a_short_one(busy, query):
    at = path(busy, "section", busy.section) + query

    def cost() -> int:
        browser = Browser(busy.a)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(at).status_code == 200
        return len(queries)

    def grow(count: int) -> None:
        marks = more_pupils(busy, count) if count == 30 else more_of(busy, count)
        with enter(busy.school):
            busy.t1.proposes([typed(each, "50") for each in marks])

    grow(30)
    few = cost()
    grow(270)
    assert cost() <= few < 35  # fewer, where the page holds fewer types of records


def more_of(people: Cast, count: int) -> list[uuid.UUID]:
    with enter(people.school):
        drafts, ids = [], []
        for n in range(count):
            student = creation("student", {"family_name": f"Another{n}"})
            place = creation(
                "enrollment",
                {"student": str(student[0].entity_id), "section": str(people.section)},
            )
            drafts += [*student, *place]
            ids.append(place[0].entity_id)
        people.a.enters(drafts, whole=True)
    return ids

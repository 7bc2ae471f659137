"""What was disclosed of a pupil: each event finds the pupils that it held, and their page tells of
it."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import disclosures
from accounts.in_school import enter
from accounts.models import AuditLog, Disclosure
from tests.pages import Browser, more_pupils
from tests.test_merging import merges, undoes


def note(people, pupils, **said):
    given = {"what": "report cards", "why": "the term has ended", "to": "guardians", **said}
    disclosures.note(
        pupils, school=people.school, user=people.a.user, origin=people.a.origin(), **given
    )


def page_of(people, pupil, person=None):
    return Browser(person or people.a).get(reverse("admin:disclosed", args=[pupil]))


def test_a_pupils_page_tells_what_was_disclosed_to_whom_when_and_why(people):
    ada, ben, cleo = people.students
    with enter(people.school):
        note(people, [ada, ben], what="report cards of Autumn 2026")
        note(people, [ada], what="transcript as PDF", to="Vale <School>", why="she applies there")
    page = page_of(people, ada).content.decode()
    assert page.index("transcript as PDF") < page.index("report cards of Autumn 2026")
    for said in ("Vale &lt;School&gt;", "she applies there", "A Admin", "10.0.0.1", "9 Nov 2026"):
        assert said in page
    assert "together with 1 other pupil<" in page
    page = page_of(people, ben).content.decode()
    assert "report cards of Autumn 2026" in page
    assert "transcript" not in page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert "Nothing of this pupil was disclosed" in page_of(people, cleo).content.decode()


def test_what_was_looked_at_on_the_screen_can_be_left_out(people):
    ada, at = people.students[0], reverse("admin:disclosed", args=people.students[:1])
    with enter(people.school):
        note(people, [ada], what="transcript, on the screen", event="view")
    assert "Nothing of this pupil has left" in Browser(people.a).get(f"{at}?left").content.decode()
    with enter(people.school):
        note(people, [ada], what="transcript as PDF")
    page = Browser(people.a).get(f"{at}?left").content.decode()
    assert "transcript as PDF" in page
    assert "on the screen" not in page
    assert "on the screen" in Browser(people.a).get(at).content.decode()


def test_a_pupil_that_is_named_twice_is_one_and_the_event_says_how_many_it_held(inside):
    ada, ben, _ = inside.students
    note(inside, [ada, ben, ada], facts={"term": "x"})
    assert AuditLog.objects.get(detail="report cards").metadata == {
        "to": "guardians",
        "why": "the term has ended",
        "pupils": 2,
        "term": "x",
    }
    assert set(Disclosure.objects.values_list("pupil_id", flat=True)) == {ada, ben}


def test_a_thousand_pupils_cost_the_statements_of_one(inside):
    def statements(pupils):
        with CaptureQueriesContext(connection) as queries:
            note(inside, pupils)
        return len(queries)

    assert statements([uuid.uuid4() for _ in range(1000)]) == statements(inside.students[:1]) == 2


def test_what_was_disclosed_of_a_pupil_who_has_vanished_is_still_told(people):
    with enter(people.school):
        pupil = people.v.creates("student", family_name="Gone", given_names="Gil")
        people.a.approves(*people.open_of(pupil))
        note(people, [pupil])
        people.a.reverts(people.v)
    page = page_of(people, pupil).content.decode()
    assert "Gone, Gil" in page
    assert "report cards" in page
    assert reverse("admin:students_student_change", args=[pupil]) not in page


def test_what_was_disclosed_of_a_duplicate_is_told_at_who_it_turned_out_to_be(people):
    with enter(people.school):
        first, second, kept = (
            people.t1.creates("student", family_name="Kim", given_names=given)
            for given in ("Ji", "Jin", "Jin-ho")
        )
        people.a.approves(*people.open_of(first, second, kept))
        note(people, [first], what="the first's card")
        note(people, [second, first], what="a list")
        note(people, [kept], what="the survivor's card")
        merges(people.a, first, second)
        outcome = merges(people.a, second, kept)
    page = page_of(people, kept).content.decode()
    assert "3 disclosures" in page
    assert "the first&#x27;s card" in page
    assert page.count("a list") == 1
    with enter(people.school):
        undoes(people.b, outcome)
    page = page_of(people, kept).content.decode()
    assert "1 disclosure." in page
    assert "a list" not in page


def test_the_page_is_the_offices_and_knows_no_pupil_of_another_school(people):
    assert page_of(people, people.students[0], people.t1).status_code == 403
    assert page_of(people, people.students[0], people.outsider).status_code == 404
    assert page_of(people, uuid.uuid4()).status_code == 404


def test_a_pupils_record_and_timeline_lead_there(people):
    office, pupil = Browser(people.a), people.students[0]
    at = reverse("admin:disclosed", args=[pupil])
    for name, parts in (
        ("admin:students_student_change", [pupil]),
        ("admin:timeline", ["student", pupil]),
    ):
        assert f'href="{at}"' in office.get(reverse(name, args=parts)).content.decode()
    other = office.get(reverse("admin:timeline", args=["section", people.section]))
    assert "/disclosed/" not in other.content.decode()


def test_a_long_page_costs_what_a_short_one_does(people):
    def statements():
        with CaptureQueriesContext(connection) as queries:
            assert page_of(people, people.students[0]).status_code == 200
        return len(queries)

    with enter(people.school):
        note(people, people.students[:1])
    few = statements()
    with enter(people.school):
        for n in range(60):
            note(people, people.students[:1], what=f"card {n}")
    assert statements() == few


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_mark_sheet_that_is_downloaded_is_told_at_each_pupil_on_it(people, kind):
    more_pupils(people, 2)
    Browser(people.t2).get(reverse(kind, args=[people.section]))
    with enter(people.school):
        (event,) = AuditLog.objects.filter(event="export")
        assert event.metadata["section"] == str(people.section)
        assert event.metadata["pupils"] == event.disclosures.count() == 5
    page = page_of(people, people.students[0]).content.decode()
    assert f"mark sheet of BIO-2 as {kind.upper()}" in page
    assert "teaches at the school, not this pupil" in page


def told_of(people, detail):
    """Return the pupils at whom an export is told."""
    with enter(people.school):
        event = AuditLog.objects.get(event="export", detail=detail)
        return {each.pupil_id for each in event.disclosures.all()}


def test_a_timeline_that_is_downloaded_is_told_at_each_pupil_it_tells_of(people):
    ada, ben, cleo = people.students
    with enter(people.school):
        people.stand(people.marks[0], "70", by=people.t1)
        people.t1.changes_cell("student", ben, email="ben@hill.example")
    office = Browser(people.a)
    for kind, record in (("section", people.section), ("student", ben), ("room", people.room)):
        assert office.get(reverse("admin:timeline", args=[kind, record]), {"csv": ""}).content
    assert told_of(people, "timeline of BIO-2 as CSV") == {ada, ben, cleo}
    assert told_of(people, "timeline of Brown, Ben as CSV") == {ben}
    assert told_of(people, "timeline of SCI 201 as CSV") == set()


def test_the_account_of_a_revert_that_is_downloaded_is_told_at_each_pupil_it_tells_of(people):
    ada, ben, _ = people.students
    with enter(people.school):
        people.stand(people.marks[0], "95", by=people.v)
        people.v.changes_cell("student", ben, email="niece@mail.example")
        decision = people.a.reverts(people.v).decision
    at = reverse("admin:reverted", args=[decision.number])
    assert b"".join(Browser(people.a).get(at, {"csv": ""}).streaming_content)
    assert told_of(people, f"account of revert {decision.number} as CSV") == {ada, ben}

"""What is allowed where two people are asked for, and might be the work of one: it is plain to see
on the list of corrections, and the others who decide are told."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import OutboxMessage
from accounts.people import add, change, name_substitute
from changes.propose import creation
from changes.review import approve
from grading.correction_list import corrections, rows
from grading.models import Enrollment
from tests.cast import only, typed
from tests.pages import Browser, form_of, words_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def marked(inside):
    """The cast, with a 60 that stands for Ada."""
    people = inside
    people.stands("60")
    people.ada, people.mark = people.students[0], people.marks[0]
    return people


def notes(people):
    found = corrections()
    return {row.correction.pk: list(row.notes) for row in rows(found, by=people.b.member)}


def said(people):
    return [note for each in notes(people).values() for note in each]


def test_an_account_that_somebody_made_to_approve_what_they_ask_is_named_beside_it(marked):
    people = marked
    asked = only(people.a.types(people.mark, "95", reason="recount"))
    made = add(
        email="second@self.example",
        name="Mr Self",
        role="office",
        school=people.school,
        by=people.a.member,
        origin=people.a.origin(),
    )
    approve([asked.pk], school=people.school, by=made, origin=people.a.origin())
    assert people.grade(people.mark) == "95"
    (note,) = said(people)
    assert note.startswith("Mr Self was added as office by A Admin, ")
    mail = OutboxMessage.objects.get(key__startswith="decides ")
    assert (mail.to, mail.subject) == (people.b.user.email, "Mr Self is new in the office")
    assert "A Admin said so" in mail.body


def test_so_is_one_that_asked_and_one_that_was_of_the_office_for_a_minute(marked):
    people = marked
    asked = only(people.t2.types(people.mark, "95", reason="recount"))
    given = {"by": people.a.member, "origin": people.a.origin(), "is_active": True}
    change(people.t1.member, role="office", **given)
    approve(
        [asked.pk],
        school=people.school,
        by=people.t1.member,
        origin=people.a.origin(),
    )
    change(people.t1.member, role="teacher", **given)
    assert said(people) == []  # neither of the two let the other in
    people.b.approves(only(people.t1.types(people.mark, "50", reason="recount")))
    assert said(people) == []
    people.a.approves(only(people.t1.types(people.mark, "55", reason="recount")))
    assert all("T1 Teacher was made" in each for each in said(people))
    assert len(said(people)) == 2
    assert OutboxMessage.objects.filter(key__startswith="decides ").count() == 1


def test_the_school_is_told_at_its_own_address_where_one_person_is_the_office(marked):
    people = marked
    origin = people.a.origin()
    people.school.email = people.t1.member.school.email = "board@hill.example"
    people.school.save(update_fields=["email"])
    change(people.b.member, role="teacher", is_active=True, by=people.a.member, origin=origin)
    people.t1.member.refresh_from_db()
    name_substitute(people.t1.member, by=people.a.member, origin=origin)
    mail = OutboxMessage.objects.get(key__startswith="decides ")
    assert mail.to == "board@hill.example"
    assert mail.subject == "T1 Teacher is the substitute for the office"


def test_who_takes_a_mark_away_alone_and_enters_another_one_elsewhere_is_named_beside_it(marked):
    """Whichever they do first: in another class of the course no mark stands."""
    people = marked
    values = {"course": str(people.course), "term": str(people.term), "code": "BIO-3"}
    there = creation("section", values | {"scale": str(people.scale.pk)})
    people.a.enters(there, whole=True)
    again = creation("enrollment", {"student": str(people.ada), "section": str(there[0].entity_id)})
    people.a.enters([*again, typed(again[0].entity_id, "95")], whole=True)
    assert said(people) == []
    people.a.reverts(people.t1, field="enrollment.grade")
    assert said(people) == ["A Admin alone has entered 95 for the pupil in this course."]


def test_also_where_the_pupil_was_brought_down_and_given_the_number_later(inside):
    people = inside
    kim = people.v.creates("student", number="412", family_name="Kim")
    people.b.approves(*people.open_of(kim))
    enrolment = people.t2.enrols(kim, people.section)
    people.b.approves(*people.open_of(enrolment))
    people.stand(enrolment, "40", by=people.t1)
    people.a.reverts(people.v, unticked=())
    new = creation("student", {"family_name": "Kim"})
    again = creation(
        "enrollment", {"student": str(new[0].entity_id), "section": str(people.section)}
    )
    people.a.enters([*new, *again, typed(again[0].entity_id, "95")], whole=True)
    people.a.approves(only(people.a.changes_cell("student", new[0].entity_id, number="412")))
    assert said(people) == ["A Admin alone has entered 95 for the pupil in this course."]


def test_notes_cost_no_more_for_many_corrections(marked):
    people = marked

    def statements(mark, *texts):
        for text in texts:
            people.a.approves(only(people.t1.types(mark, text, reason="recount")))
        with CaptureQueriesContext(connection) as asked:
            notes(people)
        return len(asked)

    statements(people.mark, "61")
    few = statements(people.mark, "62")
    assert statements(people.mark, "63", "64", "65") == few


def test_what_waits_for_a_second_person_and_is_no_correction_stands_on_the_list_too(people):
    """There the substitute of an office of one person finds it."""
    with enter(people.school):
        people.stands("60")
        there = creation(
            "section",
            {"course": str(people.course), "term": str(people.term), "code": "BIO-3"}
            | {"scale": str(people.scale.pk)},
        )
        people.a.enters(there, whole=True)
        target = str(there[0].entity_id)
        (moving,) = people.a.enters([typed(people.marks[0], target, field="section")]).waiting
        change(
            people.b.member,
            role="teacher",
            is_active=True,
            by=people.a.member,
            origin=people.a.origin(),
        )
        name_substitute(people.b.member, by=people.a.member, origin=people.a.origin())
    asker = Browser(people.a)
    own = asker.get(reverse("admin:corrections")).content.decode()
    assert "your own: somebody else decides" in words_of(own)
    assert "Approve ticked" not in own
    forged = {"action": "approve", "change": str(moving.id), "seen": str(moving.id)}
    assert asker.send(reverse("admin:decide"), forged).status_code == 409
    browser = Browser(people.b)
    page = browser.get(reverse("admin:corrections")).content.decode()
    assert f'name="change" value="{moving.id}"' in page
    assert "Approve ticked" in page
    assert "Abbott, Ada" in words_of(page)
    confirm = reverse("admin:confirm")
    sent = {**form_of(page, confirm), "action": "approve", "change": str(moving.id)}
    shown = browser.send(confirm, sent).content.decode()
    done = browser.send(reverse("admin:decide"), form_of(shown, confirm))
    assert done.status_code == 302
    with enter(people.school):
        assert str(Enrollment.objects.get(pk=people.marks[0]).section_id) == target

"""Instructors are told of marks that stood in their classes and changed, whoever proposed it: once
for each decision and class."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import freezing
from accounts.models import Membership, OutboxMessage
from changes import review
from changes.models import Change
from changes.propose import Draft
from tests.cast import SATURDAY_NIGHT, Cast, Person, creation, only
from tests.pages import more_pupils


def told() -> list[OutboxMessage]:
    return list(OutboxMessage.objects.filter(key__startswith="corrected ").order_by("id"))


def corrects(person: Person, mark, text: str, **options) -> Change:
    return only(person.types(mark, text, reason="Ada Abbott wrote more", **options))


@pytest.fixture
def marked(inside: Cast) -> Cast:
    """T1 teaches the class; each of its three pupils has a mark that stands."""
    for mark in inside.marks:
        inside.stand(mark, "60", by=inside.t1)
    return inside


def test_a_first_mark_is_no_news(marked):
    assert told() == []


def test_the_instructor_is_told_of_marks_that_somebody_else_changed(marked, settings):
    settings.SITE_URL = "https://marks.school.example"
    changes = [corrects(marked.v, mark, "90") for mark in marked.marks[:2]]
    assert told() == []  # until somebody decides it
    marked.a.approves(*changes, at=SATURDAY_NIGHT)
    (message,) = told()
    assert message.to == marked.t1.user.email
    assert "2 marks that stood have changed" in message.subject
    assert "BIO-2" in message.subject
    for words in (
        "A Admin approved it on Saturday 14 November 2026 at 23:15",
        "It was proposed by V Sweet.",
        f"https://marks.school.example/classes/{marked.section}/",
        "tell the office",
    ):
        assert words in message.body


def test_the_message_names_no_pupil_and_no_mark(marked):
    marked.a.approves(corrects(marked.v, marked.marks[0], "91"))
    (message,) = told()
    for secret in ("Abbott", "Ada", "91", "60"):
        assert secret not in message.subject + message.body.replace(str(marked.section), "")


def test_what_was_proposed_with_the_instructors_own_account_is_told_to_them_as_that(marked):
    marked.a.approves(*(corrects(marked.t1, mark, "61") for mark in marked.marks[:2]))
    (message,) = told()
    assert message.to == marked.t1.user.email
    assert "2 marks that stood have changed" in message.subject
    own = "It was proposed with your own account: if it was not you, tell the office at once."
    assert own in message.body
    assert "proposed by" not in message.body


def test_of_both_in_one_decision_each_is_told(marked):
    marked.a.approves(
        corrects(marked.t1, marked.marks[0], "61"), corrects(marked.v, marked.marks[1], "92")
    )
    (message,) = told()
    assert "2 marks that stood have changed" in message.subject
    assert "It was proposed by V Sweet. 1 of them was proposed with your own account" in (
        message.body
    )


def test_what_others_proposed_is_not_laid_at_the_instructors_door(marked):
    marked.a.approves(corrects(marked.v, marked.marks[0], "90"))
    (message,) = told()
    assert "your own account" not in message.body


def test_an_office_that_teaches_is_told_what_its_own_account_reverted(marked):
    teaches = [
        Draft(
            entity_type="section",
            entity_id=marked.section,
            field="instructor",
            typed=str(marked.a.user.pk),
        )
    ]
    marked.b.enters(teaches)
    marked.b.approves(corrects(marked.v, marked.marks[0], "90"))
    marked.a.reverts(marked.v)
    _, reverted = told()
    assert reverted.to == marked.a.user.email
    assert "It was decided with your own account" in reverted.body


def test_what_is_declined_changes_nothing_and_is_not_told(marked):
    marked.a.declines(corrects(marked.v, marked.marks[0], "90"))
    assert told() == []


def test_a_revert_and_its_lifting_are_told_each(marked):
    marked.a.approves(corrects(marked.v, marked.marks[0], "90"))
    reverted = marked.a.reverts(marked.v)
    marked.b.reinstates(reverted)
    _, taken_back, lifted = told()
    assert "A Admin reverted what an account had done" in taken_back.body
    assert "B Admin lifted a revert" in lifted.body
    assert "proposed by" not in taken_back.body + lifted.body


def test_a_rehearsal_tells_nobody(marked):
    change = corrects(marked.v, marked.marks[0], "90")
    review.rehearse_approval(
        [change.pk], school=marked.school, by=marked.a.member, origin=marked.a.origin()
    )
    marked.preview(marked.t1)
    assert told() == []


def test_a_mark_that_goes_with_its_enrolment_is_told_too(marked):
    marked.v.deletes("enrollment", marked.marks[0])
    marked.a.approves(*marked.open_of(marked.marks[0]))
    (message,) = told()
    assert "1 mark that stood has changed" in message.subject


def test_marks_that_go_with_their_class_are_told_to_who_taught_it(marked):
    marked.v.deletes("section", marked.section)
    marked.a.approves(*marked.open_of(marked.section))
    (message,) = told()
    assert message.to == marked.t1.user.email
    assert "3 marks" in message.subject
    assert "BIO-2" in message.subject
    assert "/classes/" not in message.body  # nothing is there to look at


def test_each_class_is_told_by_itself(marked):
    section = creation(
        "section",
        {
            "course": str(marked.course),
            "term": str(marked.term),
            "code": "BIO-3",
            "scale": str(marked.scale.pk),
            "instructor": str(marked.t2.user.pk),
        },
    )
    marked.a.enters(section, whole=True)
    (other,) = more_pupils(marked, 1, section=section[0].entity_id)
    marked.stand(other, "50", by=marked.t2)
    marked.a.approves(corrects(marked.v, marked.marks[0], "90"), corrects(marked.v, other, "90"))
    assert {(m.to, m.subject[:5]) for m in told()} == {
        (marked.t1.user.email, "BIO-2"),
        (marked.t2.user.email, "BIO-3"),
    }


def test_who_left_is_not_told(marked):
    Membership.objects.filter(pk=marked.t1.member.pk).update(is_active=False)
    marked.a.approves(corrects(marked.v, marked.marks[1], "90"))
    assert told() == []


def test_whose_account_is_frozen_is_not_told(marked):
    freezing.freeze(marked.t1.member, by=marked.a.member, origin=marked.a.origin())
    marked.a.approves(corrects(marked.v, marked.marks[1], "90"))
    assert told() == []


def test_who_switched_off_the_mail_about_their_own_changes_is_told_all_the_same(marked):
    Membership.objects.filter(pk=marked.t1.member.pk).update(decided_by_mail="never")
    marked.a.approves(corrects(marked.v, marked.marks[0], "90"))
    assert [message.to for message in told()] == [marked.t1.user.email]


def test_telling_of_thirty_marks_takes_as_many_statements_as_of_three(marked):
    def statements(marks) -> int:
        changes = [corrects(marked.v, mark, "90") for mark in marks]
        with CaptureQueriesContext(connection) as captured:
            marked.a.approves(*changes)
        return len(captured)

    many = more_pupils(marked, 30)
    for mark in many:
        marked.stand(mark, "50", by=marked.t1)
    assert statements(marked.marks) == statements(many)
    assert len(told()) == 2

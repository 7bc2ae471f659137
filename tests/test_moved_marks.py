"""Instructors are told in the product which marks of their classes a revert has moved."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from changes.propose import Draft, creation
from grading import moved_marks
from grading.models import Enrollment
from tests.cast import typed
from tests.pages import Browser, form_of, more_pupils, words_of

pytestmark = pytest.mark.django_db
PAGE, ALL, SEEN = reverse("decided"), reverse("moved-marks"), reverse("decided-seen")


@pytest.fixture
def reverted(people):
    """In T1's class V raised a mark from 60 to 95, and that was reverted."""
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        people.stand(people.marks[0], "95", by=people.v)
        people.done = people.a.reverts(people.v, reason="her niece did it")
        people.t1.member.decided_seen = people.done.decision.number - 1
        people.t1.member.save()
    return people


def moved(person, path=PAGE):
    response = Browser(person).get(path)
    assert response.status_code == 200
    return [
        (
            line.title,
            line.correction.old_grade,
            line.correction.new_grade,
            line.is_new,
        )
        for line in response.context["moved"]
    ]


def test_the_instructor_sees_what_moved_from_what_to_what_and_not_why_the_office_did_it(reverted):
    assert moved(reverted.t1) == [("Abbott, Ada in BIO-2", "95", "60", True)]
    page = Browser(reverted.t1).get(PAGE).content.decode()
    assert "A Admin" in page
    assert "her niece" not in page
    assert moved(reverted.t1, ALL) == moved(reverted.t1)


def test_the_menu_counts_it_until_it_was_seen_and_the_office_reads_that_it_was(reverted):
    browser = Browser(reverted.t1)
    assert "My changes <b>(1" in browser.get("/classes/").content.decode()
    account = reverse("admin:reverted", args=[reverted.done.decision.number])
    assert "not seen yet" in Browser(reverted.b).get(account).content.decode()
    browser.send(SEEN, form_of(browser.get(PAGE).content.decode(), at=SEEN))
    assert "My changes <b>(" not in browser.get("/classes/").content.decode()
    assert moved(reverted.t1) == [("Abbott, Ada in BIO-2", "95", "60", False)]
    assert "seen since" in Browser(reverted.b).get(account).content.decode()


def test_lifting_it_is_told_too(reverted):
    with enter(reverted.school):
        reverted.b.reinstates(reverted.done)
    assert [row[1:3] for row in moved(reverted.t1)] == [("60", "95"), ("95", "60")]


def test_nobody_else_sees_it_nor_who_did_it_themselves(reverted):
    for person in (reverted.v, reverted.t2, reverted.outsider):
        assert moved(person) == []
        assert moved(person, ALL) == []
    with enter(reverted.school):
        instructor = Draft(
            entity_type="section",
            entity_id=reverted.section,
            field="instructor",
            typed=str(reverted.a.user.pk),
        )
        reverted.b.enters([instructor])
    assert moved(reverted.a) == []


def test_a_mark_that_vanished_with_its_enrolment_is_told_to_whose_class_it_was_in(people):
    with enter(people.school):
        kim = people.v.creates("student", number="412", family_name="Kim")
        people.a.approves(*people.open_of(kim))
        enrolment = people.t2.enrols(kim, people.section)
        people.a.approves(*people.open_of(enrolment))
        people.stand(enrolment, "71", by=people.t2)
        people.a.reverts(people.v, unticked=())
    assert moved(people.t1) == [("Kim in BIO-2", "71", None, True)]
    assert moved(people.t2) == []


@pytest.fixture
def left(people):
    """Kim, whom V entered, was in BIO-2 of T1, went to BIO-3 of T2, and got 71 there; V's work was
    reverted, so that Kim is gone. Teachers see their own classes only."""
    people.school.teachers_restricted = True
    people.school.save()
    with enter(people.school):
        other = creation(
            "section",
            {
                "course": str(people.course),
                "term": str(people.term),
                "code": "BIO-3",
                "scale": str(people.scale.pk),
                "instructor": str(people.t2.user.pk),
            },
        )
        people.a.enters(other, whole=True)
        kim = people.v.creates("student", number="412", family_name="Kim")
        people.a.approves(*people.open_of(kim))
        people.enrolment = people.t1.enrols(kim, people.section)
        people.a.approves(*people.open_of(people.enrolment))
        people.a.enters([typed(people.enrolment, str(other[0].entity_id), field="section")])
        people.stand(people.enrolment, "71", by=people.t2)
        people.done = people.a.reverts(people.v, unticked=())
        assert not Enrollment.objects.filter(pk=people.enrolment)
    return people


def test_a_mark_that_vanished_is_none_of_whose_class_the_pupil_had_left_before(left):
    assert moved(left.t1) == moved(left.t1, ALL) == []
    assert "Kim" not in words_of(Browser(left.t1).get(ALL).content.decode())
    assert moved(left.t2) == moved(left.t2, ALL) == [("Kim in BIO-3", "71", None, True)]


def test_the_account_of_the_revert_says_the_same_of_who_was_told(left):
    with enter(left.school):
        on_the_page = [
            each for each in moved_marks.told_of(left.done.decision) if "page" in each.how
        ]
    assert [each.who for each in on_the_page] == [f"{left.t2.user} ({left.t2.user.email})"]


def test_a_pupil_who_vanished_is_not_called_what_somebody_else_proposes(people):
    with enter(people.school):
        kim = people.v.creates("student", number="412", family_name="Kim")
        people.a.approves(*people.open_of(kim))
        enrolment = people.t2.enrols(kim, people.section)
        people.a.approves(*people.open_of(enrolment))
        people.stand(enrolment, "71", by=people.t2)
        people.t2.changes_cell("student", kim, family_name="Secret")
        people.a.reverts(people.v, unticked=())
    assert [row[0] for row in moved(people.t1)] == ["Kim in BIO-2"]


def test_more_marks_cost_no_more_and_are_paged(people):
    marks = more_pupils(people, 63)
    browser = Browser(people.t1)

    def cost(some):
        with enter(people.school):
            people.a.enters([typed(each, "60") for each in some])
            start = people.clock.now
            people.a.approves(
                *people.v.proposes([typed(each, "95", reason="slip") for each in some]).changes
            )
            people.b.reverts(people.v, start=start)
        with CaptureQueriesContext(connection) as queries:
            browser.get(PAGE)
            page = browser.get(ALL)
        return len(queries), page.context["page"].paginator.count

    assert cost(marks[:10])[1] == 10
    few, _ = cost(marks[10:13])
    many, count = cost(marks[13:])
    assert count == 63
    assert many <= few

"""Who waits for a place in a class, and giving one that became free to the first of them."""

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import outbox
from accounts.in_school import enter
from changes.models import Decision
from grading.models import Enrollment
from tests.cast import typed
from tests.pages import Browser, more_pupils

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:waiting_list")
GIVE = reverse("admin:give_place")


@pytest.fixture
def full(people):
    """A class of one place: Ada has it; Cleo's waiting was approved before Ben's."""
    _ada, ben, cleo = people.marks
    with enter(people.school):
        for mark in (cleo, ben):
            people.a.enters([typed(mark, "waitlisted", field="status")])
        people.a.approves(*people.t1.changes_cell("section", people.section, capacity="1").changes)
        people.a.approves(
            *people.t1.changes_cell(
                "student",
                people.students[2],
                email="cleo@school.example",
                guardian_email="carter@home.example",
            ).changes
        )
    return people


def a_place_becomes_free(people):
    with enter(people.school):
        people.a.enters([typed(people.marks[0], "withdrawn", field="status")])


def page_of(person):
    response = Browser(person).get(PAGE)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def give(person, enrollment):
    response = Browser(person).send(GIVE, {"enrollment": str(enrollment)}, follow=True)
    return " ".join(response.content.decode().split())


def statuses(people):
    with enter(people.school):
        found = dict(Enrollment.objects.values_list("pk", "status"))
    return [found[mark] for mark in people.marks]


def test_a_full_class_is_listed_with_those_who_wait_in_the_order_of_approval(full):
    page = page_of(full.a)
    assert "1, 0 free" in page
    assert page.index("1. Carter, Cleo") < page.index("2. Brown, Ben")
    assert "Give the place to" not in page


def test_a_place_that_became_free_goes_to_the_first_who_is_told_by_mail(full):
    people = full
    a_place_becomes_free(people)
    assert "Give the place to Carter, Cleo" in page_of(people.a)
    answer = give(people.a, people.marks[2])
    assert "Carter, Cleo has a place in BIO-2. They are told by mail." in answer
    assert statuses(people) == ["withdrawn", "waitlisted", "enrolled"]
    while outbox.send_next(people.school):
        pass
    (message,) = mail.outbox
    assert message.to == ["cleo@school.example"]
    assert message.subject == "BIO-2 (Biology): you have a place"
    with enter(people.school):
        decision = Decision.objects.latest("number")
        assert (decision.kind, decision.decided_by) == ("direct", people.a.user)
        assert people.is_equal()


def test_guardians_get_a_copy_where_the_school_says_so(full):
    people = full
    people.school.guardians_copied = True
    people.school.save()
    a_place_becomes_free(people)
    give(people.a, people.marks[2])
    while outbox.send_next(people.school):
        pass
    to = sorted(message.to[0] for message in mail.outbox)
    assert to == ["carter@home.example", "cleo@school.example"]


def test_nobody_passes_the_first_and_no_place_is_given_twice(full):
    people = full
    assert "is full again" in give(people.a, people.marks[2])
    a_place_becomes_free(people)
    assert "not the first who waits" in give(people.a, people.marks[1])
    give(people.a, people.marks[2])
    assert "not the first who waits" in give(people.b, people.marks[2])
    assert "is full again" in give(people.b, people.marks[1])
    assert statuses(people) == ["withdrawn", "waitlisted", "enrolled"]


def test_who_has_no_address_is_to_be_told_by_the_office(full):
    people = full
    with enter(people.school):
        people.a.approves(*people.t1.changes_cell("section", people.section, capacity="9").changes)
    give(people.a, people.marks[2])
    assert "tell them yourself" in give(people.a, people.marks[1])
    assert page_of(people.a).count("Nobody waits for a place") == 1


@pytest.mark.parametrize("enrollment", ["", "x", "\x00"])
def test_what_is_no_enrolment_changes_nothing(full, enrollment):
    a_place_becomes_free(full)
    assert Browser(full.a).send(GIVE, {"enrollment": enrollment}).status_code == 302
    assert statuses(full) == ["withdrawn", "waitlisted", "waitlisted"]


def test_another_school_neither_sees_nor_gives_a_place(full):
    people = full
    a_place_becomes_free(people)
    assert "Carter" not in page_of(people.outsider)
    response = Browser(people.outsider).send(GIVE, {"enrollment": str(people.marks[2])})
    assert response.status_code == 404
    assert statuses(people) == ["withdrawn", "waitlisted", "waitlisted"]


def test_longer_lists_cost_no_more_statements(full):
    people = full

    def statements():
        with CaptureQueriesContext(connection) as queries:
            page_of(people.a)
        return len(queries)

    few = statements()
    pupils = more_pupils(people, 8)
    with enter(people.school):
        people.a.enters([typed(each, "waitlisted", field="status") for each in pupils])
    assert statements() == few

"""My classes: what is missing and what waits, as one teacher sees it."""

import datetime as dt
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from changes.propose import creation
from grading.class_list import current_term
from grading.models import Term
from tests.cast import Person, only
from tests.pages import Browser, more_pupils

pytestmark = pytest.mark.django_db


def shown(person: Person, query: str = "") -> str:
    response = Browser(person).get(reverse("classes") + query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_the_office_without_a_class_is_shown_to_what_waits(people):
    page = shown(people.a)
    assert "You teach no class in this term." in page
    assert "tell the office" not in page
    assert f'<a href="{reverse("admin:review")}">Review</a>.' in page


def test_one_starts_with_ones_classes_and_the_office_that_teaches_none_with_its_own_pages(people):
    def starts_at(person: Person) -> str:
        response = Browser(person).get("/", follow=True)
        assert response.status_code == 200
        return response.redirect_chain[-1][0]

    for teacher in (people.t1, people.t2):
        assert starts_at(teacher) == reverse("classes")
    assert starts_at(people.a) == reverse("admin:index")
    with enter(people.school):
        drafts = creation("term", {"name": "Spring 2020", "starts_on": "2020-01-07"})
        people.b.enters(drafts, whole=True)
    add_section(people, "OLD-1", people.a, drafts[0].entity_id)
    assert starts_at(people.a) == reverse("classes")
    assert starts_at(people.b) == reverse("admin:index")


def test_after_signing_in_the_office_is_where_its_work_is(people):
    people.a.user.set_password("a long and quiet evening")
    people.a.user.save()
    sent = {"login": people.a.user.email, "password": "a long and quiet evening"}
    response = Client().post(reverse("account_login"), sent, follow=True)
    assert response.redirect_chain[-1][0] == reverse("admin:index")


def add_section(people, code: str, instructor: Person, term: uuid.UUID | None = None) -> uuid.UUID:
    with enter(people.school):
        drafts = creation(
            "section",
            {
                "course": str(people.course),
                "term": str(term or people.term),
                "code": code,
                "scale": str(people.scale.pk),
                "instructor": str(instructor.user.pk),
            },
        )
        people.a.enters(drafts, whole=True)
        return drafts[0].entity_id


def test_anonymous_people_are_sent_to_sign_in(client):
    assert client.get(reverse("classes")).status_code == 302


def test_a_teacher_sees_own_classes_and_how_many_marks_are_missing(people):
    page = shown(people.t1)
    assert "BIO-2" in page
    assert "3 marks missing" in page


def test_own_waiting_marks_count_and_those_of_others_do_not(people):
    with enter(people.school):
        people.t1.types(people.marks[0], "70")
        people.t2.types(people.marks[1], "50")
        people.t2.types(people.marks[2], "50")
    assert "2 marks missing" in shown(people.t1)
    assert "1 waiting" in shown(people.t1)
    page = shown(people.t2, "?all")
    assert "1 mark missing" in page
    assert "2 waiting" in page
    assert "3 marks missing" in shown(people.v, "?all")
    assert "waiting</span>" not in shown(people.v, "?all")


def test_an_own_new_pupil_counts_for_its_author_alone(people):
    with enter(people.school):
        new = people.t1.creates("student", family_name="Ashdown")
        people.t1.enrols(new, people.section)
    assert "4 marks missing" in shown(people.t1)
    assert "3 marks missing" in shown(people.v, "?all")


def test_a_waiting_clearing_of_a_mark_makes_it_missing_again(people):
    with enter(people.school):
        people.a.approves(only(people.t1.types(people.marks[0], "70")))
    assert "2 marks missing" in shown(people.t1)
    with enter(people.school):
        people.t1.types(people.marks[0], None, reason="it was another pupil's")
    assert "3 marks missing" in shown(people.t1)


def test_an_own_waiting_move_to_the_waiting_list_takes_the_pupil_from_the_count(people):
    with enter(people.school):
        people.t1.changes_cell("enrollment", people.marks[0], status="withdrawn")
    assert "2 marks missing" in shown(people.t1)


def test_who_teaches_nothing_is_told_and_may_see_all(people):
    page = shown(people.v)
    assert "You teach no class in this term" in page
    assert "BIO-2" not in page
    assert "BIO-2" in shown(people.v, "?all")


def test_where_teachers_are_restricted_nobody_lists_the_classes_of_others(people):
    people.school.teachers_restricted = True
    people.school.save()
    page = shown(people.v, "?all")
    assert "BIO-2" not in page
    assert "All classes of the school" not in page
    assert "BIO-2" in shown(people.a, "?all")


def test_another_school_sees_nothing_of_it(people):
    assert "BIO-2" not in shown(people.outsider, "?all")
    assert "BIO-2" not in shown(people.outsider, f"?all&term={people.term}")


def test_the_term_can_be_chosen_and_nonsense_is_passed_over(people):
    with enter(people.school):
        drafts = creation("term", {"name": "Spring 2026", "starts_on": "2026-01-07"})
        people.a.enters(drafts, whole=True)
    add_section(people, "OLD-1", people.t1, drafts[0].entity_id)
    assert "OLD-1" not in shown(people.t1)
    page = shown(people.t1, f"?term={drafts[0].entity_id}")
    assert "OLD-1" in page
    assert "BIO-2" not in page
    for nonsense in ("?term=x", f"?term={uuid.uuid4()}", "?term=%00"):
        assert "BIO-2" in shown(people.t1, nonsense)


def test_the_current_term_is_the_one_that_runs_else_the_last_that_began():
    day = dt.date
    spring = Term(name="spring", starts_on=day(2026, 1, 7), ends_on=day(2026, 3, 31))
    autumn = Term(name="autumn", starts_on=day(2026, 9, 1), ends_on=day(2026, 12, 18))
    undated = Term(name="undated")
    terms = [autumn, spring, undated]
    assert current_term(terms, day(2026, 3, 31)) == spring
    assert current_term(terms, day(2026, 7, 1)) == spring
    assert current_term(terms, day(2026, 9, 1)) == autumn
    assert current_term(terms, day(2025, 1, 1)) == spring
    assert current_term([], day(2026, 1, 1)) is None


def test_the_page_costs_as_many_queries_for_thirty_pupils_and_six_classes(people):
    browser = Browser(people.t1)
    with enter(people.school):
        people.t1.types(people.marks[0], "70")

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            browser.get(reverse("classes"))
        return len(queries)

    cost()
    few = cost()
    ids = more_pupils(people, 27)
    for n in range(5):
        add_section(people, f"MORE-{n}", people.t1)
    with enter(people.school):
        for each in ids[:10]:
            people.t1.types(each, "70")
    assert cost() == few

"""Editing a record on the office's pages: through the ledger, and never over what somebody else
changed in between."""

import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import Membership
from changes.models import Change, Decision
from changes.propose import Draft
from grading.models import Course, Enrollment, Section
from students.models import Student
from tests.cast import Cast, Person, only
from tests.pages import Browser, form_of

pytestmark = pytest.mark.django_db


def at(name: str, pk: uuid.UUID) -> str:
    return reverse(f"admin:{name}_edit", args=[pk])


def opens(person: Person, path: str) -> dict[str, str]:
    """Open the form and return its fields, as a browser sends them untouched. (Lists too.)"""
    response = Browser(person).get(path)
    assert response.status_code == 200
    return fields(response)


def fields(response) -> dict[str, str]:
    page = response.content.decode()
    found = form_of(page)
    for name, inner in re.findall(r'<select name="(\w+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', inner)
        found[name] = chosen[1] if chosen else ""
    for name in re.findall(r'type="radio" name="([\w-]+)"', page):
        found.pop(name, None)
    return found


def save(person: Person, path: str, form: dict[str, str], **typed: str):
    return Browser(person).send(path, {**form, **typed})


def stands(people: Cast, model, pk: uuid.UUID):
    with enter(people.school):
        assert people.is_equal()
        return model.objects.get(pk=pk)


def directly(person: Person, entity_type: str, pk: uuid.UUID, **values: str) -> None:
    with enter(person.school):
        person.enters(
            [
                Draft(entity_type=entity_type, entity_id=pk, field=f, typed=v, touched=True)
                for f, v in values.items()
            ],
            whole=True,
        )


def test_what_is_typed_stands_at_once_as_one_decision_with_who_and_why(people):
    path = at("students_student", people.students[0])
    form = opens(people.a, path)
    response = save(people.a, path, form, email="ada@hill.example", year_level="9", reason="asked")
    assert response.url == reverse("admin:students_student_change", args=[people.students[0]])
    ada = stands(people, Student, people.students[0])
    assert (ada.email, ada.year_level, ada.family_name) == ("ada@hill.example", "9", "Abbott")
    with enter(people.school):
        decision = Decision.objects.latest("number")
        assert (decision.kind, decision.decided_by) == ("direct", people.a.user)
        changes = decision.changes.order_by("field")
        assert [(c.field, c.value) for c in changes] == [
            ("email", "ada@hill.example"),
            ("year_level", "9"),
        ]
        assert changes[0].change_set.source == "admin"
        assert changes[0].change_set.reason == "asked"


def test_it_says_how_many_are_told_of_it(people):
    with enter(people.school):
        for number, pupil in enumerate(people.students[:2]):
            directly(people.a, "student", pupil, email=f"p{number}@home.example")
    path, browser = at("grading_section", people.section), Browser(people.a)

    def saved(**typed: str) -> str:
        response = browser.send(path, {**opens(people.a, path), **typed})
        return re.findall("Saved: [^<]*", browser.get(response.url).content.decode())[0]

    assert saved(schedule="Mondays, 9:00") == "Saved: 1 change. 2 people are told of it."
    assert saved(source_id="r-1") == "Saved: 1 change."


def test_a_form_that_is_saved_untouched_changes_nothing(people):
    for name, pk in (
        ("students_student", people.students[0]),
        ("grading_section", people.section),
        ("grading_enrollment", people.marks[0]),
        ("grading_course", people.course),
        ("grading_term", people.term),
        ("grading_room", people.room),
    ):
        form = opens(people.a, at(name, pk))
        with enter(people.school):
            before = (Change.objects.count(), Decision.objects.count())
        assert save(people.a, at(name, pk), form).status_code == 302, name
        with enter(people.school):
            assert (Change.objects.count(), Decision.objects.count()) == before, name


def test_a_value_that_somebody_else_changed_in_between_is_shown_and_asked_about(people):
    path = at("grading_course", people.course)
    form = opens(people.a, path)
    directly(people.b, "course", people.course, title="Biology I")
    response = save(people.a, path, form, title="Life science")
    assert response.status_code == 422
    page = response.content.decode()
    assert 'value="Life science"' in page
    assert '<b class="typed">Biology I</b>' in page
    assert "B Admin changed this, " in page
    assert stands(people, Course, people.course).title == "Biology I"
    # ... which one counts is asked until it is said.
    again = fields(response)
    assert save(people.a, path, again).status_code == 422
    assert stands(people, Course, people.course).title == "Biology I"
    assert save(people.a, path, {**again, "title-choice": "mine"}).status_code == 302
    assert stands(people, Course, people.course).title == "Life science"
    with enter(people.school):
        assert Change.objects.latest("id").old_value == "Biology I"


def test_the_newer_value_stays_where_it_is_chosen_and_the_rest_is_saved(people):
    path = at("grading_course", people.course)
    form = opens(people.a, path)
    directly(people.b, "course", people.course, title="Biology I")
    response = save(people.a, path, form, title="Life science", credits="5")
    again = {**fields(response), "title-choice": "theirs"}
    assert save(people.a, path, again).status_code == 302
    course = stands(people, Course, people.course)
    assert (course.title, str(course.credits)) == ("Biology I", "5.00")


def test_a_third_value_meanwhile_is_asked_about_anew(people):
    path = at("grading_course", people.course)
    form = opens(people.a, path)
    directly(people.b, "course", people.course, title="Biology I")
    again = fields(save(people.a, path, form, title="Life science"))
    directly(people.b, "course", people.course, title="Biology II")
    response = save(people.a, path, {**again, "title-choice": "mine"})
    assert response.status_code == 422
    assert '<b class="typed">Biology II</b>' in response.content.decode()
    assert stands(people, Course, people.course).title == "Biology II"


def test_what_somebody_else_changed_in_another_field_is_left_as_it_is(people):
    path = at("grading_course", people.course)
    form = opens(people.a, path)
    directly(people.b, "course", people.course, title="Biology I")
    assert save(people.a, path, form, credits="5").status_code == 302
    course = stands(people, Course, people.course)
    assert (course.title, str(course.credits)) == ("Biology I", "5.00")


def test_typing_what_somebody_else_has_entered_meanwhile_is_no_conflict(people):
    path = at("grading_course", people.course)
    form = opens(people.a, path)
    directly(people.b, "course", people.course, title="Biology I")
    assert save(people.a, path, form, title="Biology I").status_code == 302


def test_a_mark_that_stands_waits_for_a_second_person_and_needs_a_reason(people):
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
    path = at("grading_enrollment", people.marks[0])
    form = opens(people.a, path)
    response = save(people.a, path, form, grade="70")
    assert response.status_code == 422
    assert "Say why it changes" in response.content.decode()
    assert save(people.a, path, form, grade="70", reason="recounted").status_code == 302
    assert stands(people, Enrollment, people.marks[0]).grade == "60"
    with enter(people.school):
        (waiting,) = people.open_of(people.marks[0])
        assert (waiting.value, waiting.two_people) == ("70", True)


def test_what_the_ledger_refuses_is_said_beside_its_field_and_nothing_is_saved(people):
    path = at("students_student", people.students[0])
    form = opens(people.a, path)
    response = save(people.a, path, form, email="nobody", year_level="9")
    assert response.status_code == 422
    assert "is not an e-mail address" in response.content.decode()
    assert stands(people, Student, people.students[0]).year_level == ""


def test_a_number_that_another_pupil_has_is_refused(people):
    path = at("students_student", people.students[0])
    response = save(people.a, path, opens(people.a, path), number="102")
    assert response.status_code == 422
    assert stands(people, Student, people.students[0]).number == "101"


def test_an_instructor_is_chosen_among_the_active_people_of_the_school(people):
    Membership.objects.filter(pk=people.v.member.pk).update(is_active=False)
    path = at("grading_section", people.section)
    page = Browser(people.a).get(path).content.decode()
    offered = re.search(r'<select name="instructor".*?</select>', page, re.DOTALL)[0]
    assert "T2 Teacher" in offered
    assert "V Sweet" not in offered
    assert "O Outsider" not in offered
    form = opens(people.a, path)
    outsider = str(people.outsider.user.pk)
    assert save(people.a, path, form, instructor=outsider).status_code == 422
    assert save(people.a, path, form, instructor=str(people.t2.user.pk)).status_code == 302
    assert stands(people, Section, people.section).instructor_id == people.t2.user.pk


def test_a_form_that_is_sent_twice_is_saved_once(people):
    path = at("grading_course", people.course)
    form = opens(people.a, path)
    for _ in range(2):
        assert save(people.a, path, form, credits="5").status_code == 302
    with enter(people.school):
        assert Change.objects.filter(entity_id=people.course, field="credits").count() == 2


def test_teachers_are_refused_and_another_school_finds_nothing(people):
    path = at("students_student", people.students[0])
    assert Browser(people.t1).get(path).status_code == 403
    assert Browser(people.t1).send(path, {"email": "x@y.example"}).status_code == 403
    assert Browser(people.outsider).get(path).status_code == 404
    assert Browser(people.outsider).send(path, {"email": "x@y.example"}).status_code == 404


def test_a_record_says_what_waits_on_it_of_everybody_and_leads_to_its_review(people):
    with enter(people.school):
        first = only(people.t1.changes_cell("course", people.course, title="Biology I"))
        only(people.t2.changes_cell("course", people.course, credits="6"))
    page = (
        Browser(people.a)
        .get(reverse("admin:grading_course_change", args=[people.course]))
        .content.decode()
    )
    assert "Biology I" in page
    assert "6.00" in page
    assert "T1 Teacher" in page
    assert reverse("admin:change_set", args=[first.change_set_id]) in page
    with enter(people.school):
        people.a.approves(*people.open_of(people.course))
    page = (
        Browser(people.a)
        .get(reverse("admin:grading_course_change", args=[people.course]))
        .content.decode()
    )
    assert "Awaiting approval" not in page


def test_a_page_with_much_that_waits_costs_the_same_as_one_with_little(people):
    path = reverse("admin:students_student_change", args=[people.students[0]])

    def cost() -> int:
        browser = Browser(people.a)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(path).status_code == 200
        return len(queries)

    with enter(people.school):
        people.t1.changes_cell("student", people.students[0], email="a@hill.example")
    cost()  # what is kept from the first page on
    few = cost()
    with enter(people.school):
        for person in (people.t1, people.t2, people.v):
            for field in ("email", "year_level", "home_group", "given_names", "family_name"):
                people.clock.tick()
                person.changes_cell("student", people.students[0], **{field: f"x{field}@y.example"})
    assert cost() == few


@pytest.mark.parametrize(
    ("name", "headings"),
    [
        ("students_student", ["Family name", "Given names", "Number", "Date of birth"]),
        ("grading_term", ["Name", "First day", "Last day", "Marks open", "Marks close"]),
        ("grading_enrollment", ["Pupil", "Section", "Term", "Status", "Mark", "Comment"]),
    ],
)
def test_lists_and_pages_call_fields_what_people_call_them(people, name, headings):
    browser = Browser(people.a)
    page = browser.get(reverse(f"admin:{name}_changelist")).content.decode()
    assert headings_of(page)[: len(headings)] == headings
    link = re.search(rf'href="({reverse(f"admin:{name}_changelist")}[0-9a-f-]{{36}}/change/)', page)
    record = browser.get(link[1]).content.decode()
    of_its_own = [each for each in headings if (name, each) != ("grading_enrollment", "Term")]
    for heading in of_its_own:  # the term is the section's, and stands in the title of the place
        assert f"<dt>{heading}</dt>" in record
    assert "Source id" not in record


def headings_of(page: str) -> list[str]:
    found = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page, re.DOTALL)
    return [re.sub(r"<[^>]*>", "", each).strip() for each in found]


@pytest.mark.parametrize(
    ("name", "headings"),
    [
        ("changes_changeset", ["Received at", "Who", "From the address", "How", "Reason"]),
        (
            "changes_decision",
            ["Number", "Kind", "Decided by", "Rule", "Decided at", "From the address", "Reason"],
        ),
    ],
)
def test_the_lists_of_the_ledger_have_headings_in_words(people, name, headings):
    page = Browser(people.a).get(reverse(f"admin:{name}_changelist")).content.decode()
    assert headings_of(page) == headings

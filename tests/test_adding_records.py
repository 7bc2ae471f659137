"""Adding a record on the office's pages, and moving one to another parent: through the ledger."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from changes.models import Change, Decision
from changes.propose import creation
from grading.models import Course, Enrollment, Room, Section, Term
from students.models import Student
from tests.pages import Browser
from tests.test_editing_records import at, fields, opens, save, stands

pytestmark = pytest.mark.django_db


def adding(name):
    return reverse(f"admin:{name}_add")


def adds(person, name, /, **typed):
    path = adding(name)
    return save(person, path, opens(person, path), **typed)


def other_section(people, code="BIO-3", **more):
    with enter(people.school):
        drafts = creation(
            "section",
            {"course": str(people.course), "term": str(people.term), "code": code, **more},
        )
        people.a.enters(drafts, whole=True)
    return drafts[0].entity_id


@pytest.mark.parametrize(
    ("name", "model", "typed"),
    [
        ("grading_term", Term, {"name": "Spring 2027", "starts_on": "2027-01-11"}),
        ("grading_course", Course, {"code": "CHE", "title": "Chemistry"}),
        ("grading_room", Room, {"name": "ENG 105"}),
        ("students_student", Student, {"family_name": "Dale", "given_names": "Dora"}),
    ],
)
def test_a_record_is_added_from_its_list_in_one_decision_and_stands_at_once(
    people, name, model, typed
):
    listed = Browser(people.a).get(reverse(f"admin:{name}_changelist")).content.decode()
    assert f'href="{adding(name)}"' in listed
    response = adds(people.a, name, **typed, reason="new this year")
    with enter(people.school):
        made = model.objects.get(**typed)
        assert response.url == reverse(f"admin:{name}_change", args=[made.pk])
        decision = Decision.objects.latest("number")
        assert (decision.kind, decision.decided_by) == ("direct", people.a.user)
        changes = {c.field: c for c in decision.changes.all()}
        assert {f: c.value for f, c in changes.items()} == {"exists": "true", **typed}
        assert len({c.change_set_id for c in changes.values()}) == 1
        assert changes["exists"].change_set.source == "admin"
        assert people.is_equal()


def test_a_section_is_added_with_its_course_and_term_chosen(people):
    page = Browser(people.a).get(adding("grading_section")).content.decode()
    assert "Add a section" in page
    assert "Choose …" in page
    given = {"course": str(people.course), "term": str(people.term), "code": "BIO-7"}
    response = adds(people.a, "grading_section", **given, instructor=str(people.t2.user.pk))
    assert response.status_code == 302
    with enter(people.school):
        made = Section.objects.get(code="BIO-7")
        assert (made.course_id, made.term_id) == (people.course, people.term)
        assert made.instructor_id == people.t2.user.pk


def test_what_a_record_cannot_be_without_is_asked_for_at_its_field(people):
    response = adds(people.a, "grading_section", code="BIO-7", term=str(people.term))
    assert response.status_code == 422
    page = response.content.decode()
    assert "Choose the course from the list." in page
    assert "Choose the term" not in page
    assert 'value="BIO-7"' in page
    nameless = adds(people.a, "students_student", number="500").content.decode()
    assert "Give the given names or family name" in nameless
    with enter(people.school):
        assert not Section.objects.filter(code="BIO-7").exists()
        assert not Student.objects.filter(number="500").exists()


def test_a_number_or_code_that_is_taken_is_refused_at_its_field_once(people):
    response = adds(people.a, "students_student", family_name="Dale", number="101")
    assert response.status_code == 422
    page = response.content.decode()
    assert page.count("Another pupil has the same number. If it is the same one, use that one") == 1
    assert "is not approved" not in page
    given = {"course": str(people.course), "term": str(people.term), "code": "BIO-2"}
    page = adds(people.a, "grading_section", **given).content.decode()
    assert "Another section has the same term and code." in page
    with enter(people.school):
        assert Student.objects.count() == 3
        assert not Change.objects.filter(value="Dale").exists()


def test_what_the_ledger_does_not_take_is_said_at_its_field(people):
    response = adds(people.a, "grading_term", name="Spring", starts_on="2027-02-31")
    assert response.status_code == 422
    assert "is not a date" in response.content.decode()


def test_a_form_that_is_sent_twice_adds_one(people):
    form = opens(people.a, adding("grading_room"))
    first, again = (save(people.a, adding("grading_room"), form, name="ENG 105") for _ in range(2))
    assert first.url == again.url
    with enter(people.school):
        assert Room.objects.filter(name="ENG 105").count() == 1


def test_only_the_office_adds_and_only_what_it_manages(people):
    assert Browser(people.t1).get(adding("grading_room")).status_code == 403
    assert Browser(people.t1).send(adding("grading_room"), {"name": "X"}).status_code == 403
    assert Browser(people.a).get(adding("grading_enrollment")).status_code == 403
    given = {"course": str(people.course), "term": str(people.term), "code": "X"}
    assert Browser(people.outsider).send(adding("grading_section"), given).status_code == 422
    with enter(people.school):
        assert not Section.objects.filter(code="X").exists()


# Another parent. ----------------------------------------------------------------------------------


def test_a_section_is_given_another_course(people):
    with enter(people.school):
        course = creation("course", {"code": "CHE", "title": "Chemistry"})
        people.a.enters(course, whole=True)
    path = at("grading_section", people.section)
    form = opens(people.a, path)
    assert form["course"] == str(people.course)
    assert save(people.a, path, form, course=str(course[0].entity_id)).status_code == 302
    assert stands(people, Section, people.section).course_id == course[0].entity_id


def test_an_enrolment_is_moved_and_its_reference_is_never_emptied(people):
    there = other_section(people)
    path = at("grading_enrollment", people.marks[0])
    form = opens(people.a, path)
    assert save(people.a, path, form, section="").status_code == 422
    assert save(people.a, path, form, section=str(there)).status_code == 302
    assert stands(people, Enrollment, people.marks[0]).section_id == there


def test_who_is_moved_into_a_full_class_waits_and_the_page_says_so(people):
    there = other_section(people, capacity="0")
    path = at("grading_enrollment", people.marks[0])
    form = opens(people.a, path)
    response = Browser(people.a).send(path, {**form, "section": str(there)}, follow=True)
    assert "status waitlisted, the class is full" in response.content.decode()
    assert stands(people, Enrollment, people.marks[0]).status == "waitlisted"


def test_a_pupil_who_is_in_the_class_already_is_refused_at_the_field(people):
    path = at("grading_enrollment", people.marks[0])
    form = opens(people.a, path)
    response = save(people.a, path, form, student=str(people.students[1]))
    assert response.status_code == 422
    assert "has the same" in response.content.decode()
    assert stands(people, Enrollment, people.marks[0]).student_id == people.students[0]


@pytest.mark.parametrize("field", ["student", "section"])
def test_a_mark_that_stands_is_not_given_to_somebody_else_by_one_person(people, field):
    there = other_section(people, scale=str(people.scale.pk))
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        new = creation("student", {"family_name": "Dale", "given_names": "Dora"})
        people.a.enters(new, whole=True)
    path = at("grading_enrollment", people.marks[0])
    form = opens(people.a, path)
    target = {"student": new[0].entity_id, "section": there}[field]
    response = save(people.a, path, form, **{field: str(target)}, reason="wrong one")
    assert response.status_code == 302
    stays = stands(people, Enrollment, people.marks[0])
    assert (stays.student_id, stays.section_id) == (people.students[0], people.section)
    with enter(people.school):
        (waiting,) = people.open_of(people.marks[0])
        assert (waiting.field, waiting.two_people) == (field, True)
        people.b.approves(waiting)
        assert getattr(Enrollment.objects.get(pk=people.marks[0]), f"{field}_id") == target


def test_a_parent_that_somebody_else_chose_in_between_is_asked_about(people):
    there, elsewhere = other_section(people), other_section(people, "BIO-4")
    path = at("grading_enrollment", people.marks[0])
    form = opens(people.a, path)
    assert save(people.b, path, form, section=str(elsewhere)).status_code == 302
    response = save(people.a, path, {**form, "key": "mine"}, section=str(there))
    assert response.status_code == 422
    again = {**fields(response), "section-choice": "mine"}
    assert save(people.a, path, again).status_code == 302
    assert stands(people, Enrollment, people.marks[0]).section_id == there


def test_the_forms_cost_the_same_with_more_to_choose_from(people):
    def cost(path):
        browser = Browser(people.a)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(path).status_code == 200
        return len(queries)

    paths = [at("grading_enrollment", people.marks[0]), adding("grading_section")]
    few = [cost(path) for path in paths]
    for n in range(5):
        other_section(people, f"X-{n}")
    assert [cost(path) for path in paths] == few

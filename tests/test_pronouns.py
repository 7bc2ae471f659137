"""The pronouns of a pupil: a detail like any other, of which the school may know nothing."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from accounts.in_school import enter
from changes import projector
from students.models import Student
from tests.forms_of import Form
from tests.pages import Browser, words_of

pytestmark = pytest.mark.django_db


def pronouns_of(people, n: int = 0) -> str:
    return Student.objects.get(pk=people.students[n]).pronouns


def test_nobody_knows_them_at_first(inside):
    assert {each.pronouns for each in Student.objects.all()} == {""}
    assert projector.verify(inside.school).equal


def test_they_are_proposed_approved_and_reverted(inside):
    t1, v, pupil = inside.t1, inside.v, inside.students[0]
    (she,) = t1.changes_cell("student", pupil, pronouns="she").changes
    assert pronouns_of(inside) == ""
    assert t1.looks_at("student", pupil, "pronouns") == "she"
    assert inside.t2.looks_at("student", pupil, "pronouns") is None
    inside.a.approves(she)
    assert pronouns_of(inside) == "she"
    (he,) = v.changes_cell("student", pupil, pronouns="he").changes
    inside.a.approves(he)
    assert pronouns_of(inside) == "he"
    reverted = inside.a.reverts(v)
    assert pronouns_of(inside) == "she"
    inside.b.reinstates(reverted)
    assert pronouns_of(inside) == "he"
    assert projector.verify(inside.school).equal


@pytest.mark.parametrize("typed", ["xe", "SHE", "she/her"])
def test_others_than_the_three_are_refused_in_words(inside, typed):
    saved = inside.t1.changes_cell("student", inside.students[0], pronouns=typed)
    assert [draft.refused for draft in saved.refused] == [
        f"“{typed}” is not one of: she, he, they."
    ]


def test_the_database_takes_no_others_either(inside):
    with connection.cursor() as cursor:
        cursor.execute("select set_config('schoolmarks.projector', 'on', true)")
        with pytest.raises(IntegrityError, match="student_pronouns_known"), transaction.atomic():
            cursor.execute("update students_student set pronouns = 'xe'")


def test_a_teacher_chooses_them_among_the_details_and_clears_them_again(people):
    path = reverse("pupil-details", args=[people.section, people.marks[0]])
    browser = Browser(people.t1)
    page = browser.get(path)
    assert '<option value="" selected>not known</option>' in page.content.decode()
    browser.post(path, Form(page, "pronouns-seen").data(pronouns="they"))
    form = Form(browser.get(path), "pronouns-seen")
    assert form.data()["pronouns"] == ["they"]
    browser.post(path, form.data(pronouns=""))
    assert Form(browser.get(path), "pronouns-seen").data()["pronouns"] == [""]
    with enter(people.school):
        assert people.t1.looks_at("student", people.students[0], "pronouns") is None


def test_the_office_sees_them_in_its_list(people):
    with enter(people.school):
        (they,) = people.t1.changes_cell("student", people.students[0], pronouns="they").changes
        people.a.approves(they)
    page = Browser(people.a).get(
        reverse("admin:students_student_change", args=[people.students[0]])
    )
    assert "Pronouns they" in words_of(page.content.decode())

"""What people call the records and values of the ledger."""

import uuid

from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.ids import new_id
from changes import naming
from tests.cast import only


def title(entity_type: str, entity_id: uuid.UUID) -> str:
    return naming.titles([(entity_type, entity_id)])[entity_id]


def text(entity_type: str, field: str, value: str | None) -> str:
    cell = (entity_type, field, value)
    return naming.value_texts([cell])[cell]


def test_a_record_is_called_by_what_stands_in_its_table(inside):
    assert title("student", inside.students[0]) == "Abbott, Ada"
    assert title("section", inside.section) == "BIO-2"
    assert title("enrollment", inside.marks[0]) == "Abbott, Ada in BIO-2"


def test_a_record_that_waits_is_called_by_what_was_typed_last(inside):
    student = inside.t1.creates("student", number="412", given_names="Kim", family_name="Pork")
    inside.t1.changes_cell("student", student, family_name="Park")
    enrolment = inside.t1.enrols(student, inside.section)
    assert title("enrollment", enrolment) == "Park, Kim in BIO-2"


def test_a_waiting_new_name_does_not_rename_a_record_that_stands(inside):
    inside.t1.changes_cell("student", inside.students[0], family_name="Abbot")
    assert title("student", inside.students[0]) == "Abbott, Ada"


def test_a_record_that_vanished_keeps_its_name(inside):
    student = inside.v.creates("student", number="9", given_names="Ghost", family_name="Gray")
    inside.a.approves(*inside.open_of(student))
    inside.a.reverts(inside.v)
    assert title("student", student) == "Gray, Ghost"


def test_half_a_name_is_a_name(inside):
    assert title("student", inside.t1.creates("student", family_name="Madonna")) == "Madonna"
    assert title("student", inside.t1.creates("student", given_names="Cher")) == "Cher"


def test_what_has_no_name_is_not_called_by_its_id(inside):
    nobody = inside.t1.creates("student", number="7")
    assert title("student", nobody) == "a pupil without a name"
    enrolment = inside.t1.enrols(nobody, inside.section)
    assert title("enrollment", enrolment) == "a pupil without a name in BIO-2"
    assert title("room", new_id()) == "a room without a name"
    unknown = title("enrollment", new_id())
    assert unknown == "a pupil without a name in a section without a name"


def test_names_hold_braces_and_percent_signs(inside):
    student = inside.t1.creates("student", given_names="{number} %s", family_name="{}")
    assert title("student", student) == "{}, {number} %s"


def test_values_are_put_in_words(inside):
    assert text("enrollment", "grade", "60") == "60"
    assert text("enrollment", "grade", None) == "nothing"
    assert text("enrollment", "exists", "true") == "added"
    assert text("enrollment", "exists", "false") == "deleted"
    assert text("enrollment", "student", str(inside.students[1])) == "Brown, Ben"
    assert text("section", "room", str(inside.room)) == "SCI 201"
    assert text("section", "room", None) == "nothing"
    assert text("section", "scale", str(inside.scale.pk)) == "Percent"
    assert text("section", "instructor", str(inside.t1.user.pk)) == "T1 Teacher"
    assert text("section", "room", str(new_id())) == "a room without a name"
    assert text("student", "birth_date", "2012-05-07") == "7 May 2012"
    assert text("section", "scale", str(new_id())) == "a grading scale without a name"


def test_people_without_a_name_are_called_by_their_address(inside):
    inside.v.user.name = ""
    inside.v.user.save()
    assert naming.people([inside.v.user.pk]) == {inside.v.user.pk: "v.sweet@hill.example"}


def test_names_of_another_school_stay_there(inside):
    from accounts.in_school import enter

    with enter(inside.other_school):
        assert title("student", inside.students[0]) == "a pupil without a name"
        assert text("section", "scale", str(inside.scale.pk)) == "a grading scale without a name"


def test_thirty_titles_cost_as_many_statements_as_one(inside):
    new = [inside.t1.creates("student", given_names=f"Kim {n}") for n in range(10)]
    waiting = [inside.t1.enrols(each, inside.section) for each in new]
    only(inside.t1.types(waiting[0], "70"))

    def statements(ids):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            naming.titles([("enrollment", each) for each in ids])
        return len(queries)

    assert statements([*inside.marks, *waiting]) == statements([inside.marks[0], waiting[0]])

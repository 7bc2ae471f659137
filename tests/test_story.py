"""One mark's whole life, through the ledger's doors."""

import datetime as dt

from changes import review
from grading.models import GradeCorrection
from students.models import Student
from tests.cast import SATURDAY_NIGHT, only


def test_a_mark_lives_from_typing_to_reverting_and_lifting(inside):
    people = inside
    mark = people.marks[0]
    first = only(people.t1.types(mark, "60"))
    assert people.t1.sees(mark) == "60"
    assert people.t2.sees(mark) is None
    assert people.grade(mark) is None
    people.a.approves(first)
    assert people.grade(mark) == "60"
    assert people.is_equal()

    raised = only(people.v.types(mark, "95", reason="remarked", at=SATURDAY_NIGHT))
    people.a.approves(raised)
    assert people.grade(mark) == "95"

    preview = people.preview(people.v)
    assert [(line.before, line.after) for line in preview.lines] == [("95", "60")]
    reverted = people.a.reverts(
        people.v,
        start=SATURDAY_NIGHT - dt.timedelta(hours=1),
        end=SATURDAY_NIGHT + dt.timedelta(hours=1),
    )
    assert people.grade(mark) == "60"
    assert people.is_equal()
    people.b.reinstates(reverted)
    assert people.grade(mark) == "95"
    assert people.is_equal()
    assert list(
        GradeCorrection.objects.order_by("approved_at").values_list(
            "kind", "old_grade", "new_grade", "status"
        )
    ) == [
        ("correction", "60", "95", "approved"),
        ("revert", "95", "60", "approved"),
        ("reinstate", "60", "95", "approved"),
    ]


def test_a_missing_pupil_is_added_and_marked_at_once(inside):
    people = inside
    student = people.t1.creates("student", number="412", given_names="Kim", family_name="Park")
    enrolment = people.t1.enrols(student, people.section)
    mark = only(people.t1.types(enrolment, "71.50"))
    assert mark.value == "71.5"
    assert people.t1.sees(enrolment) == "71.5"
    assert people.t2.sees(enrolment) is None
    assert not Student.objects.filter(pk=student).exists()
    ids = review.with_prerequisites([mark.pk])
    outcome = review.approve(
        ids, school=people.school, by=people.a.member, origin=people.a.origin()
    )
    assert people.grade(enrolment) == "71.5"
    assert outcome.refused == []
    assert people.is_equal()

"""Saying that two records are the same person, and undoing that."""

import uuid

import pytest

from accounts.in_school import enter
from changes import revert
from changes.judgement import Why
from changes.merge import CannotMerge, merge
from changes.models import Change
from changes.propose import Draft
from changes.review import NotApproved, with_prerequisites
from grading.models import Enrollment, GradeCorrection
from students.models import Student
from tests.cast import only, open_changes


def merges(person, duplicate, survivor, **options):
    return merge(
        duplicate,
        survivor,
        entity_type="student",
        school=person.school,
        by=person.member,
        origin=person.origin(),
        **options,
    )


def undoes(person, outcome, **options):
    return revert.reinstate(
        outcome.decision,
        school=person.school,
        by=person.member,
        origin=person.origin(),
        **options,
    )


@pytest.fixture
def twice(inside):
    """The cast; T1 and T2 have both entered the missing Kim, no. 412, T2 with a mark; T1's is
    approved already, and enrolled nowhere."""
    people = inside
    people.kim = people.t1.creates("student", number="412", family_name="Kim")
    people.duplicate = people.t2.creates("student", number="412", family_name="Kim")
    people.enrolment = people.t2.enrols(people.duplicate, people.section)
    people.mark = only(people.t2.types(people.enrolment, "70"))
    people.a.approves(*Change.objects.filter(entity_id=people.kim))
    return people


def test_the_outsider_and_teachers_merge_nothing(twice):
    people = twice
    for nobody in (people.t1, people.t2):
        with pytest.raises(Exception, match="Only an active member of this school"):
            merges(nobody, people.duplicate, people.kim)
    with enter(people.other_school), pytest.raises(CannotMerge):
        merges(people.outsider, people.duplicate, people.kim)
    assert people.mark.pk in open_changes()


def test_the_second_of_two_equal_pupils_is_told_to_be_merged(twice):
    people = twice
    with pytest.raises(NotApproved) as stopped:
        people.a.approves(*Change.objects.filter(pk__in=with_prerequisites([people.mark.pk])))
    clash = [j for j in stopped.value.refused if j.refusal.why is Why.CLASH]
    assert {j.entity_id for j in clash} == {people.duplicate}
    assert "If it is the same one, merge them" in clash[0].refusal.message


def test_a_merge_moves_the_enrolment_to_the_first_pupil_and_undoing_it_restores_both(twice):
    people = twice
    waiting = open_changes()
    outcome = merges(people.a, people.duplicate, people.kim, reason="one Kim")
    enrolment = Enrollment.objects.get(pk=people.enrolment)
    assert enrolment.student_id == people.kim
    assert not Student.objects.filter(pk=people.duplicate).exists()
    # The mark came later than the enrolment: it waits, and is approved like any other.
    assert open_changes() == {people.mark.pk}
    people.a.approves(people.mark)
    assert people.grade(people.enrolment) == "70"
    assert GradeCorrection.objects.count() == 0
    assert people.is_equal()

    undoes(people.b, outcome)
    assert not Enrollment.objects.filter(pk=people.enrolment).exists()
    assert {c.entity_id for c in Change.objects.open()} == {people.duplicate}
    assert open_changes() < waiting
    assert people.is_equal()


def test_a_mark_of_the_same_save_stands_with_the_merge_and_is_no_correction(inside):
    people = inside
    kim = people.t1.creates("student", number="412", family_name="Kim")
    people.a.approves(*Change.objects.filter(entity_id=kim))
    duplicate = people.t2.creates("student", number="412", family_name="Kim")
    enrolment = people.t2.creates(
        "enrollment", student=str(duplicate), section=str(people.section), grade="70"
    )
    merges(people.a, duplicate, kim)
    assert people.grade(enrolment) == "70"
    assert GradeCorrection.objects.count() == 0
    assert open_changes() == set()
    assert people.is_equal()


def test_a_merge_is_undone_although_the_numbers_clash_and_the_duplicates_records_are_suspended(
    twice,
):
    people = twice
    outcome = merges(people.a, people.duplicate, people.kim)
    undoes(people.b, outcome)
    # The duplicate waits again, for somebody to decide what it is.
    assert {c.entity_id for c in Change.objects.open()} >= {people.duplicate}
    assert list(Student.objects.filter(number="412").values_list("pk", flat=True)) == [people.kim]
    assert not Enrollment.objects.filter(pk=people.enrolment).exists()
    assert people.is_equal()
    # With a number of its own it is approved, and its enrolment comes back with it.
    people.t2.changes_cell("student", people.duplicate, number="413")
    people.a.approves(*Change.objects.of("student", people.duplicate).open())
    assert Enrollment.objects.get(pk=people.enrolment).student_id == people.duplicate
    assert people.is_equal()


def test_a_suspended_enrolment_can_be_pointed_at_a_pupil_who_stands(twice):
    people = twice
    outcome = merges(people.a, people.duplicate, people.kim)
    undoes(people.b, outcome)
    moved = only(people.t2.changes_cell("enrollment", people.enrolment, student=str(people.kim)))
    people.a.approves(moved)
    assert Enrollment.objects.get(pk=people.enrolment).student_id == people.kim
    assert people.is_equal()


def test_merging_two_pupils_who_both_stand_moves_what_stands_on_the_duplicate(inside):
    people = inside
    people.stands("60")
    other = people.t2.creates("student", number="999", family_name="Abbot")
    people.a.approves(*Change.objects.filter(entity_id=other))
    outcome = merges(people.a, people.students[0], other)
    assert Enrollment.objects.get(pk=people.marks[0]).student_id == other
    assert people.grade(people.marks[0]) == "60"
    assert not Student.objects.filter(pk=people.students[0]).exists()
    assert people.is_equal()
    undoes(people.b, outcome)
    assert Enrollment.objects.get(pk=people.marks[0]).student_id == people.students[0]
    assert Student.objects.filter(pk__in=[people.students[0], other]).count() == 2
    assert people.is_equal()


def test_where_the_first_pupil_is_in_the_class_already_only_what_is_missing_is_copied(inside):
    people = inside
    survivor, mark = people.students[0], people.marks[0]
    people.stand(mark, "Tidy.", by=people.t1, field="comment")
    duplicate = people.t2.creates("student", family_name="Abbott", given_names="Ada")
    enrolment = people.t2.enrols(duplicate, people.section)
    people.t2.types(enrolment, "70")
    people.t2.types(enrolment, "Quick.", field="comment")
    outcome = merges(people.a, duplicate, survivor)
    assert people.grade(mark) == "70"
    assert Enrollment.objects.get(pk=mark).comment == "Tidy."
    assert Enrollment.objects.filter(section_id=people.section).count() == 3
    assert GradeCorrection.objects.count() == 0
    assert people.is_equal()
    undoes(people.b, outcome)
    assert people.grade(mark) is None
    assert people.is_equal()


def test_what_clashes_is_overwritten_only_where_the_office_says_so(inside):
    people = inside
    survivor, mark = people.students[0], people.marks[0]
    people.stand(mark, "Tidy.", by=people.t1, field="comment")
    duplicate = people.t2.creates("student", family_name="Abbott")
    enrolment = people.t2.enrols(duplicate, people.section)
    people.t2.types(enrolment, "Quick.", field="comment")
    merges(people.a, duplicate, survivor, overwrite=[(mark, "comment")])
    assert Enrollment.objects.get(pk=mark).comment == "Quick."
    assert people.is_equal()


def test_a_grade_that_stands_is_not_overwritten_by_a_merge_but_waits_for_a_second_person(inside):
    people = inside
    people.stands("60")
    survivor, mark = people.students[0], people.marks[0]
    duplicate = people.t2.creates("student", family_name="Abbott")
    enrolment = people.t2.enrols(duplicate, people.section)
    people.t2.types(enrolment, "70")
    merges(people.a, duplicate, survivor, overwrite=[(mark, "grade")])
    assert people.grade(mark) == "60"
    waiting = Change.objects.open().get(entity_id=mark)
    assert (waiting.value, waiting.two_people, waiting.author) == ("70", True, people.a.user)
    with pytest.raises(NotApproved):
        people.a.approves(waiting)
    people.b.approves(waiting)
    assert people.grade(mark) == "70"
    assert people.is_equal()


def test_what_refers_to_the_duplicate_and_cannot_be_approved_stops_the_merge(inside):
    """T2's enrolment was meant for a class that T2 has proposed too, and that waits."""
    people = inside
    kim = people.t1.creates("student", family_name="Kim")
    people.a.approves(*Change.objects.filter(entity_id=kim))
    duplicate = people.t2.creates("student", family_name="Kim")
    section = people.t2.creates(
        "section", course=str(people.course), term=str(people.term), code="BIO-3"
    )
    people.t2.enrols(duplicate, section)
    before = open_changes()
    with pytest.raises(NotApproved, match="that it names is not approved"):
        merges(people.a, duplicate, kim)
    assert open_changes() == before
    assert people.is_equal()


def test_records_that_would_clash_on_the_first_pupil_stop_the_merge(inside):
    people = inside
    kim, duplicate = (people.a.creates("student", family_name="Kim") for _ in range(2))
    people.b.approves(*Change.objects.filter(entity_id__in=[kim, duplicate]))
    for teacher in (people.t1, people.t2):
        teacher.enrols(duplicate, people.section)
    before = open_changes()
    with pytest.raises(CannotMerge, match="would have the same"):
        merges(people.a, duplicate, kim)
    assert open_changes() == before
    assert people.is_equal()


def test_what_cannot_be_merged_is_said(twice):
    people = twice
    for duplicate, survivor, why in (
        (people.kim, people.kim, "one record already"),
        (people.kim, people.duplicate, "not approved yet"),
        (uuid.uuid4(), people.kim, "no such"),
    ):
        with pytest.raises(CannotMerge, match=why):
            merges(people.a, duplicate, survivor)
    merges(people.a, people.duplicate, people.kim)
    with pytest.raises(CannotMerge, match="no such"):
        merges(people.a, people.duplicate, people.kim)


def test_an_own_proposal_merged_away_is_seen_as_gone_by_its_author(twice):
    people = twice
    merges(people.a, people.duplicate, people.kim)
    assert people.t2.looks_at("student", people.duplicate, "family_name") is None
    assert people.t2.sees(people.enrolment) == "70"
    saved = people.t2.proposes(
        [
            Draft(
                entity_type="student",
                entity_id=people.duplicate,
                field="family_name",
                typed="Kimm",
            )
        ]
    )
    assert saved.refused

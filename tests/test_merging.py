"""Saying that two records are the same person, and undoing that."""

import uuid

import pytest

from accounts.in_school import enter
from changes import revert
from changes.judgement import Why
from changes.merge import CannotMerge, MergeChanged, merge, rehearse_merge
from changes.models import Change
from changes.propose import Draft, creation
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
        (people.kim, people.duplicate, "Keep the one that stands"),
        (uuid.uuid4(), people.kim, "no such"),
        (people.duplicate, uuid.uuid4(), "no such"),
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


# Where neither stands. ----------------------------------------------------------------------------


@pytest.fixture
def neither(inside):
    """T1 and T2 have both entered Kim and marked them, T1 in BIO-2 and T2 in another class."""
    people = inside
    people.other_class = (
        people.a.enters(
            creation(
                "section",
                {"course": str(people.course), "term": str(people.term), "code": "BIO-9"}
                | {"scale": str(people.scale.pk)},
            ),
            whole=True,
        )
        .saved.changes[0]
        .entity_id
    )
    people.kim = people.t1.creates("student", family_name="Kim", birth_date="2012-05-17")
    people.first = people.t1.enrols(people.kim, people.section)
    people.first_mark = only(people.t1.types(people.first, "74"))
    people.duplicate = people.t2.creates("student", family_name="Kym", home_group="9B")
    people.second = people.t2.enrols(people.duplicate, people.other_class)
    people.second_mark = only(people.t2.types(people.second, "68"))
    return people


def rehearses(person, duplicate, survivor, **options):
    return rehearse_merge(
        duplicate,
        survivor,
        entity_type="student",
        school=person.school,
        by=person.member,
        origin=person.origin(),
        **options,
    )


def test_of_two_proposals_one_is_approved_with_the_merge_and_takes_what_was_on_the_other(neither):
    people = neither
    outcome = merges(people.a, people.duplicate, people.kim)
    kim = Student.objects.get(pk=people.kim)
    assert (kim.family_name, kim.home_group) == ("Kim", "9B")
    assert Enrollment.objects.get(pk=people.second).student_id == people.kim
    assert not Enrollment.objects.filter(pk=people.first).exists()  # nothing was moved there
    assert {people.first_mark.pk, people.second_mark.pk} <= open_changes()
    assert people.is_equal()
    undoes(people.b, outcome)
    kim.refresh_from_db()
    assert (kim.family_name, kim.home_group) == ("Kim", "")
    assert not Student.objects.filter(pk=people.duplicate).exists()
    assert people.duplicate in {c.entity_id for c in Change.objects.open()}
    assert not Enrollment.objects.filter(pk=people.second).exists()
    assert people.is_equal()


def test_details_that_differ_are_those_of_who_is_kept_unless_the_others_are_chosen(neither):
    people = neither
    merged = merges(people.a, people.duplicate, people.kim, overwrite=[(people.kim, "family_name")])
    assert Student.objects.get(pk=people.kim).family_name == "Kym"
    assert [(p.field, p.kept, p.other, p.taken) for p in merged.pairs] == [
        ("family_name", "Kim", "Kym", True),
        ("home_group", None, "9B", True),
    ]
    assert people.is_equal()


@pytest.mark.parametrize(
    ("chosen", "grade", "waits"), [("own", None, True), ("other", "68", False)]
)
def test_both_proposed_in_one_class_come_to_one_enrolment_with_the_mark_that_was_chosen(
    neither, chosen, grade, waits
):
    people = neither
    people.third = people.t2.enrols(people.duplicate, people.section)
    mark = only(people.t2.types(people.third, "68"))
    before = open_changes()
    take = [(people.first, "grade")] if chosen == "other" else []
    outcome = merges(people.a, people.duplicate, people.kim, overwrite=take)
    assert Enrollment.objects.get(pk=people.first).student_id == people.kim
    assert not Enrollment.objects.filter(pk=people.third).exists()
    assert people.grade(people.first) == grade
    # What was not chosen leaves the queue with the merge ...
    assert mark.pk in outcome.set_aside
    assert mark.pk not in open_changes()
    assert (people.first_mark.pk in open_changes()) == waits
    assert GradeCorrection.objects.count() == 0
    assert people.is_equal()
    # ... and comes back with its undoing.
    undoes(people.b, outcome)
    assert {mark.pk, people.first_mark.pk} <= open_changes() < before
    assert people.grade(people.first) is None
    assert people.is_equal()


def test_a_rehearsal_says_what_the_merge_does_and_does_nothing(neither):
    people = neither
    before, tables = open_changes(), people.tables()
    shown = rehearses(people.a, people.duplicate, people.kim)
    assert (open_changes(), people.tables()) == (before, tables)
    done = merges(people.a, people.duplicate, people.kim, token=shown.token)
    assert shown.decision is None
    assert done.decision is not None
    assert set(shown.moves) == set(done.moves)
    assert shown.moving == done.moving == [("enrollment", people.second)]


def test_a_merge_is_refused_when_what_was_shown_has_changed_and_not_by_what_is_unrelated(neither):
    people = neither
    shown = rehearses(people.a, people.duplicate, people.kim)
    people.t1.types(people.marks[0], "51")
    assert rehearses(people.a, people.duplicate, people.kim).token == shown.token
    people.t2.enrols(people.duplicate, people.section)
    before = open_changes()
    with pytest.raises(MergeChanged, match="Something has changed"):
        merges(people.a, people.duplicate, people.kim, token=shown.token)
    assert open_changes() == before
    other = rehearses(people.a, people.duplicate, people.kim)
    chosen = [(people.kim, "family_name")]
    assert rehearses(people.a, people.duplicate, people.kim, overwrite=chosen).token != other.token


def test_a_merge_that_is_sent_twice_is_done_once(neither):
    people = neither
    first, again = (
        merges(people.a, people.duplicate, people.kim, idempotency_key="k") for _ in range(2)
    )
    assert again.repeated
    assert again.decision.pk == first.decision.pk


def test_a_merge_and_its_undoing_can_be_done_again(neither):
    people = neither
    for _ in range(2):
        outcome = merges(people.a, people.duplicate, people.kim)
        assert Enrollment.objects.get(pk=people.second).student_id == people.kim
        undoes(people.b, outcome)
        assert not Enrollment.objects.filter(pk=people.second).exists()
        assert people.is_equal()


# A mark that stands. ------------------------------------------------------------------------------


def twin_of_ada(people, mark=None):
    """Let a twin of the first pupil stand, in the same class; with a mark, this stands too."""
    twin = people.a.creates("student", family_name="Abbott", given_names="Ada B.")
    enrolment = people.a.enrols(twin, people.section)
    people.a.approves(*people.open_of(twin, enrolment))
    if mark:
        people.stand(enrolment, mark, by=people.t1)
    return twin, enrolment


def test_nobody_changes_a_mark_that_stands_alone_by_merging_the_pupil_into_a_twin(inside):
    people = inside
    people.stands("60")
    twin, enrolment = twin_of_ada(people, "90")
    ada = people.students[0]
    for overwrite in ([], [(enrolment, "grade")], [(people.marks[0], "grade")]):
        for duplicate, survivor in ((ada, twin), (twin, ada)):
            with pytest.raises(CannotMerge, match="only with a second person"):
                merges(people.a, duplicate, survivor, overwrite=overwrite)
    assert (people.grade(people.marks[0]), people.grade(enrolment)) == ("60", "90")
    # Corrected by two people, both have the same mark, and are merged.
    people.b.approves(only(people.a.types(enrolment, "60", reason="mixed up")))
    merges(people.a, twin, ada)
    assert people.grade(people.marks[0]) == "60"
    assert people.is_equal()


@pytest.mark.parametrize("waiting", ["90", "60"])
def test_a_mark_that_stands_on_the_one_who_goes_takes_the_place_of_one_that_waits(inside, waiting):
    people = inside
    people.stands("60")
    twin, enrolment = twin_of_ada(people)
    people.a.types(enrolment, waiting)
    outcome = merges(people.a, people.students[0], twin)
    assert [(p.field, p.other, p.taken, p.differs) for p in outcome.pairs if p.fixed] == [
        ("grade", "60", True, False)
    ]
    assert people.grade(enrolment) == "60"
    assert open_changes() == set()
    assert people.is_equal()
    undoes(people.b, outcome)
    assert (people.grade(people.marks[0]), people.grade(enrolment)) == ("60", None)
    assert people.is_equal()


@pytest.mark.parametrize("which", ["ada", "twin"])
def test_a_mark_is_not_hidden_by_merging_the_pupil_into_a_twin_who_is_withdrawn(inside, which):
    """Nor shown, the other way round: a transcript tells of who is enrolled alone."""
    people = inside
    people.stands("60")
    twin, enrolment = twin_of_ada(people)
    place = {"ada": people.marks[0], "twin": enrolment}[which]
    people.a.approves(only(people.t1.changes_cell("enrollment", place, status="withdrawn")))
    with pytest.raises(CannotMerge, match="“withdrawn”"):
        merges(people.a, people.students[0], twin)
    assert people.grade(people.marks[0]) == "60"
    assert people.is_equal()


def test_a_mark_that_stands_goes_to_the_twin_who_has_none(inside):
    people = inside
    people.stands("60")
    twin, enrolment = twin_of_ada(people)
    outcome = merges(people.a, people.students[0], twin)
    assert people.grade(enrolment) == "60"
    undoes(people.b, outcome)
    assert (people.grade(people.marks[0]), people.grade(enrolment)) == ("60", None)
    assert people.is_equal()

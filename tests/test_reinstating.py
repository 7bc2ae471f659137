"""Lifting a revert: the changes count again at their old places, and what came later stays."""

import itertools

import pytest
from django.db import connection

from changes import projector, revert, review
from changes.deciding import KeysClash
from changes.models import Change, Decision
from changes.propose import Draft, creation
from changes.revert import Kind, PreviewChanged
from grading.models import CourseChangeHistory, Enrollment, GradeCorrection, Section
from students.models import Student
from tests.cast import SATURDAY_NIGHT, Cast, only, open_changes


@pytest.fixture(autouse=True)
def verified(inside: Cast):
    """After each story the tables are what the ledger adds up to."""
    yield
    assert inside.is_equal()


def effects() -> dict[str, int]:
    return {m.__name__: m.objects.count() for m in (GradeCorrection, CourseChangeHistory)}


def an_evening_of_v(people: Cast) -> None:
    """V raises and clears marks, adds a pupil, deletes another, moves the section, and leaves
    something waiting; most of it was approved."""
    people.stand(people.marks[0], "60", by=people.t1)
    people.stand(people.marks[1], "70", by=people.t1)
    people.stand(people.marks[0], "95", by=people.v)
    people.stand(people.marks[1], None, by=people.v)
    student = people.v.creates("student", number="412", given_names="Kim", family_name="Park")
    people.a.approves(*people.open_of(student))
    people.v.enrols(student, people.section)
    people.v.deletes("student", people.students[2])
    people.v.changes_cell("section", people.section, capacity="1", schedule="Mon 3")
    room = people.v.creates("room", name="ENG 105")
    people.v.changes_cell("section", people.section, room=str(room))
    people.a.approves(*Change.objects.open().order_by("id"))
    people.v.types(people.marks[1], "99", reason="again")


def test_lifting_at_once_leaves_every_table_as_it_was_byte_for_byte(inside):
    an_evening_of_v(inside)
    before, waiting = inside.tables(), open_changes()
    reverted = inside.a.reverts(inside.v, unticked=())
    assert inside.tables() != before
    inside.b.reinstates(reverted)
    assert inside.tables() == before
    assert open_changes() == waiting


def test_a_value_that_was_set_meanwhile_stays(inside):
    mark = inside.marks[0]
    inside.stand(mark, "10", by=inside.v)
    reverted = inside.a.reverts(inside.v)
    inside.stand(mark, "90", by=inside.t1)
    preview = revert.preview_reinstatement(reverted.decision, school=inside.school)
    assert [(line.kind, line.before, line.after) for line in preview.lines] == [
        (Kind.NO_EFFECT, "90", "90")
    ]
    inside.b.reinstates(reverted, token=preview.token)
    assert inside.grade(mark) == "90"


def test_part_of_a_revert_is_lifted_and_the_rest_stays_excluded(inside):
    pupils = [creation("student", {"family_name": f"Pupil {n}"}) for n in range(117)]
    inside.a.enters([draft for drafts in pupils for draft in drafts], whole=True)
    drafts = [
        Draft(entity_type="student", entity_id=p[0].entity_id, field="home_group", typed="9X")
        for p in pupils
    ]
    drafts += [
        Draft(entity_type="enrollment", entity_id=mark, field="grade", typed="95")
        for mark in inside.marks
    ]
    inside.a.approves(*inside.v.proposes(drafts).changes)
    reverted = inside.a.reverts(inside.v)
    assert revert.in_force(reverted.decision) == (120, 120)
    keys = {f"enrollment.{mark}.grade" for mark in inside.marks[:2]}
    everything = revert.preview_reinstatement(reverted.decision, school=inside.school)
    inside.b.reinstates(reverted, unticked={line.key for line in everything.lines} - keys)
    assert revert.in_force(reverted.decision) == (118, 120)
    assert [inside.grade(mark) for mark in inside.marks] == ["95", "95", None]
    assert not Student.objects.filter(home_group="9X").exists()
    # The rest can still be lifted, by a decision of its own.
    inside.b.reinstates(reverted)
    assert revert.in_force(reverted.decision) == (0, 120)
    assert Student.objects.filter(home_group="9X").count() == 117


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1])))
def test_of_two_overlapping_reverts_what_the_other_covers_stays_excluded(inside, order):
    only_first, both, only_second = inside.marks
    at = [inside.clock.tick() for _ in range(4)]
    for mark, instant in zip(inside.marks, at, strict=False):
        inside.stand(mark, "95", by=inside.v, at=instant)
    before = inside.tables()
    reverts = [
        inside.a.reverts(inside.v, start=at[0], end=at[2]),
        inside.a.reverts(inside.v, start=at[1], end=at[3]),
    ]
    first, second = (reverts[each] for each in order)
    lifting = revert.preview_reinstatement(first.decision, school=inside.school)
    assert {line.entity_id: line.kind for line in lifting.lines} == {
        (only_first, only_second)[order[0]]: Kind.COMES_BACK,
        both: Kind.COVERED,
    }
    inside.b.reinstates(first, token=lifting.token)
    assert inside.grade(both) is None
    assert inside.grade((only_first, only_second)[order[0]]) == "95"
    assert inside.grade((only_first, only_second)[order[1]]) is None
    inside.b.reinstates(second)
    assert inside.tables() == before


def test_reverts_of_two_accounts_commute(inside):
    an_evening_of_v(inside)
    one, two = inside.a.reverts(inside.v, unticked=()), inside.a.reverts(inside.t1)
    v_first = inside.tables()
    inside.b.reinstates(two)
    inside.b.reinstates(one)
    inside.a.reverts(inside.t1)
    inside.a.reverts(inside.v, unticked=())
    assert inside.tables() == v_first


def test_what_was_typed_meanwhile_by_the_same_author_stays_open(inside):
    mark = inside.marks[0]
    by_intruder = only(inside.t1.types(mark, "95", at=SATURDAY_NIGHT))
    reverted = inside.a.reverts(inside.t1)
    own = only(inside.t1.types(mark, "70"))
    inside.b.reinstates(reverted)
    assert open_changes() == {own.pk}
    assert by_intruder.number < own.number


def test_a_waiting_row_whose_base_moved_comes_back_in_conflict(inside):
    mark = inside.marks[0]
    inside.stand(mark, "60", by=inside.t1)
    waiting = only(inside.v.types(mark, "95", reason="remarked"))
    reverted = inside.a.reverts(inside.v)
    inside.stand(mark, "65", by=inside.t1)
    inside.b.reinstates(reverted)
    assert open_changes() == {waiting.pk}
    with pytest.raises(review.NotApproved, match="Choose which value counts"):
        inside.a.approves(waiting)


def test_a_number_that_was_taken_meanwhile_is_a_clash_in_the_preview_of_the_lift(inside):
    student = inside.v.creates("student", number="412", family_name="Park")
    inside.a.approves(*inside.open_of(student))
    enrolment = inside.v.enrols(student, inside.section)
    inside.a.approves(*inside.open_of(enrolment))
    inside.v.changes_cell("student", inside.students[0], home_group="9X")
    inside.a.approves(*inside.open_of(inside.students[0]))
    reverted = inside.a.reverts(inside.v)
    taken = inside.t1.creates("student", number="412", family_name="Other")
    inside.a.approves(*inside.open_of(taken))
    preview = revert.preview_reinstatement(reverted.decision, school=inside.school)
    (clash,) = preview.clashes
    assert (clash.fields, set(clash.entity_ids)) == (("number",), {student, taken})
    assert preview.clashing == {f"student.{student}.record"}
    with pytest.raises(KeysClash):
        inside.b.reinstates(reverted, token=preview.token)
    assert inside.is_equal()
    # Without that pupil it can be lifted; the pupil's enrolment counts, suspended.
    inside.b.reinstates(reverted, unticked=preview.clashing)
    assert Student.objects.get(pk=inside.students[0]).home_group == "9X"
    assert not Enrollment.objects.filter(pk=enrolment).exists()
    assert projector.verify(inside.school).suspended == 1
    # Once the other one has another number, the pupil comes back with the enrolment.
    inside.t1.changes_cell("student", taken, number="413")
    inside.a.approves(*inside.open_of(taken))
    inside.b.reinstates(reverted)
    assert Enrollment.objects.get(pk=enrolment).student_id == student


def test_to_lift_with_an_old_preview_is_refused(inside):
    inside.stand(inside.marks[0], "10", by=inside.v)
    reverted = inside.a.reverts(inside.v)
    preview = revert.preview_reinstatement(reverted.decision, school=inside.school)
    inside.stand(inside.marks[0], "90", by=inside.t1)
    with pytest.raises(PreviewChanged):
        inside.b.reinstates(reverted, token=preview.token)


def test_to_delete_and_to_create_again_is_another_record_without_the_old_marks(inside):
    student, mark = inside.students[0], inside.marks[0]
    inside.stand(mark, "60", by=inside.t1)
    inside.t1.deletes("student", student)
    inside.a.approves(*inside.open_of(student))
    again = inside.t1.creates("student", number="101", given_names="Ada", family_name="Abbott")
    enrolment = inside.t1.enrols(again, inside.section)
    inside.a.approves(*inside.open_of(again, enrolment))
    assert again != student
    assert inside.grade(enrolment) is None
    assert not Enrollment.objects.filter(pk=mark).exists()


def test_effects_only_grow_and_tell_of_each_move_once(inside):
    inside.stand(inside.marks[0], "60", by=inside.t1)
    inside.stand(inside.marks[0], "95", by=inside.v)
    inside.v.changes_cell("section", inside.section, capacity="1", schedule="Mon 3")
    inside.a.approves(*inside.open_of(inside.section))
    assert effects() == {"GradeCorrection": 1, "CourseChangeHistory": 2}
    reverted = inside.a.reverts(inside.v)
    assert effects() == {"GradeCorrection": 2, "CourseChangeHistory": 4}
    inside.b.reinstates(reverted)
    assert effects() == {"GradeCorrection": 3, "CourseChangeHistory": 6}
    assert Section.objects.get(pk=inside.section).capacity == 1


def test_to_rebuild_changes_nothing_and_leaves_no_effects(inside):
    an_evening_of_v(inside)
    inside.a.reverts(inside.v)
    before = inside.tables(), effects(), Decision.objects.count()
    assert projector.rebuild(inside.school) == 0
    assert (inside.tables(), effects(), Decision.objects.count()) == before


def test_to_rebuild_mends_what_was_written_beside_the_projector(inside):
    an_evening_of_v(inside)
    before, effects_before = inside.tables(), effects()
    with connection.cursor() as cursor:
        cursor.execute("select set_config('schoolmarks.projector', 'on', true)")
        cursor.execute("update grading_enrollment set grade = '100'")
        cursor.execute("delete from grading_enrollment where id = %s", [inside.marks[1]])
        cursor.execute("select set_config('schoolmarks.projector', 'off', true)")
    found = projector.verify(inside.school).differences
    assert ("enrollment", inside.marks[0], "grade", "100", "95") in found
    assert ("enrollment", inside.marks[1], "exists", "false", "true") in found
    assert projector.rebuild(inside.school) == len(found)
    assert inside.tables() == before
    assert effects() == effects_before

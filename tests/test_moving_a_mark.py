"""Moving a pupil who has a mark into a class that marks otherwise: nothing is taken along that the
other class's scale does not have, and the office is told what to do."""

import uuid

import pytest

from changes.judgement import Why
from changes.models import Change
from changes.review import NotApproved
from grading.models import Enrollment, GradingScale
from tests.cast import Cast, only, open_changes, typed

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(inside: Cast) -> uuid.UUID:
    """A class of the same term that is marked in letters: A, B, or AB for absent."""
    letters = GradingScale.objects.create(school=inside.school, name="Letters", kind="letters")
    for label in ("A", "B", "AB"):
        letters.steps.create(school=inside.school, label=label)
    section = inside.a.creates(
        "section",
        code="BIO-3",
        course=str(inside.course),
        term=str(inside.term),
        scale=str(letters.pk),
    )
    inside.a.approves(*inside.open_of(section))
    return section


def move(people: Cast, other: uuid.UUID) -> Change:
    """Have T1 propose that the first pupil belongs to the other class."""
    return only(people.t1.changes_cell("enrollment", people.marks[0], section=str(other)))


def refusals(people: Cast, *changes: Change) -> dict[uuid.UUID, str]:
    with pytest.raises(NotApproved) as stopped:
        people.a.approves(*changes)
    said = {j.id: j.refusal for j in stopped.value.refused if j.refusal}
    assert {refusal.why for refusal in said.values()} == {Why.INVALID}
    return {change: refusal.message for change, refusal in said.items()}


def place(people: Cast) -> tuple[uuid.UUID, str | None]:
    row = Enrollment.objects.get(pk=people.marks[0])
    return row.section_id, row.grade


def test_a_mark_that_stands_and_that_the_other_class_cannot_have_stops_the_move(inside, other):
    people = inside
    people.stands("74")
    moving = move(people, other)
    said = refusals(people, moving)[moving.pk]
    assert "74 is no mark of the scale “Letters”, which takes A, AB, B." in said
    assert "type another mark on the other class’s sheet, and approve both together" in said
    assert place(people) == (people.section, "74")
    assert open_changes() == {moving.pk}


def test_with_a_mark_of_the_other_scale_the_move_is_approved_and_the_mark_with_it_alone(
    inside, other
):
    people = inside
    people.stands("74")
    moving = move(people, other)
    # Who proposed the move sees the pupil in the other class, and marks by its scale.
    (refused,) = people.t1.types(people.marks[0], "75", reason="recount").refused
    assert "This class takes A, AB, B" in refused.refused
    mark = only(people.t1.types(people.marks[0], "b", reason="another scale"))
    alone = refusals(people, mark)[mark.pk]
    assert "B is no mark of the scale “Percent”" in alone
    assert "approve both together" in alone
    people.a.approves(moving, mark)
    assert place(people) == (other, "B")
    assert people.is_equal()


def test_a_mark_that_is_cleared_with_the_move_or_before_it_does_not_stop_it(inside, other):
    people = inside
    people.stands("74")
    moving = move(people, other)
    cleared = only(people.t1.types(people.marks[0], "", reason="another scale"))
    people.a.approves(moving, cleared)
    assert place(people) == (other, None)


def test_a_mark_that_both_scales_have_moves_along(inside, other):
    people = inside
    people.stands("AB")
    people.a.approves(move(people, other))
    assert place(people) == (other, "AB")


def test_a_waiting_mark_of_the_old_scale_stops_itself_and_not_the_move(inside, other):
    people = inside
    mark = only(people.v.types(people.marks[0], "74"))
    moving = move(people, other)
    assert "74 is no mark" in refusals(people, moving, mark)[mark.pk]
    outcome = people.a.approves(moving, mark, what_can_be=True)
    assert [j.id for j in outcome.refused] == [mark.pk]
    assert place(people) == (other, None)


def test_where_the_move_is_stopped_a_mark_of_the_old_scale_is_approved_by_it(inside, other):
    people = inside
    people.stands("74")
    mark = only(people.v.types(people.marks[0], "75", reason="recount"))
    moving = move(people, other)
    outcome = people.a.approves(moving, mark, what_can_be=True)
    assert [j.id for j in outcome.refused] == [moving.pk]
    assert place(people) == (people.section, "75")


def test_a_class_without_a_scale_takes_no_pupil_with_a_mark(inside, other):
    people = inside
    people.a.approves(only(people.a.changes_cell("section", other, scale=None)))
    moving = move(people, other)
    people.stand(people.marks[0], "74", by=people.v)
    assert "without a grading scale" in refusals(people, moving)[moving.pk]


def test_the_scale_that_the_class_is_given_in_the_same_act_counts(inside, other):
    people = inside
    people.stands("74")
    moving = move(people, other)
    scale = only(people.a.changes_cell("section", other, scale=str(people.scale.pk)))
    people.a.approves(scale, moving)
    assert place(people) == (other, "74")


def test_the_office_moves_nobody_directly_with_such_a_mark(inside, other):
    people = inside
    people.stands("74")
    draft = typed(people.marks[0], str(other), field="section")
    (moving,) = people.a.enters([draft]).saved.changes
    with pytest.raises(NotApproved, match="74 is no mark of the scale “Letters”"):
        people.b.approves(moving)
    assert place(people) == (people.section, "74")


def test_a_hidden_enrolment_that_is_brought_back_in_another_class_is_asked_too(inside, other):
    people = inside
    people.stands("74")
    people.b.approves(*people.a.deletes("section", people.section).changes)
    assert not Enrollment.objects.filter(pk=people.marks[0]).exists()
    entered = people.a.enters([typed(people.marks[0], str(other), field="section")])
    with pytest.raises(NotApproved, match="74 is no mark of the scale “Letters”"):
        people.b.approves(*entered.saved.changes)

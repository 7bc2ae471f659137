"""Two people decide, type or withdraw at the same instant: exactly one wins, the other is told.

Each race is followed by its control: the same story without the lock that decides it, to show that
the test would notice.
"""

from typing import Any

import pytest
from django.db import IntegrityError, OperationalError

from accounts.in_school import enter
from accounts.models import School
from changes import deciding, review
from changes import propose as proposing
from changes.deciding import CannotProject
from changes.judgement import Why
from changes.models import Change, Decision, LedgerHead
from changes.propose import Draft, NotYours, Saved
from changes.review import NotApproved, Outcome
from grading import marks
from grading.marks import enter_marks
from tests.cast import Cast, only, open_changes
from tests.racing import Second, race


@pytest.fixture
def people(own_cast: Cast) -> Cast:
    """The cast, committed. T1's 70 waits."""
    people = own_cast
    with enter(people.school):
        vars(people)["change"] = only(people.t1.types(people.marks[0], "70"))
    return people


def read(school: Any) -> LedgerHead:
    return LedgerHead.objects.get(pk=school.pk)


@pytest.fixture
def without_the_schools_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (deciding, review):
        monkeypatch.setattr(module, "lock", read)
    monkeypatch.setattr(review, "lock_authors", lambda *_: None)


@pytest.fixture
def without_the_authors_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposing, "lock_author", lambda by: None)
    monkeypatch.setattr(review, "lock_authors", lambda *_: None)


def facts(people: Any) -> tuple[str, str | None, set[Any]]:
    """Return the state of T1's change, what stands in the cell, and what waits."""
    with enter(people.school):
        state = Change.objects.get(pk=people.change.pk).status
        return state, people.grade(people.marks[0]), open_changes()


def is_equal(people: Any) -> bool:
    with enter(people.school):
        return people.is_equal()


# Two of the office. -------------------------------------------------------------------------------


def both_approve(people: Any) -> tuple[Any, Any]:
    return race(
        people, lambda: people.a.approves(people.change), lambda: people.b.approves(people.change)
    )


def test_of_two_who_approve_at_once_the_second_is_told_who_was_first(people):
    first, second = both_approve(people)
    assert isinstance(first, Outcome)
    assert isinstance(second, NotApproved)
    assert second.refused[0].refusal.why is Why.DECIDED
    assert "A Admin approved this" in str(second)
    assert facts(people) == ("approved", "70", set())
    with enter(people.school):
        assert Decision.objects.filter(kind="approve").count() == 1
    assert is_equal(people)


def test_without_the_lock_the_second_approval_would_fail_and_say_nothing_of_it(
    people, without_the_schools_lock
):
    assert isinstance(both_approve(people)[1], CannotProject)


def approve_and_decline(people: Any) -> tuple[Any, Any]:
    return race(
        people, lambda: people.a.approves(people.change), lambda: people.b.declines(people.change)
    )


def test_who_declines_what_is_just_being_approved_is_told(people):
    _, second = approve_and_decline(people)
    assert isinstance(second, NotApproved)
    assert "A Admin approved this" in str(second)
    assert facts(people) == ("approved", "70", set())


def test_without_the_lock_who_declines_would_not_be_told(people, without_the_schools_lock):
    assert isinstance(approve_and_decline(people)[1], CannotProject)


def decline_and_approve(people: Any) -> tuple[Any, Any]:
    return race(
        people, lambda: people.a.declines(people.change), lambda: people.b.approves(people.change)
    )


def test_who_approves_what_is_just_being_declined_is_told(people):
    _, second = decline_and_approve(people)
    assert isinstance(second, NotApproved)
    assert "A Admin declined this" in str(second)
    assert facts(people) == ("declined", None, set())
    assert is_equal(people)


def test_without_the_lock_who_approves_would_not_be_told(people, without_the_schools_lock):
    assert isinstance(decline_and_approve(people)[1], CannotProject)


def approve_two_values_of_one_cell(people: Any) -> tuple[Any, Any]:
    with enter(people.school):
        other = only(people.t2.types(people.marks[0], "80"))
    return race(people, lambda: people.a.approves(people.change), lambda: people.b.approves(other))


def test_a_value_approved_while_another_is_being_approved_is_a_conflict(people):
    _, second = approve_two_values_of_one_cell(people)
    assert isinstance(second, NotApproved)
    assert second.refused[0].refusal.why is Why.CONFLICT
    assert facts(people)[:2] == ("approved", "70")
    assert is_equal(people)


def test_without_the_lock_the_conflict_would_not_be_seen(people, without_the_schools_lock):
    assert isinstance(approve_two_values_of_one_cell(people)[1], CannotProject)


def edit_directly_twice(people: Any) -> tuple[Any, Any]:
    def enters(person: Any, text: str) -> Any:
        draft = Draft(
            entity_type="enrollment",
            entity_id=people.marks[1],
            field="comment",
            typed=text,
            touched=True,
        )
        return lambda: person.enters([draft])

    return race(people, enters(people.a, "one"), enters(people.b, "two"))


def test_two_direct_edits_of_one_cell_follow_each_other(people):
    """Nobody looked at a page here: each builds on what stands, and the later one counts."""
    _, second = edit_directly_twice(people)
    assert isinstance(second, review.Entered)
    with enter(people.school):
        (later,) = second.saved.changes
        assert (later.old_value, later.value) == ("one", "two")
        assert people.is_equal()


def test_without_the_lock_the_second_direct_edit_would_fail(people, without_the_schools_lock):
    assert isinstance(edit_directly_twice(people)[1], CannotProject)


# The office and the author. -----------------------------------------------------------------------


def approve_while_withdrawing(people: Any) -> tuple[Any, Any]:
    return race(
        people, lambda: people.t1.withdraws(people.change), lambda: people.a.approves(people.change)
    )


def test_what_its_author_is_just_withdrawing_is_not_approved(people):
    first, second = approve_while_withdrawing(people)
    assert isinstance(first, Saved)
    assert isinstance(second, NotApproved)
    assert "or withdrew it" in str(second)
    assert facts(people) == ("provisional", None, set())


def test_without_the_authors_lock_it_would_be_approved_and_withdrawn(
    people, without_the_authors_lock
):
    first, second = approve_while_withdrawing(people)
    assert isinstance(first, Saved)
    assert isinstance(second, Outcome)
    assert facts(people)[0] == "approved"


def withdraw_while_approving(people: Any) -> tuple[Any, Any]:
    return race(
        people, lambda: people.a.approves(people.change), lambda: people.t1.withdraws(people.change)
    )


def test_what_is_just_being_approved_is_not_withdrawn_and_its_author_is_told_who(people):
    _, second = withdraw_while_approving(people)
    assert isinstance(second, NotYours)
    assert "A Admin approved this already" in str(second)
    assert facts(people) == ("approved", "70", set())


def test_without_the_authors_lock_it_would_be_withdrawn_and_approved(
    people, without_the_authors_lock
):
    _, second = withdraw_while_approving(people)
    assert isinstance(second, Saved)


def approve_while_retyping(people: Any) -> tuple[Any, Any]:
    return race(
        people,
        lambda: people.t1.types(people.marks[0], "75"),
        lambda: people.a.approves(people.change),
    )


def test_what_its_author_is_just_retyping_is_not_approved(people):
    first, second = approve_while_retyping(people)
    assert isinstance(second, NotApproved)
    assert second.refused[0].refusal.why is Why.CHANGED
    assert facts(people) == ("provisional", None, {only(first).pk})


def test_without_the_authors_lock_the_older_value_would_be_approved(
    people, without_the_authors_lock
):
    approve_while_retyping(people)
    assert facts(people)[:2] == ("approved", "70")


# One author in two tabs. --------------------------------------------------------------------------


def type_in_two_tabs(people: Any, **options: Any) -> tuple[Any, Any]:
    drafts = (
        Draft(
            entity_type="enrollment",
            entity_id=people.marks[1],
            field="grade",
            typed=text,
            base=None,
            touched=True,
        )
        for text in ("50", "55")
    )
    one, other = ([draft] for draft in drafts)
    return race(
        people,
        lambda: people.t1.proposes(one, **options),
        lambda: people.t1.proposes(other, **options),
    )


def test_two_tabs_that_type_into_one_cell_at_once_both_save_and_the_later_number_is_open(people):
    first, second = (only(saved) for saved in type_in_two_tabs(people))
    assert (first.number, second.number) == (1, 2)
    assert facts(people)[2] == {people.change.pk, second.pk}


def test_without_the_authors_lock_one_of_the_tabs_would_fail(people, without_the_authors_lock):
    assert isinstance(type_in_two_tabs(people)[1], IntegrityError)


def test_a_double_click_is_one_change_set(people):
    first, second = type_in_two_tabs(people, idempotency_key="one click")
    assert (first.repeated, second.repeated) == (False, True)
    assert second.change_set == first.change_set


def test_without_the_authors_lock_the_second_click_would_fail(people, without_the_authors_lock):
    second = type_in_two_tabs(people, idempotency_key="one click")[1]
    assert isinstance(second, IntegrityError)


def test_two_teachers_who_type_into_one_cell_do_not_wait_for_each_other(people):
    with enter(people.school):
        people.t1.types(people.marks[1], "50")
        other = Second(people, lambda: people.t2.types(people.marks[1], "55"))
        other.start()
        other.join(120)
        assert only(other.outcome).value == "55"


# The order of the locks. --------------------------------------------------------------------------


def enter_first_grades_while_the_office_approves(people: Any, monkeypatch: Any) -> tuple[Any, Any]:
    """The office begins when T1's marks are proposed, and not yet approved by rule."""
    with enter(people.school):
        people.school.first_grades = School.FirstGrades.STAND
        people.school.save()
        people.t1.member.school.refresh_from_db()
    office = Second(people, lambda: people.a.approves(people.change))

    def propose(*arguments: Any, **options: Any) -> Saved:
        saved = proposing.propose(*arguments, **options)
        office.runs_until_it_waits_or_is_done()
        return saved

    monkeypatch.setattr(marks, "propose", propose)
    draft = Draft(
        entity_type="enrollment",
        entity_id=people.marks[1],
        field="grade",
        typed="50",
        touched=True,
    )
    teacher = Second(
        people, lambda: enter_marks([draft], by=people.t1.member, origin=people.t1.origin())
    )
    teacher.start()
    teacher.join(120)
    office.join(120)
    return teacher.outcome, office.outcome


def test_marks_that_stand_at_once_and_the_office_do_not_wait_for_each_other_for_ever(
    people, monkeypatch
):
    saved, approved = enter_first_grades_while_the_office_approves(people, monkeypatch)
    assert isinstance(saved, Saved)
    assert isinstance(approved, Outcome)
    with enter(people.school):
        assert [people.grade(each) for each in people.marks[:2]] == ["70", "50"]
        assert people.is_equal()


def test_with_the_locks_in_the_other_order_one_of_them_would_be_cut_off(people, monkeypatch):
    monkeypatch.setattr(marks, "lock", lambda school: None)
    outcomes = enter_first_grades_while_the_office_approves(people, monkeypatch)
    assert sum(isinstance(each, OperationalError) for each in outcomes) == 1

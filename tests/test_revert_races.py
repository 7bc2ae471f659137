"""Two people at the same instant. Each race is followed by its control: the same story without
the lock that decides it, to show that the test would notice.

The first act is done and not yet committed when the second begins, on a connection of its own; the
second runs until the database makes it wait or it is done; then the first commits.
"""

from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection

from accounts.in_school import enter
from changes import deciding, revert, review
from changes.deciding import CannotProject
from changes.models import Decision, Exclusion, LedgerHead
from changes.revert import NothingToDo, PreviewChanged
from grading.models import Enrollment, GradeCorrection
from tests.cast import Cast, Person, only, open_changes, typed
from tests.racing import Second, race


@pytest.fixture
def people(own_cast: Cast) -> Cast:
    """The cast, committed. V has raised the first mark from 60 to 95."""
    people = own_cast
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        people.stand(people.marks[0], "95", by=people.v)
    return people


@pytest.fixture
def without_the_accounts_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revert, "lock_authors", lambda *_: None)


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch, without_the_accounts_lock: None) -> None:
    def read(school: Any) -> LedgerHead:
        return LedgerHead.objects.get(pk=school.pk)

    for module in (deciding, revert, review):
        monkeypatch.setattr(module, "lock", read)


def is_equal(people: Cast) -> bool:
    with enter(people.school):
        return people.is_equal()


def corrections(people: Cast, kind: str) -> int:
    with enter(people.school):
        return GradeCorrection.objects.filter(kind=kind).count()


def grade(people: Cast) -> str | None:
    with enter(people.school):
        return people.grade(people.marks[0])


# The account is still typing. ---------------------------------------------------------------------


def while_the_account_is_saving(people: Cast) -> Any:
    with enter(people.school):
        token = people.preview(people.v).token
    _, reverted = race(
        people,
        lambda: people.v.types(people.marks[1], "99"),
        lambda: people.a.reverts(people.v, token=token),
    )
    return reverted


def test_a_save_that_is_on_its_way_is_seen_before_the_account_is_reverted(people):
    refusal = while_the_account_is_saving(people)
    assert isinstance(refusal, PreviewChanged)
    assert {line.entity_id for line in refusal.preview.lines} == set(people.marks[:2])
    assert grade(people) == "95"
    assert is_equal(people)


def test_without_the_accounts_lock_it_would_be_overlooked(people, without_the_accounts_lock):
    assert isinstance(while_the_account_is_saving(people), revert.Reverted)
    with enter(people.school):
        assert len(open_changes()) == 1


# The same revert twice. ---------------------------------------------------------------------------


def twice_at_once(people: Cast) -> Any:
    with enter(people.school):
        token = people.preview(people.v).token

    def act() -> revert.Reverted:
        return people.a.reverts(people.v, token=token, idempotency_key="one form")

    return race(people, act, act)


def test_the_same_revert_sent_twice_at_once_is_one_decision(people):
    first, second = twice_at_once(people)
    assert (first.repeated, second.repeated) == (False, True)
    assert first.decision == second.decision
    assert corrections(people, "revert") == 1
    assert is_equal(people)


def test_without_locks_the_second_would_fail(people, without_locks):
    _, second = twice_at_once(people)
    assert isinstance(second, CannotProject)


def by_two_admins_at_once(people: Cast) -> Any:
    with enter(people.school):
        token = people.preview(people.v).token
    return race(
        people,
        lambda: people.a.reverts(people.v, token=token),
        lambda: people.b.reverts(people.v, token=token),
    )[1]


def test_of_two_admins_who_revert_the_same_at_once_the_second_looks_again(people):
    assert isinstance(by_two_admins_at_once(people), PreviewChanged)
    assert corrections(people, "revert") == 1
    with enter(people.school):
        assert Decision.objects.filter(kind="revert").count() == 1
        assert Exclusion.objects.count() == 1


def test_without_locks_the_other_admin_would_fail(people, without_locks):
    assert isinstance(by_two_admins_at_once(people), CannotProject)


def lifted_by_two_at_once(people: Cast) -> Any:
    with enter(people.school):
        reverted = people.a.reverts(people.v)
    return race(
        people, lambda: people.a.reinstates(reverted), lambda: people.b.reinstates(reverted)
    )[1]


def test_a_revert_that_two_lift_at_once_is_lifted_once(people):
    assert isinstance(lifted_by_two_at_once(people), NothingToDo)
    assert corrections(people, "reinstate") == 1
    assert grade(people) == "95"
    assert is_equal(people)


def test_without_locks_the_second_lift_would_fail(people, without_locks):
    assert isinstance(lifted_by_two_at_once(people), CannotProject)


# Reverting and approving the same cell. -----------------------------------------------------------


def approving_first(people: Cast) -> tuple[Any, Any]:
    with enter(people.school):
        waiting = only(people.t1.types(people.marks[0], "85", reason="remarked"))
    return race(people, lambda: people.a.approves(waiting), lambda: people.b.reverts(people.v))


def test_what_is_approved_just_before_a_revert_stays(people):
    _, reverted = approving_first(people)
    assert reverted.moves == []
    assert grade(people) == "85"
    assert corrections(people, "revert") == 0
    assert is_equal(people)


def test_without_locks_the_revert_would_fail(people, without_locks):
    assert isinstance(approving_first(people)[1], CannotProject)


def reverting_first(people: Cast, **options: Any) -> tuple[Any, Any]:
    with enter(people.school):
        waiting = only(people.t1.types(people.marks[0], "85", reason="remarked"))
    values = {waiting.pk: "seen"} if options.get("insisting") else {}
    return race(
        people,
        lambda: people.b.reverts(people.v),
        lambda: people.a.approves(waiting, use_values=values),
    )


def test_what_was_typed_over_a_value_that_is_just_reverted_is_a_conflict(people):
    _, refusal = reverting_first(people)
    assert isinstance(refusal, review.NotApproved)
    assert "by now “60” stands" in str(refusal)
    assert grade(people) == "60"
    assert is_equal(people)


def test_and_counts_when_the_admin_insists(people):
    reverting_first(people, insisting=True)
    assert grade(people) == "85"
    with enter(people.school):
        told = GradeCorrection.objects.filter(status="approved").order_by("approved_at")
        assert [(row.old_grade, row.new_grade) for row in told] == [
            ("60", "95"),
            ("95", "60"),
            ("60", "85"),
        ]
    assert is_equal(people)


def test_without_locks_the_approval_would_fail(people, without_locks):
    assert isinstance(reverting_first(people)[1], CannotProject)


# Reverting and editing the same cell. -------------------------------------------------------------


def comment(people: Cast) -> str | None:
    with enter(people.school):
        return Enrollment.objects.get(pk=people.marks[0]).comment


def editing(people: Cast, *, first: bool) -> tuple[Any, Any]:
    """B types into the cell directly while A reverts what V did there."""
    with enter(people.school):
        people.stand(people.marks[0], "rude", by=people.v, field="comment")

    def edit() -> Any:
        return people.b.enters([typed(people.marks[0], "kind", field="comment")])

    def revert_v() -> Any:
        return people.a.reverts(people.v)

    return race(people, edit, revert_v) if first else race(people, revert_v, edit)


@pytest.mark.parametrize("first", [True, False])
def test_what_the_office_enters_while_the_cell_is_reverted_stays(people, first):
    outcomes = editing(people, first=first)
    assert not [each for each in outcomes if isinstance(each, Exception)]
    assert comment(people) == "kind"
    assert grade(people) == "60"
    assert is_equal(people)


@pytest.mark.parametrize("first", [True, False])
def test_without_locks_the_second_of_edit_and_revert_would_fail(people, without_locks, first):
    assert isinstance(editing(people, first=first)[1], CannotProject)


# Two accounts that were misused. ------------------------------------------------------------------


def two_accounts(people: Cast) -> Any:
    """A reverts V while B reverts T2, who typed over V's value."""
    with enter(people.school):
        people.stand(people.marks[0], "99", by=people.t2)
    return race(people, lambda: people.a.reverts(people.v), lambda: people.b.reverts(people.t2))[1]


def test_two_reverts_that_overlap_come_to_what_neither_had_typed(people):
    assert isinstance(two_accounts(people), revert.Reverted)
    assert grade(people) == "60"
    with enter(people.school):
        rows = GradeCorrection.objects.filter(kind="revert").order_by("approved_at")
        assert [(row.old_grade, row.new_grade) for row in rows] == [("99", "60")]
    assert is_equal(people)


def test_without_locks_the_revert_of_the_other_account_would_fail(people, without_locks):
    assert isinstance(two_accounts(people), CannotProject)


# Lifting, and deciding on the same cell. ----------------------------------------------------------


def lifting(people: Cast) -> tuple[Any, Any]:
    with enter(people.school):
        reverted = people.a.reverts(people.v)
        waiting = only(people.t1.types(people.marks[0], "70", reason="remarked"))
    return race(
        people,
        lambda: people.b.reinstates(reverted),
        lambda: people.a.approves(waiting),
    )


def test_what_was_typed_before_a_lift_is_a_conflict_once_it_is_lifted(people):
    _, refusal = lifting(people)
    assert isinstance(refusal, review.NotApproved)
    assert "by now “95” stands" in str(refusal)
    assert grade(people) == "95"
    assert is_equal(people)


def test_without_locks_the_approval_after_a_lift_would_fail(people, without_locks):
    assert isinstance(lifting(people)[1], CannotProject)


# Opening again what was declined. -----------------------------------------------------------------


def opened_by_two(people: Cast) -> Any:
    with enter(people.school):
        declined = only(people.t1.types(people.marks[1], "70"))
        people.a.declines(declined)

    def reopen(by: Person) -> Any:
        return review.reopen(
            [declined.pk], school=by.school, by=by.member, origin=by.origin(), reason="misused"
        )

    return race(people, lambda: reopen(people.a), lambda: reopen(people.b))[1]


def test_what_two_open_again_at_once_waits_once(people):
    refusal = opened_by_two(people)
    assert isinstance(refusal, review.NotApproved)
    assert "Something newer of the same author is there already" in str(refusal)
    with enter(people.school):
        assert len(open_changes()) == 1


def test_without_locks_the_second_would_fail_and_say_nothing_of_it(
    people, without_locks, monkeypatch
):
    monkeypatch.setattr(review, "lock_authors", lambda *_: None)
    assert isinstance(opened_by_two(people), CannotProject | IntegrityError)


# A crash. -----------------------------------------------------------------------------------------


def everything(people: Cast) -> Any:
    with enter(people.school):
        counts = [model.objects.count() for model in (Decision, Exclusion, GradeCorrection)]
        return people.tables(), counts, list(LedgerHead.objects.values_list())


def revert_elsewhere(people: Cast) -> Any:
    act = Second(people, lambda: people.a.reverts(people.v))
    act.start()
    act.join(120)
    return act.outcome


@pytest.mark.parametrize("step", ["exclude", "leave_effects"])
def test_a_revert_that_is_cut_off_in_the_middle_has_not_happened(people, monkeypatch, step):
    before = everything(people)
    done = getattr(deciding.Act, step)

    def cut_off(act: Any, *arguments: Any) -> None:
        done(act, *arguments)
        with connection.cursor() as cursor:
            cursor.execute("select pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(deciding.Act, step, cut_off)
    assert isinstance(revert_elsewhere(people), OperationalError)
    assert everything(people) == before
    monkeypatch.setattr(deciding.Act, step, done)
    # The control: the same without the crash has happened.
    assert isinstance(revert_elsewhere(people), revert.Reverted)
    assert everything(people) != before
    assert grade(people) == "60"
    assert is_equal(people)

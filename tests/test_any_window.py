"""What an account did in a window, taken back and given back, in schools of random work.

Several accounts type blocks of marks and comments among each other, add pupils, and correct; the
office approves some of it and enters things itself. Then what one account did in a window is
reverted, and that is lifted. ``make soak SEEDS=500 FIRST=1000`` plays more of them, and others.
"""

import contextlib
import copy
import os
import random

import pytest
from django.db import transaction

from accounts.in_school import enter
from changes import projector, revert, review
from changes.deciding import CannotProject, KeysClash
from changes.models import Change
from changes.propose import Draft
from tests.cast import Cast, open_changes
from tests.ledger_model import Entry
from tests.pages import more_pupils
from tests.workload import GRADES, Workload, tables_of

SEEDS = int(os.environ.get("LEDGER_WINDOWS", "200"))
FIRST = int(os.environ.get("LEDGER_FIRST", "0"))
AT_ONCE = 20
MANY_IN_ONE = 100  # one seed in so many is played with thousands of edits, too
ACTS = [*["type_a_block"] * 4, *["approve_most"] * 3, *["propose"] * 2, "edit_directly"]


class Week(Workload):
    """Random work, most of it on mark sheets."""

    def type_a_block(self) -> None:
        """Have somebody type marks and comments of a class, as they see it."""
        by = self.someone()
        texts = {"grade": GRADES, "comment": ["Good.", "Late.", None]}
        cells = [(each, field) for each in self.model.tables()[0]["enrollment"] for field in texts]
        if not cells:  # the one who made them was reverted
            return
        block = [
            Draft(
                entity_type="enrollment",
                entity_id=each,
                field=field,
                typed=self.random.choice(texts[field]),
                touched=True,
                reason="because",
            )
            for each, field in self.random.sample(cells, self.random.randint(1, len(cells)))
        ]
        self.model.add(by.proposes(block, reason="because").changes)

    def approve_most(self) -> None:
        """Have the office approve most of what waits, as far as it can be."""
        by = self.admin()
        ids = [each for each in self.model.queue() if self.random.random() < 0.8]
        with contextlib.suppress(review.NotApproved, CannotProject):
            changes = Change.objects.filter(pk__in=review.with_prerequisites(ids))
            self.decided(by.approves(*changes, what_can_be=True), by)

    def typed_in_a_window(self) -> tuple[revert.Criteria, list[Entry]]:
        """Return an account and a window, and what it typed in it; the longest of a few."""
        found = [self.criteria() for _ in range(8)]
        typed = [each for each in found if each[0].decided_by is None]
        return max(typed, key=lambda each: len(each[1]))


def play(people: Cast, seed: int, *, acts: int = 6) -> tuple[int, int]:
    """Let a school work for some acts, revert what an account did in a window, and lift that after
    some more work. Return how many changes were typed in all, and how many of all were excluded."""
    week = Week(people)
    stood = len(week.model.entries)
    week.random = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    for _ in range(acts):
        getattr(week, week.random.choice(ACTS))()
    criteria, matching = week.typed_in_a_window()
    lines = week.model.lines(matching)
    others = week.model.built_on(lines)
    excluded = [e.id for key, some in lines.items() if key not in others for e in some]
    by = next(each for each in (people.a, people.b) if each.user.pk != criteria.account)
    assert_equal(week)
    before = tables_of(people), open_changes()
    try:
        done = revert.revert(
            criteria, school=by.school, by=by.member, origin=by.origin(), reason="because"
        )
    except revert.NothingToDo:
        assert not excluded
        return len(week.model.entries) - stood, 0
    except KeysClash:
        week.model.exclude(excluded, decision=1)
        assert week.model.clashes()
        return len(week.model.entries) - stood, 0
    week.model.exclude(excluded, decision=1)
    assert_equal(week)
    work_goes_on = week.random.random() < 0.5
    if work_goes_on:
        week.type_a_block()
        week.approve_most()
    week.model.lift(excluded, decision=1)
    if week.model.clashes():
        return len(week.model.entries) - stood, len(excluded)
    by.reinstates(done)
    assert_equal(week)
    assert work_goes_on or (tables_of(people), open_changes()) == before
    assert projector.verify(people.school).equal
    return len(week.model.entries) - stood, len(excluded)


def assert_equal(week: Week) -> None:
    """The tables and the queue are what the model adds up to."""
    assert tables_of(week.people) == week.model.tables()[0]
    assert open_changes() == set(week.model.queue())


@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, AT_ONCE))
def test_what_an_account_did_is_taken_back_as_if_it_had_not_been_and_given_back(people, first):
    typed = excluded = 0
    with enter(people.school), transaction.atomic():
        people.marks += more_pupils(people, 5)
        for seed in range(first, min(first + AT_ONCE, FIRST + SEEDS)):
            with transaction.atomic():
                of, out = play(copy.deepcopy(people), seed)
                transaction.set_rollback(True)
            typed, excluded = typed + of, excluded + out
        transaction.set_rollback(True)
    assert typed
    assert excluded


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS // MANY_IN_ONE))
def test_so_it_is_among_thousands_of_edits(people, seed):
    with enter(people.school), transaction.atomic():
        (room_for_all,) = people.t1.changes_cell("section", people.section, capacity=None).changes
        people.a.approves(room_for_all)  # the model knows nothing of a class that is full
        people.marks += more_pupils(people, 55)
        typed, _ = play(people, seed, acts=120)
        transaction.set_rollback(True)
    assert typed > 1000

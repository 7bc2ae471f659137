"""Schools that anything happens in: after each act, what must always hold holds.

The acts are those of tests/workload.py, chosen and filled in by Hypothesis, which looks for the
shortest story that breaks a rule; the oracle is the model of tests/ledger_model.py.
``make soak SEEDS=500 FIRST=1000`` plays more of them, and others; a failure names its seed.
"""

import contextlib
import copy
import os
import random
from collections import Counter
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from accounts.in_school import enter
from changes import deciding, overlay, projector
from changes.models import Change, ChangeSet, Decision, Exclusion
from grading.models import CourseChangeHistory, GradeCorrection
from tests.cast import Cast, open_changes
from tests.workload import Workload, tables_of

FIRST = int(os.environ.get("LEDGER_FIRST", "0"))
SEEDS = int(os.environ.get("LEDGER_SEEDS", "2"))
SCHOOLS = int(os.environ.get("LEDGER_SCHOOLS", "3"))
STEPS = int(os.environ.get("LEDGER_STEPS", "30"))

DRAWN = st.randoms(use_true_random=False)
"""What an act draws from: recorded, and so made shorter when a story breaks."""


FACTS = [
    *("pk", "change_set", "author", "entity_type", "entity_id", "field", "kind", "value"),
    *("refers_to", "number", "base_change", "old_value", "reopens", "two_people"),
    *("salt", "commitment"),
]


def facts() -> dict[str, dict[Any, Any]]:
    """Read what may never change, of each table by id; a row may only be added."""

    def of(model: Any, *names: str) -> dict[Any, Any]:
        return {row[0]: row[1:] for row in model.objects.values_list(*names)}

    submitted = ("enrollment", "old_grade", "new_grade", "reason", "submitted_by", "submitted_at")
    of_decided = GradeCorrection.objects.exclude(status="pending").values_list()
    return {
        "changes": of(Change, *FACTS),
        "decided": {
            row[0]: row[1:]
            for row in Change.objects.exclude(status="provisional").values_list(
                "pk", "status", "position", "decision", "decided_by"
            )
        },
        "change sets": of(ChangeSet),
        "decisions": of(Decision),
        "exclusions": of(Exclusion, "pk", "change", "decision"),
        "corrections": of(GradeCorrection, "pk", *submitted),
        "decided corrections": {row[0]: row[1:] for row in of_decided},
        "history": of(CourseChangeHistory),
    }


ACTS = [
    *("propose", "approve", "approve", "edit_directly", "revert", "reinstate", "merge") * 2,
    *("propose", "propose", "revert", "withdraw", "decline", "reopen", "rebuild"),
    "revert_two_in_either_order",
]
"""One rule for all of them: Hypothesis leaves out some of many rules in every single story."""


class SchoolAtWork(RuleBasedStateMachine):
    """One school from the cast's first day on; rolled back when its story ends."""

    people: Cast

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.stack.enter_context(transaction.atomic())
        self.stack.callback(transaction.set_rollback, True)
        people = copy.deepcopy(self.people)
        self.stack.enter_context(enter(people.school))
        self.work = Workload(people)
        self.before = facts()
        self.acts = 0

    def teardown(self) -> None:
        self.stack.close()

    # What people do. ------------------------------------------------------------------------------

    @rule(act=st.sampled_from(ACTS), drawn=DRAWN)
    def somebody_acts(self, act, drawn):
        self.work.random = drawn
        self.acts += 1
        getattr(self.work, act)()

    # What must always hold; what a decision told is compared by the acts. ----------------

    @invariant()
    def the_tables_are_the_fold_of_what_counts(self):
        tables, suspended = self.work.model.tables()
        assert tables_of(self.work.people) == tables
        assert open_changes() == set(self.work.model.queue())
        if self.acts % 5 == 0:
            found = projector.verify(self.work.people.school)
            assert found.differences == []
            assert found.suspended == suspended

    @invariant()
    def exclusions_hide_what_was_reverted_and_nothing_else(self):
        """The model excludes what matched the criteria, on lines that were ticked."""
        hidden = Exclusion.objects.filter(lifted_by=None).values_list("change_id", flat=True)
        excluded = {e.id: len(e.excluded_by) for e in self.work.model.entries.values()}
        assert Counter(hidden) == Counter({pk: n for pk, n in excluded.items() if n})

    @invariant()
    def the_ledger_and_the_effects_only_grow(self):
        now = facts()
        for what, rows in self.before.items():
            assert rows.items() <= now[what].items(), what
        assert now["changes"].keys() == self.work.model.entries.keys()
        self.before = now

    @invariant()
    def nobody_sees_what_another_proposes(self):
        people = self.work.people
        who = (people.t1, people.t2, people.v, people.b)[self.acts % 4]
        entries = self.work.model.entries.values()
        tables = self.work.model.tables()[0]
        values = self.work.model.values()
        mine = [e for e in entries if e.author == who.user.pk]
        own = {e.cell: e.value for e in mine if self.work.model.is_open(e)}
        for kind in ("student", "enrollment"):
            ids = {e.entity for e in entries if e.type == kind}
            seen = overlay.see(kind, ids, by=who.member)
            known = {e.entity for e in mine if e.field == "exists"}  # made, or proposed to delete
            stand = {each for each in ids if values.get(each, ("", {}))[1].get("exists") == "true"}
            assert tables[kind].keys() <= seen.keys() <= known | stand
            for each, row in tables[kind].items():
                shown = {field: seen[each].value(field) for field in row}
                theirs = row | {f: own[each, f] for f in row if (each, f) in own}
                assert shown == {f: value or None for f, value in theirs.items()}


@pytest.mark.parametrize("number", range(FIRST, FIRST + SEEDS))
def test_whatever_happens_what_must_always_hold_holds(people, number):
    machine = seed(number)(type("SchoolAtWork", (SchoolAtWork,), {"people": people}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=SCHOOLS,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_revert_that_excludes_nothing_would_be_noticed(people, monkeypatch):
    """The control."""
    monkeypatch.setattr(deciding.Act, "exclude", lambda act, change_ids: None)
    school = type("SchoolAtWork", (SchoolAtWork,), {"people": people})()
    drawn = random.Random(1)  # noqa: S311 - to be repeated, not to be secret

    def work() -> None:
        for act in ["edit_directly", "revert"] * 30:
            school.work.random = drawn
            getattr(school.work, act)()
            school.the_tables_are_the_fold_of_what_counts()

    with contextlib.closing(school.stack), pytest.raises(AssertionError):
        work()

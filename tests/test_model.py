"""Random schools: after each act of a seeded workload the tables are what the model says.

``make soak SEEDS=500 FIRST=1000`` plays more of them, and others; a failure names its seed.
"""

import copy
import os
import random
import uuid
from typing import Any
from unittest import mock

import pytest
from django.db import transaction

from changes import outlook, projector, registry, revert, review
from changes.deciding import CannotProject, KeysClash, MayNotDecide
from changes.models import Change
from changes.propose import Draft, NothingSaved, creation
from grading.models import GradeCorrection
from tests.cast import Cast, Person, open_changes
from tests.ledger_model import TYPES, Entry, Ledger, Record, Tables

FIRST = int(os.environ.get("LEDGER_FIRST", "0"))
SEEDS = int(os.environ.get("LEDGER_SEEDS", "12"))
STEPS = int(os.environ.get("LEDGER_STEPS", "40"))
KINDS = [
    *("grade", "grade", "grade", "comment", "enrolment", "enrolment", "pupil", "name", "number"),
    *("room", "room-of", "pupil-of", "delete"),
]
GRADES = ["10", "40", "60", "85", "95", "AB", None]


def tables_of(people: Cast) -> Tables:
    """Read the authoritative tables, as text."""
    found: Tables = {}
    for name in TYPES:
        tracked = registry.get(name)
        columns = {field.column: field.name for field in tracked.fields.values()}
        found[name] = {
            row.pop("id"): {
                columns[column]: None if value is None else str(value)
                for column, value in row.items()
            }
            for row in tracked.model._default_manager.values("id", *columns)
        }
    return found


class Workload:
    """A school at work, act by act, beside its model."""

    def __init__(self, people: Cast, seed: int) -> None:
        self.people = people
        self.random = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.model = Ledger()
        self.sections = [people.section]
        self.numbers = 0
        self.reverts: list[tuple[revert.Reverted, dict[str, list[Entry]], set[Any]]] = []
        self._take_over()

    def _take_over(self) -> None:
        made = Change.objects.select_related("change_set").order_by("id")
        self.model.add(made)
        for change in made.filter(status="approved").order_by("position"):
            self.model.approve([change.pk], by=change.decided_by_id, at=self.people.clock.now)

    # Choosing. ------------------------------------------------------------------------------------

    def someone(self) -> Person:
        people = self.people
        return self.random.choice([people.t1, people.t2, people.v, people.v, people.a, people.b])

    def admin(self) -> Person:
        return self.random.choice([self.people.a, self.people.b])

    def record(self, kind: str, by: Person | None = None) -> uuid.UUID | None:
        """Return a record that stands, or one that ``by`` has proposed."""
        known = list(self.model.tables()[0][kind])
        known += [
            e.entity
            for e in self.model.entries.values()
            if by
            and e.type == kind
            and e.creates
            and e.author == by.user.pk
            and e.status != "declined"
        ]
        return self.random.choice(known) if known else None

    def waiting(self, *, by: Person | None = None, most: int = 4) -> list[uuid.UUID]:
        queue = [
            each
            for each in self.model.queue()
            if by is None or self.model.entries[each].author == by.user.pk
        ]
        return self.random.sample(queue, min(len(queue), self.random.randint(1, most)))

    # Proposing. -----------------------------------------------------------------------------------

    def drafts(self, by: Person) -> list[Draft]:
        """Return something that a person might type."""
        kind = self.random.choice(KINDS)
        rooms = [None, *self.model.tables()[0]["room"]]
        typed: dict[str, tuple[str, str, Any]] = {
            "grade": ("enrollment", "grade", self.random.choice(GRADES)),
            "comment": ("enrollment", "comment", self.random.choice(["good", "late", None])),
            "name": ("student", "family_name", self.random.choice(["Abbott", "Zhou", None])),
            "number": ("student", "number", str(self.random.randint(101, 106))),
            "room-of": ("section", "room", self.random.choice(rooms)),
            "pupil-of": ("enrollment", "student", self.record("student", by)),
        }
        if kind == "pupil":
            return creation("student", {"number": str(self.random.randint(103, 112))})
        if kind == "room":
            return creation("room", {"name": f"Room {self.random.randint(1, 4)}"})
        if kind == "enrolment":
            student = self.record("student", by)
            values: Record = {"student": str(student), "section": str(self.people.section)}
            return creation("enrollment", values) if student else []
        record = self.random.choice(["student", "enrollment", "room"])
        entity_type, field, value = typed.get(kind, (record, "exists", "false"))
        entity = self.record(entity_type, by)
        if entity is None:
            return []
        typed_text = None if value is None else str(value)
        return [
            Draft(
                entity_type=entity_type,
                entity_id=entity,
                field=field,
                typed=typed_text,
                touched=True,
                reason="because",
            )
        ]

    def propose(self) -> None:
        by = self.someone()
        saved = by.proposes(self.drafts(by), reason="because")
        self.model.add(saved.changes)

    def withdraw(self) -> None:
        by = self.someone()
        own = self.waiting(by=by, most=2)
        if own:
            withdrawn = by.withdraws(*Change.objects.filter(pk__in=own))
            self.model.add(withdrawn.changes)

    # Deciding. ------------------------------------------------------------------------------------

    def approve(self) -> None:
        by, ids = self.admin(), self.waiting()
        if self.random.random() < 0.7:
            ids = review.with_prerequisites(ids)
        insist = self.random.random() < 0.5
        options = {"use_values": dict.fromkeys(ids, "seen")} if insist else {}
        before = self.model.tables()[0]
        try:
            outcome = by.approves(*Change.objects.filter(pk__in=ids), what_can_be=True, **options)
        except (review.NotApproved, CannotProject):
            return
        current = self.model.values()
        for judged in outcome.done:
            entry = self.model.entries[judged.id]
            standing = current.get(entry.entity, ("", {}))[1].get(entry.field)
            if entry.field in TYPES[entry.type].optional:  # a room that vanished reads as none
                standing = before[entry.type].get(entry.entity, {}).get(entry.field)
            assert insist or standing in (entry.old_value, entry.value)
        self.decided(outcome, by)
        self.check_corrections(outcome.decision, before, first_grades=True)

    def decided(self, outcome: review.Outcome | None, by: Person) -> None:
        if outcome is not None and outcome.decision is not None:
            self.model.approve(
                [j.id for j in outcome.done], by=by.user.pk, at=outcome.decision.decided_at
            )

    def decline(self) -> None:
        by, ids = self.admin(), self.waiting(most=2)
        try:
            outcome = by.declines(*Change.objects.filter(pk__in=ids))
        except review.NotApproved:
            return
        assert outcome.decision is not None
        self.model.decline(
            [j.id for j in outcome.done], by=by.user.pk, at=outcome.decision.decided_at
        )

    def reopen(self) -> None:
        declined = [e.id for e in self.model.entries.values() if e.status == "declined"]
        if declined:
            by = self.admin()
            chosen = [self.random.choice(declined)]
            try:
                again = review.reopen(chosen, school=by.school, by=by.member, origin=by.origin())
            except review.NotApproved:  # its author has typed something newer
                return
            self.model.add(again)

    def edit_directly(self) -> None:
        by = self.admin()
        try:
            with transaction.atomic():
                entered = by.enters(self.drafts(by), reason="because")
        except (review.NotApproved, NothingSaved, CannotProject):
            return
        self.model.add(entered.saved.changes)
        self.decided(entered.outcome, by)

    # Reverting. -----------------------------------------------------------------------------------

    def criteria(self) -> tuple[revert.Criteria, list[Entry]]:
        """Return criteria, and the entries that match them."""
        entries = list(self.model.entries.values())
        times = sorted({e.received_at for e in entries})
        start, end = sorted(self.random.choices(times, k=2))
        window: dict[str, Any] = {"start": start} if self.random.random() < 0.5 else {}
        if end > start and self.random.random() < 0.5:
            window["end"] = end
        account = self.someone().user.pk
        if self.random.random() < 0.2:
            matching = [
                e
                for e in entries
                if e.status == "approved"
                and e.decided_by == account
                and e.decided_at
                and _within(e.decided_at, **window)
            ]
            return revert.Criteria(decided_by=account, **window), matching
        own = [e for e in entries if e.author == account and _within(e.received_at, **window)]
        return revert.Criteria(account=account, **window), own

    def revert(self) -> None:
        criteria, matching = self.criteria()
        lines = self.model.lines(matching)
        others = self.model.built_on(lines)
        unticked = self.random.choice(
            [None, None, set(), {key for key in lines if self.random.random() < 0.3}]
        )
        kept = set(others) if unticked is None else unticked
        excluded = [e.id for key, some in lines.items() if key not in kept for e in some]

        preview = revert.preview(criteria, school=self.people.school, unticked=unticked)
        assert {line.key: set(line.change_ids) for line in preview.lines} == {
            key: {e.id for e in some} for key, some in lines.items()
        }
        assert {line.key for line in preview.lines if not line.ticked} == kept & lines.keys()
        assert {line.key: line.others for line in preview.lines if line.others} == others
        # What is read where only values are concerned is what a rehearsal comes to.
        with mock.patch.object(outlook, "of_revert", return_value=None):
            again = revert.preview(criteria, school=self.people.school, unticked=unticked)
        assert again == preview

        number = len(self.reverts) + 1
        tried = copy.deepcopy(self.model)
        tried.exclude(excluded, decision=number)
        before, waiting = self.people.tables(), open_changes()
        stood = self.model.tables()[0]
        by = self.admin()
        try:
            done = revert.revert(
                criteria,
                school=by.school,
                by=by.member,
                origin=by.origin(),
                reason="because",
                unticked=unticked,
                token=preview.token,
            )
        except revert.NothingToDo:
            assert not excluded
            return
        except KeysClash:
            assert preview.clashing
            assert tried.clashes()
            return
        assert excluded
        assert not tried.clashes()
        self.model = tried
        accounts = {criteria.account, criteria.decided_by}
        accounts |= {self.model.entries[each].author for each in excluded}
        self.reverts.append((done, {k: v for k, v in lines.items() if k not in kept}, accounts))
        self.check_corrections(done.decision, stood)
        if self.random.random() < 0.4:
            lifting = next(
                (p for p in (self.people.a, self.people.b) if p.user.pk not in accounts), None
            )
            if lifting:
                lifting.reinstates(done)
                self.model.lift(excluded, decision=number)
                assert self.people.tables() == before
                assert open_changes() == waiting

    def reinstate(self) -> None:
        if not self.reverts:
            return
        number = self.random.randrange(len(self.reverts)) + 1
        done, lines, accounts = self.reverts[number - 1]
        entries = self.model.entries
        still = {
            key: [e.id for e in some if number in entries[e.id].excluded_by]
            for key, some in lines.items()
        }
        unticked = {key for key in lines if self.random.random() < 0.3}
        what = {"school": self.people.school, "unticked": unticked}
        preview = revert.preview_reinstatement(done.decision, **what)
        with mock.patch.object(outlook, "of_lift", return_value=None):
            assert revert.preview_reinstatement(done.decision, **what) == preview
        lifted = [each for key, ids in still.items() if key not in unticked for each in ids]
        tried = copy.deepcopy(self.model)
        tried.lift(lifted, decision=number)
        stood = self.model.tables()[0]
        by = self.admin()
        try:
            again = by.reinstates(done, unticked=unticked)
        except MayNotDecide:
            assert by.user.pk in accounts
        except revert.NothingToDo:
            assert not lifted
        except KeysClash:
            assert tried.clashes()
        else:
            assert lifted
            assert by.user.pk not in accounts
            self.model = tried
            self.check_corrections(again.decision, stood)

    # Looking. -------------------------------------------------------------------------------------

    def check_corrections(
        self, decision: Any, before: Tables, *, first_grades: bool = False
    ) -> None:
        """One decided correction for each grade that the decision moved, and no other."""
        after = self.model.tables()[0]
        moved = {}
        for each in before["enrollment"].keys() | after["enrollment"].keys():
            old, new = (t["enrollment"].get(each, {}).get("grade") for t in (before, after))
            if old != new:
                moved[each] = (old, new)
        written = {
            row.enrollment_id: (row.old_grade, row.new_grade)
            for row in GradeCorrection.objects.filter(decision=decision, status="approved")
        }
        if first_grades:  # a first grade is no correction
            assert written.items() <= moved.items() | written.items()
            assert {k: v for k, v in moved.items() if v[0] is not None}.items() <= written.items()
        else:
            assert written == moved

    def check(self, *, verifying: bool = True) -> None:
        """Compare with the model; ``verifying`` asks ``verify`` too, whether it agrees."""
        tables, suspended = self.model.tables()
        assert tables_of(self.people) == tables
        assert open_changes() == set(self.model.queue())
        if not verifying:
            return
        found = projector.verify(self.people.school)
        assert found.differences == []
        assert found.suspended == suspended

    def step(self) -> str:
        act = self.random.choices(
            [
                self.propose,
                self.approve,
                self.edit_directly,
                self.withdraw,
                self.decline,
                self.reopen,
                self.revert,
                self.reinstate,
            ],
            [12, 8, 3, 2, 1, 1, 4, 3],
        )[0]
        act()
        return act.__name__


def _within(at: Any, start: Any = None, end: Any = None) -> bool:
    return (start is None or start <= at) and (end is None or at < end)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_after_every_act_the_tables_are_what_the_model_says(inside, seed):
    workload = Workload(inside, seed)
    workload.check()
    acts = []
    for number in range(1, STEPS + 1):
        acts.append(workload.step())
        try:
            workload.check(verifying=number % 5 == 0)
        except AssertionError as difference:
            raise AssertionError(
                f"seed {seed}, after {', '.join(acts)}: {difference}"
            ) from difference

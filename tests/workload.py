"""A school at work, act by act, beside its model.

What is typed, by whom, and what the office does with it is drawn from ``random``, which whoever
lets the school work gives it before each act.
"""

import copy
import random
import uuid
from typing import Any
from unittest import mock

from django.db import transaction

from changes import outlook, projector, registry, revert, review
from changes.deciding import CannotProject, KeysClash, MayNotDecide, lock
from changes.merge import CannotMerge, Merged, merge
from changes.models import Change, Exclusion
from changes.propose import Draft, NothingSaved, creation
from grading.models import CourseChangeHistory, GradeCorrection
from tests.cast import Cast, Person, open_changes
from tests.ledger_model import TYPES, Entry, Ledger, Record, Tables

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
    """The cast's school and its model. Call inside the school."""

    random: random.Random

    def __init__(self, people: Cast) -> None:
        self.people = people
        self.model = Ledger()
        self.merges = 0
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
        drafts, key = self.drafts(by), f"save {self.people.clock.now}"
        saved = by.proposes(drafts, reason="because", idempotency_key=key)
        self.model.add(saved.changes)
        if saved.change_set is not None and self.random.random() < 0.2:  # a double click
            again = by.proposes(drafts, reason="because", idempotency_key=key)
            assert again.repeated
            assert again.change_set == saved.change_set

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
        self.check_effects(outcome.decision, before, first_grades=True)

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
        before = self.model.tables()[0]
        self.model.add(entered.saved.changes)
        self.decided(entered.outcome, by)
        if entered.outcome is not None and entered.outcome.decision is not None:
            self.check_effects(entered.outcome.decision, before, first_grades=True)

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
        self.check_effects(done.decision, stood)
        if self.random.random() < 0.4:
            lifting = next(
                (p for p in (self.people.a, self.people.b) if p.user.pk not in accounts), None
            )
            if lifting:
                stood = self.model.tables()[0]
                lifted = lifting.reinstates(done)
                self.model.lift(excluded, decision=number)
                self.check_effects(lifted.decision, stood)
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
        what: dict[str, Any] = {"school": self.people.school, "unticked": unticked}
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
            self.check_effects(again.decision, stood)

    def revert_two_in_either_order(self) -> None:
        """Try two reverts, one way round and the other; none of it stays."""
        plans = []
        for criteria, matching in (self.criteria(), self.criteria()):
            lines = self.model.lines(matching)
            plans.append((criteria, {key for key in lines if self.random.random() < 0.3}))
        by = self.admin()

        def tried(order: list[tuple[revert.Criteria, set[str]]]) -> tuple[Any, Any] | None:
            outcome = None
            with transaction.atomic():
                try:
                    for criteria, unticked in order:
                        revert.revert(
                            criteria,
                            school=by.school,
                            by=by.member,
                            origin=by.origin(),
                            reason="because",
                            unticked=unticked,
                        )
                    outcome = self.people.tables(), open_changes()
                except (revert.NothingToDo, KeysClash):
                    pass
                transaction.set_rollback(True)
            return outcome

        one, other = tried(plans), tried(plans[::-1])
        if one and other:  # a clash on the way stops one of them
            assert one == other

    def rebuild(self) -> None:
        before, told = self.people.tables(), self.effects()
        head = lock(self.people.school)
        assert projector.rebuild(self.people.school) == 0
        assert self.people.tables() == before
        assert self.effects() == told
        assert lock(self.people.school).last_decision == head.last_decision

    # Saying that two pupils are one. --------------------------------------------------------------

    def merge(self) -> None:
        by = self.admin()
        known = sorted({e.entity for e in self.model.entries.values() if e.type == "student"})
        duplicate, survivor = self.random.sample(known, 2)
        before, waiting = self.people.tables(), open_changes()
        stood = self.model.tables()[0]
        try:
            with transaction.atomic():
                merged = merge(
                    duplicate,
                    survivor,
                    entity_type="student",
                    school=by.school,
                    by=by.member,
                    origin=by.origin(),
                )
        except (CannotMerge, review.NotApproved, CannotProject):
            return
        self.merges += 1
        own = self.take_in(merged, number=-2 * self.merges)
        self.check_history(merged.decision, stood)
        self.check_merged(stood, duplicate, survivor)
        if self.random.random() < 0.5:
            assert merged.decision is not None
            try:
                self.admin().reinstates(revert.Reverted(merged.decision, None, []))
            except KeysClash:
                return
            self.model.lift(self.excluded_by(-2 * self.merges), decision=-2 * self.merges)
            self.model.exclude(own, decision=-2 * self.merges - 1)
            if {judged.id for judged in merged.done} <= set(own):  # nothing else was approved
                assert self.people.tables() == before
                assert open_changes() == waiting

    def take_in(self, merged: Merged, *, number: int) -> list[uuid.UUID]:
        """Tell the model what a merge approved, excluded and added. Return what it added."""
        assert merged.decision is not None
        new = list(
            Change.objects.exclude(pk__in=self.model.entries)
            .select_related("change_set")
            .order_by("id")
        )
        self.model.add(new)
        approved = Change.objects.filter(decision=merged.decision, status="approved")
        for change in approved.order_by("position"):
            self.model.approve(
                [change.pk], by=merged.decision.decided_by_id, at=merged.decision.decided_at
            )
        excluded = Exclusion.objects.filter(decision=merged.decision)
        self.model.exclude(excluded.values_list("change_id", flat=True), decision=number)
        return [change.pk for change in new]

    def excluded_by(self, number: int) -> list[uuid.UUID]:
        return [e.id for e in self.model.entries.values() if number in e.excluded_by]

    def check_merged(self, before: Tables, duplicate: uuid.UUID, survivor: uuid.UUID) -> None:
        """The duplicate is gone, the survivor stands, and is where either of the two was."""
        after = self.model.tables()[0]
        assert duplicate not in after["student"]
        assert survivor in after["student"]

        def sections(tables: Tables, *pupils: uuid.UUID) -> set[str | None]:
            among = set(map(str, pupils))
            rows = tables["enrollment"].values()
            return {row["section"] for row in rows if row["student"] in among}

        assert sections(after, survivor) >= sections(before, duplicate, survivor)

    # Looking. -------------------------------------------------------------------------------------

    def check_effects(self, decision: Any, before: Tables, *, first_grades: bool = False) -> None:
        """What a decision told beside the tables: that which it moved since ``before``, once."""
        self.check_corrections(decision, before, first_grades=first_grades)
        self.check_history(decision, before)

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

    def effects(self) -> tuple[dict[uuid.UUID, Any], dict[uuid.UUID, Any]]:
        """Return the corrections, each with its decision once it has one, and the history."""
        told = GradeCorrection.objects.values_list(
            "pk", "enrollment", "old_grade", "new_grade", "reason", "submitted_by", "status"
        )
        history = CourseChangeHistory.objects.values_list()
        return {row[0]: row[1:] for row in told}, {row[0]: row[1:] for row in history}

    def check_history(self, decision: Any, before: Tables) -> None:
        """One row for each cell of a section that the decision moved, and no other."""
        after = self.model.tables()[0]["section"]
        moved = {
            (each, field): (old[field], after[each][field])
            for each, old in before["section"].items()
            for field in old
            if each in after and old[field] != after[each][field]
        }
        rows = CourseChangeHistory.objects.filter(decision=decision)
        written = {
            (row.section_id, row.field_name.removesuffix("_id")): (row.old_value, row.new_value)
            for row in rows
        }
        assert len(rows) == len(written)
        assert written == moved


def _within(at: Any, start: Any = None, end: Any = None) -> bool:
    return (start is None or start <= at) and (end is None or at < end)

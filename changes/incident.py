"""What a revert was, to be told and accounted for. Call inside a school."""

import dataclasses
import functools
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Q, QuerySet
from django.shortcuts import get_object_or_404

from . import lookups, naming, registry
from .as_of import DECIDED, EXCLUDED, AsOf, Typed, names
from .models import Change, Decision, Exclusion
from .projector import Move
from .registry import EXISTS, Effect, Told


def past_reverts() -> QuerySet[Any]:
    """Return the reverts of the school, the newest first, with how many exclusions are in force."""
    return (
        Decision.objects.filter(kind=Decision.Kind.REVERT)
        .select_related("decided_by")
        .annotate(
            made=Count("exclusions"),
            in_force=Count("exclusions", filter=Q(exclusions__lifted_by__isnull=True)),
        )
        .order_by("-number")
    )


def revert_or_404(number: int) -> Decision:
    """Return the revert of this number.

    Raises:
        Http404: the school has no revert of this number.
    """
    decision: Decision = get_object_or_404(past_reverts(), number=number)
    return decision


WAITED = "awaiting approval"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Excluded:
    """A change that a revert excluded, in words. ``was``: what it was until then; ``before`` and
    ``after``: what stood in its cell, until then and from then on; ``now``: what stands there by
    now, where that is something else, and "" where not."""

    change: Change
    title: str
    field: str
    old: str
    new: str
    was: str
    before: str
    after: str
    effects: tuple[Effect, ...]
    lifted_by: Decision | None
    now: str

    @property
    def moved(self) -> bool:
        return self.before != self.after

    @property
    def waited(self) -> bool:
        """Whether it waited, and so left the queue."""
        return self.was == WAITED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moved:
    """A cell that moved with the revert, beside those of the changes that it excluded."""

    title: str
    field: str
    before: str
    after: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Other:
    """A change that the revert did not exclude and that it is about too. ``now``: what it is."""

    change: Change
    title: str
    field: str
    old: str
    new: str


class Account:
    """The account of one revert, from the ledger: what it says of that day is the same for ever.

    What came after, a lift, and whether somebody has seen it, is added. The number of statements
    of each method does not grow with the changes.
    """

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.school = decision.school
        self.before = AsOf(self.school, decision.number - 1)
        self.after = AsOf(self.school, decision.number)
        last = Decision.objects.aggregate(last=Max("number"))["last"]
        self.now = AsOf(self.school, last)
        self._known_as = functools.partial(names, decision)

    def changes(self) -> QuerySet[Change]:
        """Return the changes that were excluded, the first that was sent on top."""
        return (
            Change.objects.filter(exclusions__decision=self.decision)
            .select_related("change_set", "author", "decision", "decided_by")
            .order_by("change_set__received_at", "id")
        )

    def excluded(self, changes: Sequence[Change], *, with_effects: bool = True) -> list[Excluded]:
        """Return some of these changes in words; ``with_effects``, what was written beside each."""
        cells = {(each.entity_type, each.entity_id, each.field) for each in changes}
        moves = {(m.entity_id, m.field): m for m in self._compared(cells)}
        now = self._stood(self.now, cells) if self.now.number > self.decision.number else {}
        since = {
            cell: Move(*cell, moves[cell[1:]].after, value)
            for cell, value in now.items()
            if value != moves[cell[1:]].after
        }
        titles, texts = self._words(changes, [*moves.values(), *since.values()])
        was = self._was(changes)
        lifts = {
            row.change_id: row.lifted_by
            for row in Exclusion.objects.filter(
                decision=self.decision, change__among=[each.pk for each in changes]
            ).select_related("lifted_by__decided_by")
        }
        effects = self._effects(changes) if with_effects else {}
        told = []
        for each in changes:
            key = (each.entity_type, each.field)
            move = moves[each.entity_id, each.field]
            later = since.get((each.entity_type, each.entity_id, each.field))
            withdrawn = each.kind == Change.Kind.WITHDRAW
            told.append(
                Excluded(
                    change=each,
                    title=titles[each.entity_id],
                    field=_label(each.entity_type, each.field),
                    old="" if withdrawn or each.field == EXISTS else texts[*key, each.old_value],
                    new="withdrawn" if withdrawn else texts[*key, each.value],
                    was=was[each.pk],
                    before=texts[*key, move.before],
                    after=texts[*key, move.after],
                    effects=tuple(effects.get(each.pk, ())),
                    lifted_by=lifts[each.pk],
                    now=texts[*key, later.after] if later else "",
                )
            )
        return told

    def consequences(self) -> list[Moved]:
        """Return the cells of other records that moved with it: of those that vanished with what
        they belonged to, or came back with it, or lost a reference to it."""
        moves = self._consequences()
        titles, texts = self._words([], moves)
        return [
            Moved(
                title=titles[move.entity_id],
                field=_label(move.entity_type, move.field),
                before=texts[move.entity_type, move.field, move.before],
                after=texts[move.entity_type, move.field, move.after],
            )
            for move in moves
        ]

    def to_check(self) -> QuerySet[Change]:
        """Return the changes that stayed, and counted or waited, but were typed by somebody who
        saw a value that went."""
        return self._others(_TO_CHECK)

    def returned(self) -> QuerySet[Change]:
        """Return the changes that waited again, because what was typed or withdrawn over them
        went."""
        return self._others(_RETURNED)

    def others(self, changes: Sequence[Change]) -> list[Other]:
        """Return changes of ``to_check`` or ``returned`` in words."""
        titles, texts = self._words(changes, ())
        return [
            Other(
                change=each,
                title=titles[each.entity_id],
                field=_label(each.entity_type, each.field),
                old=texts[each.entity_type, each.field, each.old_value],
                new=texts[each.entity_type, each.field, each.value],
            )
            for each in changes
        ]

    def left_behind(self) -> list[str]:
        """Return what else was written, in words."""
        return [
            words for each in registry.in_order() for words in each.rules.left_behind(self.decision)
        ]

    def told(self) -> list[Told]:
        """Return who was told of it."""
        return [told for each in registry.in_order() for told in each.rules.told_of(self.decision)]

    def lifts(self) -> QuerySet[Any]:
        """Return the decisions that lifted some of it, with how many changes each."""
        lifts = Decision.objects.filter(undoes=self.decision).select_related("decided_by")
        return lifts.annotate(count=Count("lifted")).order_by("number")

    # From the ledger. -----------------------------------------------------------------------------

    def _compared(self, cells: Collection[tuple[str, uuid.UUID, str]]) -> list[Move]:
        """Return what stood in these cells before and after, also where that is the same."""
        before, after = (self._stood(ledger, cells) for ledger in (self.before, self.after))
        return [Move(*cell, before[cell], after[cell]) for cell in cells]

    def _stood(
        self, ledger: AsOf, cells: Collection[tuple[str, uuid.UUID, str]]
    ) -> dict[tuple[str, uuid.UUID, str], str | None]:
        records = {(entity_type, pk) for entity_type, pk, _ in cells}
        ledger.read({pk for _, pk in records}, {field for *_, field in cells})
        ledger.stand(records)
        values = {cell: ledger.value(*cell) for cell in cells}
        named = {
            cell: (field.reference.entity_type, uuid.UUID(value))
            for cell, value in values.items()
            if value and cell[2] != EXISTS
            for field in [registry.get(cell[0]).field(cell[2])]
            if field.reference and field.reference.entity_type
        }
        there = ledger.stand(named.values())
        # What refers to a record that does not stand refers to nothing.
        return values | {cell: None for cell, (_, pk) in named.items() if pk not in there}

    def _consequences(self) -> list[Move]:
        came_or_goes = {EXISTS, *(f.name for t in registry.in_order() for f in t.required)}
        own = self.changes().order_by()
        touched = set(
            own.filter(field__in=came_or_goes).values_list("entity_type", "entity_id").distinct()
        )
        found: dict[tuple[uuid.UUID, str], Move] = {}
        seen: set[Typed] = set()
        while touched:
            seen |= touched
            moves = self._compared(
                {
                    (entity_type, pk, field)
                    for entity_type, pk in touched
                    for field in (EXISTS, *registry.get(entity_type).fields)
                }
            )
            found |= {(m.entity_id, m.field): m for m in moves if m.before != m.after}
            came_or_went = [m.entity_id for m in moves if m.field == EXISTS and m.before != m.after]
            rows = Change.objects.filter(
                refers_to__among=came_or_went, status=Change.Status.APPROVED
            ).values_list("entity_type", "entity_id")
            touched = set(rows.distinct()) - seen
        excluded = own.filter(entity_id__among=[pk for _, pk in seen])
        told = found.keys() - set(excluded.values_list("entity_id", "field"))
        return [found[cell] for cell in sorted(told)]

    def _others(self, query: str) -> QuerySet[Change]:
        with connection.cursor() as cursor:
            cursor.execute(
                query,
                {
                    "school": self.school.pk,
                    "decision": self.decision.pk,
                    "number": self.decision.number,
                },
            )
            ids = [row[0] for row in cursor.fetchall()]
        return (
            Change.objects.filter(pk__among=ids)
            .select_related("change_set", "author")
            .order_by("change_set__received_at", "id")
        )

    def _was(self, changes: Sequence[Change]) -> dict[uuid.UUID, str]:
        with connection.cursor() as cursor:
            cursor.execute(
                _WAS,
                {
                    "school": self.school.pk,
                    "ids": lookups.array([each.pk for each in changes]),
                    "number": self.decision.number - 1,
                    "decision": self.decision.pk,
                },
            )
            return dict(cursor.fetchall())

    def _effects(self, changes: Sequence[Change]) -> dict[uuid.UUID, Sequence[Effect]]:
        by_type: dict[str, list[Change]] = defaultdict(list)
        for each in changes:
            by_type[each.entity_type].append(each)
        found: dict[uuid.UUID, Sequence[Effect]] = {}
        for entity_type, some in by_type.items():
            decisions = {each.pk: {self.decision.pk} for each in some}
            found |= registry.get(entity_type).rules.effects(some, decisions)
        return found

    def _words(
        self, changes: Sequence[Change], moves: Collection[Move]
    ) -> tuple[dict[uuid.UUID, str], dict[tuple[str, str, str | None], str]]:
        """Return the titles of records and the texts of values, by the names of that day."""
        records = {(c.entity_type, c.entity_id) for c in changes}
        records |= {(m.entity_type, m.entity_id) for m in moves}
        values = {
            *((c.entity_type, c.field, value) for c in changes for value in (c.old_value, c.value)),
            *((m.entity_type, m.field, value) for m in moves for value in (m.before, m.after)),
        }
        return (
            naming.titles(records, known_as=self._known_as),
            naming.value_texts(values, known_as=self._known_as),
        )


def _label(entity_type: str, field: str) -> str:
    tracked = registry.get(entity_type)
    return tracked.label if field == EXISTS else tracked.field(field).label


def _then(text: str) -> str:
    """Return SQL in which the conditions of ``as_of`` are put for each alias."""
    for alias in ("c", "l"):
        for name, condition in (("excluded", EXCLUDED), ("decided", DECIDED)):
            said = condition.format(change=alias, number="%(number)s")
            text = text.replace(f"{name}({alias})", said)
    return text


# The ids of changes and decisions are in the order in which they were made: what came after the
# decision was not there yet.
_LATER = """exists (
    select 1 from changes_change l
    where l.school_id = c.school_id and l.author_id = c.author_id and l.entity_id = c.entity_id
      and l.field = c.field and l.number > c.number and l.id < %(decision)s
      and not excluded(l))"""

_WAS = _then(f"""
    select c.id, case
        when excluded(c) then 'excluded already, by another revert'
        when c.kind = 'withdraw' then 'a withdrawal'
        when decided(c) then 'approved'
        when {_LATER} then 'superseded or withdrawn by its author'
        else '{WAITED}' end
    from changes_change c
    where c.school_id = %(school)s and c.id = any(%(ids)s::uuid[])""")  # noqa: S608 - our own text

_TO_CHECK = _then(f"""
    select c.id
    from changes_exclusion went
    join changes_change c on c.school_id = went.school_id and c.base_change_id = went.change_id
    where went.school_id = %(school)s and went.decision_id = %(decision)s
      and c.kind = 'value' and c.id < %(decision)s and not excluded(c)
      and (c.status = 'approved' and decided(c) or not decided(c) and not {_LATER})""")  # noqa: S608 - the same

_RETURNED = _then(f"""
    select distinct c.id
    from changes_exclusion went
    join changes_change w on w.school_id = went.school_id and w.id = went.change_id
    join changes_change c on c.school_id = w.school_id and c.author_id = w.author_id
        and c.entity_id = w.entity_id and c.field = w.field and c.number < w.number
    where went.school_id = %(school)s and went.decision_id = %(decision)s
      and c.kind = 'value' and not decided(c) and not excluded(c) and not {_LATER}""")  # noqa: S608 - the same

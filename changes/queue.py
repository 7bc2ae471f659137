"""What waits, as the office reads it: lines of old and new values, with names instead of ids.

Call inside a school. The number of statements grows with the types of records among the changes,
never with the changes.
"""

import dataclasses
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db.models import Count, QuerySet, Window
from django.db.models.functions import RowNumber

from accounts.models import School

from . import judgement, naming, registry
from .judgement import Judged
from .models import Change, ChangeSet
from .registry import EXISTS, FALSE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One cell, or one new record with all that came with it.

    ``now`` is set where something else stands by now than what it was typed over. ``facts`` are
    the fields of a new record and their values.
    """

    changes: tuple[Judged, ...]
    title: str
    label: str
    field: str
    old: str
    new: str
    now: str | None
    facts: tuple[tuple[str, str], ...]
    author: str
    reason: str

    @property
    def ids(self) -> str:
        """The changes of the line, as its checkbox sends them."""
        return " ".join(str(change.id) for change in self.changes)

    @property
    def first(self) -> Judged:
        return self.changes[0]

    @property
    def creates(self) -> bool:
        return self.first.creates

    @property
    def deletes(self) -> bool:
        return self.first.field == EXISTS and self.first.value == FALSE

    @property
    def two_people(self) -> bool:
        return any(change.two_people for change in self.changes)

    @property
    def why_not(self) -> list[str]:
        """Why it cannot be approved, in sentences: empty before it was judged, or if it can."""
        return list(dict.fromkeys(c.refusal.message for c in self.changes if c.refusal))

    @property
    def refused_because(self) -> set[judgement.Why]:
        return {change.refusal.why for change in self.changes if change.refusal}

    @property
    def has_note(self) -> bool:
        return bool(self.now is not None or self.two_people or self.reason or self.why_not)

    @property
    def can_insist(self) -> bool:
        """Whether who decides may say "use this value" and why."""
        return bool(
            self.refused_because
            and self.refused_because <= {judgement.Why.CONFLICT, judgement.Why.REASON}
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batch:
    """What still waits of one change set. ``hidden`` counts what is not among ``lines``."""

    change_set: ChangeSet
    author: str
    lines: list[Line]
    count: int

    @property
    def ids(self) -> str:
        return " ".join(line.ids for line in self.lines)

    @property
    def hidden(self) -> int:
        return self.count - sum(len(line.changes) for line in self.lines)


def lines(school: School, change_ids: Collection[uuid.UUID]) -> list[Line]:
    """Return lines for changes as they stand now, in the order of their submission."""
    return lines_of(judgement.load(school, change_ids))


def lines_of(judged: Sequence[Judged]) -> list[Line]:
    """Return lines for changes that were loaded, and maybe judged, already."""
    titles = naming.titles({(j.entity_type, j.entity_id) for j in judged})
    texts = naming.value_texts(
        (j.entity_type, j.field, value)
        for j in judged
        for value in (j.old_value, j.value, j.current)
    )
    authors = naming.people({j.author_id for j in judged})
    reasons = _reasons(judged)
    made = []
    for some in _grouped(judged):
        first = some[0]
        tracked = registry.get(first.entity_type)
        key = (first.entity_type, first.field)
        made.append(
            Line(
                changes=tuple(some),
                title=titles[first.entity_id],
                label=tracked.label,
                field="" if first.field == EXISTS else tracked.field(first.field).label,
                old=texts[*key, first.old_value],
                new=texts[*key, first.value],
                now=None
                if first.current in (first.old_value, first.value)
                else texts[*key, first.current],
                facts=tuple(
                    (tracked.field(j.field).label, texts[j.entity_type, j.field, j.value])
                    for j in some
                    if j.field != EXISTS and first.creates
                ),
                author=authors[first.author_id],
                reason=" ".join(dict.fromkeys(reasons[j.id] for j in some if reasons.get(j.id))),
            )
        )
    return made


def _grouped(judged: Iterable[Judged]) -> list[list[Judged]]:
    """Group the cells that came in the same save as the creation of their record."""
    created = {(j.change_set_id, j.entity_id) for j in judged if j.creates}
    groups: dict[object, list[Judged]] = defaultdict(list)
    for each in judged:
        record = (each.change_set_id, each.entity_id)
        groups[record if record in created else each.id].append(each)
    return [sorted(some, key=lambda j: not j.creates) for some in groups.values()]


def _reasons(judged: Sequence[Judged]) -> dict[uuid.UUID, str]:
    reasons = {j.id: j.set_reason for j in judged if j.set_reason}
    by_type: dict[str, list[uuid.UUID]] = defaultdict(list)
    for each in judged:
        by_type[each.entity_type].append(each.id)
    for entity_type, ids in by_type.items():
        reasons |= registry.get(entity_type).rules.reasons(ids)
    return reasons


def waiting_sets() -> QuerySet[Any]:
    """Return a row per change set of which something waits: its id, when it was received and how
    many changes of it wait, the oldest first."""
    return (
        Change.objects.open()
        .order_by()
        .values("change_set_id", "change_set__received_at")
        .annotate(count=Count("id"))
        .order_by("change_set__received_at", "change_set_id")
    )


def batches(school: School, rows: Sequence[dict[str, Any]], *, most: int) -> list[Batch]:
    """Return what waits of the change sets in ``rows`` (of ``waiting_sets``), in their order, with
    the first ``most`` changes of each."""
    ids = [row["change_set_id"] for row in rows]
    ranked = (
        Change.objects.open()
        .filter(change_set_id__in=ids)
        .annotate(rank=Window(RowNumber(), partition_by="change_set_id", order_by="id"))
        .filter(rank__lte=most)
        .order_by()
        .values_list("id", flat=True)
    )
    shown: dict[uuid.UUID, list[Line]] = defaultdict(list)
    for line in lines(school, list(ranked)):
        shown[line.first.change_set_id].append(line)
    sets = ChangeSet.objects.select_related("initiator").in_bulk(ids)
    return [
        Batch(
            change_set=sets[row["change_set_id"]],
            author=str(sets[row["change_set_id"]].initiator),
            lines=shown[row["change_set_id"]],
            count=row["count"],
        )
        for row in rows
    ]

"""What waits, as the office reads it: lines of old and new values, with names instead of ids.

Call inside a school. The number of statements grows with the types of records among the changes,
never with the changes.
"""

import dataclasses
import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from accounts.models import Membership, School

from . import judgement, naming, registry, wording
from .flags import Flag, Mark, marks_on, merged
from .groups import together
from .judgement import Judged
from .models import Change
from .registry import EXISTS, FALSE


@dataclasses.dataclass(frozen=True)
class Side:
    """One of the values that a conflict is about, with who wrote it and when it was decided, or
    sent."""

    heading: str
    value: str
    who: str
    at: dt.datetime | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One cell, or one new record with all that came with it.

    ``now`` is set where something else stands by now than what it was typed over; ``sides`` are
    then the values that are in question. ``facts`` are the fields of a new record and their values,
    ``marks`` its flags.
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
    marks: tuple[Mark, ...] = ()
    sides: tuple[Side, ...] = ()

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
    def is_typed(self) -> bool:
        """Whether somebody typed it, and did not choose it or add or delete a record."""
        return bool(self.field) and not (
            registry.get(self.first.entity_type).field(self.first.field).reference
        )

    @property
    def why_not(self) -> list[str]:
        """Why it cannot be approved, in sentences: empty before it was judged, or if it can."""
        return list(dict.fromkeys(c.refusal.message for c in self.changes if c.refusal))

    @property
    def told(self) -> list[Mark]:
        """The flags to be shown: where it is said why it cannot be approved, not that once more."""
        said = {Flag.CONFLICT, Flag.BUILDS, Flag.CANNOT, Flag.SECOND} if self.why_not else set()
        return [mark for mark in self.marks if mark.flag not in said]

    @property
    def refused_because(self) -> set[judgement.Why]:
        return {change.refusal.why for change in self.changes if change.refusal}

    @property
    def has_note(self) -> bool:
        return bool(self.marks or self.sides or self.reason or self.why_not)

    @property
    def words(self) -> list[wording.Part]:
        """What became of the words of a text; empty where the two texts say it better."""
        is_text = self.old != naming.NOTHING and self.new != naming.NOTHING
        return wording.compare(self.old, self.new) if is_text else []

    @property
    def can_insist(self) -> bool:
        """Whether who decides may say "use this value" and why."""
        return bool(
            self.refused_because
            and self.refused_because <= {judgement.Why.CONFLICT, judgement.Why.REASON}
        )


def lines(
    school: School, change_ids: Collection[uuid.UUID], *, by: Membership | None = None
) -> list[Line]:
    """Return lines for changes as they stand now, in the order of their submission; with ``by``,
    who looks, also their flags."""
    judged = judgement.load(school, change_ids)
    return lines_of(judged, marks=marks_on(school, judged, by=by) if by else None)


def lines_of(
    judged: Sequence[Judged], *, marks: Mapping[uuid.UUID, Sequence[Mark]] | None = None
) -> list[Line]:
    """Return lines for changes that were loaded, and maybe judged, already, with their flags."""
    titles = naming.titles({(j.entity_type, j.entity_id) for j in judged})
    texts = naming.value_texts(
        (j.entity_type, j.field, value)
        for j in judged
        for value in (j.old_value, j.value, j.current)
    )
    authors = naming.people({j.author_id for j in judged})
    reasons = _reasons(judged)
    sides = _sides(judged)
    made = []
    for some in together(judged):
        first = some[0]
        tracked = registry.get(first.entity_type)
        said = {each.name for each in naming.fields_of_title(tracked) if each.reference}
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
                    if first.creates and j.field not in {EXISTS, *said}
                ),
                author=authors[first.author_id],
                reason=" ".join(dict.fromkeys(reasons[j.id] for j in some if reasons.get(j.id))),
                marks=merged(mark for j in some for mark in (marks or {}).get(j.id, ())),
                sides=sides.get(first.id, ()),
            )
        )
    return made


def _reasons(judged: Sequence[Judged]) -> dict[uuid.UUID, str]:
    reasons = {j.id: j.set_reason for j in judged if j.set_reason}
    by_type: dict[str, list[uuid.UUID]] = defaultdict(list)
    for each in judged:
        by_type[each.entity_type].append(each.id)
    for entity_type, ids in by_type.items():
        reasons |= registry.get(entity_type).rules.reasons(ids)
    return reasons


def _sides(judged: Sequence[Judged]) -> dict[uuid.UUID, tuple[Side, ...]]:
    """Return, of the changes that something newer stands against, the three values side by side."""
    moved = [each for each in judged if each.base_moved]
    if not moved:
        return {}
    stood = {pk for each in moved for pk in (each.base, each.head) if pk}
    written = {
        pk: (author_id, at)
        for pk, author_id, at in Change.objects.filter(pk__in=stood).values_list(
            "pk", "author_id", "decision__decided_at"
        )
    }
    names = naming.people(
        {author_id for author_id, _ in written.values()} | {each.author_id for each in moved}
    )
    texts = naming.value_texts(
        (each.entity_type, each.field, value)
        for each in moved
        for value in (each.old_value, each.current, each.value)
    )

    def side(each: Judged, heading: str, value: str | None, change: uuid.UUID | None) -> Side:
        author_id, at = written.get(change, (None, None)) if change else (None, None)
        text = texts[each.entity_type, each.field, value]
        return Side(heading, text, names[author_id] if author_id else "", at)

    return {
        each.id: (
            side(each, "Typed over", each.old_value, each.base),
            side(each, "Stands now", each.current, each.head),
            Side(
                "Proposed",
                texts[each.entity_type, each.field, each.value],
                names[each.author_id],
                each.received_at,
            ),
        )
        for each in moved
    }

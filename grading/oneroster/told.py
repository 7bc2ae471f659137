"""What an import changed, record by record in words: what is new, changed, withdrawn, deleted.

Call inside the school. The number of statements does not grow with the records of a part.
"""

import hashlib
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from changes import naming, registry
from changes.delivering import Part
from changes.models import Change
from changes.registry import EXISTS, FALSE, TRUE
from grading.oneroster.compare import Difference
from grading.oneroster.matching import STATUS, WITHDRAWN

NEW, CHANGED, WAITS = "new", "changed", "waits"
WITHDRAWS, DELETED = "withdrawn", "deleted"
LISTED = 100
"""So many records of one type, and of one way, are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A field that changed. waits: a mark stands there, so that a second person approves."""

    label: str
    before: str
    after: str
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A record that changed. what: one of the five words above. places: where the delivery says
    so, as file and line."""

    entity_type: str
    what: str
    title: str
    places: tuple[tuple[str, int], ...]
    cells: list[Cell] = field(default_factory=list)


class Told:
    """The records of an import. counts: how many, by type and by what became of them. listed: the
    first of these. digest: of all."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.listed: dict[tuple[str, str], list[Line]] = defaultdict(list)
        self._digest = hashlib.sha256()

    def add(self, lines: Iterable[Line]) -> None:
        """Count further records."""
        for line in lines:
            way = line.entity_type, line.what
            self.counts[way] += 1
            if self.counts[way] <= LISTED:
                self.listed[way].append(line)
            self._digest.update(repr(line).encode("utf-8", "backslashreplace") + b"\n")

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


def what_changed(difference: Difference, part: Part) -> list[Line]:
    """Return the records of a part, in the order of their types and of the delivery."""
    by_record: dict[uuid.UUID, list[Change]] = {}
    for change in part.changes:
        by_record.setdefault(change.entity_id, []).append(change)
    titles = naming.titles((some[0].entity_type, pk) for pk, some in by_record.items())
    whole = {pk for pk, some in by_record.items() if any(c.field == EXISTS for c in some)}
    texts = naming.value_texts(
        (change.entity_type, change.field, value)
        for pk, some in by_record.items()
        if pk not in whole
        for change in some
        for value in (change.old_value, change.value)
    )
    order = {tracked.entity_type: n for n, tracked in enumerate(registry.in_order())}
    lines = []
    for pk, some in by_record.items():
        tracked = registry.get(some[0].entity_type)
        places = {difference.places[pk, change.field][:2] for change in some}
        cells = [
            Cell(
                tracked.field(change.field).label,
                texts[change.entity_type, change.field, change.old_value],
                texts[change.entity_type, change.field, change.value],
                change.two_people,
            )
            for change in some
            if pk not in whole
        ]
        lines.append(
            Line(tracked.entity_type, _what(some), titles[pk], tuple(sorted(places)), cells)
        )
    return sorted(lines, key=lambda line: (order[line.entity_type], line.places, line.title))


def _what(some: Sequence[Change]) -> str:
    said = {change.field: change.value for change in some}
    if said.get(EXISTS) == TRUE:
        return NEW
    if said.get(EXISTS) == FALSE:
        return DELETED
    if all(change.two_people for change in some):
        return WAITS
    return WITHDRAWS if said.get(STATUS) == WITHDRAWN else CHANGED

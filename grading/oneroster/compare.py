"""What a roster changes in a school: one draft for each cell that it wants otherwise.

A roster is compared with what the last import said, not with what stands: a value that a teacher
corrected here stays until the file itself changes. Without that, each night's import of an old
file would undo the day's work. Call inside the school.

It comes in parts, parents before children, each made when it is asked for: so many drafts and what
is read for them are too much to keep.
"""

import itertools
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from accounts.models import Membership
from changes import overlay, registry
from changes.propose import Draft, creation
from changes.registry import EXISTS
from grading.oneroster.imported import Cell, Imported
from grading.oneroster.matching import (
    ENROLLED,
    ENROLLMENT,
    SOURCE_ID,
    STATUS,
    WITHDRAWN,
    Matches,
    resolve,
)
from grading.oneroster.removal import Away, Removal
from grading.oneroster.wanted import Place, Ref, Wanted, Wants

T = TypeVar("T")

PART = 1500
"""So many records are compared, and entered, at once."""


@dataclass(slots=True)
class Difference:
    """A part. records: how many were looked at for it. drafts: what to propose. places: where in
    the delivery each cell comes from.

    added, changed: records by entity type. kept: cells that were changed here since the last
    import, and in the file not.
    """

    records: int = 0
    drafts: list[Draft] = field(default_factory=list)
    places: dict[Cell, Place] = field(default_factory=dict)
    added: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    kept: int = 0


def compare(
    wants: Wants,
    matches: Matches,
    known: Imported,
    removal: Removal,
    *,
    by: Membership,
    reason: str,
    partial: bool = False,
) -> Iterator[Difference]:
    """Yield what the wanted records change, and then what is taken away.

    reason: why a standing grade would change. partial: only what has a line in a file; the rest is
    what the school holds already.
    """
    away = dict(removal.away)
    for entity_type, wanted in wants.items():
        for some in _batches(wanted()):
            yield _part(
                entity_type, some, matches, known, away, by=by, reason=reason, partial=partial
            )
    for freed in _batches(sorted(matches.freed)):
        found = Difference(len(freed))
        for pk in freed:
            found.drafts.append(_draft(ENROLLMENT, pk, SOURCE_ID, None))
            found.places[pk, SOURCE_ID] = Place("enrollments.csv", 0, "sourcedId")
        yield found
    deletions = {pk: cells for pk, cells in away.items() if EXISTS in cells}
    for taken in _batches(pk for pk in list(away) if pk not in deletions):
        yield _taken({pk: away[pk] for pk in taken})
    if deletions:  # at once: a parent goes with what refers to it
        yield _taken(deletions)


def places_of(
    cells: Iterable[Cell], wants: Wants, matches: Matches, removal: Removal
) -> dict[Cell, Place]:
    """Return where in the delivery cells of records that were compared come from."""
    names: dict[uuid.UUID, list[str]] = defaultdict(list)
    found: dict[Cell, Place] = {}
    for cell in cells:
        names[cell[0]].append(cell[1])
        taken = removal.away.get(cell[0], {}).get(cell[1])
        found[cell] = taken[2] if taken else Place("enrollments.csv", 0, cell[1])
    for entity_type, wanted in wants.items():
        for each in wanted():
            pk = matches.ids.get(Ref(entity_type, each.key))
            if pk is not None and pk in names:
                own = set(names[pk]) - removal.away.get(pk, {}).keys()
                found |= {(pk, name): each.place(name) for name in own}
    return found


def _batches(each: Iterable[T]) -> Iterator[list[T]]:
    left = iter(each)
    return iter(lambda: list(itertools.islice(left, PART)), [])


def _part(
    entity_type: str,
    wanted: Sequence[Wanted],
    matches: Matches,
    known: Imported,
    away: Away,
    *,
    by: Membership,
    reason: str,
    partial: bool,
) -> Difference:
    """Compare records of one type. Takes out of ``away`` what it takes away of these."""
    found = Difference(len(wanted))
    tracked = registry.get(entity_type)
    here = {
        matches.ids[this]: each
        for each in wanted
        if (this := Ref(entity_type, each.key)) not in matches.deleted
    }
    old = here.keys() - matches.new
    seen = overlay.see(entity_type, old, by=by)
    said = known.values(old) if old else {}
    for entity_id, each in here.items():
        values = {
            name: resolve(tracked, name, value, matches.ids)
            for name, value in each.values.items()
            if not partial or each.place(name).line
        }
        if not values:
            continue
        if said.get((entity_id, STATUS)) == WITHDRAWN and (not partial or each.origin.line):
            values[STATUS] = ENROLLED  # a roster took them out of the class, and has them again
        record = seen.get(entity_id)
        if record is None:
            filled = {name: value for name, value in values.items() if value is not None}
            drafts = creation(entity_type, dict[str, str | None](filled), entity_id=entity_id)
            found.added[entity_type] += 1
        else:
            drafts = _changes(record, values, said, found)
            found.changed[entity_type] += bool(drafts)
        for draft in drafts:
            draft.reason = reason
            found.places[entity_id, draft.field] = each.place(draft.field)
        if drafts and entity_id in away:  # what is taken away of a cell counts, and is last
            taken = _taken({entity_id: away.pop(entity_id)})
            drafts = [d for d in drafts if (entity_id, d.field) not in taken.places] + taken.drafts
            found.places |= taken.places
        found.drafts += drafts
    return found


def _changes(
    record: overlay.Record,
    values: Mapping[str, str | None],
    said: Mapping[Cell, str | None],
    found: Difference,
) -> list[Draft]:
    drafts = []
    for name, value in values.items():
        cell, here = record.cell(name), (record.id, name)
        if name == SOURCE_ID and value == str(record.id):
            continue  # it goes out under its own id, and has come back
        # A blank that no import ever filled takes nothing away from what people typed.
        if value == said.get(here):
            found.kept += here in said and value not in (cell.standing, cell.value)
        elif value != cell.value:
            drafts.append(_draft(record.entity_type, record.id, name, value))
    return drafts


def _taken(away: Away) -> Difference:
    """What is taken away of some records."""
    found = Difference(len(away))
    for pk, cells in away.items():
        for name, (entity_type, value, place) in cells.items():
            found.drafts.append(_draft(entity_type, pk, name, value))
            found.places[pk, name] = place
    return found


def _draft(entity_type: str, entity_id: uuid.UUID, name: str, value: str | None) -> Draft:
    return Draft(
        entity_type=entity_type,
        entity_id=entity_id,
        field=name,
        typed=value,
        # A version of the scale that also takes the marks of this file: the others stay readable.
        one_person=(entity_type, name) == ("section", "scale"),
    )

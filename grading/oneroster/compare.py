"""What a roster changes in a school: one draft for each cell that it wants otherwise.

A roster is compared with what the last import said, not with what stands: a value that a teacher
corrected here stays until the file itself changes. Without that, each night's import of an old
file would undo the day's work. Call inside the school.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from accounts.models import Membership
from changes import overlay, registry
from changes.propose import Draft, creation
from grading.models import Enrollment
from grading.oneroster.matching import ENROLLMENT, SOURCE_ID, Imported, Matches, resolve
from grading.oneroster.wanted import Place, Ref, Wanted

Cell = tuple[uuid.UUID, str]
STATUS = "status"
ENROLLED, WITHDRAWN = Enrollment.Status.ENROLLED.value, Enrollment.Status.WITHDRAWN.value


@dataclass(slots=True)
class Difference:
    """drafts: what to propose. places: where in the delivery each cell comes from.

    added, changed: records by entity type. kept: cells that were changed here since the last
    import, and in the file not.
    """

    drafts: list[Draft] = field(default_factory=list)
    places: dict[Cell, Place] = field(default_factory=dict)
    added: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    kept: int = 0


def compare(
    wanted: Sequence[Wanted],
    matches: Matches,
    known: Imported,
    *,
    by: Membership,
    reason: str,
    partial: bool = False,
) -> Difference:
    """Return what the wanted records change. reason: why a standing grade would change. partial:
    only what has a line in a file; the rest is what the school holds already."""
    found = Difference()
    seen = _see(matches, by)
    for each in wanted:
        this = Ref(each.entity_type, each.key)
        if this in matches.deleted:
            continue
        tracked = registry.get(each.entity_type)
        entity_id = matches.ids[this]
        values = {
            name: resolve(tracked, name, value, matches.ids)
            for name, value in each.values.items()
            if not partial or each.place(name).line
        }
        if not values:
            continue
        if known.values.get((entity_id, STATUS)) == WITHDRAWN and (not partial or each.origin.line):
            values[STATUS] = ENROLLED  # a roster took them out of the class, and has them again
        record = seen.get(entity_id)
        if record is None:
            filled = {name: value for name, value in values.items() if value is not None}
            drafts = creation(each.entity_type, dict[str, str | None](filled), entity_id=entity_id)
            found.added[each.entity_type] += 1
        else:
            drafts = _changes(record, values, known, found)
            found.changed[each.entity_type] += bool(drafts)
        for draft in drafts:
            draft.reason = reason
            found.places[draft.entity_id, draft.field] = each.place(draft.field)
        found.drafts += drafts
    for entity_id in matches.freed:
        found.drafts.append(_draft(ENROLLMENT, entity_id, SOURCE_ID, None))
        found.places[entity_id, SOURCE_ID] = Place("enrollments.csv", 0, "sourcedId")
    return found


def _see(matches: Matches, by: Membership) -> dict[uuid.UUID, overlay.Record]:
    by_type: dict[str, list[uuid.UUID]] = defaultdict(list)
    for this, entity_id in matches.ids.items():
        if entity_id not in matches.new:
            by_type[this.entity_type].append(entity_id)
    seen: dict[uuid.UUID, overlay.Record] = {}
    for entity_type, ids in by_type.items():
        seen |= overlay.see(entity_type, ids, by=by)
    return seen


def _changes(
    record: overlay.Record, values: Mapping[str, str | None], known: Imported, found: Difference
) -> list[Draft]:
    drafts = []
    for name, value in values.items():
        cell, here = record.cell(name), (record.id, name)
        if name == SOURCE_ID and value == str(record.id):
            continue  # it goes out under its own id, and has come back
        # A blank that no import ever filled takes nothing away from what people typed.
        if value == known.values.get(here):
            found.kept += here in known.values and value not in (cell.standing, cell.value)
        elif value != cell.value:
            drafts.append(_draft(record.entity_type, record.id, name, value))
    return drafts


def _draft(entity_type: str, entity_id: uuid.UUID, name: str, value: str | None) -> Draft:
    return Draft(entity_type=entity_type, entity_id=entity_id, field=name, typed=value)

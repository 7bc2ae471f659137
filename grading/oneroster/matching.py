"""Which records of a school a roster means: those here already, those to be made, those to leave.

Call everything here inside the school. The number of statements does not grow with the records.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from accounts.ids import new_id
from changes import registry
from changes.models import Change, ChangeSet
from changes.registry import EXISTS, FALSE, Invalid, Tracked
from grading.models import Enrollment
from grading.oneroster.imported import Imported
from grading.oneroster.wanted import Ref, Value, Wanted, Wants

ENROLLMENT = "enrollment"
SOURCE_ID = "source_id"
STATUS = "status"
ENROLLED, WITHDRAWN = Enrollment.Status.ENROLLED.value, Enrollment.Status.WITHDRAWN.value
NATURAL = {"term": ("name", "starts_on", "ends_on")}
"""By what people know a record; for other types by the ledger's natural key."""

CHUNK = 5000
"""Rows read at once."""

Nature = tuple[str | None, ...]


@dataclass(slots=True)
class Matches:
    """ids: of each wanted record. new: those to be made.

    deleted: in the roster, but deleted here on purpose; they and what refers to them stay away.
    freed: enrolments whose roster id now means another one. gone: the records that once came from a
    roster and are not in this one, by entity type; own: those that never did, and are not in this
    one either. Of a delta none of both counts, which says what is gone.
    """

    ids: dict[Ref, uuid.UUID] = field(default_factory=dict)
    new: set[uuid.UUID] = field(default_factory=set)
    deleted: set[Ref] = field(default_factory=set)
    freed: set[uuid.UUID] = field(default_factory=set)
    gone: dict[str, set[uuid.UUID]] = field(default_factory=dict)
    own: dict[str, set[uuid.UUID]] = field(default_factory=dict)


def match(wants: Wants, known: Imported) -> Matches:
    """Find each wanted record in the school's tables, or give it a new id.

    A record is known by its roster id; one that has none is known by its number, code, name or
    dates, as people know it. An enrolment is always known by its pupil and section: a roster that
    uses an enrolment's id again for another class must not carry the mark along.
    """
    matches = Matches()
    for tracked in registry.in_order():
        if SOURCE_ID not in tracked.fields:
            continue  # nothing that a roster speaks of
        some = wants.get(tracked.entity_type)
        _match_type(tracked, some() if some else (), known, matches)
    return matches


def resolve(tracked: Tracked, name: str, value: Value, ids: Mapping[Ref, uuid.UUID]) -> str | None:
    """A wanted value as the ledger writes it; text that its field refuses is returned as it is."""
    if value is None:
        return None
    if isinstance(value, Ref):
        return str(ids[value])
    try:
        return tracked.field(name).clean(value)
    except Invalid:
        return value


def _match_type(
    tracked: Tracked, wanted: Iterable[Wanted], known: Imported, matches: Matches
) -> None:
    kind = tracked.entity_type
    names = NATURAL.get(kind) or next(key for key in tracked.natural_keys if key != (SOURCE_ID,))
    by_source: dict[str, uuid.UUID] = {}
    by_own_id: dict[str, uuid.UUID] = {}
    by_nature: dict[Nature, uuid.UUID] = {}
    columns = [tracked.field(name).column for name in names]
    rows = tracked.model._default_manager.values_list("id", SOURCE_ID, *columns)
    for entity_id, source_id, *values in rows.iterator(chunk_size=CHUNK):
        if source_id is not None:
            by_source[source_id] = entity_id
        else:
            by_own_id[str(entity_id)] = entity_id
        if None not in values and (source_id is None or kind == ENROLLMENT):
            by_nature[tuple(str(value) for value in values)] = entity_id
    unknown: list[tuple[Ref, uuid.UUID, Nature]] = []
    for each in wanted:
        this = Ref(kind, each.key)
        if any(value in matches.deleted for value in each.values.values()):
            matches.deleted.add(this)
            continue
        source_id = resolve(tracked, SOURCE_ID, each.values.get(SOURCE_ID), matches.ids) or ""
        nature = tuple(resolve(tracked, name, each.values[name], matches.ids) for name in names)
        # What has no roster id goes out under its own, and comes back so.
        same_id = by_source.get(source_id) or by_own_id.get(source_id)
        # Taken once: two lines with one number must clash, not write into one record by turns.
        entity_id = by_nature.pop(nature, None)
        if kind == ENROLLMENT and same_id not in (None, entity_id):
            matches.freed.add(same_id)
        elif kind != ENROLLMENT:
            entity_id = same_id or entity_id
        if entity_id is None:
            before = known.vanished.get((kind, source_id))
            if before is not None:
                unknown.append((this, before, nature))
            entity_id = new_id()
            matches.new.add(entity_id)
        matches.ids[this] = entity_id
    if kind == ENROLLMENT and unknown:
        said = known.values(before for _, before, _ in unknown)
        unknown = [
            (this, before, nature)
            for this, before, nature in unknown
            if nature == tuple(said.get((before, name)) for name in names)
        ]
    _leave_deleted({this: before for this, before, _ in unknown}, matches)
    matched = set(matches.ids.values())
    matches.freed -= matched
    matches.gone[kind] = set(by_source.values()) - matched - matches.freed
    matches.own[kind] = set(by_own_id.values()) - matched


def _leave_deleted(unknown: Mapping[Ref, uuid.UUID], matches: Matches) -> None:
    """Of records that an import once made and that stand no longer, find those that a person
    deleted. The others were never approved, wait for a parent, or were deleted by a delta, and are
    made anew."""
    heads = (
        Change.objects.filter(entity_id__among=unknown.values(), field=EXISTS)
        .effective()
        .order_by("entity_id", "-position")
        .distinct("entity_id")
        .values_list("entity_id", "value", "change_set__source")
    )
    deleted = {
        entity_id
        for entity_id, value, source in (heads if unknown else ())
        if value == FALSE and source != ChangeSet.Source.IMPORT
    }
    for this, before in unknown.items():
        if before in deleted:
            matches.new.discard(matches.ids.pop(this))
            matches.deleted.add(this)

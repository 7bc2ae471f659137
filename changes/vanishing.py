"""What a deletion takes with it: the records that need the deleted one, over every step.

Call inside a school.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable

from . import registry
from .projector import Move

Reached = dict[str, dict[uuid.UUID, set[uuid.UUID]]]


def dependents(roots: Iterable[tuple[str, uuid.UUID]]) -> Reached:
    """Return the standing records that would vanish with these: by type and id, each with the
    roots that it would vanish with. A root is among them. One statement per required reference."""
    reached: Reached = defaultdict(lambda: defaultdict(set))
    for entity_type, root in roots:
        reached[entity_type][root].add(root)
    for tracked in registry.in_order():
        for field in tracked.required:
            parents = reached[(field.reference and field.reference.entity_type) or ""]
            if not parents:
                continue
            rows = tracked.model._default_manager.filter(
                **{f"{field.column}__in": list(parents)}
            ).values_list("pk", field.column)
            for each, parent in rows:
                reached[tracked.entity_type][each] |= parents[parent]
    return reached


def guarded(roots: Iterable[tuple[str, uuid.UUID]]) -> set[uuid.UUID]:
    """Return which of these records may be deleted only when a second person approves it."""
    reached = dependents(roots)
    found: set[uuid.UUID] = set()
    for tracked in registry.in_order():
        some = reached[tracked.entity_type]
        if some:
            found |= {root for each in tracked.rules.guard(set(some)) for root in some[each]}
    return found


def causes(deleted: Collection[uuid.UUID], moves: Iterable[Move]) -> dict[uuid.UUID, uuid.UUID]:
    """Return which of the deleted records each record went with, by the moves of one decision."""
    if not deleted:
        return {}
    parents: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for move in moves:
        if move.field == registry.EXISTS or move.before is None or move.after is not None:
            continue
        reference = registry.get(move.entity_type).field(move.field).reference
        if reference and reference.required:
            parents[move.entity_id].append(uuid.UUID(move.before))
    found = {}
    for vanished in {*deleted, *parents}:
        way = [vanished]
        for each in way:  # grows while it is walked
            if each in deleted:
                found[vanished] = each
                break
            way += parents.get(each, ())
    return found

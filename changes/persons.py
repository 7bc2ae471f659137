"""Of which persons the school keeps records: whom a file of changes tells about.

An app says of an entity type that it is one of persons (``registry.track(is_person=True)``).
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable

from . import registry
from .models import Change


def persons(cells: Iterable[tuple[str, uuid.UUID]]) -> set[uuid.UUID]:
    """Return the ids of the persons that records are of, or that they name or ever named. Records
    are given as (entity type, id). Call inside a school; one statement for each type that names
    persons."""
    wanted: dict[str, set[uuid.UUID]] = defaultdict(set)
    for entity_type, entity_id in cells:
        wanted[entity_type].add(entity_id)
    of_persons = {each.entity_type for each in registry.in_order() if each.is_person}
    found = {entity_id for name in of_persons for entity_id in wanted[name]}
    for tracked in registry.in_order():
        naming = [
            field.name
            for field in tracked.fields.values()
            if field.reference and field.reference.entity_type in of_persons
        ]
        if naming and wanted[tracked.entity_type]:
            named = Change.objects.filter(
                entity_type=tracked.entity_type,
                entity_id__among=wanted[tracked.entity_type],
                field__in=naming,
                refers_to__isnull=False,
            )
            found |= {each for each in named.values_list("refers_to", flat=True) if each}
    return found

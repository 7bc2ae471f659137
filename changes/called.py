"""Records by what people call them: a class by its code, a pupil by their name.

Only of what stands. Call inside a school. The number of statements grows with the types of records,
never with the records.
"""

import functools
import operator
import uuid
from collections import defaultdict

from django.db.models import Q

from . import naming, registry
from .registry import Field, Tracked


def called(words: str, *, most: int) -> list[tuple[uuid.UUID, str]]:
    """Return records that have each of these words in their name, with their names and what they
    belong to: first those that are called just so. ``most``: so many of each type."""
    found: dict[str, list[uuid.UUID]] = {}
    for tracked in registry.in_order():
        columns = [field.column for field in _named_by(tracked)]
        if columns and words.split():
            has_all = functools.reduce(
                operator.and_,
                (
                    functools.reduce(operator.or_, (Q(**{f"{c}__icontains": w}) for c in columns))
                    for w in words.split()
                ),
            )
            exactly = {f"{columns[0]}__iexact": words.strip()}
            records = tracked.model._default_manager
            ids = list(records.filter(**exactly).order_by("pk").values_list("pk", flat=True)[:most])
            ids = ids or list(
                records.filter(has_all).order_by(*columns, "pk").values_list("pk", flat=True)[:most]
            )
            if ids:
                found[tracked.entity_type] = ids
    return _in_words(found)


def _named_by(tracked: Tracked) -> list[Field]:
    """Return the fields of a type's title that are texts of its own."""
    fields = [f for f in tracked.fields.values() if f"{{{f.name}}}" in tracked.title]
    return [field for field in fields if field.reference is None]


def _in_words(found: dict[str, list[uuid.UUID]]) -> list[tuple[uuid.UUID, str]]:
    belongs: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    wanted = [(entity_type, each) for entity_type, ids in found.items() for each in ids]
    for entity_type, ids in found.items():
        tracked = registry.get(entity_type)
        for field in tracked.required:
            assert field.reference is not None  # noqa: S101 - it is required
            rows = tracked.model._default_manager.filter(pk__in=ids).values_list("pk", field.column)
            for pk, parent in rows:
                belongs[pk].append(parent)
                wanted.append((field.reference.entity_type or "", parent))
    titles = naming.titles(wanted)
    return [
        (each, ", ".join([f"{registry.get(entity_type).label} {titles[each]}", *parents]))
        for entity_type, ids in found.items()
        for each in ids
        for parents in [[titles[parent] for parent in belongs[each]]]
    ]

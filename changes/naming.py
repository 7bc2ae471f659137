"""What people call the records and values of the ledger: "Abbott, Ada in BIO-2", never an id.

For who may see provisional values, that is the office: a record that is in no table (not approved
yet, declined, vanished) is named by the newest values that the ledger has of it. Call inside a
school. The number of statements grows with the types of records, never with the records.
"""

import string
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

from django.apps import apps

from accounts.models import User

from . import registry
from .models import Change
from .registry import EXISTS, TRUE, Field, Reference, Tracked

NOTHING = "nothing"

Values = dict[str, str | None]
Known = Callable[[Tracked, Collection[uuid.UUID]], dict[uuid.UUID, Values]]


def titles(
    cells: Iterable[tuple[str, uuid.UUID]], *, known_as: Known | None = None
) -> dict[uuid.UUID, str]:
    """Return what people call records, each given as (entity type, id): by the values that stand
    (of one that is in no table, by the newest that anybody proposed), or by those that
    ``known_as`` gives for records of a type."""
    wanted: dict[str, set[uuid.UUID]] = defaultdict(set)
    for entity_type, entity_id in cells:
        wanted[entity_type].add(entity_id)
    known: dict[str, dict[uuid.UUID, Values]] = {}
    # Children first: they say which parents are to be named too.
    for tracked in reversed(registry.in_order()):
        if not wanted[tracked.entity_type]:
            continue
        known[tracked.entity_type] = (known_as or _values)(tracked, wanted[tracked.entity_type])
        for name, parent in _parents(tracked).items():
            wanted[parent] |= {
                uuid.UUID(value)
                for values in known[tracked.entity_type].values()
                if (value := values.get(name))
            }
    named: dict[uuid.UUID, str] = {}
    for tracked in registry.in_order():
        for entity_id in wanted[tracked.entity_type]:
            values = known[tracked.entity_type].get(entity_id, {})
            named[entity_id] = _title(tracked, values, named)
    return named


def value_texts(
    values: Iterable[tuple[str, str, str | None]], *, known_as: Known | None = None
) -> dict[tuple[str, str, str | None], str]:
    """Return values as people read them, each given as (entity type, field, canonical value):
    the title of what a reference refers to, "nothing" for null, "added" or "deleted" for what
    exists or does not, "17 May 2012" for a date, and any other value as it is."""
    wanted = set(values)
    tracked_ids: set[tuple[str, uuid.UUID]] = set()
    other_ids: dict[Reference, set[uuid.UUID]] = defaultdict(set)
    for entity_type, name, value in wanted:
        reference = _reference(entity_type, name)
        if reference is None or value is None:
            continue
        if reference.entity_type:
            tracked_ids.add((reference.entity_type, uuid.UUID(value)))
        else:
            other_ids[reference].add(uuid.UUID(value))
    named = titles(tracked_ids, known_as=known_as)
    for reference, ids in other_ids.items():
        named |= _names_of(reference, ids)
    return {each: _text(*each, named) for each in wanted}


def people(user_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the names of people, by their ids."""
    return {user.pk: str(user) for user in User.objects.filter(pk__in=set(user_ids))}


def _text(entity_type: str, name: str, value: str | None, named: Mapping[uuid.UUID, str]) -> str:
    if name == EXISTS:
        return "added" if value == TRUE else "deleted"
    if value is None:
        return NOTHING
    field = registry.get(entity_type).field(name)
    if field.reference is None:
        return field.in_words(value)
    return named.get(uuid.UUID(value)) or _nameless(field.label)


def _reference(entity_type: str, name: str) -> Reference | None:
    return None if name == EXISTS else registry.get(entity_type).field(name).reference


def _names_of(reference: Reference, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return what people call rows that the ledger does not track: people, scales."""
    if reference.column == "user_id":
        return people(ids)
    model = next(m for m in apps.get_models() if m._meta.db_table == reference.table)
    return {row.pk: str(row) for row in model._default_manager.filter(pk__in=ids)}


def fields_of_title(tracked: Tracked) -> list[Field]:
    """Return the fields of which the title of such a record is made."""
    parts = string.Formatter().parse(tracked.title)
    return [tracked.field(name) for _, name, _, _ in parts if name]


def _parents(tracked: Tracked) -> dict[str, str]:
    """Return the references in a type's title: field name -> entity type."""
    return {
        field.name: field.reference.entity_type
        for field in fields_of_title(tracked)
        if field.reference and field.reference.entity_type
    }


def ever_approved(tracked: Tracked, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Values]:
    """Return the values that a title needs for who may not see what others propose: of the table,
    or else what was approved last."""
    return _values(tracked, ids, approved=True)


def _values(
    tracked: Tracked, ids: Collection[uuid.UUID], *, approved: bool = False
) -> dict[uuid.UUID, Values]:
    """Return the values that a title needs: of the table, or else the newest of the ledger."""
    fields = fields_of_title(tracked)
    rows = tracked.model._default_manager.filter(pk__in=ids).values_list(
        "pk", *(field.column for field in fields)
    )
    found: dict[uuid.UUID, Values] = {
        entity_id: {
            field.name: None if value is None else str(value)
            for field, value in zip(fields, values, strict=True)
        }
        for entity_id, *values in rows
    }
    missing = set(ids) - found.keys()
    if missing:
        newest = (
            Change.objects.filter(
                entity_id__in=missing,
                field__in=[field.name for field in fields],
                kind=Change.Kind.VALUE,
                value__isnull=False,
            )
            .order_by("entity_id", "field", "-position" if approved else "-id")
            .distinct("entity_id", "field")
            .values_list("entity_id", "field", "value")
        )
        if approved:
            newest = newest.filter(status=Change.Status.APPROVED)
        for entity_id, name, value in newest:
            found.setdefault(entity_id, {})[name] = value
    return found


def _title(tracked: Tracked, values: Values, named: Mapping[uuid.UUID, str]) -> str:
    parents = _parents(tracked)
    texts = {}
    for field in fields_of_title(tracked):
        value = values.get(field.name)
        if field.name in parents:
            label = registry.get(parents[field.name]).label
            texts[field.name] = named[uuid.UUID(value)] if value else _nameless(label)
        else:
            texts[field.name] = (value or "").strip()
    return tracked.title.format_map(texts).strip(", ") or _nameless(tracked.label)


def _nameless(label: str) -> str:
    article = "an" if label[:1].lower() in "aeiou" else "a"
    return f"{article} {label} without a name"

"""The lines of a preview by what they belong to: marks by their class, say. Call inside a school.

The number of statements grows with the types of records, never with the lines.
"""

import dataclasses
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from django.db import connection
from psycopg import sql

from accounts.plain import plain

from . import naming, registry
from .outlook import group_of
from .registry import Tracked
from .revert import Kind, Line, Preview


@dataclasses.dataclass(frozen=True)
class Group:
    """Some lines. ``key`` is the type and id of the record that theirs belong to, or their type."""

    key: str
    title: str
    lines: tuple[Line, ...]
    clashing: int

    @property
    def ticked(self) -> int:
        return sum(line.ticked for line in self.lines)

    @property
    def kinds(self) -> Counter[Kind]:
        """How many lines there are of each kind."""
        return Counter(line.kind for line in self.lines)

    @property
    def built_on(self) -> int:
        """How many of its records somebody else has built on."""
        return sum(bool(line.others) for line in self.lines)


def grouped(preview: Preview) -> list[Group]:
    """Return the lines in their groups: first those that need a choice, then by title."""
    lines, clashing, read = preview.lines, preview.clashing, preview.groups
    others = _parents_of(
        (each.entity_type, each.entity) for each in lines if each.entity not in read
    )
    some: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        key = read.get(line.entity) or others.get(line.entity, line.entity_type)
        some[key].append(line)
    titles = _titles(some)
    groups = [
        Group(key, titles[key], tuple(its), sum(line.key in clashing for line in its))
        for key, its in some.items()
    ]
    return sorted(groups, key=lambda g: (not (g.clashing or g.built_on), plain(g.title), g.key))


def of_keys(keys: Collection[str]) -> dict[str, str]:
    """Return the key of the group of each line, given by its key."""
    parts = [key.split(".", 2) for key in keys]
    parents = _parents_of((entity_type, entity) for entity_type, entity, _ in parts)
    return {
        key: parents.get(entity, entity_type)
        for key, (entity_type, entity, _) in zip(keys, parts, strict=True)
    }


def _parents_of(records: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the key of what each record belongs to, of those that belong to another one."""
    entities: dict[str, set[str]] = defaultdict(set)
    for entity_type, entity in records:
        entities[entity_type].add(entity)
    parents: dict[str, str] = {}
    for entity_type, ids in entities.items():
        tracked = registry.get(entity_type)
        if tracked.required:
            parents |= _parents(tracked, ids)
    return parents


def _parents(tracked: Tracked, entities: Collection[str]) -> dict[str, str]:
    """Return what records belong to, by the last reference that they need: as it stands in the
    table, or else as it was proposed last. (In text, for there are tens of thousands.)"""
    belongs = tracked.required[-1]
    assert belongs.reference is not None  # noqa: S101 - it is one that a record needs
    found: dict[str, str] = {}
    stands = sql.SQL("select id::text, {} from {} where id = any(%s::uuid[])").format(
        group_of(tracked), sql.Identifier(tracked.table)
    )
    proposed = sql.SQL(
        "select distinct on (entity_id) entity_id::text, {type} || '-' || refers_to"
        " from changes_change"
        " where entity_id = any(%s::uuid[]) and field = {field}"
        " and refers_to is not null order by entity_id, id desc"
    ).format(type=sql.Literal(belongs.reference.entity_type), field=sql.Literal(belongs.name))
    with connection.cursor() as cursor:
        for query in (stands, proposed):
            if missing := [each for each in entities if each not in found]:
                cursor.execute(query.as_string(None), ["{" + ",".join(missing) + "}"])
                found |= dict(cursor.fetchall())
    return found


def _titles(keys: Iterable[str]) -> Mapping[str, str]:
    """Return what people call these groups."""
    plurals = {each.entity_type: f"{each.label}s".capitalize() for each in registry.in_order()}
    records = {
        key: (entity_type, uuid.UUID(entity))
        for key in keys
        if key not in plurals
        for entity_type, _, entity in [key.partition("-")]
    }
    named = naming.titles(records.values())
    return plurals | {key: named[entity] for key, (_, entity) in records.items()}

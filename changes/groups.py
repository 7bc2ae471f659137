"""What waits, in the groups in which the office decides on it: a class and who typed, say.

``changes`` knows no classes: the rules of a type say where a change belongs (``Rules.group``). Call
inside a school. The number of statements depends on the types of records, not on the changes.
"""

import dataclasses
import datetime as dt
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db.models import Count, Exists, OuterRef, Q

from accounts.models import Membership, School
from accounts.plain import plain

from . import flags, judgement, naming, registry
from .flags import Flag, Mark
from .judgement import Judged
from .models import Change, ChangeQuerySet
from .registry import EXISTS, TRUE


@dataclasses.dataclass(frozen=True)
class Group:
    """Where a change belongs. ``key`` stands in addresses; ``ready_at``: since when somebody says
    that what is here is complete, which brings it to the top."""

    key: str
    label: str
    ready_at: dt.datetime | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beside:
    """What helps to judge the changes of a group: ``figures`` over all of them, what the records
    are called here, and what stood there ``earlier``; each figure and value with its heading."""

    figures: Sequence[tuple[str, str]]
    names: Mapping[uuid.UUID, str]
    earlier: Mapping[uuid.UUID, Sequence[tuple[str, str]]]


@dataclasses.dataclass(eq=False, kw_only=True, slots=True)
class Item:
    """What is decided together: one cell, or a new record with all that came with it."""

    changes: tuple[Judged, ...]
    group: Group
    marks: tuple[Mark, ...]

    @property
    def author_id(self) -> uuid.UUID:
        return self.changes[0].author_id

    @property
    def received_at(self) -> dt.datetime:
        return self.changes[0].received_at

    @property
    def is_ordinary(self) -> bool:
        return not self.marks

    @property
    def kind(self) -> str:
        """The type of record and the field, as the filter of the queue names it."""
        first = self.changes[0]
        return f"{first.entity_type}.{'new' if first.creates else first.field}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Heap:
    """What waits in one group by one author."""

    group: Group
    author_id: uuid.UUID
    author: str
    items: tuple[Item, ...]

    @property
    def since(self) -> dt.datetime:
        return min(item.received_at for item in self.items)

    @property
    def ordinary(self) -> int:
        return sum(item.is_ordinary for item in self.items)

    @property
    def flagged(self) -> int:
        return len(self.items) - self.ordinary

    @property
    def flags(self) -> list[tuple[Flag, int]]:
        """Which flags its changes bear, with how many of them, the most telling first."""
        counted = Counter(flag for item in self.items for flag in {m.flag for m in item.marks})
        return [(flag, counted[flag]) for flag in Flag if counted[flag]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Held:
    """How much waits of an account that is frozen, and is kept out of the queue."""

    member: Membership
    count: int


def held(school: School) -> list[Held]:
    """Return what is held of each account that is frozen, if anything, by name."""
    frozen = Membership.objects.filter(school=school, frozen_at__isnull=False)
    members = {each.user_id: each for each in frozen.select_related("user")}
    if not members:
        return []
    theirs = items_among(Change.objects.filter(author_id__in=members.keys()).open()).order_by()
    counts = theirs.values_list("author_id").annotate(Count("pk"))
    found = [Held(member=members[author_id], count=count) for author_id, count in counts]
    return sorted(found, key=lambda each: plain(str(each.member.user)))


def not_held(school: School) -> ChangeQuerySet:
    """Return the open changes that can be decided on: of all authors but those whose account is
    frozen."""
    frozen = Membership.objects.filter(school=school, frozen_at__isnull=False)
    return Change.objects.open().exclude(author_id__in=list(frozen.values_list("user", flat=True)))


def items_among(opened: ChangeQuerySet) -> ChangeQuerySet:
    """Return one change for each item of these open ones, to be counted: to whoever reads, a new
    record is one change with all that came with it."""
    return opened.exclude(came_with_its_record(among=Change.objects.open()))


def came_with_its_record(*, among: ChangeQuerySet | None = None) -> Q:
    """Return the condition that a change is a field of a new record that came in the same save;
    ``among``: of one whose creation is among these changes."""
    creations = Change.objects.all() if among is None else among
    creation = creations.filter(
        school_id=OuterRef("school_id"),
        change_set_id=OuterRef("change_set_id"),
        entity_id=OuterRef("entity_id"),
        field=EXISTS,
        value=TRUE,
    )
    return ~Q(field=EXISTS) & Q(Exists(creation))


def waiting(*, by: Membership, author_id: uuid.UUID | None = None, group: str = "") -> list[Item]:
    """Return all that waits, or what waits of one author and in one group, in the order of
    submission, with what ``by`` should know of it. What is held is left out.

    All changes of a record are in one group, so that the flags of a group do not depend on others.
    """
    judged = judgement.load_waiting(by.school, author_id=author_id)
    if group:
        of = groups_of(judged)
        judged = [each for each in judged if of[each.id].key == group]
    return items_of(judged, marks=flags.marks_on(by.school, judged, by=by))


def items_of(judged: Sequence[Judged], *, marks: flags.Marks) -> list[Item]:
    """Return changes that were loaded as items, in their order, with their flags."""
    groups = groups_of(judged)
    return [
        Item(
            changes=tuple(some),
            group=groups[some[0].id],
            marks=flags.merged(mark for each in some for mark in marks.get(each.id, ())),
        )
        for some in together(judged)
    ]


def together(judged: Iterable[Judged]) -> list[list[Judged]]:
    """Group the cells that came in the same save as the creation of their record, this first."""
    judged = list(judged)
    created = {(j.change_set_id, j.entity_id) for j in judged if j.creates}
    grouped: dict[object, list[Judged]] = defaultdict(list)
    for each in judged:
        record = (each.change_set_id, each.entity_id)
        grouped[record if record in created else each.id].append(each)
    for record in created:
        grouped[record].sort(key=lambda j: not j.creates)
    return list(grouped.values())


def groups_of(judged: Sequence[Judged]) -> dict[uuid.UUID, Group]:
    """Return the group of each change."""
    found: dict[uuid.UUID, Group] = {}
    for tracked in registry.in_order():
        some = [j for j in judged if j.entity_type == tracked.entity_type]
        if some:
            plural = str(tracked.model._meta.verbose_name_plural)
            other = Group(tracked.entity_type, plural.capitalize())
            theirs = tracked.rules.group(some)
            found |= {each.id: theirs.get(each.id, other) for each in some}
    return found


def heaps(items: Iterable[Item]) -> list[Heap]:
    """Return items by group and author: what somebody says is complete first, then the oldest."""
    piled: dict[tuple[str, uuid.UUID], list[Item]] = defaultdict(list)
    for item in items:
        piled[item.group.key, item.author_id].append(item)
    names = naming.people({author_id for _, author_id in piled})
    made = [
        Heap(group=some[0].group, author_id=author_id, author=names[author_id], items=tuple(some))
        for (_, author_id), some in piled.items()
    ]
    never = dt.datetime.max.replace(tzinfo=dt.UTC)
    return sorted(made, key=lambda h: (h.group.ready_at or never, h.since, h.group.key))


def kinds(items: Iterable[Item]) -> list[tuple[str, str]]:
    """Return the kinds of these items, each with what people call it."""
    found = {item.kind for item in items}
    return sorted(((kind, _kind_label(kind)) for kind in found), key=lambda k: k[1])


def _kind_label(kind: str) -> str:
    entity_type, _, field = kind.partition(".")
    tracked = registry.get(entity_type)
    if field == "new":
        return f"new {tracked.label}"
    if field == EXISTS:
        return f"{tracked.label} deleted"
    return f"{tracked.label}: {tracked.field(field).label}"


def about(items: Collection[Item], sought: str) -> list[Item]:
    """Return the items about a record that has each word of ``sought`` in its name or number."""
    words = sought.casefold().split()
    texts: dict[uuid.UUID, str] = naming.titles(
        {(item.changes[0].entity_type, item.changes[0].entity_id) for item in items}
    )
    for tracked in registry.in_order():
        some = [c for i in items for c in i.changes if c.entity_type == tracked.entity_type]
        for entity_id, more in (tracked.rules.sought_by(some) if some else {}).items():
            texts[entity_id] = f"{texts[entity_id]} {more}"
    return [
        item
        for item in items
        if all(word in texts[item.changes[0].entity_id].casefold() for word in words)
    ]

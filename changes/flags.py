"""What makes a waiting change worth a second look. A change without a flag is ordinary.

Flags stop nothing: they say in words what who decides should know, and keep what they mark out of
"approve all". Set-based: the number of statements depends on the types of records, not on the
changes. Call inside a school.
"""

import contextlib
import dataclasses
import datetime as dt
import uuid
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from django.db import connection, models
from django.db.models import Count

from accounts.models import AuditLog, Membership, School
from accounts.origin import Network, network_of

from . import judgement, naming, registry
from .judgement import Judged, Why
from .models import Change

NIGHT_FROM, NIGHT_UNTIL = 22, 6
"""Hours of the school's time. Teachers mark in the evening and at weekends: the night is rare."""

SETTLED = dt.timedelta(hours=24)
"""How long ago an address must have been used first to be an account's own. Whoever sends changes
has just signed in, and what they sent a minute ago came from there too: neither makes the address a
known one."""


def is_at_night(hour: int) -> bool:
    """Return whether an hour of the school's day, from 0 to 23, is outside school hours."""
    return hour >= NIGHT_FROM or hour < NIGHT_UNTIL


class Flag(models.TextChoices):
    """Why a change is not ordinary. The values stand in addresses of the queue's filters."""

    CONFLICT = "conflict", "conflict with a newer value"
    RIVAL = "rival", "two people, two values"
    BUILDS = "builds", "builds on what waits"
    CANNOT = "cannot", "cannot be approved as it is"
    SECOND = "second", "a second person must approve"
    STANDS = "stands", "changes what stands"
    NEW = "new", "new record"
    DELETES = "deletes", "deletes a record"
    TWIN = "twin", "may be there already"
    FULL = "full", "class is full"
    WINDOW = "window", "outside the marks window"
    FAR = "far", "far from earlier marks"
    LEFT = "left", "account closed"
    AUTHOR = "author", "not by the class’s teacher"
    ADDRESS = "address", "new address"
    NIGHT = "night", "sent at night"


@dataclasses.dataclass(frozen=True)
class Mark:
    """One flag on one change, with a sentence for who decides."""

    flag: Flag
    sentence: str


Marks = dict[uuid.UUID, list[Mark]]


def marks_on(school: School, judged: Sequence[Judged], *, by: Membership) -> Marks:
    """Return the flags of waiting changes, by id; an ordinary change is not in it.

    ``by``: who looks, since nobody approves their own correction. ``judged`` are left as they are.
    """
    found: dict[uuid.UUID, dict[Flag, list[str]]] = defaultdict(dict)
    with _judged_afresh(judged, by=by):
        for change_id, flag, sentence in _all(school, judged):
            if not any(sentence in said for said in found[change_id].values()):
                found[change_id].setdefault(flag, []).append(sentence)
    return {
        change_id: [_mark(flag, told[flag]) for flag in Flag if flag in told]
        for change_id, told in found.items()
    }


@contextlib.contextmanager
def _judged_afresh(judged: Sequence[Judged], *, by: Membership) -> Iterator[None]:
    """Let changes be judged as ``by`` would decide on them, and leave them as they were. (To copy
    them takes a quarter of the time that the queue takes.)"""
    before = [(each, each.by, each.refusal, each.insisted) for each in judged]
    for each in judged:
        each.by, each.refusal, each.insisted = by, None, False
    try:
        yield
    finally:
        for each, decider, refusal, insisted in before:
            each.by, each.refusal, each.insisted = decider, refusal, insisted


def merged(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return the flags of what is decided together, each once."""
    told: dict[Flag, list[str]] = {}
    for mark in marks:
        told.setdefault(mark.flag, []).append(mark.sentence)
    return tuple(_mark(flag, told[flag]) for flag in Flag if flag in told) if told else ()


def _mark(flag: Flag, sentences: Iterable[str]) -> Mark:
    """Return one flag for all that was said of it. On what does a record build is said at each of
    its cells, in other words: the first will do."""
    each = list(dict.fromkeys(sentences))
    return Mark(flag, each[0] if flag is Flag.BUILDS else " ".join(each))


Told = Iterator[tuple[uuid.UUID, Flag, str]]


def _all(school: School, judged: Sequence[Judged]) -> Told:
    by_type: dict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        by_type[each.entity_type].append(each)
    yield from _of_each(judged, school)
    yield from _building(school, by_type)
    yield from _rivals(judged)
    yield from _new_addresses(school, judged)
    for tracked in registry.in_order():
        if some := by_type[tracked.entity_type]:
            yield from tracked.rules.remark(some)
            yield from _same_keys(tracked, some)
            yield from _refused(school, some)


def _of_each(judged: Iterable[Judged], school: School) -> Told:
    zone = zoneinfo.ZoneInfo(school.time_zone)
    for each in judged:
        tracked = registry.get(each.entity_type)
        if each.creates and tracked.rules.flags_new:
            yield each.id, Flag.NEW, f"A new {tracked.label}."
        elif each.deletes:
            yield each.id, Flag.DELETES, f"The {tracked.label} goes."
        if each.two_people:
            yield each.id, Flag.STANDS, "A second person decides."
        if not each.author_is_active:
            yield each.id, Flag.LEFT, "Its author’s account has been closed since."
        sent = each.received_at.astimezone(zone)
        if is_at_night(sent.hour):
            yield each.id, Flag.NIGHT, f"Sent at {sent:%H:%M}."


def _building(school: School, by_type: dict[str, list[Judged]]) -> Told:
    """Say what is about a record that is not approved, and did not come with it in one save."""
    created = {
        (j.change_set_id, j.entity_id) for some in by_type.values() for j in some if j.creates
    }
    for entity_type, some in by_type.items():
        absent = judgement.not_standing(school, entity_type, {j.entity_id for j in some})
        label = registry.get(entity_type).label
        for each in some:
            if each.entity_id in absent and (each.change_set_id, each.entity_id) not in created:
                yield each.id, Flag.BUILDS, f"Its {label} is not approved."


def _refused(school: School, some: Sequence[Judged]) -> Told:
    """Say why the changes of one type could not be approved now, without those of other types."""
    judgement.judge(school, some)
    known = {
        Why.CONFLICT: Flag.CONFLICT,
        Why.PREREQUISITE: Flag.BUILDS,
        Why.SECOND_PERSON: Flag.SECOND,
        Why.FROZEN: Flag.CANNOT,
        Why.INVALID: Flag.CANNOT,
        Why.REASON: Flag.STANDS,
    }
    for each in some:
        if each.refusal and each.refusal.why in known:
            yield each.id, known[each.refusal.why], each.refusal.message


def _rivals(judged: Sequence[Judged]) -> Told:
    proposed: dict[tuple[uuid.UUID, str], list[tuple[uuid.UUID, str | None]]] = defaultdict(list)
    waiting = Change.objects.filter(
        entity_id__among={j.entity_id for j in judged},
        status=Change.Status.PROVISIONAL,
        kind=Change.Kind.VALUE,
    )
    # Most cells wait by one author only, whatever they typed over: of these nothing is looked up.
    authors = waiting.values("entity_id", "field").annotate(of=Count("author_id", distinct=True))
    contested = set(authors.filter(of__gt=1).values_list("entity_id", flat=True))
    rows = waiting.filter(entity_id__among=contested).open()
    for entity_id, field, author_id, value in rows.values_list(
        "entity_id", "field", "author_id", "value"
    ):
        proposed[entity_id, field].append((author_id, value))
    clashing = [
        (each, author_id)
        for each in judged
        if each.entity_id in contested
        for author_id, value in proposed[each.entity_id, each.field]
        if author_id != each.author_id and value != each.value
    ]
    names = naming.people({author_id for _, author_id in clashing}) if clashing else {}
    for each, author_id in clashing:
        yield each.id, Flag.RIVAL, f"{names[author_id]} proposes another value for it."


def _same_keys(tracked: registry.Tracked, some: Sequence[Judged]) -> Told:
    """Say which numbers and codes another record has, or is proposed to have."""
    for (name,) in [names for names in tracked.natural_keys if len(names) == 1]:
        typed = [j for j in some if j.field == name and j.value is not None]
        if not typed:
            continue
        values = {j.value for j in typed}
        column = tracked.field(name).column
        having: dict[str | None, set[uuid.UUID]] = defaultdict(set)
        standing = tracked.model._default_manager.filter(**{f"{column}__in": values})
        for entity_id, value in standing.values_list("pk", column):
            having[value].add(entity_id)
        waiting = Change.objects.filter(
            entity_type=tracked.entity_type, field=name, value__in=values
        )
        for entity_id, value in waiting.open().values_list("entity_id", "value"):
            having[value].add(entity_id)
        others = {j.id: having[j.value] - {j.entity_id} for j in typed}
        titles = naming.titles(
            (tracked.entity_type, entity_id) for ids in others.values() for entity_id in ids
        )
        for each in typed:
            if others[each.id]:
                also = ", ".join(sorted(titles[entity_id] for entity_id in others[each.id]))
                label = tracked.field(name).label
                yield each.id, Flag.TWIN, f"Its {label} {each.value} is also that of {also}."


def _new_addresses(school: School, judged: Sequence[Judged]) -> Told:
    """Say what came from an address that its author's account had not used before: neither to
    sign in nor to send changes, until a day before. An account without a past has no strange
    address."""
    sent_from = _addresses(school, {j.change_set_id for j in judged})
    first: dict[tuple[uuid.UUID, Network], dt.datetime] = {}
    earliest: dict[uuid.UUID, dt.datetime] = {}
    for user_id, ip, at in _uses(school, {j.author_id for j in judged}):
        network = (user_id, network_of(ip))
        first[network] = min(at, first.get(network, at))
        earliest[user_id] = min(at, earliest.get(user_id, at))
    for each in judged:
        if not (address := sent_from.get(each.change_set_id)):
            continue
        known_until = each.received_at - SETTLED
        has_a_past = earliest[each.author_id] <= known_until
        if has_a_past and first[each.author_id, network_of(address)] > known_until:
            sentence = f"Sent from {address}, which this account had not used before."
            yield each.id, Flag.ADDRESS, sentence


def _addresses(school: School, change_set_ids: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select id, host(ip) from changes_changeset"
            " where school_id = %s and id = any(%s) and ip is not null",
            [school.pk, list(change_set_ids)],
        )
        return dict(cursor.fetchall())


def _uses(school: School, user_ids: set[uuid.UUID]) -> Sequence[tuple[uuid.UUID, str, dt.datetime]]:
    """Return from when on each account used each address."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select initiator_id, host(ip), min(received_at) from changes_changeset
            where school_id = %(school)s and initiator_id = any(%(users)s) and ip is not null
            group by 1, 2
            union all
            select user_id, host(ip), min(at) from accounts_auditlog
            where school_id = %(school)s and user_id = any(%(users)s) and ip is not null
              and event = %(sign_in)s
            group by 1, 2
            """,
            {
                "school": school.pk,
                "users": list(user_ids),
                "sign_in": AuditLog.Event.SIGN_IN,
            },
        )
        return cursor.fetchall()

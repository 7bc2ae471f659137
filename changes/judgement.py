"""Judging waiting changes, under the school's lock: which can be approved, and why the others not.

Set-based: the number of statements depends on the entity types involved, not on the changes.
"""

import dataclasses
import datetime as dt
import enum
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import connection
from django.utils.timezone import localtime
from psycopg import sql

from accounts.models import Membership, School

from . import lookups, registry, vanishing
from .models import Change
from .registry import EXISTS, FALSE, TRUE


class Why(enum.Enum):
    """Why a change cannot be approved as it is."""

    DECIDED = "decided"
    NOT_OPEN = "not open"
    FROZEN = "account frozen"
    CHANGED = "changed since you looked"
    CONFLICT = "conflict"
    PREREQUISITE = "prerequisite"
    INVALID = "invalid"
    RIVAL = "rival"
    CLASH = "clash"
    SECOND_PERSON = "second person"
    REASON = "reason"


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why one change was not approved, with a sentence for who decides."""

    why: Why
    message: str


@dataclasses.dataclass(eq=False, slots=True)
class Judged:
    """A change as it stands under the lock, with what the verdict needs.

    ``current`` and ``head`` are the authoritative value of its cell and the change it comes from.
    ``insisted``: who decides has seen base, current and proposed, and wants this value.
    """

    id: uuid.UUID
    change_set_id: uuid.UUID
    author_id: uuid.UUID
    entity_type: str
    entity_id: uuid.UUID
    field: str
    kind: str
    value: str | None
    old_value: str | None
    base: uuid.UUID | None
    refers_to: uuid.UUID | None
    number: int
    status: str
    two_people: bool
    excluded: bool
    superseded_by: uuid.UUID | None
    head: uuid.UUID | None
    current: str | None
    decided_by: str | None
    decided_at: dt.datetime | None
    author_is_office: bool
    author_is_active: bool
    author_is_frozen: bool
    received_at: dt.datetime
    set_reason: str
    source: str
    by: Membership | None = None
    school: School | None = None
    insisted: bool = False
    insisted_reason: str = ""
    refusal: Refusal | None = None

    def refuse(self, why: Why, message: str) -> None:
        """Refuse this change. The first refusal stands."""
        if self.refusal is None:
            self.refusal = Refusal(why, message)

    @property
    def passes(self) -> bool:
        return self.refusal is None

    @property
    def creates(self) -> bool:
        return self.field == EXISTS and self.value == TRUE

    @property
    def deletes(self) -> bool:
        return self.field == EXISTS and self.value == FALSE

    @property
    def base_moved(self) -> bool:
        """Something else stands by now than it was typed over, and than it proposes. Where the
        same change stands nothing has happened, whatever its text has become."""
        return self.head != self.base and self.current not in (self.old_value, self.value)

    @property
    def decider_is_author(self) -> bool:
        """Nobody but the author decides: their own approval, or a rule's."""
        return self.by is None or self.by.user_id == self.author_id


def load(
    school: School, change_ids: Collection[uuid.UUID], *, by: Membership | None = None
) -> list[Judged]:
    """Return the named changes of the school, in the order of their submission."""
    ids = lookups.array(change_ids)
    return _read("c.id = any(%(ids)s::uuid[])", {"ids": ids}, school=school, by=by)


def load_waiting(
    school: School, *, author_id: uuid.UUID | None = None, by: Membership | None = None
) -> list[Judged]:
    """Return all that waits and can be decided on, or what does of one author, in the order of
    submission. What is held is not among it."""
    # What was typed over again is most of what is provisional: it is not even fetched.
    which = "c.status = 'provisional' and c.kind = 'value' and later.id is null"
    if author_id:
        which += " and c.author_id = %(author)s"
    found = _read(which, {"author": author_id}, school=school, by=by)
    return [each for each in found if _why_not_open(each) is None]


def _read(
    which: str, parameters: dict[str, Any], *, school: School, by: Membership | None
) -> list[Judged]:
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES.format(which=which), {"school": school.pk, **parameters})
        rows = cursor.fetchall()
        # Of each save once: of many changes a quarter of the time would go into reading times.
        cursor.execute(
            "select id, received_at, reason, source from changes_changeset"
            " where school_id = %s and id = any(%s::uuid[])",
            [school.pk, lookups.array({row[1] for row in rows})],
        )
        sets = {pk: (*facts, by, school) for pk, *facts in cursor.fetchall()}
    return [Judged(*(row + sets[row[1]])) for row in rows]


_CHANGES = """
    select c.id, c.change_set_id, c.author_id, c.entity_type, c.entity_id, c.field, c.kind,
           c.value, c.old_value, c.base_change_id, c.refers_to, c.number, c.status,
           c.two_people,
           exists (select 1 from changes_exclusion x
                   where x.school_id = c.school_id and x.change_id = c.id
                     and x.lifted_by_id is null),
           later.id, head.id, head.value,
           coalesce(nullif(u.name, ''), u.email), d.decided_at, m.role = 'office',
           m.is_active and w.is_active, m.frozen_at is not null
    from changes_change c
    join changes_changeset s on s.school_id = c.school_id and s.id = c.change_set_id
    join accounts_membership m on m.school_id = c.school_id and m.user_id = c.author_id
    join accounts_user w on w.id = c.author_id
    left join changes_decision d on d.school_id = c.school_id and d.id = c.decision_id
    left join accounts_user u on u.id = c.decided_by_id
    left join lateral (
        select l.id from changes_change l
        where l.school_id = c.school_id and l.author_id = c.author_id
          and l.entity_id = c.entity_id and l.field = c.field and l.number > c.number
          and not exists (select 1 from changes_exclusion x
                          where x.school_id = l.school_id and x.change_id = l.id
                            and x.lifted_by_id is null)
        order by l.number desc limit 1) later on true
    left join lateral (
        select h.id, h.value from changes_change h
        where h.school_id = c.school_id and h.entity_id = c.entity_id
          and h.field = c.field and h.status = 'approved'
          and not exists (select 1 from changes_exclusion x
                          where x.school_id = h.school_id and x.change_id = h.id
                            and x.lifted_by_id is null)
        order by h.position desc limit 1) head on true
    where c.school_id = %(school)s and {which}
    order by s.received_at, c.id"""


def judge(school: School, judged: Sequence[Judged], *, leaving: Collection[uuid.UUID] = ()) -> None:
    """Refuse what cannot be approved. Natural keys are judged afterwards, on the result.

    ``leaving``: records that need not stand, though changes refer to them, because the same
    decision points these elsewhere.
    """
    for each in judged:
        _judge_openness(each)
        _judge_base(each)
    _judge_rivals(judged)
    judge_prerequisites(school, judged, leaving=leaving)
    passing = [j for j in judged if j.passes]
    by_type: dict[str, list[Judged]] = defaultdict(list)
    for each in passing:
        by_type[each.entity_type].append(each)
    _judge_second_person(passing)
    for tracked in registry.in_order():
        if by_type[tracked.entity_type]:
            tracked.rules.judge(by_type[tracked.entity_type], among=judged)
    if not all(j.passes for j in passing):
        # What was refused since may have been the creation that others build on.
        judge_prerequisites(school, judged, leaving=leaving)


def judge_openness(judged: Iterable[Judged]) -> None:
    """Refuse what is not open: all that declining asks."""
    for each in judged:
        _judge_openness(each)


def _judge_openness(each: Judged) -> None:
    if refusal := _why_not_open(each):
        each.refuse(refusal.why, refusal.message)


def _why_not_open(each: Judged) -> Refusal | None:
    if each.status != "provisional":
        when = f" on {localtime(each.decided_at):%d %B at %H:%M}" if each.decided_at else ""
        who = each.decided_by or "a rule of the school"
        return Refusal(Why.DECIDED, f"{who} {each.status} this{when}.")
    if each.excluded:
        return Refusal(Why.NOT_OPEN, "A revert withholds this change.")
    if each.kind != "value":
        return Refusal(Why.NOT_OPEN, "This is a withdrawal; there is nothing to decide.")
    if each.superseded_by:
        return Refusal(
            Why.CHANGED, "Its author has typed something newer, or withdrew it, since you looked."
        )
    if each.author_is_frozen:
        return Refusal(
            Why.FROZEN,
            "Its author’s account is frozen: nothing of it is decided. Unfreeze the account first, "
            "or revert what was done with it.",
        )
    return None


def _judge_base(each: Judged) -> None:
    if each.base_moved and not each.insisted:
        each.refuse(
            Why.CONFLICT,
            f"It was typed over {_shown(each.old_value)}, and by now {_shown(each.current)} stands "
            f"there; proposed is {_shown(each.value)}. Choose which value counts.",
        )


def _judge_rivals(judged: Sequence[Judged]) -> None:
    """Two people's different values for one cell cannot both be approved in one act."""
    first: dict[tuple[uuid.UUID, str], Judged] = {}
    for each in judged:
        if not each.passes:
            continue
        rival = first.setdefault((each.entity_id, each.field), each)
        if rival is not each and rival.value != each.value:
            each.refuse(
                Why.RIVAL,
                f"Somebody else proposes {_shown(rival.value)} for the same cell, and was earlier.",
            )


def _judge_second_person(judged: Sequence[Judged]) -> None:
    alone = [j for j in judged if (j.two_people or j.deletes) and j.decider_is_author]
    deleting = [(j.entity_type, j.entity_id) for j in alone if j.deletes]
    guarded = vanishing.guarded(deleting) if deleting else set()
    for each in alone:
        if each.two_people or (each.deletes and each.entity_id in guarded):
            each.refuse(
                Why.SECOND_PERSON,
                "A mark that stands changes or goes only when a second person approves it.",
            )


def judge_prerequisites(
    school: School, judged: Sequence[Judged], *, leaving: Collection[uuid.UUID] = ()
) -> None:
    """Refuse what builds on something that neither stands nor is approved in the same act."""
    needed: dict[str, set[uuid.UUID]] = defaultdict(set)
    for each in judged:
        if each.passes:
            needed[each.entity_type].add(each.entity_id)
            if each.refers_to and (target := _target_type(each)):
                needed[target].add(each.refers_to)
    absent = {kind: not_standing(school, kind, ids) - set(leaving) for kind, ids in needed.items()}
    creations = [j for j in judged if j.passes and j.creates]
    if not creations and not any(absent.values()):
        return
    became = _became(absent.values())
    filled = _required_cells(school, creations)
    while True:
        passing = [j for j in judged if j.passes]
        creations = [j for j in passing if j.creates]
        created = {(j.entity_type, j.entity_id) for j in creations}
        new = {j.entity_id for j in creations}
        given = filled | {
            (j.entity_id, j.field) for j in passing if j.entity_id in new and j.value is not None
        }
        refused = False
        for each in passing:
            missing = _missing(each, absent, created, given, became)
            if missing:
                each.refuse(Why.PREREQUISITE, missing)
                refused = True
        if not refused:
            return


def _missing(
    each: Judged,
    absent: dict[str, set[uuid.UUID]],
    created: set[tuple[str, uuid.UUID]],
    given: set[tuple[uuid.UUID, str]],
    became: dict[uuid.UUID, "_Absent"],
) -> str | None:
    tracked = registry.get(each.entity_type)
    if each.creates:
        for field in tracked.required:
            if (each.entity_id, field.name) not in given:
                return f"The {field.label} of this new {tracked.label} is not approved with it."
        return None
    if (
        each.entity_id in absent[each.entity_type]
        and (each.entity_type, each.entity_id) not in created
        and not _mends(each, tracked, became.get(each.entity_id))
    ):
        why = _because(became.get(each.entity_id))
        return f"The {tracked.label} that it belongs to {why}"
    if (
        each.refers_to
        and (target := _target_type(each))
        and each.refers_to in absent[target]
        and (target, each.refers_to) not in created
    ):
        label = tracked.field(each.field).label
        return f"The {label} that it names {_because(became.get(each.refers_to))}"
    return None


class _Absent(enum.Enum):
    """What became of a record that does not stand."""

    SUSPENDED = "is hidden, because what it belongs to is gone."
    DELETED = "has been deleted."
    DECLINED = "was declined: another one has to be chosen."


def _because(absent: _Absent | None) -> str:
    return absent.value if absent else "is not approved. Approve it with it."


def _mends(each: Judged, tracked: registry.Tracked, absent: _Absent | None) -> bool:
    """Whether this points a suspended record at a parent again, or deletes one that is absent."""
    if each.deletes:
        return absent in {_Absent.SUSPENDED, _Absent.DELETED}
    return absent is _Absent.SUSPENDED and each.field in {f.name for f in tracked.required}


def _became(ids: Iterable[set[uuid.UUID]]) -> dict[uuid.UUID, _Absent]:
    missing: set[uuid.UUID] = set().union(*ids)
    if not missing:
        return {}
    about = Change.objects.filter(entity_id__among=missing, field=EXISTS)
    declined = about.filter(status=Change.Status.DECLINED, value=TRUE)
    found = dict.fromkeys(declined.values_list("entity_id", flat=True), _Absent.DECLINED)
    heads = about.effective().order_by("position").values_list("entity_id", "value")
    return found | {
        each: _Absent.SUSPENDED if value == TRUE else _Absent.DELETED for each, value in heads
    }


def _target_type(each: Judged) -> str | None:
    if each.field == EXISTS:
        return None
    reference = registry.get(each.entity_type).field(each.field).reference
    return reference.entity_type if reference else None


def not_standing(school: School, entity_type: str, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Return which of these records of one type are not in the table that everybody reads: mostly
    none. (To read which ones are takes as long as to judge them.)"""
    if not ids:
        return set()
    query = sql.SQL(
        "select n.id from unnest(%s::uuid[]) n (id) where not exists"
        " (select 1 from {} t where t.school_id = %s and t.id = n.id)"
    ).format(sql.Identifier(registry.get(entity_type).table))
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(None), [lookups.array(ids), school.pk])
        return {pk for (pk,) in cursor.fetchall()}


def _required_cells(school: School, creations: Sequence[Judged]) -> set[tuple[uuid.UUID, str]]:
    """The required references of these records that are approved already (after a partial
    approval, a declined parent that was replaced, ...)."""
    if not creations:
        return set()

    return set(
        Change.objects.filter(
            entity_id__among=[c.entity_id for c in creations], value__isnull=False
        )
        .effective()
        .values_list("entity_id", "field")
    )


def _shown(value: str | None) -> str:
    return "nothing" if value is None else f"“{value[:80]}”"

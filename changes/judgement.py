"""Judging waiting changes, under the school's lock: which can be approved, and why the others not.

Set-based: the number of statements depends on the entity types involved, not on the changes.
"""

import dataclasses
import datetime as dt
import enum
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from django.db import connection

from accounts.models import Membership, School

from . import registry
from .models import Change
from .registry import EXISTS, TRUE


class Why(enum.Enum):
    """Why a change cannot be approved as it is."""

    GONE = "gone"
    DECIDED = "decided"
    NOT_OPEN = "not open"
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


@dataclasses.dataclass(eq=False)
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
    refers_to: uuid.UUID | None
    number: int
    status: str
    two_people: bool
    received_at: dt.datetime
    set_reason: str
    excluded: bool
    superseded_by: uuid.UUID | None
    head: uuid.UUID | None
    current: str | None
    decided_by: str | None
    decided_at: dt.datetime | None
    author_is_office: bool
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


def load(
    school: School, change_ids: Collection[uuid.UUID], *, by: Membership | None = None
) -> list[Judged]:
    """Return the named changes of the school, in the order of their submission."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select c.id, c.change_set_id, c.author_id, c.entity_type, c.entity_id, c.field, c.kind,
                   c.value, c.old_value, c.refers_to, c.number, c.status, c.two_people,
                   s.received_at, s.reason,
                   exists (select 1 from changes_exclusion x
                           where x.school_id = c.school_id and x.change_id = c.id
                             and x.lifted_by_id is null),
                   later.id, head.id, head.value,
                   coalesce(nullif(u.name, ''), u.email), d.decided_at, m.role = 'office'
            from changes_change c
            join changes_changeset s on s.school_id = c.school_id and s.id = c.change_set_id
            join accounts_membership m on m.school_id = c.school_id and m.user_id = c.author_id
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
            where c.school_id = %s and c.id = any(%s)
            order by s.received_at, c.id
            """,
            [school.pk, list(change_ids)],
        )
        return [Judged(*row, by=by, school=school) for row in cursor.fetchall()]


def judge(school: School, judged: Sequence[Judged]) -> None:
    """Refuse what cannot be approved. Natural keys are judged afterwards, on the result."""
    for each in judged:
        _judge_openness(each)
        _judge_base(each)
    _judge_rivals(judged)
    judge_prerequisites(school, judged)
    by_type: dict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        if each.passes:
            by_type[each.entity_type].append(each)
    for tracked in registry.in_order():
        if by_type[tracked.entity_type]:
            tracked.rules.judge(by_type[tracked.entity_type])
    # What the rules refused may have been the creation that others build on.
    judge_prerequisites(school, judged)


def judge_openness(judged: Iterable[Judged]) -> None:
    """Refuse what is not open: all that declining asks."""
    for each in judged:
        _judge_openness(each)


def _judge_openness(each: Judged) -> None:
    if each.status != "provisional":
        when = f" on {each.decided_at:%d %B at %H:%M} (UTC)" if each.decided_at else ""
        who = each.decided_by or "a rule of the school"
        each.refuse(Why.DECIDED, f"{who} {each.status} this{when}.")
    elif each.excluded:
        each.refuse(Why.NOT_OPEN, "A revert withholds this change.")
    elif each.kind != "value":
        each.refuse(Why.NOT_OPEN, "This is a withdrawal; there is nothing to decide.")
    elif each.superseded_by:
        each.refuse(
            Why.CHANGED, "Its author has typed something newer, or withdrew it, since you looked."
        )


def _judge_base(each: Judged) -> None:
    if each.current not in (each.old_value, each.value) and not each.insisted:
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


def judge_prerequisites(school: School, judged: Sequence[Judged]) -> None:
    """Refuse what builds on something that neither stands nor is approved in the same act."""
    needed: dict[str, set[uuid.UUID]] = defaultdict(set)
    for each in judged:
        if each.passes:
            needed[each.entity_type].add(each.entity_id)
            target = _target_type(each)
            if target and each.refers_to:
                needed[target].add(each.refers_to)
    standing = {kind: _standing(school, kind, ids) for kind, ids in needed.items()}
    filled = _required_cells(school, [j for j in judged if j.passes and j.creates])
    while True:
        passing = [j for j in judged if j.passes]
        created = {(j.entity_type, j.entity_id) for j in passing if j.creates}
        given = {(j.entity_id, j.field) for j in passing if j.value is not None} | filled
        refused = False
        for each in passing:
            missing = _missing(each, standing, created, given)
            if missing:
                each.refuse(Why.PREREQUISITE, missing)
                refused = True
        if not refused:
            return


def _missing(
    each: Judged,
    standing: dict[str, set[uuid.UUID]],
    created: set[tuple[str, uuid.UUID]],
    given: set[tuple[uuid.UUID, str]],
) -> str | None:
    tracked = registry.get(each.entity_type)
    if each.creates:
        for field in tracked.required:
            if (each.entity_id, field.name) not in given:
                return f"The {field.label} of this new {tracked.label} is not approved with it."
        return None
    if (
        each.entity_id not in standing[each.entity_type]
        and (each.entity_type, each.entity_id) not in created
    ):
        return f"The {tracked.label} that it belongs to is not approved. Approve it with it."
    target = _target_type(each)
    if (
        target
        and each.refers_to
        and each.refers_to not in standing[target]
        and (target, each.refers_to) not in created
    ):
        label = tracked.field(each.field).label
        return f"The {label} that it names is not approved. Approve it with it."
    return None


def _target_type(each: Judged) -> str | None:
    if each.field == EXISTS:
        return None
    reference = registry.get(each.entity_type).field(each.field).reference
    return reference.entity_type if reference else None


def _standing(school: School, entity_type: str, ids: set[uuid.UUID]) -> set[uuid.UUID]:
    model = registry.get(entity_type).model
    return set(
        model._default_manager.filter(school=school, pk__in=ids).values_list("pk", flat=True)
    )


def _required_cells(school: School, creations: Sequence[Judged]) -> set[tuple[uuid.UUID, str]]:
    """The required references of these records that are approved already (after a partial
    approval, a declined parent that was replaced, ...)."""
    if not creations:
        return set()

    return set(
        Change.objects.filter(entity_id__in=[c.entity_id for c in creations], value__isnull=False)
        .effective()
        .values_list("entity_id", "field")
    )


def _shown(value: str | None) -> str:
    return "nothing" if value is None else f"“{value[:80]}”"

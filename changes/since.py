"""What decisions have changed since an instant: the records, as they were then and as they are.

Read from the ledger, decision by decision: what was approved, what a revert excluded, what a
reinstatement brought back. Call everything here inside a school.
"""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Collection, Mapping

from django.db import connection

from accounts.models import School

from .lookups import array
from .models import Decision, LedgerHead
from .registry import EXISTS, TRUE

Key = tuple[str, uuid.UUID]


@dataclasses.dataclass(frozen=True)
class Touched:
    """A record of which decisions since then have touched cells. ``at``: the last of them.

    ``before`` and ``now``: what its cells hold by the ledger, by field; a cell that holds nothing
    is not among them. Whether the record stands is another matter: one whose parent is gone does
    not, though its cells say so.
    """

    entity_type: str
    entity_id: uuid.UUID
    at: dt.datetime
    before: Mapping[str, str]
    now: Mapping[str, str]

    @property
    def existed(self) -> bool:
        return self.before.get(EXISTS) == TRUE

    @property
    def exists(self) -> bool:
        return self.now.get(EXISTS) == TRUE

    @property
    def moved(self) -> set[str]:
        """The fields whose value is another one now."""
        names = self.before.keys() | self.now.keys()
        return {name for name in names if self.before.get(name) != self.now.get(name)}


def first_decision(school: School, since: dt.datetime) -> int:
    """Return the number of the first decision at or after ``since``; of one that is not there yet
    when there is none. Decisions are ordered by number, never by time."""
    number = (
        Decision.objects.filter(school=school, decided_at__gte=since)
        .order_by("number")
        .values_list("number", flat=True)
        .first()
    )
    if number is not None:
        return number
    head = LedgerHead.objects.filter(school=school).first()
    return (head.last_decision if head else 0) + 1


def touched(school: School, number: int) -> dict[uuid.UUID, Touched]:
    """Return the records of which a decision from ``number`` on touched cells, and with each that
    came or went the records that refer to it, over every step."""
    found = _read(school, number, _TOUCHED, {})
    new = {pk for pk, each in found.items() if each.existed != each.exists}
    while new:
        at = {pk: found[pk].at for pk in new}
        referring = _read(school, number, _REFERRING, {"ids": array(new)})
        new = set()
        for pk, each in referring.items():
            if pk not in found:
                said = {*each.before.values(), *each.now.values()}
                parents = [when for parent, when in at.items() if str(parent) in said]
                found[pk] = dataclasses.replace(each, at=max(parents or at.values()))
                new.add(pk)
    return found


def values(
    school: School, ids: Collection[uuid.UUID], number: int
) -> dict[uuid.UUID, Mapping[str, str]]:
    """Return what the cells of these records held before decision ``number``."""
    read = _read(school, number, _NAMED, {"ids": array(ids)}) if ids else {}
    return {pk: each.before for pk, each in read.items()}


def _read(
    school: School, number: int, which: str, parameters: dict[str, str]
) -> dict[uuid.UUID, Touched]:
    with connection.cursor() as cursor:
        cursor.execute(which + _CELLS, {**parameters, "school": school.pk, "number": number})
        return {
            row[1]: Touched(row[0], row[1], row[2], _held(row[3]), _held(row[4]))
            for row in cursor.fetchall()
        }


def _held(document: str | dict[str, str | None] | None) -> dict[str, str]:
    said = json.loads(document) if isinstance(document, str) else document or {}
    return {name: value for name, value in said.items() if value is not None}


_TOUCHED = """
    with which as materialized (
        select entity_type, entity_id, max(at) as at from (
            select c.entity_type, c.entity_id, d.decided_at as at
            from changes_decision d
            join changes_change c on c.school_id = d.school_id and c.decision_id = d.id
            where d.school_id = %(school)s and d.number >= %(number)s and c.status = 'approved'
            union all
            select c.entity_type, c.entity_id, d.decided_at
            from changes_decision d
            join changes_exclusion x
              on x.school_id = d.school_id and d.id in (x.decision_id, x.lifted_by_id)
            join changes_change c on c.school_id = x.school_id and c.id = x.change_id
            where d.school_id = %(school)s and d.number >= %(number)s and c.status = 'approved'
        ) moved
        group by entity_type, entity_id
    )"""

_REFERRING = """
    with which as materialized (
        select distinct c.entity_type, c.entity_id, null::timestamptz as at
        from changes_change c
        where c.school_id = %(school)s and c.refers_to = any(%(ids)s::uuid[])
          and c.status = 'approved'
    )"""

_NAMED = """
    with which as materialized (
        select distinct c.entity_type, c.entity_id, null::timestamptz as at
        from changes_change c
        where c.school_id = %(school)s and c.entity_id = any(%(ids)s::uuid[])
          and c.status = 'approved'
    )"""

# Of each cell the effective change with the highest position: as of then, and now.
_CELLS = """,
    approved as materialized (
        select c.entity_id, c.field, c.value, c.position,
               d.number < %(number)s and not exists (
                   select 1 from changes_exclusion x
                   join changes_decision e on e.school_id = x.school_id and e.id = x.decision_id
                   left join changes_decision l
                     on l.school_id = x.school_id and l.id = x.lifted_by_id
                   where x.school_id = c.school_id and x.change_id = c.id
                     and e.number < %(number)s
                     and (l.number is null or l.number >= %(number)s)) as counted,
               not exists (
                   select 1 from changes_exclusion x
                   where x.school_id = c.school_id and x.change_id = c.id
                     and x.lifted_by_id is null) as counts
        from which w
        join changes_change c on c.school_id = %(school)s and c.entity_id = w.entity_id
        join changes_decision d on d.school_id = c.school_id and d.id = c.decision_id
        where c.status = 'approved'
    ),
    before as (
        select entity_id, jsonb_object_agg(field, value) as cells from (
            select distinct on (entity_id, field) entity_id, field, value
            from approved where counted order by entity_id, field, position desc) b
        group by entity_id
    ),
    now as (
        select entity_id, jsonb_object_agg(field, value) as cells from (
            select distinct on (entity_id, field) entity_id, field, value
            from approved where counts order by entity_id, field, position desc) n
        group by entity_id
    )
    select w.entity_type, w.entity_id, w.at, before.cells, now.cells
    from which w
    left join before using (entity_id)
    left join now using (entity_id)
    order by w.entity_type, w.entity_id"""

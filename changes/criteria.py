"""Finding what a revert is about: the changes that match, and what others built on them."""

import dataclasses
import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from django.db import connection

from accounts.models import School

from . import registry


@dataclasses.dataclass(frozen=True, kw_only=True)
class Criteria:
    """Which changes to revert: all that match every criterion that is given.

    ``account`` typed them; or, with ``decided_by``, that account approved, entered directly or
    imported them. ``start`` and ``end`` bound [start, end) the server's time of receipt (of the
    decision, with ``decided_by``). ``ip`` and ``session`` are the origin's. ``about`` is the id of
    a record, such as a section: its own cells, and those of the records that refer to it.
    ``field`` is one of a type of records, such as "enrollment.grade". ``change_set`` is one save,
    such as an import.
    """

    account: uuid.UUID | None = None
    decided_by: uuid.UUID | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    ip: str | None = None
    session: str | None = None
    about: uuid.UUID | None = None
    field: str | None = None
    change_set: uuid.UUID | None = None

    def __post_init__(self) -> None:
        if (self.account is None) == (self.decided_by is None):
            raise ValueError("name the account that typed, or the one that decided")
        if self.start and self.end and self.start >= self.end:
            raise ValueError("The window ends before it begins.")

    def as_json(self) -> dict[str, str]:
        """Return the criteria as the decision keeps them."""
        return {
            name: value.isoformat() if isinstance(value, dt.datetime) else str(value)
            for name, value in dataclasses.asdict(self).items()
            if value is not None
        }


class Match(NamedTuple):
    """A change that is to be excluded, or to count again. ``covered``: another revert excludes it
    too."""

    id: uuid.UUID
    entity_type: str
    entity_id: uuid.UUID
    field: str
    kind: str
    value: str | None
    status: str
    author_id: uuid.UUID
    covered: bool


def matching(criteria: Criteria, school: School) -> list[Match]:
    """Return the changes that match all criteria, also those that count for nothing already."""
    condition, parameters = conditions(criteria, school)
    with connection.cursor() as cursor:
        cursor.execute(_MATCHING + condition + _IN_ORDER, parameters)
        return [Match._make(row) for row in cursor.fetchall()]


def conditions(criteria: Criteria, school: School) -> tuple[str, dict[str, Any]]:
    """Return the criteria as SQL over a change ``c``, its change set ``s`` and its decision ``d``,
    with the parameters."""
    found = ["c.school_id = %(school)s"]
    parameters: dict[str, Any] = {"school": school.pk}
    if criteria.account:
        found.append("c.author_id = %(account)s and s.initiator_id = %(account)s")
        parameters["account"] = criteria.account
        row, time = "s", "s.received_at"
    else:
        found.append(
            "d.decided_by_id = %(account)s and c.status = 'approved'"
            " and d.kind in ('approve', 'direct', 'import', 'merge')"
        )
        parameters["account"] = criteria.decided_by
        row, time = "d", "d.decided_at"
    for condition, name, value in (
        (f"{time} >= %(start)s", "start", criteria.start),
        (f"{time} < %(end)s", "end", criteria.end),
        (f"{row}.ip = %(ip)s::inet", "ip", criteria.ip),
        (f"{row}.session = %(session)s", "session", criteria.session),
        (_ABOUT, "about", criteria.about),
        ("c.entity_type || '.' || c.field = %(field)s", "field", criteria.field),
        ("c.change_set_id = %(change_set)s", "change_set", criteria.change_set),
    ):
        if value:
            found.append(condition)
            parameters[name] = value
    return " and ".join(found), parameters


def built_on(
    school: School, records: Collection[uuid.UUID], matches: Sequence[Match]
) -> dict[uuid.UUID, dict[uuid.UUID, int]]:
    """Count what would vanish with each of these records, by author: the changes, in force or
    waiting, that do not match, on it and on what cannot be without it."""
    if not records:
        return {}
    required = [(t.entity_type, field.name) for t in registry.in_order() for field in t.required]
    with connection.cursor() as cursor:
        cursor.execute(
            _BUILT_ON,
            {
                "records": list(records),
                "school": school.pk,
                "matched": [match.id for match in matches],
                "types": [entity_type for entity_type, _ in required],
                "fields": [field for _, field in required],
            },
        )
        found: dict[uuid.UUID, dict[uuid.UUID, int]] = defaultdict(dict)
        for record, author_id, count in cursor.fetchall():
            found[record][author_id] = count
        return dict(found)


_MATCHING = """
    select c.id, c.entity_type, c.entity_id, c.field, c.kind, c.value, c.status, c.author_id,
           exists (select 1 from changes_exclusion x
                   where x.school_id = c.school_id and x.change_id = c.id
                     and x.lifted_by_id is null)
    from changes_change c
    join changes_changeset s on s.school_id = c.school_id and s.id = c.change_set_id
    left join changes_decision d on d.school_id = c.school_id and d.id = c.decision_id
    where """
_IN_ORDER = " order by c.entity_type, c.entity_id, c.field, c.id"

_ABOUT = """(c.entity_id = %(about)s or exists (
    select 1 from changes_change p
    where p.school_id = c.school_id and p.refers_to = %(about)s and p.entity_id = c.entity_id))"""

# What was approved counts, and what waits as its author's last word. A reference ties a record to
# a parent that it cannot be without, unless one that was approved later has taken its place.
_BUILT_ON = """
    with recursive tied (record, id) as (
        select r, r from unnest(%(records)s::uuid[]) r
        union
        select t.record, c.entity_id
        from tied t
        join changes_change c on c.school_id = %(school)s and c.refers_to = t.id
        where c.status <> 'declined' and c.kind = 'value'
          and (c.entity_type, c.field) in (
              select * from unnest(%(types)s::text[], %(fields)s::text[]))
          and not exists (
              select 1 from changes_exclusion x
              where x.school_id = c.school_id and x.change_id = c.id and x.lifted_by_id is null)
          and not exists (
              select 1 from changes_change l
              where l.school_id = c.school_id and l.entity_id = c.entity_id and l.field = c.field
                and (l.status = 'approved' and l.position > c.position
                     or c.status = 'provisional' and l.author_id = c.author_id
                        and l.number > c.number)
                and not exists (
                    select 1 from changes_exclusion x
                    where x.school_id = l.school_id and x.change_id = l.id
                      and x.lifted_by_id is null))
    ), matched as materialized (
        select unnest(%(matched)s::uuid[]) as id
    )
    select t.record, c.author_id, count(*)
    from tied t
    join changes_change c on c.school_id = %(school)s and c.entity_id = t.id
    where c.status <> 'declined' and c.kind = 'value'
      and not exists (select 1 from matched m where m.id = c.id)
      and not exists (
          select 1 from changes_exclusion x
          where x.school_id = c.school_id and x.change_id = c.id and x.lifted_by_id is null)
      and (c.status = 'approved' or not exists (
          select 1 from changes_change l
          where l.school_id = c.school_id and l.author_id = c.author_id
            and l.entity_id = c.entity_id and l.field = c.field and l.number > c.number
            and not exists (
                select 1 from changes_exclusion x
                where x.school_id = l.school_id and x.change_id = l.id
                  and x.lifted_by_id is null)))
    group by t.record, c.author_id"""

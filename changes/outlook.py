"""What excluding values, or lifting that, would come to, read from the ledger; nothing is written.

Where only values are concerned each cell stands for itself, and one statement reads of all of them
what stands, what would stand, and what becomes of what waits there. Where a record comes or goes,
or a natural key or a reference moves, other records follow: ``changes/revert.py`` rehearses that.
Call inside a school, holding its lock.
"""

from typing import Any, NamedTuple

from django.db import connection
from psycopg import sql

from accounts.models import School

from . import registry
from .criteria import Criteria, conditions
from .models import Decision
from .projector import ROOM, ROOM_AS_IT_COMES
from .registry import EXISTS, Tracked

CHUNK = 5000
"""So many are read at once."""


class Cell(NamedTuple):
    """A cell with changes that match, and what it comes to. Ids are as the database writes them;
    several are separated by spaces, in no order.

    ``group``: what the record belongs to (see ``group_of``), where the table has it. ``before`` and
    ``after`` are the values of the ledger.
    ``leaving`` and ``returning``: what of the cell leaves the queue, and comes back to it.
    ``checked`` and ``based``: what stands, and what waits, of what was typed over a change that is
    excluded.
    """

    entity_type: str
    entity: str
    field: str
    changes: str | None
    declined: str | None
    covered: bool
    group: str | None
    before: str | None
    after: str | None
    leaving: str | None
    returning: str | None
    checked: str | None
    based: str | None


def of_revert(criteria: Criteria, school: School) -> list[Cell] | None:
    """Return what excluding all that matches comes to, cell by cell, in the order of the cells;
    None where more follows from it than the cells themselves show."""
    condition, parameters = conditions(criteria, school)
    return _read(_REVERTED.format(condition=condition), parameters | {"lifts": None})


def of_lift(decision: Decision, school: School) -> list[Cell] | None:
    """Return what lifting all of a decision's exclusions that are in force comes to."""
    return _read(_LIFTED, {"school": school.pk, "lifts": decision.pk})


def _read(matched: str, parameters: dict[str, Any]) -> list[Cell] | None:
    cells: list[Cell] = []
    with connection.cursor() as setting, connection.chunked_cursor() as cursor:
        setting.execute(f"select {ROOM}")
        cursor.execute(matched + _CELLS.format(group=_group()), parameters)
        followed = False
        while not followed and (rows := cursor.fetchmany(CHUNK)):
            followed = any(_is_followed(*kind) for kind in {(row[0], row[2]) for row in rows})
            cells += map(Cell._make, rows)
        setting.execute(ROOM_AS_IT_COMES)  # not before: it is sorted when the first is fetched
    return None if followed else cells


def _is_followed(entity_type: str, field: str) -> bool:
    """Return whether other cells may move with one of this field; or whether the table shows a
    value where the ledger has none, which the ledger cannot tell."""
    tracked = registry.get(entity_type)
    return (
        field == EXISTS
        or any(field in names for names in tracked.natural_keys)
        or tracked.field(field).references_entity
        or bool(tracked.field(field).blank)
    )


def group_of(tracked: Tracked) -> sql.Composable:
    """Return SQL for the key of what a row of the table belongs to: the type and id of the last
    record that it needs, or just its own type."""
    if not tracked.required:
        return sql.Literal(tracked.entity_type)
    belongs = tracked.required[-1]
    assert belongs.reference is not None  # noqa: S101 - it is one that a record needs
    return sql.SQL("{} || '-' || {}").format(
        sql.Literal(belongs.reference.entity_type), sql.Identifier(belongs.column)
    )


def _group() -> str:
    """Return SQL for the key of what the record of a line belongs to; null where it stands not."""
    return (
        sql.SQL("case l.entity_type {} end")
        .format(
            sql.SQL(" ").join(
                sql.SQL(
                    "when {} then (select {} from {} r"
                    " where r.school_id = %(school)s and r.id = l.entity_id)"
                ).format(
                    sql.Literal(tracked.entity_type),
                    group_of(tracked),
                    sql.Identifier(tracked.table),
                )
                for tracked in registry.in_order()
            )
        )
        .as_string(None)
    )


# Each of these begins a query: the changes that match, and whether another revert covers them.
_REVERTED = """
    with matched as materialized (
        select c.id, c.entity_type, c.entity_id, c.field, c.author_id,
               c.status = 'declined' as declined,
               exists (select 1 from changes_exclusion x
                       where x.school_id = c.school_id and x.change_id = c.id
                         and x.lifted_by_id is null) as covered
        from changes_change c
        join changes_changeset s on s.school_id = c.school_id and s.id = c.change_set_id
        left join changes_decision d on d.school_id = c.school_id and d.id = c.decision_id
        where {condition}
    )"""
_LIFTED = """
    with matched as materialized (
        select c.id, c.entity_type, c.entity_id, c.field, c.author_id, false as declined,
               exists (select 1 from changes_exclusion x
                       where x.school_id = c.school_id and x.change_id = c.id
                         and x.lifted_by_id is null and x.decision_id <> %(lifts)s) as covered
        from changes_exclusion e
        join changes_change c on c.school_id = e.school_id and c.id = e.change_id
        where e.school_id = %(school)s and e.decision_id = %(lifts)s and e.lifted_by_id is null
    )"""

# ``was`` and ``will`` tell whether a change counts before and after: whether no exclusion is in
# force. What waits is its author's last word, by its number; only where an author has something
# that is not decided can that become another.
#
# Of what a query makes itself the planner knows nothing, and might compare each of 52,000 rows with
# each other one. So exclusions are looked up by ``in``, and the parts put together by full joins
# (none has what ``lines`` has not): neither can be a loop. The heads of each cell are looked up by
# their index, of which it knows, for all that ever was approved may be many times more.
_CELLS = """, picked as materialized (
        select * from matched where not declined
    ), lines as materialized (
        select entity_type, entity_id, field,
               string_agg(id::text, ' ') filter (where not declined) as changes,
               string_agg(id::text, ' ') filter (where declined) as declined,
               bool_and(covered) filter (where not declined) as covered
        from matched group by entity_type, entity_id, field
    ), excluded as materialized (
        select change_id from changes_exclusion
        where school_id = %(school)s and lifted_by_id is null
    ), excluded_then as materialized (
        select change_id from changes_exclusion
        where school_id = %(school)s and lifted_by_id is null
          and decision_id is distinct from %(lifts)s
        union all
        select id from picked where %(lifts)s::uuid is null
    ), undecided as (
        select author_id, entity_id, field from picked
        intersect
        select author_id, entity_id, field
        from changes_change where school_id = %(school)s and status = 'provisional'
    ), typed as (
        select c.id, c.author_id, c.entity_id, c.field, c.number,
               c.status = 'provisional' and c.kind = 'value' as waits,
               c.id not in (select change_id from excluded) as was,
               c.id not in (select change_id from excluded_then) as will
        from undecided u
        join changes_change c on c.school_id = %(school)s and c.author_id = u.author_id
         and c.entity_id = u.entity_id and c.field = u.field
    ), words as (
        select id, entity_id, field,
               waits and was and number = max(number) filter (where was) over its as was_open,
               waits and will and number = max(number) filter (where will) over its as will_be
        from typed window its as (partition by author_id, entity_id, field)
    ), queue as (
        select entity_id, field,
               string_agg(id::text, ' ') filter (where was_open) as leaving,
               string_agg(id::text, ' ') filter (where will_be) as returning
        from words where coalesce(was_open, false) <> coalesce(will_be, false)
        group by entity_id, field
    ), built as (
        select p.entity_id, p.field, c.id, c.status = 'approved' as stands
        from picked p
        join changes_change c on c.school_id = %(school)s and c.base_change_id = p.id
        where %(lifts)s::uuid is null and c.status <> 'declined' and c.kind = 'value'
          and c.id not in (select change_id from excluded_then)
          and (c.status = 'approved' or not exists (
              select 1 from changes_change l
              where l.school_id = c.school_id and l.author_id = c.author_id
                and l.entity_id = c.entity_id and l.field = c.field and l.number > c.number
                and l.id not in (select change_id from excluded_then)))
    ), based as (
        select entity_id, field,
               string_agg(id::text, ' ') filter (where stands) as checked,
               string_agg(id::text, ' ') filter (where not stands) as based
        from built group by entity_id, field
    )
    select entity_type, entity_id::text, field, l.changes, l.declined, l.covered, {group},
           before, after, q.leaving, q.returning, checked, based
    from lines l
    cross join lateral (
        select (array_agg(value) filter (where was))[1] as before,
               (array_agg(value) filter (where will))[1] as after
        from (
            select c.value, c.id not in (select change_id from excluded) as was,
                   c.id not in (select change_id from excluded_then) as will
            from changes_change c
            where c.school_id = %(school)s and c.entity_id = l.entity_id
              and c.field = l.field and c.status = 'approved'
            order by c.position desc) latest_first) heads
    full join queue q using (entity_id, field)
    full join based using (entity_id, field)
    order by entity_type, entity_id, field"""

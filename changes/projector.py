"""The only writer of the authoritative tables: what the effective changes add up to.

The value of a cell is the effective change (approved, not excluded) with the highest position. For
each entity type, parents first, one statement folds the ledger, compares the result with the table,
deletes and upserts what differs, and returns the cells that moved. References between tracked
tables are deferred meanwhile; the database judges the result as a whole when the act is sealed.

Whether a record stands is decided by the whole of it: that it exists, and what it refers to. Any
other cell moves by itself, so where only such were touched only these are folded.

Call everything here inside a school.
"""

import contextlib
import dataclasses
import json
import math
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.db import connection
from psycopg import sql

from accounts.models import School

from . import lookups, registry
from .guard import PROJECTOR_SETTING
from .registry import EXISTS, Tracked


class Move(NamedTuple):
    """One authoritative cell whose value moved. A record that came or went moves its ``exists``
    cell between "true" and "false", and each of its values from or to None."""

    entity_type: str
    entity_id: uuid.UUID
    field: str
    before: str | None
    after: str | None


@dataclasses.dataclass(frozen=True)
class Verification:
    """What ``verify`` found: the cells where a table is not the fold, and how many records wait
    suspended for a parent that does not exist."""

    differences: list[Move]
    suspended: int

    @property
    def equal(self) -> bool:
        return not self.differences


Cell = tuple[str, uuid.UUID | str, str]
"""An entity type, the id of an entity (also as the database writes it), and a field."""


def project(school: School, touched: Iterable[Cell]) -> list[Move]:
    """Bring the touched cells to what the ledger says, and with each record that came or went those
    that refer to it: they stand or fall with it, or lose an optional reference.

    Call holding the school's lock. Returns the cells that moved.
    """
    return _write(school, _by_type(touched))


def foresee(school: School, touched: Iterable[Cell]) -> list[Move]:
    """Return what ``project`` would move, for a preview, which takes back what is written here.

    Where values merely change nothing is written, which is half of the work. Where a record comes
    or goes, or a natural key moves, what follows from it is read from the tables: from there on
    this is ``project``.
    """
    return _write(school, _by_type(touched), only_look=True)


def rebuild(school: School) -> int:
    """Fold the school's whole ledger into its tables. Writes no effects. Returns how many cells
    moved: none, unless somebody wrote beside the projector or a column was added. Call holding the
    school's lock."""
    _refuse_unknown_names(school)
    count = 0
    with _writing() as cursor:
        cursor.execute(_BY_HASH)
        for tracked in registry.in_order():
            fold = _of_records(school, tracked, None)
            counted = f"select count(*) from ({fold.moves}) moves"  # noqa: S608 - made here
            cursor.execute(f"{fold.target}, {fold.write} {counted}", fold.parameters)
            count += cursor.fetchone()[0]
    return count


def verify(school: School) -> Verification:
    """Compare the school's tables with the fold of its ledger, and change nothing.

    Every difference is a ``Move`` from what stands in the table to what the ledger says.
    """
    differences: list[Move] = []
    return Verification(differences, compare(school, tell=differences.append))


def compare(school: School, *, tell: Callable[[Move], object]) -> int:
    """Do the same for any number of differences: hand each to ``tell`` as it is found, those of one
    record together, that it came or went first. Returns how many records are suspended."""
    _refuse_unknown_names(school)
    suspended = 0
    for tracked in registry.in_order():
        fold = _of_records(school, tracked, None)
        with connection.cursor() as setting, connection.chunked_cursor() as cursor:
            setting.execute(f"{_BY_HASH}; select {ROOM}")
            cursor.execute(f"{fold.target} {fold.moves} {_AND_SUSPENDED}", fold.parameters)
            setting.execute(_AS_IT_COMES)  # it is planned; what ``tell`` asks is not
            while rows := cursor.fetchmany(CHUNK):
                for entity_id, field, before, after in rows:
                    if entity_id is None:
                        suspended += int(after)
                    else:
                        tell(Move(tracked.entity_type, entity_id, field, before, after))
            setting.execute(ROOM_AS_IT_COMES)
    return suspended


CHUNK = 5000
"""So many differences are read at once, so that many need no more memory than few."""


ROOM = """set_config('work_mem',
    greatest(pg_size_bytes(current_setting('work_mem')) / 1024, 65536)::text, true)"""
"""SQL that lets the database hash and sort up to 64 MB at once, until ``ROOM_AS_IT_COMES``. The
exclusions in force are found by hash while they are believed to fit, and else by looking through
all of them for each change; and what is sorted within it is not sorted on the disk."""
ROOM_AS_IT_COMES = "set local work_mem to default"

_FEW = 1000
# More records than that are joined to their parents by hash. Of rows that came in this same
# transaction, or since the tables were last analysed, the planner knows nothing, takes the parents
# for one row and loops over all of them for each child: to rebuild 200,000 enrolments took minutes.
_BY_HASH = "set local enable_nestloop = off"
_AS_IT_COMES = "set local enable_nestloop to default"
_AND_SUSPENDED = """
    union all
    select null, '', '', ((select count(*) from docs) - (select count(*) from target))::text"""


_Touched = dict[str, dict[str, set[str]]]  # by type and field, the ids of entities


def _by_type(touched: Iterable[Cell]) -> _Touched:
    ids: _Touched = defaultdict(lambda: defaultdict(set))
    for entity_type, entity_id, field in touched:
        ids[entity_type][field].add(str(entity_id))
    return ids


class _Fold(NamedTuple):
    """Some records of a type: how many, and the statement that folds them, up to what is done with
    ``compared``; how that is written; what moved."""

    size: float
    target: str
    write: str
    moves: str
    parameters: dict[str, Any]


@contextlib.contextmanager
def _writing() -> Iterator[Any]:
    """Let the block write into the tables, by the cursor that it is given."""
    with connection.cursor() as cursor:
        cursor.execute("set constraints all deferred")
        cursor.execute(f"select set_config(%s, 'on', true), {ROOM}", [PROJECTOR_SETTING])
        yield cursor
        cursor.execute(f"{_AS_IT_COMES}; {ROOM_AS_IT_COMES}")
        cursor.execute("select set_config(%s, 'off', true)", [PROJECTOR_SETTING])


def _write(school: School, touched: _Touched, *, only_look: bool = False) -> list[Move]:
    """Project these cells; parents before those that refer to them. ``only_look``: write nothing,
    as long as nothing follows from what moves."""
    moves: list[Move] = []
    with _writing() as cursor:
        for tracked in registry.in_order():
            for fold in _folds(school, tracked, touched):
                cursor.execute(_BY_HASH if fold.size > _FEW else _AS_IT_COMES)
                writing = f"{fold.target}, {fold.write} {fold.moves}"
                cursor.execute(fold.target + fold.moves if only_look else writing, fold.parameters)
                moved = [Move(tracked.entity_type, *row) for row in cursor.fetchall()]
                if only_look and not _followed(tracked).isdisjoint(m.field for m in moved):
                    only_look = False
                    cursor.execute(writing, fold.parameters)
                moves += moved
                _add_dependents(school, touched, [m.entity_id for m in moved if m.field == EXISTS])
    return moves


def _folds(school: School, tracked: Tracked, touched: _Touched) -> Iterator[_Fold]:
    """Return what is to be folded of one type: records whole, and cells that move alone."""
    ids_of = touched.get(tracked.entity_type, {})
    alone = {f.name for f in tracked.fields.values() if not f.references_entity}
    whole = set[str]().union(*(ids for name, ids in ids_of.items() if name not in alone))
    cells = {name: ids - whole for name, ids in ids_of.items() if name in alone}
    if whole:
        yield _of_records(school, tracked, whole)
    if any(cells.values()):
        yield _of_cells(school, tracked, cells)


def _of_records(school: School, tracked: Tracked, ids: set[str] | None) -> _Fold:
    return _Fold(
        math.inf if ids is None else len(ids),
        _with_target(tracked, every=ids is None),
        _delete_and_upsert(tracked),
        _select_moves(tracked, tracked.fields),
        _parameters(school, tracked, ids),
    )


def _of_cells(school: School, tracked: Tracked, cells: Mapping[str, set[str]]) -> _Fold:
    names = list(cells)
    ids = sorted(set().union(*cells.values()))
    parameters = {"school": school.pk, "ids": lookups.written(ids)}
    for name, its in cells.items():
        parameters[f"in_{name}"] = lookups.written("t" if each in its else "f" for each in ids)
    return _Fold(
        0,  # each head is looked up by its index
        _with_heads(tracked, names),
        _update(tracked, names),
        _select_moves(tracked, names),
        parameters,
    )


def _followed(tracked: Tracked) -> set[str]:
    """Return the fields of which a move has consequences for other records: they stand or fall
    with it, or clash with it."""
    return {EXISTS}.union(*tracked.natural_keys)


def _add_dependents(school: School, touched: _Touched, came_or_went: list[uuid.UUID]) -> None:
    """Add what was ever approved to refer to records that came or went. References point to types
    that were registered before, so what is added is still to be projected."""
    if not came_or_went:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select distinct entity_type, entity_id::text, field from changes_change
            where school_id = %s and refers_to = any(%s::uuid[]) and status = 'approved'
            """,
            [school.pk, lookups.array(came_or_went)],
        )
        for entity_type, entity_id, field in cursor.fetchall():
            touched[entity_type][field].add(entity_id)


def _parameters(school: School, tracked: Tracked, ids: set[str] | None) -> dict[str, Any]:
    blanks = {field.column: field.blank for field in tracked.fields.values()}
    return {
        "school": school.pk,
        "type": tracked.entity_type,
        "ids": None if ids is None else lookups.written(sorted(ids)),
        "blanks": json.dumps({**blanks, "school_id": str(school.pk)}),
    }


def _columns(tracked: Tracked) -> list[str]:
    return ["id", "school_id", *(field.column for field in tracked.fields.values())]


def _listed(template: str, names: Collection[str], prefix: str = "") -> sql.Composable:
    """Join names by commas, each put into the template, and a second time with the prefix."""
    return sql.SQL(", ").join(
        sql.SQL(template).format(sql.Identifier(name), sql.Identifier(prefix + name))
        for name in names
    )


def _with_target(tracked: Tracked, *, every: bool) -> str:
    """Return the common table expressions ``current`` (what stands), ``target`` (what should) and
    ``compared`` (both, side by side).

    Each is materialised, for otherwise the planner may fold the ledger anew for each row, or read
    all pupils for each enrolment. They are compared by one full join, which can only be a hash or a
    merge, and exclusions are looked up by ``not in``, which can only be a hash: of rows that came
    in this same transaction the planner knows nothing, and a loop over both takes minutes for
    40,000.
    """
    one_of = "" if every else "and {alias}.{column} = any(%(ids)s::uuid[])"
    parents = []
    selected: dict[str, sql.Composable] = {
        column: sql.Identifier("r", column) for column in _columns(tracked)
    }
    for number, field in enumerate(tracked.fields.values()):
        reference = field.reference
        if reference is None or reference.entity_type is None:
            continue
        alias = f"parent_{number}"
        parents.append(
            sql.SQL(
                "{join} {table} {alias} on {alias}.school_id = r.school_id"
                " and {alias}.id = r.{column}"
            ).format(
                join=sql.SQL("join" if reference.required else "left join"),
                table=sql.Identifier(reference.table),
                alias=sql.Identifier(alias),
                column=sql.Identifier(field.column),
            )
        )
        selected[field.column] = sql.SQL("{} as {}").format(
            sql.Identifier(alias, "id"), sql.Identifier(field.column)
        )
    renamed = [f for f in tracked.fields.values() if f.name != f.column]
    column_of = sql.SQL("case field {} else field end").format(
        sql.SQL(" ").join(
            sql.SQL("when {} then {}").format(sql.Literal(f.name), sql.Literal(f.column))
            for f in renamed
        )
    )
    return (
        sql.SQL(
            """
            with cells as materialized (
                select distinct on (c.entity_id, c.field) c.entity_id, c.field, c.value
                from changes_change c
                where c.school_id = %(school)s and c.entity_type = %(type)s
                  and c.status = 'approved' {entities}
                  and c.id not in (
                      select x.change_id from changes_exclusion x
                      where x.school_id = %(school)s and x.lifted_by_id is null)
                order by c.entity_id, c.field, c.position desc
            ), docs as materialized (
                select entity_id as id,
                       jsonb_object_agg({column_of}, value) filter (where value is not null) as doc
                from cells group by entity_id
                having bool_or(field = {exists} and value = 'true')
            ), records as materialized (
                select r.* from docs d
                cross join lateral jsonb_populate_record(
                    null::{table},
                    %(blanks)s::jsonb || d.doc || jsonb_build_object('id', d.id)) r
            ), target as materialized (
                select {selected} from records r {parents}
            ), current as materialized (
                select {columns} from {table} t where t.school_id = %(school)s {rows}
            ), compared as materialized (
                select {was}, {now} from current k full join target g on g.id = k.id
            )
            """
        )
        .format(
            entities=sql.SQL(one_of.format(alias="c", column="entity_id")),
            rows=sql.SQL(one_of.format(alias="t", column="id")),
            column_of=column_of if renamed else sql.SQL("field"),
            exists=sql.Literal(EXISTS),
            selected=sql.SQL(", ").join(selected.values()),
            columns=_listed("t.{}", _columns(tracked)),
            was=_listed("k.{} as {}", _columns(tracked), prefix="was_"),
            now=_listed("g.{} as {}", _columns(tracked), prefix="now_"),
            table=sql.Identifier(tracked.table),
            parents=sql.SQL(" ").join(parents),
        )
        .as_string(None)
    )


def _with_heads(tracked: Tracked, names: Collection[str]) -> str:
    """Return the common table expression ``compared`` of records of which only cells of these
    fields were touched: what stands in them, and the value of each cell's head. A record that is in
    no table stays out of it, for none of these cells brings it there.

    Exclusions are looked up by ``not in`` here too: by ``not exists``, and with statistics of a
    moment when none was in force, all of them were read for each of 52,000 cells."""
    value = sql.SQL(
        "t.{column} as {was}, case when n.{touched} then coalesce({head}.value, {blank})::{kind}"
        " else t.{column} end as {now}"
    )
    head = sql.SQL(
        """
        left join lateral (
            select c.value from changes_change c
            where n.{touched} and c.school_id = %(school)s and c.entity_id = n.id
              and c.field = {name} and c.status = 'approved'
              and c.id not in (
                  select x.change_id from changes_exclusion x
                  where x.school_id = %(school)s and x.lifted_by_id is null)
            order by c.position desc limit 1) {head} on true
        """
    )
    flags, touched, heads, values = [], [], [], []
    for field in (tracked.field(name) for name in names):
        parts: dict[str, sql.Composable] = {
            "name": sql.Literal(field.name),
            "column": sql.Identifier(field.column),
            "touched": sql.Identifier("touched_" + field.column),
            "head": sql.Identifier("head_" + field.column),
            "was": sql.Identifier("was_" + field.column),
            "now": sql.Identifier("now_" + field.column),
            "blank": sql.Literal(field.blank),
            "kind": sql.SQL(_column_type(tracked, field.column)),
        }
        flags.append(sql.SQL("{}::boolean[]").format(sql.Placeholder(f"in_{field.name}")))
        touched.append(parts["touched"])
        heads.append(head.format(**parts))
        values.append(value.format(**parts))
    return (
        sql.SQL(
            """
            with compared as materialized (
                select t.ctid as place, t.id as was_id, t.id as now_id, {values}
                from unnest(%(ids)s::uuid[], {flags}) n (id, {touched})
                join {table} t on t.school_id = %(school)s and t.id = n.id
                {heads}
            )
            """
        )
        .format(
            flags=sql.SQL(", ").join(flags),
            touched=sql.SQL(", ").join(touched),
            heads=sql.SQL(" ").join(heads),
            values=sql.SQL(", ").join(values),
            table=sql.Identifier(tracked.table),
        )
        .as_string(None)
    )


def _column_type(tracked: Tracked, column: str) -> str:
    field = next(f for f in tracked.model._meta.concrete_fields if f.column == column)
    return str(field.db_type(connection))


def _update(tracked: Tracked, names: Collection[str]) -> str:
    """Return the statement that writes what differs: where each row lies has just been read, and
    under the school's lock nobody else moves it."""
    columns = [tracked.field(name).column for name in names]
    return (
        sql.SQL(
            """
            updated as (
                update {table} t set {assigned} from compared c
                where t.school_id = %(school)s and t.ctid = c.place
                  and ({was}) is distinct from ({now})
            )
            """
        )
        .format(
            table=sql.Identifier(tracked.table),
            assigned=_listed("{} = c.{}", columns, prefix="now_"),
            was=_listed("c.{1}", columns, prefix="was_"),
            now=_listed("c.{1}", columns, prefix="now_"),
        )
        .as_string(None)
    )


def _delete_and_upsert(tracked: Tracked) -> str:
    columns = _columns(tracked)
    return (
        sql.SQL(
            """
            deleted as (
                delete from {table} t using compared c
                where t.school_id = %(school)s and t.id = c.was_id and c.now_id is null
            ), upserted as (
                insert into {table} ({names})
                select {now} from compared c
                where c.now_id is not null and ({was}) is distinct from ({now})
                on conflict (id) do update set {assigned}
            )
            """
        )
        .format(
            table=sql.Identifier(tracked.table),
            names=_listed("{}", columns),
            was=_listed("c.{1}", columns, prefix="was_"),
            now=_listed("c.{1}", columns, prefix="now_"),
            assigned=sql.SQL(", ").join(
                sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in columns[2:]
            ),
        )
        .as_string(None)
    )


def _select_moves(tracked: Tracked, names: Collection[str]) -> str:
    cells = [
        sql.SQL("({name}, nullif(c.{was}::text, ''), nullif(c.{now}::text, ''))").format(
            name=sql.Literal(field.name),
            was=sql.Identifier("was_" + field.column),
            now=sql.Identifier("now_" + field.column),
        )
        for field in (tracked.field(name) for name in names)
    ]
    return (
        sql.SQL(
            """
            select coalesce(c.was_id, c.now_id), f.field, f.before, f.after
            from compared c
            cross join lateral (values
                ({exists}, case when c.was_id is null then 'false' else 'true' end,
                           case when c.now_id is null then 'false' else 'true' end),
                {cells}) f (field, before, after)
            where f.before is distinct from f.after
            """
        )
        .format(exists=sql.Literal(EXISTS), cells=sql.SQL(", ").join(cells))
        .as_string(None)
    )


def _refuse_unknown_names(school: School) -> None:
    """Raise UnknownName when the ledger names what no app registers (any more)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct entity_type, field from changes_change where school_id = %s",
            [school.pk],
        )
        for entity_type, field in cursor.fetchall():
            if field != EXISTS:
                registry.get(entity_type).field(field)

"""What the author sees: the authoritative rows plus their own open changes.

Nobody else's provisional value enters here, so whatever is built on it (pages, search, exports,
error texts) cannot show one. Call inside a school.
"""

import dataclasses
import datetime as dt
import enum
import functools
import uuid
from collections.abc import Collection, Iterable

from django.db import connection
from psycopg import sql

from accounts.models import Membership

from . import lookups, registry
from .models import Change
from .registry import EXISTS, TRUE, Tracked


class State(enum.Enum):
    """How a cell stands for its author."""

    BLANK = "blank"
    APPROVED = "approved"
    WAITING = "waiting"
    CONFLICT = "conflict"
    DECLINED = "declined"


@dataclasses.dataclass(frozen=True)
class Mine:
    """The author's own latest change of a cell."""

    id: uuid.UUID
    status: str
    kind: str
    value: str | None
    old_value: str | None
    base: uuid.UUID | None
    declined_because: str
    decided_at: dt.datetime | None

    @property
    def is_open(self) -> bool:
        return self.status == Change.Status.PROVISIONAL and self.kind == Change.Kind.VALUE


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell: ``standing`` is the authoritative value, ``head`` the change that it came from."""

    standing: str | None = None
    head: uuid.UUID | None = None
    mine: Mine | None = None

    @property
    def value(self) -> str | None:
        """What the author sees."""
        return self.mine.value if self.mine and self.mine.is_open else self.standing

    @property
    def state(self) -> State:
        if self.mine and self.mine.is_open:
            moved = self.head != self.mine.base and self.standing not in (
                self.mine.old_value,
                self.mine.value,
            )
            return State.CONFLICT if moved else State.WAITING
        if self.mine and self.mine.status == Change.Status.DECLINED:
            return State.DECLINED
        return State.BLANK if self.standing is None else State.APPROVED


_NOTHING = Cell()


@dataclasses.dataclass(frozen=True)
class Record:
    """One entity as its author sees it.

    ``stands``: it is in the authoritative table. ``exists``: it exists for the author; false for
    their own creation that was declined or withdrawn, and for what they propose to delete.
    """

    entity_type: str
    id: uuid.UUID
    stands: bool
    exists: bool
    cells: dict[str, Cell]

    def cell(self, field: str) -> Cell:
        return self.cells.get(field, _NOTHING)

    def value(self, field: str) -> str | None:
        """Return the value that the author sees in a cell."""
        return self.cell(field).value

    def reference(self, field: str) -> uuid.UUID | None:
        """Return the id that the author sees in a reference."""
        value = self.value(field)
        return uuid.UUID(value) if value else None


def see(entity_type: str, ids: Iterable[uuid.UUID], *, by: Membership) -> dict[uuid.UUID, Record]:
    """Return the records among ``ids`` that ``by`` may know of, as they see them.

    An id that exists nowhere and one that is another author's provisional record are both absent:
    nobody can tell them apart. Three statements, however many ids: written out, for every save and
    every sheet comes by here, and Django takes as long to write one as the database to answer it.
    """
    wanted = list(set(ids))
    if not wanted:
        return {}
    tracked = registry.get(entity_type)
    rows = _rows(tracked, wanted, by)
    heads = _heads(wanted, by)
    mine = _mine(wanted, by)
    records = {}
    for entity_id in wanted:
        row, own = rows.get(entity_id), mine.get(entity_id, {})
        head = heads.get(entity_id, {})
        created_by_me = own.get(EXISTS)
        if row is None and created_by_me is None:
            continue
        # Approved, and yet not in the table: suspended, while a parent is missing.
        suspended = row is None and head.get(EXISTS, (None, None))[1] == TRUE
        standing = (
            row if row is not None else ({n: v for n, (_, v) in head.items()} if suspended else {})
        )
        cells = {
            name: Cell(standing.get(name), head.get(name, (None, None))[0], own.get(name))
            for name in tracked.fields
        }
        exists_cell = Cell(TRUE if row is not None or suspended else None, None, created_by_me)
        cells[EXISTS] = Cell(exists_cell.standing, head.get(EXISTS, (None, None))[0], created_by_me)
        records[entity_id] = Record(
            entity_type, entity_id, row is not None, exists_cell.value == TRUE, cells
        )
    return records


def referring(
    entity_type: str, field: str, targets: Collection[uuid.UUID], *, by: Membership
) -> list[uuid.UUID]:
    """Return the ids of records whose ``field`` refers to one of ``targets``, in the tables or by
    an own open change. What the author moved elsewhere is still among them: ``see`` tells."""
    tracked = registry.get(entity_type)
    column = tracked.field(field).column
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("select id from {} where school_id = %s and {} = any(%s)")
            .format(sql.Identifier(tracked.table), sql.Identifier(column))
            .as_string(None),
            [by.school_id, list(targets)],
        )
        standing = [row[0] for row in cursor.fetchall()]
    own = (
        Change.objects.filter(entity_type=entity_type, field=field, refers_to__in=list(targets))
        .proposed_by(by.user_id)
        .not_excluded()
        .values_list("entity_id", flat=True)
    )
    return list(dict.fromkeys([*standing, *own]))


def own_new(entity_type: str, *, by: Membership) -> list[uuid.UUID]:
    """Return the ids of records that ``by`` has proposed to create and that wait."""
    return list(
        Change.objects.filter(entity_type=entity_type, field=EXISTS, value=TRUE)
        .proposed_by(by.user_id)
        .open()
        .values_list("entity_id", flat=True)
    )


def _rows(
    tracked: Tracked, ids: list[uuid.UUID], by: Membership
) -> dict[uuid.UUID, dict[str, str | None]]:
    with connection.cursor() as cursor:
        cursor.execute(_select(tracked.entity_type), [by.school_id, lookups.array(ids)])
        return {
            row[0]: dict(zip(tracked.fields, row[1:], strict=True)) for row in cursor.fetchall()
        }


@functools.cache
def _select(entity_type: str) -> str:
    """Return the statement that reads rows of a type, the columns in the order of its fields."""
    tracked = registry.get(entity_type)
    query = sql.SQL("select id, {} from {} where school_id = %s and id = any(%s::uuid[])").format(
        sql.SQL(", ").join(
            sql.SQL("nullif({}::text, '')").format(sql.Identifier(f.column))
            for f in tracked.fields.values()
        ),
        sql.Identifier(tracked.table),
    )
    return query.as_string(None)


def _heads(
    ids: list[uuid.UUID], by: Membership
) -> dict[uuid.UUID, dict[str, tuple[uuid.UUID, str | None]]]:
    """The authoritative head of each cell: the effective change with the highest position."""
    heads: dict[uuid.UUID, dict[str, tuple[uuid.UUID, str | None]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select distinct on (c.entity_id, c.field) c.entity_id, c.field, c.id, c.value
            from changes_change c
            where c.school_id = %s and c.entity_id = any(%s::uuid[]) and c.status = 'approved'
              and not exists (select from changes_exclusion x
                              where x.school_id = c.school_id and x.change_id = c.id
                                and x.lifted_by_id is null)
            order by c.entity_id, c.field, c.position desc
            """,
            [by.school_id, lookups.array(ids)],
        )
        for entity_id, field, change_id, value in cursor.fetchall():
            heads.setdefault(entity_id, {})[field] = (change_id, value)
    return heads


def _mine(ids: list[uuid.UUID], by: Membership) -> dict[uuid.UUID, dict[str, Mine]]:
    """The author's own latest change of each cell, less what is excluded."""
    mine: dict[uuid.UUID, dict[str, Mine]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select distinct on (c.entity_id, c.field) c.entity_id, c.field, c.id, c.status, c.kind,
                   c.value, c.old_value, c.base_change_id, coalesce(d.reason, ''), d.decided_at
            from changes_change c
            left join changes_decision d on d.school_id = c.school_id and d.id = c.decision_id
            where c.school_id = %s and c.author_id = %s and c.entity_id = any(%s::uuid[])
              and not exists (select from changes_exclusion x
                              where x.school_id = c.school_id and x.change_id = c.id
                                and x.lifted_by_id is null)
            order by c.entity_id, c.field, c.number desc
            """,
            [by.school_id, by.user_id, lookups.array(ids)],
        )
        for entity_id, field, *latest in cursor.fetchall():
            mine.setdefault(entity_id, {})[field] = Mine(*latest)
    return mine

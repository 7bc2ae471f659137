"""A delta made whole: its rows laid over what the school holds already.

What a delta does not name stays as it is, and its rows may point at what only the school has. So
the school's own rows, with line 0, stand in for what the files leave out.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from grading.oneroster.check import REFERENCES, Tables
from grading.oneroster.known import Known, Record
from grading.oneroster.rows import Enrollment


@dataclass(frozen=True, slots=True)
class Gone:
    """A record that a delta says is not there any more. file: without .csv. row: as the school held
    it."""

    file: str
    line: int
    school: uuid.UUID
    record: uuid.UUID
    row: Any


@dataclass(frozen=True, slots=True)
class Completed:
    """gone: what is to be deleted, and is here. unknown: how much of it is not here anyway."""

    gone: list[Gone]
    unknown: int


NAMES = (
    *("orgs", "academicSessions", "courses", "classes", "users", "demographics"),
    *("enrollments", "categories", "lineItems", "results"),
)


def complete(tables: Tables, known: Known) -> Completed:
    """Lay the rows of a delta over what is known, in place."""
    gone: list[Gone] = []
    unknown = 0
    _by_what_they_name(tables, known)
    for name in NAMES:
        table, here = tables.named(name), known.rows[name]
        for sourced_id, (line, _) in table.gone.items():
            records = known.records.get((name, sourced_id), [])
            unknown += not records
            gone += [Gone(name, line, r.school, r.id, here[sourced_id]) for r in records]
        kept = {
            sourced_id: row
            for sourced_id, row in here.items()
            if sourced_id not in table.gone and sourced_id not in table.lines
        }
        if name == "results":
            kept = {}  # nothing points into it
        for sourced_id in table.gone:
            table.lines.pop(sourced_id, None)
        table.whole = table.whole or not table.lines
        table.rows = {**kept, **table.rows}
        table.lines = {**dict.fromkeys(kept, 0), **table.lines}
    _leave_replaced_line_items(tables)
    _leave_what_points_nowhere(tables)
    return Completed(gone, unknown)


def _by_what_they_name(tables: Tables, known: Known) -> None:
    """Others call a mark otherwise than we do: know one that is to be deleted by its line item and
    pupil too, where the delta says them."""
    items = {**known.rows["lineItems"], **tables.line_items.rows}
    enrolments = {
        (row.class_, row.user): known.records["enrollments", row.sourced_id]
        for row in known.rows["enrollments"].values()
    }
    for sourced_id, (_, cells) in tables.results.gone.items():
        item = items.get(cells.get("lineItemSourcedId", ""))
        if item is None or ("results", sourced_id) in known.records:
            continue
        pair = item.class_, cells.get("studentSourcedId", "")
        marked: list[Record] = enrolments.get(pair, [])
        by_record = {
            record.id: named
            for (name, named), records in known.records.items()
            if name == "results"
            for record in records
        }
        for record in marked:
            if named := by_record.get(record.id):
                known.records["results", sourced_id] = [record]
                known.rows["results"][sourced_id] = known.rows["results"][named]


def _leave_replaced_line_items(tables: Tables) -> None:
    """A class has one mark: a line item of the delta takes the place of ours."""
    named = {row.class_ for row in tables.line_items.rows.values() if row.line}
    for sourced_id, row in list(tables.line_items.rows.items()):
        if not row.line and row.class_ in named:
            del tables.line_items.rows[sourced_id], tables.line_items.lines[sourced_id]


def _leave_what_points_nowhere(tables: Tables) -> None:
    """What the school holds of something that is gone is no row any more; only what the delta
    itself says of it is wrong."""
    for name, attribute, _, target in REFERENCES:
        table, pointed_into = tables.named(name), tables.named(target)
        for sourced_id, row in list(table.rows.items()):
            found = getattr(row, attribute)
            named = (found,) if isinstance(found, str) else found
            if not row.line and any(each and pointed_into.lacks(each) for each in named):
                del table.rows[sourced_id]
                table.lines.pop(sourced_id, None)


def teaching_that_ended(gone: Iterable[Gone]) -> dict[str, int]:
    """Return the classes whose teacher is to go, with the line that says so."""
    return {
        each.row.class_: each.line
        for each in gone
        if isinstance(each.row, Enrollment) and each.row.role == "teacher"
    }

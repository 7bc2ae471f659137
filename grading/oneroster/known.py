"""What a school holds already, as rows of a roster: what the changes of a delta build on.

The rows are those that would go out (outgoing.py), read as if a file held them. Their line is 0.
"""

import dataclasses
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from accounts.in_school import enter
from accounts.models import School
from grading.oneroster import outgoing, rows
from grading.oneroster.headers import HEADERS
from grading.oneroster.layout import Cells, Layout
from grading.oneroster.outgoing import Sent
from grading.oneroster.problems import Problems

LAYOUTS: tuple[Layout[Any], ...] = (
    *(rows.ORGS, rows.SESSIONS, rows.COURSES, rows.CLASSES, rows.USERS, rows.DEMOGRAPHICS),
    *(rows.ENROLLMENTS, rows.CATEGORIES, rows.LINE_ITEMS, rows.RESULTS),
)


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a school."""

    school: uuid.UUID
    id: uuid.UUID


@dataclass(slots=True)
class Known:
    """rows: by file and sourcedId. records: those that each row tells of; several where schools
    share a term, a course or a person."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[tuple[str, str], list[Record]] = field(default_factory=dict)


def known_of(schools: Iterable[School]) -> Known:
    """Read what these schools hold. A constant number of statements for each."""
    known = Known({layout.name: {} for layout in LAYOUTS})
    for school in schools:
        with enter(school):
            files = outgoing.files(school)
            for layout in LAYOUTS:
                _read(layout, files[layout.name], school, known)
    return known


def _read(layout: Layout[Any], sent: Iterator[Sent], school: School, known: Known) -> None:
    header = HEADERS[layout.name]
    cells = Cells(layout.file, header, Problems())
    into = known.rows[layout.name]
    for each in sent:
        cells.turn_to(0, [each.cells.get(column, "") for column in header])
        row = layout.read(cells)
        if not cells.sound:
            continue
        known.records.setdefault((layout.name, row.sourced_id), []).append(
            Record(school.pk, each.record)
        )
        there = into.setdefault(row.sourced_id, row)
        if isinstance(row, rows.User) and there is not row:
            orgs = tuple(dict.fromkeys((*there.orgs, *row.orgs)))
            into[row.sourced_id] = dataclasses.replace(there, orgs=orgs)

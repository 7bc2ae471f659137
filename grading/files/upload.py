"""What would be saved of a file, rehearsed by the ledger itself; and saving what was shown.

An empty cell of the file changes nothing, and neither does one that holds what the download wrote
there. A row belongs to the pupil whom its id names, else its number, else its name ("Abbott, Ada"
or "Ada Abbott"), if one pupil of the class alone has it. What is to be saved travels to the page
and back signed, so that nothing else than what was shown is. Call inside a school.
"""

import dataclasses
import hashlib
import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.core import signing

from accounts.models import Membership
from accounts.origin import Origin
from accounts.plain import plain
from changes.deciding import rehearsing
from changes.propose import Draft, Saved, propose
from grading.files.table import Line, Table
from grading.marks import enter_marks
from grading.names import last_known
from grading.sheet import Entry, Row, Sheet, digest_of

FIELDS = {"grade": "Mark", "comment": "Comment"}
SALT = "grading.files.upload"
VALID_FOR = 12 * 60 * 60  # seconds
_KEY = re.compile(r"([0-9a-f]{32})(?:\.([0-9a-f]{12})\.([0-9a-f]{12}))?")
_ANY_REASON = "asked for on the page"


class PreviewGone(Exception):
    """What is sent is no preview of this sheet for this person, or too old a one."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something in the file that is not saved. ``place``: the row or cell. ``who``: its pupil."""

    place: str
    who: str
    text: str


@dataclasses.dataclass(frozen=True)
class Item:
    """A cell of the file that would be saved. ``head``: what stood on the sheet when it was shown.
    ``corrects``: a mark stands there, so that a reason is asked for."""

    place: str
    row: Row
    entry: Entry
    text: str
    head: uuid.UUID | None
    new: str | None = None
    corrects: bool = False

    @property
    def label(self) -> str:
        return FIELDS[self.entry.field]

    def draft(self, *, reason: str, touched: bool) -> Draft:
        return Draft(
            entity_type="enrollment",
            entity_id=self.row.id,
            field=self.entry.field,
            typed=self.text,
            base=self.head,
            touched=touched,
            reason=reason,
        )


@dataclasses.dataclass(frozen=True)
class Preview:
    """What would be saved, and what would not. ``same``: cells that are as on the sheet."""

    items: list[Item]
    problems: list[Problem]
    same: int = 0
    empty: int = 0

    @property
    def corrections(self) -> int:
        return sum(item.corrects for item in self.items)


def preview(table: Table, sheet: Sheet, *, by: Membership, origin: Origin) -> Preview:
    """Return what saving the file would do."""
    matched, problems = _match(table, sheet)
    items, same, empty = [], 0, 0
    for line, row in matched:
        shown = _shown(line)
        for field in FIELDS.keys() & table.columns.keys():
            text, entry = line.texts.get(field), getattr(row, field)
            if text is None:
                empty += 1
            elif digest_of(text) in (shown.get(field), digest_of(entry.cell.value or "")):
                same += 1
            else:
                place = table.place(field, line.n)
                items.append(Item(place, row, entry, text, entry.cell.head))
    wanted, refused, unmoved = rehearse(items, by=by, origin=origin)
    return Preview(wanted, _in_order([*problems, *refused]), same + unmoved, empty)


def rehearse(
    items: Sequence[Item], *, by: Membership, origin: Origin
) -> tuple[list[Item], list[Problem], int]:
    """Propose the cells and take it back. Return those that would be saved, what the ledger says
    of the others, and how many say what the sheet says already."""
    drafts = [item.draft(reason=_ANY_REASON, touched=False) for item in items]
    with rehearsing():
        saved = propose(drafts, by=by, origin=origin)
    values = {(change.entity_id, change.field): change for change in saved.changes}
    wanted = [
        dataclasses.replace(item, new=change.value, corrects=change.two_people)
        for item in items
        if (change := values.get((item.row.id, item.entry.field)))
    ]
    refused = problems_of(saved.refused, items)
    return _in_order(wanted), refused, len(items) - len(wanted) - len(refused)


def problems_of(refused: Iterable[Draft], items: Sequence[Item]) -> list[Problem]:
    """Return why the ledger refuses cells, each with its place in the file."""
    by_cell = {(item.row.id, item.entry.field): item for item in items}
    return [
        Problem(item.place, item.row.name, draft.refused or "")
        for draft in refused
        if (item := by_cell.get((draft.entity_id, draft.field)))
    ]


# From the page and back. --------------------------------------------------------------------------


def sealed(items: Sequence[Item], sheet: Sheet, *, by: Membership) -> str:
    """Return what was shown, signed, for one saving."""
    cells = [
        [i.place, i.row.id.hex, i.entry.field, i.new, i.head.hex if i.head else "", i.corrects]
        for i in items
    ]
    facts = {"for": _for(sheet, by), "once": uuid.uuid4().hex, "cells": cells}
    return signing.dumps(facts, salt=SALT, compress=True)


def opened(seal: str, sheet: Sheet, *, by: Membership) -> tuple[list[Item], list[Problem]]:
    """Return what was shown, and which of its pupils have left the class.

    Raises:
        PreviewGone: it was not shown to ``by`` for this sheet, or too long ago.
    """
    try:
        facts: dict[str, Any] = signing.loads(seal, salt=SALT, max_age=VALID_FOR)
    except signing.BadSignature as error:
        raise PreviewGone from error
    if facts["for"] != _for(sheet, by):
        raise PreviewGone
    items, gone = [], []
    for place, row_id, field, text, head, corrects in facts["cells"]:
        row = sheet.row_of(uuid.UUID(row_id))
        if row is None:
            gone.append(Problem(place, "", "This pupil is no longer in the class."))
            continue
        base = uuid.UUID(head) if head else None
        entry = getattr(row, field)
        items.append(Item(place, row, entry, text, base, new=text, corrects=corrects))
    return items, gone


def save(items: Sequence[Item], *, seal: str, reason: str, by: Membership, origin: Origin) -> Saved:
    """Save what was shown; sent twice, it counts once."""
    drafts = [item.draft(reason=reason if item.corrects else "", touched=True) for item in items]
    facts = f"{seal}\0{reason}".encode(errors="surrogatepass")
    key = f"file {hashlib.sha256(facts).hexdigest()}"
    return enter_marks(drafts, by=by, origin=origin, idempotency_key=key)


def _for(sheet: Sheet, by: Membership) -> str:
    return f"{by.school_id} {by.pk} {sheet.section.pk}"


# Whose row it is. ---------------------------------------------------------------------------------


def _match(table: Table, sheet: Sheet) -> tuple[list[tuple[Line, Row]], list[Problem]]:
    """Return the rows of the file with their pupils, and what is wrong with the others."""
    pupils = _Pupils(sheet)
    lines = [line for line in table.lines if line.texts.keys() & FIELDS.keys()]
    found: list[tuple[Line, Row]] = []
    problems: list[Problem] = []
    for line in lines:
        answer = pupils.find(line)
        if isinstance(answer, Row):
            found.append((line, answer))
        else:
            column, text = answer
            problems.append(Problem(table.place(column, line.n), _said(line), text))
    rows_of = defaultdict(list)
    for line, row in found:
        rows_of[row.id].append(line.n)
    for line, row in found:
        if len(numbers := rows_of[row.id]) > 1:
            rows = f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
            text = f"Rows {rows} are of the same pupil. Leave one of them in the file."
            problems.append(Problem(f"row {line.n}", row.name, text))
    return [(line, row) for line, row in found if len(rows_of[row.id]) == 1], problems


class _Pupils:
    """The pupils of a sheet, by all that a file may call them."""

    def __init__(self, sheet: Sheet) -> None:
        self.by_id = {row.id: row for row in sheet.editable}
        self.withdrawn = {row.id for row in sheet.withdrawn}
        self.by_number: dict[str, list[Row]] = defaultdict(list)
        self.by_name: dict[str, list[Row]] = defaultdict(list)
        for row in sheet.editable:
            self.by_number[_bare(row.number)].append(row)
            for name in _names(row):
                self.by_name[name].append(row)

    def find(self, line: Line) -> Row | tuple[str, str]:
        """Return the pupil, or the column that is wrong and why."""
        if "id" in line.texts:
            return self._by_id(line)
        column = "number" if "number" in line.texts else "name"
        text = line.texts.get(column, "")
        if not text:
            return column, "This row says neither a number nor a name, so it is nobody’s."
        rows = self.by_number[_bare(text)] if column == "number" else self.by_name[_name(text)]
        if not rows:
            return column, f"Nobody in this class has the {column} “{text[:60]}”."
        if len(rows) > 1:
            return column, f"Several pupils of this class have the {column} “{text[:60]}”."
        if column == "number" and not _agrees(line, rows[0], "name"):
            return column, (
                f"The number {text[:60]} is {rows[0].name}’s, and the row says another name."
            )
        return rows[0]

    def _by_id(self, line: Line) -> Row | tuple[str, str]:
        key = _KEY.fullmatch(line.texts["id"].strip().replace("-", "").lower())
        if key is None:
            return "id", (
                "The id of this row is damaged. Download the sheet again, or take the column “Id” "
                "out of the file."
            )
        row = self.by_id.get(uuid.UUID(key[1]))
        if row is None and uuid.UUID(key[1]) in self.withdrawn:
            return "id", "This pupil was withdrawn from the class."
        if row is None:
            return "id", "This row is of another class, or its pupil is no longer in this one."
        if not (_agrees(line, row, "number") or _agrees(line, row, "name")) or (
            row.number and "number" in line.texts and not _agrees(line, row, "number")
        ):
            # Sorted without the hidden column, say.
            return "id", (
                f"The hidden id of this row is {row.name}’s, and the row says another pupil. Take "
                "the column “Id” out of the file: rows are then matched by number."
            )
        return row


def _agrees(line: Line, row: Row, column: str) -> bool:
    """Whether the file says nothing else of a pupil than the sheet."""
    said = line.texts.get(column)
    if said is None:
        return True
    if column == "number":
        return _bare(said) == _bare(row.number)
    return _name(said) in _names(row)


def _names(row: Row) -> set[str]:
    """Return what a file may call a pupil: as the sheet does, or with the given names first, all
    of them or the first alone."""
    names = {_name(row.name)}
    if row.student:
        family = last_known(row.student, "family_name") or ""
        given = last_known(row.student, "given_names") or ""
        names |= {_name(f"{each} {family}") for each in (given, *given.split()[:1])}
    return names


def _name(text: str) -> str:
    """Return a name for comparing: without case, accents and further spaces."""
    return " ".join(plain(text).split())


def _bare(number: str) -> str:
    """Return a number without the zeros in front that a spreadsheet drops."""
    return number.strip().casefold().lstrip("0")


def _shown(line: Line) -> dict[str, str]:
    key = _KEY.fullmatch(line.texts.get("id", "").strip().lower())
    return {"grade": key[2] or "", "comment": key[3] or ""} if key else {}


def _said(line: Line) -> str:
    return line.texts.get("name") or line.texts.get("number") or ""


def _in_order(some: list[Any]) -> list[Any]:
    """Sort by the place in the file: row, then column."""

    def place(each: Any) -> tuple[int, str]:
        digits = re.search(r"\d+", each.place)
        return int(digits[0]) if digits else 0, each.place

    return sorted(some, key=place)

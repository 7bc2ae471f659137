"""The mark sheet of a class as one person sees it, and what they typed into it.

A cell on the page is named by its field and its row: ``grade-7``. Beside it travel ``row-7`` (the
enrolment), ``grade-7-seen`` (what the page showed) and, where a mark stands, ``grade-7-reason``;
``grade-7-mine`` insists on one's own value where the office has a newer one.
Call inside a school.
"""

import dataclasses
import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from accounts.models import Membership
from accounts.plain import plain
from changes import overlay
from changes.models import Change
from changes.overlay import Cell, Record, State
from changes.propose import Draft
from changes.registry import EXISTS

from . import comment_check, extensions
from .mark_rules import TYPED, closed_because
from .models import Enrollment, Section
from .names import last_known, pupil_name
from .scales import Scale, scales

_Given = TypeVar("_Given")
EDITABLE = (Enrollment.Status.ENROLLED, Enrollment.Status.WAITLISTED)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One cell on the page. ``typed`` is what was refused, with ``error``; else what is seen.
    ``warnings``: what should be looked at again, and stops nobody. ``is_held``: it could be saved,
    and waits for the rest of its block. ``newer_own``: what its author typed elsewhere since."""

    field: str
    n: int
    cell: Cell
    pupil: str
    typed: str | None = None
    error: str = ""
    wants_reason: bool = False
    reason: str = ""
    warnings: Sequence[str] = ()
    is_held: bool = False
    newer_own: str | None = None

    @property
    def name(self) -> str:
        return f"{self.field}-{self.n}"

    @property
    def value(self) -> str:
        return self.typed if self.typed is not None else self.cell.value or ""

    @property
    def in_textarea(self) -> str:
        """The value after a line break, which the browser drops: one that was typed stays."""
        return f"\n{self.value}"

    @property
    def seen(self) -> str:
        """What the page showed here: the authoritative head, and the text, as a short digest."""
        head = self.cell.head.hex if self.cell.head else ""
        return f"{head}.{digest_of(self.cell.value or '')}"

    @property
    def state(self) -> str:
        return "refused" if self.error else self.cell.state.value


@dataclasses.dataclass(frozen=True)
class Row:
    """A pupil on the sheet. ``is_new``: the author's own, not yet approved. ``blocked``: why it
    cannot be approved as it stands. ``declined``: why the office did not take it into the class."""

    n: int
    enrollment: Record
    student: Record | None
    grade: Entry
    comment: Entry
    blocked: str = ""
    declined: str | None = None

    @property
    def id(self) -> uuid.UUID:
        return self.enrollment.id

    @property
    def is_new(self) -> bool:
        return not self.enrollment.stands

    @property
    def is_new_pupil(self) -> bool:
        return self.student is not None and not self.student.stands

    @property
    def name(self) -> str:
        return self.grade.pupil

    @property
    def number(self) -> str:
        return _of_student(self, "number")

    @property
    def creation(self) -> uuid.UUID | None:
        """The author's waiting change that put the pupil into the class."""
        mine = self.enrollment.cell(EXISTS).mine
        return mine.id if mine and mine.is_open else None


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A class with its pupils, as one person sees it. ``open_until``: the last day of a window that
    the office has extended for it. ``moved``: by the author, who waits for approval of that, to
    another class. ``details_wait``: so do details of the class that the author has changed."""

    section: Section
    scale: Scale | None
    closed: str | None
    open_until: dt.date | None
    is_locked: bool
    details_wait: bool
    enrolled: list[Row]
    waitlisted: list[Row]
    moved: list[Row]
    withdrawn: list[Row]
    declined: list[Row]

    @property
    def editable(self) -> list[Row]:
        return [*self.enrolled, *self.waitlisted]

    @property
    def missing(self) -> int:
        return sum(row.grade.cell.value is None for row in self.enrolled)

    @property
    def waiting(self) -> int:
        cells = [entry.cell for row in self.editable for entry in (row.grade, row.comment)]
        return sum(cell.mine is not None and cell.mine.is_open for cell in cells)

    @property
    def pupils(self) -> dict[uuid.UUID, uuid.UUID]:
        """The pupils who are in the class already, withdrawn ones too, each with the row's id."""
        rows = [*self.withdrawn, *self.moved, *self.waitlisted, *self.enrolled]
        return {row.student.id: row.id for row in rows if row.student}

    def row_of(self, enrollment_id: uuid.UUID) -> Row | None:
        return next((row for row in self.editable if row.id == enrollment_id), None)

    def entry_of(self, typed: "Typed") -> Entry | None:
        """Return the cell that something was typed into, under the number that its page gave it."""
        row = self.row_of(typed.enrollment_id)
        return dataclasses.replace(getattr(row, typed.field), n=typed.n) if row else None


def load(section: Section, *, by: Membership, at: dt.datetime) -> Sheet:
    """Return the sheet as ``by`` sees it, in statements whose number no pupil adds to."""
    ids = overlay.referring("enrollment", "section", [section.pk], by=by)
    rows = _rows(overlay.see("enrollment", ids, by=by).values(), section, by)
    until = extensions.until_of(section)
    closed = closed_because(section.term, by.school, at, extended_until=until)
    closes_on = extensions.closing(section.term, until)
    groups: dict[str, list[Row]] = {
        name: [] for name in (*Enrollment.Status.values, "moved", "declined")
    }
    for row in rows:
        groups[_group(row, section)].append(row)
    sheet = Sheet(
        section=section,
        scale=scales([section.scale_id]).get(section.scale_id) if section.scale_id else None,
        closed=closed,
        open_until=closes_on if closes_on != section.term.marks_close_on else None,
        is_locked=closed is not None and not by.is_office,
        details_wait=Change.objects.of("section", section.pk)
        .proposed_by(by.user_id)
        .open()
        .exists(),
        enrolled=groups["enrolled"],
        waitlisted=groups["waitlisted"],
        moved=groups["moved"],
        withdrawn=groups["withdrawn"],
        declined=groups["declined"],
    )
    return _with_warnings(sheet)


def editable_rows(
    enrollment_ids: Collection[uuid.UUID], section: Section, *, by: Membership
) -> dict[uuid.UUID, Row]:
    """Return those of some enrolments that ``by`` sees on the class’s sheet, to be typed on."""
    rows = _rows(overlay.see("enrollment", enrollment_ids, by=by).values(), section, by)
    return {row.id: row for row in rows if _group(row, section) in EDITABLE}


def load_row(enrollment_id: uuid.UUID, section: Section, n: int, *, by: Membership) -> Row | None:
    """Return one row of the sheet, or None when ``by`` sees no such pupil in the class."""
    records = overlay.see("enrollment", [enrollment_id], by=by).values()
    row = next(iter(_rows(records, section, by, first=n)), None)
    return row if row and row.declined is None and row.enrollment.exists else None


def with_refusals(sheet: Sheet, refused: Iterable[Draft]) -> Sheet:
    """Return the sheet with what was refused standing in its cells as it was typed."""
    return _with_cells(sheet, {(each.entity_id, each.field): each for each in refused}, _refused)


def with_overtaken(sheet: Sheet, overtaken: Iterable["Typed"]) -> Sheet:
    """Return the sheet with what was typed over something newer of its author's own."""
    by_cell = {(each.enrollment_id, each.field): each for each in overtaken}
    return _with_cells(sheet, by_cell, overtaken_entry)


def _with_cells(
    sheet: Sheet,
    by_cell: Mapping[tuple[uuid.UUID, str], _Given],
    marked: Callable[[Entry, _Given], Entry],
) -> Sheet:
    """Return the sheet with some of its cells marked by what is given for each."""

    def of_row(row: Row) -> Row:
        grade, comment = by_cell.get((row.id, "grade")), by_cell.get((row.id, "comment"))
        return dataclasses.replace(
            row,
            grade=marked(row.grade, grade) if grade else row.grade,
            comment=marked(row.comment, comment) if comment else row.comment,
        )

    return _with_rows(sheet, of_row)


def _with_warnings(sheet: Sheet) -> Sheet:
    """Return the sheet with what should be looked at again in its comments."""
    found = comment_check.warnings(
        comment_check.Written(
            key=row.id.hex,
            given_names=_of_student(row, "given_names"),
            family_name=_of_student(row, "family_name"),
            pronouns=_of_student(row, "pronouns"),
            comment=row.comment.value,
        )
        for row in sheet.editable
    )

    def marked(row: Row) -> Row:
        comment = dataclasses.replace(row.comment, warnings=found.get(row.id.hex, ()))
        return dataclasses.replace(row, comment=comment)

    return _with_rows(sheet, marked) if found else sheet


def _with_rows(sheet: Sheet, marked: Callable[[Row], Row]) -> Sheet:
    return dataclasses.replace(
        sheet,
        enrolled=[marked(row) for row in sheet.enrolled],
        waitlisted=[marked(row) for row in sheet.waitlisted],
    )


def _of_student(row: Row, field: str) -> str:
    return (row.student and last_known(row.student, field)) or ""


def held_entry(entry: Entry, typed: "Typed") -> Entry:
    """Return a cell of a block that is not saved because something else of it was refused."""
    return dataclasses.replace(entry, typed=typed.text, is_held=True)


def overtaken_entry(entry: Entry, typed: "Typed") -> Entry:
    """Return a cell whose author typed something else there meanwhile, in another tab."""
    newer = entry.cell.value or ""
    error = f"Meanwhile you typed “{newer}” here, in another tab or on another device."
    return dataclasses.replace(
        entry, typed=typed.text, error=error if newer else _CLEARED, newer_own=newer
    )


_CLEARED = "Meanwhile you cleared this, in another tab or on another device."


def gone_entry(typed: "Typed") -> Entry:
    """Return a cell of a pupil who is on the sheet no longer, with what was typed there."""
    error = "This pupil is no longer on this sheet, so it was not saved. Copy it if you need it."
    return Entry(typed.field, typed.n, Cell(), "", typed=typed.text, error=error)


def _refused(entry: Entry, draft: Draft) -> Entry:
    return dataclasses.replace(
        entry,
        typed=draft.typed or "",
        error=draft.refused or "",
        wants_reason=draft.two_people,
        reason=draft.reason,
    )


# What was typed. ----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Typed:
    """What a request brings for one cell."""

    enrollment_id: uuid.UUID
    n: int
    field: str
    text: str
    base: uuid.UUID | None
    shown: str
    reason: str
    insists: bool

    @property
    def is_untouched(self) -> bool:
        """The text is the one that the page showed, and nobody insists on it or gives a reason."""
        return not (self.insists or self.reason) and digest_of(self.text) == self.shown

    def is_overtaken(self, cell: Cell) -> bool:
        """The author's own waiting value is another by now than the page showed: it was typed
        elsewhere, and whoever typed this has not seen it."""
        if self.insists or not self.shown or cell.mine is None or not cell.mine.is_open:
            return False
        return digest_of(cell.value or "") not in {self.shown, digest_of(self.text)}

    def draft(self, *, touched: bool) -> Draft:
        return Draft(
            entity_type="enrollment",
            entity_id=self.enrollment_id,
            field=self.field,
            typed=self.text,
            base=self.base,
            touched=touched or self.insists or bool(self.reason),
            reason=self.reason,
        )


def read(post: Mapping[str, str]) -> list[Typed]:
    """Return what a request brings, row by row; names that are none of the sheet's are ignored."""
    found = []
    for name, value in post.items():
        prefix, _, number = name.partition("-")
        if prefix != "row" or not (number.isascii() and number.isdigit() and len(number) < 6):
            continue
        enrollment_id = _uuid(value)
        if enrollment_id is None:
            continue
        for field in TYPED:
            cell = f"{field}-{number}"
            if cell not in post:
                continue
            head, _, shown = post.get(f"{cell}-seen", "").partition(".")
            found.append(
                Typed(
                    enrollment_id=enrollment_id,
                    n=int(number),
                    field=field,
                    text=post[cell],
                    base=_uuid(head),
                    shown=shown,
                    reason=post.get(f"{cell}-reason", "")[:2000],
                    insists=f"{cell}-mine" in post,
                )
            )
    return found


def digest_of(text: str) -> str:
    """Return a short digest of a text, the same for every way of writing the end of a line: a
    browser writes them in its own."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return hashlib.blake2b(lines.encode(errors="surrogatepass"), digest_size=6).hexdigest()


# Rows. --------------------------------------------------------------------------------------------


def _rows(
    records: Iterable[Record], section: Section, by: Membership, *, first: int = 1
) -> list[Row]:
    here = [record for record in records if _belongs(record, section)]
    wanted = {r.id: uuid.UUID(s) for r in here if (s := last_known(r, "student"))}
    students = overlay.see("student", wanted.values(), by=by)
    pairs = [(record, students.get(wanted.get(record.id, record.id))) for record in here]
    pairs.sort(key=lambda pair: _sorting(pair[1], pair[0]))
    return [_row(n, record, student) for n, (record, student) in enumerate(pairs, first)]


def _row(n: int, record: Record, student: Record | None) -> Row:
    name = pupil_name(student)
    return Row(
        n=n,
        enrollment=record,
        student=student,
        grade=Entry("grade", n, record.cell("grade"), name),
        comment=Entry("comment", n, record.cell("comment"), name),
        blocked=_blocked(record, student),
        declined=_declined(record),
    )


def _belongs(record: Record, section: Section) -> bool:
    if record.exists or record.stands:
        here = str(section.pk)
        return here in (record.value("section"), record.cell("section").standing)
    return _declined(record) is not None and last_known(record, "section") == str(section.pk)


def _group(row: Row, section: Section) -> str:
    if row.enrollment.exists and row.enrollment.reference("section") != section.pk:
        return "moved"
    if row.declined is not None:
        return "declined"
    if not row.enrollment.exists:  # the author proposes that it goes
        return Enrollment.Status.WITHDRAWN
    return row.enrollment.value("status") or Enrollment.Status.ENROLLED


def _declined(record: Record) -> str | None:
    """Return why the author's own enrolment was declined ("" without a reason), else None."""
    mine = record.cell(EXISTS).mine
    if record.exists or record.stands or record.cell(EXISTS).state != State.DECLINED:
        return None
    return mine.declined_because if mine else None


def _blocked(record: Record, student: Record | None) -> str:
    if student is None:
        return "the pupil’s record was set aside by the office"
    if student.exists or record.stands:
        return ""
    mine = student.cell(EXISTS).mine
    if mine and mine.status == "declined":
        because = f", because: {mine.declined_because}" if mine.declined_because else ""
        return f"the pupil was declined{because}"
    return "you withdrew the pupil"


def _sorting(student: Record | None, record: Record) -> tuple[str, str, uuid.UUID]:
    name = plain(pupil_name(student)) if student else "\U0010ffff"
    return name, (student and last_known(student, "number")) or "", record.id


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None

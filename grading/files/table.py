"""Opening a file that somebody uploads: XLSX or CSV, and it may be anything else.

A workbook is a zip of XML. What it unpacks to is capped before the first byte is, the parts are
read and looked through here, and the reader of workbooks gets these parts packed anew: it believes
positions and sizes that a file states, and reserves room for every cell up to the last one.
"""

import csv
import dataclasses
import io
import itertools
import re
import zipfile
import zlib
from collections.abc import Iterable

from python_calamine import CalamineError, CalamineWorkbook

from changes.formulas import unguarded
from changes.visible import shows
from grading.files.cells import FILE_WORDS, letters, text_of
from grading.oneroster.archive import DAMAGED, NO_ZIP

MOST_ROWS = 1_000
MOST_COLUMNS = 100
MOST_BYTES = 20_000_000
"""What a workbook may unpack to; that of a class is a hundredth of it."""
MOST_ROOM = 5_000_000
"""Cells, empty ones too, that are reserved for a workbook."""

_PLACE = re.compile(rb"""(?<![\w:.-])r\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_KNOWN_PLACE = re.compile(rb"([A-Z]{0,3})(\d{1,7})")
_ROW = re.compile(rb"<(?:[\w.-]+:)?row[\s/>]")
_CELL = re.compile(rb"<(?:[\w.-]+:)?c[\s/>]")
_SHARED_TEXT = re.compile(rb"<(?:[\w.-]+:)?si[\s>]")


class Unreadable(Exception):
    """The file is none that a sheet can be read from. The message says why, and what to do."""


@dataclasses.dataclass(frozen=True)
class Line:
    """A row of the file; ``n`` as its spreadsheet numbers it. ``texts`` by the name of the column:
    those that are not empty."""

    n: int
    texts: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Table:
    """What a file says. ``columns``: what a spreadsheet calls the column of each name."""

    columns: dict[str, str]
    lines: list[Line]
    notice: str = ""

    def place(self, column: str, n: int) -> str:
        """Return what a spreadsheet calls a cell: C5."""
        return f"{self.columns.get(column, 'A')}{n}"


def read(data: bytes) -> Table:
    """Return what the file says.

    Raises:
        Unreadable: it is no sheet.
    """
    if not data.strip():
        raise Unreadable("This file is empty.")
    if data.startswith(b"PK"):
        return _table(_rows_of_workbook(data))
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise Unreadable(
            "This is a workbook of an old kind (XLS), or one with a password. Save it as XLSX "
            "without a password, and upload that."
        )
    text, notice = _decoded(data)
    return dataclasses.replace(_table(_rows_of_csv(text)), notice=notice)


def _table(rows: Iterable[list[str]]) -> Table:
    """Make a table of the rows, the first of which that is not empty names the columns."""
    numbered = ((n, row) for n, row in enumerate(rows, 1) if any(cell.strip() for cell in row))
    _, heading = next(numbered, (0, []))
    columns = _columns(heading)
    lines = []
    for n, row in numbered:
        if n > MOST_ROWS:
            raise Unreadable(
                f"This file has more than {MOST_ROWS:,} rows, which is no class. Upload the sheet "
                "of one class."
            )
        texts = {
            name: unguarded(row[at])
            for name, at in columns.items()
            if at < len(row) and shows(row[at])
        }
        if texts:
            lines.append(Line(n, texts))
    return Table({name: letters(at) for name, at in columns.items()}, lines)


def _columns(heading: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    words = [cell.strip().casefold() for cell in heading[:MOST_COLUMNS]]
    for name, called in FILE_WORDS.items():
        places = [at for at, word in enumerate(words) if word in called]
        if len(places) > 1:
            raise Unreadable(
                f"Columns {letters(places[0])} and {letters(places[1])} are both called "
                f"“{words[places[0]]}”. Leave one of them."
            )
        if places:
            found[name] = places[0]
    if not found.keys() & {"grade", "comment"} or not found.keys() & {"id", "number", "name"}:
        raise Unreadable(
            "This is no mark sheet: its first row has to name the columns, “Mark” or “Comment” "
            "among them, and “Number” or “Name”. Download the sheet, fill it in, upload that."
        )
    return found


# CSV. ---------------------------------------------------------------------------------------------


def _decoded(data: bytes) -> tuple[str, str]:
    """Return the text, and what there is to say about how it was read."""
    notice, text = "", None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = _as(data, "utf-16")
    elif b"\0" not in data:
        text = _as(data, "utf-8-sig")
        if text is None and (text := _as(data, "cp1252")) is not None:
            notice = (
                "This file is not in UTF-8. It was read as Windows-1252: look at the letters with "
                "accents before you save."
            )
    if text is None or "\0" in text:
        raise Unreadable(
            "This is neither a workbook (XLSX) nor a text (CSV) that can be read. Save it from "
            "your spreadsheet as XLSX, and upload that."
        )
    return text, notice


def _as(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _rows_of_csv(text: str) -> Iterable[list[str]]:
    first, _, rest = text.partition("\n")
    if re.fullmatch(r"sep=[,;\t]\r?", first):  # Excel's own line before the first; it is row 1
        return itertools.chain([[]], _split(rest, first[4]))
    # That of the three which finds the most columns in the first row.
    heading = next((line for line in text.splitlines() if line.strip()), "")
    return _split(text, max(",;\t", key=heading.count))


def _split(text: str, delimiter: str) -> Iterable[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise Unreadable(
            "A cell of this file is longer than any comment, or a quotation mark is not closed. "
            "Save it from your spreadsheet as XLSX, and upload that."
        ) from error


# XLSX. --------------------------------------------------------------------------------------------

_NO_WORKBOOK = Unreadable(
    "This is no workbook that can be read. Open it in your spreadsheet, save it as XLSX, and "
    "upload that."
)
_TOO_LARGE = Unreadable(
    "This workbook is far larger than the sheet of a class, or has cells far outside of one. "
    "Download the sheet, copy your marks into it, and upload that."
)


def _rows_of_workbook(data: bytes) -> Iterable[list[str]]:
    parts = _parts(data)
    _refuse_what_takes_room(parts)
    try:
        book = CalamineWorkbook.from_filelike(_packed(parts))
        if not book.sheet_names:
            raise _NO_WORKBOOK
        rows = book.get_sheet_by_index(0).to_python(skip_empty_area=False, nrows=MOST_ROWS + 2)
    except (CalamineError, OSError, ValueError) as error:
        raise _NO_WORKBOOK from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # the reader's, and no Exception
            raise
        raise _NO_WORKBOOK from error
    return ([text_of(cell) for cell in row] for row in rows)


def _parts(data: bytes) -> dict[str, bytes]:
    """Return the files of the zip, once it is known what they unpack to."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            names = [entry.filename.lower() for entry in entries]
            if len(entries) > 1000 or sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise _TOO_LARGE
            if any(entry.flag_bits & 0x1 for entry in entries):
                raise Unreadable("This workbook has a password. Save it without, and upload that.")
            packings = {entry.compress_type for entry in entries}
            if (
                "xl/workbook.xml" not in names
                or {"xl/workbook.bin", "content.xml"} & set(names)
                or len(set(names)) < len(names)
                or packings - {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
            ):
                raise _NO_WORKBOOK
            return {entry.filename: archive.read(entry) for entry in entries}
    except (*NO_ZIP, *DAMAGED, zlib.error, ValueError) as error:
        raise _NO_WORKBOOK from error


def _refuse_what_takes_room(parts: dict[str, bytes]) -> None:
    """Refuse a cell far away, and a long text that many cells share: each gets a copy.

    A cell or row that does not say where it is comes after the one before, so all of them may.
    """
    cells = rows = longest = last_row = last_column = 0
    for part in parts.values():
        longest = max([longest, *map(len, _SHARED_TEXT.split(part)[1:])])
        here = sum(1 for _ in _CELL.finditer(part))
        if not here:  # other parts say other things by a name that is r
            continue
        cells += here
        rows += sum(1 for _ in _ROW.finditer(part))
        for place in _PLACE.finditer(part):
            known = _KNOWN_PLACE.fullmatch(place[1] if place[1] is not None else place[2])
            if known is None:
                raise _TOO_LARGE
            last_row = max(last_row, int(known[2]))
            last_column = max(last_column, _column(known[1]))
    room = (last_column + cells) * (last_row + rows)
    if room > MOST_ROOM or cells * longest > 10 * MOST_BYTES:
        raise _TOO_LARGE


def _column(name: bytes) -> int:
    """Return the number of a column: A is 1."""
    number = 0
    for letter in name:
        number = number * 26 + letter - 64
    return number


def _packed(parts: dict[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    out.seek(0)
    return out

"""Any list as a file that a spreadsheet opens right: CSV in UTF-8 with its mark, or XLSX; no text
in it is taken for a formula."""

import csv
import datetime as dt
import decimal
import io
from collections.abc import Iterable, Sequence

import xlsxwriter

from .formulas import guarded

Cell = str | int | decimal.Decimal
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_LONGEST_CELL = 32_767  # characters; Excel's
_CUT = " … (cut: no cell of a workbook holds more; the CSV has all of it)"


def write(kind: str, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return a list as a file; ``kind`` is a key of ``TYPES``. The same list gives the same bytes.

    A number is a number there, and a text a text: "007" stays what it is.
    """
    return {"csv": _as_csv, "xlsx": _as_xlsx}[kind](headings, rows)


def _as_csv(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(headings)
    for row in rows:
        writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue().encode("utf-8-sig")


def _as_xlsx(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    book.set_properties({"created": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)})  # else: now
    page = book.add_worksheet("List")
    head = book.add_format({"bold": True, "bottom": 1})
    page.set_column(0, max(len(headings) - 1, 0), 20)
    for column, heading in enumerate(headings):
        page.write_string(0, column, heading, head)
    for n, row in enumerate(rows, 1):
        for column, cell in enumerate(row):
            if not isinstance(cell, str):
                page.write_number(n, column, cell)
            elif cell:
                page.write_string(n, column, _fitting(guarded(cell)))
    page.freeze_panes(1, 0)
    book.close()
    return out.getvalue()


def _fitting(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - len(_CUT)] + _CUT

"""Writing a mark sheet as a file, as its author sees it.

The last column says by which row of the sheet a line goes back, and what stood there: an entry that
is unchanged in the file is nothing that its author typed. The same sheet gives the same bytes.
"""

import csv
import datetime as dt
import io
import re

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from changes.formulas import guarded
from grading.files.cells import HEADINGS, guarded_mark, number_of
from grading.sheet import Row, Sheet, digest_of

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv; charset=utf-8"
_LONGEST_CELL = 32_767  # characters; Excel's


def file_name(sheet: Sheet, ending: str) -> str:
    """Return a name that every system takes."""
    said = re.sub(r"[^\w .-]", "-", f"{sheet.section} {sheet.section.term}")
    return f"{said.strip(' .-') or 'marks'}.{ending}"


def as_csv(sheet: Sheet) -> bytes:
    """Return the sheet as CSV, with the mark by which a spreadsheet knows UTF-8."""
    out = io.StringIO(newline="")
    lines = csv.writer(out)
    lines.writerow(HEADINGS)
    for row in sheet.editable:
        lines.writerow(_texts(row))
    return out.getvalue().encode("utf-8-sig")


def as_xlsx(sheet: Sheet) -> bytes:
    """Return the sheet as a workbook in which marks and comments alone can be typed into."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    book.set_properties({"created": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)})  # else: now
    page = book.add_worksheet("Marks")
    head = book.add_format({"bold": True, "bottom": 1})
    mark = book.add_format({"locked": False, "valign": "top"})
    comment = book.add_format(
        {"locked": False, "valign": "top", "text_wrap": True, "num_format": "@"}
    )
    fixed = book.add_format({"valign": "top"})
    for column, (title, width) in enumerate(zip(HEADINGS, (12, 32, 10, 80, 8), strict=True)):
        page.set_column(column, column, width, None, {"hidden": title == "Id"})
        page.write_string(0, column, title, head)
    for n, row in enumerate(sheet.editable, 1):
        _write(page, n, row, (fixed, fixed, mark, comment, fixed))
    page.freeze_panes(1, 2)
    page.protect("", {"format_columns": True, "format_rows": True})
    book.close()
    return out.getvalue()


def _write(page: Worksheet, n: int, row: Row, formats: tuple[object, ...]) -> None:
    number = number_of(row.grade.cell.value or "")
    for column, text in enumerate(_texts(row)):
        if column == HEADINGS.index("Mark") and number is not None:
            page.write_number(n, column, number, formats[column])
        elif text and len(text) <= _LONGEST_CELL:
            page.write_string(n, column, text, formats[column])
        else:  # left empty, which changes nothing
            page.write_blank(n, column, None, formats[column])


def _texts(row: Row) -> list[str]:
    mark, comment = row.grade.cell.value or "", row.comment.cell.value or ""
    key = ".".join([row.id.hex, digest_of(mark), digest_of(comment)])
    lines = comment.replace("\r\n", "\n").replace("\r", "\n")
    return [guarded(row.number), guarded(row.name), guarded_mark(mark), guarded(lines), key]

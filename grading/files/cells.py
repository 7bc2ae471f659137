"""What is written into a cell of a file, so that reading it gives the same text again."""

import datetime as dt
import decimal
import math
import re

from changes.formulas import guarded

_NUMBER = re.compile(r"-?\d{1,6}(\.\d{1,6})?", re.ASCII)

HEADINGS = ("Number", "Name", "Mark", "Comment", "Id")
FILE_WORDS = {
    "number": ("number", "pupil number", "no", "no."),
    "name": ("name", "pupil", "student"),
    "grade": ("mark", "grade"),
    "comment": ("comment",),
    "id": ("id",),
}
"""What each column may be called in a file."""


def guarded_mark(text: str) -> str:
    """Return a mark; a negative number is a number, and stays as it is."""
    return text if _NUMBER.fullmatch(text) else guarded(text)


def number_of(mark: str) -> float | None:
    """Return the number that spells as this mark, or None: "07" would come back as another."""
    if _NUMBER.fullmatch(mark) and text_of(float(mark)) == mark:
        return float(mark)
    return None


def text_of(value: object) -> str:
    """Return a cell of a workbook as text: 80.0 is 80."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and math.isfinite(value):
        number = decimal.Decimal(repr(value))
        return str(int(number)) if number == int(number) else format(number, "f")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)


def letters(column: int) -> str:
    """Return what a spreadsheet calls a column: 0 is A, 26 is AA."""
    name, column = "", column + 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name

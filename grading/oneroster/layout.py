"""Which columns a file may and must have, and the cells of one of its rows.

Header names are taken to the letter: a misspelt `Email` that is silently skipped loses every
address, and nobody notices until report cards are due. Values of a fixed list (roles, types,
states) are read in any case, since they cannot be mistaken for anything else. Everything else is
taken verbatim.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Generic, TypeVar

from grading.oneroster.headers import BLANK, OWN
from grading.oneroster.problems import Problems

ID = 255
"""Longest sourcedId, characters."""
NAME = 200
"""Longest name of a person, class, course, school, term, characters: as the ledger keeps it."""
EMAIL = 254
"""Longest e-mail address, characters."""
COMMENT = 10_000
"""Longest comment, characters. A school's own policy may be stricter; that is judged later."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,6})?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}

Row = TypeVar("Row")


def parts(value: str) -> tuple[str, ...]:
    """The parts of a comma list."""
    if "," not in value:
        return (value,) if value else ()
    return tuple(part for part in map(str.strip, value.split(",")) if part)


def choices(*values: str) -> Mapping[str, str]:
    """A fixed list of values, for Cells.choice."""
    return {value.lower(): value for value in values}


class Cells:
    """The cells of one row by header name. Each method reads one cell as one sort of value.

    An unreadable cell is noted as a problem and answered with some value of the right type, so that
    one pass over a row finds all that is wrong with it; `sound` says whether the row may be used.
    """

    __slots__ = (
        "_has_own",
        "_positions",
        "_problems",
        "_values",
        "file",
        "is_later",
        "line",
        "sound",
    )

    def __init__(
        self, file: str, header: Sequence[str], problems: Problems, *, is_later: bool = False
    ) -> None:
        """is_later: the file is of version 1.2."""
        self.file = file
        self.is_later = is_later
        self._positions = {column: i for i, column in enumerate(header)}
        self._has_own = any(column.startswith("metadata.") for column in header)
        self._problems = problems

    def turn_to(self, line: int, values: Sequence[str]) -> None:
        """Go on to the row that starts in physical line `line`."""
        self.line = line
        self.sound = True
        self._values = values

    def bad(self, column: str, sentence: str, *values: str | int) -> None:
        self.sound = False
        self._problems.add(self.file, self.line, column, sentence, *values)

    def text(self, column: str, longest: int = NAME) -> str:
        """The cell verbatim; '' when it is blank or the file has no such column."""
        position = self._positions.get(column)
        value = "" if position is None else self._values[position]
        if len(value) > longest:
            self.bad(column, "has {} characters; at most {} fit", len(value), longest)
        return value

    def needed(self, column: str, longest: int = NAME) -> str:
        """The cell verbatim; blank (also nothing but spaces) is a problem."""
        value = self.text(column, longest)
        if not value.strip():
            self.bad(column, "is blank")
        return value

    def has(self, column: str) -> bool:
        """Whether the file has this column."""
        return column in self._positions

    def named(self, column: str) -> str:
        """A cell that the standard wants filled; '' where `metadata.blank` says that it is not."""
        return "" if self.is_blank(column) else self.needed(column)

    def is_blank(self, column: str) -> bool:
        """Whether `metadata.blank` names this column."""
        return BLANK in self._positions and column in self.text(BLANK).split()

    def own(self, name: str) -> dict[str, str]:
        """Those of the file's cells that hold a field of the ledger as it is, by field."""
        if not self._has_own:
            return {}
        return {
            of: self.text(column, EMAIL)
            for column, of in OWN[name].items()
            if column in self._positions
        }

    def choice(self, column: str, allowed: Mapping[str, str]) -> str:
        """One of `choices(...)`, written in any case, answered as the standard writes it."""
        value = self.needed(column).strip()
        found = allowed.get(value.lower())
        if found is None and value:
            self.bad(column, f"{{}} is not one of: {', '.join(allowed.values())}", value)
        return found or ""

    def boolean(self, column: str, *, blank: bool) -> bool:
        """true or false; `blank` is what an empty cell stands for."""
        value = self.text(column).strip()
        answer = _BOOLEANS.get(value.lower()) if value else blank
        if answer is None:
            self.bad(column, "{} is neither true nor false", value)
        return bool(answer)

    def day(self, column: str) -> date | None:
        """A calendar day written YYYY-MM-DD, or None for a blank cell."""
        value = self.text(column).strip()
        if not value:
            return None
        if _DATE.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                self.bad(column, "{} is not a day of the calendar", value)
        else:
            self.bad(column, "{} is not a date written YYYY-MM-DD", value)
        return None

    def needed_day(self, column: str) -> date:
        """A calendar day written YYYY-MM-DD; blank is a problem."""
        found = self.day(column)
        if found is None and not self.text(column).strip():
            self.bad(column, "is blank")
        return found or date.min

    def number(self, column: str) -> Decimal | None:
        """A number with a decimal point, or None for a blank cell."""
        value = self.text(column).strip()
        if not value:
            return None
        if not _NUMBER.fullmatch(value):
            self.bad(column, "{} is not a number, such as 75 or 7.5", value)
            return None
        return Decimal(value)

    def needed_number(self, column: str) -> Decimal:
        """A number with a decimal point; blank is a problem."""
        found = self.number(column)
        if found is None and not self.text(column).strip():
            self.bad(column, "is blank")
        return found or Decimal(0)

    def many(self, column: str) -> tuple[str, ...]:
        """A comma list of sourcedIds inside one cell."""
        return parts(self.text(column, COMMENT))


@dataclass(frozen=True, slots=True)
class Layout(Generic[Row]):
    """One file: its name without .csv, columns it must have, columns it may have, how a row is
    read. `later`: the must and may of version 1.2, where they differ. `also_called`: other names of
    columns that tables of the standard have had.

    Besides, every file must have sourcedId and may have status and dateLastModified.
    """

    name: str
    must: tuple[str, ...]
    may: tuple[str, ...]
    read: Callable[[Cells], Row]
    later: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    also_called: Mapping[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return f"{self.name}.csv"

    def check_header(self, header: Sequence[str], version: str, problems: Problems) -> bool:
        """Note what is wrong with the header; whether the rows below it can be read at all."""
        must, may = self.later if self.later and version == "1.2" else (self.must, self.may)
        must = ("sourcedId", *must)
        known = (*must, "status", "dateLastModified", *may)
        if missing := [column for column in must if column not in header]:
            if len(header) == 1 and re.search("[;\t|]", header[0]):
                problems.add(
                    self.file, 1, "", "the columns are not separated by commas: {}", header[0]
                )
                return False
            for column in missing:
                problems.add(self.file, 1, column, "the file has no column of this name")
        written = {column.lower(): column for column in known}
        for i, column in enumerate(header):
            if column in header[:i]:
                problems.add(self.file, 1, column, "the file has two columns of this name")
                missing.append(column)
            elif column not in known and not column.startswith("metadata."):
                if meant := written.get(column.strip().lower()):
                    problems.add(
                        self.file, 1, column, "the column {} must be written {}", column, meant
                    )
                else:
                    problems.add(
                        self.file, 1, column, f"OneRoster {version} has no such column here"
                    )
        return not missing

"""The records of one CSV file, each with the physical line it starts in.

Text is streamed: memory is that of one record. Line numbers agree with what an editor shows, also
below a comment that runs over three lines.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from grading.oneroster.problems import Problems

MAX_LINE = 200_000
"""Longest physical line, characters. Without it a file of one line is read into memory whole."""
MAX_LINES = 5_000_000

_NOT_UTF8 = re.compile("[\ud800-\udfff]")


class Records:
    """Iterates over (line, cells) of a CSV file, blank rows left out; the first is the header.

    A record that cannot be trusted is noted as a problem and not yielded, and `whole` turns False:
    from then on nobody can say that something is *not* in the file.
    """

    def __init__(self, binary: BinaryIO, file: str, problems: Problems) -> None:
        self.file = file
        self.whole = True
        self._problems = problems
        self._suspicious = False
        # newline="" leaves line ends inside quotation marks as they are, and splits at \n, \r\n and
        # \r only, unlike str.splitlines. A byte that is not UTF-8 becomes a lone surrogate, which
        # no UTF-8 file can contain: so it can be reported with its line and column.
        self._text = io.TextIOWrapper(
            binary, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        header: list[str] = []
        # strict: without it "7"5 is silently read as 75.
        reader = csv.reader(self._lines(), strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._lose(line, "", *_explain(error, line, reader.line_num))
                if not header:
                    return
                continue
            if not any(cells):
                continue
            if self._suspicious:
                self._suspicious = False
                if not header:
                    # As UTF-16 every second byte of the header is a NUL, and so on to the end.
                    self._lose(line, "", "the file is not UTF-8; save it as “CSV UTF-8”")
                    return
                if not self._check_text(line, cells, header):
                    continue
            header = header or cells
            yield line, cells

    def _lines(self) -> Iterator[str]:
        for number in range(1, MAX_LINES + 1):
            line = self._text.readline(MAX_LINE)
            if not line:
                return
            if len(line) == MAX_LINE:
                self._lose(number, "", "the line is longer than {} characters", MAX_LINE)
                return
            if "\0" in line or (not line.isascii() and _NOT_UTF8.search(line)):
                self._suspicious = True
            yield line
        self._lose(MAX_LINES, "", "the file has more lines than can be read")

    def _check_text(self, line: int, cells: list[str], header: list[str]) -> bool:
        sound = True
        for i, cell in enumerate(cells):
            column = header[i] if i < len(header) else ""
            if "\0" in cell:
                self._lose(line, column, "contains a NUL character: {}", cell)
                sound = False
            elif _NOT_UTF8.search(cell):
                self._lose(
                    line, column, "is not UTF-8, save the file as “CSV UTF-8”: {}", _readable(cell)
                )
                sound = False
        return sound

    def _lose(self, line: int, column: str, sentence: str, *values: str | int) -> None:
        self.whole = False
        self._problems.add(self.file, line, column, sentence, *values)


def _readable(cell: str) -> str:
    """The cell as it was probably meant (in a spreadsheet's Windows encoding), for the message."""
    return cell.encode("utf-8", "surrogateescape").decode("cp1252", "replace")


def _explain(error: csv.Error, first: int, last: int) -> tuple[str, *tuple[int, ...]]:
    """What is wrong with the record that began in line `first` and failed in line `last`."""
    said = str(error)
    if "unexpected end" in said or "field larger" in said:
        return ("a quotation mark is opened here and not closed",)
    if "expected after" not in said:
        return ("the line cannot be read as CSV",)
    if last > first:
        return ("a quotation mark opened here is only closed in line {}", last)
    return ("quotation marks are misplaced; one inside a value must be written twice",)

"""Reading one file of a delivery into rows that can be asked for by sourcedId."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic

from grading.oneroster.archive import DAMAGED, Delivery
from grading.oneroster.layout import ID, Cells, Layout, Row
from grading.oneroster.problems import Problems
from grading.oneroster.records import Records

GONE = frozenset({"tobedeleted", "inactive"})
"""How a delta says that a row is not there any more."""

_HEADER_IDS = frozenset({"sourcedid", "sourced_id", "id"})


@dataclass(slots=True)
class Table(Generic[Row]):
    """What was read of one file.

    rows: the sound ones by sourcedId, in the order of the file. lines: the line of every sourcedId,
    also of rows that are not sound. whole: no record of the file was lost, so what is not in
    `lines` is not there; without that a reference to it must not be called wrong. gone: of a delta,
    the cells of the rows that are to be deleted, by sourcedId, with their line.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    whole: bool = False
    gone: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)

    def lacks(self, sourced_id: str) -> bool:
        """Whether a reference to `sourced_id` surely points at nothing."""
        return self.whole and sourced_id not in self.lines


def read_table(
    delivery: Delivery, layout: Layout[Row], problems: Problems, *, version: str, mode: str
) -> Table[Row]:
    """Read one file. What is wrong with it is noted in `problems`; unsound rows are left out.

    mode: `bulk`, which lists what there is, or `delta`, which says of each row whether it is there
    (`active`) or not any more (`tobedeleted`; some systems write `inactive`)."""
    table: Table[Row] = Table()
    try:
        with delivery.open(layout.file) as binary:
            records = Records(binary, layout.file, problems)
            _read_rows(records, layout, problems, table, version, mode)
    except DAMAGED:
        table.whole = False
        problems.add(layout.file, 0, "", "the file is damaged and cannot be read to its end")
    return table


def _read_rows(
    records: Records,
    layout: Layout[Row],
    problems: Problems,
    table: Table[Row],
    version: str,
    mode: str,
) -> None:
    each = iter(records)
    _, header = next(each, (0, None))
    if header is None:
        if records.whole:
            problems.add(layout.file, 0, "", "the file is empty; it must have a header at least")
        return
    header = [layout.also_called.get(column, column) for column in header]
    if not layout.check_header(header, version, problems):
        return
    cells = Cells(layout.file, header, problems, is_later=version == "1.2")
    key = header.index("sourcedId")
    for line, values in each:
        cells.turn_to(line, values)
        sourced_id = values[key] if key < len(values) else ""
        if _is_header(values, header, sourced_id):
            cells.bad("", "this is a header in the middle of the file")
            continue
        first = table.lines.setdefault(sourced_id, line)
        if len(values) != len(header):
            cells.bad("", "has {} values where the header has {}", len(values), len(header))
            continue
        cells.needed("sourcedId", ID)
        if first != line and sourced_id.strip():
            cells.bad("sourcedId", "{} stands in line {} already", sourced_id, first)
            continue
        status = cells.text("status").strip().lower()
        if mode == "delta" and status in GONE:
            if cells.sound:
                table.gone[sourced_id] = (line, dict(zip(header, values, strict=True)))
            continue
        if status not in ("", "active") and mode == "delta":
            cells.bad("status", "{} is neither active nor tobedeleted", status)
        elif status not in ("", "active"):
            cells.bad("status", "{}: a bulk file lists only what there is", status)
        row = layout.read(cells)
        if cells.sound:
            table.rows[sourced_id] = row
    table.whole = records.whole


def _is_header(values: Sequence[str], header: Sequence[str], sourced_id: str) -> bool:
    """Files that were glued together repeat their header, sometimes that of the system before."""
    return sourced_id.lower() in _HEADER_IDS or values == header

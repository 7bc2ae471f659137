"""read_roster(path): a whole delivery, or every reason why not."""

from pathlib import Path

from grading.oneroster import rows
from grading.oneroster.archive import Delivery, open_delivery
from grading.oneroster.check import Tables, check
from grading.oneroster.layout import Layout, Row
from grading.oneroster.manifest import read_manifest
from grading.oneroster.problems import Problems
from grading.oneroster.roster import Roster
from grading.oneroster.table import Table, read_table


def read_roster(path: Path | str) -> Roster:
    """Read the OneRoster 1.1 bulk delivery at `path`, a folder or a zip file.

    Nothing is written anywhere. Raises BadRoster with all problems found, of which
    `problems.format_report` makes a text. Source of the format: 1EdTech OneRoster 1.1 CSV.
    """
    problems = Problems()
    with open_delivery(Path(path), problems) as delivery:
        listed = read_manifest(delivery, problems)
        tables = _read_tables(delivery, listed, problems)
    check(tables, problems)
    if problems.total:
        problems.refuse()
    return Roster(
        orgs=tables.orgs.rows,
        sessions=tables.sessions.rows,
        courses=tables.courses.rows,
        classes=tables.classes.rows,
        users=tables.users.rows,
        enrollments=tables.enrollments.rows,
        categories=tables.categories.rows,
        line_items=tables.line_items.rows,
        results=tables.results.rows,
    )


def _read_tables(delivery: Delivery, listed: frozenset[str], problems: Problems) -> Tables:
    def read(layout: Layout[Row]) -> Table[Row]:
        return read_table(delivery, layout, problems) if layout.name in listed else Table()

    return Tables(
        orgs=read(rows.ORGS),
        sessions=read(rows.SESSIONS),
        courses=read(rows.COURSES),
        classes=read(rows.CLASSES),
        users=read(rows.USERS),
        enrollments=read(rows.ENROLLMENTS),
        categories=read(rows.CATEGORIES),
        line_items=read(rows.LINE_ITEMS),
        results=read(rows.RESULTS),
    )

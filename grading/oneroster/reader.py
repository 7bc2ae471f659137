"""read_roster(path): a whole delivery, or every reason why not."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from grading.oneroster import rows
from grading.oneroster.archive import Delivery, open_delivery
from grading.oneroster.check import Tables, check
from grading.oneroster.completing import Completed, complete
from grading.oneroster.known import Known
from grading.oneroster.layout import Layout, Row
from grading.oneroster.manifest import Manifest, read_manifest
from grading.oneroster.people_roles import give_roles
from grading.oneroster.problems import Problems
from grading.oneroster.roster import Roster
from grading.oneroster.table import Table, read_table


def read_roster(
    path: Path | str,
    *,
    known: Callable[[], Known] | None = None,
    file: BinaryIO | None = None,
) -> Roster:
    """Read the OneRoster delivery of version 1.1 or 1.2 at `path`, a folder or a zip file.

    Nothing is written anywhere. Raises BadRoster with all problems found, of which
    `problems.format_report` makes a text. Source of the format: 1EdTech OneRoster 1.1 and 1.2 CSV.

    Args:
        known: gives what the school holds, which the changes of a delta build on; without it a
            delta is refused.
        file: the zip itself, where there is none at `path`, which names it then.
    """
    problems = Problems()
    with open_delivery(Path(path), problems, file) as delivery:
        manifest = read_manifest(delivery, problems, deltas=known is not None)
        tables = _read_tables(delivery, manifest, problems)
    here = known() if known and manifest.partial else Known()
    give_roles(tables, here.rows.get("users", {}), problems)
    done = complete(tables, here) if manifest.partial else Completed([], 0)
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
        demographics=tables.demographics.rows,
        partial=manifest.partial,
        gone=tuple(done.gone),
        unknown=done.unknown,
    )


def _read_tables(delivery: Delivery, manifest: Manifest, problems: Problems) -> Tables:
    def read(layout: Layout[Row]) -> Table[Row]:
        mode = manifest.modes.get(layout.name)
        if mode is None:
            return Table()
        return read_table(delivery, layout, problems, version=manifest.version, mode=mode)

    return Tables(
        orgs=read(rows.ORGS),
        sessions=read(rows.SESSIONS),
        courses=read(rows.COURSES),
        classes=read(rows.CLASSES),
        users=read(rows.USERS),
        roles=read(rows.ROLES),
        demographics=read(rows.DEMOGRAPHICS),
        enrollments=read(rows.ENROLLMENTS),
        categories=read(rows.CATEGORIES),
        line_items=read(rows.LINE_ITEMS),
        results=read(rows.RESULTS),
    )

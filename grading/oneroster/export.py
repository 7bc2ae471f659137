"""A school as OneRoster 1.1 files, out of what is approved: all of it, or what has changed.

The files are for machines: text goes out exactly as it stands, and nothing is escaped for
spreadsheets. The same school gives the same bytes, here and in an installation that has read them.
"""

import csv
import datetime as dt
import io
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TextIO

from accounts import disclosures
from accounts.models import School, User
from accounts.origin import Origin
from changes.deciding import lock
from grading.models import Enrollment, Remark, Room, Section
from grading.oneroster import outgoing, outgoing_delta
from grading.oneroster.headers import HEADERS, NEVER_SENT
from grading.oneroster.outgoing import Sent

MANIFEST = "manifest.csv"
OURS = frozenset({MANIFEST, *(f"{name}.csv" for name in HEADERS)})

Open = Callable[[str], AbstractContextManager[TextIO]]
"""Gives a file of the delivery, by its name, to be written."""


class NotEmpty(Exception):
    """The folder holds something that is no file of an export."""


@dataclass(slots=True)
class Exported:
    """What went out: rows by file, and the pupils that they tell of."""

    rows: dict[str, int] = field(default_factory=dict)
    pupils: set[uuid.UUID] = field(default_factory=set)


def export(school: School, to: Open, *, since: dt.datetime | None = None) -> Exported:
    """Write the files of a school. Holds the school's lock, so that they are of one moment; call
    inside the school.

    Args:
        since: only what has changed since this instant; a delta.
    """
    lock(school)
    files = outgoing.files(school) if since is None else _delta(school, since)
    done = Exported()
    with to(MANIFEST) as stream:
        _write_manifest(stream, files, "bulk" if since is None else "delta")
    for name, rows in files.items():
        with to(f"{name}.csv") as stream:
            done.rows[name] = _write(stream, HEADERS[name], _noting(rows, done.pupils))
    return done


def left_out(school: School) -> dict[str, int]:
    """Return what the school has and no file of the standard has a place for (outgoing.py says
    why), and how many of it. Call inside the school; three statements."""
    places = Enrollment.objects.filter(school=school).exclude(status=Enrollment.Status.ENROLLED)
    rooms = Room.objects.filter(school=school).exclude(
        pk__in=Section.objects.filter(school=school, room__isnull=False).values("room")
    )
    return {
        "places of pupils who have withdrawn from a class or wait for one": places.count(),
        "rooms in which no class is": rooms.count(),
        "remarks on report cards": Remark.objects.filter(school=school).count(),
    }


def note(
    done: Exported,
    *,
    school: School,
    user: User | None,
    origin: Origin,
    since: dt.datetime | None,
    to: str,
    why: str,
) -> None:
    """Write down whose records went out, in the audit log and at each pupil. Call inside the
    school; two statements."""
    what = "OneRoster export" if since is None else f"OneRoster export since {since:%Y-%m-%d %H:%M}"
    disclosures.note(
        done.pupils,
        what=what,
        why=why,
        to=to,
        school=school,
        user=user,
        origin=origin,
        facts={name: str(count) for name, count in done.rows.items()},
    )


def _delta(school: School, since: dt.datetime) -> Mapping[str, Iterable[Sent]]:
    delta = outgoing_delta.since_instant(school, since)
    return {
        name: sorted(rows, key=lambda sent: (sent.cells["sourcedId"], sent.cells["status"]))
        for name, rows in {
            "academicSessions": outgoing_delta.sessions(delta),
            "courses": outgoing_delta.courses(delta),
            "classes": outgoing_delta.classes(delta),
            "users": outgoing_delta.people(delta, since),
            "demographics": outgoing_delta.demographics(delta),
            "enrollments": outgoing_delta.enrolments(delta),
            "lineItems": outgoing_delta.line_items(delta),
            "results": outgoing_delta.results(delta),
        }.items()
    }


def _noting(rows: Iterable[Sent], pupils: set[uuid.UUID]) -> Iterator[Mapping[str, str]]:
    for sent in rows:
        if sent.pupil is not None:
            pupils.add(sent.pupil)
        yield sent.cells


def _write(stream: TextIO, header: tuple[str, ...], rows: Iterable[Mapping[str, str]]) -> int:
    writer = csv.writer(stream)
    writer.writerow(header)
    count = 0
    for cells in rows:
        writer.writerow([cells.get(column, "") for column in header])
        count += 1
    return count


def _write_manifest(stream: TextIO, files: Iterable[str], mode: str) -> None:
    writer = csv.writer(stream)
    writer.writerow(["propertyName", "value"])
    writer.writerow(["manifest.version", "1.0"])
    writer.writerow(["oneroster.version", "1.1"])
    for name in sorted([*HEADERS, *NEVER_SENT]):
        writer.writerow([f"file.{name}", mode if name in files else "absent"])
    writer.writerow(["source.systemName", "schoolmarks"])
    writer.writerow(["source.systemCode", "schoolmarks"])


# Where the files go. ------------------------------------------------------------------------------


@contextmanager
def folder(path: Path) -> Iterator[Open]:
    """Write into a folder, which is made. An earlier export there is replaced.

    Raises:
        NotEmpty: the folder holds other files.
    """
    path.mkdir(parents=True, exist_ok=True)
    there = {entry.name for entry in path.iterdir()}
    if others := sorted(there - OURS):
        raise NotEmpty(f"{path} holds other files, such as {others[0]}. Name another folder.")
    for name in there:
        (path / name).unlink()

    def open_file(name: str) -> TextIO:
        return (path / name).open("x", encoding="utf-8", newline="")

    yield open_file


@contextmanager
def packed(into: BinaryIO) -> Iterator[Open]:
    """Write into a zip, the same bytes for the same files."""
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:

        @contextmanager
        def open_file(name: str) -> Iterator[TextIO]:
            entry = zipfile.ZipInfo(name)  # of 1980, whenever it is made
            entry.compress_type = zipfile.ZIP_DEFLATED
            with (
                archive.open(entry, "w", force_zip64=True) as binary,
                io.TextIOWrapper(binary, encoding="utf-8", newline="") as text,
            ):
                yield text

        yield open_file

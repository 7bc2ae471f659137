"""``manage.py export_oneroster``: a school as OneRoster 1.1 files, for other systems."""

import datetime as dt
import zoneinfo
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.in_school import enter
from accounts.models import School
from accounts.origin import Origin
from grading.oneroster.export import Exported, NotEmpty, export, folder, left_out, note, packed


class Command(BaseCommand):
    help = (
        "Writes what is approved of a school as OneRoster 1.1 CSV: all of it, or with --since what "
        "has changed. Provisional values are never in it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("school", metavar="SCHOOL", help="the slug of the school")
        parser.add_argument("folder", type=Path, help="a folder, or a file that ends in .zip")
        parser.add_argument(
            "--since",
            metavar="DATE",
            help="only what was decided from this day on (2026-11-14), by the school's clock, or "
            "from this instant on (2026-11-14T23:15)",
        )
        parser.add_argument("--to", default="", help="who gets the files, for the audit log")

    def handle(
        self, *args: Any, school: str, folder: Path, since: str | None, to: str, **options: Any
    ) -> None:
        found = School.objects.filter(slug=school).first()
        if found is None:
            raise CommandError(f"There is no school {school!r}.")
        instant = _instant(since, found) if since else None
        try:
            done = _write(found, folder, instant, to)
        except NotEmpty as refusal:
            raise CommandError(f"Nothing was exported. {refusal}") from refusal
        except OSError as error:
            raise CommandError(f"{folder} cannot be written: {error.strerror}.") from error
        for name, count in done.rows.items():
            self.stdout.write(f"{name}.csv: {count:,}")
        with enter(found):
            for what, count in left_out(found).items():
                if count:
                    self.stdout.write(f"Not in the files: {count:,} {what}")


def _write(school: School, path: Path, since: dt.datetime | None, to: str) -> Exported:
    with enter(school):
        if path.suffix == ".zip":
            with path.open("wb") as file, packed(file) as files:
                done = export(school, files, since=since)
        else:
            with folder(path) as files:
                done = export(school, files, since=since)
        origin = Origin(user_agent="manage.py export_oneroster")
        why = "data for another system of the school"
        note(done, school=school, user=None, origin=origin, since=since, to=to, why=why)
    return done


def _instant(text: str, school: School) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"--since: {text!r} is not a date, such as 2026-11-14.") from error
    if found.tzinfo is None:
        found = found.replace(tzinfo=zoneinfo.ZoneInfo(school.time_zone))
    return found

"""``manage.py import_oneroster``: a school's roster, with its marks, out of OneRoster files."""

import zoneinfo
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import Error as DatabaseError

from accounts.origin import Origin
from changes.deciding import MayNotDecide
from changes.propose import MayNotPropose
from grading.oneroster.known import known_of
from grading.oneroster.load import load
from grading.oneroster.problems import BadRoster, format_report, printable, shown
from grading.oneroster.reader import read_roster
from grading.oneroster.removal import Held
from grading.oneroster.report import tell
from grading.oneroster.schools import MayNotImport, Unclear, schools_of


class Command(BaseCommand):
    help = (
        "Imports schools, terms, courses, classes, pupils, teachers, enrolments and marks from "
        "OneRoster 1.1 or 1.2 files, complete lists or changes. All of it or nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the folder, or the zip, of the CSV files")
        parser.add_argument(
            "--by",
            required=True,
            metavar="EMAIL",
            help="who imports: of the office of each school; the first of it where one is new",
        )
        parser.add_argument(
            "--time-zone",
            default="UTC",
            help="of schools that are new, such as Europe/Dublin (default: UTC)",
        )

        parser.add_argument(
            "--confirm-removals",
            action="store_true",
            help="it is meant, if complete lists take away more than a tenth of a roster",
        )

    def handle(
        self,
        *args: Any,
        path: Path,
        by: str,
        time_zone: str,
        confirm_removals: bool = False,
        **options: Any,
    ) -> None:
        email = _email(by)
        if time_zone not in zoneinfo.available_timezones():
            raise CommandError(
                f"--time-zone: {time_zone!r} is unknown. It looks like Europe/Dublin."
            )
        bar = Bar(self.stderr)
        try:
            bar.step("reading", 0, 1)
            roster = read_roster(path, known=lambda: known_of(schools_of(email)))
            report = load(
                roster,
                name=shown(path.resolve().name, marks=False),
                email=email,
                time_zone=time_zone,
                origin=Origin(user_agent="manage.py import_oneroster"),
                progress=bar.step,
                confirmed=confirm_removals,
            )
        except BadRoster as bad:
            bar.end()
            raise CommandError(format_report(bad)) from bad
        except Held as held:
            bar.end()
            raise CommandError(
                f"Nothing was imported. {printable(str(held))} If it is, import it again with "
                "--confirm-removals."
            ) from held
        except (MayNotImport, Unclear, MayNotPropose, MayNotDecide) as refusal:
            bar.end()
            raise CommandError(f"Nothing was imported. {printable(str(refusal))}") from refusal
        except DatabaseError as error:
            bar.end()
            reason = " ".join(str(error).split())
            raise CommandError(f"Nothing was imported. The database refused: {reason}") from error
        bar.end()
        for line in tell(report, email=email):
            self.stdout.write(line)


class Bar:
    """Progress on stderr: a bar that moves on a terminal, a line per step in a log."""

    WIDTH = 30

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._moves = stream.isatty()

    def step(self, what: str, done: int, total: int, *, values: int = 0, percent: int = 0) -> None:
        what = printable(what)
        if not self._moves:
            self._say(f"{what} ({done} of {total})", "\n")
            return
        filled = self.WIDTH * (100 * done + percent) // (100 * total) if total else self.WIDTH
        bar = "#" * filled + "." * (self.WIDTH - filled)
        # Back to the start of the line, and whatever was longer there is wiped out.
        self._say(f"\r[{bar}] {what[:40]}\x1b[K", "")

    def end(self) -> None:
        """Leave the line free for what is written next."""
        if self._moves:
            self._say("\r\x1b[K", "")

    def _say(self, text: str, ending: str) -> None:
        # str leaves the text as it is: what Django writes to stderr is red otherwise.
        self._stream.write(text, style_func=str, ending=ending)
        self._stream.flush()


def _email(text: str) -> str:
    email = text.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise CommandError(f"--by: {text!r} is not an e-mail address.") from error
    return email

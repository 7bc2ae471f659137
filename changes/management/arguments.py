"""What the ledger's commands are told: a school, people, times; each refused in one sentence."""

import contextlib
import datetime as dt
import ipaddress
import re
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

from django.core.management.base import CommandError, CommandParser

from accounts.models import Membership, School
from changes.deciding import CannotProject, KeysClash, MayNotDecide
from changes.revert import NothingToDo, Preview
from changes.school_time import NotATime, RepeatedHour, instant

PUBLISHED = re.compile(r"^schoolmarks digest ([\w-]+) (\d+) ([0-9a-f]{64})\b", re.MULTILINE)
"""A line of ``publish_digest``, by itself or in the mail that it was sent in."""


def add_school(parser: CommandParser, *, required: bool = True) -> None:
    """Add ``--school``; where it is not required, all schools are meant without it."""
    parser.add_argument(
        "--school",
        required=required,
        metavar="SCHOOL",
        help="the school’s short name" + ("" if required else " (default: every school)"),
    )


def add_act(parser: CommandParser) -> None:
    """Add what a revert and its lifting have in common."""
    parser.add_argument(
        "--by", required=True, metavar="EMAIL", help="who does it, of the school’s office"
    )
    parser.add_argument("--reason", default="", help="why; it stands in the corrections")
    parser.add_argument(
        "--leave-clashing",
        action="store_true",
        help="leave out what would give two records one number, code or name",
    )
    parser.add_argument(
        "--except",
        dest="left_out",
        action="append",
        default=[],
        type=uuid.UUID,
        metavar="CHANGE",
        help="leave out the line of this change, by the id that --dry-run prints; may be repeated",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )


def lines_to_leave_out(preview: Preview, changes: Collection[uuid.UUID]) -> set[str]:
    """Return the keys of the lines that these changes are on. Raises CommandError."""
    line_of = {change: line.key for line in preview.lines for change in line.changes.split()}
    unknown = [str(each) for each in changes if str(each) not in line_of]
    if unknown:
        raise CommandError(
            f"--except: {', '.join(unknown)} is not among the changes that this is about. "
            "--dry-run prints their ids."
        )
    return {line_of[str(each)] for each in changes}


def school_of(slug: str) -> School:
    """Return a school by its short name. Raises CommandError."""
    school = School.objects.filter(slug=slug).first()
    if school is None:
        known = ", ".join(School.objects.order_by("slug").values_list("slug", flat=True))
        raise CommandError(f"--school: there is no school {slug!r} here, but: {known or 'none'}.")
    return school


def schools(slug: str | None) -> Iterator[School]:
    """Return the school of this short name, or every one. Raises CommandError."""
    if slug is None:
        return School.objects.order_by("slug").iterator()
    return iter([school_of(slug)])


def account_of(email: str, *, school: School, option: str) -> Membership:
    """Return who has this address now, whether or not they may still sign in."""
    member = (
        Membership.objects.select_related("user", "school")
        .filter(school=school, user__email=email.strip().lower())
        .first()
    )
    if member is None:
        raise CommandError(f"{option}: nobody of {school} has the address {email!r}.")
    return member


def office_member(email: str, *, school: School) -> Membership:
    """Return an active member of the school's office. Raises CommandError."""
    member = account_of(email, school=school, option="--by")
    if not (member.is_office and member.is_active and member.user.is_active):
        raise CommandError(f"--by: {member.user.email} is no active member of {school}’s office.")
    return member


def time_of(text: str, *, school: School, option: str, second: bool | None) -> dt.datetime:
    """Return the instant that a time of the school's clocks means. Raises CommandError."""
    try:
        return instant(text, school=school, second=second)
    except RepeatedHour as asked:
        raise CommandError(f"{option}: {asked} Add --first-hour or --second-hour.") from asked
    except NotATime as refused:
        raise CommandError(f"{option}: {refused}") from refused


def address_of(text: str | None) -> str | None:
    """Return an IP address as the ledger writes it. Raises CommandError."""
    try:
        return str(ipaddress.ip_address(text.strip())) if text else None
    except ValueError:
        raise CommandError(f"--ip: {text!r} is no IP address, such as 203.0.113.9.") from None


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Say why an act was refused in one sentence. Goes around ``enter``: nothing was done."""
    try:
        yield
    except (NothingToDo, MayNotDecide, CannotProject) as refusal:
        raise CommandError(str(refusal)) from refusal
    except KeysClash as clash:
        raise CommandError(
            f"Nothing was done: {clash}. Leave these lines out with --leave-clashing, or change "
            "the other record first."
        ) from clash


def published_in(path: str) -> dict[str, dict[int, str]]:
    """Return the digests of a file of what ``publish_digest`` printed: by the school's short name,
    by the number of the decision. Other lines are passed over. Raises CommandError."""
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    found: dict[str, dict[int, str]] = {}
    for slug, number, digest in PUBLISHED.findall(text):
        found.setdefault(slug, {})[int(number)] = digest
    if not found:
        raise CommandError(f"{path} holds no line like those that publish_digest prints.")
    return found

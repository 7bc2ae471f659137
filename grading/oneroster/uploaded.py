"""A roster from the browser: kept, looked at as often as wanted, then imported as it was shown.

Looking at it is the import itself, taken back. Call everything here inside the school.
"""

import datetime as dt
import hashlib
import io
import uuid
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

from accounts.in_school import enter
from accounts.models import Membership, School
from accounts.origin import Origin
from changes.deciding import rehearsing
from grading.models import RosterUpload
from grading.oneroster.known import known_of
from grading.oneroster.load import load
from grading.oneroster.problems import BadRoster, fair_share
from grading.oneroster.reader import read_roster
from grading.oneroster.removal import Held
from grading.oneroster.report import Report, tell
from grading.oneroster.schools import NotInIt, Unclear
from grading.oneroster.told import Line

KEPT_FOR = dt.timedelta(days=1)
PLACES = 100
"""So many of the problems of a delivery are shown; all are counted."""


class NoDelivery(Exception):
    """What was uploaded is no delivery. The message says what to do."""


class ShownOtherwise(Exception):
    """The import would do something else by now than what was shown."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What importing an upload would do. refusal: why it cannot be imported at all; problems of
    the delivery are in `bad`. held: it would take so much away that somebody has to say that this
    is meant. token: of what is shown."""

    lines: list[Line] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    token: str = ""
    held: str = ""
    refusal: str = ""
    bad: BadRoster | None = None
    changes: bool = False


def keep(files: Sequence[UploadedFile], *, by: Membership, at: dt.datetime) -> RosterUpload:
    """Keep a zip, or the CSV files of a delivery, until it is imported or a day has passed.

    Raises:
        NoDelivery: it is neither.
    """
    if not files:
        raise NoDelivery("Choose a file first: the zip of the roster, or all of its CSV files.")
    names = [file.name or "" for file in files]
    if len(files) == 1 and names[0].lower().endswith(".zip"):
        content, name = files[0].read(), names[0]
    elif all(each.lower().endswith(".csv") for each in names):
        content, name = _packed(files), f"{len(files)} CSV files"
    else:
        raise NoDelivery("Choose one zip, or CSV files and nothing else.")
    return RosterUpload.objects.create(
        school=by.school,
        uploaded_by=by.user,
        uploaded_at=at,
        name=name[:200].replace("\x00", ""),
        content=content,
    )


def forget_old(school: School) -> bool:
    """Forget what was uploaded more than a day ago and not imported; a job of the worker. Return
    whether there was any. Opens its own transaction."""
    with enter(school):
        before = timezone.now() - KEPT_FOR
        count, _ = RosterUpload.objects.filter(school=school, uploaded_at__lt=before).delete()
        return bool(count)


def _packed(files: Sequence[UploadedFile]) -> bytes:
    if twice := [name for name, n in Counter(file.name for file in files).items() if n > 1]:
        raise NoDelivery(f"{twice[0]} is there twice. Leave one of them.")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(file.name or "", file.read())
    return out.getvalue()


def look(upload: RosterUpload, *, by: Membership, origin: Origin) -> Looked:
    """Return what importing an upload would do, and do nothing."""
    held = ""
    try:
        try:
            with rehearsing():
                report = _load(upload, by=by, origin=origin, confirmed=False)
        except Held as refusal:
            held = str(refusal)
            with rehearsing():
                report = _load(upload, by=by, origin=origin, confirmed=True)
    except BadRoster as bad:
        return Looked(bad=bad)
    except (NotInIt, Unclear) as refusal:
        return Looked(refusal=str(refusal))
    return _looked(report, by, held)


def take(
    upload_id: uuid.UUID, token: str, *, by: Membership, origin: Origin, confirmed: bool
) -> Looked | None:
    """Import an upload as it was shown; None when that was done already.

    Raises:
        ShownOtherwise: it would do something else by now. Nothing was done.
        Held: it takes much away, and that was not `confirmed`. Nothing was done.
        BadRoster, NotInIt, Unclear: it can no longer be imported. Nothing was done.
    """
    found = RosterUpload.objects.select_for_update().filter(school=by.school, pk=upload_id)
    upload = found.first()
    if upload is None:
        return None
    with transaction.atomic():
        done = _looked(_load(upload, by=by, origin=origin, confirmed=confirmed), by, "")
        if done.token != token:
            raise ShownOtherwise  # leaves the transaction by an exception, so that it rolls back
    upload.delete()
    return done


def _load(upload: RosterUpload, *, by: Membership, origin: Origin, confirmed: bool) -> Report:
    school = by.school
    roster = read_roster(
        upload.name, file=io.BytesIO(upload.content), known=lambda: known_of([school])
    )
    return load(
        roster,
        name=upload.name,
        email=by.user.email,
        time_zone=school.time_zone,
        origin=origin,
        only=school,
        confirmed=confirmed,
        telling=True,
    )


def _looked(report: Report, by: Membership, held: str) -> Looked:
    lines = [line for each in report.schools for line in each.lines]
    told = list(tell(report, email=by.user.email))
    digest = hashlib.sha256(repr((lines, told)).encode("utf-8", "backslashreplace"))
    changes = any(each.changed_anything for each in report.schools)
    return Looked(lines, told, digest.hexdigest(), held, changes=changes)


def places_of(bad: BadRoster) -> list[tuple[str, str]]:
    """Return where some of the problems are, a fair share of each kind, and what is wrong there."""
    return [(each.place, each.reason) for each in fair_share(bad.problems, PLACES)]


def counts_of(bad: BadRoster) -> list[tuple[str, str, int]]:
    """Return (file, kind, how often) of every kind of problem, the most frequent first."""
    counts = [(file, kind, n) for (file, kind), n in bad.counts.items()]
    return sorted(counts, key=lambda each: (-each[2], each[0], each[1]))

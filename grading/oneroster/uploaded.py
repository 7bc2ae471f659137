"""A roster from the browser: kept, looked at by the worker (working.py), and imported by it just as
it was shown, once somebody of the office has confirmed that.

Call everything here inside the school.
"""

import datetime as dt
import io
import uuid
import zipfile
from collections import Counter
from collections.abc import Sequence

from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone

from accounts.in_school import enter
from accounts.models import Membership, School
from accounts.origin import Origin
from grading.models import RosterUpload
from grading.oneroster.archive import NO_ZIP
from grading.oneroster.removal import Held

KEPT_FOR = dt.timedelta(days=1)
MAX_UPLOAD = 32_000_000
"""Bytes. A zip of a school of 2,500 pupils with 60,000 marks has one million."""


class NoDelivery(Exception):
    """What was uploaded is no delivery. The message says what to do."""


class ShownOtherwise(Exception):
    """What was confirmed is not what is shown by now."""


class LookedAtAgain(Exception):
    """Somebody has asked to look again meanwhile: nothing is shown that could be confirmed."""


def keep(files: Sequence[UploadedFile], *, by: Membership, at: dt.datetime) -> RosterUpload:
    """Keep a zip, or the CSV files of a delivery, until it is imported or a day has passed.

    Raises:
        NoDelivery: it is neither, or damaged, or too large.
    """
    if not files:
        raise NoDelivery("Choose a file first: the zip of the roster, or all of its CSV files.")
    size = sum(file.size or 0 for file in files)
    if size > MAX_UPLOAD:
        raise NoDelivery(
            f"That is {size // 1_000_000} MB, and {MAX_UPLOAD // 1_000_000} MB can be uploaded. "
            "Pack the CSV files into a zip, which is a tenth of them; or have whoever runs the "
            "installation import it on the server, by “manage.py import_oneroster”."
        )
    names = [file.name or "" for file in files]
    if len(files) == 1 and names[0].lower().endswith(".zip"):
        content, name = files[0].read(), names[0]
        if not _is_zip(content):
            raise NoDelivery(
                "This is not a zip file, or it is damaged. Choose the zip file that your other "
                "system exported."
            )
    elif all(each.lower().endswith(".csv") for each in names):
        content, name = _packed(files), f"{len(files)} CSV file{'' if len(files) == 1 else 's'}"
    else:
        raise NoDelivery("Choose one zip, or CSV files and nothing else.")
    return RosterUpload.objects.create(
        school=by.school,
        uploaded_by=by.user,
        asked_by=by.user,
        uploaded_at=at,
        name=name[:200].replace("\x00", ""),
        content=content,
    )


def find(school: School, upload_id: uuid.UUID) -> RosterUpload | None:
    """Return an upload of a school, without its content."""
    return (
        RosterUpload.objects.filter(school=school, pk=upload_id)
        .select_related("school", "uploaded_by", "confirmed_by")
        .defer("content")
        .first()
    )


def confirm(
    upload_id: uuid.UUID, token: str, *, by: Membership, origin: Origin, removals: bool
) -> RosterUpload | None:
    """Have an upload imported as it was shown. None: it is not there any more. What was confirmed
    before is left as it is.

    Raises:
        LookedAtAgain: nothing is shown by now.
        ShownOtherwise: something else is.
        Held: it takes much away, and nobody has said that this is meant.
    """
    upload = _not_at_work(by.school, upload_id)
    there = upload or find(by.school, upload_id)
    if there is not None and there.confirmed_at is None and there.is_under_way:
        raise LookedAtAgain
    if upload is None or upload.confirmed_at is not None:
        return there
    shown = upload.shown or {}
    if not token or token != shown.get("token"):
        raise ShownOtherwise
    if shown["held"] and not removals:
        raise Held(shown["held"])
    upload.confirmed_by, upload.confirmed_at = by.user, origin.at
    upload.ip, upload.user_agent, upload.session = origin.ip, origin.user_agent, origin.session
    upload.removals = removals
    _begin_anew(upload)
    return upload


def look_again(upload_id: uuid.UUID, *, by: Membership) -> RosterUpload | None:
    """Have the worker look anew what importing an upload would do if ``by`` did. None: it is not
    there any more. What is being imported, or was, is left as it is."""
    upload = _not_at_work(by.school, upload_id)
    if upload is None or upload.confirmed_at is not None:
        return upload or find(by.school, upload_id)
    upload.shown, upload.asked_by = None, by.user
    _begin_anew(upload)
    return upload


def forget_old(school: School) -> bool:
    """Forget what was uploaded more than a day ago; a job of the worker. Return whether there was
    any. Opens its own transaction."""
    with enter(school):
        before = timezone.now() - KEPT_FOR
        old = RosterUpload.objects.filter(school=school, uploaded_at__lt=before)
        left = old.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)
        count, _ = RosterUpload.objects.filter(school=school, pk__in=list(left)).delete()
        return bool(count)


def _not_at_work(school: School, upload_id: uuid.UUID) -> RosterUpload | None:
    """Hold an upload that no worker has in its hands."""
    return (
        RosterUpload.objects.filter(school=school, pk=upload_id)
        .select_for_update(skip_locked=True, no_key=True)
        .defer("content")
        .first()
    )


def _begin_anew(upload: RosterUpload) -> None:
    upload.failure, upload.attempts = "", 0
    upload.save(
        update_fields=[
            *("shown", "asked_by", "failure", "attempts", "removals"),
            *("confirmed_by", "confirmed_at", "ip", "user_agent", "session"),
        ]
    )


def _is_zip(content: bytes) -> bool:
    """Whether this ends as a zip does. Nothing of it is unpacked."""
    try:
        return zipfile.is_zipfile(io.BytesIO(content))
    except NO_ZIP:
        return False


def _packed(files: Sequence[UploadedFile]) -> bytes:
    if twice := [name for name, n in Counter(file.name for file in files).items() if n > 1]:
        raise NoDelivery(f"{twice[0]} is there twice. Leave one of them.")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            with archive.open(file.name or "", "w") as into:
                for chunk in file.chunks():
                    into.write(chunk)
    return out.getvalue()

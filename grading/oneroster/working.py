"""What the worker does with uploads: looks at those that came, imports those that were confirmed.

Looking is the import itself, taken back. Each is one transaction that holds the upload's row: two
workers never do the same one, and a worker that is killed leaves nothing behind, so that the next
begins anew. What fails is not tried for ever: after an error at once, and after three attempts that
never came to an end, the page says so, and nothing was imported.
"""

import io
import logging
import uuid

from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.in_school import enter
from accounts.models import School
from accounts.origin import Origin
from changes.deciding import MayNotDecide, lock, rehearsing
from changes.propose import MayNotPropose
from grading.models import RosterUpload
from grading.oneroster import looking, progress
from grading.oneroster.causes import causes_of
from grading.oneroster.known import known_of
from grading.oneroster.load import load
from grading.oneroster.problems import BadRoster
from grading.oneroster.reader import read_roster
from grading.oneroster.removal import Held
from grading.oneroster.report import Report, tell
from grading.oneroster.schools import MayNotImport, NotInIt, Unclear

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
BROKEN_OFF = {"40001", "40P01", "55P03", "57014"}
"""By PostgreSQL's codes: a serialization failure, a deadlock, a lock that could not be had, and a
statement that took too long."""
REFUSED = (MayNotImport, MayNotDecide, MayNotPropose)
"""Why nothing can be done, in words for people."""


class _Otherwise(Exception):
    """The import does something else than what was shown."""


def work_next(school: School) -> bool:
    """Look at, or import, the school's next upload; a job of the worker. Return whether there was
    one. Opens its own transactions."""
    first = _begin(school)
    if first is None:
        return False
    begun = first.attempts
    try:
        with enter(school):
            upload = _next(school, first.pk)
            if upload is None:  # another worker was quicker
                return False
            begun = upload.attempts
            if upload.confirmed_at is None:
                upload.shown = _look(upload, by=(upload.asked_by or upload.uploaded_by).email)
                upload.save(update_fields=["shown"])
            else:
                _import(upload)
    except (OperationalError, InterfaceError) as error:
        if not _is_broken_off(error) or begun < MOST_ATTEMPTS:
            raise  # the worker begins anew
        words = (
            "Nothing was imported: others were at work in the school at the same moments, and the "
            f"database broke it off {MOST_ATTEMPTS} times. Nothing is wrong with the roster: press "
            "“Look again” when less is going on."
        )
    except REFUSED as refusal:
        words = f"Nothing was imported. {refusal}"
    except Exception:
        logger.exception("An upload of %s failed", school)
        words = (
            "Nothing was imported: this program made a mistake. Tell whoever runs the "
            "installation; the log of the worker says more."
        )
    else:
        return True
    with enter(school):
        again = _next(school, first.pk)
        if again is not None and again.attempts == begun:  # else another worker has it by now
            _give_up(again, words)
    return True


def _begin(school: School) -> RosterUpload | None:
    """Count one more attempt at what is next, seen also when the worker is killed over it."""
    with enter(school):
        upload = _next(school)
        if upload is None:
            return None
        if upload.attempts >= MOST_ATTEMPTS:
            words = (
                f"Nothing was imported: the worker was stopped over it {MOST_ATTEMPTS} times. Tell "
                "whoever runs the installation; there may not be enough memory for this roster."
            )
            _give_up(upload, words)
            return None
        upload.attempts += 1
        upload.save(update_fields=["attempts"])
        return upload


def _next(school: School, upload_id: uuid.UUID | None = None) -> RosterUpload | None:
    """Hold the upload that is next, or this one if it still is to be done."""
    waits = RosterUpload.objects.filter(
        Q(shown__isnull=True) | Q(confirmed_at__isnull=False),
        school=school,
        imported_at=None,
        failure="",
    )
    if upload_id is not None:
        waits = waits.filter(pk=upload_id)
    held = waits.select_for_update(skip_locked=True, no_key=True).order_by("uploaded_at", "id")
    return held.defer("content").first()


def _look(upload: RosterUpload, *, by: str) -> looking.Shown:
    """Return what it would do if ``by`` imported an upload: somebody else, who sees other open
    changes, may do something else by it. Holds the school's lock, as the import does."""
    lock(upload.school)
    held = ""
    origin = Origin(at=timezone.now())
    try:
        try:
            with rehearsing():
                report = _load(upload, origin, by=by, confirmed=False)
        except Held as refusal:
            held = str(refusal)
            with rehearsing():
                report = _load(upload, origin, by=by, confirmed=True)
    except BadRoster as bad:
        return looking.of_problems(bad) | {"causes": causes_of(bad)}
    except (NotInIt, Unclear) as refusal:
        return looking.of_refusal(str(refusal))
    return looking.of_report(report, email=by, held=held)


def _import(upload: RosterUpload) -> None:
    """Import an upload as it was confirmed; look at it anew, where that is not what would be
    done."""
    by = upload.confirmed_by.email if upload.confirmed_by else ""
    lock(upload.school)  # before the time is taken: an export made meanwhile would miss what it has
    origin = Origin(
        at=timezone.now(), ip=upload.ip, user_agent=upload.user_agent, session=upload.session
    )
    try:
        with transaction.atomic():
            report = _load(upload, origin, by=by, confirmed=upload.removals)
            if looking.token_of(report, email=by) != (upload.shown or {}).get("token"):
                raise _Otherwise  # leaves the transaction by an exception, so that it rolls back
    except (_Otherwise, BadRoster, Held, NotInIt, Unclear):
        upload.shown = _look(upload, by=by) | {"otherwise": True}
        upload.asked_by, upload.confirmed_by, upload.confirmed_at = upload.confirmed_by, None, None
        upload.save(update_fields=["shown", "asked_by", "confirmed_by", "confirmed_at"])
        return
    upload.told = list(tell(report, email=by, listing=False))
    upload.imported_at = timezone.now()
    upload.content, upload.shown = b"", {}
    upload.save(update_fields=["told", "imported_at", "content", "shown"])


def _load(upload: RosterUpload, origin: Origin, *, by: str, confirmed: bool) -> Report:
    school = upload.school  # as it is now: an import before this one may have given it a roster id
    progress.say(upload.pk, 1)

    def step(what: str, done: int, total: int, *, values: int = 0, percent: int = 0) -> None:
        progress.say(upload.pk, min(done + 2, len(progress.STEPS)), values, percent)

    roster = read_roster(
        upload.name, file=io.BytesIO(upload.content), known=lambda: known_of([school])
    )
    return load(
        roster,
        name=upload.name,
        email=by,
        time_zone=school.time_zone,
        origin=origin,
        progress=step,
        only=school,
        confirmed=confirmed,
        telling=True,
    )


def _is_broken_off(error: DatabaseError) -> bool:
    """Whether the database ended a transaction that others were in the way of, and lives on."""
    return getattr(error.__cause__, "sqlstate", None) in BROKEN_OFF


def _give_up(upload: RosterUpload, words: str) -> None:
    """Leave an upload that is held undone, and say why."""
    upload.failure, upload.confirmed_by, upload.confirmed_at = words, None, None
    upload.save(update_fields=["failure", "confirmed_by", "confirmed_at"])

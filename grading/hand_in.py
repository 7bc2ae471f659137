"""Handing in a class: its instructor, or the office, tells that the marks are complete. Pupils
without a mark are confirmed by name. It is open after the marks window has closed too, when the
office still asks for it: who can type no more says that nothing more comes. Call inside a school.
"""

import uuid
from collections.abc import Collection

from accounts.in_school import Refused
from accounts.models import Membership
from accounts.origin import Origin
from changes.propose import lock_author
from changes.visible import shows

from .access import is_own
from .missing_pupil import key_of
from .models import HandIn, Section
from .sheet import Row, Sheet, load


class MayNotHandIn(Refused):
    """Who asks is neither the class's instructor nor of the office."""


class NotConfirmed(Exception):
    """Pupils without a mark were not confirmed, or other ones than there are now."""


def why_not(section: Section, *, by: Membership) -> str:
    """Return why somebody may not hand a class in, in words, or ""."""
    if by.is_office or is_own(by, section):
        return ""
    if section.instructor is None:
        return "This class has no instructor yet, so the office hands it in."
    return f"{section.instructor} teaches this class: only they, or the office, hand it in."


def blanks(sheet: Sheet) -> list[Row]:
    """Return the enrolled pupils without a mark, as the sheet's reader sees them."""
    return [row for row in sheet.enrolled if row.grade.cell.value is None]


def without_comment(sheet: Sheet) -> list[Row]:
    """Return the enrolled pupils without a comment, as the sheet's reader sees them."""
    return [row for row in sheet.enrolled if not shows(row.comment.cell.value or "")]


def hand_in(
    section: Section,
    *,
    confirmed: Collection[uuid.UUID],
    by: Membership,
    origin: Origin,
    key: str,
) -> HandIn:
    """Hand a class in. ``confirmed``: the enrolments without a mark that the page listed.

    Holds the lock of the member, so that a form that is sent twice is one row.

    Raises:
        MayNotHandIn: the class is somebody else's.
        NotConfirmed: there are blanks that were not confirmed.
        MayNotPropose: ``by`` is no active member (read under the lock).
    """
    if because := why_not(section, by=by):
        raise MayNotHandIn(because)
    lock_author(by)
    own_key = key_of("hand in", key, str(section.pk))
    mine = HandIn.objects.filter(school_id=by.school_id, handed_in_by_id=by.user_id)
    if own_key and (before := mine.filter(idempotency_key=own_key).first()):
        return before
    blank = {row.id for row in blanks(load(section, by=by, at=origin.at))}
    if blank - set(confirmed):
        raise NotConfirmed
    return HandIn.objects.create(
        school_id=by.school_id,
        section_id=section.pk,
        handed_in_by_id=by.user_id,
        handed_in_at=origin.at,
        ip=origin.ip,
        blank=len(blank),
        idempotency_key=own_key,
    )


def latest(section_ids: Collection[uuid.UUID], *, by: Membership) -> dict[uuid.UUID, HandIn]:
    """Return the last hand-in of each class that was handed in: one statement."""
    rows = (
        HandIn.objects.filter(school_id=by.school_id, section_id__in=list(section_ids))
        .order_by("section_id", "-handed_in_at", "-id")
        .distinct("section_id")
        .select_related("handed_in_by")
    )
    return {row.section_id: row for row in rows}

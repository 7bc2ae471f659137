"""Extending the marks window for one class: the office lets its marks be entered until a date,
after the term's window has closed. Call inside a school.
"""

import datetime as dt
import uuid
from collections.abc import Collection

from django import forms

from accounts import audit
from accounts.in_school import Refused
from accounts.models import AuditLog, Membership
from accounts.origin import Origin
from changes.propose import lock_author

from .models import Extension, Section, Term


class MayNotExtend(Refused):
    """Who asks is not of the office."""


class ExtensionForm(forms.Form):
    """Until when, and why."""

    until = forms.DateField(
        label="Marks can be entered until",
        help_text="That day included. An earlier day than the term’s takes an extension back.",
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    reason = forms.CharField(label="Why", max_length=2000)


def extend(
    section: Section, *, until: dt.date, reason: str, by: Membership, origin: Origin
) -> Extension:
    """Let marks of a class be entered until a date, with a row in the audit log.

    Holds the lock of the member, so that a form that is sent twice is one row.

    Raises:
        MayNotExtend: ``by`` is not of the office.
        MayNotPropose: ``by`` is no active member (read under the lock).
    """
    if not by.is_office:
        raise MayNotExtend("Only the office extends the time for a class. Ask the office.")
    lock_author(by)
    before = latest([section.pk]).get(section.pk)
    same = (until, reason, by.user_id)
    if before and (before.until, before.reason, before.granted_by_id) == same:
        return before
    extension = Extension.objects.create(
        school_id=by.school_id,
        section_id=section.pk,
        until=until,
        granted_by_id=by.user_id,
        granted_at=origin.at,
        reason=reason,
    )
    audit.record(
        AuditLog.Event.PEOPLE,
        origin=origin,
        school=by.school,
        user=by.user,
        detail=f"marks window of {section} extended until {until:%d %B %Y}: {reason}",
        metadata={"section": str(section.pk), "until": until.isoformat()},
    )
    return extension


def latest(section_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Extension]:
    """Return the extension that counts for each class that has one: one statement."""
    rows = (
        Extension.objects.filter(section_id__in=list(section_ids))
        .order_by("section_id", "-granted_at", "-id")
        .distinct("section_id")
    )
    return {row.section_id: row for row in rows}


def until_of(section: Section) -> dt.date | None:
    """Return until when the window is extended for a class, or None."""
    extension = latest([section.pk]).get(section.pk)
    return extension.until if extension else None


def closing(term: Term | None, extended_until: dt.date | None) -> dt.date | None:
    """Return the last day on which marks are entered; None for a window that does not close."""
    if term is None or term.marks_close_on is None:
        return None
    return max(term.marks_close_on, extended_until or term.marks_close_on)

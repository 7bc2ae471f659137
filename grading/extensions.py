"""Extending the marks window, for one class or for every class that an instructor has in a term:
the office lets marks be entered until a date, after the term's window has closed. A class is open
until the latest of the term's own date, its extension and its instructor's. Call inside a school.
"""

import datetime as dt
import uuid
from collections.abc import Collection
from typing import Any, NamedTuple

from django import forms
from django.db.models import Q, QuerySet

from accounts import audit
from accounts.in_school import Refused
from accounts.models import AuditLog, Membership, User
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


class InstructorExtensionForm(ExtensionForm):
    """For which term, until when, and why."""

    def __init__(self, *args: Any, terms: QuerySet[Term], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["term"] = forms.ModelChoiceField(terms, label="Term", empty_label=None)
        self.order_fields(["term", "until", "reason"])


class Taught(NamedTuple):
    """A class, the term it is given in, and who teaches it."""

    section_id: uuid.UUID
    term_id: uuid.UUID | None
    instructor_id: uuid.UUID | None


def extend(
    section: Section, *, until: dt.date, reason: str, by: Membership, origin: Origin
) -> Extension:
    """Let marks of a class be entered until a date, with a row in the audit log.

    Holds the lock of the member, so that a form that is sent twice is one row.

    Raises:
        MayNotExtend: ``by`` is not of the office.
        MayNotPropose: ``by`` is no active member (read under the lock).
    """
    row = Extension(section_id=section.pk)
    return _extend(row, str(section), until=until, reason=reason, by=by, origin=origin)


def extend_for_instructor(
    instructor: User, term: Term, *, until: dt.date, reason: str, by: Membership, origin: Origin
) -> Extension:
    """Let marks of every class of a term be entered until a date whose instructor somebody of
    the school is, also of those that become theirs later. As ``extend``, and raises the same."""
    row = Extension(term_id=term.pk, instructor_id=instructor.pk)
    whose = f"every class of {instructor} in {term}"
    return _extend(row, whose, until=until, reason=reason, by=by, origin=origin)


def _extend(
    row: Extension, whose: str, *, until: dt.date, reason: str, by: Membership, origin: Origin
) -> Extension:
    if not by.is_office:
        raise MayNotExtend("Only the office extends the time for a class. Ask the office.")
    lock_author(by)
    about = {name: getattr(row, name) for name in ("section_id", "term_id", "instructor_id")}
    before = _latest(Q(**about)).first()
    same = (until, reason, by.user_id)
    if before and (before.until, before.reason, before.granted_by_id) == same:
        return before
    row.school_id, row.granted_by_id, row.granted_at = by.school_id, by.user_id, origin.at
    row.until, row.reason = until, reason
    row.save(force_insert=True)
    audit.record(
        AuditLog.Event.PEOPLE,
        origin=origin,
        school=by.school,
        user=by.user,
        detail=f"marks window of {whose} extended until {until:%d %B %Y}: {reason}",
        metadata={
            **{name.removesuffix("_id"): str(value) for name, value in about.items() if value},
            "until": until.isoformat(),
        },
    )
    return row


def of_section_alone(section: Section) -> dt.date | None:
    """Return until when the window is extended for a class, less what its instructor has."""
    row = _latest(Q(section_id=section.pk)).first()
    return row.until if row else None


def of_instructor(instructor: User) -> dict[uuid.UUID, dt.date]:
    """Return until when the window is extended for somebody's classes, by term."""
    return {row.term_id: row.until for row in _latest(Q(instructor=instructor)) if row.term_id}


def until_of_classes(classes: Collection[Taught]) -> dict[uuid.UUID, dt.date]:
    """Return until when the window is extended for each class for which it is: one statement."""
    if not classes:
        return {}
    rows = _latest(
        Q(section_id__in={each.section_id for each in classes})
        | Q(
            term_id__in={each.term_id for each in classes if each.term_id},
            instructor__in={each.instructor_id for each in classes if each.instructor_id},
        )
    )
    until = {(row.section_id, row.term_id, row.instructor_id): row.until for row in rows}
    found = {}
    for each in classes:
        own = until.get((each.section_id, None, None))
        instructors = until.get((None, each.term_id, each.instructor_id))
        if dates := [date for date in (own, instructors) if date]:
            found[each.section_id] = max(dates)
    return found


def until_of(section: Section) -> dt.date | None:
    """Return until when the window is extended for a class, or None."""
    taught = Taught(section.pk, section.term_id, section.instructor_id)
    return until_of_classes([taught]).get(section.pk)


def _latest(which: Q) -> QuerySet[Extension]:
    about = ("section_id", "term_id", "instructor_id")
    rows = Extension.objects.filter(which).order_by(*about, "-granted_at", "-id")
    return rows.distinct(*about)


def closing(term: Term | None, extended_until: dt.date | None) -> dt.date | None:
    """Return the last day on which marks are entered; None for a window that does not close."""
    if term is None or term.marks_close_on is None:
        return None
    return max(term.marks_close_on, extended_until or term.marks_close_on)

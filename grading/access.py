"""Fetching a class, or a pupil, with the permission to open it."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404

from accounts import audit
from accounts.in_school import MemberRequest, Refused
from accounts.models import AuditLog, Membership
from changes.propose import Draft
from students.models import Student

from .models import Enrollment, Section


def access_section(member: Membership, section_id: uuid.UUID) -> Section:
    """Return a class of the member's school. Call inside the school.

    Raises:
        Http404: there is none; also for the id of another school's class, so that nobody can tell.
        Refused: the school lets its teachers open their own classes only.
    """
    section = (
        Section.objects.select_related("course", "term", "room", "instructor", "scale")
        .filter(school_id=member.school_id, pk=section_id)
        .first()
    )
    if section is None:
        raise Http404
    if is_restricted(member) and not is_own(member, section):
        raise Refused(
            "In this school teachers open their own classes only. Ask the office if you stand in "
            "for somebody."
        )
    return section


def access_pupil(member: Membership, student_id: uuid.UUID) -> tuple[Student, bool]:
    """Return a pupil of the member's school, and whether the member teaches them. Call inside the
    school.

    Raises:
        Http404: no such pupil stands; also for the id of another school's pupil.
        Refused: the school lets its teachers open their own classes only, and what is known of a
            pupil as a whole comes from others' classes too.
    """
    taught = Enrollment.objects.filter(
        student_id=OuterRef("pk"),
        status=Enrollment.Status.ENROLLED,
        section__instructor_id=member.user_id,
    )
    found = Student.objects.filter(school_id=member.school_id, pk=student_id)
    student = found.select_related("programme").annotate(is_taught=Exists(taught)).first()
    if student is None:
        raise Http404
    if is_restricted(member):
        raise Refused(
            "In this school teachers open their own classes only, and this page tells of all "
            "classes of a pupil. Ask the office for it."
        )
    return student, student.is_taught


def is_own(member: Membership, section: Section) -> bool:
    """Return whether the member is the class's instructor."""
    return section.instructor_id == member.user_id


def is_restricted(member: Membership) -> bool:
    """Return whether the member may open nothing but their own classes."""
    return member.school.teachers_restricted and not member.is_office


def refuse_those_of(drafts: Sequence[Draft], others: QuerySet[Any], because: str) -> None:
    """Refuse the drafts that are about one of these records, in these words."""
    ids = {draft.entity_id for draft in drafts}
    found = set(others.filter(pk__in=ids).values_list("pk", flat=True))
    for draft in drafts:
        if draft.entity_id in found:
            draft.refuse(because)


def interest(member: Membership, *, is_own: bool) -> str:
    """Say by which interest somebody of the school looks into a record: what a disclosure keeps as
    its reason. ``is_own``: it is of a class, or a pupil, whom they teach."""
    if is_own:
        return "teaches the pupil"
    return "works in the office" if member.is_office else "teaches at the school, not this pupil"


def note_visit(request: MemberRequest, section: Section) -> None:
    """Write down that somebody opens a class that is not their own."""
    member = request.member
    if not is_own(member, section):
        audit.record(
            AuditLog.Event.VIEW,
            origin=request.origin,
            school=member.school,
            user=member.user,
            detail=f"class {section}",
            metadata={"section": str(section.pk)},
        )

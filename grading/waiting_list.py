"""Pupils who wait for a place in a full class, and giving a place that has become free to the
first of them. Call inside a school."""

import dataclasses
import uuid
from collections import defaultdict
from collections.abc import Sequence

from django.db.models import OuterRef, QuerySet, Subquery

from accounts.models import Membership, School
from accounts.origin import Origin
from accounts.outbox import Message, post
from changes import review
from changes.deciding import lock
from changes.models import Change
from changes.propose import Draft
from students.models import Student

from .models import Enrollment, Section


class NoPlaceToGive(Exception):
    """The class is full, or the pupil is not the first who waits for it."""


@dataclasses.dataclass(frozen=True)
class WaitingList:
    """A class that pupils wait for, and they in the order in which their waiting was approved."""

    section: Section
    enrolled: int
    waiting: Sequence[Enrollment]

    @property
    def free(self) -> int | None:
        """Return how many places are free; None where the capacity is not set."""
        capacity = self.section.capacity
        return None if capacity is None else max(capacity - self.enrolled, 0)

    @property
    def has_a_place(self) -> bool:
        return self.free is None or self.free > 0


def lists(sections: QuerySet[Section]) -> list[WaitingList]:
    """Return those of the classes that pupils wait for, by their codes. Two statements."""
    since = (
        Change.objects.effective()
        .filter(school_id=OuterRef("school_id"), entity_id=OuterRef("pk"), field="status")
        .order_by("-position")
        .values("position")[:1]
    )
    waiting: dict[uuid.UUID, list[Enrollment]] = defaultdict(list)
    enrolled: dict[uuid.UUID, int] = defaultdict(int)
    statuses = (Enrollment.Status.ENROLLED, Enrollment.Status.WAITLISTED)
    for each in (
        Enrollment.objects.filter(section__in=sections, status__in=statuses)
        .select_related("student")
        .annotate(since=Subquery(since))
        .order_by("since", "pk")
    ):
        if each.status == Enrollment.Status.WAITLISTED:
            waiting[each.section_id].append(each)
        else:
            enrolled[each.section_id] += 1
    found = Section.objects.select_related("course", "term").filter(pk__in=list(waiting))
    return [
        WaitingList(section, enrolled[section.pk], waiting[section.pk])
        for section in found.order_by("code", "pk")
    ]


def give_place(enrollment: Enrollment, *, by: Membership, origin: Origin) -> bool:
    """Enrol the first who waits for a class that has a free place, and tell them by mail, with a
    copy to the guardian where the school's policy says so. Holds the school's lock, so that one
    place is given once. Returns whether there is an address to tell them at.

    Raises:
        NoPlaceToGive: the class is full by now, or the pupil is not the first who waits.
        NotApproved: the office's edit could not be approved.
    """
    school = by.school
    lock(school)
    found = lists(Section.objects.filter(pk=enrollment.section_id))
    if not found or found[0].waiting[0].pk != enrollment.pk:
        raise NoPlaceToGive("This pupil is not the first who waits for this class any more.")
    (line,) = found
    if not line.has_a_place:
        raise NoPlaceToGive(f"{line.section} is full again. Nothing has changed.")
    draft = Draft(
        entity_type="enrollment",
        entity_id=enrollment.pk,
        field="status",
        typed=Enrollment.Status.ENROLLED,
        touched=True,
    )
    review.enter_directly(
        [draft], school=school, by=by, origin=origin, reason="a place became free", whole=True
    )
    section = line.section
    messages = messages_to(
        line.waiting[0].student,
        key=f"place {draft.change_id}",
        subject=f"{section} ({section.course.title}): you have a place",
        body=f"A place in your section {section} ({section.course.title}, {section.term}) "
        "has become free, and it is yours: you are on the waiting list no more.",
        school=school,
    )
    post(messages, school=school, at=origin.at)
    return bool(messages)


def messages_to(
    student: Student, *, key: str, subject: str, body: str, school: School
) -> list[Message]:
    """Return a message to a pupil, with a copy to the guardian where the school's policy says so;
    none where no address is known."""
    both = [student.email, student.guardian_email if school.guardians_copied else ""]
    addresses = [address for address in dict.fromkeys(both) if address]
    return [
        Message(
            key=f"{key} {address}"[:200], to=address, subject=subject, body=f"{body}\n\n{school}\n"
        )
        for address in addresses
    ]

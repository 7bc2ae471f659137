"""What a pupil's earlier terms say. Only what stands is read here. Call inside a school."""

import uuid

from django.db.models import Q, QuerySet

from accounts.models import Membership

from .access import is_restricted
from .models import Enrollment, Section


def earlier_terms(
    student_id: uuid.UUID, section: Section, *, by: Membership
) -> QuerySet[Enrollment]:
    """Return a pupil's places in classes of the terms before a class's own, the latest first.

    A term without a first day may lie anywhere, so it counts as an earlier one. Who may open
    their own classes only sees those of them.
    """
    found = Enrollment.objects.filter(
        school_id=by.school_id, student_id=student_id, status=Enrollment.Status.ENROLLED
    ).exclude(section__term_id=section.term_id)
    if section.term.starts_on:
        found = found.filter(
            Q(section__term__starts_on=None)
            | Q(section__term__starts_on__lt=section.term.starts_on)
        )
    if is_restricted(by):
        found = found.filter(section__instructor_id=by.user_id)
    return found.select_related("section__term", "section__course").order_by(
        "-section__term__starts_on", "section__course__title", "section__code", "id"
    )

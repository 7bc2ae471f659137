"""Entering marks: what a teacher types becomes changes; by the school's policy a first grade of
the section's own instructor stands at once, by rule."""

import contextlib
import uuid
from collections.abc import Collection, Iterable

from accounts.models import Membership, School
from accounts.origin import Origin
from changes import review
from changes.deciding import lock
from changes.models import Change
from changes.propose import Draft, Saved, propose

from .models import Enrollment

RULE = "first grade by the section's own instructor"


def enter_marks(
    drafts: Iterable[Draft],
    *,
    by: Membership,
    origin: Origin,
    idempotency_key: str | None = None,
    whole: bool = False,
) -> Saved:
    """Save cells of a mark sheet, and apply the school's policy on first grades.

    Who clears what only waits, or types what stands over it, takes it back: ``Saved.withdrawn``.
    Refused cells are in the answer, the others are saved. Call inside a school.
    """
    at_once = by.school.first_grades == School.FirstGrades.STAND
    if at_once:
        lock(by.school)  # before the author's membership: the lock order
    saved = propose(
        drafts,
        by=by,
        origin=origin,
        idempotency_key=idempotency_key,
        take_back=True,
        whole=whole,
    )
    first = _first_grades_of_own_sections(saved.changes, by) if at_once else []
    if first and not saved.repeated:
        # What cannot be approved waits for the office, like any other change.
        with contextlib.suppress(review.NotApproved):
            review.approve(
                first, school=by.school, by=None, origin=origin, rule=RULE, what_can_be=True
            )
    return saved


def in_words(saved: Saved, *, of: str = "") -> str:
    """Say what became of a save of marks and comments; ``of``: where they came from."""
    withdrawn = len(saved.withdrawn)
    count = len(saved.changes) - withdrawn
    told = []
    if count == 1:
        told.append(f"1 entry{of} was saved and awaits approval.")
    elif count:
        told.append(f"{count} entries{of} were saved and await approval.")
    if withdrawn == 1:
        told.append("1 entry that waited is withdrawn.")
    elif withdrawn:
        told.append(f"{withdrawn} entries that waited are withdrawn.")
    return " ".join(told)


def _first_grades_of_own_sections(changes: Collection[Change], by: Membership) -> list[uuid.UUID]:
    own = set(
        Enrollment.objects.filter(
            pk__in=[c.entity_id for c in changes], section__instructor_id=by.user_id
        ).values_list("pk", flat=True)
    )
    return [
        c.pk
        for c in changes
        if c.field == "grade" and c.value is not None and not c.two_people and c.entity_id in own
    ]

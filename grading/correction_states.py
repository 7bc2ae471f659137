"""What has become of a correction, which its row alone does not say while it is pending: its change
may have been retyped, withdrawn, or taken out of the queue."""

from typing import Any

from django.db.models import Case, CharField, Exists, OuterRef, QuerySet, Value, When

from accounts.models import Membership
from changes.models import Change

from .models import GradeCorrection

WAITING, HELD, APPROVED, REJECTED, LAPSED = "waiting", "held", "approved", "rejected", "lapsed"
STATES = (
    (WAITING, "awaiting approval"),
    (HELD, "held: the account is frozen"),
    (APPROVED, "approved"),
    (REJECTED, "rejected"),
    (LAPSED, "not asked for any more"),
)
"""A pending one whose change was retyped, withdrawn or is withheld by a revert is not asked for any
more. What a frozen account has asked for cannot be decided."""


def with_state(found: QuerySet[GradeCorrection]) -> QuerySet[Any]:
    """Return corrections with their ``state``."""
    still_open = Change.objects.filter(
        school_id=OuterRef("school_id"), pk=OuterRef("change_id")
    ).open()
    frozen = Membership.objects.filter(
        school_id=OuterRef("school_id"),
        user_id=OuterRef("submitted_by_id"),
        frozen_at__isnull=False,
    )
    return found.annotate(
        state=Case(
            When(status="approved", then=Value(APPROVED)),
            When(status="rejected", then=Value(REJECTED)),
            When(~Exists(still_open.order_by()), then=Value(LAPSED)),
            When(Exists(frozen), then=Value(HELD)),
            default=Value(WAITING),
            output_field=CharField(),
        )
    )


def state_of(row: GradeCorrection) -> str:
    """Return the state of a correction that was read ``with_state``."""
    state: str = row.state  # type: ignore[attr-defined]
    return state


def in_words(row: GradeCorrection) -> str:
    """Say the state of a correction that was read ``with_state``."""
    return dict(STATES)[state_of(row)]

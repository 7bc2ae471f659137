"""What a revert was, to be told and accounted for."""

from typing import Any

from django.db.models import Count, Q, QuerySet
from django.shortcuts import get_object_or_404

from .models import Decision


def past_reverts() -> QuerySet[Any]:
    """Return the reverts of the school, the newest first, with how many exclusions are in force."""
    return (
        Decision.objects.filter(kind=Decision.Kind.REVERT)
        .select_related("decided_by")
        .annotate(
            made=Count("exclusions"),
            in_force=Count("exclusions", filter=Q(exclusions__lifted_by__isnull=True)),
        )
        .order_by("-number")
    )


def revert_or_404(number: int) -> Decision:
    """Return the revert of this number.

    Raises:
        Http404: the school has no revert of this number.
    """
    decision: Decision = get_object_or_404(past_reverts(), number=number)
    return decision

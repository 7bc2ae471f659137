"""What others decided about a person's changes, and which marks, comments and details of their
classes a revert moved, since they last said that they have seen it.

Nothing is copied: it is read from the changes themselves and their decisions. Call inside a school.
"""

from typing import Any

from django.db.models import Case, F, IntegerField, Max, QuerySet, Value, When
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.models import Membership
from changes.models import Change, Decision

from . import moved_details, moved_marks, own_changes
from .models import GradeCorrection

MOST = 99
"""Up to which the unseen are counted."""


def of(member: Membership) -> QuerySet[Change]:
    """Return the changes of ``member`` that somebody else decided, the newest decision first. A new
    record is one of them, as on the page of all changes."""
    return (
        own_changes.proposed(member)
        .filter(decided_by__isnull=False)
        .exclude(decided_by_id=F("author_id"))
        .annotate(
            is_new=Case(
                When(decision__number__gt=member.decided_seen, then=Value(1)),
                default=Value(0),
                output_field=IntegerField(),
            )
        )
        .select_related("change_set", "decision", "decision__decided_by")
        .order_by("-decision__number", "-id")
    )


def count_unseen(member: Membership) -> int:
    """Return how many of all these are new; beyond ``MOST`` not exactly. Two statements, and two
    more where something has moved since: every page shows the number."""
    own = (
        own_changes.each_once(member)
        .filter(decided_by__isnull=False, decision__number__gt=member.decided_seen)
        .exclude(decided_by_id=F("author_id"))
        .values_list("pk")
    )
    count = len(own[: MOST + 1])
    if _something_moved(member):
        marks = moved_marks.of_classes_of(member)
        details = moved_details.of_classes_of(member, since=member.decided_seen).order_by()
        new = marks.filter(decision__number__gt=member.decided_seen).order_by().values_list("pk")
        count += len(new[: MOST + 1]) + len(details[: MOST + 1])
    return count


def _something_moved(member: Membership) -> bool:
    """Whether others have moved anything in any class since ``member`` looked. That is seldom, and
    cheap to ask; of whose classes it was is not."""
    since = member.decided_seen
    reverts = Decision.objects.filter(
        school=member.school_id, kind__in=moved_details.KINDS, number__gt=since
    ).exclude(decided_by=member.user_id)
    marks = GradeCorrection.objects.filter(
        school=member.school_id,
        status=GradeCorrection.Status.APPROVED,  # as all of these are, by whose index it is cheap
        kind__in=moved_marks.MOVED,
        decision__number__gt=since,
    ).exclude(approved_by=member.user_id)
    either = reverts.values_list("pk").union(marks.values_list("pk"), all=True)
    return bool(either[:1])


def unseen(request: HttpRequest) -> dict[str, Any]:
    """Add ``unseen`` to every template, for the menu. It is counted where it is shown."""
    member: Membership | None = getattr(request, "member", None)
    if member is None:
        return {}

    def counted() -> str:
        count = count_unseen(member)
        return f"{MOST}+" if count > MOST else str(count or "")

    return {"unseen": SimpleLazyObject(counted)}


def see(member: Membership, number: int) -> None:
    """Note that ``member`` has seen what was decided up to the decision of this number. It never
    goes back, nor beyond the last decision there is."""
    Membership.objects.filter(pk=member.pk, decided_seen__lt=number).update(
        decided_seen=min(number, last_number())
    )


def last_number() -> int:
    """Return the number of the last decision of the school, or 0."""
    return Decision.objects.aggregate(last=Max("number"))["last"] or 0

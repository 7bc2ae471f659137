"""The account of one revert: who, when, why, what it excluded, what became of it."""

from django.db.models import Count
from django.http import HttpResponseBase
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest

from . import criteria_words, revert
from .incident import revert_or_404
from .models import Change, Decision
from .queue import lines

LISTED = 500


@require_safe
def result(request: MemberRequest, number: int) -> HttpResponseBase:
    """One revert: who, when, why, what it excluded, what became of it."""
    decision = revert_or_404(number)
    excluded = Change.objects.filter(exclusions__decision=decision).order_by("id")
    ids = list(excluded.values_list("id", flat=True)[: LISTED + 1])
    lifts = Decision.objects.filter(undoes=decision).select_related("decided_by")
    context = {
        "decision": decision,
        "criteria": criteria_words.in_words(decision.criteria),
        "own": revert.concerns(decision, request.member),
        "lines": lines(request.member.school, ids[:LISTED]),
        "more": len(ids) > LISTED,
        "lifts": lifts.annotate(count=Count("lifted")).order_by("number"),
    }
    return TemplateResponse(request, "changes/reverted.html", context)

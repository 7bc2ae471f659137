"""The office's page of what an account declined, from which it reopens that: proposed anew as it
was, it waits in the queue once more."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest, as_uuid
from accounts.posting import posted_or_back_to

from . import criteria_words, review
from .deciding import CannotProject, MayNotDecide
from .declined import declined, to_reopen, whole
from .models import Change
from .queue import Line, lines
from .revert_pages import CriteriaForm, MayStayEmpty

CHANGES_ON_A_PAGE = 100


@require_safe
def listed(request: MemberRequest) -> HttpResponseBase:
    """What an account declined, by the same criteria as a revert of what it decided."""
    asked = request.GET.copy()
    asked["how"] = "decided"
    form = CriteriaForm(asked, school=request.member.school)
    if not form.is_valid():
        return redirect(f"{reverse('admin:revert')}?{asked.urlencode()}")
    criteria = form.criteria()
    found = declined(criteria)
    page = Paginator(found, CHANGES_ON_A_PAGE).get_page(request.GET.get("page"))
    ids = [each.pk for each in page]
    can_reopen = set(to_reopen(found).filter(pk__among=ids).values_list("pk", flat=True))
    rest = request.GET.copy()
    rest.pop("page", None)
    context = {
        "criteria": criteria_words.in_words(criteria.as_json()),
        "page": page,
        "rest_of_query": rest.urlencode(),
        "can": _lines(request, [each for each in ids if each in can_reopen]),
        "cannot": _lines(request, [each for each in ids if each not in can_reopen]),
    }
    return TemplateResponse(request, "changes/declined.html", context)


@posted_or_back_to("admin:revert")
def reopen(request: MemberRequest) -> HttpResponseBase:
    """Ask why what is ticked is reopened; with a reason, do it."""
    ids = [as_uuid(each) for value in request.POST.getlist("change") for each in value.split()]
    if not ids:
        messages.error(request, "Nothing was ticked, and nothing was done.")
        return redirect("admin:revert")
    if Change.objects.filter(pk__among=ids).count() != len(set(ids)):
        raise Http404
    ids = whole(ids)
    why = MayStayEmpty(request.POST if "reason" in request.POST else None)
    if not why.is_bound:
        return _ask(request, ids, why)
    if not why.is_valid():
        return _ask(request, ids, why, status=422)
    try:
        copies = review.reopen(
            ids,
            school=request.member.school,
            by=request.member,
            origin=request.origin,
            reason=why.cleaned_data["reason"],
        )
    except (review.NotApproved, CannotProject, MayNotDecide) as refusal:
        return _ask(request, ids, why, trouble=refusal, status=409)
    said = "1 change waits" if len(copies) == 1 else f"{len(copies)} changes wait"
    messages.success(request, f"Reopened: {said} in the queue as before it was declined.")
    return redirect("admin:review")


def _ask(
    request: MemberRequest,
    ids: list[uuid.UUID],
    why: MayStayEmpty,
    *,
    trouble: Exception | None = None,
    status: int = 200,
) -> HttpResponseBase:
    context: dict[str, Any] = {
        "lines": _lines(request, ids),
        "changes": " ".join(str(each) for each in ids),
        "reason": why["reason"],
        "trouble": trouble,
    }
    return TemplateResponse(request, "changes/reopen.html", context, status=status)


def _lines(request: MemberRequest, ids: list[uuid.UUID]) -> list[Line]:
    return lines(request.member.school, ids) if ids else []

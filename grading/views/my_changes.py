"""My changes: what one has proposed, how it stands, taking it back, and proposing it again."""

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.in_school import MemberRequest, as_uuid, in_school
from changes.models import Change
from changes.propose import NothingSaved, NotYours, dependents_of, withdraw
from grading import corrections, own_changes, propose_again
from grading.missing_pupil import key_of

PER_PAGE = 50


@require_safe
@in_school()
def my_changes(request: MemberRequest) -> HttpResponse:
    member = request.member
    sections = own_changes.sections_of(member)
    changes = own_changes.proposed(member)
    state = request.GET.get("state", "")
    if state in own_changes.STATES:
        changes = changes.filter(Q(state=state))
    section = next((s for s in sections if str(s.pk) == request.GET.get("class")), None)
    if section:
        changes = own_changes.in_section(changes, section.pk, by=member)
    page = Paginator(changes, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "lines": own_changes.lines(list(page), by=member),
        "states": own_changes.STATES,
        "state": state,
        "sections": sections,
        "section": section,
    }
    return TemplateResponse(request, "grading/my_changes.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def withdrawal(request: MemberRequest, change_id: uuid.UUID) -> HttpResponse:
    """Take back a change of one's own, after saying what goes with it."""
    member = request.member
    change = own_changes.proposed(member).filter(pk=change_id).first()
    if change is None:
        raise Http404
    if request.method == "POST":
        return _withdraw(request, change_id)
    if change.state != "waiting":  # type: ignore[attr-defined]
        messages.error(request, "This change no longer waits, so it cannot be withdrawn.")
        return redirect("my-changes")
    dependents = {each.pk for each in dependents_of([change], by=member)}
    shown = own_changes.proposed(member).filter(pk__in=dependents - {change.pk})
    (line,) = own_changes.lines([change], by=member)
    context = {
        "line": line,
        "dependents": own_changes.lines(list(shown), by=member),
        "key": uuid.uuid4().hex,
        "back": request.GET.get("class", ""),
    }
    return TemplateResponse(request, "grading/withdraw.html", context)


def _withdraw(request: MemberRequest, change_id: uuid.UUID) -> HttpResponse:
    key = key_of("withdraw", request.POST.get("key", ""), str(change_id))
    try:
        withdraw([change_id], by=request.member, origin=request.origin, idempotency_key=key)
    except NotYours as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "Withdrawn. The office no longer sees it among what waits.")
    if back := request.POST.get("back"):
        return redirect("sheet", as_uuid(back))
    return redirect("my-changes")


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def again(request: MemberRequest, change_id: uuid.UUID) -> HttpResponse:
    """Propose a declined change of one's own again, after showing what stands there now."""
    change = own_changes.proposed(request.member).filter(pk=change_id).first()
    if change is None:
        raise Http404
    if request.method != "POST":
        reason = corrections.reasons([change.pk]).get(change.pk, "")
        return _again_page(request, change, reason=reason)
    base, reason = request.POST.get("base"), request.POST.get("reason", "")[:2000].strip()
    try:
        propose_again.propose_again(
            change,
            base=as_uuid(base) if base else None,
            reason=reason,
            by=request.member,
            origin=request.origin,
            key=request.POST.get("key", ""),
        )
    except NothingSaved as refusal:
        return _again_page(request, change, reason=reason, refused=str(refusal))
    messages.success(request, "Proposed again. How it stands is said in the list.")
    return redirect("my-changes")


def _again_page(
    request: MemberRequest, change: Change, *, reason: str, refused: str = ""
) -> HttpResponse:
    member = request.member
    (line,) = own_changes.lines([change], by=member)
    cell = propose_again.cell_of(change, by=member)
    context = {
        "line": line,
        "why_not": propose_again.why_not(change, by=member),
        "cell": cell,
        "wants_reason": propose_again.wants_reason(change, cell),
        "reason": reason,
        "refused": refused,
        "key": uuid.uuid4().hex,
    }
    status = 422 if refused else 200
    return TemplateResponse(request, "grading/propose_again.html", context, status=status)

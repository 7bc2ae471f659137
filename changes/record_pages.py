"""The office's pages on which a record is edited directly, and added."""

import uuid

from django.contrib import messages
from django.db import models
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.in_school import MemberRequest

from . import naming, overlay, registry, review
from .models import Change, ChangeSet
from .propose import NothingSaved
from .record_form import Choices, NewRecordForm, RecordForm, columns_of
from .registry import EXISTS, TRUE
from .review_pages import brought_in_words, told_in_words


@require_http_methods(["GET", "HEAD", "POST"])
def edit(
    request: MemberRequest,
    model: type[models.Model],
    entity_id: uuid.UUID,
    choices: Choices,
    heading: str,
) -> HttpResponse:
    """Show the form of a record, or write what was typed into it through the ledger."""
    entity_type = model._meta.model_name or ""
    get_object_or_404(model._default_manager, school=request.member.school, pk=entity_id)
    record = overlay.see(entity_type, [entity_id], by=request.member)[entity_id]
    form = RecordForm(
        record,
        choices=choices,
        columns=columns_of(registry.get(entity_type)),
        data=request.POST if request.method == "POST" else None,
    )
    list_page = f"admin:{model._meta.app_label}_{entity_type}"
    if _was_saved(request):
        return redirect(f"{list_page}_change", entity_id)
    if form.is_valid() and _save(request, form):
        return redirect(f"{list_page}_change", entity_id)
    context = {
        "form": form,
        "title": naming.titles([(entity_type, entity_id)])[entity_id],
        "heading": heading,
        "list_url": reverse(f"{list_page}_changelist"),
        "back_url": reverse(f"{list_page}_change", args=[entity_id]),
        "key": _key(request) or uuid.uuid4().hex,
        "asks": any(cell.newer is not None for cell in form.cells()),
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "changes/record.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def add(
    request: MemberRequest, model: type[models.Model], choices: Choices, heading: str
) -> HttpResponse:
    """Show the form of a new record, or create it through the ledger."""
    tracked = registry.get(model._meta.model_name or "")
    form = NewRecordForm(
        tracked,
        choices=choices,
        columns=columns_of(tracked),
        data=request.POST if request.method == "POST" else None,
    )
    list_page = f"admin:{model._meta.app_label}_{tracked.entity_type}"
    if created := _created_before(request):
        return redirect(f"{list_page}_change", created)
    alike: list[tuple[uuid.UUID, str]] = []
    seen = set(request.POST.get("sure", "").split())
    if form.is_valid():
        alike = list(tracked.rules.alike(form.details()))
        if {str(pk) for pk, _ in alike} <= seen:
            alike = []
        if not alike and _save(request, form):
            return redirect(f"{list_page}_change", form.record.id)
    list_url = reverse(f"{list_page}_changelist")
    context = {
        "form": form,
        "adds": tracked.label,
        "alike": alike,
        "sure": " ".join(sorted(seen.union(str(pk) for pk, _ in alike))),
        "entity_type": tracked.entity_type,
        "heading": heading,
        "list_url": list_url,
        "back_url": list_url,
        "key": _key(request) or uuid.uuid4().hex,
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "changes/record.html", context, status=status)


def _created_before(request: MemberRequest) -> uuid.UUID | None:
    """Return the record that this very form has created: it was sent twice."""
    if not _was_saved(request):
        return None
    created = Change.objects.proposed_by(request.member.user_id).filter(
        change_set__idempotency_key=_key(request), field=EXISTS, value=TRUE
    )
    return created.values_list("entity_id", flat=True).first()


def _key(request: MemberRequest) -> str:
    return request.POST.get("key", "").replace("\x00", "")[:100]


def _was_saved(request: MemberRequest) -> bool:
    """Whether this form was sent and saved before: by then its own values stand, and no choice is
    to be asked for."""
    key = _key(request)
    return (
        bool(key)
        and ChangeSet.objects.filter(
            school=request.member.school, initiator=request.member.user, idempotency_key=key
        ).exists()
    )


def _save(request: MemberRequest, form: RecordForm) -> bool:
    """Write what was changed; put beside the fields why not, and return False, where it cannot."""
    member = request.member
    reason = form.cleaned_data["reason"].strip()
    try:
        entered = review.enter_directly(
            form.drafts(),
            school=member.school,
            by=member,
            origin=request.origin,
            reason=reason,
            idempotency_key=_key(request) or None,
            whole=True,
        )
    except NothingSaved as refusal:
        form.add_refusals(refusal.drafts)
        return False
    except review.NotApproved as refusal:
        form.add_verdicts(refusal.refused)
        return False
    waiting = len(entered.waiting)
    done = len(entered.saved.changes) - waiting
    if not entered.saved.changes:
        messages.info(request, "Nothing was changed, so nothing was saved.")
    if done:
        told = told_in_words(entered.outcome) if entered.outcome else ""
        messages.success(request, f"Saved: {done} change{'' if done == 1 else 's'}. {told}".strip())
    for brought in brought_in_words(entered.outcome) if entered.outcome else ():
        messages.warning(request, f"{brought}.")
    if waiting:
        messages.info(
            request,
            "A mark that stands changes only when a second person approves it: "
            "what you typed waits for somebody else of the office.",
        )
    return True

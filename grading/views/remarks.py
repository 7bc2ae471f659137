"""Remarks on a home group's term, for the report cards."""

import uuid
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts import audit
from accounts.in_school import MemberRequest, in_school
from accounts.models import AuditLog, School
from grading import class_list, remarks
from grading.mark_rules import closed_because


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def of_group(request: MemberRequest) -> HttpResponse:
    """Choose a term and a home group, and write a remark on each pupil."""
    member, at = request.member, request.origin.at
    asked = request.POST if request.method == "POST" else request.GET
    terms = class_list.terms(member)
    by_id = {str(term.pk): term for term in terms}
    term = by_id.get(asked.get("term", "")) or class_list.current_term(
        terms, timezone.localdate(at)
    )
    groups = remarks.groups(member)
    group = asked.get("group", "")
    if group and group not in groups:
        raise Http404
    lines = remarks.of_group(group, term, by=member) if group and term else []
    closed = closed_because(term, member.school, at)
    status = 200
    if request.method == "POST" and term and group:
        key = request.POST.get("key", "")
        saved = remarks.save(lines, term, request.POST, by=member, origin=request.origin, key=key)
        if not saved.refused:
            _tell(request, len({each.entity_id for each in saved.changes}))
            where = urlencode({"term": term.pk, "group": group})
            return redirect(f"{reverse('remarks')}?{where}")
        status = 422
    elif group:
        audit.record(
            AuditLog.Event.VIEW,
            origin=request.origin,
            school=member.school,
            user=member.user,
            detail=f"remarks on home group {group}, {term}",
        )
    context = {
        "terms": terms,
        "term": term,
        "groups": groups,
        "group": group,
        "lines": lines,
        "not_saved": sum(bool(line.refused) for line in lines),
        "closed": closed,
        "is_locked": bool(closed) and not member.is_office,
        "are_printed": member.school.cards_remarks != School.Remarks.NONE,
        "longest": member.school.comment_length,
        "key": uuid.uuid4().hex,
    }
    return TemplateResponse(request, "grading/remarks.html", context, status=status)


def _tell(request: MemberRequest, count: int) -> None:
    if count:
        verb = "s were saved and await" if count > 1 else " was saved and awaits"
        messages.success(request, f"{count} remark{verb} approval.")
    else:
        messages.info(request, "Nothing was changed, so nothing was saved.")

"""Hand a class in, after confirming who stays without a mark."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.in_school import MemberRequest, as_uuid, in_school
from grading import hand_in
from grading.access import access_section, note_visit
from grading.models import Section
from grading.sheet import load


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def hand_in_page(request: MemberRequest, section_id: uuid.UUID) -> HttpResponse:
    section = access_section(request.member, section_id)
    if request.method != "POST":
        note_visit(request, section)
        return _page(request, section)
    listed = [as_uuid(each) for each in request.POST.getlist("blank")]
    try:
        hand_in.hand_in(
            section,
            confirmed=listed if "confirmed" in request.POST else [],
            by=request.member,
            origin=request.origin,
            key=request.POST.get("key", ""),
        )
    except hand_in.NotConfirmed:
        return _page(request, section, refused=True)
    messages.success(request, f"{section} is handed in. The office sees it.")
    return redirect("sheet", section.pk)


def _page(request: MemberRequest, section: Section, *, refused: bool = False) -> HttpResponse:
    member = request.member
    sheet = load(section, by=member, at=timezone.now())
    context = {
        "section": section,
        "sheet": sheet,
        "blanks": hand_in.blanks(sheet),
        "without_comment": hand_in.without_comment(sheet),
        "handed_in": hand_in.latest([section.pk], by=member).get(section.pk),
        "why_not": hand_in.why_not(section, by=member),
        "refused": refused,
        "key": uuid.uuid4().hex,
    }
    return TemplateResponse(
        request, "grading/hand_in.html", context, status=422 if refused else 200
    )

"""Beside a pupil of the sheet: comments to insert, and the pupil's earlier terms."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_POST, require_safe

from accounts.in_school import MemberRequest, in_school
from changes.registry import Invalid
from grading import comment_bank
from grading.access import access_section, note_visit
from grading.earlier import earlier_terms
from grading.names import last_known
from grading.sheet import Row

from .pupil import access_row


@require_safe
@in_school()
def beside(request: MemberRequest, section_id: uuid.UUID, enrollment_id: uuid.UUID) -> HttpResponse:
    member = request.member
    section = access_section(member, section_id)
    row = access_row(request, section, enrollment_id)
    note_visit(request, section)
    name, student = _first_name(row), row.student
    pronouns = (student and student.value("pronouns")) or ""
    offered = comment_bank.offered(section, row.grade.cell.value, by=member)
    context = {
        "section": section,
        "row": row,
        "name": name,
        "pronouns": pronouns,
        "offered": [
            (each, comment_bank.fill(each.text, name=name or "the pupil", pronouns=pronouns))
            for each in offered
        ],
        "earlier": list(earlier_terms(student.id, section, by=member)) if student else [],
    }
    is_fragment = request.headers.get("HX-Request")
    template = "grading/beside_panel.html" if is_fragment else "grading/beside.html"
    return TemplateResponse(request, template, context)


@require_POST
@in_school()
def keep(request: MemberRequest, section_id: uuid.UUID, enrollment_id: uuid.UUID) -> HttpResponse:
    """Add the comment on a pupil to one's own bank, with {name} for the pupil's name."""
    section = access_section(request.member, section_id)
    row = access_row(request, section, enrollment_id)
    text = comment_bank.with_placeholder(request.POST.get("comment", ""), _first_name(row))
    context: dict[str, object] = {}
    try:
        context["kept"] = comment_bank.keep(text, by=request.member)
    except Invalid as refusal:
        context["refused"] = str(refusal)
    if request.headers.get("HX-Request"):
        status = 422 if "refused" in context else 200
        return TemplateResponse(request, "grading/kept.html", context, status=status)
    if "refused" in context:
        messages.error(request, f"The comment was not kept. {context['refused']}")
    else:
        messages.success(request, f"Kept among your comments: “{context['kept']}”")
    return redirect("beside", section.pk, row.id)


def _first_name(row: Row) -> str:
    if row.student is None:
        return ""
    given, family = (last_known(row.student, f) or "" for f in ("given_names", "family_name"))
    return comment_bank.first_name(given, family)

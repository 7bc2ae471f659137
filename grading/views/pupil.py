"""One pupil of a class: who they are, their earlier terms, and that they belong elsewhere."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.in_school import MemberRequest, as_uuid, in_school
from changes.propose import NothingSaved
from grading import leaving
from grading.access import access_section, is_own, is_restricted, note_visit
from grading.details import OF_PUPIL, details_of
from grading.earlier import earlier_terms
from grading.models import Section
from grading.sheet import Row, load_row


@require_safe
@in_school()
def pupil(request: MemberRequest, section_id: uuid.UUID, enrollment_id: uuid.UUID) -> HttpResponse:
    member = request.member
    section = access_section(member, section_id)
    row = access_row(request, section, enrollment_id)
    note_visit(request, section)
    student = row.student
    context = {
        "section": section,
        "row": row,
        "is_own": is_own(member, section),
        "is_withdrawn": row.enrollment.value("status") == "withdrawn" or not row.enrollment.exists,
        "leaving": _own_open(row, "status"),
        "moving": _own_open(row, "section"),
        "details": details_of(student, OF_PUPIL, {}) if student else [],
        "can_change": student is not None and student.exists,
        "transcript_of": student.id
        if student and student.stands and not is_restricted(member)
        else None,
        "earlier": list(earlier_terms(student.id, section, by=member)) if student else [],
        "classes": leaving.other_classes(row, section, by=member),
    }
    return TemplateResponse(request, "grading/pupil.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def leave(request: MemberRequest, section_id: uuid.UUID, enrollment_id: uuid.UUID) -> HttpResponse:
    """Propose that a pupil is withdrawn, or with ``to`` that they are in that class instead, after
    saying what happens."""
    member = request.member
    section = access_section(member, section_id)
    chosen = request.POST.get("to") or request.GET.get("to")
    to = access_section(member, as_uuid(chosen)) if chosen else None
    if request.method == "POST" and to and load_row(enrollment_id, to, 1, by=member):
        return redirect("sheet", section.pk)  # sent twice
    row = access_row(request, section, enrollment_id)
    if to is not None and to not in leaving.other_classes(row, section, by=member):
        messages.error(request, f"{row.name} cannot be moved to {to}.")
        return redirect("pupil-in-class", section.pk, row.id)
    if request.method == "POST":
        return _propose(request, section, row, to)
    if to is None and row.is_new:
        return _to_withdrawal(section, row)
    context = {"section": section, "row": row, "to": to, "key": uuid.uuid4().hex}
    context["base"] = row.enrollment.cell("section" if to else "status").head
    return TemplateResponse(request, "grading/move.html", context)


def _propose(
    request: MemberRequest, section: Section, row: Row, to: Section | None
) -> HttpResponse:
    by, origin = request.member, request.origin
    shown, key = request.POST.get("base"), request.POST.get("key", "")
    base = as_uuid(shown) if shown else None
    try:
        if to:
            leaving.move(row, to, base=base, by=by, origin=origin, key=key)
        else:
            leaving.take_out(row, base=base, by=by, origin=origin, key=key)
    except NothingSaved as refusal:
        messages.error(request, f"Nothing was changed. {refusal}")
        return redirect("pupil-in-class", section.pk, row.id)
    if to:
        told = f"{row.name} is on your list of {to} now, and no longer on this one."
        where = "in My changes"
    else:
        told, where = f"{row.name} is withdrawn on your list now.", "below, under Withdrawn"
    messages.success(
        request, f"{told} The office is asked to approve; until then you can take it back {where}."
    )
    return redirect("sheet", section.pk)


def access_row(request: MemberRequest, section: Section, enrollment_id: uuid.UUID) -> Row:
    """Return a pupil of a class. Raises Http404, also for who is another author's proposal."""
    row = load_row(enrollment_id, section, 1, by=request.member)
    if row is None:
        raise Http404
    return row


def _own_open(row: Row, field: str) -> uuid.UUID | None:
    """Return the reader's own waiting change of a place that stands, for taking it back."""
    mine = row.enrollment.cell(field).mine
    return mine.id if row.enrollment.stands and mine and mine.is_open else None


def _to_withdrawal(section: Section, row: Row) -> HttpResponse:
    """A place that its author has only proposed is taken back, not withdrawn from."""
    if row.creation is None:
        raise Http404
    return redirect(f"{reverse('withdraw', args=[row.creation])}?class={section.pk}")

"""Add a missing pupil: search first, then create; and another pupil in place of a declined one."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.in_school import MemberRequest, as_uuid, in_school
from accounts.posting import posted_or_back_to
from changes.propose import NothingSaved
from grading import missing_pupil, search
from grading.access import access_section, note_visit
from grading.forms import NewPupilForm, names_in
from grading.models import Section
from grading.sheet import Row, load, load_row


@require_safe
@in_school()
def look_for(request: MemberRequest, section_id: uuid.UUID) -> HttpResponse:
    """Look for the pupil among the school's; in a request of htmx, answer with what is found."""
    section = access_section(request.member, section_id)
    if not request.htmx:  # type: ignore[attr-defined]
        note_visit(request, section)
    context = {"section": section, "action": reverse("enrol-pupil", args=[section.pk])}
    context |= _looked_for(request, section, request.GET.get("q", ""))
    page = "grading/found.html" if request.htmx else "grading/missing_pupil.html"  # type: ignore[attr-defined]
    return TemplateResponse(request, page, context)


@posted_or_back_to("missing-pupil")
@in_school()
def enrol(request: MemberRequest, section_id: uuid.UUID) -> HttpResponse:
    """Put a pupil of the school into the class."""
    member = request.member
    section = access_section(member, section_id)
    here = _here(request, section)
    pupil = search.get(as_uuid(request.POST.get("pupil")), by=member, here=here)
    if pupil is None:
        raise Http404
    if pupil.is_here:
        messages.info(request, f"{pupil.name} is in this class already.")
        return redirect("sheet", section.pk)
    try:
        enrollment = missing_pupil.enrol(
            pupil.id, section, by=member, origin=request.origin, key=request.POST.get("key", "")
        )
    except NothingSaved as refusal:
        messages.error(request, str(refusal))
        return redirect("missing-pupil", section.pk)
    messages.success(request, f"{pupil.name} is on your list now. The office is asked to approve.")
    return _back_to_mark(section, enrollment)


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def create(request: MemberRequest, section_id: uuid.UUID) -> HttpResponse:
    """Create a pupil and put them into the class, after showing who is like them."""
    member = request.member
    section = access_section(member, section_id)
    if request.method != "POST":
        form = NewPupilForm(initial=names_in(request.GET.get("q", "")[: search.LONGEST]))
        return _form(request, section, form)
    form = NewPupilForm(request.POST)
    if not form.is_valid():
        return _form(request, section, form)
    values = {name: form.cleaned_data[name] for name in missing_pupil.FIELDS}
    key = request.POST.get("key", "")
    if before := missing_pupil.created_before(values, section, by=member, key=key):
        return _back_to_mark(section, before)
    if "sure" not in request.POST and (similar := _similar(request, section, values)):
        return _form(request, section, form, similar)
    try:
        enrollment = missing_pupil.create(
            values, section, by=member, origin=request.origin, key=key
        )
    except NothingSaved as refusal:
        form.add_refusals(refusal.drafts)
        return _form(request, section, form)
    messages.success(request, "The new pupil is on your list. The office is asked to approve.")
    return _back_to_mark(section, enrollment)


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def instead(
    request: MemberRequest, section_id: uuid.UUID, enrollment_id: uuid.UUID
) -> HttpResponse:
    """Move one's own waiting enrolment, with its marks, to another pupil."""
    member = request.member
    section = access_section(member, section_id)
    row = load_row(enrollment_id, section, 1, by=member)
    if row is None or row.creation is None:
        raise Http404
    if request.method == "POST":
        return _put_instead(request, section, row)
    query = request.GET.get("q", row.name)
    context = {"section": section, "row": row, "action": request.path}
    context |= _looked_for(request, section, query)
    page = "grading/found.html" if request.htmx else "grading/other_pupil.html"  # type: ignore[attr-defined]
    return TemplateResponse(request, page, context)


def _put_instead(request: MemberRequest, section: Section, row: Row) -> HttpResponse:
    member = request.member
    pupil = search.get(as_uuid(request.POST.get("pupil")), by=member, here=_here(request, section))
    if pupil is None:
        raise Http404
    if row.student and row.student.id == pupil.id:
        return _back_to_mark(section, row.id)  # sent twice
    if pupil.is_here:
        messages.error(request, f"{pupil.name} is in this class already. Nothing was moved.")
        return redirect("other-pupil", section.pk, row.id)
    try:
        missing_pupil.put_instead(
            pupil.id,
            row.id,
            by=member,
            origin=request.origin,
            key=request.POST.get("key", ""),
        )
    except NothingSaved as refusal:
        messages.error(request, str(refusal))
        return redirect("other-pupil", section.pk, row.id)
    messages.success(request, f"The mark and the comment are {pupil.name}’s now.")
    return _back_to_mark(section, row.id)


def _here(request: MemberRequest, section: Section) -> dict[uuid.UUID, uuid.UUID]:
    return load(section, by=request.member, at=timezone.now()).pupils


def _looked_for(request: MemberRequest, section: Section, query: str) -> dict[str, Any]:
    query = query[: search.LONGEST]
    found = search.find(query, by=request.member, here=_here(request, section), show_here=True)
    return {
        "query": query,
        "found": [pupil for pupil in found if not pupil.is_here],
        "here": [pupil for pupil in found if pupil.is_here],
        "more": len(found) == search.MOST,
        "key": uuid.uuid4().hex,
    }


Similar = list[tuple[search.Found, uuid.UUID | None]]


def _similar(request: MemberRequest, section: Section, values: dict[str, str]) -> Similar:
    """Return the pupils that the new one might be; who is in the class, with their row."""
    here = _here(request, section)
    found = search.find(
        f"{values['family_name']} {values['given_names']}",
        by=request.member,
        here=here,
        number=values["number"],
        show_here=True,
        most=6,
    )
    return [(pupil, here.get(pupil.id)) for pupil in found]


def _form(
    request: MemberRequest,
    section: Section,
    form: NewPupilForm,
    similar: Similar | None = None,
) -> HttpResponse:
    context = {
        "section": section,
        "form": form,
        "similar": similar,
        "key": request.POST.get("key") or uuid.uuid4().hex,
    }
    status = 422 if form.errors or similar else 200
    return TemplateResponse(request, "grading/new_pupil.html", context, status=status)


def _back_to_mark(section: Section, enrollment_id: uuid.UUID) -> HttpResponse:
    """Go to the sheet, to the pupil's mark: it is what comes next."""
    return redirect(f"{reverse('sheet', args=[section.pk])}?pupil={enrollment_id.hex}")

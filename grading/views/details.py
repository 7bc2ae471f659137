"""Changing the details of a pupil, or of a class, provisionally."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.in_school import MemberRequest, in_school
from changes import overlay
from changes.overlay import Record
from changes.propose import NothingSaved, Saved
from grading.access import access_section, is_own, note_visit
from grading.details import (
    OF_PUPIL,
    OF_SECTION,
    Names,
    change_details,
    details_of,
    drafts_of,
    names_for_section,
)
from grading.details_form import DetailsForm
from grading.models import Section
from grading.names import pupil_name

from .pupil import access_row


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def of_pupil(
    request: MemberRequest, section_id: uuid.UUID, enrollment_id: uuid.UUID
) -> HttpResponse:
    section = access_section(request.member, section_id)
    student = access_row(request, section, enrollment_id).student
    if student is None or not student.exists:
        raise Http404
    back = reverse("pupil-in-class", args=[section.pk, enrollment_id])
    return _edit(request, section, student, OF_PUPIL, {}, title=pupil_name(student), back=back)


@require_http_methods(["GET", "HEAD", "POST"])
@in_school()
def of_section(request: MemberRequest, section_id: uuid.UUID) -> HttpResponse:
    member = request.member
    section = access_section(member, section_id)
    record = overlay.see("section", [section.pk], by=member)[section.pk]
    names = names_for_section(record, by=member)
    # Where the class is seen with what was saved: its sheet shows what stands.
    back = reverse("section-details", args=[section.pk])
    return _edit(request, section, record, OF_SECTION, names, title=str(section), back=back)


def _edit(
    request: MemberRequest,
    section: Section,
    record: Record,
    fields: tuple[str, ...],
    names: Names,
    *,
    title: str,
    back: str,
) -> HttpResponse:
    """Show the form of a record's details, or propose what was typed into it."""
    sent = request.POST if request.method == "POST" else None
    details = details_of(record, fields, names, sent)
    form = DetailsForm(details, sent)
    key = request.POST.get("key") or uuid.uuid4().hex
    if sent is not None and form.is_valid():
        drafts = drafts_of(details, sent)
        try:
            saved = change_details(drafts, by=request.member, origin=request.origin, key=key)
        except NothingSaved as refusal:
            form.add_refusals(refusal.drafts)
        else:
            _tell(request, saved)
            return redirect(back)
    if sent is None:
        note_visit(request, section)
    context = {"section": section, "form": form, "title": title, "key": key, "back": back}
    context["is_own"] = is_own(request.member, section)
    status = 422 if form.errors else 200
    return TemplateResponse(request, "grading/details.html", context, status=status)


def _tell(request: MemberRequest, saved: Saved) -> None:
    withdrawn = len(saved.withdrawn)
    count = len(saved.changes) - withdrawn
    told = []
    if count == 1:
        told.append("1 detail was saved and awaits approval.")
    elif count:
        told.append(f"{count} details were saved and await approval.")
    if withdrawn == 1:
        told.append("1 detail that waited is withdrawn: what stands is as you typed it.")
    elif withdrawn:
        told.append(
            f"{withdrawn} details that waited are withdrawn: what stands is as you typed it."
        )
    if told:
        messages.success(request, " ".join(told))
    else:
        messages.info(request, "Nothing was changed, so nothing was saved.")

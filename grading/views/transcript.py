"""The transcript of a pupil: on the screen, and on paper for who asked for it."""

import uuid

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from accounts.disclosures import disclosed
from accounts.in_school import MemberRequest, in_school
from accounts.models import AuditLog
from grading import programmes
from grading.access import access_pupil, interest
from grading.transcript_paper import file_name, printed
from grading.transcript_rows import transcripts


class HandOut(forms.Form):
    """To whom a transcript is given, and why: it stands among the pupil's disclosures."""

    to = forms.CharField(label="For whom", max_length=200)
    why = forms.CharField(label="Why", max_length=200)

    def __init__(self, data: QueryDict | None = None) -> None:
        initial = {"to": "the pupil, or their guardians", "why": "asked for it"}
        super().__init__(data, initial=initial)


@require_safe
@in_school()
def transcript(request: MemberRequest, student_id: uuid.UUID) -> HttpResponse:
    """Everything that a pupil has done so far, as it stands."""
    return _page(request, student_id, HandOut())


@require_safe
@in_school()
def as_pdf(request: MemberRequest, student_id: uuid.UUID) -> HttpResponse:
    """The same as a tagged PDF, once it is said for whom it is and why."""
    form = HandOut(request.GET)
    if not form.is_valid():
        return _page(request, student_id, form)
    member, at = request.member, request.origin.at
    student, _ = access_pupil(member, student_id)
    found = transcripts([student.pk], decimals=member.school.gpa_decimals)[student.pk]
    paper = printed(found, student, member.school, at=at)
    disclosed(
        request,
        [student.pk],
        what="transcript as PDF",
        why=form.cleaned_data["why"],
        to=form.cleaned_data["to"],
    )
    if paper.unprintable:
        messages.warning(
            request,
            f"The transcript of {student}: {len(paper.unprintable)} of its characters could not be "
            "printed by any font of this installation. Each stands as \N{REPLACEMENT CHARACTER} "
            "in the PDF.",
        )
    name = content_disposition_header(True, file_name(student)) or "attachment"
    return HttpResponse(paper.pdf, "application/pdf", headers={"Content-Disposition": name})


def _page(request: MemberRequest, student_id: uuid.UUID, form: HandOut) -> HttpResponse:
    member = request.member
    student, is_taught = access_pupil(member, student_id)
    found = transcripts([student.pk], decimals=member.school.gpa_decimals)[student.pk]
    disclosed(
        request,
        [student.pk],
        what="transcript, on the screen",
        why=interest(member, is_own=is_taught),
        event=AuditLog.Event.VIEW,
    )
    context = {
        "student": student,
        "transcript": found,
        "completion": programmes.of_pupil(student, found),
        "form": form,
        "is_taught": is_taught,
        "at": request.origin.at,
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "grading/transcript.html", context, status=status)

"""The office's page of what was disclosed of a pupil (FERPA, 34 CFR 99.32)."""

import uuid

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts import disclosures
from accounts.in_school import MemberRequest
from accounts.models import AuditLog
from changes import naming
from changes.merge import absorbed
from changes.models import Change

from .models import Student

ON_A_PAGE = 50


@require_safe
def of_pupil(request: MemberRequest, student_id: uuid.UUID) -> HttpResponse:
    """What was disclosed of one pupil, also of one who has vanished since, and
    with it what was disclosed of those who were merged into them; with ``left`` without
    what was looked at on the screen alone."""
    school = request.member.school
    known = Change.objects.filter(school=school, entity_type="student", entity_id=student_id)
    if not known.exists():
        raise Http404
    same = absorbed(school, "student", student_id)
    found = disclosures.of_pupil(school, {student_id, *same})
    left_only = "left" in request.GET
    if left_only:
        found = found.exclude(event=AuditLog.Event.VIEW)
    stands = Student.objects.filter(school=school, pk=student_id).exists()
    record = reverse("admin:students_student_change", args=[student_id])
    context = {
        "title": naming.titles([("student", student_id)])[student_id],
        "record_url": record if stands else "",
        "left_only": left_only,
        "same": len(same),
        "rest_of_query": "left" if left_only else "",
        "page": Paginator(found, ON_A_PAGE).get_page(request.GET.get("page")),
    }
    return TemplateResponse(request, "students/disclosed.html", context)

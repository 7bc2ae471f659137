"""The office's pages of how sections have changed: one section, and a report to download."""

import uuid

from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from accounts import audit
from accounts.in_school import MemberRequest
from accounts.models import AuditLog

from . import section_report
from .access import access_section
from .models import CourseChangeHistory, Term

PER_PAGE = 100
MOST_ROWS = 100_000
"""Of one file; a school changes some hundred sections a term."""


@require_safe
def of_section(request: MemberRequest, section_id: uuid.UUID) -> HttpResponse:
    """The history of one section; as CSV with ``as=csv``."""
    section = access_section(request.member, section_id)
    found = section_report.of_section(section.pk)
    if request.GET.get("as") == "csv":
        return _as_file(
            request, found, detail=f"history of section {section}", section=str(section.pk)
        )
    return _page(
        request,
        found,
        title=f"How {section} has changed",
        lead=f"{section.course.title}, {section.term}: each field that changed, the newest first.",
        back=("Sections", "admin:grading_section_changelist"),
        via=(str(section), reverse("admin:grading_section_change", args=[section.pk])),
    )


@require_safe
def report(request: MemberRequest) -> HttpResponse:
    """The history of all sections, by what is asked for; as CSV with ``as=csv``."""
    form, found = _asked(request)
    if request.GET.get("as") == "csv" and form.is_valid():
        asked = {name: request.GET[name] for name in form.fields if request.GET.get(name)}
        return _as_file(request, found, detail="history of sections", asked=asked)
    return _page(
        request,
        found,
        title="How sections have changed",
        lead="Each field of a section that changed, the newest first.",
        back=("History of sections", "admin:grading_coursechangehistory_changelist"),
        form=form,
    )


def _asked(
    request: MemberRequest,
) -> tuple[section_report.ReportForm, QuerySet[CourseChangeHistory]]:
    """Return the form, and the rows that it asks for: none where it is not understood."""
    terms = Term.objects.filter(school=request.member.school)
    terms = terms.order_by(F("starts_on").desc(nulls_last=True), "name", "id")
    form = section_report.ReportForm(request.GET, terms=terms)
    if not form.is_valid():
        return form, CourseChangeHistory.objects.none()
    return form, section_report.rows(**form.cleaned_data)


def _as_file(
    request: MemberRequest, found: QuerySet[CourseChangeHistory], *, detail: str, **of_what: object
) -> HttpResponse:
    lines = section_report.lines(list(found[:MOST_ROWS]))
    audit.record(
        AuditLog.Event.EXPORT,
        origin=request.origin,
        school=request.member.school,
        user=request.member.user,
        detail=f"{detail} as CSV",
        metadata={**of_what, "rows": len(lines)},
    )
    name = content_disposition_header(True, "sections-changed.csv") or "attachment"
    return HttpResponse(
        section_report.as_csv(lines),
        "text/csv; charset=utf-8",
        headers={"Content-Disposition": name},
    )


def _page(
    request: MemberRequest, found: QuerySet[CourseChangeHistory], **context: object
) -> HttpResponse:
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    rest = request.GET.copy()
    rest.pop("page", None)
    context |= {
        "page": page,
        "lines": section_report.lines(list(page)),
        "rest_of_query": rest.urlencode(),
    }
    return TemplateResponse(request, "grading/section_report.html", context)

"""The office's pages of who is in a programme, and of who would not finish theirs."""

import uuid

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe

from accounts.disclosures import disclosed
from accounts.in_school import MemberRequest
from accounts.models import School
from accounts.plain import Plain, counted
from changes.review import NotApproved
from students.models import Programme, Student

from . import programmes
from .access import interest

ON_A_PAGE = 100


class Filters(forms.Form):
    """Whom the list is of."""

    programme = forms.ModelChoiceField(
        Programme.objects.none(), label="Programme", required=False, empty_label="every programme"
    )
    year = forms.ChoiceField(label="Year level", required=False)
    under_way = forms.BooleanField(
        label="Also who needs what is under way",
        required=False,
        help_text="They finish if they pass every course that has no mark yet.",
    )

    def __init__(self, data: QueryDict, *, school: School) -> None:
        super().__init__(data)
        of_school: forms.ModelChoiceField = self.fields["programme"]  # type: ignore[assignment]
        of_school.queryset = Programme.objects.filter(school=school).order_by(Plain("name"))
        years = Student.objects.filter(school=school, programme__isnull=False)
        found = set(years.values_list("year_level", flat=True)) - {""}
        levels = sorted(found, key=counted)
        self.fields["year"].choices = [("", "all"), *((each, each) for each in levels)]  # type: ignore[attr-defined]


@require_safe
def unfinished(request: MemberRequest) -> HttpResponse:
    """Everybody who would not finish; as CSV with ``as=csv``."""
    school = request.member.school
    filters = Filters(request.GET, school=school)
    found, among = _asked(filters, school)
    if request.GET.get("as") == "csv" and filters.is_valid():
        return _as_file(request, found)
    rest = request.GET.copy()
    rest.pop("page", None)
    context = {
        "form": filters,
        "page": Paginator(found, ON_A_PAGE).get_page(request.GET.get("page")),
        "among": among,
        "without": Student.objects.filter(school=school, programme=None).count(),
        "rest_of_query": rest.urlencode(),
    }
    return TemplateResponse(request, "grading/unfinished.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def pupils(request: MemberRequest, programme_id: uuid.UUID) -> HttpResponse:
    """Where the pupils of each year level are; and put those who are in no programme into one."""
    programme = get_object_or_404(Programme, school=request.member.school, pk=programme_id)
    if request.method == "POST" and "year" in request.POST and not programme.retired_at:
        level = request.POST["year"].replace("\x00", "")
        try:
            count = programmes.put_in(programme, level, by=request.member, origin=request.origin)
        except NotApproved as refusal:
            messages.error(request, f"Nobody was put into it. {refusal}")
        else:
            many = "1 pupil is" if count == 1 else f"{count} pupils are"
            messages.success(request, f"{many} in {programme} now, who were in no programme.")
        return redirect("admin:programme_pupils", programme.pk)
    context = {"programme": programme, "years": programmes.years(programme)}
    return TemplateResponse(request, "grading/programme_pupils.html", context)


def _asked(filters: Filters, school: School) -> tuple[list[programmes.Progress], int]:
    """Return who is asked for, and among how many: nobody where it is not understood."""
    if not filters.is_valid():
        return [], 0
    wanted = filters.cleaned_data
    progress = [
        each
        for each in programmes.of_pupils(school, programme=wanted["programme"])
        if wanted["year"] in {"", each.student.year_level}
    ]
    found = programmes.would_not_finish(progress, with_under_way=wanted["under_way"])
    return found, len(progress)


def _as_file(request: MemberRequest, found: list[programmes.Progress]) -> HttpResponse:
    ids: list[uuid.UUID] = [each.student.pk for each in found]
    disclosed(
        request,
        ids,
        what="who would not finish, as CSV",
        why=interest(request.member, is_own=False),
    )
    name = content_disposition_header(True, "would-not-finish.csv") or "attachment"
    return HttpResponse(
        programmes.as_csv(found),
        "text/csv; charset=utf-8",
        headers={"Content-Disposition": name},
    )

"""The office's list of grade corrections, from which it decides on those that wait.

Deciding goes through the confirmation of the review, which asks the reason of who declines. The
substitute whom an office of one person has named opens it too.
"""

import uuid

from django import forms
from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpResponseBase, QueryDict
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from accounts import substitute
from accounts.in_school import MemberRequest
from accounts.plain import plain

from . import correction_list, correction_states
from .models import Enrollment, GradeCorrection, Section, Term

ON_A_PAGE = 50


class Filters(forms.Form):
    """Which corrections are looked at. The choices are those of the corrections there are."""

    sought = forms.CharField(label="Pupil, number, class or reason", required=False, max_length=100)
    state = forms.ChoiceField(
        label="State", required=False, choices=[("", "all"), *correction_states.STATES]
    )
    term = forms.ChoiceField(label="Term", required=False)
    section = forms.ChoiceField(label="Class", required=False)
    teacher = forms.ChoiceField(label="Asked by", required=False)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        corrected = GradeCorrection.objects.order_by().values("enrollment_id")
        sections = Section.objects.filter(
            pk__in=Enrollment.objects.filter(pk__in=corrected).values("section_id")
        ).order_by("code", "id")
        terms = Term.objects.filter(pk__in=sections.order_by().values("term_id"))
        people = sorted(correction_list.people().items(), key=lambda each: plain(each[1]))
        for name, choices in (
            ("term", [(t.pk, t) for t in terms.order_by(F("starts_on").desc(nulls_last=True))]),
            ("section", [(s.pk, f"{s}, {s.term}") for s in sections.select_related("term")]),
            ("teacher", people),
        ):
            field = self.fields[name]
            field.choices = [("", "all"), *((str(k), str(v)) for k, v in choices)]  # type: ignore[attr-defined]
            field.error_messages["invalid_choice"] = "There is no correction of this."

    @property
    def are_set(self) -> bool:
        return any(self.data.get(name) for name in self.fields)


@require_safe
def listed(request: MemberRequest) -> HttpResponseBase:
    """The corrections: what waits first."""
    filters = Filters(request.GET)
    found = GradeCorrection.objects.none()
    if filters.is_valid():
        wanted = filters.cleaned_data
        found = correction_list.corrections(wanted["state"])
        if wanted["teacher"]:
            found = found.filter(submitted_by_id=uuid.UUID(wanted["teacher"]))
        on = Enrollment.objects.all()
        if wanted["term"]:
            on = on.filter(section__term_id=wanted["term"])
        if wanted["section"]:
            on = on.filter(section_id=wanted["section"])
        if wanted["term"] or wanted["section"]:
            found = found.filter(enrollment_id__in=on.values("pk"))
        found = correction_list.about(found, wanted["sought"])
    page = Paginator(found, ON_A_PAGE).get_page(request.GET.get("page"))
    asked = request.GET.copy()
    asked.pop("page", None)
    rows = correction_list.rows(list(page), by=request.member)
    others = correction_list.others(request.member.school)
    context = {
        "filters": filters,
        "page": page,
        "rows": rows,
        "rest_of_query": asked.urlencode(),
        "others": others,
        "may_decide_others": any(line.first.author_id != request.member.user_id for line in others),
        "count": sum(row.may_decide for row in rows),
        "waiting": correction_list.corrections(correction_states.WAITING).count(),
        "substitute": substitute.in_force(request.member.school),
        "may_name": substitute.is_alone(request.member),
    }
    return TemplateResponse(request, "grading/corrections.html", context)

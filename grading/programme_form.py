"""The form of a programme: what it takes to finish."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone

from accounts.models import School
from accounts.plain import Plain
from changes.visible import shows
from students.models import Programme

from .completion import area_key
from .models import Course
from .scales import plain

_LINE = re.compile(r"(?P<area>.+):\s*(?P<credits>\d{1,4}([.,]\d{1,2})?)\s*")


class ProgrammeForm(forms.Form):
    """A programme of a school. Whatever is left empty is not asked for."""

    name = forms.CharField(label="Name", max_length=80)
    credits = forms.DecimalField(
        label="Credits in all", required=False, min_value=0, max_digits=6, decimal_places=2
    )
    areas = forms.CharField(
        label="Credits in a subject area",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="A line for each, such as “Languages: 12”. The subject area of a course stands "
        "in its record.",
    )
    courses = forms.ModelMultipleChoiceField(
        Course.objects.none(),
        label="Courses that have to be finished",
        required=False,
        widget=forms.SelectMultiple(attrs={"size": 8}),
        help_text="Several with Ctrl, or Cmd on a Mac.",
    )
    least_gpa = forms.DecimalField(
        label="Lowest grade point average",
        required=False,
        min_value=0,
        max_digits=7,
        decimal_places=4,
    )
    retired = forms.BooleanField(
        label="Retired",
        required=False,
        help_text="Nobody is put into it any more. Who is in it stays in it.",
    )

    def __init__(self, programme: Programme, data: Any = None, *, school: School) -> None:
        initial = {
            "name": programme.name,
            "credits": plain(programme.credits) if programme.credits else "",
            "areas": "\n".join(f"{area}: {its}" for area, its in programme.areas.items()),
            "courses": programme.courses,
            "least_gpa": "" if programme.least_gpa is None else plain(programme.least_gpa),
            "retired": programme.retired_at is not None,
        }
        super().__init__(data, initial=initial)
        self.programme, self.school = programme, school
        courses: Any = self.fields["courses"]
        courses.queryset = Course.objects.filter(school=school).order_by(
            Plain("title"), "code", "id"
        )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not shows(name):
            raise forms.ValidationError("The name holds nothing that can be seen.")
        others = Programme.objects.filter(school=self.school, name=name)
        if others.exclude(pk=self.programme.pk).exists():
            raise forms.ValidationError(f"There is a programme “{name}” already.")
        return name

    def clean_credits(self) -> Decimal:
        return self.cleaned_data["credits"] or Decimal(0)

    def clean_areas(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in filter(str.strip, self.cleaned_data["areas"].splitlines()):
            said = _LINE.fullmatch(line)
            if said is None:
                raise forms.ValidationError(
                    f"“{line[:60]}” is not understood: a subject area, a colon and its credits, "
                    "such as “Languages: 12”."
                )
            area = " ".join(said["area"].split())
            if area_key(area) in map(area_key, found):
                raise forms.ValidationError(f"“{area[:60]}” is there twice.")
            found[area] = plain(Decimal(said["credits"].replace(",", ".")))
        return found

    def values(self) -> dict[str, Any]:
        """Return the values of a valid form, as a programme has them."""
        said = self.cleaned_data
        gone = set(self.programme.courses) - set(
            Course.objects.filter(pk__in=self.programme.courses).values_list("pk", flat=True)
        )
        retired_at = self.programme.retired_at or timezone.now()
        return {
            "name": said["name"],
            "credits": said["credits"],
            "areas": said["areas"],
            # One that has vanished cannot be chosen, and may come back.
            "courses": [
                *(each.pk for each in said["courses"]),
                *(each for each in self.programme.courses if each in gone),
            ],
            "least_gpa": said["least_gpa"],
            "retired_at": retired_at if said["retired"] else None,
        }

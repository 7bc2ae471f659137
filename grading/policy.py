"""The school's policy: how first marks, comments and changed sections are dealt with."""

import zoneinfo
from typing import Any

from django import forms

from accounts import audit
from accounts.models import AuditLog, Membership, School
from accounts.origin import Origin
from changes import registry

from .telling import TOLD
from .tracked import COMMENT_LIMIT


class PolicyForm(forms.ModelForm):
    """What a school decides for itself."""

    immaterial_fields = forms.MultipleChoiceField(
        label="Changes of a section that pupils are not told",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    comment_length = forms.IntegerField(
        label="Longest comment, in characters",
        help_text="As a person counts them: an accented letter, or an emoji, is one.",
        min_value=1,
        max_value=COMMENT_LIMIT,
    )

    gpa_decimals = forms.IntegerField(
        label="Decimals of a grade point average",
        help_text="An average is calculated exactly and rounded once, half up.",
        min_value=0,
        max_value=4,
    )

    class Meta:
        model = School
        fields = (
            "name",
            "time_zone",
            "email",
            "first_grades",
            "teachers_restricted",
            "immaterial_fields",
            "guardians_copied",
            "comment_length",
            "gpa_decimals",
            "cards_need_comments",
            "cards_remarks",
            "cards_with_average",
        )
        labels = {
            "email": "The school’s own e-mail",
            "first_grades": "First marks",
            "teachers_restricted": "Teachers see their own sections only",
            "guardians_copied": "Guardians get a copy of what pupils are told",
            "cards_need_comments": "A report card is ready when every course has a comment",
            "cards_remarks": "Remarks on report cards",
            "cards_with_average": "Report cards show the grade point average of the term",
        }
        help_texts = {
            "time_zone": "Such as Europe/Dublin. All times of this school are shown in it.",
            "email": "Where seals over the history of marks are sent, to be kept. They show if "
            "anybody rewrote it.",
            "cards_remarks": "What the home-group teacher, or the head, says of a pupil’s term.",
            "first_grades": "A mark that changes one that stands always waits for a second person.",
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        section = registry.get("section")
        self.fields["immaterial_fields"].choices = [  # type: ignore[attr-defined]
            (name, section.field(name).label) for name in TOLD
        ]

    def clean_time_zone(self) -> str:
        zone: str = self.cleaned_data["time_zone"].strip()
        if zone not in zoneinfo.available_timezones():
            raise forms.ValidationError(
                f"“{zone}” is no time zone that is known here. It looks like Europe/Dublin."
            )
        return zone


def save(form: PolicyForm, *, by: Membership, origin: Origin) -> School:
    """Save a valid form, with a row in the audit log that names what changed. Call inside the
    school."""
    school: School = form.save()
    changed = {
        name: {"from": form.initial.get(name), "to": form.cleaned_data[name]}
        for name in form.changed_data
    }
    if changed:
        audit.record(
            AuditLog.Event.PEOPLE,
            origin=origin,
            school=school,
            user=by.user,
            detail=f"policy changed: {'; '.join(str(form[name].label) for name in changed)}",
            metadata={"changed": changed},
        )
    return school

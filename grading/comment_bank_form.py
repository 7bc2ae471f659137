"""The form of a comment of the bank. What it may say is the bank's business (comment_bank)."""

from typing import Any

from django import forms

from accounts.models import Membership
from changes.registry import Invalid

from . import comment_bank
from .forms import TypedField
from .models import BankComment, Course


class BankCommentForm(forms.Form):
    """A text for many pupils, and whom it is offered at."""

    text = TypedField(
        label="Comment",
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=f"Filled in for each pupil: {comment_bank.IN_WORDS}. Verbs stay as you write "
        "them: “{They} can add fractions” is right with he, she and they.",
    )
    course = forms.ModelChoiceField(
        Course.objects.none(), label="Subject", required=False, empty_label="every subject"
    )
    marks = TypedField(
        label="For marks",
        help_text="Such as A, B or 70-84. Leave it empty for every mark.",
    )

    def __init__(self, comment: BankComment, data: Any = None, *, by: Membership) -> None:
        initial = {"text": comment.text, "course": comment.course_id, "marks": comment.marks}
        super().__init__(data, initial=initial)
        self.comment, self.by = comment, by
        courses: Any = self.fields["course"]
        courses.queryset = Course.objects.filter(school_id=by.school_id).order_by("title", "id")

    def clean_text(self) -> str:
        try:
            most = self.by.school.comment_length
            return comment_bank.read_text(self.cleaned_data["text"], most=most)
        except Invalid as refusal:
            raise forms.ValidationError(str(refusal)) from None

    def clean_marks(self) -> str:
        try:
            return comment_bank.read_marks(self.cleaned_data["marks"], by=self.by)
        except Invalid as refusal:
            raise forms.ValidationError(str(refusal)) from None

    def save(self) -> BankComment:
        """Write the comment of a valid form."""
        course: Course | None = self.cleaned_data["course"]
        self.comment.text = self.cleaned_data["text"]
        self.comment.marks = self.cleaned_data["marks"]
        self.comment.course_id = course.pk if course else None
        self.comment.save()
        return self.comment

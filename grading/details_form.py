"""The form of a record's details, made from what the ledger's registry says of its fields. What a
field takes is the ledger's business, not the form's."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django import forms
from django.template.loader import render_to_string

from changes.propose import Draft

from .details import Detail
from .forms import TypedField

_LINES = "\n\r"


class DetailsForm(forms.Form):
    """One field for each detail; below it how it stands."""

    def __init__(self, details: Sequence[Detail], data: Any = None) -> None:
        super().__init__(data)
        self.details = list(details)
        for detail in self.details:
            self.fields[detail.field.name] = TypedField(
                label=detail.label,
                initial=detail.cell.value or "",
                widget=_widget(detail),
                help_text=_state(detail),
            )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for detail in self.details:
            value = values.get(detail.field.name)
            if detail.field.reference and value and value not in dict(_choices(detail)):
                self.add_error(detail.field.name, f"Choose the {detail.field.label} from the list.")
        return values

    def lines(self) -> Iterator[tuple[forms.BoundField, Detail]]:
        for detail in self.details:
            yield self[detail.field.name], detail

    def add_refusals(self, drafts: Iterable[Draft]) -> None:
        """Put each refusal of the ledger beside its field."""
        for draft in drafts:
            if draft.refused:
                self.add_error(draft.field if draft.field in self.fields else None, draft.refused)


def _widget(detail: Detail) -> forms.Widget:
    if detail.field.reference or detail.field.choices:
        return forms.Select(choices=_choices(detail))
    if detail.is_date:
        return forms.DateInput(attrs={"type": "date"})
    if detail.is_number:
        return forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"})
    if any(each in _LINES for each in detail.cell.value or ""):
        return forms.Textarea(attrs={"rows": 3})  # a field of one line would join the lines
    return forms.TextInput(attrs={"autocomplete": "off"})


def _choices(detail: Detail) -> list[tuple[str, str]]:
    named = list(detail.names.items()) or [(each, each) for each in detail.field.choices]
    current = detail.cell.value
    if current is not None and current not in dict(named):
        named.append((current, detail.value))
    return [("", "none" if detail.field.reference else "not known"), *named]


def _state(detail: Detail) -> str:
    context = {"detail": detail, "in_form": True}
    return render_to_string("grading/details_state.html", context).strip()

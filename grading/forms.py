"""What is typed about a new pupil. What a field takes is the ledger's business, not the form's."""

from collections.abc import Iterable
from typing import Any

from django import forms

from changes.propose import Draft


class TypedField(forms.CharField):
    """A text that stays as it was typed, spaces and all."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=False, required=False, **options)


class NewPupilForm(forms.Form):
    """A new pupil. Only a name is asked for: the office knows the rest."""

    family_name = TypedField(label="Family name", widget=forms.TextInput(attrs={"autofocus": True}))
    given_names = TypedField(label="Given names")
    number = TypedField(label="Number", help_text="If you know it. The office can add it later.")
    birth_date = TypedField(
        label="Date of birth",
        help_text="It tells pupils of one name apart.",
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    year_level = TypedField(label="Year level")
    home_group = TypedField(label="Home group")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        names = (values.get("family_name"), values.get("given_names"))
        if not self.errors and not any(name and name.strip() for name in names):
            self.add_error("family_name", "Type the family name, or the given names, or both.")
        return values

    def add_refusals(self, drafts: Iterable[Draft]) -> None:
        """Put each refusal of the ledger beside its field."""
        for draft in drafts:
            if draft.refused:
                field = draft.field if draft.entity_type == "student" else None
                self.add_error(field if field in self.fields else None, draft.refused)


def names_in(query: str) -> dict[str, str]:
    """Return what a search says about a new pupil: "Park, Kim", "Kim Park" or "412"."""
    text = query.strip()
    if text.isdigit():
        return {"number": text}
    if "," in text:
        family, _, given = text.partition(",")
    else:
        given, _, family = text.rpartition(" ")
    return {"family_name": family.strip(), "given_names": given.strip()}

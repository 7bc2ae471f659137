"""The form on which the office edits a record directly, or adds one, made from what the registry
says of it.

The form carries, for each field, the change that its page showed there (``<field>-head``) and the
value (``<field>-was``). A field that its reader changed and that somebody else changed meanwhile is
shown again, with the newer value and a choice; nothing is saved until it is made. What a field
takes is the ledger's business, not the form's. Call inside a school.
"""

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.db import models
from django.utils.timezone import localtime

from accounts.ids import new_id

from . import naming, registry
from .judgement import Judged, Why
from .models import Change
from .overlay import Record
from .propose import Draft, creation
from .registry import Field, Invalid, Rules, Tracked
from .visible import shows

MINE, THEIRS = "mine", "theirs"

LONG = {"comment", "text"}
"""Fields that are written in sentences."""

Choices = Mapping[str, Mapping[str, str]]
"""By field: what can be chosen there, as id and name."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A field of the form: ``head`` and ``was`` travel with it. ``newer`` is set where somebody
    changed it after its reader's page was made; ``choice`` is then whose value counts, or "".
    ``moved``: that has just come out, and ``head`` and ``was`` are of the newer value."""

    name: str
    typed: str
    head: str
    was: str
    newer: str | None = None
    choice: str = ""
    moved: bool = False

    @property
    def is_changed(self) -> bool:
        return not _same(self.typed, self.was) and self.choice != THEIRS


class RecordForm(forms.Form):
    """One field for each that can be typed or chosen, and why it changes."""

    def __init__(
        self,
        record: Record,
        *,
        choices: Choices,
        columns: Mapping[str, models.Field],
        data: Any = None,
    ) -> None:
        super().__init__(data)
        self.record, self.choices = record, choices
        self.tracked = registry.get(record.entity_type)
        self.typed_fields = list(self.tracked.fields.values())
        for field in self.typed_fields:
            self.fields[field.name] = forms.CharField(
                label=field.label[:1].upper() + field.label[1:],
                required=False,
                strip=False,
                initial=self._standing(field.name),
                widget=self._widget(field, columns[field.column]),
            )
        self.fields["reason"] = forms.CharField(
            label="Why",
            required=False,
            max_length=2000,
            help_text="Kept with the change. Where a mark stands already, it is needed."
            if self.may_wait
            else "Kept with the change. May stay empty.",
        )

    @property
    def may_wait(self) -> bool:
        """Whether some of it may need a second person."""
        return type(self.tracked.rules).need_two_people is not Rules.need_two_people

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for cell in self.cells():
            if cell.newer is not None and not cell.choice and cell.is_changed:
                self.add_error(cell.name, f"{self._who(cell.name)} while you were typing.")
        for field in self.typed_fields:
            value = values.get(field.name)
            chosen = bool(value) or field not in self.tracked.required
            if field.reference and (not chosen or (value and value not in self._options(field))):
                self.add_error(field.name, f"Choose the {field.label} from the list.")
        return values

    def drafts(self) -> list[Draft]:
        """Return what its reader changed, each on the value that they saw."""
        return [
            Draft(
                entity_type=self.record.entity_type,
                entity_id=self.record.id,
                field=cell.name,
                typed=cell.typed,
                base=_uuid(cell.head),
                touched=True,
            )
            for cell in self.cells()
            if cell.is_changed
        ]

    def cells(self) -> list[Cell]:
        """Return how each field stands, in order."""
        return [self._cell(field.name) for field in self.typed_fields]

    def lines(self) -> list[tuple[forms.BoundField, Cell]]:
        """Return each field with what travels with it."""
        return [(self[cell.name], cell) for cell in self.cells()]

    def add_refusals(self, drafts: Sequence[Draft]) -> None:
        """Put each refusal of the ledger beside its field."""
        for draft in drafts:
            if draft.refused:
                self.add_error(draft.field if draft.field in self.fields else None, draft.refused)

    def add_verdicts(self, judged: Sequence[Judged]) -> None:
        """Put beside its field why a change could not be approved. Of a new record nothing is, when
        one field cannot: that is not said again beside the others."""
        told = [each for each in judged if each.refusal and each.field in self.fields]
        causes = [j for j in told if j.refusal and j.refusal.why is not Why.PREREQUISITE]
        for each in causes or told or judged:
            if each.refusal:
                name = each.field if each.field in self.fields else None
                self.add_error(name, each.refusal.message)

    def _cell(self, name: str) -> Cell:
        head = self.record.cell(name).head
        now, standing = head.hex if head else "", self._standing(name)
        if not self.is_bound:
            return Cell(name, standing, now, standing)
        sent = self.data.get(f"{name}-head", "")
        was = self.data.get(f"{name}-was", "")
        typed = self.data.get(name, was)
        newer = self._in_words(name, standing)
        overtaken = sent != now and not _same(typed, was)
        if overtaken and not _same(self._canonical(name, typed), standing):
            return Cell(name, typed, now, standing, newer, moved=True)
        if f"{name}-asked" in self.data:
            choice = self.data.get(f"{name}-choice", "")
            known = choice if choice in (MINE, THEIRS) else ""
            return Cell(name, typed, sent, was, newer, known)
        return Cell(name, typed, sent, was)

    def _who(self, name: str) -> str:
        head = self.record.cell(name).head
        if head is None:  # what stood is excluded, and nothing came in its place
            return "This was cleared"
        change = Change.objects.select_related("author", "change_set").get(pk=head)
        at = localtime(change.change_set.received_at)
        return f"{change.author} changed this, {at:%d %B %Y %H:%M},"

    def _canonical(self, name: str, typed: str) -> str:
        try:
            return self.tracked.field(name).clean(typed) or ""
        except Invalid:
            return typed

    def _standing(self, name: str) -> str:
        return self.record.cell(name).standing or ""

    def _in_words(self, name: str, value: str) -> str:
        if not value:
            return naming.NOTHING
        key = (self.record.entity_type, name, value)
        return naming.value_texts([key])[key]

    def _options(self, field: Field) -> dict[str, str]:
        options = dict(self.choices.get(field.name) or ((each, each) for each in field.choices))
        current = self._standing(field.name)
        if current and current not in options:
            options[current] = self._in_words(field.name, current)
        return options

    def _stands(self, field: Field) -> bool:
        """Whether a reference that is never empty refers to something."""
        return field in self.tracked.required and bool(self._standing(field.name))

    def _widget(self, field: Field, column: models.Field) -> forms.Widget:
        if field.reference or field.choices:
            empty = "Choose …" if field in self.tracked.required else "none"
            nothing = [] if field.blank or self._stands(field) else [("", empty)]
            return forms.Select(choices=[*nothing, *self._options(field).items()])
        if isinstance(column, models.DateField):
            return forms.DateInput(attrs={"type": "date"})
        if isinstance(column, models.IntegerField):
            return forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"})
        if field.name in LONG or "\n" in self._standing(field.name):
            return forms.Textarea(attrs={"rows": 4})
        return forms.TextInput(attrs={"autocomplete": "off"})


class NewRecordForm(RecordForm):
    """The same fields, for a record that is not there yet."""

    def __init__(self, tracked: Tracked, **options: Any) -> None:
        nothing = Record(tracked.entity_type, new_id(), stands=False, exists=False, cells={})
        super().__init__(nothing, **options)

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        named = [field for field in self.typed_fields if f"{{{field.name}}}" in self.tracked.title]
        if not any(shows(values.get(field.name) or "") for field in named):
            labels = " or ".join(field.label for field in named)
            self.add_error(named[0].name, f"Give the {labels}: nobody could tell it from others.")
        return values

    def details(self) -> dict[str, str]:
        """Return what was typed, by field."""
        return {cell.name: cell.typed for cell in self.cells() if cell.is_changed and cell.typed}

    def drafts(self) -> list[Draft]:
        """Return what creates the record, with the fields that were filled in."""
        typed = {cell.name: cell.typed for cell in self.cells() if cell.is_changed}
        return creation(self.tracked.entity_type, dict(typed), entity_id=self.record.id)


def columns_of(tracked: Tracked) -> dict[str, models.Field]:
    """Return the model's fields, by column."""
    return {str(each.column): each for each in tracked.model._meta.concrete_fields}


def _same(typed: str, other: str) -> bool:
    return typed.replace("\r\n", "\n") == other.replace("\r\n", "\n")


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None

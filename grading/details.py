"""The details of a pupil or a class, as one person sees them. Call inside a school."""

import dataclasses
import datetime as dt
from collections.abc import Mapping

from django.db import models
from django.utils import formats

from changes import registry
from changes.overlay import Cell, Record

OF_PUPIL = (
    "family_name",
    "given_names",
    "number",
    "birth_date",
    "year_level",
    "home_group",
    "email",
    "guardian_email",
)


@dataclasses.dataclass(frozen=True)
class Detail:
    """One field of a record, with what stands there and what its reader has proposed.

    ``names``: what the records are called that it can refer to, by id. ``may_withdraw``: the
    reader's own value can be taken back by itself, not only with the record that it created.
    """

    field: registry.Field
    column: "models.Field"
    cell: Cell
    names: Mapping[str, str]
    may_withdraw: bool = False

    @property
    def label(self) -> str:
        return self.field.label[:1].upper() + self.field.label[1:]

    @property
    def state(self) -> str:
        return self.cell.state.value

    @property
    def value(self) -> str:
        """What its reader sees, in words; the other two likewise."""
        return self._in_words(self.cell.value)

    @property
    def standing(self) -> str:
        return self._in_words(self.cell.standing)

    @property
    def mine(self) -> str:
        return self._in_words(self.cell.mine.value if self.cell.mine else None)

    @property
    def is_date(self) -> bool:
        return isinstance(self.column, models.DateField)

    @property
    def is_number(self) -> bool:
        return isinstance(self.column, models.IntegerField)

    def _in_words(self, value: str | None) -> str:
        if value is None:
            return ""
        if self.field.reference:
            return self.names.get(value, "(gone)")
        if self.is_date:
            return formats.date_format(dt.date.fromisoformat(value), "j F Y")
        return value


def details_of(
    record: Record, fields: tuple[str, ...], names: Mapping[str, Mapping[str, str]] | None = None
) -> list[Detail]:
    """Return these fields of a record. ``names``: for each reference, what its targets are
    called."""
    tracked = registry.get(record.entity_type)
    columns = {each.column: each for each in tracked.model._meta.concrete_fields}
    return [
        Detail(
            field=(field := tracked.field(name)),
            column=columns[field.column],
            cell=record.cell(name),
            names=(names or {}).get(name, {}),
            may_withdraw=record.stands,
        )
        for name in fields
    ]

"""Reading a mark by its section's grading scale."""

import dataclasses
import decimal
import re
import uuid
from collections.abc import Iterable

from django.db import connection

from changes import lookups
from changes.registry import Invalid

_NUMBER = re.compile(r"[+-]?\d{1,6}([.,]\d{0,6})?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Scale:
    """A scale with its letters and codes, by which text becomes a mark."""

    id: uuid.UUID
    name: str
    minimum: decimal.Decimal | None
    maximum: decimal.Decimal | None
    decimals: int
    labels: dict[str, str]
    _has: dict[str, bool] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @property
    def is_numeric(self) -> bool:
        return self.minimum is not None

    def describe(self) -> str:
        """Say in a few words what this scale takes: "0 to 100, or AB, EX"."""
        labels = ", ".join(self.labels.values())
        if not self.is_numeric:
            return labels
        numbers = f"{plain(self.minimum)} to {plain(self.maximum)}"
        return f"{numbers}, or {labels}" if labels else numbers

    def read(self, typed: str) -> str | None:
        """Return the canonical mark: 80, "80 " and 80.0 are one; None for an empty text.

        Raises:
            Invalid: the scale has no such mark.
        """
        text = typed.strip()
        if not text:
            return None
        label = self.labels.get(text.casefold())
        if label is not None:
            return label
        if not self.is_numeric or not _NUMBER.fullmatch(text):
            raise Invalid(f"“{text[:20]}” is no mark here. This class takes {self.describe()}.")
        value = decimal.Decimal(text.replace(",", "."))
        if value != round(value, self.decimals):
            places = f"{self.decimals} decimals" if self.decimals else "whole numbers only"
            raise Invalid(f"{text} has too many decimals: this class takes {places}.")
        assert self.minimum is not None  # noqa: S101 - is_numeric
        assert self.maximum is not None  # noqa: S101 - is_numeric
        if not self.minimum <= value <= self.maximum:
            raise Invalid(f"{text} is out of bounds: this class takes {self.describe()}.")
        return plain(value)

    def has(self, mark: str) -> bool:
        """Return whether this is a mark of the scale, as it writes it. (Each is read once: of
        thousands that are judged together there are a hundred at most.)"""
        if mark not in self._has:
            try:
                self._has[mark] = self.read(mark) == mark
            except Invalid:
                self._has[mark] = False
        return self._has[mark]


_SCALES = """
    select s.id, s.name, s.minimum, s.maximum, s.decimals, t.label, t.is_code, t.minimum
    from grading_gradingscale s
    left join grading_gradingstep t on t.school_id = s.school_id and t.scale_id = s.id
    where s.id = any(%s::uuid[])
    order by t.is_code, t.points desc, t.label"""


def scales(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Scale]:
    """Return these scales, with their letters and codes. One statement, written out: every save of
    a sheet comes by here. Call inside a school."""
    wanted = lookups.array(set(ids))
    with connection.cursor() as cursor:
        cursor.execute(_SCALES, [wanted])
        rows = cursor.fetchall()
    found: dict[uuid.UUID, Scale] = {}
    for pk, name, minimum, maximum, decimals, label, is_code, least in rows:
        scale = found.setdefault(pk, Scale(pk, name, minimum, maximum, decimals, {}))
        if label is not None and (is_code or least is None):
            scale.labels[label.casefold()] = label
    return found


def plain(value: decimal.Decimal | None) -> str:
    """Write a number without an exponent and without trailing zeros; never -0."""
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text

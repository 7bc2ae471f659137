"""Finding a pupil by any part of their name or number, spelt as people spell.

Looks at the school's pupils and at one's own waiting ones, nobody else's. Call inside a school.
"""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Collection

from django.utils.dateparse import parse_date
from rapidfuzz import fuzz

from accounts.models import Membership
from accounts.plain import plain
from changes import overlay
from students.models import Student

from .names import last_known, pupil_name

ENOUGH = 72
"""The least likeness, of 100, at which a pupil is shown."""
_BETWEEN_WORDS = str.maketrans(dict.fromkeys("-,.'’", " "))
LONGEST = 100
"""Characters of a query that are read."""

MOST = 12
"""Pupils that are shown."""


@dataclasses.dataclass(frozen=True)
class Found:
    """A pupil, as who searches sees them. ``is_here``: in the class already."""

    id: uuid.UUID
    name: str
    number: str
    birth_date: dt.date | None
    year_level: str
    home_group: str
    is_new: bool
    is_here: bool


def find(
    query: str,
    *,
    by: Membership,
    here: Collection[uuid.UUID],
    number: str = "",
    show_here: bool = False,
    most: int = MOST,
) -> list[Found]:
    """Return the pupils most like ``query``, or with just this ``number``, the likest first.

    Args:
        here: pupils who are in the class already; left out, unless ``show_here``.
    """
    words = _words(query[:LONGEST])
    number = number.strip()
    if not words and not number:
        return []
    scored = []
    for entity_id, their_number, *names in _everybody(by):
        if entity_id in here and not show_here:
            continue
        same = bool(number) and their_number == number
        score = 200.0 if same else _likeness(words, their_number, " ".join(names))
        if score >= ENOUGH:
            scored.append((-score, " ".join(names), entity_id))
    best = [entity_id for _, _, entity_id in sorted(scored)[:most]]
    records = overlay.see("student", best, by=by)
    return [_found(records[each], here) for each in best if each in records]


def get(pupil_id: uuid.UUID, *, by: Membership, here: Collection[uuid.UUID]) -> Found | None:
    """Return a pupil that ``by`` may name, or None."""
    record = overlay.see("student", [pupil_id], by=by).get(pupil_id)
    return _found(record, here) if record and record.exists else None


def _everybody(by: Membership) -> list[tuple[uuid.UUID, str, str, str]]:
    standing = Student.objects.filter(school_id=by.school_id)
    pupils = {
        row[0]: (row[1] or "", row[2], row[3])
        for row in standing.values_list("id", "number", "given_names", "family_name")
    }
    for each, record in overlay.see("student", overlay.own_new("student", by=by), by=by).items():
        fields = ("number", "given_names", "family_name")
        pupils[each] = tuple(record.value(field) or "" for field in fields)  # type: ignore[assignment]
    return [(each, *rest) for each, rest in pupils.items()]


def _likeness(words: list[str], number: str, name: str) -> float:
    """Return how like a pupil is to the words of a query, from 0 to 100: their mean."""
    if not words:
        return 0
    theirs = _words(name)
    return sum(_best(word, number, theirs) for word in words) / len(words)


def _best(word: str, number: str, theirs: list[str]) -> float:
    if word in number.casefold():
        return 100 if word == number.casefold() else 90
    best = 0.0
    for name in theirs:
        if name.startswith(word):
            return 100
        if word in name:
            best = max(best, 85)
        elif len(word) > 2:
            best = max(best, fuzz.ratio(word, name))
    return best


def _words(text: str) -> list[str]:
    """Return the words of a text without case and accents: "Núñez-Ort" is nunez, ort."""
    return plain(text).translate(_BETWEEN_WORDS).split()


def _found(record: overlay.Record, here: Collection[uuid.UUID]) -> Found:
    def text(field: str) -> str:
        return last_known(record, field) or ""

    return Found(
        id=record.id,
        name=pupil_name(record),
        number=text("number"),
        birth_date=parse_date(text("birth_date")),
        year_level=text("year_level"),
        home_group=text("home_group"),
        is_new=not record.stands,
        is_here=record.id in here,
    )

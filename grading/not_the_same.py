"""Noting that two pupils who look like one are two: they are told as a possible duplicate again
when the name or the date of birth of one of them changes. Call inside a school.

Only a digest of these is kept: the note holds nothing of the pupils that would have to be erased.
"""

import hashlib
import json
import uuid
from collections.abc import Collection, Iterable

from django.db.models import Q

from accounts.models import Membership
from accounts.origin import Origin
from changes.models import Change
from students.models import Student

from .models import NotTheSame

COMPARED = ("family_name", "given_names", "birth_date")
"""What makes two pupils look like one, and so what a note is about."""

Pair = frozenset[uuid.UUID]


def note(one: uuid.UUID, other: uuid.UUID, *, by: Membership, origin: Origin) -> bool:
    """Note that two pupils are not the same, as they are now. Return whether it was not noted yet.

    Raises:
        ValueError: it is one pupil.
    """
    if one == other:
        raise ValueError("A pupil is the same as themselves.")
    first, second = sorted((one, other))
    _, is_new = NotTheSame.objects.get_or_create(
        school=by.school,
        one_id=first,
        other_id=second,
        compared=_digest(_compared({one, other}), frozenset((one, other))),
        defaults={"noted_by_id": by.user_id, "noted_at": origin.at},
    )
    return is_new


def notes(pairs: Iterable[Pair]) -> dict[Pair, NotTheSame]:
    """Return, of these pairs, those that are noted as two, as they are now. Three statements at
    most."""
    asked = set(pairs)
    ids = {each for pair in asked for each in pair}
    if not ids:
        return {}
    found = list(
        NotTheSame.objects.filter(Q(one_id__among=ids) | Q(other_id__among=ids))
        .select_related("noted_by")
        .order_by("noted_at", "id")
    )
    compared = _compared({each for row in found for each in (row.one_id, row.other_id)})
    return {
        pair: row
        for row in found
        if (pair := frozenset((row.one_id, row.other_id))) in asked
        and row.compared == _digest(compared, pair)
    }


def _digest(compared: dict[uuid.UUID, list[str]], pair: Pair) -> str:
    facts = [[str(each), compared.get(each)] for each in sorted(pair)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _compared(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    """Return what is compared of pupils: what stands, or of those who wait, what was proposed."""
    if not ids:
        return {}
    standing = {
        pk: [str(value or "") for value in values]
        for pk, *values in Student.objects.filter(pk__among=ids).values_list("pk", *COMPARED)
    }
    waiting: dict[uuid.UUID, dict[str, str]] = {}
    cells = Change.objects.filter(
        entity_type="student",
        entity_id__among=set(ids) - standing.keys(),
        field__in=COMPARED,
        value__isnull=False,
    )
    for pk, field, value in cells.open().order_by("id").values_list("entity_id", "field", "value"):
        waiting.setdefault(pk, {}).setdefault(field, value or "")
    return standing | {pk: [its.get(name, "") for name in COMPARED] for pk, its in waiting.items()}

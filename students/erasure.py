"""Erasing a pupil by law."""

import itertools
import uuid

from accounts.models import School
from changes.erasure import CannotErase, Erased, erase_record
from changes.models import Change

from .models import Student

PUPIL = "student"


def pupil_of(known_as: str) -> uuid.UUID:
    """Return the id of the pupil with this number, or this id, who stands or was ever proposed.
    Call inside the school. Raises CannotErase."""
    standing = Student.objects.filter(number=known_as).first()
    if standing is not None:
        return standing.pk
    try:
        entity_id = uuid.UUID(known_as)
    except ValueError:
        raise CannotErase(
            f"No pupil has the number {known_as!r}. Somebody who is no pupil any more, or never "
            "became one, is named by the id in the address of their page."
        ) from None
    if not Change.objects.of(PUPIL, entity_id).exists():
        raise CannotErase(f"The ledger knows no pupil {entity_id}.")
    return entity_id


def words_of(pupil_id: uuid.UUID) -> set[str]:
    """Return by what texts may name a pupil: every full name they ever had, either way round, and
    every address. Half a name is other people's too, and so is a name that another pupil has."""
    held: dict[str, set[str]] = {}
    for change in Change.objects.of(PUPIL, pupil_id):
        held.setdefault(change.field, set()).update(filter(None, (change.value, change.old_value)))
    words = held.get("email", set()) | held.get("guardian_email", set())
    for given, family in itertools.product(
        held.get("given_names", ()), held.get("family_name", ())
    ):
        namesakes = Student.objects.exclude(pk=pupil_id)
        if not namesakes.filter(given_names=given, family_name=family).exists():
            words |= {f"{given} {family}", f"{family}, {given}", f"{family} {given}"}
    return words


def erase_pupil(pupil_id: uuid.UUID, *, school: School, ordered_by: str, why: str) -> Erased:
    """Erase a pupil, with enrolments, marks and comments. Call inside the school, as owner."""
    return erase_record(
        PUPIL,
        pupil_id,
        words=words_of(pupil_id),
        school=school,
        ordered_by=ordered_by,
        why=why,
    )

"""Adding a pupil whom the list of a class lacks: enrol one of the school's, create a new one, or
put another in the place of one who was declined. All provisional. Call inside a school.
"""

import hashlib
import uuid
from collections.abc import Mapping

from accounts.models import Membership
from accounts.origin import Origin
from changes.models import Change
from changes.propose import Draft, Saved, creation, propose
from changes.registry import EXISTS

from .models import Section

FIELDS = ("family_name", "given_names", "number", "birth_date", "year_level", "home_group")


def enrol(
    student_id: uuid.UUID, section: Section, *, by: Membership, origin: Origin, key: str
) -> uuid.UUID:
    """Propose that a pupil is in the class; return the enrolment's id.

    Raises NothingSaved.
    """
    drafts = creation("enrollment", {"student": str(student_id), "section": str(section.pk)})
    saved = propose(
        drafts,
        by=by,
        origin=origin,
        whole=True,
        idempotency_key=key_of("enrol", key, str(student_id), str(section.pk)),
    )
    return _enrollment(saved)


def create(
    values: Mapping[str, str], section: Section, *, by: Membership, origin: Origin, key: str
) -> uuid.UUID:
    """Propose a new pupil in the class, both in one change set; return the enrolment's id.

    Raises NothingSaved.
    """
    student = creation("student", {name: text for name, text in values.items() if text})
    enrollment = creation(
        "enrollment", {"student": str(student[0].entity_id), "section": str(section.pk)}
    )
    saved = propose(
        [*student, *enrollment],
        by=by,
        origin=origin,
        whole=True,
        idempotency_key=_key_of_creation(values, section, key),
    )
    return _enrollment(saved)


def created_before(
    values: Mapping[str, str], section: Section, *, by: Membership, key: str
) -> uuid.UUID | None:
    """Return the enrolment that this very form has made already: it was sent twice."""
    given = _key_of_creation(values, section, key)
    if given is None:
        return None
    return (
        Change.objects.proposed_by(by.user_id)
        .filter(change_set__idempotency_key=given, entity_type="enrollment", field=EXISTS)
        .values_list("entity_id", flat=True)
        .first()
    )


def put_instead(
    student_id: uuid.UUID, enrollment_id: uuid.UUID, *, by: Membership, origin: Origin, key: str
) -> Saved:
    """Propose that an enrolment, with its marks, is another pupil's.

    Raises NothingSaved.
    """
    draft = Draft(
        entity_type="enrollment",
        entity_id=enrollment_id,
        field="student",
        typed=str(student_id),
    )
    return propose(
        [draft],
        by=by,
        origin=origin,
        whole=True,
        idempotency_key=key_of("instead", key, str(student_id), str(enrollment_id)),
    )


def key_of(what: str, given: str, *facts: str) -> str | None:
    """Return the idempotency key of a form. It covers what the form says, so that a page which was
    gone back to and changed is never taken for a repeat."""
    if not given:
        return None
    text = "\0".join([given, *facts]).encode(errors="surrogatepass")
    return f"{what} {hashlib.sha256(text).hexdigest()}"


def _key_of_creation(values: Mapping[str, str], section: Section, key: str) -> str | None:
    facts = [f"{name}={values[name]}" for name in sorted(values)]
    return key_of("pupil", key, str(section.pk), *facts)


def _enrollment(saved: Saved) -> uuid.UUID:
    return next(
        change.entity_id
        for change in saved.changes
        if change.entity_type == "enrollment"
        and change.field == EXISTS
        and change.kind == Change.Kind.VALUE
    )

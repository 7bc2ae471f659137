"""A pupil who is not in the class that lists them: they are withdrawn, or belong to another class
of the term. Both are proposals. Call inside a school.
"""

import uuid

from accounts.models import Membership
from accounts.origin import Origin
from changes import overlay
from changes.propose import Draft, Saved, propose

from .access import is_restricted
from .missing_pupil import key_of
from .models import Enrollment, Section
from .names import last_known
from .sheet import Row


def other_classes(row: Row, section: Section, *, by: Membership) -> list[Section]:
    """Return the classes of the same term that a pupil can be moved to: not those that they are
    in, nor, where teachers are restricted, those of others. Those of the same course come first."""
    taken = {section.pk}
    if student := last_known(row.enrollment, "student"):
        places = overlay.referring("enrollment", "student", [uuid.UUID(student)], by=by)
        for place in overlay.see("enrollment", places, by=by).values():
            cell = place.cell("section")
            taken |= {uuid.UUID(each) for each in (cell.value, cell.standing) if each}
    found = Section.objects.filter(school_id=by.school_id, term_id=section.term_id)
    if is_restricted(by):
        found = found.filter(instructor_id=by.user_id)
    ordered = found.exclude(pk__in=taken).select_related("course", "instructor")
    return sorted(
        ordered.order_by("course__title", "code", "id"),
        key=lambda each: each.course_id != section.course_id,
    )


def take_out(
    row: Row, *, base: uuid.UUID | None, by: Membership, origin: Origin, key: str
) -> Saved:
    """Propose that a pupil is withdrawn from the class. ``base``: the head that the page showed.

    Raises NothingSaved.
    """
    draft = Draft(
        entity_type="enrollment",
        entity_id=row.id,
        field="status",
        typed=Enrollment.Status.WITHDRAWN,
        base=base,
    )
    return propose(
        [draft],
        by=by,
        origin=origin,
        whole=True,
        idempotency_key=key_of("leave", key, str(row.id)),
    )


def move(
    row: Row,
    to: Section,
    *,
    base: uuid.UUID | None,
    by: Membership,
    origin: Origin,
    key: str,
) -> Saved:
    """Propose that a pupil's place, with mark and comment, is in another class.

    Raises NothingSaved; also when the mark is none of the other class's scale. At approval the
    rules of marks ask that again, of the mark that is approved with it or stands by then.
    """
    drafts = [
        Draft(
            entity_type="enrollment",
            entity_id=row.id,
            field="section",
            typed=str(to.pk),
            base=base,
        )
    ]
    if mark := row.grade.cell.value:
        # It equals what is seen, so nothing is saved of it; but it is read by the new scale.
        drafts.append(Draft(entity_type="enrollment", entity_id=row.id, field="grade", typed=mark))
    return propose(
        drafts,
        by=by,
        origin=origin,
        whole=True,
        idempotency_key=key_of("move", key, str(row.id), str(to.pk)),
    )

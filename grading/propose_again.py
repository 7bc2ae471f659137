"""Proposing again what the office declined: the same value on the same cell, built on what stands
there now. Call inside a school.
"""

import uuid

from accounts.models import Membership
from accounts.origin import Origin
from changes import overlay, registry
from changes.models import Change, ChangeSet
from changes.overlay import Cell
from changes.propose import Draft, NothingSaved, Saved, propose
from changes.registry import EXISTS, TRUE

from . import corrections
from .marks import enter_marks
from .missing_pupil import key_of
from .names import last_known


def why_not(change: Change, *, by: Membership) -> str:
    """Return why an own change cannot be proposed again, in words for its author, or ""."""
    if change.state != "declined":  # type: ignore[attr-defined]
        return "This change is not declined (any more)."
    if change.followed_by is not None:  # type: ignore[attr-defined]
        return "You have proposed something newer in its place."
    if change.field == EXISTS and change.value == TRUE:
        return "A new record that was declined is not proposed again: add it anew."
    label = registry.get(change.entity_type).label
    record = overlay.see(change.entity_type, [change.entity_id], by=by).get(change.entity_id)
    if record is None or not (record.exists or change.field == EXISTS):
        return f"The {label} that it is about was declined, withdrawn or deleted."
    if change.value is None and record.cell(change.field).standing is None:
        return "Nothing stands there (any more), so there is nothing to clear."
    if change.entity_type != "enrollment" or record.stands:
        return ""
    student = uuid.UUID(last_known(record, "student") or "")
    pupil = overlay.see("student", [student], by=by).get(student)
    if pupil is None or not pupil.exists:
        return "The pupil was declined or withdrawn. Choose another pupil on the mark sheet first."
    return ""


def cell_of(change: Change, *, by: Membership) -> Cell:
    """Return the cell of an own change as its author sees it now."""
    record = overlay.see(change.entity_type, [change.entity_id], by=by).get(change.entity_id)
    return record.cell(change.field) if record else Cell()


def wants_reason(change: Change, cell: Cell) -> bool:
    """Return whether a second person will have to approve, who is to be told why."""
    if change.field == EXISTS:
        return True
    if (change.entity_type, change.field) != ("enrollment", "grade"):
        return False
    standing = corrections.standing({change.entity_id})
    return change.entity_id in standing and change.value != cell.standing


def propose_again(
    change: Change,
    *,
    base: uuid.UUID | None,
    reason: str,
    by: Membership,
    origin: Origin,
    key: str,
) -> Saved:
    """Propose an own declined change again. ``base``: the head that the page showed.

    Raises NothingSaved.
    """
    draft = Draft(
        entity_type=change.entity_type,
        entity_id=change.entity_id,
        field=change.field,
        typed=change.value,
        base=base,
        touched=True,
        reason=reason,
    )
    own_key = key_of("again", key, str(change.pk), reason)
    if not _was_answered(own_key, by=by) and (because := why_not(change, by=by)):
        draft.refuse(because)
        raise NothingSaved([draft])
    # A mark goes the way of marks, where the school's policy on first grades is kept.
    save = enter_marks if change.entity_type == "enrollment" else propose
    saved = save([draft], by=by, origin=origin, idempotency_key=own_key)
    if saved.refused:
        raise NothingSaved(saved.refused)
    return saved


def _was_answered(key: str | None, *, by: Membership) -> bool:
    sets = ChangeSet.objects.filter(school_id=by.school_id, initiator_id=by.user_id)
    return key is not None and sets.filter(idempotency_key=key).exists()

"""Entering another value in place of one that waits: the office knows that it is 57 and not 75.

What somebody typed never becomes somebody else's value. The office's own change goes through the
door of a direct edit, and what waited is declined with a reason that its author reads. The wrong
value is never approved on the way: it would stand for everybody to see, and the right one would
have to correct it. Call inside a school.
"""

import uuid

from django.db import transaction

from accounts.models import Membership, School
from accounts.origin import Origin

from . import judgement, naming, registry, review
from .judgement import Judged
from .propose import Draft
from .registry import EXISTS


class NotInstead(Exception):
    """Nothing was entered; the message says why."""


def why_not(each: Judged, *, school: School) -> str:
    """Return why no other value can be entered in place of a waiting change, or ""."""
    tracked = registry.get(each.entity_type)
    if each.field == EXISTS or tracked.field(each.field).reference:
        return "Only what is typed is entered anew. Approve or decline this as it is."
    if judgement.not_standing(school, each.entity_type, {each.entity_id}):
        return f"The {tracked.label} is not approved yet. Decide on it first."
    return ""


def enter_instead(
    change_id: uuid.UUID,
    *,
    typed: str,
    reason: str,
    school: School,
    by: Membership,
    origin: Origin,
    idempotency_key: str | None = None,
) -> review.Entered:
    """Enter ``typed`` as the office's own change and decline the one that waits there.

    Where a mark stands, the own change waits for a second person, as every correction does.

    Raises:
        NotInstead: no other value can be entered here, or it is the one that waits.
        NothingSaved: the field does not take the value.
        NotApproved: the waiting change was decided, retyped or withdrawn meanwhile.
        NoSuchChange: the school has no such change.
        MayNotDecide: ``by`` is no active member of the office.
    """
    found = judgement.load(school, [change_id], by=by)
    if not found:
        raise review.NoSuchChange("A change was named that this school does not have.")
    (each,) = found
    if because := why_not(each, school=school):
        raise NotInstead(because)
    draft = Draft(
        entity_type=each.entity_type,
        entity_id=each.entity_id,
        field=each.field,
        typed=typed,
        touched=True,
        reason=reason,
    )
    with transaction.atomic():
        entered = review.enter_directly(
            [draft],
            school=school,
            by=by,
            origin=origin,
            reason=reason,
            idempotency_key=idempotency_key,
            whole=True,
        )
        if entered.saved.repeated:
            return entered
        if draft.value == each.value:
            raise NotInstead("That is what waits already. Approve it, or type another value.")
        key = (each.entity_type, each.field, draft.value)
        text = naming.value_texts([key])[key]
        did = "proposes" if entered.waiting else "has entered"
        review.decline(
            [change_id],
            school=school,
            by=by,
            origin=origin,
            reason=f"The office {did} {text[:200]} instead. {reason}".strip(),
        )
    return entered

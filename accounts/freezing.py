"""Freezing a member's account: from then on nobody gets into the school by it or saves anything
there, and what waits of it is held. Other schools of the person go on as before: no school locks
anybody out of another.

Call inside the school. Each act leaves a row in the audit log, which is the history.
"""

from . import audit
from .models import AuditLog, Membership, School
from .origin import Origin


class MayNotFreeze(Exception):
    """Who asks may not freeze or unfreeze this account."""


def freeze(member: Membership, *, by: Membership, origin: Origin, reason: str = "") -> bool:
    """Freeze the account of ``member``. Return whether it was not frozen before.

    Waits for a save of the account that is on its way, which holds its membership, and of who
    decides, the office or its substitute, for a decision, which holds the school's row
    (``changes.deciding.lock``): once this is committed nothing more comes of it.

    Raises:
        MayNotFreeze: it is their own; or ``by`` is not of the office, or is frozen by now. So at
            least one person of the office is left.
    """
    if member.pk == by.pk:
        raise MayNotFreeze(
            "Nobody freezes their own account. Change your password, or ask somebody else of the "
            "office."
        )
    _hold(member)
    _check(by)
    frozen = Membership.objects.filter(pk=member.pk, frozen_at=None).update(
        frozen_at=origin.at, frozen_by=by.user, frozen_because=reason.strip()[:2000]
    )
    if frozen:
        because = f": {reason.strip()}" if reason.strip() else ""
        _record(member, f"frozen{because}", by=by, origin=origin)
    return bool(frozen)


def unfreeze(member: Membership, *, by: Membership, origin: Origin) -> bool:
    """Let the account be used again. Return whether it was frozen.

    Raises:
        MayNotFreeze: ``by`` is not of the office, or is frozen.
    """
    _hold(member)
    _check(by)
    unfrozen = Membership.objects.filter(pk=member.pk, frozen_at__isnull=False).update(
        frozen_at=None, frozen_by=None, frozen_because=""
    )
    if unfrozen:
        _record(member, "unfrozen", by=by, origin=origin)
    return bool(unfrozen)


def _hold(member: Membership) -> None:
    if member.is_office or School.objects.filter(substitute=member).exists():
        School.objects.select_for_update(no_key=True).get(pk=member.school_id)
    Membership.objects.select_for_update(no_key=True).get(pk=member.pk)


def _check(by: Membership) -> None:
    """Ask again, under the lock: two of the office may freeze each other at the same moment."""
    now = Membership.objects.select_related("user").get(pk=by.pk)
    if not (now.is_office and now.is_active and now.user.is_active) or now.is_frozen:
        raise MayNotFreeze("Only an active member of this school’s office freezes an account.")


def _record(member: Membership, what: str, *, by: Membership, origin: Origin) -> None:
    audit.record(
        AuditLog.Event.PEOPLE,
        origin=origin,
        school=member.school,
        user=by.user,
        detail=f"{member.user.email}: {what}",
        metadata={"membership": str(member.pk)},
    )

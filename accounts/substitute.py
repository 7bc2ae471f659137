"""The named substitute: where one person is the whole office, nobody could approve the corrections
that this person asks for. So they name somebody else of the school, who decides on what needs two
people, and on nothing else of the office.

The right is there only while that one person is the office: it ends when a second one joins, and is
not there again by itself. Call inside the school. Each act leaves a row in the audit log.
"""

from . import audit
from .models import AuditLog, Membership, School
from .origin import Origin


class MayNotName(Exception):
    """Who asks may not name a substitute, or not this one."""


def in_force(school: School) -> Membership | None:
    """Return the substitute whom ``school`` names, if they may decide now."""
    if school.substitute_id is None:
        return None
    named = (
        Membership.objects.select_related("user")
        .filter(
            pk=school.substitute_id,
            school=school,
            role=Membership.Role.TEACHER,
            is_active=True,
            user__is_active=True,
            frozen_at=None,
        )
        .first()
    )
    return named if named and _office(school) == 1 else None


def stands_in(member: Membership) -> bool:
    """Return whether ``member`` is the substitute of their school, and may decide now."""
    return member.school.substitute_id == member.pk and in_force(member.school) == member


def is_alone(member: Membership) -> bool:
    """Return whether ``member`` is the one person of the office."""
    return member.is_office and _office(member.school) == 1


def name(member: Membership, *, by: Membership, origin: Origin) -> AuditLog | None:
    """Name ``member`` the substitute of the office, in the place of who was it before. Return the
    row of the audit log; None if they were it already.

    Holds the school's row, as who decides does. (``people.name_substitute`` tells of it, too.)

    Raises:
        MayNotName: ``by`` is not the one person of the office, or ``member`` is of the office, not
            active, or frozen.
    """
    school = School.objects.select_for_update(no_key=True).get(pk=member.school_id)
    if because := why_not(member, by=by):
        raise MayNotName(because)
    if school.substitute_id == member.pk:
        return None
    _end(school, by=by, origin=origin)
    School.objects.filter(pk=school.pk).update(substitute=member, substitute_since=origin.at)
    return _record(member, "named substitute for corrections", by=by, origin=origin)


def why_not(member: Membership, *, by: Membership) -> str | None:
    """Say why ``by`` may not name ``member``, or return None."""
    who, asks = (
        Membership.objects.select_related("user", "school").get(pk=each.pk) for each in (member, by)
    )
    if not (asks.is_office and _may_act(asks)):
        return "Only an active member of this school’s office names a substitute."
    if not is_alone(asks):
        return (
            "You are not alone in the office: there, somebody else approves the corrections that "
            "you ask for. A substitute is for an office of one person."
        )
    if who.school_id != asks.school_id or who.is_office or not _may_act(who):
        return "A substitute is an active teacher of the school whose account is not frozen."
    return None


def end(school: School, *, by: Membership, origin: Origin) -> bool:
    """End what was named. Return whether somebody was."""
    return _end(
        School.objects.select_for_update(no_key=True).get(pk=school.pk), by=by, origin=origin
    )


def end_because_of(member: Membership, *, by: Membership, origin: Origin) -> None:
    """End what was named, now that ``member`` has become something else: the second person of the
    office, or a substitute who is no active teacher any more."""
    school = School.objects.select_for_update(no_key=True).get(pk=member.school_id)
    active = member.is_active and member.user.is_active
    if (active and member.is_office) or (school.substitute_id == member.pk and not active):
        _end(school, by=by, origin=origin)


def _end(school: School, *, by: Membership, origin: Origin) -> bool:
    if school.substitute_id is None:
        return False
    named = Membership.objects.select_related("user", "school").get(pk=school.substitute_id)
    School.objects.filter(pk=school.pk).update(substitute=None, substitute_since=None)
    _record(named, "no substitute for corrections any more", by=by, origin=origin)
    return True


def _office(school: School) -> int:
    """Count the active people of the office, those too whose account is frozen."""
    return Membership.objects.filter(
        school=school, role=Membership.Role.OFFICE, is_active=True, user__is_active=True
    ).count()


def _may_act(member: Membership) -> bool:
    return member.is_active and member.user.is_active and not member.is_frozen


def _record(member: Membership, what: str, *, by: Membership, origin: Origin) -> AuditLog:
    return audit.record(
        AuditLog.Event.PEOPLE,
        origin=origin,
        school=member.school,
        user=by.user,
        detail=f"{member.user.email}: {what}",
        metadata={"membership": str(member.pk)},
    )

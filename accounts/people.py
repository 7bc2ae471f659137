"""The people of a school: adding them, what they may do, ending that. Nobody is ever deleted.

Call inside the school. Each act leaves a row in the audit log.
"""

from . import audit, new_in_office, substitute
from .models import AuditLog, Membership, School, User
from .origin import Origin


class MayNotJoin(Exception):
    """The person is a member of the school already, or their account is closed."""


class LastOfOffice(Exception):
    """Nobody would be left who decides."""


def add(
    *, email: str, name: str, role: str, school: School, by: Membership, origin: Origin
) -> Membership:
    """Add a person to the school. Who has no account yet gets one without a password.

    Raises:
        MayNotJoin: they are a member already, maybe deactivated; or their account is closed.
    """
    email = email.strip().lower()
    user = User.objects.filter(email=email).first()
    if user is None:
        # One line: mail to the person begins with it, and whoever adds people writes no mail.
        user = User.objects.create_user(email, name=" ".join(name.split()))
    elif not user.is_active:
        raise MayNotJoin("This account was closed. Ask who runs this installation.")
    member, is_new = Membership.objects.get_or_create(
        school=school, user=user, defaults={"role": role}
    )
    if not is_new and member.is_active:
        raise MayNotJoin(f"{user} is among the people of this school already.")
    if not is_new:
        raise MayNotJoin(f"{user} was deactivated: open their page and make them active again.")
    row = _record(member, f"added as {member.get_role_display()}", by=by, origin=origin)
    if member.is_office:
        new_in_office.tell(member, "is new in the office", by=by, row=row)
    substitute.end_because_of(member, by=by, origin=origin)
    return member


def change(
    member: Membership, *, role: str, is_active: bool, by: Membership, origin: Origin
) -> Membership:
    """Give a member another role, end their membership or take it up again.

    Locks the rows of the office, so that two people cannot remove each other at the same moment;
    before them the school's row, as who decides does, since it may name a substitute.

    Raises:
        LastOfOffice: no active person of the office would be left.
    """
    School.objects.select_for_update(no_key=True).get(pk=member.school_id)
    office = Membership.objects.select_for_update(of=("self",)).filter(
        school=member.school,
        role=Membership.Role.OFFICE,
        is_active=True,
        user__is_active=True,
        frozen_at=None,
    )
    others = [each for each in office.order_by("id") if each.pk != member.pk]
    if not others and not (role == Membership.Role.OFFICE and is_active):
        raise LastOfOffice(
            "Nobody else is active in the office: first make another person’s role “office”."
        )
    if (member.role, member.is_active) != (role, is_active):
        decided = member.is_office and member.is_active
        member.role, member.is_active = role, is_active
        member.save(update_fields=["role", "is_active"])
        state = "active" if is_active else "deactivated"
        row = _record(member, f"now {member.get_role_display()}, {state}", by=by, origin=origin)
        if member.is_office and is_active and not decided:
            new_in_office.tell(member, "is new in the office", by=by, row=row)
        substitute.end_because_of(member, by=by, origin=origin)
    return member


def name_substitute(member: Membership, *, by: Membership, origin: Origin) -> None:
    """Name the substitute of an office of one person, and tell of it at the school's own address.

    Raises:
        substitute.MayNotName: as ``substitute.name``.
    """
    if row := substitute.name(member, by=by, origin=origin):
        new_in_office.tell(member, "is the substitute for the office", by=by, row=row)


def _record(member: Membership, what: str, *, by: Membership, origin: Origin) -> AuditLog:
    return audit.record(
        AuditLog.Event.PEOPLE,
        origin=origin,
        school=member.school,
        user=by.user,
        detail=f"{member.user.email}: {what}",
        metadata={"membership": str(member.pk), "role": member.role, "active": member.is_active},
    )

"""Telling the others who decide of somebody who decides from now on: a second person whom somebody
made up to approve what they ask for themselves is no secret."""

from django.utils import timezone
from django.utils.formats import date_format

from .models import AuditLog, Membership
from .outbox import Message, post


def tell(member: Membership, what: str, *, by: Membership, row: AuditLog) -> None:
    """Write to everybody else of the office, and to the school's own address, that ``by`` has made
    ``member`` somebody who decides. Call inside the school.

    Args:
        what: what they are from now on, after their name.
        row: of the audit log, which makes the message go out once.
    """
    school = member.school
    others = Membership.objects.filter(
        school=school, role=Membership.Role.OFFICE, is_active=True, user__is_active=True
    ).exclude(pk__in=[member.pk, by.pk])
    addresses = [*others.values_list("user__email", flat=True), school.email]
    at = timezone.localtime(row.at)
    body = (
        f"{member.user} ({member.user.email}) {what} of {school}: {by.user} said so on "
        f"{date_format(at, 'l j F Y')} at {date_format(at, 'H:i')}.\n\n"
        "Who decides on corrections of marks is to be another person than who asks for them. If "
        "you do not know who this is, ask; under People, an account can be frozen at once.\n\n"
        f"{school}\n"
    )
    post(
        [
            Message(
                key=f"decides {row.pk} {address}"[:200],
                to=address,
                subject=f"{member.user} {what}",
                body=body,
            )
            for address in dict.fromkeys(filter(None, addresses))
        ],
        school=school,
        at=row.at,
    )

"""Choosing how often one is mailed what was decided about one's changes. Call inside a school.

Whoever sits at somebody's account can switch that mail off too: so the choice is in the audit log,
and a last message says so. It switches off no mail that warns of what an account was used for.
"""

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from accounts import audit
from accounts.models import AuditLog, Membership
from accounts.origin import Origin
from accounts.outbox import Message, post

from . import decided


def choose(member: Membership, choice: Membership.Mail, *, origin: Origin) -> None:
    """Mail ``member`` at once, daily or never from now on. Who was never mailed is not mailed what
    was decided meanwhile. To choose what stands already leaves no trace. Holds the membership."""
    now = Membership.objects.select_for_update(no_key=True).get(pk=member.pk)
    before = Membership.Mail(now.decided_by_mail)
    if before == choice:
        return
    if before == Membership.Mail.NEVER:
        now.decided_mailed = decided.last_number()
    now.decided_by_mail = choice
    now.save(update_fields=["decided_by_mail", "decided_mailed"])
    row = audit.record(
        AuditLog.Event.PEOPLE,
        origin=origin,
        school=member.school,
        user=member.user,
        detail=f"{member.user.email}: mail about what was decided: {before.label}, now "
        f"{choice.label}",
        metadata={"membership": str(member.pk)},
    )
    if choice == Membership.Mail.NEVER:
        post([_last_message(member, row)], school=member.school, at=origin.at)


def _last_message(member: Membership, row: AuditLog) -> Message:
    now = timezone.localtime(row.at)
    at = f"{date_format(now, 'l j F Y')} at {date_format(now, 'H:i')}"
    link = f"{settings.SITE_URL}{reverse('decided')}"
    return Message(
        key=f"mail-never {row.pk}",
        to=member.user.email,
        subject="You are not mailed any more what is decided about your changes",
        body=(
            f"Dear {member.user},\n\n"
            f"on {at} “never” was chosen with your account, as how often you are mailed what is "
            "decided about your changes.\n\n"
            f"If that was you, there is nothing to do. If it was not you, tell the office, and "
            f"choose again: {link}\n\n"
            f"{member.school}\n"
        ),
    )

"""Telling people of a sign-in from an address, or with a browser, that their account was never
signed in to from before: it may be somebody else's."""

from collections.abc import Sequence

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from .device import in_words
from .in_school import enter
from .models import AuditLog, Membership, School, User
from .origin import Origin, network_of
from .outbox import Message, post


def tell_if_new(user: User, memberships: Sequence[Membership], *, origin: Origin) -> None:
    """Write to the person, from each school that they are active in, if the address or the browser
    is a new one. An account that was never signed in to has no strange ones.

    Call before the sign-in itself is in the audit log.
    """
    seen: set[tuple[str | None, str]] = set()
    for each in memberships:
        with enter(each.school):
            rows = AuditLog.objects.filter(user=user, event=AuditLog.Event.SIGN_IN).order_by()
            seen.update(rows.values_list("ip", "user_agent").distinct())
    if not seen:
        return
    new = []
    if origin.ip and network_of(origin.ip) not in {network_of(ip) for ip, _ in seen if ip}:
        new.append("address")
    if in_words(origin.user_agent) not in {in_words(user_agent) for _, user_agent in seen}:
        new.append("browser")
    if not new:
        return
    for each in memberships:
        with enter(each.school):
            message = _message(user, new, each.school, origin)
            post([message], school=each.school, at=origin.at)


def _message(user: User, new: Sequence[str], school: School, origin: Origin) -> Message:
    now = timezone.localtime(origin.at)
    at = f"{date_format(now, 'l j F Y')} at {date_format(now, 'H:i')}"
    address = f"the address {origin.ip}" if origin.ip else "an unknown address"
    return Message(
        key=f"signed-in {origin.session}",
        to=user.email,
        subject=f"Your account was signed in to from a new {' and a new '.join(new)}",
        body=(
            f"Dear {user},\n\n"
            f"your account was signed in to on {at}, from {address}, with "
            f"{in_words(origin.user_agent)}. It had not been signed in to from this "
            f"{' or this '.join(new)} before.\n\n"
            "If that was you, there is nothing to do.\n\n"
            "If it was not you, set a new password at once, which signs everybody else out: "
            f"{settings.SITE_URL}{reverse('account_reset_password')}\n"
            f"And tell the office of {school}: it can freeze the account, see what was done with "
            "it, and take that back.\n\n"
            f"{school}\n"
        ),
    )

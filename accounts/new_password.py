"""Making a person set a new password, when somebody else may know the one they have."""

from allauth.core.exceptions import ImmediateHttpResponse
from django.http import HttpRequest

from . import audit
from .forms import ForgottenPasswordForm
from .in_school import enter
from .models import AuditLog, Membership, User
from .origin import Origin


class MayNotForce(Exception):
    """It is one's own, or the account is closed."""


def force(member: Membership, *, by: Membership, origin: Origin) -> None:
    """Take the password of a person away, and with it every session of theirs, in each of their
    schools: Django ends those that were begun under another password. They are not locked out of
    any, since the mail of ``send_link`` goes to them; each school's audit log tells of it.

    Call inside the school.

    Raises:
        MayNotForce: it is one's own password, or the account is closed.
    """
    if member.user_id == by.user_id:
        raise MayNotForce("You change your own password yourself, under your name at the top.")
    if not (member.is_active and member.user.is_active):
        raise MayNotForce("This account is closed: nobody signs in by it.")
    user = User.objects.select_for_update(no_key=True).get(pk=member.user_id)
    user.set_unusable_password()
    user.save(update_fields=["password"])
    audit.record(
        AuditLog.Event.PEOPLE,
        origin=origin,
        school=member.school,
        user=by.user,
        detail=f"{user.email}: signed out everywhere, has to set a new password",
        metadata={"membership": str(member.pk)},
    )
    elsewhere = Membership.objects.filter(user=user, is_active=True).exclude(pk=member.pk)
    for each in elsewhere.select_related("school").order_by("id"):
        with enter(each.school):
            audit.record(
                AuditLog.Event.PEOPLE,
                origin=Origin(at=origin.at),
                school=each.school,
                user=user,
                detail=f"{user.email}: signed out everywhere, has to set a new password, which "
                "another of their schools asked for",
                metadata={"membership": str(each.pk)},
            )


def send_link(user: User, request: HttpRequest) -> bool:
    """Send the mail of “forgotten your password”. Return False when no mail server takes it. Call
    after ``force`` is committed: the link is good for the password that the account has now."""
    form = ForgottenPasswordForm({"email": user.email})
    if not form.is_valid():
        return False
    try:
        form.save(request)
    except ImmediateHttpResponse:  # how accounts.sign_in says that the mail could not be sent
        return False
    return True

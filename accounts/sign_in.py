"""Signing in and out, by django-allauth, and what the audit log keeps of it.

Nobody signs up: the office or an import makes the user, without a password, and the person sets
one through "forgotten password". A password is never logged.
"""

import logging
import smtplib
import uuid
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from . import audit, new_sign_in
from .in_school import Frozen, enter, refusal_page
from .models import AuditLog, Membership, User
from .origin import SESSION_LABEL, Origin, client_ip, origin_of

logger = logging.getLogger(__name__)


class Adapter(DefaultAccountAdapter):
    """What this site does differently from allauth's defaults."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": (
            "This e-mail and password do not belong together. Check both, or set a new password."
        ),
        "too_many_login_attempts": (
            "That were too many wrong passwords. Wait five minutes, or set a new password."
        ),
        "enter_current_password": "This is not the password that you sign in with now.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_login(
        self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any
    ) -> HttpResponse | None:
        """Refuse whose account is closed, or frozen in every school."""
        closed = super().pre_login(request, user, **kwargs)
        return closed or _refuse_frozen(request, user)

    def is_ajax(self, request: HttpRequest) -> bool:
        # allauth's answers in JSON carry the form's values; pages are all that is needed here.
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        # A connection without an address (a Unix socket) shares one rate limit.
        return client_ip(request) or "unknown"

    def format_email_subject(self, subject: str) -> str:
        return subject

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        try:
            super().send_mail(template_prefix, email, context)
        except (smtplib.SMTPException, OSError) as error:
            logger.exception("The mail %s could not be sent", template_prefix)
            raise ImmediateHttpResponse(_mail_failed()) from error


def _mail_failed() -> Any:
    return render(context.request, "accounts/mail_failed.html", status=503)


def _refuse_frozen(request: HttpRequest, user: AbstractBaseUser) -> HttpResponse | None:
    memberships = _memberships(user)
    if not memberships or not all(each.is_frozen for each in memberships):
        return None
    origin = origin_of(request)
    for each in memberships:
        with enter(each.school):
            audit.record(
                AuditLog.Event.REFUSAL,
                origin=origin,
                school=each.school,
                user=each.user,
                detail="sign-in: the account is frozen",
            )
    return refusal_page(request, str(Frozen(memberships[0].school)))


def _memberships(user: AbstractBaseUser | None) -> list[Membership]:
    """Return what a person is, where they are active."""
    if user is None:
        return []
    mine = Membership.objects.select_related("school", "user").filter(user_id=user.pk)
    return list(mine.filter(is_active=True).order_by("id"))


@receiver(user_logged_in)
def signed_in(request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    """Give the session its label and write a row in each of the person's schools; tell them of it
    when it is not from where, or with what, they sign in."""
    # A new label, also when the session was in use: the ledger tells one sign-in from the next.
    request.session[SESSION_LABEL] = uuid.uuid4().hex
    origin = origin_of(request)
    if isinstance(user, User):
        new_sign_in.tell_if_new(user, _memberships(user), origin=origin)
    _record(AuditLog.Event.SIGN_IN, origin=origin, user=user)


@receiver(user_logged_out)
def signed_out(request: HttpRequest, user: AbstractBaseUser | None, **kwargs: Any) -> None:
    if user is not None:
        _record(AuditLog.Event.SIGN_OUT, origin=origin_of(request), user=user)


@receiver(user_login_failed)
def sign_in_failed(
    credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """Write down who was tried, never with what.

    Django has put asterisks into ``credentials`` where a password stood; only the e-mail is read.
    """
    email = str(credentials.get("email") or credentials.get("username") or "")
    email = email.strip().lower().replace("\x00", "")[:254]
    user = User.objects.filter(email=email).first()
    origin = origin_of(request) if request is not None else Origin()
    if user is None:
        # No school may read these rows; whoever runs the installation sees this line.
        logger.warning("Failed sign-in with an unknown e-mail from %s", origin.ip)
    _record(AuditLog.Event.SIGN_IN_FAILED, origin=origin, user=user, detail=email)


def _record(
    event: AuditLog.Event, *, origin: Origin, user: AbstractBaseUser | None, detail: str = ""
) -> None:
    """Write the row once in each school that the person is active in, else once in none."""
    person = user if isinstance(user, User) else None
    schools = [membership.school for membership in _memberships(person)]
    for school in schools:
        with enter(school):
            audit.record(event, origin=origin, school=school, user=person, detail=detail)
    if not schools:
        audit.record(event, origin=origin, school=None, user=person, detail=detail)


@receiver(post_save, sender=User)
def forget_former_addresses(
    instance: User, created: bool, update_fields: frozenset[str] | None, **kwargs: Any
) -> None:
    """Keep a person's former e-mail from signing in.

    allauth copies each address that a password was reset for into EmailAddress, looks there
    first, and would go on to accept a former address, also when someone else has it by now.
    """
    if not created and (update_fields is None or "email" in update_fields):
        EmailAddress.objects.filter(user=instance).exclude(email=instance.email.lower()).delete()

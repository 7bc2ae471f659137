"""``manage.py create_school``: the operator's way to make a school and its first office person."""

import zoneinfo
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction

from accounts import audit
from accounts.in_school import enter
from accounts.models import AuditLog, Membership, School, User
from accounts.origin import Origin


class Command(BaseCommand):
    help = "Makes a school and the first person of its office, who adds everybody else."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the school's name, as its pages show it")
        parser.add_argument("--slug", required=True, help="its short name, such as st-brigid")
        parser.add_argument("--time-zone", required=True, help="such as Europe/Dublin")
        parser.add_argument("--office", required=True, metavar="EMAIL", help="who runs its office")
        parser.add_argument("--office-name", default="", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        email = _email(options["office"])
        school = School(
            name=options["name"].strip(),
            slug=options["slug"].strip(),
            time_zone=_time_zone(options["time_zone"]),
        )
        try:
            school.full_clean()
        except ValidationError as error:
            raise CommandError(_reasons(error)) from error
        with transaction.atomic():
            school.save()
            user, is_new = _person(email, options["office_name"].strip())
            Membership.objects.create(school=school, user=user, role=Membership.Role.OFFICE)
            with enter(school):
                audit.record(
                    AuditLog.Event.PEOPLE,
                    origin=Origin(user_agent="manage.py create_school"),
                    school=school,
                    user=user,
                    detail=f"The school was made, with {user.email} as its office.",
                )
        self.stdout.write(f"Made {school} ({school.slug}). Its office is {user.email}.")
        if is_new:
            self.stdout.write(
                "They have no password yet: they set one by "
                '"Forgotten your password, or signing in for the first time?" on the sign-in page.'
            )


def _email(text: str) -> str:
    email = text.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise CommandError(f"--office: {text!r} is not an e-mail address.") from error
    return email


def _time_zone(text: str) -> str:
    if text not in zoneinfo.available_timezones():
        raise CommandError(f"--time-zone: {text!r} is unknown. It looks like Europe/Dublin.")
    return text


def _person(email: str, name: str) -> tuple[User, bool]:
    """Return the user with this e-mail, made without a password when there was none."""
    user = User.objects.filter(email=email).first()
    if user is None:
        return User.objects.create_user(email, name=name), True
    if not user.is_active:
        raise CommandError(f"--office: the account of {email} is closed. Open it again first.")
    return user, False


def _reasons(error: ValidationError) -> str:
    return "\n".join(
        f"{'' if field == '__all__' else '--' * (field != 'name') + field + ': '}{' '.join(texts)}"
        for field, texts in error.message_dict.items()
    )

"""``manage.py sample_school``: the school of the demo."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.models import Membership, School
from grading.sample import make

PASSWORD = "maple-road-2026"  # noqa: S105 - of people who do not exist, refused without DEBUG


class Command(BaseCommand):
    help = "Makes the sample school, if it is not there, and prints who can sign in."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "The sample school's password is public. It is made only where DEBUG=1."
            )
        school = School.objects.filter(slug=make.SLUG).first()
        if school is None:
            self.stdout.write("Making the sample school ...")
            with transaction.atomic():
                today = timezone.now().astimezone(make.ZONE).date()
                school = make.make(today=today, password=PASSWORD)
        self.stdout.write(f"{school.name}. Sign in with the password {PASSWORD} as")
        members = Membership.objects.filter(school=school).select_related("user")
        for role in (Membership.Role.OFFICE, Membership.Role.TEACHER):
            for member in members.filter(role=role).order_by("user__joined_at")[:4]:
                self.stdout.write(f"  {member.user.email:34} {role.label:8} {member.user.name}")
        self.stdout.write(
            "  ... and eight more teachers. README.md, “Where to look”, says what there is to see."
        )

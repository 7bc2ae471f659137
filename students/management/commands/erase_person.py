"""``manage.py erase_person``: removes what the law wants removed, and keeps the rest provable."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.in_school import enter
from accounts.models import User
from changes import erasure
from changes.management.arguments import add_school, school_of
from students.erasure import erase_pupil, pupil_of


class Command(BaseCommand):
    help = (
        "Erases a pupil, or somebody with an account: their values and the salts of these leave "
        "the ledger and its history, their full names and addresses every other text. The rows "
        "stay, the chain of decisions still holds, and who ordered it and why is a decision in it. "
        "It cannot be undone. Backups, exported files and sent mail are beyond it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_school(parser, required=False)
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument(
            "--pupil", metavar="NUMBER", help="the pupil with this number, or id; needs --school"
        )
        who.add_argument(
            "--user", metavar="EMAIL", help="whose account has this address, in all their schools"
        )
        parser.add_argument("--ordered-by", required=True, metavar="WHO", help="who ordered it")
        parser.add_argument("--why", required=True, help="by what law or request")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be erased, and erase nothing"
        )

    def handle(
        self,
        *args: Any,
        school: str | None,
        pupil: str | None,
        user: str | None,
        ordered_by: str,
        why: str,
        dry_run: bool,
        **options: Any,
    ) -> None:
        ordered = {"ordered_by": ordered_by, "why": why}
        if pupil and not school:
            raise CommandError("--pupil: name the school too, with --school.")
        try:
            with erasure.as_owner(), transaction.atomic():
                if pupil and school:
                    with enter(school_of(school)) as entered:
                        done = erase_pupil(pupil_of(pupil), school=entered, **ordered)
                else:
                    done = erasure.erase_user(self._user(str(user)), **ordered)
                transaction.set_rollback(dry_run)
        except erasure.CannotErase as refusal:
            raise CommandError(str(refusal)) from refusal
        said = "Would erase" if dry_run else "Erased"
        numbers = ", ".join(map(str, done.decisions))
        self.stdout.write(
            f"{said} {done.changes} changes and {done.texts} other texts"
            + ("." if dry_run else f"; decision {numbers}.")
        )

    def _user(self, email: str) -> User:
        user = User.objects.filter(email=email.strip().lower()).first()
        if user is None:
            raise CommandError(f"--user: nobody has the address {email!r}.")
        return user

"""``manage.py publish_digest``: lets the head of a ledger leave the installation."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from django.utils.formats import date_format

from accounts.in_school import enter
from accounts.models import School
from accounts.outbox import Message, post
from changes.chain import Head, head_of
from changes.management.arguments import add_school, schools


class Command(BaseCommand):
    help = (
        "Prints the digest of each school's last decision, and mails it to the school's own "
        "address. Whoever rewrites the history later cannot rewrite what was sent: verify_ledger "
        "--published compares. Run it as often as a rewritten history must not stay unnoticed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_school(parser, required=False)

    def handle(self, *args: Any, school: str | None, **options: Any) -> None:
        for each in schools(school):
            with enter(each):
                head = head_of(each)
                line = f"schoolmarks digest {each.slug} {head.number} {head.digest}"
                if each.email and head.number:
                    post([_message(each, head, line)], school=each, at=timezone.now())
            self.stdout.write(line)
            if not each.email:
                self.stderr.write(
                    f"{each} has no address of its own: the digest is mailed to nobody. The "
                    "office enters one under Policy."
                )


def _message(school: School, head: Head, line: str) -> Message:
    today = date_format(timezone.localtime(), "j F Y")
    return Message(
        key=f"digest {head.number}",
        to=school.email,
        subject=f"The seal of {school}’s marks, {today}",
        body=(
            "Please keep this message where nobody who runs the computer of schoolmarks can change "
            "it: in this mailbox, or printed.\n\n"
            f"{line}\n\n"
            f"It is the seal over the first {head.number} decisions in {school}. Should anybody "
            "rewrite one of them afterwards, even somebody with all rights in the database, the "
            "seal is another one. To compare, whoever runs the computer puts such lines into a "
            "file and runs: manage.py verify_ledger --published FILE\n"
        ),
    )

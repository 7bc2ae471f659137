"""``manage.py rebuild_ledger``: writes the tables anew from the ledger."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from accounts.in_school import enter
from changes import projector
from changes.deciding import lock
from changes.management.arguments import add_school, schools
from changes.registry import UnknownName


class Command(BaseCommand):
    help = (
        "Folds each school's whole ledger into its tables, under the school's lock. "
        "Moves nothing where they are equal; leaves no corrections, history or messages."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_school(parser, required=False)

    def handle(self, *args: Any, school: str | None, **options: Any) -> None:
        for each in schools(school):
            try:
                with enter(each):
                    lock(each)
                    moved = projector.rebuild(each)
            except (IntegrityError, UnknownName) as error:
                reason = str(error).partition("\n")[0]
                raise CommandError(f"{each}: nothing was changed, since: {reason}.") from error
            cells = "1 cell" if moved == 1 else f"{moved:,} cells"
            self.stdout.write(f"{each} ({each.slug}): {cells} moved")

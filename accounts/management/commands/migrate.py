"""``manage.py migrate``, as the role that owns the tables."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as MigrateCommand


class Command(MigrateCommand):
    help = "Migrates as the role of DATABASE_OWNER_URL, and makes the table of the cache."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="owner" if "owner" in settings.DATABASES else "default")

    def handle(self, *args: Any, **options: Any) -> None:
        if "owner" not in settings.DATABASES:
            self.stderr.write(
                self.style.WARNING(
                    "DATABASE_OWNER_URL is not set: the role that serves will own the tables, so "
                    "the database cannot refuse it to rewrite the ledger or to read another school."
                )
            )
        # Before the migrations, whose last act grants the serving role its privileges.
        call_command("createcachetable", database=options["database"], verbosity=0)
        super().handle(*args, **options)

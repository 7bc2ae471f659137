"""``manage.py verify_ledger``: proves that the tables are what the ledger adds up to, and with
``--chain`` that the ledger is what was sealed."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.in_school import enter
from accounts.models import School
from changes import chain as walking
from changes import naming, projector
from changes.management.arguments import add_school, published_in, schools
from changes.projector import Move
from changes.registry import EXISTS, TRUE, UnknownName

PORTION = 1000
"""So many differences are put into words at once: all of a school may be more than memory holds."""


class Command(BaseCommand):
    help = (
        "Compares each school's tables with the fold of its ledger, and changes nothing. With "
        "--chain it also compares the ledger with its own seals. Ends with status 1 when they "
        "differ, and says where."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_school(parser, required=False)
        parser.add_argument(
            "--chain", action="store_true", help="walk the chain of decisions as well"
        )
        parser.add_argument(
            "--published",
            metavar="FILE",
            help="digests that publish_digest printed, a line each: the chain must still hold them",
        )

    def handle(
        self,
        *args: Any,
        school: str | None,
        chain: bool,
        published: str | None,
        **options: Any,
    ) -> None:
        digests = published_in(published) if published else {}
        differing = broken = 0
        for each in schools(school):
            differing += self._verify(each)
            if chain or published:
                broken += self._walk(each, digests.pop(each.slug, {}))
        if published and school is None and digests:
            raise CommandError(f"{published} names schools that are not here: {', '.join(digests)}")
        if broken:
            raise CommandError(
                "The ledger is not what was sealed: somebody wrote into its tables beside the "
                "application. Keep this output and a copy of the database before anything else."
            )
        if differing:
            raise CommandError(
                f"The tables are not what the ledger adds up to: {_counted(differing, 'cell')}. "
                "Somebody wrote beside the projector; rebuild_ledger puts it right."
            )

    def _verify(self, school: School) -> int:
        """Print what there is to say of a school, and return how many cells differ."""
        differing, some = 0, list[Move]()

        def tell_some() -> None:
            nonlocal differing
            for line in _told(some):
                if not differing:
                    self.stdout.write(f"{school} ({school.slug}) differs:")
                self.stdout.write(f"  {line}")
                differing += 1
            some.clear()

        def tell(move: Move) -> None:
            if len(some) >= PORTION and some[-1].entity_id != move.entity_id:
                tell_some()
            some.append(move)

        with enter(school):
            try:
                suspended = projector.compare(school, tell=tell)
            except UnknownName as error:
                raise CommandError(
                    f"{school}: the ledger names what nothing tracks: {error}."
                ) from error
            tell_some()
        verb = "differs" if differing == 1 else "differ"
        word = f"{_counted(differing, 'cell')} {verb}" if differing else "equal"
        self.stdout.write(
            f"{school} ({school.slug}): {word}, {_counted(suspended, 'record')} suspended"
        )
        return differing

    def _walk(self, school: School, published: Mapping[int, str]) -> int:
        """Print what does not fit in the chain of a school, and return how much."""
        broken = 0
        with enter(school):
            head = walking.head_of(school)
            for line in walking.walk(school, published):
                self.stdout.write(f"  {line}")
                broken += 1
        said = f", {_counted(len(published), 'published digest')} among them" if published else ""
        if not broken:
            self.stdout.write(
                f"{school} ({school.slug}): {_counted(head.number, 'decision')} as sealed{said}"
            )
        return broken


def _told(differences: list[Move]) -> list[str]:
    titles = naming.titles((move.entity_type, move.entity_id) for move in differences)
    values = naming.value_texts(
        (move.entity_type, move.field, value) for move in differences for value in move[3:]
    )
    came_or_went = {move.entity_id for move in differences if move.field == EXISTS}
    told = []
    for move in differences:
        title = titles[move.entity_id]
        if move.field == EXISTS:
            where = "the ledger alone" if move.after == TRUE else "the table alone"
            told.append(f"{title}: stands in {where}")
        elif move.entity_id not in came_or_went:
            before, after = (values[move.entity_type, move.field, value] for value in move[3:])
            told.append(f"{title}: {move.field} {before} in the table, {after} by the ledger")
    return told


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

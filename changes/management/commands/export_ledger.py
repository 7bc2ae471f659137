"""``manage.py export_ledger``: a school's ledger in a file that a stranger can check."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.in_school import enter
from accounts.models import School
from changes import chain, seal
from changes.management.arguments import add_school, school_of


class Command(BaseCommand):
    help = (
        "Writes every change and every decision of a school into a file, a line of JSON each, with "
        "their salts, commitments and digests. tools/check_ledger.py checks it, without this "
        "application. The file holds all that the school keeps of its pupils: guard it so."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_school(parser)
        parser.add_argument("file", help="the file to write; it must not be there yet")

    def handle(self, *args: Any, school: str, file: str, **options: Any) -> None:
        written = school_of(school)
        path = Path(file)
        try:
            with path.open("x", encoding="utf-8", newline="\n") as out:
                path.chmod(0o600)
                with enter(written):
                    for line in _lines(written):
                        out.write(seal.canonical(line).decode() + "\n")
        except FileExistsError:
            raise CommandError(f"{file} is there already: name another file.") from None
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
        with enter(written):
            head = chain.head_of(written)
        self.stdout.write(f"{file}: {written}, up to decision {head.number}, {head.digest}")


def _lines(school: School) -> Iterator[dict[str, Any]]:
    head = chain.head_of(school)
    yield {"school": school.slug, "name": school.name, "decisions": head.number}
    for change in chain.changes(school):
        line: dict[str, Any] = {
            "change": str(change.pk),
            "commitment": bytes(change.commitment).hex(),
            "facts": seal.facts_of_change(change, change.change_set),
        }
        if change.salt is not None:
            line["salt"] = bytes(change.salt).hex()
        yield line
    for link in chain.links(school):
        decision = link.decision
        line = {
            "decision": decision.number,
            "digest": bytes(decision.digest).hex(),
            "row": seal.row_of(decision, link.lines),
            "lines": link.lines,
        }
        if decision.commitment is not None:
            line["facts"] = seal.facts_of_decision(decision)
            if decision.salt is not None:
                line["salt"] = bytes(decision.salt).hex()
        yield line
    yield {"head": head.number, "digest": head.digest}

"""``manage.py reinstate``: lifts a revert, or undoes a merge."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.in_school import enter
from accounts.models import School
from accounts.origin import Origin
from changes import revert
from changes.management.arguments import (
    add_act,
    add_school,
    lines_to_leave_out,
    office_member,
    refusals,
    school_of,
)
from changes.models import Decision
from changes.preview_text import in_words


class Command(BaseCommand):
    help = (
        "Lifts a revert, or undoes a merge: the changes count again at their old places, and "
        "newer values stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", type=int, help="the number that the revert has")
        add_school(parser)
        add_act(parser)

    def handle(self, *args: Any, number: int, **options: Any) -> None:
        school = school_of(options["school"])
        by = office_member(options["by"], school=school)
        with refusals(), enter(school):
            decision = _decision(school, number)
            preview = revert.preview_reinstatement(decision, school=school)
            unticked = lines_to_leave_out(preview, options["left_out"])
            if unticked:
                preview = revert.preview_reinstatement(decision, school=school, unticked=unticked)
            if options["leave_clashing"] and preview.clashes:
                unticked |= preview.clashing
                preview = revert.preview_reinstatement(decision, school=school, unticked=unticked)
            for line in in_words(preview, with_ids=options["dry_run"]):
                self.stdout.write(line)
            if options["dry_run"]:
                self.stdout.write(
                    f"Would lift {len(preview.ticked):,} of number {number}. Nothing was done."
                )
                return
            done = revert.reinstate(
                decision,
                school=school,
                by=by,
                origin=Origin(user_agent="manage.py reinstate"),
                reason=options["reason"],
                unticked=unticked,
            )
            left, made = revert.in_force(decision)
        self.stdout.write(
            f"Lifted, as number {done.decision.number}. "
            f"Number {number} still excludes {left:,} of {made:,} changes."
        )


def _decision(school: School, number: int) -> Decision:
    decision = Decision.objects.filter(number=number).first()
    if decision is None:
        raise CommandError(f"{school} has no decision of the number {number}.")
    if decision.kind not in (Decision.Kind.REVERT, Decision.Kind.MERGE):
        raise CommandError(
            f"Number {number} {decision.get_kind_display()}: only a revert or a merge is lifted."
        )
    return decision

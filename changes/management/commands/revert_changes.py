"""``manage.py revert_changes``: excludes what an account did in a window of time, in a session, in
an import, or about a record."""

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.in_school import enter
from accounts.models import School
from accounts.origin import Origin
from changes import criteria_words, revert
from changes.management.arguments import (
    account_of,
    add_act,
    add_school,
    address_of,
    lines_to_leave_out,
    office_member,
    refusals,
    school_of,
    time_of,
)
from changes.preview_text import in_words


class Command(BaseCommand):
    help = (
        "Reverts what an account submitted from one time to another, in a session or in an "
        "import; what is given must all be so. Each value falls back to the "
        "last one that remains. Records that somebody else built on are kept."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_school(parser)
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--account", metavar="EMAIL", help="who typed it")
        who.add_argument("--decided-by", metavar="EMAIL", help="who approved or imported it")
        for option, name, what in (
            ("--from", "start", "first"),
            ("--to", "end", "just after the last"),
        ):
            parser.add_argument(
                option,
                dest=name,
                metavar="TIME",
                help=f"{what} instant, as the school’s clocks show it: 2026-11-14 23:00",
            )
        hour = parser.add_mutually_exclusive_group()
        hour.add_argument(
            "--first-hour",
            dest="second",
            action="store_false",
            default=None,
            help="where the clocks showed a time twice, the first is meant",
        )
        hour.add_argument(
            "--second-hour",
            dest="second",
            action="store_true",
            default=None,
            help="where the clocks showed a time twice, the second is meant",
        )
        parser.add_argument("--ip", metavar="ADDRESS", help="only what came from this address")
        parser.add_argument(
            "--session", metavar="SESSION", help="only what was done in this session"
        )
        parser.add_argument(
            "--import",
            dest="change_set",
            type=uuid.UUID,
            metavar="ID",
            help="only this import, or any other save, by the id of its change set",
        )
        parser.add_argument(
            "--about",
            type=uuid.UUID,
            metavar="ID",
            help="only this record, such as a class, and those that refer to it",
        )
        parser.add_argument(
            "--field", metavar="TYPE.FIELD", help="only this field, such as enrollment.grade"
        )
        parser.add_argument(
            "--with-what-was-built-on-it",
            dest="whole",
            action="store_true",
            help="also records that somebody else built on; that vanishes with them",
        )
        add_act(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        school = school_of(options["school"])
        by = office_member(options["by"], school=school)
        criteria = _criteria(school, options)
        with refusals(), enter(school):
            preview = _preview(criteria, school, options)
            for line in in_words(preview, with_ids=options["dry_run"]):
                self.stdout.write(line)
            if options["dry_run"]:
                self.stdout.write(f"Would revert {_counted(preview)}. Nothing was done.")
                return
            done = revert.revert(
                criteria,
                school=school,
                by=by,
                origin=Origin(user_agent="manage.py revert_changes"),
                reason=options["reason"],
                unticked=_unticked(preview),
            )
        number = done.decision.number
        self.stdout.write(
            f"Reverted {_counted(preview)}, as number {number}. To lift it: "
            f"manage.py reinstate {number} --school {school.slug} --by EMAIL"
        )


def _preview(criteria: revert.Criteria, school: School, options: dict[str, Any]) -> revert.Preview:
    unticked = () if options["whole"] else None
    preview = revert.preview(criteria, school=school, unticked=unticked)
    if left_out := lines_to_leave_out(preview, options["left_out"]):
        left_out |= _unticked(preview)
        preview = revert.preview(criteria, school=school, unticked=left_out)
    if not (options["leave_clashing"] and preview.clashes):
        return preview
    return revert.preview(criteria, school=school, unticked=_unticked(preview) | preview.clashing)


def _unticked(preview: revert.Preview) -> set[str]:
    return {line.key for line in preview.lines if not line.ticked}


def _criteria(school: School, options: dict[str, Any]) -> revert.Criteria:
    accounts: dict[str, Any] = {
        name: account_of(options[name], school=school, option=f"--{name.replace('_', '-')}").user_id
        for name in ("account", "decided_by")
        if options[name]
    }
    times: dict[str, Any] = {
        name: time_of(options[name], school=school, option=option, second=options["second"])
        for name, option in (("start", "--from"), ("end", "--to"))
        if options[name]
    }
    others = {name: options[name] for name in ("session", "change_set", "about") if options[name]}
    if len(times) < 2 and not others:
        raise CommandError(
            "Give both --from and --to, or one of --session, --import and --about: all that an "
            "account ever did is too much."
        )
    try:
        return revert.Criteria(
            **accounts,
            **times,
            **others,
            ip=address_of(options["ip"]),
            field=_field(options["field"]),
        )
    except ValueError as error:
        raise CommandError(str(error)) from error


def _field(text: str | None) -> str | None:
    known = [name for name, _ in criteria_words.fields()]
    if text and text not in known:
        raise CommandError(f"--field: there is no field {text!r}, but: {', '.join(known)}.")
    return text


def _counted(preview: revert.Preview) -> str:
    count = len(preview.ticked)
    return "1 change" if count == 1 else f"{count:,} changes"

"""``manage.py transcript``: a pupil's transcript, for people and for scripts."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import disclosures
from accounts.in_school import enter
from accounts.models import School
from accounts.origin import Origin
from changes.management.arguments import add_school, school_of
from grading.transcript import Course, Term, Transcript
from grading.transcript_rows import transcripts
from students.models import Student


class Command(BaseCommand):
    help = (
        "Prints the transcript of a pupil: terms, courses, credits, marks, points and averages, "
        "of what the office has approved. It is written down among the pupil's disclosures."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", metavar="STUDENT_NUMBER", help="the pupil's number")
        add_school(parser)
        parser.add_argument("--json", action="store_true", help="for scripts")
        parser.add_argument("--to", default="", help="who receives it (default: who runs this)")
        parser.add_argument("--why", default="run by the operator", help="what it is for")

    def handle(
        self, *args: Any, number: str, school: str, json: bool, to: str, why: str, **options: Any
    ) -> None:
        where = school_of(school)
        with enter(where):
            student = Student.objects.filter(school=where, number=number).first()
            if student is None:
                raise CommandError(f"{where} has no pupil of the number {number!r}.")
            found = transcripts([student.pk], decimals=where.gpa_decimals)[student.pk]
            disclosures.note(
                [student.pk],
                what="transcript, by a command",
                why=why,
                to=to,
                school=where,
                user=None,
                origin=Origin(),
            )
        self.stdout.write(as_json(found, student, where) if json else as_text(found, student))


def as_json(found: Transcript, student: Student, school: School) -> str:
    """Return a transcript as JSON. Amounts are strings, so that they stay exact; ``null`` is no
    mark, no points, no average."""
    said = {
        "school": {"name": school.name, "slug": school.slug},
        "pupil": {
            "number": student.number,
            "family_name": student.family_name,
            "given_names": student.given_names,
            "birth_date": student.birth_date and student.birth_date.isoformat(),
        },
        "terms": [_term(each) for each in found.terms],
        "credits_earned": found.earned_text,
        "gpa": _average(found.gpa),
        "decimals": found.decimals,
        "rule": found.rule,
    }
    return json.dumps(said, ensure_ascii=False, indent=2)


def as_text(found: Transcript, student: Student) -> str:
    """Return a transcript as lines of text."""
    lines = [f"{student} ({student.number})"]
    for term in found.terms:
        average = _average(term.gpa) or "none"
        lines += ["", f"{term.name}: GPA {average}, credits earned {term.earned_in_words}"]
        lines += [
            f"  {each.row.title} {each.row.code or ''}".rstrip()
            + f": {each.mark or 'no mark yet'}"
            + (f", {each.points_text} points" if each.points_text else "")
            + f", {each.credits_text} credits"
            + (f" ({each.counted_once})" if each.repeated else "")
            for each in term.courses
        ]
    lines += ["", f"GPA {_average(found.gpa) or 'none'}, credits earned {found.earned_text}"]
    return "\n".join([*lines, found.rule])


def _term(term: Term) -> dict[str, Any]:
    return {
        "name": term.name,
        "starts_on": term.starts_on and term.starts_on.isoformat(),
        "ends_on": term.ends_on and term.ends_on.isoformat(),
        "courses": [_course(each) for each in term.courses],
        "credits_earned": term.earned_text,
        "gpa": _average(term.gpa),
    }


def _course(course: Course) -> dict[str, Any]:
    return {
        "code": course.row.code,
        "title": course.row.title,
        "credits": course.credits_text,
        "mark": course.mark,
        "points": course.points_text or None,
        "repeated": course.repeated,
    }


def _average(average: Any) -> str | None:
    return None if average is None else str(average)

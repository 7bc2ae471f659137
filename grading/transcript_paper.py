"""The transcript on paper: what is printed on it, in the words of its layout
(paper/transcript.typ)."""

import datetime as dt
import re
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import School
from students.models import Student

from . import logo
from .paper.press import Paper, Press
from .transcript import Course, Term, Transcript


def printed(found: Transcript, student: Student, school: School, *, at: dt.datetime) -> Paper:
    """Return a transcript as a tagged PDF. Call inside the school, whose calendar the day is of."""
    its_logo = logo.of(school)
    data = _data(found, student, school, at=at)
    data["logo"] = logo.name(its_logo) if its_logo else None
    with Press(logo.files(its_logo)) as press:
        return press.print("transcript", data, at=at)


def _data(
    found: Transcript, student: Student, school: School, *, at: dt.datetime
) -> dict[str, Any]:
    name = str(student)
    facts = [
        ("Number", student.number or ""),
        ("Date of birth", _day(student.birth_date)),
        ("Year level", student.year_level),
        ("Home group", student.home_group),
    ]
    return {
        "title": f"Transcript of {name}",
        "school": school.name,
        "kind": "Transcript",
        "as_of": f"As of {_day(timezone.localdate(at))}",
        "pupil": name,
        "number": student.number or "",
        "facts": [fact for fact in facts if fact[1]],
        "terms": [_term(each) for each in found.terms],
        "total": _total(found.earned_text, found.gpa),
        "rule": found.rule,
        "codes": [[each.label, each.meaning] for each in found.codes if each.meaning],
    }


def file_name(student: Student) -> str:
    """Return what the file is called, which every system takes."""
    name = f"transcript {student.given_names} {student.family_name}"
    said = re.sub(r"[^\w .'’-]", "-", name).strip(" .-")
    return f"{said}.pdf"


def _term(term: Term) -> dict[str, Any]:
    return {
        "name": term.name or "Term without a name",
        "when": " to ".join(filter(None, [_day(term.starts_on), _day(term.ends_on)])),
        "courses": [_course(each) for each in term.courses],
        "total": _total(term.earned_in_words, term.gpa),
    }


def _course(course: Course) -> dict[str, Any]:
    return {
        "code": course.row.code or "",
        "title": course.row.title or "Course without a title",
        "credits": course.credits_text,
        "mark": course.mark or "",
        "points": course.points_text,
        "counted_once": course.counted_once,
    }


def _total(earned: str, gpa: object) -> str:
    average = "no mark counts for an average" if gpa is None else f"GPA {gpa}"
    return f"Credits earned {earned}, {average}"


def _day(day: dt.date | None) -> str:
    return date_format(day, "j F Y") if day else ""

"""The programmes of a school, and how far its pupils are with them. Call inside a school.

The number of statements does not grow with the pupils.
"""

import csv
import dataclasses
import io
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Count, Q

from accounts import audit as audit_log
from accounts.models import AuditLog, Membership, School
from accounts.origin import Origin
from accounts.plain import Plain
from changes import naming
from changes.formulas import guarded
from changes.propose import Draft
from changes.review import enter_directly
from students.models import Programme, Student

from .completion import Audit, State, audit
from .transcript import Transcript
from .transcript_rows import transcripts

COLUMNS = ("Number", "Family name", "Given names", "Year level", "Home group", "Programme")
BY_NAME = (Plain("family_name"), Plain("given_names"), "id")

LABELS = {
    "name": "name",
    "credits": "credits",
    "areas": "credits in areas",
    "courses": "named courses",
    "least_gpa": "lowest GPA",
    "retired_at": "retired or not",
}
"""What the office calls the values of a programme."""

MORE_COLUMNS = ("State", "What is missing", "What is under way")


@dataclasses.dataclass(frozen=True)
class Progress:
    """A pupil and how far they are with their programme."""

    student: Student
    audit: Audit


def of_pupil(student: Student, transcript: Transcript) -> Audit | None:
    """Return how far a pupil is, or None for one who is in no programme."""
    if student.programme is None:
        return None
    return audit(student.programme, transcript, names=_names([student.programme]))


def of_pupils(school: School, *, programme: Programme | None = None) -> list[Progress]:
    """Return how far the pupils of a programme are, or of every programme, by their names. Those
    in no programme are not among them."""
    found = Student.objects.filter(school=school, programme__isnull=False)
    if programme:
        found = found.filter(programme=programme)
    students = list(found.select_related("programme").order_by(*BY_NAME))
    read = transcripts([each.pk for each in students], decimals=school.gpa_decimals)
    programmes = {each.programme for each in students if each.programme}
    names = _names(programmes)
    return [
        Progress(each, audit(each.programme, read[each.pk], names=names))
        for each in students
        if each.programme
    ]


def would_not_finish(progress: Iterable[Progress], *, with_under_way: bool) -> list[Progress]:
    """Return whose programme misses something that nothing under way gives; and, if asked for,
    also those who finish only with what is under way."""
    least = State.UNDER_WAY if with_under_way else State.MISSING
    return [each for each in progress if each.audit.state >= least]


def as_csv(progress: Sequence[Progress]) -> bytes:
    """Return pupils as CSV, with the mark by which a spreadsheet knows UTF-8."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([*COLUMNS, *MORE_COLUMNS])
    for each in progress:
        writer.writerow([guarded(text) for text in _texts(each)])
    return out.getvalue().encode("utf-8-sig")


@dataclasses.dataclass(frozen=True)
class Year:
    """The pupils of a year level: how many, and how many of them are in a programme, in another
    one, and in none."""

    level: str
    pupils: int
    here: int
    elsewhere: int

    @property
    def in_none(self) -> int:
        return self.pupils - self.here - self.elsewhere


def years(programme: Programme) -> list[Year]:
    """Return the year levels of a programme's school, with where their pupils are. One
    statement."""
    rows = (
        Student.objects.filter(school_id=programme.school_id)
        .values("year_level")
        .annotate(
            pupils=Count("pk"),
            here=Count("pk", filter=Q(programme=programme)),
            some=Count("programme"),
        )
    )
    found = [
        Year(row["year_level"], row["pupils"], row["here"], row["some"] - row["here"])
        for row in rows
    ]
    return sorted(found, key=lambda each: (not each.level, len(each.level), each.level))


def put_in(programme: Programme, level: str, *, by: Membership, origin: Origin) -> int:
    """Put the pupils of a year level who are in no programme into one: a direct edit of the
    office, which can be reverted. Return how many were.

    Raises:
        NotApproved: a pupil's record was changed at the same instant.
    """
    pupils = Student.objects.filter(
        school_id=programme.school_id, year_level=level, programme=None
    ).values_list("pk", flat=True)
    entered = enter_directly(
        [
            Draft(
                entity_type="student",
                entity_id=each,
                field="programme",
                typed=str(programme.pk),
                touched=True,
            )
            for each in pupils
        ],
        school=by.school,
        by=by,
        origin=origin,
        reason=f"programme {programme}",
    )
    return len(entered.saved.changes)


def save(
    programme: Programme, values: dict[str, Any], *, by: Membership, origin: Origin
) -> list[str]:
    """Write these values to a programme, new or not, and what changed to the audit log. Return the
    names of what changed."""
    is_new = programme._state.adding
    before = {name: getattr(programme, name) for name in values}
    changed = [name for name in values if is_new or values[name] != before[name]]
    for name in changed:
        setattr(programme, name, values[name])
    if changed:
        programme.save()
        audit_log.record(
            AuditLog.Event.PEOPLE,
            origin=origin,
            school=by.school,
            user=by.user,
            detail=f"programme {programme}: "
            f"{'added' if is_new else ', '.join(LABELS[name] for name in changed)}",
            metadata={
                "programme": str(programme.pk),
                "changed": {
                    name: {
                        "from": None if is_new else _said(before[name]),
                        "to": _said(values[name]),
                    }
                    for name in changed
                },
            },
        )
    return changed


def _names(programmes: Iterable[Programme]) -> dict[uuid.UUID, str]:
    """Return what the courses are called that these programmes name."""
    ids = {course_id for each in programmes for course_id in each.courses}
    return naming.titles(("course", each) for each in ids)


def _texts(each: Progress) -> tuple[str, ...]:
    student, audited = each.student, each.audit
    under_way = [one for one in audited.requirements if one.state is State.UNDER_WAY]
    return (
        student.number or "",
        student.family_name,
        student.given_names,
        student.year_level,
        student.home_group,
        str(student.programme),
        audited.state.label,
        "; ".join(one.in_words for one in audited.missing),
        "; ".join(one.in_words for one in under_way),
    )


def _said(value: Any) -> Any:
    """Return a value as the audit log keeps it."""
    if isinstance(value, list):
        return [str(each) for each in value]
    return value if value is None or isinstance(value, dict) else str(value)

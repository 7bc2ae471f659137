"""What the rows of each file say of a school as it is approved: the other way of rows.py.

Read from the authoritative tables alone, so that nothing provisional can get into a file. Each
function yields `Sent` rows ordered by sourcedId, read from the database in portions: memory does
not grow with the school. `only` narrows them to the records with these ids. The number of
statements does not grow with the rows. Call everything here inside the school.

A record that came with a roster keeps its sourcedId; another is known by its id here, which stays
the same from one export to the next.

What does not go out:

- Pupils who have withdrawn from a class, or wait for a place in it, are not among its enrolments,
  and neither are their marks. A bulk file is the complete list of who is in a class, `status` blank
  and whatever is missing gone; a delta says `tobedeleted`. `role` has no word for who waits, the
  end of an enrolment is no date that is kept here, and who reads a row with a column of our own
  would take them for pupils of the class. They stay in the ledger, and in transcripts.
- Rooms in which no class is: the standard's CSV files name a room with its class (`location`).
- Remarks on report cards, corrections, and what it takes to finish a programme: they belong to no
  file of the standard.
"""

import hashlib
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import F, Q, QuerySet, TextField
from django.db.models.functions import Cast, Coalesce, Collate

from accounts.models import Membership, School
from grading.models import Course, Enrollment, GradingScale, GradingStep, Section, Term
from grading.oneroster.headers import (
    BLANK,
    GRADE,
    HEADERS,
    ORG,
    OWN,
    PROGRAMME,
    SCALE,
    YEAR_LEVEL,
)
from grading.oneroster.layout import ID, NAME, parts
from grading.oneroster.scale_facts import NO_SCALE as NONE
from grading.oneroster.scale_facts import facts_of, write_scale
from grading.scales import plain
from students.models import Student

PORTION = 2_000
FILLER = "-"
FILLER_DAY = "1900-01-01"
"""What stands in a required column that is blank here; `metadata.blank` names the column."""
EXEMPT = "exempt"
"""What a code means that excuses a pupil from the mark, in any case."""

Ids = Collection[uuid.UUID] | None
Cells = Mapping[str, str]


class Sent(NamedTuple):
    """A row of a file, which record of the school it tells of, and of which pupil, if of one."""

    record: uuid.UUID
    cells: Cells
    pupil: uuid.UUID | None = None


def sourced_id(source_id: str | None, record: uuid.UUID) -> str:
    """Return what a record is called in every file."""
    return source_id or str(record)


def made_of(*said: str) -> str:
    """Return the sourcedId of a row that is no record of its own here, such as a line item."""
    text = ":".join(said)
    return text if len(text) <= ID else hashlib.sha256(text.encode()).hexdigest()


def files(school: School) -> dict[str, Iterator[Sent]]:
    """All of the school: the rows of each file, by its name, in the order of a delivery."""
    return {
        "orgs": orgs(school),
        "academicSessions": sessions(school),
        "courses": courses(school),
        "classes": classes(school),
        "users": people(school),
        "demographics": demographics(school),
        "enrollments": enrolments(school),
        "categories": categories(school),
        "lineItems": line_items(school),
        "results": results(school),
    }


def orgs(school: School) -> Iterator[Sent]:
    """The school."""
    org = sourced_id(school.source_id, school.pk)
    yield Sent(school.pk, {"sourcedId": org, "name": school.name, "type": "school"})


def sessions(school: School, only: Ids = None) -> Iterator[Sent]:
    """The terms."""
    names = ("name", "starts_on", "ends_on", *OWN["academicSessions"].values())
    for row in _in_order(Term.objects.filter(school=school), only).values(*_KEYS, *names):
        starts_on, ends_on = _days(row)
        days = {"startDate": row["starts_on"], "endDate": row["ends_on"]}
        yield _sent(
            row,
            "academicSessions",
            title=row["name"],
            type="term",
            startDate=starts_on,
            endDate=ends_on,
            schoolYear=ends_on[:4],
            blank=tuple(column for column, day in days.items() if day is None),
            own={ORG: sourced_id(school.source_id, school.pk)},
        )


def courses(school: School, only: Ids = None) -> Iterator[Sent]:
    """The courses."""
    names = ("title", "code", *OWN["courses"].values())
    for row in _in_order(Course.objects.filter(school=school), only).values(*_KEYS, *names):
        yield _sent(
            row,
            "courses",
            title=row["title"],
            courseCode=row["code"],
            subjects=row["subject_area"],
            orgSourcedId=sourced_id(school.source_id, school.pk),
            blank=() if row["code"] else ("courseCode",),
        )


def classes(school: School, only: Ids = None) -> Iterator[Sent]:
    """The sections. Their title is for people: they have none of their own here."""
    names = ("code", *OWN["classes"].values())
    found = _in_order(Section.objects.filter(school=school), only).values(
        *(*_KEYS, *names, "course_id", "term_id"),
        course_source=F("course__source_id"),
        course_title=F("course__title"),
        term_source=F("term__source_id"),
        room_name=F("room__name"),
    )
    for row in found:
        title = f"{row['course_title']} {row['code'] or ''}".strip()[:NAME]
        yield _sent(
            row,
            "classes",
            title=title or FILLER,
            courseSourcedId=sourced_id(row["course_source"], row["course_id"]),
            classCode=row["code"],
            classType="scheduled",
            location=row["room_name"],
            schoolSourcedId=sourced_id(school.source_id, school.pk),
            termSourcedIds=sourced_id(row["term_source"], row["term_id"]),
            blank=() if row["code"] else ("classCode",),
        )


def pupils(school: School, only: Ids = None) -> Iterator[Sent]:
    """The pupils."""
    names = ("number", "given_names", "family_name", "email", "year_level")
    own = OWN["users"].values()
    found = _in_order(Student.objects.filter(school=school), only).values(
        *_KEYS, *names, *own, programme_name=F("programme__name")
    )
    for row in found:
        levels = parts(row["year_level"])
        yield _sent(
            row,
            "users",
            enabledUser="true",
            orgSourcedIds=sourced_id(school.source_id, school.pk),
            role="student",
            givenName=row["given_names"],
            familyName=row["family_name"],
            identifier=row["number"],
            email=row["email"],
            grades=",".join(levels),
            own={
                YEAR_LEVEL: row["year_level"] if ", ".join(levels) != row["year_level"] else "",
                PROGRAMME: row["programme_name"] or "",
            },
        )._replace(pupil=row["id"])


def teachers(school: School, only: Ids = None) -> Iterator[Sent]:
    """Who teaches, or may; the office's people are no matter of a roster."""
    teaching = Section.objects.filter(school=school, instructor__isnull=False)
    found = Membership.objects.filter(school=school).filter(
        Q(role=Membership.Role.TEACHER) | Q(user__in=teaching.values("instructor"))
    )
    names = ("is_active", "user__is_active", "user__name", "user__email")
    for row in _in_order(found, only).values(*_KEYS, *names):
        given, _, family = row["user__name"].rpartition(" ")
        if not given.strip():
            given, family = row["user__name"], ""
        yield _sent(
            row,
            "users",
            enabledUser=str(row["is_active"] and row["user__is_active"]).lower(),
            orgSourcedIds=sourced_id(school.source_id, school.pk),
            role="teacher",
            givenName=given,
            familyName=family,
            email=row["user__email"],
        )


def demographics(school: School, only: Ids = None) -> Iterator[Sent]:
    """The dates of birth that are known."""
    found = _in_order(Student.objects.filter(school=school, birth_date__isnull=False), only)
    for row in found.values(*_KEYS, "birth_date"):
        yield _sent(row, "demographics", birthDate=row["birth_date"].isoformat())._replace(
            pupil=row["id"]
        )


def pupils_enrolments(school: School, only: Ids = None) -> Iterator[Sent]:
    """Which pupil is in which section."""
    for row in _enrolled(school, only):
        yield _sent(
            row,
            "enrollments",
            classSourcedId=sourced_id(row["section_source"], row["section_id"]),
            schoolSourcedId=sourced_id(school.source_id, school.pk),
            userSourcedId=sourced_id(row["student_source"], row["student_id"]),
            role="student",
        )._replace(pupil=row["student_id"])


def teachers_enrolments(school: School, only: Ids = None) -> Iterator[Sent]:
    """Who teaches which section; the record is the section."""
    members = {
        user: sourced_id(source_id, member)
        for user, source_id, member in Membership.objects.filter(school=school).values_list(
            "user_id", "source_id", "id"
        )
    }
    found = Section.objects.filter(school=school, instructor__isnull=False)
    for row in _in_order(found, only).values(*_KEYS, "instructor_id"):
        yield teaches(school, row["key"], row["id"], members[row["instructor_id"]])


def teaches(school: School, class_id: str, section: uuid.UUID, teacher: str) -> Sent:
    """Return the row that says who teaches a section, both by sourcedId."""
    return Sent(
        section,
        {
            "sourcedId": made_of("teacher", class_id, teacher),
            "classSourcedId": class_id,
            "schoolSourcedId": sourced_id(school.source_id, school.pk),
            "userSourcedId": teacher,
            "role": "teacher",
            "primary": "true",
        },
    )


def people(school: School) -> Iterator[Sent]:
    """Pupils, then teachers."""
    yield from pupils(school)
    yield from teachers(school)


def enrolments(school: School) -> Iterator[Sent]:
    """Those of pupils, then of teachers."""
    yield from pupils_enrolments(school)
    yield from teachers_enrolments(school)


def categories(school: School) -> Iterator[Sent]:
    """The one category there is."""
    org = sourced_id(school.source_id, school.pk)
    yield Sent(school.pk, {"sourcedId": made_of("final", org), "title": "Final Grade"})


def line_items(school: School, only: Ids = None) -> Iterator[Sent]:
    """The mark of each section. Its date is the last day of the term."""
    known = scales(school)
    org = sourced_id(school.source_id, school.pk)
    found = _in_order(Section.objects.filter(school=school), only).values(
        *(*_KEYS, "scale_id", "term_id"),
        term_source=F("term__source_id"),
        starts_on=F("term__starts_on"),
        ends_on=F("term__ends_on"),
    )
    for row in found:
        scale = known.get(row["scale_id"], NO_SCALE)
        starts_on, ends_on = _days(row)
        yield Sent(
            row["id"],
            {
                "sourcedId": line_item_of(row["key"]),
                "title": "Final Grade",
                "assignDate": starts_on,
                "dueDate": ends_on,
                "classSourcedId": row["key"],
                "categorySourcedId": made_of("final", org),
                "gradingPeriodSourcedId": sourced_id(row["term_source"], row["term_id"]),
                "resultValueMin": plain(scale.least),
                "resultValueMax": plain(scale.most),
                SCALE: scale.said,
            },
        )


def line_item_of(class_id: str) -> str:
    """Return the sourcedId of a class's mark."""
    return made_of("final", class_id)


def result_of(enrollment_id: str) -> str:
    """Return the sourcedId of the mark of an enrolment."""
    return made_of("mark", enrollment_id)


def results(school: School, only: Ids = None) -> Iterator[Sent]:
    """The marks and comments that stand; of a pupil who has neither there is no row."""
    known = scales(school)
    for row in _enrolled(school, only, Q(grade__isnull=False) | ~Q(comment="")):
        class_id = sourced_id(row["section_source"], row["section_id"])
        scale = known.get(row["scale_id"], NO_SCALE)
        yield Sent(
            row["id"],
            {
                "sourcedId": result_of(row["key"]),
                "lineItemSourcedId": line_item_of(class_id),
                "studentSourcedId": sourced_id(row["student_source"], row["student_id"]),
                **scale.score(row["grade"]),
                "scoreDate": _days(row)[1],
                "comment": row["comment"],
            },
            row["student_id"],
        )


@dataclass(slots=True)
class SentScale:
    """A grading scale on its way out. ``said``: all of it, as JSON. ``least`` and ``most`` bound
    the scores: of letters these are their points."""

    said: str = field(default_factory=lambda: write_scale(NONE))
    least: Decimal = Decimal(0)
    most: Decimal = Decimal(100)
    codes: dict[str, str] = field(default_factory=dict)
    points: dict[str, Decimal | None] = field(default_factory=dict)

    def score(self, grade: str | None) -> Cells:
        """Return what the columns of a mark say."""
        if grade is None:
            return {"scoreStatus": "not submitted"}
        if grade in self.codes:
            exempt = self.codes[grade].casefold() == EXEMPT
            return {"scoreStatus": EXEMPT if exempt else "not submitted", GRADE: grade}
        if grade in self.points:
            points = self.points[grade]
            score = "" if points is None else plain(points)
            return {"scoreStatus": "fully graded", "score": score, GRADE: grade}
        return {"scoreStatus": "fully graded", "score": grade}


NO_SCALE = SentScale()


def scales(school: School) -> dict[uuid.UUID, SentScale]:
    """Return the scales of the school, by id. Two statements."""
    steps: dict[uuid.UUID, list[GradingStep]] = {}
    for step in GradingStep.objects.filter(school=school).order_by("is_code", "label"):
        steps.setdefault(step.scale_id, []).append(step)
    return {
        scale.pk: _sent_scale(scale, steps.get(scale.pk, []))
        for scale in GradingScale.objects.filter(school=school)
    }


def _sent_scale(scale: GradingScale, steps: list[GradingStep]) -> SentScale:
    letters = {
        step.label: step.points for step in steps if not step.is_code and step.minimum is None
    }
    points = [each for each in letters.values() if each is not None] or [Decimal(0)]
    least = min(points) if scale.minimum is None else scale.minimum
    most = max(points) if scale.maximum is None else scale.maximum
    return SentScale(
        said=write_scale(facts_of(scale, steps)),
        least=least,
        most=most if most > least else least + 1,
        codes={step.label: step.meaning for step in steps if step.is_code},
        points=letters,
    )


# Reading the tables. ------------------------------------------------------------------------------

_KEYS = ("id", "key")


def _in_order(found: QuerySet[Any], only: Ids) -> "_Portions":
    """Order by sourcedId, and by nothing that differs between two installations."""
    if only is not None:
        found = found.filter(pk__among=only)
    key = Coalesce("source_id", Cast("id", TextField()), output_field=TextField())
    return _Portions(found.annotate(key=key).order_by(Collate("key", "C")))


class _Portions:
    """A queryset whose values are read in portions, by a cursor in the database."""

    def __init__(self, found: QuerySet[Any]) -> None:
        self._found = found

    def values(self, *names: str, **named: F) -> Iterable[dict[str, Any]]:
        return self._found.values(*names, **named).iterator(PORTION)


def _enrolled(school: School, only: Ids, condition: Q | None = None) -> Iterable[dict[str, Any]]:
    found = Enrollment.objects.filter(
        condition or Q(), school=school, status=Enrollment.Status.ENROLLED
    )
    return _in_order(found, only).values(
        *(*_KEYS, "student_id", "section_id", "grade", "comment"),
        student_source=F("student__source_id"),
        section_source=F("section__source_id"),
        scale_id=F("section__scale_id"),
        starts_on=F("section__term__starts_on"),
        ends_on=F("section__term__ends_on"),
    )


def _days(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the first and last day of a term, of which the standard wants both."""
    known = [day.isoformat() for day in (row["starts_on"], row["ends_on"]) if day]
    return (known[0], known[-1]) if known else (FILLER_DAY, FILLER_DAY)


REQUIRED = frozenset({"title", "givenName", "familyName"})


def _sent(
    row: Mapping[str, Any],
    name: str,
    *,
    blank: tuple[str, ...] = (),
    own: Cells | None = None,
    **cells: str | None,
) -> Sent:
    """Return the row of a record: its sourcedId, these cells, and the columns of our own."""
    said = {**{column: value or "" for column, value in cells.items()}, **(own or {})}
    for column in REQUIRED & said.keys():
        if not said[column].strip():
            said[column] = FILLER
            blank = (*blank, column)
    for column, of in OWN.get(name, {}).items():
        if of in row:
            said[column] = "" if row[of] is None else str(row[of])
    if BLANK in HEADERS[name]:
        said[BLANK] = " ".join(sorted(blank))
    return Sent(row["id"], {"sourcedId": row["key"], **said})

"""What a roster wants of one school, record by record, in the ledger's words.

Nothing here looks at the database. A value of None is a blank cell; a field that the roster says
nothing of is left out. Text stays verbatim; the ledger's own fields judge it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple, TypeVar

from grading.oneroster.headers import OWN, PROGRAMME, YEAR_LEVEL
from grading.oneroster.rows import (
    Class,
    Course,
    Demographic,
    Enrollment,
    Result,
    Session,
    User,
)
from grading.oneroster.split import Part

Key = str | tuple[str, str]
"""Names a record within a school's part: its sourcedId, a room's name, or (class, pupil)."""

CODE = 60
"""Longest code that the ledger keeps, characters."""


class Place(NamedTuple):
    """Where a value stands in the delivery."""

    file: str
    line: int
    column: str


class Ref(NamedTuple):
    """A value that is another wanted record."""

    entity_type: str
    key: Key


Value = str | Ref | None


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """One record: its values, and the place that each came from, by field of the ledger.

    origin: the line of the record itself.
    """

    entity_type: str
    key: Key
    origin: Place
    values: Mapping[str, Value]
    places: Mapping[str, Place]

    def place(self, name: str) -> Place:
        return self.places.get(name, self.origin)


@dataclass(frozen=True, slots=True)
class Given:
    """What a part needs to know of the school that it meets.

    scales: id of the grading scale by class. instructors: id of the user by class.
    exempt: the code that those scales have for a pupil who gets no mark, by class. programmes: id
    of each of the school, by name.
    """

    scales: Mapping[str, str]
    instructors: Mapping[str, str]
    exempt: Mapping[str, str]
    programmes: Mapping[str, str]


Wants = Mapping[str, Callable[[], Iterator[Wanted]]]
"""What gives the wanted records, by entity type, parents before children. They are made anew each
time that they are walked: all of a school's at once are too many to keep."""


def wanted_of(part: Part, given: Given) -> Wants:
    """Return what gives the records of one school."""
    course_codes = _codes(part.courses.values(), lambda course: course.code)
    section_codes: dict[str, str | None] = {}
    for term in part.sessions:
        classes = [row for row in part.classes.values() if part.terms[row.sourced_id] == term]
        section_codes |= _codes(classes, lambda row: row.code, lambda row: row.title)
    rooms: dict[str, Class] = {}
    for class_ in part.classes.values():
        if class_.location.strip():
            rooms.setdefault(class_.location.strip(), class_)
    return {
        "term": lambda: (_term(row) for row in part.sessions.values()),
        "course": lambda: (
            _course(row, course_codes[row.sourced_id]) for row in part.courses.values()
        ),
        "room": lambda: (_room(name, row) for name, row in rooms.items()),
        "section": lambda: (
            _section(row, part, section_codes[row.sourced_id], given)
            for row in part.classes.values()
        ),
        "student": lambda: (
            _student(row, part.births.get(row.sourced_id), given) for row in part.pupils.values()
        ),
        "enrollment": lambda: (
            _enrollment(row, part.results.get((row.class_, row.user)), part, given)
            for row in part.enrollments
        ),
    }


def _term(row: Session) -> Wanted:
    return _wanted(
        "term",
        row.sourced_id,
        ("academicSessions.csv", row.line),
        source_id=("sourcedId", row.sourced_id),
        name=("title", row.title),
        starts_on=("startDate", _day(row.start_on)),
        ends_on=("endDate", _day(row.end_on)),
        **_own("academicSessions", row.own),
    )


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""


def _own(name: str, own: Mapping[str, str]) -> dict[str, tuple[str, Value]]:
    """Fields of the ledger that a file of ours says as they are, with their columns."""
    columns = {field: column for column, field in OWN[name].items()}
    return {field: (columns.get(field, "pronouns"), value) for field, value in own.items()}


def _course(row: Course, code: str | None) -> Wanted:
    return _wanted(
        "course",
        row.sourced_id,
        ("courses.csv", row.line),
        source_id=("sourcedId", row.sourced_id),
        code=("courseCode", code),
        title=("title", row.title),
        **_own("courses", row.own),
    )


def _room(name: str, row: Class) -> Wanted:
    return _wanted("room", name, ("classes.csv", row.line), name=("location", name))


def _section(row: Class, part: Part, code: str | None, given: Given) -> Wanted:
    room = row.location.strip()
    wanted = _wanted(
        "section",
        row.sourced_id,
        ("classes.csv", row.line),
        source_id=("sourcedId", row.sourced_id),
        course=("courseSourcedId", Ref("course", row.course)),
        term=("termSourcedIds", Ref("term", part.terms[row.sourced_id])),
        code=("classCode", code),
        room=("location", Ref("room", room) if room else None),
        **_own("classes", row.own),
    )
    values, places = dict(wanted.values), dict(wanted.places)
    values["instructor"] = given.instructors.get(row.sourced_id)
    line = part.taught.get(row.sourced_id)
    if line is not None:
        places["instructor"] = Place("enrollments.csv", line, "userSourcedId")
    # Without a line item the roster says nothing of the scale, and a school may have set one.
    if scale := given.scales.get(row.sourced_id):
        values["scale"] = scale
        item = part.finals[row.sourced_id]
        places["scale"] = Place("lineItems.csv", item.line, "resultValueMax")
    return Wanted("section", wanted.key, wanted.origin, values, places)


def _student(row: User, birth: Demographic | None, given: Given) -> Wanted:
    names = [name for name in (row.given_name, row.middle_name) if name.strip()]
    cells: dict[str, tuple[str, Value]] = {
        "source_id": ("sourcedId", row.sourced_id),
        "number": ("identifier", row.identifier),
        "given_names": ("givenName", " ".join(names)),
        "family_name": ("familyName", row.family_name),
        "email": ("email", row.email),
        "year_level": ("grades", ", ".join(row.grades)),
    }
    own = dict(row.own)
    if level := own.pop("year_level", ""):
        cells["year_level"] = (YEAR_LEVEL, level)
    programme = own.pop("programme", None)
    if programme is not None and (not programme or programme in given.programmes):
        cells["programme"] = (PROGRAMME, given.programmes.get(programme))
    cells |= _own("users", own)
    wanted = _wanted("student", row.sourced_id, ("users.csv", row.line), **cells)
    if birth is None or birth.birth_on is None:
        return wanted
    place = Place("demographics.csv", birth.line, "birthDate")
    return Wanted(
        "student",
        wanted.key,
        wanted.origin,
        {**wanted.values, "birth_date": birth.birth_on.isoformat()},
        {**wanted.places, "birth_date": place},
    )


def _enrollment(row: Enrollment, result: Result | None, part: Part, given: Given) -> Wanted:
    wanted = _wanted(
        "enrollment",
        (row.class_, row.user),
        ("enrollments.csv", row.line),
        source_id=("sourcedId", row.sourced_id),
        student=("userSourcedId", Ref("student", row.user)),
        section=("classSourcedId", Ref("section", row.class_)),
    )
    if result is None:
        return wanted
    cells: dict[str, tuple[str, Value]] = {"comment": ("comment", result.comment)}
    grade = _grade(result, given.exempt.get(row.class_))
    # In a complete list a result that is not there yet takes no standing grade away. A delta names
    # it because it has changed.
    if grade or (part.partial and result.status == "not submitted"):
        cells["grade"] = ("score", grade)
    marks = _wanted("enrollment", wanted.key, ("results.csv", result.line), **cells)
    return Wanted(
        "enrollment",
        wanted.key,
        wanted.origin,
        {**wanted.values, **marks.values},
        {**wanted.places, **marks.places},
    )


def _grade(result: Result, exempt: str | None) -> str | None:
    """The grade as the ledger writes it; None while the teacher has not finished."""
    if result.status in ("partially graded", "submitted"):
        return None
    if result.grade.strip():
        return result.grade
    if result.status == "exempt":
        return exempt
    if result.status != "fully graded" or result.score is None:
        return None
    return plain(result.score)


def plain(number: Decimal) -> str:
    """A number without needless zeros: 80.0 and 80 are one mark, and -0 is 0."""
    if not number:
        return "0"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _wanted(
    entity_type: str, key: Key, origin: tuple[str, int], **cells: tuple[str, Value]
) -> Wanted:
    """cells: column and value by field."""
    return Wanted(
        entity_type,
        key,
        Place(*origin, ""),
        {field: value or None for field, (_, value) in cells.items()},
        {field: Place(*origin, column) for field, (column, _) in cells.items()},
    )


Row = TypeVar("Row", Course, Class)


def _codes(rows: Iterable[Row], *candidates: Callable[[Row], str | None]) -> dict[str, str | None]:
    """A code for each row, by sourcedId: the first candidate that no other row shares; None for one
    that says that it has none.

    Real rosters repeat course codes from year to year, and leave class codes blank. The sourcedId
    is ugly but never shared.
    """
    codes: dict[str, str | None] = {}
    left = []
    for row in rows:
        if row.code is None:
            codes[row.sourced_id] = None
        else:
            left.append(row)
    for candidate in candidates:
        said = {row.sourced_id: (candidate(row) or "").strip() for row in left}
        shared = Counter(said.values())
        taken = set(codes.values())
        for row in left:
            code = said[row.sourced_id]
            if code and len(code) <= CODE and shared[code] == 1 and code not in taken:
                codes[row.sourced_id] = code
        left = [row for row in left if row.sourced_id not in codes]
    return codes | {row.sourced_id: row.sourced_id for row in left}

"""A roster cut by school: each school of this product is a world of its own."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from grading.oneroster.completing import teaching_that_ended
from grading.oneroster.finals import final_line_items
from grading.oneroster.roster import Roster
from grading.oneroster.rows import (
    Class,
    Course,
    Demographic,
    Enrollment,
    LineItem,
    Org,
    Result,
    Session,
    User,
)


@dataclass(slots=True)
class Part:
    """What a roster says of one school. Keys of mappings are sourcedIds.

    sessions: those that its classes belong to; schools that share a term get a copy each.
    terms: the session of each class.
    courses: its own, and those of a district or another school that its classes use.
    instructors: the teacher responsible for a class. finals: the line item that holds its grade.
    results: those of `finals`, by class and pupil. births: dates of birth, by pupil, with the line.
    taught: the line that says who teaches a class, or that nobody does any more. leaving: addresses
    of teachers whom a delta deletes.
    """

    school: Org
    sessions: dict[str, Session] = field(default_factory=dict)
    terms: dict[str, str] = field(default_factory=dict)
    courses: dict[str, Course] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    pupils: dict[str, User] = field(default_factory=dict)
    teachers: dict[str, User] = field(default_factory=dict)
    enrollments: list[Enrollment] = field(default_factory=list)
    instructors: dict[str, str] = field(default_factory=dict)
    finals: dict[str, LineItem] = field(default_factory=dict)
    results: dict[tuple[str, str], Result] = field(default_factory=dict)
    births: dict[str, Demographic] = field(default_factory=dict)
    taught: dict[str, int] = field(default_factory=dict)
    partial: bool = False
    leaving: list[str] = field(default_factory=list)


def split(roster: Roster) -> list[Part]:
    """Cut a sound roster by school, in the order of orgs.csv."""
    parts = {school.sourced_id: Part(school, partial=roster.partial) for school in roster.schools}
    for gone in roster.gone:
        if isinstance(gone.row, User) and gone.row.role == "teacher":
            for part in filter(None, map(parts.get, gone.row.orgs)):
                part.leaving.append(gone.row.email)
    for session in roster.sessions.values():
        if session.org in parts:
            parts[session.org].sessions[session.sourced_id] = session
    for course in roster.courses.values():
        if course.org in parts:
            parts[course.org].courses[course.sourced_id] = course
    for class_ in roster.classes.values():
        part = parts[class_.school]
        part.classes[class_.sourced_id] = class_
        part.courses[class_.course] = roster.courses[class_.course]
        term = roster.term_of(class_)
        part.sessions[term.sourced_id] = term
        part.terms[class_.sourced_id] = term.sourced_id
    for user in roster.users.values():
        for part in filter(None, map(parts.get, user.orgs)):
            _add_person(part, user)
    _add_enrollments(roster, parts)
    for part in parts.values():
        part.births = {
            pupil: roster.demographics[pupil]
            for pupil in part.pupils
            if pupil in roster.demographics
        }
    finals = final_line_items(roster)
    for class_id, item in finals.items():
        parts[roster.classes[class_id].school].finals[class_id] = item
    for result in roster.results.values():
        item = roster.line_items[result.line_item]
        if finals.get(item.class_) is item:
            part = parts[roster.classes[item.class_].school]
            part.results[item.class_, result.student] = result
    return list(parts.values())


def _add_person(part: Part, user: User) -> None:
    if user.role == "student":
        part.pupils[user.sourced_id] = user
    elif user.role == "teacher":
        part.teachers[user.sourced_id] = user


def _add_enrollments(roster: Roster, parts: dict[str, Part]) -> None:
    """Whoever is in a class is in its school, also when users.csv names only their district."""
    teaching: dict[str, list[Enrollment]] = defaultdict(list)
    for row in roster.enrollments.values():
        part = parts[roster.classes[row.class_].school]
        if row.role == "student":
            part.enrollments.append(row)
            part.pupils.setdefault(row.user, roster.users[row.user])
        elif row.role == "teacher":
            part.teachers.setdefault(row.user, roster.users[row.user])
            teaching[row.class_].append(row)
    for class_id, line in teaching_that_ended(roster.gone).items():
        if class_id in roster.classes:
            parts[roster.classes[class_id].school].taught[class_id] = line
    for class_id, rows in teaching.items():
        part, first = parts[roster.classes[class_id].school], _responsible(rows)
        part.instructors[class_id] = first.user
        part.taught[class_id] = first.line


def _responsible(rows: Iterable[Enrollment]) -> Enrollment:
    """Of several teachers of a class the one marked primary, else the first in the file; and one
    that a file names before one whom only the school knows."""
    return min(rows, key=lambda row: (not row.primary, not row.line))

"""Whose report cards: one pupil's, those of a class, of a home group, or of the whole school.

A scope has a key, which stands in addresses: ``pupil:ID``, ``class:ID``, ``group:8B``, ``school``.
Call inside a school.
"""

import dataclasses
import uuid

from django.db.models import QuerySet

from accounts.plain import counted, plain
from students.models import Student

from .models import Enrollment, Section, Term


class UnknownScope(LookupError):
    """The key names nobody of the term."""


@dataclasses.dataclass(frozen=True)
class Scope:
    """``label`` says for whom, as in "Report cards for ..."; the pupils are in printing order."""

    key: str
    label: str
    pupil_ids: list[uuid.UUID]


def find(key: str, term: Term) -> Scope:
    """Return a scope with its pupils. Raises UnknownScope."""
    kind, _, which = key.partition(":")
    students = Student.objects.filter(school_id=term.school_id)
    if kind == "school" and not which:
        enrolled = _enrolled(term).values("student_id")
        return _scope(key, "the whole school", students.filter(pk__in=enrolled))
    if kind == "group" and which:
        return _scope(key, f"home group {which}", students.filter(home_group=which))
    try:
        its_id = uuid.UUID(which)
    except ValueError:
        raise UnknownScope(key) from None
    if kind == "class" and (section := term.sections.filter(pk=its_id).first()):
        of_class = _enrolled(term).filter(section=section).values("student_id")
        return _scope(key, f"class {section}", students.filter(pk__in=of_class))
    if kind == "pupil" and (pupil := students.filter(pk=its_id).first()):
        return Scope(key, f"{pupil.given_names} {pupil.family_name}".strip(), [pupil.pk])
    raise UnknownScope(key)


def choices(term: Term) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the scopes that can be chosen, in groups, as (key, label). Two statements."""
    groups = (
        Student.objects.filter(school_id=term.school_id, enrollments__section__term=term)
        .exclude(home_group="")
        .values_list("home_group", flat=True)
        .distinct()
    )
    classes = Section.objects.filter(term=term).select_related("course").order_by("code", "id")
    return [
        ("All", [("school", "the whole school")]),
        ("Home groups", [(f"group:{each}", each) for each in sorted(groups, key=counted)]),
        ("Classes", [(f"class:{each.pk}", f"{each}, {each.course.title}") for each in classes]),
    ]


def _enrolled(term: Term) -> QuerySet[Enrollment]:
    return Enrollment.objects.filter(section__term=term, status=Enrollment.Status.ENROLLED)


def _scope(key: str, label: str, students: QuerySet[Student]) -> Scope:
    rows = students.values_list("home_group", "family_name", "given_names", "pk")
    # As people sort: Łuć among the L, not after Z as the database has it.
    ordered = sorted(rows, key=lambda row: (counted(row[0]), *map(plain, row[1:3]), row[3]))
    return Scope(key, label, [row[3] for row in ordered])

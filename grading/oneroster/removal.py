"""What a roster takes away: pupils out of classes, and records that nothing hangs on.

A pupil who is not in a class any more is withdrawn from it: the enrolment, its mark and its comment
stay. Where a mark stands that waits for a second person, for no transcript shows it then. Of a
complete delivery that is whoever came with a roster and is missing in a class that the delivery
lists; classes that it does not list, such as those of last year, stay as they are. A delta names
what is to be deleted. A pupil, class, course or term is deleted when nothing hangs on it; otherwise
it stays, and the enrolments of the pupil or class that have no mark yet are withdrawn.

Call everything here inside the school. The number of statements does not grow with the records.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from changes.registry import EXISTS, FALSE
from grading.models import Enrollment, Section
from grading.oneroster.completing import Gone
from grading.oneroster.imported import Imported
from grading.oneroster.matching import ENROLLED, ENROLLMENT, STATUS, WITHDRAWN, Matches
from grading.oneroster.split import Part
from grading.oneroster.wanted import Place, Ref

TENTH = 10
"""A complete delivery that takes away more than one in so many is held: it may be half a file."""


class Held(Exception):
    """A delivery would take away so much that somebody has to say that it is meant."""


Away = dict[uuid.UUID, dict[str, tuple[str, str | None, Place]]]
"""By record and field: the entity type, the value that is to be, and where the delivery says it."""


@dataclass(slots=True)
class Removal:
    """away: what to propose. withdrawn: enrolments. deleted: records by entity type. stay: records
    that the delivery deletes, and on which something hangs."""

    away: Away = field(default_factory=dict)
    withdrawn: int = 0
    deleted: Counter[str] = field(default_factory=Counter)
    stay: Counter[str] = field(default_factory=Counter)

    def add(
        self, entity_type: str, pk: uuid.UUID, name: str, value: str | None, place: Place
    ) -> None:
        self.away.setdefault(pk, {})[name] = entity_type, value, place


def missing(part: Part, matches: Matches, known: Imported, *, confirmed: bool) -> Removal:
    """What a complete delivery takes away by not listing it.

    Raises:
        Held: it is more than a tenth of the enrolments, or of the pupils, of the classes that the
            delivery lists, and nobody has `confirmed` that.
    """
    covered = {
        entity_id
        for class_id in part.classes
        if (entity_id := matches.ids.get(Ref("section", class_id))) and entity_id not in matches.new
    }
    there = Enrollment.objects.filter(section__among=covered, status=ENROLLED).exclude(
        source_id=None
    )
    of_pupil = dict(there.values_list("pk", "student_id")) if covered else {}
    # Who was withdrawn by a roster before and put back by a person stays.
    away = matches.gone.get(ENROLLMENT, set()) & of_pupil.keys()
    said = known.values(away)
    gone = sorted(pk for pk in away if said.get((pk, STATUS)) != WITHDRAWN)
    kept = {pk for ref, pk in matches.ids.items() if ref.entity_type == "student"}
    pupils = {of_pupil[pk] for pk in gone} - kept
    everybody = set(of_pupil.values())
    if not confirmed and (
        len(gone) * TENTH > len(of_pupil) or len(pupils) * TENTH > len(everybody)
    ):
        raise Held(
            f"{part.school.name}: it would take {len(gone):,} of {len(of_pupil):,} enrolments out "
            f"of the classes that it lists, and {len(pupils):,} of {len(everybody):,} pupils out "
            "of all of these. That is more than a tenth: is the delivery complete?"
        )
    found = Removal()
    _withdraw(found, dict.fromkeys(gone, Place("enrollments.csv", 0, "status")))
    return found


def named(gone: Iterable[Gone], known: Imported) -> Removal:
    """What a delta says to delete, of this school."""
    found = Removal()
    by_file: dict[str, dict[uuid.UUID, Place]] = {}
    for each in gone:
        if getattr(each.row, "role", "") != "teacher":  # an account is never changed by a file
            place = Place(f"{each.file}.csv", each.line, "status")
            by_file.setdefault(each.file, {})[each.record] = place
    _take_marks(found, by_file.get("results", {}), known)
    places = dict(by_file.get("enrollments", {}))
    pupils, classes = by_file.get("users", {}), by_file.get("classes", {})
    on_pupils = _hanging(pupils, "student_id")
    on_classes = _hanging(classes, "section_id")
    for parents, hanging in ((pupils, on_pupils), (classes, on_classes)):
        for parent, enrolments in hanging.items():
            unmarked = [pk for pk, grade in enrolments.items() if grade is None]
            places |= dict.fromkeys(unmarked, parents[parent])
    enrolled = Enrollment.objects.filter(pk__among=places, status=ENROLLED)
    _withdraw(found, {pk: places[pk] for pk in enrolled.values_list("pk", flat=True)})
    _delete(found, "student", pupils, on_pupils)
    _delete(found, "section", classes, on_classes)
    deleted = {pk for pk, cells in found.away.items() if EXISTS in cells}
    for file, column, entity_type in (
        ("courses", "course_id", "course"),
        ("academicSessions", "term_id", "term"),
    ):
        named_here = by_file.get(file, {})
        rows = Section.objects.filter(**{f"{column.removesuffix('_id')}__among": named_here})
        taught = {parent for parent, pk in rows.values_list(column, "pk") if pk not in deleted}
        _delete(found, entity_type, named_here, taught)
    return found


def _withdraw(found: Removal, places: Mapping[uuid.UUID, Place]) -> None:
    for pk, place in places.items():
        found.add(ENROLLMENT, pk, STATUS, WITHDRAWN, place)
    found.withdrawn += len(places)


def _take_marks(found: Removal, places: Mapping[uuid.UUID, Place], known: Imported) -> None:
    """Clear what came with a roster; what a person typed here is theirs."""
    rows = Enrollment.objects.filter(pk__among=places)
    said = known.values(places)
    for pk, grade, comment in rows.values_list("pk", "grade", "comment"):
        for name, value in (("grade", grade), ("comment", comment)):
            if value and said.get((pk, name)) is not None:
                found.add(ENROLLMENT, pk, name, None, places[pk])


def _hanging(
    parents: Collection[uuid.UUID], column: str
) -> dict[uuid.UUID, dict[uuid.UUID, str | None]]:
    """Return the enrolments of pupils, or of classes, with their marks."""
    found: dict[uuid.UUID, dict[uuid.UUID, str | None]] = {}
    rows = Enrollment.objects.filter(**{f"{column.removesuffix('_id')}__among": parents})
    for parent, pk, grade in rows.values_list(column, "pk", "grade"):
        found.setdefault(parent, {})[pk] = grade
    return found


def _delete(
    found: Removal,
    entity_type: str,
    places: Mapping[uuid.UUID, Place],
    hanging: Collection[uuid.UUID],
) -> None:
    for pk, place in places.items():
        if pk in hanging:
            found.stay[entity_type] += 1
        else:
            found.add(entity_type, pk, EXISTS, FALSE, place)
            found.deleted[entity_type] += 1

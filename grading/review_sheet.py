"""What the office has before it when it decides on the marks of a class: which class it is, what
the pupils had before, and figures in which a slip shows. Call inside a school.

The number of statements does not grow with the marks.
"""

import dataclasses
import datetime as dt
import statistics
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from changes import naming
from changes.flags import Flag
from changes.groups import Beside, Group
from changes.judgement import Judged
from changes.models import Change
from students.models import Student

from .gpa import with_corrections
from .models import Enrollment, HandIn, Section
from .scales import Scale, scales

FAR = 0.25
"""The part of its scale by which a mark lies outside of all that its pupil had before, to be worth
a second look."""

ENOUGH = 2
"""Earlier marks without which nothing is far from them."""


class _Place(NamedTuple):
    """Whose enrolment it is, and in which class: as it stands, or else as it was proposed."""

    section: uuid.UUID | None
    student: uuid.UUID | None


@dataclasses.dataclass(frozen=True)
class _Earlier:
    """A mark of an earlier term. ``part``: where it lies on its scale, from 0 to 1."""

    term: str
    course: str
    mark: str
    part: float | None


def groups(judged: Sequence[Judged]) -> dict[uuid.UUID, Group]:
    """Return the class that each change to an enrolment belongs to."""
    places = _places(judged)
    ids = {place.section for place in places.values() if place.section}
    said = Section.objects.filter(pk__among=ids).values_list(
        "pk", "code", "course__title", "term__name"
    )
    labels = {
        pk: f"{code or 'Class without code'} {title}, {term}" for pk, code, title, term in said
    }
    labels |= naming.titles(("section", each) for each in ids - labels.keys())
    handed_in = dict(
        HandIn.objects.filter(section_id__in=ids)
        .order_by("section_id", "-handed_in_at", "-id")
        .distinct("section_id")
        .values_list("section_id", "handed_in_at")
    )
    of_section = {each: Group(f"section-{each}", labels[each], handed_in.get(each)) for each in ids}
    found = {}
    for each in judged:
        place = places.get(each.entity_id)
        if place and place.section:
            found[each.id] = of_section[place.section]
    return found


def numbers(judged: Sequence[Judged]) -> dict[uuid.UUID, str]:
    """Return the number of the pupil of each enrolment."""
    places = _places(judged)
    ids = {place.student for place in places.values() if place.student}
    known = numbers_of(ids)
    return {
        entity_id: known[place.student]
        for entity_id, place in places.items()
        if place.student in known
    }


def numbers_of(student_ids: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the numbers of pupils, of those who are not approved as they were proposed."""
    found: dict[uuid.UUID, str | None] = dict(
        Change.objects.filter(
            entity_type="student", entity_id__in=student_ids, field="number", value__isnull=False
        )
        .order_by("id")
        .values_list("entity_id", "value")
    )
    standing = Student.objects.filter(pk__in=student_ids, number__isnull=False)
    found |= dict(standing.values_list("pk", "number"))
    return {each: number for each, number in found.items() if number}


def beside(judged: Sequence[Judged]) -> Beside:
    """Return the figures of proposed marks, and what each pupil had in earlier terms."""
    marks = [j for j in judged if j.field == "grade" and j.value is not None]
    places = _places(judged)
    scale_of = _scales_of(places)
    values = [
        float(j.value)
        for j in marks
        if j.value and (scale := scale_of.get(j.entity_id)) and _part(j.value, scale) is not None
    ]
    figures = []
    if len(values) > 1:
        figures = [
            ("Marks", str(len(marks))),
            ("Mean", f"{statistics.mean(values):.1f}"),
            ("Spread", f"{statistics.pstdev(values):.1f}"),
            ("Lowest", f"{min(values):g}"),
            ("Highest", f"{max(values):g}"),
        ]
    pupils = naming.titles(("student", place.student) for place in places.values() if place.student)
    return Beside(
        names={each: pupils[place.student] for each, place in places.items() if place.student},
        figures=figures,
        earlier={
            each: [(f"{one.term}, {one.course}", one.mark) for one in some]
            for each, some in _earlier(places).items()
        },
    )


def far(judged: Sequence[Judged]) -> Iterator[tuple[uuid.UUID, Flag, str]]:
    """Flag the marks on a scale of numbers that lie far outside of all that their pupil had in
    earlier terms: a 7 where 70 was meant."""
    marks = [j for j in judged if j.field == "grade" and j.value is not None]
    if not marks:
        return
    places = _places(marks)
    scale_of = _scales_of(places)
    earlier = _earlier(places)
    for each in marks:
        scale = scale_of.get(each.entity_id)
        part = _part(each.value or "", scale) if scale else None
        before = [one for one in earlier.get(each.entity_id, ()) if one.part is not None]
        if part is None or len(before) < ENOUGH:
            continue
        if min(abs(part - (one.part or 0)) for one in before) > FAR:
            had = ", ".join(one.mark for one in before[:4])
            yield each.id, Flag.FAR, f"Far from what this pupil had before: {had}."


def averages(judged: Sequence[Judged]) -> Iterator[tuple[uuid.UUID, Flag, str]]:
    """Say what each change of a mark that stands would do, alone, to its pupil's average."""
    asked = {
        each.id: (each.entity_id, None if each.deletes else each.value)
        for each in judged
        if each.two_people and (each.deletes or each.field == "grade")
    }
    decides = judged[0].by if asked else None
    if decides is None:
        return
    found = with_corrections(asked, decimals=decides.school.gpa_decimals)
    for change_id, its in found.items():
        if its.in_words:
            yield change_id, Flag.STANDS, its.in_words


def _places(judged: Iterable[Judged]) -> dict[uuid.UUID, _Place]:
    ids = {j.entity_id for j in judged}
    standing = Enrollment.objects.filter(pk__among=ids).values_list(
        "pk", "section_id", "student_id"
    )
    places = {pk: _Place(section, student) for pk, section, student in standing}
    proposed: dict[uuid.UUID, dict[str, uuid.UUID]] = defaultdict(dict)
    for entity_id, field, value in (
        Change.objects.filter(
            entity_id__among=ids - places.keys(),
            field__in=("section", "student"),
            refers_to__isnull=False,
        )
        .order_by("id")
        .values_list("entity_id", "field", "refers_to")
    ):
        if value:
            proposed[entity_id][field] = value
    return places | {
        each: _Place(cells.get("section"), cells.get("student")) for each, cells in proposed.items()
    }


def _scales_of(places: Mapping[uuid.UUID, _Place]) -> dict[uuid.UUID, Scale]:
    sections = {place.section for place in places.values() if place.section}
    scale_ids = dict(
        Section.objects.filter(pk__in=sections, scale__isnull=False).values_list("pk", "scale_id")
    )
    known = scales(scale_ids.values())
    return {
        each: known[scale_ids[place.section]]
        for each, place in places.items()
        if place.section in scale_ids
    }


def _earlier(places: Mapping[uuid.UUID, _Place]) -> dict[uuid.UUID, list[_Earlier]]:
    """Return the marks that stand of the pupils of these enrolments, from terms that began before
    that of the enrolment, the latest first."""
    sections = {place.section for place in places.values() if place.section}
    began = dict(Section.objects.filter(pk__in=sections).values_list("pk", "term__starts_on"))
    rows = list(
        Enrollment.objects.filter(
            student_id__in={place.student for place in places.values() if place.student},
            grade__isnull=False,
            section__term__starts_on__isnull=False,
        )
        .order_by("-section__term__starts_on", "section__course__title", "id")
        .values_list(
            "student_id",
            "section__term__starts_on",
            "section__term__name",
            "section__course__title",
            "grade",
            "section__scale_id",
        )
    )
    known = scales({row[-1] for row in rows} - {None})
    of_student: dict[uuid.UUID, list[tuple[dt.date, _Earlier]]] = defaultdict(list)
    for student, on, term, course, mark, scale_id in rows:
        if on and mark:
            part = _part(mark, known[scale_id]) if scale_id in known else None
            of_student[student].append((on, _Earlier(term or "", course or "", mark, part)))
    found: dict[uuid.UUID, list[_Earlier]] = {}
    for each, place in places.items():
        start = began.get(place.section) if place.section else None
        if place.student and start:
            some = [one for on, one in of_student[place.student] if on < start]
            if some:
                found[each] = some
    return found


def _part(mark: str, scale: Scale) -> float | None:
    """Return where a mark lies on its scale, from 0 to 1; None for a code and for letters."""
    if scale.minimum is None or scale.maximum is None or mark.casefold() in scale.labels:
        return None
    try:
        return (float(mark) - float(scale.minimum)) / float(scale.maximum - scale.minimum)
    except ValueError:
        return None

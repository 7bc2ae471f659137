"""What a report card says, and what it still lacks. Call inside a school; the number of statements
does not grow with the pupils.

A card says what stands and nothing else: ``Enrollment.grade`` and ``comment`` of the classes that
the pupil is enrolled in, as approved. Nothing here reads what a proposal would change; ``lacking``
counts what waits, for the office.
"""

import dataclasses
import hashlib
import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q

from accounts.models import School
from changes.models import Change
from changes.visible import shows
from students.models import Student

from . import gpa
from .models import Enrollment, Remark, Section, Term

IN_REMARK = "in the remark"
IN_NEW_PLACE = "for a place in a class"
AVERAGE_RULE = "Points of the grading scale, weighted by the credits of the course."


@dataclasses.dataclass(frozen=True)
class Card:
    """What the card of one pupil says, as its layout takes it, and what it lacks, in words.

    ``blanks``: the places of it that are printed as blank.
    """

    pupil_id: uuid.UUID
    pupil: str
    said: dict[str, Any]
    lacking: tuple[str, ...]
    blanks: int

    @property
    def facts(self) -> list[list[str]]:
        """What the card says of the pupil beside the name: the home group and the year level."""
        facts: list[list[str]] = self.said["facts"]
        return facts

    @property
    def is_ready(self) -> bool:
        return not self.lacking

    @property
    def digest(self) -> str:
        return digest(self.said)


def digest(said: Mapping[str, Any]) -> str:
    """Return the digest of what a card says."""
    text = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def cards(pupil_ids: Collection[uuid.UUID], term: Term, *, school: School) -> list[Card]:
    """Return the cards of these pupils of a term, in the order given. A pupil who is not there
    (any more) is left out."""
    pupils = Student.objects.filter(school=school).in_bulk(list(pupil_ids))
    places = _places(pupils, term)
    points = gpa.points_of({each.section.scale_id for some in places.values() for each in some})
    remarks = _remarks(pupils, term, school)
    waiting = _waiting(places, remarks, term, school)
    return [
        _card(pupils[each], places[each], remarks.get(each), term, school, points, waiting[each])
        for each in pupil_ids
        if each in pupils
    ]


def _remarks(pupils: Collection[uuid.UUID], term: Term, school: School) -> dict[uuid.UUID, Remark]:
    if school.cards_remarks == School.Remarks.NONE:
        return {}
    found = Remark.objects.filter(term=term, student_id__among=list(pupils))
    return {each.student_id: each for each in found}


class _Place(NamedTuple):
    """A pupil's place in a class of the term. A school has more of them than rows of any other
    table that a card reads: models would take three times as long."""

    id: uuid.UUID
    section: Section
    mark: str | None
    comment: str

    @property
    def title(self) -> str:
        return self.section.course.title or str(self.section)


def _places(pupils: Collection[uuid.UUID], term: Term) -> dict[uuid.UUID, list[_Place]]:
    rows = list(
        Enrollment.objects.filter(
            student_id__among=list(pupils), section__term=term, status=Enrollment.Status.ENROLLED
        )
        .order_by("id")
        .values_list("student_id", "section_id", "id", "grade", "comment")
    )
    sections = (
        Section.objects.filter(pk__among={row[1] for row in rows})
        .select_related("course", "instructor")
        .order_by("course__title", "code", "id")
    )
    by_section = defaultdict(list)
    for row in rows:
        by_section[row[1]].append(row)
    found: dict[uuid.UUID, list[_Place]] = {each: [] for each in pupils}
    for section in sections:
        for pupil_id, _, pk, mark, comment in by_section[section.pk]:
            found[pupil_id].append(_Place(pk, section, mark, comment))
    return found


def _card(
    pupil: Student,
    places: Iterable[_Place],
    remark: Remark | None,
    term: Term,
    school: School,
    points: Mapping[uuid.UUID, gpa.Points],
    waiting: Mapping[str, int],
) -> Card:
    courses, codes, counted, lacking, blanks = [], {}, [], [], 0
    for place in places:
        title = place.title
        comment: str | None = place.comment
        if place.mark is None:
            lacking.append(f"no mark in {title}")
            blanks += 1
        if not shows(place.comment):
            comment = ""
            if school.cards_need_comments:
                lacking.append(f"no comment in {title}")
                comment = None
                blanks += 1
        scale = points.get(place.section.scale_id) if place.section.scale_id else None
        step = scale.step_of(place.mark) if scale and place.mark is not None else None
        if step and step.is_code:
            codes[step.label] = step.meaning or step.label
        if step and step.points is not None:
            counted.append((step.points, place.section.course.credits))
        courses.append(
            {
                "title": title,
                "teacher": str(place.section.instructor or ""),
                "mark": place.mark,
                "comment": comment,
            }
        )
    if not courses:
        lacking.append("in no class of this term")
    said_of_term: str | None = remark.text if remark and shows(remark.text) else ""
    if not said_of_term and school.cards_remarks == School.Remarks.REQUIRED:
        lacking.append("no remark")
        said_of_term = None
        blanks += 1
    lacking += [
        f"{count} change{'s await' if count > 1 else ' awaits'} approval {where}"
        for where, count in sorted(waiting.items())
    ]
    average = None
    if school.cards_with_average:
        average = gpa.average(counted, decimals=school.gpa_decimals)
    name = f"{pupil.given_names} {pupil.family_name}".strip() or "(no name)"
    facts = (("Home group", pupil.home_group), ("Year level", pupil.year_level))
    return Card(
        pupil_id=pupil.pk,
        pupil=name,
        said={
            "school": school.name,
            "term": term.name,
            "pupil": name,
            "number": pupil.number or "",
            "facts": [[label, text] for label, text in facts if text],
            "courses": courses,
            "average": "" if average is None else str(average),
            "average_rule": AVERAGE_RULE,
            "codes": sorted(map(list, codes.items())),
            "remark": said_of_term,
        },
        lacking=tuple(lacking),
        blanks=blanks,
    )


def _waiting(
    places: Mapping[uuid.UUID, Iterable[_Place]],
    remarks: Mapping[uuid.UUID, Remark],
    term: Term,
    school: School,
) -> defaultdict[uuid.UUID, Counter[str]]:
    """Return how many changes wait that a card would show, by pupil and by where they are: on
    their own record, in a class of the term, in the remark, and places in a class and remarks that
    are proposed."""
    found: defaultdict[uuid.UUID, Counter[str]] = defaultdict(Counter)
    where = {each: (each, "on the pupil’s record") for each in places}
    for pupil_id, some in places.items():
        for place in some:
            where[place.id] = (pupil_id, f"in {place.title}")
    for pupil_id, remark in remarks.items():
        where[remark.pk] = (pupil_id, IN_REMARK)
    waiting = Change.objects.filter(school=school).open()
    on_them = waiting.filter(entity_id__among=list(where))
    for entity_id in on_them.values_list("entity_id", flat=True):
        pupil_id, place_in_words = where[entity_id]
        found[pupil_id][place_in_words] += 1
    of_this_term = Change.objects.filter(
        Q(field="section", refers_to__in=term.sections.values("pk"))
        | Q(field="term", refers_to=term.pk),
        school_id=OuterRef("school_id"),
        author_id=OuterRef("author_id"),
        entity_id=OuterRef("entity_id"),
    )
    prints_remarks = school.cards_remarks != School.Remarks.NONE
    proposed = waiting.filter(
        Exists(of_this_term),
        entity_type__in=("enrollment", "remark") if prints_remarks else ("enrollment",),
        field="student",
        refers_to__among=list(places),
    ).exclude(entity_id__in=list(where))
    for entity_type, about in proposed.values_list("entity_type", "refers_to"):
        if about:
            found[about][IN_REMARK if entity_type == "remark" else IN_NEW_PLACE] += 1
    return found


def differences(issued: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return in what a card that was issued differs from what would be said now: what it is of,
    how it was, and how it is."""
    before, after = _told(issued), _told(now)
    keys = [*before, *(key for key in after if key not in before)]
    return [
        (key, before.get(key, ""), after.get(key, ""))
        for key in keys
        if before.get(key, "") != after.get(key, "")
    ]


def _told(said: Mapping[str, Any]) -> dict[str, str]:
    """Return what a card says, each thing by what it is of."""
    single = ("school", "term", "pupil", "number", "average", "remark")
    told = {name.capitalize(): said.get(name) or "" for name in single}
    told |= dict(said.get("facts", ()))
    told |= {f"Code {code}": meaning for code, meaning in said.get("codes", ())}
    taken: Counter[str] = Counter()
    for course in said.get("courses", ()):
        taken[course["title"]] += 1
        again = taken[course["title"]]
        title = course["title"] if again == 1 else f"{course['title']} ({again})"
        told |= {f"{title}: {name}": course[name] or "" for name in ("mark", "comment", "teacher")}
    return told

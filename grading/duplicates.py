"""Pupils who may be there twice: two teachers missed the same one, and each added them.

For the office, which sees all that waits, whoever proposed it. Call inside a school. The number of
statements does not grow with the pupils.
"""

import dataclasses
import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from django.utils.dateparse import parse_date
from django.utils.formats import date_format
from rapidfuzz import fuzz, process

from accounts.plain import plain
from changes import naming
from changes.models import Change
from changes.registry import EXISTS, TRUE
from students.models import Student

from . import not_the_same
from .models import Enrollment, NotTheSame, Section

ALIKE = 85
"""The least likeness of two names, of 100, at which they may be one pupil's."""

MOST_LIKENESSES = 200
"""New pupils up to which names are compared by likeness. More of them are a roster, which has
numbers: then only equal names are told."""

ALIKE_OF_ONE_AGE = 70
"""The least likeness of two names, of 100, where the date of birth is the same."""

FIELDS = ("family_name", "given_names", "number", "birth_date", "year_level", "home_group")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suspected:
    """Two pupils who may be one: ``one`` stands, or was proposed first. ``because``: in words.
    ``noted``: they are two, as somebody of the office has noted."""

    one: uuid.UUID
    other: uuid.UUID
    because: tuple[str, ...]
    noted: NotTheSame | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Value:
    """A mark or a comment: what stands, or else what waits, with who proposed it."""

    text: str
    proposed_by: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class InClass:
    """An enrolment. ``stands``: it is approved."""

    id: uuid.UUID
    section_id: uuid.UUID
    label: str
    stands: bool
    grade: Value | None
    comment: Value | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pupil:
    """A pupil as the office sees them: what stands, and where nothing stands, what waits."""

    id: uuid.UUID
    stands: bool
    details: Mapping[str, str]
    proposed_by: str
    proposed_at: dt.datetime | None
    classes: tuple[InClass, ...]

    @property
    def name(self) -> str:
        names = (self.details.get("family_name"), self.details.get("given_names"))
        return ", ".join(name for name in names if name) or "(no name)"

    @property
    def born(self) -> str:
        """The date of birth, as people read it."""
        day = parse_date(self.details.get("birth_date", ""))
        return date_format(day, "j F Y") if day else ""

    @property
    def introduced(self) -> str:
        """Who it is, in a line: by the home group, or where there is none, by some classes."""
        group = self.details.get("home_group", "")
        some = ", ".join(each.label for each in self.classes[:FEW_CLASSES])
        facts = (
            self.name,
            f"born {self.born}" if self.born else "",
            group or (some and f"in {some}"),
            "" if self.stands else "awaiting approval",
        )
        return ", ".join(filter(None, facts))


def suspected(pupil_id: uuid.UUID | None = None) -> list[Suspected]:
    """Return the pupils who wait and may be there already, or wait twice, the oldest first, without
    those who are noted as two; with ``pupil_id`` all who may be the same as that one, whether they
    wait or not, the likest first, and among them those who are noted.

    Names are compared by likeness; of more than a few waiting pupils, which is a roster, only equal
    names and numbers are told.
    """
    waiting = _waiting()
    known = _standing() | waiting
    asked = [pupil_id] if pupil_id else list(waiting)
    names = {each: _name(details) for each, details in known.items()}
    by_name, by_number = _grouped(names), _grouped({k: d.get("number") for k, d in known.items()})
    found: dict[frozenset[uuid.UUID], Suspected] = {}
    scores: dict[frozenset[uuid.UUID], float] = {}
    for each in asked:
        if each not in known:
            continue
        scored = dict.fromkeys(by_name[names[each]], 100.0) if names[each] else {}
        if len(asked) <= MOST_LIKENESSES and names[each]:
            scored |= {
                pk: score
                for _, score, pk in process.extract(
                    names[each], names, scorer=fuzz.ratio, score_cutoff=ALIKE_OF_ONE_AGE, limit=None
                )
            }
        for pk in by_number[known[each].get("number")]:
            scored.setdefault(pk, 0)
        for pk, score in scored.items():
            because = _because(known[each], known[pk], score)
            if pk != each and because:
                both = frozenset((each, pk))
                first, second = sorted(both, key=lambda p: (p in waiting, p))
                found[both] = Suspected(one=first, other=second, because=because)
                scores[both] = len(because) * 100 + score
    noted = not_the_same.notes(found)
    if not pupil_id:
        return [pair for both, pair in found.items() if both not in noted]
    pairs = sorted(found, key=lambda both: (both in noted, -scores[both]))
    return [dataclasses.replace(found[both], noted=noted.get(both)) for both in pairs]


FEW_CLASSES = 3
MOST_LIKE = 5
"""Pupils who are told to somebody who is about to add another one."""


def like(details: Mapping[str, str]) -> list[tuple[uuid.UUID, str]]:
    """Return the pupils, standing or waiting, who may be the one of these details, the likest
    first: each with who it is, and why. Who has the same number is not asked about: two cannot."""
    theirs = {name: value for name, value in details.items() if name != "number"}
    name, known = _name(theirs), _standing() | _waiting()
    if not name:
        return []
    names = {each: _name(its) for each, its in known.items()}
    near = process.extract(
        name, names, scorer=fuzz.ratio, score_cutoff=ALIKE_OF_ONE_AGE, limit=None
    )
    told = {pk: (_because(theirs, known[pk], score), score) for _, score, pk in near}
    near_enough = [pk for pk, (because, _) in told.items() if because]
    likest = sorted(near_enough, key=lambda pk: (-len(told[pk][0]), -told[pk][1]))[:MOST_LIKE]
    found = pupils(likest)
    return [(pk, f"{found[pk].introduced} ({', '.join(told[pk][0])})") for pk in likest]


def pupils(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Pupil]:
    """Return pupils who stand or wait, with their classes, their marks and comments."""
    standing, waiting = _standing(ids), _waiting(ids)
    created = {
        entity_id: (author_id, at)
        for entity_id, author_id, at in Change.objects.of("student", *ids)
        .filter(field=EXISTS, value=TRUE)
        .open()
        .values_list("entity_id", "author_id", "change_set__received_at")
    }
    classes = _classes({*standing, *waiting})
    names = naming.people({author for author, _ in created.values()})
    return {
        each: Pupil(
            id=each,
            stands=each in standing,
            details=standing.get(each) or waiting[each],
            proposed_by=names[created[each][0]] if each in created else "",
            proposed_at=created[each][1] if each in created else None,
            classes=tuple(classes[each]),
        )
        for each in {*standing, *waiting}
    }


# What makes two pupils alike. ---------------------------------------------------------------------


def _because(one: Mapping[str, str], other: Mapping[str, str], score: float) -> tuple[str, ...]:
    """Say in words why two pupils may be one; nothing, when they are not alike enough."""

    def same(field: str) -> bool:
        return bool(one.get(field)) and one.get(field) == other.get(field)

    if not (same("number") or score >= ALIKE or (same("birth_date") and score >= ALIKE_OF_ONE_AGE)):
        return ()
    told = [f"the same number, {one['number']}"] if same("number") else []
    if score >= ALIKE_OF_ONE_AGE:
        told.append("the same name" if score == 100 else "nearly the same name")
    if same("birth_date"):
        told.append("the same date of birth")
    elif one.get("birth_date") and other.get("birth_date"):
        told.append("another date of birth")
    told += [
        f"the same {words}"
        for field, words in (("home_group", "home group"), ("year_level", "year level"))
        if same(field)
    ]
    return tuple(told)


def both_in(one: Pupil, other: Pupil) -> tuple[str, ...]:
    """Say in words in which classes both of two pupils are, by what stands and what waits."""
    others = {each.section_id for each in other.classes}
    labels = {each.section_id: each.label for each in one.classes if each.section_id in others}
    return tuple(f"both in {label}" for label in labels.values())


def _name(details: Mapping[str, str]) -> str:
    """Return a name for comparing: plain, its words in order, so that swapped ones are equal."""
    text = plain(f"{details.get('family_name', '')} {details.get('given_names', '')}")
    return " ".join(sorted(text.replace(",", " ").replace("-", " ").split()))


def _grouped(keys: Mapping[uuid.UUID, str | None]) -> dict[str | None, list[uuid.UUID]]:
    grouped: dict[str | None, list[uuid.UUID]] = defaultdict(list)
    for pk, key in keys.items():
        if key:
            grouped[key].append(pk)
    return grouped


# What is known of pupils. -------------------------------------------------------------------------


def _standing(ids: Collection[uuid.UUID] | None = None) -> dict[uuid.UUID, dict[str, str]]:
    rows = Student.objects.all() if ids is None else Student.objects.filter(pk__in=ids)
    return {
        pk: {name: str(value) for name, value in zip(FIELDS, values, strict=True) if value}
        for pk, *values in rows.values_list("pk", *FIELDS)
    }


def _waiting(ids: Collection[uuid.UUID] | None = None) -> dict[uuid.UUID, dict[str, str]]:
    """Return the details of pupils whose creation waits, the oldest first."""
    cells = Change.objects.filter(entity_type="student").open().order_by("id")
    if ids is not None:
        cells = cells.filter(entity_id__in=ids)
    else:
        cells = cells.filter(
            entity_id__in=Change.objects.filter(entity_type="student", field=EXISTS, value=TRUE)
            .open()
            .order_by()
            .values("entity_id")
        )
    found: dict[uuid.UUID, dict[str, str]] = {}
    new = set()
    for entity_id, field, value in cells.values_list("entity_id", "field", "value"):
        its = found.setdefault(entity_id, {})
        if field == EXISTS and value == TRUE:
            new.add(entity_id)
        elif field in FIELDS and value:
            its.setdefault(field, value)
    return {each: details for each, details in found.items() if each in new}


def _classes(student_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[InClass]]:
    """Return the enrolments of pupils, by pupil: those that stand, and those that wait."""
    standing = {
        row.pk: {
            "student": str(row.student_id),
            "section": str(row.section_id),
            "grade": row.grade,
            "comment": row.comment or None,
        }
        for row in Enrollment.objects.filter(student_id__in=student_ids)
    }
    pointing = Change.objects.filter(
        entity_type="enrollment", field="student", refers_to__in=student_ids
    ).open()
    ids = {*standing, *pointing.values_list("entity_id", flat=True)}
    waiting = (
        Change.objects.of("enrollment", *ids)
        .open()
        .order_by("id")
        .values_list("entity_id", "field", "value", "author_id")
    )
    values: dict[uuid.UUID, dict[str, str | None]] = {pk: dict(standing.get(pk, {})) for pk in ids}
    authors: dict[tuple[uuid.UUID, str], uuid.UUID] = {}
    for pk, field, proposed, author_id in waiting:
        if values[pk].get(field) is None:
            values[pk][field] = proposed
            authors[pk, field] = author_id
    names = naming.people(authors.values())
    labels = _labels({uuid.UUID(s) for its in values.values() if (s := its.get("section"))})

    def value(pk: uuid.UUID, field: str) -> Value | None:
        text, author = values[pk].get(field), authors.get((pk, field))
        return Value(text=text, proposed_by=names[author] if author else "") if text else None

    found: dict[uuid.UUID, list[InClass]] = defaultdict(list)
    for pk in sorted(ids):
        student, section = values[pk].get("student"), values[pk].get("section")
        if student and section:
            in_class = InClass(
                id=pk,
                section_id=uuid.UUID(section),
                label=labels[uuid.UUID(section)],
                stands=pk in standing,
                grade=value(pk, "grade"),
                comment=value(pk, "comment"),
            )
            found[uuid.UUID(student)].append(in_class)
    return found


def _labels(section_ids: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    sections = Section.objects.select_related("course", "term").in_bulk(section_ids)
    others = naming.titles(("section", each) for each in section_ids - sections.keys())
    return others | {
        pk: f"{section.code or 'Class without code'} {section.course.title}, {section.term}"
        for pk, section in sections.items()
    }


def ids_of(pairs: Iterable[Suspected]) -> set[uuid.UUID]:
    """Return the pupils of these pairs."""
    return {pk for pair in pairs for pk in (pair.one, pair.other)}

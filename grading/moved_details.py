"""The comments, and the details of classes and pupils, that a revert, or lifting one, has moved: of
whose classes, and from what to what.

Marks are told by ``moved_marks``, from their corrections. Of all else nothing is written beside the
ledger: it is read from the exclusions, so that a cell that lost a change under a newer value is
among them, as unchanged. Call inside a school. The number of statements does not grow with what
moved.
"""

import dataclasses
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from django.db.models import F, OuterRef, QuerySet, Subquery

from accounts.models import Membership, School
from changes import as_of, naming, registry
from changes.models import Change, Decision, Exclusion
from changes.registry import EXISTS, FALSE, Told

from . import told_on_page
from .models import Enrollment, Section

KINDS = (Decision.Kind.REVERT, Decision.Kind.REINSTATE)
ACTS = ("decision", "lifted_by")
"""The paths from an exclusion to the decision that made it, and to the one that lifted it."""

TYPES = ("section", "student", "enrollment")
LEFT_OUT = ("grade", "source_id", "programme")
"""Marks are told elsewhere; a roster's own number, and what a pupil is to graduate from, are for
the office."""


class Row(TypedDict):
    """A cell that a decision was about."""

    number: int
    entity_type: str
    entity_id: uuid.UUID
    field: str


Cell = tuple[int, uuid.UUID, str]

Rows = QuerySet[Any, Any]
"""Of exclusions, with ``Row`` for each."""


def of_classes_of(member: Membership, *, since: int = 0) -> Rows:
    """Return of which cells others' reverts, and lifting these, changed what counts, in the classes
    of ``member`` and of the pupils in them, as far as they stand: after the decision of a number,
    the newest first."""
    mine = Section.objects.filter(school=member.school_id, instructor_id=member.user_id)
    places = Enrollment.objects.filter(section__in=mine.values("pk"))
    pupils = places.filter(status=Enrollment.Status.ENROLLED)
    reverted, lifted = (
        _cells(act)
        .filter(
            school=member.school_id,
            change__entity_id__in=mine.values("pk").union(
                places.values("pk"), pupils.values("student_id")
            ),
            **{f"{act}__number__gt": since},
        )
        .exclude(**{f"{act}__decided_by_id": member.user_id})
        for act in ACTS
    )
    return reverted.union(lifted).order_by("-number", "entity_id", "field")


def _cells(act: str) -> Rows:
    excluded = Exclusion.objects.filter(
        change__status=Change.Status.APPROVED,
        change__entity_type__in=TYPES,
        **{f"{act}__kind__in": KINDS},
    )
    return (
        excluded.exclude(change__field__in=LEFT_OUT)
        .order_by()
        .values(
            number=F(f"{act}__number"),
            entity_type=F("change__entity_type"),
            entity_id=F("change__entity_id"),
            field=F("change__field"),
        )
        .distinct()
    )


def _values(found: Sequence[Row], school: School) -> dict[Cell, tuple[str | None, str | None]]:
    """Return what stood in each cell before its decision and after it."""
    types = {row["entity_id"]: row["entity_type"] for row in found}
    values = {}
    for act in ACTS:
        earlier, later = (
            as_of.counted(f"{act}__number", with_it=with_it)
            .filter(entity_id=OuterRef("change__entity_id"), field=OuterRef("change__field"))
            .order_by("-position")
            .values("value")[:1]
            for with_it in (False, True)
        )
        rows = Exclusion.objects.filter(
            school=school,
            change__entity_id__in=types.keys(),
            **{f"{act}__number__in": {row["number"] for row in found}},
        ).annotate(before=Subquery(earlier), after=Subquery(later))
        for number, pk, field, before, after in rows.values_list(
            f"{act}__number", "change__entity_id", "change__field", "before", "after"
        ):
            values[number, pk, field] = (
                _said(types[pk], field, before),
                _said(types[pk], field, after),
            )
    return values


def _said(entity_type: str, field: str, value: str | None) -> str | None:
    """What stands in a cell of which the ledger says this, or nothing."""
    blank = FALSE if field == EXISTS else registry.get(entity_type).field(field).blank
    return value or blank or None


def _cell(row: Row) -> Cell:
    return row["number"], row["entity_id"], row["field"]


@dataclasses.dataclass(frozen=True)
class Line:
    """A cell in words, with what stood in it before the decision and after it: the same, where a
    newer value stands. ``section``: the class whose sheet shows it."""

    title: str
    field: str
    before: str
    after: str
    decision: Decision
    section: uuid.UUID | None
    is_new: bool


def lines(found: Sequence[Row], *, member: Membership) -> list[Line]:
    """Return rows of ``of_classes_of`` in words; new is what was decided since the member last
    looked. As many statements for many rows as for a few."""
    titles = naming.titles(
        ((row["entity_type"], row["entity_id"]) for row in found), known_as=naming.ever_approved
    )
    stood = _values(found, member.school)
    texts = naming.value_texts(
        ((row["entity_type"], row["field"], each) for row in found for each in stood[_cell(row)]),
        known_as=naming.ever_approved,
    )
    decisions = {
        decision.number: decision
        for decision in Decision.objects.filter(
            school=member.school_id, number__in={row["number"] for row in found}
        ).select_related("decided_by")
    }
    sections: dict[uuid.UUID, uuid.UUID] = dict(
        Enrollment.objects.filter(pk__in=[row["entity_id"] for row in found]).values_list(
            "pk", "section_id"
        )
    )
    return [
        Line(
            title=titles[row["entity_id"]],
            field=_label(row["entity_type"], row["field"]),
            before=texts[row["entity_type"], row["field"], stood[_cell(row)][0]],
            after=texts[row["entity_type"], row["field"], stood[_cell(row)][1]],
            decision=decisions[row["number"]],
            section=row["entity_id"]
            if row["entity_type"] == "section"
            else sections.get(row["entity_id"]),
            is_new=row["number"] > member.decided_seen,
        )
        for row in found
    ]


def told_of(decision: Decision) -> Iterable[Told]:
    """Return who was told of what the decision moved: the instructors of then, on their page."""
    act = "lifted_by" if decision.kind == Decision.Kind.REINSTATE else "decision"
    cells: Counter[uuid.UUID] = Counter()
    types: dict[uuid.UUID, str] = {}
    for row in _cells(act).filter(school=decision.school_id, **{act: decision}):
        cells[row["entity_id"]] += 1
        types[row["entity_id"]] = row["entity_type"]
    if not cells:
        return
    then, _ = told_on_page.ledgers(decision)
    counts: Counter[uuid.UUID] = Counter()
    for section, record in _in_classes(then, types):
        counts[section] += cells[record]
    yield from told_on_page.told(
        decision,
        {
            each: f"{count} comment{'s and details' if count > 1 else ' or detail'}"
            for each, count in counts.items()
        },
    )


def _in_classes(
    then: as_of.AsOf, types: Mapping[uuid.UUID, str]
) -> Iterable[tuple[uuid.UUID, uuid.UUID]]:
    """Return each of these records with each class that it was, or was in, as of a decision."""
    pupils = {each for each, entity_type in types.items() if entity_type == "student"}
    of_pupils = Change.objects.filter(
        school=then.school,
        entity_type="enrollment",
        field="student",
        status=Change.Status.APPROVED,
        refers_to__among=list(pupils),
    )
    places = set(of_pupils.values_list("entity_id", flat=True))
    own = {each for each, entity_type in types.items() if entity_type == "enrollment"}
    then.read(places | own, {"student", "section", "status"})
    stood = then.stand(
        [
            *((entity_type, each) for each, entity_type in types.items()),
            *(("enrollment", each) for each in places),
        ]
    )
    for each in stood & types.keys():
        if types[each] == "section":
            yield each, each
    for place in stood & (places | own):
        section = uuid.UUID(then.said(place, "section"))
        if place in own:
            yield section, place
        pupil = uuid.UUID(then.said(place, "student"))
        is_enrolled = then.value("enrollment", place, "status") == Enrollment.Status.ENROLLED
        if pupil in pupils and is_enrolled:
            yield section, pupil


def _label(entity_type: str, field: str) -> str:
    tracked = registry.get(entity_type)
    return tracked.label if field == EXISTS else tracked.field(field).label

"""Pupils who come into a full class wait for a place, by themselves. Call inside a school."""

import dataclasses
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db.models import Count, Max

from accounts.outbox import Message, post
from changes.deciding import Act
from changes.flags import Flag
from changes.judgement import Judged
from changes.models import Change, Decision
from changes.projector import Move
from changes.propose import Draft
from changes.registry import EXISTS, TRUE

from .models import Enrollment, Section
from .waiting_list import messages_to

ENROLLED, WAITLISTED, WITHDRAWN = (str(each) for each in Enrollment.Status.values)


@dataclasses.dataclass(frozen=True)
class Places:
    """The places of a class that has a number of them, who has one, and who waits for one."""

    code: str
    capacity: int
    enrolled: int
    waiting: int

    @property
    def free(self) -> int:
        """Return how many may come in. A free place is kept for those who wait already."""
        return max(self.capacity - self.enrolled - self.waiting, 0)


def beyond_capacity(act: Act, moves: Sequence[Move]) -> list[Draft]:
    """Return that those wait who come into a class beyond its capacity by what ``act`` approves:
    new, moved there, or back after they had withdrawn. The earliest approved have the places.

    The status of a roster stands as it is; so does one that who decides has typed themselves.
    """
    if act.kind == Decision.Kind.IMPORT:
        return []
    coming = _coming(act, moves)
    places = _places(set(coming.values()), without=coming)
    left = {section: its.free for section, its in places.items()}
    beyond = []
    for enrollment, section in coming.items():
        if section not in places:
            continue
        if left[section] > 0:
            left[section] -= 1
        else:
            beyond.append(enrollment)
    return [
        Draft(
            entity_type="enrollment",
            entity_id=each,
            field="status",
            typed=WAITLISTED,
            touched=True,
            reason="The class is full.",
            one_person=True,  # part of what was decided, by two people where a mark came along
        )
        for each in beyond
    ]


def full(
    judged: Sequence[Judged], section_of: Mapping[uuid.UUID, uuid.UUID]
) -> Iterable[tuple[uuid.UUID, Flag, str]]:
    """Flag the waiting changes with which a pupil comes into a class that is full."""
    into = {
        each.id: section
        for each in judged
        if _comes_in(each) and (section := section_of.get(each.entity_id))
    }
    if not into:
        return
    places = _places(set(into.values()))
    for change_id, section in into.items():
        if (its := places.get(section)) and not its.free:
            waiting = f", and {its.waiting} who wait" if its.waiting else ""
            sentence = (
                f"{its.code} is full: {its.enrolled} of {its.capacity} places are taken{waiting}. "
                "Approved, the pupil goes on the waiting list."
            )
            yield change_id, Flag.FULL, sentence


def tell(act: Act, moves: Sequence[Move]) -> None:
    """Tell those by mail whom ``act`` has put on a waiting list because the class is full."""
    brought = {each.entity_id for each in act.brought if each.value == WAITLISTED}
    waiting = {m.entity_id for m in moves if m.field == "status" and m.entity_id in brought}
    if not waiting:
        return
    found = Enrollment.objects.filter(pk__in=waiting).select_related(
        "student", "section__course", "section__term"
    )
    messages: list[Message] = []
    for each in found.order_by("pk"):
        section = each.section
        messages += messages_to(
            each.student,
            key=f"waits {act.id} {each.pk}",
            subject=f"{section} ({section.course.title}): you are on the waiting list",
            body=f"{section} ({section.course.title}, {section.term}) is full: you are on its "
            "waiting list. When a place becomes free the office offers it to who has waited "
            "longest, and you are told.",
            school=act.school,
        )
    post(messages, school=act.school, at=act.origin.at)


def _comes_in(each: Judged) -> bool:
    if each.field == "section":
        return each.refers_to is not None and each.value != each.current
    return each.field == "status" and (each.current, each.value) == (WITHDRAWN, ENROLLED)


def _coming(act: Act, moves: Iterable[Move]) -> dict[uuid.UUID, uuid.UUID]:
    """Return the section of each enrolment that took a place in this act, the earliest first."""
    came = {
        move.entity_id
        for move in moves
        if (move.field == EXISTS and move.after == TRUE)
        or (move.field == "section" and move.after is not None)
        or (move.field == "status" and (move.before, move.after) == (WITHDRAWN, ENROLLED))
    }
    if not came:
        return {}
    enrolled = dict(
        Enrollment.objects.filter(pk__among=came, status=ENROLLED)
        .exclude(section__capacity=None)
        .values_list("pk", "section_id")
    )
    if not enrolled:
        return {}
    cells = Change.objects.filter(
        entity_id__among=list(enrolled), field__in=(EXISTS, "section", "status")
    ).effective()
    chosen = cells.filter(
        field="status", value=ENROLLED, decision_id=act.id, author_id=act.user_id
    ).values_list("entity_id", flat=True)
    said_otherwise = set(chosen)
    latest = cells.values("entity_id").annotate(at=Max("position")).order_by("at")
    return {
        each["entity_id"]: enrolled[each["entity_id"]]
        for each in latest
        if each["entity_id"] not in said_otherwise
    }


def _places(
    section_ids: Collection[uuid.UUID], *, without: Collection[uuid.UUID] = ()
) -> dict[uuid.UUID, Places]:
    """Return the places of those sections that have a capacity, as if the enrolments ``without``
    were not there. Two statements."""
    if not section_ids:
        return {}
    counted = (
        Enrollment.objects.filter(section_id__in=section_ids)
        .exclude(pk__among=list(without))
        .values_list("section_id", "status")
        .annotate(count=Count("pk"))
    )
    taken = {(section, status): count for section, status, count in counted}
    return {
        each.pk: Places(
            str(each),
            each.capacity,
            taken.get((each.pk, ENROLLED), 0),
            taken.get((each.pk, WAITLISTED), 0),
        )
        for each in Section.objects.filter(pk__in=section_ids)
        if each.capacity is not None
    }

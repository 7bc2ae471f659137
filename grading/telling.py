"""What pupils are told of a change of their section: one message per decision, about every material
field in it, to each who is enrolled or waitlisted.

A message that has not left yet is taken back when a later decision changes the section again. The
one that takes its place begins where its reader was last told; when the section is back at that,
there is nothing to tell.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from accounts.models import User
from accounts.outbox import Message, post, take_back
from changes.deciding import Act
from changes.models import Change
from changes.projector import Move

from .models import Enrollment, Room, Section

COLUMNS = {
    "room": "room_id",
    "instructor": "instructor_id",
    "delivery_mode": "delivery_mode",
    "schedule": "schedule",
    "capacity": "capacity",
}
TOLD = tuple(COLUMNS)
"""The fields that pupils are told of, in the order in which a message names them."""


class News(NamedTuple):
    """A field of a section, what a reader was last told of it, and what it is now."""

    field: str
    before: str | None
    after: str | None


def tell_pupils(act: Act, moves: Sequence[Move]) -> None:
    """Post what these moves of sections come to for each pupil. Call inside the deciding act."""
    moved: dict[uuid.UUID, dict[str, str | None]] = defaultdict(dict)
    for move in moves:
        if move.field in TOLD and move.field not in act.school.immaterial_fields:
            moved[move.entity_id][move.field] = move.before
    if not moved:
        return
    sections = Section.objects.select_related("course").in_bulk(list(moved))
    # Of those who have left the class too, so that what has not reached them is taken back.
    enrollments = list(
        Enrollment.objects.filter(section_id__in=list(moved))
        .select_related("student")
        .order_by("id")
    )
    told = take_back([_about(each) for each in enrollments], school=act.school, at=act.origin.at)
    enrolled: dict[uuid.UUID, int] = defaultdict(int)
    for each in enrollments:
        enrolled[each.section_id] += each.status == Enrollment.Status.ENROLLED
    names = _names(
        [
            *(
                (name, value)
                for before in (*moved.values(), *told.values())
                for name, value in before.items()
            ),
            *((name, _now(section, name)) for section in sections.values() for name in TOLD),
        ]
    )
    messages = []
    for each in enrollments:
        if each.status == Enrollment.Status.WITHDRAWN:
            continue
        section = sections[each.section_id]
        for address in _addresses(act, each):
            before = moved[section.pk] | told.get((_about(each), address), {})
            news = [
                News(name, before[name], _now(section, name)) for name in TOLD if name in before
            ]
            said = {
                item.field: sentence
                for item in news
                if (sentence := _sentence(item, names, enrolled=enrolled[section.pk]))
            }
            if said:
                change = f"Your section {section} {'; it '.join(said.values())}."
                key = f"section-changed {act.id} {section.pk} {each.student_id} {address}"
                messages.append(
                    Message(
                        key=key[:200],
                        to=address,
                        subject=f"{section} ({section.course.title}): a change",
                        body=f"{change}\n\n{act.school}\n",
                        about=_about(each),
                        before={name: before[name] for name in said},
                    )
                )
    post(messages, school=act.school, at=act.origin.at)


def _about(enrollment: Enrollment) -> str:
    return f"section {enrollment.section_id} pupil {enrollment.student_id}"


def _addresses(act: Act, enrollment: Enrollment) -> list[str]:
    student = enrollment.student
    both = [student.email, student.guardian_email if act.school.guardians_copied else ""]
    return [address for address in dict.fromkeys(both) if address]


def _now(section: Section, name: str) -> str | None:
    """Return what stands in a field, as the projector writes values."""
    value = getattr(section, COLUMNS[name])
    return None if value in (None, "") else str(value)


def _names(values: Iterable[tuple[str, str | None]]) -> Mapping[str, str]:
    """Return what people call the rooms and instructors among these values."""
    ids: dict[str, set[str]] = defaultdict(set)
    for name, value in values:
        if value:
            ids[name].add(value)
    rooms = ids["room"]
    names = {str(room.pk): str(room) for room in Room.objects.filter(pk__in=rooms)}
    # A room that vanished in this act is named by its last name in the ledger.
    gone = rooms - names.keys()
    if gone:
        names |= {
            str(entity_id): value or ""
            for entity_id, value in Change.objects.filter(
                entity_type="room", entity_id__in=gone, field="name", status="approved"
            )
            .order_by("position")
            .values_list("entity_id", "value")
        }
    people = User.objects.filter(pk__in=ids["instructor"])
    return names | {str(user.pk): str(user) for user in people}


def _sentence(news: News, names: Mapping[str, str], *, enrolled: int) -> str | None:
    """Return what happened to the section, to be read after "Your section BIO-2" or "it"; None
    where there is nothing to tell."""
    if news.before == news.after:
        return None
    before = names.get(news.before or "", news.before)
    after = names.get(news.after or "", news.after)
    if news.field == "room":
        if before and after:
            return f"has moved from {before} to {after}"
        return f"has moved to {after}" if after else f"is no longer in {before}"
    if news.field == "instructor":
        if after:
            return f"is now taught by {after}" + (f" instead of {before}" if before else "")
        return f"is no longer taught by {before}"
    if news.field == "delivery_mode":
        return f"is now {after}" if after else "has no set delivery mode any more"
    if news.field == "schedule":
        return f"now meets {after}" if after else "has no set schedule any more"
    return _of_places(news, enrolled)


def _of_places(news: News, enrolled: int) -> str | None:
    """A capacity that everybody still fits in is the office's business, and no news to pupils."""
    pupils = "the one pupil who is" if enrolled == 1 else f"the {enrolled} pupils who are"
    if news.after is not None and int(news.after) < enrolled:
        places = {0: "no places", 1: "one place"}.get(int(news.after), f"{news.after} places")
        return f"now has {places} for {pupils} enrolled"
    if news.before is not None and int(news.before) < enrolled:
        return f"has places again for {pupils} enrolled"
    return None

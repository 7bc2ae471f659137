"""What a change of a section's details leaves behind (ADR-009): one CourseChangeHistory row per
changed field, and one message per decision to each enrolled and each waitlisted pupil."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence

from accounts.models import Membership, User
from accounts.outbox import Message, post
from changes.deciding import Act
from changes.groups import Group
from changes.judgement import Judged
from changes.models import Change
from changes.projector import Move
from changes.propose import Draft
from changes.registry import EXISTS, Rules

from .access import is_restricted
from .mark_rules import NOT_YOUR_CLASS
from .models import CourseChangeHistory, Enrollment, Room, Section

FIELD_NAMES = {
    "course": "course_id",
    "term": "term_id",
    "code": "code",
    "scale": "scale_id",
    "instructor": "instructor_user_id",
    "room": "room_id",
    "capacity": "capacity",
    "delivery_mode": "delivery_mode",
    "schedule": "schedule",
    "source_id": "source_id",
}
"""The ledger's stable names, and the attribute names that ADR-009 gives them."""

TOLD = ("room", "instructor", "delivery_mode", "schedule", "capacity")


class SectionRules(Rules):
    """Rules of the entity type ``section``."""

    def clean(
        self, drafts: Sequence[Draft], *, by: Membership, at: dt.datetime, among: Sequence[Draft]
    ) -> None:
        if not is_restricted(by):
            return
        others = set(
            Section.objects.filter(pk__in={draft.entity_id for draft in drafts})
            .exclude(instructor_id=by.user_id)
            .values_list("pk", flat=True)
        )
        for draft in drafts:
            if draft.entity_id in others:
                draft.refuse(NOT_YOUR_CLASS)

    def group(self, judged: Sequence[Judged]) -> Mapping[uuid.UUID, Group]:
        return dict.fromkeys((each.id for each in judged), Group("section", "Section details"))

    def moved(self, act: Act, moves: Sequence[Move]) -> None:
        came_or_went = {m.entity_id for m in moves if m.field == EXISTS}
        changed = [m for m in moves if m.entity_id not in came_or_went]
        if changed:
            _write_history(act, changed)
            _tell_pupils(act, changed)


def _write_history(act: Act, moves: Sequence[Move]) -> None:
    initiators = {
        (change.entity_id, change.field): change.author_id
        for change in Change.objects.filter(
            decision_id=act.id, entity_type="section", entity_id__in={m.entity_id for m in moves}
        ).order_by("position")
    }
    CourseChangeHistory.objects.bulk_create(
        CourseChangeHistory(
            school=act.school,
            section_id=move.entity_id,
            changed_by_id=initiators.get((move.entity_id, move.field)) or _decider(act),
            changed_at=act.origin.at,
            field_name=FIELD_NAMES[move.field],
            old_value=move.before,
            new_value=move.after,
            decision_id=act.id,
        )
        for move in moves
    )


def _decider(act: Act) -> uuid.UUID:
    assert act.user_id is not None  # noqa: S101 - a rule approves nothing but first grades
    return act.user_id


def _tell_pupils(act: Act, moves: Sequence[Move]) -> None:
    material: dict[uuid.UUID, list[Move]] = defaultdict(list)
    for move in moves:
        if move.field in TOLD and move.field not in act.school.immaterial_fields:
            material[move.entity_id].append(move)
    if not material:
        return
    sections = Section.objects.select_related("course").in_bulk(list(material))
    pupils: dict[uuid.UUID, list[Enrollment]] = defaultdict(list)
    enrolled: dict[uuid.UUID, int] = defaultdict(int)
    for enrollment in (
        Enrollment.objects.filter(
            section_id__in=list(material), status__in=("enrolled", "waitlisted")
        )
        .select_related("student")
        .order_by("id")
    ):
        pupils[enrollment.section_id].append(enrollment)
        enrolled[enrollment.section_id] += enrollment.status == "enrolled"
    names = _names(moves)
    messages = []
    for section_id, fields in material.items():
        section = sections[section_id]
        sentences = [
            sentence
            for name in TOLD
            for move in fields
            if move.field == name
            and (sentence := _sentence(move, names, enrolled=enrolled[section_id]))
        ]
        if not sentences:
            continue
        body = f"Your section {section} {'; it '.join(sentences)}."
        for enrollment in pupils[section_id]:
            student = enrollment.student
            addresses = [student.email]
            if act.school.guardians_copied:
                addresses.append(student.guardian_email)
            messages += [
                Message(
                    key=f"section-changed {act.id} {section_id} {student.pk} {address}"[:200],
                    to=address,
                    subject=f"{section} ({section.course.title}): a change",
                    body=f"{body}\n\n{act.school}\n",
                )
                for address in addresses
                if address
            ]
    post(messages, school=act.school, at=act.origin.at)


def _names(moves: Sequence[Move]) -> Mapping[str, str]:
    """Return what people call the rooms and instructors among these values."""
    rooms = {value for m in moves if m.field == "room" for value in m[3:] if value}
    people = {value for m in moves if m.field == "instructor" for value in m[3:] if value}
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
    return names | {str(user.pk): str(user) for user in User.objects.filter(pk__in=people)}


def _sentence(move: Move, names: Mapping[str, str], *, enrolled: int) -> str | None:
    before = names.get(move.before or "", move.before)
    after = names.get(move.after or "", move.after)
    if move.field == "room":
        if before and after:
            return f"has moved from {before} to {after}"
        return f"has moved to {after}" if after else f"is no longer in {before}"
    if move.field == "instructor":
        if after:
            return f"is now taught by {after}" + (f" instead of {before}" if before else "")
        return f"is no longer taught by {before}"
    if move.field == "delivery_mode":
        return f"is now {after}" if after else "has no set delivery mode any more"
    if move.field == "schedule":
        return f"now meets {after}" if after else "has no set schedule any more"
    if after is not None and int(after) < enrolled:
        return f"now has {after} places"
    return None

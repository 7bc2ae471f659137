"""What a change of a section's details leaves behind (ADR-009): one CourseChangeHistory row per
changed field, and what its pupils are told."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.urls import reverse

from accounts.models import Membership
from changes.deciding import Act
from changes.groups import Group
from changes.judgement import Judged, Why
from changes.models import Change, ChangeSet, Decision
from changes.projector import Move
from changes.propose import Draft
from changes.registry import EXISTS, Effect, Rules, Told

from . import moved_details
from .access import is_restricted, refuse_those_of
from .mark_rules import NOT_YOUR_CLASS
from .models import CourseChangeHistory, Enrollment, Section
from .telling import tell_pupils

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


PLACE_OF_MARKS = ("course", "term", "scale")
"""What a transcript shows the marks of a class under, and what they are worth: where marks stand,
one person does not change it alone, or all of them would be moved by who may not move one."""


class SectionRules(Rules):
    """Rules of the entity type ``section``."""

    def clean(
        self, drafts: Sequence[Draft], *, by: Membership, at: dt.datetime, among: Sequence[Draft]
    ) -> None:
        if is_restricted(by):
            others = Section.objects.exclude(instructor_id=by.user_id)
            refuse_those_of(drafts, others, NOT_YOUR_CLASS)

    def need_two_people(self, drafts: Sequence[Draft]) -> None:
        moving = [
            draft
            for draft in drafts
            if draft.field in PLACE_OF_MARKS
            and draft.record
            and draft.record.stands
            and draft.value != draft.record.cell(draft.field).standing
        ]
        marked = _marked({draft.entity_id for draft in moving})
        for draft in moving:
            draft.two_people |= draft.entity_id in marked and not draft.one_person

    def judge(self, judged: Sequence[Judged], *, among: Sequence[Judged]) -> None:
        moving = [
            each
            for each in judged
            if each.field in PLACE_OF_MARKS
            and each.decider_is_author
            and each.value != each.current
            and not (each.field == "scale" and each.source == ChangeSet.Source.IMPORT)
        ]
        marked = _marked({each.entity_id for each in moving})
        for each in moving:
            if each.entity_id in marked:  # by now: what was typed later has two people already
                each.refuse(
                    Why.SECOND_PERSON,
                    "Marks of this class stand, and would count otherwise or elsewhere with it: "
                    "a second person approves that.",
                )

    def group(self, judged: Sequence[Judged]) -> Mapping[uuid.UUID, Group]:
        return dict.fromkeys((each.id for each in judged), Group("section", "Section details"))

    def effects(
        self, changes: Sequence[Change], decisions: Mapping[uuid.UUID, Collection[uuid.UUID]]
    ) -> Mapping[uuid.UUID, Sequence[Effect]]:
        rows = CourseChangeHistory.objects.filter(
            section__in={each.entity_id for each in changes},
            decision__in=set().union(*decisions.values()),
        ).values_list("section_id", "field_name", "decision_id", "id")
        written = {(section, name, decision): pk for section, name, decision, pk in rows}
        found: dict[uuid.UUID, list[Effect]] = defaultdict(list)
        for each in changes:
            for decision in decisions[each.pk]:
                key = (each.entity_id, FIELD_NAMES.get(each.field, ""), decision)
                if pk := written.get(key):
                    url = reverse("admin:grading_coursechangehistory_change", args=[pk])
                    found[each.pk].append(Effect("in the history of the section", url))
        return found

    def left_behind(self, decision: Decision) -> Iterable[str]:
        count = CourseChangeHistory.objects.filter(decision=decision).count()
        if count:
            yield f"{count} row{'s' if count > 1 else ''} of the history of sections"

    def told_of(self, decision: Decision) -> Iterable[Told]:
        return moved_details.told_of(decision)

    def moved(self, act: Act, moves: Sequence[Move]) -> None:
        came_or_went = {m.entity_id for m in moves if m.field == EXISTS}
        changed = [m for m in moves if m.entity_id not in came_or_went]
        if changed:
            _write_history(act, changed)
            tell_pupils(act, changed)


def _marked(section_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Return the sections among these in which a mark stands."""
    if not section_ids:
        return set()
    rows = Enrollment.objects.filter(section__among=section_ids, grade__isnull=False)
    return set(rows.values_list("section_id", flat=True).distinct())


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

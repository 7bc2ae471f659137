"""Saying that two records are the same one.

A pupil who was missing gets entered twice, by two teachers. The merge keeps one of them and moves
to it what was entered on the other. Call inside a school.
"""

import dataclasses
import uuid
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from accounts.models import Membership, School
from accounts.origin import Origin

from . import judgement, registry
from .deciding import KeysClash, deciding, lock_authors
from .models import Change, ChangeSet, Decision
from .propose import Draft, propose
from .registry import EXISTS, TRUE
from .review import NotApproved, Outcome, creation_cells, load, tell_rules


class CannotMerge(Exception):
    """The two records cannot be merged as asked."""


def merge(
    duplicate_id: uuid.UUID,
    survivor_id: uuid.UUID,
    *,
    entity_type: str,
    school: School,
    by: Membership,
    origin: Origin,
    reason: str = "",
    overwrite: Collection[tuple[uuid.UUID, str]] = (),
) -> Outcome:
    """Say that two records are the same one: what refers to the duplicate refers to the survivor.

    The duplicate's creation is excluded, also while provisional. Records that refer to it are
    approved, with the decider's own change on top that points them at the survivor. Where the
    survivor has such a record already (one pupil, one section), the duplicate's stays behind and
    its other values are copied where the survivor's cell is empty, or is named in ``overwrite``
    as (id of the survivor's record, field). Reinstating the decision undoes all of it.

    Raises:
        CannotMerge: the survivor does not stand, nothing is known of the duplicate, or what
            refers to it would clash.
        NotApproved: what refers to the duplicate cannot be approved.
    """
    if duplicate_id == survivor_id:
        raise CannotMerge("These are one record already.")
    with deciding(
        Decision.Kind.MERGE,
        school=school,
        by=by,
        origin=origin,
        reason=reason,
        criteria={"duplicate": str(duplicate_id), "survivor": str(survivor_id)},
    ) as act:
        tracked = registry.get(entity_type)
        if not tracked.model._default_manager.filter(pk=survivor_id).exists():
            raise CannotMerge(f"The {tracked.label} to keep is not approved yet. Approve it first.")
        ours = Change.objects.of(entity_type, duplicate_id).exclude(status=Change.Status.DECLINED)
        of_duplicate = list(ours.not_excluded())
        if not any(c.field == EXISTS and c.value == TRUE for c in of_duplicate):
            raise CannotMerge(f"There is no such {tracked.label} to merge.")
        lock_authors(school, {by.user_id, *(c.author_id for c in of_duplicate)})
        moving, copies = _what_refers(entity_type, duplicate_id, survivor_id, overwrite)
        act.exclude([c.pk for c in of_duplicate])
        moved = load(act, moving.open_ids)
        judgement.judge(school, moved, leaving=[duplicate_id])
        if refused := [each for each in moved if not each.passes]:
            raise NotApproved(refused)
        own = propose(
            [*moving.pointed, *copies],
            by=by,
            origin=origin,
            source=ChangeSet.Source.ADMIN,
            reason=reason,
            may_name={draft.entity_id for draft in moving.pointed},
        )
        if own.refused:
            raise CannotMerge("; ".join(d.refused or "" for d in own.refused))
        act.criteria["own"] = [str(c.pk) for c in own.changes]
        # The records are approved as they were proposed, pointing at the duplicate, and the
        # decider's change follows: undoing the merge leaves them so, suspended.
        judged = [*moved, *load(act, [c.pk for c in own.changes if not c.two_people])]
        tell_rules(act, judged, approved=True)
        act.approve(judged)
        try:
            act.project(
                [(entity_type, duplicate_id), *((j.entity_type, j.entity_id) for j in judged)]
            )
        except KeysClash as clash:
            raise CannotMerge(f"{clash}. Decide on these first, then merge.") from clash
        act.leave_effects()
    return Outcome(act.decision, judged, [], act.moves)


@dataclasses.dataclass
class _Moving:
    """Records of others that move to the survivor: open changes to approve, drafts that point."""

    open_ids: list[uuid.UUID] = dataclasses.field(default_factory=list)
    pointed: list[Draft] = dataclasses.field(default_factory=list)


def _what_refers(
    entity_type: str,
    duplicate_id: uuid.UUID,
    survivor_id: uuid.UUID,
    overwrite: Collection[tuple[uuid.UUID, str]],
) -> tuple[_Moving, list[Draft]]:
    """Find what refers to the duplicate, in force or waiting, whoever proposed it."""
    moving, copies = _Moving(), []
    for tracked in registry.in_order():
        for field in tracked.fields.values():
            if not field.reference or field.reference.entity_type != entity_type:
                continue
            for record in _records_on(tracked, field.name, duplicate_id):
                twin = _twin(tracked, field.name, record, survivor_id)
                if twin is None:
                    moving.open_ids += record.creation_ids
                    moving.pointed.append(_draft(tracked, record.id, field.name, str(survivor_id)))
                else:
                    copies += _copies(tracked, record, twin, overwrite)
    return moving, copies


@dataclasses.dataclass
class _Found:
    """A record that refers to a duplicate: its values, whether it stands, what waits of it."""

    id: uuid.UUID
    values: dict[str, str | None]
    creation_ids: list[uuid.UUID]


def _records_on(tracked: registry.Tracked, field: str, target: uuid.UUID) -> list[_Found]:
    pointing = Change.objects.filter(
        entity_type=tracked.entity_type, field=field, refers_to=target
    ).not_excluded()
    ids = set(
        pointing.filter(status=Change.Status.APPROVED).values_list("entity_id", flat=True)
    ) | set(pointing.open().values_list("entity_id", flat=True))
    values: dict[uuid.UUID, dict[str, str | None]] = defaultdict(dict)
    for change in Change.objects.filter(entity_id__in=ids).effective().order_by("position"):
        values[change.entity_id][change.field] = change.value
    for change in Change.objects.filter(entity_id__in=ids).open():
        values[change.entity_id].setdefault(change.field, change.value)
    waiting: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for change in creation_cells(Change.objects.all(), ids):
        waiting[change.entity_id].append(change.pk)
    return [
        _Found(each, values[each], waiting[each])
        for each in sorted(ids)
        if values[each].get(EXISTS) == TRUE and values[each].get(field) == str(target)
    ]


def _twin(tracked: registry.Tracked, field: str, record: _Found, survivor_id: uuid.UUID) -> Any:
    """The survivor's own record under the same natural key: its enrolment in the section."""
    for names in tracked.natural_keys:
        if field in names:
            key = {
                tracked.field(name).column: survivor_id
                if name == field
                else record.values.get(name)
                for name in names
            }
            return tracked.model._default_manager.filter(**key).first()
    return None


def _copies(
    tracked: registry.Tracked,
    record: _Found,
    twin: Any,
    overwrite: Collection[tuple[uuid.UUID, str]],
) -> list[Draft]:
    in_keys = {name for names in tracked.natural_keys for name in names} | {EXISTS, "status"}
    drafts = []
    for name, value in record.values.items():
        standing = getattr(twin, tracked.field(name).column) if name not in in_keys else value
        empty = standing is None or standing == ""
        if value is not None and name not in in_keys and (empty or (twin.pk, name) in overwrite):
            drafts.append(_draft(tracked, twin.pk, name, value))
    return drafts


def _draft(tracked: registry.Tracked, entity_id: uuid.UUID, field: str, typed: str) -> Draft:
    return Draft(
        entity_type=tracked.entity_type,
        entity_id=entity_id,
        field=field,
        typed=typed,
        touched=True,
        reason="The same person was entered twice.",
    )

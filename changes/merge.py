"""Saying that two records are the same one.

A pupil who was missing gets entered twice, by two teachers. The merge keeps one of them and moves
to it what was entered on the other. Call inside a school.
"""

import dataclasses
import hashlib
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from django.db.models import Exists, OuterRef

from accounts.models import Membership, School
from accounts.origin import Origin

from . import judgement, projector, registry
from .deciding import Act, AlreadyDone, KeysClash, deciding, lock_authors, rehearsing
from .judgement import Judged
from .models import Change, ChangeSet, Decision, Exclusion
from .projector import Move
from .propose import Draft, Saved, propose
from .registry import EXISTS, TRUE
from .review import NotApproved, bring_along, creation_cells, load, tell_rules

Cell = tuple[uuid.UUID, str]
STATUS = "status"
"""How a record counts: that of who stays is kept."""


class CannotMerge(Exception):
    """The two records cannot be merged as asked."""


class MergeChanged(Exception):
    """Something that the rehearsal showed has changed since."""

    def __init__(self) -> None:
        super().__init__(
            "Something has changed since this was shown. Nothing was done: look again, and confirm."
        )


@dataclasses.dataclass(frozen=True)
class Pair:
    """One cell of which both records have a value, or just the other one: ``kept`` is that of the
    record that stays, ``entity_id``; ``other`` that of the one that goes. ``taken``: the other one
    takes its place; ``fixed``: nobody chooses, since it changes only with a second person."""

    entity_type: str
    entity_id: uuid.UUID
    field: str
    kept: str | None
    other: str
    taken: bool
    fixed: bool = False

    @property
    def differs(self) -> bool:
        """Whether somebody has to choose."""
        return self.kept is not None and self.kept != self.other and not self.fixed

    @property
    def key(self) -> str:
        """Its name in a form."""
        return f"{self.entity_id}.{self.field}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Merged:
    """What a merge did, or would do.

    ``done`` are the changes approved with it, those of who decides among them; ``moving`` the
    records that move to the survivor; ``pairs`` the cells that both have; ``set_aside`` the waiting
    changes that leave the queue because another value was chosen; ``second_person`` what waits for
    one, because it would change a mark that stands. ``token`` stands for all of this.
    """

    decision: Decision | None
    done: Sequence[Judged] = ()
    moving: Sequence[tuple[str, uuid.UUID]] = ()
    pairs: Sequence[Pair] = ()
    set_aside: Sequence[uuid.UUID] = ()
    second_person: Sequence[Judged] = ()
    moves: Sequence[Move] = ()
    token: str = ""
    repeated: bool = False


def merge(
    duplicate_id: uuid.UUID,
    survivor_id: uuid.UUID,
    *,
    entity_type: str,
    school: School,
    by: Membership,
    origin: Origin,
    reason: str = "",
    overwrite: Collection[Cell] = (),
    token: str | None = None,
    idempotency_key: str | None = None,
) -> Merged:
    """Say that two records are the same one: what refers to the duplicate refers to the survivor.

    The duplicate's creation is excluded, also while provisional. Where the survivor waits too, its
    creation is approved with the merge. Records that refer to the duplicate are approved, with the
    decider's own change on top that points them at the survivor. Where the survivor has such a
    record already (one pupil, one section), the duplicate's stays behind and its other values are
    copied where the survivor's cell is empty, or is named in ``overwrite`` as (id of the survivor's
    record, field); so are the values of the two records themselves. Waiting values that were not
    chosen are set aside. Reinstating the decision undoes all of it, but for what was approved.

    Args:
        token: of the rehearsal that was confirmed; None takes things as they are.

    Raises:
        CannotMerge: there is no such record, the one to keep waits while the other one stands, the
            result would clash, or a value would go that changes only with a second person.
        NotApproved: what refers to the duplicate, or the survivor, cannot be approved.
        MergeChanged: what was confirmed is no longer so.
    """
    if duplicate_id == survivor_id:
        raise CannotMerge("These are one record already.")
    try:
        with deciding(
            Decision.Kind.MERGE,
            school=school,
            by=by,
            origin=origin,
            reason=reason,
            criteria={
                "type": entity_type,
                "duplicate": str(duplicate_id),
                "survivor": str(survivor_id),
            },
            idempotency_key=idempotency_key,
        ) as act:
            tracked = registry.get(entity_type)
            of_duplicate = _all_of(tracked, duplicate_id, survivor_id, school)
            lock_authors(school, {by.user_id, *(c.author_id for c in of_duplicate)})
            plan = _plan(tracked, duplicate_id, survivor_id, set(overwrite))
            excluded = {c.pk for c in of_duplicate} | set(plan.set_aside)
            act.exclude(excluded)
            approved = _approve_what_waits(act, plan, tracked, duplicate_id)
            own, at_once = _point_and_copy(act, plan, by, origin, reason)
            bring_along(act)
            act.criteria["own"] += [str(each.id) for each in act.brought]
            merged = Merged(
                decision=None,
                done=[*approved, *at_once],
                moving=plan.moving,
                pairs=plan.pairs,
                set_aside=plan.set_aside,
                second_person=load(act, [c.pk for c in own.changes if c.two_people]),
                moves=act.moves,
            )
            merged = dataclasses.replace(merged, token=_token(merged, approved, excluded))
            if token is not None and token != merged.token:
                raise MergeChanged
            act.leave_effects()
    except AlreadyDone as done:
        return Merged(decision=done.decision, repeated=True)
    return dataclasses.replace(merged, decision=act.decision)


def rehearse_merge(
    duplicate_id: uuid.UUID,
    survivor_id: uuid.UUID,
    *,
    entity_type: str,
    school: School,
    by: Membership,
    origin: Origin,
    overwrite: Collection[Cell] = (),
) -> Merged:
    """Return what ``merge`` would do, and do nothing. Raises what ``merge`` raises."""
    with rehearsing():
        merged = merge(
            duplicate_id,
            survivor_id,
            entity_type=entity_type,
            school=school,
            by=by,
            origin=origin,
            overwrite=overwrite,
        )
    return dataclasses.replace(merged, decision=None)


def stands_or_waits(tracked: registry.Tracked, entity_id: uuid.UUID, school: School) -> str | None:
    """Return "stands" or "waits" for a record, or None for one that does neither."""
    if tracked.model._default_manager.filter(school=school, pk=entity_id).exists():
        return "stands"
    created = Change.objects.of(tracked.entity_type, entity_id).filter(field=EXISTS, value=TRUE)
    return "waits" if created.open().exists() else None


def _all_of(
    tracked: registry.Tracked, duplicate_id: uuid.UUID, survivor_id: uuid.UUID, school: School
) -> list[Change]:
    """Return all changes of the duplicate that count or wait. Raises CannotMerge."""
    ours = Change.objects.of(tracked.entity_type, duplicate_id)
    of_duplicate = list(ours.exclude(status=Change.Status.DECLINED).not_excluded())
    duplicate, survivor = (
        stands_or_waits(tracked, each, school) for each in (duplicate_id, survivor_id)
    )
    if survivor is None or duplicate is None:
        raise CannotMerge(
            f"There is no such {tracked.label} to merge: it was merged, declined or withdrawn "
            "meanwhile, or never was there."
        )
    if survivor == "waits" and duplicate == "stands":
        raise CannotMerge(
            f"The {tracked.label} to keep is not approved yet, and the other one is. "
            "Keep the one that stands."
        )
    return of_duplicate


# What refers to the two. --------------------------------------------------------------------------


@dataclasses.dataclass
class _Plan:
    """``open_ids``: what is approved first; ``drafts``: what who decides proposes on top."""

    open_ids: list[uuid.UUID] = dataclasses.field(default_factory=list)
    drafts: list[Draft] = dataclasses.field(default_factory=list)
    moving: list[tuple[str, uuid.UUID]] = dataclasses.field(default_factory=list)
    pairs: list[Pair] = dataclasses.field(default_factory=list)
    set_aside: list[uuid.UUID] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class _Found:
    """A record: its values as they stand, those that stand or else wait, what waits of it by cell,
    and the changes that it would come with."""

    id: uuid.UUID
    standing: dict[str, str | None]
    values: dict[str, str | None]
    waiting: dict[str, list[uuid.UUID]]
    creation_ids: list[uuid.UUID]


def _plan(
    tracked: registry.Tracked, duplicate_id: uuid.UUID, survivor_id: uuid.UUID, overwrite: set[Cell]
) -> _Plan:
    """Find what refers to the duplicate, in force or waiting, whoever proposed it."""
    plan = _Plan()
    both = _records(tracked, {duplicate_id, survivor_id})
    _pair(plan, tracked, both[duplicate_id], both[survivor_id], overwrite)
    for referring in registry.in_order():
        for field in referring.fields.values():
            if not field.reference or field.reference.entity_type != tracked.entity_type:
                continue
            here = _records_on(referring, field.name, {duplicate_id, survivor_id})
            twins = {
                key: each
                for each in here
                if each.values[field.name] == str(survivor_id)
                for key in _keys(referring, field.name, each)
            }
            guarded = _guarded(referring, here) if twins else set()
            for record in here:
                if record.values[field.name] != str(duplicate_id):
                    continue
                mine = _keys(referring, field.name, record)
                twin = next((twins[key] for key in mine if key in twins), None)
                if twin:
                    _pair(plan, referring, record, twin, overwrite, guarded)
                    plan.set_aside += [pk for ids in record.waiting.values() for pk in ids]
                else:
                    plan.open_ids += record.creation_ids
                    plan.moving.append((referring.entity_type, record.id))
                    plan.drafts.append(_draft(referring, record.id, field.name, str(survivor_id)))
    return plan


def _guarded(tracked: registry.Tracked, records: Iterable[_Found]) -> set[Cell]:
    """Return the cells of these records whose value changes only with a second person."""
    cleared = [
        Draft(entity_type=tracked.entity_type, entity_id=each.id, field=name, typed=None)
        for each in records
        for name, value in each.standing.items()
        if value is not None and name in tracked.fields
    ]
    tracked.rules.need_two_people(cleared)
    return {(draft.entity_id, draft.field) for draft in cleared if draft.two_people}


def _pair(
    plan: _Plan,
    tracked: registry.Tracked,
    record: _Found,
    twin: _Found,
    overwrite: set[Cell],
    guarded: Collection[Cell] = (),
) -> None:
    """Plan what the survivor's record takes from the one that stays behind.

    A guarded value does not go with it, or an enrolment of a made-up twin would change a mark that
    stands: it takes the place of one that waits.

    Raises:
        CannotMerge: another guarded value stands on the survivor's record, or this has another
            status, by which the value would count here and not there.
    """
    _check_status(tracked, record, twin, guarded)
    not_copied = {EXISTS, STATUS} | {
        name for names in tracked.natural_keys if len(names) > 1 for name in names
    }
    taken = set()
    told = {(pair.entity_id, pair.field) for pair in plan.pairs}
    for name, value in record.values.items():
        cell = (twin.id, name)
        fixed = (record.id, name) in guarded
        kept = twin.values.get(name)
        same = twin.standing.get(name) == value if fixed else kept == value
        if name in not_copied or value is None or same or cell in told:
            continue
        if fixed and cell in guarded:
            label = tracked.field(name).label
            raise CannotMerge(
                f"On both a {label} stands, {kept} and {value}, and one of them would go. A "
                f"{label} that stands changes only with a second person: have the wrong one "
                "corrected first, so that both are the same."
            )
        takes = fixed or kept is None or cell in overwrite
        plan.pairs.append(Pair(tracked.entity_type, twin.id, name, kept, value, takes, fixed))
        if takes:
            taken.add(name)
            plan.drafts.append(_draft(tracked, twin.id, name, value))
    set_aside = {pk for name in taken for pk in twin.waiting.get(name, ())}
    plan.set_aside += sorted(set_aside)
    plan.open_ids += [pk for pk in twin.creation_ids if pk not in set_aside]


def _check_status(
    tracked: registry.Tracked, record: _Found, twin: _Found, guarded: Collection[Cell]
) -> None:
    if not any((record.id, name) in guarded for name in record.values):
        return
    blank = tracked.field(STATUS).blank
    one, other = (each.values.get(STATUS) or blank for each in (record, twin))
    if one != other:
        raise CannotMerge(
            f"A {tracked.label} of the two is “{one}” here and “{other}” there, and something "
            "stands on it that changes only with a second person. Give both the same status "
            "first, then merge."
        )


def _records_on(tracked: registry.Tracked, field: str, targets: set[uuid.UUID]) -> list[_Found]:
    """Return the records that refer to one of these, the earliest first."""
    pointing = Change.objects.filter(
        entity_type=tracked.entity_type, field=field, refers_to__in=targets
    ).not_excluded()
    ids = set(
        pointing.filter(status=Change.Status.APPROVED).values_list("entity_id", flat=True)
    ) | set(pointing.open().values_list("entity_id", flat=True))
    texts = {str(each) for each in targets}
    return [
        each
        for _, each in sorted(_records(tracked, ids).items())
        if each.values.get(EXISTS) == TRUE and each.values.get(field) in texts
    ]


def _records(tracked: registry.Tracked, ids: set[uuid.UUID]) -> dict[uuid.UUID, _Found]:
    """Return records as they stand, and where nothing stands as they wait."""
    values: dict[uuid.UUID, dict[str, str | None]] = defaultdict(dict)
    about = Change.objects.of(tracked.entity_type, *ids)
    standing: dict[uuid.UUID, dict[str, str | None]] = defaultdict(dict)
    for change in about.effective().order_by("position"):
        values[change.entity_id][change.field] = change.value
        standing[change.entity_id][change.field] = change.value
    waiting: dict[uuid.UUID, dict[str, list[uuid.UUID]]] = defaultdict(lambda: defaultdict(list))
    for change in about.open().order_by("id"):
        if values[change.entity_id].get(change.field) is None:
            values[change.entity_id][change.field] = change.value
        waiting[change.entity_id][change.field].append(change.pk)
    creations: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for change in creation_cells(Change.objects.all(), ids):
        creations[change.entity_id].append(change.pk)
    return {
        each: _Found(each, standing[each], values[each], waiting[each], creations[each])
        for each in ids
    }


def _keys(tracked: registry.Tracked, field: str, record: _Found) -> list[tuple[object, ...]]:
    """Return the natural keys of a record that its reference is part of, without that reference:
    of an enrolment, its section."""
    return [
        (names, *(record.values.get(name) for name in names if name != field))
        for names in tracked.natural_keys
        if field in names
    ]


def _draft(tracked: registry.Tracked, entity_id: uuid.UUID, field: str, typed: str) -> Draft:
    """One person may point what stands only with a second person, such as a mark, at the survivor:
    a merge says that both are one pupil. So it takes along all that one of them had, ends the
    other, is one decision that shows what moves, and is undone by lifting it; and of two such
    values it refuses to let one go. No single value can be given to somebody else by it."""
    return Draft(
        entity_type=tracked.entity_type,
        entity_id=entity_id,
        field=field,
        typed=typed,
        touched=True,
        reason="The same person was entered twice.",
        one_person=field in {each.name for each in tracked.required},
    )


# The act. -----------------------------------------------------------------------------------------


def _approve_what_waits(
    act: Act, plan: _Plan, tracked: registry.Tracked, duplicate_id: uuid.UUID
) -> list[Judged]:
    """Approve the survivor, and what moves or is added to, as it was proposed. Raises NotApproved.

    What moves is approved pointing at the duplicate, and the decider's change follows: undoing the
    merge leaves it so, suspended.
    """
    approved = load(act, plan.open_ids)
    judgement.judge(act.school, approved, leaving=[duplicate_id])
    if refused := [each for each in approved if not each.passes]:
        raise NotApproved(refused)
    tell_rules(act, approved, approved=True)
    act.approve(approved)
    _project(act, [(tracked.entity_type, duplicate_id, EXISTS), *_records_of(approved)])
    return approved


def _point_and_copy(
    act: Act, plan: _Plan, by: Membership, origin: Origin, reason: str
) -> tuple[Saved, list[Judged]]:
    """Propose and approve what who decides has to say on top. Raises CannotMerge."""
    own = propose(
        plan.drafts,
        by=by,
        origin=origin,
        source=ChangeSet.Source.ADMIN,
        reason=reason,
        may_name={draft.entity_id for draft in plan.drafts},
    )
    if own.refused:
        raise CannotMerge("; ".join(d.refused or "" for d in own.refused))
    act.criteria["own"] = [str(c.pk) for c in own.changes]
    at_once = load(act, [c.pk for c in own.changes if not c.two_people])
    tell_rules(act, at_once, approved=True)
    act.approve(at_once)
    _project(act, _records_of(at_once))
    return own, at_once


def _project(act: Act, touched: Iterable[projector.Cell]) -> None:
    try:
        act.project(touched)
    except KeysClash as clash:
        raise CannotMerge(f"{clash}. Decide on these first, then merge.") from clash


def _records_of(judged: Iterable[Judged]) -> list[tuple[str, uuid.UUID, str]]:
    """Return what is to be projected: whole records, for other cells of them were set aside."""
    return [(j.entity_type, j.entity_id, EXISTS) for j in judged]


def absorbed(school: School, entity_type: str, survivor_id: uuid.UUID) -> set[uuid.UUID]:
    """Return the ids of the records that were merged into one, or into one that was: of merges that
    nothing has undone. Call inside the school. One statement."""
    merges = Decision.objects.filter(
        Exists(Exclusion.objects.filter(decision=OuterRef("pk"), lifted_by=None)),
        school=school,
        kind=Decision.Kind.MERGE,
        criteria__type=entity_type,
    ).values_list("criteria", flat=True)
    into: dict[str, set[str]] = defaultdict(set)
    for criteria in merges:
        into[criteria["survivor"]].add(criteria["duplicate"])
    found: set[str] = set()
    following = [str(survivor_id)]
    while following:
        more = into[following.pop()] - found
        found |= more
        following += more
    return {uuid.UUID(each) for each in found}


def _token(merged: Merged, approved: Iterable[Judged], excluded: Iterable[uuid.UUID]) -> str:
    """A digest over what is approved and excluded, what is chosen, and what moves."""
    shown = hashlib.sha256()
    for part in (
        sorted(each.id for each in approved),
        sorted(excluded),
        sorted(merged.moving),
        sorted(merged.pairs, key=lambda pair: pair.key),
        sorted(repr(move) for move in merged.moves),
    ):
        shown.update(repr(part).encode())
    return shown.hexdigest()

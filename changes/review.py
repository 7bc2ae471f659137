"""Deciding on what waits: approve, decline, reopen; and the direct edit.

Every function takes the school's lock, then reads; one decision, all or nothing. Call inside a
school. The number of statements does not grow with the number of changes.
"""

import dataclasses
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db import transaction

from accounts.models import Membership, School
from accounts.origin import Origin

from . import judgement, registry
from .deciding import (
    Act,
    AlreadyDone,
    CannotProject,
    KeysClash,
    deciding,
    lock,
    lock_authors,
    rehearsing,
)
from .judgement import Judged, Why
from .models import Change, ChangeQuerySet, ChangeSet, Decision
from .projector import Move
from .propose import Draft, Saved, last_numbers, propose, seal_and_insert
from .registry import EXISTS, TRUE


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an act of review did. ``decision`` is None when nothing could be done.

    ``done`` were decided; ``refused`` were not, each with its refusal; ``moves`` are the
    authoritative cells that moved; ``repeated``: this request was answered before. ``brought``:
    what was entered with it because of a rule, such as that who comes into a full class waits.
    """

    decision: Decision | None
    done: list[Judged]
    refused: list[Judged]
    moves: list[Move]
    repeated: bool = False
    brought: list[Judged] = dataclasses.field(default_factory=list)


class NoSuchChange(LookupError):
    """A change was named that this school does not have."""


class NotApproved(Exception):
    """Nothing was decided: ``refused`` lists the changes that could not be, each with why."""

    def __init__(self, refused: Sequence[Judged]) -> None:
        messages = dict.fromkeys(r.refusal.message for r in refused if r.refusal)
        super().__init__("; ".join(messages) or "No change was chosen.")
        self.refused = list(refused)


def approve(
    change_ids: Collection[uuid.UUID],
    *,
    school: School,
    by: Membership | None,
    origin: Origin,
    reason: str = "",
    what_can_be: bool = False,
    use_values: Mapping[uuid.UUID, str] | None = None,
    rule: str = "",
    kind: str = Decision.Kind.APPROVE,
    idempotency_key: str | None = None,
) -> Outcome:
    """Approve the changes that the page showed.

    Args:
        change_ids: the changes that who decides has seen; a newer one of the same author and cell
            is never approved in their place.
        by: the member of the office; None when a rule of the school decides, named by ``rule``.
        what_can_be: approve what passes and leave the rest waiting; of two that clash the one
            submitted earlier passes. Otherwise the set is atomic.
        use_values: changes whose value counts although another stands by now, each with the reason
            (which a grade that stands needs, if the change has none of its own).

    Raises:
        NotApproved: a change could not be approved (or none, with ``what_can_be``).
        CannotProject: the database refuses the result.
        MayNotDecide: ``by`` does not decide in this school.
    """
    try:
        with deciding(
            kind,
            school=school,
            by=by,
            origin=origin,
            rule=rule,
            reason=reason,
            idempotency_key=idempotency_key,
        ) as act:
            judged = _judge(act, change_ids, use_values or {})
            passing = _settle(act, judged, what_can_be=what_can_be)
    except AlreadyDone as done:
        return Outcome(done.decision, [], [], [], repeated=True)
    refused = [j for j in judged if not j.passes]
    return Outcome(act.decision, passing, refused, act.moves, brought=act.brought)


def rehearse_approval(
    change_ids: Collection[uuid.UUID],
    *,
    school: School,
    by: Membership,
    origin: Origin,
    use_values: Mapping[uuid.UUID, str] | None = None,
) -> Outcome:
    """Return what ``approve(..., what_can_be=True)`` would do, and do nothing."""
    with rehearsing():
        try:
            outcome = approve(
                change_ids,
                school=school,
                by=by,
                origin=origin,
                what_can_be=True,
                use_values=use_values,
            )
        except NotApproved as nothing:
            return Outcome(None, [], nothing.refused, [])
    return dataclasses.replace(outcome, decision=None)


def with_prerequisites(change_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """Return the changes together with the open creations that they build on, over every step.
    A creation is taken with the cells that it came with, and not with what was typed later into
    others, such as marks."""
    found = {c.pk: c for c in Change.objects.filter(pk__in=change_ids).open()}
    new = list(found.values())
    while new:
        wanted = {change.entity_id for change in new}
        wanted |= {change.refers_to for change in new if change.refers_to}
        cells = creation_cells(Change.objects.all(), wanted)
        new = [cell for cell in cells if cell.pk not in found]
        found |= {cell.pk: cell for cell in new}
    return list(found)


def creation_cells(changes: ChangeQuerySet, entity_ids: Collection[uuid.UUID]) -> list[Change]:
    """Return the open changes of the cells that came in the same save as the open creation of
    their record: as they came, or as their author has retyped them since."""
    created = dict(
        changes.filter(entity_id__in=list(entity_ids), field=EXISTS, value=TRUE)
        .open()
        .values_list("entity_id", "change_set_id")
    )
    came = set(
        changes.filter(
            entity_id__in=list(created), change_set_id__in=set(created.values())
        ).values_list("entity_id", "field")
    )
    return [
        cell
        for cell in changes.filter(entity_id__in=list(created)).open()
        if (cell.entity_id, cell.field) in came
    ]


def decline(
    change_ids: Collection[uuid.UUID],
    *,
    school: School,
    by: Membership,
    origin: Origin,
    reason: str,
    idempotency_key: str | None = None,
) -> Outcome:
    """Decline changes, finally, with a reason that their authors read.

    Raises:
        NotApproved: a change is no longer open.
        ValueError: the reason is empty.
    """
    if not reason.strip():
        raise ValueError("Say why: the author reads the reason.")
    try:
        with deciding(
            Decision.Kind.DECLINE,
            school=school,
            by=by,
            origin=origin,
            reason=reason,
            idempotency_key=idempotency_key,
        ) as act:
            judged = load(act, change_ids)
            judgement.judge_openness(judged)
            for each in judged:
                if each.two_people and each.author_id == by.user_id:
                    each.refuse(Why.SECOND_PERSON, "This is your own: withdraw it instead.")
            refused = [j for j in judged if not j.passes]
            if refused:
                raise NotApproved(refused)
            tell_rules(act, judged, approved=False)
            act.decline(judged)
    except AlreadyDone as done:
        return Outcome(done.decision, [], [], [], repeated=True)
    return Outcome(act.decision, judged, [], [])


def rehearse_decline(
    change_ids: Collection[uuid.UUID], *, school: School, by: Membership, origin: Origin
) -> Outcome:
    """Return which of these changes ``decline`` would decline, and which not; do nothing."""
    with rehearsing():
        try:
            outcome = decline(change_ids, school=school, by=by, origin=origin, reason="rehearsal")
        except NotApproved as nothing:
            refused = {each.id: each for each in nothing.refused}
            judged = judgement.load(school, change_ids, by=by)
            done = [each for each in judged if each.id not in refused]
            return Outcome(None, done, list(refused.values()), [])
    return dataclasses.replace(outcome, decision=None)


def reopen(
    change_ids: Collection[uuid.UUID],
    *,
    school: School,
    by: Membership,
    origin: Origin,
    reason: str = "",
) -> list[Change]:
    """Propose declined changes again as they were: same author, value and base, in the change set
    that they came in, so that a revert of that evening still finds them.

    Raises:
        NotApproved: a change was not declined, or its author has said something newer since.
    """
    with deciding(Decision.Kind.REOPEN, school=school, by=by, origin=origin, reason=reason) as act:
        judged = load(act, change_ids)
        for each in judged:
            if each.status != Change.Status.DECLINED:
                each.refuse(Why.DECIDED, "Only a declined change can be reopened.")
            elif each.superseded_by:
                each.refuse(Why.CHANGED, "Something newer of the same author is there already.")
        refused = [j for j in judged if not j.passes]
        if refused:
            raise NotApproved(refused)
        act.criteria = {"reopened": [str(j.id) for j in judged]}
        copies = _propose_again(judged)
        for tracked in registry.in_order():
            some = [copy for copy in copies if copy.entity_type == tracked.entity_type]
            if some:
                tracked.rules.reopened(some)
        return copies


def _propose_again(judged: Sequence[Judged]) -> list[Change]:
    old = {c.pk: c for c in Change.objects.filter(pk__in=[j.id for j in judged])}
    change_sets = ChangeSet.objects.in_bulk({c.change_set_id for c in old.values()})
    numbers = {
        author_id: last_numbers(author_id, {j.entity_id for j in judged})
        for author_id in {j.author_id for j in judged}
    }
    copies = []
    for each in judged:
        was = old[each.id]
        taken = numbers[each.author_id]
        taken[each.entity_id, each.field] += 1
        copies.append(
            Change(
                school_id=was.school_id,
                change_set_id=was.change_set_id,
                author_id=was.author_id,
                entity_type=was.entity_type,
                entity_id=was.entity_id,
                field=was.field,
                value=was.value,
                refers_to=was.refers_to,
                number=taken[each.entity_id, each.field],
                base_change_id=was.base_change_id,
                old_value=was.old_value,
                reopens_id=was.pk,
                two_people=was.two_people,
            )
        )
    return seal_and_insert(copies, change_sets)


@dataclasses.dataclass(frozen=True)
class Entered:
    """What became of a direct edit: what was ``saved``, what stands at once (``outcome``) and
    what waits for a second person (``waiting``)."""

    saved: Saved
    outcome: Outcome | None
    waiting: list[Judged]


def enter_directly(
    drafts: Iterable[Draft],
    *,
    school: School,
    by: Membership,
    origin: Origin,
    source: str = ChangeSet.Source.ADMIN,
    kind: str = Decision.Kind.DIRECT,
    reason: str = "",
    idempotency_key: str | None = None,
    whole: bool = False,
) -> Entered:
    """Propose and approve at once, as the office may; what alters a standing grade waits for a
    second person, with its pending correction. All or nothing: when it raises, nothing waits.

    Raises:
        NothingSaved: ``whole`` is set and a draft was refused.
        NotApproved: a change could not be approved for another reason than the second person.
    """
    with transaction.atomic():
        lock(school)  # before the author's membership: the lock order
        saved = propose(
            drafts,
            by=by,
            origin=origin,
            source=source,
            reason=reason,
            idempotency_key=idempotency_key,
            whole=whole,
        )
        if saved.repeated or not saved.changes:
            return Entered(saved, None, [])
        at_once = [c.pk for c in saved.changes if not c.two_people]
        waiting = judgement.load(school, [c.pk for c in saved.changes if c.two_people], by=by)
        outcome = None
        if at_once:
            outcome = approve(
                at_once, school=school, by=by, origin=origin, reason=reason, kind=kind
            )
        return Entered(saved, outcome, waiting)


def load(act: Act, change_ids: Collection[uuid.UUID]) -> list[Judged]:
    """Lock the authors, then read the changes: nothing of them moves until the act is done. What
    is none of a substitute's business is refused to one.

    Raises:
        NoSuchChange: an id is of no change of this school.
    """
    ids = set(change_ids)
    authors = Change.objects.filter(pk__among=ids).values_list("author_id", flat=True)
    lock_authors(act.school, authors.distinct())
    judged = judgement.load(act.school, ids, by=act.by)
    if len(judged) != len(ids):
        raise NoSuchChange("A change was named that this school does not have.")
    if act.stands_in:
        for each in judged:
            if not each.two_people:
                each.refuse(
                    Why.SECOND_PERSON,
                    "A substitute decides on corrections of marks alone: the office decides on "
                    "this.",
                )
    return judged


def _judge(
    act: Act, change_ids: Collection[uuid.UUID], use_values: Mapping[uuid.UUID, str]
) -> list[Judged]:
    judged = load(act, change_ids)
    if use_values:
        for each in judged:
            each.insisted = each.id in use_values
            each.insisted_reason = use_values.get(each.id, "")
    judgement.judge(act.school, judged)
    return judged


def _settle(act: Act, judged: Sequence[Judged], *, what_can_be: bool) -> list[Judged]:
    """Approve and project; where the result clashes, refuse the later ones and try again."""
    while True:
        passing = [j for j in judged if j.passes]
        refused = [j for j in judged if not j.passes]
        if (refused and not what_can_be) or not passing:
            raise NotApproved(refused)
        position = act.head.last_position
        try:
            with transaction.atomic():
                tell_rules(act, passing, approved=True)
                act.approve(passing)
                act.project((j.entity_type, j.entity_id, j.field) for j in passing)
                bring_along(act)
                act.leave_effects()
            return passing
        except KeysClash as clash:
            act.head.last_position = position
            act.moves = []
            refuse_clashing(clash, passing, waited=act.kind == Decision.Kind.APPROVE)
            if all(j.passes for j in passing):
                # Records that come back with a parent clash, and nothing here can give way.
                raise CannotProject(str(clash)) from clash
            judgement.judge_prerequisites(act.school, passing)


def refuse_clashing(clash: KeysClash, passing: Sequence[Judged], *, waited: bool) -> None:
    """Refuse the later of those that clash; the earliest submitted keeps the key, unless a record
    that stands already has it. What ``waited`` can be declined; a direct edit is corrected."""
    advice = (
        "If it is the same one, merge them; otherwise decline this, or correct one of the two."
        if waited
        else "If it is the same one, use that one; otherwise correct one of the two."
    )
    for each in clash.clashes:
        tracked = registry.get(each.entity_type)
        labels = " and ".join(tracked.field(name).label for name in each.fields)
        involved = [
            j
            for j in passing
            if j.entity_id in each.entity_ids and j.field in (*each.fields, EXISTS)
        ]
        ids_moving = list(dict.fromkeys(j.entity_id for j in involved))
        standing = set(each.entity_ids) - set(ids_moving)
        losers = set(ids_moving if standing else ids_moving[1:])
        for j in involved:
            if j.entity_id in losers:
                j.refuse(
                    Why.CLASH,
                    f"Another {tracked.label} has the same {labels}. {advice}",
                )


def bring_along(act: Act) -> None:
    """Enter what the rules bring along with what was just projected, as changes of who decides,
    approved in the same act. A rule of the school that approves by itself brings nothing along.

    Raises:
        CannotProject: such a change was refused.
    """
    if act.by is None:
        return
    drafts = [
        draft
        for tracked in registry.in_order()
        for draft in tracked.rules.bring_along(
            act, [m for m in act.moves if m.entity_type == tracked.entity_type]
        )
    ]
    if not drafts:
        return
    own = propose(
        drafts,
        by=act.by,
        origin=act.origin,
        source=ChangeSet.Source.ADMIN,
        reason=" ".join(dict.fromkeys(draft.reason for draft in drafts)),
    )
    if own.refused:
        raise CannotProject("; ".join(dict.fromkeys(d.refused for d in own.refused if d.refused)))
    act.brought = load(act, [change.pk for change in own.changes])
    tell_rules(act, act.brought, approved=True)
    act.approve(act.brought)
    act.project((each.entity_type, each.entity_id, each.field) for each in act.brought)


def tell_rules(act: Act, judged: Sequence[Judged], *, approved: bool) -> None:
    """Let the rules of each type stamp what stands beside the changes that were decided."""
    by_type: dict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        by_type[each.entity_type].append(each)
    for tracked in registry.in_order():
        if by_type[tracked.entity_type]:
            tracked.rules.decided(act, by_type[tracked.entity_type], approved=approved)

"""Excluding what an account did, and lifting that: preview, revert, reinstate.

A preview is the act itself, rehearsed and taken back, so that the two cannot disagree. Where only
values are concerned it is read instead (``changes/outlook.py``), which is the faster the more they
are. It comes with a token over what it showed of each line; the act is refused, and shown again,
when anything of that has changed. What others propose meanwhile, and nobody has decided, is
unrelated traffic: it waits afterwards as it did before. Call inside a school.
"""

import dataclasses
import enum
import hashlib
import operator
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from types import MappingProxyType
from typing import NamedTuple

from django.db import connection
from django.db.models import Exists, OuterRef

from accounts.models import Membership, School
from accounts.origin import Origin

from . import outlook, registry
from .criteria import Criteria, Match, built_on, matching
from .deciding import (
    Act,
    AlreadyDone,
    Clash,
    KeysClash,
    MayNotDecide,
    deciding,
    find_clashes,
    lock,
    lock_authors,
    rehearsing,
)
from .models import Change, Decision, Exclusion, LedgerHead
from .projector import Move, foresee, project
from .registry import EXISTS, TRUE

RECORD = "record"
NOBODY: Mapping[uuid.UUID, int] = MappingProxyType({})

Unticked = Collection[str] | Callable[[Collection[str], Collection[str]], Collection[str]] | None
"""The keys of the lines to leave as they are. None takes the default: the records that somebody
else has built on. A function is given the keys of all lines, and those of the default."""


class Kind(enum.Enum):
    """What a line of the preview comes to. The value is what the screen says."""

    FALLS_BACK = "falls back"
    COMES_BACK = "comes back"
    NO_EFFECT = "no effect: a later value stands"
    COVERED = "no effect: another revert covers it"
    VANISHES = "the record vanishes"
    RETURNS = "the record comes back"
    WITHHELD = "leaves the queue"
    WAITS_AGAIN = "waits again"
    KEPT = "kept"


_NAMES = {kind: kind.name for kind in Kind}  # to ask each for its name takes a while


class Line(NamedTuple):
    """One cell, or one record that would vanish or return, with all changes of it that match.

    There may be tens of thousands: ``entity`` and ``changes``, separated by spaces, are ids as the
    database writes them. ``others`` counts, by author, the changes that somebody made on top of the
    record and that would vanish with it.
    """

    key: str
    entity_type: str
    entity: str
    field: str
    changes: str
    kind: Kind
    before: str | None
    after: str | None
    ticked: bool
    others: Mapping[uuid.UUID, int] = NOBODY

    @property
    def entity_id(self) -> uuid.UUID:
        return uuid.UUID(self.entity)

    @property
    def change_ids(self) -> tuple[uuid.UUID, ...]:
        return tuple(map(uuid.UUID, self.changes.split()))

    @property
    def is_record(self) -> bool:
        return self.field == EXISTS


@dataclasses.dataclass(frozen=True)
class Preview:
    """What the act would do. ``token`` stands for the lines and their consequences, from which the
    rest follows but for ``based_on``, which the act leaves as it is.

    ``consequences``: authoritative cells outside the lines that move too (records that vanish
    with a parent, references that become empty). ``please_check``: approved values, and
    ``based_on``: waiting ones, that their authors typed over a value that falls. ``leaving`` and
    ``returning``: waiting changes that leave the queue and older ones that come back to it.
    ``declined`` match, but count for nothing already. ``effects``: what is written, in words.
    ``groups``: what records that stand belong to, by their id, as far as it was read with them.
    """

    lines: list[Line]
    consequences: list[Move]
    clashes: list[Clash]
    clashing: frozenset[str]
    please_check: list[uuid.UUID]
    based_on: list[uuid.UUID]
    leaving: list[uuid.UUID]
    returning: list[uuid.UUID]
    declined: list[uuid.UUID]
    effects: list[str]
    token: str
    groups: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def ticked(self) -> list[str]:
        """The changes that the act would cover: their ids, as the database writes them."""
        return [change for line in self.lines if line.ticked for change in line.changes.split()]

    def count(self) -> Counter[Kind]:
        """Return how many lines there are of each kind."""
        return Counter(line.kind for line in self.lines)


class PreviewChanged(Exception):
    """Something that the preview showed has changed since. ``preview`` is how it is now."""

    def __init__(self, preview: Preview) -> None:
        super().__init__(
            "Something has changed since this was shown. Nothing was done: look again, and confirm."
        )
        self.preview = preview


class NothingToDo(Exception):
    """No change matches, or no line is ticked."""


@dataclasses.dataclass(frozen=True)
class Reverted:
    """What a revert or a reinstatement did."""

    decision: Decision
    preview: Preview | None
    moves: list[Move]
    repeated: bool = False


def preview(criteria: Criteria, *, school: School, unticked: Unticked = None) -> Preview:
    """Return what ``revert`` would do. Nothing is written. What must be rehearsed holds the
    school's lock meanwhile."""
    shown = _read_revert(criteria, school, unticked)
    if shown is not None:
        return shown
    head = lock(school)
    return _rehearse(head, _plan_revert(criteria, school, unticked))


def revert(
    criteria: Criteria,
    *,
    school: School,
    by: Membership,
    origin: Origin,
    reason: str,
    token: str | None = None,
    unticked: Unticked = None,
    idempotency_key: str | None = None,
) -> Reverted:
    """Exclude the changes that match and are ticked; the cells fall back to what remains.

    Args:
        token: of the preview that was confirmed; None takes things as they are (commands).

    Raises:
        PreviewChanged: what the preview showed is no longer so.
        KeysClash: two records would share a natural key; the preview names the lines to untick.
        NothingToDo: nothing matches or is ticked.
    """
    try:
        with deciding(
            Decision.Kind.REVERT,
            school=school,
            by=by,
            origin=origin,
            reason=reason,
            criteria=criteria.as_json(),
            idempotency_key=idempotency_key,
        ) as act:
            if criteria.account:
                # What the account is sending at this moment comes in before, and is seen.
                lock_authors(school, [criteria.account])
            shown = _read_revert(criteria, school, unticked)
            if shown is not None:
                _refuse_if_changed(shown, token)
                act.exclude(shown.ticked)
                _project(act, shown)
            else:
                plan = _plan_revert(criteria, school, unticked)
                shown = _carry_out(act, plan)
                _refuse_if_changed(shown, token)
            act.leave_effects()
    except AlreadyDone as done:
        return Reverted(done.decision, None, [], repeated=True)
    assert act.decision is not None  # noqa: S101 - sealed by then
    return Reverted(act.decision, shown, act.moves)


def preview_reinstatement(
    decision: Decision, *, school: School, unticked: Unticked = None
) -> Preview:
    """Return what ``reinstate`` would do. Nothing is written. What must be rehearsed holds the
    school's lock meanwhile."""
    own = _own_of_merge(decision)
    shown = None if own else _read_lift(decision, school, unticked)
    if shown is not None:
        return shown
    head = lock(school)
    return _rehearse(head, _plan_reinstatement(decision, unticked, own))


def reinstate(
    decision: Decision,
    *,
    school: School,
    by: Membership,
    origin: Origin,
    reason: str = "",
    token: str | None = None,
    unticked: Unticked = None,
    idempotency_key: str | None = None,
) -> Reverted:
    """Lift a revert, or undo a merge, in whole or in part: the changes count again, at their
    original positions, so that a newer value stays.

    Raises:
        MayNotDecide: ``by`` is an account whose changes were excluded, or whose approvals were.
        PreviewChanged, KeysClash, NothingToDo: as for ``revert``.
    """
    try:
        with deciding(
            Decision.Kind.REINSTATE,
            school=school,
            by=by,
            origin=origin,
            reason=reason,
            undoes=decision,
            idempotency_key=idempotency_key,
        ) as act:
            _refuse_own(decision, by)
            own = _own_of_merge(decision)
            shown = None if own else _read_lift(decision, school, unticked)
            if shown is not None:
                _refuse_if_changed(shown, token)
                act.lift(shown.ticked)
                _project(act, shown)
            else:
                plan = _plan_reinstatement(decision, unticked, own)
                shown = _carry_out(act, plan)
                _refuse_if_changed(shown, token, besides=own)
            act.leave_effects()
    except AlreadyDone as done:
        return Reverted(done.decision, None, [], repeated=True)
    assert act.decision is not None  # noqa: S101 - sealed by then
    return Reverted(act.decision, shown, act.moves)


def concerns(decision: Decision, member: Membership) -> bool:
    """Return whether the decision excluded changes of ``member``, who may therefore not lift it."""
    excluded = Change.objects.filter(exclusions__decision=decision)
    accounts = {decision.criteria.get("account"), decision.criteria.get("decided_by")}
    own_merge = decision.kind == Decision.Kind.MERGE
    return str(member.user_id) in accounts or (
        not own_merge and excluded.filter(author_id=member.user_id).exists()
    )


def in_force(decision: Decision) -> tuple[int, int]:
    """Return how many of the decision's exclusions are in force, and how many it made."""
    made = Exclusion.objects.filter(decision=decision)
    return made.filter(lifted_by__isnull=True).count(), made.count()


# Where only values are concerned. -----------------------------------------------------------------


def _read_revert(criteria: Criteria, school: School, unticked: Unticked) -> Preview | None:
    cells = outlook.of_revert(criteria, school)
    return None if cells is None else _of_values(cells, unticked)


def _read_lift(decision: Decision, school: School, unticked: Unticked) -> Preview | None:
    cells = outlook.of_lift(decision, school)
    return None if cells is None else _of_values(cells, unticked, lifting=True)


def _of_values(
    cells: Sequence[outlook.Cell], unticked: Unticked, *, lifting: bool = False
) -> Preview:
    """Return what each cell comes to: its line is unticked, or takes what was read of it."""
    keys = [f"{entity_type}.{entity}.{field}" for entity_type, entity, field, *_ in cells]
    kept = _resolved(
        unticked, [key for key, cell in zip(keys, cells, strict=True) if cell.changes], ()
    )
    falls = Kind.COMES_BACK if lifting else Kind.FALLS_BACK
    lines = []
    moving: Counter[tuple[str, str]] = Counter()
    listed: dict[str, list[str]] = defaultdict(list)
    groups: dict[str, str] = {}
    for key, cell in zip(keys, cells, strict=True):
        if cell.declined:
            listed["declined"] += cell.declined.split()
        if cell.changes is None:
            continue
        if cell.group is not None:
            groups[cell.entity] = cell.group
        before, after = cell.before or None, cell.after or None
        ticked = key not in kept
        moves_it = ticked and cell.group is not None and before != after
        if moves_it:
            moving[cell.entity_type, cell.field] += 1
        lines.append(
            Line(
                key,
                cell.entity_type,
                cell.entity,
                cell.field,
                cell.changes if " " not in cell.changes else " ".join(sorted(cell.changes.split())),
                falls if moves_it else _kind_of_cell(cell) if ticked else Kind.KEPT,
                cell.before if not moves_it else before,
                cell.before if not moves_it else after,
                ticked,
            )
        )
        if ticked and any(cell[-4:]):
            for name in ("checked", "based", "leaving", "returning"):
                listed[name] += (getattr(cell, name) or "").split()
    return Preview(
        lines=lines,
        consequences=[],
        clashes=[],
        clashing=frozenset(),
        please_check=_ids(listed["checked"]),
        based_on=_ids(listed["based"]),
        leaving=_ids(listed["leaving"]),
        returning=_ids(listed["returning"]),
        declined=_ids(listed["declined"]),
        effects=list(_effects(moving)),
        token=_token(lines, ()),
        groups=groups,
    )


def _kind_of_cell(cell: outlook.Cell) -> Kind:
    """Return what a cell comes to whose value in the table does not move."""
    leaving = (cell.leaving or "").split()
    if not set(leaving).isdisjoint((cell.changes or "").split()):
        return Kind.WITHHELD
    if cell.returning:
        return Kind.WAITS_AGAIN
    if leaving:  # what waits there is withdrawn or replaced again
        return Kind.WITHHELD
    return Kind.COVERED if cell.covered else Kind.NO_EFFECT


def _ids(written: Iterable[str]) -> list[uuid.UUID]:
    return [uuid.UUID(each) for each in sorted(written)]


def _project(act: Act, shown: Preview) -> None:
    touched = ((line.entity_type, line.entity, line.field) for line in shown.lines if line.ticked)
    act.moves = project(act.school, touched)


def _resolved(
    unticked: Unticked, keys: Collection[str], default: Collection[str]
) -> Collection[str]:
    """Return the keys of the lines that are not ticked."""
    if unticked is None:
        return default
    return unticked(keys, default) if callable(unticked) else set(unticked)


# The lines. ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Plan:
    """The lines of an act, by key. ``lifts`` is the decision that a reinstatement lifts, ``own``
    what it excludes: the changes by which a merge pointed records at the survivor."""

    groups: dict[str, list[Match]]
    unticked: Collection[str]
    others: dict[str, dict[uuid.UUID, int]] = dataclasses.field(default_factory=dict)
    declined: list[uuid.UUID] = dataclasses.field(default_factory=list)
    lifts: Decision | None = None
    own: list[uuid.UUID] = dataclasses.field(default_factory=list)

    @property
    def matches(self) -> list[Match]:
        return [match for some in self.groups.values() for match in some]

    @property
    def ticked(self) -> list[uuid.UUID]:
        """The changes of the lines that are ticked."""
        return [m.id for key, some in self.groups.items() if key not in self.unticked for m in some]


def _plan_revert(criteria: Criteria, school: School, unticked: Unticked) -> _Plan:
    matches = matching(criteria, school)
    groups = _grouped([m for m in matches if m.status != Change.Status.DECLINED])
    records = {some[0].entity_id: key for key, some in groups.items() if key.endswith(RECORD)}
    on_records = built_on(school, records, matches)
    others = {records[each]: counted for each, counted in on_records.items()}
    return _Plan(
        groups=groups,
        unticked=_resolved(unticked, groups, set(others)),
        others=others,
        declined=sorted(m.id for m in matches if m.status == Change.Status.DECLINED),
    )


def _plan_reinstatement(decision: Decision, unticked: Unticked, own: list[uuid.UUID]) -> _Plan:
    elsewhere = Exclusion.objects.filter(
        school_id=OuterRef("school_id"), change_id=OuterRef("pk"), lifted_by__isnull=True
    ).exclude(decision=decision)
    rows = (
        Change.objects.filter(exclusions__decision=decision, exclusions__lifted_by__isnull=True)
        .annotate(covered=Exists(elsewhere))
        .order_by("entity_type", "entity_id", "field", "id")
        .values_list(*Match._fields)
    )
    groups = _grouped([Match._make(row) for row in rows])
    return _Plan(groups=groups, unticked=_resolved(unticked, groups, ()), lifts=decision, own=own)


def _grouped(matches: Sequence[Match]) -> dict[str, list[Match]]:
    """Group by line: a record whose creation is among the matches is one line, whole."""
    created = {m.entity_id for m in matches if m.field == EXISTS and m.value == TRUE}
    groups: dict[str, list[Match]] = defaultdict(list)
    for match in matches:
        part = RECORD if match.entity_id in created else match.field
        groups[f"{match.entity_type}.{match.entity_id}.{part}"].append(match)
    return dict(groups)


# The act. -----------------------------------------------------------------------------------------


def _carry_out(act: Act, plan: _Plan, *, bring: Callable[..., list[Move]] = project) -> Preview:
    """Exclude or lift what is ticked, project, and say what it came to. ``bring`` is ``project``,
    or ``foresee``."""
    entities = _entities_of(plan)
    values = _standing_values(entities, {_cell(key, some)[1] for key, some in plan.groups.items()})
    open_before = _open_on(entities)
    if plan.lifts:
        act.lift(plan.ticked)
        act.exclude(plan.own)
    else:
        act.exclude(plan.ticked)
    act.moves = bring(act.school, [(*entity, EXISTS) for entity in entities])
    return _shown(
        plan,
        act.moves,
        find_clashes(act.school, act.moves),
        values,
        open_before,
        _open_on(entities),
    )


def _rehearse(head: LedgerHead, plan: _Plan) -> Preview:
    """Carry out a plan under the school's lock, and take it back."""
    with rehearsing():
        with connection.cursor() as cursor:
            cursor.execute("set constraints all deferred")  # no decision will stand behind it
        act = Act(
            kind="preview",
            school=head.school,
            by=None,
            origin=Origin(),
            head=head,
            undoes=plan.lifts,
        )
        return _carry_out(act, plan, bring=foresee)


Cell = tuple[uuid.UUID, str]


def _entities_of(plan: _Plan) -> set[tuple[str, uuid.UUID]]:
    own = Change.objects.filter(pk__in=plan.own).values_list("entity_type", "entity_id")
    return {(m.entity_type, m.entity_id) for m in plan.matches} | set(own)


def _cell(key: str, some: Sequence[Match]) -> Cell:
    """Return the cell that a line is about: a record's is that it exists."""
    return some[0].entity_id, EXISTS if key.endswith(RECORD) else some[0].field


def _standing_values(
    entities: Iterable[tuple[str, uuid.UUID]], fields: Collection[str]
) -> dict[Cell, str | None]:
    rows = (
        Change.objects.filter(
            entity_id__among={entity_id for _, entity_id in entities}, field__in=fields
        )
        .effective()
        .order_by("entity_id", "field", "-position")
        .distinct("entity_id", "field")
        .values_list("entity_id", "field", "value")
    )
    return {(entity_id, field): value for entity_id, field, value in rows}


def _open_on(entities: Iterable[tuple[str, uuid.UUID]]) -> dict[uuid.UUID, Cell]:
    """Return what waits on these entities: the change's id, and its cell."""
    rows = (
        Change.objects.filter(entity_id__among={entity_id for _, entity_id in entities})
        .open()
        .values_list("id", "entity_id", "field")
    )
    return {change: (entity_id, field) for change, entity_id, field in rows}


def _shown(
    plan: _Plan,
    moves: Sequence[Move],
    clashes: list[Clash],
    values: Mapping[Cell, str | None],
    open_before: Mapping[uuid.UUID, Cell],
    open_after: Mapping[uuid.UUID, Cell],
) -> Preview:
    moved = {(m.entity_id, m.field): m for m in moves}
    leaving = {change: cell for change, cell in open_before.items() if change not in open_after}
    returning = {change: cell for change, cell in open_after.items() if change not in open_before}
    left, returned = ({*some, *some.values()} for some in (leaving, returning))
    lines = []
    for key, some in plan.groups.items():
        cell = _cell(key, some)
        ticked = key not in plan.unticked
        move = moved.get(cell) if ticked else None
        lines.append(
            Line(
                key=key,
                entity_type=some[0].entity_type,
                entity=str(cell[0]),
                field=cell[1],
                changes=" ".join(sorted(str(m.id) for m in some)),
                kind=_kind_of(
                    some,
                    move,
                    leaving=left,
                    returning=returned,
                    lifting=plan.lifts is not None,
                )
                if ticked
                else Kind.KEPT,
                before=move.before if move else values.get(cell),
                after=move.after if move else values.get(cell),
                ticked=ticked,
                others=plan.others.get(key, NOBODY),
            )
        )
    on_lines = {(m.entity_id, m.field) for m in plan.matches} | {
        (line.entity_id, line.field) for line in lines
    }
    consequences = [move for cell, move in moved.items() if cell not in on_lines]
    excluded = set(plan.own if plan.lifts else plan.ticked)
    based = Change.objects.filter(base_change_id__among=excluded).values_list("pk", flat=True)
    built = Change.objects.filter(pk__among=set(based) - excluded).order_by("id")
    return Preview(
        lines=lines,
        consequences=consequences,
        clashes=clashes,
        clashing=_clashing(lines, clashes, moves),
        please_check=list(built.effective().values_list("pk", flat=True)),
        based_on=list(built.open().values_list("pk", flat=True)),
        leaving=sorted(leaving),
        returning=sorted(returning),
        declined=plan.declined,
        effects=list(_effects(Counter((m.entity_type, m.field) for m in moves))),
        token=_token(lines, consequences),
    )


def _kind_of(
    some: Sequence[Match],
    move: Move | None,
    *,
    leaving: Set[object],
    returning: Set[object],
    lifting: bool,
) -> Kind:
    """Return what a line comes to. ``leaving`` and ``returning`` are the changes that leave the
    queue and that come back to it, and the cells of these."""
    if move is not None and move.field == EXISTS:
        return Kind.RETURNS if move.after == TRUE else Kind.VANISHES
    if move is not None:
        return Kind.COMES_BACK if lifting else Kind.FALLS_BACK
    ids, cells = {m.id for m in some}, {(m.entity_id, m.field) for m in some}
    if ids & leaving:
        return Kind.WITHHELD
    if ids & returning or cells & returning:
        return Kind.WAITS_AGAIN
    if cells & leaving:  # what waits there is withdrawn or replaced again
        return Kind.WITHHELD
    return Kind.COVERED if all(m.covered for m in some) else Kind.NO_EFFECT


def _clashing(
    lines: Sequence[Line], clashes: Iterable[Clash], moves: Iterable[Move]
) -> frozenset[str]:
    """Return the keys of the lines that a clash comes from: the lines of its records, or, where
    they merely came back with a parent, those of the parent."""
    parents: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
    for move in moves:
        if move.field != EXISTS and move.after is not None:
            reference = registry.get(move.entity_type).field(move.field).reference
            if reference and reference.required:
                parents[move.entity_id].add(uuid.UUID(move.after))
    keys: set[str] = set()
    for clash in clashes:
        fields = {*clash.fields, EXISTS}
        records = set(clash.entity_ids)
        while records:
            behind = {
                line.key
                for line in lines
                if line.ticked and line.entity_id in records and line.field in fields
            }
            keys |= behind
            records = set() if behind else set().union(*(parents.pop(r, set()) for r in records))
            fields = {EXISTS}
    return frozenset(keys)


def _effects(moving: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """``moving``: how many values move, by entity type and field."""
    for tracked in registry.in_order():
        yield from tracked.rules.foretell(
            {field: n for (kind, field), n in moving.items() if kind == tracked.entity_type}
        )


def _token(lines: Sequence[Line], consequences: Iterable[Move]) -> str:
    """A digest over the changes that match, what each line shows, and what moves besides.
    Unrelated traffic does not touch it; one more change that matches does, and so does work that
    somebody has put meanwhile on a record that is to vanish."""
    shown = hashlib.sha256()
    for line in sorted(lines, key=operator.itemgetter(0)):
        facts: tuple[object, ...] = (line.key, line.changes, line.ticked)
        if line.ticked:
            facts += (_NAMES[line.kind], line.before, line.after)
        if line.ticked and line.others:
            facts += (sorted(line.others.items()),)
        shown.update(repr(facts).encode())
    for move in sorted(consequences, key=lambda each: each[:3]):
        shown.update(repr(move).encode())
    return shown.hexdigest()


def _refuse_if_changed(
    shown: Preview, token: str | None, *, besides: Collection[uuid.UUID] = ()
) -> None:
    """``besides``: what the act excludes that has no line."""
    if token is not None and token != shown.token:
        raise PreviewChanged(shown)
    if not besides and not any(line.ticked for line in shown.lines):
        raise NothingToDo("There is nothing to do: no change matches, or no line is ticked.")
    if shown.clashes:
        raise KeysClash(shown.clashes)


def _refuse_own(decision: Decision, by: Membership) -> None:
    if concerns(decision, by):
        raise MayNotDecide("Your own changes were excluded by it: somebody else must lift that.")


def _own_of_merge(decision: Decision) -> list[uuid.UUID]:
    """The changes by which a merge pointed records at the survivor: undoing it excludes them."""
    if decision.kind != Decision.Kind.MERGE:
        return []
    own = [uuid.UUID(each) for each in decision.criteria.get("own", [])]
    return list(Change.objects.filter(pk__in=own).not_excluded().values_list("pk", flat=True))

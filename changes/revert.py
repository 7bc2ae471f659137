"""Excluding what an account did, and lifting that: preview, revert, reinstate.

A preview is the act itself, rehearsed and taken back, so that the two cannot disagree. It comes
with a token over all that it showed; the act is refused, and shown again, when anything of that
has changed. Call inside a school.
"""

import dataclasses
import datetime as dt
import enum
import hashlib
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from django.db import connection

from accounts.models import Membership, School
from accounts.origin import Origin

from . import registry
from .deciding import (
    AlreadyDone,
    Clash,
    KeysClash,
    MayNotDecide,
    deciding,
    find_clashes,
    lock,
    rehearsing,
)
from .models import Change, Decision, Exclusion
from .projector import Move, project
from .registry import EXISTS, TRUE

RECORD = "record"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Criteria:
    """Which changes to revert: all that match every criterion that is given.

    ``account`` typed them; or, with ``decided_by``, that account approved, entered directly or
    imported them. ``start`` and ``end`` bound [start, end) the server's time of receipt (of the
    decision, with ``decided_by``). ``ip`` and ``session`` are the origin's.
    """

    account: uuid.UUID | None = None
    decided_by: uuid.UUID | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    ip: str | None = None
    session: str | None = None

    def __post_init__(self) -> None:
        if (self.account is None) == (self.decided_by is None):
            raise ValueError("name the account that typed, or the one that decided")
        if self.start and self.end and self.start >= self.end:
            raise ValueError("The window ends before it begins.")

    def as_json(self) -> dict[str, str]:
        """Return the criteria as the decision keeps them."""
        return {
            name: value.isoformat() if isinstance(value, dt.datetime) else str(value)
            for name, value in dataclasses.asdict(self).items()
            if value is not None
        }


class Kind(enum.Enum):
    """What a line of the preview comes to. The value is what the screen says."""

    FALLS_BACK = "falls back"
    COMES_BACK = "comes back"
    NO_EFFECT = "no effect: a later value stands"
    VANISHES = "the record vanishes"
    RETURNS = "the record comes back"
    WITHHELD = "leaves the queue"
    WAITS_AGAIN = "waits again"
    KEPT = "kept"


@dataclasses.dataclass(frozen=True)
class Line:
    """One cell, or one record that would vanish or return, with all changes of it that match.

    ``others`` counts, by author, the changes that somebody made on top of the record and that
    would vanish with it.
    """

    key: str
    entity_type: str
    entity_id: uuid.UUID
    field: str
    change_ids: tuple[uuid.UUID, ...]
    kind: Kind
    before: str | None
    after: str | None
    ticked: bool
    others: dict[uuid.UUID, int]

    @property
    def is_record(self) -> bool:
        return self.field == EXISTS


@dataclasses.dataclass(frozen=True)
class Preview:
    """What the act would do. ``token`` stands for all that is shown here.

    ``consequences``: authoritative cells outside the lines that move too (records that vanish
    with a parent, references that become empty). ``please_check``: approved values, and
    ``based_on``: waiting ones, that their authors typed over a value that falls. ``leaving`` and
    ``returning``: waiting changes that leave the queue and older ones that come back to it.
    ``declined`` match, but count for nothing already. ``effects``: what is written, in words.
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

    @property
    def ticked(self) -> list[uuid.UUID]:
        """The changes that the act would cover."""
        return [change for line in self.lines if line.ticked for change in line.change_ids]

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


def preview(
    criteria: Criteria, *, school: School, unticked: Collection[str] | None = None
) -> Preview:
    """Return what ``revert`` would do. Nothing is written. Holds the school's lock meanwhile.

    Args:
        unticked: the keys of lines to leave as they are; None takes the default: every line but
            records that somebody else has built on.
    """
    lock(school)
    with rehearsing():
        return _rehearse_revert(criteria, school, unticked)[0]


def revert(
    criteria: Criteria,
    *,
    school: School,
    by: Membership,
    origin: Origin,
    reason: str,
    token: str | None = None,
    unticked: Collection[str] | None = None,
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
            with rehearsing():
                shown, excluded = _rehearse_revert(criteria, school, unticked)
            _refuse_if_changed(shown, token, excluded)
            act.exclude(excluded)
            act.project(_entities_of(excluded))
            act.leave_effects()
    except AlreadyDone as done:
        return Reverted(done.decision, None, [], repeated=True)
    assert act.decision is not None  # noqa: S101 - sealed by then
    return Reverted(act.decision, shown, act.moves)


def preview_reinstatement(
    decision: Decision, *, school: School, unticked: Collection[str] | None = None
) -> Preview:
    """Return what ``reinstate`` would do. Nothing is written."""
    lock(school)
    with rehearsing():
        return _rehearse_reinstatement(decision, school, unticked)[0]


def reinstate(
    decision: Decision,
    *,
    school: School,
    by: Membership,
    origin: Origin,
    reason: str = "",
    token: str | None = None,
    unticked: Collection[str] | None = None,
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
            with rehearsing():
                shown, lifted = _rehearse_reinstatement(decision, school, unticked)
            own = _own_of_merge(decision)
            _refuse_if_changed(shown, token, [*lifted, *own])
            act.lift(_exclusions_of(decision, lifted))
            act.exclude(own)
            act.project(_entities_of([*lifted, *own]))
            act.leave_effects()
    except AlreadyDone as done:
        return Reverted(done.decision, None, [], repeated=True)
    assert act.decision is not None  # noqa: S101 - sealed by then
    return Reverted(act.decision, shown, act.moves)


def in_force(decision: Decision) -> tuple[int, int]:
    """Return how many of the decision's exclusions are in force, and how many it made."""
    made = Exclusion.objects.filter(decision=decision)
    return made.filter(lifted_by__isnull=True).count(), made.count()


# The lines. ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Match:
    id: uuid.UUID
    entity_type: str
    entity_id: uuid.UUID
    field: str
    kind: str
    value: str | None
    status: str
    author_id: uuid.UUID


def _matching(criteria: Criteria, school: School) -> list[_Match]:
    conditions, parameters = ["c.school_id = %(school)s"], {"school": school.pk}
    if criteria.account:
        conditions.append("c.author_id = %(account)s and s.initiator_id = %(account)s")
        parameters["account"] = criteria.account
        row, time = "s", "s.received_at"
    else:
        conditions.append(
            "d.decided_by_id = %(account)s and c.status = 'approved'"
            " and d.kind in ('approve', 'direct', 'import', 'merge')"
        )
        parameters["account"] = criteria.decided_by
        row, time = "d", "d.decided_at"
    for condition, name, value in (
        (f"{time} >= %(start)s", "start", criteria.start),
        (f"{time} < %(end)s", "end", criteria.end),
        (f"{row}.ip = %(ip)s::inet", "ip", criteria.ip),
        (f"{row}.session = %(session)s", "session", criteria.session),
    ):
        if value:
            conditions.append(condition)
            parameters[name] = value
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.id, c.entity_type, c.entity_id, c.field, c.kind, c.value, c.status,"  # noqa: S608 - of the fixed texts above
            " c.author_id"
            " from changes_change c"
            " join changes_changeset s on s.school_id = c.school_id and s.id = c.change_set_id"
            " left join changes_decision d on d.school_id = c.school_id and d.id = c.decision_id"
            f" where {' and '.join(conditions)} order by c.entity_type, c.entity_id, c.field, c.id",
            parameters,
        )
        return [_Match(*row) for row in cursor.fetchall()]


def _rehearse_revert(
    criteria: Criteria, school: School, unticked: Collection[str] | None
) -> tuple[Preview, list[uuid.UUID]]:
    matches = _matching(criteria, school)
    declined = [m.id for m in matches if m.status == Change.Status.DECLINED]
    groups = _grouped([m for m in matches if m.status != Change.Status.DECLINED])
    others = _built_on(school, groups)
    if unticked is None:
        unticked = {key for key in groups if others.get(key)}
    excluded = [m.id for key, some in groups.items() if key not in unticked for m in some]

    def exclude() -> None:
        Exclusion.objects.bulk_create(
            Exclusion(school=school, change_id=change, decision_id=_NO_DECISION)
            for change in excluded
        )

    rehearsal = _rehearse(school, excluded, exclude)
    return _shown(groups, unticked, others, rehearsal, declined, lifting=False), excluded


def _rehearse_reinstatement(
    decision: Decision, school: School, unticked: Collection[str] | None
) -> tuple[Preview, list[uuid.UUID]]:
    rows = (
        Change.objects.filter(exclusions__decision=decision, exclusions__lifted_by__isnull=True)
        .order_by("entity_type", "entity_id", "field", "id")
        .values_list(
            "id", "entity_type", "entity_id", "field", "kind", "value", "status", "author_id"
        )
    )
    groups = _grouped([_Match(*row) for row in rows])
    unticked = unticked or set()
    lifted = [m.id for key, some in groups.items() if key not in unticked for m in some]
    own = _own_of_merge(decision)

    def lift() -> None:
        Exclusion.objects.filter(pk__in=_exclusions_of(decision, lifted)).update(
            lifted_by_id=_NO_DECISION
        )
        Exclusion.objects.bulk_create(
            Exclusion(school=school, change_id=change, decision_id=_NO_DECISION) for change in own
        )

    rehearsal = _rehearse(school, [*lifted, *own], lift)
    return _shown(groups, unticked, {}, rehearsal, [], lifting=True), lifted


# A rehearsal ends before the reference to the decision is checked.
_NO_DECISION = uuid.UUID(int=0)


def _grouped(matches: Sequence[_Match]) -> dict[str, list[_Match]]:
    """Group by line: a record whose creation is among the matches is one line, whole."""
    created = {m.entity_id for m in matches if m.field == EXISTS and m.value == TRUE}
    groups: dict[str, list[_Match]] = defaultdict(list)
    for match in matches:
        part = RECORD if match.entity_id in created else match.field
        groups[f"{match.entity_type}.{match.entity_id}.{part}"].append(match)
    return dict(groups)


def _built_on(school: School, groups: dict[str, list[_Match]]) -> dict[str, dict[uuid.UUID, int]]:
    """Count, for each record that would vanish, the changes by others on it and on what refers
    to it, by author: what is not among the matches."""
    roots = {some[0].entity_id: key for key, some in groups.items() if key.endswith(RECORD)}
    if not roots:
        return {}
    matched = [m.id for some in groups.values() for m in some]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            with recursive reached (root, id) as (
                select r, r from unnest(%(roots)s::uuid[]) r
                union
                select r.root, c.entity_id from reached r
                join changes_change c on c.school_id = %(school)s and c.refers_to = r.id
                where c.status <> 'declined'
            )
            select r.root, c.author_id, count(*)
            from reached r
            join changes_change c on c.school_id = %(school)s and c.entity_id = r.id
            where c.status <> 'declined' and c.kind = 'value'
              and c.id <> all(%(matched)s::uuid[])
              and not exists (select 1 from changes_exclusion x
                              where x.school_id = c.school_id and x.change_id = c.id
                                and x.lifted_by_id is null)
            group by r.root, c.author_id
            """,
            {"roots": list(roots), "school": school.pk, "matched": matched},
        )
        found: dict[str, dict[uuid.UUID, int]] = defaultdict(dict)
        for root, author_id, count in cursor.fetchall():
            found[roots[root]][author_id] = count
        return dict(found)


@dataclasses.dataclass(frozen=True)
class _Rehearsal:
    moves: list[Move]
    clashes: list[Clash]
    values: dict[tuple[uuid.UUID, str], str | None]
    open_before: set[uuid.UUID]
    open_after: set[uuid.UUID]
    please_check: list[uuid.UUID]
    based_on: list[uuid.UUID]


def _rehearse(school: School, change_ids: list[uuid.UUID], write: Any) -> _Rehearsal:
    entities = _entities_of(change_ids)
    values = _standing_values(school, entities)
    open_before = _open_on(entities)
    with connection.cursor() as cursor:
        cursor.execute("set constraints all deferred")
    write()
    by_type: dict[str, set[uuid.UUID]] = defaultdict(set)
    for entity_type, entity_id in entities:
        by_type[entity_type].add(entity_id)
    moves = project(school, by_type)
    built = Change.objects.filter(base_change_id__in=change_ids).exclude(pk__in=change_ids)
    return _Rehearsal(
        moves=moves,
        clashes=find_clashes(school, moves),
        values=values,
        open_before=open_before,
        open_after=_open_on(entities),
        please_check=list(built.effective().order_by("id").values_list("pk", flat=True)),
        based_on=list(built.open().order_by("id").values_list("pk", flat=True)),
    )


def _standing_values(
    school: School, entities: Iterable[tuple[str, uuid.UUID]]
) -> dict[tuple[uuid.UUID, str], str | None]:
    values: dict[tuple[uuid.UUID, str], str | None] = {}
    rows = (
        Change.objects.filter(entity_id__in={entity_id for _, entity_id in entities})
        .effective()
        .order_by("entity_id", "field", "-position")
        .distinct("entity_id", "field")
        .values_list("entity_id", "field", "value")
    )
    for entity_id, field, value in rows:
        values[entity_id, field] = value
    return values


def _open_on(entities: Iterable[tuple[str, uuid.UUID]]) -> set[uuid.UUID]:
    return set(
        Change.objects.filter(entity_id__in={entity_id for _, entity_id in entities})
        .open()
        .values_list("pk", flat=True)
    )


def _shown(
    groups: dict[str, list[_Match]],
    unticked: Collection[str],
    others: dict[str, dict[uuid.UUID, int]],
    rehearsal: _Rehearsal,
    declined: list[uuid.UUID],
    *,
    lifting: bool,
) -> Preview:
    moved = {(m.entity_id, m.field): m for m in rehearsal.moves}
    lines, on_lines = [], set()
    for key, some in groups.items():
        first = some[0]
        field = EXISTS if key.endswith(RECORD) else first.field
        ticked = key not in unticked
        move = moved.get((first.entity_id, field)) if ticked else None
        standing = rehearsal.values.get((first.entity_id, field))
        ids = {m.id for m in some}
        if not ticked:
            kind = Kind.KEPT
        elif move is not None:
            kind = _kind_of(move, lifting)
        elif ids & (rehearsal.open_before if not lifting else rehearsal.open_after):
            kind = Kind.WAITS_AGAIN if lifting else Kind.WITHHELD
        else:
            kind = Kind.NO_EFFECT
        lines.append(
            Line(
                key=key,
                entity_type=first.entity_type,
                entity_id=first.entity_id,
                field=field,
                change_ids=tuple(m.id for m in some),
                kind=kind,
                before=move.before if move else standing,
                after=move.after if move else standing,
                ticked=ticked,
                others=others.get(key, {}),
            )
        )
        if ticked:
            on_lines.add((first.entity_id, field))
            if key.endswith(RECORD):
                on_lines |= {(m.entity_id, m.field) for m in some}
    matched = {m.id for some in groups.values() for m in some}
    return Preview(
        lines=lines,
        consequences=[m for m in rehearsal.moves if (m.entity_id, m.field) not in on_lines],
        clashes=rehearsal.clashes,
        clashing=frozenset(
            line.key
            for line in lines
            for clash in rehearsal.clashes
            if line.ticked
            and line.entity_id in clash.entity_ids
            and (line.field in clash.fields or line.is_record)
        ),
        please_check=rehearsal.please_check,
        based_on=rehearsal.based_on,
        leaving=sorted(rehearsal.open_before - rehearsal.open_after),
        returning=sorted(rehearsal.open_after - rehearsal.open_before),
        declined=declined,
        effects=list(_effects(rehearsal.moves)),
        token=_token(lines, matched),
    )


def _kind_of(move: Move, lifting: bool) -> Kind:
    if move.field == EXISTS:
        return Kind.RETURNS if move.after == TRUE else Kind.VANISHES
    return Kind.COMES_BACK if lifting else Kind.FALLS_BACK


def _effects(moves: Sequence[Move]) -> Iterator[str]:
    for tracked in registry.in_order():
        yield from tracked.rules.foretell(
            [m for m in moves if m.entity_type == tracked.entity_type]
        )


def _token(lines: Sequence[Line], matched: Collection[uuid.UUID]) -> str:
    """A digest over the changes that match and what each line shows. Unrelated traffic does not
    touch it; one more change that matches does."""
    shown = hashlib.sha256()
    for change in sorted(matched):
        shown.update(change.bytes)
    for line in sorted(lines, key=lambda each: each.key):
        shown.update(repr((line.key, line.kind.name, line.before, line.after)).encode())
        shown.update(repr(sorted(line.change_ids)).encode() if line.ticked else b"kept")
    return shown.hexdigest()


def _refuse_if_changed(
    shown: Preview, token: str | None, change_ids: Collection[uuid.UUID]
) -> None:
    if token is not None and token != shown.token:
        raise PreviewChanged(shown)
    if not change_ids:
        raise NothingToDo("There is nothing to do: no change matches, or no line is ticked.")
    if shown.clashes:
        raise KeysClash(shown.clashes)


def _refuse_own(decision: Decision, by: Membership) -> None:
    excluded = Change.objects.filter(exclusions__decision=decision)
    accounts = {decision.criteria.get("account"), decision.criteria.get("decided_by")}
    own_merge = decision.kind == Decision.Kind.MERGE
    if str(by.user_id) in accounts or (
        not own_merge and excluded.filter(author_id=by.user_id).exists()
    ):
        raise MayNotDecide("Your own changes were excluded by it: somebody else must lift that.")


def _own_of_merge(decision: Decision) -> list[uuid.UUID]:
    """The changes by which a merge pointed records at the survivor: undoing it excludes them."""
    if decision.kind != Decision.Kind.MERGE:
        return []
    own = [uuid.UUID(each) for each in decision.criteria.get("own", [])]
    return list(Change.objects.filter(pk__in=own).not_excluded().values_list("pk", flat=True))


def _exclusions_of(decision: Decision, change_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    return list(
        Exclusion.objects.filter(
            decision=decision, change_id__in=list(change_ids), lifted_by__isnull=True
        ).values_list("pk", flat=True)
    )


def _entities_of(change_ids: Collection[uuid.UUID]) -> list[tuple[str, uuid.UUID]]:
    return list(
        Change.objects.filter(pk__in=list(change_ids))
        .order_by("entity_type", "entity_id")
        .distinct("entity_type", "entity_id")
        .values_list("entity_type", "entity_id")
    )

"""What every act of the office has in common: the school's lock, the number, the positions, the
projection and its effects, the digest. Only review and revert use it.

Lock order: LedgerHead, then Membership rows by id. Time stamps and sequences never order
decisions: positions and numbers do, and they are given under the lock.
"""

import contextlib
import dataclasses
import itertools
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from django.db import DatabaseError, IntegrityError, connection, transaction
from psycopg import sql

from accounts import audit, substitute
from accounts.ids import new_id, new_ids
from accounts.models import AuditLog, Membership, School
from accounts.origin import Origin

from . import lookups, projector, registry, seal
from .judgement import Judged
from .models import Decision, LedgerHead
from .projector import Move


class CannotProject(Exception):
    """The result would break a rule of the database. Nothing was decided."""


class KeysClash(Exception):
    """Records of the result would share a natural key. ``clashes`` lists them."""

    def __init__(self, clashes: "list[Clash]") -> None:
        super().__init__("; ".join(str(clash) for clash in clashes))
        self.clashes = clashes


class AlreadyDone(Exception):
    """The same request was answered before: ``decision`` is its outcome."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"This was done already, as decision {decision.number}.")
        self.decision = decision


class MayNotDecide(Exception):
    """Who asks is no active member of this school's office, or their account is frozen."""


@dataclasses.dataclass(frozen=True)
class Clash:
    """Records of one type that would share the values of a natural key."""

    entity_type: str
    fields: tuple[str, ...]
    entity_ids: tuple[uuid.UUID, ...]

    def __str__(self) -> str:
        tracked = registry.get(self.entity_type)
        labels = " and ".join(tracked.field(name).label for name in self.fields)
        return f"{len(self.entity_ids)} {tracked.label}s would have the same {labels}"


@dataclasses.dataclass(eq=False, kw_only=True)
class Act:
    """A decision in the making, under the school's lock. ``stands_in``: who decides is the named
    substitute of an office of one person, and decides on what needs two people alone.
    ``has_stamped``: it approves changes, and does not only exclude some, or lift that."""

    kind: str
    school: School
    by: Membership | None
    origin: Origin
    head: LedgerHead
    rule: str = ""
    reason: str = ""
    criteria: dict[str, Any] = dataclasses.field(default_factory=dict)
    undoes: Decision | None = None
    idempotency_key: str | None = None
    id: uuid.UUID = dataclasses.field(default_factory=new_id)
    moves: list[Move] = dataclasses.field(default_factory=list)
    brought: list[Judged] = dataclasses.field(default_factory=list)
    stands_in: bool = False
    has_stamped: bool = False
    decision: Decision | None = None

    @property
    def number(self) -> int:
        return self.head.last_decision + 1

    @property
    def user_id(self) -> uuid.UUID | None:
        return self.by.user_id if self.by else None

    def approve(self, judged: Sequence[Judged]) -> None:
        """Stamp changes as approved, at the next positions, in the order given."""
        self.has_stamped = True
        self._stamp("approved", judged, after=self.head.last_position)
        self.head.last_position += len(judged)

    def decline(self, judged: Sequence[Judged]) -> None:
        """Stamp changes as declined."""
        self._stamp("declined", judged, after=None)

    def _stamp(self, status: str, judged: Sequence[Judged], *, after: int | None) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                update changes_change c
                set status = %(status)s, position = %(after)s::bigint + n.place,
                    decision_id = %(decision)s, decided_by_id = %(by)s
                from unnest(%(ids)s::uuid[]) with ordinality n (id, place)
                where c.school_id = %(school)s and c.id = n.id and c.status = 'provisional'
                """,
                {
                    "status": status,
                    "decision": self.id,
                    "by": self.user_id,
                    "ids": lookups.array(j.id for j in judged),
                    "after": after,
                    "school": self.school.pk,
                },
            )
            if cursor.rowcount != len(judged):  # under the lock, after judgement: cannot be
                raise CannotProject("A change was decided by somebody else at the same moment.")

    def exclude(self, change_ids: Collection[uuid.UUID | str]) -> None:
        """Exclude changes: they do not count until this decision is lifted."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                insert into changes_exclusion (id, school_id, change_id, decision_id)
                select n.id, %(school)s, n.change_id, %(decision)s
                from unnest(%(ids)s::uuid[], %(changes)s::uuid[]) n (id, change_id)
                """,
                {
                    "school": self.school.pk,
                    "decision": self.id,
                    "ids": lookups.written(new_ids(len(change_ids))),
                    "changes": lookups.written(map(str, change_ids)),
                },
            )

    def lift(self, change_ids: Collection[uuid.UUID | str]) -> None:
        """Lift the exclusions of these changes, by the decision that this one undoes, that are in
        force."""
        assert self.undoes is not None  # noqa: S101 - the seal looks for what it lifts there
        with connection.cursor() as cursor:
            cursor.execute(
                """
                update changes_exclusion set lifted_by_id = %(by)s
                where school_id = %(school)s and decision_id = %(decision)s
                  and lifted_by_id is null and change_id = any(%(changes)s::uuid[])
                """,
                {
                    "by": self.id,
                    "school": self.school.pk,
                    "decision": self.undoes.pk,
                    "changes": lookups.written(map(str, change_ids)),
                },
            )

    def project(self, touched: Iterable[projector.Cell]) -> None:
        """Bring the tables to what the ledger says now; what an earlier projection of the same act
        moved counts with it. Raises KeysClash."""
        moved = projector.project(self.school, touched)
        if clashes := find_clashes(self.school, moved):
            raise KeysClash(clashes)
        self.moves = joined(self.moves, moved) if self.moves else moved

    def leave_effects(self) -> None:
        """Hand the cells that moved to the rules of their types, once."""
        by_type: dict[str, list[Move]] = defaultdict(list)
        for move in self.moves:
            by_type[move.entity_type].append(move)
        for tracked in registry.in_order():
            if by_type[tracked.entity_type]:
                tracked.rules.moved(self, by_type[tracked.entity_type])


@contextlib.contextmanager
def deciding(
    kind: str,
    *,
    school: School,
    by: Membership | None,
    origin: Origin,
    rule: str = "",
    reason: str = "",
    criteria: dict[str, Any] | None = None,
    undoes: Decision | None = None,
    idempotency_key: str | None = None,
) -> Iterator[Act]:
    """Hold the school's lock for one act; at the end insert the Decision, with its digest.

    Whatever raises inside undoes the whole act. Call inside a school.

    Raises:
        MayNotDecide: ``by`` is no active member of the office of ``school`` (read under the lock),
            and this is nothing that its substitute does.
        AlreadyDone: this person sent a request with this key before.
        CannotProject: the result breaks a rule of the database.
    """
    with transaction.atomic():
        head = lock(school)
        stands_in = by is not None and _check_office(by, school, kind)
        if idempotency_key and by is not None:
            done = Decision.objects.filter(
                decided_by_id=by.user_id, idempotency_key=idempotency_key
            ).first()
            if done:
                raise AlreadyDone(done)
        act = Act(
            kind=kind,
            school=school,
            by=by,
            origin=origin,
            head=head,
            rule=rule,
            reason=reason,
            criteria=criteria or {},
            undoes=undoes,
            idempotency_key=idempotency_key,
            stands_in=stands_in,
        )
        with connection.cursor() as cursor:
            cursor.execute("set constraints all deferred")
        try:
            yield act
            _seal(act)
            with connection.cursor() as cursor:
                cursor.execute("set constraints all immediate")
        except DatabaseError as error:
            if not isinstance(error, IntegrityError) and not _is_refusal(error):
                raise
            raise CannotProject(_in_words(error)) from error


@contextlib.contextmanager
def rehearsing() -> Iterator[None]:
    """Run a block and undo all that it wrote: a preview is the act itself, taken back.

    Preview and act cannot disagree, since they are the same code. Holds the school's lock until
    the transaction ends.
    """
    point = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(point)


def lock(school: School) -> LedgerHead:
    """Take the school's lock, until the transaction ends. Everything read after it is current."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            insert into changes_ledgerhead (school_id, last_position, last_decision, last_digest)
            values (%s, 0, 0, %s) on conflict (school_id) do nothing
            """,
            [school.pk, bytes(32)],
        )
    # With it the row of the school, by which accounts.freezing waits for who is deciding. (NO KEY:
    # rows that refer to the school are written meanwhile.)
    heads = LedgerHead.objects.select_related("school")
    return heads.select_for_update(of=("self", "school"), no_key=True).get(pk=school.pk)


def lock_authors(school: School, author_ids: Iterable[uuid.UUID]) -> None:
    """Hold authors' memberships, so that nothing is retyped or withdrawn until the act is done.
    Take the school's lock first."""
    list(
        Membership.objects.select_for_update(no_key=True)
        .filter(school=school, user_id__in=set(author_ids))
        .order_by("id")
        .values_list("pk")
    )


def joined(first: Iterable[Move], then: Iterable[Move]) -> list[Move]:
    """Return what two projections moved, as if it had been one."""
    moves: dict[tuple[uuid.UUID, str], Move] = {}
    for move in [*first, *then]:
        cell = (move.entity_id, move.field)
        earlier = moves.get(cell)
        moves[cell] = move._replace(before=earlier.before) if earlier else move
    return [move for move in moves.values() if move.before != move.after]


def find_clashes(school: School, moves: Iterable[Move]) -> list[Clash]:
    """Return the natural keys that records of the tables share, among those that moved."""
    keys = {
        (tracked.entity_type, name)
        for tracked in registry.in_order()
        for names in tracked.natural_keys
        for name in names
    }
    moved: dict[tuple[str, str], set[uuid.UUID]] = defaultdict(set)
    for move in moves:
        if move.after is not None and (move.entity_type, move.field) in keys:
            moved[move.entity_type, move.field].add(move.entity_id)
    clashes = []
    for tracked in registry.in_order():
        for names in tracked.natural_keys:
            ids = set().union(*(moved[tracked.entity_type, name] for name in names))
            if ids:
                clashes += _clashes_of(school, tracked, names, ids)
    return clashes


def find_every_clash(school: School) -> list[Clash]:
    """Return the natural keys that records of the tables share, whatever moved."""
    return [
        clash
        for tracked in registry.in_order()
        for names in tracked.natural_keys
        for clash in _clashes_of(school, tracked, names, None)
    ]


_FEW = 1000
# The values of so many records are looked up. Those of more are gone through one by one for each
# row, 60,000 times 60,000: then the whole table is grouped, which takes as long as to read it.


def _clashes_of(
    school: School, tracked: registry.Tracked, names: tuple[str, ...], ids: set[uuid.UUID] | None
) -> list[Clash]:
    """Return the records that share a natural key with one of ``ids``, or with any.

    The values of what moved are read first, into arrays: of rows that came in this same transaction
    the planner knows nothing, and it would join them to themselves by a loop over both.
    """
    columns = [sql.Identifier(tracked.field(name).column) for name in names]
    table = sql.Identifier(tracked.table)
    few = ids is not None and len(ids) <= _FEW
    one_of = (
        "{0} = any(array(select distinct {0} from {1} where school_id = %(school)s"
        " and id = any(%(ids)s::uuid[])))"
    )
    taken = sql.SQL(" and ").join(
        sql.SQL(one_of if few else "{0} is not null").format(column, table) for column in columns
    )
    query = sql.SQL(
        "select array_agg(id) from {} where school_id = %(school)s and {}"
        " group by {} having count(*) > 1"
    ).format(table, taken, sql.SQL(", ").join(columns))
    parameters: dict[str, Any] = {"school": school.pk}
    if few and ids:
        parameters["ids"] = lookups.array(ids)
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(None), parameters)
        return [
            Clash(tracked.entity_type, names, tuple(sorted(row[0]))) for row in cursor.fetchall()
        ]


OF_SUBSTITUTES = (Decision.Kind.APPROVE, Decision.Kind.DECLINE)


def _check_office(by: Membership, school: School, kind: str) -> bool:
    """Return whether ``by`` decides as the substitute. Raises MayNotDecide."""
    now = Membership.objects.select_related("user", "school").get(pk=by.pk)
    if now.is_frozen:
        raise MayNotDecide("The office has frozen your account in this school.")
    if now.school_id == school.pk and now.is_active and now.user.is_active:
        if now.is_office:
            return False
        if kind in OF_SUBSTITUTES and substitute.stands_in(now):
            return True
    raise MayNotDecide("Only an active member of this school’s office decides.")


CHUNK = 5000
"""So many lines of what was stamped are read at once. One by one the reading takes longer than the
digest of them; and all of a large import are too many to hold."""


def _seal(act: Act) -> None:
    """Insert the Decision with its digest over the one before, and move the head."""
    if act.idempotency_key is not None and act.by is None:
        raise ValueError("a rule has no idempotency key")
    decision = Decision(
        id=act.id,
        school=act.school,
        number=act.number,
        kind=act.kind,
        decided_by_id=act.user_id,
        rule=act.rule,
        ip=act.origin.ip,
        user_agent=act.origin.user_agent,
        session=act.origin.session,
        decided_at=act.origin.at,
        reason=act.reason,
        criteria=act.criteria,
        undoes=act.undoes,
        idempotency_key=act.idempotency_key,
    )
    decision.salt = salt = seal.new_salt()
    decision.commitment = seal.commitment(salt, seal.facts_of_decision(decision))
    with connection.cursor() as cursor:
        undoes = act.undoes.pk if act.undoes else None
        parameters = {"school": act.school.pk, "decision": act.id, "undoes": undoes}
        cursor.execute(seal.LINES_OF_ONE, parameters)
        stamped = itertools.chain.from_iterable(iter(lambda: cursor.fetchmany(CHUNK), []))
        row = seal.row_of(decision, (line for _, line in stamped))
    decision.digest = seal.digest(act.head.last_digest, row)
    decision.save(force_insert=True)
    act.decision = decision
    audit.record(
        AuditLog.Event.DECISION,
        origin=act.origin,
        school=act.school,
        user=act.by.user if act.by else None,
        detail=f"decision {act.number}: {act.decision.get_kind_display()}",
        metadata={"decision": str(act.id)},
    )
    act.head.last_decision = act.number
    act.head.last_digest = decision.digest
    act.head.save(update_fields=["last_position", "last_decision", "last_digest"])


def _is_refusal(error: DatabaseError) -> bool:
    """Whether the database refused a row: an id that is taken in another school, for one."""
    return getattr(error.__cause__, "sqlstate", None) == "42501"


def _in_words(error: DatabaseError) -> str:
    detail = getattr(error.__cause__, "diag", None)
    name = detail.constraint_name if detail else None
    return (
        "The result would break a rule of the school’s data"
        + (f" ({name})" if name else "")
        + ". Nothing was changed. Look at the values again, or decide on fewer changes at once."
    )

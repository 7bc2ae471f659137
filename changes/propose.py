"""Proposing and withdrawing: the only code that inserts changes.

A save keeps what is right and refuses the rest, cell by cell, so that one slip of the finger does
not lose a sheet. Call everything here inside a school.
"""

import dataclasses
import enum
import functools
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from django.db import connection, models
from psycopg import sql

from accounts.ids import new_id
from accounts.in_school import Frozen, Refused
from accounts.models import Membership
from accounts.origin import Origin

from . import lookups, overlay, registry, seal, vanishing
from .models import Change, ChangeSet
from .registry import EXISTS, FALSE, TRUE, Invalid, Tracked


class _Base(enum.Enum):
    CURRENT = "current"


CURRENT: Final = _Base.CURRENT
"""The base of who did not look at a page: imports and commands build on what stands now."""


@dataclasses.dataclass(eq=False, kw_only=True)
class Draft:
    """What a person typed into one cell, on its way to become a Change.

    Args:
        entity_type, entity_id, field: the cell, by the registry's names; ``field`` may be
            ``exists`` ("true" creates, "false" deletes).
        typed: the text, or None to clear.
        base: the id of the authoritative head that the page showed, None for nothing, or CURRENT.
        touched: the person typed here; then a value that equals what they see is a confirmation
            and is kept, otherwise it is dropped.
        reason: why, where a standing grade changes.
        one_person: what asked for a second person if it were typed is done by one, because the act
            that the draft is part of is what one person may do: a merge, say.

    ``value`` (canonical), ``refused`` (a sentence, or None), ``two_people``, ``record`` (as its
    author sees it, or None), ``seen`` (the cell of it) and ``withdraws`` (it takes the author's
    open change back) are filled in by propose and the rules.
    """

    entity_type: str
    entity_id: uuid.UUID
    field: str
    typed: str | None
    base: uuid.UUID | _Base | None = CURRENT
    touched: bool = False
    reason: str = ""
    one_person: bool = False
    value: str | None = None
    refused: str | None = None
    two_people: bool = False
    withdraws: bool = False
    record: overlay.Record | None = None
    seen: overlay.Cell = dataclasses.field(default_factory=overlay.Cell)
    change_id: uuid.UUID = dataclasses.field(default_factory=new_id)

    @property
    def cell(self) -> tuple[str, uuid.UUID, str]:
        return self.entity_type, self.entity_id, self.field

    @property
    def old_value(self) -> str | None:
        """The value of the base."""
        return self.seen.standing

    @property
    def creates(self) -> bool:
        return self.field == EXISTS and self.typed == TRUE

    @property
    def deletes(self) -> bool:
        return self.field == EXISTS and self.typed == FALSE

    def refuse(self, message: str) -> None:
        """Refuse this cell with a sentence for who typed it. The first refusal stands."""
        if self.refused is None:
            self.refused = message


@dataclasses.dataclass(frozen=True)
class Saved:
    """What became of a save. ``change_set`` is None when nothing was to be saved; ``refused``
    lists the drafts that were not taken; ``repeated``: this request had been answered before."""

    change_set: ChangeSet | None
    changes: list[Change]
    refused: list[Draft]
    repeated: bool = False

    @property
    def withdrawn(self) -> list[Change]:
        """Those of the changes that take something back."""
        return [change for change in self.changes if change.kind == Change.Kind.WITHDRAW]


class NothingSaved(Exception):
    """A save that had to be taken whole was refused. ``drafts`` say why, cell by cell."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        super().__init__("; ".join(dict.fromkeys(d.refused for d in drafts if d.refused)))
        self.drafts = list(drafts)


class NotYours(Exception):
    """A withdrawal names a change that is not an open change of who asks."""


class MayNotPropose(Refused):
    """Who asks is no active member of the school (any more)."""


def creation(
    entity_type: str, values: dict[str, str | None], *, entity_id: uuid.UUID | None = None
) -> list[Draft]:
    """Return the drafts that create a record with these values; its id is that of each draft."""
    entity_id = entity_id or new_id()
    return [
        Draft(entity_type=entity_type, entity_id=entity_id, field=name, typed=typed, base=None)
        for name, typed in {EXISTS: TRUE, **values}.items()
    ]


def propose(
    drafts: Iterable[Draft],
    *,
    by: Membership,
    origin: Origin,
    source: str = ChangeSet.Source.BROWSER,
    reason: str = "",
    idempotency_key: str | None = None,
    whole: bool = False,
    take_back: bool = False,
    may_name: Collection[uuid.UUID] = (),
    into: ChangeSet | None = None,
) -> Saved:
    """Save what ``by`` typed, as one change set that only they see.

    Locks the author's membership and nothing else of the school. Drafts that are not valid are
    refused, the others saved. The number of statements does not grow with the drafts.

    Args:
        idempotency_key: a request with a key that this author has used changes nothing and
            returns what the first one saved, and again why the rest is refused.
        reason: of the whole save; a draft without a reason of its own takes it.
        whole: take all drafts or none.
        take_back: typing what stands anyway over an own open change withdraws that change, in
            place of proposing what stands; and where nothing stands and nothing of one's own is
            open, clearing is no change at all.
        may_name: records that ``by`` works on although they do not see them: somebody else's
            provisional ones, in a merge.
        into: the change set that an earlier part of the same save made.

    Raises:
        NothingSaved: ``whole`` is set and a draft was refused.
        MayNotPropose: ``by`` is no active member (read under the lock).
        UnknownName: a draft names no registered entity type or field.
    """
    lock_author(by)
    kept = list({draft.cell: draft for draft in drafts}.values())
    before = _answered_before(by, idempotency_key)
    if before is not None:
        saved = {(c.entity_type, c.entity_id, c.field) for c in before.changes}
        kept = [draft for draft in kept if draft.cell not in saved]
    for draft in kept:
        draft.reason = draft.reason.strip() or reason
    wanted = _examine(kept, by=by, origin=origin, may_name=set(may_name), take_back=take_back)
    refused = [d for d in kept if d.refused is not None]
    if before is not None:
        return dataclasses.replace(before, refused=refused)
    if refused and whole:
        raise NothingSaved(refused)
    if not wanted:
        return Saved(None, [], refused)
    change_set = into or _new_change_set(by, origin, source, reason, idempotency_key)
    changes = _insert(wanted, change_set)
    for tracked, some in _by_type([d for d in wanted if not d.withdraws]):
        tracked.rules.proposed(some, by=by, at=origin.at)
    return Saved(change_set, changes, refused)


def withdraw(
    change_ids: Iterable[uuid.UUID],
    *,
    by: Membership,
    origin: Origin,
    source: str = ChangeSet.Source.BROWSER,
    idempotency_key: str | None = None,
) -> Saved:
    """Take back own open changes. Withdrawing a creation withdraws one's own changes that build on
    it: ``dependents_of`` lists them, for the confirmation.

    Raises:
        NotYours: a change is not open, or somebody else's.
        MayNotPropose: ``by`` is no active member (read under the lock).
    """
    lock_author(by)
    if before := _answered_before(by, idempotency_key):
        return before
    named = set(change_ids)
    changes = {c.pk: c for c in Change.objects.filter(pk__in=named).proposed_by(by.user_id).open()}
    if named - changes.keys():
        raise NotYours(_why_not_open(named - changes.keys(), by))
    for dependent in dependents_of(changes.values(), by=by):
        changes[dependent.pk] = dependent
    drafts = [_withdrawal(c.entity_type, c.entity_id, c.field) for c in changes.values()]
    change_set = _new_change_set(by, origin, source, "", idempotency_key)
    return Saved(change_set, _insert(drafts, change_set), [])


def dependents_of(changes: Iterable[Change], *, by: Membership) -> list[Change]:
    """Return the own open changes that fall with the withdrawal of creations among ``changes``."""
    created = {c.entity_id for c in changes if c.field == EXISTS and c.value == TRUE}
    found: dict[uuid.UUID, Change] = {}
    while created:
        mine = Change.objects.proposed_by(by.user_id).open()
        on_them = list(mine.filter(entity_id__in=created))
        pointing = list(mine.filter(refers_to__in=created))
        found |= {c.pk: c for c in on_them}
        new = {c.entity_id for c in pointing} - {c.entity_id for c in found.values()}
        # A change that moves a standing record to a created one falls alone; a creation, whole.
        found |= {c.pk: c for c in pointing}
        created = set(
            mine.filter(entity_id__in=new, field=EXISTS, value=TRUE).values_list(
                "entity_id", flat=True
            )
        )
    return list(found.values())


def lock_author(by: Membership) -> None:
    """Hold the author's membership until the transaction ends: their numbers are given one save
    at a time. (NO KEY: rows that refer to the member may be written meanwhile.)

    Raises:
        MayNotPropose: the member, or the person, has been deactivated.
        Frozen: the office has frozen the account.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select m.frozen_at is not null, m.is_active and u.is_active"
            " from accounts_membership m join accounts_user u on u.id = m.user_id"
            " where m.id = %s for no key update of m",
            [by.pk],
        )
        is_frozen, is_active = cursor.fetchone()
    if is_frozen:
        raise Frozen(by.school)
    if not is_active:
        raise MayNotPropose(
            "Your account in this school has been closed. Nothing was saved: ask the office."
        )


def _by_type(drafts: Sequence[Draft]) -> list[tuple[Tracked, list[Draft]]]:
    grouped = defaultdict(list)
    for draft in drafts:
        grouped[draft.entity_type].append(draft)
    return [(t, grouped[t.entity_type]) for t in registry.in_order() if t.entity_type in grouped]


def _answered_before(by: Membership, key: str | None) -> Saved | None:
    if not key:
        return None
    change_set = ChangeSet.objects.filter(initiator_id=by.user_id, idempotency_key=key).first()
    if change_set is None:
        return None
    return Saved(
        change_set, list(change_set.changes.filter(reopens=None).order_by("id")), [], repeated=True
    )


def _why_not_open(change_ids: Collection[uuid.UUID], by: Membership) -> str:
    """Say what became of changes. Of somebody else's it says what it says of none."""
    decided = (
        Change.objects.filter(pk__in=change_ids)
        .proposed_by(by.user_id)
        .exclude(status=Change.Status.PROVISIONAL)
        .select_related("decided_by")
        .first()
    )
    if decided is None:
        what = "This change no longer waits: it was replaced or withdrawn meanwhile."
    else:
        what = f"{decided.decided_by or 'A rule of the school'} {decided.status} this already."
    return f"{what} Reload the page to see how it stands."


def _examine(
    drafts: Sequence[Draft],
    *,
    by: Membership,
    origin: Origin,
    may_name: set[uuid.UUID],
    take_back: bool,
) -> list[Draft]:
    """Refuse what is wrong, cell by cell, and return what is to be saved."""
    _canonicalise(drafts)
    _look(drafts, by, may_name)
    stands = {d.cell: d.seen.standing for d in drafts}
    _check_bases(drafts)
    created: set[tuple[str, uuid.UUID]] = set()
    for tracked, some in _by_type(drafts):
        _check_references(tracked, some, by=by, created=created)
        fit = [d for d in some if d.refused is None]
        tracked.rules.clean(fit, by=by, at=origin.at, among=drafts)
        created |= _whole_creations(tracked, some)
    wanted = [d for d in drafts if d.refused is None and (d.touched or d.value != d.seen.value)]
    taken_back: list[Draft] = []
    if take_back:
        wanted, taken_back = _take_back(wanted, stands)
    for tracked, some in _by_type(wanted):
        tracked.rules.need_two_people(some)
    _guard_deletions(wanted)
    return [*(d for d in wanted if d.refused is None), *taken_back]


def _take_back(
    drafts: Sequence[Draft], stands: Mapping[tuple[str, uuid.UUID, str], str | None]
) -> tuple[list[Draft], list[Draft]]:
    """Return the drafts that propose something, and the withdrawals that take the place of those
    which only say what stands anyway. What an own open change says already is confirmed."""
    proposing, taken_back = [], []
    for draft in drafts:
        mine = draft.seen.mine if draft.seen.mine and draft.seen.mine.is_open else None
        if draft.field == EXISTS or draft.value != stands[draft.cell]:
            proposing.append(draft)
        elif mine and (draft.value is None or draft.value != mine.value):
            taken_back.append(_withdrawal(*draft.cell))
        elif draft.value is not None:
            proposing.append(draft)
    return proposing, taken_back


def _withdrawal(entity_type: str, entity_id: uuid.UUID, field: str) -> Draft:
    return Draft(
        entity_type=entity_type,
        entity_id=entity_id,
        field=field,
        typed=None,
        base=None,
        withdraws=True,
    )


def _canonicalise(drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        tracked = registry.get(draft.entity_type)
        if draft.field == EXISTS:
            draft.value = draft.typed
            if draft.typed not in (TRUE, FALSE):
                raise registry.UnknownName(f"exists is {TRUE} or {FALSE}, not {draft.typed!r}")
            continue
        field = tracked.field(draft.field)
        try:
            draft.value = None if draft.typed is None else field.clean(draft.typed)
        except Invalid as invalid:
            draft.refuse(str(invalid))
            continue
        if draft.value is None and field.reference and field.reference.required:
            draft.refuse(f"Choose the {field.label}.")


def _look(drafts: Sequence[Draft], by: Membership, may_name: set[uuid.UUID]) -> None:
    """Fill in what the author sees; refuse cells of records that they cannot know of, and
    creations under an id that was ever used, whoever did: which one it was is not said."""
    created = {(d.entity_type, d.entity_id) for d in drafts if d.creates}
    used = _ever_used({each for _, each in created}) if created else set()
    for tracked, some in _by_type(drafts):
        records = overlay.see(tracked.entity_type, {d.entity_id for d in some}, by=by)
        for draft in some:
            record = draft.record = records.get(draft.entity_id)
            if record is not None:
                draft.seen = record.cell(draft.field)
            if draft.entity_id in may_name:
                continue
            if (draft.entity_type, draft.entity_id) in created:
                if draft.entity_id in used:
                    draft.refuse(
                        "This was sent before, or the page is out of date. Reload the page to see "
                        "what was saved, and enter the rest again."
                    )
            elif record is None:
                draft.refuse(f"There is no such {tracked.label} in this school. Reload the page.")
            elif not record.exists and draft.field != EXISTS:
                draft.refuse(
                    f"The {tracked.label} was declined, withdrawn or deleted. Choose another one."
                )
            elif draft.deletes and draft.seen.standing is None:
                draft.refuse(f"This {tracked.label} was not approved yet: withdraw it instead.")


def _ever_used(entity_ids: set[uuid.UUID]) -> set[uuid.UUID]:
    about = Change.objects.filter(entity_id__among=entity_ids)
    return set(about.values_list("entity_id", flat=True))


def _check_bases(drafts: Sequence[Draft]) -> None:
    """A base is a change of the same cell that was approved once: never one's own provisional
    value, and never a way to learn of somebody else's."""
    named = {d.base: d for d in drafts if isinstance(d.base, uuid.UUID) and d.base != d.seen.head}
    known = _approved_once(named.keys()) if named else {}
    for draft in drafts:
        if draft.base is CURRENT or draft.base == draft.seen.head:
            draft.base = draft.seen.head
            continue
        base_value = None
        if isinstance(draft.base, uuid.UUID):
            base = known.get(draft.base)
            if base is None or (base.entity_id, base.field) != (draft.entity_id, draft.field):
                draft.refuse("This page is out of date. Reload it, and type the value again.")
                continue
            base_value = base.value
        # What the page showed, not what stands by now: the difference is what a conflict is.
        draft.seen = dataclasses.replace(draft.seen, standing=base_value)


def _approved_once(change_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Change]:
    approved = Change.objects.filter(pk__among=change_ids, status=Change.Status.APPROVED)
    return {change.pk: change for change in approved}


def _check_references(
    tracked: Tracked,
    drafts: Sequence[Draft],
    *,
    by: Membership,
    created: set[tuple[str, uuid.UUID]],
) -> None:
    """Refuse references to what the author cannot know of, or what this save does not create."""
    for field in tracked.fields.values():
        naming = [d for d in drafts if d.field == field.name and d.value and not d.refused]
        if field.reference is None or not naming:
            continue
        ids = {uuid.UUID(d.value) for d in naming if d.value}
        target = field.reference.entity_type
        if target:
            seen = overlay.see(target, ids, by=by)
            known = {i for i in ids if (i in seen and seen[i].exists) or (target, i) in created}
        else:
            known = _of_school(field.reference.table, field.reference.column, ids, by)
        for draft in naming:
            if uuid.UUID(draft.value) not in known:
                draft.refuse(f"There is no such {field.label} in this school. Choose another one.")


def _whole_creations(tracked: Tracked, drafts: Sequence[Draft]) -> set[tuple[str, uuid.UUID]]:
    """Return the records that this save creates. One that lacks what it cannot be without is
    refused with all its cells."""
    cells: dict[uuid.UUID, list[Draft]] = defaultdict(list)
    for draft in drafts:
        cells[draft.entity_id].append(draft)
    whole = set()
    for creating in (d for d in drafts if d.creates):
        own = cells[creating.entity_id]
        fit = {d.field for d in own if d.refused is None}
        lacking = [field.label for field in tracked.required if field.name not in fit]
        if creating.refused is None and not lacking:
            whole.add((tracked.entity_type, creating.entity_id))
            continue
        for draft in own:
            without = f" without its {' and its '.join(lacking)}" if lacking else ""
            draft.refuse(f"This {tracked.label} was not saved{without}.")
    return whole


def _guard_deletions(drafts: Sequence[Draft]) -> None:
    deleting = [d for d in drafts if d.deletes and d.refused is None]
    if not deleting:
        return
    guarded = vanishing.guarded((d.entity_type, d.entity_id) for d in deleting)
    for draft in deleting:
        if draft.entity_id in guarded:
            draft.two_people = True
            if not draft.reason.strip():
                draft.refuse("Say why it goes: another person has to approve that.")


def _of_school(table: str, column: str, ids: set[uuid.UUID], by: Membership) -> set[uuid.UUID]:
    query = sql.SQL("select {0} from {1} where school_id = %s and {0} = any(%s)").format(
        sql.Identifier(column), sql.Identifier(table)
    )
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(None), [by.school_id, list(ids)])
        return {row[0] for row in cursor.fetchall()}


def _new_change_set(
    by: Membership, origin: Origin, source: str, reason: str, idempotency_key: str | None
) -> ChangeSet:
    return ChangeSet.objects.create(
        school_id=by.school_id,
        initiator_id=by.user_id,
        ip=origin.ip,
        user_agent=origin.user_agent,
        session=origin.session,
        received_at=origin.at,
        source=source,
        reason=reason,
        idempotency_key=idempotency_key,
    )


def _insert(drafts: Sequence[Draft], change_set: ChangeSet) -> list[Change]:
    numbers = last_numbers(change_set.initiator_id, {d.entity_id for d in drafts})
    changes = []
    for draft in drafts:
        tracked = registry.get(draft.entity_type)
        refers = draft.field != EXISTS and tracked.field(draft.field).references_entity
        changes.append(
            Change(
                id=draft.change_id,
                school_id=change_set.school_id,
                change_set_id=change_set.pk,
                author_id=change_set.initiator_id,
                entity_type=draft.entity_type,
                entity_id=draft.entity_id,
                field=draft.field,
                kind=Change.Kind.WITHDRAW if draft.withdraws else Change.Kind.VALUE,
                value=draft.value,
                refers_to=uuid.UUID(draft.value) if refers and draft.value else None,
                number=numbers[draft.entity_id, draft.field] + 1,
                base_change_id=draft.base if isinstance(draft.base, uuid.UUID) else None,
                old_value=draft.old_value,
                two_people=draft.two_people,
            )
        )
    return seal_and_insert(changes, change_set)


def last_numbers(
    author_id: uuid.UUID, entity_ids: Iterable[uuid.UUID]
) -> dict[tuple[uuid.UUID, str], int]:
    """Return the highest number that an author has used per cell. Holds their membership's lock."""
    numbers: dict[tuple[uuid.UUID, str], int] = defaultdict(int)
    with connection.cursor() as cursor:
        cursor.execute(
            "select entity_id, field, max(number) from changes_change"
            " where author_id = %s and entity_id = any(%s::uuid[]) group by entity_id, field",
            [author_id, lookups.array(entity_ids)],
        )
        for entity_id, field, last in cursor.fetchall():
            numbers[entity_id, field] = last
    return numbers


def seal_and_insert(
    changes: list[Change], change_set: ChangeSet | dict[uuid.UUID, ChangeSet]
) -> list[Change]:
    """Give each change its salt and commitment, and insert them all in one statement.

    One array per column: ``bulk_create`` prepares each value of each row by itself, and took twice
    as long and three times the memory for 64,000 changes.
    """
    for change in changes:
        of = change_set if isinstance(change_set, ChangeSet) else change_set[change.change_set_id]
        change.salt = seal.new_salt()
        change.commitment = seal.commitment(change.salt, seal.facts_of_change(change, of))
    with connection.cursor() as cursor:
        cursor.execute(_insert_statement(), [_column(field, changes) for field in _facts()])
    for change in changes:
        change._state.adding, change._state.db = False, connection.alias
    return changes


@functools.cache
def _facts() -> "list[models.Field[Any, Any]]":
    """Return the fields of a change but for those that are set when it is decided."""
    decided = {"position", "decision", "decided_by"}
    return [field for field in Change._meta.concrete_fields if field.name not in decided]


def _column(field: "models.Field[Any, Any]", changes: Sequence[Change]) -> str | list[Any]:
    """Return a column of changes, as its array is written: ids by ourselves, see ``lookups``."""
    values = [getattr(change, field.attname) for change in changes]
    if field.db_type(connection) == "uuid":
        return lookups.written("null" if each is None else str(each) for each in values)
    return values


@functools.cache
def _insert_statement() -> str:
    fields = _facts()
    arrays = [
        sql.SQL("%s::{}[]").format(sql.SQL(str(field.db_type(connection)))) for field in fields
    ]
    statement = sql.SQL("insert into {} ({}) select * from unnest({})").format(
        sql.Identifier(Change._meta.db_table),
        sql.SQL(", ").join(sql.Identifier(str(field.column)) for field in fields),
        sql.SQL(", ").join(arrays),
    )
    return statement.as_string(None)

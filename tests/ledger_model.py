"""The ledger in plain Python: what the tables must be, told from the design and not from the SQL.

It is given the facts of each change (who proposed what, when) and the acts of the office, and adds
them up from nothing each time. It is slow and short, so that reading it is enough to believe it.
"""

import dataclasses
import datetime as dt
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

from changes.models import Change

Id = uuid.UUID
Record = dict[str, str | None]
Tables = dict[str, dict[Id, Record]]


@dataclasses.dataclass(frozen=True)
class Type:
    """An entity type: its cells with their blanks, what it cannot be without, what it may name."""

    blanks: Record
    required: dict[str, str] = dataclasses.field(default_factory=dict)
    optional: dict[str, str] = dataclasses.field(default_factory=dict)
    keys: tuple[tuple[str, ...], ...] = ()


def _blank(empty: str, null: str) -> Record:
    return dict.fromkeys(empty.split(), "") | dict.fromkeys(null.split())


TYPES = {
    "student": Type(
        _blank(
            "given_names family_name pronouns email guardian_email year_level home_group",
            "number birth_date programme source_id",
        ),
        keys=(("number",), ("source_id",)),
    ),
    "term": Type(
        _blank(
            "name",
            "starts_on ends_on registration_opens_on marks_open_on marks_close_on source_id",
        ),
        keys=(("source_id",),),
    ),
    "course": Type(
        _blank("title subject_area", "code source_id") | {"credits": "0.00"},
        keys=(("code",), ("source_id",)),
    ),
    "room": Type(_blank("", "name source_id"), keys=(("name",), ("source_id",))),
    "section": Type(
        _blank(
            "delivery_mode schedule", "course term code scale instructor room capacity source_id"
        ),
        required={"course": "course", "term": "term"},
        optional={"room": "room"},
        keys=(("term", "code"), ("source_id",)),
    ),
    "enrollment": Type(
        _blank("comment", "student section grade source_id") | {"status": "enrolled"},
        required={"student": "student", "section": "section"},
        keys=(("section", "student"), ("source_id",)),
    ),
}
"""Parents before children."""


@dataclasses.dataclass
class Entry:
    """One change: its facts, and what was decided on it."""

    id: Id
    author: Id
    received_at: dt.datetime
    type: str
    entity: Id
    field: str
    withdraws: bool
    value: str | None
    number: int
    old_value: str | None
    two_people: bool
    status: str = "provisional"
    position: int = 0
    decided_by: Id | None = None
    decided_at: dt.datetime | None = None
    excluded_by: set[int] = dataclasses.field(default_factory=set)

    @property
    def cell(self) -> tuple[Id, str]:
        return self.entity, self.field

    @property
    def effective(self) -> bool:
        return self.status == "approved" and not self.excluded_by

    @property
    def creates(self) -> bool:
        return self.field == "exists" and self.value == "true"


class Ledger:
    """All changes of one school, and which decision excludes which."""

    def __init__(self) -> None:
        self.entries: dict[Id, Entry] = {}
        self.of_cell: dict[tuple[Id, str], list[Entry]] = defaultdict(list)
        self.last_position = 0

    def add(self, changes: Iterable[Change]) -> None:
        """Take in the facts of changes that were just proposed."""
        for change in changes:
            entry = Entry(
                id=change.pk,
                author=change.author_id,
                received_at=change.change_set.received_at,
                type=change.entity_type,
                entity=change.entity_id,
                field=change.field,
                withdraws=change.kind == "withdraw",
                value=change.value,
                number=change.number,
                old_value=change.old_value,
                two_people=change.two_people,
            )
            before = [e.number for e in self.of_cell[entry.cell] if e.author == entry.author]
            assert entry.number == max(before, default=0) + 1
            self.entries[entry.id] = entry
            self.of_cell[entry.cell].append(entry)

    def approve(self, ids: Collection[Id], *, by: Id | None, at: dt.datetime) -> None:
        """Approve changes, in the order in which they came."""
        for entry in sorted((self.entries[i] for i in ids), key=lambda e: (e.received_at, e.id)):
            assert self.is_open(entry)
            assert not (entry.two_people and entry.author == by)
            self.last_position += 1
            entry.status, entry.position = "approved", self.last_position
            entry.decided_by, entry.decided_at = by, at

    def decline(self, ids: Collection[Id], *, by: Id, at: dt.datetime) -> None:
        """Decline changes."""
        for entry in (self.entries[i] for i in ids):
            assert self.is_open(entry)
            entry.status, entry.decided_by, entry.decided_at = "declined", by, at

    def exclude(self, ids: Collection[Id], *, decision: int) -> None:
        """Exclude changes by a decision."""
        for each in ids:
            self.entries[each].excluded_by.add(decision)

    def lift(self, ids: Collection[Id], *, decision: int) -> None:
        """Lift a decision's exclusions of changes."""
        for each in ids:
            self.entries[each].excluded_by.remove(decision)

    # What it adds up to. --------------------------------------------------------------------------

    def is_open(self, entry: Entry) -> bool:
        """Whether a change waits as its author's last word on the cell."""
        own = [e for e in self.of_cell[entry.cell] if e.author == entry.author]
        standing = [e for e in own if not e.excluded_by]
        return (
            entry.status == "provisional"
            and not entry.withdraws
            and max(standing, key=lambda e: e.number, default=None) is entry
        )

    def queue(self) -> list[Id]:
        """Return what waits, in the order in which it came into the ledger."""
        return [e.id for e in self.entries.values() if self.is_open(e)]

    def values(self) -> dict[Id, tuple[str, Record]]:
        """Return the type and the cells of every entity that any effective change names."""
        found: dict[Id, tuple[str, Record]] = {}
        for entry in sorted(
            (e for e in self.entries.values() if e.effective), key=lambda e: e.position
        ):
            found.setdefault(entry.entity, (entry.type, {}))[1][entry.field] = entry.value
        return found

    def tables(self) -> tuple[Tables, int]:
        """Return what stands, and how many records wait suspended for a parent."""
        tables: Tables = {name: {} for name in TYPES}
        suspended = 0
        existing = [
            (kind, entity, cells)
            for entity, (kind, cells) in self.values().items()
            if cells.get("exists") == "true"
        ]
        for name, described in TYPES.items():
            for _, entity, cells in (each for each in existing if each[0] == name):
                row = dict(described.blanks)
                row |= {f: v for f, v in cells.items() if f != "exists" and v is not None}
                for field, parent in described.optional.items():
                    if not _stands(tables, parent, row[field]):
                        row[field] = None
                if all(_stands(tables, p, row[f]) for f, p in described.required.items()):
                    tables[name][entity] = row
                else:
                    suspended += 1
        return tables, suspended

    def clashes(self) -> bool:
        """Whether two records would share a natural key."""
        tables, _ = self.tables()
        for name, described in TYPES.items():
            for key in described.keys:
                taken = Counter(
                    values
                    for row in tables[name].values()
                    if None not in (values := tuple(row[field] for field in key))
                )
                if taken and max(taken.values()) > 1:
                    return True
        return False

    # A revert. ------------------------------------------------------------------------------------

    def lines(self, entries: Iterable[Entry]) -> dict[str, list[Entry]]:
        """Group changes by line: a record that is created among them is one line, whole."""
        entries = [e for e in entries if e.status != "declined"]
        created = {e.entity for e in entries if e.creates}
        lines: dict[str, list[Entry]] = defaultdict(list)
        for e in entries:
            part = "record" if e.entity in created else e.field
            lines[f"{e.type}.{e.entity}.{part}"].append(e)
        return lines

    def built_on(self, lines: dict[str, list[Entry]]) -> dict[str, dict[Id, int]]:
        """Count, by author, the changes that are not on the lines and would vanish with one."""
        matched = {e.id for some in lines.values() for e in some}
        counts = {}
        for key, some in lines.items():
            if key.endswith(".record"):
                tied = self._tied_to(some[0].entity)
                counted = Counter(
                    e.author
                    for e in self.entries.values()
                    if e.entity in tied and e.id not in matched and (e.effective or self.is_open(e))
                )
                if counted:
                    counts[key] = dict(counted)
        return counts

    def _tied_to(self, root: Id) -> set[Id]:
        """Return what cannot be without a record: by what stands, or by what somebody proposes."""
        standing = self.values()
        tied: set[Id] = {root}
        before: set[Id] = set()
        while tied != before:
            before = set(tied)
            for e in self.entries.values():
                if e.field not in TYPES[e.type].required or e.value is None:
                    continue
                stands = e.effective and standing[e.entity][1][e.field] == e.value
                if (stands or self.is_open(e)) and uuid.UUID(e.value) in before:
                    tied.add(e.entity)
        return tied


def _stands(tables: Tables, kind: str, reference: str | None) -> bool:
    return reference is not None and uuid.UUID(reference) in tables[kind]

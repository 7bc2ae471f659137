"""The details of a pupil or a class, as one person sees them, and what they typed there.

Beside a field travels ``<field>-seen``: what the page showed there, as on the sheet; and
``<field>-mine`` insists on one's own value where the office has a newer one. Call inside a school.
"""

import dataclasses
import uuid
from collections.abc import Iterable, Mapping, Sequence

from django.db import models

from accounts.models import Membership
from accounts.origin import Origin
from accounts.plain import plain
from changes import overlay, registry
from changes.overlay import Cell, Record
from changes.propose import Draft, Saved, propose

from .missing_pupil import key_of
from .models import Room
from .sheet import digest_of

OF_PUPIL = (
    "family_name",
    "given_names",
    "pronouns",
    "number",
    "birth_date",
    "year_level",
    "home_group",
    "email",
    "guardian_email",
)
OF_SECTION = ("room", "schedule", "delivery_mode", "capacity", "instructor")

Names = Mapping[str, Mapping[str, str]]
"""For each reference, what the records that it can refer to are called, by id."""


@dataclasses.dataclass(frozen=True)
class Detail:
    """One field of a record, with what stands there and what its reader has proposed.

    ``names``: what the records are called that it can refer to, by id. ``may_withdraw``: the
    reader's own value can be taken back by itself, not only with the record that it created.
    ``shown``: what the page showed when it was opened, if that was before.
    """

    record: Record
    field: registry.Field
    column: "models.Field"
    cell: Cell
    names: Mapping[str, str]
    may_withdraw: bool = False
    shown: str | None = None

    @property
    def seen(self) -> str:
        """What the page showed here: the authoritative head, and the text, as a short digest."""
        if self.shown is not None:
            return self.shown
        head = self.cell.head.hex if self.cell.head else ""
        return f"{head}.{digest_of(self.cell.value or '')}"

    @property
    def has_moved(self) -> bool:
        """Something else came to stand here since the page was opened."""
        head, _, _ = self.seen.partition(".")
        return head != (self.cell.head.hex if self.cell.head else "")

    @property
    def label(self) -> str:
        return self.field.label[:1].upper() + self.field.label[1:]

    @property
    def state(self) -> str:
        return self.cell.state.value

    @property
    def value(self) -> str:
        """What its reader sees, in words; the other two likewise."""
        return self._in_words(self.cell.value)

    @property
    def standing(self) -> str:
        return self._in_words(self.cell.standing)

    @property
    def mine(self) -> str:
        return self._in_words(self.cell.mine.value if self.cell.mine else None)

    @property
    def is_date(self) -> bool:
        return isinstance(self.column, models.DateField)

    @property
    def is_number(self) -> bool:
        return isinstance(self.column, models.IntegerField)

    def _in_words(self, value: str | None) -> str:
        if value is None:
            return ""
        if self.field.reference:
            return self.names.get(value, "(gone)")
        return self.field.in_words(value)


def details_of(
    record: Record, fields: Iterable[str], names: Names, shown: Mapping[str, str] | None = None
) -> list[Detail]:
    """Return these fields of a record. ``shown``: the form that comes back, if one does."""
    tracked = registry.get(record.entity_type)
    columns = {each.column: each for each in tracked.model._meta.concrete_fields}
    return [
        Detail(
            record=record,
            field=(field := tracked.field(name)),
            column=columns[field.column],
            cell=record.cell(name),
            names=names.get(name, {}),
            may_withdraw=record.stands,
            shown=shown.get(f"{name}-seen", ".") if shown is not None else None,
        )
        for name in fields
    ]


def names_for_section(record: Record, *, by: Membership) -> Names:
    """Return the rooms of the school, also those that ``by`` proposes, and the members who may
    teach; who teaches the class already is among them, also when they have left."""
    rooms = [
        *Room.objects.filter(school_id=by.school_id).values_list("pk", flat=True),
        *overlay.own_new("room", by=by),
    ]
    cell = record.cell("instructor")
    known = {cell.standing, cell.value, cell.mine.value if cell.mine else None}
    members = Membership.objects.filter(school_id=by.school_id).select_related("user")
    people = {
        str(each.user_id): str(each.user)
        for each in members
        if (each.is_active and each.user.is_active) or str(each.user_id) in known
    }
    called = {
        str(each.id): each.value("name") or "(no name)"
        for each in overlay.see("room", rooms, by=by).values()
    }
    return {"room": _sorted(called), "instructor": _sorted(people)}


def drafts_of(details: Sequence[Detail], typed: Mapping[str, str]) -> list[Draft]:
    """Return what was typed into a form; what was left as the page showed it is no part of it."""
    drafts = []
    for detail in details:
        name = detail.field.name
        head, _, digest = detail.seen.partition(".")
        insists = f"{name}-mine" in typed
        if name not in typed or (digest_of(typed[name]) == digest and not insists):
            continue
        drafts.append(
            Draft(
                entity_type=detail.record.entity_type,
                entity_id=detail.record.id,
                field=name,
                typed=typed[name],
                base=_uuid(head),
                touched=insists,
            )
        )
    return drafts


def change_details(drafts: Sequence[Draft], *, by: Membership, origin: Origin, key: str) -> Saved:
    """Propose what was typed into a form of details, all of it or nothing. What stands, typed over
    one's own waiting value, takes that back.

    Raises NothingSaved.
    """
    facts = sorted(f"{draft.entity_id} {draft.field}={draft.typed}" for draft in drafts)
    return propose(
        drafts,
        by=by,
        origin=origin,
        whole=True,
        take_back=True,
        idempotency_key=key_of("details", key, *facts),
    )


def _sorted(names: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(names.items(), key=lambda each: (plain(each[1]), each[0])))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None

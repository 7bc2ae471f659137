"""What the ledger tracks: each app declares its entities, their fields and their rules here.

The names of entity types and fields are stable: they stand in the ledger for ever, whatever the
columns are called. A name that the registry does not know is an error, never silence.
"""

import dataclasses
import datetime as dt
import decimal
import re
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Model
from django.utils.formats import date_format

from .visible import shows

if TYPE_CHECKING:
    from accounts.models import Membership

    from .deciding import Act
    from .flags import Flag
    from .groups import Beside, Group
    from .judgement import Judged
    from .models import Change, Decision
    from .projector import Move
    from .propose import Draft

EXISTS = "exists"
TRUE, FALSE = "true", "false"


class Invalid(ValueError):
    """A value that its field does not take. The message is for the person who typed it."""


Cleaner = Callable[[str], str | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reference:
    """What a field's value is the id of.

    ``entity_type`` is set when the target is itself tracked. ``required``: without its target the
    record is not materialised, its changes wait, suspended. Otherwise a missing target projects
    as null.
    """

    table: str
    column: str = "id"
    entity_type: str | None = None
    required: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """A cell's kind: its stable ``name``, its column, how text becomes canonical, how that is put
    in words for people, what is blank."""

    name: str
    label: str
    clean: Cleaner
    in_words: Callable[[str], str] = str
    column: str = ""
    blank: Any = None
    reference: Reference | None = None
    choices: tuple[str, ...] = ()

    @property
    def references_entity(self) -> bool:
        return self.reference is not None and self.reference.entity_type is not None


@dataclasses.dataclass(frozen=True)
class Effect:
    """A row that a decision left behind: what it says, and the page that shows it."""

    words: str
    url: str


@dataclasses.dataclass(frozen=True)
class Told:
    """Somebody who was told of a decision: who, of what, in which way, and when that reached them,
    as far as it is known."""

    who: str
    of: str
    how: str
    at: dt.datetime | None


class Rules:
    """What an app adds to the ledger's own rules for one entity type. Each method may stay as is.

    They run inside a school, for many rows at once, and cost a number of statements that does not
    grow with the rows.
    """

    flags_new = True
    """Whether a new record of the type is worth a second look by who decides."""

    def clean(
        self,
        drafts: "Sequence[Draft]",
        *,
        by: "Membership",
        at: dt.datetime,
        among: "Sequence[Draft]",
    ) -> None:
        """Refuse or canonicalise drafts that the field alone cannot judge (``Draft.refuse``).

        ``among`` are all drafts of the save: a record may come together with its parent.
        """

    def need_two_people(self, drafts: "Sequence[Draft]") -> None:
        """Set ``Draft.two_people`` where a second person must approve; refuse without a reason."""

    def proposed(self, drafts: "Sequence[Draft]", *, by: "Membership", at: dt.datetime) -> None:
        """Write what stands beside the new changes."""

    def reopened(self, copies: "Sequence[Change]") -> None:
        """Write what stands beside changes that were declined and are proposed again."""

    def guard(self, ids: "Collection[uuid.UUID]") -> "set[uuid.UUID]":
        """Return which of these records may vanish only when a second person approves it."""
        return set()

    def reasons(self, change_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, str]:
        """Return why these changes were proposed, where that stands beside them."""
        return {}

    def effects(
        self,
        changes: "Sequence[Change]",
        decisions: Mapping[uuid.UUID, Collection[uuid.UUID]],
    ) -> "Mapping[uuid.UUID, Sequence[Effect]]":
        """Return, by change, what decisions left behind. ``decisions``: those on each change, the
        reverts that excluded it and those that lifted them among them."""
        return {}

    def left_behind(self, decision: "Decision") -> "Iterable[str]":
        """Say in words what a decision wrote beside the records: "14 grade corrections"."""
        return ()

    def told_of(self, decision: "Decision") -> "Iterable[Told]":
        """Return who was told of a decision."""
        return ()

    def unusual(self, sent: Mapping[uuid.UUID, int]) -> "Iterable[tuple[int, str]]":
        """Say what is unusual in what people sent. ``sent``: the session, by its place in a list,
        of each change set; the answer names the session too."""
        return ()

    def judge(self, judged: "Sequence[Judged]", *, among: "Sequence[Judged]") -> None:
        """Refuse changes that can no longer be approved (``Judged.refuse``). ``among`` are all
        that would be approved together."""

    def alike(self, details: Mapping[str, str]) -> "Iterable[tuple[uuid.UUID, str]]":
        """Say which records may be the one that somebody is about to add, each in words: its id,
        and what it is, the likest first. ``details``: what was typed, by field."""
        return ()

    def remark(self, judged: "Sequence[Judged]") -> "Iterable[tuple[uuid.UUID, Flag, str]]":
        """Flag changes, by id, with a sentence for who decides; it stops nothing."""
        return ()

    def group(self, judged: "Sequence[Judged]") -> "Mapping[uuid.UUID, Group]":
        """Say, by change, with what the office decides on it: a mark with its class. What is not
        named is grouped by its type."""
        return {}

    def beside(self, judged: "Sequence[Judged]") -> "Beside | None":
        """Return what helps to judge these changes, which one person sent of one group."""
        return None

    def sought_by(self, judged: "Sequence[Judged]") -> Mapping[uuid.UUID, str]:
        """Return further words, by record, by which the office looks for one: a pupil's number."""
        return {}

    def decided(self, act: "Act", judged: "Sequence[Judged]", *, approved: bool) -> None:
        """Stamp what stands beside changes that ``act`` is about to approve or decline."""

    def bring_along(self, act: "Act", moves: "Sequence[Move]") -> "Sequence[Draft]":
        """Return what who approves enters besides, in the same decision, because of these moves;
        each with the reason for it."""
        return ()

    def moved(self, act: "Act", moves: "Sequence[Move]") -> None:
        """Write the effects of the cells of this type whose authoritative value ``act`` moved."""

    def erase(self, ids: "Collection[uuid.UUID]") -> None:
        """Erase what stands beside these records, whose values the law wants erased. Called as the
        role that owns the tables, with the guards of what only grows switched off."""

    def foretell(self, moves: Mapping[str, int]) -> Iterable[str]:
        """Say in words what effects it would leave that so many values of each field move, for a
        preview."""
        return ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tracked:
    """An entity type: its authoritative table and how the ledger adds up to it."""

    entity_type: str
    label: str
    model: type[Model]
    fields: Mapping[str, Field]
    natural_keys: tuple[tuple[str, ...], ...]
    title: str
    rules: Rules
    is_person: bool = False

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    def field(self, name: str) -> Field:
        """Return a field by its stable name. Raises UnknownName."""
        try:
            return self.fields[name]
        except KeyError:
            raise UnknownName(f"{self.entity_type} has no field {name!r}") from None

    @property
    def required(self) -> tuple[Field, ...]:
        """The references without which a record is not materialised."""
        return tuple(f for f in self.fields.values() if f.reference and f.reference.required)


class UnknownName(LookupError):
    """The ledger, or a caller, names an entity type or field that no app has registered."""


_tracked: dict[str, Tracked] = {}


def track(
    model: type[Model],
    *,
    fields: Iterable[Field],
    title: str,
    label: str = "",
    natural_keys: Iterable[tuple[str, ...]] = (),
    rules: Rules | None = None,
    entity_type: str | None = None,
    is_person: bool = False,
) -> Tracked:
    """Declare that the ledger tracks ``model``. Call in dependency order: parents first.

    ``label`` is what people call such a record, if it is not the model's name.
    ``natural_keys`` name fields whose values together may stand once in a school. ``title`` is a
    format string over the fields that says in a few words which record it is; a reference in it
    is replaced by the title of what it refers to. ``is_person``: what leaves the school of such a
    record was disclosed of somebody.
    """
    entity_type = entity_type or model._meta.model_name or ""
    columns = {f.name: f for f in model._meta.get_fields() if hasattr(f, "column")}
    declared = {}
    for field in fields:
        declared[field.name] = dataclasses.replace(
            field, column=field.column or str(columns[field.name].column)
        )
    tracked = Tracked(
        entity_type=entity_type,
        label=label or str(model._meta.verbose_name),
        model=model,
        fields=declared,
        natural_keys=tuple(natural_keys),
        title=title,
        rules=rules or Rules(),
        is_person=is_person,
    )
    _tracked[entity_type] = tracked
    return tracked


def add_rules(entity_type: str, rules: Rules) -> None:
    """Give rules to an entity type of an app below, which has none. Raises UnknownName."""
    _tracked[entity_type] = dataclasses.replace(get(entity_type), rules=rules)


def get(entity_type: str) -> Tracked:
    """Return what is registered for an entity type. Raises UnknownName."""
    try:
        return _tracked[entity_type]
    except KeyError:
        raise UnknownName(f"no app tracks {entity_type!r}") from None


def in_order() -> list[Tracked]:
    """Return all entity types, parents before children."""
    return list(_tracked.values())


# The kinds of fields. ----------------------------------------------------------------------------


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise Invalid("This text holds a character (NUL) that no database can keep. Delete it.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(
            "This text holds half of a character (a lone surrogate). Type it again."
        ) from None
    return text


def text(
    name: str, label: str, *, longest: int = 200, blank: str | None = "", visible: bool = False
) -> Field:
    """A text, kept as typed; one in which nothing can be seen is blank. ``longest`` in characters;
    ``visible``: refuse a text that only looks blank, where it names something."""

    def clean(typed: str) -> str | None:
        _no_nul(typed)
        if len(typed) > longest:
            raise Invalid(
                f"{label.capitalize()} is too long: {len(typed):,} characters, "
                f"and {longest:,} is the most."
            )
        if not shows(typed):
            if visible and typed:
                raise Invalid(f"{label.capitalize()} holds nothing that can be seen.")
            return None
        return typed.replace("\r\n", "\n")

    return Field(name=name, label=label, clean=clean, blank=blank)


def key(name: str, label: str, *, longest: int = 60) -> Field:
    """A short text that names a record, such as a code: spaces around it do not count."""
    kept = text(name, label, longest=longest, blank=None, visible=True)
    return dataclasses.replace(kept, clean=lambda typed: kept.clean(typed.strip()))


LONGEST_EMAIL = 254  # of what a mail server delivers to


def email(name: str, label: str) -> Field:
    """An e-mail address."""

    def clean(typed: str) -> str | None:
        typed = _no_nul(typed).strip()
        if not typed:
            return None
        if len(typed) > LONGEST_EMAIL:
            raise Invalid(f"No e-mail address is longer than {LONGEST_EMAIL} characters.")
        try:
            validate_email(typed)
        except ValidationError:
            raise Invalid(
                f"“{typed[:80]}” is not an e-mail address, such as a.name@school.example."
            ) from None
        return typed

    return Field(name=name, label=label, clean=clean, blank="")


def date(name: str, label: str) -> Field:
    """A date, typed and kept as YYYY-MM-DD, shown as "17 May 2012"."""

    def clean(typed: str) -> str | None:
        typed = typed.strip()
        if not typed:
            return None
        try:
            value = dt.date.fromisoformat(typed)
        except ValueError:
            raise Invalid(
                f"“{typed[:40]}” is not a date: year-month-day, such as 2026-09-01."
            ) from None
        if not 1900 <= value.year <= 2200:
            raise Invalid(f"The year {value.year} cannot be right.")
        return value.isoformat()

    return Field(
        name=name,
        label=label,
        clean=clean,
        in_words=lambda kept: date_format(dt.date.fromisoformat(kept), "j F Y"),
    )


_DIGITS = re.compile(r"\d{1,12}", re.ASCII)
_DECIMAL = re.compile(r"\d{1,12}(\.\d{0,12})?", re.ASCII)


def whole_number(name: str, label: str, *, least: int = 0, most: int = 100_000) -> Field:
    """A whole number within bounds."""

    def clean(typed: str) -> str | None:
        typed = typed.strip()
        if not typed:
            return None
        if not _DIGITS.fullmatch(typed) or not least <= int(typed) <= most:
            raise Invalid(f"“{typed[:40]}” is not a whole number from {least:,} to {most:,}.")
        return str(int(typed))

    return Field(name=name, label=label, clean=clean)


def amount(name: str, label: str, *, decimals: int, most: int) -> Field:
    """A decimal number from 0, kept with all its decimals, as the column shows it."""

    def clean(typed: str) -> str | None:
        typed = typed.strip().replace(",", ".")
        if not typed:
            return None
        # Decimal itself reads "NaN", "1e9", "1_0" and the digits of every script.
        if not _DECIMAL.fullmatch(typed):
            raise Invalid(f"“{typed[:40]}” is not a number.")
        value = decimal.Decimal(typed)
        rounded = value.quantize(decimal.Decimal(1).scaleb(-decimals))
        if rounded != value or value > most:
            raise Invalid(
                f"“{typed[:40]}” is not a number from 0 to {most} with {decimals} decimals."
            )
        return str(rounded)

    return Field(name=name, label=label, clean=clean, blank="0")


def choice(name: str, label: str, choices: Sequence[str], *, blank: str = "") -> Field:
    """One of a few words."""

    def clean(typed: str) -> str | None:
        if typed and typed not in choices:
            raise Invalid(f"“{typed[:40]}” is not one of: {', '.join(choices)}.")
        return typed or None

    return Field(name=name, label=label, clean=clean, blank=blank, choices=tuple(choices))


def reference(
    name: str,
    label: str,
    to: type[Model],
    *,
    column: str = "id",
    tracked: bool = True,
    required: bool = False,
) -> Field:
    """The id of another record of the school. ``tracked``: the ledger tracks it too."""

    def clean(typed: str) -> str | None:
        if not typed.strip():
            return None
        try:
            return str(uuid.UUID(typed.strip()))
        except ValueError:
            raise Invalid(f"Choose the {label} from the list.") from None

    return Field(
        name=name,
        label=label,
        clean=clean,
        reference=Reference(
            table=to._meta.db_table,
            column=column,
            entity_type=to._meta.model_name if tracked else None,
            required=required,
        ),
    )

"""What a person has proposed, and how it stands. Nobody else's changes are read here.

Superseded and withdrawn are derived, as everywhere: a change is open while no later one of its
author stands on the cell. Call inside a school.
"""

import dataclasses
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db.models import (
    Case,
    CharField,
    Exists,
    F,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)

from accounts.models import Membership, User
from changes import overlay, registry
from changes.groups import came_with_its_record
from changes.models import Change, exclusions_in_force, typed_later
from changes.registry import EXISTS, TRUE

from .models import GradingScale, Section
from .names import last_known, pupil_name

STATES = {
    "waiting": "awaiting approval",
    "approved": "approved",
    "declined": "declined",
    "superseded": "superseded",
    "withdrawn": "withdrawn",
    "set-aside": "set aside by a revert",
}


@dataclasses.dataclass(frozen=True)
class Line:
    """One change in words. ``details``: what a new record came with."""

    change: Change
    pupil: str
    section: Section | None
    what: str
    old: str | None
    new: str | None
    details: list[tuple[str, str]]

    @property
    def state(self) -> str:
        return self.change.state  # type: ignore[attr-defined]

    @property
    def state_label(self) -> str:
        return STATES[self.state]

    @property
    def because(self) -> str:
        decision = self.change.decision
        return decision.reason if self.state == "declined" and decision else ""

    @property
    def is_creation(self) -> bool:
        return self.change.field == EXISTS and self.change.value == TRUE

    @property
    def is_reference(self) -> bool:
        if self.change.field == EXISTS:
            return False
        return bool(registry.get(self.change.entity_type).field(self.change.field).reference)

    @property
    def may_come_again(self) -> bool:
        """Whether it was declined, and nothing newer of its author stands in its place."""
        return self.state == "declined" and self.change.followed_by is None  # type: ignore[attr-defined]


def each_once(by: Membership) -> QuerySet[Change]:
    """Return what ``by`` has proposed, in no order. A new record is one of them, not one for
    each of its fields."""
    return (
        Change.objects.proposed_by(by.user_id)
        .filter(school_id=by.school_id, kind=Change.Kind.VALUE)
        .exclude(came_with_its_record())
    )


def proposed(by: Membership) -> QuerySet[Change]:
    """Return the changes of ``each_once``, the newest first, each with its ``state``."""
    return (
        each_once(by)
        .annotate(
            followed_by=Subquery(typed_later().order_by("number").values("kind")[:1]),
            state=Case(
                When(Exists(exclusions_in_force()), then=Value("set-aside")),
                When(~Q(status=Change.Status.PROVISIONAL), then=F("status")),
                When(followed_by=None, then=Value("waiting")),
                When(followed_by=Change.Kind.WITHDRAW, then=Value("withdrawn")),
                default=Value("superseded"),
                output_field=CharField(),
            ),
        )
        .select_related("change_set", "decision")
        .order_by("-change_set__received_at", "-id")
    )


def in_section(
    changes: QuerySet[Change], section_id: uuid.UUID, *, by: Membership
) -> QuerySet[Change]:
    """Return those of the changes that are about a class: itself, its pupils' places and marks, and
    the pupils that the author created in it."""
    enrollments = overlay.referring("enrollment", "section", [section_id], by=by)
    created = Change.objects.filter(
        entity_type="enrollment", field="student", entity_id__in=enrollments
    ).proposed_by(by.user_id)
    return changes.filter(
        Q(entity_id__in=[section_id, *enrollments])
        | Q(entity_type="student", field=EXISTS, entity_id__in=created.values("refers_to"))
    )


def sections_of(by: Membership) -> list[Section]:
    """Return the classes that the author's changes are about, for choosing one."""
    mine = Change.objects.proposed_by(by.user_id)
    touched = mine.filter(entity_type="enrollment").values("entity_id")
    joined = mine.filter(entity_type="enrollment", field="section").values("refers_to")
    return list(
        Section.objects.filter(
            Q(pk__in=joined)
            | Q(pk__in=mine.filter(entity_type="section").values("entity_id"))
            | Q(enrollments__in=touched)
        )
        .select_related("course", "term")
        .distinct()
        .order_by("code", "id")
    )


def lines(changes: Sequence[Change], *, by: Membership) -> list[Line]:
    """Return these own changes in words. The number of statements does not grow with them."""
    created = [c for c in changes if c.field == EXISTS]
    fields: dict[uuid.UUID, list[Change]] = defaultdict(list)
    for change in (
        Change.objects.proposed_by(by.user_id)
        .filter(
            change_set_id__in={c.change_set_id for c in created},
            entity_id__in={c.entity_id for c in created},
        )
        .exclude(field=EXISTS)
        .order_by("id")
    ):
        fields[change.entity_id].append(change)
    names = _Names([*changes, *(c for some in fields.values() for c in some)], by)
    return [_line(change, fields[change.entity_id], names) for change in changes]


def _line(change: Change, fields: Iterable[Change], names: "_Names") -> Line:
    tracked = registry.get(change.entity_type)
    if change.field == EXISTS:
        what = _existence(change)
        details = [
            (tracked.field(c.field).label, names.of_value(c, c.value))
            for c in fields
            if change.value == TRUE and c.field not in {"student", "section"}
        ]
        old = new = None
    else:
        what, details = tracked.field(change.field).label, []
        old = None if change.old_value is None else names.of_value(change, change.old_value)
        new = None if change.value is None else names.of_value(change, change.value)
    return Line(
        change=change,
        pupil=names.of_pupil(change),
        section=names.of_section(change),
        what=what,
        old=old,
        new=new,
        details=[(label, text) for label, text in details if text],
    )


def _existence(change: Change) -> str:
    if change.entity_type == "enrollment":
        return "added to the class" if change.value == TRUE else "taken out of the class"
    label = "pupil" if change.entity_type == "student" else change.entity_type
    return f"new {label}" if change.value == TRUE else f"{label} deleted"


class _Names:
    """What the records in some changes are called, as their author sees them."""

    def __init__(self, changes: Sequence[Change], by: Membership) -> None:
        ids = _ids(changes)
        enrollments = overlay.see("enrollment", ids["enrollment"], by=by)
        self._ledger = _as_proposed(ids["enrollment"] | ids["student"], by)
        remarks = overlay.see("remark", ids["remark"], by=by)
        self._remarked = {each: last_known(record, "student") for each, record in remarks.items()}
        ids["student"] |= {uuid.UUID(each) for each in self._remarked.values() if each}
        self._places = {
            each: {
                field: (last_known(enrollments[each], field) if each in enrollments else None)
                or self._ledger[each].get(field)
                for field in ("student", "section")
            }
            for each in ids["enrollment"]
        }
        for place in self._places.values():
            ids["student"] |= {uuid.UUID(place["student"])} if place["student"] else set()
            ids["section"] |= {uuid.UUID(place["section"])} if place["section"] else set()
        self._students = overlay.see("student", ids["student"], by=by)
        self._sections = {
            s.pk: s for s in Section.objects.select_related("course").filter(pk__in=ids["section"])
        }
        self._others = {str(u.pk): str(u) for u in User.objects.filter(pk__in=ids["user"])}
        self._others |= {
            str(s.pk): str(s) for s in GradingScale.objects.filter(pk__in=ids["scale"])
        }
        for entity_type in ("term", "course", "room"):
            records = overlay.see(entity_type, ids[entity_type], by=by)
            field = registry.get(entity_type).title.strip("{}")
            self._others |= {str(k): last_known(r, field) or "" for k, r in records.items()}

    def of_pupil(self, change: Change) -> str:
        if change.entity_type not in {"student", "enrollment", "remark"}:
            return ""
        pupil: uuid.UUID | None = change.entity_id
        if change.entity_type == "remark":
            text = self._remarked.get(change.entity_id)
            pupil = uuid.UUID(text) if text else None
        if change.entity_type == "enrollment":
            text = self._places[change.entity_id]["student"]
            pupil = uuid.UUID(text) if text else None
        return self._pupil(pupil)

    def of_section(self, change: Change) -> Section | None:
        if change.entity_type == "section":
            return self._sections.get(change.entity_id)
        if change.entity_type != "enrollment":
            return None
        text = self._places[change.entity_id]["section"]
        return self._sections.get(uuid.UUID(text)) if text else None

    def of_value(self, change: Change, value: str | None) -> str:
        """Return a value in words: a reference by what it refers to is called."""
        reference = registry.get(change.entity_type).field(change.field).reference
        if value is None or reference is None:
            return value or ""
        if reference.entity_type == "student":
            return self._pupil(uuid.UUID(value))
        if reference.entity_type == "section":
            return str(self._sections.get(uuid.UUID(value)) or "(a class that is gone)")
        return self._others.get(value) or "(gone)"

    def _pupil(self, pupil: uuid.UUID | None) -> str:
        if pupil in self._students:
            return pupil_name(self._students[pupil])
        known = self._ledger.get(pupil, {}) if pupil else {}
        names = [known.get(field) for field in ("family_name", "given_names")]
        return ", ".join(name for name in names if name) or "(a pupil who is gone)"


def _ids(changes: Iterable[Change]) -> dict[str, set[uuid.UUID]]:
    """Return the ids of the records that changes are of, or refer to, by what they are."""
    ids: dict[str, set[uuid.UUID]] = defaultdict(set)
    for change in changes:
        ids[change.entity_type].add(change.entity_id)
        if change.field == EXISTS:
            continue
        reference = registry.get(change.entity_type).field(change.field).reference
        if reference:
            kind = reference.entity_type or ("user" if reference.column == "user_id" else "scale")
            ids[kind] |= {uuid.UUID(v) for v in (change.value, change.old_value) if v}
    return ids


def _as_proposed(
    ids: Iterable[uuid.UUID], by: Membership
) -> defaultdict[uuid.UUID, dict[str, str]]:
    """Return what the author proposed last for the names and places of these records: for records
    that a revert has set aside, of which nothing else is known."""
    found: defaultdict[uuid.UUID, dict[str, str]] = defaultdict(dict)
    rows = (
        Change.objects.proposed_by(by.user_id)
        .filter(
            entity_id__in=list(ids),
            field__in=("student", "section", "family_name", "given_names"),
            value__isnull=False,
        )
        .order_by("number")
        .values_list("entity_id", "field", "value")
    )
    for entity_id, field, value in rows:
        found[entity_id][field] = value or ""
    return found

"""The criteria of a revert in words, for the form, the preview, and the decision that keeps them.
Call inside a school."""

import datetime as dt
import re
import uuid
from collections.abc import Mapping

from django.utils import timezone

from accounts.models import User

from . import naming, registry
from .activity import device
from .models import Change, ChangeSet, Decision
from .registry import EXISTS

LABELS = {
    "account": "Typed by",
    "decided_by": "Decided by",
    "start": "From",
    "end": "Until, not included",
    "ip": "From the address",
    "session": "In the session",
    "change_set": "In one save",
    "about": "About the record",
    "field": "Field",
}


def in_words(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (label, words) for criteria as a decision keeps them."""
    return [(label, _words(name, given[name])) for name, label in LABELS.items() if name in given]


def _words(name: str, value: str) -> str:
    match name:
        case "account" | "decided_by":
            user = User.objects.get(pk=value)
            return f"{user} ({user.email})" if user.name else user.email
        case "start" | "end":
            return clock(dt.datetime.fromisoformat(value))
        case "session":
            return of_session(value)
        case "change_set":
            return of_save(uuid.UUID(value))
        case "about":
            return of_record(uuid.UUID(value))
        case "field":
            return dict(fields()).get(value, value)
    return value


def clock(at: dt.datetime) -> str:
    """Return what the school's clocks showed, and in which half of the year: Django's own filter
    leaves that out where it matters, in the hour that comes twice."""
    local = timezone.localtime(at)
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M} ({local:%Z})"


def of_session(label: str) -> str:
    """Return when a session began, from where and with what, as its first change or decision says;
    of a label that none has, that it is not known."""
    if not re.fullmatch(r"[\w-]{1,64}", label, re.ASCII):
        return "a session that is not known"
    sent = ChangeSet.objects.filter(session=label).order_by("received_at")
    decided = Decision.objects.filter(session=label).order_by("decided_at")
    began = [
        *sent.values_list("received_at", "ip", "user_agent")[:1],
        *decided.values_list("decided_at", "ip", "user_agent")[:1],
    ]
    if not began:
        return "a session that is not known"
    return _origin(*min(began, key=lambda row: row[0]))


def of_save(change_set_id: uuid.UUID) -> str:
    """Return when a save came, by which way and from whom."""
    change_set = ChangeSet.objects.filter(pk=change_set_id).select_related("initiator").first()
    if change_set is None:
        return "a save that is not known"
    origin = _origin(change_set.received_at, change_set.ip, change_set.user_agent)
    return f"{change_set.initiator}, {change_set.way}: {origin}"


def _origin(at: dt.datetime, ip: str | None, user_agent: str) -> str:
    parts = [clock(at), f"from {ip}" if ip else "", device(user_agent) if user_agent else ""]
    return ", ".join(filter(None, parts))


def of_record(entity_id: uuid.UUID) -> str:
    """Return what people call a record, given by its id alone."""
    entity_type = Change.objects.filter(entity_id=entity_id).values_list("entity_type", flat=True)
    if found := entity_type.first():
        return f"{registry.get(found).label} {naming.titles([(found, entity_id)])[entity_id]}"
    return "a record that is not known"


def fields() -> list[tuple[str, str]]:
    """Return all fields of all types of records, with their words: ("enrollment.grade", ...)."""
    return [
        (f"{tracked.entity_type}.{name}", f"{tracked.label}: {label}")
        for tracked in registry.in_order()
        for name, label in [
            (EXISTS, "added or deleted"),
            *((each.name, each.label) for each in tracked.fields.values()),
        ]
    ]


def imports(most: int = 20) -> list[tuple[str, str]]:
    """Return the newest imports, with their words."""
    newest = ChangeSet.objects.filter(source=ChangeSet.Source.IMPORT).select_related("initiator")
    return [
        (str(each.pk), f"{each.initiator}, {clock(each.received_at)}")
        for each in newest.order_by("-received_at")[:most]
    ]

"""Everything that happened to a record, or in a session: each change with who, from where, when,
what became of it, and who decided. For the office, which sees what waits of everybody.

Call inside a school. The number of statements grows with the types of records among the changes,
never with the changes.
"""

import csv
import dataclasses
import io
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db import models
from django.db.models import (
    Case,
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.utils.timezone import localtime

from accounts.models import AuditLog, Membership, School

from . import naming, registry
from .formulas import guarded
from .models import (
    Change,
    ChangeQuerySet,
    ChangeSet,
    Decision,
    Exclusion,
    exclusions_in_force,
    typed_later,
)
from .registry import EXISTS, Effect, Tracked


class Became(models.TextChoices):
    """What became of a change."""

    WAITING = "waiting", "awaiting approval"
    HELD = "held", "held: the account is frozen"
    SUPERSEDED = "superseded", "superseded: its author typed another value"
    WITHDRAWN = "withdrawn", "withdrawn by its author"
    WITHDRAWAL = "withdrawal", "a withdrawal"
    APPROVED = "approved", "approved"
    REPLACED = "replaced", "approved, and replaced since"
    DECLINED = "declined", "declined"
    EXCLUDED = "excluded", "excluded"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One change as people read it. ``reason``: why it was proposed."""

    change: Change
    title: str
    label: str
    field: str
    old: str
    new: str
    became: Became
    reason: str
    exclusions: tuple[Exclusion, ...]
    effects: tuple[Effect, ...]

    @property
    def change_set(self) -> ChangeSet:
        return self.change.change_set

    @property
    def is_record(self) -> bool:
        """Whether a record was added or deleted."""
        return self.change.field == EXISTS

    @property
    def is_withdrawal(self) -> bool:
        return self.change.kind == Change.Kind.WITHDRAW

    @property
    def said(self) -> str:
        """The change in words, from and to."""
        if self.is_withdrawal:
            return "withdrew what they had proposed"
        return self.new if self.is_record else f"{self.old} → {self.new}"


def dependents(entity_type: str) -> list[tuple[Tracked, str]]:
    """Return the types of records that cannot be without one of this type, with the field that
    names it: the enrolments of a pupil."""
    return [
        (tracked, field.name)
        for tracked in registry.in_order()
        for field in tracked.required
        if field.reference and field.reference.entity_type == entity_type
    ]


def of_record(school: School, entity_type: str, entity_id: uuid.UUID) -> ChangeQuerySet:
    """Return the changes of a record and of its dependents, also of those that once were its."""
    about = Q(entity_type=entity_type, entity_id=entity_id)
    for tracked, field in dependents(entity_type):
        theirs = Change.objects.filter(
            school=school, refers_to=entity_id, entity_type=tracked.entity_type, field=field
        )
        about |= Q(entity_type=tracked.entity_type, entity_id__in=theirs.values("entity_id"))
    return _told(Change.objects.filter(about, school=school))


def of_session(change_set: ChangeSet) -> ChangeQuerySet:
    """Return all that was sent in the session of a save: after the same sign-in. A save without a
    session, such as an import's, stands for itself."""
    same = ChangeSet.objects.filter(
        school_id=change_set.school_id,
        initiator_id=change_set.initiator_id,
        session=change_set.session,
    )
    sets = same if change_set.session else [change_set.pk]
    return _told(Change.objects.filter(school_id=change_set.school_id, change_set__in=sets))


def besides_in_session(change_set: ChangeSet) -> tuple[QuerySet[Decision], QuerySet[AuditLog]]:
    """Return what else was done after the same sign-in as a save: decisions, and files that left
    the school; the newest first."""
    decisions = Decision.objects.filter(
        school_id=change_set.school_id,
        decided_by_id=change_set.initiator_id,
        session=change_set.session,
    )
    exports = AuditLog.objects.filter(
        school_id=change_set.school_id,
        user_id=change_set.initiator_id,
        event=AuditLog.Event.EXPORT,
        metadata__session=change_set.session,
    )
    if not change_set.session:
        return decisions.none(), exports.none()
    return decisions.order_by("-number"), exports.order_by("-at", "-id")


def became(change_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return what became of each of these changes. One statement."""
    found = _told(Change.objects.filter(pk__among=list(change_ids)))
    rows = found.values_list("pk", "became")  # type: ignore[misc]
    return {pk: Became(value).label for pk, value in rows}


def _told(changes: ChangeQuerySet) -> ChangeQuerySet:
    """Add to each change what became of it; the newest first."""
    replaced = Change.objects.filter(
        school_id=OuterRef("school_id"),
        entity_id=OuterRef("entity_id"),
        field=OuterRef("field"),
        position__gt=OuterRef("position"),
    ).effective()
    frozen = Membership.objects.filter(
        school_id=OuterRef("school_id"), user_id=OuterRef("author_id"), frozen_at__isnull=False
    )
    return (
        changes.annotate(next_kind=Subquery(typed_later().order_by("number").values("kind")[:1]))
        .annotate(
            became=Case(
                When(Exists(exclusions_in_force()), then=Value(Became.EXCLUDED.value)),
                When(kind=Change.Kind.WITHDRAW, then=Value(Became.WITHDRAWAL.value)),
                When(status=Change.Status.DECLINED, then=Value(Became.DECLINED.value)),
                When(
                    Q(Exists(replaced), status=Change.Status.APPROVED),
                    then=Value(Became.REPLACED.value),
                ),
                When(status=Change.Status.APPROVED, then=Value(Became.APPROVED.value)),
                When(next_kind=Change.Kind.WITHDRAW, then=Value(Became.WITHDRAWN.value)),
                When(next_kind=Change.Kind.VALUE, then=Value(Became.SUPERSEDED.value)),
                When(Exists(frozen), then=Value(Became.HELD.value)),
                default=Value(Became.WAITING.value),
                output_field=TextField(),
            )
        )
        .select_related("change_set", "author", "decision", "decided_by")
        .order_by("-change_set__received_at", "-id")
    )


def entries(changes: Sequence[Change]) -> list[Entry]:
    """Return changes of ``of_record`` or ``of_session``, in their order, as people read them."""
    exclusions = _exclusions(changes)
    titles = naming.titles({(each.entity_type, each.entity_id) for each in changes})
    texts = naming.value_texts(
        (each.entity_type, each.field, value)
        for each in changes
        for value in (each.old_value, each.value)
    )
    reasons, effects = _beside(changes, exclusions)
    made = []
    for each in changes:
        tracked = registry.get(each.entity_type)
        key = (each.entity_type, each.field)
        said = (each.change_set.reason, reasons.get(each.pk, ""))
        made.append(
            Entry(
                change=each,
                title=titles[each.entity_id],
                label=tracked.label,
                field=tracked.label if each.field == EXISTS else tracked.field(each.field).label,
                old=texts[*key, each.old_value],
                new=texts[*key, each.value],
                became=Became(each.became),  # type: ignore[attr-defined]
                reason=" ".join(dict.fromkeys(text for text in said if text)),
                exclusions=tuple(exclusions.get(each.pk, ())),
                effects=tuple(effects.get(each.pk, ())),
            )
        )
    return made


def _exclusions(changes: Sequence[Change]) -> dict[uuid.UUID, list[Exclusion]]:
    found: dict[uuid.UUID, list[Exclusion]] = defaultdict(list)
    rows = (
        Exclusion.objects.filter(change__in=[each.pk for each in changes])
        .select_related("decision__decided_by", "lifted_by__decided_by")
        .order_by("decision__number")
    )
    for row in rows:
        found[row.change_id].append(row)
    return found


def _beside(
    changes: Sequence[Change], exclusions: Mapping[uuid.UUID, Sequence[Exclusion]]
) -> tuple[dict[uuid.UUID, str], dict[uuid.UUID, Collection[Effect]]]:
    """Return why changes were proposed and what decisions on them left behind, by change."""
    reasons: dict[uuid.UUID, str] = {}
    effects: dict[uuid.UUID, Collection[Effect]] = {}
    by_type: dict[str, list[Change]] = defaultdict(list)
    for each in changes:
        by_type[each.entity_type].append(each)
    for entity_type, some in by_type.items():
        rules = registry.get(entity_type).rules
        decisions = {each.pk: set(_decisions(each, exclusions.get(each.pk, ()))) for each in some}
        reasons |= rules.reasons([each.pk for each in some])
        effects |= rules.effects(some, decisions)
    return reasons, effects


def _decisions(change: Change, exclusions: Iterable[Exclusion]) -> Iterable[uuid.UUID]:
    ids = [change.decision_id]
    for each in exclusions:
        ids += [each.decision_id, each.lifted_by_id]
    return filter(None, ids)


HEADINGS = (
    "When",
    "Who",
    "From the address",
    "How",
    "Record",
    "Field",
    "From",
    "To",
    "Why",
    "What became of it",
    "Decision",
    "Decided by",
    "Decided at",
    "Reason of the decision",
    "Excluded by",
)


def as_csv(told: Iterable[Entry]) -> bytes:
    """Return entries as CSV, with the mark by which a spreadsheet knows UTF-8. Times are those of
    the school's clocks, with their offset."""
    out = io.StringIO(newline="")
    lines = csv.writer(out)
    lines.writerow(HEADINGS)
    for each in told:
        lines.writerow([guarded(text) for text in _texts(each)])
    return out.getvalue().encode("utf-8-sig")


def _texts(each: Entry) -> list[str]:
    change, decision = each.change, each.change.decision
    return [
        localtime(each.change_set.received_at).isoformat(sep=" ", timespec="seconds"),
        str(change.author),
        each.change_set.ip or "",
        each.change_set.way,
        each.title,
        each.field,
        "" if each.is_withdrawal or each.is_record else each.old,
        "withdrawn" if each.is_withdrawal else each.new,
        each.reason,
        each.became.label,
        str(decision.number) if decision else "",
        str(change.decided_by or decision.rule) if decision else "",
        localtime(decision.decided_at).isoformat(sep=" ", timespec="seconds") if decision else "",
        decision.reason if decision else "",
        "; ".join(_excluded(row) for row in each.exclusions),
    ]


def _excluded(row: Exclusion) -> str:
    lifted = f", lifted by decision {row.lifted_by.number}" if row.lifted_by else ""
    return f"decision {row.decision.number}{lifted}"

"""What an account of the office declined, so that it can be reopened when the account was misused.
Call inside a school."""

import uuid
from collections.abc import Collection

from django.db.models import Exists, OuterRef, Q

from .criteria import Criteria
from .models import Change, ChangeQuerySet, Decision, typed_later
from .registry import EXISTS, TRUE


def declined(criteria: Criteria) -> ChangeQuerySet:
    """Return what the account ``decided_by`` declined, the first decision on top.

    The window, address and session are those of the decision. Raises ValueError when ``criteria``
    name who typed.
    """
    if criteria.decided_by is None:
        raise ValueError("name the account that decided")
    found = Change.objects.filter(
        status=Change.Status.DECLINED,
        decision__kind=Decision.Kind.DECLINE,
        decision__decided_by_id=criteria.decided_by,
    )
    for name, value in (
        ("decision__decided_at__gte", criteria.start),
        ("decision__decided_at__lt", criteria.end),
        ("decision__ip", criteria.ip),
        ("decision__session", criteria.session),
        ("change_set_id", criteria.change_set),
    ):
        if value:
            found = found.filter(**{name: value})
    if criteria.about:
        found = found.filter(Q(entity_id=criteria.about) | Exists(_references(criteria.about)))
    if criteria.field:
        entity_type, _, field = criteria.field.partition(".")
        found = found.filter(entity_type=entity_type, field=field)
    return found.order_by("decision__number", "id")


def _references(about: uuid.UUID) -> ChangeQuerySet:
    """Return, for a subquery of changes, those by which the record of each refers to ``about``, at
    any time: a class has its marks with it, as where a revert is narrowed to it."""
    return Change.objects.filter(
        school_id=OuterRef("school_id"), refers_to=about, entity_id=OuterRef("entity_id")
    )


def to_reopen(changes: ChangeQuerySet) -> ChangeQuerySet:
    """Return those that can be reopened: what is their author's last word on the cell. (What was
    reopened already has a later one: its copy.)"""
    return changes.exclude(Exists(typed_later()))


def whole(change_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """Return declined changes together with the cells that came and were declined with them, where
    they create a record: without these it could not be approved."""
    created = Change.objects.filter(
        pk__among=change_ids,
        field=EXISTS,
        value=TRUE,
        school_id=OuterRef("school_id"),
        entity_id=OuterRef("entity_id"),
        change_set_id=OuterRef("change_set_id"),
        decision_id=OuterRef("decision_id"),
    )
    with_it = to_reopen(Change.objects.filter(Exists(created), status=Change.Status.DECLINED))
    return [*dict.fromkeys([*change_ids, *with_it.values_list("pk", flat=True)])]

"""What the ledger added up to once a decision was done, whatever has been decided since: so that
what is told of a decision is the same for ever. Call inside a school.

Positions order what was approved; a change counted then that was approved by then, unless an
exclusion of then had not been lifted by then.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import School

from . import lookups, naming, registry
from .models import Change, Decision, Exclusion
from .registry import EXISTS, FALSE, TRUE

Cell = tuple[uuid.UUID, str]
Typed = tuple[str, uuid.UUID]

EXCLUDED = """{change}.id in (
    select x.change_id from changes_exclusion x
    where x.school_id = %(school)s
      and x.decision_id in (
          select made.id from changes_decision made
          where made.school_id = %(school)s and made.number <= {number})
      and (x.lifted_by_id is null or x.lifted_by_id in (
          select lifted.id from changes_decision lifted
          where lifted.school_id = %(school)s and lifted.number > {number})))"""
"""A condition: the change was excluded once the decision of this number was done. (By ``in``, which
can only be a hash: to look each up takes a minute for tens of thousands.)"""

DECIDED = """({change}.decision_id is not null and {change}.decision_id in (
    select decided.id from changes_decision decided
    where decided.school_id = %(school)s and decided.number <= {number}))"""
"""A condition: the change was approved, or declined, by then."""


class AsOf:
    """The school's ledger once the decision of a number was done. It keeps what it has read."""

    def __init__(self, school: School, number: int) -> None:
        self.school, self.number = school, number
        self._read: dict[uuid.UUID, set[str]] = defaultdict(set)
        self._values: dict[Cell, str | None] = {}
        self._stands: dict[uuid.UUID, bool] = {}

    def read(self, entity_ids: Iterable[uuid.UUID], fields: Collection[str]) -> None:
        """Read these fields of these records: one statement."""
        wanted = {each for each in entity_ids if not self._read[each].issuperset(fields)}
        if not wanted:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                _HEADS,
                {
                    "school": self.school.pk,
                    "ids": lookups.array(wanted),
                    "fields": list(fields),
                    "number": self.number,
                },
            )
            self._values |= {(pk, field): value for pk, field, value in cursor.fetchall()}
        for each in wanted:
            self._read[each] |= set(fields)

    def said(self, entity_id: uuid.UUID, field: str) -> str | None:
        """Return what the ledger said of a cell that was read, though its record may be hidden."""
        return self._values.get((entity_id, field))

    def value(self, entity_type: str, entity_id: uuid.UUID, field: str) -> str | None:
        """Return what stood in a cell that was read: of a record that did not stand, nothing. Ask
        ``stand`` first."""
        stands = self._stands[entity_id]
        if field == EXISTS:
            return TRUE if stands else FALSE
        if not stands:
            return None
        blank = registry.get(entity_type).field(field).blank
        said = self.said(entity_id, field)
        return (str(blank) if blank else None) if said is None else said

    def stand(self, records: Iterable[Typed]) -> set[uuid.UUID]:
        """Return which of these records stood: they existed, and so did what they cannot be
        without. As many statements as there are steps from a child to its last parent, and types
        on each."""
        asked = set(records)
        known: list[set[Typed]] = [{each for each in asked if each[1] not in self._stands}]
        while known[-1]:
            known.append(self._parents(known[-1]) - set().union(*known))
        by_type: dict[str, set[uuid.UUID]] = defaultdict(set)
        for entity_type, each in set().union(*known):
            by_type[entity_type].add(each)
        # Parents first: what was asked for may be the parent of something else that was.
        for tracked in registry.in_order():
            for each in by_type[tracked.entity_type]:
                parents = [self.said(each, field.name) for field in tracked.required]
                self._stands[each] = self.said(each, EXISTS) == TRUE and all(
                    parent and self._stands.get(uuid.UUID(parent)) for parent in parents
                )
        return {each for _, each in asked if self._stands[each]}

    def _parents(self, records: Iterable[Typed]) -> set[Typed]:
        by_type: dict[str, set[uuid.UUID]] = defaultdict(set)
        for entity_type, each in records:
            by_type[entity_type].add(each)
        found: set[Typed] = set()
        for entity_type, ids in by_type.items():
            required = registry.get(entity_type).required
            self.read(ids, {EXISTS, *(field.name for field in required)})
            for field in required:
                if field.reference and field.reference.entity_type:
                    found |= {
                        (field.reference.entity_type, uuid.UUID(value))
                        for each in ids
                        if (value := self.said(each, field.name))
                    }
        return found


_HEADS = f"""
    select distinct on (c.entity_id, c.field) c.entity_id, c.field, c.value
    from changes_change c
    where c.school_id = %(school)s and c.entity_id = any(%(ids)s::uuid[])
      and c.field = any(%(fields)s) and c.status = 'approved'
      and {DECIDED.format(change="c", number="%(number)s")}
      and not {EXCLUDED.format(change="c", number="%(number)s")}
    order by c.entity_id, c.field, c.position desc"""  # noqa: S608 - of our own texts alone


def counted(number: str, *, with_it: bool) -> QuerySet[Change]:
    """Return, for a subquery of rows that name a decision, the changes that counted once it was
    done, or (not ``with_it``) just before it. ``number``: the path of these rows to its number."""
    until, beyond = ("lte", "gt") if with_it else ("lt", "gte")
    bound = OuterRef(OuterRef(number))
    excluded = Exclusion.objects.filter(
        Q(lifted_by=None) | Q(**{f"lifted_by__number__{beyond}": bound}),
        school_id=OuterRef("school_id"),
        change_id=OuterRef("pk"),
        **{f"decision__number__{until}": bound},
    )
    return Change.objects.filter(
        ~Exists(excluded),
        school_id=OuterRef("school_id"),
        status=Change.Status.APPROVED,
        **{f"decision__number__{until}": OuterRef(number)},
    )


def names(
    decision: Decision, tracked: registry.Tracked, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, dict[str, str | None]]:
    """Return the values that say what records were called before a decision: those that counted,
    else the newest that anybody had proposed by then."""
    fields = [field.name for field in naming.fields_of_title(tracked)]
    found: dict[uuid.UUID, dict[str, Any]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(
            _NAMES,
            {
                "school": decision.school_id,
                "ids": lookups.array(ids),
                "fields": fields,
                "number": decision.number - 1,
                "decision": decision.pk,
            },
        )
        for entity_id, field, value in cursor.fetchall():
            found[entity_id][field] = value
    return dict(found)


# The ids of changes and decisions are in the order in which they were made.
_NAMES = f"""
    select distinct on (c.entity_id, c.field) c.entity_id, c.field, c.value
    from changes_change c
    where c.school_id = %(school)s and c.entity_id = any(%(ids)s::uuid[])
      and c.field = any(%(fields)s) and c.kind = 'value' and c.value is not null
    order by c.entity_id, c.field,
             c.status = 'approved' and {DECIDED.format(change="c", number="%(number)s")}
                 and not {EXCLUDED.format(change="c", number="%(number)s")} desc,
             c.id < %(decision)s desc, c.position desc nulls last, c.id desc"""  # noqa: S608 - the same

"""Walking a school's chain of decisions: whether its rows are still those that were sealed.

What is in the tables of marks is ``verify``'s to prove; here it is the ledger itself. A row that
was forged, dropped, put in or moved no longer fits its commitment, or the digest of its decision. A
history that was rewritten as a whole fits itself; that is why the head is published.

Not covered: what waits undecided can vanish without a trace here; the tables beside the ledger
(audit log, outbox, people); and whether what was typed was true.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from operator import itemgetter

from django.db import connection

from accounts.models import School

from . import seal
from .models import Change, Decision, LedgerHead

CHUNK = 5000
"""Rows read at once, so that a long history needs no more memory than a short one."""


@dataclasses.dataclass(frozen=True)
class Head:
    """The end of a chain: the number of the last decision, and its digest in hex."""

    number: int
    digest: str


@dataclasses.dataclass(frozen=True)
class Link:
    """A decision with the lines of what it stamped."""

    decision: Decision
    lines: list[str]


def head_of(school: School) -> Head:
    """Return the end of a school's chain. Call inside the school."""
    head = LedgerHead.objects.filter(school=school).first()
    if head is None:
        return Head(0, seal.FIRST.hex())
    return Head(head.last_decision, bytes(head.last_digest).hex())


def walk(school: School, published: Mapping[int, str] | None = None) -> Iterator[str]:
    """Say what no longer fits, in order: nothing, when the ledger is as it was sealed.

    Args:
        published: digests in hex that left the installation, by the number of their decision.

    Call inside the school.
    """
    yield from _wrong_commitments(school)
    published = dict(published or {})
    before, number = seal.FIRST, 0
    for link in links(school):
        decision = link.decision
        number += 1
        if decision.number != number:
            yield f"Decision {number} is missing: after it comes {decision.number}."
            number = decision.number
        if not _opens(decision):
            yield f"Decision {number} says something else than what was sealed."
        before = seal.digest(before, seal.row_of(decision, link.lines))
        if before != bytes(decision.digest):
            yield (
                f"Decision {number} and what it stamped, or the decision before it, are not what "
                "was sealed."
            )
            before = bytes(decision.digest)  # so that each break is said once
        told = published.pop(number, before.hex())
        if told != before.hex():
            yield f"Decision {number} has another digest than the one that was published."
    for missing in sorted(published):
        yield f"Decision {missing} was published, and is not here."
    if head_of(school) != Head(number, before.hex()):
        yield f"The head of the ledger is not decision {number}, which is the last one here."


def links(school: School) -> Iterator[Link]:
    """Yield every decision of a school with what it stamped, in order. Call inside the school."""
    statement = seal.LINES.format(
        of_change="and c.decision_id is not null",
        of_exclusion="",
        of_lift="and x.lifted_by_id is not null",
        order="join changes_decision d on d.school_id = %(school)s and d.id = decision_id"
        " order by d.number, part, rows.id",
    )
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, {"school": school.pk})
        rows = itertools.chain.from_iterable(iter(lambda: cursor.fetchmany(CHUNK), []))
        grouped = itertools.groupby(rows, key=itemgetter(0))
        decision_id, stamped = next(grouped, (None, iter(())))
        every = Decision.objects.filter(school=school).order_by("number")
        for decision in every.iterator(chunk_size=CHUNK):
            lines: list[str] = []
            if decision_id == decision.pk:
                lines = [line for _, line in stamped]
                decision_id, stamped = next(grouped, (None, iter(())))
            yield Link(decision, lines)


def changes(school: School) -> Iterator[Change]:
    """Yield every change of a school with its change set, in the order of their ids. Call inside
    the school."""
    every = Change.objects.filter(school=school).select_related("change_set")
    return every.order_by("pk").iterator(chunk_size=CHUNK)


def _wrong_commitments(school: School) -> Iterator[str]:
    for change in changes(school):
        if change.salt is None:  # erased by law: the erasure is a decision itself
            continue
        facts = seal.facts_of_change(change, change.change_set)
        if seal.commitment(change.salt, facts) != bytes(change.commitment):
            yield (
                f"Change {change.pk} ({change.entity_type} {change.entity_id}, {change.field}) "
                "says something else than what was sealed."
            )


def _opens(decision: Decision) -> bool:
    if decision.commitment is None or decision.salt is None:
        return True
    facts = seal.facts_of_decision(decision)
    return seal.commitment(decision.salt, facts) == bytes(decision.commitment)

"""What the ledger's commitments and digests are made of.

Each change and each decision carries a *commitment*: SHA-256 over sixteen random bytes, its salt,
and the canonical bytes of its facts. Each decision carries a *digest* over the one before it in the
school and over its own row: its place, its commitment, and a line for each row that it stamped. So
the decisions of a school are a chain, and whoever rewrites one must rewrite every one after it.

The chain covers commitments and not facts. With its salt a fact can be shown to be the one that was
committed to; without it nothing can be learned from the commitment, not even by trying every name.
So what the law wants erased is erased with its salt, and the chain still holds.
"""

import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterable
from typing import Any

from .models import Change, ChangeSet, Decision

FIRST = bytes(32)
"""What stands before the first decision of a school."""


def new_salt() -> bytes:
    """Return sixteen random bytes."""
    return os.urandom(16)


def canonical(facts: dict[str, Any]) -> bytes:
    """Return the bytes of facts: JSON with sorted keys, without spaces, in UTF-8."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def commitment(salt: bytes | memoryview, facts: dict[str, Any]) -> bytes:
    """Return SHA-256 over the salt and the canonical bytes of facts."""
    return hashlib.sha256(bytes(salt) + canonical(facts)).digest()


def digest(before: bytes | memoryview, row: dict[str, Any]) -> bytes:
    """Return SHA-256 over the digest of the decision before, and this one's row."""
    return hashlib.sha256(bytes(before) + canonical(row)).digest()


def digest_of_lines(lines: Iterable[str]) -> str:
    """Return SHA-256 over the lines of what a decision stamped, each with a line break, in hex."""
    made = hashlib.sha256()
    for line in lines:
        made.update(line.encode() + b"\n")
    return made.hexdigest()


def facts_of_change(change: Change, change_set: ChangeSet) -> dict[str, Any]:
    """Return the facts of a change that its commitment covers."""
    return {
        "id": str(change.pk),
        "school": str(change.school_id),
        "change_set": str(change.change_set_id),
        "author": str(change.author_id),
        "ip": change_set.ip,
        "received_at": instant(change_set.received_at),
        "entity_type": change.entity_type,
        "entity_id": str(change.entity_id),
        "field": change.field,
        "kind": str(change.kind),
        "value": change.value,
        "number": change.number,
        "base_change": str(change.base_change_id) if change.base_change_id else None,
        "old_value": change.old_value,
        "reopens": str(change.reopens_id) if change.reopens_id else None,
        "two_people": change.two_people,
    }


def facts_of_decision(decision: Decision) -> dict[str, Any]:
    """Return the facts of a decision that its commitment covers: what may name a person."""
    return {
        "rule": decision.rule,
        "ip": decision.ip,
        "user_agent": decision.user_agent,
        "session": decision.session,
        "reason": decision.reason,
        "criteria": decision.criteria,
    }


def row_of(decision: Decision, lines: Iterable[str]) -> dict[str, Any]:
    """Return what the digest of a decision covers. ``lines``: of what it stamped, in their order.

    Decisions of before there were commitments of them are covered in clear.
    """
    row = {
        "id": str(decision.pk),
        "school": str(decision.school_id),
        "number": decision.number,
        "kind": str(decision.kind),
        "decided_by": str(decision.decided_by_id) if decision.decided_by_id else None,
        "decided_at": instant(decision.decided_at),
        "undoes": str(decision.undoes_id) if decision.undoes_id else None,
        "rows": digest_of_lines(lines),
    }
    if decision.commitment is None:
        return row | facts_of_decision(decision)
    return row | {"commitment": bytes(decision.commitment).hex()}


def instant(at: dt.datetime) -> str:
    """Return an instant as it is committed to: in UTC."""
    return at.astimezone(dt.UTC).isoformat()


LINES = """
    select decision_id, line from (
        select c.decision_id, 1 as part, c.id,
               concat_ws(' ', 'change', c.id, c.status, c.position, encode(c.commitment, 'hex'))
               as line
        from changes_change c where c.school_id = %(school)s {of_change}
        union all
        select x.decision_id, 2, x.change_id, concat_ws(' ', 'exclude', x.change_id)
        from changes_exclusion x where x.school_id = %(school)s {of_exclusion}
        union all
        select x.lifted_by_id, 3, x.id, concat_ws(' ', 'lift', x.change_id, x.decision_id)
        from changes_exclusion x where x.school_id = %(school)s {of_lift}
    ) rows {order}
"""
"""A line for each row that decisions stamped: changes by their ids, then exclusions by those of
their changes, then what they lifted."""

LINES_OF_ONE = LINES.format(
    of_change="and c.decision_id = %(decision)s",
    of_exclusion="and x.decision_id = %(decision)s",
    of_lift="and x.decision_id = %(undoes)s and x.lifted_by_id = %(decision)s",
    order="order by part, id",
)

"""The chain: what stands in the rows is what the commitments and the digests were made of."""

import datetime as dt
import hashlib
import json
import zoneinfo

from changes.models import Change, ChangeSet, Decision, Exclusion, LedgerHead
from tests.cast import SATURDAY_NIGHT, only

TOKYO = zoneinfo.ZoneInfo("Asia/Tokyo")


def canonical(facts):
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def text(value):
    return None if value is None else str(value)


def instant(value):
    return value.astimezone(dt.UTC).isoformat()


def commitment(change, change_set):
    """Compute a change's commitment from its row, in words of our own."""
    facts = {
        "id": str(change.id),
        "school": str(change.school_id),
        "change_set": str(change.change_set_id),
        "author": str(change.author_id),
        "ip": change_set.ip,
        "received_at": instant(change_set.received_at),
        "entity_type": change.entity_type,
        "entity_id": str(change.entity_id),
        "field": change.field,
        "kind": change.kind,
        "value": change.value,
        "number": change.number,
        "base_change": text(change.base_change_id),
        "old_value": change.old_value,
        "reopens": text(change.reopens_id),
        "two_people": change.two_people,
    }
    return hashlib.sha256(bytes(change.salt) + canonical(facts)).digest()


def rows_of(decision):
    """The lines of what a decision stamped: changes, exclusions, what it lifted; each by id."""
    for c in sorted(Change.objects.filter(decision=decision), key=lambda c: c.id):
        words = ("change", c.id, c.status, c.position, bytes(c.commitment).hex())
        yield " ".join(str(word) for word in words if word is not None)
    made = Exclusion.objects.filter(decision=decision)
    for x in sorted(made, key=lambda x: x.change_id):
        yield f"exclude {x.change_id}"
    lifted = Exclusion.objects.filter(lifted_by=decision)
    for x in sorted(lifted, key=lambda x: x.id):
        yield f"lift {x.change_id} {x.decision_id}"


def digest(before, decision):
    """Compute a decision's digest from its row and from what it stamped."""
    rows = hashlib.sha256("".join(f"{line}\n" for line in rows_of(decision)).encode()).hexdigest()
    facts = {
        "rule": decision.rule,
        "ip": decision.ip,
        "user_agent": decision.user_agent,
        "session": decision.session,
        "reason": decision.reason,
        "criteria": decision.criteria,
    }
    committed = hashlib.sha256(bytes(decision.salt) + canonical(facts)).digest()
    assert committed == bytes(decision.commitment)
    facts = {
        "id": str(decision.id),
        "school": str(decision.school_id),
        "number": decision.number,
        "kind": decision.kind,
        "decided_by": text(decision.decided_by_id),
        "decided_at": instant(decision.decided_at),
        "undoes": text(decision.undoes_id),
        "commitment": committed.hex(),
        "rows": rows,
    }
    return hashlib.sha256(before + canonical(facts)).digest()


def test_the_rows_of_a_ledger_make_its_commitments_and_its_chain_of_digests(inside):
    people = inside
    people.stands("60", "70")
    # An instant is the same whatever clock it was read from, and whatever text came with it.
    at = SATURDAY_NIGHT.astimezone(TOKYO)
    people.a.approves(
        only(people.v.types(people.marks[0], "95", reason="“Ünïcode” \n\t\x7f", at=at))
    )
    people.a.declines(only(people.t2.types(people.marks[1], "5")), reason="nö")
    reverted = people.a.reverts(people.v, start=at, reason="her niece")
    people.b.reinstates(reverted)

    change_sets = ChangeSet.objects.in_bulk()
    changes = list(Change.objects.all())
    assert len(changes) > 40
    for change in changes:
        assert commitment(change, change_sets[change.change_set_id]) == bytes(change.commitment)

    chain = bytes(32)
    decisions = list(Decision.objects.order_by("number"))
    assert [d.number for d in decisions] == list(range(1, len(decisions) + 1))
    for decision in decisions:
        chain = digest(chain, decision)
        assert chain == bytes(decision.digest), decision
    assert chain == bytes(LedgerHead.objects.get().last_digest)

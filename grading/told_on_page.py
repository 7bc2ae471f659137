"""Who was told of a decision on the page “What was decided”: the instructors, as of the decision,
of the classes that it is about. Call inside a school."""

import uuid
from collections.abc import Iterable, Mapping

from accounts.models import Membership
from changes import naming
from changes.as_of import AsOf
from changes.models import Decision
from changes.registry import Told


def ledgers(decision: Decision) -> tuple[AsOf, AsOf]:
    """Return what the ledger added up to once the decision was done, and just before."""
    return AsOf(decision.school, decision.number), AsOf(decision.school, decision.number - 1)


def said(of: Iterable[AsOf], ids: Iterable[uuid.UUID], field: str) -> dict[uuid.UUID, uuid.UUID]:
    """Return what a reference of each record was, by the first ledger that knows it."""
    found: dict[uuid.UUID, uuid.UUID] = {}
    wanted = set(ids)
    for ledger in of:
        ledger.read(wanted - found.keys(), {field})
        for each in wanted - found.keys():
            if value := ledger.said(each, field):
                found[each] = uuid.UUID(value)
    return found


def told(decision: Decision, counted: Mapping[uuid.UUID, str]) -> Iterable[Told]:
    """Return who was told what: ``counted`` is what there is to tell of each class, in words. Who
    made the decision was not told of it."""
    instructor_of = said(ledgers(decision), counted, "instructor")
    members = {
        member.user_id: member
        for member in Membership.objects.filter(
            school=decision.school_id, user_id__in=set(instructor_of.values())
        ).select_related("user")
    }
    titles = naming.titles(("section", each) for each in counted)
    for section, words in sorted(counted.items(), key=lambda each: titles[each[0]]):
        member = members.get(instructor_of.get(section, uuid.UUID(int=0)))
        if member is None or member.user_id == decision.decided_by_id:
            continue
        seen = "seen since" if member.decided_seen >= decision.number else "not seen yet"
        yield Told(
            f"{member.user} ({member.user.email})",
            f"{titles[section]}: {words}",
            f"on the page “What was decided”, {seen}",
            None,
        )

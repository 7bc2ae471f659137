"""What leaves the school about its pupils: to whom, when and why (FERPA, 34 CFR 99.32).

Each disclosure is one event of the audit log, and a row for each pupil whose record it held, by
which the page of a pupil finds it. Both only grow. Two statements, however many pupils.

What a school's own people read on class lists and mark sheets is not among it: no record is asked
for of who is a school official with a legitimate educational interest (99.32(d)(2), by
99.31(a)(1)).

A pupil is given by id alone: nothing here knows what a pupil is, and the record of a disclosure
stays when the pupil vanishes.
"""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import QuerySet

from . import audit
from .in_school import MemberRequest
from .models import AuditLog, Disclosure, School, User
from .origin import Origin


def disclosed(
    request: MemberRequest,
    pupils: Iterable[uuid.UUID],
    *,
    what: str,
    why: str,
    to: str = "",
    event: AuditLog.Event = AuditLog.Event.EXPORT,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write down that a request disclosed something of these pupils. Call inside the school.

    Args:
        what: what was disclosed, in a few words: "transcript as PDF".
        why: the purpose, or the interest that who asked has in it.
        to: who receives it; nobody but who asked, where it is blank.
        event: VIEW of what was looked at on the screen alone.
        facts: what the audit log keeps beside it, such as the id of a class.
    """
    note(
        pupils,
        what=what,
        why=why,
        to=to,
        event=event,
        facts=facts,
        school=request.member.school,
        user=request.member.user,
        origin=request.origin,
    )


def note(
    pupils: Iterable[uuid.UUID],
    *,
    what: str,
    why: str,
    to: str,
    school: School,
    user: User | None,
    origin: Origin,
    event: AuditLog.Event = AuditLog.Event.EXPORT,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write down a disclosure outside of any request: by a command, or by the worker, for
    ``user``. Call inside the school; see ``disclosed``."""
    ids = sorted(set(pupils))
    row = audit.record(
        event,
        origin=origin,
        school=school,
        user=user,
        detail=what,
        metadata={**(facts or {}), "to": to, "why": why, "pupils": len(ids)},
    )
    Disclosure.objects.bulk_create(
        Disclosure(school=school, event=row, pupil_id=each) for each in ids
    )


def of_pupil(school: School, ids: Iterable[uuid.UUID]) -> QuerySet[AuditLog]:
    """Return the events by which something of a pupil was disclosed, the latest first.

    Args:
        ids: of the pupil, and of the records that turned out to be the same pupil's.
    """
    of_them = Disclosure.objects.filter(school=school, pupil_id__in=list(ids))
    found = AuditLog.objects.filter(school=school, pk__in=of_them.values("event_id"))
    return found.select_related("user").order_by("-at", "-id")

"""Reminding teachers of the classes that they have still to hand in. Call inside a school."""

import datetime as dt
import re
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from django.utils import timezone
from django.utils.formats import date_format

from accounts import audit
from accounts.in_school import Refused
from accounts.models import AuditLog, Membership, OutboxMessage, School, User
from accounts.origin import Origin
from accounts.outbox import Message, post
from changes.deciding import lock_authors

from .board import Progress
from .models import Term

_KEY = re.compile(r"reminder ([0-9a-f-]{36}) \d{4}-\d\d-\d\d")


class MayNotRemind(Refused):
    """Who asks is not of the office."""


def whom(classes: Iterable[Progress], *, school: School) -> dict[User, list[Progress]]:
    """Return who can be reminded of which of these classes: those that are to be handed in and
    whose instructor is an active member of the school, with an account that is not frozen."""
    active = set(
        Membership.objects.filter(
            school=school, is_active=True, frozen_at=None, user__is_active=True
        ).values_list("user_id", flat=True)
    )
    found: dict[User, list[Progress]] = defaultdict(list)
    for each in classes:
        teacher = each.section.instructor
        if each.is_to_hand_in and teacher and teacher.pk in active:
            found[teacher].append(each)
    return dict(found)


def remind(
    term: Term, classes: Collection[Progress], *, link: str, by: Membership, origin: Origin
) -> tuple[list[User], list[User]]:
    """Write one message to each teacher of these classes that are to be handed in, with a row in
    the audit log. Who was reminded today, by the school's clocks, is left alone until tomorrow.

    Holds the memberships of those who are reminded, so that a form that is sent twice, or by two
    people at once, reminds once. The message names classes and their last day and nothing of how
    far they are: what waits of other people's is not for the teacher.

    Returns: who was reminded, and who was not since they had been already.

    Raises:
        MayNotRemind: ``by`` is not of the office.
    """
    if not by.is_office:
        raise MayNotRemind("Only the office reminds teachers of their classes.")
    theirs = whom(classes, school=by.school)
    lock_authors(by.school, {teacher.pk for teacher in theirs})
    today = timezone.localdate(origin.at)
    keys = {teacher: f"reminder {teacher.pk} {today}" for teacher in theirs}
    sent = set(
        OutboxMessage.objects.filter(school=by.school, key__in=keys.values()).values_list(
            "key", flat=True
        )
    )
    reminded = [teacher for teacher in theirs if keys[teacher] not in sent]
    post(
        (
            Message(
                key=keys[teacher],
                to=teacher.email,
                subject=f"{term}: marks to hand in",
                body=_body(teacher, term, theirs[teacher], today, link=link, by=by),
            )
            for teacher in reminded
        ),
        school=by.school,
        at=origin.at,
    )
    if reminded:
        audit.record(
            AuditLog.Event.PEOPLE,
            origin=origin,
            school=by.school,
            user=by.user,
            detail=f"reminded {', '.join(map(str, reminded))} of classes to hand in, {term}",
            metadata={
                "term": str(term.pk),
                "reminded": {
                    str(teacher.pk): [str(each.section.pk) for each in theirs[teacher]]
                    for teacher in reminded
                },
            },
        )
    return reminded, [teacher for teacher in theirs if keys[teacher] in sent]


def latest(since: dt.datetime, *, by: Membership) -> dict[uuid.UUID, OutboxMessage]:
    """Return the last reminder of each person who had one since: one statement."""
    rows = OutboxMessage.objects.filter(
        school_id=by.school_id, key__startswith="reminder ", created_at__gte=since
    ).order_by("created_at", "id")
    return {uuid.UUID(match[1]): row for row in rows if (match := _KEY.fullmatch(row.key))}


def _body(
    teacher: User,
    term: Term,
    classes: Sequence[Progress],
    today: dt.date,
    *,
    link: str,
    by: Membership,
) -> str:
    lines = [
        f"{each.section} ({each.section.course.title}): {_due(each, today)}" for each in classes
    ]
    one = len(classes) == 1
    return (
        f"{teacher},\n\n"
        f"{'this class of yours is' if one else 'these classes of yours are'} "
        f"not handed in yet for {term}:\n\n"
        + "".join(f"- {line}\n" for line in lines)
        + "\nWhen the marks of a class are complete, open its sheet and choose “Hand in”:\n"
        + f"{link}\n\n"
        f"{by.user}\n{by.school}\n"
    )


def _due(each: Progress, today: dt.date) -> str:
    if each.closes_on is None:
        return "no last day is set"
    day = date_format(each.closes_on, "j F Y")
    if each.closes_on < today:
        return f"marks closed on {day}; ask the office for more time if some are missing"
    return f"until {day}"


def _name(each: Progress) -> str:
    return f"{each.section} ({each.section.course.title})"

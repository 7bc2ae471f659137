"""The unusual sessions of a week, by mail to the office from Monday morning on; no mail when there
are none, or of weak signs alone. It says where to look, in words, and names no pupil. Call inside a
school."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import Membership, School
from accounts.outbox import Message, post

from . import naming
from .activity import Session, Sessions
from .unusual import Sign, unusual

FIRST_HOUR = 6
"""Of the school's Monday."""

READ = 5_000
"""So many sessions of a week are looked at, the latest first."""

TOLD = 20
"""So many are told one by one: those with most that is unusual."""

_looked: dict[uuid.UUID, dt.date] = {}
"""The Monday of the week in which this process last looked at a school: it is called every few
seconds, and of a quiet week nothing is written that would tell that it was looked at."""


def compose(school: School, *, at: dt.datetime) -> None:
    """Post the digest of the week before to everybody of the office, once, from the school's Monday
    at six o'clock on, or later in the week when no worker ran; whatever mail they have chosen: an
    intruder chooses too."""
    now = timezone.localtime(at)
    monday = now.date() - dt.timedelta(days=now.weekday())
    is_early = now.date() == monday and now.hour < FIRST_HOUR
    if is_early or _looked.get(school.pk) == monday:
        return
    start, end = (
        timezone.make_aware(dt.datetime.combine(day, dt.time.min))
        for day in (monday - dt.timedelta(days=7), monday)
    )
    found = Sessions(school, time=(start, end))[0:READ]
    told = [
        (each, why)
        for each, why in zip(found, unusual(school, found), strict=True)
        if not all(sign.is_weak for sign in why)
    ]
    if told:
        _post(school, sorted(told, key=lambda row: -len(row[1])), start, end, at)
    _looked[school.pk] = monday


def _post(
    school: School,
    told: Sequence[tuple[Session, list[Sign]]],
    start: dt.datetime,
    end: dt.datetime,
    at: dt.datetime,
) -> None:
    people = naming.people(each.user_id for each, _ in told)
    body = "\n\n".join(_in_words(each, why, people) for each, why in told[:TOLD])
    if len(told) > TOLD:
        body += f"\n\nAnd {len(told) - TOLD} more: look at the activity of your people."
    office = Membership.objects.filter(
        school=school,
        role=Membership.Role.OFFICE,
        is_active=True,
        frozen_at=None,
        user__is_active=True,
    )
    post(
        (
            _message(member, body, len(told), school=school, start=start, end=end)
            for member in office.select_related("user")
        ),
        school=school,
        at=at,
    )


def _message(
    member: Membership,
    body: str,
    count: int,
    *,
    school: School,
    start: dt.datetime,
    end: dt.datetime,
) -> Message:
    sessions = "1 unusual session" if count == 1 else f"{count} unusual sessions"
    last = date_format(end - dt.timedelta(days=1), "j F Y")
    return Message(
        key=f"unusual {end:%Y-%m-%d} {member.pk}",
        to=member.user.email,
        subject=f"{sessions} in the week until {last}",
        body=(
            f"Dear {member.user},\n\n"
            f"from {date_format(start, 'l j F')} to {last} there was something unusual in "
            f"{sessions.replace('unusual ', '')}. It may well have a good reason: ask whose "
            "account it is. If it was somebody else, freeze the account, and revert what was "
            "done.\n\n"
            f"{body}\n\n"
            f"{school}\n"
        ),
    )


def _in_words(session: Session, why: Sequence[Sign], people: Mapping[uuid.UUID, str]) -> str:
    began, ended = map(timezone.localtime, (session.first, session.last))
    time = date_format(began, "l j F, H:i")
    if ended - began >= dt.timedelta(minutes=1):
        time += f" to {date_format(ended, 'H:i')}"
    link = f"{settings.SITE_URL}{reverse('admin:activity', args=[session.user_id])}"
    return "\n".join(
        [
            f"{people.get(session.user_id, 'somebody')}, {time}",
            *(f"    {sign.sentence}" for sign in why),
            f"    {link}",
        ]
    )

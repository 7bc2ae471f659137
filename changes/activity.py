"""What was done from each sign-in: by an account, or by everybody from an address.

A session is what one person sent, decided and looked at after one sign-in. What carries no session,
such as a command's change set, stands for itself: nothing is put together by guessing. Call inside
a school. The number of statements does not grow with the sessions.
"""

import dataclasses
import datetime as dt
import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection
from django.db.models import Count

from accounts.device import in_words
from accounts.models import School
from accounts.origin import network_of

from .models import Decision, Exclusion

Parameters = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Day:
    """What the listed account or address did in the sessions that began on a day of the school."""

    on: dt.date
    first: dt.datetime
    last: dt.datetime
    sessions: int
    changes: int
    decisions: int


@dataclasses.dataclass(frozen=True)
class Session:
    """What one person did after one sign-in. ``label`` is '' for an act that has no session;
    ``saves`` are its change sets, the oldest first; ``hours`` those of the school's days in which
    something was done, and not only a sign-in failed."""

    user_id: uuid.UUID
    label: str
    first: dt.datetime
    last: dt.datetime
    ips: tuple[str, ...]
    user_agents: tuple[str, ...]
    changes: int
    decisions: int
    exports: int
    refusals: int
    failures: int
    saves: tuple[uuid.UUID, ...]
    hours: tuple[dt.datetime, ...]
    day: Day

    @property
    def devices(self) -> list[str]:
        """Return with what it was done, in words."""
        return sorted({device(each) for each in self.user_agents})

    @property
    def key(self) -> tuple[uuid.UUID, str, dt.datetime]:
        """Return what tells it from every other of the school."""
        return self.user_id, self.label, self.first


def device(user_agent: str) -> str:
    """Return a browser in words; a command of this site by its name."""
    return user_agent if user_agent.startswith("manage.py ") else in_words(user_agent)


@dataclasses.dataclass(frozen=True)
class Reverted:
    """How many changes of a session a revert excludes, by the number of the decision."""

    number: int
    count: int


def reverted(sessions: Sequence[Session]) -> list[list[Reverted]]:
    """Return for each session which reverts exclude what was sent in it, and are in force. Call
    inside a school; one statement."""
    of = {save: n for n, each in enumerate(sessions) for save in each.saves}
    found: list[Counter[int]] = [Counter() for _ in sessions]
    rows = (
        Exclusion.objects.filter(
            change__change_set__among=list(of),
            lifted_by__isnull=True,
            decision__kind=Decision.Kind.REVERT,
        )
        .order_by()
        .values_list("change__change_set", "decision__number")
        .annotate(Count("pk"))
    )
    for save, number, count in rows:
        found[of[save]][number] += count
    return [[Reverted(number, its[number]) for number in sorted(its)] for its in found]


class Sessions:
    """Sessions, the newest first: of an account, of everybody who came from an address, or of what
    was done in a time. Only those that are looked at are read: for a ``Paginator``."""

    def __init__(
        self,
        school: School,
        *,
        account: uuid.UUID | None = None,
        ip: str | None = None,
        time: tuple[dt.datetime, dt.datetime] | None = None,
    ) -> None:
        """Of an IPv6 address the network is meant, of which a connection keeps the first half. A
        time is [from, until)."""
        self.parameters: Parameters = {
            "school": school.pk,
            "zone": school.time_zone,
            "account": account,
            "network": str(network_of(ip)) if ip else None,
            "since": time[0] if time else None,
            "until": time[1] if time else None,
        }
        self.conditions = ["true"]
        if account:
            self.conditions.append("{user} = %(account)s")
        if ip:
            self.conditions.append("{ip} <<= %(network)s::inet")
        if time:
            self.conditions.append("{at} >= %(since)s and {at} < %(until)s")

    def count(self) -> int:
        query = _acts(self.conditions) + _GROUPED + _COUNTED
        ((count,),) = _rows(query, self.parameters)
        return int(count)

    def __getitem__(self, part: slice) -> list[Session]:
        query = _acts(self.conditions) + _GROUPED + _LISTED
        window = {"start": part.start, "count": part.stop - part.start}
        return [_session(*row) for row in _rows(query, self.parameters | window)]


def _session(*row: Any) -> Session:
    *its, on, first, last, sessions, changes, decisions = row
    day = Day(on, first, last, sessions, int(changes), int(decisions))
    facts: list[Any] = [tuple(each) if isinstance(each, list) else each for each in its]
    return Session(*[*facts, day])


@dataclasses.dataclass(frozen=True)
class Use:
    """From when on an account used an address with a browser."""

    user_id: uuid.UUID
    ip: str | None
    user_agent: str
    since: dt.datetime


@dataclasses.dataclass(frozen=True)
class Habit:
    """On how many days an account did something in an hour of the school's day. ``hour`` is None
    for all hours."""

    user_id: uuid.UUID
    hour: int | None
    days: int


def uses(school: School, user_ids: Collection[uuid.UUID]) -> list[Use]:
    """Return which addresses and browsers these accounts used, and since when."""
    return [Use(*row) for row in _of_people(_USES, school, user_ids)]


def habits(school: School, user_ids: Collection[uuid.UUID]) -> list[Habit]:
    """Return in which hours of the school's day these accounts did something."""
    return [Habit(*row) for row in _of_people(_HABITS, school, user_ids)]


def _of_people(query: str, school: School, user_ids: Collection[uuid.UUID]) -> Sequence[Any]:
    parameters = {"school": school.pk, "zone": school.time_zone, "users": list(user_ids)}
    return _rows(_acts(["{user} = any(%(users)s)"]) + query, parameters)


def _rows(query: str, parameters: Parameters) -> Sequence[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def _acts(conditions: Sequence[str]) -> str:
    """Return the acts of people, as the beginning of a query."""
    condition = " and ".join(conditions)
    return _ACTS.format(
        saves=condition.format(user="s.initiator_id", ip="s.ip", at="s.received_at"),
        decisions=condition.format(user="d.decided_by_id", ip="d.ip", at="d.decided_at"),
        log=condition.format(user="l.user_id", ip="l.ip", at="l.at"),
    )


# The audit log says of decisions what their own rows say: it is not asked for them.
_ACTS = """
    with acts as (
        select s.initiator_id as user_id, s.session, s.id, s.received_at as at, s.ip, s.user_agent,
               'save' as what,
               (select count(*) from changes_change c
                where c.school_id = s.school_id and c.change_set_id = s.id) as changes
        from changes_changeset s
        where s.school_id = %(school)s and {saves}
        union all
        select d.decided_by_id, d.session, d.id, d.decided_at, d.ip, d.user_agent, 'decided', 0
        from changes_decision d
        where d.school_id = %(school)s and d.decided_by_id is not null and {decisions}
        union all
        select l.user_id, coalesce(l.metadata ->> 'session', ''), l.id, l.at, l.ip, l.user_agent,
               l.event, 0
        from accounts_auditlog l
        where l.school_id = %(school)s and l.user_id is not null and l.event <> 'decision'
          and {log}
    )"""

_GROUPED = """, sessions as (
        select user_id, session, min(at) as first, max(at) as last,
               coalesce(array_agg(distinct host(ip)) filter (where ip is not null), '{}') as ips,
               array_agg(distinct user_agent) as user_agents,
               sum(changes)::int as changes,
               count(*) filter (where what = 'decided') as decisions,
               count(*) filter (where what = 'export') as exports,
               count(*) filter (where what = 'refusal') as refusals,
               count(*) filter (where what = 'sign_in_failed') as failures,
               coalesce(array_agg(id order by at, id) filter (where what = 'save'), '{}') as saves,
               coalesce(array_agg(distinct date_trunc('hour', at at time zone %(zone)s))
                        filter (where what <> 'sign_in_failed'), '{}') as hours
        from acts
        group by user_id, session, case when session = '' then id end
    )"""

_COUNTED = " select count(*) from sessions"

_LISTED = """, dated as (
        select *, (first at time zone %(zone)s)::date as day from sessions
    )
    select *, min(first) over its_day, max(last) over its_day, count(*) over its_day,
           sum(changes) over its_day, sum(decisions) over its_day
    from dated
    window its_day as (partition by day)
    order by first desc, user_id, session, saves
    limit %(count)s offset %(start)s"""

# Who failed to sign in has not used the account.
_USES = """
    select user_id, host(ip), user_agent, min(at) from acts
    where what <> 'sign_in_failed'
    group by user_id, host(ip), user_agent"""

_HABITS = """
    select user_id, hour, count(distinct day)
    from (select user_id, (at at time zone %(zone)s)::date as day,
                 extract(hour from at at time zone %(zone)s)::int as hour
          from acts where what <> 'sign_in_failed') a
    group by grouping sets ((user_id, hour), (user_id))"""

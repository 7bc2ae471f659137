"""What of a session is unusual for its account, each in a sentence. It says where to look, and
nothing more: a teacher has a new telephone sometimes."""

import dataclasses
import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Sequence

from accounts.models import School
from accounts.origin import network_of

from . import registry
from .activity import Habit, Session, device, habits, uses
from .flags import SETTLED, is_at_night

KNOWN_AFTER = 5
"""On so many other days an account must have been used before its hours say anything."""

USUAL_ON, USUAL_PART = 2, 0.05
"""An hour is a usual one if the account was in use in it on so many other days, and on such a part
of all: of a whole year two late evenings make no habit."""


@dataclasses.dataclass(frozen=True)
class Sign:
    """What is unusual in a session, in a sentence. A weak one is said and no more: an hour of the
    day at which the account is seldom in use, where nothing else is unusual."""

    sentence: str
    is_weak: bool = False


def unusual(school: School, sessions: Sequence[Session]) -> list[list[Sign]]:
    """Return for each session what is unusual in it. Call inside a school."""
    people = {each.user_id for each in sessions}
    told: list[list[Sign]] = []
    first: dict[tuple[uuid.UUID, object], dt.datetime] = {}
    earliest: dict[uuid.UUID, dt.datetime] = {}
    for use in uses(school, people):
        for what in (network_of(use.ip) if use.ip else None, device(use.user_agent)):
            known = (use.user_id, what)
            first[known] = min(use.since, first.get(known, use.since))
        earliest[use.user_id] = min(use.since, earliest.get(use.user_id, use.since))
    hours: dict[uuid.UUID, dict[int | None, Habit]] = defaultdict(dict)
    for habit in habits(school, people):
        hours[habit.user_id][habit.hour] = habit
    by_rules = _by_rules(sessions)
    for n, each in enumerate(sessions):
        until = each.first - SETTLED
        its: list[str] = []

        def is_new(
            what: object, user_id: uuid.UUID = each.user_id, until: dt.datetime = until
        ) -> bool:
            # What only failed to sign in is in no use at all.
            return first.get((user_id, what), dt.datetime.max.replace(tzinfo=dt.UTC)) > until

        if each.user_id in earliest and earliest[each.user_id] <= until:
            if strange := [ip for ip in each.ips if is_new(network_of(ip))]:
                its.append(f"An address it had not used before: {', '.join(strange)}.")
            if strange := [name for name in each.devices if is_new(name)]:
                its.append(f"A device it had not used before: {', '.join(strange)}.")
        strange_hours = _strange_hours(each, hours[each.user_id])
        is_weak = not (its or by_rules[n] or any(map(is_at_night, strange_hours)))
        told.append([Sign(sentence) for sentence in its])
        if strange_hours:
            said = f"Outside its usual hours: {'; '.join(strange_hours.values())}."
            told[n].append(Sign(said, is_weak=is_weak))
        told[n] += [Sign(sentence) for sentence in by_rules[n]]
    return told


def _strange_hours(session: Session, its: dict[int | None, Habit]) -> dict[int, str]:
    """Return the hours of it in which the account is seldom in use, and on how many other days it
    was, in words."""
    # Its own day is among the days of each of its hours.
    others = its[None].days - 1 if its else 0
    if others < KNOWN_AFTER:
        return {}
    strange = {}
    for hour in sorted({at.hour for at in session.hours}):
        on = its[hour].days - 1
        if on < max(USUAL_ON, USUAL_PART * others):
            days = f"none of {others:,}" if not on else f"{on:,} of {others:,}"
            strange[hour] = f"{hour:02}:00 to {(hour + 1) % 24:02}:00, on {days} other days"
    return strange


def _by_rules(sessions: Sequence[Session]) -> list[list[str]]:
    """Return what the apps' rules find unusual in what was sent."""
    told: list[list[str]] = [[] for _ in sessions]
    sent = {save: n for n, each in enumerate(sessions) for save in each.saves}
    if sent:
        for tracked in registry.in_order():
            for n, sentence in tracked.rules.unusual(sent):
                told[n].append(sentence)
    return told

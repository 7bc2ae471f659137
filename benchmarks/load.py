"""Pages under load: a mark sheet, a save and the queue, asked for by many people at once."""

import contextlib
import dataclasses
import http.client
import itertools
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.urls import reverse

from accounts.in_school import enter
from accounts.models import Membership
from changes.models import Change

from . import bare, queue, school, served
from .report import Goal, Section, seconds
from .timing import progress

FAILED = (served.NotServed, http.client.HTTPException, OSError)


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How many ask at once, how many requests they make together, and how large a class is."""

    connections: tuple[int, ...] = (1, 8, 32)
    requests: int = 192
    pupils: int = 30


TINY = Sizes(connections=(1, 2), requests=4, pupils=3)


@dataclasses.dataclass(frozen=True)
class Answered:
    """What became of requests: how long each took that was answered, what came of the others, and
    how long all of it lasted."""

    took: list[float]
    errors: list[str]
    lasted: float


def measure(small: bool) -> Section:
    """Measure each page with few connections and with many."""
    section = Section("load", "pages under load")
    sizes = TINY if small else Sizes()
    hill = school.found()
    progress("making a class for each teacher")
    with enter(hill):
        its = school.furnish(hill)
    staff = hire(its, max(sizes.connections), pupils=sizes.pupils)
    bare.analyze()
    with served.site(section.memory) as (host, port):
        found = under_load(staff, host, port, sizes)
    _say(section, found, sizes, waiting=len(staff) * sizes.pupils)
    return section


@dataclasses.dataclass(frozen=True)
class Pair:
    """A teacher with a class, in which a comment on each pupil waits, and somebody of the office;
    both are signed in."""

    teacher: Membership
    its_class: school.SchoolClass
    teachers_session: str
    offices_session: str


def hire(its: school.Measured, count: int, *, pupils: int) -> list[Pair]:
    """Make so many teachers and people of the office."""
    pairs = []
    for number in range(count):
        with enter(its.school):
            teacher = school.hire(its.school, f"teacher{number}", "teacher")
            office = school.hire(its.school, f"office{number}", "office")
            their = dataclasses.replace(its, teacher=teacher)
            (of,) = school.classes(their, [pupils])
        queue.fill(their, [of], number)
        pairs.append(Pair(teacher, of, served.sign_in(teacher), served.sign_in(office)))
    return pairs


def under_load(
    staff: Sequence[Pair], host: str, port: int, sizes: Sizes
) -> dict[tuple[str, int], Answered]:
    """Ask for each page with each number of connections."""
    found = {}
    for count in sizes.connections:
        teachers = [
            served.Visitor(host, port, pair.teachers_session, pair.teacher.school_id)
            for pair in staff[:count]
        ]
        offices = [served.Visitor(host, port, pair.offices_session) for pair in staff[:count]]
        sheets = [
            asking(visitor, f"/classes/{pair.its_class.section}/")
            for visitor, pair in zip(teachers, staff, strict=False)
        ]
        saves = [
            saving(visitor, pair.its_class) for visitor, pair in zip(teachers, staff, strict=False)
        ]
        queues = [asking(visitor, reverse("admin:review")) for visitor in offices]
        for page, asks in (("mark sheet", sheets), ("save", saves), ("queue", queues)):
            before = _changes(staff)
            answered = press(asks, times=max(sizes.requests // count, 1))
            found[page, count] = answered
            saved = len(answered.took) if page == "save" else 0
            # Each save that was answered is there; the first ones, and those in error, may be.
            assert 0 <= _changes(staff) - before - saved <= len(asks) + len(answered.errors)
            progress(f"{page}, {count} at once: {_times(answered)[0]}")
    return found


def asking(visitor: served.Visitor, path: str) -> Callable[[], Any]:
    return lambda: visitor.get(path)


def saving(visitor: served.Visitor, of: school.SchoolClass) -> Callable[[], Any]:
    """Return what types a comment over the one that waits, of the next pupil each time."""
    pupils = itertools.cycle(of.enrollments)

    def save() -> None:
        text = f"Asks good questions, and listens to the answers of others. {uuid.uuid4()}"
        cell = {
            "row-1": next(pupils).hex,
            "comment-1": text,
            "comment-1-seen": ".",
            "key": uuid.uuid4().hex,
        }
        visitor.post(f"/classes/{of.section}/cells/", cell)

    return save


def _changes(staff: Sequence[Pair]) -> int:
    with enter(staff[0].teacher.school):
        return Change.objects.count()


def press(asks: Sequence[Callable[[], Any]], *, times: int) -> Answered:
    """Let all ask at once, each over a connection of its own, so many times one after the other.
    The first time of each, before, is no measure, whatever comes of it: it connects."""
    together = threading.Barrier(len(asks) + 1)

    def one(ask: Callable[[], Any]) -> tuple[list[float], list[str]]:
        took: list[float] = []
        errors: list[str] = []
        try:
            with contextlib.suppress(*FAILED):
                ask()
        finally:
            together.wait()
        for _ in range(times):
            start = time.perf_counter()
            try:
                ask()
            except FAILED as error:
                errors.append(f"{error!r}")
            else:
                took.append(time.perf_counter() - start)
        return took, errors

    with ThreadPoolExecutor(len(asks)) as threads:
        working = [threads.submit(one, ask) for ask in asks]
        together.wait()
        start = time.perf_counter()
        done = [each.result() for each in working]
        lasted = time.perf_counter() - start
    return Answered(
        [each for took, _ in done for each in took],
        [each for _, errors in done for each in errors],
        lasted,
    )


def _say(
    section: Section, found: dict[tuple[str, int], Answered], sizes: Sizes, *, waiting: int
) -> None:
    section.says(
        f"By gunicorn as for the sheet: one worker of 8 threads. Each connection is one person, a "
        f"teacher with a class of {sizes.pupils} or somebody of the office, signed in as "
        "themselves, who asks again as soon as the answer is there, and thinks of nothing in "
        "between: so many connections are many more people. A save is of one cell, over what waits "
        f"there already; in the queue {waiting:,} comments wait. {sizes.requests} requests of each "
        "kind, which those who ask at once share among them."
    )
    section.shows(
        ("", "connections", "median", "95th percentile", "a second", "errors"),
        [
            (page, f"{count}", *_times(answered), f"{len(answered.errors)}")
            for each in dict.fromkeys(page for page, _ in found)
            for (page, count), answered in found.items()
            if page == each
        ],
    )
    errors = [error for answered in found.values() for error in answered.errors]
    every = len(errors) + sum(len(answered.took) for answered in found.values())
    section.goals.append(
        Goal(f"errors among {every:,} answers", len(errors), 0, "errors", (errors or [""])[0])
    )


def _times(answered: Answered) -> tuple[str, str, str]:
    """Return the median, the 95th percentile and the answers a second, in words."""
    if len(answered.took) < 2:
        return "", "", ""
    median = statistics.median(answered.took)
    slow = statistics.quantiles(answered.took, n=20, method="inclusive")[-1]
    return seconds(median), seconds(slow), f"{len(answered.took) / answered.lasted:.0f}"

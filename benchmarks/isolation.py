"""What row-level security costs: the same pages and acts with the tables' policies, and without
them, in turns, in one school among others."""

import contextlib
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connections
from django.urls import reverse
from psycopg import sql

from accounts.in_school import enter
from changes import projector

from . import bare, school, served
from .report import Section, seconds
from .timing import progress, timed

SCHOOLS, CLASSES, PER_CLASS, ROUNDS, TIMES = 5, 12, 30, 6, 5


def measure(small: bool) -> Section:
    """Measure a teacher's and the office's pages, a save and its approval, and the proof."""
    schools, classes, pupils, rounds, times = (
        (2, 2, 3, 1, 1) if small else (SCHOOLS, CLASSES, PER_CLASS, ROUNDS, TIMES)
    )
    progress(f"filling {schools} schools")
    its, of = _filled(schools, classes, pupils)
    bare.analyze()
    acts = _acts(its, of)
    taken: dict[tuple[str, bool], list[float]] = defaultdict(list)
    for turn in range(rounds):
        progress(f"round {turn + 1} of {rounds}")
        for secured in (True, False) if turn % 2 else (False, True):
            with contextlib.nullcontext() if secured else without_policies():
                for name, act in acts.items():
                    act()  # plans are made anew
                    taken[name, secured] += [timed(act) for _ in range(times)]
    section = Section("isolation", "what row-level security costs")
    section.says(
        f"{schools} schools, each with {classes} classes of {pupils} in every state of a cell. The "
        "pages through the whole of Django without the network; saving and approving as on the "
        f"sheet. With the policies of all tables and without, in turns, {rounds * times} times "
        "each. (Without them only the filters of the queries hold the schools apart, and the "
        "composite foreign keys.)"
    )
    rows = []
    for name in acts:
        held, open_ = (statistics.median(taken[name, each]) for each in (True, False))
        rows.append((name, seconds(held), seconds(open_), f"{held / open_:.2f} x"))
    section.shows(("", "with policies", "without", "with against without"), rows)
    return section


def _filled(schools: int, classes: int, pupils: int) -> tuple[school.Measured, list[Any]]:
    """Make the schools alike; return the last, and its classes."""
    for number in range(schools):
        hill = school.found(f"School {number}")
        with enter(hill):
            its = school.furnish(hill)
            made = school.classes(its, [pupils] * classes)
            for of in made:
                school.fill(its, of)
    return its, made


def _acts(its: school.Measured, of: list[school.SchoolClass]) -> dict[str, Callable[[], Any]]:
    teacher, office = served.browser(its.teacher), served.browser(its.office)
    first, pupil = of[0], of[0].enrollments[0]
    number = iter(range(10**6))

    def page(client: Any, path: str) -> Callable[[], None]:
        def ask() -> None:
            status = client.get(path).status_code
            if status != 200:
                raise served.NotServed(f"{path} answered {status}.")

        return ask

    def save_and_approve() -> None:
        text = f"Listens well, {next(number)} times."
        with enter(its.school):
            typed = [school.typed(each, "comment", text) for each in first.enrollments]
            school.approve(school.save(typed, by=its.teacher), by=its.office)

    def prove() -> None:
        with enter(its.school):
            assert projector.verify(its.school).equal

    return {
        "the mark sheet of a class": page(teacher, f"/classes/{first.section}/"),
        "the page of a pupil": page(teacher, f"/classes/{first.section}/pupil/{pupil}/"),
        "the review queue": page(office, reverse("admin:review")),
        "the list of pupils": page(office, reverse("admin:students_student_changelist")),
        "saving a sheet of comments, and approving it": save_and_approve,
        "verify the whole school": prove,
    }


@contextlib.contextmanager
def without_policies() -> Iterator[None]:
    """Take the policies of all tables out of force, and put them back."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "select relname from pg_class where relrowsecurity and relkind in ('r', 'p')"
        )
        tables = [sql.Identifier(name) for (name,) in cursor.fetchall()]
        assert tables

        def switch(word: str) -> None:
            for table in tables:
                statement = sql.SQL("alter table {} {} row level security")
                cursor.execute(statement.format(table, sql.SQL(word)).as_string(None))

        switch("disable")
        try:
            yield
        finally:
            switch("enable")

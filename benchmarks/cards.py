"""Report cards: making those of a school, binding them, and the memory that it takes."""

import contextlib
import functools
import json
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

from accounts.in_school import enter
from accounts.origin import Origin
from changes.propose import Draft, creation
from grading import card_files, card_runs
from grading.card_scope import Scope
from grading.models import CardRun, IssuedCard, Term

from . import school
from .report import Goal, Section, seconds
from .timing import progress, timed

SIZES = (100, 400)
COURSES = 9
COMMENT = (
    "Works with care and has shown real progress with sources. The written work could be more "
    "precise: read what is asked twice, and say less of what is not. A pleasure to teach."
)
# What a worker does, in a process of its own, so that the memory is that of the work alone. It has
# made a card before the clock starts: a worker starts once, and then runs for weeks.
WORKER = """
import json, time, django
django.setup()
from benchmarks import memory
from django.core.management import call_command
def work():
    call_command("work", once=True, stdout=open("/dev/null", "w"))
work()
print("ready", flush=True)
input()
start, before = time.perf_counter(), time.process_time()
work()
took, processor = time.perf_counter() - start, time.process_time() - before
print(json.dumps([took, processor, memory.peak()]))
"""


def measure(small: bool) -> Section:
    """Measure a worker that makes few cards and many, and binding what it made."""
    section = Section("cards", "report cards of a school")
    sizes = (4, 8) if small else SIZES
    hill = school.found()
    with enter(hill):
        its = school.furnish(hill)
        pupils = furnish(its, sum(sizes) + len(sizes))
    made: dict[int, float] = {}
    bound: dict[int, float] = {}
    processor: dict[int, tuple[float, float]] = {}
    for size in sizes:
        progress(f"making {size} cards")
        ask(its, [pupils.pop()])  # each time of others: none holds
        with working() as work:
            run = ask(its, [pupils.pop() for _ in range(size)])
            made[size], making, megabytes = work()
        section.memory.note(_worker(size), megabytes)
        before = time.process_time()
        with section.memory.during(_binder(size)):
            bound[size] = timed(functools.partial(bind, its, run, size))
        processor[size] = making / size, (time.process_time() - before) / size
    section.says(
        f"Each card has {COURSES} courses, each with a mark and a comment of {len(COMMENT)} "
        "characters, all of them different. A worker that has made a card before prints them, "
        "takes a digest of each and keeps it in the database, in transactions of "
        f"{card_runs.PORTION}; binding reads them back and makes one PDF of them all."
    )
    section.shows(
        ("cards", "made and kept", "a second", "bound", "both, a second"),
        [
            (
                f"{size}",
                seconds(made[size]),
                f"{size / made[size]:.0f}",
                seconds(bound[size]),
                f"{size / (made[size] + bound[size]):.0f}",
            )
            for size in sizes
        ],
    )
    few, many = sizes
    each = 1000 * (made[many] + bound[many]) / many
    making, binding = (1000 * its for its in processor[many])
    limit = (
        f"of a processor, {making:.1f} ms to make each, on as many as there are, and {binding:.1f} "
        "ms to bind it, on one"
    )
    section.goals.append(Goal(f"making and binding {many} cards, each", each, 10, "ms", limit))
    if section.memory:
        for who, what in ((_worker, "making"), (_binder, "binding")):
            more = section.memory[who(many)] / section.memory[who(few)]
            goal = f"memory for {what} {many} cards, against {few}"
            section.goals.append(Goal(goal, more, 1.25))
    return section


def _worker(size: int) -> str:
    return f"a worker that makes {size} cards"


def _binder(size: int) -> str:
    return f"binding {size} cards, the benchmark’s own process"


def furnish(its: school.Measured, count: int) -> list[uuid.UUID]:
    """Make pupils with a mark and a comment in each of the courses. Call inside the school."""
    sections = []
    drafts: list[Draft] = []
    for number in range(COURSES):
        course = creation("course", {"code": f"C{number}", "title": f"Course {number}"})
        section = creation(
            "section",
            {
                "course": str(course[0].entity_id),
                "term": str(its.term),
                "code": f"C{number}",
                "scale": str(its.scale.pk),
                "instructor": str(its.teacher.user_id),
            },
        )
        drafts += [*course, *section]
        sections.append(str(section[0].entity_id))
    school.enter(drafts, by=its.office)
    pupils = []
    words = COMMENT.split()
    other = random.Random(1)  # noqa: S311 - no secret
    for first in range(0, count, 50):
        drafts = []
        for number in range(first, min(first + 50, count)):
            names = {"given_names": f"Given {number}", "family_name": f"Pupil {number}"}
            pupil = creation("student", {"number": f"{number}", **names})
            pupils.append(pupil[0].entity_id)
            drafts += pupil
            for section_id in sections:
                drafts += creation(
                    "enrollment",
                    {
                        "student": str(pupil[0].entity_id),
                        "section": section_id,
                        "grade": str(50 + number % 50),
                        "comment": " ".join(other.sample(words, len(words))),
                    },
                )
        school.enter(drafts, by=its.office)
    return pupils


def ask(its: school.Measured, pupils: Sequence[uuid.UUID]) -> CardRun:
    """Ask for the cards of these pupils."""
    with enter(its.school):
        term = Term.objects.get(pk=its.term)
        scope = Scope("school", "the whole school", list(pupils))
        return card_runs.ask(scope, term, by=its.office, origin=Origin())


@contextlib.contextmanager
def working() -> Iterator[Callable[[], tuple[float, float, float | None]]]:
    """Start a worker, and let it do what waits. Give what lets it work again, which returns its
    time in seconds, that of processors, and its memory in megabytes where that is known."""
    command = [sys.executable, "-c", WORKER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"

        def work() -> tuple[float, float, float | None]:
            said, _ = worker.communicate("\n")
            took, processor, memory = json.loads(said)
            return took, processor, memory

        yield work


def bind(its: school.Measured, run: CardRun, count: int) -> None:
    """Bind the cards of a run into one PDF."""
    with enter(its.school):
        rows = card_files.made(run)
        assert len(rows) == count
        assert IssuedCard.objects.filter(runs__run=run).count() == count
        for piece in card_files.bound(rows, title="Cards"):
            assert piece

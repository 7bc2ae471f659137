"""The review queue with little and with much in it: its first page, the sheet of one class, and
approving all that waits."""

import statistics
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.urls import reverse

from accounts.in_school import enter
from accounts.origin import Origin
from changes import review
from changes.models import Change

from . import bare, school, served
from .report import Goal, Section, seconds
from .timing import medians, progress, statements, timed, where_it_goes

WAITING = (500, 5000)
PER_CLASS = 25


def measure(small: bool) -> Section:
    """Measure the queue's pages over HTTP, and the approval of all at once."""
    section = Section("queue", "a long review queue")
    (few, waiting), times = ((50, 100), 2) if small else (WAITING, 3)
    hill = school.found()
    with enter(hill):
        its = school.furnish(hill)
        classes = school.classes(its, [PER_CLASS] * (waiting // PER_CLASS))
    rows = [each for of in classes for each in of.enrollments]
    some = classes[: few // PER_CLASS]
    fill(its, some, times + 1)
    bare.analyze()
    counts = {few: statements_of_pages(its, some[0])}
    shown = ids_that_wait(its, few)
    counts[few]["approve all"] = statements(lambda: approve(its, shown))
    approvals, updates = [], []
    for number in range(times):
        fill(its, classes, number)
        bare.analyze()
        if not number:
            progress("asking for pages")
            _pages(section, its, classes[0], waiting)
            counts[waiting] = statements_of_pages(its, classes[0])
        progress("approving all")
        updates.append(timed(bare.update_of(its.school, rows, field="comment")))
        shown = ids_that_wait(its, waiting)
        approvals.append(timed(lambda: approve(its, shown)))  # noqa: B023 - called at once
    fill(its, classes, times)
    shown = ids_that_wait(its, waiting)
    profile = where_it_goes(lambda: approve(its, shown), most=6)
    counts[waiting]["approve all"] = profile.count
    approval, update = statistics.median(approvals), statistics.median(updates)
    section.says(
        f"Approving all {waiting:,} in one decision, each of another row, as the page names them, "
        f"and the bare UPDATE of these rows; {times} times each."
    )
    section.shows(
        ("", "time", "against the bare UPDATE"),
        [
            ("approve all", seconds(approval), f"{approval / update:.1f} x"),
            ("bare UPDATE", seconds(update), "1 x"),
        ],
    )
    section.says("How many statements of the database each of it takes:")
    section.shows(
        ("", *(f"{each:,} waiting" for each in counts)),
        [(name, *(str(each[name]) for each in counts.values())) for name in counts[few]],
    )
    section.goals += [
        Goal(f"{name}: statements beyond those of {few:,}", more - counts[few][name], 0, unit="")
        for name, more in counts[waiting].items()
    ]
    section.goals.append(
        Goal(
            f"approving {waiting:,}, against the bare UPDATE",
            approval / update,
            4,
            limit=profile.limit,
        )
    )
    section.says(f"Where the time of approving {waiting:,} goes: {profile}")
    return section


def fill(its: school.Measured, classes: list[school.SchoolClass], number: int) -> None:
    """Have the teacher comment on every pupil, a save for each class."""
    for of in classes:
        text = f"Has handed in {number} pieces of work, and asks good questions."
        with enter(its.school):
            school.save([school.typed(e, "comment", text) for e in of.enrollments], by=its.teacher)


def ids_that_wait(its: school.Measured, count: int) -> list[uuid.UUID]:
    """Return the changes that wait, as the page that asks for their approval names them."""
    with enter(its.school):
        ids = list(Change.objects.open().values_list("pk", flat=True))
    assert len(ids) == count
    return ids


def approve(its: school.Measured, ids: Sequence[uuid.UUID]) -> None:
    """Approve changes, in one decision."""
    with enter(its.school):
        review.approve(ids, school=its.school, by=its.office, origin=Origin())


def pages_of(its: school.Measured, of: school.SchoolClass) -> dict[str, str]:
    """Return the addresses of the first page of the queue, and of the sheet of one class."""
    sheet = reverse("admin:review_sheet", args=[f"section-{of.section}", its.teacher.user_id])
    return {"first page": reverse("admin:review"), "one sheet": sheet}


def statements_of_pages(its: school.Measured, of: school.SchoolClass) -> dict[str, int]:
    """Return how many statements each of these pages takes, for somebody of the office."""
    office = served.browser(its.office)

    def asks(path: str) -> Callable[[], Any]:
        def ask() -> None:
            status = office.get(path).status_code
            if status != 200:
                raise served.NotServed(f"{path} answered {status}.")

        return ask

    return {name: statements(asks(path)) for name, path in pages_of(its, of).items()}


def _pages(section: Section, its: school.Measured, of: school.SchoolClass, waiting: int) -> None:
    office, idle = served.sign_in(its.office), served.sign_in(its.idle)
    paths = pages_of(its, of)
    with served.site(section.memory) as (host, port):
        visitor = served.Visitor(host, port, office)
        nobody = served.Visitor(host, port, idle)
        asking = {
            f"the queue, {waiting:,} waiting": lambda: visitor.get(paths["first page"]),
            f"one sheet of {PER_CLASS}, {waiting:,} waiting": lambda: visitor.get(
                paths["one sheet"]
            ),
            "/my-changes/ of somebody without any": lambda: nobody.get("/my-changes/"),
        }
        size = {name: len(ask()) for name, ask in asking.items()}
        took = medians(asking, times=20)
    section.says(
        f"{waiting:,} comments by one teacher wait, saved by class, {PER_CLASS} at a time. The "
        "first page of the queue and the sheet of one class, by gunicorn as for the mark sheet, "
        "beside the trivial page:"
    )
    trivial = took["/my-changes/ of somebody without any"]
    section.shows(
        ("page", "bytes", "time", "against the trivial page"),
        [
            (name, f"{size[name]:,}", seconds(time), f"{time / trivial:.1f} x")
            for name, time in took.items()
        ],
    )

"""The review queue with much in it: its first page, and approving all that waits."""

import statistics
import uuid

from django.urls import reverse

from accounts.in_school import enter
from accounts.origin import Origin
from changes import review
from changes.models import Change

from . import bare, school, served
from .report import Goal, Section, seconds
from .timing import medians, progress, timed, where_it_goes

WAITING = 5000
PER_CLASS = 25


def measure(small: bool) -> Section:
    """Measure the queue's page over HTTP, and the approval of all at once."""
    section = Section("queue", "a long review queue")
    waiting, times = (100, 2) if small else (WAITING, 3)
    hill = school.found()
    with enter(hill):
        its = school.furnish(hill)
        classes = school.classes(its, [PER_CLASS] * (waiting // PER_CLASS))
    rows = [each for of in classes for each in of.enrollments]
    approvals, updates = [], []
    for number in range(times):
        fill(its, classes, number)
        bare.analyze()
        if not number:
            progress("asking for pages")
            _pages(section, its, waiting)
        progress("approving all")
        updates.append(timed(bare.update_of(its.school, rows, field="comment")))
        approvals.append(timed(lambda: approve_all(its, waiting)))
    fill(its, classes, times)
    profile = where_it_goes(lambda: approve_all(its, waiting), most=6)
    approval, update = statistics.median(approvals), statistics.median(updates)
    section.says(
        f"Approving all {waiting:,} in one decision, each of another row, and the bare UPDATE of "
        f"these rows; {times} times each."
    )
    section.shows(
        ("", "time", "against the bare UPDATE"),
        [
            ("approve all", seconds(approval), f"{approval / update:.1f} x"),
            ("bare UPDATE", seconds(update), "1 x"),
        ],
    )
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


def approve_all(its: school.Measured, count: int) -> None:
    """Approve everything that waits, in one decision."""
    with enter(its.school):
        ids: list[uuid.UUID] = list(Change.objects.open().values_list("pk", flat=True))
        assert len(ids) == count
        review.approve(ids, school=its.school, by=its.office, origin=Origin())


def _pages(section: Section, its: school.Measured, waiting: int) -> None:
    office, idle = served.sign_in(its.office), served.sign_in(its.idle)
    with served.site(section.memory) as (host, port):
        visitor = served.Visitor(host, port, office)
        nobody = served.Visitor(host, port, idle)
        asking = {
            f"the queue, {waiting:,} waiting": lambda: visitor.get(reverse("admin:review")),
            "/my-changes/ of somebody without any": lambda: nobody.get("/my-changes/"),
        }
        size = {name: len(ask()) for name, ask in asking.items()}
        took = medians(asking, times=20)
    section.says(
        f"{waiting:,} comments by one teacher wait, saved by class, {PER_CLASS} at a time. The "
        "first page of the queue, by gunicorn as for the sheet, beside the trivial page:"
    )
    trivial = took["/my-changes/ of somebody without any"]
    section.shows(
        ("page", "bytes", "time", "against the trivial page"),
        [
            (name, f"{size[name]:,}", seconds(time), f"{time / trivial:.1f} x")
            for name, time in took.items()
        ],
    )

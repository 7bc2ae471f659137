"""What the ledger costs, beside plain saves and four libraries that keep a history, and what it
gives for that: taking back all that one account did."""

import dataclasses
import json
import os
import statistics
import subprocess
import uuid
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from accounts.in_school import enter
from accounts.models import Membership
from accounts.origin import Origin
from changes import revert
from changes.propose import Saved
from grading.models import Enrollment

from . import bare, environment, school
from .report import Goal, Section, seconds
from .story import FIELDS, Story, tell
from .timing import Profile, progress, timed, where_it_goes

ROOT = Path(__file__).resolve().parent.parent
Times = dict[str, list[float]]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured, and how often."""

    sheet: int = 30
    many: int = 10_000
    times: int = 15
    times_many: int = 3
    rows: int = 900
    misused: int = 1100
    others: int = 4518


TINY = Sizes(sheet=3, many=20, times=1, times_many=1, rows=6, misused=5, others=12)


def measure(small: bool) -> Section:
    """Measure the ledger, then the libraries on the same server."""
    section = Section("ledger", "what it costs to keep everything")
    sizes = TINY if small else Sizes()
    told = tell(rows=sizes.rows, misused=sizes.misused, others=sizes.others)
    hill = school.found()
    with enter(hill):
        its = school.furnish(hill)
    progress("schoolmarks: saving and approving")
    took, profiles = costs(its, sizes)
    progress("schoolmarks: reverting")
    ours = reverting(its, told, times=sizes.times_many)
    say_costs(section, took, profiles, compared := of_others(sizes), sizes)
    say_reverting(section, ours, compared, sizes)
    profiles[f"reverting {sizes.misused:,}"] = ours["profile"]
    for what, profile in profiles.items():
        section.says(f"Where the time of {what} goes: {profile}")
    return section


# Ours. --------------------------------------------------------------------------------------------


def costs(its: school.Measured, sizes: Sizes) -> tuple[dict[str, float], dict[str, Profile]]:
    """Return the median time of each act, and where the time of the goals' ones goes."""
    with enter(its.school):
        classes = school.classes(its, [max(sizes.sheet, 1)] * (2 * sizes.times + 1))
    crowd: list[uuid.UUID] = []
    lot = min(1000, sizes.many)
    while len(crowd) < sizes.many:
        with enter(its.school):
            crowd += school.classes(its, [lot])[0].enrollments
    bare.analyze()
    times: Times = defaultdict(list)
    for one, sheet in zip(classes[0::2], classes[1::2], strict=False):
        _edit(its, one.enrollments[:1], "grade", "57", "one", times)
        _edit(its, sheet.enrollments, "grade", "57", "sheet", times)
        for name, some in (("one", one.enrollments[:1]), ("sheet", sheet.enrollments)):
            times[f"bare {name}"].append(timed(bare.update_of(its.school, some)))
    for number in range(sizes.times_many):
        # First the marks, which were blank, then comments, which may be typed over again.
        field = "comment" if number else "grade"
        _edit(its, crowd, field, f"{50 + number}", "many", times)
        act = bare.update_of(its.school, crowd, field=field)
        times["bare many"].append(timed(act))
    last = classes[-1].enrollments
    sheet_of = where_it_goes(lambda: _propose(its, last, "grade", "57"))
    saved = _propose(its, crowd, "comment", "Works well.")
    profiles = {
        _proposing(sizes): sheet_of,
        _approving(sizes): where_it_goes(lambda: _approve(its, saved)),
    }
    return {name: statistics.median(some) for name, some in times.items()}, profiles


def _edit(
    its: school.Measured,
    enrollments: Sequence[uuid.UUID],
    field: str,
    text: str,
    name: str,
    times: Times,
) -> None:
    found: list[Saved] = []
    propose = timed(lambda: found.append(_propose(its, enrollments, field, text)))
    approve = timed(lambda: _approve(its, found[0]))
    assert len(found[0].changes) == len(enrollments)
    times[f"propose {name}"].append(propose)
    times[f"approve {name}"].append(approve)
    times[f"both {name}"].append(propose + approve)


def _propose(
    its: school.Measured, enrollments: Sequence[uuid.UUID], field: str, text: str
) -> Saved:
    with enter(its.school):
        return school.save([school.typed(e, field, text) for e in enrollments], by=its.teacher)


def _approve(its: school.Measured, saved: Saved) -> None:
    with enter(its.school):
        school.approve(saved, by=its.office)


def reverting(its: school.Measured, told: Story, *, times: int) -> dict[str, Any]:
    """Play the story, revert the account, and count the cells that are wrong then."""
    with enter(its.school):
        enrollments = school.classes(its, [told.rows])[0].enrollments
        first = [
            school.typed(enrollments[row], field, told.first(row, field))
            for row in range(told.rows)
            for field in FIELDS
        ]
        school.approve(school.save(first, by=its.teacher), by=its.office)
    for bundle in told.rounds():
        with enter(its.school):
            for by, misused in ((its.idle, True), (its.colleague, False)):
                drafts = [
                    school.typed(enrollments[edit.row], edit.field, edit.value, "recounted")
                    for edit in bundle
                    if edit.misused == misused
                ]
                if drafts:
                    school.approve(school.save(drafts, by=by), by=its.office)
    bare.analyze()
    taken: Times = defaultdict(list)
    wrong = set()
    for _ in range(times):
        done: list[revert.Reverted] = []
        taken["revert"].append(timed(lambda: done.append(_revert(its, its.idle))))  # noqa: B023
        wrong.add(_wrong(its, enrollments, told))
        taken["lift"].append(timed(lambda: _lift(its, done[0])))  # noqa: B023
    return {
        **{name: statistics.median(some) for name, some in taken.items()},
        "wrong": max(wrong),
        "profile": where_it_goes(lambda: _revert(its, its.idle)),
    }


def _revert(its: school.Measured, account: Membership) -> revert.Reverted:
    with enter(its.school):
        return revert.revert(
            revert.Criteria(account=account.user_id),
            school=its.school,
            by=its.office,
            origin=Origin(),
            reason="It was somebody else.",
        )


def _lift(its: school.Measured, done: revert.Reverted) -> None:
    with enter(its.school):
        revert.reinstate(done.decision, school=its.school, by=its.second, origin=Origin())


def _wrong(its: school.Measured, enrollments: Sequence[uuid.UUID], told: Story) -> int:
    with enter(its.school):
        stands = Enrollment.objects.in_bulk(enrollments)
        return sum(
            getattr(stands[enrollments[row]], field) != value
            for (row, field), value in told.what_should_stand().items()
        )


# The others. --------------------------------------------------------------------------------------


def of_others(sizes: Sizes) -> dict[str, dict[str, Any]]:
    """Return what `benchmarks.compared` measures, by library; plain Django is the first."""
    with TemporaryDirectory() as folder:
        outcome = Path(folder) / "compared.json"
        options = {
            "into": outcome,
            "sheet": sizes.sheet,
            "many": sizes.many,
            "times": sizes.times,
            "rows": sizes.rows,
            "misused": sizes.misused,
            "others": sizes.others,
        }
        subprocess.run(
            [
                str(environment.PYTHON),
                "-m",
                "benchmarks.compared.measure",
                *(f"--{name}={value}" for name, value in options.items()),
            ],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "benchmarks.compared.settings"},
            check=True,
        )
        found: dict[str, dict[str, Any]] = json.loads(outcome.read_text())
    return found


# In words. ----------------------------------------------------------------------------------------


def _proposing(sizes: Sizes) -> str:
    return f"proposing a sheet of {sizes.sheet}"


def _approving(sizes: Sizes) -> str:
    return f"approving {sizes.many:,}"


def say_costs(
    section: Section,
    took: dict[str, float],
    profiles: dict[str, Profile],
    others: dict[str, dict[str, Any]],
    sizes: Sizes,
) -> None:
    """Add the table of what saving costs."""
    section.says(
        f"Saving one cell, a sheet of {sizes.sheet} and {sizes.many:,} cells of as many rows, each "
        "save in one transaction that is synced to the disk. The libraries keep the same row in a "
        "database of the same server, without schools, row-level security or a second person; a "
        "sheet is read, changed and saved row by row, as views do; many rows are saved in the best "
        f"way that each library has. Medians of {sizes.times} ({sizes.times_many} for "
        f"{sizes.many:,} of ours, once for the others)."
    )
    rows = [
        (what, *(seconds(took[f"{key} {size}"]) for size in ("one", "sheet", "many")), how)
        for what, key, how in (
            ("schoolmarks: propose", "propose", "one save"),
            ("schoolmarks: approve", "approve", "one decision"),
            ("schoolmarks: propose and approve", "both", "both"),
            ("a bare UPDATE of the rows", "bare", "one statement"),
        )
    ]
    for name, its in others.items():
        times = (seconds(its[size]) for size in ("one", "sheet", "many"))
        rows.append((f"{name} {its['version']}", *times, its["many_by"]))
        if "apart" in its:
            rows.append((f"{name}, each save by itself", "", seconds(its["apart"]), "", ""))
    head = ("", "one cell", f"a sheet of {sizes.sheet}", f"{sizes.many:,} cells", "many, by")
    section.shows(head, rows)
    plain = next(iter(others.values()))
    section.goals += [
        Goal(
            f"{_proposing(sizes)}, against as many plain saves, each by itself",
            took["propose sheet"] / plain["apart"],
            0.5,
            limit=profiles[_proposing(sizes)].limit,
        ),
        Goal(
            "the same, against the saves in one transaction",
            took["propose sheet"] / plain["sheet"],
            0.5,
            limit=profiles[_proposing(sizes)].limit,
        ),
        Goal(
            f"{_approving(sizes)}, against the bare UPDATE",
            took["approve many"] / took["bare many"],
            4,
            limit=profiles[_approving(sizes)].limit,
        ),
    ]


def say_reverting(
    section: Section, ours: dict[str, Any], others: dict[str, dict[str, Any]], sizes: Sizes
) -> None:
    """Add the table of what taking back costs, and comes to."""
    section.says(
        f"Taking back the {sizes.misused:,} changes of one account that lie anywhere among "
        f"{sizes.others:,} changes by others, in {sizes.rows * len(FIELDS):,} cells. A cell is "
        "wrong when it is not what a plain replay without the account’s changes comes to. The "
        "libraries restore whole rows, or values without asking whether somebody else has typed "
        "since: that takes honest work along, and here it shows."
    )
    others = {name: its for name, its in others.items() if "revert" in its}
    how = f"`revert`, one decision; lifting it takes {seconds(ours['lift'])}"
    rows = [("schoolmarks", seconds(ours["revert"]), f"{ours['wrong']:,}", how)]
    rows += [
        (name, seconds(its["revert"]), f"{its['wrong']:,}", its["reverting"])
        for name, its in others.items()
    ]
    section.shows(("", "time", "cells wrong", "by"), rows)
    fastest = min(its["revert"] for its in others.values())
    section.goals += [
        Goal(
            f"reverting {sizes.misused:,}, faster than the fastest of the libraries",
            fastest / ours["revert"],
            20,
            limit=ours["profile"].limit,
            least=True,
        ),
        Goal("cells that are wrong after the revert", ours["wrong"], 0, "cells"),
    ]

"""Reverting in a school with a long history, beside the bare UPDATE of as many rows; and how the
same acts grow with the ledger."""

import dataclasses
import math
import statistics
import uuid
from collections import defaultdict
from typing import Any

from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import Membership
from accounts.origin import Origin
from changes import projector, revert
from changes.deciding import lock
from changes.models import Change

from . import bare, history, school, served
from .history import History
from .report import Goal, Section, seconds
from .timing import progress, timed, where_it_goes

SHEET = 30


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The ledgers, the misused accounts, and how often each act is measured."""

    ledgers: tuple[int, ...] = (10_000, 100_000, 1_300_000)
    few: int = 1000
    many: int = 52_000
    times: int = 3
    times_many: int = 1


TINY = Sizes(ledgers=(600, 1200), few=20, many=40, times=1, times_many=1)
Times = dict[str, list[float]]


def measure(small: bool) -> Section:
    """Measure a school of each size, the largest one thoroughly."""
    section = Section("revert", "taking back, in a school with a long history")
    sizes = TINY if small else Sizes()
    *smaller, largest = sizes.ledgers
    growth: dict[int, dict[str, float]] = {}
    for changes in smaller:
        progress(f"a ledger of {changes:,}")
        made = history.make(changes, few=sizes.few, many=0)
        growth[made.changes] = acts(made, sizes)
    progress(f"a ledger of {largest:,}")
    made = history.make(largest, few=sizes.few, many=sizes.many)
    growth[made.changes] = acts(made, sizes)
    progress(f"reverting {sizes.many:,}")
    many = reverting(made, made.many, sizes.many, times=sizes.times_many)
    page = page_of_preview(made)
    _say(section, made, sizes, growth, many, page)
    section.says(
        f"Where the time of reverting {sizes.few:,} and lifting that goes: "
        + where_it_goes(lambda: lift(made, do_revert(made, made.few)), most=6)
    )
    return section


# What is done. ------------------------------------------------------------------------------------


def acts(made: History, sizes: Sizes) -> dict[str, float]:
    """Return the median time of each act that is measured at every size."""
    times: Times = defaultdict(list)
    sheet = made.rows(SHEET)
    for number in range(sizes.times):
        saved: list[Any] = []
        times[f"propose a sheet of {SHEET} comments"].append(
            timed(lambda: saved.append(_propose(made, sheet, number)))  # noqa: B023
        )
        times["approve it"].append(timed(lambda: _approve(made, saved[0])))  # noqa: B023
    found = reverting(made, made.few, sizes.few, times=sizes.times)
    took = {name: statistics.median(some) for name, some in times.items()} | found
    took["rebuild, when nothing differs"] = timed(lambda: _rebuild(made))
    took["verify"] = timed(lambda: _verify(made))
    took["rebuild into empty tables"] = made.rebuilt_in
    return took


def reverting(made: History, account: Membership, count: int, *, times: int) -> dict[str, float]:
    """Return the median times of previewing, reverting and lifting all that an account typed, and
    of the bare UPDATE of as many rows."""
    taken: Times = defaultdict(list)
    update = bare.update_of(made.school, made.rows(count))
    for _ in range(times):
        done: list[revert.Reverted] = []
        taken[f"bare UPDATE of {count:,} rows"].append(timed(update))
        taken[f"preview {count:,}"].append(timed(lambda: _preview(made, account, count)))
        taken[f"revert {count:,}"].append(
            timed(lambda: done.append(do_revert(made, account)))  # noqa: B023
        )
        assert len(done[0].preview.ticked) == count if done[0].preview else False
        taken[f"lift {count:,}"].append(timed(lambda: lift(made, done[0])))  # noqa: B023
    took = {name: statistics.median(some) for name, some in taken.items()}
    progress("; ".join(f"{name} {seconds(time)}" for name, time in took.items()))
    return took


def page_of_preview(made: History) -> float:
    """Return the time of the page that shows what a revert of the many would do."""
    client = served.browser(made.its.office)
    return timed(lambda: _page(made, client))


def _page(made: History, client: Client) -> None:
    query = {"account": str(made.many.user_id), "how": "typed", "ip": history.ELSEWHERE}
    answer = client.get(reverse("admin:revert_preview"), query)
    assert answer.status_code == 200
    assert "fall back" in answer.content.decode()


def _propose(made: History, rows: list[uuid.UUID], number: int) -> Any:
    with enter(made.school):
        text = f"Has read {number} books."
        return school.save([school.typed(e, "comment", text) for e in rows], by=made.its.colleague)


def _approve(made: History, saved: Any) -> None:
    with enter(made.school):
        school.approve(saved, by=made.its.office)


def _preview(made: History, account: Membership, count: int) -> None:
    with enter(made.school):
        criteria = revert.Criteria(account=account.user_id)
        shown = revert.preview(criteria, school=made.school)
        assert len(shown.lines) == count


def do_revert(made: History, account: Membership) -> revert.Reverted:
    """Revert all that an account typed."""
    with enter(made.school):
        return revert.revert(
            revert.Criteria(account=account.user_id),
            school=made.school,
            by=made.its.office,
            origin=Origin(),
            reason="It was somebody else.",
        )


def lift(made: History, done: revert.Reverted) -> None:
    """Lift a revert."""
    with enter(made.school):
        revert.reinstate(done.decision, school=made.school, by=made.its.second, origin=Origin())


def _rebuild(made: History) -> None:
    with enter(made.school):
        lock(made.school)
        assert projector.rebuild(made.school) == []


def _verify(made: History) -> None:
    with enter(made.school):
        assert projector.verify(made.school).equal


def _bytes_per_change(made: History) -> tuple[float, float]:
    """Return the bytes of the ledger's tables, and of their indexes, for each change."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select sum(pg_table_size(oid)), sum(pg_indexes_size(oid)) from pg_class"
            " where relname in ('changes_change', 'changes_changeset', 'changes_decision',"
            " 'changes_exclusion')"
        )
        tables, indexes = map(int, cursor.fetchone())
    with enter(made.school):
        count = Change.objects.count()
    return tables / count, indexes / count


# In words. ----------------------------------------------------------------------------------------


def _exponent(growth: dict[int, dict[str, float]], act: str) -> str:
    """Return k where the time grows like the number of changes to the power of k."""
    (small, first), *_, (large, last) = growth.items()
    return f"{math.log(last[act] / first[act]) / math.log(large / small):.2f}"


def _say(
    section: Section,
    made: History,
    sizes: Sizes,
    growth: dict[int, dict[str, float]],
    many: dict[str, float],
    page: float,
) -> None:
    tables, indexes = _bytes_per_change(made)
    section.says(
        f"A school with {made.changes:,} changes, filled by SQL and folded by `rebuild`; see "
        f"benchmarks/history.py for what they are. The changes that are taken back are marks over "
        "marks that stood, so each that falls back leaves a grade correction; one in ten has been "
        "corrected since, and stays. Every act is one transaction that is synced to the disk. The "
        f"bare UPDATE writes as many rows of the same table. The ledger takes {tables:.0f} bytes "
        f"for each change in its tables and {indexes:.0f} in their indexes."
    )
    head = ("", *(f"{changes:,} changes" for changes in growth), "grows like n to the")
    section.shows(
        head,
        [
            (
                act,
                *(seconds(took[act]) for took in growth.values()),
                _exponent(growth, act),
            )
            for act in next(iter(growth.values()))
        ],
    )
    section.says(
        f"Medians of {sizes.times}, but for the last three, which were measured once. In the "
        f"largest of these, {sizes.many:,} changes of one account ({sizes.times_many} of each):"
    )
    many = many | {f"the preview’s first page of {sizes.many:,}": page}
    update = many[f"bare UPDATE of {sizes.many:,} rows"]
    section.shows(
        ("", "time", "against the bare UPDATE"),
        [(act, seconds(time), f"{time / update:.1f} x") for act, time in many.items()],
    )
    few = growth[made.changes]
    section.goals += [
        Goal(
            f"{verb} {count:,}, against the bare UPDATE",
            took[f"{verb} {count:,}"] / took[f"bare UPDATE of {count:,} rows"],
            5,
        )
        for count, took in ((sizes.few, few), (sizes.many, many))
        for verb in ("revert", "lift")
    ]
    section.goals.append(Goal(f"the preview’s first page of {sizes.many:,}", page, 2, "s"))

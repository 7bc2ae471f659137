"""Reverting in a school with a long history, beside the bare UPDATE of as many rows; and how the
same acts grow with the ledger."""

import dataclasses
import math
import statistics
import uuid
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import Membership
from accounts.origin import Origin
from changes import projector, revert
from changes.deciding import lock
from changes.models import Decision, Exclusion

from . import bare, history, school, served
from .history import History
from .report import Goal, Section, seconds
from .timing import Profile, progress, timed, where_it_goes

SHEET = 30


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The ledgers, the misused accounts, and how often each act is measured."""

    ledgers: tuple[int, ...] = (10_000, 100_000, 1_300_000)
    beyond: tuple[int, ...] = ()
    few: int = 1000
    many: int = 52_000
    times: int = 3
    times_many: int = 1


LARGE = Sizes(beyond=(5_000_000,))
TINY = Sizes(ledgers=(600, 1200), few=20, many=40, times=1, times_many=1)
Times = dict[str, list[float]]
REBUILD, REBUILD_AGAIN = "rebuild into empty tables", "rebuild, when nothing differs"
MOST_GROWTH = 1.1


def measure(small: bool, *, large: bool = False) -> Section:
    """Measure a school of each size, and that of a million thoroughly."""
    section = Section("revert", "taking back, in a school with a long history")
    measure_schools(section, TINY if small else LARGE if large else Sizes())
    return section


def measure_schools(section: Section, sizes: Sizes) -> None:
    """Measure schools of these sizes, the last of ``ledgers`` thoroughly."""
    *smaller, thorough = sizes.ledgers
    growth: dict[int, dict[str, float]] = {}
    for changes in smaller:
        made = _make(section, changes, few=sizes.few, many=0)
        growth[made.changes] = _acts(section, made, sizes)
    made = _make(section, thorough, few=sizes.few, many=sizes.many)
    growth[made.changes] = _acts(section, made, sizes)
    progress(f"reverting {sizes.many:,}")
    with section.memory.during(f"reverting {sizes.many:,} and lifting that"):
        many = reverting(made, made.many, sizes.many, times=sizes.times_many)
    page = page_of_preview(made)
    bytes_each = _bytes_per_change(sum(growth))
    profiles = {
        f"revert {sizes.few:,}": _profile_revert(made, made.few),
        f"lift {sizes.few:,}": _profile_lift(made, made.few),
        f"revert {sizes.many:,}": _profile_revert(made, made.many),
        f"lift {sizes.many:,}": _profile_lift(made, made.many),
        "page": where_it_goes(lambda: page_of_preview(made)),
    }
    for changes in sizes.beyond:
        beyond = _make(section, changes, few=sizes.few, many=0)
        growth[beyond.changes] = _acts(section, beyond, sizes)
    _say(section, made, sizes, bytes_each, many, page)
    _say_growth(section, sizes, growth)
    _goals(section, sizes, growth, many | growth[made.changes], page, profiles)
    for what in (f"revert {sizes.few:,}", f"lift {sizes.few:,}"):
        section.says(f"Where the time of “{what}” goes: {profiles[what]}")


def _make(section: Section, changes: int, *, few: int, many: int) -> History:
    progress(f"a ledger of {changes:,}")
    with section.memory.during(f"rebuild of {changes:,} into empty tables"):
        return history.make(changes, few=few, many=many)


def _acts(section: Section, made: History, sizes: Sizes) -> dict[str, float]:
    with section.memory.during(f"every other act among {made.changes:,}"):
        return acts(made, sizes)


def _profile_revert(made: History, account: Membership) -> Profile:
    done: list[Decision] = []
    profile = where_it_goes(lambda: done.append(do_revert(made, account).decision), most=6)
    lift(made, done[0])
    return profile


def _profile_lift(made: History, account: Membership) -> Profile:
    done = do_revert(made, account).decision
    return where_it_goes(lambda: lift(made, done), most=6)


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
    took[REBUILD_AGAIN] = timed(lambda: _rebuild(made))
    took["verify"] = timed(lambda: _verify(made))
    took[REBUILD] = made.rebuilt_in
    return took


def reverting(made: History, account: Membership, count: int, *, times: int) -> dict[str, float]:
    """Return the median times of previewing, reverting and lifting all that an account typed, and
    of the bare UPDATE of as many rows."""
    taken: Times = defaultdict(list)
    update = bare.update_of(made.school, made.rows(count))
    for _ in range(times):
        done: list[Decision] = []
        taken[f"bare UPDATE of {count:,} rows"].append(timed(update))
        taken[f"preview {count:,}"].append(timed(lambda: _preview(made, account, count)))
        taken[f"revert {count:,}"].append(
            timed(lambda: done.append(do_revert(made, account).decision))  # noqa: B023
        )
        assert _excluded(made, done[0]) == count
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


def _excluded(made: History, decision: Decision) -> int:
    with enter(made.school):
        return Exclusion.objects.filter(decision=decision).count()


def lift(made: History, decision: Decision) -> None:
    """Lift a revert."""
    with enter(made.school):
        revert.reinstate(decision, school=made.school, by=made.its.second, origin=Origin())


def _rebuild(made: History) -> None:
    with enter(made.school):
        lock(made.school)
        assert projector.rebuild(made.school) == 0


def _verify(made: History) -> None:
    with enter(made.school):
        assert projector.verify(made.school).equal


def _bytes_per_change(changes: int) -> tuple[float, float]:
    """Return the bytes of the ledger's tables, and of their indexes, for each of so many changes,
    which are those of all schools here."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select sum(pg_table_size(oid)), sum(pg_indexes_size(oid)) from pg_class"
            " where relname in ('changes_change', 'changes_changeset', 'changes_decision',"
            " 'changes_exclusion')"
        )
        tables, indexes = map(int, cursor.fetchone())
    return tables / changes, indexes / changes


# In words. ----------------------------------------------------------------------------------------


def exponent(times: Mapping[int, float]) -> float:
    """Return k where the time grows like the number of changes to the power of k: the slope of the
    straight line that fits best where both are drawn as logarithms."""
    sizes = [math.log(changes) for changes in times]
    return statistics.linear_regression(sizes, [math.log(t) for t in times.values()]).slope


def _say(
    section: Section,
    made: History,
    sizes: Sizes,
    bytes_each: tuple[float, float],
    many: dict[str, float],
    page: float,
) -> None:
    tables, indexes = bytes_each
    section.says(
        f"A school with {made.changes:,} changes, filled by SQL and folded by `rebuild`; see "
        f"benchmarks/history.py for what they are. The changes that are taken back are marks over "
        "marks that stood, so each that falls back leaves a grade correction; one in ten has been "
        "corrected since, and stays. Every act is one transaction that is synced to the disk. The "
        f"bare UPDATE writes as many rows of the same table. The ledger takes {tables:.0f} bytes "
        f"for each change in its tables and {indexes:.0f} in their indexes. {sizes.many:,} changes "
        f"of one account ({sizes.times_many} of each):"
    )
    many = many | {_page_of(sizes): page}
    update = many[f"bare UPDATE of {sizes.many:,} rows"]
    section.shows(
        ("", "time", "against the bare UPDATE"),
        [(act, seconds(time), f"{time / update:.1f} x") for act, time in many.items()],
    )


def _page_of(sizes: Sizes) -> str:
    return f"the preview’s first page of {sizes.many:,}"


def _say_growth(section: Section, sizes: Sizes, growth: dict[int, dict[str, float]]) -> None:
    section.says(
        f"How the same acts grow with the ledger. Medians of {sizes.times}, but for the last "
        "three, which were measured once. The last column compares the two largest alone."
    )
    measured = next(iter(growth.values()))
    every = {act: {changes: took[act] for changes, took in growth.items()} for act in measured}
    section.shows(
        ("", *(f"{changes:,} changes" for changes in growth), "grows like n to the", "lately"),
        [
            (
                act,
                *(seconds(time) for time in times.values()),
                f"{exponent(times):.2f}",
                f"{exponent(_largest_two(times)):.2f}",
            )
            for act, times in every.items()
        ],
    )


def _largest_two(times: dict[int, float]) -> dict[int, float]:
    return {changes: times[changes] for changes in sorted(times)[-2:]}


def _goals(
    section: Section,
    sizes: Sizes,
    growth: dict[int, dict[str, float]],
    took: dict[str, float],
    page: float,
    profiles: dict[str, Profile],
) -> None:
    for count in (sizes.few, sizes.many):
        update = took[f"bare UPDATE of {count:,} rows"]
        for act in (f"revert {count:,}", f"lift {count:,}"):
            limit = profiles[act].limit
            section.goals.append(
                Goal(f"{act}, against the bare UPDATE", took[act] / update, 5, limit=limit)
            )
    section.goals.append(Goal(_page_of(sizes), page, 2, "s", profiles["page"].limit))
    goals_of_growth(section, growth)


def goals_of_growth(section: Section, growth: dict[int, dict[str, float]]) -> None:
    """Add how rebuilding grows."""
    for act in (REBUILD, REBUILD_AGAIN):
        times = {changes: its[act] for changes, its in growth.items()}
        lately = " and ".join(f"{changes:,}" for changes in _largest_two(times))
        limit = f"between {lately} changes it grows by {exponent(_largest_two(times)):.2f}"
        goal = Goal(f"{act}: exponent of its growth", exponent(times), MOST_GROWTH, "", limit)
        section.goals.append(goal)

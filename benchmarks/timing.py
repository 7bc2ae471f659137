"""Taking times, and saying where they went."""

import cProfile
import dataclasses
import os
import platform
import pstats
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .report import seconds

ROOT = Path(__file__).resolve().parent.parent


def progress(text: str) -> None:
    """Say what is going on."""
    print(f"  {text}", file=sys.stderr, flush=True)


def timed(act: Callable[[], Any]) -> float:
    """Return how many seconds an act takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def medians(acts: Mapping[str, Callable[[], Any]], *, times: int) -> dict[str, float]:
    """Return the median time of each act. They take turns, so that what else the machine does
    meets all of them."""
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(times):
        for name, act in acts.items():
            taken[name].append(timed(act))
    return {name: statistics.median(some) for name, some in taken.items()}


def statements(act: Callable[[], Any]) -> int:
    """Return how many statements of the database an act takes."""
    from django.db import connection

    count = 0

    def watch(execute: Any, *rest: Any) -> Any:
        nonlocal count
        count += 1
        return execute(*rest)

    with connection.execute_wrapper(watch):
        act()
    return count


@dataclasses.dataclass(frozen=True)
class Profile:
    """Where the time of an act goes: all of it, that of the database in so many statements, and the
    statements and functions that take longest. (Under the profiler Python is slower.)"""

    total: float
    in_database: float
    count: int
    slowest: list[tuple[str, float]]
    heaviest: list[tuple[str, float]]

    def __str__(self) -> str:
        return (
            f"{seconds(self.total)} under the profiler, of which {seconds(self.in_database)} in "
            f"{self.count} statements of the database. Slowest statements: "
            + "; ".join(f"{seconds(taken)} `{text}`" for text, taken in self.slowest)
            + ". Heaviest functions, with all that they call: "
            + "; ".join(f"{seconds(taken)} `{name}`" for name, taken in self.heaviest)
            + "."
        )

    @property
    def limit(self) -> str:
        """Say in a few words what takes longest."""
        database = f"{self.in_database / self.total:.0%} in {self.count} statements"
        if self.slowest:
            text, taken = self.slowest[0]
            database += f", most of it ({taken / self.total:.0%}) in `{text}`"
        return f"{1 - self.in_database / self.total:.0%} of the time in Python; {database}"


def where_it_goes(act: Callable[[], Any], *, most: int = 4) -> Profile:
    """Carry an act out once more, and return where its time goes."""
    from django.db import connection

    statements: dict[str, float] = defaultdict(float)
    count = 0

    def watch(execute: Any, sql: Any, *rest: Any) -> Any:
        nonlocal count
        count += 1
        start = time.perf_counter()
        try:
            return execute(sql, *rest)
        finally:
            statements[_beginning(str(sql))] += time.perf_counter() - start

    profile = cProfile.Profile()
    with connection.execute_wrapper(watch):
        total = timed(lambda: profile.runcall(act))
    slowest = sorted(statements.items(), key=lambda each: -each[1])[:most]
    functions = [
        (f"{Path(file).relative_to(ROOT)}:{name}", cumulative)
        for (file, _, name), (_, _, _, cumulative, _) in pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
        if file.startswith(str(ROOT)) and ".venv" not in file and "benchmarks" not in file
    ]
    heaviest = sorted(functions, key=lambda each: -each[1])[: most * 2]
    return Profile(total, sum(statements.values()), count, slowest, heaviest)


def _beginning(sql: str) -> str:
    text = " ".join(sql.split()).replace('"', "")
    return text if len(text) <= 100 else f"{text[:80]} ... {text[-15:]}"


def circumstances(server: str) -> str:
    """Say when and with what something was measured; ``server`` is PostgreSQL's version."""
    import django

    load = os.getloadavg()[0]
    return (
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, Django "
        f"{django.get_version()}, PostgreSQL {server}, {os.cpu_count()} cores, "
        f"load {load:.1f} at the end"
    )

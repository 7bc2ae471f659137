"""Taking times, and saying where they went."""

import cProfile
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


def where_it_goes(act: Callable[[], Any], *, most: int = 4) -> str:
    """Say of an act, carried out once more, what share the database has and which statements and
    functions of ours take longest. (Under the profiler Python is slower than otherwise.)"""
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
    return (
        f"{seconds(total)} under the profiler, of which {seconds(sum(statements.values()))} in "
        f"{count} statements of the database. Slowest statements: "
        + "; ".join(f"{seconds(taken)} `{text}`" for text, taken in slowest)
        + ". Heaviest functions, with all that they call: "
        + "; ".join(f"{seconds(taken)} `{name}`" for name, taken in heaviest)
        + "."
    )


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

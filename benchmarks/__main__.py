"""`python -m benchmarks [PART ...]`: each part in a process of its own, with a database of its own.

The database is private, as the demo's, but begins empty for each part and keeps nothing; it syncs
to the disk as in production. Needs tools/ on the path (`make bench`).
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

from postgres import PostgresUnavailable, die_with_parent, kept, remove_kept, stop

from . import environment, report

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"
DATA = FOLDER / "postgres"
PARTS = ("sheet", "load", "ledger", "revert", "queue", "cards", "isolation")


class Failed(Exception):
    """Says in one sentence which part failed."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure schoolmarks.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or all")
    parser.add_argument(
        "--small", action="store_true", help="tiny sizes, to see that it runs; writes no results"
    )
    parser.add_argument(
        "--large", action="store_true", help="revert: among five million changes too, in an hour"
    )
    options = parser.parse_args()
    if options.small and options.large:
        parser.error("small or large, not both")
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part is called {', '.join(sorted(unknown))}: {', '.join(PARTS)}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    FOLDER.mkdir(exist_ok=True)
    try:
        for part in PARTS:
            if part in (options.parts or PARTS):
                measure(part, small=options.small, large=options.large and part == "revert")
    except (Failed, PostgresUnavailable, environment.NoEnvironment) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def end(_number: int, _frame: Any) -> NoReturn:
    """Unwind once, and stop what was started."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    print("\nStopping ...", file=sys.stderr, flush=True)
    sys.exit(130)


def measure(part: str, *, small: bool, large: bool) -> None:
    """Measure one part; print what it found, and put it into the results."""
    if part == "ledger":
        environment.update()
    print(f"Measuring {part} ...", file=sys.stderr, flush=True)
    remove_kept_data()
    outcome = FOLDER / f"{part}.md"
    outcome.unlink(missing_ok=True)
    try:
        with kept(DATA, log=FOLDER / "postgres.log") as server:
            environ = {
                **os.environ,
                "DATABASE_URL": server.serving_url,
                "DATABASE_OWNER_URL": server.owner_url,
                "DEBUG": "0",
                "SECRET_KEY": secrets.token_urlsafe(50),
                "ALLOWED_HOSTS": "127.0.0.1",
                "INSECURE_HTTP": "1",
                "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
                "STATIC_FOLDER": str(FOLDER / "static"),
            }
            run(environ, "manage.py", "migrate", "--verbosity=0")
            run(environ, "manage.py", "collectstatic", "--noinput", "--verbosity=0")
            options = ["--small"] if small else ["--large"] if large else []
            run(environ, "-m", "benchmarks.part", part, "--into", str(outcome), *options)
    finally:
        remove_kept_data()
    print(outcome.read_text(), flush=True)
    if not small:
        report.put(outcome.read_text(), part, PARTS)


def remove_kept_data() -> None:
    if DATA.exists() or DATA.is_symlink():
        remove_kept(DATA)


def run(environ: dict[str, str], *arguments: str) -> None:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us: what we started is stopped in order
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads run here
    )
    try:
        if process.wait():
            raise Failed(f"`{' '.join(arguments[:2])}` failed, for the reason above.")
    finally:
        stop(process, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())

"""Run a command with a throwaway PostgreSQL: `python tools/with_postgres.py CMD ...`.

The command finds DATABASE_OWNER_URL and DATABASE_URL in its environment. Where they are set
already, that server is used and none is started. Runs do not disturb each other. DEBUG is on
unless it is set: what needs a throwaway database runs on a developer's machine.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping

import psycopg

from postgres import OLDEST_MAJOR, PostgresUnavailable, die_with_parent, throwaway


def given_server(environ: Mapping[str, str]) -> dict[str, str] | None:
    """Return the two URLs if the environment names a server; check that it answers and is fit."""
    serving, owner = environ.get("DATABASE_URL"), environ.get("DATABASE_OWNER_URL")
    if not serving:
        if owner:
            raise PostgresUnavailable(
                "DATABASE_OWNER_URL is set and DATABASE_URL is not: set both, or neither."
            )
        return None
    for name, url in (("DATABASE_URL", serving), ("DATABASE_OWNER_URL", owner or serving)):
        try:
            with psycopg.connect(url, connect_timeout=10) as connection:
                version = connection.info.server_version
        except psycopg.Error as error:
            reason = " ".join(str(error).split())
            raise PostgresUnavailable(f"The server of {name} does not answer: {reason}") from None
        if version < OLDEST_MAJOR * 10000:
            raise PostgresUnavailable(
                f"The server of {name} is PostgreSQL {version // 10000}: use {OLDEST_MAJOR} or "
                "newer."
            )
    return {"DATABASE_URL": serving} | ({"DATABASE_OWNER_URL": owner} if owner else {})


@contextlib.contextmanager
def database_urls(environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield the URLs of the server that the environment names, or else of a throwaway one."""
    given = given_server(environ)
    if given is not None:
        yield given
    else:
        with throwaway() as server:
            yield {"DATABASE_URL": server.serving_url, "DATABASE_OWNER_URL": server.owner_url}


def run(command: list[str]) -> int:
    """Run the command and return its exit code, as a shell would."""
    with database_urls(os.environ) as urls:
        if "DATABASE_OWNER_URL" not in urls:
            print(
                "Warning: DATABASE_OWNER_URL is not set, so one role both owns the tables and "
                "serves: the database cannot keep it from altering its own history.",
                file=sys.stderr,
            )
        process = subprocess.Popen(
            command,
            env={"DEBUG": "1", **os.environ, **urls},
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads run here
        )
        # Ctrl-C reaches the command by itself, being in the same group; other endings we pass on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: process.send_signal(number))
        code = process.wait()
    return code if code >= 0 else 128 - code


def main() -> int:
    if len(sys.argv) < 2:
        print("Name the command to run: python tools/with_postgres.py CMD ...", file=sys.stderr)
        return 2
    # Until the command runs, SIGTERM must still remove what was begun.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        return run(sys.argv[1:])
    except (PostgresUnavailable, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())

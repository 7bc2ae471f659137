"""Serve the sample school on this machine: `make demo`.

Everything it keeps lies in .demo: the database, a secret key, the logs.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from postgres import PostgresUnavailable, die_with_parent, kept, remove_kept, stop
from with_postgres import given_server

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".demo"
DATA = FOLDER / "postgres"
SITE_LOG = FOLDER / "site.log"


class DemoRefused(Exception):
    """Says in one sentence what happened and what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", default="8000")
    parser.add_argument("--reset", action="store_true", help="forget everything kept in .demo")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        demo(port=port_number(options.port), reset=options.reset)
    except (DemoRefused, PostgresUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    except PermissionError as error:
        print(
            f"{error.filename} was made by another user (root, perhaps): run this as that user, or "
            "remove the folder .demo.",
            file=sys.stderr,
        )
        return 1
    return 0


def end(_number: int, _frame: Any) -> NoReturn:
    """Unwind once: a second Ctrl-C must not leave a process behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # the terminal may be what has ended
        print("\nStopping ...", flush=True)
    sys.exit(0)


def demo(*, port: int, reset: bool) -> None:
    FOLDER.mkdir(exist_ok=True)
    given = given_server(os.environ)
    with only_one(port):
        refuse_taken(port)
        if reset:
            if given:
                raise DemoRefused(
                    "DATABASE_URL names a server of yours, which demo-reset leaves alone: unset it "
                    "to reset the demo's own database."
                )
            remove_kept(DATA)
        with contextlib.ExitStack() as stack:
            if given:
                urls = given
            else:
                server = stack.enter_context(kept(DATA, log=FOLDER / "postgres.log"))
                urls = {"DATABASE_URL": server.serving_url, "DATABASE_OWNER_URL": server.owner_url}
            environ = {
                "DEBUG": "1",
                "ALLOWED_HOSTS": "127.0.0.1,localhost",
                **os.environ,
                **urls,
                "SECRET_KEY": secret_key(),
                "HIDE_PRODUCTION_WARNING": "true",
            }
            print("Preparing the database and the sample school ...", flush=True)
            manage(environ, "migrate", "--verbosity=0")
            manage(environ, "sample_school")
            serve(environ, port)


def serve(environ: dict[str, str], port: int) -> None:
    with SITE_LOG.open("wb") as log:
        arguments = ("runserver", "--noreload", f"127.0.0.1:{port}")
        with (
            child(environ, *arguments, stdout=log, stderr=log) as site,
            child(environ, "work", stdout=log, stderr=log),
        ):
            wait_until_it_answers(site, port)
            print(f"\nThe site is on http://127.0.0.1:{port}; its log is .demo/site.log.")
            print("Ctrl-C stops it; the next `make demo` goes on with the same data.")
            print("ready", flush=True)
            site.wait()
    raise DemoRefused(f"The site stopped by itself ({last_line()}): see .demo/site.log.")


def manage(environ: dict[str, str], *arguments: str) -> None:
    with child(environ, *arguments) as process:
        if process.wait():
            raise DemoRefused(
                f"`manage.py {arguments[0]}` failed, for the reason above: if the demo's data "
                "comes from another version, start afresh with `make demo-reset`."
            )


@contextlib.contextmanager
def child(
    environ: dict[str, str], *arguments: str, **output: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of manage.py; it never outlives the block, nor us."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us: what we started is stopped in order
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads run here
        **output,
    )
    try:
        yield process
    finally:
        stop(process, signal.SIGTERM)


def wait_until_it_answers(site: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and site.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
            continue
        finally:
            connection.close()
        if status >= 500:
            raise DemoRefused(f"The site answers with error {status}: see .demo/site.log.")
        return
    raise DemoRefused(f"The site did not start ({last_line()}): see .demo/site.log.")


def last_line() -> str:
    lines = SITE_LOG.read_text(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"


@contextlib.contextmanager
def only_one(port: int) -> Iterator[None]:
    with (FOLDER / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DemoRefused(
                f"A demo of this folder is already running ({file.read().strip()}): use that one, "
                "or stop it with Ctrl-C first."
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}, http://127.0.0.1:{port}")
        file.flush()
        yield


def port_number(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise DemoRefused(f"PORT={text} is no port number: choose one from 1024 to 65535.")


def refuse_taken(port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except PermissionError:
            raise DemoRefused(
                f"Port {port} is reserved for root: choose another, as in `make demo PORT=8001`."
            ) from None
        except OSError:
            raise DemoRefused(
                f"Port {port} is taken by another program: stop that one, or choose another port, "
                f"as in `make demo PORT={port + 1 if port < 65535 else 8000}`."
            ) from None


def secret_key() -> str:
    """Return the demo's own key: generated once, so that sign-ins survive a restart."""
    file = FOLDER / "secret_key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(50))
    return file.read_text()


if __name__ == "__main__":
    sys.exit(main())

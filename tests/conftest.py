"""The database of the tests, and the cast.

A template database is migrated once, by the role that owns the tables; tests sign in to it as the
role that serves and roll back. A test that must commit (threads, a live site) asks for
``own_database`` and gets a copy; nothing is flushed, since the ledger refuses TRUNCATE.
"""

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import Client
from psycopg import sql
from pytest_django.live_server_helper import LiveServer

import chromium
from accounts.in_school import enter
from accounts.models import School
from tests import cast

# Playwright leaves an event loop running in this thread, for the rest of the session; Django would
# refuse the database there.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


def _sign_in(alias: str) -> psycopg.Connection:
    config = settings.DATABASES.get(alias) or settings.DATABASES["default"]
    return psycopg.connect(
        host=config["HOST"] or None,
        port=config["PORT"] or None,
        user=config["USER"] or None,
        password=config["PASSWORD"] or None,
        dbname="postgres",
        autocommit=True,
    )


def _as_owner() -> psycopg.Connection:
    return _sign_in("owner")


def _drop(database: str) -> None:
    """Drop a database. Each role ends its own sessions there, which it alone may: those of the
    threads of a server that was just stopped, and those that Django keeps apart while a browser's
    event loop runs in this thread. A thread may have begun another meanwhile: then once more."""
    drop = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database))
    with _sign_in("default") as serving, _as_owner() as owner:
        for attempt in range(5):
            serving.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = %s and usename = current_user",
                [database],
            )
            try:
                owner.execute(drop)
            except psycopg.errors.InsufficientPrivilege:
                if attempt == 4:
                    raise
                time.sleep(0.3)
            else:
                return


def _create(database: str, template: str) -> None:
    with _as_owner() as owner:
        owner.execute(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(database), sql.Identifier(template)
            )
        )


def _use(database: str) -> None:
    for alias in settings.DATABASES:
        connections[alias].close()
        settings.DATABASES[alias]["NAME"] = database
        connections[alias].settings_dict["NAME"] = database


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[str]:
    """Migrate the template database as its owner; serve from it as the serving role."""
    template = f"schoolmarks_test_{os.getpid()}"
    with django_db_blocker.unblock():
        _drop(template)
        _create(template, "template0")
        _use(template)
        call_command("migrate", verbosity=0)
        for alias in settings.DATABASES:
            connections[alias].close()
    yield template
    with django_db_blocker.unblock():
        for alias in settings.DATABASES:
            connections[alias].close()
        _drop(template)


@pytest.fixture
def own_database(django_db_setup: str, django_db_blocker: Any, request: Any) -> Iterator[str]:
    """A copy of the template database for one test that commits; connections of its own."""
    name = f"{django_db_setup}_copy"
    with django_db_blocker.unblock():
        for alias in settings.DATABASES:  # a template is copied only while nobody is in it
            connections[alias].close()
        _drop(name)
        _create(name, django_db_setup)
        _use(name)
        try:
            yield name
        finally:
            _use(django_db_setup)
            _drop(name)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Close this thread's connections before a browser's event loop runs in it: from there on
    Django keeps others, and the template cannot be copied while somebody is connected to it."""
    if item.get_closest_marker("browser"):
        connections.close_all()


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Debian's Chromium, which asks nobody outside this machine for anything."""
    path = chromium.path()
    if path is None:
        reason = "no Chromium found: install Debian's package chromium, or set CHROMIUM to its path"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return {"executable_path": path, "args": chromium.ARGUMENTS}


@pytest.fixture
def shared_data() -> Path:
    """The folder of real input beside the project; the test is skipped where there is none."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("needs the folder shared/data beside the project, which is not here")
    return folder


@pytest.fixture
def people(db: None) -> cast.Cast:
    """The cast, in a database that is rolled back after the test."""
    return cast.assemble()


@pytest.fixture
def inside(people: cast.Cast) -> Iterator[cast.Cast]:
    """The cast, with the test inside their school."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(enter(people.school))
        yield people


@dataclasses.dataclass(frozen=True)
class Site:
    """The site as browsers reach it, with the cast in a database of its own."""

    url: str
    people: cast.Cast

    def inside(self) -> contextlib.AbstractContextManager[School]:
        """Enter the cast's school; what is done there is committed."""
        return enter(self.people.school)

    def enter(self, page: Any, person: cast.Person, path: str = "/classes/") -> None:
        """Let a browser be signed in as a person, and open a path. (The form is played in
        tests/test_pages_in_browser.py; here it would cost a second of every test.)"""
        client = Client(headers={"user-agent": page.evaluate("navigator.userAgent")})
        client.force_login(person.user, "allauth.account.auth_backends.AuthenticationBackend")
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": self.url}]
        )
        page.goto(f"{self.url}{path}")


@pytest.fixture
def site(own_database: str, settings: Any) -> Iterator[Site]:
    """Serve a copy of the database. (pytest-django's ``live_server`` flushes; ours may not be.)"""
    # The real hasher takes a fifth of a second each time, on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    people = cast.assemble(password=cast.PASSWORD)
    server = LiveServer("127.0.0.1:0")
    try:
        yield Site(server.url, people)
    finally:
        server.stop()
        connections.close_all()


@pytest.fixture
def complaints(page: Any) -> list[str]:
    """What the browser complains of: scripts, the content policy. (It also calls each refusal an
    error, as "Failed to load resource"; those are meant.)"""
    found: list[str] = []
    page.on(
        "console",
        lambda message: (
            found.append(message.text)
            if message.type == "error" and "Failed to load resource" not in message.text
            else None
        ),
    )
    page.on("pageerror", lambda error: found.append(str(error)))
    return found

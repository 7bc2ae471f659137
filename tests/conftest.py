"""The databases of the tests, and the cast.

A template database is migrated once, by the role that owns the tables; tests sign in to it as the
role that serves and roll back. The cast is assembled once too, in a copy, and tests that ask for
``people`` find it there. A test that must commit (threads, a live site) asks for ``own_database``
or ``own_cast`` and gets a copy of the one or the other; nothing is flushed, since the ledger
refuses TRUNCATE.
"""

import contextlib
import copy
import dataclasses
import gc
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
from django.test import Client, override_settings
from playwright.sync_api import expect
from psycopg import sql
from pytest_django.live_server_helper import LiveServer

import chromium
from accounts.in_school import enter
from accounts.models import School
from tests import accessibility, cast, kept_contexts

# Playwright leaves an event loop running in this thread, for the rest of the session; Django would
# refuse the database there.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# Otherwise five seconds, which a busy machine exceeds. What comes sooner is waited for no longer.
expect.set_options(timeout=30_000)

QUICK_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""The real one takes a fifth of a second each time, on purpose."""

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
        for attempt in range(100):
            serving.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = %s and usename = current_user",
                [database],
            )
            try:
                owner.execute(drop)
            except psycopg.errors.InsufficientPrivilege:
                if attempt == 99:
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


def _copy(template: str, database: str) -> None:
    for alias in settings.DATABASES:  # a template is copied only while nobody is in it
        connections[alias].close()
    _create(database, template)


def _use(database: str) -> None:
    for alias in settings.DATABASES:
        connections[alias].close()
        settings.DATABASES[alias]["NAME"] = database
        connections[alias].settings_dict["NAME"] = database


@dataclasses.dataclass(frozen=True)
class Templates:
    """The databases that tests roll back to, or copy."""

    empty: str
    with_cast: str
    people: cast.Cast
    """Those of the second; not to be given away but as a copy."""


TEMPLATES = pytest.StashKey[Templates]()
WANTS_CAST = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: Any, pytestconfig: pytest.Config
) -> Iterator[Templates]:
    """Migrate the template databases as their owner; serve from them as the serving role."""
    empty = f"schoolmarks_test_{os.getpid()}"
    with_cast = f"{empty}_cast"
    with django_db_blocker.unblock():
        _drop(empty)
        _create(empty, "template0")
        _use(empty)
        call_command("migrate", verbosity=0)
        _copy(empty, with_cast)
        _use(with_cast)
        with override_settings(PASSWORD_HASHERS=QUICK_HASHERS):
            people = cast.assemble(password=cast.PASSWORD)
        templates = pytestconfig.stash[TEMPLATES] = Templates(empty, with_cast, people)
        _use(with_cast if pytestconfig.stash[WANTS_CAST] else empty)
    yield templates
    with django_db_blocker.unblock():
        _use(empty)
        _drop(with_cast)
        _drop(empty)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[Any]:
    """Read the tests without looking for garbage, of which there is none; and leave all that is
    loaded by then out of every later collection, which would walk through it again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Sign in to the template that the test rolls back to, before pytest-django begins there.

    A browser's test closes this thread's connections before an event loop runs in it: from there
    on Django keeps others, and a template cannot be copied while somebody is connected to it.
    """
    wants_cast = item.config.stash[WANTS_CAST] = "people" in getattr(item, "fixturenames", ())
    templates = item.config.stash.get(TEMPLATES, None)
    if templates is not None:
        wanted = templates.with_cast if wants_cast else templates.empty
        if settings.DATABASES["default"]["NAME"] != wanted:
            _use(wanted)
    if item.get_closest_marker("browser"):
        connections.close_all()


@pytest.fixture
def own_database(django_db_setup: Templates, django_db_blocker: Any) -> Iterator[str]:
    """A copy of the empty template for one test that commits; connections of its own."""
    with django_db_blocker.unblock(), _own_copy(django_db_setup.empty) as name:
        yield name


@pytest.fixture
def own_cast(django_db_setup: Templates, django_db_blocker: Any) -> Iterator[cast.Cast]:
    """The cast in a copy of the database for one test that commits; connections of its own."""
    with django_db_blocker.unblock(), _own_copy(django_db_setup.with_cast):
        yield copy.deepcopy(django_db_setup.people)


@contextlib.contextmanager
def _own_copy(template: str) -> Iterator[str]:
    name = f"{template}_copy"
    before = settings.DATABASES["default"]["NAME"]
    _drop(name)
    _copy(template, name)
    _use(name)
    try:
        yield name
    finally:
        _use(before)
        _drop(name)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Debian's Chromium, which asks nobody outside this machine for anything."""
    path = chromium.path()
    if path is None:
        reason = "no Chromium found: install Debian's package chromium, or set CHROMIUM to its path"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return {"executable_path": path, "args": chromium.ARGUMENTS + kept_contexts.ARGUMENTS}


@pytest.fixture
def context(browser: Any, browser_context_args: dict[str, Any]) -> Iterator[Any]:
    """As pytest-playwright's, and not made anew for each test."""
    with kept_contexts.lend(browser, **browser_context_args) as lent:
        yield lent


@pytest.fixture
def shared_data() -> Path:
    """The folder of real input beside the project; the test is skipped where there is none."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("needs the folder shared/data beside the project, which is not here")
    return folder


@pytest.fixture
def people(db: None, django_db_setup: Templates) -> cast.Cast:
    """The cast, in a database that is rolled back after the test."""
    return copy.deepcopy(django_db_setup.people)


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
    database: str

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
def site(own_cast: cast.Cast, settings: Any) -> Iterator[Site]:
    """Serve a copy of the database. (pytest-django's ``live_server`` flushes; ours may not be.)"""
    settings.PASSWORD_HASHERS = QUICK_HASHERS
    server = LiveServer("127.0.0.1:0")
    try:
        yield Site(server.url, own_cast, settings.DATABASES["default"]["NAME"])
    finally:
        server.stop()
        connections.close_all()


@pytest.fixture
def phone(browser: Any) -> Iterator[Any]:
    """A page on a phone in the dark, for ``accessibility.objections``."""
    with accessibility.phone_in_the_dark(browser) as page:
        yield page


@pytest.fixture
def complaints(page: Any) -> list[str]:
    """What the browser complains of: scripts, the content policy."""
    return complaints_of(page)


def complaints_of(page: Any) -> list[str]:
    """Return a list that grows with what the browser complains of on a page. (It also calls each
    refusal an error, as "Failed to load resource"; those are meant.)"""
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

"""Between two schools stands the database, whatever a view forgets.

The mutant of these tests forgets the school in every query: whatever condition names the school
that the request is in is true for each row. Row-level security holds all the same; its control is
the same mutant without row-level security, which leaks.
"""

import contextlib
import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.http import HttpResponse
from django.urls import path

from accounts.in_school import SCHOOL_IN_SESSION, Refused, enter, in_school
from schoolmarks.urls import urlpatterns as all_pages
from tests.cast import Cast, Person
from tests.pages import Browser
from tests.test_hostile import (
    SECRETS,
    Page,
    busy,
    every_page,
    ids_of,
    pages,
)
from tests.test_law import CROSS_SCHOOLS, about, execute, fill, rows, tables_of_schools

__all__ = ["busy", "every_page"]  # fixtures

# A view that forgets the school. ------------------------------------------------------------------

NAMES_THE_SCHOOL = re.compile(
    r"""(?<![\w"])(?:(?P<table>"?\w+"?)\.)?"?school_id"?\s=\s(?P<given>%s|%\(school(?:_id)?\)s)"""
)
LEFT_ALONE = CROSS_SCHOOLS | {"changes_ledgerhead"}
"""Who works where is behind no policy (and says nothing of pupils); of the other the school is the
key, without which there is no query."""
READS = re.compile(r"\s*(select|with)\b", re.IGNORECASE)


class Forgetful:
    """Takes the school out of the conditions of every query that only reads, on its way to the
    database."""

    def __init__(self) -> None:
        self.forgotten = 0

    def __call__(self, execute: Any, query: Any, *rest: Any) -> Any:
        text = query if isinstance(query, str) else query.as_string(None)
        return execute(self.forgets(text) if READS.match(text) else text, *rest)

    def forgets(self, text: str) -> str:
        open_to_all = LEFT_ALONE.copy()
        for table in LEFT_ALONE:
            open_to_all |= set(re.findall(rf'"?{table}"? (\w+)', text))

        def true_for_each(found: re.Match[str]) -> str:
            if (found["table"] or "").strip('"') in open_to_all:
                return found[0]
            self.forgotten += 1
            return f"{found['given']}::text is not null"

        return NAMES_THE_SCHOOL.sub(true_for_each, text)


@contextlib.contextmanager
def forgetting_the_school() -> Iterator[Forgetful]:
    mutant = Forgetful()
    with connection.execute_wrapper(mutant):
        yield mutant


QUERIES = ("?q=Abb", "?all")


def told(response: Any) -> str:
    """What an answer tells, in words; an archive is opened."""
    body = response.getvalue()
    if body.startswith(b"PK"):
        archive = zipfile.ZipFile(io.BytesIO(body))
        body = b"\n".join(archive.read(name) for name in archive.namelist())
    return str(body.decode(errors="replace"))


def leaking(person: Person, every_page: list[Page], *queries: str) -> set[str]:
    """Look at every page, at those of teachers also with these queries; return the names of those
    that tell something of the cast's school."""
    browser = Browser(person)
    browser.raise_request_exception = False
    found = set()
    for page in every_page:
        if page.is_open:
            continue
        for query in ("", *(() if page.names_a_record or page.is_offices else queries)):
            text = told(browser.get(page.path + query))
            if any(secret in text for secret in SECRETS):
                found.add(page.name)
    return found


def test_views_that_forget_the_school_show_nothing_of_another(busy, every_page):
    with forgetting_the_school() as mutant:
        assert leaking(busy.outsider, every_page, *QUERIES) == set()
    assert mutant.forgotten > 100


OF_EACH_KIND = {"sheet", "transcript", "admin:grading_section_changelist"}


@pytest.mark.django_db(databases=["default", "owner"])
def test_without_row_level_security_views_that_forget_the_school_would_leak(people):
    if "owner" not in connections:
        pytest.skip("one role serves and owns here: DATABASE_OWNER_URL is not set")
    serving, connections["default"] = connections["default"], connections["owner"]
    try:
        with transaction.atomic():
            with enter(people.school):
                fill(people)
                people.t1.types(people.marks[2], "55")
                every_page = pages(ids_of(people))
            execute("set constraints all immediate")
            for table in tables_of_schools():
                execute(about("alter table {} no force row level security", table))
            with forgetting_the_school():
                found = leaking(people.outsider, [p for p in every_page if p.name in OF_EACH_KIND])
            assert found == OF_EACH_KIND
            transaction.set_rollback(True)
    finally:
        connections["default"] = serving


# One connection, one request after the other. -----------------------------------------------------


@in_school()
def ends(request: Any, how: str) -> HttpResponse:
    """A request that ends in this way."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid(), current_setting('schoolmarks.school')")
        backend, school = cursor.fetchone()
        assert school == str(request.member.school_id)
        if how == "refused":
            raise Refused("not now")
        if how == "raising":
            raise RuntimeError("a bug")
        if how == "timeout":
            cursor.execute("set local statement_timeout = '20ms'")
            cursor.execute("select pg_sleep(5)")
        if how == "database-error":
            cursor.execute("select 1/0")
        if how == "caught":
            with contextlib.suppress(OperationalError), enter(request.member.school):
                cursor.execute("set local statement_timeout = '20ms'")
                cursor.execute("select pg_sleep(5)")
    return HttpResponse(str(backend), status=503 if how == "unavailable" else 200)


urlpatterns = [*all_pages, path("ends/<str:how>/", ends)]

HOW = ("well", "refused", "raising", "timeout", "database-error", "caught", "unavailable")


def left_on_the_connection() -> tuple[str, set[int]]:
    """The school of the connection outside every request, and how many rows it shows."""
    ((school,),) = rows("select coalesce(current_setting('schoolmarks.school', true), '')")
    count = "select count(*) from {} where school_id is not null"
    found = {rows(about(count, table).as_string(None))[0][0] for table in tables_of_schools()}
    return school, found


@pytest.mark.urls(__name__)
def test_the_school_of_a_request_never_reaches_the_next_one_on_the_connection(own_cast: Cast):
    """As behind a pooler: the requests of two schools take turns on one connection, and commit."""
    ours, theirs = Browser(own_cast.t1), Browser(own_cast.outsider)
    backends = set()
    for how in HOW:
        for browser in (ours, theirs):
            browser.raise_request_exception = False
            response = browser.get(f"/ends/{how}/")
            if response.status_code == 200:
                backends.add(response.content)
            assert left_on_the_connection() == ("", {0}), how
        # The next one is in its own school, and in no other.
        assert "BIO-2" in ours.get("/classes/").content.decode()
        assert "BIO-2" not in theirs.get("/classes/?all").content.decode()
    assert len(backends) == 1, "each request had a connection of its own: nothing was shown"
    # The control: a setting of the session, and not of the transaction, would be noticed.
    rows("select set_config('schoolmarks.school', %s, false)", str(own_cast.school.pk))
    school, found = left_on_the_connection()
    assert school == str(own_cast.school.pk)
    assert found != {0}
    assert SCHOOL_IN_SESSION in ours.session

"""The server is killed in the middle of a revert: nothing of it has happened, and sent again it is
done whole, once."""

import contextlib
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from accounts.in_school import enter
from changes.models import Decision, Exclusion, LedgerHead
from grading.models import GradeCorrection
from tests.cast import Cast
from tests.pages import Browser, form_of
from tests.serving import Server

PREVIEW, EXECUTE = "/office/revert/preview/", "/office/revert/execute/"
OWNER = "owner" if "owner" in settings.DATABASES else "default"


@pytest.fixture
def people(own_cast: Cast) -> Iterator[Cast]:
    """The cast, committed. V has raised three marks, of which T1 had given one."""
    people = own_cast
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        for mark in people.marks:
            people.stand(mark, "95", by=people.v)
    yield people
    connections.close_all()


class Office:
    """B's browser on a server: what is sent has no answer when the server is killed."""

    def __init__(self, server: Server, people: Cast) -> None:
        self.server = server
        name = settings.SESSION_COOKIE_NAME
        self.session = f"{name}={Browser(people.b).cookies[name].value}"

    def get(self, path: str) -> str:
        request = urllib.request.Request(f"{self.server.url}{path}")  # noqa: S310 - our own server
        request.add_header("Cookie", self.session)
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            self.csrf = answer.headers.get("Set-Cookie", "").partition(";")[0]
            return str(answer.read().decode())

    def post(self, path: str, data: Mapping[str, object]) -> str:
        """Return where the answer leads, or "" when there was none."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.server.url}{path}", urllib.parse.urlencode(data, doseq=True).encode()
        )
        request.add_header("Cookie", f"{self.session}; {self.csrf}")
        request.add_header("Referer", self.server.url)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
                return str(answer.geturl())
        except urllib.error.HTTPError:
            raise
        except OSError:
            return ""


@contextlib.contextmanager
def nobody_writes_to(table: str) -> Iterator[int]:
    """Let who writes to a table wait until the block ends. Yields the process that holds it."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute("begin")
        try:
            cursor.execute(f"lock table {table} in exclusive mode")
            cursor.execute("select pg_backend_pid()")
            yield cursor.fetchone()[0]
        finally:
            cursor.execute("rollback")


def wait_for_somebody_behind(backend: int) -> int:
    """Return the process that waits for another one, once there is one."""
    with connection.cursor() as cursor:
        for _ in range(2400):
            cursor.execute(
                "select pid from pg_stat_activity where %s = any(pg_blocking_pids(pid))", [backend]
            )
            if row := cursor.fetchone():
                return int(row[0])
            time.sleep(0.05)
    raise AssertionError("nobody came so far")


def wait_until_gone(backend: int) -> None:
    with connection.cursor() as cursor:
        for _ in range(2400):
            cursor.execute("select 1 from pg_stat_activity where pid = %s", [backend])
            if not cursor.fetchone():
                return
            time.sleep(0.05)
    raise AssertionError("it is still there")


def everything(people: Cast) -> object:
    with enter(people.school):
        counts = [each.objects.count() for each in (Decision, Exclusion, GradeCorrection)]
        return people.tables(), counts, list(LedgerHead.objects.values_list())


@pytest.mark.parametrize("table", ["grading_gradecorrection", "accounts_auditlog"])
def test_a_server_killed_in_the_middle_of_a_revert_has_done_nothing_and_all_when_asked_again(
    people: Cast, table: str
) -> None:
    before = everything(people)
    with Server(settings.DATABASES["default"]["NAME"]) as server:
        office = Office(server, people)
        query = f"?account={people.v.user.pk}&how=typed&start=2026-11-01T00:00"
        page = office.get(PREVIEW + query)
        ticks = [each for each in page.split('"') if each.startswith("enrollment.")]
        form = {**form_of(page, at=EXECUTE), "tick": ticks, "reason": "her niece"}
        with nobody_writes_to(table) as holder:
            sent = threading.Thread(target=office.post, args=(EXECUTE, form))
            sent.start()
            reverting = wait_for_somebody_behind(holder)
            server.kill()
        sent.join(120)
        wait_until_gone(reverting)
        assert everything(people) == before
        call_command("verify_ledger")
        # The control, and what the person does: the same form, sent again, is done whole.
        server.start()
        assert office.post(EXECUTE, form).endswith("/")
    with enter(people.school):
        (decision,) = Decision.objects.filter(kind="revert")
        assert Exclusion.objects.filter(decision=decision).count() == 3
        assert [people.grade(mark) for mark in people.marks] == ["60", None, None]
        assert GradeCorrection.objects.filter(decision=decision).count() == 3
    call_command("verify_ledger")

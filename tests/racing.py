"""Two people at the same instant, without sleeping.

The first act is done and not yet committed when the second begins, on a connection of its own; the
second runs until the database makes it wait or it is done; then the first commits.
"""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

from accounts.in_school import enter
from tests.cast import Cast


class Second(threading.Thread):
    """The second act, in a transaction and on a connection of its own."""

    def __init__(self, people: Cast, act: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.people, self.act = people, act
        self.ready = threading.Event()
        self.backend = 0
        self.outcome: Any = None

    def run(self) -> None:
        try:
            with enter(self.people.school):
                with connection.cursor() as cursor:
                    cursor.execute("select pg_backend_pid()")
                    self.backend = cursor.fetchone()[0]
                self.ready.set()
                self.outcome = self.act()
        except Exception as error:  # noqa: BLE001 - it is the outcome, for the test to judge
            self.outcome = error
        finally:
            self.ready.set()
            connection.close()

    def runs_until_it_waits_or_is_done(self) -> None:
        self.start()
        assert self.ready.wait(120)
        with connection.cursor() as cursor:
            while self.is_alive():
                cursor.execute("select cardinality(pg_blocking_pids(%s))", [self.backend])
                if cursor.fetchone()[0]:
                    return


def race(people: Cast, first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Return the outcomes of two acts of which the second begins before the first commits."""
    other = Second(people, second)
    with enter(people.school):
        outcome = first()
        other.runs_until_it_waits_or_is_done()
    other.join(120)
    assert not other.is_alive()
    return outcome, other.outcome

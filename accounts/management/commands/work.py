"""``manage.py work``: composes what is due by the clock, sends what waits in the outbox, and makes
what was asked for (accounts.jobs), school by school."""

import logging
import signal
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from accounts import jobs, outbox
from accounts.models import School

logger = logging.getLogger(__name__)

PAUSE = 5.0  # seconds between two looks at an empty outbox
IN_A_ROW = 100  # of each job of one school before the next has its turn


class Command(BaseCommand):
    help = (
        "Does what waits: messages, report cards, rosters; until SIGTERM. Several may run at once: "
        "with two, a large roster does not hold up the mail."
    )

    stopping = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what is due, then end")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        former = {
            number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            self._work(once=once)
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _stop(self, *args: Any) -> None:
        # Only a note: the piece at hand is finished first, so that no message is sent twice.
        self.stopping = True

    def _work(self, *, once: bool) -> None:
        while not self.stopping:
            try:
                sent = self._round()
            except (OperationalError, InterfaceError):
                if once:
                    raise
                logger.exception("The database does not answer; trying again")
                connection.close()
                sent = 0
            if sent:
                self.stdout.write(f"{sent} handled")
            elif once:
                return
            else:
                self._pause()

    def _round(self) -> int:
        """Give each school its turn. Return how many pieces of work were done."""
        handled = 0
        for school in School.objects.order_by("id"):
            if not self.stopping:
                outbox.compose(school, at=timezone.now())
            for _ in range(IN_A_ROW):
                done = self._piece_of_each_job(school)
                if not done:
                    break
                handled += done
        return handled

    def _piece_of_each_job(self, school: School) -> int:
        """Do one piece of each job, so that no long one holds up the mail."""
        done = 0
        for job in jobs.JOBS:
            try:
                done += not self.stopping and job(school)
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                logger.exception("%s failed for %s; trying again later", job.__module__, school)
        return done

    def _pause(self) -> None:
        until = time.monotonic() + PAUSE
        while not self.stopping and time.monotonic() < until:
            time.sleep(0.2)

"""How far the worker is with an upload, told by the name that its connection goes by.

An import is one transaction, and nobody sees what it writes before it ends. The name of a
connection in ``pg_stat_activity`` is seen at once, needs no second connection, and is gone with a
worker that is killed: nothing there can be out of date. ``set_config(…, true)``: until the end of
the transaction.
"""

import datetime as dt
import re
import uuid
from dataclasses import dataclass

from django.db import connection

STEPS = ("reading the files", "the teachers", "comparing with what is here", "writing")
_NAME = re.compile(r"roster [0-9a-f]{32} (\d) (\d+) (\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Progress:
    """step: which of `STEPS`, from 1. values: how many are written so far, in the last. percent:
    how much of that step is done. since: when the worker began."""

    step: int
    values: int
    percent: int
    since: dt.datetime

    @property
    def words(self) -> str:
        words = STEPS[self.step - 1]
        if not self.percent:
            return words
        return f"{words}, {self.percent} % done, {self.values:,} values so far"

    @property
    def of(self) -> int:
        return len(STEPS)

    @property
    def hundredths(self) -> int:
        """Return how far the worker is, in hundredths of a step."""
        return 100 * self.step + self.percent

    @property
    def of_hundredths(self) -> int:
        return 100 * (self.of + 1)


def say(upload: uuid.UUID, step: int, values: int = 0, percent: int = 0) -> None:
    """Let others see which of `STEPS` an upload is in, and how far in it. Call inside a
    transaction."""
    name = f"roster {upload.hex} {step} {values} {percent}"  # PostgreSQL keeps 63 characters
    with connection.cursor() as cursor:
        cursor.execute("select set_config('application_name', %s, true)", [name])


def of(upload: uuid.UUID) -> Progress | None:
    """Return how far a worker is with an upload, or None when none is at it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select application_name, xact_start from pg_stat_activity"
            " where datname = current_database() and application_name like %s",
            [f"roster {upload.hex} %"],
        )
        for name, since in cursor.fetchall():
            if said := _NAME.fullmatch(name):
                return Progress(int(said[1]), int(said[2]), int(said[3]), since)
    return None

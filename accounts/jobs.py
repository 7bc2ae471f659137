"""What ``manage.py work`` does, school by school and piece by piece."""

from collections.abc import Callable

from . import outbox
from .models import School

JOBS: list[Callable[[School], bool]] = [outbox.send_next]
"""Each does one piece of work for a school, in a transaction of its own, and returns whether there
was any. An app adds its own when it is ready. A piece is short, for whatever waits behind it, but
for a roster: a large one takes minutes, while a second worker sends the mail."""

"""What ``manage.py work`` does, school by school and piece by piece."""

from collections.abc import Callable

from . import outbox
from .models import School

JOBS: list[Callable[[School], bool]] = [outbox.send_next]
"""Each does one short piece of work for a school, in a transaction of its own, and returns whether
there was any. An app adds its own when it is ready."""

"""Instants typed in a school's own time."""

import datetime as dt
import zoneinfo

from accounts.models import School


class NotATime(ValueError):
    """The text is no date and time, or one that the school's clocks skipped."""


class RepeatedHour(NotATime):
    """The school's clocks showed this time twice. Ask which one is meant, and pass ``second``."""


def instant(text: str, *, school: School, second: bool | None = None) -> dt.datetime:
    """Return the instant (aware, UTC) at which the school's clocks showed ``text``.

    Args:
        text: year-month-day hour:minute, with a space or T between, optionally with seconds.
        second: of an hour that the end of daylight saving repeats, the second one; None asks.

    Raises:
        NotATime: it is no such text, or the start of daylight saving skips it.
        RepeatedHour: it occurred twice, and ``second`` is None.
    """
    try:
        typed = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise NotATime(
            f"“{text[:40]}” is not a date and time: year-month-day hour:minute, "
            "such as 2026-11-14 23:00."
        ) from None
    if typed.tzinfo is not None:
        raise NotATime("Type the school’s own time, without an offset.")
    if not 1900 <= typed.year <= 2200:
        raise NotATime(f"The year {typed.year} cannot be right.")
    zone = zoneinfo.ZoneInfo(school.time_zone)
    first, later = (typed.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) != typed:
        raise NotATime(
            f"{typed:%d %B %Y %H:%M} did not exist at this school: the clocks were put forward. "
            "Take a time before or after."
        )
    if first == later:
        return first
    if second is None:
        raise RepeatedHour(
            f"The clocks were put back, so {typed:%d %B %Y %H:%M} came twice. "
            "Say whether you mean the first or the second one."
        )
    return later if second else first

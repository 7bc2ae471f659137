"""Instants typed in a school's own time, and the window of a revert on them."""

import datetime as dt

import pytest

from accounts.models import School
from changes.school_time import NotATime, RepeatedHour, instant

LONDON = School(name="Hill School", slug="hill", time_zone="Europe/London")
TOKYO = School(name="East School", slug="east", time_zone="Asia/Tokyo")


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("typed", "school", "meant"),
    [
        ("2026-11-14 23:00", LONDON, "2026-11-14 23:00"),
        ("2026-07-14 23:00", LONDON, "2026-07-14 22:00"),
        ("2026-07-14T23:00", LONDON, "2026-07-14 22:00"),
        ("2026-07-14 23:00:30", LONDON, "2026-07-14 22:00:30"),
        (" 2026-11-15 08:00 ", TOKYO, "2026-11-14 23:00"),
        ("2026-11-14", LONDON, "2026-11-14 00:00"),
    ],
)
def test_a_time_is_the_one_that_the_clocks_of_the_school_show(typed, school, meant):
    assert instant(typed, school=school) == utc(meant)


@pytest.mark.parametrize(
    "typed", ["", "yesterday", "14/11/2026 23:00", "2026-02-30 10:00", "2026-11-14 25:00", "\x00"]
)
def test_what_is_no_time_is_refused_with_an_example(typed):
    with pytest.raises(NotATime, match="such as 2026-11-14 23:00"):
        instant(typed, school=LONDON)


@pytest.mark.parametrize("typed", ["2026-11-14 23:00+00:00", "2026-11-14T23:00Z"])
def test_an_offset_is_refused_since_the_schools_own_time_is_meant(typed):
    with pytest.raises(NotATime, match="without an offset"):
        instant(typed, school=LONDON)


@pytest.mark.parametrize("typed", ["0001-01-01 00:00", "0206-11-14 23:00", "9999-12-31 23:59"])
def test_a_year_that_cannot_be_right_is_refused(typed):
    for school in (LONDON, TOKYO):
        with pytest.raises(NotATime, match="cannot be right"):
            instant(typed, school=school)


def test_the_hour_that_daylight_saving_repeats_is_asked_about():
    typed = "2026-10-25 01:30"
    with pytest.raises(
        RepeatedHour, match=r"25 October 2026 01:30 came twice.*first or the second"
    ):
        instant(typed, school=LONDON)
    assert instant(typed, school=LONDON, second=False) == utc("2026-10-25 00:30")
    assert instant(typed, school=LONDON, second=True) == utc("2026-10-25 01:30")


def test_only_that_hour_is_asked_about():
    assert instant("2026-10-25 00:59", school=LONDON) == utc("2026-10-24 23:59")
    assert instant("2026-10-25 02:00", school=LONDON) == utc("2026-10-25 02:00")
    # Whoever says "the second" of a time that came once means that time.
    assert instant("2026-10-25 02:00", school=LONDON, second=True) == utc("2026-10-25 02:00")


def test_the_hour_that_daylight_saving_skips_is_refused():
    with pytest.raises(NotATime, match="did not exist at this school: the clocks were put forward"):
        instant("2026-03-29 01:30", school=LONDON)
    with pytest.raises(NotATime, match="did not exist"):
        instant("2026-03-29 01:30", school=LONDON, second=True)
    assert instant("2026-03-29 02:00", school=LONDON) == utc("2026-03-29 01:00")


def test_the_window_begins_with_its_first_instant_and_ends_before_its_last(inside):
    start = instant("2026-11-14 23:00", school=inside.school)
    end = instant("2026-11-15 01:00", school=inside.school)
    tick = dt.timedelta(microseconds=1)
    for mark, at in zip(inside.marks, (start - tick, start, end - tick), strict=True):
        inside.v.types(mark, "95", at=at)
    inside.v.types(inside.marks[0], "late", field="comment", at=end)
    preview = inside.preview(inside.v, start=start, end=end)
    assert {line.entity_id for line in preview.lines} == set(inside.marks[1:])


def test_each_of_the_two_repeated_hours_is_its_own_window(inside):
    school = inside.school
    first, second = (instant("2026-10-25 01:00", school=school, second=s) for s in (False, True))
    inside.v.types(inside.marks[0], "95", at=first + dt.timedelta(minutes=30))
    inside.v.types(inside.marks[1], "95", at=second + dt.timedelta(minutes=30))
    (line,) = inside.preview(inside.v, start=first, end=second).lines
    assert line.entity_id == inside.marks[0]
    (line,) = inside.preview(inside.v, start=second, end=second + dt.timedelta(hours=1)).lines
    assert line.entity_id == inside.marks[1]


def test_a_window_that_ends_before_it_begins_is_refused(inside):
    start = instant("2026-11-14 23:00", school=inside.school)
    with pytest.raises(ValueError, match="ends before it begins"):
        inside.preview(inside.v, start=start, end=start)

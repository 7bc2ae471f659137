"""The unusual sessions of a week, by mail to the office from Monday morning on."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import audit, freezing
from accounts.models import AuditLog, Membership, OutboxMessage
from accounts.origin import Origin
from changes import unusual_mail
from changes.propose import propose
from tests.cast import SATURDAY_NIGHT, Cast, typed

MONDAY = dt.datetime(2026, 11, 16, 6, 0, tzinfo=dt.UTC)
WEEK = dt.timedelta(days=7)


@pytest.fixture(autouse=True)
def _new_process(monkeypatch):
    monkeypatch.setattr(unusual_mail, "_looked", {})


@pytest.fixture
def night(inside: Cast) -> Cast:
    """V's account was in use on nine mornings, and on Saturday night from elsewhere."""
    inside.stand(inside.marks[0], "60", by=inside.t1)
    for day in range(9):
        _signs_in(inside, MONDAY - dt.timedelta(days=14 - day), "10.0.1.3")
    at = SATURDAY_NIGHT
    where = Origin(at=at, ip="203.0.113.7", session="night", user_agent="Chrome/139 Android")
    assert not propose(
        [typed(inside.marks[0], "95", reason="oops")], by=inside.v.member, origin=where
    ).refused
    return inside


def _signs_in(people: Cast, at: dt.datetime, ip: str) -> None:
    where = Origin(at=at, ip=ip, session=f"{at:%d %H}", user_agent="Chrome/139 Windows")
    audit.record(AuditLog.Event.SIGN_IN, origin=where, school=people.school, user=people.v.user)


def composed(people: Cast, at: dt.datetime = MONDAY) -> list[OutboxMessage]:
    """Compose, and return what was written by it."""
    before = set(OutboxMessage.objects.values_list("pk", flat=True))
    unusual_mail.compose(people.school, at=at)
    return list(OutboxMessage.objects.exclude(pk__in=before).order_by("to"))


def test_on_monday_morning_the_office_is_told_which_sessions_were_unusual_and_why(night):
    messages = composed(night)
    assert [each.to for each in messages] == sorted([night.a.user.email, night.b.user.email])
    message = messages[0]
    assert message.subject == "1 unusual session in the week until 15 November 2026"
    for said in (
        "from Monday 9 November to 15 November 2026",
        "V Sweet, Saturday 14 November, 23:15",
        "    An address it had not used before: 203.0.113.7.",
        "    Changes 1 mark that stood already.",
        f"/office/activity/{night.v.user.pk}/",
    ):
        assert said in message.body, said
    assert "Abbott" not in message.body


def test_it_goes_once_a_week_whoever_composes_and_how_often(night, monkeypatch):
    assert len(composed(night)) == 2
    assert composed(night, MONDAY + dt.timedelta(hours=3)) == []
    monkeypatch.setattr(unusual_mail, "_looked", {})  # another worker
    assert composed(night, MONDAY + dt.timedelta(hours=4)) == []
    assert composed(night, MONDAY + WEEK) == []  # of the week after there is nothing to tell


@pytest.mark.parametrize("later", [dt.timedelta(days=2, hours=-4), dt.timedelta(days=6, hours=17)])
def test_a_worker_that_starts_later_in_the_week_tells_it_then_and_once(night, monkeypatch, later):
    messages = composed(night, MONDAY + later)
    assert len(messages) == 2
    assert messages[0].subject == "1 unusual session in the week until 15 November 2026"
    assert composed(night, MONDAY + later + dt.timedelta(minutes=1)) == []
    monkeypatch.setattr(unusual_mail, "_looked", {})  # another worker
    assert composed(night, MONDAY + later + dt.timedelta(minutes=2)) == []


def test_an_office_that_was_told_on_monday_is_not_told_again_on_wednesday(night, monkeypatch):
    assert len(composed(night)) == 2
    monkeypatch.setattr(unusual_mail, "_looked", {})
    assert composed(night, MONDAY + dt.timedelta(days=2)) == []


@pytest.mark.parametrize("at", [MONDAY - dt.timedelta(minutes=1), MONDAY - WEEK])
def test_before_the_monday_and_of_a_quiet_week_nothing_is_written(night, at):
    assert composed(night, at) == []


def test_an_hour_of_the_day_alone_is_not_worth_a_mail(night):
    _signs_in(night, MONDAY - dt.timedelta(days=3, hours=-9), "10.0.1.3")
    (message, _) = composed(night)
    assert message.subject.startswith("1 unusual session ")


def test_monday_morning_is_that_of_the_school(night):
    with timezone.override("Pacific/Auckland"):
        assert composed(night, MONDAY - dt.timedelta(hours=13, minutes=1)) == []
        assert len(composed(night, MONDAY - dt.timedelta(hours=13))) == 2


def test_a_quiet_week_is_looked_at_once(inside):
    composed(inside)
    with CaptureQueriesContext(connection) as queries:
        unusual_mail.compose(inside.school, at=MONDAY + dt.timedelta(minutes=1))
    assert len(queries) == 0


def test_who_switched_off_the_mail_about_their_own_changes_gets_it_all_the_same(night):
    night.a.member.decided_by_mail = Membership.Mail.NEVER
    night.a.member.save()
    messages = composed(night)
    assert [each.to for each in messages] == sorted([night.a.user.email, night.b.user.email])
    assert "never" not in messages[0].body


def test_a_frozen_account_of_the_office_gets_none(night):
    freezing.freeze(night.b.member, by=night.a.member, origin=night.a.origin(), reason="x")
    (message,) = composed(night)
    assert message.to == night.a.user.email


def test_more_sessions_cost_no_more_and_those_beyond_twenty_are_counted(night):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            unusual_mail.compose(night.school, at=MONDAY)
        unusual_mail._looked.clear()
        return len(queries)

    few = cost()
    OutboxMessage.objects.all().delete()
    for n in range(30):
        at = MONDAY - dt.timedelta(days=2, minutes=n)
        where = Origin(at=at, ip=f"198.51.{n}.1", session=f"s{n}", user_agent="Chrome/139 Windows")
        audit.record(AuditLog.Event.SIGN_IN, origin=where, school=night.school, user=night.v.user)
    assert cost() == few
    message = OutboxMessage.objects.first()
    assert message is not None
    assert message.subject.startswith("31 unusual sessions")
    assert message.body.count("/office/activity/") == 20
    assert "And 11 more" in message.body

"""Reminding on the board: of what is late or due today, or of all that is to be handed in."""

import datetime as dt
import re
import zoneinfo

import pytest
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import Membership, OutboxMessage
from grading.extensions import extend
from grading.models import Section
from tests.pages import Browser, form_of, more_pupils
from tests.test_board import a_class, board_of, closes

pytestmark = pytest.mark.django_db

BOARD, REMIND = reverse("admin:board"), reverse("admin:board_remind")


def day(people, number: int) -> dt.date:
    """Return the day so many days from now by the school's clocks."""
    now = dt.datetime.now(zoneinfo.ZoneInfo(people.school.time_zone))
    return now.date() + dt.timedelta(days=number)


@pytest.fixture
def people(people):
    """T1's class, whose last day is today, and one of T2, who has five days more."""
    people.have_noon()
    with enter(people.school):
        section = a_class(people, "CHE-1", people.t2)
        more_pupils(people, 1, section)
        closes(people, str(day(people, 0)))
        more = {"until": day(people, 5), "reason": "was ill", "by": people.a.member}
        extend(Section.objects.get(pk=section), **more, origin=people.a.origin())
    return people


def buttons(people) -> list[str]:
    page = board_of(people.a)
    return re.findall(r'<button[^>]*name="whom"[^>]*>([^<]*)</button>', page)


def clicks(people, **button: str) -> str:
    """Return where it leads to click on a button of the board, and then on the one that is sure."""
    browser = Browser(people.a)
    asked = form_of(browser.get(BOARD).content.decode(), REMIND) | button
    page = browser.send(REMIND, asked, follow=True).content.decode()
    if sure := form_of(page, REMIND).get("sure"):
        assert sure == "yes"
        page = browser.send(REMIND, form_of(page, REMIND), follow=True).content.decode()
    return page


def reminded(people) -> set[str]:
    with enter(people.school):
        return {row.to for row in OutboxMessage.objects.filter(key__startswith="reminder ")}


def test_each_button_says_whom_it_reminds_and_of_how_much(people):
    assert buttons(people) == [
        "Remind who is late or due today: 1 teacher, 1 class …",
        "Remind all who have to hand in: 2 teachers, 2 classes …",
    ]


@pytest.mark.parametrize("button", [{}, {"whom": "late"}])
def test_only_who_is_late_or_due_today_is_reminded_unless_all_are_asked_for(people, button):
    page = clicks(people, **button)
    assert "Reminded by e-mail: T1 Teacher." in page
    assert reminded(people) == {people.t1.user.email}


def test_all_who_have_to_hand_in_are_reminded_before_their_last_day_when_asked_for(people):
    clicks(people, whom="all")
    assert reminded(people) == {people.t1.user.email, people.t2.user.email}


def test_who_was_shown_is_who_is_reminded_and_others_are_shown_first(people):
    browser = Browser(people.a)
    shown = form_of(browser.send(REMIND, {"whom": "all"}).content.decode(), REMIND)
    Membership.objects.filter(pk=people.t2.member.pk).update(is_active=False)
    answer = browser.send(REMIND, shown)
    assert answer.status_code == 409
    assert "has changed since you looked" in answer.content.decode()
    assert reminded(people) == set()
    browser.send(REMIND, form_of(answer.content.decode(), REMIND))
    assert reminded(people) == {people.t1.user.email}


def test_the_day_before_the_last_one_nobody_is_late(people):
    with enter(people.school):
        closes(people, str(day(people, 1)))
    assert buttons(people) == ["Remind all who have to hand in: 2 teachers, 2 classes …"]
    page = clicks(people, whom="late")
    assert "none of these classes is due today or late" in page
    assert reminded(people) == set()


def test_the_day_after_the_last_one_they_are_still_reminded(people):
    with enter(people.school):
        closes(people, str(day(people, -1)))
    clicks(people)
    assert reminded(people) == {people.t1.user.email}

"""People are told of a sign-in from an address, or with a browser, that is new to their account."""

import zoneinfo

import pytest

from accounts.device import in_words
from accounts.in_school import enter
from accounts.models import Membership, OutboxMessage
from tests import cast
from tests.cast import Cast

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
CHROME = WINDOWS + "Chrome/126.0.0.0 Safari/537.36"
CHROME_NEXT = WINDOWS + "Chrome/127.0.0.0 Safari/537.36"
EDGE = WINDOWS + "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Safari/605.1.15"
)


@pytest.fixture
def school(settings, people) -> Cast:
    # The real hasher takes a fifth of a second each time, on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return people


def sign_in(client, person, ip, user_agent=CHROME):
    client.logout()
    data = {"login": person.user.email, "password": cast.PASSWORD}
    answer = client.post("/sign-in/", data, REMOTE_ADDR=ip, headers={"User-Agent": user_agent})
    assert answer.status_code == 302


def told(school) -> list[OutboxMessage]:
    with enter(school):
        return list(OutboxMessage.objects.order_by("id"))


def test_the_first_sign_in_of_an_account_is_nothing_strange(client, school):
    sign_in(client, school.t1, "192.0.2.1")
    assert told(school.school) == []


def test_from_a_new_address_the_person_is_told_when_from_where_with_what_and_what_to_do(
    client, school, settings
):
    settings.SITE_URL = "https://marks.school.example"
    sign_in(client, school.t1, "192.0.2.1")
    sign_in(client, school.t1, "203.0.113.9")
    (message,) = told(school.school)
    assert message.to == "t1.teacher@hill.example"
    assert message.subject == "Your account was signed in to from a new address"
    for words in (
        "from the address 203.0.113.9, with Chrome on Windows",
        "not been signed in to from this address before",
        "If that was you, there is nothing to do",
        "set a new password",
        "https://marks.school.example/password/forgotten/",
        "tell the office of Hill School",
    ):
        assert words in message.body


def test_it_says_the_time_of_the_school(client, school):
    school.school.time_zone = "Pacific/Auckland"
    school.school.save()
    sign_in(client, school.t1, "192.0.2.1")
    sign_in(client, school.t1, "203.0.113.9")
    (message,) = told(school.school)
    here = message.created_at.astimezone(zoneinfo.ZoneInfo("Pacific/Auckland"))
    assert f"{here:%Y} at {here:%H:%M}, from" in message.body


def test_from_a_known_address_with_a_new_browser_the_person_is_told(client, school):
    sign_in(client, school.t1, "192.0.2.1")
    sign_in(client, school.t1, "192.0.2.1", FIREFOX)
    (message,) = told(school.school)
    assert message.subject == "Your account was signed in to from a new browser"
    assert "with Firefox on Linux" in message.body


def test_one_message_says_that_both_are_new(client, school):
    sign_in(client, school.t1, "192.0.2.1")
    sign_in(client, school.t1, "203.0.113.9", FIREFOX)
    (message,) = told(school.school)
    assert message.subject.endswith("from a new address and a new browser")


def test_what_was_seen_once_is_known(client, school):
    for ip in ("192.0.2.1", "203.0.113.9", "192.0.2.1", "203.0.113.9"):
        sign_in(client, school.t1, ip)
    assert len(told(school.school)) == 1


def test_an_update_of_the_browser_is_no_new_one(client, school):
    sign_in(client, school.t1, "192.0.2.1", CHROME)
    sign_in(client, school.t1, "192.0.2.1", CHROME_NEXT)
    assert told(school.school) == []


def test_another_address_of_the_same_ipv6_connection_is_no_new_one(client, school):
    sign_in(client, school.t1, "2001:db8:1:2::a")
    sign_in(client, school.t1, "2001:db8:1:2:ffff::b")
    assert told(school.school) == []
    sign_in(client, school.t1, "2001:db8:1:3::a")
    assert len(told(school.school)) == 1


def test_an_address_that_a_colleague_uses_is_new_to_ones_own_account(client, school):
    sign_in(client, school.t1, "192.0.2.1")
    sign_in(client, school.t2, "203.0.113.9")
    sign_in(client, school.t1, "203.0.113.9")
    assert [message.to for message in told(school.school)] == ["t1.teacher@hill.example"]


def test_each_school_of_the_person_tells_whom_to_ask_there(client, school):
    sign_in(client, school.t1, "192.0.2.1")
    Membership.objects.create(school=school.other_school, user=school.t1.user)
    sign_in(client, school.t1, "192.0.2.1")
    # Known from the other school's log: nothing new in the school that they have just joined.
    assert told(school.school) == told(school.other_school) == []
    sign_in(client, school.t1, "203.0.113.9")
    (here,), (there,) = told(school.school), told(school.other_school)
    assert "the office of Hill School" in here.body
    assert "the office of Vale School" in there.body


def test_a_school_that_one_left_says_nothing(client, school):
    Membership.objects.create(school=school.other_school, user=school.t1.user, is_active=False)
    sign_in(client, school.t1, "192.0.2.1")
    sign_in(client, school.t1, "203.0.113.9")
    assert told(school.other_school) == []


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (CHROME, "Chrome on Windows"),
        (EDGE, "Edge on Windows"),
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on an iPhone"),
        (MAC, "Safari on a Mac"),
        ("", "an unknown browser"),
        ("Your account is closed, go to https://evil.example/", "an unknown browser"),
    ],
)
def test_a_browser_is_said_in_words_and_never_in_its_own(user_agent, words):
    assert in_words(user_agent) == words

"""What left by mail and what did not, as the office sees it; sending again."""

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts import outbox
from accounts.in_school import enter
from accounts.models import AuditLog, OutboxMessage
from tests.pages import Browser

pytestmark = pytest.mark.django_db

LIST = reverse("admin:accounts_outboxmessage_changelist")


def post(people, key, **facts):
    message = {"to": f"{key}@home.example", "subject": "A change", "body": "Room 4."} | facts
    with enter(people.school):
        outbox.post([outbox.Message(key=key, **message)], school=people.school, at=timezone.now())
        return OutboxMessage.objects.get(key=key)


@pytest.fixture
def given_up(people, monkeypatch):
    """A message that the mail server would not take."""

    def refuse(message):
        raise OSError("550 no such mailbox")

    message = post(people, "ada")
    monkeypatch.setattr(outbox, "_mail", refuse)
    monkeypatch.setattr(outbox, "ATTEMPTS", 1)
    assert outbox.send_next(people.school)
    monkeypatch.undo()
    return message


def page_of(person, path, query=""):
    response = Browser(person).get(path + query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def path_of(message, name="change"):
    return reverse(f"admin:accounts_outboxmessage_{name}", args=[message.pk])


def test_the_list_tells_sent_from_waiting_given_up_and_superseded(people, given_up):
    post(people, "ben")
    assert outbox.send_next(people.school)
    post(people, "cleo", about="room 4")
    with enter(people.school):
        outbox.take_back(["room 4"], school=people.school, at=timezone.now())
    post(people, "dora")
    for state, who in (
        ("given-up", "ada"),
        ("sent", "ben"),
        ("superseded", "cleo"),
        ("waiting", "dora"),
    ):
        page = page_of(people.a, LIST, f"?state={state}")
        shown = [each for each in ("ada", "ben", "cleo", "dora") if f"{each}@home" in page]
        assert shown == [who], state


def test_a_message_that_was_given_up_says_why_and_is_sent_again(people, given_up):
    page = page_of(people.a, path_of(given_up))
    assert "550 no such mailbox" in page
    assert "given up" in page
    again = path_of(given_up, "again")
    assert f'action="{again}"' in page
    assert Browser(people.a).send(again).status_code == 302
    assert outbox.send_next(people.school)
    assert [message.to for message in mail.outbox] == [["ada@home.example"]]
    assert mail.outbox[0].message()["Message-ID"] == f"<{given_up.pk}@localhost>"
    with enter(people.school):
        row = AuditLog.objects.get(event="mail")
    assert (row.user, row.detail) == (people.a.user, "message to ada@home.example: A change")
    assert "Send again" not in page_of(people.a, path_of(given_up))


def test_the_start_page_says_that_a_message_was_not_taken(people, given_up):
    found = f"{LIST}?state=given-up"
    assert found in page_of(people.a, "/office/")
    Browser(people.a).send(path_of(given_up, "again"))
    assert found not in page_of(people.a, "/office/")


def test_what_was_sent_or_superseded_is_not_sent_again(people, given_up):
    browser = Browser(people.a)
    for _ in range(2):  # the second press finds a message that waits
        browser.send(path_of(given_up, "again"))
    assert outbox.send_next(people.school)
    response = browser.send(path_of(given_up, "again"), follow=True)
    assert "not one that was given up" in response.content.decode()
    assert not outbox.send_next(people.school)
    with enter(people.school):
        assert AuditLog.objects.filter(event="mail").count() == 1


def test_looking_at_the_address_of_the_form_sends_nothing(people, given_up):
    response = Browser(people.a).get(path_of(given_up, "again"))
    assert response.url == path_of(given_up)
    assert not outbox.send_next(people.school)

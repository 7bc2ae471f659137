"""Making a person set a new password: the old one is gone, with every session, and no school locks
anybody out of another. All of it is committed: the mail leaves afterwards."""

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import AuditLog, Membership
from tests.cast import PASSWORD, Cast, Person
from tests.pages import Browser


@pytest.fixture(autouse=True)
def quick_hashes(settings):
    """The real one takes a fifth of a second each time, on purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def people(own_cast: Cast) -> Cast:
    return own_cast


@pytest.fixture
def elsewhere(people: Cast) -> Membership:
    """V teaches at the other school too, and has a password."""
    people.v.user.set_password(PASSWORD)
    people.v.user.save()
    return Membership.objects.create(school=people.other_school, user=people.v.user)


def sign_in(client: Client, person: Person):
    return client.post("/sign-in/", {"login": person.user.email, "password": PASSWORD})


def person_page(person: Person, act: str = "change") -> str:
    return reverse(f"admin:accounts_membership_{act}", args=[person.member.pk])


@pytest.fixture
def forced(people: Cast, elsewhere: Membership) -> Browser:
    """V's browser, signed in before the office made V set a new password."""
    browser = Browser(people.v)
    assert browser.get("/classes/").status_code == 200
    office = Browser(people.a)
    response = office.send(person_page(people.v, "new_password"))
    assert response.url == person_page(people.v)
    assert (
        "A link to set a new one was sent to v.sweet@hill.example" in office.get(response.url).text
    )
    return browser


def test_a_new_password_ends_every_session_and_the_old_one_is_gone(client, people, forced):
    assert forced.get("/classes/").url.startswith("/sign-in/")
    assert "do not belong together" in sign_in(client, people.v).text


def test_the_link_in_the_mail_sets_a_new_one_and_locks_nobody_out(client, people, forced):
    (message,) = mail.outbox
    assert message.to == [people.v.user.email]
    link = re.search(r"https?://testserver(/password/new/\S+)", message.body)[1]
    form = client.get(link, follow=True)
    new = "a-quite-other-password-7"
    client.post(form.request["PATH_INFO"], {"password1": new, "password2": new})
    answer = client.post("/sign-in/", {"login": people.v.user.email, "password": new})
    assert answer.status_code == 302


def test_each_school_of_the_person_can_read_that_it_was_done_and_one_by_whom(people, forced):
    with enter(people.school):
        (row,) = AuditLog.objects.filter(event="people")
        assert (row.user, row.ip) == (people.a.user, "127.0.0.1")
        assert "has to set a new password" in row.detail
    with enter(people.other_school):
        (row,) = AuditLog.objects.filter(event="people")
        assert (row.user, row.ip) == (people.v.user, None)
        assert "another of their schools" in row.detail


def test_a_frozen_account_is_unfrozen_with_its_password_or_with_a_new_one(people, elsewhere):
    intruder, office = Browser(people.v), Browser(people.a)
    for box, signed_in in (({}, True), ({"force": "on"}, False)):
        office.send(person_page(people.v, "freeze"), {"reason": "her niece"})
        assert intruder.get("/classes/").status_code == 403
        page = office.get(person_page(people.v)).text
        assert re.search(r'name="force" value="on">Unfreeze and force a new password<', page)
        assert re.search(r'<button class="button quiet">Unfreeze, keep the password<', page)
        answer = office.send(person_page(people.v, "unfreeze"), box, follow=True).text
        assert "can be used again" in answer
        assert ("whoever is signed in with it still is" in answer) == signed_in
        assert ("signed out everywhere" in answer) != signed_in
        assert (intruder.get("/classes/").status_code == 200) == signed_in
    (message,) = mail.outbox
    assert message.to == [people.v.user.email]
    with enter(people.school):
        last = AuditLog.objects.filter(event="people").order_by("id").last()
        assert "has to set a new password" in last.detail


def test_who_unfreezes_a_closed_account_is_offered_no_new_password(people):
    office = Browser(people.a)
    office.send(person_page(people.v, "freeze"), {"reason": "her niece"})
    Membership.objects.filter(pk=people.v.member.pk).update(is_active=False)
    page = office.get(person_page(people.v)).text
    assert ">Unfreeze</button>" in page
    assert 'name="force"' not in page
    answer = office.send(person_page(people.v, "unfreeze"), {"force": "on"}, follow=True).text
    assert "can be used again" in answer
    assert "closed" in answer
    assert mail.outbox == []


def test_without_a_mail_server_the_password_is_gone_all_the_same_and_it_is_said(
    people, elsewhere, settings
):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nobody listens there
    response = Browser(people.a).send(person_page(people.v, "new_password"), follow=True)
    assert "could not be sent" in response.text
    people.v.user.refresh_from_db()
    assert not people.v.user.has_usable_password()


def test_ones_own_password_and_that_of_a_closed_account_are_not_forced(people, elsewhere):
    Membership.objects.filter(pk=people.v.member.pk).update(is_active=False)
    office = Browser(people.a)
    assert "closed" in office.send(person_page(people.v, "new_password"), follow=True).text
    people.a.user.set_password(PASSWORD)
    people.a.user.save()
    office = Browser(people.a)
    assert "yourself" in office.send(person_page(people.a, "new_password"), follow=True).text
    for person in (people.v, people.a):
        person.user.refresh_from_db()
        assert person.user.has_usable_password()

"""A form that is sent after the session has ended: nothing of it is saved, and nothing is lost."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.in_school import SCHOOL_IN_SESSION, enter
from accounts.models import Membership
from changes.models import ChangeSet
from tests.pages import Browser, form_of

pytestmark = pytest.mark.django_db

PASSWORD = "a long and quiet evening"
SIGN_IN = "/sign-in/"


def words(response) -> str:
    return " ".join(response.content.decode().split())


def path(people) -> str:
    return reverse("sheet", args=[people.section])


def typed_into(person, people, **more: str) -> dict[str, str]:
    """What the whole sheet sends of somebody who typed into it without JavaScript."""
    shown = Browser(person).get(path(people)).content.decode()
    return (
        form_of(shown, path(people)) | {"grade-1": "71.5", "comment-2": "Reads,\r\nslowly."} | more
    )


def sign_in(browser: Client, answer, person, *, password: str = PASSWORD):
    """Sign in on the page that an answer shows."""
    person.user.set_password(PASSWORD)
    person.user.save()
    form = form_of(answer.content.decode(), SIGN_IN)
    return browser.post(SIGN_IN, form | {"login": person.user.email, "password": password})


def sets(people) -> int:
    with enter(people.school):
        return ChangeSet.objects.count()


def test_it_is_answered_by_a_page_that_lists_what_was_typed(people):
    before = sets(people)
    answer = Client().post(path(people), typed_into(people.t1, people))
    assert answer.status_code == 401
    said = words(answer)
    assert "You are signed out. Nothing was saved yet." in said
    assert '<dt>grade 1</dt><dd class="typed">71.5</dd>' in said
    assert "Reads, slowly." in said
    listed = said.partition("<dl")[2]
    assert people.marks[0].hex not in listed
    assert "csrf" not in listed
    assert str(people.school.pk) not in listed
    assert sets(people) == before


def test_after_signing_in_it_is_shown_once_more_and_one_button_saves_it(people):
    before = sets(people)
    browser = Client()
    answer = browser.post(path(people), typed_into(people.t1, people))
    shown = sign_in(browser, answer, people.t1)
    assert shown.status_code == 200
    assert "Save what was typed before?" in words(shown)
    assert f"You are signed in as {people.t1.user}." in words(shown)
    assert sets(people) == before
    saved = browser.post(path(people), form_of(shown.content.decode(), path(people)), follow=True)
    assert "2 entries were saved and await approval." in words(saved)
    with enter(people.school):
        assert people.t1.sees(people.marks[0]) == "71.5"
        assert people.t1.sees(people.marks[1], "comment") == "Reads,\nslowly."
        assert people.t1.sees(people.marks[1]) is None


def test_a_wrong_password_loses_nothing(people):
    browser = Client()
    answer = browser.post(path(people), typed_into(people.t1, people))
    wrong = sign_in(browser, answer, people.t1, password="not this one")
    assert "What you typed before is kept" in words(wrong)
    shown = sign_in(browser, wrong, people.t1)
    assert form_of(shown.content.decode(), path(people))["grade-1"] == "71.5"


def test_it_is_never_saved_without_the_button_and_in_the_name_of_who_signed_in(people):
    browser = Client()
    answer = browser.post(path(people), typed_into(people.t1, people))
    shown = sign_in(browser, answer, people.t2)
    assert f"You are signed in as {people.t2.user}." in words(shown)
    with enter(people.school):
        assert people.t1.sees(people.marks[0]) is None
        assert people.t2.sees(people.marks[0]) is None


def test_it_goes_on_in_the_school_of_the_form(people):
    Membership.objects.create(school=people.other_school, user=people.t1.user, role="teacher")
    for school in (people.school, people.other_school):
        browser = Client()
        answer = browser.post(path(people), {"school": str(school.pk), "grade-1": "70"})
        sign_in(browser, answer, people.t1)
        assert browser.session[SCHOOL_IN_SESSION] == str(school.pk)


def test_passwords_and_files_do_not_travel(people):
    answer = Client().post(path(people), {"password": "hush hush", "old_Password2": "hush hush"})
    assert "hush hush" not in answer.content.decode()
    file = SimpleUploadedFile("marks.csv", b"Number,Mark\n101,80")
    answer = Client().post(reverse("upload", args=[people.section]), {"file": file})
    assert answer.status_code == 401
    assert "Sign in, and choose the file again." in words(answer)
    browser = Client()
    led = sign_in(browser, answer, people.t1)
    assert (led.status_code, led.url) == (302, reverse("upload", args=[people.section]))


@pytest.mark.parametrize(
    "held", ["", "x", "WyIvIiwgW11d:1:x", "\ud800".encode(errors="surrogatepass")]
)
def test_what_this_site_did_not_write_is_passed_over(people, held):
    browser = Client()
    answer = browser.get(SIGN_IN)
    people.t1.user.set_password(PASSWORD)
    people.t1.user.save()
    form = form_of(answer.content.decode(), SIGN_IN) | {"held": held}
    led = browser.post(SIGN_IN, form | {"login": people.t1.user.email, "password": PASSWORD})
    assert (led.status_code, led.url) == (302, "/start/")
    assert "grade-1" not in browser.get(f"{SIGN_IN}?held=x").content.decode()


def test_text_of_every_kind_travels_unharmed(people):
    for text in ("<script>alert(1)</script>", "\"&'", "\u202e\u200b.", "½\u0301\r\n\r\n x"):
        browser = Client()
        answer = browser.post(path(people), typed_into(people.t1, people, **{"comment-1": text}))
        shown = sign_in(browser, answer, people.t1).content.decode()
        assert form_of(shown, path(people))["comment-1"].replace("\r\n", "\n") == text.replace(
            "\r\n", "\n"
        )
        assert "<script>alert" not in shown

"""From what was done with an account to the revert that takes it back, and to lifting that, in a
real browser: with the keyboard, on a phone, in the dark, and as axe judges it."""

import datetime as dt
import io

import pytest
from django.core.management import call_command
from playwright.sync_api import Page, expect

from accounts import audit
from accounts.models import AuditLog
from accounts.origin import Origin
from changes import revert_pages
from changes.propose import propose
from tests.accessibility import objections
from tests.cast import MONDAY, SATURDAY_NIGHT, only, typed
from tests.test_office_in_browser import reach

pytestmark = pytest.mark.browser

PHONE = "Mozilla/5.0 (Linux; Android 15) Chrome/141.0.0.0 Mobile Safari/537.36"


@pytest.fixture
def night(site):
    """V's account was in use on eight mornings, and on Saturday night from elsewhere: it raised two
    marks that stood, which A approved."""
    people = site.people
    with site.inside():
        for n, text in enumerate(("60", "55")):
            people.stand(people.marks[n], text, by=people.t1)
        for day in range(8):
            at = MONDAY - dt.timedelta(days=20 - day)
            where = Origin(at=at, ip="10.0.1.3", session=f"day {day}", user_agent="Firefox/1 Mac")
            audit.record(
                AuditLog.Event.SIGN_IN, origin=where, school=people.school, user=people.v.user
            )
        for n, text in enumerate(("95", "99")):
            at = SATURDAY_NIGHT + dt.timedelta(minutes=n)
            where = Origin(at=at, ip="203.0.113.7", session="night", user_agent=PHONE)
            draft = typed(people.marks[n], text, reason="typo")
            people.a.approves(*propose([draft], by=people.v.member, origin=where).changes)
    return site


def test_saturday_night_is_seen_frozen_reverted_told_and_lifted_by_the_keyboard(
    night, page, complaints
):
    people = night.people

    def marks() -> list[str | None]:
        """Return the marks; and see to it that the tables are what the ledger adds up to, as an
        operator would."""
        out = io.StringIO()
        call_command("verify_ledger", school=people.school.slug, stdout=out)
        assert "equal" in out.getvalue()
        with night.inside():
            return [people.grade(each) for each in people.marks[:2]]

    def press(name: str, kind: str = "button") -> None:
        reach(page, name, kind)
        page.keyboard.press("Enter")

    assert marks() == ["95", "99"]
    night.enter(page, people.a, f"/office/accounts/membership/{people.v.member.pk}/change/")
    press("Activity of V Sweet", "link")
    expect(page.get_by_text("An address it had not used before: 203.0.113.7.")).to_be_visible()
    expect(page.get_by_text("Outside its usual hours: 23:00 to 00:00, on none of ")).to_be_visible()

    # First nobody gets in by the account any more.
    page.get_by_text("Freeze the account, or force a new password").press("Enter")
    page.get_by_label("Why").fill("her niece")
    press("Freeze the account")
    expect(page.get_by_text("This account is frozen")).to_be_visible()
    assert marks() == ["95", "99"]

    page.goto(f"{night.url}/office/activity/{people.v.user.pk}/")
    press("Revert what was typed…", "link")
    expect(page.get_by_role("definition").nth(1)).to_contain_text("203.0.113.7, Chrome on Android")
    page.get_by_label("Why").fill("it was her niece")
    press("Revert what is ticked")
    page.wait_for_url("**/office/revert/*/")
    assert marks() == ["60", "55"]

    # What it was, for who asks.
    expect(page.get_by_text("it was her niece")).to_be_visible()
    expect(page.get_by_text("In the session")).to_be_visible()
    for each in ("Abbott, Ada in BIO-2", "Brown, Ben in BIO-2"):
        expect(page.get_by_text(each).first).to_be_visible()

    press("Lift …", "link")
    page.get_by_label("Why").fill("it was her after all")
    press("Lift what is ticked")
    expect(page.get_by_text("it was her after all")).to_be_visible()
    assert marks() == ["95", "99"]
    assert complaints == []


def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(night, phone: Page, monkeypatch):
    people = night.people
    with night.inside():
        people.b.declines(only(people.t1.types(people.marks[2], "12")))
        number = people.b.reverts(people.v, start=SATURDAY_NIGHT).decision.number
    monkeypatch.setattr(revert_pages, "LINES", 1)  # of more, a preview shows groups
    account = people.v.user.pk
    night.enter(phone, people.a, "/office/")
    found = {}
    for name, at in (
        ("activity", f"activity/{account}/"),
        ("address", "activity/?ip=203.0.113.7"),
        ("no-address", "activity/?ip=nonsense"),
        ("form", f"revert/?about={people.section}&session=night"),
        ("groups", f"revert/preview/?account={people.t1.user.pk}&how=typed&about={people.section}"),
        ("account of a revert", f"revert/{number}/?print"),
        ("lift", f"revert/{number}/lift/"),
        ("declined", f"declined/?account={people.b.user.pk}&about={people.section}"),
    ):
        phone.goto(f"{night.url}/office/{at}")
        if complaint := objections(phone):
            found[name] = complaint
    phone.get_by_role("button", name="Reopen what is ticked").click()
    expect(phone.get_by_role("heading", name="Reopen?")).to_be_visible()
    found["reopening"] = objections(phone)
    night.enter(phone, people.t1, "/my-changes/moved/")
    found["moved marks"] = objections(phone)
    assert not any(found.values()), found

"""The office freezes an account while its teacher has two tabs of a sheet open: nothing more is
saved, what was typed stays in both, and is sent once the account is unfrozen."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.accessibility import objections
from tests.test_nothing_lost import ADA, BEN, mark, proposed, sheet_of, types, unsaved
from tests.test_office_in_browser import reach

pytestmark = pytest.mark.browser

FROZEN = "The office of Hill School has frozen your account. Nothing was saved."


def person_page(site) -> str:
    return f"/office/accounts/membership/{site.people.t1.member.pk}/change/"


def test_two_open_tabs_keep_what_is_typed_and_send_it_when_the_account_is_unfrozen(
    site, page: Page, browser: Browser, complaints
):
    site.enter(page, site.people.t1, sheet_of(site))
    other = page.context.new_page()
    other.goto(site.url + sheet_of(site))
    types(page, mark(page, ADA), "61")
    unsaved(page, 0)

    office = browser.new_context().new_page()
    site.enter(office, site.people.a, person_page(site))
    office.get_by_label("Why").fill("seen from abroad")
    reach(office, "Freeze the account")
    office.keyboard.press("Enter")
    expect(office.get_by_text("This account is frozen")).to_be_visible()

    for tab, pupil, text in ((page, ADA, "99"), (other, BEN, "98")):
        types(tab, mark(tab, pupil), text)
        expect(tab.locator("#notices")).to_contain_text(FROZEN)
        expect(mark(tab, pupil)).to_have_value(text)
        unsaved(tab, 1)
    assert proposed(site) == ["61"]

    office.goto(f"{site.url}/office/review/")
    expect(office.get_by_text("1 change of T1 Teacher is held")).to_be_visible()
    office.get_by_role("link", name="T1 Teacher").click()
    reach(office, "Unfreeze, keep the password")  # it was the teacher's own after all
    office.keyboard.press("Enter")
    expect(office.get_by_text("can be used again")).to_be_visible()
    office.context.close()

    for tab in (page, other):
        tab.evaluate("dispatchEvent(new Event('focus'))")
        unsaved(tab, 0)
    assert set(proposed(site)[1:]) == {"98", "99"}
    assert complaints == []


def test_axe_finds_nothing_on_the_pages_of_a_frozen_account(site, phone: Page):
    people = site.people
    with site.inside():
        people.t1.types(people.marks[0], "70")
        people.t2.types(people.marks[0], "71")
    page = phone
    found = {}

    def look(name: str) -> None:
        if complaint := objections(page):
            found[name] = complaint

    site.enter(page, people.a, person_page(site))
    look("person")
    page.get_by_label("Why").fill("seen from abroad")
    page.get_by_role("button", name="Freeze the account").click()
    look("frozen person")
    page.goto(f"{site.url}/office/review/")
    look("queue")
    page.goto(f"{site.url}/office/review/of/section-{people.section}/{people.t1.user.pk}/")
    look("held sheet")
    page.context.clear_cookies()
    page.goto(f"{site.url}/sign-in/")
    page.fill("[name=login]", people.t1.user.email)
    page.fill("[name=password]", "correct-horse-battery")
    page.press("[name=password]", "Enter")
    expect(page.get_by_text(FROZEN)).to_be_visible()
    look("refused sign-in")
    assert not found, "\n".join(f"{name}: {what}" for name, what in found.items())

"""A form that is sent after the session has ended, in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from tests.accessibility import objections
from tests.cast import PASSWORD
from tests.conftest import Site
from tests.test_pages_in_browser import second_browser, sheet_of

pytestmark = pytest.mark.browser


def type_and_lose_the_session(site: Site, page: Page) -> None:
    site.enter(page, site.people.t1, sheet_of(site))
    page.get_by_label("Mark of Abbott, Ada").fill("71.5")
    page.get_by_label("Comment on Brown, Ben").fill("Reads,\nslowly.")
    page.context.clear_cookies(name="sessionid")


def sign_in(site: Site, page: Page) -> None:
    expect(page.get_by_role("heading", name="You are signed out.")).to_be_visible()
    expect(page.get_by_text("slowly.")).to_be_visible()
    page.get_by_label("E-mail").fill(site.people.t1.user.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Save what was typed before?")).to_be_visible()


def test_without_javascript_what_was_typed_is_saved_after_signing_in(site, browser):
    people = site.people
    with second_browser(browser, java_script_enabled=False) as page:
        type_and_lose_the_session(site, page)
        page.get_by_role("button", name="Save", exact=True).click()
        sign_in(site, page)
        page.get_by_role("button", name="Save it").click()
        expect(page.get_by_text("2 entries were saved and await approval.")).to_be_visible()
    with site.inside():
        assert people.t1.sees(people.marks[0]) == "71.5"
        assert people.t1.sees(people.marks[1], "comment") == "Reads,\nslowly."


def test_both_pages_are_accessible_and_fit(site, phone):
    type_and_lose_the_session(site, phone)
    # As without JavaScript: the whole form at once.
    phone.evaluate("HTMLFormElement.prototype.submit.call(document.getElementById('sheet'))")
    expect(phone.get_by_role("heading", name="You are signed out.")).to_be_visible()
    assert objections(phone) == ""
    sign_in(site, phone)
    assert objections(phone) == ""

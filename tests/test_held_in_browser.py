"""A form that is sent after the session has ended, in a real browser."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

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


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_both_pages_are_accessible_and_fit(site, browser, width, scheme):
    viewport = {"width": width, "height": 844}

    def check(page: Page) -> None:
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(over) <= 0

    with second_browser(browser, viewport=viewport, color_scheme=scheme) as page:
        type_and_lose_the_session(site, page)
        # As without JavaScript: the whole form at once.
        page.evaluate("HTMLFormElement.prototype.submit.call(document.getElementById('sheet'))")
        expect(page.get_by_role("heading", name="You are signed out.")).to_be_visible()
        check(page)
        sign_in(site, page)
        check(page)

"""The list of corrections in a real browser: by the keyboard alone, on a phone, in the dark, and as
axe judges it."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.accessibility import objections
from tests.cast import only
from tests.test_office_in_browser import reach

pytestmark = pytest.mark.browser

LIST = "/office/grading/gradecorrection/asked/"


@pytest.fixture
def asked(site):
    people = site.people
    with site.inside():
        for mark, text in zip(people.marks, ("60", "55", "71"), strict=True):
            people.stand(mark, text, by=people.t1)
        people.a.approves(only(people.t1.types(people.marks[1], "65", reason="page two")))
        people.a.declines(only(people.t2.types(people.marks[2], "99", reason="she asked")))
        people.t1.types(people.marks[0], "80", reason="a slip of the pen")
        people.a.types(people.marks[1], "90", reason="recount")
    return site


def test_a_correction_is_approved_from_the_list_by_the_keyboard_alone(
    asked, page: Page, complaints
):
    asked.enter(page, asked.people.a, "/office/")
    reach(page, "Corrections", "link")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Corrections of marks")).to_be_visible()
    reach(page, re.compile("Abbott, Ada in BIO-2: 60 to 80"), "checkbox")
    page.keyboard.press("Space")
    reach(page, "Approve ticked …")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Approve?")).to_be_visible()
    reach(page, "Approve")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("Approved: 1 change"))).to_be_visible()
    with asked.inside():
        assert asked.people.grade(asked.people.marks[0]) == "80"
    assert complaints == []


def test_axe_finds_nothing_and_the_list_is_not_wider_than_its_screen(asked, phone: Page):
    asked.enter(phone, asked.people.a, LIST)
    phone.get_by_text("Find and filter").click()
    assert objections(phone) == ""

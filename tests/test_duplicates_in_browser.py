"""Pupils who are there twice in a real browser: the story of the sample school with the keyboard
alone, and the pages on a phone, in the dark, and as axe judges them."""

import datetime as dt
import re
from types import SimpleNamespace

import pytest
from playwright.sync_api import Page, expect

from accounts.in_school import enter
from accounts.models import School, User
from changes.models import Decision
from changes.projector import verify
from grading.models import Enrollment
from grading.sample.make import make
from students.models import Student
from tests.accessibility import objections
from tests.cast import PASSWORD
from tests.test_duplicates import missed_twice
from tests.test_office_in_browser import reach

pytestmark = pytest.mark.browser


@pytest.fixture
def sample(site) -> School:
    return make(today=dt.date(2026, 11, 20), password=PASSWORD)


@pytest.fixture
def twice(site):
    """Imani was added twice, and both are in one class with a mark and a comment each."""
    people = site.people
    with site.inside():
        missed_twice(people)
        third = people.t2.enrols(people.again, people.section)
        people.t2.types(third, "70")
        people.t2.types(third, "Quick, and eager to help others.", field="comment")
        people.t1.types(people.first, "Tidy work all through the term.", field="comment")
    return site


def press(page: Page, name: str, role: str = "link") -> None:
    reach(page, name, role)
    page.keyboard.press("Enter")


def test_the_sample_school_s_pupil_becomes_one_and_two_again_by_the_keyboard_alone(
    site, sample, page: Page, complaints
):
    office = SimpleNamespace(user=User.objects.get(email="r.calder@maple-road.example"))
    site.enter(page, office, "/office/review/")
    page.goto(f"{site.url}/office/review/?kind=student.new&flag=twin")
    link = page.get_by_role("link", name="New and changed pupils").first
    link.focus()
    page.keyboard.press("Enter")
    press(page, "Compare …")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Who may be")
    press(page, "Compare Ach")
    expect(page.get_by_role("heading", name="Are these the same pupil?")).to_be_visible()
    # The teacher who was first spelt it right.
    name = page.get_by_role("radio", name=re.compile("family name: Achterberg"))
    assert name.count() == 1
    expect(page.get_by_text("moves to")).to_be_visible()
    press(page, "Same pupil: merge", "button")
    expect(page.get_by_text(re.compile("Merged, decision"))).to_be_visible()
    with enter(sample):
        imani = Student.objects.get(given_names="Imani", family_name__startswith="Achte")
        (enrolment,) = Enrollment.objects.filter(student=imani)
        assert verify(sample).equal
    press(page, "Undo the merge …")
    expect(page.get_by_role("heading", name=re.compile("Undo merge"))).to_be_visible()
    reach(page, "Why", "textbox")
    page.keyboard.type("They are two girls.")
    press(page, "Undo the merge", "button")
    expect(page.get_by_text(re.compile("The merge is undone"))).to_be_visible()
    with enter(sample):
        assert not Enrollment.objects.filter(pk=enrolment.pk).exists()
        assert [d.kind for d in Decision.objects.order_by("-number")[:2]] == ["reinstate", "merge"]
        assert verify(sample).equal
    assert complaints == []


def test_what_is_chosen_between_two_marks_is_shown_again_and_then_done(
    twice, page: Page, complaints
):
    people = twice.people
    twice.enter(page, people.a, "/office/grading/enrollment/duplicates/")
    page.get_by_role("link", name="Compare Achterberg, Imani and Achtenberg, Imani").click()
    page.get_by_role("radio", name=re.compile("mark: 70")).check()
    page.get_by_role("button", name="Show again with these choices").click()
    expect(page.get_by_role("radio", name=re.compile("mark: 70"))).to_be_checked()
    expect(page.get_by_role("radio", name=re.compile("comment: Tidy"))).to_be_checked()
    page.get_by_role("button", name="Same pupil: merge").click()
    expect(page.get_by_text(re.compile("Merged, decision"))).to_be_visible()
    with twice.inside():
        assert people.grade(people.first) == "70"
        assert people.is_equal()
    assert complaints == []


def test_axe_finds_nothing_and_no_page_is_wider_than_its_screen(twice, phone: Page):
    page = phone
    people = twice.people
    found = {}

    def look(name):
        if complaint := objections(page):
            found[name] = complaint

    twice.enter(page, people.a, "/office/grading/enrollment/duplicates/")
    look("list")
    page.get_by_role("link", name=re.compile("^Compare")).click()
    look("two")
    page.get_by_label("Why").fill("")
    page.get_by_role("button", name="Same pupil: merge").click()
    expect(page.get_by_role("alert")).to_contain_text("Say why")
    look("without a reason")
    page.get_by_label("Why").fill("one girl")
    page.get_by_role("button", name="Same pupil: merge").click()
    expect(page.get_by_text(re.compile("Merged, decision"))).to_be_visible()
    look("merged")
    page.get_by_role("link", name="Undo the merge …").click()
    look("undo")
    page.goto(f"{twice.url}/office/grading/enrollment/duplicates/")
    look("list of merges")
    assert found == {}

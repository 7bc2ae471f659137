"""The pages around the sheet in a real browser: the pupil, details, handing in and more time."""

import datetime as dt

import pytest
from playwright.sync_api import Page, expect

from grading.models import HandIn
from tests.accessibility import objections
from tests.cast import Cast
from tests.conftest import Site
from tests.test_pages_in_browser import mark, second_browser, sheet_of, waiting

pytestmark = pytest.mark.browser

ADA = "Abbott, Ada"


def handed_in(site: Site) -> list[int]:
    """How many pupils without a mark each hand-in has confirmed."""
    with site.inside():
        return list(HandIn.objects.order_by("id").values_list("blank", flat=True))


def add_class(people: Cast, code: str, **different: str) -> str:
    """Add a class that T2 teaches. Call inside the school."""
    values = {
        "course": str(people.course),
        "term": str(people.term),
        "scale": str(people.scale.pk),
        "instructor": str(people.t2.user.pk),
    }
    section = people.a.creates("section", code=code, **(values | different))  # type: ignore[arg-type]
    people.a.approves(*people.open_of(section))
    return str(section)


def tab_to(page: Page, selector: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    pytest.fail(f"the Tab key does not reach {selector}")


def test_from_the_sheet_to_a_pupil_who_is_withdrawn_taken_back_and_moved(site, page, complaints):
    people = site.people
    with site.inside():
        spring = people.a.creates("term", name="Spring 2026", starts_on="2026-01-07")
        people.a.approves(*people.open_of(spring))
        earlier = add_class(people, "BIO-1", term=str(spring))
        place = people.a.enrols(people.students[0], earlier)
        people.a.approves(*people.open_of(place))
        people.stand(place, "64", by=people.t2)
        add_class(people, "BIO-3")
    site.enter(page, people.t1, sheet_of(site))
    page.get_by_role("link", name=ADA, exact=True).click()
    expect(page.get_by_role("heading", name=ADA, exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Details")).to_contain_text("101")
    row = page.get_by_role("region", name="Earlier terms").get_by_role("row").last
    expect(row).to_contain_text("BIO-1")
    expect(row).to_contain_text("64")
    page.get_by_role("link", name="Withdraw from the class…").click()
    page.get_by_role("button", name="Withdraw from the class").click()
    expect(page.get_by_text("withdrawn on your list now")).to_be_visible()
    assert waiting(site, "status") == ["withdrawn"]
    page.get_by_role("link", name="Take it back").click()
    page.get_by_role("button", name="Withdraw", exact=True).click()
    expect(page.get_by_text("Withdrawn. The office no longer sees it")).to_be_visible()
    assert waiting(site, "status") == []
    expect(page).to_have_url(f"{site.url}{sheet_of(site)}")
    page.get_by_role("link", name=ADA, exact=True).click()
    choice = page.get_by_label("Is in another class of this term")
    choice.select_option(label="BIO-3: Biology, T2 Teacher")
    page.get_by_role("button", name="Move there…").click()
    expect(page.get_by_role("heading", name=f"Move {ADA} to BIO-3?")).to_be_visible()
    page.get_by_role("button", name="Move to BIO-3").click()
    expect(page.get_by_text(f"{ADA} is on your list of BIO-3 now, and no longer")).to_be_visible()
    expect(page).to_have_url(f"{site.url}{sheet_of(site)}")
    expect(page.get_by_role("link", name="Brown, Ben", exact=True)).to_be_visible()
    moved = page.get_by_role("heading", name="Moved").locator("xpath=following::table[1]")
    expect(moved.get_by_role("row", name=ADA)).to_contain_text("You moved this pupil.")
    assert complaints == []


def test_details_of_pupil_and_class_are_changed_and_only_their_author_sees_it(
    site, page, browser, complaints
):
    people = site.people
    pupil = f"{sheet_of(site)}pupil/{people.marks[0]}/"
    site.enter(page, people.t1, pupil)
    page.get_by_role("link", name="Change details").click()
    email = page.locator("[name=email]")
    email.fill("ada at home")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nothing was saved yet")).to_be_visible()
    expect(email).to_have_value("ada at home")
    expect(email).to_have_attribute("aria-invalid", "true")
    email.fill("ada@home.example")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("1 detail was saved and awaits approval.")).to_be_visible()
    expect(page.get_by_role("region", name="Details")).to_contain_text("ada@home.example")
    page.goto(f"{site.url}{sheet_of(site)}")
    page.get_by_role("link", name="Details", exact=True).click()
    page.locator("[name=schedule]").fill("Mon 3, Thu 1")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("1 detail was saved and awaits approval.")).to_be_visible()
    assert (waiting(site, "email"), waiting(site, "schedule")) == (
        ["ada@home.example"],
        ["Mon 3, Thu 1"],
    )
    with second_browser(browser) as other:
        site.enter(other, people.t2, pupil)
        expect(other.get_by_role("heading", name=ADA, exact=True)).to_be_visible()
        assert "ada@home.example" not in other.content()
        other.goto(f"{site.url}{sheet_of(site)}details/")
        expect(other.locator("[name=schedule]")).to_have_value("")
    assert complaints == []


def test_the_keyboard_alone_hands_a_class_in_with_its_blanks_confirmed(site, page, complaints):
    with site.inside():
        site.people.t1.types(site.people.marks[0], "70")
    site.enter(page, site.people.t1, sheet_of(site))
    tab_to(page, '.page-head a[href$="/hand-in/"]')
    page.keyboard.press("Enter")
    page.wait_for_url("**/hand-in/")
    expect(page.get_by_role("heading", name="2 pupils without a mark")).to_be_visible()
    blanks = page.get_by_role("list", name="2 pupils without a mark")
    expect(blanks).to_contain_text("Brown, Ben")
    expect(blanks).not_to_contain_text(ADA)
    tab_to(page, "main form button")
    page.keyboard.press("Enter")  # the browser itself leads to what has to be ticked
    expect(page.get_by_label("These pupils stay without a mark")).to_be_focused()
    assert handed_in(site) == []
    page.keyboard.press("Space")
    tab_to(page, "main form button")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{sheet_of(site)}")
    expect(page.get_by_text("BIO-2 is handed in. The office sees it.")).to_be_visible()
    assert handed_in(site) == [2]
    page.goto(f"{site.url}/classes/")
    expect(page.get_by_text("handed in", exact=True)).to_be_visible()
    assert complaints == []


def test_without_javascript_a_class_is_handed_in(site, browser):
    with second_browser(browser, java_script_enabled=False) as page:
        site.enter(page, site.people.t1, sheet_of(site))
        mark(page, ADA).fill("72")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("1 entry was saved")).to_be_visible()
        page.get_by_role("link", name="Hand in").click()
        expect(page.get_by_role("heading", name="2 pupils without a mark")).to_be_visible()
        with site.inside():  # from elsewhere, meanwhile: there are three by now
            change = site.people.open_of(site.people.marks[0])[0]
            site.people.t1.withdraws(change)
        page.get_by_label("These pupils stay without a mark").check()
        page.get_by_role("button", name="Hand in").click()
        expect(page.get_by_text("Not handed in")).to_be_visible()
        expect(page.get_by_role("heading", name="3 pupils without a mark")).to_be_visible()
        assert handed_in(site) == []
        page.get_by_label("These pupils stay without a mark").check()
        page.get_by_role("button", name="Hand in").click()
        expect(page.get_by_text("BIO-2 is handed in. The office sees it.")).to_be_visible()
        assert handed_in(site) == [3]


def test_the_office_extends_for_a_teacher_and_typing_works_again(site, page, browser, complaints):
    people, today = site.people, dt.datetime.now(dt.UTC).date()
    closed = (today - dt.timedelta(days=3)).isoformat()
    with site.inside():
        people.a.approves(
            *people.a.changes_cell("term", people.term, marks_close_on=closed).changes
        )
    site.enter(page, people.t1, sheet_of(site))
    expect(mark(page, ADA)).not_to_be_editable()
    with second_browser(browser) as office:
        site.enter(office, people.a, "/office/accounts/membership/")
        office.get_by_role("link", name="T1 Teacher").click()
        office.get_by_role("link", name="Extend the marks window for T1 Teacher").click()
        until = today + dt.timedelta(days=30)
        office.get_by_label("Marks can be entered until").fill(until.isoformat())
        office.get_by_label("Why").fill("She was ill")
        office.get_by_role("button", name="Extend").click()
        expect(office.get_by_text("T1 Teacher’s classes in Autumn 2026 can be")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Open for this class until")).to_be_visible()
    mark(page, ADA).fill("72")
    mark(page, ADA).press("Enter")
    row = page.get_by_role("row").filter(has_text=ADA)
    expect(row.get_by_text("awaiting approval").first).to_be_visible()
    assert waiting(site) == ["72"]
    assert complaints == []


def test_the_pages_of_more_time_are_accessible_and_fit(site, phone: Page):
    people = site.people
    site.enter(phone, people.a, "/office/")
    for path in (
        f"/office/accounts/membership/{people.t1.member.pk}/change/",
        f"/office/grading/extension/instructor/{people.t1.member.pk}/",
        f"/office/grading/section/{people.section}/extend/",
    ):
        phone.goto(f"{site.url}{path}")
        assert objections(phone) == "", path
        if phone.get_by_role("button", name="Extend").count():
            phone.get_by_role("button", name="Extend").click()
            expect(phone.get_by_text("This field is required").first).to_be_visible()
            assert objections(phone) == "", f"{path}, refused"

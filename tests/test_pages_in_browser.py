"""The teachers' pages in a real browser: typing, keys, refusals, no script, accessibility."""

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from changes.models import Change
from grading.models import BankComment
from tests.accessibility import objections
from tests.cast import PASSWORD, only
from tests.conftest import complaints_of
from tests.kept_contexts import lend

pytestmark = pytest.mark.browser


def sheet_of(site) -> str:
    return f"/classes/{site.people.section}/"


def waiting(site, field="grade") -> list[str | None]:
    with site.inside():
        changes = Change.objects.filter(field=field).open().order_by("id")
        return list(changes.values_list("value", flat=True))


def wait_until(page: Page, condition: Callable[[], object]) -> None:
    """Wait for what no page shows, while the page goes on."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


@contextlib.contextmanager
def answers_lost(page: Page) -> Iterator[None]:
    """Let cells be saved inside the block, and every answer get lost. (What takes a route away may
    meet one that is just being answered, which is an error: here it stays.)"""
    inside = True

    def lose(route: Route) -> None:
        if inside:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/cells/", lose)
    yield
    inside = False


def mark(page: Page, pupil: str):
    return page.get_by_label(f"Mark of {pupil}")


def answer(page: Page, pupil: str, field: str = "Mark"):
    """What stands beside the cell of a pupil."""
    cell = f'tr:has(th:has-text("{pupil}")) td[data-label="{field}"] .answer'
    return page.locator(cell)


@contextlib.contextmanager
def second_browser(browser: Browser, **options) -> Iterator[Page]:
    with lend(browser, **options) as context:
        yield context.new_page()


def test_marks_typed_cell_by_cell_stay_and_nobody_else_sees_them(site, page, browser, complaints):
    site.enter(page, site.people.t1, sheet_of(site))
    for pupil, text in (("Abbott, Ada", "72"), ("Brown, Ben", "80.0"), ("Carter, Cleo", "ab")):
        mark(page, pupil).fill(text)
        mark(page, pupil).press("Tab")
        expect(answer(page, pupil)).to_contain_text("awaiting approval")
    comment = page.get_by_label("Comment on Abbott, Ada")
    comment.fill("Asks good questions.\nListens <b>too</b>.")
    comment.press("Tab")
    expect(answer(page, "Abbott, Ada", "Comment")).to_contain_text("awaiting approval")
    expect(page.get_by_role("status")).to_have_text("Comment on Abbott, Ada: awaiting approval")
    expect(page.get_by_text("0 without a mark")).to_be_visible()
    expect(page.get_by_text("4 awaiting approval")).to_be_visible()
    # What was saved is what stands there.
    expect(mark(page, "Brown, Ben")).to_have_value("80")
    expect(mark(page, "Carter, Cleo")).to_have_value("AB")
    page.reload()
    expect(mark(page, "Abbott, Ada")).to_have_value("72")
    expect(comment).to_have_value("Asks good questions.\nListens <b>too</b>.")
    assert waiting(site) == ["72", "80", "AB"]
    with second_browser(browser) as other:
        site.enter(other, site.people.t2, sheet_of(site))
        expect(mark(other, "Abbott, Ada")).to_have_value("")
        expect(other.get_by_label("Comment on Abbott, Ada")).to_have_value("")
    assert complaints == []


def test_a_refused_value_stays_in_its_cell_and_is_explained(site, page, complaints):
    site.enter(page, site.people.t1, sheet_of(site))
    cell = mark(page, "Abbott, Ada")
    cell.fill("1000")
    cell.press("Tab")
    page.keyboard.type("Still typing here")
    expect(answer(page, "Abbott, Ada")).to_contain_text("1000 is out of bounds")
    expect(cell).to_have_value("1000")
    expect(cell).to_have_attribute("aria-invalid", "true")
    described = cell.get_attribute("aria-describedby")
    expect(page.locator(f"#{described}")).to_contain_text("out of bounds")
    expect(page.get_by_label("Comment on Abbott, Ada")).to_have_value("Still typing here")
    assert waiting(site) == []
    cell.fill("100")
    cell.press("Tab")
    expect(answer(page, "Abbott, Ada")).to_contain_text("awaiting approval")
    assert cell.get_attribute("aria-invalid") is None
    assert waiting(site) == ["100"]
    assert complaints == []


def test_a_standing_mark_asks_for_the_reason_beside_it(site, page):
    with site.inside():
        site.people.a.approves(only(site.people.t1.types(site.people.marks[0], "60")))
    site.enter(page, site.people.t1, sheet_of(site))
    cell = mark(page, "Abbott, Ada")
    cell.fill("65")
    cell.press("Enter")
    reason = page.get_by_label("Why it changes")
    expect(answer(page, "Abbott, Ada")).to_contain_text("Say why it changes")
    expect(cell).to_have_value("65")
    assert waiting(site) == []
    reason.fill("A page was overlooked")
    reason.press("Enter")
    expect(answer(page, "Abbott, Ada")).to_contain_text("stands at 60 until then")
    assert waiting(site) == ["65"]


def test_the_offices_newer_value_is_shown_and_one_can_keep_ones_own(site, page, complaints):
    people = site.people
    with site.inside():
        people.t1.types(people.marks[0], "64")
        people.a.approves(only(people.v.types(people.marks[0], "46")))
    site.enter(page, people.t1, sheet_of(site))
    expect(answer(page, "Abbott, Ada")).to_contain_text("The office’s newer value is “46”")
    page.get_by_label("Keep mine").check()
    page.get_by_label("Why it changes").fill("I have the paper here")
    page.get_by_label("Why it changes").press("Tab")
    expect(answer(page, "Abbott, Ada")).to_contain_text("stands at 46 until then")
    assert waiting(site) == ["64"]
    assert complaints == []


def test_the_keyboard_alone_marks_a_class_and_adds_a_pupil(site, page):
    page.goto(f"{site.url}/sign-in/")
    page.keyboard.type(site.people.t1.user.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/classes/")

    def tab_to(selector: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"the Tab key does not reach {selector}")

    tab_to("th a")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{sheet_of(site)}")
    tab_to(".cell.grade")
    for text in ("61", "62", "63"):
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    for pupil in ("Abbott, Ada", "Brown, Ben", "Carter, Cleo"):
        expect(answer(page, pupil)).to_contain_text("awaiting approval")
    assert sorted(waiting(site)) == ["61", "62", "63"]
    page.goto(f"{site.url}{sheet_of(site)}")
    tab_to('.page-head a[href$="/pupil/"]')
    page.keyboard.press("Enter")
    page.wait_for_url("**/pupil/")
    expect(page.get_by_label("Name or number")).to_be_focused()
    page.keyboard.type("Wren Ashdown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nobody found")).to_be_visible()
    tab_to("#found a.button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/pupil/new/**")
    expect(page.get_by_label("Family name")).to_have_value("Ashdown")
    tab_to("main .button.primary")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{sheet_of(site)}?pupil=*")
    expect(mark(page, "Ashdown, Wren")).to_be_focused()
    page.keyboard.type("64")
    page.keyboard.press("Enter")
    expect(answer(page, "Ashdown, Wren")).to_contain_text("awaiting approval")
    assert sorted(waiting(site)) == ["61", "62", "63", "64"]


def test_without_javascript_the_same_page_does_the_same(site, browser):
    with second_browser(browser, java_script_enabled=False) as page:
        site.enter(page, site.people.t1, sheet_of(site))
        mark(page, "Abbott, Ada").fill("72")
        mark(page, "Brown, Ben").fill("1000")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("1 entry not saved")).to_be_visible()
        expect(mark(page, "Brown, Ben")).to_have_value("1000")
        expect(mark(page, "Brown, Ben")).to_have_attribute("aria-invalid", "true")
        assert waiting(site) == ["72"]
        mark(page, "Brown, Ben").fill("100")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("1 entry was saved")).to_be_visible()
        assert waiting(site) == ["72", "100"]
        page.get_by_role("link", name="Add a missing pupil").click()
        page.get_by_label("Name or number").fill("Ashdown, Wren")
        page.get_by_role("button", name="Search").click()
        page.get_by_role("link", name="Create a new pupil").click()
        page.get_by_role("button", name="Create the pupil").click()
        expect(mark(page, "Ashdown, Wren")).to_be_focused()
        page.goto(f"{site.url}/my-changes/")
        page.get_by_role("link", name="Withdraw new pupil, Ashdown, Wren").click()
        expect(page.get_by_text("What goes with it")).to_be_visible()
        page.get_by_role("button", name="Withdraw").click()
        expect(page.get_by_text("Withdrawn.")).to_be_visible()


def test_the_search_answers_while_one_types(site, page, complaints):
    with site.inside():
        new = site.people.t1.creates("student", family_name="Núñez", given_names="Ana")
        site.people.t2.creates("student", family_name="Nunes", given_names="Hidden")
    site.enter(page, site.people.t1, f"{sheet_of(site)}pupil/")
    page.get_by_label("Name or number").press_sequentially("nunez")
    button = page.get_by_role("button", name="Add Núñez, Ana")
    expect(button).to_be_visible()
    assert "Hidden" not in page.content()
    button.dblclick()
    expect(mark(page, "Núñez, Ana")).to_be_focused()
    with site.inside():
        assert Change.objects.filter(field="student", value=str(new)).count() == 1
    assert complaints == []


def test_leaving_with_something_typed_and_not_sent_asks_first(site, page):
    site.enter(page, site.people.t1, sheet_of(site))
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == []
    mark(page, "Abbott, Ada").press_sequentially("7")
    page.reload()
    assert asked == ["beforeunload"]


def test_signed_out_meanwhile_the_cell_keeps_what_was_typed(site, page):
    site.enter(page, site.people.t1, sheet_of(site))
    page.context.clear_cookies(name="sessionid")
    cell = mark(page, "Abbott, Ada")
    cell.fill("72")
    cell.press("Tab")
    expect(page.get_by_text("You are signed out. This was not saved.")).to_be_visible()
    expect(cell).to_have_value("72")
    expect(cell).to_have_attribute("data-unsaved", "")
    assert waiting(site) == []


def test_what_did_not_reach_the_server_is_said_and_sent_again_once(site, page):
    site.enter(page, site.people.t1, sheet_of(site))
    page.route("**/cells/", lambda route: route.abort())
    cell = mark(page, "Abbott, Ada")
    cell.fill("72")
    cell.press("Tab")
    expect(page.get_by_text("did not reach the school's server")).to_be_visible()
    expect(cell).to_have_value("72")
    # The answer is lost this time, and the edit is not.
    page.unroute("**/cells/")
    with answers_lost(page):
        cell.focus()
        cell.press("Tab")
        wait_until(page, lambda: waiting(site) == ["72"])
    cell.focus()
    cell.press("Tab")
    expect(answer(page, "Abbott, Ada")).to_contain_text("awaiting approval")
    with site.inside():
        assert Change.objects.filter(field="grade").count() == 1


PAGES = (
    "/classes/",
    "/classes/?all",
    "{sheet}",
    "{sheet}pupil/?q=Ada",
    "{sheet}pupil/new/?q=Ada+Abbott",
    "{sheet}pupil/{mark}/",
    "{sheet}pupil/{mark}/details/",
    "{sheet}pupil/{mark}/leave/",
    "{sheet}pupil/{mark}/beside/",
    "{sheet}details/",
    "{sheet}hand-in/",
    "/my-changes/",
    "/my-changes/?state=superseded",
    "/my-changes/decided/",
    "/my-comments/",
)


OTHER_CLASS = "BIO-3: Biology"


def prepare(site) -> None:
    """Have a cell in each state, a blocked pupil, pupils apart, and another class."""
    people = site.people
    with site.inside():
        other = people.a.creates(
            "section", course=str(people.course), term=str(people.term), code="BIO-3"
        )
        people.a.approves(*people.open_of(other))
        people.a.approves(only(people.t1.types(people.marks[0], "60")))
        people.t1.types(people.marks[0], "66", reason="misread")
        people.a.declines(only(people.t1.types(people.marks[1], "50")), reason="He was ill")
        people.t1.types(people.marks[2], "64")
        people.a.approves(only(people.v.types(people.marks[2], "46")))
        people.t1.types(people.marks[1], "Quiet, and thorough.", field="comment")
        for owner in (None, people.t1.user):
            BankComment.objects.create(school=people.school, owner=owner, text="{name} reads.")
        new = people.t1.creates("student", family_name="Harker")
        people.t1.types(people.t1.enrols(new, people.section), "58")
        people.a.declines(*Change.objects.of("student", new).open(), reason="Is in already")
        moved = people.t1.creates("student", family_name="Ashdown")
        people.t1.changes_cell(
            "enrollment", people.t1.enrols(moved, people.section), status="waitlisted"
        )


def test_every_page_is_accessible_and_fits(site, phone: Page):
    prepare(site)
    page, complaints = phone, complaints_of(phone)
    site.enter(page, site.people.t1)

    def check(where: str) -> None:
        assert objections(page) == "", where

    for path in PAGES:
        page.goto(site.url + path.format(sheet=sheet_of(site), mark=site.people.marks[1]))
        check(path)
    page.goto(f"{site.url}{sheet_of(site)}")
    mark(page, "Abbott, Ada").fill("1000")
    mark(page, "Abbott, Ada").press("Enter")
    expect(answer(page, "Abbott, Ada")).to_contain_text("out of bounds")
    check("a refused cell")
    mark(page, "Abbott, Ada").fill("70")
    mark(page, "Abbott, Ada").press("Enter")
    expect(page.get_by_label("Why it changes")).to_be_visible()
    check("a cell that asks for a reason")
    mark(page, "Abbott, Ada").fill("66")
    page.get_by_role("link", name="Move to another pupil").click()
    check("another pupil")
    page.goto(f"{site.url}{sheet_of(site)}pupil/new/?q=Ada+Abbott")
    page.get_by_role("button", name="Create the pupil").click()
    expect(page.get_by_text("Is it one of these?")).to_be_visible()
    check("similar pupils")
    page.goto(f"{site.url}{sheet_of(site)}pupil/{site.people.marks[1]}/")
    page.get_by_label("Is in another class of this term").select_option(label=OTHER_CLASS)
    page.get_by_role("button", name="Move there…").click()
    check("move")
    page.goto(f"{site.url}{sheet_of(site)}pupil/{site.people.marks[1]}/details/")
    page.locator("[name=email]").fill("nobody")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nothing was saved yet")).to_be_visible()
    check("refused details")
    page.goto(f"{site.url}/my-changes/")
    page.get_by_role("link", name="Withdraw").first.click()
    check("withdraw")
    assert complaints == []

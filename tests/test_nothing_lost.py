"""What was typed into the mark sheet and is not saved yet waits, and arrives once."""

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from changes.models import Change
from tests.cast import PASSWORD
from tests.serving import Server
from tests.test_pages_in_browser import answers_lost, wait_until

pytestmark = pytest.mark.browser

ADA, BEN, CLEO = "Abbott, Ada", "Brown, Ben", "Carter, Cleo"
CELL = "**/cells/"


def sheet_of(site) -> str:
    return f"/classes/{site.people.section}/"


def mark(page: Page, pupil: str):
    return page.get_by_label(f"Mark of {pupil}")


def comment(page: Page, pupil: str):
    return page.get_by_label(f"Comment on {pupil}")


def answer(page: Page, pupil: str, field: str = "Mark"):
    """What stands beside the cell of a pupil."""
    return page.locator(f'tr:has(th:has-text("{pupil}")) td[data-label="{field}"] .answer')


def unsaved(page: Page, count: int) -> None:
    expect(page.locator(".tally")).to_contain_text(f"{count} not yet saved")


def proposed(site, field="grade") -> list[str | None]:
    """Every text that was proposed, in the order it came."""
    with site.inside():
        changes = Change.objects.filter(field=field).order_by("id")
        return list(changes.values_list("value", flat=True))


def types(page: Page, cell, text: str) -> None:
    cell.click()
    page.keyboard.type(text)
    page.keyboard.press("Tab")


@contextlib.contextmanager
def tab_of(page: Page) -> Iterator[Page]:
    """Another tab of the same browser."""
    tab = page.context.new_page()
    try:
        yield tab
    finally:
        tab.close()


@pytest.fixture
def sheet(site, page) -> Page:
    site.enter(page, site.people.t1, sheet_of(site))
    # The browser asks before it leaves what is not saved; here it crashes, or they insist.
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def test_offline_all_is_kept_counted_and_sent_once_when_the_network_is_back(site, sheet):
    unsaved(sheet, 0)
    sheet.context.set_offline(True)
    types(sheet, mark(sheet, ADA), "61")
    types(sheet, comment(sheet, ADA), "Asks why.")
    types(sheet, mark(sheet, BEN), "62")
    unsaved(sheet, 3)
    expect(sheet.locator("[data-held]")).to_have_text("3 not yet saved")
    expect(sheet.locator("[data-held]")).to_have_attribute("aria-live", "polite")
    expect(answer(sheet, ADA)).to_contain_text("not yet saved")
    sheet.context.set_offline(False)
    for pupil in (ADA, BEN):
        expect(answer(sheet, pupil)).to_contain_text("awaiting approval")
    unsaved(sheet, 0)
    expect(sheet.locator("#trouble")).to_be_hidden()
    assert sorted(map(str, proposed(site))) == ["61", "62"]
    assert proposed(site, "comment") == ["Asks why."]
    assert sheet.evaluate("localStorage.length") == 0


def test_an_answer_that_was_lost_makes_no_second_change(site, sheet):
    with answers_lost(sheet):
        types(sheet, mark(sheet, ADA), "61")
        expect(sheet.locator("[data-held]")).to_have_text("1 not yet saved")
    expect(answer(sheet, ADA)).to_contain_text("awaiting approval")
    unsaved(sheet, 0)
    assert proposed(site) == ["61"]


def test_a_server_that_was_down_is_tried_again_by_itself(site, sheet):
    sheet.route(CELL, lambda route: route.fulfill(status=503, body="down"))
    types(sheet, mark(sheet, ADA), "61")
    expect(sheet.locator("[data-held]")).to_have_text("1 not yet saved")
    sheet.unroute(CELL)
    expect(answer(sheet, ADA)).to_contain_text("awaiting approval")
    assert proposed(site) == ["61"]


def test_what_was_typed_before_the_tab_was_closed_is_there_again_and_is_sent(site, sheet):
    sheet.route(CELL, lambda route: route.abort())
    types(sheet, mark(sheet, ADA), "61")
    types(sheet, comment(sheet, BEN), "Quiet, and thorough.")
    mark(sheet, CLEO).click()
    sheet.keyboard.type("6")  # still in the cell when the browser crashes
    unsaved(sheet, 3)
    with tab_of(sheet) as tab:
        sheet.close()
        tab.route(CELL, lambda route: route.abort())
        tab.goto(f"{site.url}{sheet_of(site)}")
        expect(mark(tab, ADA)).to_have_value("61")
        expect(answer(tab, ADA)).to_contain_text("not yet saved")
        expect(mark(tab, CLEO)).to_have_value("6")
        unsaved(tab, 3)
        assert proposed(site) == []
        tab.unroute(CELL)
        for pupil in (ADA, CLEO):
            expect(answer(tab, pupil)).to_contain_text("awaiting approval")
        unsaved(tab, 0)
        assert sorted(map(str, proposed(site))) == ["6", "61"]
        tab.reload()
        unsaved(tab, 0)
        assert len(proposed(site)) == 2


def test_signed_out_and_in_again_in_another_tab_it_is_sent_without_leaving_the_page(site, sheet):
    sheet.context.clear_cookies(name="sessionid")
    types(sheet, mark(sheet, ADA), "61")
    expect(sheet.get_by_text("You are signed out. This was not saved.")).to_be_visible()
    unsaved(sheet, 1)
    with tab_of(sheet) as tab:
        site.enter(tab, site.people.t1)
        sheet.bring_to_front()
        expect(answer(sheet, ADA)).to_contain_text("awaiting approval")
    unsaved(sheet, 0)
    assert proposed(site) == ["61"]


def test_signing_in_again_happens_without_leaving_the_page(site, sheet):
    sheet.context.clear_cookies(name="sessionid")
    types(sheet, mark(sheet, ADA), "61")
    expect(sheet.get_by_text("You are signed out. This was not saved.")).to_be_visible()
    sheet.keyboard.type("Asks why.")  # nothing took the focus away
    expect(comment(sheet, ADA)).to_have_value("Asks why.")
    sheet.get_by_label("E-mail").fill(site.people.t1.user.email)
    sheet.get_by_label("Password").fill("not this one")
    sheet.keyboard.press("Enter")
    expect(sheet.get_by_text("do not belong together")).to_be_visible()
    sheet.get_by_label("Password").fill(PASSWORD)
    held: list[Route] = []
    # What waits is saved at once, and then the page says no more of it: not before it was read.
    sheet.route(CELL, lambda route: held.append(route))  # noqa: PLW0108 - it is marked by playwright
    sheet.keyboard.press("Enter")
    expect(sheet.get_by_text("You are signed in again")).to_be_visible()
    for each in held:
        each.continue_()
    sheet.unroute(CELL)
    expect(answer(sheet, ADA)).to_contain_text("awaiting approval")
    expect(answer(sheet, ADA, "Comment")).to_contain_text("awaiting approval")
    unsaved(sheet, 0)
    expect(mark(sheet, ADA)).to_have_value("61")
    assert proposed(site) == ["61"]
    types(sheet, mark(sheet, BEN), "62")
    expect(answer(sheet, BEN)).to_contain_text("awaiting approval")


def test_another_who_signs_in_on_the_open_page_is_led_away_from_it_and_saves_nothing(site, sheet):
    sheet.context.clear_cookies(name="sessionid")
    types(sheet, mark(sheet, ADA), "61")
    sheet.get_by_label("E-mail").fill(site.people.t2.user.email)
    sheet.get_by_label("Password").fill(PASSWORD)
    sheet.keyboard.press("Enter")
    sheet.wait_for_url(f"{site.url}/classes/")
    expect(sheet.get_by_text("Signed in as T2 Teacher")).to_be_attached()
    assert proposed(site) == []
    assert sheet.evaluate("localStorage.length") == 1


def test_a_key_leads_to_signing_in_and_the_focus_comes_back_to_the_cell(site, sheet):
    sheet.context.clear_cookies(name="sessionid")
    types(sheet, mark(sheet, CLEO), "61")
    expect(sheet.get_by_label("E-mail")).to_be_visible()
    sheet.keyboard.press("F9")
    sheet.keyboard.type(site.people.t1.user.email)
    sheet.keyboard.press("Tab")
    sheet.keyboard.type(PASSWORD)
    sheet.keyboard.press("Enter")
    expect(answer(sheet, CLEO)).to_contain_text("awaiting approval")
    expect(comment(sheet, CLEO)).to_be_focused()


def test_a_server_that_is_killed_and_started_again_gets_what_was_typed_meanwhile_once(site, sheet):
    with Server(site.database) as server:
        sheet.goto(f"{server.url}{sheet_of(site)}")  # signed in there too: the cookie is the host's
        types(sheet, mark(sheet, ADA), "61")
        expect(answer(sheet, ADA)).to_contain_text("awaiting approval")
        server.kill()
        types(sheet, mark(sheet, BEN), "62")
        types(sheet, comment(sheet, BEN), "Quiet, and thorough.")
        types(sheet, mark(sheet, CLEO), "63")
        expect(sheet.locator("[data-held]")).to_have_text("3 not yet saved")
        server.start()
        expect(answer(sheet, CLEO)).to_contain_text("awaiting approval")
        unsaved(sheet, 0)
        sheet.goto("about:blank")
    assert proposed(site) == ["61", "62", "63"]
    assert proposed(site, "comment") == ["Quiet, and thorough."]


def test_what_one_tab_left_in_its_cell_another_saves_for_both(site, sheet):
    mark(sheet, ADA).click()
    sheet.keyboard.type("61")
    unsaved(sheet, 1)
    with tab_of(sheet) as tab:
        tab.goto(f"{site.url}{sheet_of(site)}")
        expect(answer(tab, ADA)).to_contain_text("awaiting approval")
        unsaved(sheet, 0)
        mark(sheet, BEN).click()
        types(tab, mark(tab, BEN), "62")
        expect(answer(tab, BEN)).to_contain_text("awaiting approval")
    # What was typed there is not overwritten unseen.
    types(sheet, mark(sheet, BEN), "65")
    expect(answer(sheet, BEN)).to_contain_text("Meanwhile you typed “62” here")
    assert proposed(site) == ["61", "62"]
    sheet.get_by_label("Use this one").check()
    expect(answer(sheet, BEN)).to_contain_text("awaiting approval")
    assert proposed(site) == ["61", "62", "65"]


def test_while_one_batch_is_on_its_way_the_next_waits_and_goes_as_one(site, sheet):
    sent = []
    sheet.on("request", lambda request: sent.append(request) if "/cells/" in request.url else None)
    held = []
    sheet.route(CELL, lambda route: route.continue_() if held else held.append(route))
    types(sheet, mark(sheet, ADA), "61")
    types(sheet, comment(sheet, ADA), "Asks why.")
    types(sheet, mark(sheet, BEN), "62")
    unsaved(sheet, 3)
    wait_until(sheet, lambda: held)
    held[0].continue_()
    for pupil in (ADA, BEN):
        expect(answer(sheet, pupil)).to_contain_text("awaiting approval")
    unsaved(sheet, 0)
    assert len(sent) == 2
    assert proposed(site) == ["61", "62"]


def test_another_person_on_the_same_browser_neither_sees_nor_sends_it(site, sheet):
    people = site.people
    sheet.context.clear_cookies(name="sessionid")
    types(sheet, mark(sheet, ADA), "61")
    unsaved(sheet, 1)
    with tab_of(sheet) as tab:
        site.enter(tab, people.t2, sheet_of(site))
        unsaved(tab, 0)
        expect(mark(tab, ADA)).to_have_value("")
        # The first person's page is still open, and tries.
        with sheet.expect_response(CELL) as tried:
            sheet.evaluate("window.dispatchEvent(new Event('online'))")
        assert tried.value.status == 403
        expect(sheet.get_by_text("Somebody else is signed in on this browser")).to_be_visible()
        unsaved(sheet, 1)
        assert proposed(site) == []
        tab.locator("details.who summary").click()
        tab.get_by_role("button", name="Sign out").click()
        tab.goto(f"{site.url}/sign-in/?next={sheet_of(site)}")
        tab.fill("[name=login]", people.t1.user.email)
        tab.fill("[name=password]", PASSWORD)
        tab.press("[name=password]", "Enter")
        expect(mark(tab, ADA)).to_have_value("61")
        expect(answer(tab, ADA)).to_contain_text("awaiting approval")
    with site.inside():
        assert Change.objects.get(field="grade").author_id == people.t1.user.pk


def test_two_tabs_on_one_sheet_send_one_edit_once(site, sheet):
    sheet.route(CELL, lambda route: route.abort())
    types(sheet, mark(sheet, ADA), "61")
    unsaved(sheet, 1)
    with tab_of(sheet) as tab:
        tab.goto(f"{site.url}{sheet_of(site)}")
        expect(answer(tab, ADA)).to_contain_text("awaiting approval")
        sheet.unroute(CELL)
        expect(answer(sheet, ADA)).to_contain_text("awaiting approval")
    assert proposed(site) == ["61"]


def test_what_was_refused_stays_until_it_is_typed_anew(site, sheet):
    types(sheet, mark(sheet, ADA), "1000")
    expect(answer(sheet, ADA)).to_contain_text("out of bounds")
    unsaved(sheet, 1)
    sheet.reload()
    expect(mark(sheet, ADA)).to_have_value("1000")
    expect(answer(sheet, ADA)).to_contain_text("out of bounds")
    types(sheet, mark(sheet, ADA), "100")
    expect(answer(sheet, ADA)).to_contain_text("awaiting approval")
    unsaved(sheet, 0)
    sheet.reload()
    unsaved(sheet, 0)
    assert proposed(site) == ["100"]


@pytest.mark.parametrize("how", ["Escape", "Control+z", "typing"])
def test_what_stood_before_a_slip_that_was_refused_comes_back(site, sheet, how):
    types(sheet, mark(sheet, ADA), "61")
    expect(answer(sheet, ADA)).to_contain_text("awaiting approval")
    types(sheet, mark(sheet, ADA), "610")
    expect(answer(sheet, ADA)).to_contain_text("out of bounds")
    expect(answer(sheet, ADA)).to_contain_text("It stays 61.")
    mark(sheet, ADA).focus()
    if how == "typing":
        sheet.keyboard.type("61")
        sheet.keyboard.press("Tab")
    else:
        sheet.keyboard.press(how)
    expect(mark(sheet, ADA)).to_have_value("61")
    expect(answer(sheet, ADA)).to_have_text("awaiting approval")
    unsaved(sheet, 0)
    sheet.reload()
    expect(mark(sheet, ADA)).to_have_value("61")
    assert proposed(site) == ["61"]


def test_an_error_that_is_typed_over_is_no_longer_shown_and_the_trouble_box_goes(site, sheet):
    sheet.route(CELL, lambda route: route.fulfill(status=503, body="down"))
    types(sheet, mark(sheet, ADA), "1000")
    expect(sheet.locator("#trouble")).to_be_visible()
    sheet.unroute(CELL)
    expect(answer(sheet, ADA)).to_contain_text("out of bounds")
    expect(sheet.locator("#trouble")).to_be_hidden()
    mark(sheet, ADA).click()
    sheet.keyboard.type("10")
    expect(answer(sheet, ADA).locator(".error-text")).to_be_hidden()
    expect(answer(sheet, ADA)).to_contain_text("not yet saved")


def test_text_typed_back_is_nothing_unsaved(site, sheet):
    mark(sheet, ADA).click()
    sheet.keyboard.type("61")
    unsaved(sheet, 1)
    sheet.keyboard.press("Escape")
    unsaved(sheet, 0)
    expect(answer(sheet, ADA)).to_have_text("blank")
    assert sheet.evaluate("localStorage.length") == 0
    assert proposed(site) == []


def test_other_pages_say_what_of_a_class_is_not_saved_yet(site, sheet):
    sheet.route(CELL, lambda route: route.abort())
    types(sheet, mark(sheet, ADA), "61")
    types(sheet, comment(sheet, ADA), "Asks why.")
    unsaved(sheet, 2)
    sheet.goto(f"{site.url}/classes/")
    expect(sheet.get_by_role("row", name="BIO-2")).to_contain_text("2 typed, and not saved")
    sheet.locator("details.who summary").click()
    expect(sheet.get_by_text("2 typed in this browser, and not saved yet")).to_be_visible()
    sheet.goto(f"{site.url}{sheet_of(site)}hand-in/")
    expect(sheet.locator("main")).to_contain_text("2 typed in this browser, and not saved yet")
    sheet.unroute(CELL)
    sheet.goto(f"{site.url}{sheet_of(site)}")
    expect(answer(sheet, ADA, "Comment")).to_contain_text("awaiting approval")
    unsaved(sheet, 0)
    sheet.goto(f"{site.url}/classes/")
    expect(sheet.get_by_role("row", name="BIO-2").get_by_text("not saved")).to_be_hidden()


def test_a_pupil_who_left_meanwhile_takes_no_text_along(site, sheet):
    people = site.people
    sheet.route(CELL, lambda route: route.abort())
    types(sheet, comment(sheet, ADA), "Worked hard.")
    unsaved(sheet, 1)
    with site.inside():
        changes = people.t1.changes_cell("enrollment", people.marks[0], status="withdrawn").changes
        people.a.approves(*changes)
    sheet.reload()
    expect(sheet.get_by_text(f"Comment on {ADA}: Worked hard.")).to_be_visible()
    unsaved(sheet, 1)
    sheet.get_by_role("button", name="Discard it").click()
    unsaved(sheet, 0)
    sheet.reload()
    expect(sheet.get_by_text("Worked hard.")).to_be_hidden()


def test_a_storage_that_is_full_stops_nobody(site, browser: Browser):
    context = browser.new_context()
    context.add_init_script(
        "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }"
    )
    page = context.new_page()
    site.enter(page, site.people.t1, sheet_of(site))
    types(page, mark(page, ADA), "61")
    expect(answer(page, ADA)).to_contain_text("awaiting approval")
    unsaved(page, 0)
    context.close()
    assert proposed(site) == ["61"]

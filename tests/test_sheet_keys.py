"""The keys of a spreadsheet on the mark sheet, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from changes.models import Change
from tests.cast import only
from tests.pages import more_pupils

pytestmark = pytest.mark.browser

ADA, BEN, CLEO = "Abbott, Ada", "Brown, Ben", "Carter, Cleo"


def sheet_of(site) -> str:
    return f"/classes/{site.people.section}/"


def mark(page: Page, pupil: str):
    return page.get_by_label(f"Mark of {pupil}")


def comment(page: Page, pupil: str):
    return page.get_by_label(f"Comment on {pupil}")


def answer(page: Page, pupil: str, field: str = "Mark"):
    """What stands beside the cell of a pupil."""
    return page.locator(f'tr:has(th:has-text("{pupil}")) td[data-label="{field}"] .answer')


def saved(page: Page, pupil: str, field: str = "Mark") -> None:
    expect(answer(page, pupil, field)).to_contain_text("awaiting approval")


def proposed(site, field="grade") -> list[str | None]:
    """Every text that was proposed, in the order it came."""
    with site.inside():
        changes = Change.objects.filter(field=field).order_by("id")
        return list(changes.values_list("value", flat=True))


def paste(page: Page, text: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.keyboard.press("Control+v")


def selected(cell) -> str:
    return cell.evaluate("e => e.value.slice(e.selectionStart, e.selectionEnd)")


@pytest.fixture
def sheet(site, page) -> Page:
    site.enter(page, site.people.t1, sheet_of(site))
    return page


def test_enter_goes_down_the_column_and_then_to_the_top_of_the_next(sheet):
    mark(sheet, ADA).focus()
    for pupil in (ADA, BEN, CLEO):
        expect(mark(sheet, pupil)).to_be_focused()
        sheet.keyboard.press("Enter")
    for pupil in (ADA, BEN, CLEO):
        expect(comment(sheet, pupil)).to_be_focused()
        sheet.keyboard.press("Enter")
    expect(comment(sheet, CLEO)).to_be_focused()
    mark(sheet, CLEO).focus()
    sheet.keyboard.press("Shift+Enter")
    expect(mark(sheet, BEN)).to_be_focused()


def test_arrows_move_by_row_and_at_the_ends_of_a_mark_across(sheet):
    mark(sheet, ADA).focus()
    sheet.keyboard.press("ArrowUp")
    expect(mark(sheet, ADA)).to_be_focused()
    sheet.keyboard.press("ArrowDown")
    expect(mark(sheet, BEN)).to_be_focused()
    sheet.keyboard.type("57")
    sheet.keyboard.press("ArrowLeft")
    sheet.keyboard.press("ArrowLeft")
    sheet.keyboard.press("ArrowRight")
    expect(mark(sheet, BEN)).to_be_focused()
    sheet.keyboard.press("ArrowRight")
    sheet.keyboard.press("ArrowRight")
    expect(comment(sheet, BEN)).to_be_focused()
    saved(sheet, BEN)
    sheet.keyboard.press("ArrowLeft")
    expect(mark(sheet, BEN)).to_be_focused()
    sheet.keyboard.press("Tab")
    expect(comment(sheet, BEN)).to_be_focused()


def test_in_a_comment_the_arrows_leave_only_from_its_first_and_last_line(site, sheet):
    comment(sheet, BEN).focus()
    sheet.keyboard.type("One")
    sheet.keyboard.press("Shift+Enter")
    sheet.keyboard.type("Two")
    sheet.keyboard.press("Alt+Enter")
    sheet.keyboard.type("Three")
    expect(comment(sheet, BEN)).to_have_value("One\nTwo\nThree")
    sheet.keyboard.press("ArrowUp")
    sheet.keyboard.press("ArrowUp")
    expect(comment(sheet, BEN)).to_be_focused()
    sheet.keyboard.press("Home")
    sheet.keyboard.press("ArrowUp")
    expect(comment(sheet, ADA)).to_be_focused()
    saved(sheet, BEN, "Comment")
    assert proposed(site, "comment") == ["One\nTwo\nThree"]
    sheet.keyboard.press("ArrowDown")
    expect(comment(sheet, BEN)).to_be_focused()
    sheet.keyboard.press("ArrowDown")
    expect(comment(sheet, CLEO)).to_be_focused()


def test_typing_replaces_a_mark_f2_edits_it_and_escape_restores_it(site, sheet):
    for text in ("61", "72"):
        mark(sheet, ADA).click()
        sheet.keyboard.type(text)
        sheet.keyboard.press("Enter")
        expect(mark(sheet, ADA)).to_have_value(text)
    saved(sheet, ADA)
    mark(sheet, ADA).focus()
    assert selected(mark(sheet, ADA)) == "72"
    sheet.keyboard.press("F2")
    sheet.keyboard.type(".5")
    expect(mark(sheet, ADA)).to_have_value("72.5")
    sheet.keyboard.press("Escape")
    expect(mark(sheet, ADA)).to_have_value("72")
    sheet.keyboard.press("Enter")
    mark(sheet, BEN).fill("50")
    sheet.keyboard.press("Enter")
    saved(sheet, BEN)
    assert proposed(site) == ["61", "72", "50"]


def test_ctrl_z_undoes_the_text_being_typed_and_then_what_was_saved(site, sheet):
    for pupil, text in ((ADA, "61"), (ADA, "72.0"), (BEN, "50")):
        mark(sheet, pupil).click()
        sheet.keyboard.type(text)
        sheet.keyboard.press("Enter")
        saved(sheet, pupil)
    expect(sheet.get_by_text("2 awaiting approval")).to_be_visible()
    expect(mark(sheet, ADA)).to_have_value("72")
    comment(sheet, CLEO).click()
    sheet.keyboard.type("x")
    sheet.keyboard.press("Control+z")  # the browser's own
    expect(comment(sheet, CLEO)).to_have_value("")
    expect(mark(sheet, BEN)).to_have_value("50")
    sheet.keyboard.press("Control+z")
    expect(mark(sheet, BEN)).to_have_value("")
    expect(mark(sheet, BEN)).to_be_focused()
    expect(answer(sheet, BEN)).to_have_text("blank")
    sheet.keyboard.press("Control+z")
    expect(mark(sheet, ADA)).to_have_value("61")
    expect(mark(sheet, ADA)).to_be_focused()
    expect(sheet.get_by_role("status")).to_contain_text(f"Mark of {ADA}")
    assert proposed(site) == ["61", "72", "50", None, "61"]


def test_ctrl_d_fills_down_from_the_cell_above(site, sheet):
    mark(sheet, ADA).focus()
    sheet.keyboard.type("61")
    sheet.keyboard.press("Enter")
    sheet.keyboard.press("Control+d")
    sheet.keyboard.press("Enter")
    sheet.keyboard.press("Control+d")
    for pupil in (ADA, BEN, CLEO):
        expect(mark(sheet, pupil)).to_have_value("61")
        saved(sheet, pupil)
    sheet.keyboard.press("Control+z")
    expect(mark(sheet, CLEO)).to_have_value("")
    expect(answer(sheet, CLEO)).to_have_text("blank")
    assert proposed(site) == ["61", "61", "61", None]


def test_a_pasted_block_is_checked_before_anything_of_it_is_saved(site, sheet):
    mark(sheet, ADA).focus()
    paste(sheet, '61\tAsks "why".\r\n1000\t"Two\nlines, ""quoted"""\r\nab\t\r\n')
    expect(answer(sheet, BEN)).to_contain_text("1000 is out of bounds")
    expect(sheet.get_by_text("Nothing of the block is saved yet")).to_be_visible()
    expect(sheet.get_by_text("5 entries were pasted.")).to_have_count(1)
    expect(sheet.get_by_role("alert").get_by_text("5 entries were pasted.")).to_be_visible()
    expect(mark(sheet, ADA)).to_have_value("61")
    expect(answer(sheet, ADA)).to_contain_text("not yet saved")
    expect(comment(sheet, BEN)).to_have_value('Two\nlines, "quoted"')
    assert proposed(site) == proposed(site, "comment") == []
    comment(sheet, CLEO).fill("Kind.")
    sheet.keyboard.press("Tab")
    saved(sheet, CLEO, "Comment")
    expect(sheet.get_by_text("Nothing of the block is saved yet")).to_be_visible()
    mark(sheet, BEN).fill("100")
    sheet.keyboard.press("Tab")
    for pupil in (ADA, BEN, CLEO):
        saved(sheet, pupil)
    for pupil in (ADA, BEN):
        saved(sheet, pupil, "Comment")
    expect(mark(sheet, CLEO)).to_have_value("AB")
    expect(sheet.get_by_text("Nothing of the block is saved yet")).to_be_hidden()
    assert sorted(map(str, proposed(site))) == ["100", "61", "AB"]


def test_what_can_be_saved_of_a_block_is_saved_when_asked_and_the_block_can_be_undone(site, sheet):
    for _ in range(2):
        mark(sheet, ADA).focus()
        paste(sheet, "61\n1000\n63\n")
        expect(sheet.get_by_text("Nothing of the block is saved yet")).to_be_visible()
        sheet.keyboard.press("Control+z")
        for pupil in (ADA, BEN, CLEO):
            expect(mark(sheet, pupil)).to_have_value("")
            expect(answer(sheet, pupil)).to_have_text("blank")
        expect(sheet.locator(".tally")).to_contain_text("0 not yet saved")
    assert proposed(site) == []
    mark(sheet, ADA).focus()
    paste(sheet, "61\n1000\n63\n")
    sheet.get_by_role("button", name="Save the rest").click()
    saved(sheet, ADA)
    saved(sheet, CLEO)
    expect(answer(sheet, BEN)).to_contain_text("1000 is out of bounds")
    assert sorted(map(str, proposed(site))) == ["61", "63"]


def test_a_heading_is_no_mark_and_a_column_of_names_saves_nothing(site, sheet):
    mark(sheet, ADA).focus()
    paste(sheet, "Mark\tComment\n61\tAsks why.\n62\tListens.\n")
    saved(sheet, ADA)
    saved(sheet, BEN)
    expect(mark(sheet, BEN)).to_have_value("62")
    expect(comment(sheet, ADA)).to_have_value("Asks why.")
    mark(sheet, ADA).focus()
    paste(sheet, f"{ADA}\t71\n{BEN}\t72\n")
    expect(sheet.get_by_text("Nothing of the block is saved yet")).to_be_visible()
    assert proposed(site) == ["61", "62"]
    assert proposed(site, "comment") == ["Asks why.", "Listens."]


def test_a_column_of_comments_from_a_spreadsheet_lands_cell_for_cell_and_plain_text_in_one(
    site, sheet
):
    sheet.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copied = """async ([text, html]) => navigator.clipboard.write([new ClipboardItem({
        "text/plain": new Blob([text], {type: "text/plain"}),
        "text/html": new Blob([html], {type: "text/html"})})])"""
    sheet.evaluate(copied, ["Reads.\nWrites.\n", "<table><tr><td>Reads.</td></tr></table>"])
    comment(sheet, ADA).focus()
    sheet.keyboard.press("Control+v")
    saved(sheet, ADA, "Comment")
    expect(comment(sheet, ADA)).to_have_value("Reads.")
    expect(comment(sheet, BEN)).to_have_value("Writes.")
    comment(sheet, CLEO).focus()
    sheet.evaluate(copied, ['"He said ""yes""."\n', "<table><tr><td>x</td></tr></table>"])
    sheet.keyboard.press("Control+v")
    expect(comment(sheet, CLEO)).to_have_value('He said "yes".')
    sheet.keyboard.press("Control+a")
    paste(sheet, "Two lines\nof a letter.")
    expect(comment(sheet, CLEO)).to_have_value("Two lines\nof a letter.")


def test_a_pasted_block_never_runs_beyond_the_class(site, sheet):
    mark(sheet, BEN).focus()
    paste(sheet, "61\n62\n63\n64\n")
    expect(mark(sheet, BEN)).to_have_value("61")
    expect(mark(sheet, CLEO)).to_have_value("62")
    expect(mark(sheet, ADA)).to_have_value("")
    expect(sheet.get_by_text("2 lines of the block did not fit")).to_be_visible()
    saved(sheet, BEN)
    saved(sheet, CLEO)
    assert sorted(map(str, proposed(site))) == ["61", "62"]
    mark(sheet, ADA).focus()
    paste(sheet, "1\t2\t3")
    expect(sheet.get_by_text("Nothing was pasted: the block has 3 columns")).to_be_visible()
    expect(mark(sheet, ADA)).to_have_value("")


def test_a_block_does_not_run_over_to_those_who_wait_for_a_place(site, page):
    people = site.people
    with site.inside():
        people.a.approves(
            *people.t1.changes_cell("enrollment", people.marks[0], status="waitlisted").changes
        )
    site.enter(page, people.t1, sheet_of(site))
    mark(page, BEN).focus()
    paste(page, "61\n62\n63\n")
    expect(page.get_by_text("1 line of the block did not fit")).to_be_visible()
    saved(page, CLEO)
    expect(mark(page, ADA)).to_have_value("")


def test_a_standing_mark_is_not_overwritten_by_a_block_without_a_reason(site, page):
    with site.inside():
        site.people.a.approves(only(site.people.t1.types(site.people.marks[0], "60")))
    site.enter(page, site.people.t1, sheet_of(site))
    mark(page, ADA).focus()
    paste(page, "65\n70\n")
    expect(answer(page, ADA)).to_contain_text("Say why it changes")
    page.get_by_label(f"Why it changes ({ADA})").fill("A page was overlooked")
    page.keyboard.press("Tab")
    saved(page, ADA)
    saved(page, BEN)
    assert sorted(map(str, proposed(site))) == ["60", "65", "70"]


def test_a_block_for_sixty_pupils_is_saved_in_one_request(site, page):
    more_pupils(site.people, 57)
    site.enter(page, site.people.t1, sheet_of(site))
    sent = []
    page.on("request", lambda request: sent.append(request) if "/cells/" in request.url else None)
    mark(page, ADA).focus()
    paste(page, "".join(f"{n}\tComment {n}\n" for n in range(1, 61)))
    expect(page.get_by_text("120 entries were pasted.")).to_be_visible()
    expect(page.get_by_text("120 awaiting approval")).to_be_visible()
    assert sorted(map(int, filter(None, proposed(site)))) == list(range(1, 61))
    assert len(proposed(site, "comment")) == 60
    assert len(sent) == 1


def selected_cells(page: Page) -> int:
    return page.locator('[role="grid"] td[aria-selected="true"]').count()


def test_shift_selects_a_block_that_is_copied_as_a_spreadsheet_reads_it_and_cleared_at_once(
    site, sheet
):
    sheet.context.grant_permissions(["clipboard-read", "clipboard-write"])
    mark(sheet, ADA).focus()
    paste(sheet, '61\tAsks why.\n62\t"Two\nlines"\n63\t\n')
    for pupil in (ADA, BEN, CLEO):
        saved(sheet, pupil)
    mark(sheet, ADA).focus()
    sheet.keyboard.press("Shift+ArrowDown")
    sheet.keyboard.press("Shift+ArrowRight")
    assert selected_cells(sheet) == 4
    expect(mark(sheet, ADA)).to_be_focused()
    expect(sheet.locator("[data-said]")).to_have_text(f"4 cells selected, to Comment on {BEN}")
    sheet.keyboard.press("Control+c")
    expect(sheet.get_by_text("4 entries were copied.")).to_be_visible()
    copied = sheet.evaluate("navigator.clipboard.readText()")
    assert copied == '61\tAsks why.\n62\t"Two\nlines"'
    sheet.keyboard.press("Delete")
    for pupil in (ADA, BEN):
        expect(mark(sheet, pupil)).to_have_value("")
        expect(comment(sheet, pupil)).to_have_value("")
        expect(answer(sheet, pupil)).to_have_text("blank")
    expect(mark(sheet, CLEO)).to_have_value("63")
    sheet.keyboard.press("Control+z")
    expect(mark(sheet, BEN)).to_have_value("62")
    expect(comment(sheet, BEN)).to_have_value("Two\nlines")
    saved(sheet, BEN, "Comment")


def test_a_click_selects_a_mark_to_replace_it_and_a_double_click_edits_it(site, sheet):
    mark(sheet, ADA).focus()
    sheet.keyboard.type("52")
    sheet.keyboard.press("Enter")
    saved(sheet, ADA)
    mark(sheet, ADA).focus()
    mark(sheet, ADA).click()
    # A hand takes longer from the mouse to the keys than the browser until it draws again.
    sheet.evaluate("new Promise(requestAnimationFrame)")
    sheet.keyboard.type("9")
    expect(mark(sheet, ADA)).to_have_value("9")
    sheet.keyboard.press("Escape")
    mark(sheet, ADA).dblclick()
    sheet.keyboard.type(".5")
    expect(mark(sheet, ADA)).to_have_value("52.5")


def test_undo_never_bites_into_a_mark_that_is_not_being_typed(site, sheet):
    for pupil, text in ((ADA, "57"), (BEN, "588")):
        mark(sheet, pupil).focus()
        sheet.keyboard.type(text)
        sheet.keyboard.press("Enter")
    expect(answer(sheet, BEN)).to_contain_text("out of bounds")
    for _ in range(4):
        sheet.keyboard.press("Control+z")
    expect(mark(sheet, BEN)).to_have_value("")
    expect(mark(sheet, ADA)).to_have_value("")
    sheet.keyboard.press("Tab")
    expect(answer(sheet, ADA)).to_have_text("blank")
    assert proposed(site) == ["57", None]


def test_the_same_comment_at_three_pupils_is_said_at_each(sheet):
    for pupil in (ADA, BEN, CLEO):
        comment(sheet, pupil).fill("Works well.")
        sheet.keyboard.press("Tab")
        saved(sheet, pupil, "Comment")
    expect(sheet.locator(".warnings:not(:empty)")).to_have_count(3)
    comment(sheet, CLEO).fill("Works well, and helps others.")
    sheet.keyboard.press("Tab")
    expect(sheet.locator(".warnings:not(:empty)")).to_have_count(0)


def test_a_click_with_shift_ends_a_block_and_a_key_or_another_click_lets_go_of_it(sheet):
    mark(sheet, ADA).click()
    mark(sheet, CLEO).click(modifiers=["Shift"])
    assert selected_cells(sheet) == 3
    sheet.keyboard.press("Escape")
    assert selected_cells(sheet) == 0
    mark(sheet, CLEO).click(modifiers=["Shift"])
    assert selected_cells(sheet) == 3
    mark(sheet, BEN).click()
    assert selected_cells(sheet) == 0
    sheet.keyboard.press("Shift+ArrowUp")
    assert selected_cells(sheet) == 2
    sheet.keyboard.type("7")
    assert selected_cells(sheet) == 0
    expect(mark(sheet, BEN)).to_have_value("7")
    expect(mark(sheet, ADA)).to_have_value("")


def test_a_block_is_filled_by_its_first_row_and_by_a_single_value(site, sheet):
    mark(sheet, ADA).focus()
    sheet.keyboard.type("61")
    sheet.keyboard.press("Shift+ArrowDown")
    sheet.keyboard.press("Shift+ArrowDown")
    sheet.keyboard.press("Control+d")
    for pupil in (ADA, BEN, CLEO):
        expect(mark(sheet, pupil)).to_have_value("61")
        saved(sheet, pupil)
    mark(sheet, BEN).focus()
    sheet.keyboard.press("Shift+ArrowDown")
    paste(sheet, "70")
    for pupil, value in ((ADA, "61"), (BEN, "70"), (CLEO, "70")):
        expect(mark(sheet, pupil)).to_have_value(value)
    expect(sheet.get_by_text("2 entries were pasted.")).to_be_visible()


def test_it_is_a_grid_whose_cells_say_row_column_value_and_state(sheet):
    grid = sheet.get_by_role("grid", name="Marks and comments of BIO-2")
    expect(grid).to_have_attribute("aria-multiselectable", "true")
    expect(grid.get_by_role("row")).to_have_count(4)
    expect(grid.get_by_role("columnheader")).to_have_text(["Pupil", "Mark", "Comment"])
    expect(grid.get_by_role("rowheader").first).to_contain_text(ADA)
    cell = mark(sheet, ADA)
    expect(cell).to_have_accessible_description("blank")
    cell.focus()
    sheet.keyboard.type("61")
    sheet.keyboard.press("Enter")
    expect(cell).to_have_accessible_description("awaiting approval")
    cell.fill("1000")
    sheet.keyboard.press("Enter")
    expect(cell).to_have_attribute("aria-invalid", "true")
    expect(cell).to_have_accessible_description(re.compile(r"^not saved\s+1000 is out of bounds"))


def test_an_arrow_leads_to_the_pupils_name_and_tab_from_cell_to_cell(sheet):
    mark(sheet, BEN).focus()
    sheet.keyboard.press("Tab")
    expect(comment(sheet, BEN)).to_be_focused()
    sheet.keyboard.press("Tab")
    expect(mark(sheet, CLEO)).to_be_focused()
    sheet.keyboard.press("ArrowLeft")
    name = sheet.get_by_role("link", name=CLEO)
    expect(name).to_be_focused()
    sheet.keyboard.press("ArrowUp")
    expect(sheet.get_by_role("link", name=BEN)).to_be_focused()
    sheet.keyboard.press("ArrowRight")
    expect(mark(sheet, BEN)).to_be_focused()
    sheet.keyboard.press("ArrowLeft")
    sheet.keyboard.press("Enter")
    sheet.wait_for_url("**/pupil/**")


def test_one_goes_to_the_next_pupil_without_a_mark_by_a_key_or_a_button(sheet):
    mark(sheet, BEN).fill("61")
    sheet.keyboard.press("Tab")
    saved(sheet, BEN)
    sheet.get_by_role("button", name="Next one").click()
    expect(mark(sheet, CLEO)).to_be_focused()
    sheet.keyboard.press("F8")
    expect(mark(sheet, ADA)).to_be_focused()
    sheet.keyboard.press("F8")
    expect(mark(sheet, CLEO)).to_be_focused()
    for pupil in (ADA, CLEO):
        mark(sheet, pupil).fill("62")
        sheet.keyboard.press("Tab")
        saved(sheet, pupil)
    expect(sheet.get_by_role("button", name="Next one")).to_be_hidden()
    sheet.reload()
    expect(sheet.get_by_role("button", name="Next one")).to_be_hidden()

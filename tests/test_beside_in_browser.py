"""The panel beside a pupil of the sheet, and the count of a comment's characters, in a real
browser."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from changes.models import Change
from grading.models import BankComment

pytestmark = pytest.mark.browser

ADA, BEN = "Abbott, Ada", "Brown, Ben"


def sheet_of(site) -> str:
    return f"/classes/{site.people.section}/"


def comment(page: Page, pupil: str):
    return page.get_by_label(f"Comment on {pupil}")


def panel(page: Page):
    return page.get_by_role("dialog")


def saved(page: Page, pupil: str) -> None:
    answer = page.locator(f'tr:has(th:has-text("{pupil}")) td[data-label="Comment"] .answer')
    expect(answer).to_contain_text("awaiting approval")


def keep(site, *texts: str) -> None:
    with site.inside():
        for text in texts:
            owner = site.people.t1.user
            BankComment.objects.create(school=site.people.school, owner=owner, text=text)


@pytest.fixture
def sheet(site, page) -> Page:
    keep(site, "{name} writes.", "{name} reads.")
    site.enter(page, site.people.t1, sheet_of(site))
    page.wait_for_load_state("networkidle")  # the panel's script comes after the sheet's
    return page


def test_a_text_is_inserted_at_the_caret_by_the_keyboard_alone_and_saved(site, sheet, complaints):
    comment(sheet, ADA).focus()
    sheet.keyboard.type("Good.Bad.")
    for _ in range(4):
        sheet.keyboard.press("ArrowLeft")
    sheet.keyboard.press("F4")
    expect(panel(sheet)).to_contain_text(ADA)
    first, second = sheet.get_by_role("button", name="Insert").all()
    expect(first).to_be_focused()
    sheet.keyboard.press("ArrowDown")
    expect(second).to_be_focused()
    sheet.keyboard.press("Enter")
    expect(panel(sheet)).to_have_count(0)
    expect(comment(sheet, ADA)).to_be_focused()
    expect(comment(sheet, ADA)).to_have_value("Good. Ada writes. Bad.")
    saved(sheet, ADA)
    sheet.keyboard.type("!")
    expect(comment(sheet, ADA)).to_have_value("Good. Ada writes. !Bad.")
    assert complaints == []


def test_a_text_takes_the_place_of_what_is_selected(site, sheet):
    comment(sheet, BEN).fill("Old words")
    comment(sheet, BEN).press("Control+a")
    sheet.keyboard.press("F4")
    expect(sheet.get_by_role("button", name="Insert").first).to_be_focused()
    saved(sheet, BEN)  # as it was: the field was left
    with sheet.expect_response(lambda answer: answer.request.method == "POST"):
        sheet.keyboard.press("Enter")
    expect(comment(sheet, BEN)).to_have_value("Ben reads.")
    with site.inside():
        texts = Change.objects.filter(field="comment").order_by("id")
        assert list(texts.values_list("value", flat=True))[-1] == "Ben reads."


def test_escape_closes_the_panel_and_the_focus_is_back_in_the_cell(sheet):
    grade = sheet.get_by_label(f"Mark of {BEN}")
    for cell in (comment(sheet, ADA), grade):
        cell.focus()
        sheet.keyboard.press("F4")
        expect(sheet.get_by_role("button", name="Insert").first).to_be_focused()
        sheet.keyboard.press("Escape")
        expect(panel(sheet)).to_have_count(0)
        expect(cell).to_be_focused()
    assert comment(sheet, ADA).input_value() == ""


def test_the_button_at_the_foot_opens_it_for_the_cell_that_has_the_focus(sheet):
    button = sheet.get_by_role("button", name="Comments to use")
    expect(button).to_be_hidden()
    comment(sheet, BEN).click()
    button.click()
    expect(panel(sheet)).to_contain_text("Ben reads.")
    sheet.get_by_role("button", name="Close").click()
    expect(comment(sheet, BEN)).to_be_focused()
    sheet.get_by_label(f"Mark of {BEN}").focus()
    expect(button).to_be_hidden()


def test_the_comment_as_it_stands_is_kept_for_other_pupils(site, sheet):
    comment(sheet, ADA).fill("Ada sings.")
    sheet.keyboard.press("F4")
    sheet.get_by_role("button", name="Save this comment to my bank").click()
    expect(panel(sheet)).to_contain_text("Saved to your bank: “{name} sings.”")
    sheet.keyboard.press("Escape")
    comment(sheet, BEN).focus()
    sheet.keyboard.press("F4")
    expect(panel(sheet)).to_contain_text("Ben sings.")


def test_what_was_typed_never_stands_in_an_address(sheet):
    asked: list[str] = []
    sheet.on("request", lambda request: asked.append(request.url))
    comment(sheet, ADA).fill("Secret")
    sheet.keyboard.press("F4")
    expect(sheet.get_by_role("button", name="Insert").first).to_be_focused()
    assert [url for url in asked if url.endswith("/beside/")]
    assert not [url for url in asked if "Secret" in url]


def test_when_it_cannot_be_loaded_the_page_says_so_and_the_panel_is_gone(sheet):
    sheet.route("**/beside/", lambda route: route.abort())
    comment(sheet, ADA).focus()
    sheet.keyboard.press("F4")
    expect(panel(sheet)).to_have_count(0)
    expect(sheet.locator("#trouble")).to_be_visible()
    expect(comment(sheet, ADA)).to_be_focused()


def test_characters_are_counted_as_a_person_counts_them_near_the_limit(site, page):
    school = site.people.school
    school.comment_length = 20
    school.save()
    site.enter(page, site.people.t1, sheet_of(site))
    page.wait_for_load_state("networkidle")  # the panel's script comes after the sheet's
    count = page.locator("[data-count]")
    comment(page, ADA).focus()
    page.keyboard.insert_text("x" * 15)
    expect(count).to_have_text("")
    page.keyboard.insert_text("👩‍🏫")
    expect(count).to_have_text("16 of 20 characters")
    page.keyboard.insert_text("e\u0301" * 4)
    expect(count).to_have_text("20 of 20 characters")
    over = page.locator("[data-over]")
    expect(over).to_have_text("")
    page.keyboard.insert_text("!")
    expect(count).to_have_text("21 of 20 characters")
    expect(over).to_have_text("This comment is longer than the school allows.")
    comment(page, BEN).focus()
    expect(over).to_have_text("")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_panel_is_a_side_sheet_and_on_a_phone_as_wide_as_the_page(sheet, width):
    sheet.set_viewport_size({"width": width, "height": 800})
    comment(sheet, ADA).focus()
    sheet.keyboard.press("F4")
    expect(sheet.get_by_role("button", name="Insert").first).to_be_focused()
    box = panel(sheet).bounding_box()
    assert box["x"] + box["width"] == width
    assert box["width"] == (390 if width == 390 else pytest.approx(448, abs=1))
    assert sheet.evaluate("document.documentElement.scrollWidth") <= width


def test_a_comment_s_field_grows_with_its_text(sheet):
    before = comment(sheet, ADA).bounding_box()["height"]
    comment(sheet, ADA).fill("A line.\n" * 6)
    assert comment(sheet, ADA).bounding_box()["height"] > before * 2


def test_the_panel_is_accessible(sheet):
    def look() -> None:
        for scheme in ("light", "dark"):
            sheet.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert Axe().run(sheet).response["violations"] == []

    comment(sheet, ADA).fill("x" * 1999)
    sheet.keyboard.press("F4")
    expect(sheet.get_by_role("button", name="Insert").first).to_be_focused()
    look()
    sheet.keyboard.press("Escape")
    expect(sheet.get_by_text("1999 of 2000 characters")).to_be_visible()
    look()

"""The office's pages in a real browser: with the keyboard alone, on a phone, in the dark, without
scripts, and as axe judges them."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from changes.models import Change, Decision
from grading import card_runs, card_scope
from grading.models import Enrollment, Term
from grading.oneroster import working
from students.models import Programme
from tests.accessibility import objections
from tests.cast import SATURDAY_NIGHT, only, typed
from tests.pages import more_pupils
from tests.small_roster import SOUND, zipped
from tests.test_pages_in_browser import second_browser

pytestmark = pytest.mark.browser


@pytest.fixture
def busy(site):
    """Something of every kind waits, and V had a Saturday night."""
    people, at = site.people, SATURDAY_NIGHT
    with site.inside():
        for mark, text in zip(people.marks, ("60", "55", "71"), strict=True):
            people.stand(mark, text, by=people.t1)
        dora = people.t1.creates("student", number="104", given_names="Dora", family_name="Dean")
        people.t1.types(people.t1.enrols(dora, people.section), "77")
        people.t2.types(people.marks[1], "58", reason="late homework")
        people.stand(people.marks[1], "62", by=people.t1)
        people.t1.deletes("student", people.students[2])
        raised = only(people.v.types(people.marks[0], "95", reason="typo", at=at, ip="203.0.113.7"))
        people.a.approves(raised)
        people.v.types(people.marks[1], "100", reason="typo", at=at)
        eve = people.v.creates("student", number="666", family_name="Evans", at=at)
        people.a.approves(*Change.objects.of("student", eve).open())
        people.a.approves(
            *Change.objects.of("enrollment", people.t1.enrols(eve, people.section)).open()
        )
    return site


def sheet_of(site, person, group="") -> str:
    group = group or f"section-{site.people.section}"
    return f"/office/review/of/{group}/{person.user.pk}/"


def preview_of_saturday(site) -> str:
    account = site.people.v.user.pk
    window = "start=2026-11-14T22:00&end=2026-11-15T06:00"
    return f"{site.url}/office/revert/preview/?account={account}&how=typed&{window}"


def reach(page: Page, name: str | re.Pattern[str], role: str = "button") -> None:
    """Press Tab until the control of that name has the focus; fail when it never gets it."""
    wanted = page.get_by_role(role, name=name)  # type: ignore[arg-type]
    wanted.first.wait_for()  # a page that is on its way, for one
    for _ in range(120):
        page.keyboard.press("Tab")
        if wanted.and_(page.locator(":focus")).count():
            return
    pytest.fail(f"{name} is not reached by the keyboard")


def test_axe_finds_nothing_and_no_page_is_wider_than_its_screen(busy, phone: Page, tmp_path):
    page = phone
    busy.enter(page, busy.people.a, "/office/")
    found = {}

    def look(name):
        if complaint := objections(page):
            found[name] = complaint

    look("start")
    page.goto(f"{busy.url}/office/grading/coursechangehistory/report/")
    look("report of sections")
    page.goto(f"{busy.url}/office/accounts/outboxmessage/")
    look("messages")
    with busy.inside():
        waiting = typed(more_pupils(busy.people, 1)[0], "waitlisted", field="status")
        busy.people.a.enters([waiting])
    page.goto(f"{busy.url}/office/grading/section/waiting/")
    expect(page.get_by_role("button", name="Give the place to Pupil0, Extra0")).to_be_visible()
    look("waiting list")
    with busy.inside():
        programme = Programme.objects.create(
            school=busy.people.school,
            name="Diploma",
            credits=4,
            areas={"Science": "8"},
            courses=[busy.people.course],
        )
        pupil = busy.people.students[0]
        facts = {"programme": str(programme.pk), "home_group": "8B"}
        busy.people.a.changes_cell("student", pupil, **facts)
        busy.people.b.approves(*busy.people.open_of(pupil))
        term = Term.objects.get(pk=busy.people.term)
        asker = {"by": busy.people.a.member, "origin": busy.people.a.origin()}
        run = card_runs.ask(card_scope.find("school", term), term, with_blanks=True, **asker)
    while card_runs.make_next(busy.people.school):
        pass
    for name, path in (
        ("transcript", f"/pupils/{pupil}/transcript/"),
        ("disclosures", f"/office/students/student/{pupil}/disclosed/"),
        ("who would not finish", "/office/students/programme/unfinished/"),
        ("programme", f"/office/students/programme/{programme.pk}/change/"),
        ("report cards", "/office/grading/term/cards/"),
        ("before cards go out", f"/office/grading/term/cards/release/?term={term.pk}"),
        ("a run of cards", f"/office/grading/term/cards/runs/{run.pk}/"),
        ("a card’s versions", f"/office/grading/term/cards/of/{run.term_id}/{pupil}/"),
        ("logo", "/office/accounts/school/logo/"),
        ("remarks", "/remarks/?group=8B"),
        ("rosters", "/office/grading/enrollment/roster/"),
    ):
        page.goto(busy.url + path)
        look(name)
    file = zipped(tmp_path / "roster.zip", {**SOUND})
    page.get_by_label("The zip, or all of its CSV files").set_input_files(file)
    page.get_by_role("button", name="Show what would change").click()
    while working.work_next(busy.people.school):
        pass
    # It looks for that by itself, every two seconds: a reload would cross its own.
    expect(page.get_by_role("heading", name="Import this roster?")).to_be_visible()
    look("what a roster would change")
    page.goto(f"{busy.url}/office/grading/section/board/")
    page.get_by_role("button", name="Remind all who have to hand in").click()
    look("sure to remind?")
    page.goto(f"{busy.url}/office/review/")
    look("queue")
    page.get_by_text("Find and filter").click()
    look("filters")
    page.goto(busy.url + sheet_of(busy, busy.people.t2))
    look("sheet with a conflict")
    page.get_by_role("button", name="Use 58").click()
    expect(page.get_by_role("heading", name="Approve?")).to_be_visible()
    look("using a value")
    page.goto(busy.url + sheet_of(busy, busy.people.t1))
    page.get_by_role("link", name="Tick all").click()
    look("sheet")
    page.get_by_role("button", name="Approve ticked").click()
    expect(page.get_by_role("heading", name="Approve?")).to_be_visible()
    look("confirmation")
    page.goto(busy.url + sheet_of(busy, busy.people.v))
    page.get_by_role("link", name="Change …").click()
    page.get_by_role("button", name="Enter it").click()
    expect(page.get_by_text("Say why: the author reads the reason.")).to_be_visible()
    look("another value")
    page.goto(busy.url + sheet_of(busy, busy.people.v))
    page.get_by_role("button", name="Decline … Brown, Ben").click()
    page.get_by_role("button", name="Decline", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Say why: the author reads the reason.")
    look("declining without a reason")
    page.goto(f"{busy.url}/office/revert/")
    look("revert form")
    page.goto(f"{busy.url}/office/revert/preview/?account=&how=typed&start=2026-10-25T01:30")
    look("revert form with errors")
    page.goto(preview_of_saturday(busy))
    expect(page.get_by_text("built on by others")).to_be_visible()
    look("preview")
    for path in (
        "grading/section/board/",
        "grading/enrollment/",
        "changes/change/",
        "accounts/membership/add/",
    ):
        page.goto(f"{busy.url}/office/{path}")
        for filter_of_list in page.locator(".filters details").all():
            filter_of_list.evaluate("menu => { menu.open = true; }")
        look(path)
    page.goto(f"{busy.url}/office/accounts/school/")
    look("policy")
    page.goto(f"{busy.url}/office/timeline/section/{busy.people.section}/")
    look("timeline")
    page.goto(f"{busy.url}/office/grading/section/{busy.people.section}/change/")
    look("record")
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_role("heading", name="Edit BIO-2")).to_be_visible()
    look("editing a record")
    assert not found, "\n".join(f"{name}: {what}" for name, what in found.items())


def test_approving_with_the_keyboard_alone(busy, page: Page, complaints):
    busy.enter(page, busy.people.a, sheet_of(busy, busy.people.v))
    reach(page, "Brown, Ben, mark", "checkbox")
    page.keyboard.press("Space")
    reach(page, "Approve ticked …")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Will be approved: 1 change")).to_be_visible()
    reach(page, "Approve")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile(r"Approved: 1 change, decision \d+"))).to_be_visible()
    with busy.inside():
        assert busy.people.grade(busy.people.marks[1]) == "100"
        assert busy.people.is_equal()
    assert complaints == []


def test_a_sheet_is_decided_row_by_row_with_a_few_keys(busy, page: Page, complaints):
    with busy.inside():
        busy.people.t1.types(busy.people.marks[1], "Ben tries.", field="comment")
        busy.people.t1.types(busy.people.marks[0], "Ada tries.", field="comment")
    busy.enter(page, busy.people.a, sheet_of(busy, busy.people.t1))
    ada = page.get_by_role("checkbox", name="Abbott, Ada, comment")
    ben = page.get_by_role("checkbox", name="Brown, Ben, comment")
    page.keyboard.press("j")
    expect(ada).to_be_focused()
    page.keyboard.press("a")
    expect(ada).to_be_checked()
    expect(ben).to_be_focused()
    page.keyboard.press("k")
    expect(ada).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(ben).to_be_focused()
    expect(ben).not_to_be_checked()
    page.keyboard.press("?")
    expect(page.get_by_text("decline the row: asks for the reason")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_text("decline the row: asks for the reason")).to_be_hidden()
    page.keyboard.press("d")
    expect(page.get_by_role("heading", name="Will be declined: 1 change")).to_be_visible()
    expect(page.get_by_role("rowheader", name="Brown, Ben in BIO-2")).to_be_visible()
    page.get_by_label("Why (the author").fill("Say what he should do.")
    page.get_by_role("button", name="Decline", exact=True).click()
    expect(page.get_by_role("heading", name="BIO-2 Biology")).to_be_visible()
    expect(ben).to_have_count(0)
    expect(ada).to_be_visible()
    assert complaints == []


def test_an_ordinary_sheet_is_one_click_also_without_scripts(busy, browser: Browser):
    with busy.inside():
        mine = only(busy.people.t1.types(busy.people.marks[1], "Ben tries.", field="comment"))
    with second_browser(browser, java_script_enabled=False) as page:
        busy.enter(page, busy.people.a, sheet_of(busy, busy.people.t1))
        page.get_by_role("button", name="Approve the 1 ordinary").click()
        expect(page.get_by_text(re.compile(r"Approved: 1 change, decision \d+"))).to_be_visible()
        page.get_by_role("link", name="flagged ones stay: look at just these").click()
        expect(page.get_by_role("checkbox", name="Dean, Dora, new enrolment")).to_be_visible()
        with busy.inside():
            mine.refresh_from_db()
            assert mine.status == "approved"


def test_reverting_an_evening_and_lifting_it_with_the_keyboard_alone(busy, page: Page, complaints):
    busy.enter(page, busy.people.a, "/office/revert/")
    reach(page, "Account", "combobox")
    page.keyboard.press("V")  # a second letter would have to come within a second
    page.fill("[name=start]", "2026-11-14T22:00")  # each browser has keys of its own for a date
    page.fill("[name=end]", "2026-11-15T06:00")
    page.focus("[name=account]")
    reach(page, "Show what would happen")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Revert?")).to_be_visible()
    expect(page.get_by_label("Evans, pupil")).not_to_be_checked()
    reach(page, "Why", "textbox")
    page.keyboard.type("it was her niece")
    reach(page, "Revert what is ticked")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile(r"Reverted, decision \d+"))).to_be_visible()
    with busy.inside():
        assert busy.people.grade(busy.people.marks[0]) == "60"
        assert busy.people.is_equal()
    reach(page, "Lift …", "link")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Lift revert")).to_be_visible()
    reach(page, "Why", "textbox")
    page.keyboard.type("it was her after all")
    reach(page, "Lift what is ticked")
    page.keyboard.press("Enter")
    expect(page.get_by_text("0 of 2 changes are excluded")).to_be_visible()
    with busy.inside():
        assert busy.people.grade(busy.people.marks[0]) == "95"
        assert busy.people.is_equal()
    assert complaints == []


def test_a_click_twice_is_one_decision(busy, page: Page):
    busy.enter(page, busy.people.a, sheet_of(busy, busy.people.v))
    page.get_by_role("checkbox", name="Brown, Ben").check()
    page.get_by_role("button", name="Approve ticked").click()
    with busy.inside():
        before = Decision.objects.count()
    page.get_by_role("button", name="Approve", exact=True).dblclick()
    expect(page.get_by_role("heading", name="Awaiting approval")).to_be_visible()
    with busy.inside():
        assert Decision.objects.count() == before + 1
        assert busy.people.is_equal()


def test_a_decision_of_somebody_else_meanwhile_is_shown(busy, page: Page, browser: Browser):
    busy.enter(page, busy.people.a, sheet_of(busy, busy.people.v))
    page.get_by_role("checkbox", name="Brown, Ben").check()
    page.get_by_role("button", name="Approve ticked").click()
    with busy.inside():
        change = Change.objects.proposed_by(busy.people.v.user.pk).open().get()
        busy.people.b.declines(change, reason="she never typed this")
    page.get_by_role("button", name="Approve", exact=True).click()
    notice = page.get_by_role("alert")
    expect(notice).to_contain_text("Nothing was done")
    expect(notice).to_contain_text("B Admin declined this")


def test_what_cannot_be_approved_as_it_is_is_resolved_and_approved(busy, page: Page, complaints):
    people = busy.people
    with busy.inside():
        people.t2.types(people.marks[0], "Ada tries.", field="comment")
    approve = page.get_by_role("button", name="Approve", exact=True)
    look_again = page.get_by_role("button", name="Look again with these choices")

    # Of two, one is in conflict: the other is approved.
    busy.enter(page, people.a, sheet_of(busy, people.t2))
    page.get_by_role("link", name="Tick all").click()
    page.get_by_role("button", name="Approve ticked").click()
    expect(page.get_by_role("heading", name="Will not be approved, and keeps")).to_be_visible()
    page.get_by_role("button", name="Approve what can be: 1").click()
    expect(page.get_by_text(re.compile(r"Approved: 1 change, decision \d+"))).to_be_visible()

    # The conflict is resolved by "use this value"; meanwhile its author types another one.
    page.goto(busy.url + sheet_of(busy, people.t2))
    expect(page.get_by_role("checkbox")).to_have_count(1)
    page.get_by_role("button", name="Use 58").click()
    expect(page.get_by_role("heading", name="Will be approved: 1 change")).to_be_visible()
    with busy.inside():
        people.t2.types(people.marks[1], "59", reason="late homework, again")
    approve.click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was done")
    expect(page.get_by_role("heading", name="Typed since")).to_be_visible()
    look_again.click()
    expect(page.get_by_role("heading", name="Will be approved: 1 change")).to_be_visible()
    expect(page.get_by_role("table", name="Will be approved")).to_contain_text("59")
    page.get_by_role("button", name="Approve what can be: 1").click()
    expect(page.get_by_text(re.compile(r"Approved: 1 change, decision \d+"))).to_be_visible()
    with busy.inside():
        assert people.grade(people.marks[1]) == "59"

    # An enrolment is approved together with its pupil, who waits too.
    page.goto(busy.url + sheet_of(busy, people.t1))
    page.get_by_role("checkbox", name="Dean, Dora, new enrolment").check()
    page.get_by_role("button", name="Approve ticked").click()
    expect(page.get_by_text("Nothing of this can be approved as it is.")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Dean, Dora")).to_be_checked()
    look_again.click()
    approve.click()
    expect(page.get_by_text(re.compile(r"Approved: \d+ changes, decision \d+"))).to_be_visible()
    with busy.inside():
        assert Enrollment.objects.filter(student__number="104").exists()
        assert people.is_equal()
    assert complaints == []


def test_everything_works_without_scripts(busy, browser: Browser):
    with second_browser(browser, java_script_enabled=False) as page:
        busy.enter(page, busy.people.a, "/office/review/")
        page.get_by_role("link", name="BIO-2 Biology, Autumn 2026 by V Sweet", exact=True).click()
        page.get_by_role("checkbox", name="Brown, Ben").check()
        page.get_by_role("button", name="Decline ticked").click()
        page.get_by_label("Why").fill("she never typed this")
        page.get_by_role("button", name="Decline", exact=True).click()
        expect(page.get_by_text(re.compile(r"Declined: 1 change"))).to_be_visible()

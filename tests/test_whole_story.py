"""The product's main job from end to end: three people, three browsers, an imported school.

A teacher finds a pupil missing, adds them, types marks and a comment; only that teacher sees them;
the office approves; the tables that everyone reads change; the evening is reverted by account and
time window; the revert is lifted again.
"""

import datetime as dt
import io
import zoneinfo
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.in_school import enter
from accounts.models import Membership, User
from grading.models import Enrollment, GradeCorrection, Section
from tests.cast import PASSWORD

pytestmark = pytest.mark.browser
OFFICE = "office@contoso.example"


class Contoso:
    """One imported school with a teacher of a class, a colleague, and the office."""

    def __init__(self, url: str) -> None:
        self.url = url
        office = User.objects.get(email=OFFICE)
        # The first of the four schools in which a class has an instructor and marks.
        member = office.memberships.select_related("school").order_by("school__name")[0]
        self.school = member.school
        with enter(self.school):
            self.section = Section.objects.filter(
                instructor__isnull=False, enrollments__grade__isnull=False
            ).order_by("code")[0]
            self.mark = (
                Enrollment.objects.filter(section=self.section, grade__regex=r"^[5-9]\d$")
                .select_related("student")
                .order_by("student__family_name")[0]
            )
            teachers = Membership.objects.filter(school=self.school, role="teacher")
            self.teacher = teachers.get(user=self.section.instructor).user
            self.colleague = teachers.exclude(user=self.teacher).order_by("id")[0].user
        for user in (office, self.teacher, self.colleague):
            user.set_password(PASSWORD)
            user.save()
        self.office = office

    @property
    def sheet(self) -> str:
        return f"/classes/{self.section.pk}/"

    def sign_in(self, page: Page, user: User, path: str) -> None:
        page.goto(f"{self.url}/sign-in/?next={path}")
        page.fill("[name=login]", user.email)
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_url(f"{self.url}{path}")

    def grade(self) -> str | None:
        with enter(self.school):
            return Enrollment.objects.get(pk=self.mark.pk).grade

    def new_pupil(self) -> Any:
        with enter(self.school):
            return Enrollment.objects.filter(student__family_name="Quillfeather").first()

    def is_equal(self) -> bool:
        """Ask as an operator would; the command exits with 1 when it is not."""
        out = io.StringIO()
        call_command("verify_ledger", school=self.school.slug, stdout=out)
        return "equal" in out.getvalue()


@pytest.fixture
def contoso(own_database, shared_data, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    call_command(
        "import_oneroster",
        shared_data / "contoso-oneroster",
        by=OFFICE,
        stdout=io.StringIO(),
        stderr=io.StringIO(),
    )
    server = LiveServer("127.0.0.1:0")
    try:
        yield Contoso(server.url)
    finally:
        server.stop()
        connections.close_all()


def type_into(page: Page, label: str, text: str) -> None:
    page.get_by_label(label).fill(text)
    page.get_by_label(label).press("Tab")


def test_one_marks_whole_life_with_three_people_on_an_imported_school(
    contoso: Contoso, browser: Browser
) -> None:
    assert contoso.is_equal()
    before = contoso.grade()
    pupil = f"{contoso.mark.student.family_name}, {contoso.mark.student.given_names}"
    contexts = [browser.new_context() for _ in range(3)]
    teacher, colleague, office = (context.new_page() for context in contexts)

    # A pupil is missing from the class list: the teacher looks, adds them, and marks them.
    contoso.sign_in(teacher, contoso.teacher, "/classes/?all")
    teacher.goto(f"{contoso.url}{contoso.sheet}")
    teacher.get_by_role("link", name="Add a missing pupil").click()
    teacher.get_by_label("Name or number").fill("Quillfeather, Nell")
    teacher.get_by_role("button", name="Search").click()
    expect(teacher.get_by_text("Nobody found")).to_be_visible()
    teacher.get_by_role("link", name="Create a new pupil").click()
    teacher.get_by_role("button", name="Create the pupil").click()
    type_into(teacher, "Mark of Quillfeather, Nell", "88")
    type_into(teacher, "Comment on Quillfeather, Nell", "Joined in March; has caught up.")
    expect(teacher.get_by_text("2 awaiting approval")).to_be_visible()
    # ... and the same evening changes a mark that stands.
    type_into(teacher, f"Mark of {pupil}", "99")
    teacher.get_by_label("Why it changes").fill("marked again")
    teacher.get_by_label("Why it changes").press("Enter")
    expect(teacher.get_by_text("3 awaiting approval")).to_be_visible()

    # Nobody else sees any of it, and no table has changed.
    contoso.sign_in(colleague, contoso.colleague, contoso.sheet)
    expect(colleague.get_by_label(f"Mark of {pupil}")).to_have_value(before or "")
    expect(colleague.get_by_text("Quillfeather")).to_have_count(0)
    assert (contoso.grade(), contoso.new_pupil()) == (before, None)
    assert contoso.is_equal()

    # The office looks at what waits, and approves.
    contoso.sign_in(office, contoso.office, "/office/review/")
    while (heaps := office.locator(".heaps th[scope=row] a")).count():
        # The pupil comes before what builds on them: their sheet is further down.
        heaps.last.click()
        office.get_by_role("link", name="Tick all").click()
        office.get_by_role("button", name="Approve ticked").click()
        expect(office.get_by_role("heading", name="Approve?")).to_be_visible()
        office.get_by_role("button", name="Approve", exact=True).click()
        office.goto(f"{contoso.url}/office/review/")
    expect(office.get_by_text("Nothing is awaiting approval")).to_be_visible()
    new = contoso.new_pupil()
    assert (new.grade, new.comment) == ("88", "Joined in March; has caught up.")
    assert contoso.grade() == "99"
    assert contoso.is_equal()
    colleague.reload()
    expect(colleague.get_by_label("Mark of Quillfeather, Nell")).to_have_value("88")

    # It was not the teacher who sat there: the evening is reverted by account and time.
    now = timezone.now().astimezone(zoneinfo.ZoneInfo(contoso.school.time_zone))
    window = [(now + dt.timedelta(hours=h)).strftime("%Y-%m-%dT%H:%M") for h in (-2, 2)]
    office.goto(f"{contoso.url}/office/revert/")
    office.get_by_label("Account").select_option(label=_option_of(office, contoso.teacher))
    office.get_by_label("From", exact=True).fill(window[0])
    office.get_by_label("Until, not included").fill(window[1])
    office.get_by_role("button", name="Show what would happen").click()
    expect(office.get_by_role("heading", name="Revert?")).to_be_visible()
    expect(office.get_by_text("the record vanishes").first).to_be_visible()
    office.get_by_label("Why", exact=True).fill("It was somebody else at her computer")
    office.get_by_role("button", name="Revert what is ticked").click()
    office.wait_for_url("**/office/revert/*/")
    assert (contoso.grade(), contoso.new_pupil()) == (before, None)
    assert contoso.is_equal()
    colleague.reload()
    expect(colleague.get_by_text("Quillfeather")).to_have_count(0)

    # It was the teacher after all: the revert is lifted.
    office.get_by_role("link", name="Lift").click()
    office.get_by_label("Why", exact=True).fill("She remembers it now")
    office.get_by_role("button", name="Lift what is ticked").click()
    expect(office.get_by_text("0 of")).to_be_visible()
    assert contoso.grade() == "99"
    assert contoso.new_pupil().grade == "88"
    assert contoso.is_equal()
    with enter(contoso.school):
        rows = GradeCorrection.objects.filter(enrollment=contoso.mark).order_by("approved_at")
        assert list(rows.values_list("kind", "old_grade", "new_grade")) == [
            ("correction", before, "99"),
            ("revert", "99", before),
            ("reinstate", before, "99"),
        ]
    for context in contexts:
        context.close()


def _option_of(page: Page, user: User) -> str:
    options = page.get_by_label("Account").locator("option").all_text_contents()
    (found,) = [option for option in options if user.email in option or user.name in option]
    return found

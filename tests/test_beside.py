"""What is at hand beside a pupil of the sheet: comments to insert, and earlier terms."""

import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import AuditLog
from grading.models import BankComment
from tests.forms_of import Form
from tests.pages import Browser, without_tokens

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def path(people, name: str = "beside", n: int = 0) -> str:
    return reverse(name, args=[people.section, people.marks[n]])


def panel(person, at: str) -> str:
    response = Browser(person).get(at, headers=HTMX)
    assert response.status_code == 200
    return response.content.decode()


def keeps(people, text: str, owner=None, **more) -> BankComment:
    with enter(people.school):
        return BankComment.objects.create(
            school=people.school, owner=owner and owner.user, text=text, **more
        )


def inserts(page: str) -> list[str]:
    return re.findall(r"data-text>([^<]*)<", page)


def own(people) -> list[str]:
    with enter(people.school):
        mine = BankComment.objects.filter(owner=people.t1.user)
        return list(mine.order_by("id").values_list("text", flat=True))


def approved(people, **cells: str) -> None:
    with enter(people.school):
        people.a.approves(*people.t1.changes_cell("student", people.students[0], **cells).changes)


# Comments to insert. ------------------------------------------------------------------------------


def test_each_text_is_filled_in_for_the_pupil(people):
    keeps(people, "{name} reads {their} book.", people.t1)
    assert inserts(panel(people.t1, path(people))) == ["Ada reads their book."]
    approved(people, pronouns="she", given_names="Ada Marie")
    assert inserts(panel(people.t1, path(people))) == ["Ada reads her book."]


def test_pronouns_that_its_reader_has_only_proposed_are_filled_in_for_them_alone(people):
    keeps(people, "{They} reads.")
    with enter(people.school):
        people.t1.changes_cell("student", people.students[0], pronouns="he")
    assert inserts(panel(people.t1, path(people))) == ["He reads."]
    assert inserts(panel(people.t2, path(people))) == ["They reads."]


def test_the_mark_that_its_reader_sees_decides_what_is_offered(people):
    keeps(people, "high", people.t1, marks="80-100")
    keeps(people, "low", people.t1, marks="0-40")
    assert inserts(panel(people.t1, path(people))) == ["low", "high"]
    with enter(people.school):
        people.t1.types(people.marks[0], "30")
    assert inserts(panel(people.t1, path(people))) == ["low"]
    assert "Mark 30" in panel(people.t1, path(people))


def test_it_is_a_fragment_for_the_sheet_and_a_page_without_javascript(people):
    keeps(people, "{name} reads.")
    fragment = panel(people.t1, path(people))
    assert "<html" not in fragment
    assert fragment.count("data-insert") == 1
    page = Browser(people.t1).get(path(people)).content.decode()
    assert "<html" in page
    assert "Ada reads." in page
    assert "data-insert" not in page  # nothing to insert it into


def test_what_somebody_wrote_is_text_and_no_html(people):
    keeps(people, "<b>{name}</b>")
    approved(people, given_names="<i>A</i>")
    page = panel(people.t1, path(people))
    assert "&lt;b&gt;&lt;i&gt;A&lt;/i&gt;&lt;/b&gt;" in page
    assert "<i>" not in page


def test_earlier_terms_are_shown_as_on_the_pupil_s_page(people):
    with enter(people.school):
        before = people.a.creates("term", name="Spring", starts_on="2026-01-05")
        course = people.a.creates("course", title="Botany")
        people.a.approves(
            *people.a.changes_cell("term", people.term, starts_on="2026-09-01").changes,
        )
        section = people.a.creates("section", course=str(course), term=str(before), code="BOT-1")
        mark = people.a.enrols(people.students[0], section)
        people.a.approves(*people.open_of(before, course, section, mark))
        people.a.approves(
            *people.a.types(mark, "Knows every fern.", field="comment").changes,
        )
    page = panel(people.t1, path(people))
    assert "Botany, Spring" in page
    assert "Knows every fern." in page
    assert "Nothing is approved in an earlier term" in panel(people.t1, path(people, n=1))


# Who. ---------------------------------------------------------------------------------------------


def test_a_pupil_of_another_school_or_of_nobody_is_not_found(people):
    with enter(people.school):
        theirs = people.t2.enrols(people.t2.creates("student", family_name="X"), people.section)
    for name in ("beside", "keep-comment"):
        ask = "get" if name == "beside" else "send"
        hidden, unknown = (
            getattr(Browser(people.t1), ask)(reverse(name, args=[people.section, each]))
            for each in (theirs, uuid.uuid4())
        )
        assert (hidden.status_code, unknown.status_code) == (404, 404)
        assert without_tokens(hidden) == without_tokens(unknown)
        stranger = getattr(Browser(people.outsider), ask)(path(people, name))
        assert stranger.status_code == 404


def test_a_look_at_another_teacher_s_class_is_written_down(people):
    panel(people.v, path(people))
    with enter(people.school):
        (row,) = AuditLog.objects.filter(event=AuditLog.Event.VIEW, user=people.v.user)
        assert row.detail == "class BIO-2"


def test_where_teachers_are_restricted_others_are_refused(people):
    people.school.teachers_restricted = True
    people.school.save()
    assert Browser(people.v).get(path(people)).status_code == 403
    assert Browser(people.v).send(path(people, "keep-comment"), {"comment": "x"}).status_code == 403


def test_more_comments_and_earlier_terms_cost_no_more_statements(people):
    def count() -> int:
        browser = Browser(people.t1)
        with CaptureQueriesContext(
            connection,
        ) as few:
            browser.get(path(people), headers=HTMX)
        return len(few)

    keeps(people, "first", people.t1)
    before = count()
    for n in range(20):
        keeps(people, f"more {n}", people.t1)
        keeps(people, f"school {n}", marks="A", course_id=uuid.uuid4())
    assert count() == before


# Keeping one. -------------------------------------------------------------------------------------


def test_the_comment_on_a_pupil_is_kept_with_a_placeholder_for_the_name(people):
    answer = Browser(people.t1).send(
        path(people, "keep-comment"), {"comment": "Ada’s work is good, Ada."}, headers=HTMX
    )
    assert answer.status_code == 200
    assert "Saved to your bank" in answer.content.decode()
    assert own(people) == ["{name}’s work is good, {name}."]


def test_keeping_the_same_twice_keeps_one(people):
    for _ in range(2):
        Browser(people.t1).send(path(people, "keep-comment"), {"comment": "Good."}, headers=HTMX)
    assert own(people) == ["Good."]


@pytest.mark.parametrize(
    ("comment", "says"), [("  ", "no text"), ("Good {x}", "“{x}” is nothing that can be filled in")]
)
def test_what_cannot_be_kept_is_said(people, comment, says):
    at = path(people, "keep-comment")
    answer = Browser(people.t1).send(at, {"comment": comment}, headers=HTMX)
    assert answer.status_code == 422
    assert says in answer.content.decode()
    page = Browser(people.t1).send(at, {"comment": comment}, follow=True)
    assert says in page.content.decode()
    assert own(people) == []


def test_without_javascript_the_comment_stands_in_a_field_to_be_kept(people):
    with enter(people.school):
        people.t1.types(people.marks[0], "Ada reads.", field="comment")
    browser = Browser(people.t1)
    form = Form(browser.get(path(people)), "comment")
    assert form.data()["comment"] == ["Ada reads."]
    page = browser.post(form.action, form.data(), follow=True)
    assert "Kept among your comments: “{name} reads.”" in page.content.decode()
    assert own(people) == ["{name} reads."]

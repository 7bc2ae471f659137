"""Extending the marks window for one class: who may, and that it holds where marks are taken."""

import datetime as dt

import pytest
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import AuditLog
from grading.extensions import MayNotExtend, extend
from grading.models import Extension, Section
from tests.cast import only
from tests.pages import Browser

pytestmark = pytest.mark.django_db

DAY = dt.date(2026, 11, 20)


def path(people) -> str:
    return reverse("admin:grading_section_extend", args=[people.section])


def rows(people) -> list[Extension]:
    with enter(people.school):
        return list(Extension.objects.order_by("id"))


def on(day: int, hour: int = 12) -> dt.datetime:
    return dt.datetime(2026, 11, day, hour, tzinfo=dt.UTC)


def close(people, day: str = "2026-11-10") -> None:
    changes = people.a.changes_cell("term", people.term, marks_close_on=day).changes
    people.a.approves(*changes)


def grant(people, until: dt.date = DAY) -> Extension:
    section = Section.objects.get(pk=people.section)
    by, origin = people.a.member, people.a.origin()
    return extend(section, until=until, reason="She was ill", by=by, origin=origin)


def page(person, at: str) -> str:
    response = Browser(person).get(at)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


# Who may. -----------------------------------------------------------------------------------------


def test_no_teacher_extends(people):
    for ask in (Browser(people.t1).get, Browser(people.t1).send):
        assert ask(path(people)).status_code == 403
    with enter(people.school), pytest.raises(MayNotExtend):
        extend(
            Section.objects.get(pk=people.section),
            until=DAY,
            reason="please",
            by=people.t1.member,
            origin=people.t1.origin(),
        )
    assert rows(people) == []


def test_another_school_finds_no_such_class(people):
    for ask in (Browser(people.outsider).get, Browser(people.outsider).send):
        assert ask(path(people)).status_code == 404


def test_the_office_extends_from_the_page_of_the_class_and_it_is_written_down(people):
    with enter(people.school):
        close(people)
    change = reverse("admin:grading_section_change", args=[people.section])
    assert path(people) in page(people.a, change)
    browser = Browser(people.a)
    for nonsense in ({}, {"until": "x", "reason": "y"}, {"until": "2026-11-20", "reason": " "}):
        assert browser.send(path(people), nonsense).status_code == 422
    sent = {"until": "2026-11-20", "reason": "She was ill"}
    for _ in range(2):  # sent twice
        response = browser.send(path(people), sent, follow=True)
        assert "Marks of BIO-2 can be entered until 20 November 2026." in response.content.decode()
    (row,) = rows(people)
    assert (row.until, row.reason, row.granted_by_id) == (DAY, "She was ill", people.a.user.pk)
    with enter(people.school):
        written = AuditLog.objects.get(event="people", detail__startswith="marks window of BIO-2")
        assert written.user == people.a.user
    assert "She was ill" in page(people.a, reverse("admin:grading_extension_changelist"))


# What it does. ------------------------------------------------------------------------------------


def test_marks_are_taken_until_the_end_of_that_day_and_not_after(people):
    with enter(people.school):
        close(people)
        (refused,) = people.t1.types(people.marks[0], "70", at=on(12)).refused
        assert "closed on 10 November 2026" in refused.refused
        grant(people)
        change = only(people.t1.types(people.marks[0], "70", at=on(20, 23)))
        (refused,) = people.t1.types(people.marks[1], "70", at=on(21)).refused
        assert "closed on 20 November 2026" in refused.refused
        people.a.approves(change, at=on(28))
        assert people.grade(people.marks[0]) == "70"


def test_it_counts_for_one_class_alone(people):
    with enter(people.school):
        close(people)
        grant(people)
        section = people.a.creates(
            "section",
            course=str(people.course),
            term=str(people.term),
            scale=str(people.scale.pk),
            code="BIO-3",
        )
        people.a.approves(*people.open_of(section))
        place = people.a.enrols(people.students[0], section)
        people.a.approves(*people.open_of(place))
        (refused,) = people.t1.types(place, "70", at=on(12)).refused
        assert "closed on 10 November 2026" in refused.refused


def test_the_latest_counts_so_that_it_can_be_taken_back(people):
    with enter(people.school):
        close(people)
        grant(people)
        grant(people, dt.date(2026, 11, 1))
        (refused,) = people.t1.types(people.marks[0], "70", at=on(12)).refused
        assert "closed on 10 November 2026" in refused.refused


def test_at_approval_the_instant_of_receipt_counts_by_the_window_as_it_is_then(people):
    with enter(people.school):
        change = only(people.t1.types(people.marks[0], "70", at=on(12)))
        close(people)
        grant(people)
        people.a.approves(change)
        assert people.grade(people.marks[0]) == "70"


def test_the_sheet_and_my_classes_say_until_when_the_class_is_open(people):
    with enter(people.school):
        close(people, "2025-11-10")
        grant(people, dt.date(2099, 1, 31))
    sheet = page(people.t1, reverse("sheet", args=[people.section]))
    assert "Open for this class until <time" in sheet
    assert "31 January 2099" in sheet
    assert "You can read the sheet" not in sheet
    classes = page(people.t1, reverse("classes"))
    assert "31 Jan 2099" in classes
    assert "extended" in classes

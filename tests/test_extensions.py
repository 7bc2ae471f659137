"""Extending the marks window, for one class or for every class of an instructor: who may, and that
it holds where marks are taken."""

import datetime as dt
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import AuditLog
from grading.extensions import MayNotExtend, Taught, extend, extend_for_instructor, until_of_classes
from grading.models import Extension, Section, Term
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


def grant_instructor(people, until: dt.date = DAY, term: uuid.UUID | None = None) -> Extension:
    return extend_for_instructor(
        people.t1.user,
        Term.objects.get(pk=term or people.term),
        until=until,
        reason="She was ill",
        by=people.a.member,
        origin=people.a.origin(),
    )


def add_class(people, code: str, **different: str) -> uuid.UUID:
    """Add a class of T1 with one pupil, and return the pupil's enrolment."""
    values = {
        "course": str(people.course),
        "term": str(people.term),
        "scale": str(people.scale.pk),
        "instructor": str(people.t1.user.pk),
        "code": code,
    }
    section = people.a.creates("section", **(values | different))
    people.a.approves(*people.open_of(section))
    place = people.a.enrols(people.students[0], section)
    people.a.approves(*people.open_of(place))
    return place


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
        place = add_class(people, "BIO-3")
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


def test_my_classes_says_that_marks_closed_only_of_classes_that_are_closed(people):
    classes = reverse("classes")
    with enter(people.school):
        close(people, "2025-11-10")
    assert "Marks for Autumn 2026 closed on 10 November 2025." in page(people.t1, classes)
    assert "extended the time" not in page(people.t1, classes).replace("to extend the time", "")
    with enter(people.school):
        grant(people, dt.date(2099, 1, 31))
    assert "closed on" not in page(people.t1, classes)
    with enter(people.school):
        add_class(people, "BIO-3")
    shown = page(people.t1, classes)
    assert "Marks for Autumn 2026 closed on 10 November 2025." in shown
    assert "For 1 of these 2 classes the office has extended the time: see Due." in shown


# For an instructor. -------------------------------------------------------------------------------


def test_every_class_of_the_instructor_in_the_term_is_open_and_no_other(people):
    with enter(people.school):
        spring = people.a.creates("term", name="Spring 2026", marks_close_on="2026-11-10")
        people.a.approves(*people.open_of(spring))
        close(people)
        grant_instructor(people)
        own = [people.marks[0], add_class(people, "BIO-3")]
        others = [
            add_class(people, "BIO-4", instructor=str(people.t2.user.pk)),
            add_class(people, "BIO-5", term=str(spring)),
        ]
        for place in own:
            only(people.t1.types(place, "70", at=on(20, 23)))
            assert people.t1.types(place, "71", at=on(21)).refused
        for place in others:
            (refused,) = people.t1.types(place, "70", at=on(12)).refused
            assert "closed on 10 November 2026" in refused.refused


def test_the_later_of_both_counts_whichever_was_granted_last(people):
    with enter(people.school):
        close(people)
        section = Section.objects.get(pk=people.section)
        taught = Taught(section.pk, section.term_id, section.instructor_id)
        for of_class, of_instructor, until in ((12, 14, 14), (16, 14, 16), (16, 18, 18), (1, 1, 1)):
            grant(people, dt.date(2026, 11, of_class))
            grant_instructor(people, dt.date(2026, 11, of_instructor))
            assert until_of_classes([taught]) == {section.pk: dt.date(2026, 11, until)}
        assert people.t1.types(people.marks[0], "70", at=on(12)).refused


def test_it_goes_with_the_class_when_another_takes_it_over(people):
    with enter(people.school):
        close(people)
        grant_instructor(people)
        change = people.a.changes_cell("section", people.section, instructor=str(people.t2.user.pk))
        people.a.approves(*change.changes)
        assert people.t1.types(people.marks[0], "70", at=on(12)).refused
        place = add_class(people, "BIO-3", instructor=str(people.t2.user.pk))
        section = Section.objects.get(code="BIO-3").pk
        back = people.a.changes_cell("section", section, instructor=str(people.t1.user.pk))
        # A proposal that an extended person teaches a class opens it for nobody.
        assert people.t2.types(place, "70", at=on(12)).refused
        people.a.approves(*back.changes)
        only(people.t2.types(place, "70", at=on(12)))


def test_a_class_with_nobody_to_teach_it_is_extended_for_nobody(people):
    with enter(people.school):
        close(people)
        grant_instructor(people)
        change = people.a.changes_cell("section", people.section, instructor=None)
        people.a.approves(*change.changes)
        assert people.t1.types(people.marks[0], "70", at=on(12)).refused


def test_many_classes_ask_for_their_extensions_in_one_statement(people):
    with enter(people.school):
        grant(people)
        grant_instructor(people)
        taught = [
            Taught(each, people.term, people.t1.user.pk)
            for each in (people.section, *(uuid.uuid4() for _ in range(20)))
        ]
        with CaptureQueriesContext(connection) as queries:
            assert set(until_of_classes(taught).values()) == {DAY}
        assert len(queries) == 1


def test_the_office_extends_from_a_persons_page_and_from_the_class_s(people):
    with enter(people.school):
        close(people)
    at = reverse("admin:grading_extension_instructor", args=[people.t1.member.pk])
    person = reverse("admin:accounts_membership_change", args=[people.t1.member.pk])
    for link_at in (person, path(people)):
        assert at in page(people.a, link_at)
    browser = Browser(people.a)
    term = str(people.term)
    for nonsense in (
        {},
        {"term": term, "until": "x", "reason": "y"},
        {"term": "\x00", "until": "2026-11-20", "reason": "y"},
        {"term": str(uuid.uuid4()), "until": "2026-11-20", "reason": "y"},
        {"term": term, "until": "2026-11-20", "reason": " "},
    ):
        assert browser.send(at, nonsense).status_code == 422, nonsense
    sent = {"term": term, "until": "2026-11-20", "reason": "She was ill"}
    for _ in range(2):  # sent twice
        response = browser.send(at, sent, follow=True)
        shown = " ".join(response.content.decode().split())
        assert "classes in Autumn 2026 can be entered until 20 November 2026." in shown
        assert "closes on 10 November 2026, extended until 20 November 2026" in shown
    (row,) = rows(people)
    assert (row.section_id, row.term_id) == (None, people.term)
    assert (row.instructor_id, row.granted_by_id) == (people.t1.user.pk, people.a.user.pk)
    with enter(people.school):
        written = AuditLog.objects.get(event="people", detail__contains="T1 Teacher in Autumn 2026")
        assert written.user == people.a.user
        assert written.metadata["instructor"] == str(people.t1.user.pk)
    listed = page(people.a, reverse("admin:grading_extension_changelist"))
    assert "every class of T1 Teacher in Autumn 2026" in listed
    assert "20 November 2026" in page(people.a, path(people))


def test_no_teacher_and_no_other_school_extends_for_an_instructor(people):
    at = reverse("admin:grading_extension_instructor", args=[people.t1.member.pk])
    for person, status in ((people.t1, 403), (people.outsider, 404)):
        for ask in (Browser(person).get, Browser(person).send):
            assert ask(at).status_code == status
    with enter(people.school), pytest.raises(MayNotExtend):
        extend_for_instructor(
            people.t1.user,
            Term.objects.get(pk=people.term),
            until=DAY,
            reason="please",
            by=people.t1.member,
            origin=people.t1.origin(),
        )
    assert rows(people) == []


def test_the_sheet_and_my_classes_say_so_for_an_instructor_too(people):
    with enter(people.school):
        close(people, "2025-11-10")
        grant_instructor(people, dt.date(2099, 1, 31))
    assert "31 January 2099" in page(people.t1, reverse("sheet", args=[people.section]))
    classes = page(people.t1, reverse("classes"))
    assert "31 Jan 2099" in classes
    assert "extended" in classes


def test_an_extension_stays_when_its_term_vanishes(people):
    with enter(people.school):
        term = people.a.creates("term", name="Winter 2027")
        people.a.approves(*people.open_of(term))
        grant_instructor(people, term=term)
        people.a.approves(*people.a.deletes("term", term).changes)
        assert not Term.objects.filter(pk=term).exists()
    listed = page(people.a, reverse("admin:grading_extension_changelist"))
    assert "every class of T1 Teacher in Winter 2027" in listed

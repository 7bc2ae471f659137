"""The page of one pupil in a class: details, earlier terms, and "not in my class"."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import AuditLog
from changes.models import Change
from changes.propose import creation
from grading.models import Enrollment, GradingScale
from tests.cast import only
from tests.pages import Browser, form_of, without_tokens, words_of

pytestmark = pytest.mark.django_db


def path_of(people, mark: uuid.UUID | None = None, section: uuid.UUID | None = None) -> str:
    return reverse("pupil-in-class", args=[section or people.section, mark or people.marks[0]])


def leave_of(people, mark: uuid.UUID | None = None) -> str:
    return reverse("pupil-leaves", args=[people.section, mark or people.marks[0]])


def sheet_of(people) -> str:
    return reverse("sheet", args=[people.section])


def withdrawn_on_sheet(person, people) -> str:
    return Browser(person).get(sheet_of(people)).content.decode().partition("Withdrawn</h2>")[2]


def page_of(person, people, **where) -> str:
    response = Browser(person).get(path_of(people, **where))
    assert response.status_code == 200
    return response.content.decode()


def words(page: str) -> str:
    return " ".join(page.split())


def another_class(people, code: str, *, instructor=None, scale=None, term=None) -> uuid.UUID:
    with enter(people.school):
        drafts = creation(
            "section",
            {
                "course": str(people.course),
                "term": str(term or people.term),
                "code": code,
                "scale": str((scale or people.scale).pk),
                "instructor": str((instructor or people.t2).user.pk),
            },
        )
        people.a.enters(drafts, whole=True)
    return drafts[0].entity_id


def earlier_mark(people, n: int, *, mark="64", comment="Kept at it.", instructor=None) -> None:
    """Have Ada been in a class two years and ``n`` terms ago, with an approved mark."""
    with enter(people.school):
        term = creation("term", {"name": f"Past {n}", "starts_on": f"2024-{n:02}-01"})
        people.a.enters(term, whole=True)
    section = another_class(people, f"OLD-{n}", term=term[0].entity_id, instructor=instructor)
    with enter(people.school):
        place = creation(
            "enrollment",
            {
                "student": str(people.students[0]),
                "section": str(section),
                "grade": mark,
                "comment": comment,
            },
        )
        people.a.enters(place, whole=True)


def status_and_section(person, mark: uuid.UUID) -> tuple[str | None, str | None]:
    with enter(person.school):
        return person.sees(mark, "status"), person.sees(mark, "section")


# Who opens it. -----------------------------------------------------------------------------------


def test_others_schools_and_others_provisional_pupils_answer_like_unknown_ones(people):
    with enter(people.school):
        new = people.t2.creates("student", family_name="Hidden")
        theirs = people.t2.enrols(new, people.section)
    elsewhere = another_class(people, "BIO-3")
    for name in ("pupil-in-class", "pupil-leaves"):
        answers = [
            Browser(people.t1).get(reverse(name, args=[people.section, theirs])),
            Browser(people.t1).get(reverse(name, args=[people.section, uuid.uuid4()])),
            Browser(people.t1).get(reverse(name, args=[elsewhere, people.marks[0]])),
            Browser(people.outsider).get(reverse(name, args=[people.section, people.marks[0]])),
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({without_tokens(answer) for answer in answers[:3]}) == 1


def test_opening_a_pupil_of_somebody_elses_class_is_written_down(people):
    page_of(people.t1, people)
    assert "not your own class" in page_of(people.v, people)
    with enter(people.school):
        rows = AuditLog.objects.filter(event=AuditLog.Event.VIEW)
        assert [(row.user_id, row.detail) for row in rows] == [(people.v.user.pk, "class BIO-2")]


def test_where_teachers_are_restricted_only_own_classes_open_and_only_own_marks_show(people):
    earlier_mark(people, 1, comment="By somebody else.")
    earlier_mark(people, 2, comment="By myself.", instructor=people.t1)
    another_class(people, "BIO-3")
    people.school.teachers_restricted = True
    people.school.save()
    assert Browser(people.t2).get(path_of(people)).status_code == 403
    page = page_of(people.t1, people)
    assert "By myself." in page
    assert "By somebody else." not in page
    assert "BIO-3" not in page


# What it shows. ----------------------------------------------------------------------------------


def test_the_sheet_leads_to_it_and_it_shows_details_each_with_its_state(people):
    sheet = Browser(people.t1).get(reverse("sheet", args=[people.section])).content.decode()
    assert f'href="pupil/{people.marks[0]}/"' in sheet
    with enter(people.school):
        people.t1.changes_cell("student", people.students[0], birth_date="2010-05-04")
        people.a.declines(
            *people.t1.changes_cell("student", people.students[0], year_level="9").changes
        )
        people.t1.changes_cell("student", people.students[0], family_name="Abbot")
        people.a.approves(
            *people.t2.changes_cell("student", people.students[0], family_name="Abbots").changes
        )
    page = words(page_of(people.t1, people))
    assert "Abbot, Ada" in page
    assert "4 May 2010" in page
    assert "It is blank until then." in page
    assert "Your “9” was declined: not right" in page
    assert "You typed “Abbot”; by now “Abbots” stands" in page
    theirs = page_of(people.t2, people)
    assert "4 May 2010" not in theirs
    assert "declined" not in theirs


def test_earlier_terms_show_what_was_approved_and_nothing_else(people):
    earlier_mark(people, 1)
    earlier_mark(people, 2, mark="71", comment="Better.")
    with enter(people.school):
        old = Enrollment.objects.get(grade="71")
        people.t1.types(old.pk, "98.7", reason="a slip")
    page = words(page_of(people.t1, people))
    assert page.index("OLD-2: Biology") < page.index("OLD-1: Biology")
    assert "Kept at it." in page
    assert "71" in words_of(page)
    assert "98.7" not in page


def test_it_costs_as_many_queries_for_ten_earlier_terms_as_for_one(people):
    browser = Browser(people.t1)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(path_of(people)).status_code == 200
        return len(queries)

    earlier_mark(people, 1)
    another_class(people, "BIO-3")
    cost()
    few = cost()
    for n in range(2, 11):
        earlier_mark(people, n)
        another_class(people, f"BIO-{n + 2}")
    assert cost() == few


# Not in my class. --------------------------------------------------------------------------------


def test_a_pupil_is_withdrawn_after_a_confirmation_and_only_for_its_author(people):
    browser = Browser(people.t1)
    page = browser.get(leave_of(people)).content.decode()
    assert "stands apart below your list" in page
    assert status_and_section(people.t1, people.marks[0])[0] == "enrolled"
    form = form_of(page, leave_of(people))
    for _ in range(2):
        response = browser.post(leave_of(people), form)
        assert response.url == sheet_of(people)
    assert "Abbott, Ada is withdrawn on your list now." in words(
        browser.get(sheet_of(people)).content.decode()
    )
    assert status_and_section(people.t1, people.marks[0])[0] == "withdrawn"
    assert status_and_section(people.t2, people.marks[0])[0] == "enrolled"
    with enter(people.school):
        change = Change.objects.get(field="status", entity_id=people.marks[0], status="provisional")
    page = page_of(people.t1, people)
    assert reverse("withdraw", args=[change.pk]) in page
    assert "Withdraw from the class" not in page
    withdrawn = withdrawn_on_sheet(people.t1, people)
    assert f'href="pupil/{people.marks[0]}/"' in withdrawn
    assert "awaiting approval" in withdrawn
    undo = reverse("withdraw", args=[change.pk])
    assert f'href="{undo}?class={people.section}"' in withdrawn
    form = form_of(browser.get(undo, {"class": people.section}).content.decode(), undo)
    assert browser.post(undo, form).url == sheet_of(people)
    assert status_and_section(people.t1, people.marks[0])[0] == "enrolled"


def test_a_withdrawal_that_was_approved_or_is_anothers_proposal_is_not_said_to_wait(people):
    with enter(people.school):
        people.v.changes_cell("enrollment", people.marks[0], status="withdrawn")
    assert withdrawn_on_sheet(people.t1, people) == ""
    with enter(people.school):
        people.a.approves(*people.open_of(people.marks[0]))
    for person in (people.t1, people.v):
        assert "Abbott, Ada" in withdrawn_on_sheet(person, people)
        assert "awaiting approval" not in withdrawn_on_sheet(person, people)


def test_a_pupil_moves_to_another_class_with_mark_and_comment(people):
    to = another_class(people, "BIO-3")
    with enter(people.school):
        people.stand(people.marks[0], "72", by=people.t1)
        people.t1.types(people.marks[0], "Good.", field="comment")
    browser = Browser(people.t1)
    page = browser.get(leave_of(people), {"to": str(to)}).content.decode()
    assert "The mark 72 and the comment follow." in words(page)
    form = form_of(page, leave_of(people))
    for _ in range(2):
        assert browser.post(leave_of(people), form).url == sheet_of(people)
    assert "Abbott, Ada is on your list of BIO-3 now, and no longer on this one." in words(
        browser.get(sheet_of(people)).content.decode()
    )
    assert status_and_section(people.t1, people.marks[0]) == ("enrolled", str(to))
    assert status_and_section(people.t2, people.marks[0]) == ("enrolled", str(people.section))
    assert "You moved this pupil here." in page_of(people.t1, people, section=to)
    assert "You moved this pupil" in words(browser.get(sheet_of(people)).content.decode())
    with enter(people.school):
        changes = Change.objects.filter(field="section", entity_id=people.marks[0]).open()
        people.a.approves(*changes)
        moved = Enrollment.objects.get(pk=people.marks[0])
        assert (moved.section_id, moved.grade) == (to, "72")
        assert people.is_equal()


def test_a_mark_that_the_other_class_cannot_have_stops_the_move_and_the_page_says_why(people):
    with enter(people.school):
        five = GradingScale.objects.create(
            school=people.school, name="Five", kind="numeric", minimum=1, maximum=5, decimals=0
        )
        people.t1.types(people.marks[0], "72")
    to = another_class(people, "BIO-3", scale=five)
    response = Browser(people.t1).send(leave_of(people), {"to": str(to), "key": "k"}, follow=True)
    assert "Nothing was changed. 72 is out of bounds" in words(response.content.decode())
    assert status_and_section(people.t1, people.marks[0])[1] == str(people.section)


def test_a_pupil_is_moved_neither_to_another_term_nor_to_where_they_are_nor_to_another_school(
    people,
):
    earlier_mark(people, 1)
    to = another_class(people, "BIO-3")
    with enter(people.school):
        old = Enrollment.objects.get(section__code="OLD-1").section_id
        people.a.enters(
            creation("enrollment", {"student": str(people.students[0]), "section": str(to)})
        )
    for each in (old, to):
        response = Browser(people.t1).send(
            leave_of(people), {"to": str(each), "key": "k"}, follow=False
        )
        assert response.status_code == 302
    for each in (uuid.uuid4(), "x"):
        response = Browser(people.t1).send(leave_of(people), {"to": str(each), "key": "k"})
        assert response.status_code == 404
    assert status_and_section(people.t1, people.marks[0])[1] == str(people.section)


def test_a_place_that_one_has_only_proposed_is_taken_back_instead(people):
    with enter(people.school):
        new = people.t1.creates("student", family_name="Ashdown")
        place = people.t1.enrols(new, people.section)
        creating = Change.objects.get(entity_id=place, field="exists")
    assert "Take back that Ashdown is in this class" in page_of(people.t1, people, mark=place)
    response = Browser(people.t1).get(leave_of(people, place))
    assert response.url == f"{reverse('withdraw', args=[creating.pk])}?class={people.section}"


def test_a_base_that_nobody_was_shown_is_refused(people):
    with enter(people.school):
        waiting = only(people.t2.changes_cell("enrollment", people.marks[0], status="withdrawn"))
    for base in (waiting.pk, uuid.uuid4()):
        response = Browser(people.t1).send(
            leave_of(people), {"base": str(base), "key": "k"}, follow=True
        )
        assert "This page is out of date." in response.content.decode()
    assert status_and_section(people.t1, people.marks[0])[0] == "enrolled"

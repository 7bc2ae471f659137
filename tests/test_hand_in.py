"""Handing in a class: who may, what is confirmed, and where it is said afterwards."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from grading.hand_in import MayNotHandIn, hand_in
from grading.models import HandIn, Section
from tests.cast import only
from tests.pages import Browser, form_of, more_pupils

pytestmark = pytest.mark.django_db


def path(people) -> str:
    return reverse("hand-in", args=[people.section])


def page(person, at: str) -> str:
    response = Browser(person).get(at)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def handed_in(people) -> list[HandIn]:
    with enter(people.school):
        return list(HandIn.objects.order_by("id"))


def all_blanks(people) -> dict[str, object]:
    return {"confirmed": "on", "blank": [each.hex for each in people.marks], "key": "k"}


# Outsiders. ---------------------------------------------------------------------------------------


def test_only_the_instructor_or_the_office_hands_in_and_others_see_why_not(people):
    shown = page(people.t2, path(people))
    assert "T1 Teacher teaches this class" in shown
    assert '<form method="post" action="/classes' not in shown
    assert Browser(people.t2).send(path(people), all_blanks(people)).status_code == 403
    assert handed_in(people) == []
    with enter(people.school), pytest.raises(MayNotHandIn):
        hand_in(
            Section.objects.get(pk=people.section),
            confirmed=people.marks,
            by=people.t2.member,
            origin=people.t2.origin(),
            key="",
        )
    assert Browser(people.a).send(path(people), all_blanks(people)).status_code == 302
    assert [each.handed_in_by_id for each in handed_in(people)] == [people.a.user.pk]


def test_another_school_finds_no_such_class(people):
    for ask in (Browser(people.outsider).get, Browser(people.outsider).send):
        assert ask(path(people)).status_code == 404


# Blanks. ------------------------------------------------------------------------------------------


def test_pupils_without_a_mark_are_named_as_their_teacher_sees_them_and_confirmed(people):
    with enter(people.school):
        people.t1.types(people.marks[0], "70")  # waits, and counts for its author
        people.t2.types(people.marks[1], "50")  # somebody else's does not
    shown = page(people.t1, path(people))
    assert "2 pupils without a mark" in shown
    shown = shown.partition("without a comment")[0]
    assert "Abbott" not in shown
    assert "Brown, Ben" in shown
    assert "Carter, Cleo" in shown
    browser = Browser(people.t1)
    sent = {"blank": [each.hex for each in people.marks[1:]], "key": "k"}
    response = browser.send(path(people), sent)
    assert response.status_code == 422
    assert "Not handed in" in response.content.decode()
    assert handed_in(people) == []
    response = browser.send(path(people), {**sent, "confirmed": "on"}, follow=True)
    assert "BIO-2 is handed in." in response.content.decode()
    (row,) = handed_in(people)
    assert (row.blank, row.ip, row.section_id) == (2, "127.0.0.1", people.section)


def test_a_pupil_who_came_after_the_page_was_shown_is_not_confirmed_with_the_others(people):
    more_pupils(people, 1)
    response = Browser(people.t1).send(path(people), all_blanks(people))
    assert response.status_code == 422
    assert "Pupil0" in response.content.decode()
    assert handed_in(people) == []


def test_where_every_mark_is_entered_there_is_nothing_to_confirm(people):
    with enter(people.school):
        for each in people.marks:
            people.t1.types(each, "70")
    browser = Browser(people.t1)
    shown = browser.get(path(people)).content.decode()
    assert "All 3 pupils have a mark." in shown
    browser.send(path(people), form_of(shown, path(people)))
    assert [each.blank for each in handed_in(people)] == [0]


def test_pupils_without_a_comment_are_named_and_need_no_confirmation(people):
    with enter(people.school):
        for each in people.marks:
            people.t1.types(each, "70")
        people.t1.types(people.marks[0], "Reads well.", field="comment")
        people.t2.types(people.marks[1], "Somebody else’s.", field="comment")
    browser = Browser(people.t1)
    shown = page(people.t1, path(people))
    folded = shown.partition("<details>")[2].partition("</details>")[0]
    assert "2 pupils without a comment" in folded
    assert "Brown, Ben" in folded
    assert "Carter, Cleo" in folded
    assert "Abbott" not in folded
    browser.send(path(people), form_of(browser.get(path(people)).content.decode(), path(people)))
    assert [each.blank for each in handed_in(people)] == [0]
    with enter(people.school):
        for each in people.marks[1:]:
            people.t1.types(each, "Reads well.", field="comment")
    assert "All pupils have a comment." in page(people.t1, path(people))


def closes(people, day: str) -> None:
    with enter(people.school):
        people.a.approves(*people.a.changes_cell("term", people.term, marks_close_on=day).changes)


def test_a_closed_class_is_handed_in_as_it_stands_and_the_page_says_what_that_does(people):
    closes(people, "2025-11-10")
    shown = page(people.t1, path(people))
    assert "Marks for Autumn 2026 closed on 10 November 2025." in shown
    assert "Ask the office to enter the mark, or to extend the time." in shown
    assert "You can still hand the class in as it stands." in shown
    assert "Nothing is locked" not in shown
    # The office types on, and reads what it read before.
    assert "Nothing is locked" in page(people.a, path(people))
    assert Browser(people.t1).send(path(people), all_blanks(people)).status_code == 302
    assert len(handed_in(people)) == 1
    for at in (path(people), reverse("sheet", args=[people.section])):
        assert "<b>Handed in</b> on" in page(people.t1, at)
        assert "What is typed afterwards" not in page(people.t1, at)
        assert "What is typed afterwards" in page(people.a, at)


@pytest.mark.parametrize("nonsense", [{"blank": "x"}, {"blank": "\x00"}, {"key": "\x00"}])
def test_nonsense_hands_nothing_in(people, nonsense):
    response = Browser(people.t1).send(path(people), {**nonsense, "confirmed": "on"})
    assert response.status_code in {404, 422}
    assert handed_in(people) == []


# Once, and again. ---------------------------------------------------------------------------------


def test_a_form_that_is_sent_twice_is_one_row_and_handing_in_again_is_another(people):
    browser = Browser(people.t1)
    for key in ("k1", "k1", "k2"):
        assert browser.send(path(people), {**all_blanks(people), "key": key}).status_code == 302
    assert len(handed_in(people)) == 2


# Afterwards. --------------------------------------------------------------------------------------


def test_the_sheet_says_who_handed_it_in_and_typing_is_still_possible(people):
    sheet = reverse("sheet", args=[people.section])
    assert "Handed in" not in page(people.t1, sheet)
    assert path(people) in page(people.t1, sheet)
    Browser(people.t1).send(path(people), all_blanks(people))
    for person in (people.t1, people.t2):
        shown = page(person, sheet)
        assert "<b>Handed in</b> on" in shown
        assert "by T1 Teacher." in shown
        assert "What is typed afterwards awaits approval like everything else" in shown
    with enter(people.school):
        waiting = only(people.t1.types(people.marks[0], "70"))
        assert waiting.status == "provisional"


def test_my_classes_says_in_words_how_far_each_class_is_and_when_it_is_due(people):
    classes = reverse("classes")
    shown = page(people.t1, classes)
    assert '<span class="state">not begun</span>' in shown
    assert "no date" in shown
    with enter(people.school):
        people.t1.types(people.marks[0], "70")
        people.a.approves(
            *people.a.changes_cell("term", people.term, marks_close_on="2026-12-18").changes
        )
    shown = page(people.t1, classes)
    assert "begun (1 of 3)" in shown
    assert "18 Dec 2026" in shown
    Browser(people.t1).send(path(people), all_blanks(people))
    shown = page(people.t1, classes)
    assert "handed in</span>" in shown
    assert ", T1 Teacher" in shown
    assert "begun" not in shown


def test_a_class_with_every_mark_is_complete_and_not_handed_in(people):
    with enter(people.school):
        for each in people.marks:
            people.t1.types(each, "70")
    shown = page(people.t1, reverse("classes"))
    assert "complete, not handed in</span>" in shown
    assert "begun" not in shown
    Browser(people.t1).send(path(people), {"key": "k"})
    assert "complete, not" not in page(people.t1, reverse("classes"))


def test_the_office_has_a_list_of_what_was_handed_in(people):
    Browser(people.t1).send(path(people), all_blanks(people))
    shown = page(people.a, reverse("admin:grading_handin_changelist"))
    assert "BIO-2" in shown
    assert "T1 Teacher" in shown


def test_the_hand_in_of_a_class_stays_when_the_class_vanishes(people):
    with enter(people.school):
        section = people.v.creates("section", course=str(people.course), term=str(people.term))
        people.a.approves(*people.open_of(section))
        hand_in(
            Section.objects.get(pk=section),
            confirmed=[],
            by=people.a.member,
            origin=people.a.origin(),
            key="k",
        )
        people.a.reverts(people.v)
        assert not Section.objects.filter(pk=section).exists()
    assert [each.section_id for each in handed_in(people)] == [section]
    page(people.a, reverse("admin:grading_handin_changelist"))


def test_it_costs_as_many_queries_for_thirty_pupils_and_however_often(people):
    browser = Browser(people.t1)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            for at in (path(people), reverse("sheet", args=[people.section]), reverse("classes")):
                assert browser.get(at).status_code == 200
        return len(queries)

    browser.send(path(people), all_blanks(people))
    cost()
    few = cost()
    more_pupils(people, 27)
    for n in range(4):
        with enter(people.school):
            hand_in(
                Section.objects.get(pk=people.section),
                confirmed=_all(people),
                by=people.a.member,
                origin=people.a.origin(),
                key=str(n),
            )
    assert cost() == few


def _all(people) -> list[uuid.UUID]:
    return list(Section.objects.get(pk=people.section).enrollments.values_list("pk", flat=True))

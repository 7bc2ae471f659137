"""My changes: what one has proposed and how it stands; withdrawing it."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from changes.models import Change
from changes.propose import Draft, creation
from tests.cast import SATURDAY_NIGHT, only
from tests.pages import Browser, form_of, more_pupils, without_tokens, words_of

pytestmark = pytest.mark.django_db


def page_of(person, query: str = "") -> str:
    response = Browser(person).get(reverse("my-changes") + query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def rows(person, query: str = "") -> list[str]:
    body = page_of(person, query).partition("<tbody>")[2].partition("</tbody>")[0]
    return body.split("<tr>")[1:]


def withdraw_path(change: Change) -> str:
    return reverse("withdraw", args=[change.pk])


def test_it_says_what_changed_from_what_to_what_and_how_it_stands(people):
    with enter(people.school):
        first = only(people.t1.types(people.marks[0], "60"))
        people.a.approves(first)
        people.t1.types(people.marks[0], "65", reason="a page was overlooked")
        people.a.declines(only(people.t1.types(people.marks[1], "50")), reason="He was ill")
        people.t1.types(people.marks[2], "70")
        people.t1.withdraws(only(people.t1.types(people.marks[2], "71")))
    newest, seventy, fifty, sixtyfive, sixty = rows(people.t1)
    assert "Carter, Cleo" in newest
    assert "withdrawn" in newest
    assert "superseded" in seventy or "withdrawn" in seventy
    assert "declined" in fifty
    assert "He was ill" in fifty
    assert "<del>60</del> <ins>65</ins>" in sixtyfive
    assert "awaiting approval" in sixtyfive
    assert "BIO-2" in sixtyfive
    assert "approved" in sixty


def test_what_a_revert_set_aside_says_so_also_for_a_pupil_who_is_gone(people):
    with enter(people.school):
        new = people.v.creates("student", family_name="Ashdown", at=SATURDAY_NIGHT)
        people.v.enrols(new, people.section, at=SATURDAY_NIGHT)
        people.a.reverts(people.v)
    place, pupil = rows(people.v)
    for row in (place, pupil):
        assert "set aside by a revert" in row
        assert "Ashdown" in row
    assert "BIO-2" in place


def test_a_new_pupil_is_one_line_and_not_one_for_each_field(people):
    with enter(people.school):
        people.t1.creates("student", family_name="Ashdown", given_names="Wren", year_level="10")
    (row,) = rows(people.t1)
    assert "New pupil" in row
    assert "year level 10" in row


def test_nobody_elses_changes_are_shown_not_even_to_the_office(people):
    with enter(people.school):
        people.t1.types(people.marks[0], "67.3")
    for person in (people.t2, people.a, people.outsider):
        page = page_of(person)
        assert "67.3" not in page
        assert "You have not changed anything yet" in page or person is people.a


def test_it_can_be_filtered_by_state_and_class(people):
    with enter(people.school):
        people.a.approves(only(people.t1.types(people.marks[0], "60")))
        people.t1.types(people.marks[1], "70")
        new = people.t1.creates("student", family_name="Ashdown")
        people.t1.enrols(new, people.section)
        people.t1.creates("student", family_name="Elsewhere")
        drafts = creation(
            "section",
            {"course": str(people.course), "term": str(people.term), "code": "BIO-3"},
        )
        people.a.enters(drafts, whole=True)
    other = drafts[0].entity_id
    assert len(rows(people.t1)) == 5
    assert len(rows(people.t1, "?state=approved")) == 1
    assert len(rows(people.t1, "?state=waiting")) == 4
    assert len(rows(people.t1, "?state=declined")) == 0
    assert len(rows(people.t1, f"?class={people.section}")) == 4
    assert (
        ", Autumn 2026</option>" in Browser(people.t1).get(reverse("my-changes")).content.decode()
    )
    assert len(rows(people.t1, f"?class={people.section}&state=waiting")) == 3
    for nonsense in (
        f"?class={other}",
        "?class=x",
        f"?class={uuid.uuid4()}",
        "?state=x",
        "?page=x",
    ):
        assert len(rows(people.t1, nonsense)) == 5


def test_it_comes_in_pages_and_keeps_the_filter(people):
    ids = more_pupils(people, 52)
    with enter(people.school):
        for each in ids:
            people.t1.types(each, "70")
    assert len(rows(people.t1)) == 50
    assert len(rows(people.t1, "?page=2&state=waiting")) == 2
    assert "?state=waiting&amp;page=2" in page_of(people.t1, "?state=waiting")


def test_it_costs_as_many_queries_for_forty_changes_as_for_three(people):
    browser = Browser(people.t1)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            browser.get(reverse("my-changes"))
        return len(queries)

    def type_some(ids):
        with enter(people.school):
            people.t1.types(ids[0], "Well done.", field="comment")
            new = people.t1.creates("student", family_name="Ashdown")
            people.t1.enrols(new, people.section)
            for each in ids:
                people.t1.types(each, "70")

    cost()
    type_some(people.marks[:1])
    few = cost()
    type_some(more_pupils(people, 30))
    assert cost() == few


# Withdrawing. ------------------------------------------------------------------------------------


def test_a_change_is_withdrawn_after_a_question(people):
    with enter(people.school):
        change = only(people.t1.types(people.marks[0], "70"))
    browser = Browser(people.t1)
    assert "Withdraw this?" in browser.get(withdraw_path(change)).content.decode()
    response = browser.send(withdraw_path(change), {"key": "k1"}, follow=True)
    assert "Withdrawn." in response.content.decode()
    with enter(people.school):
        assert people.t1.sees(people.marks[0]) is None
        count = Change.objects.count()
    browser.send(withdraw_path(change), {"key": "k1"})
    with enter(people.school):
        assert Change.objects.count() == count


def test_withdrawing_a_new_pupil_lists_what_goes_with_them_first(people):
    with enter(people.school):
        new = people.t1.creates("student", family_name="Ashdown")
        place = people.t1.enrols(new, people.section)
        people.t1.types(place, "77")
        creating = Change.objects.of("student", new).get(field="exists")
    browser = Browser(people.t1)
    page = browser.get(withdraw_path(creating)).content.decode()
    listed = page.partition("What goes with it")[2]
    assert "Added to the class" in listed
    assert "77" in words_of(listed)
    browser.send(withdraw_path(creating), {"key": "k1"})
    with enter(people.school):
        assert not Change.objects.proposed_by(people.t1.user.pk).open().exists()


def test_nobody_withdraws_what_is_not_theirs_and_the_answer_tells_nothing(people):
    with enter(people.school):
        change = only(people.t1.types(people.marks[0], "70"))
    unknown = Change(pk=uuid.uuid4())
    for person in (people.t2, people.a, people.outsider):
        browser = Browser(person)
        for ask in (browser.get, browser.send):
            real, none = ask(withdraw_path(change)), ask(withdraw_path(unknown))
            assert real.status_code == none.status_code == 404
            assert without_tokens(real) == without_tokens(none)
    with enter(people.school):
        assert people.t1.sees(people.marks[0]) == "70"


def test_what_was_decided_meanwhile_is_not_withdrawn(people):
    with enter(people.school):
        change = only(people.t1.types(people.marks[0], "70"))
        people.a.approves(change)
    browser = Browser(people.t1)
    for response in (
        browser.get(withdraw_path(change), follow=True),
        browser.send(withdraw_path(change), {"key": "k1"}, follow=True),
    ):
        assert 'class="notice error"' in response.content.decode()
    with enter(people.school):
        assert people.grade(people.marks[0]) == "70"


def test_withdrawn_from_the_sheet_one_comes_back_to_the_sheet(people):
    with enter(people.school):
        change = only(people.t1.types(people.marks[0], "70"))
    response = Browser(people.t1).send(withdraw_path(change), {"back": str(people.section)})
    assert response["Location"] == reverse("sheet", args=[people.section])
    response = Browser(people.t1).get(withdraw_path(change) + "?class=//evil.example")
    assert "evil.example" not in response.content.decode()


# Proposing again. ---------------------------------------------------------------------------------


def again_path(change: Change) -> str:
    return reverse("propose-again", args=[change.pk])


def declined(people, text: str = "50", **options) -> Change:
    with enter(people.school):
        change = only(people.t1.types(people.marks[0], text, **options))
        people.a.declines(change, reason="He was ill")
    return change


def test_what_was_declined_is_proposed_again_on_what_stands_now(people):
    change = declined(people)
    (row,) = rows(people.t1)
    assert again_path(change) in row
    browser = Browser(people.t1)
    page = browser.get(again_path(change)).content.decode()
    assert "He was ill" in page
    assert "Nothing stands there now." in page
    assert "Why it changes" not in page
    sent = form_of(page, again_path(change))
    for _ in range(2):  # the second is the first, sent twice
        response = browser.send(again_path(change), sent, follow=True)
        assert "Proposed again." in response.content.decode()
    waiting, old = rows(people.t1)
    assert "awaiting approval" in waiting
    assert "declined" in old
    assert again_path(change) not in old
    with enter(people.school):
        people.a.approves(*people.open_of(people.marks[0]))
        assert people.grade(people.marks[0]) == "50"


def test_where_a_mark_stands_a_reason_is_asked_for(people):
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
    change = declined(people, "65", reason="a page was overlooked")
    browser = Browser(people.t1)
    page = browser.get(again_path(change)).content.decode()
    sent = form_of(page, again_path(change))
    assert sent["reason"] == "a page was overlooked"
    assert '<b class="typed">60</b> stands there now.' in page
    response = browser.send(again_path(change), {**sent, "reason": " "})
    assert response.status_code == 422
    assert "Say why it changes" in response.content.decode()
    browser.send(again_path(change), {**sent, "reason": "I looked again"})
    with enter(people.school):
        (waiting,) = people.open_of(people.marks[0])
        assert waiting.two_people
        assert waiting.corrections.get().reason == "I looked again"


def test_what_moved_since_the_page_was_shown_is_left_for_the_office_to_see(people):
    change = declined(people)
    browser = Browser(people.t1)
    sent = form_of(browser.get(again_path(change)).content.decode(), again_path(change))
    with enter(people.school):
        people.stand(people.marks[0], "70", by=people.t2)
    browser.send(again_path(change), {**sent, "reason": "still so"})
    with enter(people.school):
        (waiting,) = people.open_of(people.marks[0])
        assert (waiting.base_change_id, waiting.old_value) == (None, None)


def test_what_can_be_no_longer_says_so(people):
    with enter(people.school):
        new = people.t1.creates("student", family_name="Ashdown")
        place = people.t1.enrols(new, people.section)
        mark = only(people.t1.types(place, "77"))
        people.a.declines(mark)
        people.a.declines(*people.open_of(new))
    replaced = declined(people)
    with enter(people.school):
        people.t1.types(people.marks[0], "51")
        count = Change.objects.count()
        added = Change.objects.of("student", new).get(field="exists")
        waits = people.open_of(people.marks[0])[0]
    browser = Browser(people.t1)
    for change, because in (
        (mark, "The pupil was declined or withdrawn."),
        (replaced, "something newer"),
        (added, "add it anew"),
        (waits, "not declined"),
    ):
        page = browser.get(again_path(change)).content.decode()
        assert because in page
        assert "<button" not in page.partition("<h1>")[2].partition("</main>")[0]
        response = browser.send(again_path(change), {"key": "k"})
        assert response.status_code == 422
        assert because in response.content.decode()
    with enter(people.school):
        assert Change.objects.count() == count


def test_a_mark_of_a_place_that_was_declined_cannot_come_again(people):
    with enter(people.school):
        place = people.t1.enrols(
            people.t1.creates("student", family_name="Ashdown"), people.section
        )
        mark = only(people.t1.types(place, "77"))
        people.a.declines(mark)
        people.a.declines(*people.open_of(place))
    page = Browser(people.t1).get(again_path(mark)).content.decode()
    assert "was declined, withdrawn or deleted" in page
    added = next(row for row in rows(people.t1) if "Added to the class" in row)
    assert f'{reverse("missing-pupil", args=[people.section])}?q=Ashdown"' in added


def test_a_refusal_is_shown_in_words(people):
    change = declined(people)
    with enter(people.school):
        people.a.enters(
            [
                Draft(
                    entity_type="term",
                    entity_id=people.term,
                    field="marks_close_on",
                    typed="2026-10-01",
                )
            ]
        )
    response = Browser(people.t1).send(again_path(change), {"key": "k"})
    assert response.status_code == 422
    assert "closed on 01 October 2026" in response.content.decode()


def test_nobody_proposes_again_what_is_not_theirs(people):
    change = declined(people)
    for person in (people.t2, people.a, people.outsider):
        browser = Browser(person)
        assert browser.get(again_path(change)).status_code == 404
        assert browser.send(again_path(change)).status_code == 404

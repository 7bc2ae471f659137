"""Clearing what only waits, or typing what stands over it, takes it back: nothing is proposed."""

import datetime as dt

import pytest
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import School
from changes import overlay
from changes.models import Change, ChangeSet
from changes.overlay import State
from changes.propose import Saved
from grading.corrections import reasons
from grading.marks import RULE, enter_marks, in_words
from grading.models import GradeCorrection
from tests.cast import Person, only, open_changes, typed
from tests.pages import Browser, words_of

pytestmark = pytest.mark.django_db


def enters(person: Person, *drafts, at: dt.datetime | None = None, **options) -> Saved:
    return enter_marks(drafts, by=person.member, origin=person.origin(at), **options)


def open_of(people) -> set:
    with enter(people.school):
        return open_changes()


def state_of(person: Person, enrollment, field: str = "grade") -> State:
    records = overlay.see("enrollment", [enrollment], by=person.member)
    return records[enrollment].cell(field).state


@pytest.mark.parametrize(("field", "text"), [("grade", "70"), ("comment", "Good.")])
@pytest.mark.parametrize("empty", ["", None])
def test_clearing_what_waits_where_nothing_stands_withdraws_it(inside, field, text, empty):
    people = inside
    cell = people.marks[0]
    waiting = only(enters(people.t1, typed(cell, text, field=field)))
    at = people.clock.tick()
    change = only(enters(people.t1, typed(cell, empty, field=field), at=at))
    assert (change.kind, change.value, change.number) == ("withdraw", None, waiting.number + 1)
    assert (change.change_set.ip, change.change_set.received_at) == (people.t1.ip, at)
    assert open_changes() == set()
    assert people.t1.sees(cell, field) is None
    assert state_of(people.t1, cell, field) is State.BLANK
    # Excluding the withdrawal, of a misused account say, gives back what waited.
    people.a.reverts(people.t1, start=at)
    assert open_changes() == {waiting.pk}


@pytest.mark.parametrize(
    ("field", "stands", "other"), [("grade", "60", "65"), ("comment", "Good.", "Bad.")]
)
def test_typing_what_stands_over_what_waits_withdraws_it_and_asks_for_no_reason(
    inside, field, stands, other
):
    people = inside
    cell = people.marks[0]
    people.stand(cell, stands, by=people.v, field=field)
    waiting = only(enters(people.t1, typed(cell, other, field=field, reason="misread")))
    again = f"{stands}.0 " if field == "grade" else stands
    change = only(enters(people.t1, typed(cell, again, field=field)))
    assert (change.kind, change.number) == ("withdraw", waiting.number + 1)
    assert open_changes() == set()
    assert people.t1.sees(cell, field) == stands
    assert state_of(people.t1, cell, field) is State.APPROVED


def test_the_correction_of_what_was_taken_back_stays_pending_and_waits_no_more(inside):
    people = inside
    people.stands("60")
    waiting = only(enters(people.t1, typed(people.marks[0], "65", reason="misread")))
    enters(people.t1, typed(people.marks[0], "60"))
    (row,) = GradeCorrection.objects.filter(change=waiting)
    assert row.status == "pending"
    assert GradeCorrection.objects.count() == 1
    assert reasons(open_changes()) == {}
    assert people.grade(people.marks[0]) == "60"
    assert people.is_equal()


def test_clearing_what_stands_is_a_correction_also_over_ones_own_waiting_mark(inside):
    people = inside
    people.stands("60")
    enters(people.t1, typed(people.marks[0], "65", reason="misread"))
    (refused,) = enters(people.t1, typed(people.marks[0], "")).refused
    assert "Say why it changes" in refused.refused
    change = only(enters(people.t1, typed(people.marks[0], "", reason="another pupil's")))
    assert (change.kind, change.value, change.two_people) == ("value", None, True)


def test_taking_back_a_proposal_to_clear_leaves_what_stands(inside):
    people = inside
    people.stands("60")
    enters(people.t1, typed(people.marks[0], "", reason="another pupil's"))
    assert people.t1.sees(people.marks[0]) is None
    assert only(enters(people.t1, typed(people.marks[0], "60"))).kind == "withdraw"
    assert people.t1.sees(people.marks[0]) == "60"


def test_what_stands_typed_again_where_nothing_of_ones_own_waits_is_a_confirmation(inside):
    people = inside
    people.stand(people.marks[0], "60", by=people.v)
    for _ in range(2):  # confirmed again, and not taken back
        change = only(enters(people.t1, typed(people.marks[0], "60")))
        assert (change.kind, change.value) == ("value", "60")
        assert open_changes() == {change.pk}
    # Somebody else's waiting change is nothing of one's own.
    enters(people.v, typed(people.marks[0], "65", reason="recount"))
    assert only(enters(people.t2, typed(people.marks[0], "60"))).kind == "value"


def test_clearing_where_nothing_stands_and_nothing_waits_saves_nothing(inside):
    people = inside
    saved = enters(
        people.t1, typed(people.marks[0], ""), typed(people.marks[0], "", field="comment")
    )
    assert (saved.change_set, saved.changes, saved.refused) == (None, [], [])
    enters(people.v, typed(people.marks[0], "65"))
    assert enters(people.t1, typed(people.marks[0], "")).changes == []
    assert len(open_changes()) == 1


def test_what_stands_by_now_counts_and_not_what_the_page_showed(inside):
    people = inside
    first = people.stand(people.marks[0], "60", by=people.v)
    enters(people.t1, typed(people.marks[0], "70", reason="recount", base=first.pk))
    people.stand(people.marks[0], "65", by=people.v)
    # The page still shows 60 under one's own 70: 60 does not stand any more, and is proposed.
    change = only(enters(people.t1, typed(people.marks[0], "60", reason="no", base=first.pk)))
    assert (change.kind, change.value) == ("value", "60")
    assert state_of(people.t1, people.marks[0]) is State.CONFLICT
    assert only(enters(people.t1, typed(people.marks[0], "65", base=first.pk))).kind == "withdraw"
    assert open_changes() == set()


def test_a_mark_of_an_own_new_pupil_is_taken_back_and_the_pupil_stays(inside):
    people = inside
    place = people.t1.enrols(people.t1.creates("student", family_name="Kim"), people.section)
    before = open_changes()
    enters(people.t1, typed(place, "70"))
    enters(people.t1, typed(place, ""))
    assert open_changes() == before


def test_a_repeated_request_changes_nothing_and_answers_the_same(inside):
    people = inside
    enters(people.t1, typed(people.marks[0], "70"))
    first = enters(people.t1, typed(people.marks[0], ""), idempotency_key="k")
    newer = only(enters(people.t1, typed(people.marks[0], "75")))
    again = enters(people.t1, typed(people.marks[0], ""), idempotency_key="k")
    assert again.repeated
    assert [c.pk for c in again.changes] == [c.pk for c in first.changes]
    assert again.refused == []
    assert open_changes() == {newer.pk}


def test_one_save_proposes_and_takes_back_under_one_change_set(inside):
    people = inside
    enters(people.t1, typed(people.marks[0], "70"), typed(people.marks[1], "71"))
    saved = enters(
        people.t1,
        typed(people.marks[0], ""),
        typed(people.marks[1], "72"),
        typed(people.marks[2], "8O"),
    )
    assert {c.entity_id: c.kind for c in saved.changes} == {
        people.marks[0]: "withdraw",
        people.marks[1]: "value",
    }
    assert [c.entity_id for c in saved.withdrawn] == [people.marks[0]]
    assert [d.entity_id for d in saved.refused] == [people.marks[2]]
    assert ChangeSet.objects.filter(changes__in=saved.changes).distinct().count() == 1
    assert in_words(saved) == (
        "1 entry was saved and awaits approval. 1 entry that waited is withdrawn."
    )


def test_where_first_grades_stand_at_once_they_do_and_a_correction_of_one_is_taken_back(inside):
    people = inside
    School.objects.filter(pk=people.school.pk).update(first_grades="stand")
    people.t1.member.school.refresh_from_db()
    enters(people.t1, typed(people.marks[0], "70"))
    assert people.grade(people.marks[0]) == "70"
    enters(people.t1, typed(people.marks[0], "75", reason="recount"))
    saved = enters(people.t1, typed(people.marks[0], "70"), typed(people.marks[1], "50"))
    assert {c.entity_id: c.kind for c in saved.changes} == {
        people.marks[0]: "withdraw",
        people.marks[1]: "value",
    }
    assert open_changes() == set()
    assert (people.grade(people.marks[0]), people.grade(people.marks[1])) == ("70", "50")
    assert people.is_equal()
    assert Change.objects.filter(decision__rule=RULE).count() == 2


def test_the_answer_says_what_stands_and_my_changes_that_it_was_withdrawn(people):
    browser = Browser(people.t1)
    cell = people.marks[0]
    assert "awaiting approval" in browser.cell(people.section, cell, "70").content.decode()
    for _ in range(2):  # sent again, without a key
        response = browser.cell(people.section, cell, "")
        assert response.status_code == 200
        assert "awaiting approval" not in response.content.decode()
        assert "cleared" not in response.content.decode()
    with enter(people.school):
        head = people.stand(cell, "60", by=people.v)
        people.t1.types(cell, "65", reason="misread")
    response = browser.cell(people.section, cell, "60", base=head.pk)
    assert response.status_code == 200
    assert "awaiting approval" not in response.content.decode()
    assert "approved" in response.content.decode()
    listed = browser.get(reverse("my-changes"), {"state": "withdrawn"}).content.decode()
    assert "65" in words_of(listed)
    assert "70" in words_of(listed)
    assert open_of(people) == set()


def test_nothing_is_left_to_clear_once_nothing_stands(people):
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.v)
        waiting = only(people.t1.types(people.marks[0], "", reason="another pupil's"))
        people.a.declines(waiting)
        people.a.reverts(people.v)
    at = reverse("propose-again", args=[waiting.pk])
    assert "nothing to clear" in Browser(people.t1).get(at).content.decode()
    assert Browser(people.t1).send(at, {"key": "k"}).status_code == 422

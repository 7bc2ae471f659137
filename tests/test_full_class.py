"""Who comes into a full class waits for a place by themselves: whatever brings them in, and also
when two of the office decide at the same instant."""

import threading

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import outbox
from accounts.in_school import enter
from changes import deciding, review
from changes.merge import merge, rehearse_merge
from changes.models import Change, Decision, LedgerHead
from changes.propose import Draft, creation
from grading.models import Enrollment, Section
from grading.waiting_list import lists
from tests.cast import typed
from tests.pages import Browser
from tests.racing import race

CONFIRM = reverse("admin:confirm")


@pytest.fixture
def full(people, inside):
    """A class with one place left for Dora and Emil, who are not in it yet."""
    return prepared(people)


def prepared(people, capacity="4"):
    vars(people)["new"] = [
        pupil(people, number, given, family)
        for number, given, family in (("104", "Dora", "Dale"), ("105", "Emil", "Ende"))
    ]
    sets(people, "section", people.section, capacity=capacity)
    return people


def pupil(people, number, given, family):
    drafts = creation(
        "student",
        {
            "number": number,
            "given_names": given,
            "family_name": family,
            "email": f"{given.lower()}@school.example",
        },
    )
    people.a.enters(drafts, whole=True)
    return drafts[0].entity_id


def sets(people, entity_type, entity_id, **values):
    people.a.enters(
        [
            Draft(
                entity_type=entity_type, entity_id=entity_id, field=name, typed=text, touched=True
            )
            for name, text in values.items()
        ],
        whole=True,
    )


def other_section(people, code="BIO-3", capacity="1"):
    drafts = creation(
        "section",
        {
            "course": str(people.course),
            "term": str(people.term),
            "code": code,
            "capacity": capacity,
        },
    )
    people.a.enters(drafts, whole=True)
    return drafts[0].entity_id


def statuses(*enrollments):
    found = dict(Enrollment.objects.values_list("pk", "status"))
    return [found.get(each) for each in enrollments]


def in_order(people):
    return [each.pk for line in lists(Section.objects.all()) for each in line.waiting]


def both_enrolled(people):
    return [people.t1.enrols(each, people.section) for each in people.new]


def test_of_two_for_the_last_place_the_earlier_one_has_it_and_the_other_waits(full):
    dora, emil = both_enrolled(full)
    outcome = full.a.approves(*full.open_of(emil, dora))
    assert statuses(dora, emil) == ["enrolled", "waitlisted"]
    (brought,) = outcome.brought
    entered = Change.objects.get(pk=brought.id)
    assert (entered.author, entered.decided_by) == (full.a.user, full.a.user)
    assert entered.decision == outcome.decision
    assert entered.change_set.reason == "The class is full."
    assert Decision.objects.filter(kind="approve").count() == 1
    assert full.is_equal()


def test_who_comes_later_waits_behind_those_who_wait_already(full):
    sets(full, "section", full.section, capacity="3")
    dora, emil = both_enrolled(full)
    full.a.approves(*full.open_of(emil))
    full.a.approves(*full.open_of(dora))
    assert in_order(full) == [emil, dora]


def test_a_free_place_is_kept_for_who_waits(full):
    dora, emil = both_enrolled(full)
    full.a.approves(*full.open_of(dora, emil))
    full.a.enters([typed(full.marks[0], "withdrawn", field="status")])
    late = full.t1.enrols(pupil(full, "106", "Finn", "Falk"), full.section)
    full.a.approves(*full.open_of(late))
    assert statuses(dora, emil, late) == ["enrolled", "waitlisted", "waitlisted"]


def test_a_class_without_a_number_of_places_is_never_full(full):
    sets(full, "section", full.section, capacity="")
    dora, emil = both_enrolled(full)
    full.a.approves(*full.open_of(dora, emil))
    assert statuses(dora, emil) == ["enrolled", "enrolled"]


def test_who_is_moved_into_a_full_class_waits_there(full):
    there = other_section(full)
    full.a.enters(
        creation("enrollment", {"student": str(full.new[0]), "section": str(there)}), whole=True
    )
    moving = full.t1.changes_cell("enrollment", full.marks[0], section=str(there))
    full.a.approves(*moving.changes)
    moved = Enrollment.objects.get(pk=full.marks[0])
    assert (moved.section_id, moved.status) == (there, "waitlisted")


def test_a_place_that_is_given_up_in_the_same_decision_is_free(full):
    sets(full, "section", full.section, capacity="3")
    leaving = full.t1.changes_cell("enrollment", full.marks[0], status="withdrawn")
    dora, emil = both_enrolled(full)
    full.a.approves(*leaving.changes, *full.open_of(dora, emil))
    assert statuses(dora, emil) == ["enrolled", "waitlisted"]


def test_who_withdrew_and_comes_back_waits_and_who_waits_is_given_a_place_by_decision(full):
    sets(full, "section", full.section, capacity="2")
    for status in ("withdrawn", "waitlisted"):
        full.a.enters([typed(full.marks[0], status, field="status")])
        back = full.t1.changes_cell("enrollment", full.marks[0], status="enrolled")
        full.a.approves(*back.changes)
        expected = "waitlisted" if status == "withdrawn" else "enrolled"
        assert statuses(full.marks[0]) == [expected]


def test_the_office_enrols_beyond_capacity_only_when_it_says_so(full):
    sets(full, "section", full.section, capacity="3")
    for index, says in ((0, {}), (1, {"status": "enrolled"})):
        drafts = creation(
            "enrollment",
            {"student": str(full.new[index]), "section": str(full.section), **says},
        )
        entered = full.a.enters(drafts, whole=True)
        assert statuses(drafts[0].entity_id) == ["enrolled" if says else "waitlisted"]
        assert len(entered.outcome.brought) == (0 if says else 1)


def test_a_rosters_own_status_stands(full):
    sets(full, "section", full.section, capacity="3")
    drafts = creation("enrollment", {"student": str(full.new[0]), "section": str(full.section)})
    full.a.enters(drafts, kind=Decision.Kind.IMPORT, source="import", whole=True)
    assert statuses(drafts[0].entity_id) == ["enrolled"]


def test_a_merge_that_brings_a_pupil_into_a_full_class_puts_them_on_its_list(full):
    sets(full, "section", full.section, capacity="3")
    twin = creation("student", {"given_names": "Dora", "family_name": "Dahl"})
    enrolment = creation(
        "enrollment", {"student": str(twin[0].entity_id), "section": str(full.section)}
    )
    full.t1.proposes([*twin, *enrolment], whole=True)
    given = {
        "duplicate_id": twin[0].entity_id,
        "survivor_id": full.new[0],
        "entity_type": "student",
        "school": full.school,
        "by": full.a.member,
    }
    shown = rehearse_merge(**given, origin=full.a.origin())
    merged = merge(**given, origin=full.a.origin(), token=shown.token)
    assert statuses(enrolment[0].entity_id) == ["waitlisted"]
    assert full.is_equal()
    full.b.reinstates(merged)
    assert statuses(enrolment[0].entity_id) == [None]
    assert full.is_equal()


def test_reverting_what_was_approved_and_lifting_that_restores_the_waiting_list(full):
    dora, emil = both_enrolled(full)
    before = full.tables()
    full.a.approves(*full.open_of(dora, emil))
    after = full.tables()
    decision = Decision.objects.latest("number")
    reverted = full.b.reverts(decided_by=full.a.user.pk, start=decision.decided_at)
    assert full.tables() == before
    full.b.reinstates(reverted)
    assert full.tables() == after
    assert full.is_equal()


def test_the_pupil_is_told(full):
    dora, emil = both_enrolled(full)
    full.a.approves(*full.open_of(dora, emil))
    while outbox.send_next(full.school):
        pass
    (message,) = mail.outbox
    assert message.to == ["emil@school.example"]
    assert message.subject == "BIO-2 (Biology): you are on the waiting list"
    assert "you are on its waiting list" in message.body


def test_a_rehearsal_says_who_would_wait_and_does_nothing(full):
    dora, emil = both_enrolled(full)
    shown = review.rehearse_approval(
        [c.pk for c in full.open_of(dora, emil)],
        school=full.school,
        by=full.a.member,
        origin=full.a.origin(),
    )
    assert [each.entity_id for each in shown.brought] == [emil]
    assert statuses(dora, emil) == [None, None]
    assert not Change.objects.filter(field="status", value="waitlisted").exists()


def test_the_queue_and_the_confirmation_say_it_before_anything_is_approved(full):
    _dora, emil = both_enrolled(full)
    full.a.approves(*full.open_of(_dora))
    browser = Browser(full.a)
    sheet = reverse("admin:review_sheet", args=[f"section-{full.section}", full.t1.user.pk])
    page = browser.get(sheet).content.decode()
    said = "BIO-2 is full: 4 of 4 places are taken. Approved, the pupil goes on the waiting list."
    assert said in page
    ticked = " ".join(str(c.pk) for c in full.open_of(emil))
    page = browser.send(CONFIRM, {"action": "approve", "change": ticked}).content.decode()
    assert "Entered with it" in page
    assert "Ende, Emil in BIO-2: status waitlisted, the class is full" in page
    answer = browser.send(
        reverse("admin:decide"), {"action": "approve", "seen": ticked}, follow=True
    )
    assert "status waitlisted, the class is full" in answer.content.decode()


def test_many_who_come_into_a_full_class_cost_no_more_statements(full):
    def statements(count, group):
        ids = []
        for n in range(count):
            number = f"7{group}{n}"
            ids.append(full.t1.enrols(pupil(full, number, f"P{number}", "Pupil"), full.section))
        waiting = full.open_of(*ids)
        with CaptureQueriesContext(connection) as queries:
            full.a.approves(*waiting)
        assert set(statuses(*ids)) <= {"enrolled", "waitlisted"}
        return len(queries)

    statements(2, "a")
    assert statements(9, "b") == statements(2, "c")


# Two of the office, for the last place. -----------------------------------------------------------


@pytest.fixture
def two_for_the_last_place(own_cast):
    with enter(own_cast.school):
        return prepared(own_cast)


def race_for_the_last_place(people):
    with enter(people.school):
        dora = people.t1.enrols(people.new[0], people.section)
        emil = people.t2.enrols(people.new[1], people.section)
        first, second = people.open_of(dora), people.open_of(emil)
    outcomes = race(people, lambda: people.a.approves(*first), lambda: people.b.approves(*second))
    assert all(isinstance(each, review.Outcome) for each in outcomes), outcomes
    with enter(people.school):
        return statuses(dora, emil)


def test_two_approvals_for_the_last_place_at_once_enrol_one_and_let_the_other_wait(
    two_for_the_last_place,
):
    assert race_for_the_last_place(two_for_the_last_place) == ["enrolled", "waitlisted"]
    with enter(two_for_the_last_place.school):
        assert two_for_the_last_place.is_equal()


def test_without_the_schools_lock_both_would_have_the_last_place(
    two_for_the_last_place, monkeypatch
):
    """The second is given numbers far on, so that nothing but the place is between the two."""

    def read(school):
        head = LedgerHead.objects.select_related("school").get(pk=school.pk)
        if threading.current_thread() is not threading.main_thread():
            head.last_position += 100
            head.last_decision += 1
        return head

    for module in (deciding, review):
        monkeypatch.setattr(module, "lock", read)
    assert race_for_the_last_place(two_for_the_last_place) == ["enrolled", "enrolled"]

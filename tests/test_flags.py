"""What makes a waiting change worth a second look, flag by flag, and what does not."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditLog
from changes import flags, groups, judgement
from changes.flags import Flag
from changes.models import Change
from changes.propose import creation
from tests.cast import MONDAY, only, typed
from tests.test_statement_counts import a_class_of, marks

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def told(people, *changes):
    """Return the sentences of each flag that these changes bear together."""
    loaded = judgement.load(people.school, [change.pk for change in changes])
    some = flags.marks_on(people.school, loaded, by=people.a.member)
    return {
        mark.flag: mark.sentence for mark in flags.merged(m for each in some.values() for m in each)
    }


def earlier_term(people, *parts):
    """Give the first pupil these marks in a term before."""
    term = creation("term", {"name": "Summer 2026", "starts_on": "2026-04-01"})
    drafts = [*term]
    for number, mark in enumerate(parts):
        section = creation(
            "section",
            {
                "course": str(people.course),
                "term": str(term[0].entity_id),
                "code": f"OLD-{number}",
                "scale": str(people.scale.pk),
            },
        )
        enrolment = creation(
            "enrollment",
            {
                "student": str(people.students[0]),
                "section": str(section[0].entity_id),
                "grade": mark,
            },
        )
        drafts += [*section, *enrolment]
    people.a.enters(drafts, whole=True)


def test_a_first_mark_by_the_class_s_teacher_is_ordinary(inside):
    people = inside
    assert told(people, only(people.t1.types(people.marks[0], "75"))) == {}


def test_a_value_over_which_something_newer_stands_is_a_conflict(inside):
    people = inside
    change = only(people.t1.types(people.marks[0], "75", field="comment"))
    people.stand(people.marks[0], "Good.", by=people.t2, field="comment")
    assert "by now “Good.” stands" in told(people, change)[Flag.CONFLICT]


def test_of_two_people_s_values_for_one_cell_each_names_the_other(inside):
    people = inside
    first = only(people.t1.types(people.marks[0], "75"))
    people.t2.types(people.marks[0], "80")
    assert told(people, first) == {Flag.RIVAL: "T2 Teacher proposes another value for it."}


def test_two_people_s_equal_values_are_no_rivals(inside):
    people = inside
    first = only(people.t1.types(people.marks[0], "75"))
    people.t2.types(people.marks[0], "75")
    assert told(people, first) == {}


def test_a_new_pupil_is_flagged(inside):
    people = inside
    dora = people.t1.creates("student", number="104", given_names="Dora", family_name="Dean")
    assert told(people, *people.open_of(dora)) == {Flag.NEW: "A new pupil."}


def test_a_new_pupil_of_nearly_the_same_name_may_be_there_already(inside):
    people = inside
    twin = people.t1.creates("student", number="104", given_names="Ada", family_name="Abott")
    sentence = told(people, *people.open_of(twin))[Flag.TWIN]
    assert sentence == "There is a pupil of nearly this name: Abbott, Ada."


def test_two_teachers_new_pupil_of_one_name_is_flagged_for_each(inside):
    people = inside
    one = people.t1.creates("student", given_names="Imani", family_name="Achterberg")
    other = people.t2.creates("student", given_names="Imanie", family_name="Achterberg")
    assert "Achterberg, Imanie" in told(people, *people.open_of(one))[Flag.TWIN]
    assert "Achterberg, Imani" in told(people, *people.open_of(other))[Flag.TWIN]


def test_a_number_that_another_pupil_has_or_is_to_have_is_told(inside):
    people = inside
    dora = people.t1.creates("student", number="101", given_names="Dora", family_name="Dean")
    assert told(people, *people.open_of(dora))[Flag.TWIN] == (
        "Its number 101 is also that of Abbott, Ada."
    )
    moved = people.t2.changes_cell("student", people.students[1], number="101")
    assert told(people, only(moved))[Flag.TWIN] == (
        "Its number 101 is also that of Abbott, Ada, Dean, Dora."
    )


def test_a_mark_on_an_enrolment_that_waits_builds_on_it(inside):
    people = inside
    dora = people.t1.creates("student", number="104", family_name="Dean")
    enrolment = people.t1.enrols(dora, people.section)
    mark = only(people.t1.types(enrolment, "75"))
    assert told(people, mark) == {Flag.BUILDS: "Its enrolment is not approved."}
    created = [c for c in people.open_of(enrolment) if c != mark]
    assert set(told(people, *created)) == {Flag.NEW, Flag.BUILDS}


def test_a_correction_of_a_mark_that_stands_is_flagged(inside):
    people = inside
    people.stand(people.marks[0], "60", by=people.t1)
    change = only(people.t1.types(people.marks[0], "65", reason="added up wrongly"))
    assert told(people, change) == {Flag.STANDS: "A second person decides. Average stays 3.00."}


def test_at_a_correction_stands_what_it_does_to_the_average(inside):
    people = inside
    people.stand(people.marks[0], "60", by=people.t1)
    change = only(people.t1.types(people.marks[0], "85", reason="added up wrongly"))
    assert told(people, change)[Flag.STANDS].endswith("Average 3.00 → 4.00.")
    gone = only(people.t1.deletes("enrollment", people.marks[0]))
    assert told(people, gone)[Flag.STANDS].endswith("Average 3.00 → none.")
    people.stand(people.marks[1], "AB", by=people.t1)
    code = only(people.t1.types(people.marks[1], "EX", reason="she was away"))
    assert told(people, code)[Flag.STANDS] == "A second person decides."


def test_who_looks_is_told_that_they_cannot_approve_their_own_correction(inside):
    people = inside
    people.stand(people.marks[0], "60", by=people.t1)
    own = only(people.a.types(people.marks[0], "65", reason="added up wrongly"))
    assert "only when a second person approves it" in told(people, own)[Flag.SECOND]


def test_a_deletion_is_flagged(inside):
    people = inside
    gone = only(people.t1.deletes("student", people.students[2]))
    assert told(people, gone) == {Flag.DELETES: "The pupil goes."}


def test_what_was_sent_outside_the_window_as_it_is_now_says_so_once(inside):
    people = inside
    change = only(people.t1.types(people.marks[0], "75"))
    people.a.enters(
        [
            draft
            for draft in creation("term", {"marks_close_on": "2026-11-01"}, entity_id=people.term)
            if draft.field != "exists"
        ]
    )
    found = told(people, change)
    assert set(found) == {Flag.WINDOW}
    assert "closed on 01 November 2026" in found[Flag.WINDOW]


def test_who_does_not_teach_the_class_is_told_and_who_left_too(inside):
    people = inside
    change = only(people.t2.types(people.marks[0], "75"))
    assert set(told(people, change)) == {Flag.AUTHOR}
    people.t2.member.is_active = False
    people.t2.member.save()
    assert set(told(people, change)) == {Flag.AUTHOR, Flag.LEFT}


@pytest.mark.parametrize(
    ("hour", "is_night"), [(21, False), (22, True), (23, True), (5, True), (6, False)]
)
def test_the_night_is_from_ten_to_six_of_the_school_s_time(inside, hour, is_night):
    people = inside
    at = MONDAY.replace(hour=hour, minute=59)  # London's clocks show UTC in November
    change = only(people.t1.types(people.marks[0], "75", at=at))
    assert (Flag.NIGHT in told(people, change)) == is_night


def test_in_summer_the_night_follows_the_school_s_clocks(inside):
    people = inside
    at = dt.datetime(2026, 7, 6, 21, 30, tzinfo=dt.UTC)
    change = only(people.t1.types(people.marks[0], "75", at=at))
    assert told(people, change)[Flag.NIGHT] == "Sent at 22:30."


def test_an_address_that_the_account_never_used_before_is_told(inside):
    people = inside
    people.t1.types(people.marks[1], "60")
    later = MONDAY + 3 * DAY
    strange = only(people.t1.types(people.marks[0], "75", at=later, ip="203.0.113.7"))
    sentence = told(people, strange)[Flag.ADDRESS]
    assert sentence == "Sent from 203.0.113.7, which this account had not used before."
    known = only(people.t1.types(people.marks[2], "70", at=later, ip="10.0.1.1"))
    assert told(people, known) == {}


def test_signing_in_from_an_address_the_same_evening_does_not_make_it_a_known_one(inside):
    people = inside
    people.t1.types(people.marks[1], "60")
    later = MONDAY + 3 * DAY
    AuditLog.objects.create(
        school=people.school,
        user=people.t1.user,
        event="sign_in",
        at=later - HOUR,
        ip="203.0.113.7",
    )
    first = only(people.t1.types(people.marks[0], "75", at=later, ip="203.0.113.7"))
    second = only(people.t1.types(people.marks[2], "75", at=later + HOUR, ip="203.0.113.7"))
    assert Flag.ADDRESS in told(people, first)
    assert Flag.ADDRESS in told(people, second)


def test_an_address_that_was_signed_in_from_days_before_is_a_known_one(inside):
    people = inside
    AuditLog.objects.create(
        school=people.school, user=people.t1.user, event="sign_in", at=MONDAY, ip="203.0.113.7"
    )
    later = only(people.t1.types(people.marks[0], "75", at=MONDAY + 3 * DAY, ip="203.0.113.7"))
    assert told(people, later) == {}


def test_what_was_used_only_afterwards_or_by_others_does_not_count(inside):
    people = inside
    people.t1.types(people.marks[1], "60")
    people.t2.types(people.marks[2], "60", field="comment", ip="203.0.113.7")
    at = MONDAY + 3 * DAY
    strange = only(people.t1.types(people.marks[0], "75", at=at, ip="203.0.113.7"))
    people.t1.types(people.marks[2], "75", at=at + 5 * DAY, ip="203.0.113.7")
    assert Flag.ADDRESS in told(people, strange)


def test_an_account_without_a_past_has_no_strange_address(inside):
    people = inside
    assert told(people, only(people.t1.types(people.marks[0], "75", ip="203.0.113.7"))) == {}


def test_of_an_address_of_the_new_kind_the_half_that_stays_counts(inside):
    people = inside
    people.t1.types(people.marks[1], "60", ip="2001:db8:1:1::1")
    later = MONDAY + 3 * DAY
    same = only(people.t1.types(people.marks[0], "75", at=later, ip="2001:db8:1:1:aaaa::9"))
    other = only(people.t1.types(people.marks[2], "75", at=later, ip="2001:db8:1:2::1"))
    assert told(people, same) == {}
    assert set(told(people, other)) == {Flag.ADDRESS}


def test_a_mark_far_from_all_that_the_pupil_had_before_is_told(inside):
    people = inside
    earlier_term(people, "71", "74")
    assert told(people, only(people.t1.types(people.marks[0], "7"))) == {
        Flag.FAR: "Far from what this pupil had before: 71, 74."
    }
    assert told(people, only(people.t1.types(people.marks[0], "55"))) == {}


def test_one_earlier_mark_or_a_code_says_nothing(inside):
    people = inside
    earlier_term(people, "71")
    assert told(people, only(people.t1.types(people.marks[0], "7"))) == {}
    earlier_term(people, "72", "74")
    assert told(people, only(people.t1.types(people.marks[0], "AB"))) == {}


def test_what_was_flagged_is_left_as_it_was_loaded(inside):
    people = inside
    people.stand(people.marks[0], "60", by=people.t1)
    own = only(people.a.types(people.marks[0], "65", reason="added up wrongly"))
    loaded = judgement.load(people.school, [own.pk])
    flags.marks_on(people.school, loaded, by=people.a.member)
    assert loaded[0].passes
    assert loaded[0].by is None


def test_ten_times_as_many_changes_cost_no_more_statements(inside):
    people = inside
    people.t1.proposes([typed(people.marks[0], "75")])

    def cost(size):
        people.t1.proposes(marks(a_class_of(people, size), "70"))
        for number in range(size // 10):
            new = people.t2.creates("student", number=f"{size}-{number}", family_name="Dean")
            people.t2.enrols(new, people.section)
        with CaptureQueriesContext(connection) as captured:
            items = groups.waiting(by=people.a.member)
        assert len(items) >= size * 2
        return len(captured)

    few = cost(30)
    assert cost(300) == few < 60
    assert Change.objects.open().count() > 700


def test_a_sheet_flags_what_is_on_it_as_the_queue_does_and_both_hold_all_that_is_open(inside):
    people = inside
    dora = people.t1.creates("student", number="104", family_name="Dean")
    people.t1.types(people.t1.enrols(dora, people.section), "75")
    people.t1.types(people.marks[0], "75", field="comment")
    people.stand(people.marks[0], "Good.", by=people.t2, field="comment")
    people.t2.types(people.marks[1], "60")
    people.t1.types(people.marks[1], "61")
    people.v.types(people.marks[1], "90")
    people.v.types(people.marks[2], "95")
    people.a.reverts(people.v)
    people.t1.types(people.marks[2], "40")
    people.t1.withdraws(only(people.t1.types(people.marks[2], "41")))
    people.t1.deletes("student", people.students[2])
    every = groups.waiting(by=people.a.member)
    assert {change.id for item in every for change in item.changes} == set(
        Change.objects.open().values_list("pk", flat=True)
    )
    sheets = {(item.group.key, item.author_id) for item in every}
    assert len(sheets) == 3
    for group, author_id in sheets:
        there = groups.waiting(by=people.a.member, author_id=author_id, group=group)
        assert [_shown(item) for item in there] == [
            _shown(item) for item in every if (item.group.key, item.author_id) == (group, author_id)
        ]


def _shown(item):
    return {change.id for change in item.changes}, item.marks

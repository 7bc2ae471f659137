"""What a person types, who sees it, and what becomes of it before anybody decides."""

import dataclasses
import json
import uuid

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from accounts.in_school import enter
from accounts.origin import Origin, origin_of
from changes import overlay, registry
from changes.models import Change, ChangeSet
from changes.overlay import State
from changes.propose import (
    Draft,
    MayNotPropose,
    NothingSaved,
    NotYours,
    creation,
    dependents_of,
    propose,
    withdraw,
)
from changes.registry import UnknownName
from changes.visible import shows
from grading.models import Enrollment
from students.models import Student
from tests.cast import SATURDAY_NIGHT, judged, only, open_changes


def no_such(entity_type):
    return f"There is no such {registry.get(entity_type).label} in this school. Reload the page."


def drafts_for(marks, text, **options):
    return [
        Draft(
            entity_type="enrollment",
            entity_id=mark,
            field="grade",
            typed=text,
            touched=True,
            **options,
        )
        for mark in marks
    ]


def waits(change):
    return change.pk in open_changes()


# Outsiders. ---------------------------------------------------------------------------------------


def test_the_outsider_can_name_nothing_of_this_school_and_learns_nothing_from_trying(people):
    with enter(people.school):
        student = people.t1.creates("student", family_name="Kim")
    with enter(people.other_school):
        texts = set()
        for entity_id in (people.students[0], student, uuid.uuid4()):
            saved = people.outsider.changes_cell("student", entity_id, family_name="Changed")
            texts.add(saved.refused[0].refused)
        assert texts == {no_such("student")}
        assert not Change.objects.exists()
        assert Student.objects.count() == 0


def test_a_member_of_another_school_cannot_write_here_even_inside_it(people):
    with enter(people.school), pytest.raises(NothingSaved):
        # Row-level security is by school, so the reading is right; the person is of no class here.
        people.outsider.proposes(
            creation("enrollment", {"student": str(people.students[0])}), whole=True
        )


def test_t2s_provisional_pupil_is_invisible_to_t1_everywhere(inside):
    people = inside
    kim = people.t2.creates("student", number="412", family_name="Kim")
    enrolment = people.t2.enrols(kim, people.section)
    people.t2.types(enrolment, "70")
    # No "already exists": T1 may propose the same number.
    own = people.t1.creates("student", number="412", family_name="Kim")
    assert own != kim
    # Not by id: what is said is what is said of an id that never was.
    said = {
        people.t1.changes_cell("student", each, family_name="Kim").refused[0].refused
        for each in (kim, uuid.uuid4())
    }
    assert said == {no_such("student")}
    # Not by naming it as the pupil of an enrolment.
    said = {
        tuple(
            draft.refused
            for draft in people.t1.proposes(
                creation("enrollment", {"student": str(each), "section": str(people.section)})
            ).refused
        )
        for each in (kim, uuid.uuid4())
    }
    assert len(said) == 1
    # Not in counts, lists or the overlay.
    assert Student.objects.count() == 3
    assert overlay.own_new("student", by=people.t1.member) == [own]
    assert enrolment not in overlay.referring(
        "enrollment", "section", [people.section], by=people.t1.member
    )
    assert overlay.see("student", [kim], by=people.t1.member) == {}
    assert people.t1.sees(enrolment) is None
    # Not by withdrawing it, nor by naming it as what the page showed.
    foreign = Change.objects.get(entity_id=enrolment, field="grade")
    with pytest.raises(NotYours, match="no longer waits"):
        people.t1.withdraws(foreign)
    saved = people.t1.types(people.marks[0], "70", base=foreign.pk)
    assert "out of date" in saved.refused[0].refused


@pytest.mark.parametrize("whose", ["another's waiting", "a standing", "a deleted", "one's own"])
def test_an_id_that_was_ever_used_creates_nothing_again_whoever_used_it(inside, whose):
    people = inside
    if whose == "another's waiting":
        used = people.t2.creates("student", family_name="Kim")
    elif whose == "one's own":
        used = people.t1.creates("student", family_name="Kim")
    else:
        used = people.a.creates("student", family_name="Kim")
        people.b.approves(*Change.objects.filter(entity_id=used))
    if whose == "a deleted":
        people.b.approves(only(people.a.deletes("student", used)))
    before = Change.objects.count()
    saved = people.t1.proposes(creation("student", {"family_name": "Park"}, entity_id=used))
    assert saved.changes == []
    (said,) = {draft.refused for draft in saved.refused}
    assert said.startswith("This was sent before, or the page is out of date. Reload the page")
    assert Change.objects.count() == before


@pytest.mark.parametrize("closed", ["membership", "person"])
def test_a_closed_account_proposes_and_withdraws_nothing(inside, closed):
    people = inside
    change = only(people.t1.types(people.marks[0], "70"))
    row = people.t1.member if closed == "membership" else people.t1.user
    row.is_active = False
    row.save()
    with pytest.raises(MayNotPropose, match="closed"):
        people.t1.types(people.marks[0], "75")
    with pytest.raises(MayNotPropose):
        people.t1.withdraws(change)
    assert waits(change)


# Typing. ------------------------------------------------------------------------------------------


def test_typing_again_supersedes_and_never_edits(inside):
    people = inside
    people.stands("60")
    mark = people.marks[0]
    first = only(people.t1.types(mark, "70", reason="recount"))
    second = only(people.t1.types(mark, "75", reason="recount"))
    assert people.t1.sees(mark) == "75"
    for other in (people.t2, people.v, people.a):
        assert other.sees(mark) == "60"
    assert people.grade(mark) == "60"
    first.refresh_from_db()
    assert (first.value, first.status, first.number) == ("70", "provisional", 2)
    assert second.number == 3
    assert open_changes() == {second.pk}
    assert (second.old_value, second.value) == ("60", "75")
    with pytest.raises(Exception, match="newer"):
        people.a.approves(first)


def test_two_teachers_see_each_their_own_and_the_queue_has_both(inside):
    people = inside
    mark = people.marks[0]
    seventy = only(people.t1.types(mark, "70"))
    eighty = only(people.t2.types(mark, "80"))
    assert people.t1.sees(mark) == "70"
    assert people.t2.sees(mark) == "80"
    assert open_changes() == {seventy.pk, eighty.pk}
    people.a.approves(seventy)
    assert open_changes() == {eighty.pk}
    cell = overlay.see("enrollment", [mark], by=people.t2.member)[mark].cell("grade")
    assert (cell.value, cell.standing, cell.state) == ("80", "70", State.CONFLICT)
    waiting = judged(eighty, people.school)
    assert (waiting.old_value, waiting.current) == (None, "70")


def test_emptying_a_mark_is_a_change_to_nothing(inside):
    people = inside
    people.stands("60")
    mark = people.marks[0]
    change = only(people.t1.types(mark, "", reason="entered for the wrong pupil"))
    assert (change.value, change.old_value) == (None, "60")
    assert people.t1.sees(mark) is None
    people.a.approves(change)
    assert people.grade(mark) is None
    assert people.is_equal()


@pytest.mark.parametrize("blank", ["", "   ", "\t", None])
def test_blank_is_not_zero(inside, blank):
    people = inside
    nought, empty = people.marks[:2]
    zero = only(people.t1.types(nought, "0"))
    nothing = only(people.t1.types(empty, blank))
    assert (zero.value, nothing.value) == ("0", None)
    people.a.approves(zero, nothing)
    assert (people.grade(nought), people.grade(empty)) == ("0", None)


def test_saving_an_untouched_sheet_is_no_change(inside):
    people = inside
    people.stands("60")
    people.t1.types(people.marks[1], "70")
    sheet = [
        Draft(entity_type="enrollment", entity_id=mark, field=field, typed=typed)
        for mark, typed in zip(people.marks, ("60", "70.0", ""), strict=True)
        for field, typed in (("grade", typed), ("comment", ""), ("status", "enrolled"))
    ]
    before = open_changes()
    saved = people.t1.proposes(sheet)
    assert (saved.change_set, saved.changes, saved.refused) == (None, [], [])
    assert open_changes() == before


def test_retyping_a_value_on_purpose_is_a_confirmation_and_is_kept(inside):
    people = inside
    ninety = people.stand(people.marks[0], "90", by=people.v)
    confirmed = only(people.t1.types(people.marks[0], "90"))
    assert not confirmed.two_people
    people.a.approves(confirmed)
    people.a.reverts(people.v)
    assert people.grade(people.marks[0]) == "90"
    ninety.refresh_from_db()
    assert ninety.exclusions.exists()
    assert people.is_equal()


def test_a_change_keeps_the_base_that_the_page_showed_and_not_ones_own_value(inside):
    people = inside
    stood = people.stand(people.marks[0], "60", by=people.t1)
    own = only(people.t1.types(people.marks[0], "70", reason="recount"))
    again = only(people.t1.types(people.marks[0], "75", reason="recount", base=stood.pk))
    assert (again.base_change_id, again.old_value) == (stood.pk, "60")
    refused = people.t1.types(people.marks[0], "80", reason="recount", base=own.pk).refused
    assert "out of date" in refused[0].refused


def test_the_cells_of_one_save_are_one_change_set_with_its_origin(inside):
    people = inside
    saved = people.t1.proposes(
        [
            *drafts_for(people.marks, "70"),
            Draft(
                entity_type="enrollment", entity_id=people.marks[0], field="comment", typed="Good."
            ),
        ]
    )
    assert len(saved.changes) == 4
    (change_set,) = ChangeSet.objects.filter(changes__in=saved.changes).distinct()
    assert (change_set.initiator, change_set.ip) == (people.t1.user, "10.0.1.1")


def test_one_cell_twice_in_one_save_is_its_last_word(inside):
    people = inside
    mark = people.marks[0]
    saved = people.t1.proposes([*drafts_for([mark], "70"), *drafts_for([mark], "75")])
    assert only(saved).value == "75"


# Records. -----------------------------------------------------------------------------------------


def test_a_new_record_without_what_it_cannot_be_without_is_refused_whole(inside):
    people = inside
    lacking = registry.get("enrollment").field("section").label
    saved = people.t1.proposes(creation("enrollment", {"student": str(people.students[0])}))
    assert saved.changes == []
    (said,) = {d.refused for d in saved.refused}
    assert said.endswith(f"was not saved without its {lacking}.")


def test_what_builds_on_a_refused_record_is_refused_with_it_and_the_rest_is_saved(inside):
    people = inside
    used = people.t1.creates("student", family_name="Kim")
    student = creation("student", {"family_name": "Park"}, entity_id=used)
    section = creation("section", {"course": str(people.course), "code": "BIO-3"})  # no term
    enrolment = creation(
        "enrollment",
        {
            "student": str(people.students[0]),
            "section": str(section[0].entity_id),
            "grade": "70",
        },
    )
    saved = people.t1.proposes(
        [*student, *section, *enrolment, *drafts_for(people.marks[:1], "70")]
    )
    assert only(dataclasses.replace(saved, refused=[])).entity_id == people.marks[0]
    assert len(saved.refused) == len(student) + len(section) + len(enrolment)


def test_a_record_with_one_wrong_detail_is_saved_without_that_detail(inside):
    people = inside
    saved = people.t1.proposes(creation("student", {"family_name": "Kim", "email": "kim at home"}))
    assert [(d.field, d.typed) for d in saved.refused] == [("email", "kim at home")]
    assert {c.field for c in saved.changes} == {"exists", "family_name"}


def test_an_own_record_that_was_never_approved_is_withdrawn_and_not_deleted(inside):
    people = inside
    kim = people.t1.creates("student", family_name="Kim")
    saved = people.t1.deletes("student", kim)
    assert "was not approved yet: withdraw it instead." in saved.refused[0].refused


def test_withdrawing_a_creation_withdraws_what_its_author_built_on_it(inside):
    people = inside
    kim = people.t1.creates("student", family_name="Kim")
    enrolment = people.t1.enrols(kim, people.section)
    people.t1.types(enrolment, "70")
    created = Change.objects.get(entity_id=kim, field="exists")
    listed = dependents_of([created], by=people.t1.member)
    assert {(c.entity_id, c.field) for c in listed} == {
        (kim, "exists"),
        (kim, "family_name"),
        (enrolment, "exists"),
        (enrolment, "student"),
        (enrolment, "section"),
        (enrolment, "grade"),
    }
    people.t1.withdraws(created)
    assert open_changes() == set()
    assert people.t1.sees(enrolment) is None
    saved = people.t1.types(enrolment, "75")
    assert "withdrawn" in saved.refused[0].refused


def test_an_unknown_name_is_an_error_and_never_silence(inside):
    people = inside
    for entity_type, field in (("enrollment", "grad"), ("pupil", "grade"), ("student", "id")):
        draft = Draft(entity_type=entity_type, entity_id=people.marks[0], field=field, typed="70")
        with pytest.raises(UnknownName):
            people.t1.proposes([draft])
    with pytest.raises(UnknownName):
        people.t1.changes_cell("enrollment", people.marks[0], exists="perhaps")


def test_a_school_may_keep_its_teachers_to_their_own_classes(inside):
    people = inside
    people.school.teachers_restricted = True
    people.school.save()
    mark = people.marks[0]
    for each in (people.t1, people.t2, people.a):
        each.member.school.refresh_from_db()
    assert only(people.t1.types(mark, "70")).value == "70"
    for saved in (
        people.t2.types(mark, "80"),
        people.t2.types(mark, "withdrawn", field="status"),
        people.t2.types(mark, str(people.section), field="section"),
        people.t2.changes_cell("section", people.section, capacity="10"),
        people.t2.changes_cell("student", people.students[0], family_name="Changed"),
    ):
        assert saved.changes == []
        assert "their own" in saved.refused[0].refused
    assert (
        people.t2.proposes(
            creation(
                "enrollment", {"student": str(people.students[0]), "section": str(people.section)}
            )
        ).changes
        == []
    )
    # A pupil who is missing can still be added, and corrected until approved.
    kim = people.t2.creates("student", family_name="Kim")
    assert only(people.t2.changes_cell("student", kim, family_name="Kimm")).value == "Kimm"
    assert only(people.t1.changes_cell("student", people.students[0], year_level="8"))
    assert only(people.a.types(mark, "60"))


# Sending twice, at once, and from where. ----------------------------------------------------------


def test_a_request_sent_twice_counts_once(inside):
    people = inside
    first = people.t1.proposes(drafts_for(people.marks, "70"), idempotency_key="a-key")
    again = people.t1.proposes(drafts_for(people.marks, "70"), idempotency_key="a-key")
    assert (first.repeated, again.repeated) == (False, True)
    assert again.change_set == first.change_set
    assert {c.pk for c in again.changes} == {c.pk for c in first.changes} == open_changes()
    # Another person's key is another key.
    assert not people.t2.proposes(drafts_for(people.marks, "70"), idempotency_key="a-key").repeated


def test_a_retry_after_a_lost_answer_says_again_what_was_refused(inside):
    people = inside

    def send():
        return people.t1.proposes(
            [*drafts_for(people.marks[:1], "70"), *drafts_for(people.marks[1:2], "8O")],
            idempotency_key="a-key",
        )

    first, again = send(), send()
    assert [(d.cell, d.refused) for d in again.refused] == [
        (d.cell, d.refused) for d in first.refused
    ]
    assert len(open_changes()) == 1


def test_a_withdrawal_sent_twice_counts_once(inside):
    people = inside
    change = only(people.t1.types(people.marks[0], "70"))
    for repeated in (False, True):
        saved = withdraw(
            [change.pk],
            by=people.t1.member,
            origin=people.t1.origin(),
            idempotency_key="a-key",
        )
        assert saved.repeated is repeated
    assert Change.objects.filter(kind="withdraw").count() == 1
    with pytest.raises(NotYours, match="withdrawn meanwhile"):
        people.t1.withdraws(change)


def test_a_withdrawal_that_comes_too_late_says_who_decided(inside):
    people = inside
    change = only(people.t1.types(people.marks[0], "70"))
    people.a.approves(change)
    with pytest.raises(NotYours, match=r"A Admin approved this already\. Reload"):
        people.t1.withdraws(change)


def test_a_forged_header_is_not_the_recorded_address(inside, settings):
    people = inside
    request = RequestFactory().get(
        "/", REMOTE_ADDR="10.0.1.1", HTTP_X_FORWARDED_FOR="6.6.6.6", HTTP_USER_AGENT="a browser"
    )
    request.session = {}

    def recorded():
        saved = propose(
            drafts_for(people.marks[:1], "70"), by=people.t1.member, origin=origin_of(request)
        )
        saved.change_set.refresh_from_db()
        return saved.change_set.ip

    settings.TRUSTED_PROXIES = 0
    assert recorded() == "10.0.1.1"
    # Behind a proxy the entry that the proxy wrote counts, and not the one that was sent to it.
    settings.TRUSTED_PROXIES = 1
    request.META["HTTP_X_FORWARDED_FOR"] = "6.6.6.6, 10.0.1.7"
    assert recorded() == "10.0.1.7"


# What an account did that turned out to be misused. -----------------------------------------------


@pytest.mark.parametrize("approved", [False, True])
def test_a_value_typed_over_the_owners_waiting_one_falls_and_the_owners_waits_again(
    inside, approved
):
    people = inside
    mark = people.marks[0]
    own = only(people.t1.types(mark, "70"))
    typed_over = only(people.t1.types(mark, "95", at=SATURDAY_NIGHT))
    assert open_changes() == {typed_over.pk}
    if approved:
        people.a.approves(typed_over)
        assert people.grade(mark) == "95"
    reverted = people.a.reverts(people.t1, start=SATURDAY_NIGHT)
    assert open_changes() == {own.pk}
    assert people.t1.sees(mark) == "70"
    assert people.grade(mark) is None
    people.b.reinstates(reverted)
    assert people.grade(mark) == ("95" if approved else None)
    assert open_changes() == (set() if approved else {typed_over.pk})
    assert people.t1.sees(mark) == "95"
    assert people.is_equal()


def test_a_withdrawal_by_a_misused_account_is_found_by_the_window_and_undone(inside):
    people = inside
    own = only(people.t1.types(people.marks[0], "70"))
    saved = people.t1.withdraws(own, at=SATURDAY_NIGHT)
    assert (saved.change_set.ip, saved.change_set.received_at) == ("10.0.1.1", SATURDAY_NIGHT)
    assert open_changes() == set()
    preview = people.preview(people.t1, start=SATURDAY_NIGHT)
    assert preview.returning == [own.pk]
    people.a.reverts(people.t1, start=SATURDAY_NIGHT)
    assert open_changes() == {own.pk}


def test_a_newer_value_stays_open_when_a_withheld_one_is_lifted(inside):
    people = inside
    withheld = only(people.t1.types(people.marks[0], "95", at=SATURDAY_NIGHT))
    reverted = people.a.reverts(people.t1, start=SATURDAY_NIGHT)
    assert open_changes() == set()
    newer = only(people.t1.types(people.marks[0], "70"))
    people.b.reinstates(reverted)
    assert open_changes() == {newer.pk}
    withheld.refresh_from_db()
    assert (withheld.status, withheld.number, newer.number) == ("provisional", 1, 2)
    people.a.approves(newer)
    assert people.grade(people.marks[0]) == "70"
    assert people.is_equal()


def test_two_tabs_of_one_author_number_their_values_one_after_the_other(inside):
    people = inside
    one = only(people.t1.types(people.marks[0], "70", base=None))
    other = only(people.t1.types(people.marks[0], "75", base=None))
    assert (one.number, other.number) == (1, 2)
    assert open_changes() == {other.pk}


# Values. ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["80", "80 ", " 80", "80.0", "80,0", "+80", "080"])
def test_one_value_has_one_text(inside, typed):
    assert only(inside.t1.types(inside.marks[0], typed)).value == "80"


@pytest.mark.parametrize(
    ("typed", "mark"), [("ab", "AB"), (" Ex ", "EX"), ("-0", "0"), ("1.50", "1.5")]
)
def test_codes_are_read_in_either_case_and_numbers_without_their_tails(inside, typed, mark):
    assert only(inside.t1.types(inside.marks[0], typed)).value == mark


@pytest.mark.parametrize(
    "typed",
    [
        "8O",
        "180",
        "-1",
        "100.1",
        "79.55",
        "1e2",
        "٨٠",
        "８０",
        "²",
        "NaN",
        "sNaN",
        "Infinity",
        "1_0",
        "0x10",
        "80%",
        "8 0",
        "1" * 5000,
        "9" * 10_000_000,
        "\x00",
        "80\x00",
        "\ud800",
        "<script>",
        "'; drop table changes_change; --",
    ],
    ids=lambda typed: ascii(typed[:12]),
)
def test_what_is_no_mark_is_refused_at_its_cell_and_the_rest_of_the_sheet_is_saved(inside, typed):
    people = inside
    saved = people.t1.proposes(
        [*drafts_for(people.marks[:1], typed), *drafts_for(people.marks[1:], "70")]
    )
    (refused,) = saved.refused
    assert refused.cell == ("enrollment", people.marks[0], "grade")
    assert refused.refused
    assert len(refused.refused) < 200
    assert refused.typed == typed
    assert {c.entity_id for c in saved.changes} == set(people.marks[1:])


def test_a_comment_is_kept_to_the_letter_up_to_the_schools_limit(inside):
    people = inside
    mark = people.marks[0]
    limit = people.school.comment_length
    longest = "é" * limit
    assert only(people.t1.types(mark, longest, field="comment")).value == longest
    (refused,) = people.t1.types(mark, longest + "!", field="comment").refused
    assert "2,001 characters" in refused.refused
    assert people.t1.sees(mark, "comment") == longest


@pytest.mark.parametrize("character", ["e\u0301", "\N{FAMILY}", "👩‍🏫", "🇫🇷", "नि", "한"])
def test_a_comment_s_characters_are_counted_as_a_person_counts_them(inside, character):
    mark, people = inside.marks[0], inside
    people.school.comment_length = 40
    people.school.save()
    people.t1.member.school.refresh_from_db()
    assert only(people.t1.types(mark, character * 40, field="comment")).value == character * 40
    (refused,) = people.t1.types(mark, character * 41, field="comment").refused
    assert refused.refused == (
        "This comment has 41 characters; the school’s limit is 40. "
        "Shorten it: nothing of it was cut."
    )


def test_what_is_kept_of_a_comment_has_a_bound_whatever_a_person_counts(inside):
    (refused,) = inside.t1.types(inside.marks[0], "e" + "\u0301" * 10_000, field="comment").refused
    assert "10,000 is the most" in refused.refused


def test_ten_megabytes_in_a_comment_are_refused_and_nothing_else_is_lost(inside):
    people = inside
    mark = people.marks[0]
    comment = Draft(
        entity_type="enrollment", entity_id=mark, field="comment", typed="x" * 10_000_000
    )
    saved = people.t1.proposes([comment, *drafts_for(people.marks, "70")])
    assert [d.field for d in saved.refused] == ["comment"]
    assert "10,000,000 characters" in saved.refused[0].refused
    assert len(saved.changes) == 3


@pytest.mark.parametrize(
    ("entity", "field", "typed"),
    [
        ("course", "credits", "NaN"),
        ("course", "credits", "sNaN"),
        ("course", "credits", "1e3"),
        ("course", "credits", "1e999999"),
        ("course", "credits", "-1"),
        ("course", "credits", "4.005"),
        ("course", "credits", "٤"),
        ("section", "capacity", "30.5"),
        ("section", "capacity", "-1"),
        ("section", "capacity", "٣٠"),
        ("section", "capacity", "0" * 5000 + "1"),
        ("section", "capacity", "9" * 5000),
        ("section", "delivery_mode", "by owl"),
        ("section", "room", "SCI 201"),
        ("section", "course", ""),
        ("student", "birth_date", "31/12/2010"),
        ("student", "birth_date", "2010-02-30"),
        ("student", "birth_date", "0001-01-01"),
        ("student", "email", "kim at home"),
        ("student", "email", "kim@" + "a" * 250 + ".example"),
        ("student", "family_name", "\u200b\u2028 "),
        ("student", "number", "\u200b"),
        ("enrollment", "status", "asleep"),
    ],
    ids=lambda each: ascii(each[:20]),
)
def test_a_detail_that_its_field_does_not_take_is_refused_with_a_reason(
    inside, entity, field, typed
):
    people = inside
    target = {
        "course": people.course,
        "section": people.section,
        "student": people.students[0],
        "enrollment": people.marks[0],
    }[entity]
    saved = people.t1.changes_cell(entity, target, **{field: typed})
    assert saved.changes == []
    assert 10 < len(saved.refused[0].refused) < 200


NOTHING_SEEN = [
    "\n",
    "\r\n",
    " \t\u00a0",
    "\u200b\u2060\ufeff",
    "\u3164",
    "\u2800",
    "\ufe0f",
    "\u0085\x1b",
]


@pytest.mark.parametrize("text", NOTHING_SEEN, ids=ascii)
def test_a_text_in_which_nothing_can_be_seen_is_blank(inside, text):
    people = inside
    mark = people.marks[0]
    saved = people.t1.types(mark, text, field="comment")
    assert [change.value for change in saved.changes] == [None]
    people.stand(mark, "Reads well.", by=people.t1, field="comment")
    people.stand(mark, text, by=people.t1, field="comment")
    assert Enrollment.objects.get(pk=mark).comment == ""


@pytest.mark.parametrize(
    "text", [".", "\u0301", "\u200d\U0001faea", "\u0600", "\ue000", " a\n"], ids=ascii
)
def test_whatever_shows_a_sign_is_kept_as_it_was_typed(inside, text):
    saved = inside.t1.types(inside.marks[0], text, field="comment")
    assert [change.value for change in saved.changes] == [text]


def test_a_comment_of_a_line_break_that_was_approved_long_ago_stays_a_fact(inside, monkeypatch):
    people = inside
    with monkeypatch.context() as then:
        then.setattr(registry, "shows", bool)
        people.stand(people.marks[0], "\n", by=people.t1, field="comment")
    assert Enrollment.objects.get(pk=people.marks[0]).comment == "\n"
    assert people.is_equal()


def naughty(folder):
    lines = (folder / "naughty_strings" / "blns.txt").read_text(encoding="utf-8").split("\n")
    texts = {line for line in lines if line and not line.startswith("#")}
    texts |= set(json.loads((folder / "naughty_strings" / "blns.json").read_text(encoding="utf-8")))
    return sorted(texts - {""})


def test_every_naughty_line_survives_as_a_name_and_a_comment_or_is_refused_with_a_reason(
    inside, shared_data
):
    people = inside
    pupils, drafts = {}, []
    for text in naughty(shared_data):
        student = creation("student", {"family_name": text, "given_names": "Kim"})
        enrolment = creation(
            "enrollment",
            {
                "student": str(student[0].entity_id),
                "section": str(people.section),
                "comment": text,
            },
        )
        pupils[student[0].entity_id] = text
        drafts += [*student, *enrolment]
    assert len(pupils) > 400
    saved = people.t1.proposes(drafts)
    for draft in saved.refused:
        assert draft.field in {"family_name", "comment"}
        assert len(draft.refused) > 20
        if draft.field == "family_name":
            too_long = len(draft.typed) > 200 and "too long" in draft.refused
            assert too_long or "nothing that can be seen" in draft.refused
    refused = {(draft.entity_id, draft.field) for draft in saved.refused}
    assert len(refused) < 30
    people.a.approves(*saved.changes)
    for student in Student.objects.filter(pk__in=pupils):
        lost = (student.pk, "family_name") in refused
        assert student.family_name == ("" if lost else pupils[student.pk])
    for enrolment in Enrollment.objects.filter(student_id__in=pupils):
        text = pupils[enrolment.student_id]
        lost = (enrolment.pk, "comment") in refused or not shows(text)
        assert enrolment.comment == ("" if lost else text)
    assert people.is_equal()


def test_names_of_every_script_arrive_as_they_were_typed(inside, shared_data):
    people = inside
    lines = (shared_data / "names" / "names.csv").read_text(encoding="utf-8").splitlines()[1:]
    wanted, drafts = {}, []
    for line in lines:
        _, given, family = line.split(",")
        student = creation("student", {"given_names": given, "family_name": family})
        wanted[student[0].entity_id] = (given, family)
        drafts += student
    saved = people.t1.proposes(drafts)
    assert saved.refused == []
    people.a.approves(*saved.changes)
    found = Student.objects.filter(pk__in=wanted)
    assert {s.pk: (s.given_names, s.family_name) for s in found} == wanted


def test_what_was_typed_appears_in_no_statement_as_code(inside):
    people = inside
    text = "'; delete from students_student; --"
    with CaptureQueriesContext(connection) as queries:
        saved = propose(
            creation("student", {"family_name": text}),
            by=people.t1.member,
            origin=Origin(at=people.clock.tick()),
        )
    assert saved.refused == []
    assert queries
    people.a.approves(*saved.changes)
    assert Student.objects.get(family_name=text)

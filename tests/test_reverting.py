"""Reverting what a misused account did: V's evening goes, everybody else's work stays."""

import datetime as dt

import pytest
from django.db import connection
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext

from changes import revert, review
from changes.deciding import KeysClash, MayNotDecide
from changes.models import Change, ChangeSet, Decision
from changes.propose import Draft, creation
from changes.revert import Kind
from grading.models import CourseChangeHistory, Enrollment, GradeCorrection, Room, Section
from students.models import Student
from tests.cast import SATURDAY_NIGHT, Cast, Person, only, open_changes

HOUR = dt.timedelta(hours=1)
THAT_NIGHT = {"start": SATURDAY_NIGHT - HOUR, "end": SATURDAY_NIGHT + HOUR}


@pytest.fixture(autouse=True)
def verified(inside: Cast):
    """After each story the tables are what the ledger adds up to."""
    yield
    assert inside.is_equal()


def lines(preview: revert.Preview) -> list[tuple[str, str | None, str | None]]:
    return [(line.kind.name, line.before, line.after) for line in preview.lines]


def revert_corrections() -> list[tuple[str | None, str | None]]:
    rows = GradeCorrection.objects.filter(kind__in=["revert", "reinstate"])
    return list(rows.order_by("id").values_list("old_grade", "new_grade"))


def new_pupil(people: Cast, by: Person, *, number: str = "412"):
    """Have somebody create a pupil and A approve it."""
    student = by.creates("student", number=number, given_names="Kim", family_name="Park")
    people.a.approves(*people.open_of(student))
    return student


def enrolled(people: Cast, student, by: Person):
    """Have somebody enrol a pupil and A approve it."""
    enrolment = by.enrols(student, people.section)
    people.a.approves(*people.open_of(enrolment))
    return enrolment


# Cells. -------------------------------------------------------------------------------------------


def test_cells_of_every_kind_are_moved_alone_and_fall_back_to_nothing(inside):
    made = {
        "term": inside.t1.creates("term"),
        "course": inside.t1.creates("course"),
        "student": inside.t1.creates("student"),
    }
    inside.a.approves(*inside.open_of(*made.values()))
    before = inside.tables()
    typed = {
        "term": {"name": "Spring", "starts_on": "2027-01-11"},
        "course": {"code": "CHE", "title": "Chemistry", "credits": "2.5"},
        "student": {"number": "7", "family_name": "Park", "birth_date": "2011-05-30"},
    }
    for entity_type, values in typed.items():
        saved = inside.v.changes_cell(entity_type, made[entity_type], **values)
        inside.a.approves(*saved.changes)
    inside.v.changes_cell("section", inside.section, capacity="12", room=None)
    inside.a.approves(*inside.open_of(inside.section))
    assert inside.is_equal()
    assert Student.objects.get(pk=made["student"]).birth_date == dt.date(2011, 5, 30)
    section = Section.objects.get(pk=inside.section)
    assert (section.capacity, section.room_id) == (12, None)
    inside.b.reverts(inside.v)
    assert inside.tables() == before


# Marks. -------------------------------------------------------------------------------------------


def test_a_later_honest_value_stays_and_the_preview_says_no_effect(inside):
    mark = inside.marks[0]
    inside.stand(mark, "60", by=inside.t1)
    inside.stand(mark, "10", by=inside.v)
    inside.stand(mark, "85", by=inside.t1)
    preview = inside.preview(inside.v)
    assert lines(preview) == [("NO_EFFECT", "85", "85")]
    assert preview.effects == []
    inside.a.reverts(inside.v)
    assert inside.grade(mark) == "85"
    assert revert_corrections() == []


def test_of_one_enrolment_only_the_cell_falls_back_that_the_account_changed(inside):
    mark = inside.marks[0]
    inside.stand(mark, "60", by=inside.t1)
    inside.stand(mark, "10", by=inside.v)
    inside.stand(mark, "works hard", by=inside.t1, field="comment")
    inside.a.reverts(inside.v)
    row = Enrollment.objects.get(pk=mark)
    assert (row.grade, row.comment) == ("60", "works hard")


def test_of_four_values_by_turns_the_last_honest_one_stands(inside):
    mark = inside.marks[0]
    for text, by in (("60", inside.t1), ("10", inside.v), ("70", inside.t1), ("20", inside.v)):
        inside.stand(mark, text, by=by)
    assert lines(inside.preview(inside.v)) == [("FALLS_BACK", "20", "70")]
    inside.a.reverts(inside.v)
    assert inside.grade(mark) == "70"


def test_a_cell_without_an_earlier_value_is_empty_and_not_zero(inside):
    inside.stand(inside.marks[0], "10", by=inside.v)
    assert lines(inside.preview(inside.v)) == [("FALLS_BACK", "10", None)]
    inside.a.reverts(inside.v)
    assert inside.grade(inside.marks[0]) is None
    assert revert_corrections() == [("10", None)]


def test_a_cleared_mark_comes_back(inside):
    mark = inside.marks[0]
    inside.stand(mark, "60", by=inside.t1)
    inside.stand(mark, None, by=inside.v)
    assert inside.grade(mark) is None
    inside.a.reverts(inside.v)
    assert inside.grade(mark) == "60"


def test_a_grade_that_moves_gets_its_own_correction_and_one_that_does_not_gets_none(inside):
    moving, staying, _ = inside.marks
    inside.stand(moving, "60", by=inside.t1)
    inside.stand(moving, "95", by=inside.v)
    inside.stand(staying, "95", by=inside.v)
    inside.stand(staying, "70", by=inside.t1)
    preview = inside.preview(inside.v)
    assert preview.effects == ["1 grade correction will be written"]
    reverted = inside.a.reverts(inside.v, reason="it was her niece")
    row = GradeCorrection.objects.get(kind="revert")
    assert (row.enrollment_id, row.old_grade, row.new_grade) == (moving, "95", "60")
    assert (row.reason, row.status) == ("it was her niece", "approved")
    assert row.submitted_by_id == row.approved_by_id == inside.a.user.pk
    assert row.decision_id == reverted.decision.pk
    inside.b.reinstates(reverted)
    row = GradeCorrection.objects.get(kind="reinstate")
    assert (row.enrollment_id, row.old_grade, row.new_grade) == (moving, "60", "95")


def test_what_was_built_on_a_reverted_value_stays_and_is_to_be_checked(inside):
    mark = inside.marks[0]
    inside.stand(mark, "80", by=inside.v)
    corrected = inside.stand(mark, "82", by=inside.t1)
    preview = inside.preview(inside.v)
    assert preview.please_check == [corrected.pk]
    assert preview.based_on == []
    inside.a.reverts(inside.v)
    assert inside.grade(mark) == "82"


def test_what_waits_on_a_reverted_value_still_waits_and_is_flagged(inside):
    mark = inside.marks[0]
    inside.stand(mark, "60", by=inside.t1)
    inside.stand(mark, "10", by=inside.v)
    waiting = only(inside.t1.types(mark, "65", reason="recounted"))
    preview = inside.preview(inside.v)
    assert preview.based_on == [waiting.pk]
    assert preview.please_check == []
    inside.a.reverts(inside.v)
    assert waiting.pk in open_changes()
    with pytest.raises(review.NotApproved, match=r"typed over “10”, and by now “60” stands"):
        inside.a.approves(waiting)
    inside.a.approves(waiting, use_values={waiting.pk: "recounted"})
    assert inside.grade(mark) == "65"


# What waits. --------------------------------------------------------------------------------------


def test_what_waits_leaves_the_queue_and_a_reinstatement_puts_it_back(inside):
    waiting = only(inside.v.types(inside.marks[0], "95"))
    preview = inside.preview(inside.v)
    assert lines(preview) == [("WITHHELD", None, None)]
    assert (preview.leaving, preview.returning) == ([waiting.pk], [])
    reverted = inside.a.reverts(inside.v)
    assert waiting.pk not in open_changes()
    assert inside.v.sees(inside.marks[0]) is None
    with pytest.raises(review.NotApproved, match="withholds"):
        inside.a.approves(waiting)
    lifting = revert.preview_reinstatement(reverted.decision, school=inside.school)
    assert lines(lifting) == [("WAITS_AGAIN", None, None)]
    assert lifting.returning == [waiting.pk]
    inside.b.reinstates(reverted)
    inside.a.approves(waiting)
    assert inside.grade(inside.marks[0]) == "95"


@pytest.mark.parametrize("approved", [False, True])
def test_what_the_owner_of_the_account_had_waiting_waits_again(inside, approved):
    mark = inside.marks[0]
    own = only(inside.t1.types(mark, "70"))
    typed_over = only(inside.t1.types(mark, "95", at=SATURDAY_NIGHT, ip="10.66.6.6"))
    if approved:
        inside.a.approves(typed_over)
    preview = inside.preview(inside.t1, **THAT_NIGHT)
    assert preview.returning == [own.pk]
    reverted = inside.b.reverts(inside.t1, **THAT_NIGHT)
    assert open_changes() == {own.pk}
    assert inside.t1.sees(mark) == "70"
    inside.b.reinstates(reverted)
    assert own.pk not in open_changes()
    assert inside.t1.sees(mark) == "95"
    assert inside.grade(mark) == ("95" if approved else None)


def test_a_withdrawal_by_the_intruder_is_found_and_what_was_withdrawn_waits_again(inside):
    own = only(inside.t1.types(inside.marks[0], "70"))
    withdrawal = only(inside.t1.withdraws(own, at=SATURDAY_NIGHT))
    preview = inside.preview(inside.t1, **THAT_NIGHT)
    (line,) = preview.lines
    assert (line.change_ids, line.kind) == ((withdrawal.pk,), Kind.WAITS_AGAIN)
    assert preview.returning == [own.pk]
    reverted = inside.a.reverts(inside.t1, **THAT_NIGHT)
    assert open_changes() == {own.pk}
    inside.b.reinstates(reverted)
    assert open_changes() == set()


def test_declined_rows_are_listed_and_not_excluded(inside):
    declined = only(inside.v.types(inside.marks[0], "95"))
    inside.a.declines(declined)
    preview = inside.preview(inside.v)
    assert (preview.lines, preview.declined) == ([], [declined.pk])
    with pytest.raises(revert.NothingToDo):
        inside.a.reverts(inside.v)


# Records. -----------------------------------------------------------------------------------------


def test_a_pupil_that_others_built_on_is_kept_unless_the_admin_says_otherwise(inside):
    student = new_pupil(inside, inside.v)
    enrolment = enrolled(inside, student, inside.t1)
    inside.stand(enrolment, "71", by=inside.t2)
    preview = inside.preview(inside.v)
    (line,) = preview.lines
    assert (line.kind, line.ticked) == (Kind.KEPT, False)
    assert line.others == {inside.t1.user.pk: 3, inside.t2.user.pk: 1}
    with pytest.raises(revert.NothingToDo):
        inside.a.reverts(inside.v)

    everything = inside.preview(inside.v, unticked=())
    (line,) = everything.lines
    assert (line.kind, line.before, line.after) == (Kind.VANISHES, "true", "false")
    assert ("enrollment", enrolment, "grade", "71", None) in everything.consequences
    reverted = inside.a.reverts(inside.v, unticked=(), token=everything.token)
    assert not Student.objects.filter(pk=student).exists()
    assert not Enrollment.objects.filter(pk=enrolment).exists()
    assert revert_corrections() == [("71", None)]
    inside.b.reinstates(reverted)
    assert inside.grade(enrolment) == "71"
    assert Student.objects.filter(pk=student).exists()


def test_keeping_a_record_keeps_all_that_the_account_typed_on_it(inside):
    student = new_pupil(inside, inside.v)
    enrolled(inside, student, inside.t1)
    inside.v.changes_cell("student", student, family_name="Pork")
    inside.a.approves(*inside.open_of(student))
    inside.stand(inside.marks[0], "95", by=inside.v)
    inside.a.reverts(inside.v)
    assert Student.objects.get(pk=student).family_name == "Pork"
    assert inside.grade(inside.marks[0]) is None


def test_what_others_have_waiting_on_a_record_counts_as_built_on_it(inside):
    student = new_pupil(inside, inside.v)
    inside.t1.enrols(student, inside.section)
    (line,) = inside.preview(inside.v).lines
    assert line.others == {inside.t1.user.pk: 3}
    assert not line.ticked


def test_what_others_took_back_or_had_declined_does_not_count(inside):
    student = new_pupil(inside, inside.v)
    by_t1 = inside.t1.enrols(student, inside.section)
    inside.t1.withdraws(*[c for c in inside.open_of(by_t1) if c.field == "exists"])
    by_t2 = inside.t2.enrols(student, inside.section)
    inside.a.declines(*inside.open_of(by_t2))
    (line,) = inside.preview(inside.v).lines
    assert (line.others, line.ticked) == ({}, True)


def test_what_another_revert_has_taken_away_does_not_count_as_built_on_it(inside):
    student = new_pupil(inside, inside.v)
    enrolled(inside, student, inside.t2)
    inside.a.reverts(inside.t2)
    (line,) = inside.preview(inside.v).lines
    assert (line.others, line.ticked) == ({}, True)


def test_an_enrolment_that_was_moved_to_another_pupil_is_not_built_on_the_first(inside):
    student, other = new_pupil(inside, inside.v), new_pupil(inside, inside.t1, number="413")
    enrolment = enrolled(inside, student, inside.t1)
    inside.t1.changes_cell("enrollment", enrolment, student=str(other))
    inside.a.approves(*inside.open_of(enrolment))
    (line,) = inside.preview(inside.v).lines
    assert (line.others, line.ticked) == ({}, True)
    inside.a.reverts(inside.v)
    assert Enrollment.objects.get(pk=enrolment).student_id == other


def test_a_deleted_pupil_comes_back_with_enrolments_and_marks(inside):
    student, mark = inside.students[0], inside.marks[0]
    inside.stand(mark, "60", by=inside.t1)
    inside.stand(mark, "works hard", by=inside.t2, field="comment")
    inside.v.deletes("student", student)
    inside.a.approves(*inside.open_of(student))
    assert not Enrollment.objects.filter(pk=mark).exists()
    preview = inside.preview(inside.v)
    assert lines(preview) == [("RETURNS", "false", "true")]
    assert ("enrollment", mark, "grade", None, "60") in preview.consequences
    inside.a.reverts(inside.v)
    row = Enrollment.objects.get(pk=mark)
    assert (row.student_id, row.grade, row.comment) == (student, "60", "works hard")


def test_a_number_that_somebody_took_since_is_a_clash_to_be_unticked(inside):
    moved, other = inside.students[0], inside.students[1]
    inside.v.changes_cell("student", moved, number="500", family_name="Abbot")
    inside.a.approves(*inside.open_of(moved))
    inside.t1.changes_cell("student", other, number="101")
    inside.a.approves(*inside.open_of(other))
    preview = inside.preview(inside.v)
    (clash,) = preview.clashes
    assert (clash.fields, set(clash.entity_ids)) == (("number",), {moved, other})
    (key,) = preview.clashing
    assert key == f"student.{moved}.number"
    with pytest.raises(KeysClash, match="2 pupils would have the same number"):
        inside.a.reverts(inside.v)
    assert inside.is_equal()
    again = inside.preview(inside.v, unticked={key})
    assert again.clashes == []
    inside.a.reverts(inside.v, unticked={key}, token=again.token)
    row = Student.objects.get(pk=moved)
    assert (row.number, row.family_name) == ("500", "Abbott")


def test_a_clash_of_what_comes_back_with_its_parent_names_the_parents_line(inside):
    student, mark = inside.students[0], inside.marks[0]
    inside.stand(mark, "r-1", by=inside.t1, field="source_id")
    inside.v.deletes("student", student)
    inside.a.approves(*inside.open_of(student))
    inside.stand(inside.marks[1], "r-1", by=inside.t1, field="source_id")
    preview = inside.preview(inside.v)
    assert [clash.entity_type for clash in preview.clashes] == ["enrollment"]
    assert preview.clashing == {f"student.{student}.exists"}


def test_two_numbers_that_were_swapped_are_swapped_back(inside):
    one, two = inside.students[:2]
    inside.v.proposes(
        [
            Draft(entity_type="student", entity_id=one, field="number", typed="102"),
            Draft(entity_type="student", entity_id=two, field="number", typed="101"),
        ]
    )
    inside.a.approves(*inside.open_of(one, two))
    inside.a.reverts(inside.v)
    assert [Student.objects.get(pk=each).number for each in (one, two)] == ["101", "102"]


def test_a_section_in_a_reverted_room_stays_without_a_room_and_the_preview_says_so(inside):
    room = inside.v.creates("room", name="ENG 105")
    inside.a.approves(*inside.open_of(room))
    inside.a.enters(
        [Draft(entity_type="section", entity_id=inside.section, field="room", typed=str(room))]
    )
    preview = inside.preview(inside.v)
    # A room is no parent: the section does not vanish with it, so the line is ticked.
    assert [(line.kind, line.ticked) for line in preview.lines] == [(Kind.VANISHES, True)]
    assert preview.consequences == [("section", inside.section, "room", str(room), None)]
    reverted = inside.b.reverts(inside.v, token=preview.token)
    assert Section.objects.get(pk=inside.section).room_id is None
    assert not Room.objects.filter(pk=room).exists()
    history = CourseChangeHistory.objects.get(decision=reverted.decision)
    assert (history.field_name, history.old_value, history.new_value) == (
        "room_id",
        str(room),
        None,
    )
    assert history.changed_by_id == inside.b.user.pk
    inside.a.reinstates(reverted)
    assert Section.objects.get(pk=inside.section).room_id == room


def test_a_pupil_and_all_that_only_the_account_put_on_it_go_together(inside):
    student = new_pupil(inside, inside.v)
    enrolment = enrolled(inside, student, inside.v)
    inside.stand(enrolment, "99", by=inside.v)
    preview = inside.preview(inside.v)
    assert {(line.kind, line.ticked) for line in preview.lines} == {(Kind.VANISHES, True)}
    inside.a.reverts(inside.v)
    assert not Enrollment.objects.filter(pk=enrolment).exists()
    assert revert_corrections() == [("99", None)]


# Which changes. -----------------------------------------------------------------------------------


def test_the_window_is_on_submission_and_decided_by_is_on_the_decision(inside):
    early, within, _ = inside.marks
    before = only(inside.v.types(early, "95", at=SATURDAY_NIGHT - 3 * HOUR))
    inside_it = only(inside.v.types(within, "95", at=SATURDAY_NIGHT))
    inside.b.approves(before, at=SATURDAY_NIGHT)
    inside.b.approves(inside_it, at=SATURDAY_NIGHT + 40 * HOUR)
    (line,) = inside.preview(inside.v, **THAT_NIGHT).lines
    assert line.entity_id == within
    (line,) = inside.preview(decided_by=inside.b.user.pk, **THAT_NIGHT).lines
    assert line.entity_id == early


def test_the_address_and_the_session_narrow_the_revert(inside):
    home, school = inside.marks[:2]
    inside.v.types(home, "95", ip="203.0.113.9")
    inside.v.types(school, "95")
    (line,) = inside.preview(inside.v, ip="203.0.113.9").lines
    assert line.entity_id == home
    assert inside.preview(inside.v, session="another sign-in").lines == []


def test_a_section_narrows_the_revert_to_itself_and_its_enrolments(inside):
    inside.v.types(inside.marks[0], "95")
    inside.v.changes_cell("section", inside.section, capacity="1")
    inside.v.changes_cell("student", inside.students[0], year_level="13")
    about = inside.preview(inside.v, about=inside.section)
    assert {line.entity_id for line in about.lines} == {inside.marks[0], inside.section}


def test_an_account_that_was_renamed_moved_and_deactivated_is_still_found(inside):
    inside.stand(inside.marks[0], "95", by=inside.v)
    user = inside.v.user
    user.name, user.email, user.is_active = "Somebody Else", "gone@hill.example", False
    user.save()
    inside.v.member.is_active = False
    inside.v.member.save()
    inside.a.reverts(inside.v)
    assert inside.grade(inside.marks[0]) is None


def test_an_account_cannot_be_deleted(inside):
    inside.v.types(inside.marks[0], "95")
    with pytest.raises(TypeError, match="deactivated, never deleted"):
        inside.v.user.delete()
    with pytest.raises(ProtectedError):
        type(inside.v.user).objects.filter(pk=inside.v.user.pk).delete()


# A misused account of the office. -----------------------------------------------------------------


@pytest.fixture
def misused(inside: Cast) -> Person:
    """B, of the office, whose account was misused that night."""
    return inside.b


def test_what_a_misused_office_account_approved_can_be_excluded_by_another(inside, misused):
    cheated = only(inside.t2.types(inside.marks[0], "99"))
    honest = only(inside.t1.types(inside.marks[1], "60"))
    misused.approves(cheated, at=SATURDAY_NIGHT)
    inside.a.approves(honest)
    criteria = {"decided_by": misused.user.pk, **THAT_NIGHT}
    assert lines(inside.preview(**criteria)) == [("FALLS_BACK", "99", None)]
    reverted = inside.a.reverts(**criteria)
    assert inside.grade(inside.marks[0]) is None
    assert inside.grade(inside.marks[1]) == "60"
    with pytest.raises(MayNotDecide):
        misused.reinstates(reverted)
    # To lift it, for another one of the office, is to approve it anew.
    inside.a.reinstates(reverted)
    assert inside.grade(inside.marks[0]) == "99"


@pytest.mark.parametrize("kind", [Decision.Kind.DIRECT, Decision.Kind.IMPORT])
def test_what_it_entered_or_imported_can_be_excluded_too(inside, misused, kind):
    drafts = creation("student", {"number": "999", "family_name": "Ghost"})
    misused.enters(drafts, source=ChangeSet.Source.IMPORT, kind=kind)
    inside.a.reverts(decided_by=misused.user.pk)
    assert not Student.objects.filter(number="999").exists()


def test_what_it_reverted_can_be_lifted(inside, misused):
    inside.stand(inside.marks[0], "60", by=inside.t1)
    reverted = misused.reverts(inside.t1)
    assert inside.grade(inside.marks[0]) is None
    inside.a.reinstates(reverted)
    assert inside.grade(inside.marks[0]) == "60"


def test_what_it_declined_can_be_reopened(inside, misused):
    honest = only(inside.t1.types(inside.marks[0], "60"))
    misused.declines(honest)
    (again,) = review.reopen(
        [honest.pk], school=inside.school, by=inside.a.member, origin=inside.a.origin()
    )
    assert (again.author_id, again.reopens_id) == (inside.t1.user.pk, honest.pk)
    inside.a.approves(again)
    assert inside.grade(inside.marks[0]) == "60"


def test_what_it_lifted_can_be_reverted_again(inside, misused):
    inside.stand(inside.marks[0], "95", by=inside.v)
    misused.reinstates(inside.a.reverts(inside.v))
    assert inside.grade(inside.marks[0]) == "95"
    inside.a.reverts(inside.v)
    assert inside.grade(inside.marks[0]) is None


def test_nobody_lifts_a_revert_of_their_own_changes(inside, misused):
    misused.enters(creation("room", {"name": "GYM"}))
    reverted = inside.a.reverts(misused)
    with pytest.raises(MayNotDecide, match="somebody else must lift that"):
        misused.reinstates(reverted)


def test_a_teacher_and_a_stranger_revert_nothing(inside):
    inside.stand(inside.marks[0], "95", by=inside.v)
    for person in (inside.t1, inside.v, inside.outsider):
        with pytest.raises(MayNotDecide):
            revert.revert(
                revert.Criteria(account=inside.v.user.pk),
                school=inside.school,
                by=person.member,
                origin=person.origin(),
                reason="because",
            )
    assert inside.grade(inside.marks[0]) == "95"


# Cost. --------------------------------------------------------------------------------------------


def test_thirty_changes_cost_as_many_statements_as_three(inside):
    pupils = [
        creation("student", {"number": str(900 + n), "family_name": f"Pupil {n}"})
        for n in range(30)
    ]
    enrolments = [
        creation("enrollment", {"student": str(p[0].entity_id), "section": str(inside.section)})
        for p in pupils
    ]
    inside.a.enters([d for drafts in (*pupils, *enrolments) for d in drafts], whole=True)
    ids = [e[0].entity_id for e in enrolments]

    def statements(marks) -> tuple[int, ...]:
        drafts = [
            Draft(entity_type="enrollment", entity_id=mark, field="grade", typed="95")
            for mark in marks
        ]
        at = inside.clock.tick()
        inside.a.approves(*inside.v.proposes(drafts, at=at).changes)
        counts = []
        with CaptureQueriesContext(connection) as queries:
            preview = inside.preview(inside.v, start=at)
        counts.append(len(queries))
        with CaptureQueriesContext(connection) as queries:
            reverted = inside.a.reverts(inside.v, start=at, token=preview.token)
        counts.append(len(queries))
        with CaptureQueriesContext(connection) as queries:
            inside.b.reinstates(reverted)
        counts.append(len(queries))
        assert len(preview.lines) == len(marks)
        return tuple(counts)

    assert statements(inside.marks) == statements(ids)
    assert Change.objects.filter(author_id=inside.v.user.pk).count() == 33


def test_nobody_changes_a_mark_that_stands_by_reverting_it_and_entering_another(inside):
    inside.stand(inside.marks[0], "60", by=inside.t1)
    inside.a.reverts(inside.t1, ip="10.0.1.1")
    own = only(inside.a.types(inside.marks[0], "99"))
    with pytest.raises(review.NotApproved, match="a second person approves"):
        inside.a.approves(own)
    assert inside.grade(inside.marks[0]) is None
    inside.b.approves(own)
    assert inside.grade(inside.marks[0]) == "99"
    assert inside.is_equal()


def test_who_reverts_a_mark_of_their_own_enters_it_anew(inside):
    inside.stand(inside.marks[0], "60", by=inside.a, at=SATURDAY_NIGHT)
    inside.a.reverts(inside.a, **THAT_NIGHT)
    inside.a.approves(only(inside.a.types(inside.marks[0], "61")))
    assert inside.grade(inside.marks[0]) == "61"

"""What the office approves and declines, what stops it, and what it is told."""

import uuid

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.in_school import enter
from accounts.models import AuditLog
from changes import deciding, flags, judgement, overlay, review
from changes.deciding import CannotProject, MayNotDecide
from changes.judgement import Why
from changes.models import Change, Decision
from changes.overlay import State
from changes.propose import Draft, creation, propose
from changes.review import NoSuchChange, NotApproved
from grading.models import Enrollment, GradeCorrection, GradingScale, Section
from students.models import Student
from tests.cast import make_scale, only, open_changes, typed


def refusal(act, *changes, **options):
    """Return what an act of the office says of the first change that it refuses."""
    with pytest.raises(NotApproved) as refused:
        act(*changes, **options)
    return refused.value.refused[0].refusal


def status(change):
    return Change.objects.get(pk=change.pk).status


def a_new_pupil(people, by, number="412", mark="70"):
    """Have a teacher add a pupil, enrol them and mark them, in three saves; return the ids of
    pupil and enrolment, and the change of the mark."""
    student = by.creates("student", number=number, family_name="Kim")
    enrolment = by.enrols(student, people.section)
    return student, enrolment, only(by.types(enrolment, mark))


def changes_of(*entities):
    return list(Change.objects.filter(entity_id__in=entities).open())


# Who may. -----------------------------------------------------------------------------------------


def test_the_office_of_another_school_decides_nothing_here(people):
    with enter(people.school):
        change = only(people.t1.types(people.marks[0], "70"))
        with pytest.raises(MayNotDecide):
            review.approve(
                [change.pk],
                school=people.school,
                by=people.outsider.member,
                origin=people.outsider.origin(),
            )
        assert status(change) == "provisional"
    with enter(people.other_school), pytest.raises(NoSuchChange):
        people.outsider.approves(change)


def test_a_teacher_and_a_closed_account_of_the_office_decide_nothing(inside):
    people = inside
    change = only(people.t1.types(people.marks[0], "70"))
    people.b.member.is_active = False
    people.b.member.save()
    for nobody in (people.t1, people.t2, people.b):
        for act in (nobody.approves, nobody.declines):
            with pytest.raises(MayNotDecide):
                act(change)
    with pytest.raises(MayNotDecide):
        people.t2.enters([typed(people.marks[0], "80")])
    assert open_changes() == {change.pk}


# What can be approved. ----------------------------------------------------------------------------


def test_only_the_last_of_an_authors_values_can_be_approved(inside):
    people = inside
    seventy = only(people.t1.types(people.marks[0], "70"))
    seventy_five = only(people.t1.types(people.marks[0], "75"))
    assert refusal(people.a.approves, seventy).why is Why.CHANGED
    people.a.approves(seventy_five)
    assert people.grade(people.marks[0]) == "75"
    assert status(seventy) == "provisional"
    assert open_changes() == set()


def test_a_moved_base_stops_as_a_conflict_that_an_explicit_choice_resolves(inside):
    people = inside
    people.stands("60")
    mark = people.marks[0]
    seventy = only(people.t1.types(mark, "70", reason="recount"))
    people.stand(mark, "65", by=people.t2)
    stopped = refusal(people.a.approves, seventy)
    assert stopped.why is Why.CONFLICT
    assert all(text in stopped.message for text in ("“60”", "“65”", "“70”"))
    assert people.grade(mark) == "65"
    outcome = people.a.approves(seventy, use_values={seventy.pk: "I asked T1."})
    assert people.grade(mark) == "70"
    decided = GradeCorrection.objects.get(decision=outcome.decision, status="approved")
    assert (decided.old_grade, decided.new_grade, decided.reason) == ("65", "70", "I asked T1.")
    assert (decided.submitted_by, decided.approved_by) == (people.t1.user, people.a.user)


def test_a_base_that_moved_to_the_proposed_value_is_no_conflict(inside):
    people = inside
    people.stands("60")
    seventy = only(people.t1.types(people.marks[0], "70", reason="recount"))
    people.stand(people.marks[0], "70", by=people.t2)
    people.a.approves(seventy)
    assert people.grade(people.marks[0]) == "70"


def test_what_was_never_typed_over_is_no_conflict(inside):
    """An enrolment without a status of its own is enrolled: to change that asks no choice."""
    people = inside
    change = only(people.t1.types(people.marks[0], "withdrawn", field="status"))
    assert change.old_value == "enrolled"
    people.a.approves(change)
    credits_ = people.a.creates("course", title="Chess")
    people.b.approves(*changes_of(credits_))
    people.b.approves(only(people.t1.changes_cell("course", credits_, credits="2")))
    assert people.is_equal()


def test_a_change_typed_again_after_the_page_was_loaded_is_refused_and_shown(inside):
    people = inside
    eleven = only(people.t1.types(people.marks[0], "70"))
    twelve = only(people.t1.types(people.marks[1], "50"))
    newer = only(people.t1.types(people.marks[1], "55"))
    with pytest.raises(NotApproved, match="since you looked") as stopped:
        people.a.approves(eleven, twelve)
    (refused,) = stopped.value.refused
    assert (refused.id, refused.superseded_by) == (twelve.pk, newer.pk)
    assert people.grade(people.marks[0]) is None
    outcome = people.a.approves(eleven, twelve, what_can_be=True)
    assert [j.id for j in outcome.done] == [eleven.pk]
    assert open_changes() == {newer.pk}


def test_an_enrolment_of_a_waiting_pupil_is_approved_with_the_pupil_or_refused(inside):
    people = inside
    student, enrolment, mark = a_new_pupil(people, people.t1)
    assert refusal(people.a.approves, mark).why is Why.PREREQUISITE
    assert refusal(people.a.approves, *changes_of(enrolment)).why is Why.PREREQUISITE
    assert not Enrollment.objects.filter(pk=enrolment).exists()
    together = Change.objects.filter(pk__in=review.with_prerequisites([mark.pk]))
    assert {c.entity_id for c in together} == {student, enrolment}
    people.a.approves(*together)
    assert people.grade(enrolment) == "70"
    assert open_changes() == set()
    assert people.is_equal()


def test_the_pupil_alone_can_be_approved_and_the_rest_waits_openly(inside):
    people = inside
    student, enrolment, mark = a_new_pupil(people, people.t1)
    people.a.approves(*changes_of(student))
    assert Student.objects.filter(pk=student).exists()
    assert open_changes() == {c.pk for c in changes_of(enrolment)}
    people.a.approves(*changes_of(enrolment))
    assert people.grade(enrolment) == mark.value


def test_a_creation_is_approved_as_its_author_has_retyped_it_since(inside):
    people = inside
    student, _, mark = a_new_pupil(people, people.t1)
    people.t1.changes_cell("student", student, family_name="Kimm")
    people.a.approves(*Change.objects.filter(pk__in=review.with_prerequisites([mark.pk])))
    assert Student.objects.get(pk=student).family_name == "Kimm"


def test_a_declined_pupil_blocks_what_builds_on_it_and_its_author_moves_that_in_one_step(inside):
    people = inside
    student, enrolment, mark = a_new_pupil(people, people.t1)
    people.a.declines(*changes_of(student), reason="This is Ada Abbott.")
    with pytest.raises(NotApproved, match="that it names was declined"):
        people.a.approves(*changes_of(enrolment))
    # T1 sees why.
    shown = overlay.see("enrollment", [enrolment], by=people.t1.member)[enrolment]
    pupil = overlay.see("student", [shown.reference("student")], by=people.t1.member)[student]
    assert (pupil.exists, pupil.cell("family_name").state) == (False, State.DECLINED)
    assert pupil.cell("exists").mine.declined_because == "This is Ada Abbott."
    (retyped,) = people.t1.changes_cell("student", student, family_name="K").refused
    assert "declined" in retyped.refused
    # And moves the enrolment, with its mark, to the pupil who is there already.
    other = people.a.creates("section", course=str(people.course), term=str(people.term), code="X")
    people.b.approves(*changes_of(other))
    moved = people.t1.changes_cell("enrollment", enrolment, student=str(people.students[0]))
    assert moved.refused == []
    # The pupil is in this class once already: that is said, and can be mended by choosing again.
    together = Change.objects.filter(pk__in=review.with_prerequisites([mark.pk]))
    assert refusal(people.a.approves, *together).why is Why.CLASH
    people.t1.changes_cell("enrollment", enrolment, section=str(other))
    together = Change.objects.filter(pk__in=review.with_prerequisites([mark.pk]))
    # The other class has no scale: a mark there is no mark, and says so.
    assert refusal(people.a.approves, *together).why is Why.INVALID
    people.a.approves(only(people.t1.changes_cell("section", other, scale=str(people.scale.pk))))
    people.a.approves(*together)
    assert people.grade(enrolment) == "70"
    assert Enrollment.objects.get(pk=enrolment).student_id == people.students[0]
    assert people.is_equal()


def test_a_record_of_another_teacher_is_moved_nowhere_by_its_waiting_change(inside):
    """T2 cannot build on T1's waiting pupil, so nothing of T2's can wait for it."""
    people = inside
    student, *_ = a_new_pupil(people, people.t1)
    saved = people.t2.changes_cell("enrollment", people.marks[0], student=str(student))
    assert "There is no such" in saved.refused[0].refused


@pytest.mark.parametrize("what_can_be", [False, True])
def test_thirty_marks_with_one_in_conflict(inside, what_can_be):
    people = inside
    students = [creation("student", {"family_name": f"Pupil {n}"}) for n in range(30)]
    enrolments = [
        creation("enrollment", {"student": str(s[0].entity_id), "section": str(people.section)})
        for s in students
    ]
    people.a.enters([d for drafts in (*students, *enrolments) for d in drafts], whole=True)
    ids = [drafts[0].entity_id for drafts in enrolments]
    marks = people.t1.proposes([typed(each, "70") for each in ids]).changes
    people.a.approves(only(people.t2.types(ids[4], "40")))
    if not what_can_be:
        with pytest.raises(NotApproved, match="“40”") as stopped:
            people.a.approves(*marks)
        assert [j.entity_id for j in stopped.value.refused] == [ids[4]]
        assert Enrollment.objects.filter(grade="70").count() == 0
        return
    outcome = people.a.approves(*marks, what_can_be=True)
    assert (len(outcome.done), len(outcome.refused)) == (29, 1)
    assert Enrollment.objects.filter(grade="70").count() == 29
    assert open_changes() == {c.pk for c in marks if c.entity_id == ids[4]}
    assert people.is_equal()


def test_of_two_that_clash_the_earlier_passes_and_the_later_is_told_of_the_other(inside):
    people = inside
    later = people.t2.creates("student", number="412", at=people.clock.tick(), family_name="Kim")
    earlier = people.t1.creates(
        "student", number="412", at=people.clock.now.replace(hour=1), family_name="Kim"
    )
    outcome = people.a.approves(*changes_of(earlier, later), what_can_be=True)
    assert {j.entity_id for j in outcome.done} == {earlier}
    assert {j.refusal.why for j in outcome.refused} == {Why.CLASH, Why.PREREQUISITE}
    assert "merge" in outcome.refused[0].refusal.message
    assert list(Student.objects.filter(number="412").values_list("pk", flat=True)) == [earlier]
    assert refusal(people.a.approves, *changes_of(later)).why is Why.CLASH
    assert people.is_equal()


def test_two_pupils_may_swap_their_numbers_in_one_decision(inside):
    people = inside
    one, other = people.students[:2]
    saved = [
        only(people.t1.changes_cell("student", one, number="102")),
        only(people.t1.changes_cell("student", other, number="101")),
    ]
    people.a.approves(*saved)
    assert [Student.objects.get(pk=each).number for each in (one, other)] == ["102", "101"]
    assert people.is_equal()


def test_two_peoples_different_values_for_one_cell_are_not_approved_in_one_act(inside):
    people = inside
    seventy = only(people.t1.types(people.marks[0], "70"))
    eighty = only(people.t2.types(people.marks[0], "80"))
    with pytest.raises(NotApproved, match="Somebody else proposes “70”"):
        people.a.approves(seventy, eighty)
    outcome = people.a.approves(seventy, eighty, what_can_be=True)
    assert [j.id for j in outcome.done] == [seventy.pk]
    assert outcome.refused[0].refusal.why is Why.RIVAL


def test_two_peoples_equal_values_are_approved_together(inside):
    people = inside
    people.stands("60")
    mark = people.marks[0]
    saved = [only(each.types(mark, "70", reason="recount")) for each in (people.t1, people.t2)]
    outcome = people.a.approves(*saved)
    assert people.grade(mark) == "70"
    rows = GradeCorrection.objects.filter(decision=outcome.decision).order_by("submitted_at")
    assert [(r.submitted_by, r.status) for r in rows] == [
        (people.t1.user, "approved"),
        (people.t2.user, "rejected"),
    ]
    assert people.is_equal()


def test_approving_what_is_already_the_value_is_a_confirmation_without_effects(inside):
    people = inside
    people.stands("60")
    confirmed = only(people.t1.types(people.marks[0], "60"))
    same_room = only(people.t1.changes_cell("section", people.section, room=str(people.room)))
    before = GradeCorrection.objects.count()
    outcome = people.a.approves(confirmed, same_room)
    assert outcome.moves == []
    confirmed.refresh_from_db()
    assert (confirmed.status, confirmed.position is not None) == ("approved", True)
    assert GradeCorrection.objects.count() == before
    assert Section.objects.get(pk=people.section).history.count() == 0


def test_a_request_of_the_office_sent_twice_is_one_decision(inside):
    people = inside
    change = only(people.t1.types(people.marks[0], "70"))
    first = people.a.approves(change, idempotency_key="a-key")
    again = people.a.approves(change, idempotency_key="a-key")
    assert (first.repeated, again.repeated) == (False, True)
    assert again.decision == first.decision
    assert "A Admin approved this" in refusal(people.b.approves, change).message


def test_every_decision_has_its_place_its_number_and_its_row_in_the_audit_log(inside):
    people = inside
    changes = [only(people.t1.types(mark, "70")) for mark in people.marks]
    outcomes = [people.a.approves(each) for each in changes]
    numbers = [outcome.decision.number for outcome in outcomes]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    positions = list(
        Change.objects.filter(status="approved")
        .order_by("position")
        .values_list("position", flat=True)
    )
    assert positions == list(range(1, len(positions) + 1))
    told = AuditLog.objects.filter(event="decision", user=people.a.user)
    assert {row.metadata["decision"] for row in told} >= {str(o.decision.pk) for o in outcomes}


# Corrections need a second person. ----------------------------------------------------------------


def test_nobody_approves_their_own_correction_alone_in_bulk_or_by_insisting(inside):
    people = inside
    people.stands("60")
    own = only(people.a.types(people.marks[0], "95", reason="recount"))
    other = only(people.t1.types(people.marks[1], "70"))
    assert refusal(people.a.approves, own).why is Why.SECOND_PERSON
    insisting = refusal(people.a.approves, own, use_values={own.pk: "I am sure."})
    assert insisting.why is Why.SECOND_PERSON
    outcome = people.a.approves(own, other, what_can_be=True)
    assert [j.id for j in outcome.done] == [other.pk]
    assert refusal(people.a.declines, own).why is Why.SECOND_PERSON
    people.a.user.is_operator = True
    people.a.user.save()
    assert refusal(people.a.approves, own).why is Why.SECOND_PERSON
    for kind in (Decision.Kind.DIRECT, Decision.Kind.IMPORT):
        assert refusal(people.a.approves, own, kind=kind).why is Why.SECOND_PERSON
    by_rule = {"school": people.school, "by": None, "origin": people.a.origin(), "rule": "any"}
    with pytest.raises(NotApproved, match="second person"):
        review.approve([own.pk], **by_rule)
    assert people.grade(people.marks[0]) == "60"
    people.b.approves(own)
    assert people.grade(people.marks[0]) == "95"


def test_nobody_approves_their_own_correction_by_sql(inside):
    people = inside
    people.stands("60")
    own = only(people.a.types(people.marks[0], "95", reason="recount"))
    decision = Decision.objects.filter(decided_by=people.a.user).latest("number")
    statements = (
        """update changes_change set status = 'approved', position = 10000,
           decision_id = %(decision)s, decided_by_id = %(by)s where id = %(change)s""",
        """update changes_change set status = 'approved', position = 10000,
           decision_id = %(decision)s where id = %(change)s""",
        "update changes_change set two_people = false where id = %(change)s",
        """update grading_gradecorrection set status = 'approved', decision_id = %(decision)s,
           approved_by_id = %(by)s, approved_at = now() where change_id = %(change)s""",
        "update grading_enrollment set grade = '95' where id = %(enrollment)s",
    )
    for statement in statements:
        with (
            pytest.raises(DatabaseError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                statement,
                {
                    "decision": decision.pk,
                    "by": people.a.user.pk,
                    "change": own.pk,
                    "enrollment": people.marks[0],
                },
            )
    assert people.grade(people.marks[0]) == "60"


@pytest.mark.parametrize("what", ["enrollment", "student", "section", "course"])
def test_what_marks_stand_on_is_deleted_by_two_people(inside, what):
    people = inside
    people.stands("60")
    target = {
        "enrollment": people.marks[0],
        "student": people.students[0],
        "section": people.section,
        "course": people.course,
    }[what]
    deletion = Draft(entity_type=what, entity_id=target, field="exists", typed="false")
    assert "Say why" in people.a.proposes([deletion]).refused[0].refused
    own = only(people.a.deletes(what, target))
    assert own.two_people
    assert refusal(people.a.approves, own).why is Why.SECOND_PERSON
    outcome = people.b.approves(own)
    assert not Enrollment.objects.filter(pk=people.marks[0]).exists()
    row = GradeCorrection.objects.get(decision=outcome.decision, status="approved")
    assert (row.enrollment_id, row.old_grade, row.new_grade) == (people.marks[0], "60", None)
    assert (row.submitted_by, row.approved_by) == (people.a.user, people.b.user)
    assert row.reason == "it should not be here"
    assert people.is_equal()


def test_a_deletion_is_attributed_to_who_asked_for_it_and_not_to_who_asked_beside_it(inside):
    people = inside
    people.stands("60")
    people.stand(people.marks[1], "50", by=people.t2)
    by_t1 = only(people.t1.deletes("student", people.students[0]))
    by_t2 = only(people.t2.deletes("enrollment", people.marks[1]))
    outcome = people.a.approves(by_t1, by_t2)
    rows = GradeCorrection.objects.filter(decision=outcome.decision, status="approved")
    assert {(r.old_grade, r.submitted_by) for r in rows} == {
        ("60", people.t1.user),
        ("50", people.t2.user),
    }


def test_a_deletion_proposed_before_the_mark_stood_still_needs_a_second_person(inside):
    people = inside
    own = only(people.a.deletes("student", people.students[0]))
    assert not own.two_people
    people.stands("60")
    assert refusal(people.a.approves, own).why is Why.SECOND_PERSON
    people.b.approves(own)
    assert not Student.objects.filter(pk=people.students[0]).exists()


def test_deleting_what_somebody_has_deleted_meanwhile_is_a_confirmation(inside):
    people = inside
    first = only(people.t1.deletes("enrollment", people.marks[0]))
    second = only(people.t2.deletes("enrollment", people.marks[0]))
    mark = only(people.t1.types(people.marks[1], "70"))
    people.a.approves(first)
    outcome = people.a.approves(second, mark)
    assert {move.entity_id for move in outcome.moves} == {people.marks[1]}


def test_a_mark_of_a_deleted_enrolment_is_refused_and_says_so(inside):
    people = inside
    mark = only(people.t1.types(people.marks[0], "70"))
    people.a.approves(only(people.t2.deletes("enrollment", people.marks[0])))
    assert "deleted" in refusal(people.a.approves, mark).message


# The office edits directly. -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Decision.Kind.DIRECT, Decision.Kind.IMPORT])
def test_a_direct_edit_is_a_change_set_approved_at_once_and_can_be_reverted(inside, kind):
    people = inside
    entered = people.a.enters([typed(people.marks[0], "70")], kind=kind)
    assert people.grade(people.marks[0]) == "70"
    assert entered.waiting == []
    change = only(entered.saved)
    change.refresh_from_db()
    assert change.decision.kind == kind
    assert change.change_set.initiator == people.a.user
    people.b.reverts(people.a, start=change.change_set.received_at)
    assert people.grade(people.marks[0]) is None
    assert people.is_equal()


def test_a_direct_edit_in_which_one_change_conflicts_leaves_nothing_behind(inside):
    people = inside
    shown = people.stand(people.marks[0], "yes", by=people.t1, field="comment")
    people.stand(people.marks[0], "no", by=people.t2, field="comment")
    drafts = [
        typed(people.marks[1], "70"),
        Draft(
            entity_type="enrollment",
            entity_id=people.marks[0],
            field="comment",
            typed="perhaps",
            base=shown.pk,
            touched=True,
        ),
    ]
    with pytest.raises(NotApproved, match="“no” stands"):
        people.a.enters(drafts)
    assert open_changes() == set()
    assert people.grade(people.marks[1]) is None


def test_a_direct_edit_is_answered_once(inside):
    people = inside
    first = people.a.enters([typed(people.marks[0], "70")], idempotency_key="a-key")
    again = people.a.enters([typed(people.marks[0], "70")], idempotency_key="a-key")
    assert again.saved.repeated
    assert again.saved.change_set == first.saved.change_set
    assert Change.objects.filter(entity_id=people.marks[0], field="grade").count() == 1


# Declining and reopening. -------------------------------------------------------------------------


def test_declining_needs_a_reason_that_the_author_reads_and_is_final(inside):
    people = inside
    change = only(people.t1.types(people.marks[0], "70"))
    with pytest.raises(ValueError, match="Say why"):
        people.a.declines(change, reason="  ")
    people.a.declines(change, reason="Ben was away.")
    cell = overlay.see("enrollment", people.marks[:1], by=people.t1.member)[people.marks[0]].cell(
        "grade"
    )
    assert (cell.state, cell.mine.declined_because) == (State.DECLINED, "Ben was away.")
    assert cell.value is None
    assert refusal(people.b.approves, change).why is Why.DECIDED
    assert "A Admin declined this" in refusal(people.b.declines, change).message


def test_what_was_declined_by_mistake_can_be_proposed_again_as_it_was(inside):
    people = inside
    people.stands("60")
    change = only(people.t1.types(people.marks[0], "70", reason="recount"))
    people.a.declines(change)
    (again,) = review.reopen(
        [change.pk], school=people.school, by=people.b.member, origin=people.b.origin()
    )
    assert (again.author, again.value, again.base_change_id, again.reopens_id) == (
        people.t1.user,
        "70",
        change.base_change_id,
        change.pk,
    )
    assert open_changes() == {again.pk}
    row = GradeCorrection.objects.get(change=again)
    assert (row.status, row.reason, row.submitted_by) == ("pending", "recount", people.t1.user)
    people.a.approves(again)
    assert people.grade(people.marks[0]) == "70"
    assert people.is_equal()


def test_reopening_never_goes_over_what_the_author_has_typed_since(inside):
    people = inside
    change = only(people.t1.types(people.marks[0], "70"))
    people.a.declines(change)
    newer = only(people.t1.types(people.marks[0], "75"))

    def reopens(*changes):
        return review.reopen(
            [c.pk for c in changes],
            school=people.school,
            by=people.b.member,
            origin=people.b.origin(),
        )

    assert "newer" in refusal(reopens, change).message
    assert open_changes() == {newer.pk}
    people.a.declines(newer)
    reopens(newer)
    assert refusal(reopens, newer).why is Why.CHANGED
    assert refusal(reopens, *Change.objects.open()).why is Why.DECIDED


# When it cannot be done, or things have moved meanwhile. ------------------------------------------


def test_when_the_projection_fails_everything_is_as_it_was_and_the_reason_is_said(
    inside, monkeypatch
):
    people = inside
    taken = only(people.t1.changes_cell("student", people.students[0], number="102"))
    mark = only(people.t1.types(people.marks[0], "70"))
    before = Decision.objects.count()
    # The database itself refuses, should the engine ever overlook a clash.
    monkeypatch.setattr(deciding, "find_clashes", lambda school, moves: [])
    with pytest.raises(CannotProject, match=r"rule of the school.s data .*student_number"):
        people.a.approves(mark, taken)
    assert open_changes() == {taken.pk, mark.pk}
    assert Decision.objects.count() == before
    assert people.grade(people.marks[0]) is None
    assert Student.objects.get(pk=people.students[0]).number == "101"
    people.a.approves(mark)
    assert people.is_equal()


def test_an_id_of_another_school_is_refused_by_the_database_and_nothing_is_said_of_it(people):
    with enter(people.other_school):
        foreign = uuid.uuid4()
        people.outsider.enters(creation("student", {"family_name": "Kim"}, entity_id=foreign))
    with enter(people.school):
        saved = people.t1.proposes(creation("student", {"family_name": "K"}, entity_id=foreign))
        with pytest.raises(CannotProject) as stopped:
            people.a.approves(*saved.changes)
        assert "Kim" not in str(stopped.value)
        assert str(foreign) not in str(stopped.value)
        assert open_changes() == {c.pk for c in saved.changes}
    with enter(people.other_school):
        assert Student.objects.get(pk=foreign).family_name == "Kim"


def test_a_mark_sent_outside_the_terms_window_as_it_is_now_is_refused_until_insisted_on(inside):
    """A mark sent in time may be approved after the window has closed: the teacher was in time."""
    people = inside
    in_time = only(people.t1.types(people.marks[0], "70"))
    late = only(people.t1.types(people.marks[1], "70"))
    comment = only(people.t1.types(people.marks[1], "Good.", field="comment"))
    people.a.enters(
        [
            Draft(
                entity_type="term",
                entity_id=people.term,
                field="marks_close_on",
                typed=f"{people.clock.now:%Y-%m-%d}",
            )
        ]
    )
    people.a.approves(in_time, at=people.clock.now.replace(month=12))
    people.a.enters(
        [
            Draft(
                entity_type="term",
                entity_id=people.term,
                field="marks_close_on",
                typed="2026-11-01",
                touched=True,
            )
        ]
    )
    stopped = refusal(people.a.approves, late, comment)
    assert stopped.why is Why.INVALID
    assert "closed on 01 November 2026" in stopped.message
    assert "closed" in people.t1.types(people.marks[2], "70").refused[0].refused
    people.a.approves(late, comment, use_values={late.pk: "agreed", comment.pk: "agreed"})
    assert people.grade(people.marks[1]) == "70"


def test_a_mark_that_the_sections_new_scale_does_not_take_is_refused(inside):
    people = inside
    mark = only(people.t1.types(people.marks[0], "70"))
    code = only(people.t1.types(people.marks[1], "ab"))
    letters = GradingScale.objects.create(school=people.school, name="Letters", kind="letters")
    for label in ("A", "B", "AB"):
        letters.steps.create(school=people.school, label=label)
    scale = only(people.t1.changes_cell("section", people.section, scale=str(letters.pk)))
    # Also where the scale changes in the same act.
    assert refusal(people.a.approves, scale, mark).why is Why.INVALID
    people.a.approves(scale)
    stopped = refusal(people.a.approves, mark)
    assert "70 is no mark of the scale “Letters”, which takes A, AB, B" in stopped.message
    people.a.approves(code)
    assert people.grade(people.marks[1]) == "AB"


def test_a_scale_with_other_bounds_is_asked_again(inside):
    people = inside
    mark = only(people.t1.types(people.marks[0], "70"))
    ten = make_scale(people.school, name="Out of a hundred, again")
    people.a.enters(
        [
            Draft(
                entity_type="section",
                entity_id=people.section,
                field="scale",
                typed=str(ten.pk),
            )
        ]
    )
    people.a.approves(mark)
    assert people.grade(people.marks[0]) == "70"


def test_what_a_closed_account_or_a_teacher_who_lost_the_class_has_sent_is_remarked_and_decided(
    inside,
):
    people = inside
    gone = only(people.t2.types(people.marks[0], "70"))
    lost = only(people.t1.types(people.marks[1], "80"))
    people.t2.member.is_active = False
    people.t2.member.save()
    people.a.enters(
        [
            Draft(
                entity_type="section",
                entity_id=people.section,
                field="instructor",
                typed=str(people.v.user.pk),
            )
        ]
    )
    loaded = judgement.load(people.school, [gone.pk, lost.pk])
    marks = flags.marks_on(people.school, loaded, by=people.a.member)
    assert {each: [mark.sentence for mark in some] for each, some in marks.items()} == {
        gone.pk: [
            "Its author’s account has been closed since.",
            "Its author does not teach this class (any more).",
        ],
        lost.pk: ["Its author does not teach this class (any more)."],
    }
    people.a.approves(gone)
    people.a.declines(lost)
    assert people.grade(people.marks[0]) == "70"


def test_a_rehearsal_says_what_would_be_done_and_does_nothing(inside):
    people = inside
    good = only(people.t1.types(people.marks[0], "70"))
    _, _, blocked = a_new_pupil(people, people.t1)
    waiting, decisions = open_changes(), Decision.objects.count()
    outcome = review.rehearse_approval(
        [good.pk, blocked.pk],
        school=people.school,
        by=people.a.member,
        origin=people.a.origin(),
    )
    assert [j.id for j in outcome.done] == [good.pk]
    assert [j.id for j in outcome.refused] == [blocked.pk]
    assert [(m.field, m.before, m.after) for m in outcome.moves] == [("grade", None, "70")]
    assert (open_changes(), Decision.objects.count()) == (waiting, decisions)
    assert people.is_equal()


def test_nothing_chosen_is_said_so(inside):
    with pytest.raises(NotApproved, match="No change was chosen"):
        inside.a.approves()


def test_a_change_of_a_save_by_somebody_else_keeps_its_author(inside):
    """Who approves is not who typed: both stand in the ledger."""
    people = inside
    saved = propose([typed(people.marks[0], "70")], by=people.t1.member, origin=people.t1.origin())
    people.a.approves(only(saved))
    change = Change.objects.get(pk=only(saved).pk)
    assert (change.author, change.decided_by) == (people.t1.user, people.a.user)

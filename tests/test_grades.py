"""Grade corrections (ADR-006): what they say, who decides them, and when there is none."""

import datetime as dt

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import School
from changes.judgement import Why
from changes.models import Change, ChangeSet, Decision
from changes.propose import Draft, creation
from changes.review import NotApproved, with_prerequisites
from grading.marks import RULE, enter_marks
from grading.models import GradeCorrection
from tests.cast import only, open_changes, typed


def rows(enrollment=None):
    """Return the corrections, as (old, new, status), in the order in which they were submitted."""
    found = GradeCorrection.objects.order_by("submitted_at", "id")
    if enrollment:
        found = found.filter(enrollment_id=enrollment)
    return list(found.values_list("old_grade", "new_grade", "status"))


# The first grade and the second. ------------------------------------------------------------------


def test_a_first_grade_is_no_correction(inside):
    people = inside
    people.stands("60")
    assert people.grade(people.marks[0]) == "60"
    assert rows() == []


def test_a_second_value_without_a_reason_is_refused_at_its_cell(inside):
    people = inside
    people.stands("60")
    saved = people.t1.proposes([typed(people.marks[0], "70"), typed(people.marks[1], "50")])
    (refused,) = saved.refused
    assert refused.entity_id == people.marks[0]
    assert refused.refused.startswith("The mark 60 stands already. Say why it changes")
    assert [c.entity_id for c in saved.changes] == [people.marks[1]]
    assert rows() == []
    assert people.t1.types(people.marks[0], "70", reason="   ").refused


def test_a_second_value_is_a_pending_correction_at_once_and_decided_with_the_grade(inside):
    people = inside
    people.stands("60")
    change = only(people.t1.types(people.marks[0], "70", reason="recount"))
    row = GradeCorrection.objects.get()
    assert (row.old_grade, row.new_grade, row.reason, row.status) == (
        "60",
        "70",
        "recount",
        "pending",
    )
    assert (row.submitted_by, row.change_id, row.kind) == (people.t1.user, change.pk, "correction")
    assert people.grade(people.marks[0]) == "60"
    at = people.clock.tick()
    outcome = people.a.approves(change, at=at)
    row.refresh_from_db()
    assert (row.status, row.approved_by, row.approved_at) == ("approved", people.a.user, at)
    assert row.decision == outcome.decision
    assert people.grade(people.marks[0]) == "70"
    assert len(rows()) == 1


def test_a_declined_correction_leaves_the_grade_and_says_rejected(inside):
    people = inside
    people.stands("60")
    change = only(people.t1.types(people.marks[0], "70", reason="recount"))
    people.a.declines(change)
    assert rows() == [("60", "70", "rejected")]
    assert GradeCorrection.objects.get().approved_by == people.a.user
    assert people.grade(people.marks[0]) == "60"


def test_three_corrections_are_three_rows_and_the_grade_is_the_last_approved(inside):
    people = inside
    people.stands("60", "70", "80")
    people.a.declines(only(people.t1.types(people.marks[0], "90", reason="recount")))
    assert rows(people.marks[0]) == [
        ("60", "70", "approved"),
        ("70", "80", "approved"),
        ("80", "90", "rejected"),
    ]
    assert people.grade(people.marks[0]) == "80"


def test_clearing_a_grade_is_a_correction_and_so_is_what_comes_after_it(inside):
    people = inside
    people.stands("60", "")
    assert people.grade(people.marks[0]) is None
    assert people.t1.types(people.marks[0], "70").refused
    people.stands("70")
    assert rows() == [("60", None, "approved"), (None, "70", "approved")]


def test_one_save_with_corrections_and_other_cells_has_a_row_for_each_grade_that_stands(inside):
    people = inside
    people.stands("60")
    saved = people.t1.proposes(
        [
            typed(people.marks[0], "70"),
            typed(people.marks[1], "50"),
            typed(people.marks[2], "AB"),
            Draft(
                entity_type="enrollment", entity_id=people.marks[0], field="comment", typed="Good."
            ),
            Draft(
                entity_type="enrollment",
                entity_id=people.marks[0],
                field="status",
                typed="withdrawn",
            ),
        ],
        reason="the whole sheet was one row off",
    )
    assert saved.refused == []
    # With "withdrawn" the mark would leave the transcript.
    assert {c.field for c in saved.changes if c.two_people} == {"grade", "status"}
    outcome = people.a.approves(*saved.changes)
    assert rows() == [("60", "70", "approved")]
    assert GradeCorrection.objects.get().reason == "the whole sheet was one row off"
    assert {m.field for m in outcome.moves} == {"grade", "comment", "status"}
    assert people.is_equal()


def test_a_correction_and_the_deletion_of_its_enrolment_in_one_act_are_one_row(inside):
    people = inside
    people.stands("60")
    corrected = only(people.t1.types(people.marks[0], "70", reason="recount"))
    deleted = only(people.t2.deletes("enrollment", people.marks[0]))
    people.a.approves(corrected, deleted)
    assert sorted(rows(), key=repr) == [("60", "70", "rejected"), ("60", None, "approved")]
    assert people.is_equal()


# Whose they are. ----------------------------------------------------------------------------------


def test_what_was_submitted_and_decided_is_never_changed_by_sql(inside):
    people = inside
    people.stands("60", "70")
    pending = only(people.t1.types(people.marks[0], "80", reason="recount"))
    for statement in (
        "update grading_gradecorrection set new_grade = '99'",
        "update grading_gradecorrection set reason = 'another'",
        "update grading_gradecorrection set status = 'rejected' where status = 'approved'",
        "delete from grading_gradecorrection",
        "truncate grading_gradecorrection",
    ):
        with (
            pytest.raises(DatabaseError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    assert rows() == [("60", "70", "approved"), ("70", "80", "pending")]
    assert open_changes() == {pending.pk}


# A correction whose ground moves before it is decided. --------------------------------------------


def shown(enrollment):
    """Return what a list shows: the rows whose change is open, or that are decided."""
    return [
        (r.old_grade, r.new_grade, r.status)
        for r in GradeCorrection.objects.filter(enrollment_id=enrollment).order_by("submitted_at")
        if r.status != "pending" or r.change_id in open_changes()
    ]


def test_a_correction_that_its_author_retyped_stays_pending_and_is_listed_no_more(inside):
    people = inside
    people.stands("60")
    people.t1.types(people.marks[0], "70", reason="recount")
    retyped = only(people.t1.types(people.marks[0], "75", reason="recount"))
    assert rows() == [("60", "70", "pending"), ("60", "75", "pending")]
    assert shown(people.marks[0]) == [("60", "75", "pending")]
    people.a.approves(retyped)
    assert shown(people.marks[0]) == [("60", "75", "approved")]


def test_a_correction_that_was_withdrawn_or_withheld_stays_pending_and_is_listed_no_more(inside):
    people = inside
    people.stands("60")
    start = people.clock.now
    withdrawn = only(people.t1.types(people.marks[0], "70", reason="recount"))
    people.t1.withdraws(withdrawn)
    people.v.types(people.marks[0], "99", reason="recount")
    reverted = people.a.reverts(people.v, start=start)
    assert rows() == [("60", "70", "pending"), ("60", "99", "pending")]
    assert shown(people.marks[0]) == []
    people.b.reinstates(reverted)
    assert shown(people.marks[0]) == [("60", "99", "pending")]


def test_a_correction_whose_base_moved_is_rejected_and_written_with_the_real_old_grade(inside):
    people = inside
    people.stands("60")
    stale = only(people.t1.types(people.marks[0], "70", reason="recount"))
    people.stand(people.marks[0], "65", by=people.t2)
    people.a.approves(stale, use_values={stale.pk: ""})
    assert sorted(rows()) == [
        ("60", "65", "approved"),
        ("60", "70", "rejected"),
        ("65", "70", "approved"),
    ]
    told = GradeCorrection.objects.get(old_grade="65")
    assert (told.reason, told.submitted_by) == ("recount", people.t1.user)
    assert people.grade(people.marks[0]) == "70"


def test_a_grade_that_came_to_stand_after_the_proposal_needs_a_reason_then(inside):
    people = inside
    first = only(people.t1.types(people.marks[0], "70"))
    people.stand(people.marks[0], "60", by=people.t2)
    for use_values, why in ((None, Why.CONFLICT), ({first.pk: ""}, Why.REASON)):
        with pytest.raises(NotApproved) as stopped:
            people.a.approves(first, use_values=use_values)
        assert stopped.value.refused[0].refusal.why is why
    people.a.approves(first, use_values={first.pk: "T1 has the paper."})
    assert rows() == [("60", "70", "approved")]
    assert GradeCorrection.objects.get().reason == "T1 has the paper."


def test_an_office_persons_waiting_first_grade_becomes_a_correction_that_another_approves(inside):
    people = inside
    own = only(people.a.types(people.marks[0], "70"))
    people.b.approves(only(people.t1.types(people.marks[0], "60")))
    with pytest.raises(NotApproved) as stopped:
        people.a.approves(own, use_values={own.pk: "I am sure."})
    assert stopped.value.refused[0].refusal.why is Why.SECOND_PERSON
    people.b.approves(own, use_values={own.pk: "A has the paper."})
    assert rows() == [("60", "70", "approved")]


def test_a_correction_of_a_grade_that_was_reverted_is_rejected_and_its_value_a_first_grade(inside):
    people = inside
    stood = people.stand(people.marks[0], "60", by=people.v)
    waiting = only(people.t1.types(people.marks[0], "70", reason="recount"))
    people.a.reverts(people.v, start=stood.change_set.received_at)
    assert people.grade(people.marks[0]) is None
    with pytest.raises(NotApproved):
        people.a.approves(waiting)  # a conflict: it was typed over 60, and nothing stands
    people.a.approves(waiting, use_values={waiting.pk: ""})
    assert sorted(rows(), key=repr) == [("60", "70", "rejected"), ("60", None, "approved")]
    assert people.grade(people.marks[0]) == "70"
    assert people.is_equal()


def test_the_author_still_cannot_approve_it_when_the_grade_that_stood_is_gone(inside):
    people = inside
    stood = people.stand(people.marks[0], "60", by=people.v)
    own = only(people.a.types(people.marks[0], "70", reason="recount"))
    people.b.reverts(people.v, start=stood.change_set.received_at)
    with pytest.raises(NotApproved) as stopped:
        people.a.approves(own, use_values={own.pk: ""})
    assert stopped.value.refused[0].refusal.why is Why.SECOND_PERSON
    people.b.approves(own, use_values={own.pk: ""})
    assert people.grade(people.marks[0]) == "70"


# The office's own edits. --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (ChangeSet.Source.ADMIN, Decision.Kind.DIRECT),
        (ChangeSet.Source.IMPORT, Decision.Kind.IMPORT),
        (ChangeSet.Source.COMMAND, Decision.Kind.IMPORT),
    ],
)
def test_a_direct_edit_of_a_grade_that_stands_waits_for_a_second_person_and_says_so(
    inside, source, kind
):
    people = inside
    people.stands("60")
    entered = people.a.enters(
        [typed(people.marks[0], "70"), typed(people.marks[1], "50"), typed(people.marks[2], "55")],
        source=source,
        kind=kind,
        reason="the roster says so",
    )
    assert [people.grade(each) for each in people.marks] == ["60", "50", "55"]
    (waiting,) = entered.waiting
    assert (waiting.entity_id, waiting.old_value, waiting.value) == (people.marks[0], "60", "70")
    assert rows() == [("60", "70", "pending")]
    assert GradeCorrection.objects.get().reason == "the roster says so"
    people.b.approves(Change.objects.get(pk=waiting.id))
    assert people.grade(people.marks[0]) == "70"
    assert rows() == [("60", "70", "approved")]


def test_a_direct_deletion_of_a_pupil_with_marks_waits_for_a_second_person(inside):
    people = inside
    people.stands("60")
    entered = people.a.enters(
        [
            Draft(entity_type="student", entity_id=each, field="exists", typed="false")
            for each in people.students[:2]
        ],
        reason="left the school",
    )
    assert [w.entity_id for w in entered.waiting] == [people.students[0]]
    assert {m.entity_id for m in entered.outcome.moves} == {people.students[1], people.marks[1]}
    assert people.grade(people.marks[0]) == "60"


# First grades stand at once, where the school says so. --------------------------------------------


@pytest.fixture
def at_once(inside):
    """The cast, in a school where the first grades of a section's own instructor stand at once."""
    inside.school.first_grades = School.FirstGrades.STAND
    inside.school.save()
    for person in (inside.t1, inside.t2, inside.a):
        person.member.school.refresh_from_db()
    return inside


def enters(person, *drafts, **options):
    return enter_marks(drafts, by=person.member, origin=person.origin(), **options)


def test_by_default_the_instructors_first_grades_wait(inside):
    people = inside
    change = only(enters(people.t1, typed(people.marks[0], "70")))
    assert open_changes() == {change.pk}


def test_the_instructors_first_grades_stand_by_rule_and_nothing_else_does(at_once):
    people = at_once
    saved = enters(
        people.t1,
        typed(people.marks[0], "70"),
        typed(people.marks[1], "8O"),
        Draft(entity_type="enrollment", entity_id=people.marks[0], field="comment", typed="Good."),
    )
    assert [d.entity_id for d in saved.refused] == [people.marks[1]]
    assert people.grade(people.marks[0]) == "70"
    comment = next(c for c in saved.changes if c.field == "comment")
    assert open_changes() == {comment.pk}
    decision = Decision.objects.latest("number")
    assert (decision.decided_by, decision.rule, decision.kind) == (None, RULE, "approve")
    assert rows() == []
    assert people.is_equal()


def test_another_teachers_first_grade_waits(at_once):
    people = at_once
    change = only(enters(people.t2, typed(people.marks[0], "70")))
    assert open_changes() == {change.pk}
    assert people.grade(people.marks[0]) is None


def test_a_second_grade_waits_for_a_person_whatever_the_policy(at_once):
    people = at_once
    enters(people.t1, typed(people.marks[0], "70"))
    change = only(enters(people.t1, typed(people.marks[0], "80", reason="recount")))
    assert open_changes() == {change.pk}
    assert people.grade(people.marks[0]) == "70"
    people.a.approves(change)
    assert rows() == [("70", "80", "approved")]


def test_a_first_grade_over_anothers_that_stands_unseen_waits(at_once):
    """T1's page shows nothing, and meanwhile the office has entered 60: no rule decides that."""
    people = at_once
    people.a.enters([typed(people.marks[0], "60")])
    saved = enters(people.t1, typed(people.marks[0], "70", base=None, reason="my list"))
    assert open_changes() == {only(saved).pk}
    assert people.grade(people.marks[0]) == "60"


def test_emptying_and_the_mark_of_a_waiting_pupil_wait_and_stand_once_the_pupil_does(at_once):
    people = at_once
    student = people.t1.creates("student", family_name="Kim")
    enrolment = creation(
        "enrollment", {"student": str(student), "section": str(people.section), "grade": "70"}
    )
    saved = enters(people.t1, *enrolment)
    assert {c.pk for c in saved.changes} <= open_changes()
    ids = with_prerequisites([c.pk for c in saved.changes])
    people.a.approves(*Change.objects.filter(pk__in=ids))
    assert people.grade(enrolment[0].entity_id) == "70"
    assert rows() == []


def test_a_save_of_first_grades_sent_twice_counts_once(at_once):
    people = at_once
    for repeated in (False, True):
        saved = enters(people.t1, typed(people.marks[0], "70"), idempotency_key="a-key")
        assert saved.repeated is repeated
    assert Decision.objects.filter(rule=RULE).count() == 1


def test_what_stood_by_rule_is_found_and_reverted_by_its_author_and_window(at_once):
    people = at_once
    saved = enters(people.t1, typed(people.marks[0], "70"))
    at = saved.change_set.received_at
    people.a.reverts(people.t1, start=at, end=at + dt.timedelta(minutes=1))
    assert people.grade(people.marks[0]) is None
    assert rows() == [("70", None, "approved")]
    assert people.is_equal()

"""A preview is the act itself, taken back; its token stands for its lines and what they entail."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditLog
from changes.models import Decision, Exclusion, LedgerHead
from changes.revert import Kind, NothingToDo, PreviewChanged
from grading.models import GradeCorrection
from tests.cast import SATURDAY_NIGHT, Cast, only, open_changes

HOUR = dt.timedelta(hours=1)
THAT_NIGHT = {"start": SATURDAY_NIGHT - HOUR, "end": SATURDAY_NIGHT + HOUR}


@pytest.fixture(autouse=True)
def verified(inside: Cast):
    """After each story the tables are what the ledger adds up to."""
    yield
    assert inside.is_equal()


@pytest.fixture
def raised(inside: Cast) -> Cast:
    """V has raised a mark that night, from 60 to 95, and A approved it."""
    inside.stand(inside.marks[0], "60", by=inside.t1)
    inside.stand(inside.marks[0], "95", by=inside.v, at=SATURDAY_NIGHT)
    return inside


def refused(people: Cast, token: str, **options) -> PreviewChanged:
    """Revert with a token that is out of date, and return what is shown instead."""
    decisions = Decision.objects.count()
    with pytest.raises(PreviewChanged) as refusal:
        people.a.reverts(people.v, token=token, **{**THAT_NIGHT, **options})
    assert Decision.objects.count() == decisions
    assert not Exclusion.objects.exists()
    return refusal.value


# A preview writes nothing. ------------------------------------------------------------------------


def test_a_preview_leaves_no_trace(raised):
    def traces():
        kinds = (AuditLog, Decision, Exclusion, GradeCorrection)
        heads = list(LedgerHead.objects.values_list())
        return raised.tables(), heads, open_changes(), [m.objects.count() for m in kinds]

    raised.v.types(raised.marks[1], "99", at=SATURDAY_NIGHT)
    before = traces()
    preview = raised.preview(raised.v, **THAT_NIGHT)
    assert len(preview.lines) == 2
    assert traces() == before


def test_the_act_does_what_the_preview_showed(raised):
    raised.v.types(raised.marks[1], "99", at=SATURDAY_NIGHT)
    preview = raised.preview(raised.v, **THAT_NIGHT)
    reverted = raised.a.reverts(raised.v, token=preview.token, **THAT_NIGHT)
    assert reverted.preview == preview
    moved = {(m.field, m.before, m.after) for m in reverted.moves}
    assert moved == {("grade", "95", "60")}
    assert preview.count() == {Kind.FALLS_BACK: 1, Kind.WITHHELD: 1}


def writes(queries: CaptureQueriesContext) -> bool:
    """Whether the projector wrote to the enrolments."""
    written = re.compile(r'(insert into|update) "grading_enrollment"')
    return any(written.search(each["sql"]) for each in queries)


def test_a_preview_of_values_only_looks(raised):
    with CaptureQueriesContext(connection) as looking:
        preview = raised.preview(raised.v, **THAT_NIGHT)
    with CaptureQueriesContext(connection) as acting:
        reverted = raised.a.reverts(raised.v, token=preview.token, **THAT_NIGHT)
    assert (writes(looking), writes(acting)) == (False, True)
    assert reverted.preview == preview


def test_a_preview_of_records_follows_them_to_the_last_one_that_goes_with_them(raised):
    student = raised.v.creates("student", family_name="Nobody", at=SATURDAY_NIGHT)
    raised.a.approves(*raised.open_of(student))
    enrolment = raised.t1.enrols(student, raised.section)
    raised.a.approves(*raised.open_of(enrolment))
    raised.stand(enrolment, "40", by=raised.t1)
    preview = raised.preview(raised.v, unticked=[], **THAT_NIGHT)
    assert preview.count() == {Kind.FALLS_BACK: 1, Kind.VANISHES: 1}
    gone = {(m.field, m.before, m.after) for m in preview.consequences if m.entity_id == enrolment}
    assert {("exists", "true", "false"), ("grade", "40", None)} <= gone
    reverted = raised.a.reverts(raised.v, token=preview.token, unticked=[], **THAT_NIGHT)
    assert reverted.preview == preview


def test_a_preview_of_nothing_shows_nothing(raised):
    preview = raised.preview(raised.t2)
    assert (preview.lines, preview.effects) == ([], [])
    with pytest.raises(NothingToDo, match="no change matches"):
        raised.a.reverts(raised.t2, token=preview.token)


# What makes a token out of date, and what does not. -----------------------------------------------


def test_unrelated_traffic_does_not_invalidate_a_preview(raised):
    preview = raised.preview(raised.v, **THAT_NIGHT)
    raised.stand(raised.marks[1], "70", by=raised.t1)
    raised.stand(raised.marks[0], "works hard", by=raised.t1, field="comment")
    raised.t2.types(raised.marks[0], "61", reason="recounted")
    raised.t1.creates("student", number="777")
    raised.v.types(raised.marks[2], "44", at=SATURDAY_NIGHT + 2 * HOUR)
    raised.a.reverts(raised.v, token=preview.token, **THAT_NIGHT)
    assert raised.grade(raised.marks[0]) == "60"


def test_a_request_of_the_account_in_between_is_shown_first(raised):
    preview = raised.preview(raised.v, **THAT_NIGHT)
    raised.v.types(raised.marks[1], "99", at=SATURDAY_NIGHT)
    refusal = refused(raised, preview.token)
    assert "look again" in str(refusal)
    assert {line.entity_id for line in refusal.preview.lines} == set(raised.marks[:2])
    raised.a.reverts(raised.v, token=refusal.preview.token, **THAT_NIGHT)
    assert open_changes() == set()


def test_a_line_that_comes_to_something_else_by_now_is_shown_first(raised):
    preview = raised.preview(raised.v, **THAT_NIGHT)
    raised.stand(raised.marks[0], "85", by=raised.t1)
    refusal = refused(raised, preview.token)
    assert [line.kind for line in refusal.preview.lines] == [Kind.NO_EFFECT]


def test_a_waiting_row_that_was_approved_in_between_is_shown_first(raised):
    waiting = only(raised.v.types(raised.marks[1], "99", at=SATURDAY_NIGHT))
    preview = raised.preview(raised.v, **THAT_NIGHT)
    raised.a.approves(waiting)
    refusal = refused(raised, preview.token)
    assert {line.kind for line in refusal.preview.lines} == {Kind.FALLS_BACK}


def test_a_waiting_row_that_was_declined_in_between_is_shown_first(raised):
    waiting = only(raised.v.types(raised.marks[1], "99", at=SATURDAY_NIGHT))
    preview = raised.preview(raised.v, **THAT_NIGHT)
    raised.a.declines(waiting)
    assert refused(raised, preview.token).preview.declined == [waiting.pk]


def test_work_that_somebody_puts_on_a_vanishing_record_is_shown_first(raised):
    student = raised.v.creates("student", number="412", at=SATURDAY_NIGHT)
    raised.a.approves(*raised.open_of(student))
    preview = raised.preview(raised.v, unticked=(), **THAT_NIGHT)
    raised.t1.enrols(student, raised.section)
    refusal = refused(raised, preview.token, unticked=())
    (line,) = [line for line in refusal.preview.lines if line.is_record]
    assert line.others == {raised.t1.user.pk: 3}


def test_a_section_that_moves_into_a_vanishing_room_is_shown_first(raised):
    room = raised.v.creates("room", name="ENG 105", at=SATURDAY_NIGHT)
    raised.a.approves(*raised.open_of(room))
    preview = raised.preview(raised.v, **THAT_NIGHT)
    raised.t1.changes_cell("section", raised.section, room=str(room))
    raised.a.approves(*raised.open_of(raised.section))
    (moved,) = refused(raised, preview.token).preview.consequences
    assert (moved.entity_id, moved.field, moved.after) == (raised.section, "room", None)


def test_other_ticks_are_another_preview(raised):
    raised.v.types(raised.marks[1], "99", at=SATURDAY_NIGHT)
    preview = raised.preview(raised.v, **THAT_NIGHT)
    refusal = refused(raised, preview.token, unticked={preview.lines[0].key})
    raised.a.reverts(
        raised.v,
        token=refusal.preview.token,
        unticked={preview.lines[0].key},
        **THAT_NIGHT,
    )
    assert len(Exclusion.objects.all()) == 1


def test_what_moves_on_an_unticked_line_does_not_invalidate_a_preview(raised):
    raised.v.types(raised.marks[1], "99", at=SATURDAY_NIGHT)
    (key,) = [
        line.key
        for line in raised.preview(raised.v, **THAT_NIGHT).lines
        if line.entity_id == raised.marks[0]
    ]
    preview = raised.preview(raised.v, unticked={key}, **THAT_NIGHT)
    raised.stand(raised.marks[0], "85", by=raised.t1)
    raised.a.reverts(raised.v, token=preview.token, unticked={key}, **THAT_NIGHT)
    assert raised.grade(raised.marks[0]) == "85"


def test_an_unticked_line_says_what_stands(raised):
    (line,) = raised.preview(raised.v, **THAT_NIGHT).lines
    (kept,) = raised.preview(raised.v, unticked={line.key}, **THAT_NIGHT).lines
    assert (kept.kind, kept.before, kept.after) == (Kind.KEPT, "95", "95")


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
def test_a_token_of_nothing_is_refused(raised, token):
    refused(raised, token)


# The same thing twice. ----------------------------------------------------------------------------


def test_the_same_revert_sent_twice_is_one_decision_with_one_set_of_corrections(raised):
    preview = raised.preview(raised.v, **THAT_NIGHT)
    options = {"token": preview.token, "idempotency_key": "the form of this page", **THAT_NIGHT}
    first = raised.a.reverts(raised.v, **options)
    second = raised.a.reverts(raised.v, **options)
    assert (first.repeated, second.repeated) == (False, True)
    assert second.decision == first.decision
    assert Decision.objects.filter(kind="revert").count() == 1
    assert GradeCorrection.objects.filter(kind="revert").count() == 1


def test_an_old_preview_cannot_be_used_after_its_revert(raised):
    preview = raised.preview(raised.v, **THAT_NIGHT)
    raised.a.reverts(raised.v, token=preview.token, **THAT_NIGHT)
    with pytest.raises(PreviewChanged) as refusal:
        raised.b.reverts(raised.v, token=preview.token, **THAT_NIGHT)
    # A second revert of the same changes is possible, and says that it moves nothing.
    (line,) = refusal.value.preview.lines
    assert (line.kind, line.before, line.after) == (Kind.COVERED, "60", "60")
    assert GradeCorrection.objects.filter(kind="revert").count() == 1


def test_the_same_reinstatement_sent_twice_is_one_decision(raised):
    reverted = raised.a.reverts(raised.v, **THAT_NIGHT)
    first = raised.b.reinstates(reverted, idempotency_key="the form of this page")
    second = raised.b.reinstates(reverted, idempotency_key="the form of this page")
    assert (second.repeated, second.decision) == (True, first.decision)
    with pytest.raises(NothingToDo):
        raised.b.reinstates(reverted)
    assert GradeCorrection.objects.filter(kind="reinstate").count() == 1

"""Grade corrections (ADR-006): a grade that stands changes only through one.

A grade *stands* where any grade was ever effective on the enrolment and is not excluded, also when
it has been cleared since. What was submitted never changes; a submission that has become untrue
is rejected, and a decided row with the real old grade written beside it.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Sequence

from accounts.models import Membership
from changes.deciding import Act, CannotProject
from changes.judgement import Judged, Why
from changes.models import Change, Decision
from changes.projector import Move
from changes.propose import Draft
from changes.registry import EXISTS, FALSE

from .models import GradeCorrection

_RESTORING = {Decision.Kind.REVERT, Decision.Kind.REINSTATE, Decision.Kind.MERGE}


def standing(enrollment_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str | None]:
    """Return the current grade of each enrolment among these whose grade stands (None: cleared)."""
    effective = (
        Change.objects.filter(
            entity_type="enrollment", field="grade", entity_id__in=list(enrollment_ids)
        )
        .effective()
        .order_by("entity_id", "-position")
        .values_list("entity_id", "value")
    )
    current: dict[uuid.UUID, str | None] = {}
    stands: set[uuid.UUID] = set()
    for entity_id, value in effective:
        current.setdefault(entity_id, value)
        if value is not None:
            stands.add(entity_id)
    return {each: current[each] for each in stands}


def reasons(change_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the reason that each of these changes was submitted with, if it is a correction."""
    return dict(
        GradeCorrection.objects.filter(change_id__in=list(change_ids)).values_list(
            "change_id", "reason"
        )
    )


def submit(drafts: Sequence[Draft], *, by: Membership, at: dt.datetime) -> None:
    """Write the pending correction of each draft: seen by its author and the office."""
    deleted = [d for d in drafts if d.field == EXISTS]
    current = standing({d.entity_id for d in deleted})
    GradeCorrection.objects.bulk_create(
        GradeCorrection(
            school_id=by.school_id,
            enrollment_id=d.entity_id,
            change_id=d.change_id,
            old_grade=current.get(d.entity_id) if d in deleted else d.old_value,
            new_grade=None if d in deleted else d.value,
            reason=d.reason,
            submitted_by_id=by.user_id,
            submitted_at=at,
        )
        for d in drafts
    )


def judge(judged: Sequence[Judged]) -> None:
    """Refuse what alters a standing grade without a second person or without a reason."""
    altering = _altering(judged)
    pending = _pending(altering)
    for each in altering:
        decider = each.by.user_id if each.by else None
        if decider is None or decider == each.author_id:
            each.refuse(
                Why.SECOND_PERSON,
                "A mark that stands changes only when a second person approves it.",
            )
        elif each.id not in pending and not each.insisted_reason.strip():
            each.refuse(
                Why.REASON,
                f"A mark ({each.current or 'cleared since'}) has come to stand since this was "
                "typed. Say why it changes, or decline it.",
            )


def decide(act: Act, judged: Sequence[Judged], *, approved: bool) -> None:
    """Stamp the pending corrections of changes that ``act`` decides, before it projects."""
    pending = _pending(judged)
    if not approved:
        _stamp(act, pending.values(), GradeCorrection.Status.REJECTED)
        return
    altering = {j.id: j for j in _altering(judged)}
    true = [
        row
        for change, row in pending.items()
        if change in altering and row.old_grade == altering[change].current
    ]
    stale = [row for row in pending.values() if row not in true]
    _stamp(act, true, GradeCorrection.Status.APPROVED)
    _stamp(act, stale, GradeCorrection.Status.REJECTED)
    told = {row.change_id for row in true}
    GradeCorrection.objects.bulk_create(
        _decided(
            act,
            enrollment_id=each.entity_id,
            change_id=each.id,
            old_grade=each.current,
            new_grade=each.value,
            reason=each.insisted_reason or pending[each.id].reason,
            submitted_by_id=each.author_id,
            submitted_at=each.received_at,
        )
        for each in altering.values()
        if each.id not in told and each.field == "grade"
    )


def write_moved(act: Act, moves: Sequence[Move]) -> None:
    """Write the decided row of each grade that moved otherwise than by its own correction: by a
    revert, by its reinstatement, or because its enrolment vanished or came back."""
    if not moves:
        return
    ids = [move.entity_id for move in moves]
    told = set(
        GradeCorrection.objects.filter(
            decision_id=act.id, enrollment_id__in=ids, status=GradeCorrection.Status.APPROVED
        ).values_list("enrollment_id", flat=True)
    )
    typed = set(
        Change.objects.filter(decision_id=act.id, field="grade", entity_id__in=ids).values_list(
            "entity_id", flat=True
        )
    )
    rows = []
    for move in moves:
        if move.entity_id in told:
            continue
        if act.kind not in _RESTORING and move.entity_id in typed and move.before is None:
            continue  # a first grade
        rows.append(_of_move(act, move))
    GradeCorrection.objects.bulk_create(rows)


def _of_move(act: Act, move: Move) -> GradeCorrection:
    facts = {"enrollment_id": move.entity_id, "old_grade": move.before, "new_grade": move.after}
    if act.kind == Decision.Kind.REINSTATE:
        kind, reason = GradeCorrection.Kind.REINSTATE, "A revert was lifted."
    elif act.kind in _RESTORING or move.after is not None:
        lost = move.after is None or act.kind == Decision.Kind.REVERT
        kind = GradeCorrection.Kind.REVERT if lost else GradeCorrection.Kind.REINSTATE
        reason = "The enrolment came back." if not lost else "Changes were excluded."
    else:
        return _of_deletion(act, move)
    return _decided(
        act,
        kind=kind,
        reason=act.reason or reason,
        submitted_by_id=act.user_id,
        submitted_at=act.origin.at,
        **facts,
    )


def _of_deletion(act: Act, move: Move) -> GradeCorrection:
    """The grade goes because somebody deleted the enrolment, its pupil or its section."""
    deletion = (
        Change.objects.filter(decision_id=act.id, field=EXISTS, value=FALSE)
        .select_related("change_set")
        .order_by("-position")
        .first()
    )
    author = deletion.author_id if deletion else act.user_id
    if author == act.user_id:
        raise CannotProject(
            "Marks stand on what this deletes: another member of the office must approve it."
        )
    return _decided(
        act,
        enrollment_id=move.entity_id,
        change_id=deletion.pk if deletion else None,
        old_grade=move.before,
        new_grade=None,
        reason=(deletion.change_set.reason if deletion else "") or "The record was deleted.",
        submitted_by_id=author,
        submitted_at=deletion.change_set.received_at if deletion else act.origin.at,
    )


def _decided(act: Act, **facts: object) -> GradeCorrection:
    return GradeCorrection(
        school=act.school,
        status=GradeCorrection.Status.APPROVED,
        approved_by_id=act.user_id,
        approved_at=act.origin.at,
        decision_id=act.id,
        **facts,
    )


def _altering(judged: Sequence[Judged]) -> list[Judged]:
    """Return the changes that would alter a grade that stands."""
    marks = [j for j in judged if j.field == "grade"]
    deletions = [j for j in judged if j.field == EXISTS and j.value == FALSE]
    stands = standing({j.entity_id for j in (*marks, *deletions)})
    altering = [j for j in marks if j.entity_id in stands and j.value != stands[j.entity_id]]
    for each in deletions:
        if each.entity_id in stands:
            altering.append(each)
    return altering


def _pending(judged: Sequence[Judged]) -> dict[uuid.UUID, GradeCorrection]:
    rows = GradeCorrection.objects.filter(
        change_id__in=[j.id for j in judged], status=GradeCorrection.Status.PENDING
    )
    return {row.change_id: row for row in rows if row.change_id}


def _stamp(act: Act, rows: Iterable[GradeCorrection], status: str) -> None:
    ids = [row.pk for row in rows]
    if ids:
        GradeCorrection.objects.filter(pk__in=ids).update(
            status=status,
            approved_by_id=act.user_id,
            approved_at=act.origin.at,
            decision_id=act.id,
        )

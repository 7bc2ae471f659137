"""Grade corrections (ADR-006): a grade that stands changes only through one.

A grade *stands* where any grade was ever effective on the enrolment and is not excluded, also when
it has been cleared since. What was submitted never changes; a submission that has become untrue
is rejected, and a decided row with the real old grade written beside it.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db import connection
from django.db.models import Q

from accounts.ids import new_ids
from accounts.models import Membership
from changes import lookups, vanishing
from changes.deciding import Act
from changes.judgement import Judged, Why
from changes.models import Change, Decision, Exclusion
from changes.projector import Move
from changes.propose import Draft
from changes.registry import EXISTS, FALSE

from .corrected_mail import tell_instructors
from .correction_states import with_state
from .models import Enrollment, GradeCorrection

PLACE = ("student", "section")
"""What an enrolment is: it has a mark of this pupil in this class."""
ENROLLED = str(Enrollment.Status.ENROLLED)
"""Of such alone a transcript, an average and a card show the mark."""


def standing(enrollment_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str | None]:
    """Return the current grade of each enrolment among these whose grade stands (None: cleared)."""
    effective = (
        Change.objects.filter(
            entity_type="enrollment", field="grade", entity_id__among=enrollment_ids
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
        GradeCorrection.objects.filter(change_id__among=change_ids).values_list(
            "change_id", "reason"
        )
    )


def takes_mark_along(draft: Draft) -> bool:
    """Return whether a mark that stands would stand with another pupil or class by this draft, or
    leave the transcript with the pupil's place. The mark itself stays as it is, so it is no
    correction; what a transcript shows of it changes all the same."""
    if draft.record is None or draft.record.cell("grade").standing is None:
        return False
    return _takes_along(draft.field, draft.record.cell(draft.field).standing, draft.value)


def _takes_along(field: str, now: str | None, then: str | None) -> bool:
    if field in PLACE:
        return now is not None and then != now
    return field == "status" and (now or ENROLLED) == ENROLLED != (then or ENROLLED)


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


def submit_again(copies: Sequence[Change]) -> None:
    """Write the pending corrections of changes that were declined and are proposed again."""
    rows = GradeCorrection.objects.filter(change_id__in=[copy.reopens_id for copy in copies])
    first = {row.change_id: row for row in rows}
    GradeCorrection.objects.bulk_create(
        GradeCorrection(
            school_id=copy.school_id,
            enrollment_id=copy.entity_id,
            change_id=copy.pk,
            old_grade=row.old_grade,
            new_grade=row.new_grade,
            reason=row.reason,
            submitted_by_id=row.submitted_by_id,
            submitted_at=row.submitted_at,
        )
        for copy in copies
        if (row := first.get(copy.reopens_id))
    )


def judge(judged: Sequence[Judged], *, among: Sequence[Judged]) -> None:
    """Refuse what alters a standing grade without a second person or without a reason. ``among``
    are all that would be approved together."""
    for each in _in_place_of_what_its_author_set_aside(judged, among):
        each.refuse(
            Why.SECOND_PERSON,
            "You have set aside the mark that stood here, of somebody else: a second person "
            "approves the one that takes its place.",
        )
    for each in _taking_marks_along(judged):
        each.refuse(
            Why.SECOND_PERSON,
            "A mark stands here, and goes with it: a second person approves where it stands.",
        )
    altering = _altering(judged)
    for each in _revived_by_who_decides([each for each, _ in altering]):
        each.refuse(
            Why.SECOND_PERSON,
            "Its author took this back or typed over it, and you have set that aside: somebody "
            "else approves it, for nobody asks for it but you.",
        )
    pending = _pending([each for each, _ in altering])
    for each, current in altering:
        if each.decider_is_author:
            each.refuse(
                Why.SECOND_PERSON,
                "A mark that stands changes or goes only when a second person approves it.",
            )
        elif each.id not in pending and not each.insisted_reason.strip():
            each.refuse(
                Why.REASON,
                f"A mark ({current or 'cleared since'}) has come to stand since this was "
                "typed. Say why it changes, or decline it.",
            )


def decide(act: Act, judged: Sequence[Judged], *, approved: bool) -> None:
    """Stamp the pending corrections of changes that ``act`` decides, before it projects."""
    pending = _pending(judged)
    if not approved:
        _stamp(act, pending.values(), GradeCorrection.Status.REJECTED)
        return
    telling: dict[uuid.UUID, tuple[Judged, str | None]] = {}
    for each, current in _altering(judged):
        # One row per enrolment: of two people's equal values the first one, for the second only
        # confirms it; and before both the deletion, with which the mark goes.
        if each.deletes or each.entity_id not in telling:
            telling[each.entity_id] = each, current
    current_of = {each.id: current for each, current in telling.values()}
    true = [
        row
        for change, row in pending.items()
        if change in current_of and row.old_grade == current_of[change]
    ]
    told = {row.change_id for row in true}
    stale = [row for change, row in pending.items() if change not in told]
    _stamp(act, true, GradeCorrection.Status.APPROVED)
    _stamp(act, stale, GradeCorrection.Status.REJECTED)
    GradeCorrection.objects.bulk_create(
        _decided(
            act,
            enrollment_id=each.entity_id,
            change_id=each.id,
            old_grade=current,
            new_grade=None if each.deletes else each.value,
            reason=each.insisted_reason.strip() or pending[each.id].reason,
            submitted_by_id=each.author_id,
            submitted_at=each.received_at,
        )
        for each, current in telling.values()
        if each.id not in told
    )


def write_moved(act: Act, moves: Sequence[Move]) -> None:
    """Write the decided row of each grade that moved otherwise than by its own correction: by a
    revert, by its reinstatement, or because its enrolment vanished or came back; and tell of all
    that moved."""
    if not moves:
        return
    deletions: dict[uuid.UUID, Change] = {}
    if act.has_stamped:
        moves = _not_told(act, moves)
        stamped = Change.objects.filter(decision_id=act.id, field=EXISTS, value=FALSE)
        deletions = {each.entity_id: each for each in stamped.select_related("change_set")}
    causes = vanishing.causes(deletions.keys(), act.moves)
    # What moved for the same cause, from one mark to one other, says the same but for where: of
    # 50,000 marks that move there are a few thousand of these.
    alike: dict[tuple[uuid.UUID | None, str | None, str | None], list[uuid.UUID]] = defaultdict(
        list
    )
    for move in moves:
        cause = causes.get(move.entity_id) if causes else None
        alike[cause, move.before, move.after].append(move.entity_id)
    if alike:
        _insert(
            act,
            {
                _said(act, before, after, deletions[cause] if cause else None): enrollments
                for (cause, before, after), enrollments in alike.items()
            },
        )
    tell_instructors(act)


def _not_told(act: Act, moves: Sequence[Move]) -> list[Move]:
    """Leave out what moved by its own correction, or to a first grade that ``act`` approves."""
    corrected = GradeCorrection.objects.filter(
        decision_id=act.id, status=GradeCorrection.Status.APPROVED
    )
    told = set(corrected.values_list("enrollment_id", flat=True))
    stamped = Change.objects.filter(decision_id=act.id, field="grade")
    typed = set(stamped.values_list("entity_id", flat=True))
    return [
        move
        for move in moves
        if move.entity_id not in told and not (move.before is None and move.entity_id in typed)
    ]


class _Said(NamedTuple):
    """What the correction of a grade that moved says: the same for all that moved alike."""

    old_grade: str | None
    new_grade: str | None
    kind: str
    change_id: uuid.UUID | None
    reason: str
    submitted_by_id: uuid.UUID | None
    submitted_at: dt.datetime


def _said(act: Act, before: str | None, after: str | None, deletion: Change | None) -> _Said:
    if deletion is not None:
        return _Said(
            before,
            after,
            GradeCorrection.Kind.CORRECTION,
            deletion.pk,
            deletion.change_set.reason or "The record was deleted.",
            deletion.author_id,
            deletion.change_set.received_at,
        )
    if act.kind == Decision.Kind.REINSTATE:
        kind, reason = GradeCorrection.Kind.REINSTATE, "A revert was lifted."
    elif after is None or act.kind == Decision.Kind.REVERT:
        kind, reason = GradeCorrection.Kind.REVERT, "Changes were excluded."
    else:
        kind, reason = GradeCorrection.Kind.REINSTATE, "The enrolment came back."
    return _Said(before, after, kind, None, act.reason or reason, act.user_id, act.origin.at)


def _insert(act: Act, rows: Mapping[_Said, Collection[uuid.UUID]]) -> None:
    """Insert the decided row of each enrolment, in one statement. A revert moves tens of thousands
    of grades: an object for each, and each of its fields prepared by itself, took most of its
    time."""
    numbers = [str(number) for number, some in enumerate(rows.values(), 1) for _ in some]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            insert into grading_gradecorrection (
                id, school_id, enrollment_id, kind, change_id, old_grade, new_grade, reason,
                submitted_by_id, submitted_at, status, approved_by_id, approved_at, decision_id)
            select m.id, %(school)s, m.enrollment_id, s.kind, s.change_id, s.old_grade,
                   s.new_grade, s.reason, s.submitted_by_id, s.submitted_at, %(status)s, %(by)s,
                   %(at)s, %(decision)s
            from unnest(%(ids)s::uuid[], %(enrollments)s::uuid[], %(numbers)s::bigint[])
                m (id, enrollment_id, number)
            join unnest(%(old)s::text[], %(new)s::text[], %(kinds)s::text[], %(changes)s::uuid[],
                        %(reasons)s::text[], %(submitters)s::uuid[], %(times)s::timestamptz[])
                with ordinality s (old_grade, new_grade, kind, change_id, reason, submitted_by_id,
                                   submitted_at, number)
                using (number)
            """,
            {
                "school": act.school.pk,
                "status": GradeCorrection.Status.APPROVED.value,
                "by": act.user_id,
                "at": act.origin.at,
                "decision": act.id,
                "ids": lookups.written(new_ids(len(numbers))),
                "enrollments": lookups.array(each for some in rows.values() for each in some),
                "numbers": lookups.written(numbers),
                "old": [said.old_grade for said in rows],
                "new": [said.new_grade for said in rows],
                "kinds": lookups.written(said.kind for said in rows),
                "changes": lookups.written(str(said.change_id or "null") for said in rows),
                "reasons": [said.reason for said in rows],
                "submitters": lookups.written(str(said.submitted_by_id or "null") for said in rows),
                "times": lookups.written(said.submitted_at.isoformat() for said in rows),
            },
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


def _altering(judged: Sequence[Judged]) -> list[tuple[Judged, str | None]]:
    """Return the changes that would alter a grade that stands, each with that grade."""
    about = [j for j in judged if j.field == "grade" or j.deletes]
    stands = standing({j.entity_id for j in about})
    return [
        (j, stands[j.entity_id])
        for j in about
        if j.entity_id in stands and (j.deletes or j.value != stands[j.entity_id])
    ]


def _revived_by_who_decides(altering: Sequence[Judged]) -> list[Judged]:
    """Return what is its author's last word only because who decides has excluded a later one, be
    it a withdrawal: of a mark that stands both names would be the work of one."""
    deciders = {j.id: j.by.user_id for j in altering if j.by is not None}
    rows = (
        Exclusion.objects.filter(
            lifted_by=None,
            decision__decided_by__in=set(deciders.values()),
            change__entity_id__in={j.entity_id for j in altering if j.id in deciders},
        )
        .exclude(change__status=Change.Status.DECLINED)
        .values_list(
            "change__author_id",
            "change__entity_id",
            "change__field",
            "change__number",
            "decision__decided_by_id",
        )
        if deciders
        else ()
    )
    later: dict[tuple[uuid.UUID, uuid.UUID, str, uuid.UUID | None], int] = {}
    for author, entity, field, number, by in rows:
        key = (author, entity, field, by)
        later[key] = max(number, later.get(key, 0))
    return [
        j
        for j in altering
        if later.get((j.author_id, j.entity_id, j.field, deciders.get(j.id)), 0) > j.number
    ]


def _taking_marks_along(judged: Sequence[Judged]) -> list[Judged]:
    """Return what nobody but its author decides on and was typed before the mark stood that it
    would take along. (What was typed later needs two people from the start.)"""
    moving = [
        j for j in judged if j.decider_is_author and _takes_along(j.field, j.current, j.value)
    ]
    stands = standing({j.entity_id for j in moving}) if moving else {}
    return [j for j in moving if stands.get(j.entity_id) is not None]


def _in_place_of_what_its_author_set_aside(
    judged: Sequence[Judged], among: Sequence[Judged]
) -> list[Judged]:
    """Return what nobody but its author decides on and puts a mark where that author has reverted
    somebody else's: together the two acts of one person would change a mark that stood. The place
    is the pupil in the class, whether by the same enrolment or by another one, and whether the
    pupil is the same record, one of the same number, or the one that a merge kept; a mark comes to
    it by being typed, or with an enrolment that is moved there."""
    setting = [j for j in judged if j.value and (j.field == "grade" or j.field in PLACE)]
    alone = [j for j in setting if j.decider_is_author]
    carried = standing({j.entity_id for j in alone if j.field in PLACE})
    marking = [j for j in alone if j.field == "grade" or j.entity_id in carried]
    if not marking:
        return []
    rows = Enrollment.objects.filter(pk__among={j.entity_id for j in marking})
    places = {
        pk: dict(zip(PLACE, place, strict=True)) for pk, *place in rows.values_list("pk", *PLACE)
    }
    for j in judged:
        if j.field in PLACE and j.refers_to:
            places.setdefault(j.entity_id, {})[j.field] = j.refers_to
    numbered = [j for j in among if j.entity_type == "student" and j.field == "number"]
    with connection.cursor() as cursor:
        cursor.execute(
            _SET_ASIDE,
            {
                "ids": lookups.array([j.id for j in marking]),
                "entities": lookups.array([j.entity_id for j in marking]),
                "authors": lookups.array([j.author_id for j in marking]),
                **{
                    f"{name}s": [places.get(j.entity_id, {}).get(name) for j in marking]
                    for name in PLACE
                },
                "new": [j.entity_id for j in numbered],
                "numbers": [j.value for j in numbered],
            },
        )
        set_aside = {row[0] for row in cursor.fetchall()}
    return [j for j in marking if j.id in set_aside]


# What an author's reverts exclude is read first: mostly nothing, however many marks are entered. Of
# it the marks of others, and what would have to count for them to stand, with the pupil and class
# that their enrolment ever was of. (By the marks first it was read once for each of them: of an
# import of 12,000 that took minutes.)
_SET_ASIDE = """
    with excluded as materialized (
        select d.decided_by_id, e.school_id, e.entity_type, e.entity_id, e.id, e.field,
            case d.kind when 'merge' then (d.criteria ->> 'survivor')::uuid end as survivor
        from changes_decision d
        join changes_exclusion x on x.school_id = d.school_id and x.decision_id = d.id
            and x.lifted_by_id is null
        join changes_change e on e.school_id = x.school_id and e.id = x.change_id
            and e.status = 'approved' and e.field in ('exists', 'student', 'section', 'grade')
        where d.school_id = (
                select school_id from changes_change where id = (%(ids)s::uuid[])[1])
          and d.decided_by_id = any(%(authors)s::uuid[])
    ),
    set_aside as materialized (
        select distinct e.decided_by_id as author, p.refers_to as student, s.refers_to as section,
            e.entity_id as entity, e.field = 'grade' as itself
        from excluded e
        join changes_change g on g.school_id = e.school_id and g.entity_id = e.entity_id
            and g.field = 'grade' and g.value is not null and g.status = 'approved'
            and g.author_id <> e.decided_by_id and (g.id = e.id or e.field <> 'grade')
        join changes_change p on p.school_id = e.school_id and p.entity_id = e.entity_id
            and p.field = 'student' and p.status = 'approved'
        join changes_change s on s.school_id = e.school_id and s.entity_id = e.entity_id
            and s.field = 'section' and s.status = 'approved'
    ),
    -- With a pupil's record what hung on it, unless a merge has moved that; and who may take the
    -- pupil's place: of the same number, or kept by the merge.
    with_pupil as materialized (
        select distinct e.decided_by_id as author, e.school_id, e.entity_id as student, e.survivor,
            s.refers_to as section, p.entity_id as entity
        from excluded e
        join changes_change p on p.school_id = e.school_id and p.refers_to = e.entity_id
            and p.field = 'student' and p.status = 'approved'
        join changes_change g on g.school_id = p.school_id and g.entity_id = p.entity_id
            and g.field = 'grade' and g.value is not null and g.status = 'approved'
            and g.author_id <> e.decided_by_id
        join changes_change s on s.school_id = p.school_id and s.entity_id = p.entity_id
            and s.field = 'section' and s.status = 'approved'
        where e.entity_type = 'student' and e.field = 'exists'
          and not exists (select from grading_enrollment r
                          where r.school_id = p.school_id and r.id = p.entity_id)
    ),
    instead as materialized (
        select author, student, section, entity, itself from set_aside
        union
        select author, survivor, section, entity, false from with_pupil where survivor is not null
        union
        select w.author, o.id, w.section, w.entity, false
        from with_pupil w
        join changes_change n on n.school_id = w.school_id and n.entity_id = w.student
            and n.field = 'number' and n.status = 'approved'
        join (select id, school_id, number from students_student
              union all
              select m.id, null, m.number from unnest(%(new)s::uuid[], %(numbers)s::text[])
                  m (id, number)) o
            on coalesce(o.school_id, w.school_id) = w.school_id and o.number = n.value
    )
    select distinct n.id
    from instead a
    join unnest(%(ids)s::uuid[], %(entities)s::uuid[], %(authors)s::uuid[], %(students)s::uuid[],
                %(sections)s::uuid[]) n (id, entity, author, student, section)
        on n.author = a.author and n.student = a.student and n.section = a.section
        and (a.itself or a.entity <> n.entity)"""


def _pending(judged: Sequence[Judged]) -> dict[uuid.UUID, GradeCorrection]:
    """Return the pending correction of each change that was submitted with one: which it is where,
    and only where, it needs two people."""
    rows = GradeCorrection.objects.filter(
        change_id__among=[j.id for j in judged if j.two_people],
        status=GradeCorrection.Status.PENDING,
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


def of_changes(
    changes: Sequence[Change], decisions: Mapping[uuid.UUID, Collection[uuid.UUID]]
) -> dict[uuid.UUID, list[GradeCorrection]]:
    """Return the corrections that stand beside changes, and those that decisions on a mark wrote
    of it, with their state. ``decisions``: those on each change, by its id. One statement."""
    rows = with_state(
        GradeCorrection.objects.filter(
            Q(change__in=[each.pk for each in changes])
            | Q(
                decision__in=set().union(*decisions.values()),
                enrollment_id__in={each.entity_id for each in changes},
            )
        )
    ).order_by("submitted_at", "id")
    moved_by: dict[tuple[uuid.UUID, uuid.UUID | None], list[uuid.UUID]] = defaultdict(list)
    for each in changes:
        if each.field == "grade":
            for decision_id in decisions[each.pk]:
                moved_by[each.entity_id, decision_id].append(each.pk)
    ids = {each.pk for each in changes}
    found: dict[uuid.UUID, list[GradeCorrection]] = defaultdict(list)
    for row in rows:
        if row.change_id in ids:
            found[row.change_id].append(row)
        elif row.change_id is None:
            for change_id in moved_by[row.enrollment_id, row.decision_id]:
                found[change_id].append(row)
    return found

"""What the list of corrections says where two names may be one person: that one of them had let the
other in shortly before; and that who took a mark away alone, by a revert, has entered another one
for the pupil alone. Both are allowed, and nobody should have to look for them.

Call inside a school. The number of statements does not grow with the corrections.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db import connection
from django.db.models import Max, Min
from django.utils.formats import date_format
from django.utils.timezone import localtime

from accounts.models import AuditLog, Membership, School
from changes import lookups, naming

from .models import GradeCorrection

SHORTLY = dt.timedelta(days=30)
Notes = dict[uuid.UUID, list[str]]


def notes(found: Sequence[GradeCorrection], school: School) -> Notes:
    """Return what there is to say of each of these corrections, in sentences."""
    said: Notes = defaultdict(list)
    decided = [each for each in found if each.status == GradeCorrection.Status.APPROVED]
    _let_in([e for e in decided if e.kind == GradeCorrection.Kind.CORRECTION], school, said)
    _entered_alone([e for e in decided if e.kind != GradeCorrection.Kind.CORRECTION], said)
    return said


def _let_in(found: Sequence[GradeCorrection], school: School, said: Notes) -> None:
    if not found:
        return
    people = {pk for e in found for pk in (e.submitted_by_id, e.approved_by_id) if pk}
    members = Membership.objects.filter(school=school, user_id__in=people)
    user_of = {str(pk): user for pk, user in members.values_list("pk", "user_id")}
    times = GradeCorrection.objects.filter(pk__in=[e.pk for e in found]).aggregate(
        first=Min("approved_at"), last=Max("approved_at")
    )
    let = defaultdict(list)
    for row in AuditLog.objects.filter(
        school=school,
        event=AuditLog.Event.PEOPLE,
        user_id__in=people,
        at__range=(times["first"] - SHORTLY, times["last"]),
    ).order_by("at", "id"):
        if (what := _in_words(row)) and (whom := user_of.get(row.metadata["membership"])):
            let[row.user_id, whom].append((row.at, what))
    names = naming.people(people) if let else {}
    for each in found:
        asked, approved, at = each.submitted_by_id, each.approved_by_id, each.approved_at
        if approved is None or at is None:
            continue
        for by, whom in ((asked, approved), (approved, asked)):
            for when, what in let.get((by, whom), ()):
                if at - SHORTLY <= when <= at:
                    on = date_format(localtime(when), "j M Y, H:i")
                    said[each.pk].append(f"{names[whom]} was {what} by {names[by]}, {on}.")


def _in_words(row: AuditLog) -> str:
    """Say what a row of the audit log made somebody, if it let them ask or decide."""
    _, _, what = row.detail.partition(": ")
    if "membership" not in row.metadata or not row.metadata.get("active", True):
        return ""
    if what.startswith("now "):
        return f"made {what.removeprefix('now ').removesuffix(', active')}"
    return what if what.startswith(("added as ", "named substitute")) else ""


def _entered_alone(found: Iterable[GradeCorrection], said: Notes) -> None:
    took = [e for e in found if e.old_grade is not None and e.old_grade != e.new_grade]
    if not took:
        return
    with connection.cursor() as cursor:
        cursor.execute(_ENTERED_ALONE, {"ids": lookups.array([each.pk for each in took])})
        rows = cursor.fetchall()
    names = naming.people({who for _, who, _ in rows}) if rows else {}
    for pk, who, mark in rows:
        said[pk].append(f"{names[who]} alone has entered {mark} for the pupil in this course.")


# The pupil is also one of the same number, and the course the one that the class ever was of: what
# was entered anew may hang on other records.
_ENTERED_ALONE = """
    with took as materialized (
        select r.id, r.school_id, r.enrollment_id, r.approved_by_id as who
        from grading_gradecorrection r where r.id = any(%(ids)s::uuid[])
    ), pupils as materialized (
        select t.id, p.refers_to as student from took t
        join changes_change p on p.school_id = t.school_id and p.entity_id = t.enrollment_id
            and p.field = 'student' and p.status = 'approved'
        union
        select t.id, s.id from took t
        join changes_change p on p.school_id = t.school_id and p.entity_id = t.enrollment_id
            and p.field = 'student' and p.status = 'approved'
        join changes_change n on n.school_id = p.school_id and n.entity_id = p.refers_to
            and n.field = 'number' and n.status = 'approved'
        join students_student s on s.school_id = n.school_id and s.number = n.value
    ), courses as materialized (
        select distinct t.id, c.refers_to as course from took t
        join changes_change s on s.school_id = t.school_id and s.entity_id = t.enrollment_id
            and s.field = 'section' and s.status = 'approved'
        join changes_change c on c.school_id = s.school_id and c.entity_id = s.refers_to
            and c.field = 'course' and c.status = 'approved'
    )
    select distinct t.id, t.who, e.grade
    from took t
    join pupils p on p.id = t.id
    join courses c on c.id = t.id
    join grading_enrollment e on e.school_id = t.school_id and e.student_id = p.student
        and e.grade is not null
    join grading_section s on s.school_id = e.school_id and s.id = e.section_id
        and s.course_id = c.course
    join changes_change g on g.school_id = e.school_id and g.entity_id = e.id
        and g.field = 'grade' and g.value = e.grade and g.status = 'approved'
        and g.author_id = t.who and g.decided_by_id = t.who
    where not exists (select from changes_exclusion x
                      where x.school_id = g.school_id and x.change_id = g.id
                        and x.lifted_by_id is null)
    order by t.id, e.grade
"""

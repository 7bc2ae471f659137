"""The corrections of marks as the office reads them: who asked, why, from what to what, and what
each would do to the pupil's average. Call inside a school.

The number of statements does not grow with the corrections.
"""

import dataclasses
import uuid
from collections.abc import Sequence

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When

from accounts.models import Membership, School
from changes import naming, queue
from changes.models import Change

from . import second_person
from .correction_states import WAITING, in_words, state_of, with_state
from .gpa import WithCorrection, with_corrections
from .models import Enrollment, GradeCorrection

MOST = 100
"""So many of what else waits are listed; the queue lists all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One correction. ``average``: of the pupil, while it waits. ``may_decide``: who looks may.
    ``notes``: what makes it worth a second look."""

    correction: GradeCorrection
    state: str
    title: str
    average: WithCorrection | None
    may_decide: bool
    notes: Sequence[str] = ()

    @property
    def state_label(self) -> str:
        return in_words(self.correction)


def corrections(state: str = "") -> QuerySet[GradeCorrection]:
    """Return all corrections, or those of one state, with their ``state``: what waits first, the
    oldest on top; then the decided ones, the newest on top."""
    found = (
        with_state(GradeCorrection.objects.all())
        .select_related("submitted_by", "approved_by", "decision")
        .order_by(
            Case(When(state=WAITING, then=Value(0)), default=Value(1)),
            Case(When(state=WAITING, then="submitted_at")),
            "-submitted_at",
            "-id",
        )
    )
    return found.filter(state=state) if state else found


def others(school: School) -> list[queue.Line]:
    """Return what else waits for a second person, and is no correction of a mark: marks that would
    stand with another pupil or class, and records that go with marks on them."""
    waiting = Change.objects.filter(two_people=True).open()
    own = GradeCorrection.objects.filter(school_id=OuterRef("school_id"), change=OuterRef("pk"))
    ids = waiting.exclude(Exists(own)).order_by("id").values_list("pk", flat=True)
    return queue.lines(school, list(ids[:MOST]))


def about(found: QuerySet[GradeCorrection], sought: str) -> QuerySet[GradeCorrection]:
    """Return the corrections that have each word of ``sought`` in the name or number of their
    pupil, in the code of the class, or in the reason."""
    for word in sought.replace("\x00", "").replace(",", " ").split():
        on = Enrollment.objects.filter(
            Q(student__family_name__icontains=word)
            | Q(student__given_names__icontains=word)
            | Q(student__number__icontains=word)
            | Q(section__code__icontains=word)
        )
        found = found.filter(Q(enrollment_id__in=on.values("pk")) | Q(reason__icontains=word))
    return found


def rows(found: Sequence[GradeCorrection], *, by: Membership) -> list[Row]:
    """Return corrections in words, with what the waiting ones would do."""
    waiting = {each.pk: each for each in found if state_of(each) == WAITING}
    averages = with_corrections(
        {pk: (each.enrollment_id, each.new_grade) for pk, each in waiting.items()},
        decimals=by.school.gpa_decimals,
    )
    titles = naming.titles(("enrollment", each.enrollment_id) for each in found)
    noted = second_person.notes(found, by.school)
    return [
        Row(
            correction=each,
            state=state_of(each),
            title=titles[each.enrollment_id],
            average=averages.get(each.pk),
            may_decide=each.pk in waiting and each.submitted_by_id != by.user_id,
            notes=noted.get(each.pk, ()),
        )
        for each in found
    ]


def people() -> dict[uuid.UUID, str]:
    """Return the names of who has ever asked for a correction, by their ids."""
    asked = GradeCorrection.objects.order_by().values_list("submitted_by_id", flat=True)
    return naming.people(asked.distinct())

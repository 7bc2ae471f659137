"""The marks that a revert, or lifting one, has moved: of which classes, and whom that concerns.

Nothing is copied: it is read from the grade corrections that the decision wrote. Call inside a
school. The number of statements does not grow with the marks.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, UUIDField, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import In

from accounts.models import Membership, OutboxMessage
from changes import as_of, naming
from changes.models import Change, Decision
from changes.registry import Told

from . import told_on_page
from .models import Enrollment, GradeCorrection, Section

MOVED = (GradeCorrection.Kind.REVERT, GradeCorrection.Kind.REINSTATE)


def of_classes_of(member: Membership) -> QuerySet[GradeCorrection]:
    """Return the corrections that others' reverts, and lifting these, wrote in the classes of
    ``member``, the newest decision first. An enrolment that has vanished counts for the class that
    it was in at the decision, and for none that it had left by then."""
    mine = Section.objects.filter(school=member.school_id, instructor_id=member.user_id).values(
        "pk"
    )
    standing = Enrollment.objects.filter(school_id=OuterRef("school_id"), pk=OuterRef("entity_id"))
    vanished = Change.objects.filter(
        ~Exists(standing),
        entity_type="enrollment",
        field="section",
        status=Change.Status.APPROVED,
        refers_to__in=mine.values("pk"),
    )
    its = Enrollment.objects.filter(section__in=mine).values("pk")
    # The candidates first: the class of then is looked up one by one, for those that vanished.
    return (
        GradeCorrection.objects.filter(
            enrollment_id__in=its.union(vanished.values("entity_id")),
            school=member.school_id,
            kind__in=MOVED,
        )
        .filter(Q(enrollment_id__in=its) | _in_class_of_then(mine))
        .exclude(approved_by_id=member.user_id)
        .select_related("decision", "decision__decided_by")
        .order_by("-decision__number", "-id")
    )


def _in_class_of_then(sections: QuerySet[Section, Any]) -> In:
    """A condition on corrections: the class in which the decision took a mark away, which is that
    of before it, or set one, which is that of after it, is one of these."""
    before, after = (
        Subquery(
            as_of.counted("decision__number", with_it=with_it)
            .filter(entity_id=OuterRef("enrollment_id"), field="section")
            .order_by("-position")
            .values("refers_to")[:1]
        )
        for with_it in (False, True)
    )
    section = Case(
        When(new_grade__isnull=True, then=Coalesce(before, after)),
        default=Coalesce(after, before),
        output_field=UUIDField(),
    )
    return In(section, sections)


@dataclasses.dataclass(frozen=True)
class Line:
    """A mark that moved, in words. ``section``: its class, where it still stands."""

    correction: GradeCorrection
    title: str
    section: Section | None
    is_new: bool


def lines(found: Sequence[GradeCorrection], *, member: Membership) -> list[Line]:
    """Return corrections in words; new is what was decided since the member last looked."""
    titles = naming.titles(
        (("enrollment", each.enrollment_id) for each in found), known_as=naming.ever_approved
    )
    sections = {
        row.pk: row.section
        for row in Enrollment.objects.filter(
            pk__in=[each.enrollment_id for each in found]
        ).select_related("section")
    }
    return [
        Line(
            correction=each,
            title=titles[each.enrollment_id],
            section=sections.get(each.enrollment_id),
            is_new=each.decision is not None and each.decision.number > member.decided_seen,
        )
        for each in found
    ]


def count(decision: Decision) -> int:
    """Return how many grade corrections the decision wrote by itself."""
    return GradeCorrection.objects.filter(decision=decision, kind__in=MOVED).count()


def told_of(decision: Decision) -> Iterable[Told]:
    """Return who was told that marks of their classes moved, or that a class of theirs changed: the
    instructors of then on their page, and all to whom a message was written."""
    yield from _on_their_page(decision)
    written = OutboxMessage.objects.filter(
        Q(key__startswith=f"corrected {decision.pk} ")
        | Q(key__startswith=f"section-changed {decision.pk} "),
        school=decision.school_id,
    )
    for message in written.order_by("to", "key"):
        how = "by mail"
        if message.superseded_at:
            how = "by a later mail, which took the place of this one"
        elif message.given_up_at:
            how = "not: the mail was given up"
        elif not message.sent_at:
            how = "by mail, which has not left yet"
        yield Told(message.to, message.subject, how, message.sent_at)


def _on_their_page(decision: Decision) -> Iterable[Told]:
    enrollments = GradeCorrection.objects.filter(decision=decision, kind__in=MOVED).values_list(
        "enrollment_id", flat=True
    )
    ids = list(enrollments)
    if not ids:
        return
    then, before = told_on_page.ledgers(decision)
    stood = then.stand(("enrollment", each) for each in ids)
    section_of = told_on_page.said([then, before], stood, "section")
    section_of |= told_on_page.said([before, then], set(ids) - stood, "section")
    counts = Counter(section_of[each] for each in ids if each in section_of)
    yield from told_on_page.told(
        decision,
        {each: f"{marks} mark{'' if marks == 1 else 's'}" for each, marks in counts.items()},
    )

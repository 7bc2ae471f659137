"""The classes of a term, and how far each is, as one person sees it. Call inside a school."""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Collection, Sequence

from django.db.models import Count, Q, QuerySet

from accounts.models import Membership
from changes import overlay
from changes.models import Change

from . import extensions, hand_in
from .models import Enrollment, HandIn, Section, Term


@dataclasses.dataclass
class Progress:
    """Pupils enrolled, those without a mark, what waits for the office, the hand-in, and until
    when the office has extended the marks window."""

    pupils: int = 0
    missing: int = 0
    waiting: int = 0
    handed_in: HandIn | None = None
    extended_until: dt.date | None = None

    @property
    def entered(self) -> int:
        return self.pupils - self.missing


def current_term(terms: Sequence[Term], today: dt.date) -> Term | None:
    """Return the term of a day: the one that runs, else the last that began, else the first."""
    started = [term for term in terms if term.starts_on and term.starts_on <= today]
    running = [term for term in started if term.ends_on is None or today <= term.ends_on]
    for some in (running, started):
        if some:
            return max(some, key=lambda term: (term.starts_on, term.pk))
    return min(terms, key=lambda term: (term.starts_on or dt.date.max, term.pk), default=None)


def terms(member: Membership) -> list[Term]:
    """Return the school's terms, the latest first."""
    found = Term.objects.filter(school_id=member.school_id)
    return sorted(found, key=lambda term: (term.starts_on or dt.date.min, term.pk), reverse=True)


def sections(member: Membership, term: Term | None, *, whole_school: bool) -> QuerySet[Section]:
    """Return the member's own classes of a term, or all of the school's."""
    found = Section.objects.filter(school_id=member.school_id, term=term)
    if not whole_school:
        found = found.filter(instructor_id=member.user_id)
    return found.select_related("course", "instructor").order_by("course__title", "code", "id")


def teaches(member: Membership) -> bool:
    """Return whether any class, of whichever term, is the member's own."""
    return Section.objects.filter(school_id=member.school_id, instructor_id=member.user_id).exists()


def progress(classes: Collection[Section], *, by: Membership) -> dict[uuid.UUID, Progress]:
    """Return how far each class is, as ``by`` sees it: their own waiting marks and pupils count,
    nobody else's. Seven statements, however many classes."""
    found = {each.pk: Progress() for each in classes}
    counts = (
        Enrollment.objects.filter(school_id=by.school_id, section_id__in=found, status="enrolled")
        .values("section_id")
        .annotate(pupils=Count("id"), missing=Count("id", filter=Q(grade__isnull=True)))
    )
    for row in counts:
        found[row["section_id"]] = Progress(row["pupils"], row["missing"])
    touched = Change.objects.filter(entity_type="enrollment").proposed_by(by.user_id).open()
    ids = set(touched.values_list("entity_id", flat=True))
    for record in overlay.see("enrollment", ids, by=by).values():
        _take_away_what_stands(record, found)
        _add_what_is_seen(record, found)
    for each, handed_in in hand_in.latest(found, by=by).items():
        found[each].handed_in = handed_in
    taught = [extensions.Taught(each.pk, each.term_id, each.instructor_id) for each in classes]
    for each, until in extensions.until_of_classes(taught).items():
        found[each].extended_until = until
    return found


def _take_away_what_stands(record: overlay.Record, found: dict[uuid.UUID, Progress]) -> None:
    section = record.cell("section").standing
    its = found.get(uuid.UUID(section)) if record.stands and section else None
    if its and record.cell("status").standing == Enrollment.Status.ENROLLED:
        its.pupils -= 1
        its.missing -= record.cell("grade").standing is None


def _add_what_is_seen(record: overlay.Record, found: dict[uuid.UUID, Progress]) -> None:
    section = record.reference("section")
    its = found.get(section) if record.exists and section else None
    if its is None:
        return
    for field in ("grade", "comment"):
        mine = record.cell(field).mine
        its.waiting += mine is not None and mine.is_open
    if (record.value("status") or Enrollment.Status.ENROLLED) == Enrollment.Status.ENROLLED:
        its.pupils += 1
        its.missing += record.value("grade") is None

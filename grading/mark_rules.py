"""The rules of an enrolment: marks by the scale and the term's window, comments by the policy,
and a second person where a mark stands."""

import dataclasses
import datetime as dt
import uuid
import zoneinfo
from collections.abc import Collection, Iterable, Mapping, Sequence

from accounts.models import Membership, School
from changes import overlay
from changes.deciding import Act
from changes.judgement import Judged, Why
from changes.projector import Move
from changes.propose import Draft
from changes.registry import EXISTS, FALSE, Invalid, Rules

from . import corrections
from .models import Enrollment, Section, Term
from .scales import Scale, scales

TYPED = ("grade", "comment")


@dataclasses.dataclass(frozen=True)
class _Class:
    """What a section says about marks: its scale, its term's window, its instructor."""

    scale: Scale | None
    instructor_id: uuid.UUID | None
    term: Term | None


class MarkRules(Rules):
    """Rules of the entity type ``enrollment``."""

    def clean(self, drafts: Sequence[Draft], *, by: Membership, at: dt.datetime) -> None:
        section_of = _sections_as_seen(drafts, by)
        classes = _classes(set(section_of.values()), by)
        for draft in drafts:
            its = classes.get(section_of.get(draft.entity_id, uuid.UUID(int=0)))
            if its is None:
                continue
            if by.school.teachers_restricted and not by.is_office:
                if its.instructor_id != by.user_id:
                    draft.refuse("In this school teachers change their own classes only.")
            if draft.field not in TYPED:
                continue
            if not by.is_office and (closed := closed_because(its.term, by.school, at)):
                draft.refuse(closed)
            if draft.field == "grade":
                _read(draft, its.scale)
            elif draft.value and len(draft.value) > by.school.comment_length:
                draft.refuse(
                    f"This comment has {len(draft.value):,} characters; the school’s limit is "
                    f"{by.school.comment_length:,}. Shorten it: nothing of it was cut."
                )

    def need_two_people(self, drafts: Sequence[Draft]) -> None:
        deleted = {d.entity_id for d in drafts if d.field == EXISTS and d.value == FALSE}
        graded = [d for d in drafts if d.field == "grade"]
        standing = corrections.standing({d.entity_id for d in graded} | deleted)
        for draft in drafts:
            if draft.entity_id not in standing:
                continue
            current = standing[draft.entity_id]
            changes = draft.field == "grade" and draft.value != current
            if not changes and not (draft in graded or draft.entity_id in deleted):
                continue
            if not changes and draft.field != EXISTS:
                continue
            draft.two_people = True
            if not draft.reason.strip():
                draft.refuse(
                    f"The mark {current or '(cleared)'} stands already. Say why it changes: "
                    "another person approves the correction."
                )

    def proposed(self, drafts: Sequence[Draft], *, by: Membership, at: dt.datetime) -> None:
        corrections.submit([d for d in drafts if d.two_people], by=by, at=at)

    def judge(self, judged: Sequence[Judged]) -> None:
        marks = [j for j in judged if j.field in TYPED]
        section_of = _sections_of_waiting(judged)
        classes = _classes(set(section_of.values()), None)
        for each in marks:
            its = classes.get(section_of.get(each.entity_id, uuid.UUID(int=0)))
            if its is None:
                continue
            if each.field == "grade" and each.value is not None:
                try:
                    if its.scale is None or its.scale.read(each.value) != each.value:
                        each.refuse(Why.INVALID, "The class’s scale has no such mark any more.")
                except Invalid as invalid:
                    each.refuse(Why.INVALID, f"The scale has changed: {invalid}")
            if its.term and not each.insisted and each.school:
                closed = closed_because(its.term, each.school, each.received_at)
                if closed and not each.author_is_office:
                    each.refuse(
                        Why.INVALID,
                        f"It was sent outside the term’s window as it is now. {closed}",
                    )
        corrections.judge(judged)

    def reasons(self, change_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, str]:
        return corrections.reasons(change_ids)

    def decided(self, act: Act, judged: Sequence[Judged], *, approved: bool) -> None:
        corrections.decide(act, judged, approved=approved)

    def moved(self, act: Act, moves: Sequence[Move]) -> None:
        corrections.write_moved(act, [m for m in moves if m.field == "grade"])

    def foretell(self, moves: Sequence[Move]) -> Iterable[str]:
        count = sum(m.field == "grade" for m in moves)
        if count:
            yield f"{count} grade correction{'s' if count > 1 else ''} will be written"


def closed_because(term: Term | None, school: School, at: dt.datetime) -> str | None:
    """Return why marks cannot be entered at an instant, in words for a teacher, or None.

    The window's days are the school's. A term without a window is open.
    """
    if term is None:
        return None
    today = at.astimezone(zoneinfo.ZoneInfo(school.time_zone)).date()
    if term.marks_open_on and today < term.marks_open_on:
        return f"Marks for {term.name} open on {term.marks_open_on:%d %B %Y}."
    if term.marks_close_on and today > term.marks_close_on:
        return (
            f"Marks for {term.name} closed on {term.marks_close_on:%d %B %Y}. "
            "Ask the office to enter it, or to open the term again."
        )
    return None


def _read(draft: Draft, scale: Scale | None) -> None:
    if draft.typed is None or not draft.typed.strip():
        draft.value = None
    elif scale is None:
        draft.refuse("This class has no grading scale yet. Ask the office to set one.")
    else:
        try:
            draft.value = scale.read(draft.typed)
        except Invalid as invalid:
            draft.refuse(str(invalid))


def _sections_as_seen(drafts: Sequence[Draft], by: Membership) -> dict[uuid.UUID, uuid.UUID]:
    """Return the section of each enrolment as its author sees it, or is just choosing it."""
    ids = {draft.entity_id for draft in drafts}
    records = overlay.see("enrollment", ids, by=by)
    sections = {each: record.reference("section") for each, record in records.items()}
    sections |= {
        d.entity_id: uuid.UUID(d.value)
        for d in drafts
        if d.field == "section" and d.value and sections.get(d.entity_id) is None
    }
    return {each: section for each, section in sections.items() if section}


def _sections_of_waiting(judged: Sequence[Judged]) -> dict[uuid.UUID, uuid.UUID]:
    """Return the section of each enrolment: the one that stands, or that is approved with it."""
    sections = {j.entity_id: j.refers_to for j in judged if j.field == "section" and j.refers_to}
    sections |= dict(
        Enrollment.objects.filter(pk__in={j.entity_id for j in judged}).values_list(
            "pk", "section_id"
        )
    )
    return sections


def _classes(ids: set[uuid.UUID], by: Membership | None) -> dict[uuid.UUID, _Class]:
    """Return what these sections say about marks; with ``by``, as that author sees them."""
    sections = Section.objects.filter(pk__in=ids)
    found = {s.pk: (s.scale_id, s.instructor_id, s.term_id) for s in sections}
    if by is not None:
        for each, record in overlay.see("section", ids - found.keys(), by=by).items():
            found[each] = tuple(record.reference(f) for f in ("scale", "instructor", "term"))
    known_scales = scales(scale for scale, _, _ in found.values() if scale)
    terms = Term.objects.in_bulk({term for _, _, term in found.values() if term})
    return {
        each: _Class(known_scales.get(scale), instructor, terms.get(term))
        for each, (scale, instructor, term) in found.items()
    }

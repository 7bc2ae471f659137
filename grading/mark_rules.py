"""The rules of an enrolment: marks by the scale and the term's window, comments by the policy,
and a second person where a mark stands."""

import dataclasses
import datetime as dt
import uuid
import zoneinfo
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.urls import reverse

from accounts.models import Membership, School
from changes import overlay
from changes.deciding import Act
from changes.erasure import ERASED
from changes.flags import Flag
from changes.groups import Beside, Group
from changes.judgement import Judged, Why
from changes.models import Change, Decision
from changes.projector import Move
from changes.propose import Draft
from changes.registry import EXISTS, Effect, Invalid, Rules, Told

from . import (
    correction_states,
    corrections,
    extensions,
    moved_marks,
    review_sheet,
    unusual_marks,
    waitlisting,
)
from .access import is_restricted
from .characters import characters
from .models import Enrollment, GradeCorrection, Section, Term
from .scales import Scale, scales

TYPED = ("grade", "comment")


@dataclasses.dataclass(frozen=True)
class _Class:
    """What a section says about marks: its scale, its term's window, its instructor, and until
    when the office has extended the window for it. ``outside``: what was said of instants."""

    scale: Scale | None
    instructor_id: uuid.UUID | None
    term: Term | None
    extended_until: dt.date | None
    outside: dict[dt.datetime, str | None] = dataclasses.field(default_factory=dict)


class MarkRules(Rules):
    """Rules of the entity type ``enrollment``."""

    def clean(
        self, drafts: Sequence[Draft], *, by: Membership, at: dt.datetime, among: Sequence[Draft]
    ) -> None:
        sections = _sections_as_seen(drafts)
        classes = _classes({each for some in sections.values() for each in some}, among, by=by)
        for draft in drafts:
            involved = [classes[each] for each in sections[draft.entity_id] if each in classes]
            if is_restricted(by) and any(its.instructor_id != by.user_id for its in involved):
                draft.refuse(NOT_YOUR_CLASS)
            elif draft.field in TYPED:
                _clean_typed(draft, involved[-1] if involved else None, by=by, at=at)

    def need_two_people(self, drafts: Sequence[Draft]) -> None:
        for draft in drafts:
            if not draft.one_person and corrections.takes_mark_along(draft):
                draft.two_people = True
        graded = [draft for draft in drafts if draft.field == "grade" and _may_stand(draft)]
        if not graded:
            return
        standing = corrections.standing({draft.entity_id for draft in graded})
        for draft in graded:
            if draft.value == standing.get(draft.entity_id, draft.value):
                continue
            current = standing[draft.entity_id]
            draft.two_people = True
            if not draft.reason.strip():
                draft.refuse(
                    f"The mark {current or '(cleared)'} stands already. Say why it changes: "
                    "another person approves the correction."
                )

    def proposed(self, drafts: Sequence[Draft], *, by: Membership, at: dt.datetime) -> None:
        if correcting := [d for d in drafts if d.two_people and d.field in (EXISTS, "grade")]:
            corrections.submit(correcting, by=by, at=at)

    def reopened(self, copies: Sequence[Change]) -> None:
        corrections.submit_again(copies)

    def guard(self, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        return set(corrections.standing(ids))

    def unusual(self, sent: Mapping[uuid.UUID, int]) -> Iterable[tuple[int, str]]:
        return unusual_marks.unusual(sent)

    def judge(self, judged: Sequence[Judged], *, among: Sequence[Judged]) -> None:
        standing, moving = _standing_sections(judged), _moves(judged)
        sections = {*standing.values(), *(m.refers_to for m in moving.values() if m.refers_to)}
        classes = _classes(sections, [j for j in among if j.passes])
        moves = {k: move for k, move in moving.items() if move.refers_to != standing.get(k)}
        _judge_moves(moves, judged, classes)
        section_of = standing | (_sections_moved_to(judged) if moving else {})
        for each in judged:
            if each.field in TYPED and (its := classes.get(section_of.get(each.entity_id))):
                _judge_typed(each, its)
        corrections.judge(judged, among=among)

    def reasons(self, change_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, str]:
        return corrections.reasons(change_ids)

    def effects(
        self, changes: Sequence[Change], decisions: Mapping[uuid.UUID, Collection[uuid.UUID]]
    ) -> Mapping[uuid.UUID, Sequence[Effect]]:
        return {
            change_id: [_effect(row) for row in rows]
            for change_id, rows in corrections.of_changes(changes, decisions).items()
        }

    def left_behind(self, decision: Decision) -> Iterable[str]:
        count = moved_marks.count(decision)
        if count:
            yield f"{count} grade correction{'s' if count > 1 else ''}"

    def told_of(self, decision: Decision) -> Iterable[Told]:
        return moved_marks.told_of(decision)

    def remark(self, judged: Sequence[Judged]) -> Iterable[tuple[uuid.UUID, Flag, str]]:
        section_of = _sections_of_waiting(judged)
        classes = _classes(set(section_of.values()), judged)
        for each in judged:
            its = classes.get(section_of.get(each.entity_id))
            if its is None or each.author_is_office:
                continue
            if its.instructor_id != each.author_id:
                yield each.id, Flag.AUTHOR, "Its author does not teach this class (any more)."
            if each.field in TYPED and (closed := _outside_its_window(each, its)):
                yield each.id, Flag.WINDOW, closed
        yield from review_sheet.far(judged)
        yield from review_sheet.averages(judged)
        yield from waitlisting.full(judged, section_of)

    def group(self, judged: Sequence[Judged]) -> Mapping[uuid.UUID, Group]:
        return review_sheet.groups(judged)

    def beside(self, judged: Sequence[Judged]) -> Beside:
        return review_sheet.beside(judged)

    def sought_by(self, judged: Sequence[Judged]) -> Mapping[uuid.UUID, str]:
        return review_sheet.numbers(judged)

    def decided(self, act: Act, judged: Sequence[Judged], *, approved: bool) -> None:
        corrections.decide(act, judged, approved=approved)

    def bring_along(self, act: Act, moves: Sequence[Move]) -> Sequence[Draft]:
        return waitlisting.beyond_capacity(act, moves)

    def moved(self, act: Act, moves: Sequence[Move]) -> None:
        waitlisting.tell(act, moves)
        corrections.write_moved(act, [m for m in moves if m.field == "grade"])

    def foretell(self, moves: Mapping[str, int]) -> Iterable[str]:
        if count := moves.get("grade", 0):
            yield f"{count} grade correction{'s' if count > 1 else ''} will be written"

    def erase(self, ids: Collection[uuid.UUID]) -> None:
        GradeCorrection.objects.filter(enrollment_id__among=ids).update(
            old_grade=None, new_grade=None, reason=ERASED
        )


NOT_YOUR_CLASS = "In this school teachers change their own classes only. Ask the office."


def _effect(row: GradeCorrection) -> Effect:
    grades = " → ".join(grade or "none" for grade in (row.old_grade, row.new_grade))
    kind = "" if row.kind == GradeCorrection.Kind.CORRECTION else f" by {row.get_kind_display()}"
    words = f"grade correction{kind}, {grades}, {correction_states.in_words(row)}"
    return Effect(words, reverse("admin:grading_gradecorrection_change", args=[row.pk]))


def closed_because(
    term: Term | None, school: School, at: dt.datetime, *, extended_until: dt.date | None = None
) -> str | None:
    """Return why marks cannot be entered at an instant, in words for a teacher, or None.

    The window's days are the school's. A term without a window is open. ``extended_until``: the
    office lets marks of the class be entered until then, if that is later.
    """
    if term is None or not (term.marks_open_on or term.marks_close_on):
        return None
    today = at.astimezone(zoneinfo.ZoneInfo(school.time_zone)).date()
    if term.marks_open_on and today < term.marks_open_on:
        return f"Marks for {term.name} open on {term.marks_open_on:%d %B %Y}."
    closes_on = extensions.closing(term, extended_until)
    if closes_on and today > closes_on:
        return (
            f"Marks for {term.name} closed on {closes_on:%d %B %Y}. "
            "Ask the office to enter the mark, or to extend the time."
        )
    return None


def _clean_typed(draft: Draft, its: _Class | None, *, by: Membership, at: dt.datetime) -> None:
    if its is None:
        draft.refuse("This class is not there (any more). Reload the page.")
        return
    closed = closed_because(its.term, by.school, at, extended_until=its.extended_until)
    if closed and not by.is_office:
        draft.refuse(closed)
    elif draft.field == "grade":
        _read(draft, its.scale)
    elif draft.value and (count := characters(draft.value)) > by.school.comment_length:
        draft.refuse(
            f"This comment has {count:,} characters; the school’s limit is "
            f"{by.school.comment_length:,}. Shorten it: nothing of it was cut."
        )


def _judge_typed(each: Judged, its: _Class) -> None:
    """Refuse what the scale no longer takes, or what the term's window leaves out by now."""
    if each.field == "grade" and (because := _no_mark(each.value, its.scale)):
        each.refuse(
            Why.INVALID,
            f"{because} Decline it, and have another mark typed; or, if the pupil’s move to "
            "another class waits, approve both together.",
        )
    if each.insisted or each.author_is_office:
        return
    if closed := _outside_its_window(each, its):
        each.refuse(Why.INVALID, closed)


def _outside_its_window(each: Judged, its: _Class) -> str | None:
    if each.received_at not in its.outside:  # most of a class came in one save
        its.outside[each.received_at] = outside_window(
            each, its.term, extended_until=its.extended_until
        )
    return its.outside[each.received_at]


def outside_window(
    each: Judged, term: Term | None, *, extended_until: dt.date | None = None
) -> str | None:
    """Say that a change was sent outside the marks window as it is now, or return None."""
    if each.school is None:
        return None
    closed = closed_because(term, each.school, each.received_at, extended_until=extended_until)
    return f"It was sent outside the term’s window as it is now. {closed}" if closed else None


def _judge_moves(
    moves: Mapping[uuid.UUID, Judged],
    judged: Sequence[Judged],
    classes: Mapping[uuid.UUID | None, _Class],
) -> None:
    """Refuse to move a pupil with a mark that the other class’s scale does not have: it would
    stand there, on the transcript too, and nobody would have entered it. Nothing is cleared or
    read anew in silence. The mark is the one that is approved with the move, else the one that
    stands (also of an enrolment that is hidden, which the move brings back)."""
    if not moves:
        return
    stands = corrections.standing(moves.keys())
    typed = {
        j.entity_id: j.value
        for j in judged
        if j.field == "grade" and j.passes and j.entity_id in moves
    }
    for entity_id, move in moves.items():
        its = classes.get(move.refers_to or entity_id)
        if its is None or (entity_id in typed and not _no_mark(typed[entity_id], its.scale)):
            continue
        if because := _no_mark(stands.get(entity_id), its.scale):
            move.refuse(
                Why.INVALID,
                f"The pupil would take along a mark that the other class cannot have: {because} "
                "Let who proposed the move type another mark on the other class’s sheet, and "
                "approve both together; or clear the mark first.",
            )


def _no_mark(mark: str | None, scale: Scale | None) -> str | None:
    """Return why a mark is none of a scale, as a sentence, or None."""
    if mark is None:
        return None
    if scale is None:
        return f"{mark} is no mark of a class without a grading scale."
    if scale.has(mark):
        return None
    return f"{mark} is no mark of the scale “{scale.name}”, which takes {scale.describe()}."


def _may_stand(draft: Draft) -> bool:
    """Return whether a grade may stand on the enrolment: not where its author sees it and no
    effective change of the cell. So first grades ask nothing more of the database."""
    return draft.record is None or draft.record.cell("grade").head is not None


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


def _sections_as_seen(drafts: Sequence[Draft]) -> dict[uuid.UUID, list[uuid.UUID]]:
    """Return the sections that each enrolment is about: the one that its author sees, and after
    it the one that they are just choosing."""
    sections: dict[uuid.UUID, list[uuid.UUID]] = {}
    for draft in drafts:
        section = draft.record.reference("section") if draft.record else None
        sections[draft.entity_id] = [section] if section else []
    for draft in drafts:
        if draft.field == "section" and draft.value:
            sections[draft.entity_id].append(uuid.UUID(draft.value))
    return sections


def _sections_of_waiting(judged: Sequence[Judged]) -> dict[uuid.UUID, uuid.UUID]:
    """Return the section of each enrolment: the one approved with it, or the one that stands."""
    return _standing_sections(judged) | _sections_moved_to(judged)


def _standing_sections(judged: Sequence[Judged]) -> dict[uuid.UUID, uuid.UUID]:
    standing = Enrollment.objects.filter(pk__among={j.entity_id for j in judged})
    return dict(standing.values_list("pk", "section_id"))


def _sections_moved_to(judged: Sequence[Judged]) -> dict[uuid.UUID, uuid.UUID]:
    return {each: move.refers_to for each, move in _moves(judged).items() if move.refers_to}


def _moves(judged: Sequence[Judged]) -> dict[uuid.UUID, Judged]:
    """Return the change, by enrolment, that puts it into a section: also into its first."""
    return {j.entity_id: j for j in judged if j.field == "section" and j.refers_to and j.passes}


_SAID = ("scale", "instructor", "term")


def _classes(
    ids: set[uuid.UUID], among: Sequence[Draft] | Sequence[Judged], *, by: Membership | None = None
) -> dict[uuid.UUID | None, _Class]:
    """Return what these sections say about marks, with what is changed of them ``among`` the
    same save or decision; with ``by``, those too that only that author sees."""
    stand = Section.objects.filter(pk__in=ids).values_list("pk", *(f"{name}_id" for name in _SAID))
    said: dict[uuid.UUID, dict[str, uuid.UUID | None]] = {
        section: dict(zip(_SAID, refers, strict=True)) for section, *refers in stand
    }
    if by is not None:
        for each, record in overlay.see("section", ids - said.keys(), by=by).items():
            said[each] = {name: record.reference(name) for name in _SAID}
    for cell in among:
        if cell.entity_type == "section" and cell.entity_id in ids and cell.field in _SAID:
            its = said.setdefault(cell.entity_id, dict.fromkeys(_SAID))
            its[cell.field] = uuid.UUID(cell.value) if cell.value else None
    known_scales = scales(its["scale"] for its in said.values() if its["scale"])
    terms = Term.objects.in_bulk({its["term"] for its in said.values() if its["term"]})
    closing = {each.pk for each in terms.values() if each.marks_close_on}
    extended = extensions.until_of_classes(
        [
            extensions.Taught(each, its["term"], its["instructor"])
            for each, its in said.items()
            if its["term"] in closing
        ]
    )
    return {
        each: _Class(
            known_scales.get(its["scale"]) if its["scale"] else None,
            its["instructor"],
            terms.get(its["term"]) if its["term"] else None,
            extended.get(each),
        )
        for each, its in said.items()
    }

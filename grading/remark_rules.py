"""The rules of a remark on a pupil's term: whose pupil it is, how long it is, and until when."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from accounts.models import Membership
from changes import overlay
from changes.flags import Flag
from changes.groups import Group
from changes.judgement import Judged, Why
from changes.models import Change
from changes.propose import Draft
from changes.registry import Rules
from students.models import Student

from . import review_sheet
from .access import is_restricted
from .characters import characters
from .mark_rules import closed_because, outside_window
from .models import Enrollment, Remark, Term
from .pupil_rules import NOT_YOUR_PUPIL


class RemarkRules(Rules):
    """Rules of the entity type ``remark``. The first one on a pupil's term is a new record, and as
    ordinary as a first mark."""

    flags_new = False

    def clean(
        self, drafts: Sequence[Draft], *, by: Membership, at: dt.datetime, among: Sequence[Draft]
    ) -> None:
        places = _places(drafts, by)
        terms = _terms(places)
        own = _own_pupils(places, by)
        for draft in drafts:
            its = places.get(draft.entity_id, {})
            term = terms.get(its.get("term"))
            if own is not None and its.get("student") not in own:
                draft.refuse(NOT_YOUR_PUPIL)
            elif not by.is_office and (closed := closed_because(term, by.school, at)):
                draft.refuse(closed)
            elif draft.field == "text" and draft.value:
                _check_length(draft, by.school.comment_length)
        # Without its text a new remark would be a blank one.
        unsaid = {each.entity_id: each for each in among if each.field == "text" and each.refused}
        for draft in drafts:
            if draft.creates and draft.entity_id in unsaid:
                draft.refuse(unsaid[draft.entity_id].refused or "")

    def judge(self, judged: Sequence[Judged], *, among: Sequence[Judged]) -> None:
        places = _places_of_waiting(judged)
        terms = _terms(places)
        refused: dict[tuple[uuid.UUID, uuid.UUID], str] = {}
        for each in judged:
            if each.field != "text" or each.insisted or each.author_is_office:
                continue
            if closed := outside_window(each, terms.get(places[each.entity_id].get("term"))):
                each.refuse(Why.INVALID, closed)
                refused[each.entity_id, each.author_id] = closed
        # Without its text a new remark would be a blank one.
        created = {each.entity_id for each in judged if each.creates}
        for each in judged:
            if each.entity_id in created and (each.entity_id, each.author_id) in refused:
                each.refuse(Why.INVALID, refused[each.entity_id, each.author_id])

    def remark(self, judged: Sequence[Judged]) -> Iterable[tuple[uuid.UUID, Flag, str]]:
        places = _places_of_waiting(judged)
        terms = _terms(places)
        for each in judged:
            if each.author_is_office or each.field != "text":
                continue
            if closed := outside_window(each, terms.get(places[each.entity_id].get("term"))):
                yield each.id, Flag.WINDOW, closed

    def group(self, judged: Sequence[Judged]) -> Mapping[uuid.UUID, Group]:
        return dict.fromkeys((each.id for each in judged), Group("remark", "Remarks on terms"))

    def sought_by(self, judged: Sequence[Judged]) -> Mapping[uuid.UUID, str]:
        pupil_of = {
            each: its["student"]
            for each, its in _places_of_waiting(judged).items()
            if "student" in its
        }
        known = review_sheet.numbers_of(set(pupil_of.values()))
        return {each: known[pupil] for each, pupil in pupil_of.items() if pupil in known}


def _check_length(draft: Draft, longest: int) -> None:
    if (count := characters(draft.value or "")) > longest:
        draft.refuse(
            f"This remark has {count:,} characters; the school’s limit is {longest:,}. "
            "Shorten it: nothing of it was cut."
        )


def _own_pupils(
    places: Mapping[uuid.UUID, Mapping[str, uuid.UUID]], by: Membership
) -> set[uuid.UUID] | None:
    """Return which of the pupils the author teaches, or None where that does not matter."""
    if not is_restricted(by):
        return None
    pupils = {its["student"] for its in places.values() if its.get("student")}
    taught = Student.objects.filter(
        pk__in=pupils,
        enrollments__status=Enrollment.Status.ENROLLED,
        enrollments__section__instructor_id=by.user_id,
    ).values_list("pk", flat=True)
    return set(taught)


def _terms(places: Mapping[uuid.UUID, Mapping[str, uuid.UUID]]) -> dict[uuid.UUID | None, Term]:
    found = Term.objects.in_bulk({its["term"] for its in places.values() if its.get("term")})
    return {**found}


def _places_of_waiting(judged: Sequence[Judged]) -> dict[uuid.UUID, dict[str, uuid.UUID]]:
    """Return the pupil and the term of each remark: those that stand, or those proposed."""
    ids = {each.entity_id for each in judged}
    places: dict[uuid.UUID, dict[str, uuid.UUID]] = defaultdict(dict)
    standing = Remark.objects.filter(pk__among=ids).values_list("pk", "student_id", "term_id")
    for pk, student, term in standing:
        places[pk] = {"student": student, "term": term}
    proposed = Change.objects.filter(
        entity_id__among=ids - places.keys(), field__in=("student", "term"), refers_to__isnull=False
    ).order_by("id")
    for pk, field, value in proposed.values_list("entity_id", "field", "refers_to"):
        if value:
            places[pk][field] = value
    return places


def _places(drafts: Sequence[Draft], by: Membership) -> dict[uuid.UUID, dict[str, uuid.UUID]]:
    """Return the pupil and the term of each remark, as its author sees them, with what they are
    just choosing."""
    found: dict[uuid.UUID, dict[str, uuid.UUID]] = {}
    for each, record in overlay.see("remark", {d.entity_id for d in drafts}, by=by).items():
        named = ((name, record.reference(name)) for name in ("student", "term"))
        found[each] = {name: value for name, value in named if value}
    for draft in drafts:
        if draft.field in ("student", "term") and draft.value:
            found.setdefault(draft.entity_id, {})[draft.field] = uuid.UUID(draft.value)
    return found

"""The rules of a remark on a pupil's term: whose pupil it is, how long it is, and until when."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence

from accounts.models import Membership
from changes import overlay
from changes.groups import Group
from changes.judgement import Judged
from changes.propose import Draft
from changes.registry import Rules
from students.models import Student

from .access import is_restricted
from .characters import characters
from .mark_rules import closed_because
from .models import Term
from .pupil_rules import NOT_YOUR_PUPIL


class RemarkRules(Rules):
    """Rules of the entity type ``remark``."""

    def clean(
        self, drafts: Sequence[Draft], *, by: Membership, at: dt.datetime, among: Sequence[Draft]
    ) -> None:
        places = _places(drafts, by)
        terms = Term.objects.in_bulk({its["term"] for its in places.values() if its.get("term")})
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

    def group(self, judged: Sequence[Judged]) -> Mapping[uuid.UUID, Group]:
        return dict.fromkeys((each.id for each in judged), Group("remark", "Remarks on terms"))


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
        pk__in=pupils, enrollments__section__instructor_id=by.user_id
    ).values_list("pk", flat=True)
    return set(taught)


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

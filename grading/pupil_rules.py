"""The rules of a pupil that only classes know: whose pupil it is, and whose twin it may be."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from rapidfuzz import fuzz, process

from accounts.models import Membership
from accounts.plain import plain
from changes.flags import Flag
from changes.groups import Group
from changes.judgement import Judged
from changes.models import Change
from changes.propose import Draft
from changes.registry import Rules
from students.models import Student

from . import duplicates, issuing, not_the_same, review_sheet, unusual_addresses
from .access import is_restricted, refuse_those_of
from .duplicates import ALIKE, MOST_LIKENESSES

NOT_YOUR_PUPIL = "In this school teachers change their own pupils only. Ask the office."


class PupilRules(Rules):
    """Rules of the entity type ``student``."""

    def clean(
        self, drafts: Sequence[Draft], *, by: Membership, at: dt.datetime, among: Sequence[Draft]
    ) -> None:
        if is_restricted(by):
            # A pupil who is missing may be added, and corrected until approved.
            others = Student.objects.exclude(enrollments__section__instructor_id=by.user_id)
            refuse_those_of(drafts, others, NOT_YOUR_PUPIL)

    def group(self, judged: Sequence[Judged]) -> Mapping[uuid.UUID, Group]:
        return dict.fromkeys(
            (each.id for each in judged), Group("student", "New and changed pupils")
        )

    def sought_by(self, judged: Sequence[Judged]) -> Mapping[uuid.UUID, str]:
        return review_sheet.numbers_of({each.entity_id for each in judged})

    def erase(self, ids: Collection[uuid.UUID]) -> None:
        issuing.erase(ids)

    def unusual(self, sent: Mapping[uuid.UUID, int]) -> Iterable[tuple[int, str]]:
        return unusual_addresses.unusual(sent)

    def alike(self, details: Mapping[str, str]) -> Iterable[tuple[uuid.UUID, str]]:
        return duplicates.like(details)

    def remark(self, judged: Sequence[Judged]) -> Iterable[tuple[uuid.UUID, Flag, str]]:
        new = {each.entity_id: each for each in judged if each.creates}
        if not new:
            return
        known = _names_of_waiting() | {
            pk: (family, given)
            for pk, family, given in Student.objects.values_list("pk", "family_name", "given_names")
        }
        told = {pk: ", ".join(filter(None, name)) for pk, name in known.items()}
        compared = {pk: plain(name) for pk, name in told.items() if name}
        called: dict[str, list[uuid.UUID]] = defaultdict(list)
        for pk, name in compared.items():
            called[name].append(pk)
        likely: list[tuple[Judged, list[uuid.UUID]]] = []
        for entity_id, each in new.items():
            if entity_id not in compared:
                continue
            name = compared[entity_id]
            if len(new) > MOST_LIKENESSES:
                same = [pk for pk in called[name] if pk != entity_id]
            else:
                alike = process.extract(
                    name, compared, scorer=fuzz.ratio, score_cutoff=ALIKE, limit=5
                )
                same = [pk for _, _, pk in alike if pk != entity_id]
            likely.append((each, same))
        pairs = (frozenset((each.entity_id, pk)) for each, same in likely for pk in same)
        noted = not_the_same.notes(pairs)
        for each, same in likely:
            others = [pk for pk in same if frozenset((each.entity_id, pk)) not in noted]
            if others:
                who = "; ".join(told[pk] for pk in others[:3])
                yield each.id, Flag.TWIN, f"There is a pupil of nearly this name: {who}."


def _names_of_waiting() -> dict[uuid.UUID, tuple[str, str]]:
    """Return the names of pupils who are proposed, or of whom another name is."""
    cells: dict[uuid.UUID, dict[str, str]] = defaultdict(dict)
    rows = Change.objects.filter(
        entity_type="student", field__in=("family_name", "given_names"), value__isnull=False
    ).open()
    for entity_id, field, value in rows.order_by("id").values_list("entity_id", "field", "value"):
        cells[entity_id][field] = value or ""
    return {
        each: (names.get("family_name", ""), names.get("given_names", ""))
        for each, names in cells.items()
    }

"""Writing what a roster changes into the ledger, and finding the line of what it does not take.

Call everything here inside the school.
"""

from collections.abc import Sequence

from accounts.origin import Origin
from changes.deciding import CannotProject
from changes.judgement import Judged, Why
from changes.models import ChangeSet, Decision
from changes.propose import Draft, NothingSaved
from changes.registry import EXISTS
from changes.review import Entered, NotApproved, enter_directly
from grading.oneroster.compare import Difference
from grading.oneroster.problems import Problems
from grading.oneroster.schools import Target


def write(
    difference: Difference, target: Target, *, origin: Origin, reason: str, problems: Problems
) -> list[Entered]:
    """Enter the drafts as one change set, approved at once but for marks that stand already.

    Where the scale of a class that is here already changes, that comes first, a change set of its
    own: marks are judged by the scale that stands. What the ledger refuses is noted in `problems`;
    the caller then undoes all of it.
    """
    entered = []
    for drafts in _in_turn(difference):
        try:
            entered.append(
                enter_directly(
                    drafts,
                    school=target.school,
                    by=target.member,
                    origin=origin,
                    source=ChangeSet.Source.IMPORT,
                    kind=Decision.Kind.IMPORT,
                    reason=reason,
                    whole=True,
                )
            )
        except NothingSaved as nothing:
            for draft in nothing.drafts:
                place = difference.places[draft.entity_id, draft.field]
                problems.add_reason(*place, draft.refused or "")
        except NotApproved as nothing:
            for judged in _causes(nothing.refused):
                place = difference.places[judged.entity_id, judged.field]
                problems.add_reason(*place, judged.refusal.message if judged.refusal else "")
        except CannotProject as error:
            problems.add_reason(target.school.name, 0, "", str(error))
    return entered


def _in_turn(difference: Difference) -> list[list[Draft]]:
    created = {draft.entity_id for draft in difference.drafts if draft.field == EXISTS}
    first: list[Draft] = []
    rest: list[Draft] = []
    for draft in difference.drafts:
        is_scale = (draft.entity_type, draft.field) == ("section", "scale")
        (first if is_scale and draft.entity_id not in created else rest).append(draft)
    return [drafts for drafts in (first, rest) if drafts]


def _causes(refused: Sequence[Judged]) -> list[Judged]:
    """Leave out what is refused only because a cell of its record, or the record, is."""
    causes = [j for j in refused if j.refusal and j.refusal.why is not Why.PREREQUISITE]
    cells = {j.entity_id for j in causes if j.field != EXISTS}
    return [j for j in causes if j.field != EXISTS or j.entity_id not in cells] or list(refused)

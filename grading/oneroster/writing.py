"""Writing what a roster changes into the ledger, and finding the line of what it does not take.

Call everything here inside the school.
"""

from collections.abc import Sequence

from accounts.origin import Origin
from changes.deciding import CannotProject
from changes.judgement import Judged, Why
from changes.models import ChangeSet, Decision
from changes.propose import NothingSaved
from changes.registry import EXISTS
from changes.review import Entered, NotApproved, enter_directly
from grading.oneroster.compare import Difference
from grading.oneroster.problems import Problems
from grading.oneroster.schools import Target


def write(
    difference: Difference, target: Target, *, origin: Origin, reason: str, problems: Problems
) -> Entered | None:
    """Enter the drafts as one change set, approved at once but for marks that stand already.

    What the ledger refuses is noted in `problems`, and None returned; the caller then undoes all
    that this import has written.
    """
    try:
        return enter_directly(
            difference.drafts,
            school=target.school,
            by=target.member,
            origin=origin,
            source=ChangeSet.Source.IMPORT,
            kind=Decision.Kind.IMPORT,
            reason=reason,
            whole=True,
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
    return None


def _causes(refused: Sequence[Judged]) -> list[Judged]:
    """Leave out what is refused only because a cell of its record, or the record, is."""
    causes = [j for j in refused if j.refusal and j.refusal.why is not Why.PREREQUISITE]
    cells = {j.entity_id for j in causes if j.field != EXISTS}
    return [j for j in causes if j.field != EXISTS or j.entity_id not in cells] or list(refused)

"""Writing what a roster changes into the ledger, and finding the line of what it does not take.

Call everything here inside the school.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from accounts.origin import Origin
from changes.deciding import CannotProject
from changes.delivering import Part, delivering
from changes.judgement import Judged, Why
from changes.propose import NothingSaved
from changes.registry import EXISTS
from changes.review import NotApproved
from grading.oneroster.compare import Difference
from grading.oneroster.imported import Cell
from grading.oneroster.problems import Problems
from grading.oneroster.schools import Target
from grading.oneroster.wanted import Place


def write(
    differences: Iterable[Difference],
    target: Target,
    *,
    origin: Origin,
    reason: str,
    problems: Problems,
    written: Callable[[Difference, Part], None],
    places_of: Callable[[Iterable[Cell]], Mapping[Cell, Place]],
) -> None:
    """Enter the drafts as one change set, approved at once but for marks that stand already.

    What the ledger refuses is noted in `problems`; the caller then undoes all that this import has
    written.

    Args:
        written: is told of each part.
        places_of: says where in the delivery cells come from, of a part that is forgotten by now.
    """
    try:
        with delivering(
            school=target.school, by=target.member, origin=origin, reason=reason
        ) as delivery:
            for difference in differences:
                written(difference, delivery.enter(difference.drafts))
    except NothingSaved as nothing:
        places = places_of((draft.entity_id, draft.field) for draft in nothing.drafts)
        for draft in nothing.drafts:
            problems.add_reason(*places[draft.entity_id, draft.field], draft.refused or "")
    except NotApproved as nothing:
        causes = _causes(nothing.refused)
        places = places_of((judged.entity_id, judged.field) for judged in causes)
        for judged in causes:
            place = places[judged.entity_id, judged.field]
            problems.add_reason(*place, judged.refusal.message if judged.refusal else "")
    except CannotProject as error:
        problems.add_reason(target.school.name, 0, "", str(error))


def _causes(refused: Sequence[Judged]) -> list[Judged]:
    """Leave out what is refused only because a cell of its record, or the record, is."""
    causes = [j for j in refused if j.refusal and j.refusal.why is not Why.PREREQUISITE]
    cells = {j.entity_id for j in causes if j.field != EXISTS}
    return [j for j in causes if j.field != EXISTS or j.entity_id not in cells] or list(refused)

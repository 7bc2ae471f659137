"""Which line item of a class holds its grade.

OneRoster's gradebook holds every quiz. Only one number per pupil and class is the grade of the
term, and taking a quiz for it is worse than taking nothing: a missing grade is seen, a wrong one is
printed.
"""

from collections import defaultdict

from grading.oneroster.roster import Roster
from grading.oneroster.rows import LineItem

FINAL_TITLES = frozenset({"final", "final grade", "final mark", "final result", "final score"})


def final_line_items(roster: Roster) -> dict[str, LineItem]:
    """The grade's line item by the sourcedId of its class; where that is in doubt, there is none.

    It is the one titled "Final Grade" or the like, else the one in a category of that title, else,
    in a delivery with at most one line item in any class, that one. Where several qualify, the one
    of the class's own term counts.
    """
    by_class: dict[str, list[LineItem]] = defaultdict(list)
    for item in roster.line_items.values():
        by_class[item.class_].append(item)
    one_each = all(len(items) == 1 for items in by_class.values())
    finals = {}
    for sourced_id, items in by_class.items():
        found = [item for item in items if _is_final(item.title)]
        if not found:
            found = [item for item in items if _is_final(_category(roster, item))]
        if not found and one_each:
            found = items
        if len(found) > 1:
            term = roster.term_of(roster.classes[sourced_id]).sourced_id
            found = [item for item in found if item.grading_period == term]
        if len(found) == 1:
            finals[sourced_id] = found[0]
    return finals


def _category(roster: Roster, item: LineItem) -> str:
    category = roster.categories.get(item.category)
    return category.title if category else ""


def _is_final(title: str) -> bool:
    return title.strip().lower() in FINAL_TITLES

"""A sound roster: every row by its sourcedId, every reference good."""

from collections.abc import Mapping
from dataclasses import dataclass

from grading.oneroster import rows
from grading.oneroster.completing import Gone


@dataclass(frozen=True, slots=True)
class Roster:
    """All that was delivered, in the order of the files. Mappings are from sourcedId to row.

    partial: it lists changes. What it does not name is in the mappings too, with line 0, as the
    school holds it; `gone` is what it says to delete, and `unknown` counts what of that was not
    there.
    """

    orgs: Mapping[str, rows.Org]
    sessions: Mapping[str, rows.Session]
    courses: Mapping[str, rows.Course]
    classes: Mapping[str, rows.Class]
    users: Mapping[str, rows.User]
    enrollments: Mapping[str, rows.Enrollment]
    categories: Mapping[str, rows.Category]
    line_items: Mapping[str, rows.LineItem]
    results: Mapping[str, rows.Result]
    demographics: Mapping[str, rows.Demographic]
    partial: bool = False
    gone: tuple[Gone, ...] = ()
    unknown: int = 0

    @property
    def schools(self) -> list[rows.Org]:
        """Organisations of type school. Districts and the like have no pupils of their own."""
        return [org for org in self.orgs.values() if org.type == "school"]

    def term_of(self, class_: rows.Class) -> rows.Session:
        """The session that a class's grades belong to: the first of type term, else the first.

        A class that runs all year may name a year and two semesters; its grades go into one.
        """
        sessions = [self.sessions[sourced_id] for sourced_id in class_.terms]
        return next((s for s in sessions if s.type == "term"), sessions[0])

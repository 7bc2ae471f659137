"""How far the classes of a term are, as the office sees it. Call inside a school.

A class is in one of these states, the first that fits:

* no pupils: nobody is enrolled, and nobody has been proposed;
* decided: nothing of its pupils awaits approval, and it was handed in or every pupil has a mark;
* handed in: somebody handed it in, and something of it still awaits approval;
* typing: not handed in, and at least one mark is entered, be it that it awaits approval;
* not begun: not handed in, and no mark is entered.

A mark is entered when it stands or when anybody's waits: the office sees what waits of everybody.
What is held of an account that is frozen does not wait.
What is made of this must reach no teacher, who knows of their own waiting changes only.
"""

import dataclasses
import datetime as dt
import enum
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery, UUIDField
from django.db.models.functions import Coalesce

from accounts.models import Membership
from changes import groups
from changes.models import Change
from changes.registry import EXISTS, TRUE

from . import class_list, extensions, hand_in
from .models import Enrollment, HandIn, Section, Term


class State(enum.StrEnum):
    """How far a class is. ``label`` is what it is called, ``meaning`` when it is so."""

    label: str
    meaning: str

    NOT_BEGUN = "not-begun", "not begun", "no mark is entered"
    TYPING = "typing", "typing", "marks are entered, and it is not handed in"
    HANDED_IN = "handed-in", "handed in", "handed in, and something of it awaits approval"
    DECIDED = (
        "decided",
        "decided",
        "nothing of it awaits approval, and it was handed in or every pupil has a mark",
    )
    EMPTY = "empty", "no pupils", "nobody is enrolled or proposed"

    def __new__(cls, value: str, label: str, meaning: str) -> "State":
        state = str.__new__(cls, value)
        state._value_ = value
        state.label, state.meaning = label, meaning
        return state


LATE_STATES = (State.NOT_BEGUN, State.TYPING)
"""The states of a class that somebody still has to hand in."""


@dataclasses.dataclass
class Progress:
    """A class and how far it is.

    ``pupils``: enrolled, or proposed by anybody; ``entered``: those whose mark stands or waits;
    ``standing``: those whose mark stands; ``waiting``: changes of its pupils that await approval.
    """

    section: Section
    pupils: int = 0
    entered: int = 0
    standing: int = 0
    waiting: int = 0
    handed_in: HandIn | None = None
    closes_on: dt.date | None = None

    @property
    def state(self) -> State:
        if not self.pupils:
            return State.EMPTY
        if not self.waiting and (self.handed_in or self.standing == self.pupils):
            return State.DECIDED
        if self.handed_in:
            return State.HANDED_IN
        return State.TYPING if self.entered else State.NOT_BEGUN

    @property
    def is_to_hand_in(self) -> bool:
        return self.state in LATE_STATES

    def is_late(self, today: dt.date) -> bool:
        """Return whether its last day has passed and it is still to be handed in."""
        return self.is_to_hand_in and self.closes_on is not None and self.closes_on < today


def of_term(term: Term, *, by: Membership) -> list[Progress]:
    """Return every class of a term and how far it is: six statements, however many classes."""
    sections = list(class_list.sections(by, term, whole_school=True).select_related("term"))
    found = {each.pk: Progress(each) for each in sections}
    for row in _standing(term, by):
        its = found[row["section_id"]]
        its.pupils = row["pupils"]
        its.entered = its.standing = row["marked"]
    for row in _waiting(by):
        if row["its_section"] in found:
            its = found[row["its_section"]]
            its.pupils += row["proposed"]
            its.entered += row["typed"]
            its.waiting = row["waiting"]
    for section_id, handed_in in hand_in.latest(found.keys(), by=by).items():
        found[section_id].handed_in = handed_in
    taught = [extensions.Taught(each.pk, each.term_id, each.instructor_id) for each in sections]
    until = extensions.until_of_classes(taught)
    for section_id, its in found.items():
        its.closes_on = extensions.closing(term, until.get(section_id))
    return list(found.values())


def _standing(term: Term, by: Membership) -> Iterable[Any]:
    enrolled = Enrollment.objects.filter(
        school_id=by.school_id, section__term=term, status=Enrollment.Status.ENROLLED
    )
    return enrolled.values("section_id").annotate(
        pupils=Count("id"), marked=Count("id", filter=Q(grade__isnull=False))
    )


def _waiting(by: Membership) -> Iterable[Any]:
    """What waits, by class: of an enrolment that stands, that in which it stands; of one that is
    proposed, that for which its author proposed it."""
    stands = Enrollment.objects.filter(school_id=by.school_id, pk=OuterRef("entity_id"))
    proposed_for = Change.objects.filter(
        school_id=by.school_id,
        author_id=OuterRef("author_id"),
        entity_id=OuterRef("entity_id"),
        field="section",
    ).order_by("-number")
    is_mark = Q(field="grade", value__isnull=False, standing_mark__isnull=True)
    counts_here = Q(its_status=Enrollment.Status.ENROLLED) | Q(its_status__isnull=True)
    its_section = Coalesce(
        Subquery(stands.values("section_id")),
        Subquery(proposed_for.values("refers_to")[:1]),
        output_field=UUIDField(),
    )
    return (
        groups.not_held(by.school)
        .filter(school_id=by.school_id, entity_type="enrollment")
        .annotate(
            its_section=its_section,
            its_status=Subquery(stands.values("status")),
            standing_mark=Subquery(stands.values("grade")),
        )
        .values("its_section")
        .annotate(
            waiting=Count("id", filter=~groups.came_with_its_record(among=Change.objects.open())),
            typed=Count("entity_id", distinct=True, filter=is_mark & counts_here),
            proposed=Count("entity_id", distinct=True, filter=Q(field=EXISTS, value=TRUE)),
        )
    )

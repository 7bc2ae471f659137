"""How far a pupil is in their programme: what of it is met, under way and missing.

Nothing here reads the database: a programme and a transcript come in. A course is under way while
its pupil is enrolled and has no mark. What is under way counts as if it were passed, and for an
average as if every such mark were the best one of its scale: what is missing then is out of reach
of this term's courses.
"""

import dataclasses
import enum
import uuid
from collections.abc import Iterable, Mapping
from decimal import Decimal

from students.models import Programme

from .gpa import average
from .scales import plain
from .transcript import Course, Transcript


class State(enum.IntEnum):
    """How far a requirement is; the worst of them is how far its pupil is."""

    MET = 0
    UNDER_WAY = 1
    MISSING = 2

    @property
    def label(self) -> str:
        return ("met", "under way", "missing")[self]


@dataclasses.dataclass(frozen=True)
class Requirement:
    """One thing that a programme takes, how much of it, and what is there of it."""

    what: str
    needed: str
    there: str
    state: State

    @property
    def in_words(self) -> str:
        """Say the requirement in one line: "Credits in Languages: 4 of 12"."""
        return f"{self.what}: {self.there} of {self.needed}" if self.needed else self.what


@dataclasses.dataclass(frozen=True)
class Audit:
    """What a programme takes, and how far its pupil is with each of it."""

    requirements: list[Requirement]

    @property
    def state(self) -> State:
        return max((each.state for each in self.requirements), default=State.MET)

    @property
    def missing(self) -> list[Requirement]:
        return [each for each in self.requirements if each.state is State.MISSING]


def audit(programme: Programme, transcript: Transcript, *, names: Mapping[uuid.UUID, str]) -> Audit:
    """Return how far the pupil of a transcript is with a programme.

    Args:
        names: what the courses are called that the programme names.
    """
    under_way = _under_way(transcript)
    found = []
    if programme.credits:
        found.append(_credits("Credits in all", programme.credits, transcript.courses, under_way))
    for area, needed in sorted(programme.areas.items()):
        found.append(
            _credits(
                f"Credits in {area}",
                Decimal(needed),
                [each for each in transcript.courses if is_in(each, area)],
                [each for each in under_way if is_in(each, area)],
            )
        )
    found += [_course(each, names[each], transcript, under_way) for each in programme.courses]
    if programme.least_gpa is not None:
        found.append(_gpa(programme.least_gpa, transcript))
    return Audit(found)


def is_in(course: Course, area: str) -> bool:
    """Return whether a course belongs to a subject area, however it is capitalised."""
    return area_key(course.row.subject_area) == area_key(area)


def area_key(area: str) -> str:
    """Return what two ways to write one subject area have in common."""
    return " ".join(area.split()).casefold()


def _under_way(transcript: Transcript) -> list[Course]:
    """Return the courses without a mark, each once, that are not finished anyway."""
    finished = {each.row.course_id for each in transcript.courses if each.is_finished}
    found = {
        each.row.course_id: each
        for each in transcript.courses
        if each.mark is None and each.row.course_id not in finished
    }
    return list(found.values())


def _credits(
    what: str, needed: Decimal, courses: Iterable[Course], under_way: Iterable[Course]
) -> Requirement:
    there = sum((each.earned for each in courses), Decimal(0))
    coming = sum((each.row.credits for each in under_way), Decimal(0))
    state = (
        State.MET
        if there >= needed
        else State.UNDER_WAY
        if there + coming >= needed
        else State.MISSING
    )
    said = plain(there) if not coming else f"{plain(there)} (and {plain(coming)} under way)"
    return Requirement(what, plain(needed), said, state)


def _course(
    course_id: uuid.UUID, name: str, transcript: Transcript, under_way: Iterable[Course]
) -> Requirement:
    its = [each for each in transcript.courses if each.row.course_id == course_id]
    if any(each.is_finished for each in its):
        return Requirement(name, "", "finished", State.MET)
    if any(each.row.course_id == course_id for each in under_way):
        return Requirement(name, "", "no mark yet", State.UNDER_WAY)
    marks = ", ".join(each.mark for each in its if each.mark)
    return Requirement(name, "", f"not finished: {marks}" if marks else "not taken", State.MISSING)


def _gpa(least: Decimal, transcript: Transcript) -> Requirement:
    """Judge the average as it is printed, rounded: nobody fails by what they cannot see."""
    there = transcript.gpa
    needed = plain(least)
    said = "none yet" if there is None else str(there)
    if there is not None and there >= least:
        return Requirement("Grade point average", needed, said, State.MET)
    best = average(
        ((each.best, each.row.credits) for each in transcript.courses if each.best is not None),
        decimals=transcript.decimals,
    )
    reachable = best is not None and best >= least
    state = State.UNDER_WAY if reachable else State.MISSING
    return Requirement("Grade point average", needed, said, state)

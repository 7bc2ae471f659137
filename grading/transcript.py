"""What a pupil's courses come to, term by term: marks, credits, points and averages.

Nothing here reads the database (``transcript_rows`` does), and nothing is read but what stands:
``Enrollment.grade``, the one authoritative mark (ADR-006).
"""

import dataclasses
import datetime as dt
import itertools
import uuid
from collections.abc import Iterable, Sequence
from decimal import Decimal

from .gpa import Points, Step, average
from .scales import plain


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A pupil's place in a class of a course, in a term, with the mark that stands there."""

    term_id: uuid.UUID
    term: str
    starts_on: dt.date | None
    ends_on: dt.date | None
    course_id: uuid.UUID
    code: str | None
    title: str
    credits: Decimal
    subject_area: str
    mark: str | None
    points: Points | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Course:
    """A course on a transcript. ``counted``: the credits with which its mark is in the average.
    ``earned``: the credits that it gives; nought where an earlier term has given them already,
    ``earned_in``, which makes it a ``repeated`` one. ``code``: the step of the scale, where the
    mark is one."""

    row: Row
    points: Decimal | None
    counted: Decimal
    earned: Decimal
    is_finished: bool
    earned_in: str | None
    code: Step | None

    @property
    def repeated(self) -> bool:
        return self.earned_in is not None

    @property
    def counted_once(self) -> str:
        """Say where the credits of a repeated course count. Who takes a course for two terms has
        not failed it: nothing here says so."""
        return (
            "" if self.earned_in is None else f"its credits are counted once, in {self.earned_in}"
        )

    @property
    def mark(self) -> str | None:
        return self.row.mark

    @property
    def best(self) -> Decimal | None:
        """The points of the mark or, without one, the most that its scale gives."""
        if self.mark is not None or self.row.points is None:
            return self.points
        return self.row.points.most

    @property
    def credits_text(self) -> str:
        return plain(self.row.credits)

    @property
    def points_text(self) -> str:
        return "" if self.points is None else plain(self.points)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Term:
    """A term on a transcript; ``gpa`` is None where no mark of it counts. ``again``: the credits
    of its courses that an earlier term gave."""

    id: uuid.UUID
    name: str
    starts_on: dt.date | None
    ends_on: dt.date | None
    courses: Sequence[Course]
    earned: Decimal
    again: Decimal
    gpa: Decimal | None

    @property
    def earned_text(self) -> str:
        return plain(self.earned)

    @property
    def earned_in_words(self) -> str:
        """Say the credits, and where those are that one would miss, without a running total."""
        if not self.again:
            return self.earned_text
        again = f"{plain(self.again)} more of courses whose credits are counted already"
        return f"{self.earned_text} ({again})"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transcript:
    """All terms of a pupil, the first one first, and what they come to together."""

    terms: Sequence[Term]
    earned: Decimal
    counted: Decimal
    gpa: Decimal | None
    decimals: int

    @property
    def earned_text(self) -> str:
        return plain(self.earned)

    @property
    def courses(self) -> list[Course]:
        return [course for term in self.terms for course in term.courses]

    @property
    def codes(self) -> list[Step]:
        """The codes among the marks, to be explained, each once."""
        found = {
            (each.code.label, each.code.meaning): each.code for each in self.courses if each.code
        }
        return [found[key] for key in sorted(found)]

    @property
    def rule(self) -> str:
        return rule(self.decimals)


def rule(decimals: int) -> str:
    """Say how an average comes about, for who reads one."""
    places = "a whole number" if not decimals else f"{decimals} decimal{'s' * (decimals > 1)}"
    return (
        "The grade point average (GPA) weighs the points of each mark, on the grading scale of its "
        "class, by the credits of the course. Codes, marks without points and courses without "
        f"credits are left out. It is calculated exactly and rounded once, half up, to {places}."
    )


def transcript(rows: Iterable[Row], *, decimals: int) -> Transcript:
    """Return what these places of one pupil come to. A term without a first day comes last."""
    ordered = sorted(rows, key=_in_order)
    given: dict[uuid.UUID, str] = {}
    terms = []
    for _, of_term in itertools.groupby(ordered, key=lambda row: row.term_id):
        its = [_course(row, given) for row in of_term]
        first = its[0].row
        terms.append(
            Term(
                id=first.term_id,
                name=first.term,
                starts_on=first.starts_on,
                ends_on=first.ends_on,
                courses=its,
                earned=_sum(each.earned for each in its),
                again=_sum(each.row.credits for each in its if each.repeated),
                gpa=_gpa(its, decimals),
            )
        )
    courses = [course for term in terms for course in term.courses]
    return Transcript(
        terms=terms,
        earned=_sum(each.earned for each in courses),
        counted=_sum(each.counted for each in courses),
        gpa=_gpa(courses, decimals),
        decimals=decimals,
    )


def finishes(step: Step | None) -> bool:
    """Return whether a mark of this step gives the credits of its course: one that is worth more
    than no points, or is a pass without points. A code does not, nor a mark that reaches no
    step."""
    return step is not None and not step.is_code and (step.points is None or step.points > 0)


def _course(row: Row, given: dict[uuid.UUID, str]) -> Course:
    """Return a row as a course; ``given`` are the courses whose credits were earned before, each
    with the term that gave them."""
    step = row.points.step_of(row.mark) if row.points and row.mark is not None else None
    points = step.points if step else None
    is_finished = finishes(step)
    earned_in = given.get(row.course_id) if is_finished else None
    if is_finished:
        given.setdefault(row.course_id, row.term or "a term without a name")
    return Course(
        row=row,
        points=points,
        counted=row.credits if points is not None else Decimal(0),
        earned=row.credits if is_finished and earned_in is None else Decimal(0),
        is_finished=is_finished,
        earned_in=earned_in,
        code=step if step and step.is_code else None,
    )


def _gpa(courses: Iterable[Course], decimals: int) -> Decimal | None:
    counted = [(each.points, each.counted) for each in courses if each.points is not None]
    return average(counted, decimals=decimals)


def _in_order(row: Row) -> tuple[object, ...]:
    term = (row.starts_on is None, row.starts_on or dt.date.min, row.term, row.term_id)
    return (*term, row.title.casefold(), row.code or "", row.course_id)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))

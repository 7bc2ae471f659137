"""The grade point average: what pupils' marks come to, weighted by the credits of their courses.

It reads ``Enrollment.grade``, the one authoritative mark (ADR-006), and no history. Left out are
codes, marks of a class without a scale, marks whose step of the scale has no points, courses
without credits, and classes that the pupil is not enrolled in any more. The sum is exact and
rounded once, half up, to the school's number of decimals. Call inside a school; the number of
statements does not grow with the pupils.
"""

import dataclasses
import functools
import math
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction

from .models import Enrollment, GradingStep

_EXACT = Context(prec=200, traps=[Inexact])
"""Sums of points and credits lose nothing in it, or fail. (With a fraction for each mark the
transcripts of a year group take twice as long.)"""


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of a scale, or one of its codes, as ``GradingStep`` has it."""

    label: str
    is_code: bool
    minimum: Decimal | None
    points: Decimal | None
    meaning: str = ""


@dataclasses.dataclass(frozen=True)
class Points:
    """How one scale turns a mark into grade points: by its label, or else by the step whose
    minimum is the highest that is not above the mark."""

    steps: Sequence[Step]

    @functools.cached_property
    def _labels(self) -> dict[str, Step]:
        return {
            each.label.casefold(): each
            for each in self.steps
            if each.is_code or each.minimum is None
        }

    def step_of(self, mark: str) -> Step | None:
        """Return the step or the code that a mark is, or None for one that reaches no step."""
        if label := self._labels.get(mark.casefold()):
            return label
        try:
            value = Decimal(mark)
        except InvalidOperation:
            return None
        reached = [
            (each.minimum, each)
            for each in self.steps
            if each.minimum is not None and each.minimum <= value
        ]
        return max(reached, key=lambda each: each[0])[1] if reached else None

    @property
    def most(self) -> Decimal | None:
        """The most points that a mark of this scale is worth, if any is worth some."""
        return max((each.points for each in self.steps if each.points is not None), default=None)

    def of(self, mark: str) -> Decimal | None:
        """Return the points of a mark, or None for one that counts for nothing."""
        step = self.step_of(mark)
        return step.points if step else None


@dataclasses.dataclass(frozen=True)
class WithCorrection:
    """An average as it is, and as one correction would make it."""

    before: Decimal | None
    after: Decimal | None

    @property
    def in_words(self) -> str:
        """Say it in a few words; nothing where no mark counts before or after."""
        if self.before is None and self.after is None:
            return ""
        if self.before == self.after:
            return f"Average stays {self.before}."
        return f"Average {_said(self.before)} → {_said(self.after)}."


@dataclasses.dataclass(frozen=True)
class _Graded:
    enrollment_id: uuid.UUID
    student_id: uuid.UUID
    mark: str | None
    credits: Decimal
    scale_id: uuid.UUID | None


def gpa(student_id: uuid.UUID, *, decimals: int) -> Decimal | None:
    """Return a pupil's average, or None where no mark counts."""
    return gpas([student_id], decimals=decimals)[student_id]


def gpas(student_ids: Collection[uuid.UUID], *, decimals: int) -> dict[uuid.UUID, Decimal | None]:
    """Return the average of each of these pupils, None where no mark counts. Two statements."""
    graded = _graded(student_ids)
    points = points_of(each.scale_id for some in graded.values() for each in some)
    return {each: _average_of(graded[each], points, decimals) for each in student_ids}


def with_corrections(
    corrections: Mapping[uuid.UUID, tuple[uuid.UUID, str | None]], *, decimals: int
) -> dict[uuid.UUID, WithCorrection]:
    """Return what each of these corrections, alone, does to its pupil's average.

    Args:
        corrections: by any key, the id of an enrolment and the mark it would have instead. One of
            an enrolment that does not stand is left out of the answer.
    """
    students = dict(
        Enrollment.objects.filter(pk__among={each for each, _ in corrections.values()}).values_list(
            "pk", "student_id"
        )
    )
    graded = _graded(set(students.values()))
    points = points_of(each.scale_id for some in graded.values() for each in some)
    found = {}
    for key, (enrollment_id, mark) in corrections.items():
        if enrollment_id not in students:
            continue
        now = graded[students[enrollment_id]]
        then = [
            dataclasses.replace(each, mark=mark) if each.enrollment_id == enrollment_id else each
            for each in now
        ]
        found[key] = WithCorrection(
            _average_of(now, points, decimals), _average_of(then, points, decimals)
        )
    return found


def average(counted: Iterable[tuple[Decimal, Decimal]], *, decimals: int) -> Decimal | None:
    """Return the mean of points, given as (points, credits), weighted by the credits and rounded
    half up to ``decimals``; None where no credits are."""
    weighted, weights = Decimal(0), Decimal(0)
    for points, weight in counted:
        weighted = _EXACT.fma(points, weight, weighted)
        weights = _EXACT.add(weights, weight)
    if not weights:
        return None
    scaled = abs(Fraction(weighted) / Fraction(weights)) * 10**decimals
    rounded = Decimal(math.floor(scaled + Fraction(1, 2))).scaleb(-decimals)
    return -rounded if weighted < 0 else rounded


def points_of(scale_ids: Iterable[uuid.UUID | None]) -> dict[uuid.UUID, Points]:
    """Return how these scales turn marks into points. One statement."""
    steps: dict[uuid.UUID, list[Step]] = defaultdict(list)
    for row in GradingStep.objects.filter(scale_id__in=set(scale_ids) - {None}):
        step = Step(row.label, row.is_code, row.minimum, row.points, row.meaning)
        steps[row.scale_id].append(step)
    return {scale_id: Points(its) for scale_id, its in steps.items()}


def _said(average: Decimal | None) -> str:
    return "none" if average is None else str(average)


def _graded(student_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[_Graded]]:
    rows = Enrollment.objects.filter(
        student_id__among=student_ids, status=Enrollment.Status.ENROLLED
    ).values_list("pk", "student_id", "grade", "section__course__credits", "section__scale_id")
    found: dict[uuid.UUID, list[_Graded]] = defaultdict(list)
    for row in rows:
        found[row[1]].append(_Graded(*row))
    return found


def _average_of(
    graded: Iterable[_Graded], points: Mapping[uuid.UUID, Points], decimals: int
) -> Decimal | None:
    counted = []
    for each in graded:
        scale = points.get(each.scale_id) if each.scale_id else None
        worth = scale.of(each.mark) if scale and each.mark is not None else None
        if worth is not None:
            counted.append((worth, each.credits))
    return average(counted, decimals=decimals)

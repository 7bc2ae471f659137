"""The grade point average: what pupils' marks come to, weighted by the credits of their courses.

It reads ``Enrollment.grade``, the one authoritative mark (ADR-006), and no history. Left out are
codes, marks of a class without a scale, marks whose step of the scale has no points, and courses
without credits. The sum is exact and rounded once, half up. Call inside a school; the number of
statements does not grow with the pupils.
"""

import dataclasses
import math
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from .models import Enrollment, GradingStep

DECIMALS = 2
"""The decimals that an average is rounded to."""


@dataclasses.dataclass(frozen=True)
class Points:
    """How one scale turns a mark into grade points: by its label, or else by the step whose
    minimum is the highest that is not above the mark."""

    labels: Mapping[str, Decimal | None]
    minima: Sequence[tuple[Decimal, Decimal | None]]

    def of(self, mark: str) -> Decimal | None:
        """Return the points of a mark, or None for one that counts for nothing."""
        if mark.casefold() in self.labels:
            return self.labels[mark.casefold()]
        try:
            value = Decimal(mark)
        except InvalidOperation:
            return None
        reached = [step for step in self.minima if step[0] <= value]
        return max(reached, key=lambda step: step[0])[1] if reached else None


@dataclasses.dataclass(frozen=True)
class WithCorrection:
    """An average as it is, and as one correction would make it."""

    before: Decimal | None
    after: Decimal | None


@dataclasses.dataclass(frozen=True)
class _Graded:
    enrollment_id: uuid.UUID
    student_id: uuid.UUID
    mark: str | None
    credits: Decimal
    scale_id: uuid.UUID | None


def gpa(student_id: uuid.UUID) -> Decimal | None:
    """Return a pupil's average, or None where no mark counts."""
    return gpas([student_id])[student_id]


def gpas(student_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Decimal | None]:
    """Return the average of each of these pupils, None where no mark counts. Two statements."""
    graded = _graded(student_ids)
    points = points_of(each.scale_id for some in graded.values() for each in some)
    return {each: _average_of(graded[each], points) for each in student_ids}


def with_corrections(
    corrections: Mapping[uuid.UUID, tuple[uuid.UUID, str | None]],
) -> dict[uuid.UUID, WithCorrection]:
    """Return what each of these corrections, alone, does to its pupil's average.

    Args:
        corrections: by any key, the id of an enrolment and the mark it would have instead. One of
            an enrolment that does not stand is left out of the answer.
    """
    students = dict(
        Enrollment.objects.filter(pk__in={each for each, _ in corrections.values()}).values_list(
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
        found[key] = WithCorrection(_average_of(now, points), _average_of(then, points))
    return found


def average(counted: Iterable[tuple[Decimal, Decimal]]) -> Decimal | None:
    """Return the mean of points, given as (points, credits), weighted by the credits and rounded
    half up; None where no credits are."""
    weighted, weights = Fraction(0), Fraction(0)
    for points, weight in counted:
        weighted += Fraction(points) * Fraction(weight)
        weights += Fraction(weight)
    if not weights:
        return None
    scaled = abs(weighted / weights) * 10**DECIMALS
    rounded = Decimal(math.floor(scaled + Fraction(1, 2))).scaleb(-DECIMALS)
    return -rounded if weighted < 0 else rounded


def points_of(scale_ids: Iterable[uuid.UUID | None]) -> dict[uuid.UUID, Points]:
    """Return how these scales turn marks into points. One statement."""
    labels: dict[uuid.UUID, dict[str, Decimal | None]] = defaultdict(dict)
    minima: dict[uuid.UUID, list[tuple[Decimal, Decimal | None]]] = defaultdict(list)
    steps = GradingStep.objects.filter(scale_id__in=set(scale_ids) - {None})
    for step in steps:
        if step.is_code or step.minimum is None:
            labels[step.scale_id][step.label.casefold()] = step.points
        else:
            minima[step.scale_id].append((step.minimum, step.points))
    return {each: Points(labels[each], minima[each]) for each in {*labels, *minima}}


def _graded(student_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[_Graded]]:
    rows = Enrollment.objects.filter(student_id__in=student_ids).values_list(
        "pk", "student_id", "grade", "section__course__credits", "section__scale_id"
    )
    found: dict[uuid.UUID, list[_Graded]] = defaultdict(list)
    for row in rows:
        found[row[1]].append(_Graded(*row))
    return found


def _average_of(graded: Iterable[_Graded], points: Mapping[uuid.UUID, Points]) -> Decimal | None:
    counted = []
    for each in graded:
        scale = points.get(each.scale_id) if each.scale_id else None
        worth = scale.of(each.mark) if scale and each.mark is not None else None
        if worth is not None:
            counted.append((worth, each.credits))
    return average(counted)

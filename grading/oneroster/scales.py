"""The grading scales that a roster's marks are read by: one for each pair of bounds; or the very
scale, where a file says it."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from accounts.models import School
from grading.models import GradingScale, GradingStep
from grading.oneroster.problems import Problems
from grading.oneroster.rows import LineItem
from grading.oneroster.scale_facts import NO_SCALE, StepFacts, facts_of
from grading.oneroster.split import Part
from grading.oneroster.wanted import plain

DECIMALS = 3
"""Most decimals that a scale can have."""
LARGEST = Decimal("99999.999")
CODES = tuple(
    StepFacts(True, label, meaning, None, None)
    for label, meaning in (("EX", "exempt"), ("AB", "absent"), ("IN", "incomplete"))
)
"""Codes of a new scale. It cannot get more later, since marks were checked against it."""

Bounds = tuple[Decimal, Decimal]


@dataclass(slots=True)
class Scales:
    """ids: of the scale, by class. exempt: its code for exempt pupils, by class. made: new ones.
    steps: those of the new ones, where a file says them."""

    ids: dict[str, str] = field(default_factory=dict)
    exempt: dict[str, str] = field(default_factory=dict)
    made: list[GradingScale] = field(default_factory=list)
    steps: dict[uuid.UUID, tuple[StepFacts, ...]] = field(default_factory=dict)


def check_marks(part: Part, problems: Problems) -> None:
    """Note bounds and scores that no scale can hold."""
    for item in part.finals.values():
        if item.scale is not None:
            continue
        for column, bound in (("resultValueMin", item.minimum), ("resultValueMax", item.maximum)):
            if bound is None:
                continue
            if abs(bound) > LARGEST or _decimals(bound) > DECIMALS:
                problems.add(
                    "lineItems.csv", item.line, column, "{} is no bound of a scale", plain(bound)
                )
    for result in part.results.values():
        if result.score is not None and _decimals(result.score) > DECIMALS:
            problems.add(
                "results.csv",
                result.line,
                "score",
                "{} has more than {} decimals",
                plain(result.score),
                DECIMALS,
            )


def bring_in(part: Part, school: School) -> Scales:
    """Find or make the scale of each class that has a grade. Five statements.

    A scale fits when its bounds are those of the line item and it has decimals enough for all
    scores between them. Call inside the school.
    """
    bounded = {
        class_id: bounds for class_id, item in part.finals.items() if (bounds := _bounds(item))
    }
    needed: dict[Bounds, int] = dict.fromkeys(bounded.values(), 0)
    for (class_id, _), result in part.results.items():
        if result.score is not None and class_id in bounded:
            bounds = bounded[class_id]
            needed[bounds] = max(needed[bounds], _decimals(result.score))
    scales = Scales()
    known = list(GradingScale.objects.filter(school=school).order_by("version"))
    said = _as_said(part, school, known, scales)
    chosen: dict[Bounds, GradingScale] = {}
    for scale in known:
        if scale.minimum is None or scale.maximum is None or scale.retired_at:
            continue
        bounds = (scale.minimum, scale.maximum)
        if bounds in needed and scale.decimals >= needed[bounds]:
            chosen[bounds] = scale  # of several versions the latest
    for bounds, decimals in needed.items():
        if bounds not in chosen:
            chosen[bounds] = _new(school, bounds, decimals, known)
            scales.made.append(chosen[bounds])
    GradingScale.objects.bulk_create(scales.made)
    GradingStep.objects.bulk_create(
        GradingStep(
            school=school,
            scale=scale,
            is_code=step.code,
            label=step.label,
            meaning=step.meaning,
            minimum=step.minimum,
            points=step.points,
        )
        for scale in scales.made
        for step in scales.steps.get(scale.pk, CODES)
    )
    exempt = {
        step.scale_id: step.label
        for step in GradingStep.objects.filter(
            scale__in={*chosen.values(), *said.values()}, is_code=True, meaning__iexact="exempt"
        )
    }
    named = said | {class_id: chosen[bounds] for class_id, bounds in bounded.items()}
    for class_id, scale in named.items():
        scales.ids[class_id] = str(scale.pk)
        if scale.pk in exempt:
            scales.exempt[class_id] = exempt[scale.pk]
    return scales


def _bounds(item: LineItem) -> Bounds | None:
    if item.scale is not None or item.minimum is None or item.maximum is None:
        return None
    return item.minimum, item.maximum


def _as_said(
    part: Part, school: School, known: list[GradingScale], scales: Scales
) -> dict[str, GradingScale]:
    """Find or make the very scales that a file says, by class. One statement."""
    wanted = {
        class_id: item.scale
        for class_id, item in part.finals.items()
        if item.scale is not None and item.scale != NO_SCALE
    }
    if not wanted:
        return {}
    steps: dict[uuid.UUID, list[GradingStep]] = {}
    for step in GradingStep.objects.filter(school=school):
        steps.setdefault(step.scale_id, []).append(step)
    there = {facts_of(scale, steps.get(scale.pk, [])): scale for scale in known}
    for facts in dict.fromkeys(wanted.values()):
        if facts not in there:
            versions = {scale.version for scale in known if scale.name == facts.name}
            taken = facts.version in versions
            scale = GradingScale(
                school=school,
                name=facts.name,
                version=max(versions) + 1 if taken else facts.version,
                kind=facts.kind,
                minimum=facts.minimum,
                maximum=facts.maximum,
                decimals=facts.decimals,
            )
            there[facts] = scale
            known.append(scale)
            scales.made.append(scale)
            scales.steps[scale.pk] = facts.steps
    return {class_id: there[facts] for class_id, facts in wanted.items()}


def _new(
    school: School, bounds: Bounds, decimals: int, known: Iterable[GradingScale]
) -> GradingScale:
    name = f"{plain(bounds[0])} to {plain(bounds[1])}"
    return GradingScale(
        school=school,
        name=name,
        version=max((scale.version for scale in known if scale.name == name), default=0) + 1,
        kind=GradingScale.Kind.NUMERIC,
        minimum=bounds[0],
        maximum=bounds[1],
        decimals=decimals,
    )


def _decimals(number: Decimal) -> int:
    """How many decimals a number needs: one for 7.50."""
    return len(plain(number).partition(".")[2])

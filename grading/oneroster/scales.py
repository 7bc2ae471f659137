"""The grading scales that a roster's marks are read by: one for each pair of bounds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from accounts.models import School
from grading.models import GradingScale, GradingStep
from grading.oneroster.problems import Problems
from grading.oneroster.split import Part
from grading.oneroster.wanted import plain

DECIMALS = 3
"""Most decimals that a scale can have."""
LARGEST = Decimal("99999.999")
CODES = (("EX", "exempt"), ("AB", "absent"), ("IN", "incomplete"))
"""Codes of a new scale. It cannot get more later, since marks were checked against it."""

Bounds = tuple[Decimal, Decimal]


@dataclass(slots=True)
class Scales:
    """ids: of the scale, by class. exempt: its code for exempt pupils, by class. made: new ones."""

    ids: dict[str, str] = field(default_factory=dict)
    exempt: dict[str, str] = field(default_factory=dict)
    made: list[GradingScale] = field(default_factory=list)


def check_marks(part: Part, problems: Problems) -> None:
    """Note bounds and scores that no scale can hold."""
    for item in part.finals.values():
        for column, bound in (("resultValueMin", item.minimum), ("resultValueMax", item.maximum)):
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
    """Find or make the scale of each class that has a grade. Four statements.

    A scale fits when its bounds are those of the line item and it has decimals enough for all
    scores between them. Call inside the school.
    """
    needed: dict[Bounds, int] = {}
    for item in part.finals.values():
        needed.setdefault((item.minimum, item.maximum), 0)
    for (class_id, _), result in part.results.items():
        if result.score is not None:
            item = part.finals[class_id]
            bounds = (item.minimum, item.maximum)
            needed[bounds] = max(needed[bounds], _decimals(result.score))
    scales = Scales()
    known = list(GradingScale.objects.filter(school=school).order_by("version"))
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
        GradingStep(school=school, scale=scale, is_code=True, label=label, meaning=meaning)
        for scale in scales.made
        for label, meaning in CODES
    )
    exempt = {
        step.scale_id: step.label
        for step in GradingStep.objects.filter(
            scale__in=list(chosen.values()), is_code=True, meaning__iexact="exempt"
        )
    }
    for class_id, item in part.finals.items():
        scale = chosen[item.minimum, item.maximum]
        scales.ids[class_id] = str(scale.pk)
        if scale.pk in exempt:
            scales.exempt[class_id] = exempt[scale.pk]
    return scales


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

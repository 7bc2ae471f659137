"""A grading scale as a file of ours holds it: all of it, as JSON (headers.py).

It comes from a stranger's file like everything else: what is no scale is refused with a reason.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from grading.models import GradingScale, GradingStep
from grading.scales import plain

MOST_STEPS = 200


class Unreadable(ValueError):
    """The text is no scale; the message says why."""


@dataclass(frozen=True, slots=True, order=True)
class StepFacts:
    code: bool
    label: str
    meaning: str
    minimum: Decimal | None
    points: Decimal | None


@dataclass(frozen=True, slots=True)
class ScaleFacts:
    """All that makes a scale; two with the same facts are one. kind: '' says that there is none."""

    name: str = ""
    version: int = 1
    kind: str = ""
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    decimals: int = 0
    steps: tuple[StepFacts, ...] = ()


NO_SCALE = ScaleFacts()


def facts_of(scale: GradingScale, steps: Iterable[GradingStep]) -> ScaleFacts:
    """Return what makes a scale of the school."""
    return ScaleFacts(
        name=scale.name,
        version=scale.version,
        kind=scale.kind,
        minimum=scale.minimum,
        maximum=scale.maximum,
        decimals=scale.decimals,
        steps=_in_order(
            StepFacts(step.is_code, step.label, step.meaning, step.minimum, step.points)
            for step in steps
        ),
    )


def write_scale(scale: ScaleFacts) -> str:
    """Return the text of a cell that says this scale; the same facts give the same text."""
    if scale == NO_SCALE:
        return "null"
    return json.dumps(asdict(scale), default=plain, ensure_ascii=False, sort_keys=True)


def read_scale(text: str) -> ScaleFacts:
    """Return the scale that a cell says.

    Raises:
        Unreadable: it says none that a school here could have.
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is not JSON") from error
    if said is None:
        return NO_SCALE
    try:
        scale = ScaleFacts(
            name=_text(said, "name", 80),
            version=_whole(said, "version", 1, 10_000),
            kind=_text(said, "kind", 8),
            minimum=_number(said, "minimum"),
            maximum=_number(said, "maximum"),
            decimals=_whole(said, "decimals", 0, 3),
            steps=_in_order(_step(each) for each in said["steps"]),
        )
    except (KeyError, TypeError) as error:
        raise Unreadable("something of it is missing") from error
    _check(scale)
    return scale


def _check(scale: ScaleFacts) -> None:
    if scale.kind == "numeric":
        if scale.minimum is None or scale.maximum is None or scale.maximum <= scale.minimum:
            raise Unreadable("its bounds are none")
    elif scale.kind != "letters" or (scale.minimum, scale.maximum) != (None, None):
        raise Unreadable("it is neither of numbers nor of letters")
    if len({step.label for step in scale.steps}) < len(scale.steps):
        raise Unreadable("two of its steps are the same")
    if not scale.name.strip() or not all(step.label.strip() for step in scale.steps):
        raise Unreadable("it or a step of it has no name")
    if any(step.code and (step.minimum, step.points) != (None, None) for step in scale.steps):
        raise Unreadable("a code of it has points")
    if len(scale.steps) > MOST_STEPS:
        raise Unreadable("it has too many steps")


def _in_order(steps: Iterable[StepFacts]) -> tuple[StepFacts, ...]:
    return tuple(sorted(steps, key=lambda step: (step.code, step.label)))


def _step(said: Any) -> StepFacts:
    return StepFacts(
        code=said["code"] is True,
        label=_text(said, "label", 20),
        meaning=_text(said, "meaning", 80),
        minimum=_number(said, "minimum"),
        points=_number(said, "points", below=1_000),
    )


def _text(said: Any, name: str, longest: int) -> str:
    value = said[name]
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise Unreadable(f"{name} is no text of at most {longest} characters")
    return value


def _whole(said: Any, name: str, least: int, most: int) -> int:
    value = said[name]
    if type(value) is not int or not least <= value <= most:
        raise Unreadable(f"{name} is not a whole number from {least} to {most}")
    return value


def _number(said: Any, name: str, *, below: int = 100_000) -> Decimal | None:
    value = said[name]
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > 10:
        raise Unreadable(f"{name} is no number")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise Unreadable(f"{name} is no number") from error
    # As many digits as the database keeps of a bound, and of points.
    if not number.is_finite() or abs(number) >= below or number != round(number, 3):
        raise Unreadable(f"{name} is no number that a scale can hold")
    return number

"""Reading what transcripts are made of: one statement, for one pupil and for a year group.

Call inside a school.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, F, OuterRef, TextField, When, Window
from django.db.models.functions import Cast, JSONObject, RowNumber

from .gpa import Points, Step
from .models import Enrollment, GradingStep
from .transcript import Row, Transcript, transcript

FIELDS = {
    "term_id": "section__term_id",
    "term": "section__term__name",
    "starts_on": "section__term__starts_on",
    "ends_on": "section__term__ends_on",
    "course_id": "section__course_id",
    "code": "section__course__code",
    "title": "section__course__title",
    "credits": "section__course__credits",
    "subject_area": "section__course__subject_area",
    "mark": "grade",
}
"""What a row of a transcript takes of an enrolment."""


def transcripts(
    student_ids: Collection[uuid.UUID], *, decimals: int
) -> dict[uuid.UUID, Transcript]:
    """Return the transcript of each of these pupils: of what they are enrolled in, with the marks
    that stand. One statement."""
    rows = of_pupils(student_ids)
    return {each: transcript(rows[each], decimals=decimals) for each in student_ids}


def of_pupils(student_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Row]]:
    """Return the rows of these pupils, by their ids. One statement: the steps of a scale travel
    with the first row that is marked by it, and with no other."""
    its_steps = GradingStep.objects.filter(
        school_id=OuterRef("school_id"), scale_id=OuterRef("section__scale_id")
    ).values(
        step=JSONObject(
            label="label",
            is_code="is_code",
            # As text: a number of JSON would come as a float.
            minimum=Cast("minimum", TextField()),
            points=Cast("points", TextField()),
            meaning="meaning",
        )
    )
    nth_of_scale = Window(RowNumber(), partition_by=F("section__scale_id"), order_by="pk")
    found = (
        Enrollment.objects.filter(student_id__among=student_ids, status=Enrollment.Status.ENROLLED)
        .annotate(nth=nth_of_scale)
        .annotate(steps=Case(When(nth=1, then=ArraySubquery(its_steps)), default=None))
        .values_list(
            "student_id",
            "section__scale_id",
            "steps",
            *FIELDS.values(),
        )
    )
    rows = list(found)
    scales = {scale: _points(steps) for _, scale, steps, *_ in rows if scale and steps}
    of_pupil: dict[uuid.UUID, list[Row]] = defaultdict(list)
    for student_id, scale_id, _, *values in rows:
        values_of = dict(zip(FIELDS, values, strict=True))
        of_pupil[student_id].append(Row(**values_of, points=scales.get(scale_id)))
    return of_pupil


def _points(steps: list[dict[str, Any]]) -> Points:
    return Points(
        [
            Step(
                label=each["label"],
                is_code=each["is_code"],
                minimum=None if each["minimum"] is None else Decimal(each["minimum"]),
                points=None if each["points"] is None else Decimal(each["points"]),
                meaning=each["meaning"],
            )
            for each in steps
        ]
    )

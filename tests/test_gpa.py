"""The grade point average, against a calculation of its own."""

import random
from decimal import ROUND_HALF_UP, Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from changes.propose import Draft, creation
from grading import gpa
from grading.models import Enrollment, GradingScale, GradingStep
from tests.cast import make_scale

D = Decimal


def letters(school):
    """A scale of letters; the pass P has no points."""
    scale = GradingScale.objects.create(school=school, name="Letters", kind="letters")
    for label, points in (("A", "4"), ("A-", "3.667"), ("B+", "3.333"), ("F", "0"), ("P", None)):
        GradingStep.objects.create(school=school, scale=scale, label=label, points=points)
    GradingStep.objects.create(school=school, scale=scale, label="INC", is_code=True)
    return scale


def teaches(people, *, worth, scale, code):
    """Make a class of a course of its own; return its id."""
    course = creation("course", {"code": code, "title": code, "credits": worth})
    section = creation(
        "section",
        {"course": str(course[0].entity_id), "term": str(people.term), "code": code}
        | ({"scale": str(scale.pk)} if scale else {}),
    )
    people.a.enters([*course, *section], whole=True)
    return section[0].entity_id


def marked(people, pupil, section, mark):
    """Enrol a pupil and let a mark stand; return the enrolment."""
    drafts = creation("enrollment", {"student": str(pupil), "section": str(section)})
    people.a.enters(drafts, whole=True)
    enrolment = drafts[0].entity_id
    draft = Draft(
        entity_type="enrollment", entity_id=enrolment, field="grade", typed=mark, touched=True
    )
    people.a.enters([draft], whole=True)
    return enrolment


def test_marks_count_by_the_points_of_their_step_and_the_credits_of_their_course(inside):
    people = inside
    people.stands("80")  # an A, worth 4 points, in a course of 4 credits
    pupil = people.students[0]
    assert gpa.gpa(pupil, decimals=2) == D("4.00")
    half = teaches(people, worth="2", scale=people.scale, code="ART")
    marked(people, pupil, half, "79.9")  # just a B: 3 points
    assert gpa.gpa(pupil, decimals=2) == D("3.67")  # (4 * 4 + 3 * 2) / 6 = 3.666...
    assert str(gpa.gpa(pupil, decimals=2)) == "3.67"


@pytest.mark.parametrize(
    ("mark", "points"),
    [("100", "4"), ("80", "4"), ("79.9", "3"), ("60", "3"), ("40", "2"), ("39.9", "0"), ("0", "0")],
)
def test_the_highest_step_that_is_not_above_the_mark_counts(inside, mark, points):
    inside.stands(mark)
    assert gpa.gpa(inside.students[0], decimals=2) == D(points)


def test_a_mark_below_every_step_counts_for_nothing(inside):
    people = inside
    scale = GradingScale.objects.create(
        school=people.school, name="From 50", kind="numeric", minimum=0, maximum=100
    )
    GradingStep.objects.create(school=people.school, scale=scale, label="C", minimum=50, points=2)
    section = teaches(people, worth="3", scale=scale, code="ART")
    marked(people, people.students[0], section, "49")
    assert gpa.gpa(people.students[0], decimals=2) is None


def test_codes_marks_without_points_and_courses_without_credits_are_left_out(inside):
    people = inside
    pupil, scale = people.students[0], letters(people.school)
    people.stands("60")
    for code, weight, its, mark in (
        ("CODE", "5", people.scale, "AB"),
        ("INC", "5", scale, "INC"),
        ("PASS", "5", scale, "P"),
        ("FREE", "0", scale, "F"),
    ):
        marked(people, pupil, teaches(people, worth=weight, scale=its, code=code), mark)
    assert gpa.gpa(pupil, decimals=2) == D(3)
    marked(people, pupil, teaches(people, worth="4", scale=scale, code="LAST"), "F")
    assert gpa.gpa(pupil, decimals=2) == D("1.5")  # an F counts: nought points, and its credits


def test_who_has_no_mark_that_counts_has_no_average(inside):
    people = inside
    assert gpa.gpa(people.students[0], decimals=2) is None
    people.stands("EX")
    assert gpa.gpa(people.students[0], decimals=2) is None


def test_what_waits_or_was_reverted_does_not_count_and_what_is_cleared_neither(inside):
    people = inside
    people.t1.types(people.marks[0], "90")
    assert gpa.gpa(people.students[0], decimals=2) is None
    people.stand(people.marks[0], "60", by=people.v)
    assert gpa.gpa(people.students[0], decimals=2) == D(3)
    people.a.reverts(people.v, start=None)
    assert Enrollment.objects.get(pk=people.marks[0]).grade is None
    assert gpa.gpa(people.students[0], decimals=2) is None


def test_the_sum_is_rounded_once_and_half_up():
    assert gpa.average([(D("2.345"), D(1))], decimals=2) == D("2.35")
    assert gpa.average([(D("2.3449"), D(1))], decimals=2) == D("2.34")
    # Each rounded first would come to 2.34.
    assert gpa.average([(D(each), D(1)) for each in ("2.335", "2.335", "2.334")], decimals=2) == D(
        "2.33"
    )
    # With the 28 digits of a division this would be 0.005 already, and 0.01 then.
    assert gpa.average([(D("0.004" + "9" * 40), D(1))], decimals=2) == D("0.00")
    assert gpa.average([(D("-2.345"), D(1))], decimals=2) == D("-2.35")
    assert gpa.average([], decimals=2) is None
    assert gpa.average([(D(4), D(0))], decimals=2) is None


def test_many_averages_are_what_an_independent_calculation_says(inside):
    """In integers of thousandths and hundredths, as a clerk would do it with a column of sums."""
    people, chance = inside, random.Random(412)  # noqa: S311 - no secret
    scales = {"Percent": people.scale, "Letters": letters(people.school)}
    points = {
        "Percent": lambda mark: (
            None
            if mark in ("AB", "EX")
            else next(
                p for low, p in ((80, 4000), (60, 3000), (40, 2000), (0, 0)) if D(mark) >= low
            )
        ),
        "Letters": {"A": 4000, "A-": 3667, "B+": 3333, "F": 0, "P": None, "INC": None}.get,
    }
    marks = {
        "Percent": ["AB", "EX", *(str(n) for n in range(0, 101, 4)), "79.9", "59.5"],
        "Letters": ["A", "A-", "B+", "F", "P", "INC"],
    }
    expected: dict = {pupil: [0, 0] for pupil in people.students}
    for number in range(12):
        name = chance.choice(list(scales))
        weight = chance.choice(["0", "0.25", "0.5", "1", "1.75", "3", "4", "12.50"])
        section = teaches(people, worth=weight, scale=scales[name], code=f"X{number}")
        for pupil in people.students:
            mark = chance.choice(marks[name])
            marked(people, pupil, section, mark)
            thousandths = points[name](mark)
            if thousandths is not None:
                hundredths = int(D(weight) * 100)
                expected[pupil][0] += thousandths * hundredths
                expected[pupil][1] += hundredths
    clerk = {
        pupil: (D(total) / D(weight) / 1000).quantize(D("0.01"), ROUND_HALF_UP) if weight else None
        for pupil, (total, weight) in expected.items()
    }
    assert None not in clerk.values()
    assert gpa.gpas(people.students, decimals=2) == clerk


def test_a_correction_shows_what_it_would_do_alone_and_changes_nothing(inside):
    people = inside
    pupil = people.students[0]
    people.stands("60")
    other = marked(people, pupil, teaches(people, worth="4", scale=people.scale, code="ART"), "80")
    found = gpa.with_corrections(
        {1: (people.marks[0], "90"), 2: (other, None), 3: (people.marks[0], "AB"), 4: (pupil, "1")},
        decimals=2,
    )
    assert {key: (its.before, its.after) for key, its in found.items()} == {
        1: (D("3.5"), D(4)),
        2: (D("3.5"), D(3)),
        3: (D("3.5"), D(4)),
    }
    assert gpa.gpa(pupil, decimals=2) == D("3.5")


def test_averages_cost_the_same_however_many_pupils_and_scales(inside):
    people = inside

    def statements(pupils, corrections):
        with CaptureQueriesContext(connection) as queries:
            gpa.gpas(pupils, decimals=2)
            gpa.with_corrections(corrections, decimals=2)
        return len(queries)

    people.stands("60")
    few = statements(people.students[:1], {1: (people.marks[0], "70")})
    for number in range(5):
        scale = make_scale(people.school, name=f"Scale {number}")
        section = teaches(people, worth="2", scale=scale, code=f"X{number}")
        for pupil in people.students:
            marked(people, pupil, section, "50")
    every = {pk: (pk, "70") for pk in Enrollment.objects.values_list("pk", flat=True)}
    assert statements(people.students, every) == few == 5

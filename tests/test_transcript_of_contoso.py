"""The transcript and the average of every pupil of four imported schools, against a calculation of
its own from the files that were imported."""

import csv
import io
from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal

from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.ids import new_id
from accounts.in_school import enter
from accounts.models import Membership, School, User
from accounts.origin import Origin
from changes import review
from changes.propose import Draft
from grading import gpa
from grading.models import Course, GradingScale, GradingStep, Section
from grading.transcript_rows import transcripts
from students.models import Student

OFFICE = "office@contoso.example"
STEPS = ((100, 4000), (90, 3667), (80, 3000), (70, 2333), (62, 0))
"""From which mark on how many thousandths of a point; below the last one a mark counts for
nothing."""


def rows_of(folder, name):
    with (folder / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def hundredths(code):
    """How many hundredths of a credit a course is worth here: some of them nothing."""
    return (0, 100, 250, 75, 400)[int(code) % 5]


def points(score):
    return next((its for least, its in STEPS if Decimal(score) >= least), None)


def by_the_files(folder):
    """Return, by pupil: the courses as (term, code, mark), and the average, as a clerk adds up."""
    courses = {row["sourcedId"]: row["courseCode"] for row in rows_of(folder, "courses")}
    terms = {row["sourcedId"]: row["title"] for row in rows_of(folder, "academicSessions")}
    classes = {row["sourcedId"]: row for row in rows_of(folder, "classes")}
    items = {row["sourcedId"]: row["classSourcedId"] for row in rows_of(folder, "lineItems")}
    scores = {
        (row["studentSourcedId"], items[row["lineItemSourcedId"]]): row["score"]
        for row in rows_of(folder, "results")
    }
    taken, total, weight = defaultdict(Counter), Counter(), Counter()
    for row in rows_of(folder, "enrollments"):
        if row["role"] != "student":
            continue
        pupil, its = row["userSourcedId"], classes[row["classSourcedId"]]
        code, score = courses[its["courseSourcedId"]], scores[pupil, its["sourcedId"]]
        taken[pupil][terms[its["termSourcedIds"]], code, score] += 1
        if points(score) is not None:
            total[pupil] += points(score) * hundredths(code)
            weight[pupil] += hundredths(code)
    averages = {
        pupil: (Decimal(total[pupil]) / weight[pupil] / 1000).quantize(
            Decimal("0.001"), ROUND_HALF_UP
        )
        if weight[pupil]
        else None
        for pupil in taken
    }
    return taken, averages


def gives_points_and_credits(school):
    """The delivery knows neither: the office adds them. Of the scale that the classes are marked by
    it makes a new version, and two people give it to them."""
    office = Membership.objects.get(school=school, user__email=OFFICE)
    user, _ = User.objects.get_or_create(email="second@contoso.example")
    second = Membership.objects.create(school=school, user=user, role="office")
    scale_of = []
    for scale in GradingScale.objects.all():
        classes = Section.objects.filter(scale=scale).values_list("pk", flat=True)
        version = with_points(scale)
        scale_of += [
            Draft(entity_type="section", entity_id=pk, field="scale", typed=str(version.pk))
            for pk in classes
        ]
    entered = review.enter_directly(scale_of, school=school, by=office, origin=Origin(), whole=True)
    waiting = [each.id for each in entered.waiting]
    review.approve(waiting, school=school, by=second, origin=Origin())
    credits_of = [
        Draft(
            entity_type="course",
            entity_id=course.pk,
            field="credits",
            typed=f"{Decimal(hundredths(course.code)) / 100}",
        )
        for course in Course.objects.all()
    ]
    review.enter_directly(credits_of, school=school, by=office, origin=Origin(), whole=True)


def with_points(scale):
    """Return a new version of a scale, whose steps are worth points."""
    steps = list(scale.steps.all())
    scale.pk, scale._state.adding, scale.version = new_id(), True, scale.version + 1
    scale.save()
    for step in steps:
        step.pk, step._state.adding, step.scale = new_id(), True, scale
    steps += [
        GradingStep(
            school=scale.school,
            scale=scale,
            label=f"from {least}",
            minimum=least,
            points=Decimal(its) / 1000,
        )
        for least, its in STEPS
    ]
    GradingStep.objects.bulk_create(steps)
    return scale


def test_every_transcript_of_the_contoso_schools_is_what_the_files_add_up_to(db, shared_data):
    folder = shared_data / "contoso-oneroster"
    call_command("import_oneroster", folder, by=OFFICE, stdout=io.StringIO(), stderr=io.StringIO())
    taken, averages = by_the_files(folder)
    seen = 0
    for school in School.objects.filter(source_id__startswith="sch"):
        with enter(school):
            gives_points_and_credits(school)
            pupils = dict(Student.objects.values_list("pk", "source_id"))
            with CaptureQueriesContext(connection) as queries:
                found = transcripts(pupils, decimals=3)
            assert len(queries) == 1
            assert gpa.gpas(pupils, decimals=3) == {pk: its.gpa for pk, its in found.items()}
        for pk, its in found.items():
            listed = Counter(
                (term.name, each.row.code, each.mark) for term in its.terms for each in term.courses
            )
            assert listed == taken[pupils[pk]]
            assert its.gpa == averages.get(pupils[pk])
            seen += len(its.courses)
    assert seen == sum(sum(each.values()) for each in taken.values()) == 2400
    assert len(set(averages.values())) > 50  # they are not all one average

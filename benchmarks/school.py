"""The schools that are measured, made through the ledger's own doors."""

import dataclasses
import uuid
from collections.abc import Iterable, Sequence

from accounts.models import Membership, School, User
from accounts.origin import Origin
from changes import review
from changes.models import Change
from changes.propose import Draft, Saved, creation, propose
from grading.models import GradingScale, GradingStep


@dataclasses.dataclass(frozen=True)
class Measured:
    """A school with three teachers and two people of the office, and what its classes need."""

    school: School
    teacher: Membership
    colleague: Membership
    idle: Membership
    office: Membership
    second: Membership
    scale: GradingScale
    term: uuid.UUID
    course: uuid.UUID


@dataclasses.dataclass(frozen=True)
class SchoolClass:
    """A section, and its enrolments in the order of the pupils' names."""

    section: uuid.UUID
    enrollments: list[uuid.UUID]


def found(name: str = "Measured School") -> School:
    """Make a school without people."""
    return School.objects.create(
        name=name, slug=name.lower().replace(" ", "-"), time_zone="Europe/London"
    )


def hire(school: School, name: str, role: str) -> Membership:
    """Make a person of a school."""
    user = User.objects.create_user(f"{name}.{school.slug}@bench.example", name=name.title())
    return Membership.objects.create(school=school, user=user, role=role)


def furnish(school: School) -> Measured:
    """Make its people, a scale, a term and a course. Call inside the school."""

    scale = GradingScale.objects.create(
        school=school, name="Percent", kind="numeric", minimum=0, maximum=100, decimals=0
    )
    GradingStep.objects.create(school=school, scale=scale, label="A", minimum=0, points=4)
    office = hire(school, "office", "office")
    term = creation("term", {"name": "Autumn", "starts_on": "2026-09-01"})
    course = creation("course", {"code": "MAT", "title": "Mathematics", "credits": "4"})
    enter([*term, *course], by=office)
    return Measured(
        school=school,
        teacher=hire(school, "teacher", "teacher"),
        colleague=hire(school, "colleague", "teacher"),
        idle=hire(school, "idle", "teacher"),
        office=office,
        second=hire(school, "second", "office"),
        scale=scale,
        term=term[0].entity_id,
        course=course[0].entity_id,
    )


def classes(its: Measured, sizes: Sequence[int]) -> list[SchoolClass]:
    """Make classes of these sizes, of pupils without marks. Call inside the school."""
    drafts: list[Draft] = []
    made = []
    taken = Change.objects.filter(entity_type="section", field="code").count()
    for number, size in enumerate(sizes, taken):
        section = creation(
            "section",
            {
                "course": str(its.course),
                "term": str(its.term),
                "code": f"MAT-{number}",
                "scale": str(its.scale.pk),
                "instructor": str(its.teacher.user_id),
            },
        )
        drafts += section
        enrollments = []
        for pupil in range(size):
            student, enrollment = _enrolled(section[0].entity_id, number, pupil)
            drafts += [*student, *enrollment]
            enrollments.append(enrollment[0].entity_id)
        made.append(SchoolClass(section[0].entity_id, enrollments))
    enter(drafts, by=its.office)
    return made


def _enrolled(section: uuid.UUID, number: int, pupil: int) -> tuple[list[Draft], list[Draft]]:
    student = creation(
        "student",
        {
            "number": f"{number}-{pupil:05}",
            "given_names": f"Given{pupil:05}",
            "family_name": f"Pupil{pupil:05}",
        },
    )
    return student, creation(
        "enrollment", {"student": str(student[0].entity_id), "section": str(section)}
    )


def typed(enrollment: uuid.UUID, field: str, text: str | None, reason: str = "") -> Draft:
    """Return what somebody types on purpose into one cell of a mark sheet."""
    return Draft(
        entity_type="enrollment",
        entity_id=enrollment,
        field=field,
        typed=text,
        touched=True,
        reason=reason,
    )


def enter(drafts: Iterable[Draft], *, by: Membership) -> None:
    """Have the office enter what stands at once."""
    review.enter_directly(drafts, school=by.school, by=by, origin=Origin(), whole=True)


def save(drafts: Iterable[Draft], *, by: Membership) -> Saved:
    """Have somebody save what they typed, all of it."""
    return propose(drafts, by=by, origin=Origin(), whole=True)


def approve(saved: Saved, *, by: Membership) -> review.Outcome:
    """Have the office approve all of a save."""
    return review.approve(
        [change.pk for change in saved.changes], school=by.school, by=by, origin=Origin()
    )


def decline(saved: Saved, *, by: Membership) -> None:
    """Have the office decline all of a save."""
    ids = [change.pk for change in saved.changes]
    review.decline(ids, school=by.school, by=by, origin=Origin(), reason="It is another paper.")


def fill(its: Measured, of: SchoolClass) -> None:
    """Bring the cells of a class into every state that a sheet shows: blank, approved, waiting, a
    waiting correction, in conflict, declined; a new pupil, a waitlisted and a withdrawn one."""
    every = of.enrollments
    approve(
        save([typed(e, "grade", "61") for e in every if every.index(e) % 6 < 4], by=its.teacher),
        by=its.office,
    )
    approve(
        save([typed(e, "comment", f"Works well. {e}") for e in every[::2]], by=its.teacher),
        by=its.office,
    )
    conflicting = [typed(e, "grade", "70", "recounted") for e in every[::6]]
    save(conflicting, by=its.teacher)
    others = [typed(e, "grade", "66", "the second page") for e in every[::6]]
    approve(save(others, by=its.colleague), by=its.office)
    save([typed(e, "grade", "72", "recounted") for e in every[1::6]], by=its.teacher)
    save([typed(e, "grade", "55") for e in every[4::6]], by=its.teacher)
    waiting = [typed(e, "comment", "Asks good questions in class.") for e in every[1::4]]
    save(waiting, by=its.teacher)
    decline(
        save([typed(e, "comment", "See me.") for e in every[3::8]], by=its.teacher), by=its.office
    )
    enter([typed(every[-1], "status", "withdrawn")], by=its.office)
    enter([typed(every[-2], "status", "waitlisted")], by=its.office)
    student, enrollment = _enrolled(of.section, 900 + len(every), 99_999)
    save([*student, *enrollment], by=its.teacher)

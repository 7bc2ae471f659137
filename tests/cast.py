"""The cast of the tests, and what they do, in words: ``people.t1.types(mark, "75")``.

Two teachers (T1, T2), a third whose account turns out to be misused (V), two people of the office
(A, B), and an outsider who teaches at another school. One section with three enrolled pupils, no
marks yet. All of it went through the ledger's own doors.
"""

import dataclasses
import datetime as dt
import uuid
from typing import Any

from django.db import connection
from django.utils import timezone
from psycopg import sql

from accounts.in_school import enter
from accounts.models import Membership, School, User
from accounts.origin import Origin
from changes import judgement, overlay, projector, registry, revert, review
from changes.models import Change
from changes.propose import Draft, Saved, creation, propose, withdraw
from grading.models import Enrollment, GradingScale, GradingStep

PASSWORD = "correct-horse-battery"
MONDAY = dt.datetime(2026, 11, 9, 9, 0, tzinfo=dt.UTC)
SATURDAY_NIGHT = dt.datetime(2026, 11, 14, 23, 15, tzinfo=dt.UTC)


@dataclasses.dataclass
class Clock:
    """The tests' time: each act comes a minute after the one before, unless it says when."""

    now: dt.datetime = MONDAY

    def tick(self) -> dt.datetime:
        self.now += dt.timedelta(minutes=1)
        return self.now


@dataclasses.dataclass(frozen=True)
class Person:
    """A member of the school and what they do. Call inside the school."""

    member: Membership
    clock: Clock
    ip: str

    @property
    def user(self) -> User:
        return self.member.user

    @property
    def school(self) -> School:
        return self.member.school

    def origin(self, at: dt.datetime | None = None, ip: str | None = None) -> Origin:
        return Origin(at=at or self.clock.tick(), ip=ip or self.ip, user_agent="tests")

    def proposes(
        self,
        drafts: list[Draft],
        *,
        at: dt.datetime | None = None,
        ip: str | None = None,
        **options: Any,
    ) -> Saved:
        """Save drafts; ``options`` are those of ``propose``."""
        return propose(drafts, by=self.member, origin=self.origin(at, ip), **options)

    def types(
        self,
        enrollment: uuid.UUID,
        text: str | None,
        *,
        field: str = "grade",
        reason: str = "",
        at: dt.datetime | None = None,
        ip: str | None = None,
        **options: Any,
    ) -> Saved:
        """Type into one cell of the mark sheet, on purpose. ``options`` are those of Draft."""
        draft = typed(enrollment, text, field=field, reason=reason, **options)
        return self.proposes([draft], at=at, ip=ip)

    def changes_cell(
        self, entity_type: str, entity_id: uuid.UUID, at: dt.datetime | None = None, **values: Any
    ) -> Saved:
        """Propose values for cells of one entity."""
        return self.proposes(
            [
                Draft(entity_type=entity_type, entity_id=entity_id, field=f, typed=v, touched=True)
                for f, v in values.items()
            ],
            at=at,
        )

    def creates(
        self, entity_type: str, *, at: dt.datetime | None = None, **values: str | None
    ) -> uuid.UUID:
        """Propose a new record and return its id."""
        drafts = creation(entity_type, values)
        self.proposes(drafts, at=at, whole=True)
        return drafts[0].entity_id

    def enrols(
        self, student: uuid.UUID, section: uuid.UUID, *, at: dt.datetime | None = None
    ) -> uuid.UUID:
        """Propose an enrolment and return its id."""
        return self.creates("enrollment", student=str(student), section=str(section), at=at)

    def deletes(
        self, entity_type: str, entity_id: uuid.UUID, *, at: dt.datetime | None = None
    ) -> Saved:
        """Propose that a record goes."""
        return self.proposes(
            [Draft(entity_type=entity_type, entity_id=entity_id, field="exists", typed="false")],
            at=at,
            reason="it should not be here",
        )

    def withdraws(self, *changes: Change, at: dt.datetime | None = None) -> Saved:
        """Take back own waiting changes."""
        return withdraw([c.pk for c in changes], by=self.member, origin=self.origin(at))

    def enters(self, drafts: list[Draft], **options: Any) -> review.Entered:
        """Edit directly, as the office."""
        return review.enter_directly(
            drafts, school=self.school, by=self.member, origin=self.origin(), **options
        )

    def approves(self, *changes: Change, **options: Any) -> review.Outcome:
        """Approve changes; ``options`` are those of ``approve``."""
        return review.approve(
            [c.pk for c in changes],
            school=self.school,
            by=self.member,
            origin=self.origin(options.pop("at", None)),
            **options,
        )

    def declines(self, *changes: Change, reason: str = "not right") -> review.Outcome:
        """Decline changes."""
        return review.decline(
            [c.pk for c in changes],
            school=self.school,
            by=self.member,
            origin=self.origin(),
            reason=reason,
        )

    def reverts(self, account: "Person | None" = None, **options: Any) -> revert.Reverted:
        """Revert an account; criteria and options of ``revert`` may be given by name."""
        criteria, rest = _criteria(account, options)
        rest.setdefault("reason", "it was her niece")
        return revert.revert(
            criteria,
            school=self.school,
            by=self.member,
            origin=self.origin(),
            **rest,
        )

    def reinstates(self, reverted: revert.Reverted, **options: Any) -> revert.Reverted:
        """Lift a revert."""
        return revert.reinstate(
            reverted.decision,
            school=self.school,
            by=self.member,
            origin=self.origin(),
            **options,
        )

    def sees(self, enrollment: uuid.UUID, field: str = "grade") -> str | None:
        """Return what this person sees in a cell; None also when they see no such record."""
        return self.looks_at("enrollment", enrollment, field)

    def looks_at(self, entity_type: str, entity_id: uuid.UUID, field: str) -> str | None:
        records = overlay.see(entity_type, [entity_id], by=self.member)
        return records[entity_id].value(field) if entity_id in records else None


def _criteria(
    account: Person | None, options: dict[str, Any]
) -> tuple[revert.Criteria, dict[str, Any]]:
    names = {field.name for field in dataclasses.fields(revert.Criteria)}
    given = {name: value for name, value in options.items() if name in names}
    rest = {name: value for name, value in options.items() if name not in names}
    if account is not None:
        given["account"] = account.user.pk
    return revert.Criteria(**given), rest


@dataclasses.dataclass
class Cast:
    """Everybody, and the small school they work in."""

    school: School
    other_school: School
    clock: Clock
    t1: Person
    t2: Person
    v: Person
    a: Person
    b: Person
    outsider: Person
    scale: GradingScale
    term: uuid.UUID
    course: uuid.UUID
    room: uuid.UUID
    section: uuid.UUID
    students: list[uuid.UUID]
    marks: list[uuid.UUID]

    def preview(self, account: Person | None = None, **options: Any) -> revert.Preview:
        """Preview a revert."""
        criteria, rest = _criteria(account, options)
        return revert.preview(criteria, school=self.school, **rest)

    def grade(self, enrollment: uuid.UUID) -> str | None:
        """Return what stands in the table that everybody reads."""
        return Enrollment.objects.get(pk=enrollment).grade

    def open_of(self, *entity_ids: uuid.UUID) -> list[Change]:
        """Return the changes that wait on these records, in the order they came."""
        waiting = Change.objects.filter(entity_id__in=entity_ids).open()
        return list(waiting.order_by("id"))

    def have_noon(self) -> None:
        """Let it be about noon by the school's clocks: no day of theirs ends during a test."""
        self.school.time_zone = f"Etc/GMT{timezone.now().hour - 12:+d}"
        self.school.save()

    def is_equal(self) -> bool:
        """Return whether the tables are the fold of the ledger."""
        return projector.verify(self.school).equal

    def tables(self) -> dict[str, list[str]]:
        """Return every row of the tracked tables as text, to compare byte for byte."""
        found = {}
        with connection.cursor() as cursor:
            for tracked in registry.in_order():
                query = sql.SQL("select t::text from {} t order by t.id")
                cursor.execute(query.format(sql.Identifier(tracked.table)).as_string(None))
                found[tracked.entity_type] = [row[0] for row in cursor.fetchall()]
        return found

    def stands(self, *texts: str) -> None:
        """Have T1 type and A approve these marks, one after the other, for the first pupil."""
        for text in texts:
            self.stand(self.marks[0], text, by=self.t1)

    def stand(
        self, enrollment: uuid.UUID, text: str | None, *, by: Person, **options: Any
    ) -> Change:
        """Have somebody type a mark and A approve it, at once."""
        at = options.pop("at", None)
        change = only(by.types(enrollment, text, reason="a slip of the pen", at=at, **options))
        self.a.approves(change, use_values={change.pk: "seen"})
        change.refresh_from_db()
        return change


def typed(
    enrollment: uuid.UUID, text: str | None, *, field: str = "grade", **options: Any
) -> Draft:
    """Return what is typed on purpose into one cell of a mark sheet."""
    return Draft(
        entity_type="enrollment",
        entity_id=enrollment,
        field=field,
        typed=text,
        touched=True,
        **options,
    )


def only(saved: Saved) -> Change:
    """Return the one change that a save made."""
    assert not saved.refused, [d.refused for d in saved.refused]
    (change,) = saved.changes
    return change


def open_changes() -> set[uuid.UUID]:
    """Return the ids of all that waits in the school."""
    return set(Change.objects.open().values_list("pk", flat=True))


def judged(change: Change, school: School) -> judgement.Judged:
    """Return how a change stands now."""
    (each,) = judgement.load(school, [change.pk])
    return each


def make_person(
    email: str, role: str, *, school: School, clock: Clock, ip: str, password: str | None = None
) -> Person:
    """Make a user with one membership. Without ``password`` they cannot sign in (and the tests
    save the time that hashing one takes)."""
    name = email.partition("@")[0].replace(".", " ").title()
    user = User.objects.create_user(email, password, name=name)
    return Person(Membership.objects.create(school=school, user=user, role=role), clock, ip)


def make_scale(school: School, *, name: str = "Percent") -> GradingScale:
    """Make a scale from 0 to 100 with one decimal, and the codes AB and EX."""
    scale = GradingScale.objects.create(
        school=school, name=name, kind="numeric", minimum=0, maximum=100, decimals=1
    )
    for label, minimum, points in (("A", 80, 4), ("B", 60, 3), ("C", 40, 2), ("D", 0, 0)):
        GradingStep.objects.create(
            school=school, scale=scale, label=label, minimum=minimum, points=points
        )
    for label, meaning in (("AB", "absent"), ("EX", "exempt")):
        GradingStep.objects.create(
            school=school, scale=scale, label=label, meaning=meaning, is_code=True
        )
    return scale


def assemble(*, password: str | None = None) -> Cast:
    """Make two schools and the cast."""
    clock = Clock()
    school = School.objects.create(name="Hill School", slug="hill", time_zone="Europe/London")
    other = School.objects.create(name="Vale School", slug="vale", time_zone="Europe/London")

    def person(name: str, role: str, ip: str, where: School = school) -> Person:
        return make_person(
            f"{name}@{where.slug}.example",
            role,
            school=where,
            clock=clock,
            ip=ip,
            password=password,
        )

    a = person("a.admin", "office", "10.0.0.1")
    with enter(school):
        scale = make_scale(school)
        instructor = person("t1.teacher", "teacher", "10.0.1.1")
        term = creation("term", {"name": "Autumn 2026", "starts_on": "2026-09-01"})
        course = creation("course", {"code": "BIO", "title": "Biology", "credits": "4"})
        room = creation("room", {"name": "SCI 201"})
        section = creation(
            "section",
            {
                "course": str(course[0].entity_id),
                "term": str(term[0].entity_id),
                "code": "BIO-2",
                "scale": str(scale.pk),
                "instructor": str(instructor.user.pk),
                "room": str(room[0].entity_id),
                "capacity": "30",
            },
        )
        students = [
            creation("student", {"number": str(n), "given_names": given, "family_name": family})
            for n, given, family in (
                (101, "Ada", "Abbott"),
                (102, "Ben", "Brown"),
                (103, "Cleo", "Carter"),
            )
        ]
        enrollments = [
            creation(
                "enrollment",
                {"student": str(s[0].entity_id), "section": str(section[0].entity_id)},
            )
            for s in students
        ]
        every = [term, course, room, section, *students, *enrollments]
        a.enters([draft for drafts in every for draft in drafts], whole=True)
    return Cast(
        school=school,
        other_school=other,
        clock=clock,
        t1=instructor,
        t2=person("t2.teacher", "teacher", "10.0.1.2"),
        v=person("v.sweet", "teacher", "10.0.1.3"),
        a=a,
        b=person("b.admin", "office", "10.0.0.2"),
        outsider=person("o.outsider", "office", "10.9.9.9", other),
        scale=scale,
        term=term[0].entity_id,
        course=course[0].entity_id,
        room=room[0].entity_id,
        section=section[0].entity_id,
        students=[s[0].entity_id for s in students],
        marks=[e[0].entity_id for e in enrollments],
    )

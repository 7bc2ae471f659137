"""Making the sample school, act by act."""

import dataclasses
import datetime as dt
import random
import uuid
import zoneinfo
from collections.abc import Iterable

from django.db.models import IntegerField
from django.db.models.functions import Cast

from accounts import audit
from accounts.in_school import enter
from accounts.models import AuditLog, Membership, School, User
from accounts.origin import Origin
from changes import review
from changes.models import ChangeSet, Decision, LedgerHead
from changes.propose import Draft, Saved, creation, propose
from grading.models import BankComment, Enrollment, GradingScale, GradingStep
from students.models import Programme, Student

from . import names, report_cards

SEED = 412
SLUG = "maple-road"
ZONE = zoneinfo.ZoneInfo("Europe/London")
STAFF_ROOM, OFFICE_ROOM, ELSEWHERE = "192.0.2.14", "192.0.2.2", "203.0.113.77"
LAPTOP = "Mozilla/5.0 (X11; Linux x86_64) staff laptop"
PHONE = "Mozilla/5.0 (Linux; Android) somebody's phone"


@dataclasses.dataclass
class Sample:
    """The school in the making. ``today`` is a date in the school's time zone."""

    school: School
    today: dt.date
    chance: random.Random
    office: list[Membership] = dataclasses.field(default_factory=list)
    teachers: list[Membership] = dataclasses.field(default_factory=list)
    scales: dict[str, GradingScale] = dataclasses.field(default_factory=dict)
    programmes: dict[int, Programme] = dataclasses.field(default_factory=dict)
    terms: list[uuid.UUID] = dataclasses.field(default_factory=list)
    students: list[uuid.UUID] = dataclasses.field(default_factory=list)
    given: dict[uuid.UUID, str] = dataclasses.field(default_factory=dict)
    sections: dict[uuid.UUID, list["SampleSection"]] = dataclasses.field(default_factory=dict)

    @property
    def sweet(self) -> Membership:
        return self.teachers[0]

    def at(self, day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
        """Return an instant by the school's clock."""
        return dt.datetime.combine(day, dt.time(hour, minute), ZONE)

    @property
    def saturday(self) -> dt.date:
        """The last Saturday whose Monday is over: nothing of the story lies in the future."""
        since = (self.today.weekday() - 5) % 7
        return self.today - dt.timedelta(days=since if since > 2 else since + 7)


@dataclasses.dataclass(frozen=True)
class SampleSection:
    """A section, its instructor, its scale's kind, and its enrolments by student."""

    id: uuid.UUID
    code: str
    instructor: Membership
    letters: bool
    enrollments: dict[uuid.UUID, uuid.UUID]


def make(*, today: dt.date, password: str) -> School:
    """Make the sample school as of ``today``; everybody signs in with ``password``."""
    school = School.objects.create(
        name="Maple Road School", slug=SLUG, time_zone=ZONE.key, cards_need_comments=False
    )
    sample = Sample(school, today, random.Random(SEED))  # noqa: S311 - no secret, a fixed school
    _people(sample, password)
    with enter(school):
        _scales(sample)
        _bank(sample)
        _records(sample)
        for term in sample.terms[:2]:
            _past_marks(sample, term)
        _past_cards(sample, sample.terms[1])
        _this_term(sample)
        _seen(sample)
        _missing_pupil_twice(sample)
        _waiting_correction(sample)
        _week_and_saturday(sample)
    return school


def _people(sample: Sample, password: str) -> None:
    hashed = User(email="x")
    hashed.set_password(password)  # hashed once: 14 times would take seconds
    for role, people in (("office", names.OFFICE), ("teacher", names.TEACHERS)):
        for name in people:
            given, _, family = name.partition(" ")
            address = f"{given[0]}.{family}@maple-road.example".lower()
            user = User.objects.create(email=address, name=name, password=hashed.password)
            member = Membership.objects.create(school=sample.school, user=user, role=role)
            (sample.office if role == "office" else sample.teachers).append(member)


def _scales(sample: Sample) -> None:
    percent = GradingScale.objects.create(
        school=sample.school, name="Percent", kind="numeric", minimum=0, maximum=100, decimals=0
    )
    letters = GradingScale.objects.create(school=sample.school, name="Letters", kind="letters")
    sample.scales = {"percent": percent, "letters": letters}
    steps = (("A", 80, 4), ("B", 65, 3), ("C", 50, 2), ("D", 40, 1), ("E", 0, 0))
    rows = [
        GradingStep(school=sample.school, scale=percent, label=label, minimum=low, points=points)
        for label, low, points in steps
    ]
    rows += [
        GradingStep(school=sample.school, scale=letters, label=label, points=points)
        for label, _, points in steps
    ]
    rows += [
        GradingStep(school=sample.school, scale=scale, is_code=True, label=label, meaning=meaning)
        for scale in (percent, letters)
        for label, meaning in (("AB", "absent"), ("EX", "exempt"), ("IN", "incomplete"))
    ]
    GradingStep.objects.bulk_create(rows)


def _bank(sample: Sample) -> None:
    """Comments for use at many pupils: the school's, and one of Mrs Sweet's own."""
    own = (sample.teachers[0].user, "{name} asks the questions that help the whole class.", "")
    texts = [*((None, text, marks) for text, marks in names.BANK), own]
    BankComment.objects.bulk_create(
        BankComment(school=sample.school, owner=owner, text=text, marks=marks)
        for owner, text, marks in texts
    )


def _records(sample: Sample) -> None:
    """Terms, courses, rooms, pupils, sections and enrolments: entered directly by the office."""
    start = sample.today - dt.timedelta(days=75)
    year = dt.timedelta(days=112)
    terms = [
        creation(
            "term",
            {
                "name": name,
                "starts_on": str(start - weeks),
                "ends_on": str(start - weeks + dt.timedelta(days=98)),
                "registration_opens_on": str(start - weeks - dt.timedelta(days=21)),
                "marks_open_on": str(start - weeks),
                "marks_close_on": str(start - weeks + dt.timedelta(days=103)),
            },
        )
        for name, weeks in (
            ("First term", 2 * year),
            ("Second term", year),
            ("Third term", dt.timedelta(0)),
        )
    ]
    courses = [
        creation("course", {"code": code, "title": title, "credits": worth, "subject_area": area})
        for code, title, worth, area in names.COURSES
    ]
    _programmes(sample, french=courses[-1][0].entity_id)
    rooms = [creation("room", {"name": name}) for name in names.ROOMS]
    students = [_student(sample, number) for number in range(1001, 1241)]
    sample.terms = [drafts[0].entity_id for drafts in terms]
    sample.students = [drafts[0].entity_id for drafts in students]
    drafts = [d for some in (*terms, *courses, *rooms, *students) for d in some]
    for term in sample.terms:
        sample.sections[term] = []
        for number in range(24):
            section, more = _section(sample, term, number, courses, rooms)
            sample.sections[term].append(section)
            drafts += more
    review.enter_directly(
        drafts,
        school=sample.school,
        by=sample.office[0],
        origin=Origin(at=sample.at(start - 2 * year, 8), ip=OFFICE_ROOM, user_agent=LAPTOP),
        source=ChangeSet.Source.COMMAND,
        kind=Decision.Kind.IMPORT,
        reason="the sample school",
        whole=True,
    )


def _programmes(sample: Sample, *, french: uuid.UUID) -> None:
    """What it takes to finish: until the ninth year, and from the tenth one on."""
    lower = Programme(name="Lower school", credits=9)
    diploma = Programme(
        name="Diploma",
        credits=7,
        areas={"Languages": "2", "Sciences": "3"},
        courses=[french],
        least_gpa=2,
    )
    for programme in (lower, diploma):
        programme.school = sample.school
        programme.save()
    sample.programmes = {year: lower if year < 10 else diploma for year in range(7, 12)}


def _student(sample: Sample, number: int) -> list[Draft]:
    given, family = sample.chance.choice(names.GIVEN), sample.chance.choice(names.FAMILY)
    year = 7 + (number - 1001) // 48
    plain = family.encode("ascii", "ignore").decode().lower() or "family"
    drafts = creation(
        "student",
        {
            "number": str(number),
            "given_names": given,
            "family_name": family,
            "pronouns": _pronouns(given, number),
            "birth_date": str(
                dt.date(sample.today.year - year - 5, 1, 1)
                + dt.timedelta(days=sample.chance.randrange(365))
            ),
            "email": f"pupil{number}@maple-road.example",
            "guardian_email": f"{plain}.{number}@home.example",
            "year_level": str(year),
            "home_group": f"{year}{'ABC'[number % 3]}",
            "programme": str(sample.programmes[year].pk),
        },
    )
    sample.given[drafts[0].entity_id] = given
    return drafts


def _pronouns(given: str, number: int) -> str:
    """Return a pupil's pronouns; of every twelfth the school does not know them."""
    if number % 12 == 0:
        return ""
    if number % 31 == 0:
        return Student.Pronouns.THEY
    return Student.Pronouns.HE if given in names.OF_BOYS else Student.Pronouns.SHE


def _section(
    sample: Sample,
    term: uuid.UUID,
    number: int,
    courses: list[list[Draft]],
    rooms: list[list[Draft]],
) -> tuple[SampleSection, list[Draft]]:
    """Section ``number`` of 24: three groups of 30 for each of eight courses."""
    which, group = divmod(number, 3)
    instructor = sample.teachers[number // 2]
    letters = names.COURSES[which][0] in {"ENG", "FRE"}
    code = f"{names.COURSES[which][0]}-{group + 1}"
    drafts = creation(
        "section",
        {
            "course": str(courses[which][0].entity_id),
            "term": str(term),
            "code": code,
            "scale": str(sample.scales["letters" if letters else "percent"].pk),
            "instructor": str(instructor.user_id),
            "room": str(rooms[number % len(rooms)][0].entity_id),
            "capacity": "32",
            "delivery_mode": "in person",
            "schedule": f"{('Mon', 'Tue', 'Wed', 'Thu')[number % 4]} {9 + number % 6}:00",
        },
    )
    section = SampleSection(drafts[0].entity_id, code, instructor, letters, {})
    for student in sample.students[(number * 30) % 240 :][:30]:
        more = creation(
            "enrollment",
            {"student": str(student), "section": str(section.id), "status": "enrolled"},
        )
        section.enrollments[student] = more[0].entity_id
        drafts += more
    return section, drafts


def _mark(sample: Sample, section: SampleSection) -> str:
    if sample.chance.random() < 0.03:
        return "AB"
    if section.letters:
        return sample.chance.choices("ABCDE", weights=(2, 4, 4, 2, 1))[0]
    return str(max(12, min(98, round(sample.chance.gauss(63, 14)))))


def _sheet(
    sample: Sample, section: SampleSection, share: float = 1.0, comments: float = 0.5
) -> list[Draft]:
    """Marks (for a share of the pupils) and comments, as their teacher would type them."""
    drafts = []
    for student, enrollment in section.enrollments.items():
        if sample.chance.random() > share:
            continue
        drafts.append(_draft(enrollment, "grade", _mark(sample, section)))
        if sample.chance.random() < comments:
            text = sample.chance.choice(names.COMMENTS).format(name=sample.given[student])
            drafts.append(_draft(enrollment, "comment", text))
    return drafts


def _draft(enrollment: uuid.UUID, field: str, typed: str, reason: str = "") -> Draft:
    return Draft(
        entity_type="enrollment",
        entity_id=enrollment,
        field=field,
        typed=typed,
        touched=True,
        reason=reason,
    )


def _save(
    drafts: Iterable[Draft],
    *,
    by: Membership,
    at: dt.datetime,
    ip: str = STAFF_ROOM,
    user_agent: str = LAPTOP,
    session: str = "",
) -> Saved:
    origin = Origin(at=at, ip=ip, user_agent=user_agent, session=session)
    return propose(drafts, by=by, origin=origin, whole=True)


def _approve(sample: Sample, saved: Iterable[Saved], *, at: dt.datetime, office: int = 0) -> None:
    review.approve(
        [change.pk for each in saved for change in each.changes],
        school=sample.school,
        by=sample.office[office],
        origin=Origin(at=at, ip=OFFICE_ROOM, user_agent=LAPTOP),
    )


def _past_marks(sample: Sample, term: uuid.UUID) -> None:
    """An earlier term: every sheet handed in and approved, two days before its end."""
    ago = 112 * (2 - sample.terms.index(term))
    day = sample.today - dt.timedelta(days=ago - 20)
    saved = [
        _save(_sheet(sample, section), by=section.instructor, at=sample.at(day, 16, minute % 60))
        for minute, section in enumerate(sample.sections[term])
    ]
    _approve(sample, saved, at=sample.at(day + dt.timedelta(days=2), 10))


def _past_cards(sample: Sample, term: uuid.UUID) -> None:
    """The cards of one home group, with a remark by Mrs Sweet on each, when the term had ended."""
    end = sample.today - dt.timedelta(days=89)
    report_cards.issue(
        term,
        teacher=sample.sweet,
        office=sample.office[0],
        written=Origin(at=sample.at(end, 15), ip=STAFF_ROOM, user_agent=LAPTOP),
        issued=Origin(
            at=sample.at(end + dt.timedelta(days=2), 9), ip=OFFICE_ROOM, user_agent=LAPTOP
        ),
    )


def _this_term(sample: Sample) -> None:
    """Half entered: eight sheets approved, four waiting, two begun, ten untouched.

    Mrs Sweet's first class is approved, her second one begun.
    """
    first, begun, *rest = sample.sections[sample.terms[2]]
    friday = sample.saturday - dt.timedelta(days=1)
    approved = [
        _save(_sheet(sample, section), by=section.instructor, at=sample.at(friday, 14, number))
        for number, section in enumerate([first, *rest[:7]])
    ]
    _approve(sample, approved, at=sample.at(friday, 17))
    for number, section in enumerate([*rest[7:11], rest[11], begun]):
        share = 1.0 if number < 4 else 0.4
        _save(
            _sheet(sample, section, share),
            by=section.instructor,
            at=sample.at(friday, 18, number),
        )
    report_cards.begin(
        sample.terms[2],
        teacher=sample.sweet,
        written=Origin(at=sample.at(friday, 18, 30), ip=STAFF_ROOM, user_agent=LAPTOP),
    )


def _seen(sample: Sample) -> None:
    """Everybody has seen what was decided until Friday evening."""
    head = LedgerHead.objects.get(school=sample.school)
    Membership.objects.filter(school=sample.school).update(
        decided_seen=head.last_decision, decided_mailed=head.last_decision
    )


def _missing_pupil_twice(sample: Sample) -> None:
    """Two teachers miss the same new pupil, and each adds them, spelt a little differently."""
    sections = sample.sections[sample.terms[2]]
    monday = sample.saturday + dt.timedelta(days=2)
    for section, given, family, mark, minute in (
        (sections[9], "Imani", "Achterberg", "74", 5),
        (sections[20], "Imani", "Achtenberg", "68", 40),
    ):
        student = creation(
            "student",
            {
                "given_names": given,
                "family_name": family,
                "year_level": "9",
                "home_group": "9B",
                "birth_date": f"{sample.today.year - 14}-05-17",
            },
        )
        enrollment = creation(
            "enrollment", {"student": str(student[0].entity_id), "section": str(section.id)}
        )
        at = sample.at(monday, 8, minute)
        _save([*student, *enrollment], by=section.instructor, at=at)
        _save(
            [_draft(enrollment[0].entity_id, "grade", mark)],
            by=section.instructor,
            at=at + dt.timedelta(minutes=1),
        )


def _waiting_correction(sample: Sample) -> None:
    section = sample.sections[sample.terms[2]][5]
    enrollment = list(section.enrollments.values())[4]
    now = int(Enrollment.objects.get(pk=enrollment).grade or "50") if not section.letters else 0
    _save(
        [
            _draft(
                enrollment,
                "grade",
                "B" if section.letters else str(min(100, now + 9)),
                reason="The second page of the examination had not been counted.",
            )
        ],
        by=section.instructor,
        at=sample.at(sample.saturday + dt.timedelta(days=2), 11, 20),
    )


def _week_and_saturday(sample: Sample) -> None:
    """Mrs Sweet's ordinary week; then Saturday night, when it was not her."""
    section = sample.sections[sample.terms[2]][0]
    pupils = list(section.enrollments.items())
    for day in range(5):
        at = sample.at(sample.saturday - dt.timedelta(days=5 - day), 15, 10 + day)
        _sign_in(sample, sample.sweet, at, STAFF_ROOM, LAPTOP)
        student, enrollment = pupils[20 + day]
        drafts = [
            _draft(enrollment, "comment", f"{sample.given[student]} has caught up well this week.")
        ]
        _approve(
            sample,
            [_save(drafts, by=sample.sweet, at=at + dt.timedelta(minutes=4))],
            at=at + dt.timedelta(hours=2),
        )

    night = sample.at(sample.saturday, 23, 8)
    _sign_in(sample, sample.sweet, night, ELSEWHERE, PHONE)
    grades = dict(
        Enrollment.objects.filter(section_id=section.id, grade__regex=r"^\d+$").values_list(
            "pk", Cast("grade", IntegerField())
        )
    )
    raised = [e for _, e in pupils if grades.get(e, 100) < 85][:14]
    burst = [
        _save(
            [_draft(e, "grade", str(grades[e] + 12), reason="marked again")],
            by=sample.sweet,
            at=night + dt.timedelta(minutes=2 * number + 1),
            ip=ELSEWHERE,
            user_agent=PHONE,
            session="saturday",
        )
        for number, e in enumerate(raised)
    ]
    _save(
        [
            Draft(
                entity_type="student",
                entity_id=pupils[3][0],
                field="guardian_email",
                typed="somebody.else@mail.example",
                touched=True,
            )
        ],
        by=sample.sweet,
        at=night + dt.timedelta(minutes=31),
        ip=ELSEWHERE,
        user_agent=PHONE,
        session="saturday",
    )
    # On Monday the office, in good faith, approves nine of the fourteen ...
    monday = sample.saturday + dt.timedelta(days=2)
    _approve(sample, burst[:9], at=sample.at(monday, 9, 15), office=1)
    # ... and Mr Abel, who taught the class for a day, honestly corrects one of them.
    honest = _save(
        [_draft(raised[0], "grade", "71", reason="I marked this paper: it is 71.")],
        by=sample.teachers[1],
        at=sample.at(monday, 10, 30),
    )
    _approve(sample, [honest], at=sample.at(monday, 11), office=0)


def _sign_in(sample: Sample, member: Membership, at: dt.datetime, ip: str, user_agent: str) -> None:
    audit.record(
        AuditLog.Event.SIGN_IN,
        origin=Origin(at=at, ip=ip, user_agent=user_agent),
        school=sample.school,
        user=member.user,
    )

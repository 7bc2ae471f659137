"""What the rows of each file mean: OneRoster 1.1 and 1.2 CSV, the files and columns that are used
here.

Attributes are named as the standard names the column, in Python's spelling, without "sourcedId".
`line` is the physical line, for messages; 0 of a row that no file has, but the school itself. Text
is verbatim. Columns that nobody uses here are not judged. `own` are fields of the ledger that a
file of ours says besides (headers.py), and '' or None what it says is blank.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from grading.oneroster.headers import GRADE, ORG, PROGRAMME, SCALE, YEAR_LEVEL
from grading.oneroster.layout import COMMENT, EMAIL, ID, Cells, Layout, choices
from grading.oneroster.scale_facts import ScaleFacts, Unreadable, read_scale

ORG_TYPES = choices("department", "school", "district", "local", "state", "national")
SESSION_TYPES = choices("gradingPeriod", "semester", "schoolYear", "term")
USER_ROLES = choices(
    "administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher"
)
LATER_ROLES = choices(
    *("administrator", "aide", "counselor", "districtAdministrator", "guardian", "parent"),
    *("principal", "proctor", "relative", "siteAdministrator", "student"),
    *("systemAdministrator", "teacher"),
)
"""Of version 1.2, which lets anybody add others, called ext:…"""
ENROLLMENT_ROLES = choices("administrator", "proctor", "student", "teacher")
SCORE_STATUSES = choices("exempt", "fully graded", "not submitted", "partially graded", "submitted")


@dataclass(frozen=True, slots=True)
class Org:
    line: int
    sourced_id: str
    name: str
    type: str
    identifier: str


@dataclass(frozen=True, slots=True)
class Session:
    """An academic session: a school year, a semester, a term or a grading period. org: the school
    whose own it is, where the file says so. start_on, end_on: None only where it says that they are
    not known."""

    line: int
    sourced_id: str
    title: str
    type: str
    start_on: date | None
    end_on: date | None
    school_year: str
    org: str = ""
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Course:
    """code: None where the course has none."""

    line: int
    sourced_id: str
    title: str
    code: str | None
    org: str
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Class:
    """terms: sourcedIds of sessions, in the order of the file. code: None where it has none."""

    line: int
    sourced_id: str
    title: str
    code: str | None
    course: str
    school: str
    terms: tuple[str, ...]
    location: str
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class User:
    """orgs: sourcedIds; a pupil may be on the list of several. grades: year levels, verbatim.

    role, orgs: of a file of version 1.2 they stand in roles.csv."""

    line: int
    sourced_id: str
    enabled: bool
    orgs: tuple[str, ...]
    role: str
    username: str
    given_name: str
    family_name: str
    middle_name: str
    identifier: str
    email: str
    grades: tuple[str, ...]
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Role:
    """What somebody is in an organisation (version 1.2). role: '' for one of somebody's own."""

    line: int
    sourced_id: str
    user: str
    org: str
    role: str


@dataclass(frozen=True, slots=True)
class Demographic:
    """Of a person with the same sourcedId."""

    line: int
    sourced_id: str
    birth_on: date | None


@dataclass(frozen=True, slots=True)
class Enrollment:
    """primary: for teachers, the one who is responsible for the class."""

    line: int
    sourced_id: str
    class_: str
    school: str
    user: str
    role: str
    primary: bool
    begin_on: date | None
    end_on: date | None


@dataclass(frozen=True, slots=True)
class Category:
    line: int
    sourced_id: str
    title: str


@dataclass(frozen=True, slots=True)
class LineItem:
    """A column of a mark book. minimum, maximum: the bounds of its scores, both included; of
    version 1.2 both may be None. scale: all of it, where the file says so."""

    line: int
    sourced_id: str
    title: str
    class_: str
    category: str
    grading_period: str
    minimum: Decimal | None
    maximum: Decimal | None
    scale: ScaleFacts | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A pupil's result in one line item. score: None unless the file has one. grade: the mark as
    text, where the file says more than a score."""

    line: int
    sourced_id: str
    line_item: str
    student: str
    status: str
    score: Decimal | None
    scored_on: date | None
    comment: str
    grade: str = ""


def _org(cells: Cells) -> Org:
    return Org(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        name=cells.needed("name"),
        type=cells.choice("type", ORG_TYPES),
        identifier=cells.text("identifier"),
    )


def _session(cells: Cells) -> Session:
    session = Session(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        title=cells.named("title"),
        type=cells.choice("type", SESSION_TYPES),
        start_on=None if cells.is_blank("startDate") else cells.needed_day("startDate"),
        end_on=None if cells.is_blank("endDate") else cells.needed_day("endDate"),
        school_year=cells.text("schoolYear"),
        org=cells.text(ORG, ID),
        own=cells.own("academicSessions"),
    )
    if cells.sound and session.start_on and session.end_on and session.end_on < session.start_on:
        cells.bad("endDate", "ends before it starts on {}", session.start_on.isoformat())
    return session


def _course(cells: Cells) -> Course:
    return Course(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        title=cells.named("title"),
        code=None if cells.is_blank("courseCode") else cells.text("courseCode"),
        org=cells.needed("orgSourcedId", ID),
        own=cells.own("courses"),
    )


def _class(cells: Cells) -> Class:
    terms = cells.many("termSourcedIds")
    if not terms:
        cells.bad("termSourcedIds", "is blank")
    return Class(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        title=cells.needed("title"),
        code=None if cells.is_blank("classCode") else cells.text("classCode"),
        course=cells.needed("courseSourcedId", ID),
        school=cells.needed("schoolSourcedId", ID),
        terms=terms,
        location=cells.text("location"),
        own=cells.own("classes"),
    )


def _user(cells: Cells) -> User:
    says_role = cells.has("role")  # version 1.2 has neither here, but in roles.csv
    orgs = cells.many("orgSourcedIds")
    if says_role and not orgs:
        cells.bad("orgSourcedIds", "is blank")
    own = cells.own("users")
    if level := cells.text(YEAR_LEVEL):
        own["year_level"] = level
    if cells.has(PROGRAMME):
        own["programme"] = cells.text(PROGRAMME)
    if pronouns := PRONOUNS.get(cells.text("pronouns").partition("/")[0].strip().lower()):
        own["pronouns"] = pronouns
    return User(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        enabled=cells.boolean("enabledUser", blank=True),
        orgs=orgs,
        role=cells.choice("role", USER_ROLES) if says_role else "",
        username=cells.text("username"),
        given_name=cells.named("givenName"),
        family_name=cells.named("familyName"),
        middle_name=cells.text("middleName"),
        identifier=cells.text("identifier"),
        email=cells.text("email", EMAIL),
        grades=cells.many("grades"),
        own=own,
    )


PRONOUNS = choices("she", "he", "they")
"""How the pronouns of version 1.2, such as she/her, begin where the ledger knows them."""


def _role(cells: Cells) -> Role:
    value = cells.needed("role").strip()
    other = value.lower().startswith("ext:")
    return Role(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        user=cells.needed("userSourcedId", ID),
        org=cells.needed("orgSourcedId", ID),
        role="" if other else cells.choice("role", LATER_ROLES),
    )


def _demographic(cells: Cells) -> Demographic:
    return Demographic(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        birth_on=cells.day("birthDate"),
    )


def _enrollment(cells: Cells) -> Enrollment:
    enrollment = Enrollment(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        class_=cells.needed("classSourcedId", ID),
        school=cells.needed("schoolSourcedId", ID),
        user=cells.needed("userSourcedId", ID),
        role=cells.choice("role", ENROLLMENT_ROLES),
        primary=cells.boolean("primary", blank=False),
        begin_on=cells.day("beginDate"),
        end_on=cells.day("endDate"),
    )
    if enrollment.begin_on and enrollment.end_on and enrollment.end_on < enrollment.begin_on:
        cells.bad("endDate", "ends before it begins on {}", enrollment.begin_on.isoformat())
    return enrollment


def _category(cells: Cells) -> Category:
    return Category(
        line=cells.line, sourced_id=cells.text("sourcedId", ID), title=cells.needed("title")
    )


def _line_item(cells: Cells) -> LineItem:
    period = "gradingPeriodSourcedId"
    item = LineItem(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        title=cells.needed("title"),
        class_=cells.needed("classSourcedId", ID),
        category=cells.text("categorySourcedId", ID),
        # Version 1.2 calls it otherwise.
        grading_period=cells.text(period if cells.has(period) else "academicSessionSourcedId", ID),
        minimum=_bound(cells, "resultValueMin"),
        maximum=_bound(cells, "resultValueMax"),
        scale=_scale(cells),
    )
    if (
        cells.sound
        and item.minimum is not None
        and item.maximum is not None
        and item.maximum <= item.minimum
    ):
        cells.bad("resultValueMax", "is not above the least value {}", str(item.minimum))
    return item


def _bound(cells: Cells, column: str) -> Decimal | None:
    """A bound of the scores, which version 1.1 wants."""
    return cells.number(column) if cells.is_later else cells.needed_number(column)


def _scale(cells: Cells) -> ScaleFacts | None:
    said = cells.text(SCALE, COMMENT)
    if not said:
        return None
    try:
        return read_scale(said)
    except Unreadable as error:
        cells.bad(SCALE, "is no grading scale: {}", str(error))
        return None


def _result(cells: Cells) -> Result:
    result = Result(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        line_item=cells.needed("lineItemSourcedId", ID),
        student=cells.needed("studentSourcedId", ID),
        status=cells.choice("scoreStatus", SCORE_STATUSES),
        score=cells.number("score"),
        scored_on=cells.day("scoreDate"),
        comment=cells.text("comment", COMMENT),
        grade=cells.text(GRADE) or ("" if cells.text("score") else cells.text("textScore")),
    )
    marked = result.score is not None or result.grade.strip()
    if cells.sound and result.status == "fully graded" and not marked:
        cells.bad("score", "is blank although the result is fully graded")
    return result


ORGS = Layout(
    "orgs",
    must=("name", "type"),
    may=("identifier", "parentSourcedId"),
    read=_org,
)
SESSIONS = Layout(
    "academicSessions",
    must=("title", "type", "startDate", "endDate"),
    may=("parentSourcedId", "schoolYear"),
    read=_session,
)
COURSES = Layout(
    "courses",
    must=("title", "orgSourcedId"),
    may=("schoolYearSourcedId", "courseCode", "grades", "subjects", "subjectCodes"),
    read=_course,
)
CLASSES = Layout(
    "classes",
    must=("title", "courseSourcedId", "schoolSourcedId", "termSourcedIds"),
    may=("grades", "classCode", "classType", "location", "subjects", "subjectCodes", "periods"),
    read=_class,
)
USERS = Layout(
    "users",
    must=("enabledUser", "orgSourcedIds", "role", "givenName", "familyName"),
    may=(
        *("username", "userIds", "middleName", "identifier", "email", "sms", "phone"),
        *("agentSourcedIds", "grades", "password"),
    ),
    read=_user,
    later=(
        ("enabledUser", "givenName", "familyName"),
        (
            *("username", "userIds", "middleName", "identifier", "email", "sms", "phone"),
            *("agentSourcedIds", "grades", "password", "userMasterIdentifier"),
            *("resourceSourcedIds", "preferredGivenName", "preferredMiddleName"),
            *("preferredFamilyName", "primaryOrgSourcedId", "pronouns"),
        ),
    ),
)
ROLES = Layout(
    "roles",
    must=("userSourcedId", "roleType", "role", "orgSourcedId"),
    may=("beginDate", "endDate", "userProfileSourcedId"),
    read=_role,
)
DEMOGRAPHICS = Layout(
    "demographics",
    must=("birthDate",),
    may=(
        *("sex", "americanIndianOrAlaskaNative", "asian", "blackOrAfricanAmerican"),
        *("nativeHawaiianOrOtherPacificIslander", "white", "demographicRaceTwoOrMoreRaces"),
        *("hispanicOrLatinoEthnicity", "countryOfBirthCode", "stateOfBirthAbbreviation"),
        *("cityOfBirth", "publicSchoolResidenceStatus"),
    ),
    read=_demographic,
    also_called={"userSourcedId": "sourcedId", "birthdate": "birthDate"},
)
ENROLLMENTS = Layout(
    "enrollments",
    must=("classSourcedId", "schoolSourcedId", "userSourcedId", "role"),
    may=("primary", "beginDate", "endDate"),
    read=_enrollment,
)
CATEGORIES = Layout(
    "categories", must=("title",), may=(), read=_category, later=(("title",), ("weight",))
)
LINE_ITEMS = Layout(
    "lineItems",
    must=("title", "classSourcedId", "resultValueMin", "resultValueMax"),
    may=("description", "assignDate", "dueDate", "categorySourcedId", "gradingPeriodSourcedId"),
    read=_line_item,
    later=(
        ("title", "classSourcedId"),
        (
            *("description", "assignDate", "dueDate", "categorySourcedId", "schoolSourcedId"),
            *("academicSessionSourcedId", "resultValueMin", "resultValueMax"),
        ),
    ),
)
RESULTS = Layout(
    "results",
    must=("lineItemSourcedId", "studentSourcedId", "scoreStatus", "score"),
    may=("scoreDate", "comment"),
    read=_result,
    later=(
        ("lineItemSourcedId", "studentSourcedId", "scoreStatus"),
        (
            *("score", "scoreDate", "comment", "textScore", "classSourcedId", "inProgress"),
            *("incomplete", "late", "missing"),
        ),
    ),
)

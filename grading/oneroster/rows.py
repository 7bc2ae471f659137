"""What the rows of each file mean: OneRoster 1.1 CSV, the files and columns that are used here.

Attributes are named as the standard names the column, in Python's spelling, without "sourcedId".
`line` is the physical line, for messages. Text is verbatim. Columns that nobody uses here are not
judged.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from grading.oneroster.layout import COMMENT, EMAIL, ID, Cells, Layout, choices

ORG_TYPES = choices("department", "school", "district", "local", "state", "national")
SESSION_TYPES = choices("gradingPeriod", "semester", "schoolYear", "term")
USER_ROLES = choices(
    "administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher"
)
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
    """An academic session: a school year, a semester, a term or a grading period."""

    line: int
    sourced_id: str
    title: str
    type: str
    start_on: date
    end_on: date
    school_year: str


@dataclass(frozen=True, slots=True)
class Course:
    line: int
    sourced_id: str
    title: str
    code: str
    org: str


@dataclass(frozen=True, slots=True)
class Class:
    """terms: sourcedIds of sessions, in the order of the file."""

    line: int
    sourced_id: str
    title: str
    code: str
    course: str
    school: str
    terms: tuple[str, ...]
    location: str


@dataclass(frozen=True, slots=True)
class User:
    """orgs: sourcedIds; a pupil may be on the list of several. grades: year levels, verbatim."""

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
    """A column of a mark book. minimum, maximum: the bounds of its scores, both included."""

    line: int
    sourced_id: str
    title: str
    class_: str
    category: str
    grading_period: str
    minimum: Decimal
    maximum: Decimal


@dataclass(frozen=True, slots=True)
class Result:
    """A pupil's result in one line item. score: None unless the file has one."""

    line: int
    sourced_id: str
    line_item: str
    student: str
    status: str
    score: Decimal | None
    scored_on: date | None
    comment: str


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
        title=cells.needed("title"),
        type=cells.choice("type", SESSION_TYPES),
        start_on=cells.needed_day("startDate"),
        end_on=cells.needed_day("endDate"),
        school_year=cells.text("schoolYear"),
    )
    if cells.sound and session.end_on < session.start_on:
        cells.bad("endDate", "ends before it starts on {}", session.start_on.isoformat())
    return session


def _course(cells: Cells) -> Course:
    return Course(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        title=cells.needed("title"),
        code=cells.text("courseCode"),
        org=cells.needed("orgSourcedId", ID),
    )


def _class(cells: Cells) -> Class:
    terms = cells.many("termSourcedIds")
    if not terms:
        cells.bad("termSourcedIds", "is blank")
    return Class(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        title=cells.needed("title"),
        code=cells.text("classCode"),
        course=cells.needed("courseSourcedId", ID),
        school=cells.needed("schoolSourcedId", ID),
        terms=terms,
        location=cells.text("location"),
    )


def _user(cells: Cells) -> User:
    orgs = cells.many("orgSourcedIds")
    if not orgs:
        cells.bad("orgSourcedIds", "is blank")
    return User(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        enabled=cells.boolean("enabledUser", blank=True),
        orgs=orgs,
        role=cells.choice("role", USER_ROLES),
        username=cells.text("username"),
        given_name=cells.needed("givenName"),
        family_name=cells.needed("familyName"),
        middle_name=cells.text("middleName"),
        identifier=cells.text("identifier"),
        email=cells.text("email", EMAIL),
        grades=cells.many("grades"),
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
    item = LineItem(
        line=cells.line,
        sourced_id=cells.text("sourcedId", ID),
        title=cells.needed("title"),
        class_=cells.needed("classSourcedId", ID),
        category=cells.text("categorySourcedId", ID),
        grading_period=cells.text("gradingPeriodSourcedId", ID),
        minimum=cells.needed_number("resultValueMin"),
        maximum=cells.needed_number("resultValueMax"),
    )
    if cells.sound and item.maximum <= item.minimum:
        cells.bad("resultValueMax", "is not above the least value {}", str(item.minimum))
    return item


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
    )
    if cells.sound and result.status == "fully graded" and result.score is None:
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
)
ENROLLMENTS = Layout(
    "enrollments",
    must=("classSourcedId", "schoolSourcedId", "userSourcedId", "role"),
    may=("primary", "beginDate", "endDate"),
    read=_enrollment,
)
CATEGORIES = Layout("categories", must=("title",), may=(), read=_category)
LINE_ITEMS = Layout(
    "lineItems",
    must=("title", "classSourcedId", "resultValueMin", "resultValueMax"),
    may=("description", "assignDate", "dueDate", "categorySourcedId", "gradingPeriodSourcedId"),
    read=_line_item,
)
RESULTS = Layout(
    "results",
    must=("lineItemSourcedId", "studentSourcedId", "scoreStatus", "score"),
    may=("scoreDate", "comment"),
    read=_result,
)

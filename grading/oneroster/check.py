"""What no file of a roster can tell alone: references to nothing, repetitions, impossible marks.

Every check notes a problem and goes on. A reference is only called wrong when the file it points
into was read whole, so that one broken file does not make every line of the others look broken.
"""

import re
from dataclasses import dataclass
from typing import Any

from grading.oneroster import rows
from grading.oneroster.problems import Problems
from grading.oneroster.table import Table

REFERENCES = (
    # file, attribute of its rows, column, file that it points into
    ("courses", "org", "orgSourcedId", "orgs"),
    ("classes", "course", "courseSourcedId", "courses"),
    ("classes", "school", "schoolSourcedId", "orgs"),
    ("classes", "terms", "termSourcedIds", "academicSessions"),
    ("users", "orgs", "orgSourcedIds", "orgs"),
    ("roles", "user", "userSourcedId", "users"),
    ("roles", "org", "orgSourcedId", "orgs"),
    ("demographics", "sourced_id", "sourcedId", "users"),
    ("enrollments", "class_", "classSourcedId", "classes"),
    ("enrollments", "school", "schoolSourcedId", "orgs"),
    ("enrollments", "user", "userSourcedId", "users"),
    ("lineItems", "class_", "classSourcedId", "classes"),
    ("lineItems", "category", "categorySourcedId", "categories"),
    ("lineItems", "grading_period", "gradingPeriodSourcedId", "academicSessions"),
    ("results", "line_item", "lineItemSourcedId", "lineItems"),
    ("results", "student", "studentSourcedId", "users"),
)

RECORDS = {
    "orgs": "organisation",
    "academicSessions": "session",
    "courses": "course",
    "classes": "class",
    "users": "person",
    "categories": "category",
    "lineItems": "line item",
}

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


@dataclass(frozen=True, slots=True)
class Tables:
    """The files of one delivery as they were read, sound or not."""

    orgs: Table[rows.Org]
    sessions: Table[rows.Session]
    courses: Table[rows.Course]
    classes: Table[rows.Class]
    users: Table[rows.User]
    roles: Table[rows.Role]
    demographics: Table[rows.Demographic]
    enrollments: Table[rows.Enrollment]
    categories: Table[rows.Category]
    line_items: Table[rows.LineItem]
    results: Table[rows.Result]

    def named(self, name: str) -> Table[Any]:
        """The table of the file `name`.csv."""
        tables: dict[str, Table[Any]] = {
            "orgs": self.orgs,
            "academicSessions": self.sessions,
            "courses": self.courses,
            "classes": self.classes,
            "users": self.users,
            "roles": self.roles,
            "demographics": self.demographics,
            "enrollments": self.enrollments,
            "categories": self.categories,
            "lineItems": self.line_items,
            "results": self.results,
        }
        return tables[name]


def check(tables: Tables, problems: Problems) -> None:
    """Note everything that is wrong between the files of a roster."""
    _check_references(tables, problems)
    _check_schools(tables, problems)
    _check_users(tables, problems)
    _check_enrollments(tables, problems)
    _check_teachers(tables, problems)
    _check_results(tables, problems)


def _check_references(tables: Tables, problems: Problems) -> None:
    for name, attribute, column, target in REFERENCES:
        pointed_into = tables.named(target)
        for row in tables.named(name).rows.values():
            found = getattr(row, attribute)
            for sourced_id in (found,) if isinstance(found, str) else found:
                if sourced_id and pointed_into.lacks(sourced_id):
                    sentence = f"the {RECORDS[target]} {{}} is not in {target}.csv"
                    problems.add(f"{name}.csv", row.line, column, sentence, sourced_id)


def _check_schools(tables: Tables, problems: Problems) -> None:
    """Pupils and classes need a school: an organisation of that type, not a district."""
    orgs = tables.orgs
    schools = {org.sourced_id for org in orgs.rows.values() if org.type == "school"}
    if orgs.whole and not schools and len(orgs.rows) == len(orgs.lines):
        problems.add("orgs.csv", 0, "", "the file has no organisation of type school")
    for class_ in tables.classes.rows.values():
        if class_.school in orgs.rows and class_.school not in schools:
            problems.add(
                "classes.csv", class_.line, "schoolSourcedId", "{} is not a school", class_.school
            )


def _check_users(tables: Tables, problems: Problems) -> None:
    placed = {enrollment.user for enrollment in tables.enrollments.rows.values()}
    for user in tables.users.rows.values():
        if user.line and user.email and not _ADDRESS.fullmatch(user.email):
            problems.add("users.csv", user.line, "email", "{} is not an e-mail address", user.email)
        orgs = [tables.orgs.rows.get(org) for org in user.orgs]
        in_school = any(org is None or org.type == "school" for org in orgs)
        if (
            user.role == "student"
            and not in_school
            and user.sourced_id not in placed
            and tables.enrollments.whole
        ):
            problems.add(
                "users.csv", user.line, "orgSourcedIds", "the pupil is in no school and no class"
            )


def _check_enrollments(tables: Tables, problems: Problems) -> None:
    file = "enrollments.csv"
    first: dict[tuple[str, str, str], int] = {}
    for row in tables.enrollments.rows.values():
        line = first.setdefault((row.class_, row.user, row.role), row.line)
        if line != row.line:
            problems.add(file, row.line, "", "the same person is in this class by line {}", line)
            continue
        user = tables.users.rows.get(row.user)
        if user and (row.role == "student") != (user.role == "student"):
            problems.add(
                file, row.line, "role", "{} here, but {} in users.csv", row.role, user.role
            )
        class_ = tables.classes.rows.get(row.class_)
        if class_ and row.school != class_.school:
            problems.add(
                file,
                row.line,
                "schoolSourcedId",
                "{} here, but the class is in {}",
                row.school,
                class_.school,
            )
        elif class_ and user and not _may_be_in(class_.school, user, tables):
            problems.add(
                file,
                row.line,
                "userSourcedId",
                "the class is in {}, a school that users.csv does not list for {}",
                class_.school,
                row.user,
            )


def _may_be_in(school: str, user: rows.User, tables: Tables) -> bool:
    """A person listed in schools is in those; one who is listed only in a district, in any."""
    orgs = [tables.orgs.rows.get(org) for org in user.orgs]
    return school in user.orgs or not any(org is None or org.type == "school" for org in orgs)


def _check_teachers(tables: Tables, problems: Problems) -> None:
    """Whoever teaches signs in by e-mail: it must be there, and one person's only."""
    teaching = {row.user for row in tables.enrollments.rows.values() if row.role == "teacher"}
    first: dict[str, int] = {}
    for user in tables.users.rows.values():
        if user.role == "student":
            continue
        if user.role != "teacher" and user.sourced_id not in teaching:
            continue
        if not user.email:
            problems.add("users.csv", user.line, "email", "is blank; a teacher needs it to sign in")
            continue
        line = first.setdefault(user.email.lower(), user.line)
        if line != user.line:
            problems.add(
                "users.csv",
                user.line,
                "email",
                "{} is the address of the teacher in line {} already",
                user.email,
                line,
            )


def _check_results(tables: Tables, problems: Problems) -> None:
    file = "results.csv"
    first: dict[tuple[str, str], int] = {}
    pupils = {
        (row.class_, row.user) for row in tables.enrollments.rows.values() if row.role == "student"
    }
    for row in tables.results.rows.values():
        line = first.setdefault((row.line_item, row.student), row.line)
        if line != row.line:
            problems.add(
                file, row.line, "", "the pupil has a result of this line item in line {}", line
            )
            continue
        item = tables.line_items.rows.get(row.line_item)
        if item is None:
            continue
        if (
            tables.enrollments.whole
            and row.student in tables.users.rows
            and (item.class_, row.student) not in pupils
        ):
            problems.add(
                file,
                row.line,
                "studentSourcedId",
                "{} is not a pupil of the class {}",
                row.student,
                item.class_,
            )
        if (
            row.score is not None
            and item.minimum is not None
            and item.maximum is not None
            and not item.minimum <= row.score <= item.maximum
        ):
            problems.add(
                file,
                row.line,
                "score",
                "{} is not between {} and {}",
                f"{row.score:f}",
                f"{item.minimum:f}",
                f"{item.maximum:f}",
            )

"""What an import did, in numbers and in words."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from grading.oneroster.problems import printable
from grading.oneroster.removal import Removal
from grading.oneroster.told import Told

NAMES = {
    "term": ("term", "terms"),
    "course": ("course", "courses"),
    "room": ("room", "rooms"),
    "section": ("class", "classes"),
    "student": ("pupil", "pupils"),
    "enrollment": ("enrolment", "enrolments"),
    "teacher": ("teacher", "teachers"),
}
LISTED = 100
"""Most lines of one list."""


@dataclass(slots=True)
class SchoolReport:
    """What an import did in one school, for the person who ran it.

    values: how many were written. added, changed: records by entity type, without those of which
    only a mark waits. grades: marks that stand now. waiting: marks that wait for a second person,
    since another mark stands; a line each. moving: what else waits for one, since a mark stands
    that would stand elsewhere with it, or on no transcript; a line each. withdrawing: how many of
    these are enrolments that the file withdraws.
    kept: values that were changed here since the last import, and in the file not. deleted:
    records of the file that were deleted here. gone: records that are no longer in the file, by
    entity type. own_pupils: those who never came with a roster, and are in none of the files.
    removal: what was taken away. lines: what was changed, record by record. teachers: new members.
    notes: sentences about accounts.
    """

    name: str
    made: bool
    adopted: bool
    values: int = 0
    added: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    grades: int = 0
    waiting: list[str] = field(default_factory=list)
    moving: list[str] = field(default_factory=list)
    withdrawing: int = 0
    kept: int = 0
    deleted: int = 0
    gone: Counter[str] = field(default_factory=Counter)
    own_pupils: int = 0
    removal: Removal = field(default_factory=Removal)
    lines: Told = field(default_factory=Told)
    teachers: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def changed_anything(self) -> bool:
        return bool(self.made or self.adopted or self.values or self.teachers)


@dataclass(slots=True)
class Report:
    """What an import did. new_user: the account of who ran it was made for it. unused: results
    that were not imported, since they are no final grades. unknown: what a delta deletes, and was
    not here. others: schools of the delivery that were left alone."""

    schools: list[SchoolReport]
    new_user: bool
    unused: int
    unknown: int = 0
    others: int = 0


def tell(report: Report, *, email: str, listing: bool = True) -> Iterator[str]:
    """Return the lines that the person who imported reads. listing: each mark that waits too, not
    only how many do."""
    for school in report.schools:
        yield from map(printable, _tell_school(school, email, listing=listing))
    if report.unused:
        yield (
            f"{_count(report.unused, 'result', 'results')} not imported: they are not the final "
            "grade of a class."
        )
    if report.unknown:
        rows = _count(report.unknown, "row", "rows")
        yield f"{rows} to be deleted: not here anyway."
    if report.others:
        yield f"{_count(report.others, 'school', 'schools')} of the delivery left alone."
    if report.new_user:
        yield (
            f"{email} has no password yet: set one on the sign-in page, by "
            "“Forgotten your password, or signing in for the first time?”."
        )


def _tell_school(school: SchoolReport, email: str, *, listing: bool) -> Iterator[str]:
    if not school.changed_anything:
        yield f"{school.name}: nothing to change."
    elif school.made:
        yield f"{school.name}: made, with {email} as its office."
    elif school.adopted:
        yield f"{school.name}: recognised by its name."
    else:
        yield f"{school.name}:"
    added = dict(school.added)
    if school.teachers:
        added["teacher"] = school.teachers
    if added:
        yield f"  new: {_list(added)}"
    if any(school.changed.values()):
        yield f"  changed: {_list(school.changed)}"
    if school.grades:
        yield f"  marks: {school.grades:,}"
    if school.waiting:
        yield (
            f"  {_count(len(school.waiting), 'mark waits', 'marks wait')} for a second person of "
            f"the office: another mark stands there{':' if listing else '.'}"
        )
        if listing:
            yield from _lines(school.waiting)
    if school.moving:
        changes = _count(len(school.moving), "change waits", "changes wait")
        yield (
            f"  {changes} for a second person of the office: a mark stands there, and would move "
            f"or leave the transcript{':' if listing else '.'}"
        )
        if listing:
            yield from _lines(school.moving)
    if school.kept:
        values = _count(school.kept, "value differs", "values differ")
        yield f"  {values} from the file since the last import; what stands here was kept."
    if school.deleted:
        records = _count(school.deleted, "record", "records")
        yield f"  {records} of the file were deleted here, and stay so."
    if withdrawn := school.removal.withdrawn - school.withdrawing:
        yield f"  withdrawn: {_list({'enrollment': withdrawn})}"
    if any(school.removal.deleted.values()):
        yield f"  deleted: {_list(school.removal.deleted)}"
    if any(school.removal.stay.values()):
        yield f"  to be deleted, but something hangs on them: {_list(school.removal.stay)}"
    left = school.gone - Counter({"enrollment": school.removal.withdrawn})
    if any(left.values()):
        yield f"  no longer in the file, left as they are: {_list(left)}"
    if school.own_pupils:
        n = school.own_pupils
        pupils = _count(n, "pupil here is", "pupils here are")
        yield f"  {pupils} not in the files, and {'stays' if n == 1 else 'stay'}."
    yield from _lines(school.notes)


def _lines(lines: list[str]) -> Iterator[str]:
    yield from (f"    {line}" for line in lines[:LISTED])
    if len(lines) > LISTED:
        yield f"    and {len(lines) - LISTED:,} more"


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(_count(counts[kind], *NAMES[kind]) for kind in NAMES if counts.get(kind))


def _count(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"

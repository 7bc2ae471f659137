"""Writing a roster into the ledger: one change set per school, all schools or none."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from accounts import audit
from accounts.in_school import enter
from accounts.models import AuditLog, School
from accounts.origin import Origin
from changes.deciding import CannotProject
from changes.judgement import Judged, Why
from changes.models import ChangeSet, Decision
from changes.propose import NothingSaved
from changes.registry import EXISTS
from changes.review import Entered, NotApproved, enter_directly
from grading.oneroster import people, scales
from grading.oneroster.compare import Difference, compare
from grading.oneroster.matching import Matches, imported, match
from grading.oneroster.people import People
from grading.oneroster.problems import Problems
from grading.oneroster.roster import Roster
from grading.oneroster.schools import Target, find_or_make
from grading.oneroster.split import Part, split
from grading.oneroster.wanted import Given, wanted_of

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many steps are done, and how many there are."""

STEPS = 3  # a school


@dataclass(slots=True)
class SchoolReport:
    """What an import did in one school, for the person who ran it.

    values: how many were written. added, changed: records by entity type. grades: marks that stand
    now. waiting: marks that wait for a second person, since another mark stands; a line each.
    kept: values that were changed here since the last import, and in the file not. deleted:
    records of the file that were deleted here. gone: records that are no longer in the file, by
    entity type. teachers: new members. notes: sentences about accounts.
    """

    name: str
    made: bool
    adopted: bool
    values: int = 0
    added: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    grades: int = 0
    waiting: list[str] = field(default_factory=list)
    kept: int = 0
    deleted: int = 0
    gone: Counter[str] = field(default_factory=Counter)
    teachers: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def changed_anything(self) -> bool:
        return bool(self.made or self.adopted or self.values or self.teachers)


@dataclass(slots=True)
class Report:
    """What an import did. new_user: the account of who ran it was made for it. unused: results
    that were not imported, since they are no final grades."""

    schools: list[SchoolReport]
    new_user: bool
    unused: int


def load(
    roster: Roster,
    *,
    name: str,
    email: str,
    time_zone: str,
    origin: Origin,
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Write a sound roster into its schools, in one transaction.

    Args:
        name: of the delivery, for people. email: of the office member who imports, lower case.
        time_zone: of schools that are made. origin: of the change sets.

    Raises:
        BadRoster: a value is none that the ledger takes; nothing was written.
        MayNotImport, Unclear: see `schools.find_or_make`; nothing was written.
    """
    problems = Problems()
    parts = split(roster)
    for part in parts:
        people.check_addresses(part, problems)
        scales.check_marks(part, problems)
    if problems.total:
        problems.refuse()
    with transaction.atomic():
        targets = find_or_make(parts, email=email, time_zone=time_zone)
        total = STEPS * len(targets.each)
        reports = []
        for number, target in enumerate(targets.each):

            def step(what: str, done: int, target: Target = target, number: int = number) -> None:
                progress(f"{target.school.name}: {what}", STEPS * number + done, total)

            with enter(target.school):
                reports.append(_load_school(target, name, origin, problems, step))
        if problems.total:
            problems.refuse()  # leaves the transaction by an exception, so that it rolls back
    progress("done", total, total)
    unused = len(roster.results) - sum(len(part.results) for part in parts)
    return Report(reports, targets.new_user, unused)


def _load_school(
    target: Target,
    name: str,
    origin: Origin,
    problems: Problems,
    step: Callable[[str, int], None],
) -> SchoolReport:
    """Bring one school to what its part of the roster says. Call inside the school."""
    part, school, member = target.part, target.school, target.member
    report = SchoolReport(school.name, made=target.made, adopted=target.adopted)
    _check_comments(part, school, problems)
    step("people", 0)
    staff = people.bring_in(part, school)
    marks = scales.bring_in(part, school)
    _record_people(target, staff, origin)
    step("comparing", 1)
    known = imported()
    given = Given(
        scales=marks.ids,
        instructors={
            class_id: str(staff.user_ids[teacher]) for class_id, teacher in part.instructors.items()
        },
        exempt=marks.exempt,
    )
    wanted = wanted_of(part, given)
    matches = match(wanted, known)
    reason = f"OneRoster import of {name}"
    difference = compare(wanted, matches, known, by=member, reason=reason)
    step(f"writing {len(difference.drafts):,} values", 2)
    try:
        entered = enter_directly(
            difference.drafts,
            school=school,
            by=member,
            origin=origin,
            source=ChangeSet.Source.IMPORT,
            kind=Decision.Kind.IMPORT,
            reason=reason,
            whole=True,
        )
    except NothingSaved as nothing:
        for draft in nothing.drafts:
            place = difference.places[draft.entity_id, draft.field]
            problems.add_reason(*place, draft.refused or "")
    except NotApproved as nothing:
        for judged in _causes(nothing.refused):
            place = difference.places[judged.entity_id, judged.field]
            problems.add_reason(*place, judged.refusal.message if judged.refusal else "")
    except CannotProject as error:
        problems.add_reason(name, 0, "", f"{school.name}: {error}")
    else:
        _fill(report, part, difference, matches, entered)
        report.teachers = len(staff.made)
        report.gone["teacher"] = staff.gone
        report.notes += staff.kept
    return report


def _causes(refused: Sequence[Judged]) -> list[Judged]:
    """Leave out what is refused only because a cell of its record, or the record, is."""
    causes = [j for j in refused if j.refusal and j.refusal.why is not Why.PREREQUISITE]
    cells = {j.entity_id for j in causes if j.field != EXISTS}
    return [j for j in causes if j.field != EXISTS or j.entity_id not in cells] or list(refused)


def _check_comments(part: Part, school: School, problems: Problems) -> None:
    """Note comments longer than the school allows. The ledger asks a section for its rules, and
    one that comes with the same roster is not there yet to be asked."""
    for result in part.results.values():
        if len(result.comment) > school.comment_length:
            problems.add(
                "results.csv",
                result.line,
                "comment",
                "has {} characters; the school allows {}",
                len(result.comment),
                school.comment_length,
            )


def _fill(
    report: SchoolReport,
    part: Part,
    difference: Difference,
    matches: Matches,
    entered: Entered,
) -> None:
    """Write down what was done. Call inside the school."""
    report.added = difference.added
    report.changed = difference.changed
    report.kept = difference.kept
    report.deleted = len(matches.deleted)
    report.gone = matches.gone
    report.values = len(entered.saved.changes)
    waiting = {judged.id for judged in entered.waiting}
    report.grades = sum(
        change.field == "grade" and change.pk not in waiting for change in entered.saved.changes
    )
    names = {entity_id: this.key for this, entity_id in matches.ids.items()}
    for judged in entered.waiting:
        class_id, pupil_id = names[judged.entity_id]
        pupil, class_ = part.pupils[pupil_id], part.classes[class_id]
        report.waiting.append(
            f"{pupil.given_name} {pupil.family_name} in {class_.title}: "
            f"{judged.old_value or 'cleared'} -> {judged.value or 'cleared'}"
        )


def _record_people(target: Target, staff: People, origin: Origin) -> None:
    """Write into the audit log who came into the school. Call inside it."""
    said = []
    if target.made:
        said.append(f"The school was made, with {target.member.user.email} as its office.")
    if target.adopted:
        said.append("The school was recognised by its name and got its roster id.")
    if staff.made:
        said.append(f"{len(staff.made)} teachers came with a roster.")
    if said:
        audit.record(
            AuditLog.Event.PEOPLE,
            origin=origin,
            school=target.school,
            user=target.member.user,
            detail=" ".join(said),
            metadata={"members": [str(member.user_id) for member in staff.made]},
        )

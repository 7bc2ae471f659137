"""Writing a roster into the ledger: one change set per school, all schools or none."""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Protocol

from django.db import transaction

from accounts import audit
from accounts.in_school import enter
from accounts.models import AuditLog, Membership, School
from accounts.origin import Origin
from changes import queue
from changes.deciding import lock_authors
from changes.delivering import Part as Entered
from grading.oneroster import people, scales
from grading.oneroster.compare import Difference, compare, places_of
from grading.oneroster.imported import Imported
from grading.oneroster.matching import Matches, match
from grading.oneroster.people import People
from grading.oneroster.problems import Problems
from grading.oneroster.removal import Removal, missing, named
from grading.oneroster.report import Report, SchoolReport
from grading.oneroster.roster import Roster
from grading.oneroster.schools import Target, find_or_make, narrow
from grading.oneroster.split import Part, split
from grading.oneroster.told import what_changed
from grading.oneroster.wanted import Given, wanted_of
from grading.oneroster.writing import write
from students.models import Programme

STEPS = 3  # a school


class Progress(Protocol):
    """Told what is being done, how many steps are done, and how many there are; and in the step
    that writes, how many values are written, and how much of it is done, in hundredths."""

    def __call__(
        self, what: str, done: int, total: int, *, values: int = 0, percent: int = 0
    ) -> None: ...


def _tell_nobody(what: str, done: int, total: int, *, values: int = 0, percent: int = 0) -> None:
    """Nobody wants to know."""


def load(
    roster: Roster,
    *,
    name: str,
    email: str,
    time_zone: str,
    origin: Origin,
    progress: Progress = _tell_nobody,
    only: School | None = None,
    confirmed: bool = False,
    telling: bool = False,
) -> Report:
    """Write a sound roster into its schools, in one transaction.

    Args:
        name: of the delivery, for people. email: of the office member who imports, lower case.
        time_zone: of schools that are made. origin: of the change sets.
        only: the one school to import into; the others of the delivery are left alone.
        confirmed: it is meant, if much is taken away (`removal.Held`).
        telling: the report says record by record what was changed.

    Raises:
        BadRoster: a value is none that the ledger takes; nothing was written.
        MayNotImport, Unclear: see `schools.find_or_make`; nothing was written.
        Held: see `removal.missing`; nothing was written.
    """
    problems = Problems()
    parts = split(roster)
    others = 0
    if only is not None:
        parts, others = narrow(parts, only)
    for part in parts:
        people.check_addresses(part, problems)
        scales.check_marks(part, problems)
    if problems.total:
        problems.refuse()
    with transaction.atomic():
        targets = find_or_make(parts, email=email, time_zone=time_zone, only=only)
        total = STEPS * len(targets.each)
        reports, staffs = [], []
        for number, target in enumerate(targets.each):

            def step(
                what: str, done: int, *, of: Target = target, number: int = number, **far: int
            ) -> None:
                progress(f"{of.school.name}: {what}", STEPS * number + done, total, **far)

            with enter(target.school):
                took = _removing(roster, target, confirmed=confirmed)
                staff, report = _load_school(
                    target, took, name, origin, problems, step, telling=telling
                )
                staffs.append(staff)
                reports.append(report)
        if problems.total:
            problems.refuse()  # leaves the transaction by an exception, so that it rolls back
        for target, staff in zip(targets.each, staffs, strict=True):
            with enter(target.school):
                _give_roster_ids(target, staff)
    progress("done", total, total)
    unused = 0
    if only is None:
        unused = sum(bool(row.line) for row in roster.results.values()) - sum(
            bool(row.line) for part in parts for row in part.results.values()
        )
    return Report(reports, targets.new_user, unused, roster.unknown, others)


Removing = Callable[[Matches, Imported], Removal]


def _removing(roster: Roster, target: Target, *, confirmed: bool) -> Removing:
    """Return what finds out what the roster takes away from a school."""
    if roster.partial:
        here = [each for each in roster.gone if each.school == target.school.pk]
        return lambda matches, known: named(here, known)
    return lambda matches, known: missing(target.part, matches, known, confirmed=confirmed)


def _load_school(
    target: Target,
    removing: Removing,
    name: str,
    origin: Origin,
    problems: Problems,
    step: Callable[..., None],
    *,
    telling: bool,
) -> tuple[People, SchoolReport]:
    """Bring one school to what its part of the roster says. Call inside the school."""
    part, school, member = target.part, target.school, target.member
    report = SchoolReport(school.name, made=target.made, adopted=target.adopted)
    step("people", 0)
    staff = people.bring_in(part, school)
    marks = scales.bring_in(part, school)
    _record_people(target, staff, origin)
    step("comparing", 1)
    known = Imported(school)
    programmes = dict(Programme.objects.filter(school=school).values_list("name", "pk"))
    given = Given(
        scales=marks.ids,
        instructors={
            class_id: str(staff.user_ids[teacher]) for class_id, teacher in part.instructors.items()
        },
        exempt=marks.exempt,
        programmes={name: str(pk) for name, pk in programmes.items()},
    )
    wants = wanted_of(part, given)
    matches = match(wants, known)
    report.removal = removing(matches, known)
    reason = f"OneRoster import of {name}"
    differences = compare(
        wants, matches, known, report.removal, by=member, reason=reason, partial=part.partial
    )
    records = len(matches.ids) + len(matches.freed) + len(report.removal.away)
    compared = 0

    def written(difference: Difference, entered: Entered) -> None:
        nonlocal compared
        _add(report, part, school, difference, matches, entered)
        if telling:
            report.lines.add(what_changed(difference, entered))
        compared += difference.records
        percent = min(100 * compared // records, 100) if records else 100
        step(f"writing, {report.values:,} values", 2, values=report.values, percent=percent)

    step("writing", 2)
    write(
        differences,
        target,
        origin=origin,
        reason=reason,
        problems=problems,
        written=written,
        places_of=lambda cells: places_of(cells, wants, matches, report.removal),
    )
    report.deleted = len(matches.deleted)
    if not part.partial:
        report.gone = Counter({kind: len(gone) for kind, gone in matches.gone.items()})
        report.own_pupils = len(matches.own["student"])
    report.teachers = len(staff.made)
    if not part.partial:
        report.gone["teacher"] = staff.gone
    report.notes += staff.kept
    report.notes += _without_programme(part, programmes)
    report.notes += [
        f"{email} is to be deleted in the roster; the account stays open" for email in part.leaving
    ]
    return staff, report


def _give_roster_ids(target: Target, staff: People) -> None:
    """Write the roster ids of the teachers and the school that were here without. They are keys:
    everybody who saves something waits for whoever changes one, so this comes last. The school
    after its members, as whoever saves comes to them. Call inside the school."""
    if staff.adopted:
        lock_authors(target.school, [member.user_id for member in staff.adopted])
        Membership.objects.bulk_update(staff.adopted, ["source_id"])
    if target.adopted:
        target.school.source_id = target.part.school.sourced_id
        target.school.save(update_fields=["source_id"])


def _without_programme(part: Part, programmes: Collection[str]) -> list[str]:
    """Say how many pupils the file puts into programmes that the school does not have."""
    said = Counter(row.own.get("programme", "") for row in part.pupils.values() if row.line)
    return [
        f"{count:,} {'pupil is' if count == 1 else 'pupils are'} in the programme “{name}”, which "
        "is not here: add it under Programmes, and import the file again"
        for name, count in sorted(said.items())
        if name and name not in programmes
    ]


def _add(
    report: SchoolReport,
    part: Part,
    school: School,
    difference: Difference,
    matches: Matches,
    entered: Entered,
) -> None:
    """Write down what was done in one part of a school's records."""
    report.added += difference.added
    report.changed += difference.changed
    report.changed -= _only_waiting(entered, report.removal)
    report.kept += difference.kept
    report.values += len(entered.changes)
    marks = [judged for judged in entered.waiting if judged.field == "grade"]
    moving = [judged for judged in entered.waiting if judged.field != "grade"]
    grades = sum(change.field == "grade" for change in entered.changes)
    report.grades += grades - len(marks)
    if not entered.waiting:
        return
    away = report.removal.away
    report.withdrawing += sum(each.field in away.get(each.entity_id, ()) for each in moving)
    report.moving += [
        f"{line.title}: {line.field} {line.old} -> {line.new}"
        for line in queue.lines(school, [judged.id for judged in moving])
    ]
    waiting = {judged.entity_id for judged in entered.waiting}
    pairs = {
        entity_id: this.key
        for this, entity_id in matches.ids.items()
        if entity_id in waiting and isinstance(this.key, tuple)
    }
    for judged in marks:
        class_id, pupil_id = pairs.get(judged.entity_id, ("", ""))
        pupil, class_ = part.pupils.get(pupil_id), part.classes.get(class_id)
        who = f"{pupil.given_name} {pupil.family_name}".strip() if pupil else "a pupil"
        where = class_.title if class_ else "a class"
        report.waiting.append(
            f"{who} in {where}: {judged.old_value or 'cleared'} -> {judged.value or 'cleared'}"
        )


def _only_waiting(entered: Entered, removal: Removal) -> Counter[str]:
    """Return how many of the changed records there are of each type of which nothing stands
    otherwise yet. A mark that is taken away was not counted as a change."""
    waiting = {
        judged.entity_id: judged.entity_type
        for judged in entered.waiting
        if judged.field not in removal.away.get(judged.entity_id, ())
    }
    for change in entered.changes:
        if not change.two_people:
            waiting.pop(change.entity_id, None)
    return Counter(waiting.values())


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

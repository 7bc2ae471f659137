"""`python -m benchmarks.compared.measure --into FILE`: the times of each library, as JSON."""

import argparse
import importlib.metadata
import json
import os
import signal
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import psycopg
from django.core.management import call_command

from benchmarks import story
from benchmarks.timing import medians, progress, timed

if TYPE_CHECKING:
    from .libraries import Plain

SCHOOL = uuid.uuid4()


def main() -> None:
    """Make the tables in a schema of their own, and measure each library."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    parser = argparse.ArgumentParser()
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--sheet", type=int, required=True)
    parser.add_argument("--many", type=int, required=True)
    parser.add_argument("--times", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--misused", type=int, required=True)
    parser.add_argument("--others", type=int, required=True)
    options = parser.parse_args()
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as connection:
        connection.execute("create schema compared")
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)  # our own tables, which refer to theirs
    call_command("pgtrigger", "install")

    from .libraries import EVERY

    told = story.tell(rows=options.rows, misused=options.misused, others=options.others)
    found = {each.name: _measure(each, options, told) for each in EVERY}
    options.into.write_text(json.dumps(found))


def _measure(library: "Plain", options: argparse.Namespace, told: story.Story) -> dict[str, Any]:
    from django.contrib.auth.models import User

    progress(library.name)
    user, _ = User.objects.get_or_create(username="honest")
    misused, _ = User.objects.get_or_create(username="misused")
    found: dict[str, Any] = {
        "version": importlib.metadata.version(library.package),
        "many_by": library.many,
        "reverting": library.reverting,
    }
    if library.reverting:
        found |= _revert(library, told, user, misused)
    section = uuid.uuid4()
    marks = [_mark(library, number, section) for number in range(options.many)]
    library.model.objects.bulk_create(marks, batch_size=1000)
    _analyze()
    acts = {
        "one": lambda: _edit(library, section, 1, user),
        "sheet": lambda: _edit(library, section, options.sheet, user),
    }
    if library.name == "plain Django":
        acts["apart"] = lambda: _edit_apart(library, section, options.sheet)
    for act in acts.values():
        act()
    found |= medians(acts, times=options.times)
    rows = list(library.model.objects.filter(section_id=section))
    found["many"] = timed(lambda: _edit_many(library, rows, user))
    return found


def _mark(library: "Plain", number: int, section: uuid.UUID) -> Any:
    return library.model(
        number=number,
        school_id=SCHOOL,
        section_id=section,
        student_id=uuid.uuid4(),
        grade=story.Story.first(number, "grade"),
        comment=story.Story.first(number, "comment"),
    )


def _edit(library: "Plain", section: uuid.UUID, count: int, user: Any) -> None:
    """Read rows, change the grade of each, and save each, as a view does."""
    with library.acting(user):
        for mark in library.model.objects.filter(section_id=section, number__lt=count):
            mark.grade = str((int(mark.grade) + 1) % 101)
            library.save(mark, user)


def _edit_apart(library: "Plain", section: uuid.UUID, count: int) -> None:
    """The same without a transaction around it, which is how Django comes: each save is synced."""
    for mark in library.model.objects.filter(section_id=section, number__lt=count):
        mark.grade = str((int(mark.grade) + 1) % 101)
        mark.save()


def _edit_many(library: "Plain", marks: list[Any], user: Any) -> None:
    for mark in marks:
        mark.grade = str((int(mark.grade) + 1) % 101)
    with library.acting(user):
        library.save_many(marks, "grade", user)


def _revert(library: "Plain", told: story.Story, user: Any, misused: Any) -> dict[str, Any]:
    """Play the story, take back what the account did, and count the cells that are wrong then."""
    section = uuid.uuid4()
    marks = [_mark(library, number, section) for number in range(told.rows)]
    with library.acting(user):
        for mark in marks:
            library.save(mark, user)
    for edit in told.edits:
        who = misused if edit.misused else user
        with library.acting(who):
            mark = library.model.objects.get(pk=marks[edit.row].pk)
            setattr(mark, edit.field, edit.value)
            library.save(mark, who)
    _analyze()

    def act() -> None:
        with library.acting(user):
            library.revert(misused)

    took = timed(act)
    after = {mark.number: mark for mark in library.model.objects.filter(section_id=section)}
    wrong = sum(
        getattr(after[row], field) != value
        for (row, field), value in told.what_should_stand().items()
    )
    return {"revert": took, "wrong": wrong}


def _analyze() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("analyze")


if __name__ == "__main__":
    main()

"""What waits is seen by its author, and by the office where it decides: on no other page, and in no
file.

Marks, comments, remarks, pupils and details that all say "sentinel" wait. Then every address of
the URL configuration is opened by everybody, and whatever comes, files unpacked, is searched.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pikepdf
import pytest
from django.core.management import call_command

from accounts.in_school import enter
from changes.models import Change
from changes.propose import Draft
from grading import card_runs, card_scope
from grading.models import CardRun, IssuedCard, Term
from students.models import Student
from tests import pdf
from tests.cast import Cast, Person
from tests.pages import Browser
from tests.test_hostile import Page, ids_of, pages
from tests.test_law import fill

MARK = "73.25"

NAMES = {"family_name": "Sentinel", "home_group": "Sentinel", "email": "sentinel@x.example"}

OWN = {
    "beside",
    "csv",
    "decided",
    "hand-in",
    "missing-pupil",
    "my-changes",
    "pupil-details",
    "pupil-in-class",
    "pupil-leaves",
    "remarks",
    "section-details",
    "sheet",
    "withdraw",
    "xlsx",
}
"""Where people see what they have proposed themselves: the sheet as a file among them, which they
send back."""

DECIDING = {
    "admin:another_value",
    "admin:change_set",
    "admin:changes_change_changelist",
    "admin:changes_change_csv",
    "admin:changes_change_xlsx",
    "admin:grading_course_change",
    "admin:grading_room_change",
    "admin:grading_section_change",
    "admin:grading_term_change",
    "admin:review_sheet",
    "admin:students_student_change",
    "admin:timeline",
    "admin:timeline_session",
}
"""Where the office looks at what waits: to decide on it, on the record that it is about, and in the
list of all that was ever proposed."""


@pytest.fixture
def waiting(people: Cast) -> Cast:
    """Mrs T1 has proposed all that can be proposed; then cards were made, blanks and all."""
    with enter(people.school):
        fill(people)
        author, ada = people.t1, people.students[0]
        author.types(people.marks[0], MARK, reason="sentinel: counted anew")
        author.types(people.marks[1], MARK)
        author.types(people.marks[1], "A sentinel.", field="comment")
        author.changes_cell("student", ada, given_names="Sentinella")
        author.proposes(
            [
                Draft(entity_type="student", entity_id=people.students[2], field=name, typed=text)
                for name, text in NAMES.items()
            ]
        )
        author.changes_cell("section", people.section, code="SENTINEL", schedule="Sentinel")
        author.changes_cell("course", people.course, title="Sentinel studies")
        author.changes_cell("room", people.room, name="Sentinel room")
        author.changes_cell("term", people.term, name="Sentinel term")
        pupil = author.creates("student", number="SENTINEL", family_name="Sentinel")
        author.types(author.enrols(pupil, people.section), MARK)
        for student in (pupil, people.students[1]):
            author.creates(
                "remark", student=str(student), term=str(people.term), text="The sentinel."
            )
        people.a.enters(
            [
                Draft(
                    entity_type="student",
                    entity_id=people.students[1],
                    field="home_group",
                    typed="8B",
                )
            ]
        )
        term = Term.objects.get(pk=people.term)
        card_runs.ask(
            card_scope.find("school", term),
            term,
            by=people.a.member,
            origin=people.a.origin(),
            with_blanks=True,
            reason="to have them all",
        )
        while card_runs.make_next(people.school):
            pass
    return people


def every_page(people: Cast) -> list[Page]:
    """Every page, about what waits and about the cards that were made while it did."""
    with enter(people.school):
        run = CardRun.objects.get(label="the whole school")
        card = IssuedCard.objects.get(pupil_id=people.students[1])
        mine = Change.objects.open().proposed_by(people.t1.user.pk).latest("id")
        ids = ids_of(people) | {"run_id": run.pk, "card_id": card.pk, "change_id": mine.pk}
        return pages(ids)


def said_by(response: Any) -> str:
    """Return all that is said in an answer, in small letters."""
    content = b"".join(response) if response.streaming else response.content
    return " ".join(_texts(content)).lower()


def _texts(content: bytes) -> Iterator[str]:
    if content.startswith(b"PK"):  # a zip, or a workbook, which is one
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for name in packed.namelist():
                yield name
                yield from _texts(packed.read(name))
    elif content.startswith(b"%PDF"):
        yield pdf.text_of(content)
        with pikepdf.open(io.BytesIO(content)) as document, document.open_outline() as outline:
            yield str(document.open_metadata())
            yield from (str(each.title) for each in outline.root)
    else:
        yield content.decode(errors="replace")  # a picture is no text


QUERIES = {"transcript-pdf": "?to=me&why=now", "remarks": "?group=8B", "missing-pupil": "?q=Sentin"}
"""What a page is asked so that it shows something; it may say that again."""

SENT = {"admin:roster_export": {"to": "me", "why": "now"}}
"""The form without which a file does not come."""

FILES = {
    "csv",
    "xlsx",
    "transcript-pdf",
    "admin:card_preview",
    "admin:card_issued",
    "admin:card_run_pdf",
    "admin:card_run_zip",
    "admin:roster_export",
    "admin:grading_enrollment_csv",
    "admin:students_student_xlsx",
}
"""Some of the files: were one not among the answers, nothing would be said of it."""


def shown_to(person: Person, some: list[Page], files: set[str] = FILES) -> set[str]:
    """Return the names of the pages and files that show somebody what waits."""
    browser = Browser(person)
    found, were_files = set(), set()
    for page in some:
        queries = [QUERIES.get(page.name, "")]
        if page.name.endswith("_changelist"):
            queries.append("?q=Sentin")
        for query in queries:
            form = SENT.get(page.name)
            response = browser.send(page.path, form) if form else browser.get(page.path + query)
            if "Content-Disposition" in response:
                were_files.add(page.name)
            said = said_by(response)
            if "sentinel" in said or MARK in said:
                found.add(page.name)
    assert files <= were_files
    return found


def test_what_waits_is_seen_by_its_author_and_where_the_office_decides_and_nowhere_else(waiting):
    each = [page for page in every_page(waiting) if not page.is_open]
    of_teachers = [page for page in each if not page.is_offices]
    teachers_files = FILES & {page.name for page in of_teachers}

    seen_by_author = shown_to(waiting.t1, of_teachers, teachers_files)
    assert seen_by_author - OWN == set()
    assert seen_by_author >= {"sheet", "csv", "xlsx", "remarks", "my-changes", "pupil-details"}

    assert shown_to(waiting.t2, of_teachers, teachers_files) == set()

    seen_by_office = shown_to(waiting.a, each)
    assert seen_by_office - DECIDING == set()
    assert seen_by_office >= {"admin:review_sheet", "admin:change_set", "admin:timeline"}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_it_is_on_no_transcript_that_a_command_prints(waiting, options):
    with enter(waiting.school):
        number = Student.objects.get(pk=waiting.students[0]).number
    printed = io.StringIO()
    call_command("transcript", number, "--school", "hill", *options, stdout=printed)
    assert "Abbott" in printed.getvalue()
    assert "sentinel" not in printed.getvalue().lower()
    assert MARK not in printed.getvalue()

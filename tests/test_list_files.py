"""Every list of the office as a file: all of its rows, as filtered, safe in a spreadsheet, and
written down."""

import csv
import io

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from python_calamine import CalamineWorkbook

from accounts.in_school import enter
from accounts.models import AuditLog, Disclosure, School
from changes import list_pages
from changes.propose import creation
from tests.test_law import fill

PUPILS, MARKS = "students_student", "grading_enrollment"


@pytest.fixture
def office(client, people):
    client.force_login(people.a.user)
    return client


def as_csv(client, name, query=""):
    answer = client.get(reverse(f"admin:{name}_csv") + query)
    assert answer.status_code == 200
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def as_xlsx(client, name):
    answer = client.get(reverse(f"admin:{name}_xlsx"))
    assert answer.status_code == 200
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
    return book.get_sheet_by_index(0).to_python()


def test_every_list_comes_as_both_kinds_and_its_page_links_to_them(office, people):
    with enter(people.school):
        fill(people)
    for model, page in admin.site._registry.items():
        if model is School:
            continue
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        listed = office.get(reverse(f"admin:{name}_changelist"))
        assert reverse(f"admin:{name}_xlsx") in listed.content.decode(), page
        table = as_csv(office, name)
        assert len(table) == listed.context["cl"].result_count + 1, page
        downloads = name == "accounts_auditlog"  # the first is in the second
        assert len(as_xlsx(office, name)) == len(table) + downloads


def test_a_list_of_marks_says_pupil_class_mark_and_the_whole_comment(office, people):
    with enter(people.school):
        people.stands("64.5")
        people.stand(people.marks[0], "Sang well. " * 40, by=people.t1, field="comment")
        people.stand(people.marks[1], "AB", by=people.t1)
    heading, *rows = as_csv(office, MARKS)
    assert heading == ["pupil", "section", "status", "mark", "comment", "roster id", "term"]
    assert rows[0] == [
        "Abbott, Ada",
        "BIO-2",
        "enrolled",
        "64.5",
        "Sang well. " * 40,
        "",
        "Autumn 2026",
    ]
    assert [row[3] for row in as_xlsx(office, MARKS)[1:]] == [64.5, "AB", ""]


def test_a_list_is_the_one_that_is_filtered_on_the_page(office, people):
    assert [row[2] for row in as_csv(office, PUPILS, "?q=Brown")[1:]] == ["Brown"]
    answer = office.get(reverse(f"admin:{PUPILS}_csv") + "?id__regex=(a*)*b")
    assert answer.status_code == 400
    answer = office.get(reverse(f"admin:{PUPILS}_csv") + "?p=x")
    assert answer.status_code in (200, 302)


def test_what_a_spreadsheet_would_run_is_text_and_a_number_with_zeros_stays_one(office, people):
    with enter(people.school):
        values = {"family_name": "=cmd()|x", "given_names": "Zoë 李", "number": "0007"}
        people.a.enters(creation("student", values), whole=True)
    rows = {row[2]: row for row in as_csv(office, PUPILS)}
    assert rows["'=cmd()|x"][:2] == ["0007", "Zoë 李"]
    assert ["0007", "Zoë 李", "'=cmd()|x"] in [row[:3] for row in as_xlsx(office, PUPILS)]


def test_what_waits_is_in_no_list_of_records(office, people):
    with enter(people.school):
        people.t1.types(people.marks[0], "99")
        people.t1.creates("student", family_name="Sentinel")
    assert "Sentinel" not in str(as_csv(office, PUPILS))
    assert [row[3] for row in as_csv(office, MARKS)[1:]] == ["", "", ""]


def test_a_file_is_written_down_at_each_pupil_that_is_in_it(office, people):
    as_csv(office, MARKS, "?q=Abbott")
    with enter(people.school):
        row = AuditLog.objects.get(event="export")
        assert row.detail == "list of enrolments and marks as CSV"
        assert (row.metadata["rows"], row.metadata["filters"]) == (1, {"q": "Abbott"})
        assert [d.pupil_id for d in Disclosure.objects.all()] == people.students[:1]


def test_more_rows_than_a_file_takes_are_refused_and_not_cut(office, people, monkeypatch):
    monkeypatch.setattr(list_pages, "MOST_ROWS", 2)
    page = office.get(reverse(f"admin:{PUPILS}_csv"), follow=True)
    assert "This list has 3 rows, and a file takes 2." in page.content.decode()


def test_the_number_of_statements_does_not_grow_with_the_rows(office, people):
    def statements(name):
        with CaptureQueriesContext(connection) as captured:
            as_csv(office, name)
        return len(captured)

    few = [statements(name) for name in (PUPILS, MARKS, "changes_change")]
    with enter(people.school):
        drafts = []
        for n in range(30):
            pupil = creation("student", {"family_name": f"Li{n}"})
            place = {"student": str(pupil[0].entity_id), "section": str(people.section)}
            drafts += [*pupil, *creation("enrollment", place)]
        people.a.enters(drafts)
    many = [statements(name) for name in (PUPILS, MARKS, "changes_change")]
    assert many[:2] == few[:2]
    assert many[2] <= few[2]  # fewer: the newest are of two types only

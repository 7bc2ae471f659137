"""How sections have changed, by term, field, direction and date: the office's report."""

import csv
import datetime as dt
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import AuditLog
from changes.propose import Draft, creation
from grading import section_report
from grading.models import CourseChangeHistory, Section, Term
from tests.pages import Browser

pytestmark = pytest.mark.django_db

REPORT = reverse("admin:section_report")


def change(people, section, person=None, **values):
    return people.a.approves(
        *(person or people.t1).changes_cell("section", section, **values).changes
    )


@pytest.fixture
def changed(people):
    """Capacities up and down in two terms, a room, and an instructor."""
    with enter(people.school):
        spring = creation("term", {"name": "Spring 2027", "starts_on": "2027-01-10"})
        other = creation(
            "section",
            {
                "course": str(people.course),
                "term": str(spring[0].entity_id),
                "code": "BIO-9",
                "capacity": "30",
            },
        )
        room = creation("room", {"name": "=HYPERLINK(1)"})
        people.a.enters([*spring, *other, *room], whole=True)
        people.spring, people.other = spring[0].entity_id, other[0].entity_id
        for capacity in ("9", "100", None, "20"):
            change(people, people.section, capacity=capacity)
        change(people, people.other, capacity="5")
        change(people, people.section, people.t2, room=str(room[0].entity_id), schedule="9")
        change(people, people.section, instructor=str(people.t2.user.pk))
    return people


def asked(person, query=""):
    """Return (section, field, from, to) of each line, as the page shows them."""
    response = Browser(person).get(REPORT + query)
    assert response.status_code == 200
    return [
        (line.called, line.field, line.before, line.after) for line in response.context["lines"]
    ]


def test_all_capacity_reductions_of_a_term(changed):
    people = changed
    assert asked(people.a, f"?term={people.term}&direction=less") == [
        ("BIO-2", "capacity", "nothing", "20"),
        ("BIO-2", "capacity", "30", "9"),
    ]
    assert asked(people.a, f"?term={people.term}&direction=more") == [
        ("BIO-2", "capacity", "100", "nothing"),
        ("BIO-2", "capacity", "9", "100"),
    ]
    assert asked(people.a, "?direction=less")[0] == ("BIO-9", "capacity", "30", "5")


def test_a_field_is_asked_for_by_its_name_and_read_without_ids(changed):
    people = changed
    assert asked(people.a, "?field=room") == [("BIO-2", "room", "SCI 201", "=HYPERLINK(1)")]
    assert asked(people.a, "?field=instructor") == [
        ("BIO-2", "instructor", "T1 Teacher", "T2 Teacher")
    ]
    assert asked(people.a, "?field=room&direction=less") == []


def test_sections_whose_instructor_changed_after_registration_opened(changed):
    people = changed
    today = people.clock.now.date()
    with enter(people.school):
        for n, day in ((1, today + dt.timedelta(days=1)), (0, today)):
            people.a.enters(
                [
                    Draft(
                        entity_type="term",
                        entity_id=people.term,
                        field="registration_opens_on",
                        typed=day.isoformat(),
                        touched=True,
                    )
                ]
            )
            found = section_report.rows(field="instructor", after_registration=True)
            assert found.count() == 1 - n
    assert len(asked(people.a, "?field=instructor&after_registration=on")) == 1


def test_days_are_those_of_the_schools_calendar(people):
    people.school.time_zone = "Pacific/Auckland"  # noon in London is the next day there
    people.school.save()
    people.clock.now = dt.datetime(2026, 11, 9, 12, 0, tzinfo=dt.UTC)
    with enter(people.school):
        change(people, people.section, capacity="9")
    assert len(asked(people.a, "?start=2026-11-10&end=2026-11-10")) == 1
    assert asked(people.a, "?end=2026-11-09") == []
    assert asked(people.a, "?start=2026-11-11") == []


def test_the_rows_are_one_query_of_plain_columns(changed):
    people = changed
    with enter(people.school):
        term = Term.objects.get(pk=people.term)
        day = people.clock.now.date()
        with CaptureQueriesContext(connection) as queries:
            list(
                section_report.rows(
                    term=term, direction="less", start=day, end=day, after_registration=True
                )
            )
    assert len(queries) == 1
    assert "json" not in queries.captured_queries[0]["sql"].lower()


@pytest.mark.parametrize(
    "query",
    [
        "?start=yesterday",
        "?term=x",
        "?field=grade",
        "?direction=up",
        "?term=%00",
        "?end=9999-99-99",
    ],
)
def test_what_is_not_understood_shows_nothing_and_says_so(changed, query):
    response = Browser(changed.a).get(REPORT + query)
    assert response.status_code == 200
    assert response.context["lines"] == []
    assert "not understood" in response.content.decode()
    assert "text/html" in Browser(changed.a).get(f"{REPORT}{query}&as=csv")["Content-Type"]


def test_it_is_downloaded_as_csv_that_no_spreadsheet_runs_and_that_is_written_down(changed):
    people = changed
    response = Browser(people.a).get(f"{REPORT}?field=room&as=csv")
    assert response["Content-Disposition"].startswith("attachment;")
    said = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert said[0] == list(section_report.COLUMNS)
    (row,) = said[1:]
    assert row[1:4] == ["Autumn 2026", "BIO-2", "BIO Biology"]
    assert row[4:8] == ["room", "SCI 201", "'=HYPERLINK(1)", "T2 Teacher"]
    with enter(people.school):
        logged = AuditLog.objects.get(event="export")
    assert logged.user == people.a.user
    assert (logged.metadata["asked"], logged.metadata["rows"]) == ({"field": "room"}, 1)


def test_the_history_of_one_section_is_linked_from_its_page(changed):
    people = changed
    page = reverse("admin:grading_section_change", args=[people.section])
    history = reverse("admin:grading_section_changed", args=[people.section])
    assert history in Browser(people.a).get(page).content.decode()
    response = Browser(people.a).get(history)
    assert {line.called for line in response.context["lines"]} == {"BIO-2"}
    assert len(response.context["lines"]) == 7
    assert "T2 Teacher" in response.content.decode()


def test_the_history_of_one_section_is_downloaded_as_csv_and_that_is_written_down(changed):
    people = changed
    history = reverse("admin:grading_section_changed", args=[people.section])
    assert 'href="?as=csv" download' in Browser(people.a).get(history).content.decode()
    response = Browser(people.a).get(f"{history}?as=csv")
    said = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert said[0] == list(section_report.COLUMNS)
    assert len(said[1:]) == 7
    assert {row[2] for row in said[1:]} == {"BIO-2"}
    with enter(people.school):
        logged = AuditLog.objects.get(event="export")
    assert logged.detail == "history of section BIO-2 as CSV"
    assert (logged.metadata["section"], logged.metadata["rows"]) == (str(people.section), 7)
    for person, status in ((people.t1, 403), (people.outsider, 404)):
        assert Browser(person).get(f"{history}?as=csv").status_code == status


def test_a_section_that_is_gone_keeps_its_name_in_the_history(changed):
    people = changed
    with enter(people.school):
        people.b.approves(*people.a.deletes("section", people.other).changes)
        assert not Section.objects.filter(pk=people.other).exists()
    assert ("BIO-9", "capacity", "30", "5") in asked(people.a)
    assert b"BIO-9" in Browser(people.a).get(f"{REPORT}?as=csv").content


def test_a_section_that_is_gone_stays_in_the_report_of_the_term_it_was_in_last(changed):
    people = changed
    row = ("BIO-9", "capacity", "30", "5")
    with enter(people.school):
        day = Draft(
            entity_type="term",
            entity_id=people.spring,
            field="registration_opens_on",
            typed=people.clock.now.date().isoformat(),
        )
        people.a.enters([day])
        change(people, people.other, term=str(people.term))
        change(people, people.other, term=str(people.spring))
        people.b.approves(*people.a.deletes("section", people.other).changes)
    for query in (f"?term={people.spring}", "?after_registration=on&field=capacity"):
        assert row in asked(people.a, query), query
    assert row not in asked(people.a, f"?term={people.term}")


def test_a_section_whose_making_was_reverted_stays_in_the_report_of_its_term(changed):
    people = changed
    with enter(people.school):
        made = people.t2.creates(
            "section", course=str(people.course), term=str(people.spring), code="BIO-7"
        )
        people.a.approves(*people.open_of(made))
        change(people, made, people.t1, capacity="7")
        people.a.reverts(people.t2, about=made, unticked=())
        assert not Section.objects.filter(pk=made).exists()
    assert ("BIO-7", "capacity", "nothing", "7") in asked(people.a, f"?term={people.spring}")


def test_another_school_sees_none_of_it(changed):
    assert asked(changed.outsider) == []
    for name in ("admin:grading_section_changed", "admin:grading_section_change"):
        path = reverse(name, args=[changed.section])
        assert Browser(changed.outsider).get(path).status_code == 404


def test_long_reports_cost_no_more_statements(changed):
    people = changed

    def statements(query):
        with CaptureQueriesContext(connection) as queries:
            assert Browser(people.a).get(REPORT + query).status_code == 200
        return len(queries)

    few = [statements(query) for query in ("", "?as=csv")]
    with enter(people.school):
        for n in range(10):
            change(people, people.section, capacity=str(40 + n), schedule=f"Room {n}")
        assert CourseChangeHistory.objects.count() > 20
    assert [statements(query) for query in ("", "?as=csv")] == few

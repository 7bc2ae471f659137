"""The account of a revert, as a page and as CSV: what it says of that day is the same for ever."""

import csv
import datetime as dt
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.in_school import enter
from accounts.models import AuditLog
from changes import incident_pages
from changes.as_of import AsOf
from changes.incident import Account
from changes.models import Decision
from tests.cast import SATURDAY_NIGHT, only, typed
from tests.pages import Browser, more_pupils

pytestmark = pytest.mark.django_db


@pytest.fixture
def night(people):
    """V's Saturday night, reverted by A on Monday: a mark raised, one that T1 has corrected since,
    one that waits over V's own of the week, and a pupil whom T1 enrolled and T2 marked."""
    at = (SATURDAY_NIGHT + dt.timedelta(minutes=n) for n in range(30))
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        people.own = only(people.v.types(people.marks[2], "70"))
        people.stand(people.marks[0], "95", by=people.v, at=next(at), ip="203.0.113.7")
        people.stand(people.marks[1], "80", by=people.v, at=next(at), ip="203.0.113.7")
        people.v.types(people.marks[2], "99", at=next(at), ip="203.0.113.7")
        people.kim = people.v.creates("student", number="412", family_name="Kim", at=next(at))
        people.clock.now = SATURDAY_NIGHT + dt.timedelta(days=1)
        people.a.approves(*people.open_of(people.kim))
        people.enrolment = people.t1.enrols(people.kim, people.section)
        people.a.approves(*people.open_of(people.enrolment))
        people.stand(people.enrolment, "71", by=people.t2)
        people.stand(people.marks[1], "82", by=people.t1)
        people.clock.now = SATURDAY_NIGHT + dt.timedelta(days=2)
        people.reverted = people.a.reverts(
            people.v, unticked=(), start=SATURDAY_NIGHT, reason="it was her niece"
        )
    people.number = people.reverted.decision.number
    people.path = f"/office/revert/{people.number}/"
    return people


def rows(people, by=None):
    """Return the lines of the file, by their part."""
    response = Browser(by or people.b).get(people.path, {"csv": ""})
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))[1:]


def of_part(lines, part, *columns):
    return [tuple(line[each] for each in columns) for line in lines if line[0] == part]


def test_the_file_says_who_decided_what_and_why_and_what_became_of_each_cell(night):
    lines = rows(night)
    facts = dict(of_part(lines, "decision", 2, 4))
    assert facts["School"] == "Hill School"
    assert (facts["By"], facts["Why"]) == (str(night.a.user), "it was her niece")
    assert facts["Decision"] == str(night.number)
    assert str(night.v.user) in facts["Typed by"]
    assert "23:15" in facts["From"]
    assert facts["Written"] == "2 grade corrections"
    excluded = of_part(lines, "excluded", 1, 2, 3, 4, 7, 8)
    assert excluded[:3] == [
        ("Abbott, Ada in BIO-2", "mark", "60", "95", "203.0.113.7", "approved"),
        ("Brown, Ben in BIO-2", "mark", "nothing", "80", "203.0.113.7", "approved"),
        ("Carter, Cleo in BIO-2", "mark", "nothing", "99", "203.0.113.7", "awaiting approval"),
    ]
    assert [row[1] for row in excluded[3:]] == ["pupil", "number", "family name"]
    restored = of_part(lines, "restored", 1, 2, 3, 4)
    assert restored[0] == ("Abbott, Ada in BIO-2", "mark", "95", "60")
    assert ("Kim", "pupil", "added", "deleted") in restored
    assert "Brown, Ben in BIO-2" not in {row[0] for row in restored}
    with_it = of_part(lines, "with it", 1, 2, 3, 4)
    assert ("Kim in BIO-2", "mark", "71", "nothing") in with_it
    assert of_part(lines, "please check", 1, 3, 4) == [("Brown, Ben in BIO-2", "80", "82")]
    assert of_part(lines, "returned to the queue", 1, 3, 4) == [
        ("Carter, Cleo in BIO-2", "nothing", "70")
    ]
    told = of_part(lines, "told", 1, 6, 9)
    assert ("BIO-2: 2 marks", f"{night.t1.user} ({night.t1.user.email})") in [
        row[:2] for row in told
    ]


def test_what_it_says_of_that_day_is_the_same_for_ever(night):
    told_once = [line for line in rows(night) if line[0] not in ("lifted", "told")]
    with enter(night.school):
        night.b.approves(night.own)
        night.stand(night.marks[0], "33", by=night.t1)
        night.t1.changes_cell("student", night.students[0], family_name="Zz")
        night.a.approves(*night.open_of(night.students[0]))
        night.t1.changes_cell("section", night.section, code="BIO-9")
        night.a.approves(*night.open_of(night.section))
        key = f"student.{night.kim}.record"
        night.b.reinstates(night.reverted, unticked={key}, reason="the marks were right")
    now = rows(night)
    (lifted,) = of_part(now, "lifted", 4, 9)
    assert lifted == ("3 changes", "the marks were right")
    for line in now:
        if line[0] == "excluded" and line[9]:
            assert line[9].startswith("lifted by decision")
            line[9] = ""
    since = ("lifted", "told", "stands now")
    assert [line for line in now if line[0] not in since] == told_once
    assert of_part(now, "stands now", 1, 2, 3, 4) == [
        ("Abbott, Ada in BIO-2", "mark", "60", "33"),
        ("Carter, Cleo in BIO-2", "mark", "nothing", "70"),
    ]
    page = Browser(night.b).get(night.path).content.decode()
    assert "3 of 6 changes are still excluded" in page
    now = page.index('now: <b class="typed">33</b>')
    assert page.index("with the revert: ", now) < page.index("<del>95</del> <ins>60</ins>", now)


def test_the_page_says_the_same_and_where_the_file_is(night):
    page = Browser(night.b).get(night.path).content.decode()
    for said in (
        "Hill School, Monday 16 November 2026",
        "it was her niece",
        "<del>95</del> <ins>60</ins>",
        "82 stays",
        "left the queue",
        "What moved with it",
        "Please check",
        "Returned to the queue",
        "Who was told",
        "not seen yet",
        "grade correction by revert, 95 → 60",
        'href="?csv"',
        'href="?print"',
    ):
        assert said in page, said


def test_all_of_it_is_on_one_page_to_be_printed_up_to_what_goes_on_paper(night, monkeypatch):
    monkeypatch.setattr(incident_pages, "CHANGES_ON_A_PAGE", 2)
    browser = Browser(night.b)
    assert "1 to 2 of 6" in browser.get(night.path).content.decode()
    printed = browser.get(night.path, {"print": ""})
    assert len(printed.context["excluded"]) == 6
    assert "data-print" in printed.content.decode()
    monkeypatch.setattr(incident_pages, "PRINTED", 4)
    printed = browser.get(night.path, {"print": ""}).content.decode()
    assert "1 to 4 of 6" in printed
    assert "No more than that goes on paper at once. The CSV has all of them." in printed
    assert 'href="?print&amp;page=2"' in printed


def test_the_file_is_in_the_audit_log_and_safe_in_a_spreadsheet(night):
    with enter(night.school):
        night.stand(night.marks[1], "=1+1", by=night.v, field="comment")
        night.clock.now += dt.timedelta(days=1)
        reverted = night.a.reverts(night.v, field="enrollment.comment", start=SATURDAY_NIGHT)
    night.path = f"/office/revert/{reverted.decision.number}/"
    (line,) = of_part(rows(night), "excluded", 4)
    assert line == ("'=1+1",)
    with enter(night.school):
        row = AuditLog.objects.get(event=AuditLog.Event.EXPORT)
    assert row.user_id == night.b.user.pk
    assert row.metadata["changes"] == 1


def test_nobody_but_the_office_of_the_school_reads_it(night):
    assert Browser(night.t1).get(night.path).status_code == 403
    assert Browser(night.outsider).get(night.path).status_code == 404
    assert Browser(night.b).get("/office/revert/1/").status_code == 404  # no revert


def test_it_costs_the_same_for_any_number_of_changes_and_is_paged(people):
    marks = more_pupils(people, 130)
    browser = Browser(people.b)

    def cost(some):
        with enter(people.school):
            people.a.enters([typed(each, "60") for each in some])
            at = people.clock.now
            saved = people.v.proposes([typed(each, "95", reason="typo") for each in some])
            people.a.approves(*saved.changes)
            reverted = people.b.reverts(people.v, start=at)
        path = f"/office/revert/{reverted.decision.number}/"
        with CaptureQueriesContext(
            connection,
        ) as asked:
            page = browser.get(path)
        assert page.status_code == 200
        return len(asked), page.content.decode()

    few, _ = cost(marks[:5])
    many, page = cost(marks[5:])
    assert many <= few
    assert "1 to 100 of 125" in page
    with enter(people.school):
        last = Decision.objects.order_by("number").last()
        account = Account(last)
        assert len(account.excluded(list(account.changes()))) == 125


def test_what_stood_is_known_of_records_and_their_parents_asked_together(inside):
    ledger = AsOf(inside.school, Decision.objects.count())
    records = [
        ("section", inside.section),
        *(("student", each) for each in inside.students),
        *(("enrollment", each) for each in inside.marks),
    ]
    assert ledger.stand(records) == {each for _, each in records}

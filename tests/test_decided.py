"""What others decided about one's changes: on the page, in the menu, and by mail."""

import datetime as dt
import io

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import freezing, outbox
from accounts.in_school import enter
from accounts.models import AuditLog, Membership
from grading import decided, decided_mail
from tests.cast import only
from tests.pages import Browser, form_of, more_pupils

pytestmark = pytest.mark.django_db

PAGE = reverse("decided")
NEXT_MORNING = dt.datetime(2026, 11, 10, 6, 30, tzinfo=dt.UTC)
NO_MORE = "You are not mailed any more what is decided about your changes"


def page_of(person, path=PAGE):
    response = Browser(person).get(path)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def rows(person):
    return page_of(person).partition("<tbody>")[2].partition("</tbody>")[0].split("<tr>")[1:]


def count_in_menu(person, path="/classes/"):
    _, is_there, rest = page_of(person, path).partition("My changes <b>(")
    return rest.partition("<")[0] if is_there else ""


@pytest.fixture
def two_decided(people):
    """A mark of T1's that was approved, and one that was declined."""
    with enter(people.school):
        people.a.approves(only(people.t1.types(people.marks[0], "60")))
        people.a.declines(only(people.t1.types(people.marks[1], "50")), reason="Brown was ill")
    return people


# On the page. -------------------------------------------------------------------------------------


def test_it_says_what_was_approved_and_declined_by_whom_and_why(two_decided):
    declined, approved = rows(two_decided.t1)
    assert "Brown, Ben" in declined
    assert "Brown was ill" in declined
    assert "A Admin" in declined
    assert "Propose again" in declined
    assert "Abbott, Ada" in approved
    assert "approved" in approved


def test_the_menu_counts_what_is_new_until_one_has_seen_it(two_decided):
    people = two_decided
    assert count_in_menu(people.t1) == "2"
    page = Browser(people.t1).get(PAGE).content.decode()
    # Decided while the page was open: that was not seen.
    with enter(people.school):
        people.a.approves(only(people.t1.types(people.marks[2], "70")))
    sent = form_of(page, reverse("decided-seen"))
    assert Browser(people.t1).send(reverse("decided-seen"), sent).status_code == 302
    assert count_in_menu(people.t1) == "1"
    assert len(rows(people.t1)) == 3
    # An older page that is sent late takes nothing back.
    people.t1.member.refresh_from_db()
    seen = people.t1.member.decided_seen
    Browser(people.t1).send(reverse("decided-seen"), {"until": str(seen - 1)})
    assert count_in_menu(people.t1) == "1"


@pytest.mark.parametrize("until", ["", "x", "-1", "999999999999", "²"])
def test_a_number_that_is_none_is_not_noted(two_decided, until):
    people = two_decided
    Browser(people.t1).send(reverse("decided-seen"), {"until": until})
    assert count_in_menu(people.t1) == "2"


def test_nobody_can_have_seen_what_is_not_decided_yet(two_decided):
    people = two_decided
    Browser(people.t1).send(reverse("decided-seen"), {"until": "99999"})
    with enter(people.school):
        people.a.approves(only(people.t1.types(people.marks[2], "70")))
    assert count_in_menu(people.t1) == "1"


def test_ones_own_decisions_are_no_news_and_nobody_elses_changes_are_there(two_decided):
    people = two_decided
    with enter(people.school):
        people.a.changes_cell("section", people.section, schedule="Mondays")
        people.a.approves(*people.open_of(people.section))
    assert count_in_menu(people.a) == ""
    for person in (people.a, people.b, people.t2, people.outsider):
        assert rows(person) == []


def test_a_new_pupil_is_one_line_and_counts_once(people):
    with enter(people.school):
        pupil = people.t1.creates("student", family_name="Ashdown", year_level="10")
        people.b.approves(*people.open_of(pupil))
    assert len(rows(people.t1)) == 1
    assert count_in_menu(people.t1) == "1"


def test_looking_costs_the_same_however_much_was_decided(two_decided):
    people = two_decided

    def statements(path):
        with CaptureQueriesContext(connection) as queries:
            page_of(people.t1, path)
        return len(queries)

    few = [statements(path) for path in (PAGE, "/my-changes/")]
    with enter(people.school):
        for enrollment in more_pupils(people, 12):
            people.a.approves(only(people.t1.types(enrollment, "66")))
    assert [statements(path) for path in (PAGE, "/my-changes/")] == few


def test_counting_what_is_new_is_two_statements_with_an_index_of_its_own(two_decided):
    people = two_decided
    people.t1.member.refresh_from_db()
    with enter(people.school):
        with CaptureQueriesContext(connection) as queries:
            assert decided.count_unseen(people.t1.member) == 2
        assert len(queries) == 2
        with connection.cursor() as cursor:
            # What the planner takes where there are too few rows for any index.
            cursor.execute("set local enable_seqscan = off")
            cursor.execute("set local enable_bitmapscan = off")
            cursor.execute("explain " + queries.captured_queries[0]["sql"])
            plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "change_decided_for_author" in plan


# By mail. -----------------------------------------------------------------------------------------


def compose(people, at):
    """Let the worker's hour strike. Return what is mailed then."""
    mail.outbox.clear()
    outbox.compose(people.school, at=at)
    while outbox.send_next(people.school):
        pass
    return list(mail.outbox)


def choose(person, choice):
    assert Browser(person).send(reverse("decided-mail"), {"mail": choice}).status_code == 302
    person.member.refresh_from_db()


def test_once_a_day_in_the_morning_it_says_what_was_decided_the_day_before(two_decided):
    people = two_decided
    assert compose(people, NEXT_MORNING - dt.timedelta(hours=1)) == []
    (message,) = compose(people, NEXT_MORNING)
    assert message.to == ["t1.teacher@hill.example"]
    assert message.subject == "Your changes: 1 approved, 1 declined"
    assert "BIO-2: 1 approved, 1 declined\n    declined: (name) was ill\n" in message.body
    assert f"http://127.0.0.1:8000{PAGE}" in message.body
    for name in ("Abbott", "Brown", "Ada", "Ben"):
        assert name not in message.body
    for later in (0, 3, 24, 48):
        assert compose(people, NEXT_MORNING + dt.timedelta(hours=later)) == []


def test_what_is_decided_this_morning_is_told_tomorrow(two_decided):
    people = two_decided
    with enter(people.school):
        change = only(people.t1.types(people.marks[2], "70"))
        people.a.approves(change, at=NEXT_MORNING - dt.timedelta(hours=5))
    (message,) = compose(people, NEXT_MORNING)
    assert message.subject == "Your changes: 1 approved, 1 declined"
    (message,) = compose(people, NEXT_MORNING + dt.timedelta(days=1))
    assert message.subject == "Your changes: 1 approved"


def test_a_worker_that_stood_still_for_days_tells_them_together(two_decided):
    people = two_decided
    with enter(people.school):
        change = only(people.t1.types(people.marks[2], "70"))
        people.a.approves(change, at=NEXT_MORNING + dt.timedelta(days=1))
    (message,) = compose(people, NEXT_MORNING + dt.timedelta(days=3))
    assert message.subject == "Your changes: 2 approved, 1 declined"


def test_at_once_is_one_message_for_each_decision(two_decided):
    people = two_decided
    choose(people.t1, "at once")
    at = people.clock.tick()
    subjects = [message.subject for message in compose(people, at)]
    assert subjects == ["Your changes: 1 approved", "Your changes: 1 declined"]
    assert compose(people, at) == []
    with enter(people.school):
        people.a.approves(*(only(people.t1.types(each, "70")) for each in more_pupils(people, 3)))
    assert [m.subject for m in compose(people, people.clock.tick())] == ["Your changes: 3 approved"]
    assert compose(people, NEXT_MORNING) == []


def test_the_worker_composes_what_it_then_sends(two_decided):
    people = two_decided
    choose(people.t1, "at once")
    call_command("work", once=True, stdout=io.StringIO())
    assert len(mail.outbox) == 2
    call_command("work", once=True, stdout=io.StringIO())
    assert len(mail.outbox) == 2


def test_who_wants_no_mail_gets_none_and_later_only_what_comes_then(two_decided):
    people = two_decided
    choose(people.t1, "never")
    assert [m.subject for m in compose(people, NEXT_MORNING)] == [NO_MORE]
    assert compose(people, NEXT_MORNING) == []
    choose(people.t1, "daily")
    assert compose(people, NEXT_MORNING) == []
    with enter(people.school):
        people.a.approves(only(people.t1.types(people.marks[2], "70")))
    (message,) = compose(people, NEXT_MORNING)
    assert message.subject == "Your changes: 1 approved"


def test_each_change_of_the_choice_is_in_the_audit_log_and_never_is_told_once(people):
    for choice in ("at once", "at once", "never", "never", "daily", "daily"):
        choose(people.t1, choice)
    with enter(people.school):
        rows = AuditLog.objects.filter(event=AuditLog.Event.PEOPLE).order_by("id")
        assert [(row.user, row.detail.partition(": ")[2]) for row in rows] == [
            (people.t1.user, f"mail about what was decided: {which}")
            for which in (
                "once a day, now at once",
                "at once, now never",
                "never, now once a day",
            )
        ]
    (message,) = compose(people, NEXT_MORNING)
    assert (message.to, message.subject) == ([people.t1.user.email], NO_MORE)
    assert "If it was not you, tell the office" in message.body


def test_a_choice_that_is_none_changes_nothing(people):
    choose(people.t1, "hourly")
    assert people.t1.member.decided_by_mail == "daily"


def test_one_who_has_left_is_told_nothing_nor_is_the_author_of_the_decision(two_decided):
    people = two_decided
    Membership.objects.filter(pk=people.t1.member.pk).update(is_active=False)
    assert compose(people, NEXT_MORNING) == []


def test_an_account_that_is_frozen_is_told_nothing(two_decided):
    people = two_decided
    with enter(people.school):
        freezing.freeze(people.t1.member, by=people.a.member, origin=people.a.origin())
    assert compose(people, NEXT_MORNING) == []


def test_a_pupil_who_was_declined_is_counted_with_the_class_and_not_named(people):
    with enter(people.school):
        pupil = people.t1.creates("student", given_names="Wren", family_name="Ashdown")
        place = people.t1.enrols(pupil, people.section)
        people.t1.types(place, "70")
        people.a.declines(
            *people.open_of(pupil, place), reason="Wren Ashdown-Smith left; ask R. Calder"
        )
    (message,) = compose(people, NEXT_MORNING)
    assert "BIO-2: 1 declined" in message.body or "BIO-2: 2 declined" in message.body
    assert "Details of pupils and other records: 1 declined" in message.body
    assert "(name) (name)-Smith left; ask R. Calder" in message.body
    assert "Wren" not in message.body


def test_composing_costs_the_same_however_many_and_however_much(two_decided, monkeypatch):
    monkeypatch.setattr(outbox, "COMPOSERS", [decided_mail.compose])
    people = two_decided

    def statements(at):
        with CaptureQueriesContext(connection) as queries:
            outbox.compose(people.school, at=at)
        return len(queries)

    def decide(marks, person):
        people.a.approves(*(only(person.types(each, "70")) for each in marks))

    with enter(people.school):
        pupils = more_pupils(people, 33)
    first = statements(NEXT_MORNING)
    with enter(people.school):
        for n, person in enumerate((people.t1, people.t2, people.v)):
            decide(pupils[n::3], person)
    assert statements(NEXT_MORNING + dt.timedelta(days=1)) == first
    idle = statements(NEXT_MORNING + dt.timedelta(days=1))
    assert idle < first


def test_a_failure_of_what_composes_holds_up_nothing_that_waits(people, monkeypatch, caplog):
    monkeypatch.setattr(outbox, "COMPOSERS", [lambda school, at: 1 / 0, decided_mail.compose])
    with enter(people.school):
        people.a.approves(only(people.t1.types(people.marks[0], "60")))
    assert len(compose(people, NEXT_MORNING)) == 1
    assert "division by zero" in caplog.text

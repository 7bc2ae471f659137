"""What was done with an account, session by session, what of it is unusual, and who else came from
an address: as the office reads it."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import audit
from accounts.in_school import enter
from accounts.models import AuditLog
from accounts.origin import Origin
from changes.activity import Session, Sessions
from changes.propose import Draft, creation, propose
from changes.unusual import unusual
from tests.cast import MONDAY, SATURDAY_NIGHT, Cast, Person, typed
from tests.pages import Browser, form_of, more_pupils, words_of

pytestmark = pytest.mark.django_db

LAPTOP = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0.0.0 Safari/537.36"
PHONE = "Mozilla/5.0 (Linux; Android 15) Chrome/141.0.0.0 Mobile Safari/537.36"
SCHOOL, NIECE = "10.0.1.3", "203.0.113.7"


def origin(at: dt.datetime, session: str, ip: str = SCHOOL, agent: str = LAPTOP) -> Origin:
    return Origin(at=at, ip=ip, user_agent=agent, session=session)


def saves(people: Cast, who: Person, n: int, text: str, where: Origin) -> None:
    draft = typed(people.marks[n], text, reason="a slip of the pen")
    saved = propose([draft], by=who.member, origin=where)
    assert not saved.refused


def logs(people: Cast, who: Person, event: AuditLog.Event, where: Origin) -> None:
    audit.record(event, origin=where, school=people.school, user=who.user)


@pytest.fixture
def weeks(people: Cast) -> Cast:
    """V has signed in on the mornings of nine school days, from school; three marks of T1's stand.
    On Saturday night V's account raised two of them and lost a third, with another telephone."""
    with enter(people.school):
        for n, text in enumerate(("60", "55", "71")):
            people.stand(people.marks[n], text, by=people.t1)
        for day in range(9):
            at = MONDAY - dt.timedelta(days=14 - day, hours=1)
            logs(people, people.v, AuditLog.Event.SIGN_IN, origin(at, f"day {day}"))
        night = origin(SATURDAY_NIGHT, "night", NIECE, PHONE)
        logs(people, people.v, AuditLog.Event.SIGN_IN, night)
        for n, text in enumerate(("95", "99", "90")):
            at = SATURDAY_NIGHT + dt.timedelta(minutes=n + 1)
            saves(people, people.v, n, text, origin(at, "night", NIECE, PHONE))
    return people


def sessions(people: Cast, who: Person | None = None, ip: str | None = None) -> list[Session]:
    return Sessions(people.school, account=who.user.pk if who else None, ip=ip)[0:100]


def said(people: Cast, some: list[Session]) -> list[list[str]]:
    return [[sign.sentence for sign in its] for its in unusual(people.school, some)]


# Sessions. ----------------------------------------------------------------------------------------


def test_a_session_holds_all_that_was_done_after_one_sign_in(weeks):
    with enter(weeks.school):
        where = origin(SATURDAY_NIGHT + dt.timedelta(minutes=20), "night", NIECE, PHONE)
        logs(weeks, weeks.v, AuditLog.Event.EXPORT, where)
        logs(weeks, weeks.v, AuditLog.Event.REFUSAL, where)
        night, *mornings = sessions(weeks, weeks.v)
    assert (night.first, night.last) == (SATURDAY_NIGHT, where.at)
    assert (night.ips, night.devices) == ((NIECE,), ["Chrome on Android"])
    assert (night.changes, night.exports, night.refusals, night.decisions) == (3, 1, 1, 0)
    assert len(night.saves) == 3
    assert [each.label for each in mornings] == [f"day {n}" for n in range(8, -1, -1)]
    assert all(each.changes == 0 for each in mornings)


def test_decisions_count_once_though_the_audit_log_has_them_too(weeks):
    with enter(weeks.school):
        waiting = weeks.open_of(*weeks.marks)
        logs(weeks, weeks.b, AuditLog.Event.DECISION, origin(MONDAY, "monday"))
        weeks.b.approves(*waiting)
        found = sessions(weeks, weeks.b)
    assert [(each.decisions, each.changes) for each in found] == [(1, 0)]


def test_what_carries_no_session_stands_for_itself(inside):
    inside.t1.types(inside.marks[0], "50")
    inside.t1.types(inside.marks[0], "51")
    found = sessions(inside, inside.t1)
    assert [(each.label, each.changes) for each in found] == [("", 1), ("", 1)]


def test_of_an_ipv6_address_the_network_is_meant(inside):
    for n, ip in enumerate(("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")):
        saves(inside, inside.t1, n, "50", origin(MONDAY, f"s{n}", ip))
    assert {each.label for each in sessions(inside, ip="2001:db8::9")} == {"s0", "s1"}


# What is unusual. ---------------------------------------------------------------------------------


def test_the_night_is_told_from_the_mornings_and_says_why(weeks):
    with enter(weeks.school):
        found = sessions(weeks, weeks.v)
        night, *mornings = said(weeks, found)
    assert night == [
        "An address it had not used before: 203.0.113.7.",
        "A device it had not used before: Chrome on Android.",
        "Outside its usual hours: 23:00 to 00:00, on none of 9 other days.",
        "Changes 3 marks that stood already, each of them upwards.",
    ]
    assert mornings == [[]] * 9


def test_marks_that_go_down_too_are_not_only_upwards(weeks):
    with enter(weeks.school):
        at = SATURDAY_NIGHT + dt.timedelta(days=1)
        for n, text in enumerate(("95", "99", "10")):
            saves(weeks, weeks.t2, n, text, origin(at, "t2"))
        (its,) = said(weeks, sessions(weeks, weeks.t2))
    assert its == ["Changes 3 marks that stood already."]


def test_a_first_mark_is_not_a_change_of_one_that_stood(inside):
    saves(inside, inside.t1, 0, "50", origin(MONDAY, "first"))
    assert said(inside, sessions(inside, inside.t1)) == [[]]


def test_many_classes_in_a_short_time_are_pointed_out_and_in_a_long_time_not(inside):
    marks = []
    for n in range(4):
        section = creation(
            "section",
            {
                "course": str(inside.course),
                "term": str(inside.term),
                "code": f"BIO-{n + 5}",
                "scale": str(inside.scale.pk),
            },
        )
        place = creation(
            "enrollment",
            {"student": str(inside.students[0]), "section": str(section[0].entity_id)},
        )
        inside.a.enters([*section, *place], whole=True)
        marks.append(place[0].entity_id)
    for minutes, label in ((2, "fast"), (30, "slow")):
        for n, mark in enumerate(marks):
            at = MONDAY + dt.timedelta(days=minutes, minutes=minutes * n)
            propose([typed(mark, str(50 + minutes))], by=inside.t1.member, origin=origin(at, label))
    its = dict(zip(*_labelled(inside, inside.t1), strict=True))
    assert its == {"fast": ["Marks or comments in 4 classes within 6 minutes."], "slow": []}


def _labelled(people: Cast, who: Person) -> tuple[list[str], list[list[str]]]:
    found = sessions(people, who)
    return [each.label for each in found], said(people, found)


def test_an_account_without_a_past_has_nothing_strange(inside):
    """Its second sign-in, an hour after the first, from elsewhere."""
    for hours, label, ip in ((0, "one", SCHOOL), (1, "two", NIECE)):
        where = origin(MONDAY + dt.timedelta(hours=hours), label, ip, PHONE)
        logs(inside, inside.t2, AuditLog.Event.SIGN_IN, where)
    assert said(inside, sessions(inside, inside.t2)) == [[], []]


def test_who_failed_to_sign_in_has_not_made_the_address_a_known_one(weeks):
    with enter(weeks.school):
        for days, event in ((1, "SIGN_IN_FAILED"), (5, "SIGN_IN")):
            where = origin(MONDAY + dt.timedelta(days=days), event, "198.51.100.4")
            logs(weeks, weeks.v, AuditLog.Event[event], where)
        found = sessions(weeks, ip="198.51.100.4")
        why = said(weeks, found)
    assert [(each.label, each.failures) for each in found] == [
        ("SIGN_IN", 0),
        ("SIGN_IN_FAILED", 1),
    ]
    assert all("An address it had not used before: 198.51.100.4." in its for its in why)


def test_the_clocks_are_those_of_the_school(weeks):
    weeks.school.time_zone = "Pacific/Auckland"
    with enter(weeks.school):
        (night, *_) = sessions(weeks, weeks.v)
        (its, *_) = said(weeks, [night])
    assert night.day.on == dt.date(2026, 11, 15)
    assert "Outside its usual hours: 12:00 to 13:00, on none of 9 other days." in its


def test_an_hour_is_usual_once_the_account_was_in_use_in_it_on_some_other_days(weeks):
    def of_the_night(*days_before: int) -> list[str]:
        with enter(weeks.school):
            for days in days_before:
                where = origin(SATURDAY_NIGHT - dt.timedelta(days=days), f"late {days}")
                logs(weeks, weeks.v, AuditLog.Event.SIGN_IN, where)
            found = sessions(weeks, weeks.v)
            why = dict(zip([each.label for each in found], said(weeks, found), strict=True))
        return [each for each in why["night"] if "hours" in each]

    assert of_the_night(1) == ["Outside its usual hours: 23:00 to 00:00, on 1 of 10 other days."]
    assert of_the_night(2) == []
    # In a year two late evenings are no habit.
    with enter(weeks.school):
        for day in range(20, 80):
            where = origin(MONDAY - dt.timedelta(days=day, hours=1), f"earlier {day}")
            logs(weeks, weeks.v, AuditLog.Event.SIGN_IN, where)
    assert of_the_night() == ["Outside its usual hours: 23:00 to 00:00, on 2 of 71 other days."]


@pytest.mark.parametrize(
    ("hours_later", "label", "is_weak"),
    [(15, "by day", True), (23, "late", False), (29, "early", False)],
)
def test_an_hour_of_the_day_alone_is_said_and_an_hour_of_the_night_is_marked(
    weeks, hours_later, label, is_weak
):
    with enter(weeks.school):
        at = MONDAY.replace(hour=0) + dt.timedelta(hours=hours_later)
        logs(weeks, weeks.v, AuditLog.Event.SIGN_IN, origin(at, label))
        found = sessions(weeks, weeks.v)
        why = dict(zip([each.label for each in found], unusual(weeks.school, found), strict=True))
    (hours,) = why[label]
    assert hours.sentence.startswith("Outside its usual hours: ")
    assert hours.is_weak is is_weak
    assert not any(sign.is_weak for sign in why["night"])
    shown = words_of(page(weeks.a, account(weeks.v)))
    assert hours.sentence in shown
    assert (f"unusual {hours.sentence}" in shown) is not is_weak


def test_an_hour_of_the_day_is_marked_where_something_else_is_unusual(weeks):
    with enter(weeks.school):
        at = MONDAY.replace(hour=15)
        logs(weeks, weeks.v, AuditLog.Event.SIGN_IN, origin(at, "by day", "198.51.100.4"))
        (its,) = unusual(weeks.school, sessions(weeks, ip="198.51.100.4"))
    assert [(sign.sentence.split()[0], sign.is_weak) for sign in its] == [
        ("An", False),
        ("Outside", False),
    ]


def test_who_only_failed_to_sign_in_at_night_was_at_no_unusual_hour(weeks):
    with enter(weeks.school):
        where = origin(SATURDAY_NIGHT - dt.timedelta(days=3, hours=2), "failed", SCHOOL)
        logs(weeks, weeks.v, AuditLog.Event.SIGN_IN_FAILED, where)
        found = sessions(weeks, weeks.v)
        why = dict(zip([each.label for each in found], said(weeks, found), strict=True))
    assert why["failed"] == []


# The pages. ---------------------------------------------------------------------------------------


def account(who: Person) -> str:
    return reverse("admin:activity", args=[who.user.pk])


def address(ip: str) -> str:
    return f"{reverse('admin:activity_from')}?ip={ip}"


def page(person: Person, at: str, status: int = 200) -> str:
    response = Browser(person).get(at)
    assert response.status_code == status
    return " ".join(response.content.decode().split())


def test_the_page_says_by_day_when_from_where_with_what_and_what_is_unusual(weeks):
    shown = words_of(page(weeks.a, account(weeks.v)))
    for each in (
        "Saturday 14 November 2026 23:15 to 23:18, 3 changes",
        "Chrome on Android",
        "unusual An address it had not used before: 203.0.113.7.",
        "Chrome on Windows",
        "10 sessions",
    ):
        assert each in shown, each
    assert shown.count("unusual An") == 1


def test_a_session_leads_to_its_changes_and_its_address_to_who_else_came_from_there(weeks):
    with enter(weeks.school):
        saves(weeks, weeks.t2, 0, "61", origin(SATURDAY_NIGHT, "t2", NIECE))
        (night, *_) = sessions(weeks, weeks.v)
    shown = page(weeks.a, account(weeks.v))
    assert f'href="{reverse("admin:timeline_session", args=[night.saves[0]])}"' in shown
    assert f'href="{address(NIECE)}"' in shown
    both = page(weeks.a, address(NIECE))
    assert f'href="{account(weeks.v)}">V Sweet' in both
    assert f'href="{account(weeks.t2)}">T2 Teacher' in both
    assert f'href="{account(weeks.t1)}"' not in both


def test_people_and_timelines_lead_to_the_activity(weeks):
    person = reverse("admin:accounts_membership_change", args=[weeks.v.member.pk])
    timeline = reverse("admin:timeline", args=["student", weeks.students[0]])
    with enter(weeks.school):
        (night, *_) = sessions(weeks, weeks.v)
    session = reverse("admin:timeline_session", args=[night.saves[0]])
    for at in (person, timeline, session):
        assert f'href="{account(weeks.v)}"' in page(weeks.a, at)
    assert f'href="{address(NIECE)}"' in page(weeks.a, session)


def test_the_account_is_frozen_from_the_page_of_its_activity(weeks):
    people = weeks
    office = Browser(people.a)
    page = reverse("admin:activity", args=[people.v.user.pk])
    freeze = reverse("admin:accounts_membership_freeze", args=[people.v.member.pk])
    assert form_of(office.get(page).content.decode(), freeze)["reason"] == ""
    assert office.send(freeze, {"reason": "Her niece"}).status_code == 302
    assert "This account is frozen" in office.get(page).content.decode()
    assert Browser(people.v).get("/classes/").status_code == 403
    own = reverse("admin:activity", args=[people.a.user.pk])
    assert "Freeze the account" not in office.get(own).content.decode()


def test_what_is_no_address_is_said_beside_the_field(people):
    shown = page(people.a, address("10.0.0"), status=422)
    assert "“10.0.0” is no IP address" in shown
    assert "Nothing was done from this address" in page(people.a, address("192.0.2.1"))
    assert "session" not in words_of(page(people.a, reverse("admin:activity_from"))).lower()


def test_nobody_of_another_school_and_no_teacher_sees_it(weeks):
    assert Browser(weeks.outsider).get(account(weeks.v)).status_code == 404
    assert "203.0.113.7 " not in words_of(page(weeks.outsider, address("10.0.1.0")))
    elsewhere = words_of(page(weeks.outsider, address(NIECE)))
    assert "Nothing was done from this address" in elsewhere
    for at in (account(weeks.v), address(NIECE)):
        assert Browser(weeks.t1).get(at).status_code == 403


@pytest.mark.parametrize("at", [lambda p: account(p.t1), lambda p: address("10.0.1.1")])
def test_300_sessions_cost_the_same_as_30_and_are_paged(people, at):
    def grow(count: int, day: int) -> None:
        with enter(people.school):
            for n in range(count):
                when = MONDAY + dt.timedelta(days=day, minutes=n)
                where = origin(when, f"{day} {n}", "10.0.1.1")
                if n % 10:
                    logs(people, people.t1, AuditLog.Event.SIGN_IN, where)
                else:
                    saves(people, people.t1, 0, str(n % 100), where)

    def cost() -> int:
        browser = Browser(people.a)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(at(people)).status_code == 200
        return len(queries)

    grow(30, 1)
    few = cost()
    grow(270, 2)
    assert cost() == few < 20
    shown = words_of(page(people.a, at(people)))
    assert "300 sessions" in shown
    assert "Page 1 of 6" in shown
    assert "Page 6 of 6" in words_of(
        page(people.a, f"{at(people)}{'&' if '?' in at(people) else '?'}page=6")
    )


def test_a_night_that_was_reverted_says_by_which_decision_until_that_is_lifted(weeks):
    with enter(weeks.school):
        first = f"enrollment.{weeks.marks[0]}.grade"
        reverted = weeks.a.reverts(weeks.v, unticked={first}, start=SATURDAY_NIGHT)
    shown = page(weeks.b, account(weeks.v))
    at = reverse("admin:reverted", args=[reverted.decision.number])
    assert f'<a href="{at}">' in shown
    said = f"reverted 2 of 3 changes, by decision {reverted.decision.number}"
    assert said in words_of(shown)
    with enter(weeks.school):
        weeks.b.reinstates(reverted)
    assert said not in words_of(page(weeks.b, account(weeks.v)))


def test_another_address_of_a_guardian_is_pointed_out_where_a_teacher_sent_it(inside):
    def told(who: Person, address: str) -> list[str]:
        label = address.partition("@")[0]
        for pupil in inside.students[:2]:
            draft = Draft(
                entity_type="student", entity_id=pupil, field="guardian_email", typed=address
            )
            propose([draft], by=who.member, origin=origin(inside.clock.tick(), label))
        inside.b.approves(*inside.open_of(*inside.students))
        (mine,) = [each for each in sessions(inside, who) if each.label == label]
        return [each for each in said(inside, [mine])[0] if "guardian" in each]

    assert told(inside.v, "first@home.example") == []
    assert told(inside.v, "other@home.example") == [
        "Changes the e-mail of the guardians of 2 pupils."
    ]
    assert told(inside.a, "third@home.example") == []


def test_sessions_of_more_pupils_cost_no_more(people):
    def cost() -> int:
        browser = Browser(people.a)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(account(people.t1)).status_code == 200
        return len(queries)

    def sends(marks: list, label: str) -> None:
        with enter(people.school):
            drafts = [typed(each, "50") for each in marks]
            propose(drafts, by=people.t1.member, origin=origin(MONDAY, label))

    sends(people.marks, "few")
    few = cost()
    sends(more_pupils(people, 60), "many")
    assert cost() == few

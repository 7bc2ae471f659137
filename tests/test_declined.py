"""An admin's account was misused: somebody else of the office excludes what it approved and
imported, lifts what it reverted, and reopens what it declined."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from changes.models import Change, Decision
from tests.cast import SATURDAY_NIGHT, only, open_changes, typed
from tests.pages import Browser, form_of, more_pupils

pytestmark = pytest.mark.django_db
NIGHT = {"start": "2026-11-14T23:00", "end": "2026-11-15T01:00"}
LISTED, REOPEN = "/office/declined/", "/office/declined/reopen/"


@pytest.fixture
def night(people):
    """A's Saturday night: declined T1's mark and a pupil whom T2 had entered, with the number;
    approved a mark of V, typed one, and reverted T1's. On Friday A had honestly declined one."""
    with enter(people.school):
        friday = only(people.t2.types(people.marks[2], "12"))
        people.a.declines(friday, reason="of another class")
        people.stand(people.marks[1], "60", by=people.t1)
        people.mark = only(people.t1.types(people.marks[0], "70"))
        people.kim = people.t2.creates("student", number="412", family_name="Kim")
        raised = only(people.v.types(people.marks[2], "95"))
        people.clock.now = SATURDAY_NIGHT
        people.a.declines(people.mark, *people.open_of(people.kim), reason="ha")
        people.a.approves(raised)
        people.a.enters([typed(people.marks[0], "ha", field="comment")])
        people.reverted = people.a.reverts(people.t1, field="enrollment.grade").decision
        people.clock.now = SATURDAY_NIGHT + dt.timedelta(days=2)
    return people


def asked(people, account, **more):
    return {"account": str(account.user.pk), **NIGHT, **more}


def boxes(response):
    return [line.ids for line in response.context["can"]]


def test_what_it_declined_that_night_is_listed_and_opened_again_with_a_reason(night):
    browser = Browser(night.b)
    page = browser.get(LISTED, asked(night, night.a))
    assert [line.title for line in page.context["can"]] == ["Abbott, Ada in BIO-2", "Kim"]
    confirm = browser.send(REOPEN, {"change": boxes(page)})
    assert confirm.status_code == 200
    form = form_of(confirm.content.decode(), at=REOPEN)
    with enter(night.school):
        assert open_changes() == set()
    done = browser.send(REOPEN, {**form, "reason": "A’s account was misused"}, follow=True)
    assert "Reopened: 4 changes wait" in done.content.decode()
    with enter(night.school):
        waiting = Change.objects.open()
        assert set(waiting.values_list("reopens_id", flat=True)) >= {night.mark.pk}
        assert set(waiting.values_list("author_id", flat=True)) == {
            night.t1.user.pk,
            night.t2.user.pk,
        }
        decision = Decision.objects.get(kind="reopen")
        assert (decision.decided_by_id, decision.reason) == (
            night.b.user.pk,
            "A’s account was misused",
        )
        night.b.approves(*waiting)
        assert night.grade(night.marks[0]) == "70"
    again = browser.get(LISTED, asked(night, night.a))
    assert boxes(again) == []
    assert len(again.context["cannot"]) == 2


def test_sent_twice_it_is_done_once_and_said(night):
    browser = Browser(night.b)
    data = {"change": boxes(browser.get(LISTED, asked(night, night.a))), "reason": "misused"}
    assert browser.send(REOPEN, data).status_code == 302
    again = browser.send(REOPEN, data)
    assert again.status_code == 409
    assert "Something newer of the same author is there already" in again.content.decode()
    with enter(night.school):
        assert Decision.objects.filter(kind="reopen").count() == 1


def test_of_a_new_record_all_that_came_with_it_is_opened_again(night):
    with enter(night.school):
        creation = Change.objects.get(entity_id=night.kim, field="exists")
    Browser(night.b).send(REOPEN, {"change": str(creation.pk), "reason": "misused"})
    with enter(night.school):
        assert {c.field for c in night.open_of(night.kim)} == {"exists", "number", "family_name"}
        night.b.approves(*night.open_of(night.kim))


def test_what_its_author_typed_anew_since_is_not_opened_again(night):
    with enter(night.school):
        night.t1.types(night.marks[0], "71")
    page = Browser(night.b).get(LISTED, asked(night, night.a))
    assert [line.title for line in page.context["can"]] == ["Kim"]
    assert [line.title for line in page.context["cannot"]] == ["Abbott, Ada in BIO-2"]


def test_the_window_the_address_and_the_account_narrow_it(night):
    browser = Browser(night.b)
    assert boxes(browser.get(LISTED, asked(night, night.b))) == []
    assert boxes(browser.get(LISTED, asked(night, night.a, ip="203.0.113.9"))) == []
    wide = asked(night, night.a, start="2026-11-01T00:00")
    assert len(boxes(browser.get(LISTED, wide))) == 3
    # Without any bound it asks for one, on the form of the revert.
    unbound = browser.get(LISTED, {"account": str(night.a.user.pk)})
    assert unbound.status_code == 302
    assert unbound["Location"].startswith("/office/revert/?")


def test_narrowed_to_a_class_it_lists_what_it_declined_of_the_marks_there(night):
    page = Browser(night.b).get(LISTED, asked(night, night.a, called="BIO-2"))
    assert [line.title for line in page.context["can"]] == ["Abbott, Ada in BIO-2"]
    term = Browser(night.b).get(LISTED, asked(night, night.a, about=str(night.term)))
    assert boxes(term) == []


def test_from_the_account_that_declined_the_rest_is_excluded_and_lifted_by_somebody_else(night):
    browser = Browser(night.b)
    query = asked(night, night.a, how="decided")
    looked = browser.get(reverse("admin:revert_preview"), query)
    form = form_of(looked.content.decode(), at=reverse("admin:revert_execute"))
    ticks = [each for each in looked.content.decode().split('"') if each.startswith("enrollment.")]
    done = browser.send(
        reverse("admin:revert_execute"), {**form, "tick": ticks, "reason": "misused"}
    )
    assert done.status_code == 302
    number = night.reverted.number
    page = browser.get(reverse("admin:lift_preview", args=[number]))
    form = form_of(page.content.decode(), at=reverse("admin:lift_execute", args=[number]))
    ticks = [each for each in page.content.decode().split('"') if each.startswith("enrollment.")]
    done = browser.send(
        reverse("admin:lift_execute", args=[number]), {**form, "tick": ticks, "reason": "misused"}
    )
    assert done.status_code == 302
    with enter(night.school):
        assert night.grade(night.marks[1]) == "60"
        assert night.grade(night.marks[2]) is None
        assert night.is_equal()


def test_who_was_reverted_neither_lifts_that_nor_is_offered_to(night):
    with enter(night.school):
        decision = night.b.reverts(decided_by=night.a.user.pk, start=SATURDAY_NIGHT).decision
    browser = Browser(night.a)
    page = browser.get(reverse("admin:reverted", args=[decision.number])).content.decode()
    assert "somebody else of the office must lift it" in page
    assert reverse("admin:lift_preview", args=[decision.number]) not in page
    lift = reverse("admin:lift_execute", args=[decision.number])
    refused = browser.send(lift, {"reason": "mine", "token": "x", "ticks": "x"})
    assert refused.status_code == 409
    with enter(night.school):
        assert Decision.objects.filter(kind="reinstate").count() == 0


def test_nobody_but_the_office_of_the_school_opens_anything_again(night):
    for person in (night.t1, night.outsider):
        browser = Browser(person)
        browser.get(LISTED, asked(night, night.a))
        answer = browser.send(REOPEN, {"change": str(night.mark.pk), "reason": "mine"})
        assert answer.status_code in (403, 404)
    with enter(night.school):
        assert Decision.objects.filter(kind="reopen").count() == 0


def test_the_session_on_the_activity_page_leads_there(people):
    browser = Browser(people.a)
    with enter(people.school):
        waiting = only(people.t1.types(people.marks[0], "70"))
    browser.send(
        reverse("admin:decide"),
        {"action": "decline", "seen": str(waiting.pk), "reason": "no", "key": "one"},
    )
    page = Browser(people.b).get(reverse("admin:activity", args=[people.a.user.pk]))
    (link,) = [
        each.replace("&amp;", "&")
        for each in page.content.decode().split('"')
        if each.startswith(LISTED)
    ]
    assert len(boxes(Browser(people.b).get(link))) == 1


def test_thirty_cost_as_many_statements_as_three(people):
    marks = more_pupils(people, 33)
    browser = Browser(people.b)

    def cost(some):
        with enter(people.school):
            saved = people.t1.proposes([typed(each, "60") for each in some])
            start = people.clock.tick()
            people.a.declines(*saved.changes)
            end = people.clock.tick()
        window = {"start": f"{start:%Y-%m-%dT%H:%M}", "end": f"{end:%Y-%m-%dT%H:%M}"}
        with CaptureQueriesContext(connection) as queries:
            page = browser.get(LISTED, asked(people, people.a) | window)
        assert len(boxes(page)) == len(some)
        return len(queries)

    assert cost(marks[3:]) <= cost(marks[:3])

"""The revert page, as the office uses it: whose changes, when, the preview, the act, lifting it."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from changes import revert_pages
from changes.models import Change, Decision, Exclusion
from changes.revert import Kind
from grading.models import Enrollment, GradeCorrection
from students.models import Student
from tests.cast import SATURDAY_NIGHT, only
from tests.forms_of import Form

START, PREVIEW, EXECUTE = "/office/revert/", "/office/revert/preview/", "/office/revert/execute/"
EVENING = {"start": "2026-11-14T23:00", "end": "2026-11-15T06:00"}


@pytest.fixture
def office(client, people):
    client.force_login(people.a.user)
    return client


@pytest.fixture
def evening(people):
    """T1's marks stand; V raised two of them on Saturday night, A approved that, and T1 has
    corrected one of the two since. A third of V's waits, and V added a pupil."""
    at = SATURDAY_NIGHT
    with enter(people.school):
        for mark, text in zip(people.marks, ("60", "55", "71"), strict=True):
            people.stand(mark, text, by=people.t1)
        raised = [
            only(people.v.types(mark, text, reason="typo", at=at, ip="203.0.113.7"))
            for mark, text in ((people.marks[0], "95"), (people.marks[1], "99"))
        ]
        people.a.approves(*raised)
        people.v.types(people.marks[2], "98", reason="typo", at=at, ip="203.0.113.7")
        eve = people.v.creates("student", number="666", family_name="Evans", at=at)
        people.a.approves(*Change.objects.of("student", eve).open())
        people.stand(people.marks[1], "56", by=people.t1)
    return people


def ask(client, people, account=None, **more):
    account = account or people.v
    return client.get(PREVIEW, {"account": account.user.pk, "how": "typed", **EVENING, **more})


def grades(people):
    with enter(people.school):
        return [people.grade(mark) for mark in people.marks]


def reverts(people):
    with enter(people.school):
        return list(Decision.objects.filter(kind="revert").order_by("number"))


def equal(people):
    with enter(people.school):
        return people.is_equal()


def told(page):
    """Return what the preview says: record -> (typed, kind, before, after)."""
    return {
        title: (row.typed, row.line.kind, row.before, row.after)
        for title, rows in page.context["shown"].groups
        for row in rows
    }


def revert(client, people, **more):
    form = Form(ask(client, people), "token")
    return client.post(EXECUTE, form.data(reason="it was her niece", **more))


# The whole story. ---------------------------------------------------------------------------------


def test_preview_revert_and_lift(office, client, evening):
    people = evening
    before = grades(people)
    assert before == ["95", "56", "71"]
    page = ask(office, people)
    assert told(page) == {
        "Abbott, Ada in BIO-2": ("95", Kind.FALLS_BACK, "95", "60"),
        "Brown, Ben in BIO-2": ("99", Kind.NO_EFFECT, "56", "56"),
        "Carter, Cleo in BIO-2": ("98", Kind.WITHHELD, "71", "71"),
        "Evans": ("added", Kind.VANISHES, "added", "deleted"),
    }
    assert [(line.title, line.new) for line in page.context["shown"].please_check] == [
        ("Brown, Ben in BIO-2", "56")
    ]
    assert [line.new for line in page.context["shown"].leaving] == ["98"]
    assert grades(people) == before
    form = Form(page, "token")
    response = office.post(form.action, form.data(reason="it was her niece"))
    (decision,) = reverts(people)
    assert response.url == f"/office/revert/{decision.number}/"
    assert decision.reason == "it was her niece"
    assert office.get("/office/revert/").context["reverts"] == [(decision, str(people.v.user))]
    assert grades(people) == ["60", "56", "71"]
    assert equal(people)
    with enter(people.school):
        assert not Student.objects.filter(family_name="Evans").exists()
        row = GradeCorrection.objects.get(kind="revert")
        assert (row.old_grade, row.new_grade) == ("95", "60")

    assert office.get(response.url).status_code == 200
    listed = office.get(START).content.decode()
    assert f'href="/office/revert/{decision.number}/"' in listed

    client.force_login(people.b.user)
    page = client.get(f"/office/revert/{decision.number}/lift/")
    assert told(page)["Abbott, Ada in BIO-2"] == ("95", Kind.COMES_BACK, "60", "95")
    form = Form(page, "token")
    assert client.post(form.action, form.data(reason="it was her after all")).status_code == 302
    assert grades(people) == before
    assert equal(people)
    with enter(people.school):
        assert Student.objects.filter(family_name="Evans").exists()
    shown = client.get(f"/office/revert/{decision.number}/").content.decode()
    assert "it was her after all" in shown


def test_names_stand_where_people_look_for_them(office, evening):
    people = evening
    with enter(people.school):
        people.t1.changes_cell("student", people.students[0], family_name="Čapek")
        people.a.approves(*people.open_of(people.students[0]))
    assert [title for title, _ in ask(office, people).context["shown"].groups] == [
        "Brown, Ben in BIO-2",
        "Čapek, Ada in BIO-2",
        "Carter, Cleo in BIO-2",
        "Evans",
    ]


def test_the_list_says_how_much_is_in_force(office, people, evening):
    revert(office, people)
    (decision,) = reverts(people)
    (row,) = office.get(START).context["page"]
    assert (row.made, row.in_force) == (6, 6)
    page = office.get(f"/office/revert/{decision.number}/lift/")
    keep = [key for name, key in Form(page, "token").boxes if name == "tick"][:1]
    form = Form(
        office.post(page.request["PATH_INFO"], Form(page, "token").data(tick=keep)), "token"
    )
    assert office.post(form.action, form.data(reason="one of them")).status_code == 302
    (row,) = office.get(START).context["page"]
    assert row.in_force < row.made == 6
    assert f"{row.in_force} of 6 changes" in office.get(START).content.decode()
    assert equal(people)


# Ticking. -----------------------------------------------------------------------------------------


def test_what_is_not_ticked_stays(office, evening):
    people = evening
    form = Form(ask(office, people), "token")
    keep = [key for key in form.data()["tick"] if str(people.marks[0]) not in key]
    again = office.post(PREVIEW, form.data(tick=keep))
    assert told(again)["Abbott, Ada in BIO-2"][1] == Kind.KEPT
    form = Form(again, "token")
    assert form.data()["tick"] == keep
    assert office.post(EXECUTE, form.data(reason="only part of it")).status_code == 302
    assert grades(people)[0] == "95"
    assert equal(people)


def test_unticking_without_looking_again_shows_it_again_first(office, evening):
    """The token is of what was shown: other ticks are another preview."""
    people = evening
    form = Form(ask(office, people), "token")
    keep = [key for key in form.data()["tick"] if str(people.marks[0]) not in key]
    response = office.post(EXECUTE, form.data(tick=keep, reason="part of it"))
    assert response.status_code == 409
    assert "Nothing was done" in response.content.decode()
    assert "Other lines are ticked now" in response.content.decode()
    again = Form(response, "token").data()
    assert again["tick"] == keep
    assert again["reason"] == ["part of it"]
    assert office.post(EXECUTE, again).status_code == 302
    assert grades(people)[0] == "95"


def test_a_record_that_others_built_on_is_kept_unless_it_is_ticked(office, evening):
    people = evening
    with enter(people.school):
        eve = Student.objects.get(family_name="Evans")
        enrolment = people.t1.enrols(eve.pk, people.section)
        people.a.approves(*Change.objects.of("enrollment", enrolment).open())
        people.stand(enrolment, "50", by=people.t1)
    page = ask(office, people)
    assert told(page)["Evans"][1] == Kind.KEPT
    html = page.content.decode()
    assert "built on by others" in html
    assert "T1 Teacher: 4 changes" in html
    form = Form(page, "token")
    every = [key for name, key in form.boxes if name == "tick"]
    again = office.post(PREVIEW, form.data(tick=every))
    assert told(again)["Evans"][1] == Kind.VANISHES
    assert "Evans in BIO-2" in again.content.decode()
    assert office.post(EXECUTE, Form(again, "token").data(reason="all")).status_code == 302
    with enter(people.school):
        assert not Enrollment.objects.filter(pk=enrolment).exists()
    assert equal(people)


def test_a_clash_must_be_unticked(office, evening):
    people = evening
    with enter(people.school):
        renamed = only(people.v.changes_cell("student", people.students[0], number="900"))
        people.a.approves(renamed)
        new = people.t1.creates("student", number="101", family_name="New")
        people.a.approves(*Change.objects.of("student", new).open())
    page = office.get(
        PREVIEW, {"account": people.v.user.pk, "how": "typed", "start": "2026-11-01 00:00"}
    )
    form = Form(page, "token")
    assert "same number" in page.content.decode()
    response = office.post(EXECUTE, form.data(reason="x"))
    assert response.status_code == 409
    assert reverts(people) == []
    keep = [k for k in form.data()["tick"] if str(people.students[0]) not in k]
    again = Form(office.post(PREVIEW, form.data(tick=keep)), "token")
    assert office.post(EXECUTE, again.data(reason="x")).status_code == 302
    assert equal(people)


# Very many lines. ---------------------------------------------------------------------------------


@pytest.fixture
def many(evening, monkeypatch):
    """The evening, where more than two lines are very many, and a page has two of anything."""
    monkeypatch.setattr(revert_pages, "LINES", 2)
    monkeypatch.setattr(revert_pages, "GROUPS", 2)
    return evening


def heaps(page):
    """Return the groups of a page: title -> (ticked, lines)."""
    return {heap.title: (heap.ticked, len(heap.lines)) for heap, _ in page.context["shown"].heaps}


def go(client, page, to, **more):
    """Press a button that leads to another part of the preview."""
    return client.post(PREVIEW, Form(page, "token").data(go=to, **more))


def test_very_many_lines_come_in_groups_that_are_opened(office, many):
    people = many
    page = ask(office, people)
    assert heaps(page) == {"BIO-2": (3, 3), "Pupils": (1, 1)}
    assert told(page) == {}
    group = f"section-{people.section}"
    opened = go(office, page, f"1 {group}")
    assert list(told(opened)) == ["Abbott, Ada in BIO-2", "Brown, Ben in BIO-2"]
    assert "3 of 3 ticked" in opened.content.decode()
    second = go(office, opened, f"2 {group}")
    assert list(told(second)) == ["Carter, Cleo in BIO-2"]
    assert heaps(go(office, second, "1")) == heaps(page)


def test_what_is_unticked_is_carried_from_page_to_page_and_then_kept(office, many):
    people = many
    group = f"section-{people.section}"
    opened = go(office, ask(office, people), f"1 {group}")
    ticked = [
        key for key in Form(opened, "token").data()["tick"] if str(people.marks[0]) not in key
    ]
    second = go(office, opened, f"2 {group}", tick=ticked)
    groups = go(office, second, "1")
    assert heaps(groups) == {"BIO-2": (2, 3), "Pupils": (1, 1)}
    again = go(office, groups, f"1 {group}")
    assert told(again)["Abbott, Ada in BIO-2"][1] == Kind.KEPT
    done = office.post(EXECUTE, Form(groups, "token").data(reason="part of it"))
    assert done.status_code == 302
    assert grades(people) == ["95", "56", "71"]
    assert equal(people)
    with enter(people.school):
        assert Exclusion.objects.count() == 5


def test_a_group_is_unticked_at_once_and_ticked_again(office, many):
    people = many
    page = ask(office, people)
    without = go(office, page, "1", tick=["group:student"])
    assert heaps(without) == {"BIO-2": (0, 3), "Pupils": (1, 1)}
    # Of a group that is left as it is one line is ticked all the same.
    opened = go(office, without, f"1 section-{people.section}")
    assert {row[1] for row in told(opened).values()} == {Kind.KEPT}
    key = next(k for _, k in Form(opened, "token").boxes if str(people.marks[0]) in k)
    one = go(office, opened, "1", tick=[key])
    assert heaps(one) == {"BIO-2": (1, 3), "Pupils": (1, 1)}
    assert office.post(EXECUTE, Form(one, "token").data(reason="x")).status_code == 302
    assert grades(people) == ["60", "56", "71"]
    with enter(people.school):
        assert not Student.objects.filter(family_name="Evans").exists()
        assert Change.objects.filter(value="98").open().exists()


def test_what_others_built_on_comes_first_and_is_not_ticked_with_its_group(office, many):
    people = many
    with enter(people.school):
        eve = Student.objects.get(family_name="Evans")
        people.t1.enrols(eve.pk, people.section)
    page = ask(office, people)
    assert heaps(page) == {"Pupils": (0, 1), "BIO-2": (3, 3)}
    html = " ".join(page.content.decode().split())
    assert "1 record, kept unless you open the group and tick it" in html
    ticked = [key for name, key in Form(page, "token").boxes if name == "tick"]
    assert len(ticked) == 2
    assert heaps(go(office, page, "1", tick=ticked)) == heaps(page)
    opened = go(office, page, "1 student")
    (key,) = [key for name, key in Form(opened, "token").boxes if name == "tick"]
    assert heaps(go(office, opened, "1", tick=[key])) == {"Pupils": (1, 1), "BIO-2": (3, 3)}


def test_unticking_a_group_and_acting_at_once_shows_it_first(office, many):
    people = many
    data = Form(ask(office, people), "token").data(reason="x", tick=["group:student"])
    response = office.post(EXECUTE, data)
    assert response.status_code == 409
    assert "Other lines are ticked now" in response.content.decode()
    assert office.post(EXECUTE, Form(response, "token").data()).status_code == 302
    assert grades(people) == ["95", "56", "71"]


def test_lifting_very_many_is_chosen_by_group_too(office, client, many):
    people = many
    revert(office, people)
    (decision,) = reverts(people)
    client.force_login(people.b.user)
    path = f"/office/revert/{decision.number}/lift/"
    page = client.get(path)
    assert heaps(page) == {"BIO-2": (3, 3), "Pupils": (1, 1)}
    form = Form(client.post(path, Form(page, "token").data(tick=["group:student"])), "token")
    assert client.post(form.action, form.data(reason="only the pupil")).status_code == 302
    assert grades(people) == ["60", "56", "71"]
    assert equal(people)
    with enter(people.school):
        assert Student.objects.filter(family_name="Evans").exists()


@pytest.mark.parametrize("junk", ["x", "-1", "9999 section-x", "1 section-", "\x00", "é " * 40])
def test_a_place_that_is_not_there_shows_the_beginning_or_the_end(office, many, junk):
    page = go(office, ask(office, many), junk, chosen=f"{junk} +a -group:b", boxes=f"+{junk} -")
    assert page.status_code == 200
    assert heaps(page)


# Changed since one looked. ------------------------------------------------------------------------


def test_one_more_change_of_the_account_shows_it_again(office, evening):
    people = evening
    form = Form(ask(office, people), "token")
    with enter(people.school):
        people.v.types(people.marks[0], "100", reason="typo", at=SATURDAY_NIGHT)
    response = office.post(EXECUTE, form.data(reason="x"))
    assert response.status_code == 409
    assert "Something has changed since this was shown" in response.content.decode()
    assert reverts(people) == []
    form = Form(response, "token")
    (new,) = [key for name, key in form.boxes if str(people.marks[0]) in key]
    assert new.endswith("grade")


def test_unrelated_traffic_disturbs_nothing(office, evening):
    people = evening
    form = Form(ask(office, people), "token")
    with enter(people.school):
        people.stand(people.marks[2], "72", by=people.t1)
    assert office.post(EXECUTE, form.data(reason="x")).status_code in (302, 409)
    assert equal(people)


def test_the_same_form_sent_twice_is_one_revert(office, evening):
    people = evening
    data = Form(ask(office, people), "token").data(reason="x")
    assert office.post(EXECUTE, data).status_code == 302
    assert office.post(EXECUTE, data).status_code == 302
    assert len(reverts(people)) == 1


@pytest.mark.parametrize("token", ["0" * 64, "x", "é" * 64])
def test_a_forged_token_reverts_nothing(office, evening, token):
    people = evening
    form = Form(ask(office, people), "token")
    assert office.post(EXECUTE, form.data(reason="x", token=token)).status_code == 409
    assert reverts(people) == []


@pytest.mark.parametrize(
    "bad", [{"token": ""}, {"reason": " "}, {"reason": "a\x00"}, {"key": "k" * 65}]
)
def test_what_is_missing_is_asked_for(office, evening, bad):
    people = evening
    data = Form(ask(office, people), "token").data(**{"reason": "x", **bad})
    assert office.post(EXECUTE, data).status_code == 422
    assert reverts(people) == []


# Who may not. -------------------------------------------------------------------------------------


def test_who_was_reverted_cannot_lift_it(office, client, people):
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        people.a.enters(_room("one"))
    form = Form(
        client.get(
            PREVIEW, {"account": people.a.user.pk, "how": "typed", "start": "2026-11-09 09:02"}
        ),
        "token",
    )
    client.force_login(people.b.user)
    assert client.post(EXECUTE, form.data(reason="x")).status_code == 302
    (decision,) = reverts(people)
    client.force_login(people.a.user)
    page = client.get(f"/office/revert/{decision.number}/")
    assert "somebody else of the office must lift it" in page.content.decode()
    assert "/lift/" not in page.content.decode()
    lift = client.get(f"/office/revert/{decision.number}/lift/")
    assert "Lift what is ticked" not in lift.content.decode()
    forged = Form(lift, "token").data(reason="x")
    response = client.post(f"/office/revert/{decision.number}/lift/execute/", forged)
    assert response.status_code == 409
    assert "somebody else must lift that" in response.content.decode()


def _room(name):
    from changes.propose import creation

    return creation("room", {"name": name})


def test_a_revert_of_another_school_does_not_exist(office, client, evening):
    people = evening
    revert(office, people)
    (decision,) = reverts(people)
    client.force_login(people.outsider.user)
    for path in ("", "lift/"):
        assert client.get(f"/office/revert/{decision.number}/{path}").status_code == 404
    sent = {"school": people.other_school.pk, "reason": "x", "token": "x"}
    path = f"/office/revert/{decision.number}/lift/execute/"
    assert client.post(path, sent).status_code == 404
    assert client.get("/office/revert/99999999999/").status_code == 404
    page = client.get(PREVIEW, {"account": people.v.user.pk, "how": "typed", **EVENING})
    assert page.status_code == 422
    assert "not among the people of this school" in page.content.decode()


# The form. ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "field", "says"),
    [
        ({"start": "2026-03-29T01:30"}, "start", "did not exist at this school"),
        ({"start": "2026-10-25T01:30"}, "start", "came twice"),
        ({"end": "2026-10-25 01:30", "start": ""}, "end", "came twice"),
        ({"start": "yesterday"}, "start", "is not a date and time"),
        ({"start": "2026-11-14T23:00Z"}, "start", "own time"),
        ({"start": "2026-11-16", "end": "2026-11-15"}, "end", "not after"),
        ({"start": "", "end": ""}, "start", "Give a time, or an address"),
        ({"start": "a\x00"}, "start", "Null"),
        ({"ip": "10.0.0"}, "ip", "valid"),
        ({"account": ""}, "account", "Choose the account"),
        ({"account": "x"}, "account", "not among the people"),
        ({"how": "guessed"}, "how", "valid choice"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(office, people, typed, field, says):
    sent = {"account": people.v.user.pk, "how": "typed", **EVENING, **typed}
    for response in (
        office.get(PREVIEW, sent),
        office.post(PREVIEW, {"school": people.school.pk, **sent}),
        office.post(EXECUTE, {"school": people.school.pk, **sent}),
    ):
        assert response.status_code == 422
        errors = response.context["form"].errors
        assert says in errors[field].as_text()
        assert list(errors) == [field]


@pytest.mark.parametrize(("second", "utc"), [("0", "00:30"), ("1", "01:30")])
def test_of_a_repeated_hour_the_one_that_is_meant_can_be_said(office, people, second, utc):
    at = dt.datetime.fromisoformat(f"2026-10-25T{utc}:00+00:00")
    with enter(people.school):
        people.v.types(people.marks[0], "5", at=at)
    asked = {"start": "2026-10-25T01:30", "end": "2026-10-25T04:00"}
    page = ask(office, people, **asked)
    assert "Which of the two" in page.content.decode()
    shown = ask(office, people, **asked, start_second=second)
    assert told(shown)["Abbott, Ada in BIO-2"][0] == "5"
    assert ("BST" if second == "0" else "GMT") in shown.content.decode()
    later = ask(office, people, **(asked | {"start": "2026-10-25T01:31"}), start_second=second)
    assert told(later) == {}


def test_times_are_those_of_the_school(office, evening):
    people = evening
    people.school.time_zone = "Pacific/Auckland"
    people.school.save()
    assert told(ask(office, people)) == {}
    shown = ask(office, people, start="2026-11-15T12:15", end="2026-11-15T12:16")
    assert len(told(shown)) == 4
    assert "Pacific/Auckland" in office.get(START).content.decode()


def test_an_address_narrows_it(office, evening):
    people = evening
    assert "Evans" not in told(ask(office, people, ip="203.0.113.7"))
    assert len(told(ask(office, people, ip="203.0.113.7"))) == 3
    assert "No change matches" in ask(office, people, ip="203.0.113.8").content.decode()


def test_what_an_account_decided_can_be_reverted(office, evening):
    people = evening
    page = ask(office, people, account=people.a, how="decided")
    assert told(page) == {}
    page = ask(office, people, account=people.a, how="decided", start="2026-11-09 09:02", end="")
    assert "Abbott, Ada in BIO-2" in told(page)


def test_a_longer_preview_costs_no_more_queries(office, people):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert ask(office, people).status_code == 200
        return len(captured)

    def adds(numbers):
        with enter(people.school):
            for n in numbers:
                people.v.creates("student", number=f"8{n}", family_name=f"F {n}", at=SATURDAY_NIGHT)
                people.t1.types(people.marks[n % 3], f"{n}")

    adds(range(3))
    few = queries()
    adds(range(3, 30))
    assert queries() == few


def test_the_result_page_says_what_was_excluded_and_why(office, evening):
    people = evening
    revert(office, people)
    (decision,) = reverts(people)
    page = office.get(reverse("admin:reverted", args=[decision.number]))
    html = page.content.decode()
    assert "it was her niece" in html
    assert "<b>6 of 6</b> changes are excluded" in html
    assert "Saturday 14 November 2026, 23:00" in html
    assert {each.title for each in page.context["excluded"]} >= {"Abbott, Ada in BIO-2", "Evans"}

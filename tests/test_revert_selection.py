"""Selecting what to revert: a session, a field, a record, an import, by a click, by the form and by
the command; and the criteria in words."""

import datetime as dt
import re
import uuid
from html import unescape
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from accounts.origin import Origin
from changes.criteria import Criteria, matching
from changes.models import Change, ChangeSet, Decision
from changes.propose import creation, propose
from changes.review import approve, enter_directly
from tests.cast import SATURDAY_NIGHT, Cast, typed
from tests.forms_of import Form
from tests.pages import Browser

pytestmark = pytest.mark.django_db

NIECE, HOME = "203.0.113.7", "10.0.1.3"


@pytest.fixture
def night(people: Cast) -> Cast:
    """V's own session at home, and at the same time her niece's: marks and a comment, of which A
    approved all."""
    with enter(people.school):
        for n, text, field, session, ip in (
            (0, "60", "grade", "own", HOME),
            (1, "95", "grade", "niece", NIECE),
            (1, "haha", "comment", "niece", NIECE),
            (2, "98", "grade", "niece", NIECE),
        ):
            at = SATURDAY_NIGHT + dt.timedelta(minutes=n)
            where = Origin(at=at, ip=ip, session=session, user_agent="Firefox/140 (iPhone)")
            draft = typed(people.marks[n], text, field=field)
            people.a.approves(*propose([draft], by=people.v.member, origin=where).changes)
    return people


def imported(people: Cast, name: str) -> ChangeSet:
    """Have A import a room, and return the import."""
    enter_directly(
        creation("room", {"name": name}),
        school=people.school,
        by=people.a.member,
        origin=people.a.origin(),
        source=ChangeSet.Source.IMPORT,
    )
    return ChangeSet.objects.filter(source="import").latest("received_at")


def found(people: Cast, **criteria: object) -> set[str | None]:
    wanted = Criteria(account=people.v.user.pk, **criteria)  # type: ignore[arg-type]
    return {each.value for each in matching(wanted, people.school)}


def preview(people: Cast, **sent: object) -> str:
    asked: dict[str, Any] = {"account": people.v.user.pk, "how": "typed", **sent}
    response = Browser(people.a).get(reverse("admin:revert_preview"), asked)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def titles(shown: str) -> list[str]:
    return re.findall(r'<th scope="rowgroup" colspan="5">([^<]*)</th>', shown)


# Criteria. ----------------------------------------------------------------------------------------


def test_criteria_are_combined_freely(night):
    people = night
    with enter(people.school):
        assert found(people, session="niece") == {"95", "haha", "98"}
        assert found(people, session="niece", field="enrollment.grade") == {"95", "98"}
        assert found(people, about=people.students[1]) == {"95", "haha"}
        assert found(people, about=people.section, field="enrollment.grade") == {"60", "95", "98"}
        assert found(people, ip=NIECE, about=people.marks[2]) == {"98"}
        assert found(people, session="own", ip=NIECE) == set()
        save = Change.objects.get(value="98").change_set_id
        assert found(people, change_set=save) == {"98"}


def test_an_import_is_selected_by_its_change_set(inside):
    first, second = imported(inside, "LAB 1"), imported(inside, "LAB 2")
    for account in ("account", "decided_by"):
        wanted = Criteria(**{account: inside.a.user.pk}, change_set=first.pk)
        values = {each.value for each in matching(wanted, inside.school)}
        assert "LAB 1" in values
        assert "LAB 2" not in values
    assert second.pk != first.pk


# By a click. --------------------------------------------------------------------------------------


def link(shown: str, words: str) -> str:
    """Return where the first link leads whose text begins with these words."""
    address = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>{words}', shown)
    assert address, words
    return unescape(address[1])


def test_one_click_on_a_session_shows_what_reverting_it_would_do(night):
    people, browser = night, Browser(night.a)
    with enter(people.school):
        save = Change.objects.get(value="95").change_set_id
    session = browser.get(reverse("admin:timeline_session", args=[save])).content.decode()
    activity = browser.get(reverse("admin:activity", args=[people.v.user.pk])).content.decode()
    address = browser.get(reverse("admin:activity_from"), {"ip": NIECE}).content.decode()
    for at in (
        link(session, "Revert what was done in this session"),
        link(activity, "Revert what was typed"),
        link(address, "Revert what was typed"),
    ):
        shown = " ".join(browser.get(at).content.decode().split())
        assert titles(shown) == ["Brown, Ben in BIO-2", "Carter, Cleo in BIO-2"]


def test_what_an_office_account_decided_in_a_session_is_one_click_away_too(night):
    people = night
    with enter(people.school):
        change = people.t1.types(people.marks[0], "70", reason="a slip").changes
        where = Origin(at=people.clock.tick(), ip=NIECE, session="stolen")
        approve([c.pk for c in change], school=people.school, by=people.b.member, origin=where)
    browser = Browser(people.a)
    activity = browser.get(reverse("admin:activity", args=[people.b.user.pk])).content.decode()
    shown = browser.get(link(activity, "Revert what was decided")).content.decode()
    assert titles(" ".join(shown.split())) == ["Abbott, Ada in BIO-2"]


def test_from_the_timeline_of_a_class_the_form_asks_whose_changes_in_it(night):
    people, browser = night, Browser(night.a)
    at = reverse("admin:timeline", args=["section", people.section])
    form = browser.get(link(browser.get(at).content.decode(), "Revert what an account did here"))
    html = form.content.decode()
    assert f'<option value="{people.section}" selected>' in html
    assert "BIO-2" in html
    shown = preview(people, about=people.section, field="enrollment.comment")
    assert titles(shown) == ["Brown, Ben in BIO-2"]
    assert "haha" in shown
    assert "<dt>Field</dt><dd>enrolment: comment</dd>" in shown


def test_the_form_offers_the_imports(people):
    with enter(people.school):
        its = imported(people, "LAB 1")
    html = Browser(people.a).get(reverse("admin:revert")).content.decode()
    assert f'<option value="{its.pk}">A Admin, ' in html
    shown = preview(people, account=people.a.user.pk, change_set=its.pk)
    assert titles(shown) == ["LAB 1"]
    assert "A Admin, imported: " in shown


# By a name. ---------------------------------------------------------------------------------------


def second_section(people: Cast) -> uuid.UUID:
    """Have A enter another BIO-2, in a later term."""
    term = creation("term", {"name": "Spring 2027"})
    section = creation(
        "section",
        {
            "course": str(people.course),
            "term": str(term[0].entity_id),
            "scale": str(people.scale.pk),
            "code": "BIO-2",
        },
    )
    people.a.enters([*term, *section], whole=True)
    return section[0].entity_id


def test_a_class_is_named_by_its_code_and_a_pupil_by_their_name(night):
    marks = ["Abbott, Ada in BIO-2", "Brown, Ben in BIO-2", "Carter, Cleo in BIO-2"]
    assert titles(preview(night, called="bio-2 ")) == marks
    assert titles(preview(night, called="ben Brown")) == marks[1:2]
    shown = preview(night, called="Brown")
    assert "<dt>About the record</dt><dd>pupil Brown, Ben</dd>" in shown
    # From here on it is the record that is meant, and not its name.
    assert f'name="about" value="{night.students[1]}"' in shown
    assert 'name="called" value=""' in shown


def test_of_several_that_are_called_so_one_is_chosen(night):
    people = night
    with enter(people.school):
        second = second_section(people)
    sent = {"account": people.v.user.pk, "how": "typed", "called": "BIO-2"}
    asked = Browser(people.a).get(reverse("admin:revert_preview"), sent)
    assert asked.status_code == 422
    html = asked.content.decode()
    assert "Several records are called “BIO-2”: choose one." in html
    for section, term in ((people.section, "Autumn 2026"), (second, "Spring 2027")):
        assert re.search(f'<option value="{section}">section BIO-2, .*, {term}</option>', html)
    form = Form(asked, "called").data(about=str(people.section))
    shown = Browser(people.a).get(reverse("admin:revert_preview"), form)
    assert len(titles(" ".join(shown.content.decode().split()))) == 3
    form = Form(asked, "called").data(about=str(second))
    shown = Browser(people.a).get(reverse("admin:revert_preview"), form)
    assert "No change matches" in shown.content.decode()


def test_looking_for_a_name_costs_no_more_where_many_have_it(people):
    def cost() -> int:
        browser = Browser(people.a)
        sent = {"account": people.v.user.pk, "how": "typed", "called": "Ada"}
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(reverse("admin:revert_preview"), sent).status_code == 422
        return len(queries)

    def adds(count: int) -> None:
        with enter(people.school):
            for n in range(count):
                draft = creation("student", {"family_name": f"F{n}", "given_names": "Ada"})
                people.a.enters(draft)

    adds(2)
    few = cost()
    adds(20)
    assert cost() == few


# The act. -----------------------------------------------------------------------------------------


def test_a_session_is_reverted_and_lifted_and_its_criteria_stay_in_words(night):
    people, browser = night, Browser(night.a)
    at = {"account": people.v.user.pk, "how": "typed", "session": "niece"}
    form = Form(browser.get(reverse("admin:revert_preview"), at), "token")
    response = browser.post(form.action, form.data(reason="it was her niece"))
    assert response.status_code == 302
    with enter(people.school):
        assert [people.grade(each) for each in people.marks] == ["60", None, None]
        assert people.is_equal()
        decision = Decision.objects.get(kind="revert")
    assert decision.criteria == {"account": str(people.v.user.pk), "session": "niece"}
    html = browser.get(response.url).content.decode()
    assert f"Saturday 14 November 2026, 23:16 (GMT), from {NIECE}, Firefox on an iPhone" in html
    form = Form(browser.get(reverse("admin:lift_preview", args=[decision.number])), "token")
    assert browser.post(form.action, form.data(reason="it was her")).status_code == 302
    with enter(people.school):
        assert [people.grade(each) for each in people.marks] == ["60", "95", "98"]
        assert people.is_equal()


# What cannot be. ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"session": "a\x00"}, "session"),
        ({"session": "s" * 65}, "session"),
        ({"change_set": "x"}, "change_set"),
        ({"change_set": "a\x00"}, "change_set"),
        ({"about": "x"}, "about"),
        ({"field": "enrollment.nonsense", "session": "own"}, "field"),
        ({"field": "enrollment.grade"}, "start"),
        ({"called": "MAT-9"}, "called"),
        ({"called": "a\x00"}, "called"),
        ({"called": " ", "session": "  "}, "start"),
        ({"called": "n" * 201}, "called"),
    ],
)
def test_what_cannot_be_is_refused_and_said(night, sent, field):
    sent = {"account": night.v.user.pk, "how": "typed", **sent}
    response = Browser(night.a).get(reverse("admin:revert_preview"), sent)
    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert "errorlist" in response.content.decode()


def test_what_is_not_known_here_matches_nothing(night):
    people = night
    with enter(people.other_school):
        theirs = people.outsider.creates("room", name="theirs")
    for sent in ({"session": "nobody’s"}, {"about": theirs}, {"change_set": theirs}):
        shown = preview(people, **sent)
        assert "No change matches" in shown
        assert "that is not known" in shown
        assert "theirs" not in shown.replace(str(theirs), "")


def test_more_imports_cost_the_form_no_more(people):
    def cost() -> int:
        browser = Browser(people.a)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(reverse("admin:revert")).status_code == 200
        return len(queries)

    with enter(people.school):
        imported(people, "LAB 1")
    few = cost()
    with enter(people.school):
        for n in range(2, 30):
            imported(people, f"LAB {n}")
    assert cost() == few


# The command. -------------------------------------------------------------------------------------


def run(people: Cast, *options: str) -> list[str]:
    out = StringIO()
    who = [f"--account={people.v.user.email}", f"--by={people.a.user.email}"]
    call_command("revert_changes", "--school=hill", *who, *options, stdout=out)
    return out.getvalue().splitlines()


def test_the_command_selects_by_the_same(night):
    people = night
    with enter(people.school):
        save = Change.objects.get(value="98").change_set_id
    for options, count in (
        (["--session=niece"], "3 changes"),
        (["--session=niece", "--field=enrollment.grade"], "2 changes"),
        ([f"--about={people.students[1]}"], "2 changes"),
        ([f"--import={save}"], "1 change"),
    ):
        last = run(people, "--dry-run", *options)[-1]
        assert last == f"Would revert {count}. Nothing was done."
    assert run(people, "--session=niece")[-1].startswith("Reverted 3 changes")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Give both --from and --to, or one of"),
        (["--from=2026-11-14 23:00"], "Give both --from and --to, or one of"),
        (["--session=niece", "--field=grade"], "--field: there is no field 'grade', but: "),
    ],
)
def test_the_command_refuses_what_is_too_much(night, options, sentence):
    with pytest.raises(CommandError, match=re.escape(sentence)):
        run(night, *options)

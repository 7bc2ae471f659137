"""The office's list of corrections: what waits, what it would do, and deciding from there."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.freezing import freeze
from accounts.in_school import enter
from changes.models import Decision
from changes.propose import Draft, creation
from grading.models import GradeCorrection
from tests.cast import SATURDAY_NIGHT, only
from tests.pages import Browser, form_of, words_of

LIST = reverse("admin:corrections")
ADA, BEN, CLEO = "Abbott, Ada", "Brown, Ben", "Carter, Cleo"


@pytest.fixture
def asked(people):
    """Ada's 60 is to be 80, Ben's 55 was made 65, Cleo's 71 was not made 99."""
    with enter(people.school):
        for mark, text in zip(people.marks, ("60", "55", "71"), strict=True):
            people.stand(mark, text, by=people.t1)
        people.a.approves(only(people.t1.types(people.marks[1], "65", reason="page two")))
        people.a.declines(only(people.t2.types(people.marks[2], "99", reason="she asked")))
        people.waiting = only(people.t1.types(people.marks[0], "80", reason="a slip of the pen"))
    return people


def page_of(person, **query):
    response = Browser(person).get(LIST, query)
    assert response.status_code == 200
    return response.content.decode()


def titles(page):
    return re.findall(r'<th scope="row" class="record">([^<]+) in BIO', page)


def test_what_waits_comes_first_and_says_who_asked_why_since_when_and_from_what_to_what(asked):
    page = page_of(asked.a)
    assert titles(page)[0] == ADA
    assert set(titles(page)) == {ADA, BEN, CLEO}
    row = page[page.index(ADA) : page.index("</tr>", page.index(ADA))]
    for told in ("T1 Teacher", "a slip of the pen", "<del>60</del> <ins>80</ins>", "Nov 2026"):
        assert told in row
    assert "<b>1</b> awaits approval" in page
    decided = page[page.index(CLEO) : page.index("</tr>", page.index(CLEO))]
    assert "rejected" in decided
    assert "A Admin" in decided


def test_the_average_is_told_as_it_is_and_as_the_correction_would_make_it(asked):
    people = asked
    assert "Average 3.00 → 4.00" in page_of(people.a)
    with enter(people.school):
        people.t1.types(people.marks[0], "61", reason="a smaller slip")
    assert "Average stays 3.00" in page_of(people.a)
    with enter(people.school):
        people.t1.types(people.marks[0], "EX", reason="excused")
    assert "Average 3.00 → none" in page_of(people.a)


def test_a_correction_is_approved_from_the_list_by_the_confirmation_of_the_review(asked):
    people = asked
    browser = Browser(people.a)
    confirm = reverse("admin:confirm")
    sent = {**form_of(page_of(people.a), confirm), "action": "approve"}
    shown = browser.send(confirm, {**sent, "change": str(people.waiting.pk)})
    assert "Will be approved: 1 change" in shown.content.decode()
    done = browser.send(reverse("admin:decide"), form_of(shown.content.decode(), confirm))
    assert done.status_code == 302
    with enter(people.school):
        assert people.grade(people.marks[0]) == "80"
        row = GradeCorrection.objects.get(change=people.waiting)
        assert (row.status, row.approved_by) == ("approved", people.a.user)
    assert "None is awaiting approval." in page_of(people.a)


def test_a_correction_is_declined_from_the_list_with_a_reason(asked):
    people = asked
    browser = Browser(people.b)
    sent = {"action": "decline", "change": str(people.waiting.pk)}
    shown = browser.send(reverse("admin:confirm"), sent).content.decode()
    form = form_of(shown, reverse("admin:decide"))
    assert browser.send(reverse("admin:decide"), {**form, "reason": ""}).status_code == 422
    assert browser.send(reverse("admin:decide"), {**form, "reason": "no"}).status_code == 302
    with enter(people.school):
        assert people.grade(people.marks[0]) == "60"
        assert Decision.objects.latest("number").kind == "decline"
    assert ADA in titles(page_of(people.a, state="rejected"))


def test_nobody_decides_on_their_own(asked):
    people = asked
    with enter(people.school):
        own = only(people.a.types(people.marks[1], "90", reason="recount"))
    box = f'name="change" value="{own.pk}"'
    assert box not in page_of(people.a)
    assert "Your own: somebody else decides." in page_of(people.a)
    assert box in page_of(people.b)


def test_what_was_retyped_or_withdrawn_is_not_asked_for_any_more(asked):
    people = asked
    with enter(people.school):
        newer = only(people.t1.types(people.marks[0], "82", reason="another slip"))
    page = page_of(people.a, state="waiting")
    assert str(newer.pk) in page
    assert str(people.waiting.pk) not in page
    assert "a slip of the pen" in page_of(people.a, state="lapsed")
    with enter(people.school):
        people.t1.withdraws(newer)
    assert titles(page_of(people.a, state="waiting")) == []
    assert len(titles(page_of(people.a, state="lapsed"))) == 2


def test_the_list_is_filtered_by_state_term_class_and_who_asked_and_searched(asked):
    people = asked
    with enter(people.school):
        term = creation("term", {"name": "Spring 2027"})
        section = creation(
            "section",
            {"course": str(people.course), "term": str(term[0].entity_id), "code": "BIO-7"}
            | {"scale": str(people.scale.pk)},
        )
        pupil = people.students[2]
        enrolment = creation(
            "enrollment", {"student": str(pupil), "section": str(section[0].entity_id)}
        )
        people.a.enters([*term, *section, *enrolment], whole=True)
        people.stand(enrolment[0].entity_id, "50", by=people.t1)
        people.t2.types(enrolment[0].entity_id, "51", reason="half a point")
    for query, expected in (
        ({"state": "approved"}, [BEN]),
        ({"state": "waiting"}, [ADA, CLEO]),
        ({"term": str(term[0].entity_id)}, [CLEO]),
        ({"section": str(people.section)}, [ADA, CLEO, BEN]),
        ({"section": str(people.section), "term": str(term[0].entity_id)}, []),
        ({"teacher": str(people.t2.user.pk)}, [CLEO, CLEO]),
        ({"sought": "abbott"}, [ADA]),
        ({"sought": "102"}, [BEN]),
        ({"sought": "bio-7"}, [CLEO]),
        ({"sought": "cleo HALF"}, [CLEO]),
        ({"sought": "ada cleo"}, []),
        ({"state": "nonsense"}, []),
        ({"teacher": "\x00"}, []),
        ({"sought": "\x00"}, []),
    ):
        assert titles(page_of(people.a, **query)) == expected, query


def test_what_a_revert_wrote_is_listed_with_its_kind(asked):
    people = asked
    with enter(people.school):
        people.a.reverts(people.t1, start=None, unticked=set())
    assert "revert, A Admin" in page_of(people.a, state="approved")


def test_the_list_is_the_office_s_and_of_one_school(asked):
    people = asked
    assert Browser(people.t1).get(LIST).status_code == 403
    page = page_of(people.outsider)
    assert titles(page) == []
    assert "BIO" not in words_of(page)


def test_the_list_costs_the_same_however_many_corrections(asked):
    people = asked

    def statements():
        with CaptureQueriesContext(connection) as queries:
            assert Browser(people.a).get(LIST).status_code == 200
        return len(queries)

    statements()
    few = statements()
    with enter(people.school):
        for number in range(6):
            student = creation("student", {"family_name": f"Pupil{number}"})
            enrolment = creation(
                "enrollment",
                {"student": str(student[0].entity_id), "section": str(people.section)},
            )
            mark = enrolment[0].entity_id
            people.a.enters([*student, *enrolment], whole=True)
            draft = Draft(
                entity_type="enrollment", entity_id=mark, field="grade", typed="50", touched=True
            )
            people.a.enters([draft], whole=True)
            people.t2.types(mark, "51", reason="half a point")
    assert statements() == few


def test_after_deciding_one_is_on_the_list_again_as_it_was_filtered(asked):
    people = asked
    at = f"{LIST}?state=waiting&page=1&sought=Ada"
    browser = Browser(people.a)
    confirm, decide = reverse("admin:confirm"), reverse("admin:decide")
    page = browser.get(at).content.decode()
    form = {**form_of(page, confirm), "action": "decline"}
    assert browser.send(confirm, form).url == at
    shown = browser.send(confirm, {**form, "change": str(people.waiting.pk)}).content.decode()
    assert f'href="{at.replace("&", "&amp;")}">Back to the list' in shown
    assert browser.send(decide, {**form_of(shown, decide), "reason": "no"}).url == at


@pytest.mark.parametrize(
    "at",
    ["https://evil.example/", "//evil.example/office/", "/classes/", "/nowhere/", "\x00", "/["],
)
def test_one_is_sent_back_to_pages_of_the_office_alone(asked, at):
    sent = {"action": "approve", "back": at}
    answer = Browser(asked.a).send(reverse("admin:confirm"), sent)
    assert answer.url == reverse("admin:review")


def test_what_a_revert_has_withheld_is_pending_nowhere(people):
    """The list, the record's page and the timeline say the same of it."""
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        people.v.types(people.marks[0], "95", reason="typo", at=SATURDAY_NIGHT)
        row = GradeCorrection.objects.get()
        people.a.reverts(people.v, start=None, reason="her niece")
    at = reverse("admin:grading_gradecorrection_change", args=[row.pk])
    listed = reverse("admin:grading_gradecorrection_changelist")
    timeline = reverse("admin:timeline", args=["enrollment", people.marks[0]])
    for page in (LIST, at, listed, timeline):
        text = Browser(people.b).get(page).content.decode()
        assert "not asked for any more" in text, page
        assert "pending<" not in text.replace(">pending</a>", ""), page  # a filter is called so


def test_what_a_frozen_account_asked_for_is_held(people):
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        people.v.types(people.marks[0], "95", reason="typo")
        freeze(people.v.member, by=people.a.member, origin=people.a.origin(), reason="")
    page = Browser(people.b).get(LIST)
    assert page.context["waiting"] == 0
    assert "held: the account is frozen" in page.content.decode()
    assert 'type="checkbox" name="change"' not in page.content.decode()

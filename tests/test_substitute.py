"""A school with one person in its office names a substitute, who approves the corrections that this
person asks for, and nothing else of the office."""

import pytest
from django.db import DatabaseError, transaction
from django.urls import reverse

from accounts import freezing, people, substitute
from accounts.in_school import enter
from accounts.models import AuditLog, Membership, School
from accounts.substitute import MayNotName
from changes import review
from changes.deciding import MayNotDecide
from changes.models import Change
from changes.review import NotApproved
from grading.models import GradeCorrection
from tests.cast import only, typed
from tests.pages import Browser, form_of, words_of
from tests.test_hostile import busy, every_page  # noqa: F401 - fixtures

LIST = reverse("admin:corrections")
CONFIRM, DECIDE = reverse("admin:confirm"), reverse("admin:decide")
THEIRS = {"admin:corrections", "admin:confirm", "admin:decide"}


def leaves_the_office(cast, person):
    people.change(
        person.member,
        role="teacher",
        is_active=False,
        by=cast.a.member,
        origin=cast.a.origin(),
    )


def named(cast, person):
    """``person`` as the substitute, as a request finds them: with their school as it is now."""
    substitute.name(person.member, by=cast.a.member, origin=cast.a.origin())
    refresh(cast)


def refresh(cast):
    for each in (cast.a, cast.b, cast.t1, cast.t2, cast.v):
        each.member.refresh_from_db()
        each.member.school.refresh_from_db()
    cast.school.refresh_from_db()


@pytest.fixture
def alone(people):
    """A is the whole office; Ada's 60 stands, and A asks for 80."""
    return prepared(people)


def prepared(cast):
    with enter(cast.school):
        cast.stand(cast.marks[0], "60", by=cast.t1)
        leaves_the_office(cast, cast.b)
        asked = cast.a.enters([typed(cast.marks[0], "80", reason="the list said 80")])
        vars(cast)["asked"] = Change.objects.get(pk=asked.waiting[0].id)
    return cast


def page_of(person, at=LIST):
    response = Browser(person).get(at)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def told_of(cast):
    rows = AuditLog.objects.filter(event="people", detail__contains="substitute")
    return list(rows.order_by("at", "id").values_list("detail", flat=True))


# Naming. ------------------------------------------------------------------------------------------


def test_an_office_of_one_person_names_a_teacher_on_their_page_and_every_list_says_so(alone):
    assert "You are alone in the office" in page_of(alone.a)
    browser = Browser(alone.a)
    at = reverse("admin:accounts_membership_change", args=[alone.t2.member.pk])
    name_at = reverse("admin:accounts_membership_name_substitute", args=[alone.t2.member.pk])
    assert name_at in browser.get(at).content.decode()
    assert browser.send(name_at).url == at
    says = "Corrections are approved by T2 Teacher as named substitute, since"
    for page in (LIST, reverse("admin:index")):
        assert says in page_of(alone.a, page)
    end_at = reverse("admin:accounts_membership_end_substitute", args=[alone.t2.member.pk])
    assert end_at in browser.get(at).content.decode()
    browser.send(end_at)
    assert says not in page_of(alone.a)
    with enter(alone.school):
        assert told_of(alone) == [
            "t2.teacher@hill.example: named substitute for corrections",
            "t2.teacher@hill.example: no substitute for corrections any more",
        ]


def test_naming_another_one_ends_the_first_and_both_are_in_the_audit_log(alone):
    with enter(alone.school):
        named(alone, alone.t1)
        named(alone, alone.t2)
        assert substitute.in_force(alone.school) == alone.t2.member
        assert [each.split(": ")[0].split(".")[0] for each in told_of(alone)] == ["t1", "t1", "t2"]


def test_nobody_is_named_while_two_are_in_the_office(people, inside):
    with pytest.raises(MayNotName, match="not alone"):
        named(people, people.t2)
    page = page_of(
        people.a, reverse("admin:accounts_membership_change", args=[people.t2.member.pk])
    )
    assert "Name as substitute" not in page
    freezing.freeze(people.b.member, by=people.a.member, origin=people.a.origin())
    with pytest.raises(MayNotName, match="not alone"):
        named(people, people.t2)


def test_only_an_active_teacher_of_the_school_is_named_and_only_by_the_office(alone):
    with enter(alone.school):
        for who in (alone.a, alone.b, alone.outsider):
            with pytest.raises(MayNotName):
                substitute.name(who.member, by=alone.a.member, origin=alone.a.origin())
        freezing.freeze(alone.v.member, by=alone.a.member, origin=alone.a.origin())
        with pytest.raises(MayNotName, match="not frozen"):
            named(alone, alone.v)
        with pytest.raises(MayNotName, match="office names"):
            substitute.name(alone.t2.member, by=alone.t1.member, origin=alone.t1.origin())
        assert told_of(alone) == []


def test_the_database_keeps_a_substitute_within_the_school(alone):
    for values in (
        {"substitute": alone.outsider.member, "substitute_since": alone.clock.now},
        {"substitute": alone.t2.member},
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            School.objects.filter(pk=alone.school.pk).update(**values)


# Deciding. ----------------------------------------------------------------------------------------


def test_the_substitute_approves_on_the_list_what_the_office_asked_for(alone):
    with enter(alone.school):
        named(alone, alone.t2)
    browser = Browser(alone.t2)
    assert f'href="{LIST}"' in browser.get("/classes/").content.decode()
    page = browser.get(LIST).content.decode()
    form = {**form_of(page, CONFIRM), "action": "approve", "change": str(alone.asked.pk)}
    shown = browser.send(CONFIRM, form).content.decode()
    assert f'href="{reverse("admin:review")}"' not in shown
    done = browser.send(DECIDE, form_of(shown, CONFIRM), follow=True)
    assert done.redirect_chain == [(LIST, 302)]
    with enter(alone.school):
        assert alone.grade(alone.marks[0]) == "80"
        row = GradeCorrection.objects.get(change=alone.asked)
        assert (row.status, row.approved_by) == ("approved", alone.t2.user)
        assert alone.is_equal()


def test_the_substitute_declines_with_a_reason(alone):
    with enter(alone.school):
        named(alone, alone.t2)
        alone.t2.declines(alone.asked, reason="the list says 60")
        assert alone.grade(alone.marks[0]) == "60"


def test_the_substitute_never_decides_on_their_own(alone):
    with enter(alone.school):
        named(alone, alone.t2)
        own = only(alone.t2.types(alone.marks[0], "90", reason="she asked"))
        for act in (alone.t2.approves, alone.t2.declines):
            with pytest.raises(NotApproved):
                act(own)
        some = Change.objects.exclude(decision=None).values_list("decision_id", flat=True)[0]
        with pytest.raises(DatabaseError, match="change_two_people"), transaction.atomic():
            Change.objects.filter(pk=own.pk).update(
                status="approved", position=9999, decision=some, decided_by=alone.t2.user
            )
    assert f'value="{own.pk}"' not in page_of(alone.t2)


def test_the_substitute_decides_on_nothing_else_of_what_waits(alone):
    with enter(alone.school):
        named(alone, alone.t2)
        first = only(alone.t1.types(alone.marks[1], "50"))
        for act in (alone.t2.approves, alone.t2.declines):
            with pytest.raises(NotApproved, match="corrections of marks alone"):
                act(first)
        with pytest.raises(NotApproved, match="corrections of marks alone"):
            alone.t2.approves(first, alone.asked)
        with pytest.raises(MayNotDecide):
            alone.t2.enters([typed(alone.marks[1], "51")])
        with pytest.raises(MayNotDecide):
            alone.t2.reverts(alone.v)
        with pytest.raises(MayNotDecide):
            review.reopen(
                [first.pk],
                school=alone.school,
                by=alone.t2.member,
                origin=alone.t2.origin(),
            )
        assert alone.grade(alone.marks[1]) is None
    browser = Browser(alone.t2)
    for at, names in ((CONFIRM, "change"), (DECIDE, "seen")):
        ids = f"{alone.asked.pk} {first.pk}"
        sent = {"action": "approve", names: ids}
        response = browser.send(at, sent)
        assert response.status_code == 403
        assert "50" not in words_of(response.content.decode())


def test_a_substitute_opens_the_list_of_corrections_and_nothing_else_of_the_office(
    busy,  # noqa: F811
    every_page,  # noqa: F811
):
    with enter(busy.school):
        leaves_the_office(busy, busy.b)
        named(busy, busy.t1)
    browser = Browser(busy.t1)
    theirs = set()
    for page in every_page:
        if page.is_offices and not page.is_open:
            answers = (browser.get(page.path), browser.send(page.path))
            if page.name in THEIRS:
                theirs.add(page.name)
                assert answers[0].status_code in {200, 302}, page
            else:
                assert {each.status_code for each in answers} == {403}, page
    assert theirs == THEIRS


# The end of it. -----------------------------------------------------------------------------------


def test_the_right_ends_when_a_second_person_joins_the_office_and_is_not_back_by_itself(alone):
    with enter(alone.school):
        named(alone, alone.t2)
        joining = people.add(
            email="c.office@hill.example",
            name="C Office",
            role="office",
            school=alone.school,
            by=alone.a.member,
            origin=alone.a.origin(),
        )
        refresh(alone)
        with pytest.raises(MayNotDecide):
            alone.t2.approves(alone.asked)
        people.change(
            joining,
            role="teacher",
            is_active=True,
            by=alone.a.member,
            origin=alone.a.origin(),
        )
        refresh(alone)
        assert substitute.in_force(alone.school) is None
        assert told_of(alone)[-1].endswith("no substitute for corrections any more")
    assert Browser(alone.t2).get(LIST).status_code == 403


def test_the_right_is_not_there_while_the_office_is_of_two_however_that_came(alone):
    with enter(alone.school):
        named(alone, alone.t2)
        Membership.objects.filter(pk=alone.b.member.pk).update(role="office", is_active=True)
        with pytest.raises(MayNotDecide):
            alone.t2.approves(alone.asked)
    assert Browser(alone.t2).get(LIST).status_code == 403


@pytest.mark.parametrize("how", ["frozen", "deactivated", "office"])
def test_who_is_frozen_deactivated_or_of_the_office_is_no_substitute(alone, how):
    with enter(alone.school):
        named(alone, alone.t2)
        by = {"by": alone.a.member, "origin": alone.a.origin()}
        if how == "frozen":
            freezing.freeze(alone.t2.member, **by)
        else:
            role = "office" if how == "office" else "teacher"
            people.change(alone.t2.member, role=role, is_active=how == "office", **by)
        refresh(alone)
        assert substitute.in_force(alone.school) is None
        assert (alone.school.substitute_id is None) == (how != "frozen")
    if how != "office":
        assert Browser(alone.t2).get(LIST).status_code == 403


def test_a_teacher_who_is_no_substitute_opens_no_corrections(alone):
    with enter(alone.school):
        named(alone, alone.t2)
    for person in (alone.t1, alone.v):
        assert Browser(person).get(LIST).status_code == 403
        response = Browser(person).send(CONFIRM, {"change": str(alone.asked.pk)})
        assert response.status_code == 403

"""Freezing an account in a school, and unfreezing it: what it stops, what not, and who may."""

import re

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import freezing
from accounts import people as who_is_here
from accounts.freezing import MayNotFreeze
from accounts.in_school import SCHOOL_IN_SESSION, Frozen, enter
from accounts.models import AuditLog, Membership
from changes import propose as proposing
from changes import review
from changes.deciding import MayNotDecide
from changes.judgement import Why
from changes.models import Change
from changes.review import NotApproved, Outcome
from grading.models import Enrollment
from tests import cast
from tests.cast import Cast, Person, make_person, only
from tests.pages import Browser
from tests.racing import race

PASSWORD = cast.PASSWORD
WORDS = "The office of Hill School has frozen your account. Nothing was saved."


@pytest.fixture(autouse=True)
def quick_hashes(settings):
    """The real one takes a fifth of a second each time, on purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def freeze(person: Person, *, by: Person, reason: str = "") -> bool:
    """Freeze an account. Call inside the school."""
    done = freezing.freeze(person.member, by=by.member, origin=by.origin(), reason=reason)
    person.member.refresh_from_db()
    return done


def unfreeze(person: Person, *, by: Person) -> bool:
    done = freezing.unfreeze(person.member, by=by.member, origin=by.origin())
    person.member.refresh_from_db()
    return done


@pytest.fixture
def frozen(people: Cast) -> Cast:
    """The cast; V has typed 95, and A has frozen V's account."""
    with enter(people.school):
        people.v.types(people.marks[0], "95")
        freeze(people.v, by=people.a, reason="her niece")
    return people


def refusals(people: Cast) -> list[str]:
    with enter(people.school):
        rows = AuditLog.objects.filter(event="refusal").order_by("at")
        return [row.detail for row in rows]


def about_people(people: Cast) -> list[str]:
    with enter(people.school):
        rows = AuditLog.objects.filter(event="people").order_by("at", "id")
        return [row.detail for row in rows]


def person_page(person: Person, act: str = "change") -> str:
    return reverse(f"admin:accounts_membership_{act}", args=[person.member.pk])


# Nothing more is saved. ---------------------------------------------------------------------------


def test_the_next_click_of_a_frozen_account_is_refused_and_says_why(people):
    browser = Browser(people.v)
    assert browser.get("/classes/").status_code == 200
    with enter(people.school):
        freeze(people.v, by=people.a)
    response = browser.get("/classes/")
    assert response.status_code == 403
    assert WORDS in response.text
    assert "Ask the office" in response.text
    assert any(WORDS in each for each in refusals(people))


def test_a_mark_that_a_frozen_account_sends_is_refused_among_the_notices(people):
    browsers = Browser(people.v), Browser(people.v)
    with enter(people.school):
        freeze(people.v, by=people.a)
    for each in browsers:
        response = each.cell(people.section, people.marks[0], "95")
        assert response.status_code == 403
        assert response["HX-Retarget"] == "#notices"
        assert WORDS in response.text
        assert "<html" not in response.text
    with enter(people.school):
        assert not Change.objects.proposed_by(people.v.user.pk).exists()


def test_what_is_saved_past_the_door_is_refused_too(inside):
    freeze(inside.v, by=inside.a)
    with pytest.raises(Frozen, match="has frozen your account"):
        inside.v.types(inside.marks[0], "95")


def test_a_frozen_office_account_decides_nothing(inside):
    change = only(inside.t1.types(inside.marks[0], "70"))
    freeze(inside.b, by=inside.a)
    with pytest.raises(MayNotDecide):
        inside.b.approves(change)
    assert inside.grade(inside.marks[0]) is None


# One school does not lock out of another. ---------------------------------------------------------


@pytest.fixture
def elsewhere(people: Cast) -> Membership:
    """V teaches at the other school too, and has a password."""
    people.v.user.set_password(PASSWORD)
    people.v.user.save()
    return Membership.objects.create(school=people.other_school, user=people.v.user)


def sign_in(client: Client, person: Person, **more: str):
    data = {"login": person.user.email, "password": PASSWORD}
    return client.post("/sign-in/", data, headers=more)


def test_who_is_frozen_in_one_school_works_in_another(client, people, elsewhere):
    with enter(people.school):
        freeze(people.v, by=people.a)
    assert sign_in(client, people.v).status_code == 302
    page = client.get("/classes/")
    assert page.status_code == 200
    assert "Vale School" in page.text
    client.post("/school/", {"to": people.school.pk})
    assert WORDS in client.get("/classes/").text
    assert client.session[SCHOOL_IN_SESSION] == str(people.school.pk)


def test_who_is_frozen_everywhere_cannot_sign_in_and_reads_why(client, people, elsewhere):
    with enter(people.school):
        freeze(people.v, by=people.a)
    with enter(people.other_school):
        freezing.freeze(elsewhere, by=people.outsider.member, origin=people.outsider.origin())
    response = sign_in(client, people.v)
    assert response.status_code == 403
    assert WORDS in response.text
    assert "_auth_user_id" not in client.session
    fragment = sign_in(client, people.v, HX_Request="true")
    assert "<html" not in fragment.text
    assert refusals(people) == ["sign-in: the account is frozen"] * 2
    with enter(people.other_school):
        assert AuditLog.objects.filter(event="refusal").count() == 2


def test_a_wrong_password_of_a_frozen_account_says_nothing_of_that(client, people):
    people.v.user.set_password("another-fine-password-1")
    people.v.user.save()
    with enter(people.school):
        freeze(people.v, by=people.a)
    response = sign_in(client, people.v)
    assert "frozen" not in response.text
    assert "do not belong together" in response.text


def test_a_school_cannot_freeze_the_account_of_another(people):
    with enter(people.school):
        theirs = reverse("admin:accounts_membership_freeze", args=[people.outsider.member.pk])
    assert Browser(people.a).send(theirs).status_code == 404
    people.outsider.member.refresh_from_db()
    assert not people.outsider.member.is_frozen


# What waits is held. ------------------------------------------------------------------------------


def test_what_waits_of_a_frozen_account_is_out_of_the_queue_which_says_so(frozen):
    with enter(frozen.school):
        frozen.t1.types(frozen.marks[1], "70")
    office = Browser(frozen.a)
    page = office.get("/office/review/").text
    assert re.search(r'1 change of <a href="[^"]*">V Sweet</a> is held', page)
    assert person_page(frozen.v) in page
    assert "T1 Teacher" in page
    assert f"/{frozen.v.user.pk}/" not in page
    assert '<b class="figure">1</b>' in office.get("/office/").text
    sheet = reverse("admin:review_sheet", args=[f"section-{frozen.section}", frozen.v.user.pk])
    assert "What waits here is held" in office.get(sheet).text


def test_what_is_held_cannot_be_decided(frozen):
    with enter(frozen.school):
        (change,) = Change.objects.proposed_by(frozen.v.user.pk)
        with pytest.raises(NotApproved, match="account is frozen") as approving:
            frozen.a.approves(change)
        with pytest.raises(NotApproved) as declining:
            frozen.a.declines(change)
        for refused in (approving, declining):
            assert [each.refusal.why for each in refused.value.refused] == [Why.FROZEN]
        rehearsed = review.rehearse_approval(
            [change.pk], school=frozen.school, by=frozen.a.member, origin=frozen.a.origin()
        )
        assert rehearsed.decision is None
        assert rehearsed.done == []


def test_what_is_held_can_be_reverted(frozen):
    with enter(frozen.school):
        reverted = frozen.a.reverts(frozen.v)
        assert reverted.decision.kind == "revert"
        assert not Change.objects.proposed_by(frozen.v.user.pk).open().exists()
        unfreeze(frozen.v, by=frozen.b)
    assert "V Sweet" not in Browser(frozen.a).get("/office/review/").text


def test_approving_what_can_be_leaves_what_is_held(frozen):
    with enter(frozen.school):
        held = Change.objects.proposed_by(frozen.v.user.pk).get()
        other = only(frozen.t1.types(frozen.marks[1], "70"))
        outcome = frozen.a.approves(held, other, what_can_be=True)
        assert [each.id for each in outcome.done] == [other.pk]
        held.refresh_from_db()
        assert held.status == "provisional"


def test_unfrozen_it_awaits_approval_and_the_person_goes_on(frozen):
    with enter(frozen.school):
        assert unfreeze(frozen.v, by=frozen.b)
        (change,) = Change.objects.proposed_by(frozen.v.user.pk)
        assert isinstance(frozen.a.approves(change), Outcome)
        assert frozen.grade(frozen.marks[0]) == "95"
    assert Browser(frozen.v).get("/classes/").status_code == 200


# Who may, and what is kept of it. -----------------------------------------------------------------


def test_nobody_freezes_their_own_account(people):
    response = Browser(people.a).send(person_page(people.a, "freeze"), {"reason": "to try"})
    assert response.url == person_page(people.a)
    with enter(people.school), pytest.raises(MayNotFreeze, match="their own"):
        freeze(people.a, by=people.a)
    people.a.member.refresh_from_db()
    assert not people.a.member.is_frozen
    page = Browser(people.a).get(person_page(people.a)).text
    assert "Freeze the account" not in page


def test_a_teacher_freezes_nobody(people):
    assert Browser(people.t1).send(person_page(people.v, "freeze")).status_code == 403
    with enter(people.school), pytest.raises(MayNotFreeze):
        freeze(people.v, by=people.t1)
    assert not people.v.member.is_frozen


def test_the_database_lets_nobody_freeze_themselves_or_a_stranger_do_it(people):
    rows = Membership.objects.filter(pk=people.v.member.pk)
    at = people.clock.tick()
    for by in (people.v.user, people.outsider.user, None):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(frozen_at=at, frozen_by=by)


def test_the_last_of_the_office_who_is_not_frozen_stays(people):
    with enter(people.school):
        freeze(people.b, by=people.a)
        with pytest.raises(MayNotFreeze, match="active member"):
            freeze(people.a, by=people.b)
        with pytest.raises(who_is_here.LastOfOffice):
            who_is_here.change(
                people.a.member,
                role="teacher",
                is_active=True,
                by=people.a.member,
                origin=people.a.origin(),
            )


def test_the_audit_log_keeps_who_froze_whom_when_and_why(people):
    with enter(people.school):
        freeze(people.v, by=people.a, reason="her niece")
        assert not freeze(people.v, by=people.b, reason="again")
        unfreeze(people.v, by=people.b)
        assert not unfreeze(people.v, by=people.b)
        rows = AuditLog.objects.filter(event="people").order_by("at").select_related("user")
        kept = [(row.user, row.detail) for row in rows]
    assert kept == [
        (people.a.user, "v.sweet@hill.example: frozen: her niece"),
        (people.b.user, "v.sweet@hill.example: unfrozen"),
    ]


def test_a_frozen_account_that_is_renamed_moved_or_deactivated_is_found_and_reverted(frozen):
    user = frozen.v.user
    user.name, user.email = "Somebody Else", "other@hill.example"
    user.save()
    Membership.objects.filter(pk=frozen.v.member.pk).update(is_active=False)
    with enter(frozen.school):
        assert frozen.a.reverts(frozen.v).decision.kind == "revert"
        assert not Change.objects.proposed_by(user.pk).open().exists()


# The buttons. -------------------------------------------------------------------------------------


def test_the_office_freezes_and_unfreezes_with_one_button_each(people):
    office = Browser(people.a)
    page = office.get(person_page(people.v)).text
    assert "Freeze the account" in page
    response = office.send(person_page(people.v, "freeze"), {"reason": " "}, follow=True)
    assert "Say why, and freeze again: nothing was done yet." in response.content.decode()
    response = office.send(person_page(people.v, "freeze"), {"reason": "her niece"}, follow=True)
    assert "The account of V Sweet is frozen" in response.text
    assert "her niece" in response.text
    assert "by A Admin" in response.text
    assert "Freeze the account" not in response.text
    response = office.send(person_page(people.v, "unfreeze"), follow=True)
    assert "can be used again" in response.text
    assert "whoever is signed in with it still is" in response.text
    assert "Freeze the account" in response.text
    response = office.send(person_page(people.v, "unfreeze"), {"force": "on"}, follow=True)
    assert "nothing changed" in response.text
    assert "signed out everywhere" not in response.text


def test_looking_at_the_address_of_a_button_does_nothing(people):
    for act in ("freeze", "unfreeze", "new_password"):
        response = Browser(people.a).get(person_page(people.v, act))
        assert response.url == person_page(people.v)
    assert about_people(people) == []


def test_a_reason_with_what_no_database_keeps_is_kept_without_it(people):
    Browser(people.a).send(person_page(people.v, "freeze"), {"reason": "x\x00" + "y" * 3000})
    people.v.member.refresh_from_db()
    assert people.v.member.frozen_because == "x" + "y" * 1999


# Two at the same instant. -------------------------------------------------------------------------


@pytest.fixture
def committed(own_cast: Cast) -> Cast:
    return own_cast


def save_and_freeze(people: Cast):
    """V's account saves; before that is committed the office freezes it."""
    return race(
        people,
        lambda: people.v.types(people.marks[0], "95"),
        lambda: freezing.freeze(people.v.member, by=people.a.member, origin=people.a.origin()),
    )


def freeze_and_save(people: Cast):
    """The office freezes V's account; before that is committed it saves."""
    return race(
        people,
        lambda: freezing.freeze(people.v.member, by=people.a.member, origin=people.a.origin()),
        lambda: people.v.types(people.marks[0], "95"),
    )


def saved_by_v(people: Cast) -> int:
    with enter(people.school):
        return Change.objects.proposed_by(people.v.user.pk).count()


def test_a_save_that_was_first_is_in_before_the_account_is_frozen_and_is_held(committed):
    saved, frozen = save_and_freeze(committed)
    assert frozen is True
    change = only(saved)
    with enter(committed.school), pytest.raises(NotApproved, match="frozen"):
        committed.a.approves(change)


def test_a_save_that_comes_while_the_account_is_being_frozen_is_refused(committed):
    frozen, saved = freeze_and_save(committed)
    assert frozen is True
    assert isinstance(saved, Frozen)
    assert saved_by_v(committed) == 0


def test_without_the_authors_lock_it_would_be_saved_after_all(committed, monkeypatch):
    monkeypatch.setattr(proposing, "lock_author", lambda by: None)
    frozen, saved = freeze_and_save(committed)
    assert frozen is True
    assert not isinstance(saved, Exception)
    assert saved_by_v(committed) == 1


def decide_and_freeze(people: Cast):
    """B approves; before that is committed A freezes B."""
    with enter(people.school):
        change = only(people.t1.types(people.marks[0], "70"))
    order = []

    def approve():
        people.b.approves(change)
        order.append("approved")

    def freeze_b():
        freezing.freeze(people.b.member, by=people.a.member, origin=people.a.origin())
        # Told only when it is through: it has to wait for what B is deciding.
        with enter(people.school):
            order.append(Enrollment.objects.get(pk=people.marks[0]).grade)

    race(people, approve, freeze_b)
    return order


def test_freezing_the_office_waits_for_what_it_is_deciding(committed):
    assert decide_and_freeze(committed) == ["approved", "70"]


def test_without_the_schools_row_it_would_not_wait(committed, monkeypatch):
    monkeypatch.setattr(freezing, "_hold", lambda member: None)
    assert decide_and_freeze(committed) == ["approved", None]


def freeze_each_other(people: Cast):
    return race(
        people,
        lambda: freezing.freeze(people.b.member, by=people.a.member, origin=people.a.origin()),
        lambda: freezing.freeze(people.a.member, by=people.b.member, origin=people.b.origin()),
    )


def frozen_of_office(people: Cast) -> int:
    return Membership.objects.filter(
        school=people.school, role="office", frozen_at__isnull=False
    ).count()


def test_of_two_who_freeze_each_other_one_is_left(committed):
    first, second = freeze_each_other(committed)
    assert first is True
    assert isinstance(second, MayNotFreeze)
    assert frozen_of_office(committed) == 1


def test_without_the_schools_row_both_would_be_frozen(committed, monkeypatch):
    monkeypatch.setattr(freezing, "_hold", lambda member: None)
    assert freeze_each_other(committed) == (True, True)
    assert frozen_of_office(committed) == 2


# The queue costs the same. ------------------------------------------------------------------------


def test_the_queue_asks_the_same_number_of_questions_for_one_frozen_account_and_for_ten(people):
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert Browser(people.a).get("/office/review/").status_code == 200
        return len(captured)

    def another(n: int) -> None:
        email = f"frozen{n}@hill.example"
        person = make_person(
            email, "teacher", school=people.school, clock=people.clock, ip="10.0.3.1"
        )
        with enter(people.school):
            person.types(people.marks[0], f"{n}")
            freeze(person, by=people.a)

    another(0)
    statements()
    one = statements()
    for n in range(1, 10):
        another(n)
    assert statements() == one

"""What the office sees of the harder stories of a revert: what comes back, what waits again, what
clashes. The engine's tests say that it is done; these, that it is said before, and can be done."""

import datetime as dt

import pytest

from accounts.in_school import enter
from changes.propose import Draft
from grading.models import Enrollment, Section
from students.models import Student
from tests.cast import SATURDAY_NIGHT, only, open_changes
from tests.forms_of import Form
from tests.pages import Browser
from tests.test_revert_page import EVENING, PREVIEW

pytestmark = pytest.mark.django_db


def text_of(page):
    return " ".join(page.content.decode().split())


def looks(people, account):
    query = {"account": account.user.pk, "how": "typed", **EVENING}
    page = Browser(people.b).get(PREVIEW, query)
    assert page.status_code == 200
    return page


def does(person, page, **more):
    """Send the form of a preview as it is; return where it leads."""
    form = Form(page, "token")
    done = Browser(person).post(form.action, form.data(reason="a misused account", **more))
    assert done.status_code == 302, text_of(done)
    return done.url


def lifts(people, at):
    return Browser(people.a).get(f"{at}lift/")


def test_a_deleted_pupil_comes_back_with_the_marks_and_the_preview_says_so(people):
    student, mark = people.students[0], people.marks[0]
    with enter(people.school):
        people.stand(mark, "60", by=people.t1)
        people.v.deletes("student", student, at=SATURDAY_NIGHT)
        people.a.approves(*people.open_of(student))
        assert not Enrollment.objects.filter(pk=mark).exists()
    page = looks(people, people.v)
    assert "record comes back" in text_of(page)
    at = does(people.b, page)
    with enter(people.school):
        assert people.grade(mark) == "60"
    account = text_of(Browser(people.a).get(at))
    assert "<del>deleted</del> <ins>added</ins>" in account
    mark = "Abbott, Ada in BIO-2, mark"
    assert f'{mark}: <span class="change"><del>nothing</del> <ins>60</ins>' in account


@pytest.mark.parametrize("withdrawn", [False, True])
def test_what_the_owner_had_waiting_waits_again_and_is_listed_before(people, withdrawn):
    mark = people.marks[0]
    with enter(people.school):
        own = only(people.t1.types(mark, "70"))
        if withdrawn:
            people.t1.withdraws(own, at=SATURDAY_NIGHT)
        else:
            people.t1.types(mark, "95", at=SATURDAY_NIGHT)
        assert own.pk not in open_changes()
    page = looks(people, people.t1)
    assert "Returns to the queue" in text_of(page)
    at = does(people.b, page)
    with enter(people.school):
        assert open_changes() == {own.pk}
    account = text_of(Browser(people.a).get(at))
    assert "Returned to the queue" in account
    assert ("a withdrawal" if withdrawn else "left the queue") in account
    does(people.a, lifts(people, at))
    with enter(people.school):
        assert own.pk not in open_changes()
        assert people.is_equal()


def test_a_lift_leaves_open_what_its_author_typed_meanwhile(people):
    mark = people.marks[0]
    with enter(people.school):
        people.t1.types(mark, "95", at=SATURDAY_NIGHT)
    at = does(people.b, looks(people, people.t1))
    with enter(people.school):
        people.clock.now = SATURDAY_NIGHT + dt.timedelta(days=1)
        newer = only(people.t1.types(mark, "70"))
    does(people.a, lifts(people, at))
    with enter(people.school):
        assert open_changes() == {newer.pk}


def test_a_section_keeps_standing_without_the_room_that_goes_and_the_preview_says_so(people):
    with enter(people.school):
        room = people.v.creates("room", name="ENG 105", at=SATURDAY_NIGHT)
        people.a.approves(*people.open_of(room))
        moving = Draft(
            entity_type="section", entity_id=people.section, field="room", typed=str(room)
        )
        people.a.enters([moving])
    page = looks(people, people.v)
    said = 'BIO-2, room: <span class="change"><del>ENG 105</del> <ins>nothing</ins>'
    assert said in text_of(page)
    at = does(people.b, page)
    with enter(people.school):
        assert Section.objects.get(pk=people.section).room_id is None
    account = text_of(Browser(people.a).get(at))
    assert said in account
    assert "1 row of the history of sections" in account


def test_a_number_that_was_taken_meanwhile_clashes_in_the_lift_until_it_is_unticked(people):
    with enter(people.school):
        student = people.v.creates("student", number="412", family_name="Park", at=SATURDAY_NIGHT)
        people.a.approves(*people.open_of(student))
        people.v.types(people.marks[0], "95", at=SATURDAY_NIGHT)
    at = does(people.b, looks(people, people.v))
    with enter(people.school):
        taken = people.t1.creates("student", number="412", family_name="Other")
        people.a.approves(*people.open_of(taken))
    page = lifts(people, at)
    assert "2 pupils would have the same number" in text_of(page)
    form = Form(page, "token")
    refused = Browser(people.a).post(form.action, form.data(reason="was right"))
    assert refused.status_code == 409
    ticks = [key for key in form.data()["tick"] if "student" not in key]
    shown = Browser(people.a).post(form.action, form.data(reason="was right", tick=ticks))
    if shown.status_code == 409:  # other lines are ticked than were shown: look, and confirm
        form = Form(shown, "token")
        shown = Browser(people.a).post(form.action, form.data(reason="was right"))
    assert shown.status_code == 302
    with enter(people.school):
        assert not Student.objects.filter(pk=student).exists()
        assert len(open_changes()) == 1
        assert people.is_equal()
    account = Browser(people.a).get(at)
    made, in_force = account.context["decision"].made, account.context["decision"].in_force
    assert (made, in_force) == (4, 3)
    assert f"<b>{in_force} of {made}</b> changes are excluded" in text_of(account)

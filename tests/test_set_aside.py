"""A mark that stood is not changed by one person in two acts: by reverting what it stands on, and
by entering another one for the same pupil and class under another enrolment."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from changes.models import Change
from changes.propose import Draft, creation
from changes.review import NotApproved
from grading.models import Enrollment
from tests.cast import only, typed

pytestmark = pytest.mark.django_db
REFUSED = "You have set aside the mark that stood here"


@pytest.fixture
def kim(inside):
    """Kim, whom V enrolled; T1 gave them 60, which stands."""
    people = inside
    people.kim = people.t1.creates("student", number="412", family_name="Kim")
    people.a.approves(*people.open_of(people.kim))
    people.first = people.v.enrols(people.kim, people.section)
    people.a.approves(*people.open_of(people.first))
    people.stand(people.first, "60", by=people.t1)
    return people


def bring_down(people, by):
    """Revert V's enrolment, with T1's mark on it."""
    return by.reverts(people.v, unticked=())


def enrolment_of(people, section=None):
    values = {"student": str(people.kim), "section": str(section or people.section)}
    return creation("enrollment", values)


def enrol_again(people, by, section=None):
    drafts = enrolment_of(people, section)
    by.enters(drafts, whole=True)
    return drafts[0].entity_id


def another_class(people):
    drafts = creation(
        "section",
        {
            "course": str(people.course),
            "term": str(people.term),
            "code": "BIO-3",
            "scale": str(people.scale.pk),
        },
    )
    people.a.enters(drafts, whole=True)
    return drafts[0].entity_id


def test_who_brought_the_enrolment_down_does_not_mark_the_pupil_anew_alone(kim):
    bring_down(kim, kim.a)
    again = enrol_again(kim, kim.a)
    with pytest.raises(NotApproved, match=REFUSED):
        kim.a.enters([typed(again, "95")])
    own = only(kim.a.types(again, "95"))
    with pytest.raises(NotApproved, match=REFUSED):
        kim.a.approves(own)
    assert kim.grade(again) is None
    kim.b.approves(own)
    assert kim.grade(again) == "95"
    assert kim.is_equal()


def test_nor_with_the_enrolment_in_one_save(kim):
    bring_down(kim, kim.a)
    drafts = enrolment_of(kim)
    mark = typed(drafts[0].entity_id, "95")
    with pytest.raises(NotApproved, match=REFUSED):
        kim.a.enters([*drafts, mark], whole=True)
    assert not Enrollment.objects.filter(pk=drafts[0].entity_id).exists()


def test_nor_by_moving_an_enrolment_there_that_brings_a_mark(kim):
    other = another_class(kim)
    elsewhere = enrol_again(kim, kim.a, other)
    kim.a.enters([typed(elsewhere, "95")])
    bring_down(kim, kim.a)
    entered = kim.a.enters([typed(elsewhere, str(kim.section), field="section")])
    (moving,) = entered.saved.changes
    with pytest.raises(NotApproved):
        kim.a.approves(moving)
    kim.b.approves(moving)
    assert kim.grade(elsewhere) == "95"


def test_nor_when_the_mark_went_first_and_then_the_enrolment(kim):
    kim.a.reverts(kim.t1, field="enrollment.grade")
    # No mark stands on it any more: one person may delete it.
    kim.a.enters(
        [Draft(entity_type="enrollment", entity_id=kim.first, field="exists", typed="false")]
    )
    again = enrol_again(kim, kim.a)
    with pytest.raises(NotApproved, match=REFUSED):
        kim.a.enters([typed(again, "95")])


def test_two_people_have_done_it_when_somebody_else_reverted(kim):
    bring_down(kim, kim.b)
    again = enrol_again(kim, kim.a)
    kim.a.enters([typed(again, "95")])
    assert kim.grade(again) == "95"


def test_in_another_class_the_pupil_is_marked_as_ever(kim):
    bring_down(kim, kim.a)
    elsewhere = enrol_again(kim, kim.a, another_class(kim))
    kim.a.enters([typed(elsewhere, "95")])
    assert kim.grade(elsewhere) == "95"


def test_after_the_revert_was_lifted_and_the_enrolment_is_back_its_mark_is_corrected(kim):
    kim.a.reinstates(bring_down(kim, kim.a))
    waiting = only(kim.a.types(kim.first, "95", reason="a slip"))
    assert waiting.two_people


def test_where_nobody_else_had_given_a_mark_one_enters_it_anew(inside):
    people = inside
    people.kim = people.students[0]
    people.stand(people.marks[0], "60", by=people.a)
    people.a.reverts(people.a, about=people.marks[0], unticked=())
    again = enrol_again(people, people.a)
    people.a.enters([typed(again, "95")])
    assert people.grade(again) == "95"


def test_thirty_marks_are_asked_at_once(inside):
    people = inside

    def statements(count):
        drafts = [
            creation("student", {"number": f"{count}{n:03}", "family_name": "Pupil"})
            for n in range(count)
        ]
        enrolled = [
            creation(
                "enrollment",
                {"student": str(its[0].entity_id), "section": str(people.section)},
            )
            for its in drafts
        ]
        every = [*drafts, *enrolled]
        people.a.enters([d for its in every for d in its], whole=True)
        own = [only(people.a.types(its[0].entity_id, "70")) for its in enrolled]
        with CaptureQueriesContext(
            connection,
        ) as asked:
            people.a.approves(*own)
        return len(asked)

    assert statements(20) == statements(2)
    assert Change.objects.filter(field="grade", status="approved").count() == 22

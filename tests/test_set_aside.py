"""A mark that stood is not changed by one person in two acts: by reverting what it stands on, and
by entering another one for the same pupil and class under another enrolment."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from changes.merge import merge
from changes.models import Change
from changes.propose import Draft, creation
from changes.revert import reinstate
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


# With the pupil's record. ------------------------------------------------------------------------


def bring_the_pupil_down(people, by):
    """Revert T1's creation of Kim: the enrolment and its mark hang in the air."""
    by.reverts(people.t1, about=people.kim, unticked=lambda keys, kept: set(keys) - {record(keys)})


def record(keys):
    (key,) = [each for each in keys if each.startswith("student.")]
    return key


def test_nor_for_a_pupil_of_the_same_number_whose_record_was_brought_down(kim):
    people = kim
    bring_the_pupil_down(people, people.a)
    assert not Enrollment.objects.filter(pk=people.first).exists()
    new = creation("student", {"number": "412", "family_name": "Kimm"})
    values = {"student": str(new[0].entity_id), "section": str(people.section)}
    again = creation("enrollment", values)
    mark = typed(again[0].entity_id, "95")
    with pytest.raises(NotApproved, match=REFUSED):
        people.a.enters([*new, *again, mark], whole=True)
    people.a.enters([*new, *again], whole=True)
    with pytest.raises(NotApproved, match=REFUSED):
        people.a.enters([mark])
    people.b.approves(only(people.a.types(again[0].entity_id, "95")))
    assert people.grade(again[0].entity_id) == "95"
    assert people.is_equal()


def test_nor_for_the_pupil_whom_a_merge_kept_and_whose_merge_was_undone_in_part(kim):
    people = kim
    twin = creation("student", {"family_name": "Kimm"})
    place = creation(
        "enrollment", {"student": str(twin[0].entity_id), "section": str(people.section)}
    )
    people.a.enters([*twin, *place], whole=True)
    given = {"school": people.school, "by": people.a.member, "origin": people.a.origin()}
    done = merge(people.kim, twin[0].entity_id, entity_type="student", **given)
    assert people.grade(place[0].entity_id) == "60"
    reinstate(done.decision, unticked=lambda keys, kept: keys, **given)
    assert people.grade(place[0].entity_id) is None
    with pytest.raises(NotApproved, match=REFUSED):
        people.a.enters([typed(place[0].entity_id, "95")])


def test_after_a_merge_that_stands_another_class_of_the_pupil_is_marked_as_ever(kim):
    people = kim
    twin = creation("student", {"family_name": "Kimm"})
    people.a.enters(twin, whole=True)
    given = {"school": people.school, "by": people.a.member, "origin": people.a.origin()}
    merge(people.kim, twin[0].entity_id, entity_type="student", **given)
    people.kim = twin[0].entity_id
    elsewhere = enrol_again(people, people.a, another_class(people))
    people.a.enters([typed(elsewhere, "95")])
    assert people.grade(elsewhere) == "95"


# What its author took back. -----------------------------------------------------------------------


@pytest.mark.parametrize("then", ["withdrawn", "65"])
def test_who_sets_aside_that_its_author_took_it_back_does_not_approve_it_alone(inside, then):
    people = inside
    people.stands("60")
    asked = only(people.t1.types(people.marks[0], "95", reason="recount"))
    if then == "withdrawn":
        later = people.t1.withdraws(asked)
    else:
        later = people.t1.types(people.marks[0], then, reason="recount")
    people.a.reverts(people.t1, change_set=later.change_set.pk)
    with pytest.raises(NotApproved, match="nobody asks for it but you"):
        people.a.approves(asked)
    people.b.approves(asked)
    assert people.grade(people.marks[0]) == "95"


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

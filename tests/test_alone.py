"""What one person of the office may not do alone: have a mark that stands stand elsewhere, or count
otherwise. By the engine, whatever form or file it comes from; and by the database."""

import pytest
from django.db import DatabaseError, transaction

from accounts import substitute
from accounts.freezing import freeze
from accounts.in_school import enter
from accounts.models import Membership
from changes.deciding import CannotProject, MayNotDecide
from changes.propose import Draft, creation
from changes.review import NoSuchChange, NotApproved, approve, reopen
from grading.models import Enrollment, GradingScale, GradingStep, Section
from tests.cast import only, typed

pytestmark = pytest.mark.django_db
ALONE = "second person"


@pytest.fixture
def marked(inside):
    """The cast, with a 60 that stands for Ada; another pupil, and another class of another
    course."""
    people = inside
    people.stands("60")
    people.ada, people.mark = people.students[0], people.marks[0]
    dora = creation("student", {"number": "104", "family_name": "Dale"})
    art = creation("course", {"code": "ART", "title": "Art", "credits": "1"})
    values = {"course": str(art[0].entity_id), "term": str(people.term), "code": "ART-1"}
    there = creation("section", values | {"scale": str(people.scale.pk)})
    people.a.enters([*dora, *art, *there], whole=True)
    people.dora, people.art, people.there = (each[0].entity_id for each in (dora, art, there))
    return people


def place(people):
    row = Enrollment.objects.get(pk=people.mark)
    return row.student_id, row.section_id, row.status, row.grade


MOVES = {
    "student": lambda people: str(people.dora),
    "section": lambda people: str(people.there),
    "status": lambda people: "withdrawn",
}


@pytest.mark.parametrize("field", MOVES)
def test_a_mark_that_stands_goes_nowhere_by_one_person(marked, field):
    people = marked
    before, target = place(people), MOVES[field](people)
    entered = people.a.enters([typed(people.mark, target, field=field)])
    assert (entered.outcome, place(people)) == (None, before)
    (moving,) = entered.saved.changes
    with pytest.raises(NotApproved, match=ALONE):
        people.a.approves(moving)
    people.b.approves(moving)
    assert place(people) != before
    assert people.is_equal()


@pytest.mark.parametrize("field", MOVES)
def test_nor_by_a_move_that_waited_from_before_the_mark_stood(inside, field):
    people = inside
    people.mark = people.marks[0]
    new = creation("student", {"family_name": "Dale"})
    there = creation(
        "section",
        {"course": str(people.course), "term": str(people.term), "code": "BIO-3"}
        | {"scale": str(people.scale.pk)},
    )
    people.a.enters([*new, *there], whole=True)
    people.dora, people.there = new[0].entity_id, there[0].entity_id
    moving = only(people.a.types(people.mark, MOVES[field](people), field=field))
    assert not moving.two_people
    people.stand(people.mark, "60", by=people.t1)
    with pytest.raises(NotApproved, match=ALONE):
        people.a.approves(moving)
    people.b.approves(moving)
    assert people.is_equal()


def test_nor_while_its_pupil_is_gone(marked):
    """Who brings the pupil down gives what hangs in the air to nobody else."""
    people = marked
    kim = people.v.creates("student", number="412", family_name="Kim")
    people.b.approves(*people.open_of(kim))
    enrolment = people.t2.enrols(kim, people.section)
    people.b.approves(*people.open_of(enrolment))
    people.stand(enrolment, "40", by=people.t1)
    people.a.reverts(people.v, unticked=())
    assert not Enrollment.objects.filter(pk=enrolment).exists()
    people.a.enters([typed(enrolment, str(people.dora), field="student")])
    assert not Enrollment.objects.filter(pk=enrolment).exists()


def test_two_people_who_move_it_need_no_third(marked):
    people = marked
    moving = only(people.t1.changes_cell("enrollment", people.mark, section=str(people.there)))
    people.a.approves(moving)
    assert place(people)[1] == people.there


def test_where_the_mark_was_cleared_one_person_moves_the_place(marked):
    people = marked
    people.stand(people.mark, "", by=people.t1)
    people.a.enters([typed(people.mark, str(people.dora), field="student")])
    assert place(people)[0] == people.dora


@pytest.mark.parametrize("field", ["course", "scale", "term"])
def test_a_class_with_marks_gets_no_other_course_term_or_scale_by_one_person(marked, field):
    people = marked
    letters = GradingScale.objects.create(school=people.school, name="Letters", kind="letters")
    spring = creation("term", {"name": "Spring"})
    people.a.enters(spring)
    target = {"course": people.art, "scale": letters.pk, "term": spring[0].entity_id}[field]
    draft = Draft(entity_type="section", entity_id=people.section, field=field, typed=str(target))
    entered = people.a.enters([draft])
    assert (entered.outcome, len(entered.waiting)) == (None, 1)
    with pytest.raises(NotApproved, match=ALONE):
        people.a.approves(*entered.saved.changes)
    people.b.approves(*entered.saved.changes)
    assert getattr(Section.objects.get(pk=people.section), f"{field}_id") == target
    assert people.is_equal()


def test_nor_by_a_change_that_waited_from_before_the_marks_stood(inside):
    people = inside
    course = creation("course", {"code": "ART", "title": "Art"})
    people.a.enters(course)
    moving = only(people.a.changes_cell("section", people.section, course=str(course[0].entity_id)))
    people.stands("60")
    with pytest.raises(NotApproved, match=ALONE):
        people.a.approves(moving)


def test_a_class_without_marks_changes_as_ever(marked):
    people = marked
    draft = Draft(
        entity_type="section", entity_id=people.there, field="course", typed=str(people.course)
    )
    assert people.a.enters([draft]).outcome is not None


# By other doors. ----------------------------------------------------------------------------------


def test_nor_by_an_own_first_mark_that_was_declined_and_is_reopened(inside):
    people = inside
    own = only(people.a.types(people.marks[0], "95"))
    people.b.declines(own)
    people.stands("60")
    copies = reopen([own.pk], school=people.school, by=people.a.member, origin=people.a.origin())
    with pytest.raises(NotApproved, match=ALONE):
        people.a.approves(*copies, use_values={copies[0].pk: "it was right"})
    assert people.grade(people.marks[0]) == "60"


def test_nor_by_a_membership_of_another_school_or_with_the_second_person_frozen(marked):
    people = marked
    own = only(people.a.types(people.mark, "95", reason="recount"))
    elsewhere = Membership.objects.create(
        school=people.other_school, user=people.a.user, role="office"
    )
    given = {"by": elsewhere, "origin": people.a.origin()}
    with pytest.raises(MayNotDecide):
        approve([own.pk], school=people.school, **given)
    with enter(people.other_school), pytest.raises(NoSuchChange):
        approve([own.pk], school=people.other_school, **given)
    freeze(people.b.member, by=people.a.member, origin=people.a.origin(), reason="mine")
    with pytest.raises(NotApproved, match=ALONE):
        people.a.approves(own)
    with pytest.raises(substitute.MayNotName):
        substitute.name(people.t1.member, by=people.a.member, origin=people.a.origin())
    assert people.grade(people.mark) == "60"


# The database. ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entity", "field"),
    [("mark", "student"), ("mark", "section"), ("mark", "grade"), ("section", "course")],
)
def test_the_database_refuses_it_too_where_a_rule_forgets_it(marked, monkeypatch, entity, field):
    people = marked
    for rules in ("grading.mark_rules.MarkRules", "grading.section_rules.SectionRules"):
        for rule in ("need_two_people", "judge", "decided"):
            monkeypatch.setattr(f"{rules}.{rule}", lambda *given, **named: None)
    entity_type = "enrollment" if entity == "mark" else "section"
    target = {
        "student": people.dora,
        "section": people.there,
        "grade": "95",
        "course": people.art,
    }[field]
    draft = Draft(
        entity_type=entity_type,
        entity_id=getattr(people, entity),
        field=field,
        typed=str(target),
        touched=True,
    )
    with pytest.raises(CannotProject, match="break a rule of the school’s data"):
        people.a.enters([draft])
    people.b.approves(only(people.a.proposes([draft])))  # by two people it takes it


def test_a_scale_that_a_class_is_marked_by_gets_no_further_steps(marked):
    step = {"school": marked.school, "label": "A+", "minimum": 55, "points": 5}
    with pytest.raises(DatabaseError, match="make a new version"), transaction.atomic():
        GradingStep.objects.create(scale=marked.scale, **step)
    unused = GradingScale.objects.create(school=marked.school, name="Letters", kind="letters")
    GradingStep.objects.create(scale=unused, school=marked.school, label="A")

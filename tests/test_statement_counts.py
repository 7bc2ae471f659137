"""What a large save, approval or revert costs in statements: what a small one costs."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from changes import projector, review
from changes.deciding import lock
from changes.models import Change
from changes.propose import Draft, creation, withdraw
from grading.marks import enter_marks
from tests.cast import Cast

FEW, MANY = 30, 300


def a_class_of(people: Cast, size: int) -> list:
    """Make and enrol pupils in a section of their own; return their enrolments."""
    section = creation(
        "section",
        {
            "course": str(people.course),
            "term": str(people.term),
            "code": f"BIG-{size}",
            "scale": str(people.scale.pk),
            "instructor": str(people.t1.user.pk),
        },
    )
    drafts, enrolments = [*section], []
    for number in range(size):
        student = creation("student", {"family_name": f"Pupil {number}"})
        enrolment = creation(
            "enrollment",
            {"student": str(student[0].entity_id), "section": str(section[0].entity_id)},
        )
        drafts += [*student, *enrolment]
        enrolments.append(enrolment[0].entity_id)
    people.a.enters(drafts, whole=True)
    return enrolments


@pytest.fixture
def classes(inside):
    inside.few, inside.many = a_class_of(inside, FEW), a_class_of(inside, MANY)
    return inside


def marks(enrolments, text, reason=""):
    return [
        Draft(
            entity_type="enrollment",
            entity_id=each,
            field=field,
            typed=typed,
            touched=True,
            reason=reason,
        )
        for each in enrolments
        for field, typed in (("grade", text), ("comment", f"worth {text}"))
    ]


def statements(act):
    with CaptureQueriesContext(connection) as queries:
        act()
    return len(queries)


def both(people, act):
    """Return how many statements an act takes for few rows and for many."""
    return statements(lambda: act(people.few)), statements(lambda: act(people.many))


def waiting_of(enrolments):
    return list(Change.objects.filter(entity_id__in=enrolments).open())


def test_a_save_costs_the_same_however_many_cells(classes):
    few, many = both(classes, lambda some: classes.t1.proposes(marks(some, "70")))
    assert few == many < 40


def test_a_sheet_of_first_marks_is_saved_with_few_statements(classes):
    """It is what teachers wait for at the end of term. Corrections may ask more."""
    people = classes
    first = statements(lambda: people.t1.proposes(marks(people.few, "70")))
    people.a.approves(*waiting_of(people.few))
    assert first < statements(lambda: people.t1.proposes(marks(people.few, "71", "recount")))
    assert first <= 12


def test_a_save_of_corrections_costs_the_same_however_many_cells(classes):
    people = classes
    people.a.enters(marks([*people.few, *people.many], "60"))
    few, many = both(people, lambda some: people.t1.proposes(marks(some, "70", "recount")))
    assert few == many < 40


def test_new_pupils_with_their_enrolments_cost_the_same_however_many(classes):
    people = classes

    def add(some):
        drafts = []
        for _ in some:
            student = creation("student", {"family_name": "Kim"})
            drafts += student
            drafts += creation(
                "enrollment",
                {"student": str(student[0].entity_id), "section": str(people.section)},
            )
        people.t1.proposes(drafts, whole=True)

    few, many = both(people, add)
    assert few == many < 40


def test_an_approval_costs_the_same_however_many_changes(classes):
    people = classes
    people.t1.proposes(marks([*people.few, *people.many], "70"))
    few, many = both(people, lambda some: people.a.approves(*waiting_of(some)))
    assert few == many < 60
    assert people.is_equal()


def test_an_approval_of_corrections_costs_the_same_however_many(classes):
    people = classes
    people.a.enters(marks([*people.few, *people.many], "60"))
    people.t1.proposes(marks([*people.few, *people.many], "70", "recount"))
    few, many = both(people, lambda some: people.a.approves(*waiting_of(some)))
    assert few == many < 60


def test_approving_what_can_be_costs_the_same_however_many_are_refused(classes):
    people = classes
    people.t1.proposes(marks([*people.few, *people.many], "70"))
    blocked = people.t1.creates("student", family_name="Kim")
    extra = people.t1.enrols(blocked, people.section)
    beside = waiting_of([extra])
    few, many = both(
        people, lambda some: people.a.approves(*waiting_of(some), *beside, what_can_be=True)
    )
    assert few == many < 70


def test_declining_and_reopening_cost_the_same_however_many_changes(classes):
    people = classes
    people.t1.proposes(marks([*people.few, *people.many], "70"))
    few, many = both(people, lambda some: people.a.declines(*waiting_of(some)))
    assert few == many < 40

    def reopen(some):
        review.reopen(
            Change.objects.filter(entity_id__in=some, status="declined").values_list(
                "pk", flat=True
            ),
            school=people.school,
            by=people.a.member,
            origin=people.a.origin(),
        )

    few, many = both(people, reopen)
    assert few == many < 40


def test_withdrawing_costs_the_same_however_many_changes(classes):
    people = classes
    people.t1.proposes(marks([*people.few, *people.many], "70"))

    def take_back(some):
        ids = [c.pk for c in waiting_of(some)]
        withdraw(ids, by=people.t1.member, origin=people.t1.origin())

    few, many = both(people, take_back)
    assert few == many < 20


def test_clearing_what_waits_costs_the_same_however_many_marks(classes):
    people = classes
    people.t1.proposes(marks([*people.few, *people.many], "70"))

    def clear(some):
        saved = enter_marks(marks(some, ""), by=people.t1.member, origin=people.t1.origin())
        assert len(saved.withdrawn) == len(some)

    few, many = both(people, clear)
    assert few == many < 30


def test_a_revert_and_its_lifting_cost_the_same_however_many_changes(classes):
    people = classes
    reverted = {}

    def enter_and_revert(some):
        at = people.clock.tick()
        people.v.proposes(marks(some, "99"), at=at)
        people.a.approves(*waiting_of(some))
        with CaptureQueriesContext(connection) as queries:
            reverted[len(some)] = people.a.reverts(people.v, start=at)
        return len(queries)

    assert enter_and_revert(people.few) == enter_and_revert(people.many) < 80
    few, many = (statements(lambda n=n: people.b.reinstates(reverted[n])) for n in (FEW, MANY))
    assert few == many < 80
    assert people.is_equal()


def test_first_grades_that_stand_at_once_cost_the_same_however_many(classes):
    people = classes
    people.school.first_grades = "stand"
    people.school.save()
    people.t1.member.school.refresh_from_db()
    few, many = both(
        people,
        lambda some: enter_marks(marks(some, "70"), by=people.t1.member, origin=people.t1.origin()),
    )
    assert few == many < 90


def test_five_thousand_changes_are_approved_with_the_statements_of_thirty(inside):
    people = inside

    def counts(size):
        details = {"family_name": "Kim", "given_names": "Kim", "year_level": "7"}
        details |= {"home_group": "7a", "birth_date": "2014-02-03", "email": "kim@home.example"}
        drafts = []
        for number in range(size // 8):
            drafts += creation("student", {**details, "number": f"{size}-{number}"})
        saved = people.v.proposes(drafts)
        assert len(saved.changes) >= size - 8
        return statements(lambda: people.a.approves(*saved.changes))

    assert counts(32) == counts(5000)
    assert people.is_equal()


def test_a_rebuild_joins_children_to_their_parents_by_hash(classes):
    """Whatever the planner takes the tables for: a loop over both took minutes for 200,000."""
    plans = []

    def explain(execute, sql, params, many, context):
        if sql.lstrip().startswith("with cells"):
            with connection.cursor() as cursor:
                cursor.execute("explain " + sql, params)
                plans.append("\n".join(line for (line,) in cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        lock(classes.school)
        projector.rebuild(classes.school)
    joined = [line for plan in plans for line in plan.splitlines() if "parent_" in line]
    assert any("Cond: " in line for line in joined)
    assert not [line for line in joined if "Join Filter" in line]
    with connection.cursor() as cursor:
        cursor.execute("show enable_nestloop")
        assert cursor.fetchone() == ("on",)

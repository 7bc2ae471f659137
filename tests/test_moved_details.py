"""Instructors are told in the product which comments, and which details of their classes and
pupils, a revert has moved."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from changes.propose import Draft, creation
from grading import decided, moved_details
from tests.cast import Cast, Person, typed
from tests.pages import Browser, form_of, more_pupils

pytestmark = pytest.mark.django_db
PAGE, ALL, SEEN = reverse("decided"), reverse("moved-details"), reverse("decided-seen")
ADA = "Abbott, Ada"


def stand(people: Cast, by: Person, entity_type: str, entity_id, **values) -> None:
    """Have somebody propose details and A approve them."""
    changes = by.changes_cell(entity_type, entity_id, **values).changes
    people.a.approves(*changes, use_values={each.pk: "seen" for each in changes})


def told(people: Cast, person: Person) -> list[tuple[str, str, str, str]]:
    """Return what moved in somebody's classes. Call inside the school."""
    person.member.refresh_from_db()
    rows = list(moved_details.of_classes_of(person.member))
    return [
        (line.title, line.field, line.before, line.after)
        for line in moved_details.lines(rows, member=person.member)
    ]


def of_page(people: Cast, done) -> list[tuple[str, str]]:
    return [(each.who.partition(" (")[0], each.of) for each in moved_details.told_of(done.decision)]


@pytest.fixture
def night(inside: Cast) -> Cast:
    """V changed a comment, a guardian's e-mail and a class's schedule of T1's; T2 teaches another
    class, in which nothing changed."""
    inside.t1.types(inside.marks[0], "Works well.", field="comment")
    inside.a.approves(*inside.open_of(inside.marks[0]))
    stand(inside, inside.v, "enrollment", inside.marks[0], comment="Lazy.")
    stand(inside, inside.v, "student", inside.students[0], guardian_email="niece@mail.example")
    stand(inside, inside.v, "section", inside.section, schedule="never")
    other = creation(
        "section",
        {
            "course": str(inside.course),
            "term": str(inside.term),
            "code": "BIO-3",
            "scale": str(inside.scale.pk),
            "instructor": str(inside.t2.user.pk),
        },
    )
    inside.a.enters(other, whole=True)
    inside.other = other[0].entity_id  # type: ignore[attr-defined]
    return inside


RESTORED = [
    ("BIO-2", "schedule", "never", "nothing"),
    (ADA, "guardian’s e-mail", "niece@mail.example", "nothing"),
    (f"{ADA} in BIO-2", "comment", "Lazy.", "Works well."),
]


def test_the_instructor_is_told_what_moved_from_what_to_what_and_nobody_else(night):
    assert told(night, night.t1) == []
    night.done = night.a.reverts(night.v)
    assert sorted(told(night, night.t1)) == sorted(RESTORED)
    for person in (night.t2, night.v, night.a, night.b):
        assert told(night, person) == []
    assert of_page(night, night.done) == [("T1 Teacher", "BIO-2: 3 comments and details")]


def test_lifting_it_is_told_too_the_newest_first(night):
    done = night.a.reverts(night.v)
    lifted = night.b.reinstates(done)
    rows = told(night, night.t1)
    assert sorted(rows[:3]) == sorted((*row[:2], *row[:1:-1]) for row in RESTORED)
    assert sorted(rows[3:]) == sorted(RESTORED)
    assert of_page(night, lifted) == of_page(night, done)


def test_what_a_newer_value_hides_is_told_as_unchanged_and_what_waited_is_not(night):
    stand(night, night.t1, "student", night.students[0], guardian_email="mother@mail.example")
    night.v.changes_cell("section", night.section, capacity="3")  # waits, and leaves the queue
    night.a.reverts(night.v)
    mother = (ADA, "guardian’s e-mail", "mother@mail.example", "mother@mail.example")
    assert sorted(told(night, night.t1)) == sorted([RESTORED[0], mother, RESTORED[2]])


def test_of_one_cell_changed_three_times_one_line_is_told(night):
    for text in ("Idle.", "Idler."):
        stand(night, night.v, "enrollment", night.marks[0], comment=text)
    night.a.reverts(night.v)
    comments = [row for row in told(night, night.t1) if row[1] == "comment"]
    assert comments == [(f"{ADA} in BIO-2", "comment", "Idler.", "Works well.")]


def test_marks_are_not_told_here_a_second_time(night):
    night.stand(night.marks[1], "60", by=night.v)
    night.a.reverts(night.v)
    assert sorted(told(night, night.t1)) == sorted(RESTORED)


def test_a_record_that_comes_back_is_one_line(night):
    night.v.deletes("enrollment", night.marks[2])
    night.a.approves(*night.open_of(night.marks[2]))
    night.a.reverts(night.v)
    assert [row for row in told(night, night.t1) if row[0].startswith("Carter")] == [
        ("Carter, Cleo in BIO-2", "enrolment", "deleted", "added")
    ]


def test_a_pupil_of_two_classes_is_told_to_both_instructors_and_a_comment_to_one(night):
    night.a.enters(
        creation("enrollment", {"student": str(night.students[0]), "section": str(night.other)}),
        whole=True,
    )
    done = night.a.reverts(night.v)
    assert told(night, night.t2) == [RESTORED[1]]
    assert of_page(night, done) == [
        ("T1 Teacher", "BIO-2: 3 comments and details"),
        ("T2 Teacher", "BIO-3: 1 comment or detail"),
    ]


def test_who_lost_the_class_since_is_told_of_it_no_more_but_the_account_says_who_was(night):
    done = night.a.reverts(night.v)
    before = of_page(night, done)
    instructor = Draft(
        entity_type="section",
        entity_id=night.section,
        field="instructor",
        typed=str(night.t2.user.pk),
    )
    night.b.enters([instructor])
    assert told(night, night.t1) == []
    assert sorted(told(night, night.t2)) == sorted(RESTORED)
    assert of_page(night, done) == before


def test_who_did_it_themselves_is_not_told(night):
    instructor = Draft(
        entity_type="section",
        entity_id=night.section,
        field="instructor",
        typed=str(night.a.user.pk),
    )
    night.b.enters([instructor])
    done = night.a.reverts(night.v)
    assert told(night, night.a) == []
    assert of_page(night, done) == []


def test_the_menu_counts_them_until_they_were_seen(people):
    with enter(people.school):
        stand(people, people.v, "enrollment", people.marks[0], comment="Lazy.")
        people.t1.member.decided_seen = people.a.reverts(people.v).decision.number - 1
        people.t1.member.save()
    browser = Browser(people.t1)
    assert "My changes <b>(1" in browser.get("/classes/").content.decode()
    page = " ".join(browser.get(PAGE).content.decode().split())
    assert "<del>Lazy.</del> <ins>nothing</ins>" in page
    assert "it was her niece" not in page  # why the office did it is its own affair
    browser.send(SEEN, form_of(browser.get(PAGE).content.decode(), at=SEEN))
    assert "My changes <b>(" not in browser.get("/classes/").content.decode()
    assert "Lazy." in browser.get(ALL).content.decode()
    with enter(people.school):
        assert decided.count_unseen(people.t1.member) == 1  # of who has not refreshed
    assert "No comment and no detail" in Browser(people.t2).get(ALL).content.decode()


def test_more_of_them_cost_no_more_and_are_paged(people):
    places = more_pupils(people, 63)
    browser = Browser(people.t1)

    def cost(some):
        with enter(people.school):
            start = people.clock.now
            drafts = [typed(each, "Lazy.", field="comment") for each in some]
            people.a.approves(*people.v.proposes(drafts).changes)
            done = people.b.reverts(people.v, start=start)
            with CaptureQueriesContext(connection) as telling:
                (line,) = moved_details.told_of(done.decision)
        assert f"{len(some)} comments" in line.of
        with CaptureQueriesContext(connection) as queries:
            browser.get(PAGE)
            page = browser.get(ALL)
        return len(queries), len(telling), page.context["page"].paginator.count

    assert cost(places[:10])[2] == 10
    few = cost(places[10:13])
    many = cost(places[13:])
    assert many[2] == 63
    assert many[:2] <= few[:2]

"""What a change of a section leaves behind (ADR-009): its history, and a message to its pupils."""

import contextlib
import datetime as dt

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import outbox
from accounts.in_school import enter
from accounts.models import OutboxMessage
from changes.propose import Draft, creation
from grading.models import CourseChangeHistory, Section
from tests.cast import only, typed
from tests.pages import more_pupils


@pytest.fixture
def classroom(inside):
    """The cast, with addresses; the first pupil enrolled, the second waitlisted, the third
    withdrawn; a second room, ENG 105."""
    people = inside
    drafts = [
        Draft(entity_type="student", entity_id=each, field=field, typed=f"{who}@{where}.example")
        for each, who in zip(people.students, ("ada", "ben", "cleo"), strict=True)
        for field, where in (("email", "school"), ("guardian_email", "home"))
    ]
    drafts += [
        Draft(entity_type="enrollment", entity_id=each, field="status", typed=status)
        for each, status in zip(people.marks[1:], ("waitlisted", "withdrawn"), strict=True)
    ]
    room = creation("room", {"name": "ENG 105"})
    people.a.enters([*drafts, *room], whole=True)
    people.other_room = room[0].entity_id
    return people


def changes(person, section, **values):
    return person.changes_cell("section", section, **values).changes


def history():
    return {
        (row.field_name, row.old_value, row.new_value) for row in CourseChangeHistory.objects.all()
    }


def test_the_history_of_another_school_is_not_there(people):
    with enter(people.school):
        people.b.approves(*changes(people.a, people.section, capacity="20"))
        assert CourseChangeHistory.objects.count() == 1
    with enter(people.other_school):
        assert CourseChangeHistory.objects.count() == 0
        assert OutboxMessage.objects.count() == 0


def test_room_instructor_and_capacity_in_one_save_are_three_rows_and_one_message_each(classroom):
    people = classroom
    saved = changes(
        people.t1,
        people.section,
        room=str(people.other_room),
        instructor=str(people.t2.user.pk),
        capacity="20",
    )
    assert CourseChangeHistory.objects.count() == OutboxMessage.objects.count() == 0
    at = people.clock.tick()
    outcome = people.a.approves(*saved, at=at)
    assert history() == {
        ("room_id", str(people.room), str(people.other_room)),
        ("instructor_user_id", str(people.t1.user.pk), str(people.t2.user.pk)),
        ("capacity", "30", "20"),
    }
    rows = CourseChangeHistory.objects.all()
    assert {(r.changed_by, r.changed_at, r.decision) for r in rows} == {
        (people.t1.user, at, outcome.decision)
    }
    messages = OutboxMessage.objects.order_by("to")
    assert [m.to for m in messages] == ["ada@school.example", "ben@school.example"]
    assert messages[0].body.splitlines()[0] == (
        "Your section BIO-2 has moved from SCI 201 to ENG 105; "
        "it is now taught by T2 Teacher instead of T1 Teacher."
    )
    assert people.is_equal()


def test_places_are_told_when_they_no_longer_suffice_and_when_they_do_again(classroom):
    """A capacity that every pupil still fits in is the office's business and no news to them."""
    people = classroom
    people.a.approves(*changes(people.t1, people.section, capacity="1"))
    assert OutboxMessage.objects.count() == 0
    people.a.approves(*changes(people.t1, people.section, capacity="0"))
    assert sent(people) == {
        "ada@school.example": ["has no places for the one pupil who is enrolled"],
        "ben@school.example": ["has no places for the one pupil who is enrolled"],
    }
    people.a.approves(*changes(people.t1, people.section, capacity=None))
    assert sent(people)["ada@school.example"] == [
        "has places again for the one pupil who is enrolled"
    ]


# Corrected again, before the message left. ----------------------------------------------------


def sent(people):
    """Let a worker send everything. Return what each then reads of the section, by address."""
    mail.outbox.clear()
    while outbox.send_next(people.school):
        pass
    found = {}
    for message in mail.outbox:
        told = message.body.splitlines()[0].removeprefix("Your section BIO-2 ").removesuffix(".")
        found.setdefault(message.to[0], []).append(told.removeprefix("now "))
    return found


def moves_to(people, room):
    return people.a.approves(*changes(people.t1, people.section, room=str(room)))


def test_of_two_decisions_before_a_message_leaves_one_is_told_from_first_to_last(classroom):
    people = classroom
    third = creation("room", {"name": "ART 1"})
    people.a.enters(third)
    moves_to(people, people.other_room)
    moves_to(people, third[0].entity_id)
    assert sent(people) == {
        "ada@school.example": ["has moved from SCI 201 to ART 1"],
        "ben@school.example": ["has moved from SCI 201 to ART 1"],
    }
    superseded = OutboxMessage.objects.filter(superseded_at__isnull=False)
    assert {"to ENG 105" in message.body for message in superseded} == {True}
    assert superseded.count() == 2
    assert CourseChangeHistory.objects.count() == 2


def test_nothing_is_sent_when_a_section_is_back_at_what_its_pupils_were_told(classroom):
    people = classroom
    moves_to(people, people.other_room)
    moves_to(people, people.room)
    assert sent(people) == {}
    assert CourseChangeHistory.objects.count() == 2
    moves_to(people, people.other_room)
    assert sent(people)["ada@school.example"] == ["has moved from SCI 201 to ENG 105"]
    moves_to(people, people.room)
    assert sent(people)["ada@school.example"] == ["has moved from ENG 105 to SCI 201"]


def test_a_revert_before_the_message_leaves_leaves_nothing_to_tell(classroom):
    people = classroom
    people.a.approves(*changes(people.v, people.section, room=str(people.other_room)))
    people.b.reverts(people.v)
    assert sent(people) == {}


def test_fields_of_two_decisions_are_told_in_one_message(classroom):
    people = classroom
    people.a.approves(*changes(people.t1, people.section, schedule="Mondays at 9", capacity="0"))
    people.a.approves(*changes(people.t2, people.section, delivery_mode="online", capacity="30"))
    assert sent(people)["ada@school.example"] == ["is now online; it now meets Mondays at 9"]


def test_each_reader_is_told_from_where_they_were_last_told(classroom):
    """Of two messages the mail server took one; then the section moved on."""
    people = classroom
    third = creation("room", {"name": "ART 1"})
    people.a.enters(third)
    moves_to(people, people.other_room)
    assert outbox.send_next(people.school)
    moves_to(people, third[0].entity_id)
    told = sent(people)
    assert sorted(each for some in told.values() for each in some) == [
        "has moved from ENG 105 to ART 1",
        "has moved from SCI 201 to ART 1",
    ]


def test_what_was_given_up_is_told_with_the_next_change(classroom):
    people = classroom
    moves_to(people, people.other_room)
    OutboxMessage.objects.update(given_up_at=timezone.now())
    people.a.approves(*changes(people.t1, people.section, schedule="Mondays at 9"))
    assert sent(people)["ada@school.example"] == [
        "has moved from SCI 201 to ENG 105; it now meets Mondays at 9"
    ]


def test_who_left_the_class_meanwhile_is_told_nothing_any_more(classroom):
    people = classroom
    moves_to(people, people.other_room)
    people.a.enters([typed(people.marks[0], "withdrawn", field="status")])
    people.a.approves(*changes(people.t1, people.section, schedule="Mondays at 9"))
    assert list(sent(people)) == ["ben@school.example"]


def test_another_section_of_the_same_pupils_is_left_alone(classroom):
    people = classroom
    other = creation(
        "section", {"course": str(people.course), "term": str(people.term), "code": "BIO-9"}
    )
    place = creation(
        "enrollment", {"student": str(people.students[0]), "section": str(other[0].entity_id)}
    )
    people.a.enters([*other, *place], whole=True)
    people.a.approves(*changes(people.t1, other[0].entity_id, schedule="Fridays"))
    moves_to(people, people.other_room)
    moves_to(people, people.room)
    assert sent(people) == {"ada@school.example": ["Your section BIO-9 now meets Fridays"]}


def test_a_section_of_many_pupils_costs_no_more_statements(classroom):
    people = classroom

    def statements(room):
        with CaptureQueriesContext(connection) as queries:
            moves_to(people, room)
        return len(queries)

    moves_to(people, people.other_room)
    few = statements(people.room)
    more_pupils(people, 20)
    assert statements(people.other_room) == few


def test_the_schools_policy_copies_guardians_and_passes_over_what_is_immaterial(classroom):
    people = classroom
    people.school.guardians_copied = True
    people.school.immaterial_fields = ["schedule"]
    people.school.save()
    people.a.approves(*changes(people.t1, people.section, schedule="Mondays at 9"))
    assert OutboxMessage.objects.count() == 0
    people.a.approves(
        *changes(people.t1, people.section, room=str(people.other_room), schedule="Mondays at 10")
    )
    messages = OutboxMessage.objects.order_by("to")
    assert [m.to for m in messages] == [
        "ada@home.example",
        "ada@school.example",
        "ben@home.example",
        "ben@school.example",
    ]
    assert "Mondays" not in messages[0].body
    assert CourseChangeHistory.objects.filter(field_name="schedule").count() == 2


def test_two_teachers_changes_in_one_decision_name_each_their_own(classroom):
    people = classroom
    people.a.approves(
        *changes(people.t1, people.section, capacity="20"),
        *changes(people.t2, people.section, room=str(people.other_room)),
    )
    rows = CourseChangeHistory.objects.all()
    assert {(r.field_name, r.changed_by) for r in rows} == {
        ("capacity", people.t1.user),
        ("room_id", people.t2.user),
    }
    assert OutboxMessage.objects.filter(to="ada@school.example").count() == 1


def test_a_confirmation_leaves_no_row_and_no_message(classroom):
    people = classroom
    people.a.approves(*changes(people.t1, people.section, room=str(people.room), capacity="30"))
    assert CourseChangeHistory.objects.count() == OutboxMessage.objects.count() == 0


def test_a_section_that_comes_or_goes_has_no_history_of_its_fields(classroom):
    people = classroom
    people.b.approves(only(people.a.deletes("section", people.section)))
    assert not Section.objects.filter(pk=people.section).exists()
    assert CourseChangeHistory.objects.count() == OutboxMessage.objects.count() == 0


def test_a_revert_writes_history_by_who_reverted_and_tells_the_pupils_again(classroom):
    people = classroom
    people.a.approves(*changes(people.v, people.section, room=str(people.other_room)))
    assert sent(people)["ada@school.example"] == ["has moved from SCI 201 to ENG 105"]
    people.b.reverts(people.v)
    assert sent(people)["ada@school.example"] == ["has moved from ENG 105 to SCI 201"]
    rows = CourseChangeHistory.objects.order_by("changed_at")
    assert [(r.old_value, r.new_value, r.changed_by) for r in rows] == [
        (str(people.room), str(people.other_room), people.v.user),
        (str(people.other_room), str(people.room), people.b.user),
    ]


def test_the_history_only_grows(classroom):
    people = classroom
    people.a.approves(*changes(people.t1, people.section, capacity="20"))
    for statement in (
        "update grading_coursechangehistory set new_value = '30'",
        "delete from grading_coursechangehistory",
        "truncate grading_coursechangehistory",
    ):
        with (
            pytest.raises(DatabaseError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    assert history() == {("capacity", "30", "20")}


def test_all_capacity_reductions_of_a_term_are_one_query_without_json(classroom):
    people = classroom
    spring = creation("term", {"name": "Spring 2027"})
    later = creation(
        "section",
        {
            "course": str(people.course),
            "term": str(spring[0].entity_id),
            "code": "BIO-9",
            "capacity": "30",
        },
    )
    people.a.enters([*spring, *later], whole=True)
    for section, capacity in (
        (people.section, "9"),
        (people.section, "100"),
        (people.section, "20"),
    ):
        people.a.approves(*changes(people.t1, section, capacity=capacity))
    people.a.approves(*changes(people.t1, later[0].entity_id, capacity="5"))
    people.a.approves(*changes(people.t1, people.section, schedule="9"))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select h.old_value, h.new_value
            from grading_coursechangehistory h
            join grading_section s on s.school_id = h.school_id and s.id = h.section_id
            where s.term_id = %s and h.field_name = 'capacity'
              and h.new_value::integer < h.old_value::integer
            order by h.changed_at
            """,
            [people.term],
        )
        assert cursor.fetchall() == [("30", "9"), ("100", "20")]


def test_sections_whose_instructor_changed_after_registration_opened_are_one_query(classroom):
    people = classroom
    opened = people.clock.now.date() + dt.timedelta(days=1)
    people.a.enters(
        [
            Draft(
                entity_type="term",
                entity_id=people.term,
                field="registration_opens_on",
                typed=opened.isoformat(),
            )
        ]
    )
    before, after = (str(each.user.pk) for each in (people.t2, people.v))
    people.a.approves(*changes(people.t1, people.section, instructor=before))
    query = """
        select s.code, h.new_value
        from grading_coursechangehistory h
        join grading_section s on s.school_id = h.school_id and s.id = h.section_id
        join grading_term t on t.school_id = s.school_id and t.id = s.term_id
        where h.field_name = 'instructor_user_id' and h.changed_at >= t.registration_opens_on
        """
    with connection.cursor() as cursor:
        cursor.execute(query)
        assert cursor.fetchall() == []
        people.clock.now += dt.timedelta(days=2)
        people.a.approves(*changes(people.t1, people.section, instructor=after))
        cursor.execute(query)
        assert cursor.fetchall() == [("BIO-2", after)]


def test_the_message_goes_out_once_although_the_site_stops_between_writing_and_mailing(
    own_cast, django_db_blocker, settings
):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    with django_db_blocker.unblock():
        people = own_cast
        with enter(people.school):
            people.a.enters(
                [
                    Draft(
                        entity_type="student",
                        entity_id=people.students[0],
                        field="email",
                        typed="ada@home.example",
                    )
                ]
            )
            saved = changes(people.t1, people.section, schedule="Mondays at 9")
        # The site dies before the commit: neither the change nor the message is there.
        with contextlib.suppress(KeyboardInterrupt), enter(people.school):
            people.a.approves(*saved)
            assert OutboxMessage.objects.count() == 1
            raise KeyboardInterrupt
        call_command("work", once=True)
        assert mail.outbox == []
        # It dies after the commit, and mailed nothing: the worker does, once.
        with enter(people.school):
            people.a.approves(*saved, at=timezone.now())
        connection.close()
        assert mail.outbox == []
        for _ in range(2):
            call_command("work", once=True)
        (message,) = mail.outbox
        assert message.to == ["ada@home.example"]
        assert message.body.startswith("Your section BIO-2 now meets Mondays at 9.")

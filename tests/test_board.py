"""How far the classes of a term are, as the office sees it, and reminding who is to hand in."""

import datetime as dt
import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import freezing
from accounts.in_school import enter
from accounts.models import AuditLog, Membership, OutboxMessage
from changes.models import Change
from changes.propose import Draft, creation
from grading import board, reminders
from grading.board import State
from grading.hand_in import hand_in
from grading.models import Section, Term
from tests.cast import Person
from tests.pages import Browser, form_of, more_pupils

pytestmark = pytest.mark.django_db


def how_far(people, code: str = "BIO-2") -> board.Progress:
    term = Term.objects.get(pk=people.term)
    (found,) = [
        each for each in board.of_term(term, by=people.a.member) if each.section.code == code
    ]
    return found


def hands_in(person: Person, section: uuid.UUID, blanks=()) -> None:
    row = Section.objects.get(pk=section)
    hand_in(row, confirmed=blanks, by=person.member, origin=person.origin(), key="")


def a_class(people, code: str, teacher: Person | None = None, **more: str) -> uuid.UUID:
    """Add a class of the term without pupils."""
    values = {"course": str(people.course), "term": str(people.term), "code": code, **more}
    if teacher:
        values["instructor"] = str(teacher.user.pk)
    drafts = creation("section", {**values, "scale": str(people.scale.pk)})
    people.a.enters(drafts, whole=True)
    return drafts[0].entity_id


def closes(people, day: str) -> None:
    draft = Draft(
        entity_type="term", entity_id=people.term, field="marks_close_on", typed=day, touched=True
    )
    people.a.enters([draft], whole=True)


# The states. --------------------------------------------------------------------------------------


def test_a_class_goes_from_not_begun_to_decided(inside):
    assert how_far(inside).state == State.NOT_BEGUN
    for mark in inside.marks:
        inside.t1.types(mark, "70")
    its = how_far(inside)
    assert (its.state, its.pupils, its.entered, its.standing, its.waiting) == (
        State.TYPING,
        3,
        3,
        0,
        3,
    )
    hands_in(inside.t1, inside.section)
    assert how_far(inside).state == State.HANDED_IN
    inside.a.approves(*Change.objects.open())
    its = how_far(inside)
    assert (its.state, its.entered, its.standing, its.waiting) == (State.DECIDED, 3, 3, 0)


def test_marks_that_wait_count_whoever_typed_them_and_a_pupil_counts_once(inside):
    inside.t1.types(inside.marks[0], "70")
    inside.t2.types(inside.marks[0], "71")
    inside.t2.types(inside.marks[1], "Reads well.", field="comment")
    its = how_far(inside)
    assert (its.entered, its.waiting) == (1, 3)


def test_a_comment_alone_is_no_mark_so_the_class_is_not_begun(inside):
    inside.t1.types(inside.marks[0], "Reads well.", field="comment")
    assert how_far(inside).state == State.NOT_BEGUN


def test_a_correction_that_waits_of_a_mark_that_stands_is_no_second_mark(inside):
    inside.stand(inside.marks[0], "60", by=inside.t1)
    inside.t1.types(inside.marks[0], "65", reason="recounted")
    its = how_far(inside)
    assert (its.entered, its.standing, its.waiting) == (1, 1, 1)


def test_what_was_withdrawn_typed_over_declined_or_excluded_does_not_count(inside):
    (first,) = inside.t1.types(inside.marks[0], "70").changes
    inside.t1.withdraws(first)
    (second,) = inside.t1.types(inside.marks[1], "70").changes
    inside.a.declines(second)
    inside.v.types(inside.marks[2], "99")
    inside.a.reverts(inside.v)
    its = how_far(inside)
    assert (its.state, its.entered, its.waiting) == (State.NOT_BEGUN, 0, 0)


def test_what_is_held_of_a_frozen_account_does_not_count_until_it_is_unfrozen(inside):
    inside.stand(inside.marks[0], "60", by=inside.t1)
    inside.t1.types(inside.marks[1], "70")
    pupil = inside.v.creates("student", family_name="Kim")
    inside.v.types(inside.v.enrols(pupil, inside.section), "80")
    inside.v.types(inside.marks[2], "90")
    its = how_far(inside)
    counted = (its.pupils, its.entered, its.waiting)
    assert counted[:2] == (4, 4)
    freezing.freeze(inside.v.member, by=inside.a.member, origin=inside.a.origin())
    its = how_far(inside)
    assert (its.pupils, its.entered, its.standing, its.waiting) == (3, 2, 1, 1)
    freezing.unfreeze(inside.v.member, by=inside.b.member, origin=inside.b.origin())
    its = how_far(inside)
    assert (its.pupils, its.entered, its.waiting) == counted


def test_a_class_of_which_all_is_held_is_not_begun(inside):
    inside.v.types(inside.marks[0], "90")
    freezing.freeze(inside.v.member, by=inside.a.member, origin=inside.a.origin())
    assert how_far(inside).state == State.NOT_BEGUN


def test_a_pupil_whom_somebody_added_counts_with_their_mark_before_they_are_approved(inside):
    dora = inside.t1.creates("student", family_name="Dean")
    inside.t1.types(inside.t1.enrols(dora, inside.section), "77")
    its = how_far(inside)
    assert (its.pupils, its.entered, its.state) == (4, 1, State.TYPING)


def test_what_was_handed_in_returns_to_handed_in_when_something_of_it_waits_again(inside):
    hands_in(inside.t1, inside.section, blanks=inside.marks)
    assert how_far(inside).state == State.DECIDED
    inside.t1.types(inside.marks[0], "70")
    assert how_far(inside).state == State.HANDED_IN


def test_a_class_whose_marks_all_stand_is_decided_also_when_nobody_handed_it_in(inside):
    for mark in inside.marks:
        inside.stand(mark, "60", by=inside.t1)
    assert how_far(inside).state == State.DECIDED


def test_a_pupil_who_left_is_waited_for_no_more(inside):
    inside.stand(inside.marks[0], "60", by=inside.t1)
    inside.stand(inside.marks[1], "60", by=inside.t1)
    inside.t1.types(inside.marks[2], "50")
    gone = [
        Draft(
            entity_type="enrollment", entity_id=inside.marks[2], field="status", typed="withdrawn"
        )
    ]
    inside.a.enters(gone, whole=True)
    its = how_far(inside)
    assert (its.pupils, its.entered) == (2, 2)
    assert its.state == State.TYPING  # the mark that was typed for the third still awaits approval


def test_a_class_without_pupils_has_nothing_to_hand_in(inside):
    a_class(inside, "EMPTY-1", inside.t2)
    its = how_far(inside, "EMPTY-1")
    assert its.state == State.EMPTY
    assert not its.is_to_hand_in


# The page. ----------------------------------------------------------------------------------------


def board_of(person: Person, query: str = "") -> str:
    response = Browser(person).get(reverse("admin:board") + query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def rows(page: str) -> list[str]:
    """The classes that the list of the page names."""
    return re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', page)


@pytest.fixture
def three(people):
    """Three classes: one not begun, one typing, one decided."""
    with enter(people.school):
        ids = {"CHE-1": a_class(people, "CHE-1", people.t2), "CHE-2": a_class(people, "CHE-2")}
        marks = {code: more_pupils_named(people, code, section) for code, section in ids.items()}
        people.t2.types(marks["CHE-1"], "50")
        people.stand(marks["CHE-2"], "50", by=people.t2)
    return people


def more_pupils_named(people, code: str, section: uuid.UUID) -> uuid.UUID:
    student = creation("student", {"family_name": f"Pupil of {code}"})
    place = creation("enrollment", {"student": str(student[0].entity_id), "section": str(section)})
    people.a.enters([*student, *place], whole=True)
    return place[0].entity_id


def test_the_office_sees_every_class_of_the_term_with_its_state(three):
    page = board_of(three.a)
    assert rows(page) == ["BIO-2", "CHE-1", "CHE-2"]
    assert "Autumn 2026: 3 classes" in page
    for words in ('BIO-2<span class="visually-hidden">: not begun, 0 of 3', ": typing, 1 of 1"):
        assert words in page
    assert ": decided, 1 of 1" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=typing", ["CHE-1"]),
        ("state=decided", ["CHE-2"]),
        ("teacher=nobody", ["CHE-2"]),
        ("q=che-", ["CHE-1", "CHE-2"]),
        ("q=t2+biology", ["CHE-1"]),
        ("q=zzz", []),
        ("state=nonsense", []),
        ("due=open", ["BIO-2", "CHE-1", "CHE-2"]),
        ("due=late", []),
        ("by=course", ["BIO-2", "CHE-1", "CHE-2"]),
        ("by=due", ["BIO-2", "CHE-1", "CHE-2"]),
    ],
)
def test_the_board_is_filtered(three, query, found):
    assert rows(board_of(three.a, f"?{query}")) == found


@pytest.mark.parametrize(
    ("by", "headings"),
    [
        ("teacher", ["nobody", "T1 Teacher", "T1 Teacher"]),
        ("course", ["BIO Biology"]),
        ("due", ["no last day"]),
        ("nonsense", []),
    ],
)
def test_the_picture_is_grouped_and_people_of_one_name_stay_apart(three, by, headings):
    type(three.t2.user).objects.filter(pk=three.t2.user.pk).update(name=three.t1.user.name)
    page = board_of(three.a, f"?by={by}")
    picture = page.partition('<dl class="board">')[2].partition("</dl>")[0]
    assert re.findall(r"<dt>([^<]*)</dt>", picture) == headings


def test_classes_are_late_once_their_last_day_has_passed_and_until_they_are_handed_in(three):
    with enter(three.school):
        closes(three, "2020-01-01")
    page = board_of(three.a, "?due=late")
    assert "<b>2 late</b>" in page
    assert rows(page) == ["BIO-2", "CHE-1"]


def test_a_teacher_is_refused(people):
    for name in ("admin:board", "admin:board_remind"):
        assert Browser(people.t1).get(reverse(name)).status_code == 403
        assert Browser(people.t1).send(reverse(name)).status_code == 403


def test_the_office_of_another_school_sees_nothing_of_this_one(three):
    page = board_of(three.outsider, f"?term={three.term}")
    assert "There is no term yet." in page
    assert "BIO-2" not in page


def test_the_board_costs_the_same_for_many_classes_as_for_few(people):
    def cost() -> int:
        browser = Browser(people.a)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(reverse("admin:board")).status_code == 200
        return len(queries)

    def grow(start: int, count: int) -> None:
        with enter(people.school):
            drafts = []
            for n in range(start, start + count):
                section = creation(
                    "section",
                    {
                        "course": str(people.course),
                        "term": str(people.term),
                        "code": f"C-{n}",
                        "scale": str(people.scale.pk),
                        "instructor": str(people.t2.user.pk),
                    },
                )
                student = creation("student", {"family_name": f"P{n}"})
                place: dict[str, str | None] = {
                    "student": str(student[0].entity_id),
                    "section": str(section[0].entity_id),
                }
                drafts += [*section, *student, *creation("enrollment", place)]
            people.a.enters(drafts, whole=True)
            places = [d.entity_id for d in drafts if d.entity_type == "enrollment"]
            marks = [
                Draft(entity_type="enrollment", entity_id=each, field="grade", typed="50")
                for each in sorted(set(places))
            ]
            people.t2.proposes(marks)

    grow(0, 30)
    few = cost()
    grow(30, 270)
    assert cost() == few < 22


# Reminding. ---------------------------------------------------------------------------------------


def sent_to(people) -> dict[str, str]:
    with enter(people.school):
        rows = OutboxMessage.objects.filter(key__startswith="reminder ")
        return {row.to: row.body for row in rows}


def reminds(person: Person, **sent: str):
    """Remind all who have to hand in, whether they are late or not."""
    browser, at = Browser(person), reverse("admin:board_remind")
    asked = browser.send(at, {"whom": "all", **sent}, follow=True)
    sure = form_of(asked.content.decode(), at)
    return browser.send(at, sure, follow=True) if "sure" in sure else asked


def test_the_late_are_reminded_with_one_message_each_that_lists_their_classes(three):
    with enter(three.school):
        extra = a_class(three, "BIO-9", three.t1)
        more_pupils(three, 1, extra)
        closes(three, "2199-12-12")  # not late in any year in which this runs
    page = reminds(three.a, term=str(three.term)).content.decode()
    assert "Reminded by e-mail: T1 Teacher, T2 Teacher." in page
    bodies = sent_to(three)
    assert set(bodies) == {three.t1.user.email, three.t2.user.email}
    to_t1 = bodies[three.t1.user.email]
    assert "- BIO-2 (Biology): until 12 December 2199\n" in to_t1
    assert "- BIO-9 (Biology): until 12 December 2199\n" in to_t1
    assert "CHE" not in to_t1
    assert "http://testserver/classes/" in to_t1
    with enter(three.school):
        row = AuditLog.objects.get(event="people", detail__startswith="reminded")
    assert row.user == three.a.user
    assert set(row.metadata["reminded"]) == {str(three.t1.user.pk), str(three.t2.user.pk)}


def test_who_would_be_written_to_is_said_before_anybody_is(three):
    asked = {"term": str(three.term), "whom": "all"}
    page = Browser(three.a).send(reverse("admin:board_remind"), asked).content.decode()
    assert "Remind 2 teachers?" in page
    assert f"T1 Teacher ({three.t1.user.email}): " in page
    with enter(three.school):
        assert not OutboxMessage.objects.filter(key__startswith="reminder ").exists()
    form = form_of(page, reverse("admin:board_remind"))
    done = Browser(three.a).send(reverse("admin:board_remind"), form, follow=True)
    assert "Reminded by e-mail: T1 Teacher, T2 Teacher." in done.content.decode()


def test_a_reminder_tells_nothing_of_what_a_colleague_has_typed(people):
    """A teacher knows of their own waiting changes only."""
    with enter(people.school):
        before = reminded_body(people)
        people.t2.types(people.marks[0], "13")
        assert reminded_body(people) == before


def reminded_body(people) -> str:
    term = Term.objects.get(pk=people.term)
    classes = board.of_term(term, by=people.a.member)
    at = people.clock.tick() + dt.timedelta(days=OutboxMessage.objects.count())
    reminders.remind(
        term, classes, link="https://x.example/", by=people.a.member, origin=people.a.origin(at)
    )
    return OutboxMessage.objects.latest("created_at", "id").body


def test_a_click_twice_and_a_colleague_s_click_remind_once_on_a_day(three):
    three.have_noon()
    for person in (three.a, three.a, three.b):
        page = reminds(person, term=str(three.term)).content.decode()
    assert "Had been reminded today already: T1 Teacher, T2 Teacher." in page
    assert len(sent_to(three)) == 2
    with enter(three.school):
        assert AuditLog.objects.filter(detail__startswith="reminded").count() == 1
        assert OutboxMessage.objects.count() == 2


def test_the_next_day_one_may_be_reminded_again(inside):
    term = Term.objects.get(pk=inside.term)
    classes = board.of_term(term, by=inside.a.member)
    start = dt.datetime(2026, 11, 9, 23, 30, tzinfo=dt.UTC)
    told = []
    for minutes in (0, 29, 31):  # midnight by the school's clocks is half an hour later
        origin = inside.a.origin(start + dt.timedelta(minutes=minutes))
        reminded, _ = reminders.remind(term, classes, link="", by=inside.a.member, origin=origin)
        told.append([str(each) for each in reminded])
    assert told == [["T1 Teacher"], [], ["T1 Teacher"]]


def test_only_the_classes_that_the_filters_show_are_reminded_of(three):
    reminds(three.a, term=str(three.term), teacher=str(three.t2.user.pk))
    assert set(sent_to(three)) == {three.t2.user.email}


def test_who_has_left_and_who_has_handed_in_are_not_reminded(three):
    with enter(three.school):
        hands_in(three.t1, three.section, blanks=three.marks)
    Membership.objects.filter(pk=three.t2.member.pk).update(is_active=False)
    page = reminds(three.a, term=str(three.term)).content.decode()
    assert "Nobody was reminded" in page
    assert sent_to(three) == {}


def test_whose_account_is_frozen_is_not_reminded(inside):
    freezing.freeze(inside.t1.member, by=inside.a.member, origin=inside.a.origin())
    term = Term.objects.get(pk=inside.term)
    late = board.of_term(term, by=inside.a.member)
    done = reminders.remind(term, late, link="x", by=inside.a.member, origin=inside.a.origin())
    assert done == ([], [])
    freezing.unfreeze(inside.t1.member, by=inside.a.member, origin=inside.a.origin())
    done = reminders.remind(term, late, link="x", by=inside.a.member, origin=inside.a.origin())
    assert done == ([inside.t1.user], [])


def test_the_page_says_who_was_reminded_when_and_whether_the_mail_has_left(three):
    assert board_of(three.a).count("not sent yet") == 0
    reminds(three.a, term=str(three.term))
    assert board_of(three.a).count("not sent yet") == 2
    with enter(three.school):
        OutboxMessage.objects.update(sent_at=dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC))
    page = board_of(three.a)
    assert "not sent yet" not in page
    assert page.count('data-label="Teacher reminded"><div><time') == 2


def test_only_the_office_reminds(inside):
    term = Term.objects.get(pk=inside.term)
    with pytest.raises(reminders.MayNotRemind):
        reminders.remind(term, [], link="", by=inside.t1.member, origin=inside.t1.origin())

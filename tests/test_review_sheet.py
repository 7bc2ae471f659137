"""One sheet of what waits, as the office decides on it: fast where all is well, slow where not."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from changes.deciding import Act, CannotProject
from changes.flags import Flag
from changes.models import Change, Decision
from changes.propose import Draft, creation
from changes.wording import Part, compare
from grading.models import GradeCorrection, GradingScale, Section
from tests.cast import only, open_changes
from tests.forms_of import Form
from tests.pages import Browser, more_pupils
from tests.test_statement_counts import a_class_of, marks

QUEUE = "/office/review/"


@pytest.fixture
def office(people):
    return Browser(people.a)


def sheet_of(people, person, group=None):
    key = group or f"section-{people.section}"
    return reverse("admin:review_sheet", args=[key, person.user.pk])


def types(people, person, *args, **options):
    with enter(people.school):
        return only(person.types(*args, **options))


def statuses(people, *changes):
    with enter(people.school):
        found = Change.objects.in_bulk([change.pk for change in changes])
        return [found[change.pk].status for change in changes]


def decisions(people, kind):
    with enter(people.school):
        return list(Decision.objects.filter(kind=kind).order_by("number"))


def approve_ordinary(office, page):
    return office.post(reverse("admin:approve_ordinary"), Form(page, "key").data())


def said(office, path=QUEUE):
    return [str(message) for message in office.get(path).context["messages"]]


# All is well. -------------------------------------------------------------------------------------


def test_an_ordinary_sheet_is_approved_with_one_click(office, people):
    changes = [types(people, people.t1, mark, "75") for mark in people.marks]
    page = office.get(sheet_of(people, people.t1))
    assert "Approve all 3" in page.content.decode()
    response = approve_ordinary(office, page)
    assert response.url == QUEUE
    assert statuses(people, *changes) == ["approved"] * 3
    (decision,) = decisions(people, "approve")
    assert said(office) == [f"Approved: 3 changes, decision {decision.number}."]
    with enter(people.school):
        assert people.is_equal()


def test_the_same_click_twice_is_one_decision(office, people):
    types(people, people.t1, people.marks[0], "75")
    page = office.get(sheet_of(people, people.t1))
    assert approve_ordinary(office, page).status_code == 302
    assert approve_ordinary(office, page).status_code == 302
    assert len(decisions(people, "approve")) == 1
    assert "sent twice" in said(office)[-1]


def test_what_is_flagged_stays_and_is_one_click_away(office, people):
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
    correction = types(people, people.t1, people.marks[0], "65", reason="added up wrongly")
    first = types(people, people.t1, people.marks[1], "75")
    sheet = sheet_of(people, people.t1)
    page = office.get(sheet)
    assert "Approve the 1 ordinary" in page.content.decode()
    response = approve_ordinary(office, page)
    assert response.url == sheet
    assert statuses(people, first, correction) == ["approved", "provisional"]
    (message,) = said(office, sheet)
    assert f'<a href="{sheet}?flag=any">1 flagged one stays: look at it.</a>' in message


# What was seen is what is approved. ---------------------------------------------------------------


def test_what_the_author_retyped_after_the_page_was_shown_is_not_approved(office, people):
    kept = types(people, people.t1, people.marks[0], "75")
    seen = types(people, people.t1, people.marks[1], "76")
    page = office.get(sheet_of(people, people.t1))
    newer = types(people, people.t1, people.marks[1], "67")
    response = approve_ordinary(office, page)
    assert response.status_code == 409
    assert "typed something newer" in response.content.decode()
    assert [line.new for line in response.context["shown"].newer] == ["67"]
    assert statuses(people, kept, seen, newer) == ["provisional"] * 3


def test_what_came_after_the_page_was_shown_is_not_approved_with_it(office, people):
    types(people, people.t1, people.marks[0], "75")
    page = office.get(sheet_of(people, people.t1))
    later = types(people, people.t1, people.marks[1], "76")
    assert approve_ordinary(office, page).status_code == 302
    assert statuses(people, later) == ["provisional"]


def test_what_has_come_up_since_is_shown_before_anything_is_approved(office, people):
    one = types(people, people.t1, people.marks[0], "Good.", field="comment")
    other = types(people, people.t1, people.marks[1], "75")
    page = office.get(sheet_of(people, people.t1))
    types(people, people.t2, people.marks[0], "Better.", field="comment")
    response = approve_ordinary(office, page)
    assert response.status_code == 409
    assert "Something has come up since you looked" in response.content.decode()
    assert "T2 Teacher proposes another value" in response.content.decode()
    assert statuses(people, one, other) == ["provisional"] * 2
    decide = office.post(reverse("admin:decide"), Form(response, "seen").data())
    assert decide.url == QUEUE  # nothing of this sheet waits any more
    assert statuses(people, one, other) == ["approved"] * 2


def test_what_somebody_else_decided_meanwhile_is_told_with_who(office, people):
    one = types(people, people.t1, people.marks[0], "75")
    other = types(people, people.t1, people.marks[1], "76")
    page = office.get(sheet_of(people, people.t1))
    with enter(people.school):
        people.b.declines(one, reason="wrong pupil")
    response = approve_ordinary(office, page)
    assert response.status_code == 409
    assert "B Admin declined this" in response.content.decode()
    assert statuses(people, one, other) == ["declined", "provisional"]


def test_a_withdrawal_meanwhile_is_told_too(office, people):
    change = types(people, people.t1, people.marks[0], "75")
    page = office.get(sheet_of(people, people.t1))
    with enter(people.school):
        people.t1.withdraws(change)
    response = approve_ordinary(office, page)
    assert response.status_code == 409
    assert "or withdrew it, since you looked" in response.content.decode()


def test_a_flagged_change_is_not_approved_by_the_one_click_door(office, people):
    change = types(people, people.t2, people.marks[0], "75")  # not the class's teacher
    sent = {"ordinary": str(change.pk), "key": "k"}
    assert office.send(reverse("admin:approve_ordinary"), sent).status_code == 409
    assert statuses(people, change) == ["provisional"]


def test_changes_of_another_school_are_not_approved(people):
    change = types(people, people.t1, people.marks[0], "75")
    outsider = Browser(people.outsider)
    sent = {"ordinary": str(change.pk), "key": "k"}
    assert outsider.send(reverse("admin:approve_ordinary"), sent).status_code == 404
    assert statuses(people, change) == ["provisional"]


def test_a_sheet_of_another_school_shows_nothing(people):
    types(people, people.t1, people.marks[0], "75")
    page = Browser(people.outsider).get(sheet_of(people, people.t1))
    assert page.status_code == 404
    assert "T1 Teacher" not in page.content.decode()


def test_a_sheet_of_which_nothing_waits_says_so(office, people):
    page = office.get(sheet_of(people, people.t1)).content.decode()
    assert "What T1 Teacher typed here has been decided, or withdrawn." in page


def test_the_scale_changed_while_it_waited_so_it_is_flagged_and_refused_with_why(office, people):
    change = types(people, people.t1, people.marks[0], "75")
    with enter(people.school):
        letters = GradingScale.objects.create(school=people.school, name="Letters", kind="letters")
        people.a.enters(
            [
                Draft(
                    entity_type="section",
                    entity_id=people.section,
                    field="scale",
                    typed=str(letters.pk),
                )
            ]
        )
    page = office.get(sheet_of(people, people.t1))
    assert "cannot be approved as it is" in page.content.decode()
    assert page.context["count"] == 0
    ticked = office.post(
        reverse("admin:confirm"), Form(page, "key").data(change=str(change.pk), action="approve")
    )
    assert ticked.context["shown"].count == 0
    assert "Nothing of this can be approved as it is" in ticked.content.decode()


def test_who_lost_the_class_or_left_is_flagged_and_their_mark_decided(office, people):
    change = types(people, people.t2, people.marks[0], "75")
    with enter(people.school):
        people.t2.member.is_active = False
        people.t2.member.save()
    page = office.get(sheet_of(people, people.t2))
    html = page.content.decode()
    assert "account closed" in html
    assert "not by the class’s teacher" in html
    sent = Form(page, "key").data(change=str(change.pk), action="approve")
    confirmation = office.post(reverse("admin:confirm"), sent)
    office.post(reverse("admin:decide"), Form(confirmation, "seen").data())
    assert statuses(people, change) == ["approved"]


def test_where_the_database_refuses_nothing_is_done_and_why_is_shown(office, people, monkeypatch):
    change = types(people, people.t1, people.marks[0], "75")
    page = office.get(sheet_of(people, people.t1))

    def refuses(*args):
        raise CannotProject("A rule of the database would be broken: enrollment_status_known.")

    monkeypatch.setattr(Act, "project", refuses)
    response = approve_ordinary(office, page)
    assert response.status_code == 409
    assert "Nothing was done" in response.content.decode()
    assert "enrollment_status_known" in response.content.decode()
    assert statuses(people, change) == ["provisional"]
    assert decisions(people, "approve") == []


# One line. ----------------------------------------------------------------------------------------


def conflict(people):
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        change = only(people.t2.types(people.marks[0], "65", reason="added up wrongly"))
        people.stand(people.marks[0], "70", by=people.t1)
    return change


def press(office, people, person, **button):
    page = office.get(sheet_of(people, person))
    return office.post(reverse("admin:confirm"), Form(page, "key").data(**button))


def test_using_the_proposed_value_of_a_conflict_is_one_click_and_a_confirmation(office, people):
    change = conflict(people)
    page = press(office, people, people.t2, insist=str(change.pk))
    assert [line.new for line in page.context["shown"].done] == ["65"]
    assert statuses(people, change) == ["provisional"]
    office.post(reverse("admin:decide"), Form(page, "seen").data())
    with enter(people.school):
        assert people.grade(people.marks[0]) == "65"
        assert people.is_equal()


def test_keeping_what_stands_declines_with_words_that_are_there_already(office, people):
    change = conflict(people)
    page = press(office, people, people.t2, decline=str(change.pk))
    form = Form(page, "seen")
    assert form.data()["reason"] == ["70 was entered later, and stays."]
    office.post(reverse("admin:decide"), form.data())
    assert statuses(people, change) == ["declined"]
    with enter(people.school):
        assert people.grade(people.marks[0]) == "70"


def test_what_would_be_approved_with_it_shows_its_own_flags(office, people):
    with enter(people.school):
        twin = people.t1.creates("student", number="104", given_names="Ada", family_name="Abott")
        enrolment = people.t1.enrols(twin, people.section)
        ids = " ".join(str(change.pk) for change in people.open_of(enrolment))
    page = office.get(sheet_of(people, people.t1))
    sent = Form(page, "key").data(change=ids, action="approve")
    confirmation = office.post(reverse("admin:confirm"), sent)
    (line,) = confirmation.context["shown"].with_it
    assert Flag.TWIN in {mark.flag for mark in line.marks}
    assert "There is a pupil of nearly this name: Abbott, Ada." in confirmation.content.decode()


def test_the_button_of_a_line_declines_this_line_whatever_is_ticked(office, people):
    one, other = (types(people, people.t1, mark, "75") for mark in people.marks[:2])
    page = press(office, people, people.t1, decline=str(one.pk), change=str(other.pk))
    assert [line.ids for line in page.context["shown"].done] == [str(one.pk)]
    assert "Decline?" in page.content.decode()


def test_one_s_own_earlier_reasons_are_offered_and_count_where_nothing_is_typed(office, people):
    with enter(people.school):
        for person, mark, reason in (
            (people.a, 0, "Ada was away"),
            (people.b, 1, "not this one"),
            (people.a, 2, "Ada was away"),
        ):
            change = only(people.t1.types(people.marks[mark], "10"))
            person.declines(change, reason=reason)
    change = types(people, people.t1, people.marks[0], "75")
    page = press(office, people, people.t1, decline=str(change.pk))
    assert page.context["earlier_reasons"] == ["Ada was away"]
    sent = Form(page, "seen").data(said="Ada was away")
    assert office.post(reverse("admin:decide"), sent).status_code == 302
    assert decisions(people, "decline")[-1].reason == "Ada was away"
    assert statuses(people, change) == ["declined"]


def test_thirty_marks_one_in_conflict_what_can_be_is_approved_and_one_keeps_waiting(office, people):
    with enter(people.school):
        enrolments = [*people.marks[1:], *more_pupils(people, 27), people.marks[0]]
        changes = [only(people.t1.types(each, "75")) for each in enrolments]
        people.stand(people.marks[0], "70", by=people.t2)
    page = office.get(sheet_of(people, people.t1), {"tick": "all"})
    ticked = office.post(reverse("admin:confirm"), Form(page, "key").data(action="approve"))
    assert [line.title for line in ticked.context["shown"].refused] == ["Abbott, Ada in BIO-2"]
    assert "Approve what can be: 29" in ticked.content.decode()
    response = office.post(reverse("admin:decide"), Form(ticked, "seen").data())
    assert response.url == sheet_of(people, people.t1)
    assert statuses(people, *changes) == ["approved"] * 29 + ["provisional"]


# Another value. -----------------------------------------------------------------------------------


def instead(office, change, **sent):
    path = reverse("admin:another_value", args=[change.pk])
    form = Form(office.get(path), "value")
    return office.post(path, form.data(**sent))


def test_the_office_enters_another_first_mark_at_once_as_its_own(office, people):
    change = types(people, people.t1, people.marks[0], "57")
    response = instead(office, change, value="75", reason="Read from the paper.")
    assert response.url == QUEUE
    assert statuses(people, change) == ["declined"]
    assert decisions(people, "decline")[0].reason == (
        "The office has entered 75 instead. Read from the paper."
    )
    with enter(people.school):
        assert people.grade(people.marks[0]) == "75"
        own = Change.objects.get(entity_id=people.marks[0], field="grade", status="approved")
        assert own.author == people.a.user
        assert GradeCorrection.objects.count() == 0
        assert people.is_equal()


def test_where_a_mark_stands_the_office_s_own_waits_for_a_second_person(office, people):
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
    change = types(people, people.t1, people.marks[0], "65", reason="added up wrongly")
    instead(office, change, value="66", reason="Added up again.")
    assert statuses(people, change) == ["declined"]
    with enter(people.school):
        assert people.grade(people.marks[0]) == "60"
        (own,) = people.open_of(people.marks[0])
        assert (own.author, own.value, own.two_people) == (people.a.user, "66", True)
        people.b.approves(own)
        assert people.grade(people.marks[0]) == "66"
        assert people.is_equal()


@pytest.mark.parametrize(
    ("value", "complaint"),
    [("180", "out of bounds"), ("57.0", "what waits already"), ("5O", "is no mark here")],
)
def test_a_value_that_is_none_enters_and_declines_nothing(office, people, value, complaint):
    change = types(people, people.t1, people.marks[0], "57")
    response = instead(office, change, value=value, reason="Read from the paper.")
    assert response.status_code == 422
    assert complaint in response.content.decode()
    assert statuses(people, change) == ["provisional"]
    with enter(people.school):
        assert open_changes() == {change.pk}


def test_without_a_reason_nothing_is_entered(office, people):
    change = types(people, people.t1, people.marks[0], "57")
    assert instead(office, change, value="75", reason=" ").status_code == 422
    assert statuses(people, change) == ["provisional"]


def test_another_value_sent_twice_is_entered_once(office, people):
    change = types(people, people.t1, people.marks[0], "57")
    path = reverse("admin:another_value", args=[change.pk])
    sent = Form(office.get(path), "value").data(value="75", reason="Read from the paper.")
    assert office.post(path, sent).status_code == 302
    assert office.post(path, sent).status_code == 302
    with enter(people.school):
        own = Change.objects.proposed_by(people.a.user.pk).filter(field="grade")
        assert own.count() == 1


def test_what_was_retyped_meanwhile_is_not_replaced(office, people):
    change = types(people, people.t1, people.marks[0], "57")
    path = reverse("admin:another_value", args=[change.pk])
    sent = Form(office.get(path), "value").data(value="75", reason="Read from the paper.")
    newer = types(people, people.t1, people.marks[0], "58")
    assert office.post(path, sent).status_code == 302
    assert "does not wait any more" in said(office)[0]
    assert statuses(people, change, newer) == ["provisional"] * 2


def test_a_record_that_waits_itself_is_decided_on_first(office, people):
    with enter(people.school):
        dora = people.t1.creates("student", number="104", family_name="Dean")
        number = Change.objects.get(entity_id=dora, field="number")
    page = office.get(reverse("admin:another_value", args=[number.pk])).content.decode()
    assert "not approved yet. Decide on it first." in page
    sheet = office.get(sheet_of(people, people.t1, "student")).content.decode()
    assert "Change …" not in sheet


def test_changes_of_another_school_are_not_replaced(people):
    change = types(people, people.t1, people.marks[0], "57")
    path = reverse("admin:another_value", args=[change.pk])
    response = Browser(people.outsider).send(path, {"value": "75", "reason": "x"})
    assert response.status_code == 404
    assert statuses(people, change) == ["provisional"]


# What helps to judge. -----------------------------------------------------------------------------


def test_the_sheet_shows_figures_and_what_the_pupil_had_before(office, people):
    with enter(people.school):
        term = creation("term", {"name": "Summer 2026", "starts_on": "2026-04-01"})
        section = creation(
            "section",
            {
                "course": str(people.course),
                "term": str(term[0].entity_id),
                "code": "OLD",
                "scale": str(people.scale.pk),
            },
        )
        enrolment = creation(
            "enrollment",
            {
                "student": str(people.students[0]),
                "section": str(section[0].entity_id),
                "grade": "71",
            },
        )
        people.a.enters([*term, *section, *enrolment], whole=True)
        people.t1.types(people.marks[0], "70")
        people.t1.types(people.marks[1], "80")
        people.t1.types(people.marks[2], "AB")
    page = office.get(sheet_of(people, people.t1))
    (beside,) = page.context["beside"]
    assert dict(beside.figures) == {
        "Marks": "3",
        "Mean": "75.0",
        "Spread": "5.0",
        "Lowest": "70",
        "Highest": "80",
    }
    rows = {row.title: list(row.earlier) for row in page.context["rows"]}
    assert rows["Abbott, Ada"] == [("Summer 2026, Biology", "71")]
    assert rows["Brown, Ben"] == []


def test_a_changed_comment_shows_what_went_and_what_came_word_by_word(office, people):
    with enter(people.school):
        people.stand(
            people.marks[0], "Ada reads the questions twice.", by=people.t1, field="comment"
        )
    types(people, people.t1, people.marks[0], "Ada reads every question twice.", field="comment")
    page = office.get(sheet_of(people, people.t1)).content.decode()
    assert "Ada reads <del>the</del><ins>every</ins>" in page.replace("\n", "")


def test_words_are_compared_where_that_is_easier_to_read():
    assert compare("one two three", "one 2 three") == [
        Part("same", "one "),
        Part("gone", "two"),
        Part("new", "2"),
        Part("same", " three"),
    ]
    assert compare("70", "75") == []
    assert compare("a b c d", "w x y z") == []
    assert compare("word " * 2000, "other " * 2000) == []


# Finding. -----------------------------------------------------------------------------------------


def found(office, **asked):
    page = office.get(QUEUE, asked)
    return sorted((heap.author, len(heap.items)) for heap in page.context.get("page") or [])


@pytest.fixture
def busy(people):
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        people.t1.types(people.marks[0], "65", reason="added up wrongly")
        people.t1.types(people.marks[1], "75")
        people.t2.types(people.marks[2], "Good.", field="comment")
        late = people.clock.now + dt.timedelta(days=3)
        people.v.creates("student", number="X-104", family_name="Dean", at=late)
    return people


def test_the_queue_is_narrowed_by_who_class_kind_flag_and_day(office, busy):
    everything = [("T1 Teacher", 2), ("T2 Teacher", 1), ("V Sweet", 1)]
    assert found(office) == everything
    assert found(office, teacher=str(busy.t1.user.pk)) == [("T1 Teacher", 2)]
    assert found(office, group=f"section-{busy.section}") == everything[:2]
    assert found(office, group="student") == [("V Sweet", 1)]
    assert found(office, kind="enrollment.comment") == [("T2 Teacher", 1)]
    assert found(office, kind="student.new") == [("V Sweet", 1)]
    assert found(office, flag="stands") == [("T1 Teacher", 1)]
    assert found(office, flag="none") == [("T1 Teacher", 1)]
    assert found(office, flag="any") == [("T1 Teacher", 1), ("T2 Teacher", 1), ("V Sweet", 1)]
    assert found(office, since="2026-11-10") == [("V Sweet", 1)]
    assert found(office, until="2026-11-09") == everything[:2]


def test_a_pupil_is_found_by_name_and_by_number_also_a_new_one(office, busy):
    assert found(office, sought="ada abb") == [("T1 Teacher", 1)]
    assert found(office, sought="103") == [("T2 Teacher", 1)]
    assert found(office, sought="x-104") == [("V Sweet", 1)]
    assert found(office, sought="nobody") == []


@pytest.mark.parametrize(
    "asked",
    [{"teacher": "x"}, {"flag": "\x00"}, {"since": "x"}, {"sought": "\x00"}, {"sought": "a" * 101}],
)
def test_a_filter_that_is_none_finds_nothing_and_breaks_nothing(office, busy, asked):
    page = office.get(QUEUE, asked)
    assert page.status_code == 200
    assert "Nothing of this waits" in page.content.decode()


def test_the_filters_of_an_address_that_is_none_break_no_sheet(office, busy):
    for asked in ({"flag": "\x00"}, {"page": "x"}, {"flag": "none", "page": "99"}):
        assert office.get(sheet_of(busy, busy.t1), asked).status_code == 200


def test_all_ordinary_ones_that_are_shown_are_approved_after_a_confirmation(office, busy):
    page = office.get(QUEUE)
    assert "Approve the 1 ordinary change" in page.content.decode()
    confirmation = office.post(reverse("admin:confirm"), Form(page, "change").data())
    assert [line.title for line in confirmation.context["shown"].done] == ["Brown, Ben in BIO-2"]
    office.post(reverse("admin:decide"), Form(confirmation, "seen").data())
    with enter(busy.school):
        assert busy.grade(busy.marks[1]) == "75"
        assert len(open_changes()) == 5  # the flagged: one, one, and a pupil of three cells


# Many. --------------------------------------------------------------------------------------------


def test_three_hundred_rows_cost_as_many_statements_as_thirty(office, people):
    def cost(path):
        with CaptureQueriesContext(connection) as captured:
            assert office.get(path).status_code == 200
        return len(captured)

    def fill(size):
        with enter(people.school):
            people.t1.proposes(marks(a_class_of(people, size), "70"))
            section = Section.objects.get(code=f"BIG-{size}").pk
        return sheet_of(people, people.t1, f"section-{section}")

    few = fill(30)
    sheet, queue, found = cost(few), cost(QUEUE), cost(f"{QUEUE}?sought=pupil")
    many = fill(300)
    assert cost(many) == sheet
    assert cost(QUEUE) == queue
    assert cost(f"{QUEUE}?sought=pupil") == found


def test_what_much_else_builds_on_is_one_box_and_then_listed_by_group(office, people, monkeypatch):
    monkeypatch.setattr("changes.review_pages.LISTED", 2)
    with enter(people.school):
        enrolled = []
        for number in range(3):
            new = people.t1.creates("student", number=f"9{number}", family_name=f"New {number}")
            enrolled.append(people.t1.enrols(new, people.section))
        ids = " ".join(str(change.pk) for change in people.open_of(*enrolled))
    page = office.get(sheet_of(people, people.t1))
    sent = Form(page, "key").data(change=ids, action="approve")
    refused = office.post(reverse("admin:confirm"), sent)
    form = Form(refused, "seen")
    assert [name for name, _ in form.boxes] == ["change"]
    again = office.post(reverse("admin:confirm"), form.data())
    shown = again.context["shown"]
    assert [(heap.group.key, heap.flagged) for heap in shown.heaps] == [
        ("student", 3),
        (f"section-{people.section}", 3),
    ]
    assert office.post(reverse("admin:decide"), Form(again, "seen").data()).status_code == 302
    with enter(people.school):
        assert open_changes() == set()
        assert people.is_equal()


def test_a_thousand_marks_are_approved_from_the_queue_in_few_fields(office, people):
    with enter(people.school):
        people.t1.proposes(marks(a_class_of(people, 500), "70"))
    page = office.get(QUEUE)
    confirmation = office.post(reverse("admin:confirm"), Form(page, "change").data())
    assert confirmation.context["shown"].count == 1000
    assert [heap.ordinary for heap in confirmation.context["shown"].heaps] == [1000]
    assert len(confirmation.content) < 150_000
    sent = Form(confirmation, "seen").data()
    assert sum(len(values) for values in sent.values()) < 20
    with CaptureQueriesContext(connection) as captured:
        assert office.post(reverse("admin:decide"), sent).status_code == 302
    assert len(captured) < 60
    with enter(people.school):
        assert open_changes() == set()
        assert people.is_equal()

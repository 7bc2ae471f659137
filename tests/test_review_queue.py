"""The review queue, as the office uses it: look, tick, read what will be done, decide."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import AuditLog
from changes.flags import Flag
from changes.models import Change, Decision
from changes.propose import creation
from grading.models import GradeCorrection, HandIn
from tests.cast import only, open_changes, typed
from tests.forms_of import Form

QUEUE, CONFIRM, DECIDE = "/office/review/", "/office/review/confirm/", "/office/review/decide/"


@pytest.fixture
def office(client, people):
    client.force_login(people.a.user)
    return client


def decisions(people, kind):
    with enter(people.school):
        return list(Decision.objects.filter(kind=kind).order_by("number"))


def types(people, person, *args, **options):
    with enter(people.school):
        return only(person.types(*args, **options))


def fresh(people, change):
    with enter(people.school):
        change.refresh_from_db()
        return change


def confirm(client, people, *changes, action="approve", **more):
    sent = {"school": people.school.pk, "action": action}
    ticked = [" ".join(str(c.pk) for c in changes)]
    return client.post(CONFIRM, {**sent, "change": ticked, **more})


def decide(client, page, **more):
    form = Form(page, "seen")
    return client.post(DECIDE, form.data(**more))


def lines(page, which):
    return [(line.title, line.field) for line in getattr(page.context["shown"], which)]


# Looking. -----------------------------------------------------------------------------------------


def heaps(office, **asked):
    return [
        (heap.group.label, heap.author, heap.ordinary, heap.flagged)
        for heap in office.get(QUEUE, asked).context["page"]
    ]


def sheet_of(people, person, group=None):
    key = group or f"section-{people.section}"
    return reverse("admin:review_sheet", args=[key, person.user.pk])


def rows_of(office, people, person, group=None, **asked):
    return office.get(sheet_of(people, person, group), asked).context["rows"]


def another_class(people, code, instructor):
    """A class of one pupil; return that pupil's enrolment."""
    with enter(people.school):
        section = creation(
            "section",
            {
                "course": str(people.course),
                "term": str(people.term),
                "code": code,
                "scale": str(people.scale.pk),
                "instructor": str(instructor.user.pk),
            },
        )
        enrolment = creation(
            "enrollment",
            {"student": str(people.students[0]), "section": str(section[0].entity_id)},
        )
        people.a.enters([*section, *enrolment], whole=True)
    return enrolment[0].entity_id


BIO = "BIO-2 Biology, Autumn 2026"


def test_the_queue_has_a_line_for_each_class_and_teacher(office, people):
    types(people, people.t1, people.marks[0], "75")
    types(people, people.t1, people.marks[1], "80")
    types(people, people.t2, people.marks[2], "61")
    assert heaps(office) == [(BIO, "T1 Teacher", 2, 0), (BIO, "T2 Teacher", 0, 1)]
    assert "not by the class’s teacher" in office.get(QUEUE).content.decode()


def test_what_is_of_no_class_is_grouped_by_what_it_is(office, people):
    with enter(people.school):
        people.t1.creates("student", number="104", given_names="Dora", family_name="Dean")
        people.t1.changes_cell("section", people.section, capacity="25")
        people.t1.changes_cell("course", people.course, title="Life")
    assert heaps(office) == [
        ("New and changed pupils", "T1 Teacher", 0, 1),
        ("Section details", "T1 Teacher", 1, 0),
        ("Courses", "T1 Teacher", 1, 0),
    ]


def test_the_choice_to_use_a_value_is_ticked_when_its_reason_is_asked_for(office, people):
    with enter(people.school):
        mine = only(people.t1.types(people.marks[0], "70"))
        people.a.approves(only(people.t2.types(people.marks[0], "64")))
    sent = {"insist": mine.pk, "change": mine.pk, "school": people.school.pk}
    page = office.post(reverse("admin:confirm"), sent)
    text = page.content.decode()
    assert page.context["shown"].count == 0  # a mark stands: a reason is needed
    assert f'name="use" value="{mine.pk}" id="use-{mine.pk}" checked' in text
    assert text.count(f'name="use" value="{mine.pk}"') == 1


def test_a_form_that_names_no_sheet_leads_back_to_the_queue(office, people):
    change = types(people, people.t1, people.marks[0], "75")
    sent = {"change": change.pk, "group": "", "author": people.t1.user.pk}
    page = office.post(reverse("admin:confirm"), sent | {"school": people.school.pk})
    assert page.status_code == 200
    assert f'href="{QUEUE}"' in page.content.decode()


def test_a_sheet_says_who_when_from_what_to_what(office, people):
    types(people, people.t1, people.marks[0], "75")
    page = office.get(sheet_of(people, people.t1))
    (row,) = page.context["rows"]
    (line,) = row.lines
    assert (row.title, line.field) == ("Abbott, Ada", "mark")
    assert (line.old, line.new, line.now) == ("nothing", "75", None)
    assert "Typed by T1 Teacher" in page.content.decode()


def test_the_mark_and_the_comment_of_a_pupil_are_one_row(office, people):
    types(people, people.t1, people.marks[0], "Keeps at it.", field="comment")
    types(people, people.t1, people.marks[1], "80")
    types(people, people.t1, people.marks[0], "75")
    rows = rows_of(office, people, people.t1)
    assert [(r.title, [line.field for line in r.lines]) for r in rows] == [
        ("Abbott, Ada", ["mark", "comment"]),
        ("Brown, Ben", ["mark"]),
    ]


def test_a_new_pupil_is_one_line_with_its_fields(office, people):
    with enter(people.school):
        people.t1.creates("student", number="104", given_names="Dora", family_name="Dean")
    (row,) = rows_of(office, people, people.t1, "student")
    (line,) = row.lines
    assert line.creates
    assert line.title == "Dean, Dora"
    assert dict(line.facts)["number"] == "104"
    assert len(line.ids.split()) == 4


def test_a_conflict_shows_the_three_values_with_who_and_when(office, people):
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        people.t2.types(people.marks[0], "65", reason="added up wrongly")
        people.stand(people.marks[0], "70", by=people.t1)
    ((line,),) = [row.lines for row in rows_of(office, people, people.t2)]
    assert (line.old, line.new, line.now) == ("60", "65", "70")
    assert [(side.heading, side.value, side.who) for side in line.sides] == [
        ("Typed over", "60", "T1 Teacher"),
        ("Stands now", "70", "T1 Teacher"),
        ("Proposed", "65", "T2 Teacher"),
    ]
    assert all(side.at for side in line.sides)
    assert Flag.STANDS in {mark.flag for mark in line.marks}
    assert line.reason == "added up wrongly"
    page = office.get(sheet_of(people, people.t2)).content.decode()
    assert "Use 65" in page
    assert "Keep 70" in page


def test_what_was_retyped_withdrawn_or_decided_is_not_in_the_queue(office, people):
    first = types(people, people.t1, people.marks[0], "75")
    second = types(people, people.t1, people.marks[0], "76")
    taken_back = types(people, people.t1, people.marks[1], "50")
    with enter(people.school):
        people.t1.withdraws(taken_back)
    seen = [line.ids for row in rows_of(office, people, people.t1) for line in row.lines]
    assert seen == [str(second.pk)]
    page = office.get(reverse("admin:change_set", args=[first.change_set_id]))
    assert "Nothing of these waits any more" in page.content.decode()


def test_the_oldest_comes_first_and_what_is_handed_in_before_it(office, people):
    with enter(people.school):
        people.t2.creates("student", number="71", family_name="Old")
    types(people, people.t2, another_class(people, "BIO-3", people.t2), "50")
    types(people, people.t1, people.marks[0], "75")
    assert next(label for label, *_ in heaps(office)) == "New and changed pupils"
    with enter(people.school):
        HandIn.objects.create(
            school=people.school,
            section_id=people.section,
            handed_in_by=people.t1.user,
            handed_in_at=people.clock.tick(),
            blank=2,
        )
    assert [label for label, *_ in heaps(office)] == [
        BIO,
        "New and changed pupils",
        "BIO-3 Biology, Autumn 2026",
    ]
    assert "handed in" in office.get(QUEUE).content.decode()


def test_more_lines_than_a_page_holds_follow_on_pages(office, people, monkeypatch):
    monkeypatch.setattr("changes.queue_pages.GROUPS_ON_A_PAGE", 2)
    types(people, people.t1, people.marks[0], "75")
    types(people, people.t2, people.marks[1], "75")
    types(people, people.v, people.marks[2], "75")
    page = office.get(QUEUE, {"kind": "enrollment.grade"})
    assert "?kind=enrollment.grade&amp;page=2" in page.content.decode()
    assert len(office.get(QUEUE).context["page"]) == 2
    assert len(office.get(QUEUE, {"page": "2"}).context["page"]) == 1
    assert office.get(QUEUE, {"page": "x"}).status_code == 200


def test_an_empty_queue_says_so(office, people):
    assert "Nothing is awaiting approval" in office.get(QUEUE).content.decode()


# Approving. ---------------------------------------------------------------------------------------


def test_ticking_reading_and_approving(office, people):
    change = types(people, people.t1, people.marks[0], "75")
    form = Form(office.get(sheet_of(people, people.t1)), "change")
    assert form.boxes == [("change", str(change.pk))]
    page = office.post(form.action, form.data(change=str(change.pk), action="approve"))
    assert lines(page, "done") == [("Abbott, Ada in BIO-2", "mark")]
    assert fresh(people, change).status == "provisional"
    response = decide(office, page)
    assert response.url == QUEUE
    (decision,) = decisions(people, "approve")
    assert f"decision {decision.number}" in office.get(QUEUE).content.decode()
    with enter(people.school):
        assert people.grade(people.marks[0]) == "75"
        assert people.is_equal()
        assert AuditLog.objects.filter(event="decision", user=people.a.user).count() == 2


def test_the_same_form_sent_twice_is_one_decision(office, people):
    change = types(people, people.t1, people.marks[0], "75")
    page = confirm(office, people, change)
    assert decide(office, page).status_code == 302
    assert decide(office, page).status_code == 302
    assert "sent twice" in office.get(QUEUE).content.decode()
    assert len(decisions(people, "approve")) == 1


def test_two_confirmation_pages_of_the_same_changes_are_one_decision(office, people):
    change = types(people, people.t1, people.marks[0], "75")
    first, second = confirm(office, people, change), confirm(office, people, change)
    assert decide(office, first).status_code == 302
    again = decide(office, second)
    assert again.status_code == 409
    assert "A Admin approved this" in again.content.decode()
    assert len(decisions(people, "approve")) == 1


def test_somebody_else_decided_meanwhile_nothing_is_done_and_the_page_says_who(office, people):
    one = types(people, people.t1, people.marks[0], "75")
    other = types(people, people.t1, people.marks[1], "76")
    page = confirm(office, people, one, other)
    with enter(people.school):
        people.b.declines(one, reason="wrong pupil")
    response = decide(office, page)
    assert response.status_code == 409
    html = response.content.decode()
    assert "Nothing was done" in html
    assert "B Admin declined this" in html
    assert fresh(people, other).status == "provisional"
    assert lines(response, "done") == [("Brown, Ben in BIO-2", "mark")]
    assert decide(office, response).status_code == 302
    assert fresh(people, other).status == "approved"


def test_the_author_retyped_meanwhile_nothing_is_done_and_the_new_value_is_offered(office, people):
    seen = types(people, people.t1, people.marks[0], "75")
    page = confirm(office, people, seen)
    newer = types(people, people.t1, people.marks[0], "57")
    response = decide(office, page)
    assert response.status_code == 409
    assert "typed something newer" in response.content.decode()
    assert [line.new for line in response.context["shown"].newer] == ["57"]
    again = office.post(CONFIRM, Form(response, "seen").data())
    assert [line.new for line in again.context["shown"].done] == ["57"]
    assert decide(office, again).status_code == 302
    assert fresh(people, newer).status == "approved"
    assert fresh(people, seen).status == "provisional"


def test_what_can_be_is_approved_and_the_rest_keeps_waiting(office, people):
    with enter(people.school):
        pupil = people.t1.creates("student", number="104", family_name="Dean")
        people.t1.enrols(pupil, people.section)
    mark = types(people, people.t1, people.marks[0], "75")
    with enter(people.school):
        enrolment = list(Change.objects.filter(entity_type="enrollment", refers_to=pupil).open())
    page = confirm(office, people, mark, *enrolment)
    assert lines(page, "done") == [("Abbott, Ada in BIO-2", "mark")]
    assert "Approve what can be: 1" in page.content.decode()
    assert decide(office, page).status_code == 302
    assert fresh(people, mark).status == "approved"
    assert fresh(people, enrolment[0]).status == "provisional"


def test_a_prerequisite_is_offered_and_approved_with_it(office, people):
    with enter(people.school):
        pupil = people.t1.creates("student", number="104", family_name="Dean")
        enrolment = people.t1.enrols(pupil, people.section)
    mark = types(people, people.t1, enrolment, "75")
    page = confirm(office, people, mark)
    assert lines(page, "done") == []
    assert "Approve it with it" in page.content.decode()
    assert {line.title for line in page.context["shown"].with_it} == {"Dean", "Dean in BIO-2"}
    again = office.post(CONFIRM, Form(page, "seen").data())
    assert len(again.context["shown"].done) == 3
    assert decide(office, again).status_code == 302
    with enter(people.school):
        assert people.grade(enrolment) == "75"
        assert people.is_equal()


def conflict(people):
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
        change = only(people.t2.types(people.marks[0], "65", reason="added up wrongly"))
        people.stand(people.marks[0], "70", by=people.t1)
    return change


def test_a_conflict_is_resolved_by_using_this_value_with_a_reason(office, people):
    change = conflict(people)
    page = confirm(office, people, change)
    assert lines(page, "done") == []
    assert "by now “70” stands" in page.content.decode()
    form = Form(page, "seen")
    assert ("use", str(change.pk)) in form.boxes
    chosen = {"use": str(change.pk), f"why-{change.pk}": "T2 has the paper"}
    again = office.post(CONFIRM, form.data(**chosen))
    assert lines(again, "done") == [("Abbott, Ada in BIO-2", "mark")]
    assert decide(office, again).status_code == 302
    with enter(people.school):
        assert people.grade(people.marks[0]) == "65"
        row = GradeCorrection.objects.filter(status="approved").order_by("id").last()
        assert (row.old_grade, row.new_grade, row.reason) == ("70", "65", "T2 has the paper")
        assert people.is_equal()


def test_using_a_value_over_a_mark_that_stands_asks_for_a_reason(office, people):
    first = types(people, people.t2, people.marks[0], "65")
    with enter(people.school):
        people.stand(people.marks[0], "70", by=people.t1)
    page = confirm(office, people, first)
    again = office.post(CONFIRM, Form(page, "seen").data(use=str(first.pk)))
    assert lines(again, "done") == []
    assert "Say why it changes, or decline it" in again.content.decode()
    why = {"use": str(first.pk), f"why-{first.pk}": "T2 has the paper"}
    last = office.post(CONFIRM, Form(again, "seen").data(**why))
    assert decide(office, last).status_code == 302
    with enter(people.school):
        assert people.grade(people.marks[0]) == "65"
        assert people.is_equal()


def test_all_of_a_page_can_be_ticked_without_a_script(office, people):
    ids = [str(types(people, people.t1, mark, "75").pk) for mark in people.marks]
    sheet = sheet_of(people, people.t1)
    assert "change" not in Form(office.get(sheet), "change").data()
    form = Form(office.get(sheet, {"tick": "all"}), "change")
    assert form.data()["change"] == ids
    page = office.post(form.action, form.data(action="approve"))
    assert len(page.context["shown"].done) == 3


def test_a_longer_confirmation_costs_no_more_queries(office, people):
    def queries(changes):
        with CaptureQueriesContext(connection) as captured:
            assert confirm(office, people, *changes).status_code == 200
        return len(captured)

    with enter(people.school):
        for n in range(33):
            people.t2.creates("student", number=f"7{n}", family_name=f"Family {n:02}")
        waiting = list(Change.objects.open().order_by("id"))
    assert queries(waiting[9:]) == queries(waiting[:9])


def test_nobody_approves_their_own_correction_and_it_is_said_plainly(office, people):
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t1)
    own = types(people, people.a, people.marks[0], "65", reason="added up wrongly")
    page = confirm(office, people, own)
    assert lines(page, "done") == []
    assert "only when a second person approves it" in page.content.decode()
    forged = {"school": people.school.pk, "action": "approve", "seen": str(own.pk), "key": "k"}
    assert office.post(DECIDE, forged).status_code == 409
    assert fresh(people, own).status == "provisional"


def test_a_deletion_lists_what_vanishes_with_it(office, people):
    with enter(people.school):
        deletion = only(people.t1.deletes("student", people.students[0]))
    page = confirm(office, people, deletion)
    assert page.context["shown"].vanishing == ["enrolment: Abbott, Ada in BIO-2"]
    assert "Vanishes with it" in page.content.decode()


def test_a_clash_of_numbers_names_what_has_the_number(office, people):
    with enter(people.school):
        people.t1.creates("student", number="101", family_name="Dean")
        waiting = list(Change.objects.open())
    page = confirm(office, people, *waiting)
    assert lines(page, "done") == []
    assert "Another" in page.content.decode()
    assert "same number" in page.content.decode()


# Declining. ---------------------------------------------------------------------------------------


def test_declining_asks_for_a_reason_that_the_author_reads(office, people):
    change = types(people, people.t1, people.marks[0], "75")
    page = confirm(office, people, change, action="decline")
    assert lines(page, "done") == [("Abbott, Ada in BIO-2", "mark")]
    without = decide(office, page, reason="  ")
    assert without.status_code == 422
    assert "Say why: the author reads the reason." in without.content.decode()
    assert fresh(people, change).status == "provisional"
    assert decide(office, without, reason="Ada was away").status_code == 302
    assert fresh(people, change).status == "declined"
    (decision,) = decisions(people, "decline")
    assert decision.reason == "Ada was away"


def test_who_declines_a_new_pupil_is_told_of_what_was_typed_for_them(office, people):
    with enter(people.school):
        people.t1.creates("student", number="104", family_name="Dean")
        waiting = list(Change.objects.open())
    page = confirm(office, people, *waiting, action="decline")
    assert "decline it too" in page.content.decode()


def test_declining_twice_is_one_decision(office, people):
    change = types(people, people.t1, people.marks[0], "75")
    page = confirm(office, people, change, action="decline")
    for _ in range(2):
        assert decide(office, page, reason="no").status_code == 302
    assert len(decisions(people, "decline")) == 1


def test_what_was_decided_meanwhile_is_not_declined(office, people):
    change = types(people, people.t1, people.marks[0], "75")
    page = confirm(office, people, change, action="decline")
    with enter(people.school):
        people.b.approves(change)
    response = decide(office, page, reason="no")
    assert response.status_code == 409
    assert "B Admin approved this" in response.content.decode()
    assert decisions(people, "decline") == []


# Bad input. ---------------------------------------------------------------------------------------


def test_nothing_ticked_is_said(office, people):
    response = office.post(CONFIRM, {"school": people.school.pk, "action": "approve"})
    assert response.url == QUEUE
    assert "Nothing was ticked" in office.get(QUEUE).content.decode()


@pytest.mark.parametrize("path", [CONFIRM, DECIDE])
@pytest.mark.parametrize("action", ["approve", "decline"])
def test_changes_of_another_school_do_not_exist(client, people, path, action):
    change = types(people, people.t1, people.marks[0], "75")
    client.force_login(people.outsider.user)
    sent = {"school": people.other_school.pk, "action": action, "seen": str(change.pk)}
    assert client.post(path, {**sent, "reason": "x"}).status_code == 404
    assert fresh(people, change).status == "provisional"


@pytest.mark.parametrize(
    "bad",
    [
        {"seen": "1"},
        {"seen": "x' or 1=1"},
        {"seen": str(uuid.uuid4())},
        {"seen": ""},
        {"seen": str(uuid.uuid4()), "use": "\x00"},
    ],
)
def test_what_is_no_change_is_not_found(office, people, bad):
    sent = {"school": people.school.pk, "action": "approve", **bad}
    assert office.post(DECIDE, sent).status_code == 404


@pytest.mark.parametrize(
    "bad",
    [
        {"action": "burn"},
        {"key": "k" * 65},
        {"key": "a\x00"},
        {"reason": "a\x00"},
        {"reason": "x" * 2001},
    ],
)
def test_a_forged_field_decides_nothing(office, people, bad):
    change = types(people, people.t1, people.marks[0], "75")
    sent = {"school": people.school.pk, "action": "approve", "seen": str(change.pk), **bad}
    assert office.post(DECIDE, sent).status_code == 422
    assert fresh(people, change).status == "provisional"


def test_a_reason_with_nul_beside_a_value_is_taken_without_it(office, people):
    change = conflict(people)
    sent = {"school": people.school.pk, "action": "approve", "seen": str(change.pk), "key": "k"}
    use = {"use": str(change.pk), f"why-{change.pk}": "be\x00cause"}
    assert office.post(DECIDE, sent | use).status_code == 302
    assert fresh(people, change).status == "approved"


def test_looking_decides_nothing(office, people):
    change = types(people, people.t1, people.marks[0], "75")
    for path in (CONFIRM, DECIDE):  # where one lands after signing in anew
        response = office.get(path)
        assert (response.status_code, response["Location"]) == (302, "/office/review/")
    with enter(people.school):
        assert open_changes() == {change.pk}


def test_names_of_every_kind_are_shown_and_not_run(office, people):
    with enter(people.school):
        people.t1.creates("student", number="9", family_name="<script>alert(1)</script>")
    page = office.get(sheet_of(people, people.t1, "student"))
    assert "<script>alert" not in page.content.decode()
    assert "&lt;script&gt;" in page.content.decode()


def test_what_was_sent_in_one_save_is_listed_by_name_before_it_is_approved(office, people):
    cleo_first = [typed(each, "60") for each in reversed(people.marks)]
    with enter(people.school):
        sent = people.t1.proposes(cleo_first).changes
    page = confirm(office, people, *sent)
    assert [line.title for line in page.context["shown"].done] == [
        "Abbott, Ada in BIO-2",
        "Brown, Ben in BIO-2",
        "Carter, Cleo in BIO-2",
    ]

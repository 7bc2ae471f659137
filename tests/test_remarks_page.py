"""The page on which remarks on a home group's term are written, for the report cards."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import AuditLog
from changes.flags import Flag
from changes.judgement import Why
from changes.models import Change
from changes.propose import Draft, creation
from grading.models import Remark
from grading.pupil_rules import NOT_YOUR_PUPIL
from tests.cast import Cast, Person, typed
from tests.pages import Browser, form_of
from tests.test_approving import refusal
from tests.test_flags import told

PAGE = reverse("remarks")


@pytest.fixture
def people(people: Cast) -> Cast:
    """Ada and Ben are in home group 8B."""
    with enter(people.school):
        people.a.enters(
            [
                Draft(entity_type="student", entity_id=each, field="home_group", typed="8B")
                for each in people.students[:2]
            ]
        )
    return people


def shown(person: Person) -> str:
    answer = Browser(person).get(PAGE, {"group": "8B"})
    assert answer.status_code == 200
    return answer.content.decode()


def writes(person: Person, *texts: str):
    """Open the page, type into its fields, one after the other, and save."""
    fields = form_of(shown(person), PAGE)
    names = [name for name in fields if name.startswith("r-") and not name.endswith("-seen")]
    return Browser(person).send(PAGE, fields | dict(zip(names, texts, strict=False)))


def proposes(people: Cast, text: str) -> None:
    """Have a first remark on Ada proposed, at an hour of school whenever the test runs."""
    student, term = str(people.students[0]), str(people.term)
    people.t1.creates("remark", student=student, term=term, text=text)


def approve(people: Cast) -> None:
    with enter(people.school):
        people.a.approves(*Change.objects.open().order_by("id"))


def texts(people: Cast) -> dict[str, str]:
    with enter(people.school):
        rows = Remark.objects.select_related("student")
        return {row.student.given_names: row.text for row in rows}


def test_a_remark_waits_seen_by_its_author_alone_until_it_is_approved(people):
    answer = writes(people.t1, "A good term.\n\nMore next time.", "")
    assert answer.status_code == 302
    assert "awaiting approval" in shown(people.t1)
    assert "A good term." not in shown(people.t2)
    assert "A good term." not in shown(people.a)
    assert texts(people) == {}
    approve(people)
    assert texts(people) == {"Ada": "A good term.\n\nMore next time."}
    assert "A good term." in shown(people.t2)


def test_one_that_stands_is_changed_like_any_comment(people):
    writes(people.t1, "A good term.", "He tries.")
    approve(people)
    writes(people.t2, "A very good term.")
    assert texts(people)["Ada"] == "A good term."
    assert "“A good term.” stands" in shown(people.t2)
    approve(people)
    assert texts(people) == {"Ada": "A very good term.", "Ben": "He tries."}
    with enter(people.school):
        assert people.is_equal()


def test_saving_what_was_not_touched_proposes_nothing(people):
    writes(people.t1, "A good term.")
    with enter(people.school):
        before = Change.objects.count()
    answer = writes(people.t1)
    assert answer.status_code == 302
    with enter(people.school):
        assert Change.objects.count() == before


def test_a_form_that_is_sent_twice_is_saved_once(people):
    fields = form_of(shown(people.t1), PAGE)
    name = next(each for each in fields if each.startswith("r-") and not each.endswith("-seen"))
    for _ in range(2):
        Browser(people.t1).send(PAGE, fields | {name: "A good term."})
    with enter(people.school):
        assert Change.objects.open().filter(entity_type="remark", field="text").count() == 1


def test_what_is_refused_stands_as_it_was_typed_and_the_rest_is_saved(people):
    people.school.comment_length = 12
    people.school.save()
    answer = writes(people.t1, "It is too long for this school.", "He tries.")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "It is too long for this school." in page
    assert "31 characters" in page
    assert "1 remark not saved" in page
    approve(people)
    assert texts(people) == {"Ben": "He tries."}


def test_after_the_window_only_the_office_writes(people):
    with enter(people.school):
        people.a.enters(
            [
                Draft(
                    entity_type="term",
                    entity_id=people.term,
                    field="marks_close_on",
                    typed="2026-01-01",
                )
            ]
        )
    assert "readonly" in shown(people.t1)
    assert writes(people.t1, "A good term.").status_code == 422
    assert "readonly" not in shown(people.a)
    assert writes(people.a, "A good term.").status_code == 302


def waiting() -> list[Change]:
    return list(Change.objects.open().order_by("id"))


def test_one_sent_outside_the_window_as_it_is_now_is_flagged_and_refused_until_insisted_on(people):
    with enter(people.school):
        proposes(people, "A good term.")
        assert told(people, *waiting()) == {}
        closes = Draft(
            entity_type="term", entity_id=people.term, field="marks_close_on", typed="2026-01-01"
        )
        people.a.enters([closes])
        assert "closed on 01 January 2026" in told(people, *waiting())[Flag.WINDOW]
        stopped = refusal(people.a.approves, *waiting())
        assert stopped.why is Why.INVALID
        assert "closed on 01 January 2026" in stopped.message
        # Nor what can be of it: a remark without its text would be a blank one.
        assert refusal(people.a.approves, *waiting(), what_can_be=True).why is Why.INVALID
        assert waiting()[-1].field == "text"
        people.a.approves(*waiting(), use_values={waiting()[-1].pk: "agreed"})
    assert texts(people) == {"Ada": "A good term."}


def test_a_first_one_by_a_teacher_of_the_pupil_is_ordinary_once_the_pupil_is_there(people):
    with enter(people.school):
        proposes(people, "A good term.")
        assert told(people, *waiting()) == {}
        pupil = people.t1.creates("student", family_name="Dunn")
        people.t1.enrols(pupil, people.section)
        remark = people.t1.creates(
            "remark", student=str(pupil), term=str(people.term), text="New, and well liked."
        )
        assert set(told(people, *people.open_of(remark))) >= {Flag.BUILDS}
        people.a.approves(*people.open_of(pupil))
        assert Flag.BUILDS not in told(people, *people.open_of(remark))


def test_where_the_school_prints_none_the_page_says_so(people):
    assert "prints no remarks" not in shown(people.t1)
    people.school.cards_remarks = "none"
    people.school.save()
    assert "prints no remarks" in shown(people.t1)


def test_one_by_who_teaches_the_pupil_in_no_class_is_ordinary_since_they_may_lead_the_home_group(
    people,
):
    writes(people.t2, "A good term.")
    with enter(people.school):
        assert waiting()
        assert Flag.AUTHOR not in told(people, *waiting())


def test_the_office_finds_one_that_waits_by_the_pupil_s_number(people):
    writes(people.t1, "A good term.", "He tries.")
    found = Browser(people.a).get(reverse("admin:review"), {"sought": "102"})
    assert [heap.group.label for heap in found.context["page"]] == ["Remarks on terms"]
    assert (
        "Brown"
        in Browser(people.a)
        .get(f"/office/review/of/remark/{people.t1.user.pk}/", {"sought": "102"})
        .content.decode()
    )


def test_where_teachers_are_restricted_who_left_their_class_is_no_pupil_of_theirs(people):
    assert "Abbott" in shown(people.t1)
    people.school.teachers_restricted = True
    people.school.save()
    with enter(people.school):
        people.a.enters([typed(people.marks[0], "withdrawn", field="status")])
        remark = {"student": str(people.students[0]), "term": str(people.term), "text": "x"}
        refused = people.t1.proposes(creation("remark", remark)).refused
        assert {each.refused for each in refused} == {NOT_YOUR_PUPIL}
    assert "Abbott" not in shown(people.t1)


def test_where_teachers_are_restricted_they_see_their_own_pupils_only(people):
    people.school.teachers_restricted = True
    people.school.save()
    assert "Abbott" in shown(people.t1)
    assert Browser(people.t2).get(PAGE, {"group": "8B"}).status_code == 404
    assert "No pupil of yours has a home group" in Browser(people.t2).get(PAGE).content.decode()


def test_looking_is_written_down_and_a_group_that_is_not_there_is_not_found(people):
    shown(people.t2)
    with enter(people.school):
        (row,) = AuditLog.objects.filter(event="view", detail__startswith="remarks on home group")
        assert row.user == people.t2.user
    assert Browser(people.t2).get(PAGE, {"group": "9Z"}).status_code == 404


def test_it_stands_among_ones_own_changes_with_the_pupils_name(people):
    writes(people.t1, "A good term.")
    page = Browser(people.t1).get(reverse("my-changes")).content.decode()
    assert "new remark" in page
    assert "Abbott, Ada" in page


def test_any_number_of_pupils_costs_the_same_number_of_statements(people):
    def statements() -> int:
        browser = Browser(people.t1)
        with CaptureQueriesContext(connection) as found:
            assert browser.get(PAGE, {"group": "8B"}).status_code == 200
        return len(found)

    writes(people.t1, "A good term.")
    before = statements()
    with enter(people.school):
        for number in range(4):
            pupil = creation("student", {"family_name": f"New {number}", "home_group": "8B"})
            remark = {"student": str(pupil[0].entity_id), "term": str(people.term), "text": "x"}
            people.a.enters([*pupil, *creation("remark", remark)], whole=True)
    assert statements() == before

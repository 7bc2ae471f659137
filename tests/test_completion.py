"""Programmes: what it takes to finish, how far a pupil is, and who would not."""

import csv
import datetime as dt
import io
import uuid
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import AuditLog
from changes.propose import Draft, creation
from grading import gpa, programmes
from grading.completion import State, audit
from grading.transcript import Row, transcript
from students.models import Programme, Student
from tests.pages import Browser, form_of, more_pupils, words_of

D = Decimal
MET, UNDER_WAY, MISSING = State.MET, State.UNDER_WAY, State.MISSING
SCALE = gpa.Points(
    [
        gpa.Step("A", False, None, D(4)),
        gpa.Step("C", False, None, D(2)),
        gpa.Step("F", False, None, D(0)),
        gpa.Step("EX", True, None, None),
    ]
)
BIOLOGY, LATIN = uuid.UUID(int=1), uuid.UUID(int=2)
NAMES = {BIOLOGY: "Biology", LATIN: "Latin"}


def taken(course, mark, *, worth="4", area="", term=1):
    return Row(
        term_id=uuid.UUID(int=term),
        term="Autumn",
        starts_on=dt.date(2026, term, 1),
        ends_on=None,
        course_id=course,
        code=None,
        title="",
        credits=D(worth),
        subject_area=area,
        mark=mark,
        points=SCALE,
    )


def judged(programme, *rows):
    found = audit(programme, transcript(rows, decimals=2), names=NAMES)
    return [each.state for each in found.requirements], found


@pytest.mark.parametrize(
    ("rows", "state", "there"),
    [
        ([taken(BIOLOGY, "A"), taken(LATIN, "C")], MET, "8"),
        ([taken(BIOLOGY, "A"), taken(LATIN, None)], UNDER_WAY, "4 (and 4 under way)"),
        ([taken(BIOLOGY, "A"), taken(LATIN, "F")], MISSING, "4"),
        ([taken(BIOLOGY, "A"), taken(LATIN, "EX")], MISSING, "4"),
        # The same course once more gives no credits, also while it is under way.
        ([taken(BIOLOGY, "A"), taken(BIOLOGY, "A", term=2)], MISSING, "4"),
        ([taken(BIOLOGY, "A"), taken(BIOLOGY, None, term=2)], MISSING, "4"),
        # One that was failed may be made good.
        ([taken(BIOLOGY, "A"), taken(LATIN, "F"), taken(LATIN, None, term=2)], UNDER_WAY, None),
        ([], MISSING, "0"),
    ],
)
def test_credits_are_met_by_what_was_passed_and_under_way_with_what_has_no_mark(rows, state, there):
    states, found = judged(Programme(credits=D(8)), *rows)
    assert states == [state]
    assert there is None or found.requirements[0].there == there


def test_a_subject_area_is_met_by_the_credits_of_its_courses_however_it_is_written():
    programme = Programme(areas={"Life Sciences": "4", "Languages": "2.5"})
    states, found = judged(
        programme,
        taken(BIOLOGY, "A", area=" life  sciences"),
        taken(LATIN, None, worth="2", area="Languages"),
    )
    assert states == [MISSING, MET]
    assert [each.in_words for each in found.missing] == [
        "Credits in Languages: 0 (and 2 under way) of 2.5"
    ]


def test_a_named_course_has_to_be_finished_itself():
    programme = Programme(courses=[BIOLOGY, LATIN])
    assert judged(programme, taken(BIOLOGY, "C"), taken(LATIN, None))[0] == [MET, UNDER_WAY]
    states, found = judged(programme, taken(BIOLOGY, "F"), taken(BIOLOGY, "EX", term=2))
    assert states == [MISSING, MISSING]
    assert [(each.what, each.there) for each in found.requirements] == [
        ("Biology", "not finished: F, EX"),
        ("Latin", "not taken"),
    ]


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([taken(BIOLOGY, "A"), taken(LATIN, "C")], MET),
        ([taken(BIOLOGY, "C"), taken(LATIN, "C")], MISSING),
        ([taken(BIOLOGY, "C"), taken(LATIN, None)], UNDER_WAY),  # 4 in Latin comes to 3
        ([taken(BIOLOGY, "F"), taken(LATIN, None)], MISSING),  # and here only to 2
        ([], MISSING),
        ([taken(LATIN, None)], UNDER_WAY),
    ],
)
def test_an_average_can_be_reached_only_by_what_is_under_way(rows, state):
    assert judged(Programme(least_gpa=D(3)), *rows)[0] == [state]


def test_the_average_is_judged_as_it_is_printed():
    rows = [taken(uuid.UUID(int=n), "A", worth="1") for n in range(3, 202)]
    rows.append(taken(BIOLOGY, "C", worth="1"))
    rows.append(taken(LATIN, "A", worth="300"))
    programme = Programme(least_gpa=D("4.00"))  # it is 3.996, and 4.00 is what everybody reads
    assert judged(programme, *rows)[0] == [MET]


def test_who_has_nothing_to_do_has_finished():
    assert judged(Programme())[1].state is MET


def test_the_worst_of_the_requirements_counts():
    programme = Programme(credits=D(4), courses=[BIOLOGY, LATIN])
    assert judged(programme, taken(BIOLOGY, "A"), taken(LATIN, "C"))[1].state is MET
    assert judged(programme, taken(BIOLOGY, "A"), taken(LATIN, None))[1].state is UNDER_WAY
    assert judged(programme, taken(BIOLOGY, "A"))[1].state is MISSING


# In a school. -------------------------------------------------------------------------------------


def make(people, **values):
    return Programme.objects.create(school=people.school, **{"name": "Science"} | values)


def joins(people, programme, *pupils):
    people.a.enters(
        [
            Draft(
                entity_type="student",
                entity_id=pupil,
                field="programme",
                typed=str(programme.pk),
                touched=True,
            )
            for pupil in pupils
        ],
        whole=True,
    )


def test_a_pupil_is_in_a_programme_by_an_approved_change_and_a_revert_takes_it_back(inside):
    people = inside
    programme = make(people)
    saved = people.v.changes_cell("student", people.students[0], programme=str(programme.pk))
    assert Student.objects.get(pk=people.students[0]).programme is None
    people.a.approves(*saved.changes)
    assert Student.objects.get(pk=people.students[0]).programme == programme
    people.a.reverts(people.v)
    assert Student.objects.get(pk=people.students[0]).programme is None
    assert people.is_equal()


def test_nobody_can_be_put_into_a_programme_of_another_school(people):
    with enter(people.other_school):
        theirs = Programme.objects.create(school=people.other_school, name="Theirs")
    with enter(people.school):
        saved = people.t1.changes_cell("student", people.students[0], programme=str(theirs.pk))
        assert saved.changes == []
        assert len(saved.refused) == 1


def test_the_transcript_page_tells_how_far_a_pupil_is(people):
    with enter(people.school):
        people.stands("80")
        people.a.changes_cell("course", people.course, subject_area="Science")
        programme = make(people, credits=D(4), areas={"Latin": "2"}, courses=[people.course])
        joins(people, programme, people.students[0])
    page = Browser(people.t1).get(reverse("transcript", args=[people.students[0]]))
    said = page.content.decode()
    assert "Would not finish" in said
    assert "Credits in Latin: 2" in said
    assert said.count('class="state approved"') == 2
    page = Browser(people.t1).get(reverse("transcript", args=[people.students[1]]))
    assert "Programme" not in page.content.decode()


def unfinished(people, **asked):
    return Browser(people.a).get(reverse("admin:unfinished"), asked)


def test_the_office_lists_everybody_who_would_not_finish_and_why(people):
    ada, ben, cleo = people.students
    with enter(people.school):
        people.stands("80")
        people.stand(people.marks[1], "10", by=people.t1)
        joins(people, make(people, courses=[people.course]), ada, ben, cleo)
    page = unfinished(people).content.decode()
    assert "1 of 3 pupils" in page
    assert "Brown, Ben" in page
    assert "Biology" in page
    assert "Abbott" not in page
    assert "Carter" not in page
    page = unfinished(people, under_way="on").content.decode()
    assert "2 of 3 pupils" in page
    assert "Carter, Cleo" in page
    assert "Everybody who is asked for" not in page
    assert unfinished(people, year="9").status_code == 200


def test_the_list_as_csv_is_safe_in_a_spreadsheet_and_is_told_at_each_pupil_on_it(people):
    with enter(people.school):
        drafts = creation("student", {"number": "1", "family_name": "=cmd|x", "given_names": "Bo"})
        people.a.enters(drafts, whole=True)
        joins(people, make(people, credits=D(4)), drafts[0].entity_id)
    response = unfinished(people, **{"as": "csv"})
    assert response.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert rows[1] == ["1", "'=cmd|x", "Bo", "", "", "Science", "missing", *rows[1][7:]]
    assert rows[1][7] == "Credits in all: 0 of 4"
    with enter(people.school):
        event = AuditLog.objects.get(event="export")
        assert [each.pupil_id for each in event.disclosures.all()] == [drafts[0].entity_id]


def test_a_thousand_pupils_cost_the_statements_of_three(people):
    def statements():
        browser = Browser(people.a)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(reverse("admin:unfinished")).status_code == 200
        return len(queries)

    with enter(people.school):
        programme = make(people, credits=D(400), courses=[people.course])
        joins(people, programme, *people.students)
    few = statements()
    more_pupils(people, 997)
    with enter(people.school):
        for n in range(3):
            make(people, name=f"Other {n}", credits=D(4))
        joins(people, programme, *Student.objects.values_list("pk", flat=True))
        assert len(programmes.of_pupils(people.school)) == 1000
    assert statements() == few


# The office keeps the programmes. -----------------------------------------------------------------

ADD = "/office/students/programme/add/"


def sent(people, path=ADD, **values):
    given = {"name": "Science", "credits": "", "areas": "", "least_gpa": ""}
    return Browser(people.a).send(path, given | values)


def test_the_office_adds_a_programme_and_changes_it_with_a_row_in_the_audit_log(people):
    response = sent(
        people,
        credits="12",
        areas="Languages: 4\n\n Life  sciences: 2,50",
        courses=[str(people.course)],
        least_gpa="2.5",
    )
    assert response.status_code == 302
    with enter(people.school):
        programme = Programme.objects.get()
        assert (programme.credits, programme.least_gpa) == (D(12), D("2.5"))
        assert programme.areas == {"Languages": "4", "Life sciences": "2.5"}
        assert programme.courses == [people.course]
    change = reverse("admin:students_programme_change", args=[programme.pk])
    form = form_of(Browser(people.a).get(change).content.decode())
    assert (form["credits"], form["least_gpa"]) == ("12", "2.5")
    assert form["areas"] == "Languages: 4\r\nLife sciences: 2.5"
    listed = Browser(people.a).get(reverse("admin:students_programme_changelist")).content.decode()
    assert "Lowest GPA" in listed
    assert ">2.5</td>" in listed
    assert sent(people, change, **form | {"least_gpa": "", "retired": "on"}).status_code == 302
    with enter(people.school):
        programme.refresh_from_db()
        assert (programme.least_gpa, programme.courses) == (None, [])
        assert programme.retired_at
        rows = AuditLog.objects.filter(event="people").order_by("id")
        assert [row.detail for row in rows] == [
            "programme Science: added",
            "programme Science: named courses, lowest GPA, retired or not",
        ]
        assert rows[1].metadata["changed"]["least_gpa"] == {"from": "2.5000", "to": None}


def test_saving_a_programme_as_it_is_changes_nothing(people):
    sent(people, credits="12", areas="Languages: 4")
    with enter(people.school):
        programme = Programme.objects.get()
    change = reverse("admin:students_programme_change", args=[programme.pk])
    form = form_of(Browser(people.a).get(change).content.decode())
    assert sent(people, change, **form).status_code == 302
    with enter(people.school):
        assert AuditLog.objects.filter(event="people").count() == 1


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "\u200b", "nothing that can be seen"),
        ("name", "Old", "already"),
        ("credits", "-1", "greater than or equal to 0"),
        ("areas", "Languages", "is not understood"),
        ("areas", "Languages: many", "is not understood"),
        ("areas", "Languages: 4\nlanguages : 5", "is there twice"),
        ("least_gpa", "NaN", "Enter a number"),
        ("courses", "018f0000-0000-7000-8000-000000000000", "not one of the available choices"),
    ],
)
def test_what_is_no_programme_is_refused_beside_its_field(people, field, value, said):
    with enter(people.school):
        make(people, name="Old")
    response = sent(people, **{field: value})
    assert response.status_code == 422
    assert said in response.content.decode()
    with enter(people.school):
        assert Programme.objects.count() == 1


def test_a_name_that_somebody_else_takes_at_the_same_instant_is_refused_in_words(
    people, monkeypatch
):
    with enter(people.school):
        make(people, name="Old")
    looked = Programme.objects.none()  # the other one is not there yet when the form looks
    with monkeypatch.context() as patched:
        patched.setattr("grading.programme_form.Programme.objects.filter", lambda **_: looked)
        response = sent(people, name="Old")
    assert response.status_code == 422
    assert "There is a programme “Old” already." in response.content.decode()


def test_the_record_of_a_pupil_offers_the_programmes_that_are_not_retired(people):
    with enter(people.school):
        make(people, name="Arts")
        make(people, name="Gone", retired_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    edit = reverse("admin:students_student_edit", args=[people.students[0]])
    page = Browser(people.a).get(edit).content.decode()
    assert ">Arts</option>" in page
    assert "Gone" not in words_of(page)


# Who is in it. ------------------------------------------------------------------------------------


def intake(people, programme):
    return reverse("admin:programme_pupils", args=[programme.pk])


def test_a_year_level_is_put_into_a_programme_in_one_change_set_that_can_be_reverted(people):
    ada, ben, cleo = people.students
    with enter(people.school):
        science, arts = make(people), make(people, name="Arts")
        for pupil, year in ((ada, "10"), (ben, "10"), (cleo, "9")):
            people.a.changes_cell("student", pupil, year_level=year)
        people.b.approves(*people.open_of(ada, ben, cleo))
        joins(people, arts, ben)
    office, at = Browser(people.b), intake(people, science)
    change = reverse("admin:students_programme_change", args=[science.pk])
    assert f'href="{at}"' in office.get(change).content.decode()
    assert "Put 1 in<" in office.get(at).content.decode()
    assert office.send(at, {"year": "10"}).url == at
    assert "1 pupil is in Science now" in office.get(at).content.decode()
    with enter(people.school):
        now = dict(Student.objects.values_list("pk", "programme__name"))
        assert now == {ada: "Science", ben: "Arts", cleo: None}
        people.a.reverts(people.b, start=people.clock.now, reason="the wrong year")
        assert Student.objects.get(pk=ada).programme is None
        assert people.is_equal()


def test_who_has_no_year_level_is_put_in_too_and_twice_is_once(people):
    with enter(people.school):
        science = make(people)
    office, at = Browser(people.a), intake(people, science)
    office.send(at, {"year": ""})
    office.send(at, {"year": ""})
    with enter(people.school):
        assert Student.objects.filter(programme=science).count() == 3
    assert "0 pupils are in Science now" in office.get(at).content.decode()


def test_nobody_is_put_into_a_retired_programme_or_one_of_another_school(people):
    with enter(people.school):
        old = make(people, retired_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    with enter(people.other_school):
        theirs = Programme.objects.create(school=people.other_school, name="Theirs")
    office = Browser(people.a)
    assert "Put 3 in" not in office.get(intake(people, old)).content.decode()
    office.send(intake(people, old), {"year": ""})
    assert office.send(intake(people, theirs), {"year": ""}).status_code == 404
    with enter(people.school):
        assert not Student.objects.filter(programme__isnull=False).exists()


def test_the_year_levels_cost_the_same_however_many_pupils(people):
    with enter(people.school):
        science = make(people)

    def statements():
        browser = Browser(people.a)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(intake(people, science)).status_code == 200
        return len(queries)

    few = statements()
    more_pupils(people, 20)
    assert statements() == few

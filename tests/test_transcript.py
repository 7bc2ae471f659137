"""The transcript of a pupil: what stands, term by term, and who looked at it."""

import datetime as dt
import io
import json
import uuid
from decimal import Decimal

import pikepdf
import pypdfium2
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from accounts.in_school import enter
from accounts.models import AuditLog, Disclosure
from changes.propose import creation
from grading import gpa, logo, transcript_paper
from grading.management.commands.transcript import as_text
from grading.models import Section
from grading.transcript import Row, transcript
from grading.transcript_rows import transcripts
from students.models import Student
from tests.cast import make_scale
from tests.pages import Browser, more_pupils
from tests.test_gpa import letters, marked, teaches

D = Decimal


def read(people, pupil=None):
    pupil = pupil or people.students[0]
    return transcripts([pupil], decimals=people.school.gpa_decimals)[pupil]


def at(pupil, name="transcript"):
    return reverse(name, args=[pupil])


def earlier_term(people, *, name="Spring 2026", starts_on="2026-01-10"):
    drafts = creation("term", {"name": name, "starts_on": starts_on})
    people.a.enters(drafts, whole=True)
    return drafts[0].entity_id


def course_in(people, term, *, course, code, scale=None):
    """Make another class of a course; return its id."""
    values = {"course": str(course), "term": str(term), "code": code}
    drafts = creation("section", values | {"scale": str((scale or people.scale).pk)})
    people.a.enters(drafts, whole=True)
    return drafts[0].entity_id


def test_terms_come_in_order_with_their_courses_credits_points_and_averages(inside):
    people = inside
    people.stands("80")
    spring = earlier_term(people)
    art = teaches(people, worth="2.50", scale=people.scale, code="ART")
    marked(people, people.students[0], art, "61")
    again = course_in(people, spring, course=people.course, code="BIO-1")
    marked(people, people.students[0], again, "39")
    found = read(people)
    assert [(term.name, term.gpa, term.earned) for term in found.terms] == [
        ("Spring 2026", D("0.00"), D(0)),
        ("Autumn 2026", D("3.62"), D("6.50")),  # (4 * 4 + 3 * 2.5) / 6.5 = 3.615...
    ]
    assert [
        (each.row.code, each.credits_text, each.mark, each.points_text)
        for each in found.terms[1].courses
    ] == [("ART", "2.5", "61", "3"), ("BIO", "4", "80", "4")]
    assert (found.gpa, found.earned, found.counted) == (D("2.24"), D("6.50"), D("10.50"))


def test_the_average_is_the_one_of_every_other_page(inside):
    people = inside
    people.stands("80")
    scale = letters(people.school)
    for code, worth, its, mark in (
        ("A", "3", scale, "A-"),
        ("B", "1.5", scale, "P"),
        ("C", "0", scale, "F"),
        ("D", "2", people.scale, "AB"),
        ("E", "2", people.scale, "59.9"),
    ):
        marked(people, people.students[0], teaches(people, worth=worth, scale=its, code=code), mark)
    for decimals in range(5):
        (found,) = transcripts(people.students[:1], decimals=decimals).values()
        assert found.gpa == gpa.gpa(people.students[0], decimals=decimals)
        assert -found.gpa.as_tuple().exponent == decimals
    assert found.gpa == D("3.4446")  # (4 * 4 + 3.667 * 3 + 2 * 2) / 9 = 3.44455...


def row(**values):
    given = {
        "term_id": uuid.UUID(int=1),
        "term": "Autumn",
        "starts_on": dt.date(2026, 9, 1),
        "ends_on": None,
        "course_id": uuid.UUID(int=2),
        "code": "",
        "title": "Biology",
        "credits": D(4),
        "subject_area": "",
        "mark": None,
        "points": None,
    }
    return Row(**given | values)


SCALE = gpa.Points(
    [
        gpa.Step("A", False, None, D(4)),
        gpa.Step("F", False, None, D(0)),
        gpa.Step("P", False, None, None),
        gpa.Step("EX", True, None, None, "exempt"),
    ]
)


@pytest.mark.parametrize(
    ("mark", "earned"), [("A", 4), ("P", 4), ("F", 0), ("EX", 0), ("?", 0), (None, 0)]
)
def test_credits_are_earned_by_a_mark_worth_more_than_nothing_and_by_a_pass(mark, earned):
    assert transcript([row(mark=mark, points=SCALE)], decimals=2).earned == earned


def test_a_course_that_is_passed_twice_gives_its_credits_once_and_counts_twice():
    first = row(mark="A", points=SCALE)
    again = row(
        mark="A",
        points=SCALE,
        term="Spring",
        term_id=uuid.UUID(int=5),
        starts_on=dt.date(2027, 1, 9),
    )
    other = row(mark="F", points=SCALE, course_id=uuid.UUID(int=7), title="Art", credits=D(2))
    found = transcript([again, other, first], decimals=2)
    assert [(each.repeated, each.earned) for each in found.courses] == [
        (False, 0),
        (False, 4),
        (True, 0),
    ]
    assert (found.earned, found.counted, found.gpa) == (4, 10, D("3.20"))
    assert [each.earned_in_words for each in found.terms] == [
        "4",
        "0 (4 more of courses whose credits are counted already)",
    ]
    assert [each.counted_once for each in found.courses] == [
        "",
        "",
        "its credits are counted once, in Autumn",
    ]


def test_a_course_of_two_terms_is_told_alike_on_the_page_on_paper_and_by_the_command(inside):
    people = inside
    people.stands("80")
    spring = earlier_term(people, name="Spring 2027", starts_on="2027-01-09")
    biology = Section.objects.get(pk=people.section).course_id
    section = course_in(people, spring, course=biology, code="B2")
    marked(people, people.students[0], section, "80")
    ada = Student.objects.get(pk=people.students[0])
    found = read(people)
    paper = transcript_paper.printed(found, ada, people.school, at=timezone.now())
    printed = pypdfium2.PdfDocument(paper.pdf)[0].get_textpage().get_text_range()
    told = as_text(found, ada)
    page = render_to_string("grading/transcript.html", {"transcript": found, "student": ada})
    for said in (" ".join(printed.split()), told, page):
        assert said.count("its credits are counted once, in Autumn 2026") == 1
        assert "0 (4 more of courses whose credits are counted already)" in said
        assert "taken again" not in said


def test_who_failed_a_course_and_passes_it_later_earns_its_credits_then():
    spring = {"term_id": uuid.UUID(int=5), "starts_on": dt.date(2027, 1, 9)}
    found = transcript(
        [row(mark="F", points=SCALE), row(mark="A", points=SCALE, **spring)], decimals=2
    )
    assert [(each.repeated, each.earned) for each in found.courses] == [(False, 0), (False, 4)]


def test_a_term_without_a_first_day_comes_last_and_codes_are_named_once():
    nowhere = {"term_id": uuid.UUID(int=9), "term": "Abroad", "starts_on": None}
    other = {"course_id": uuid.UUID(int=4), "title": "Art"}
    found = transcript(
        [
            row(mark="ex", points=SCALE, **nowhere),
            row(mark="EX", points=SCALE),
            row(mark="A", points=SCALE, **other),
        ],
        decimals=0,
    )
    assert [term.name for term in found.terms] == ["Autumn", "Abroad"]
    assert [(each.label, each.meaning) for each in found.codes] == [("EX", "exempt")]
    assert str(found.gpa) == "4"


def test_nothing_that_waits_is_on_it_and_what_was_reverted_neither(inside):
    people = inside
    people.t1.types(people.marks[0], "77")
    new = people.t1.enrols(people.students[0], teaches(people, worth="1", scale=None, code="NEW"))
    assert [(each.row.code, each.mark) for each in read(people).courses] == [("BIO", None)]
    assert read(people).gpa is None
    people.a.approves(*people.open_of(new))
    assert [each.row.code for each in read(people).courses] == ["BIO", "NEW"]
    people.stand(people.marks[0], "95", by=people.v)
    assert read(people).gpa == D("4.00")
    people.a.reverts(people.v)
    assert read(people).gpa is None


def test_a_class_that_a_pupil_has_left_or_waits_for_is_not_on_it(inside):
    people = inside
    people.stands("80")
    for status in ("withdrawn", "waitlisted"):
        saved = people.a.changes_cell("enrollment", people.marks[0], status=status)
        people.b.approves(*saved.changes)
        assert read(people).terms == []
        assert read(people).gpa is None
        assert gpa.gpa(people.students[0], decimals=2) is None


def test_one_pupil_costs_one_statement_and_a_year_group_costs_one_too(inside):
    people = inside

    def statements(pupils):
        with CaptureQueriesContext(connection) as queries:
            found = transcripts(pupils, decimals=2)
        assert found.keys() == set(pupils)
        return len(queries), found

    people.stands("80")
    count, found = statements(people.students[:1])
    assert count == 1
    more_pupils(people, 97)
    for n in range(3):
        section = teaches(
            people, worth="1", scale=make_scale(people.school, name=f"S{n}"), code=f"X{n}"
        )
        marked(people, people.students[0], section, "61")
    count, found = statements(list(Student.objects.values_list("pk", flat=True)))
    assert (count, len(found)) == (1, 100)
    assert found[people.students[0]].gpa == D("3.57")  # (4 * 4 + 3 * 3) / 7
    assert {len(each.courses) for each in found.values()} == {4, 1}


# The page. ----------------------------------------------------------------------------------------


def test_the_page_tells_the_terms_the_average_and_its_rule(people):
    with enter(people.school):
        people.stands("80")
        art = teaches(people, worth="2", scale=people.scale, code="ART")
        marked(people, people.students[0], art, "AB")
    page = Browser(people.a).get(at(people.students[0])).content.decode()
    for said in ("Abbott, Ada", "Autumn 2026", "GPA 4.00", "Credits earned", "absent"):
        assert said in page
    assert "rounded once, half up, to 2 decimals" in page
    assert page.index("ART") < page.index("Biology")


def test_a_school_chooses_its_decimals(people):
    with enter(people.school):
        people.stands("80")
    office = Browser(people.a)
    policy = reverse("admin:accounts_school_changelist")
    form = {"name": "Hill School", "time_zone": "Europe/London", "first_grades": "wait"}
    form |= {"comment_length": "2000", "gpa_decimals": "3", "cards_remarks": "optional"}
    assert office.send(policy, form | {"gpa_decimals": "5"}).status_code == 422
    assert office.send(policy, form).status_code == 302
    page = office.get(at(people.students[0])).content.decode()
    assert "GPA 4.000" in page
    assert "to 3 decimals" in page


def test_every_look_at_it_is_written_down_once_with_who_and_why(people):
    ada = people.students[0]
    for person in (people.t1, people.t2, people.a):
        assert Browser(person).get(at(ada)).status_code == 200
    with enter(people.school):
        told = AuditLog.objects.filter(event="view").order_by("id")
        assert [(each.user, each.metadata["why"]) for each in told] == [
            (people.t1.user, "teaches the pupil"),
            (people.t2.user, "teaches at the school, not this pupil"),
            (people.a.user, "works in the office"),
        ]
        assert set(Disclosure.objects.values_list("pupil_id", flat=True)) == {ada}
        assert Disclosure.objects.count() == 3
    page = Browser(people.a).get(at(ada, "admin:disclosed")).content.decode()
    assert page.count("transcript, on the screen") == 3


def test_where_teachers_open_their_own_classes_only_the_office_alone_sees_it(people):
    people.school.teachers_restricted = True
    people.school.save()
    for name in ("transcript", "transcript-pdf"):
        refused = Browser(people.t1).get(at(people.students[0], name), {"to": "x", "why": "y"})
        assert refused.status_code == 403
        assert "Ask the office" in refused.content.decode()
        allowed = Browser(people.a).get(at(people.students[0], name), {"to": "x", "why": "y"})
        assert allowed.status_code == 200
    with enter(people.school):
        assert {each.user for each in AuditLog.objects.filter(event__in=["view", "export"])} == {
            people.a.user
        }


def test_nobody_of_another_school_and_no_pupil_that_only_waits_has_one(people):
    with enter(people.school):
        new = people.t1.creates("student", family_name="New", given_names="Nell")
    assert Browser(people.outsider).get(at(people.students[0])).status_code == 404
    for person in (people.t1, people.a):
        assert Browser(person).get(at(new)).status_code == 404


def test_the_page_costs_the_same_however_many_courses(people):
    def statements():
        browser = Browser(people.t1)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(at(people.students[0])).status_code == 200
        return len(queries)

    few = statements()
    with enter(people.school):
        for n in range(5):
            scale = make_scale(people.school, name=f"Scale {n}")
            section = teaches(people, worth="2", scale=scale, code=f"X{n}")
            marked(people, people.students[0], section, "50")
    assert statements() == few


def test_a_pupil_in_a_class_and_the_offices_record_lead_to_it(people):
    link = f'href="{at(people.students[0])}"'
    in_class = reverse("pupil-in-class", args=[people.section, people.marks[0]])
    record = reverse("admin:students_student_change", args=[people.students[0]])
    assert link in Browser(people.t1).get(in_class).content.decode()
    assert link in Browser(people.a).get(record).content.decode()
    people.school.teachers_restricted = True
    people.school.save()
    assert link not in Browser(people.t1).get(in_class).content.decode()


# On paper. ----------------------------------------------------------------------------------------


def test_the_pdf_is_tagged_and_told_with_for_whom_and_why(people):
    with enter(people.school):
        people.stands("80")
    ada = people.students[0]
    response = Browser(people.a).get(
        at(ada, "transcript-pdf"), {"to": "Vale School", "why": "she applies there"}
    )
    assert response["Content-Type"] == "application/pdf"
    assert 'filename="transcript Ada Abbott.pdf"' in response["Content-Disposition"]
    with pikepdf.open(io.BytesIO(response.content)) as pdf:
        assert pdf.Root.MarkInfo.Marked
        assert str(pdf.Root.Lang) == "en"
        assert str(pdf.docinfo["/Title"]) == "Transcript of Abbott, Ada"
    with enter(people.school):
        event = AuditLog.objects.get(event="export")
        assert event.metadata["to"] == "Vale School"
        assert event.metadata["why"] == "she applies there"
        assert [each.pupil_id for each in event.disclosures.all()] == [ada]


def test_the_schools_logo_stands_on_it_and_the_text_is_what_was_entered(people):
    with enter(people.school):
        people.stands("80")
        drafts = creation("course", {"code": "ΦΥΣ", "title": "Physik für Łukasz"})
        people.a.enters(drafts, whole=True)
        section = course_in(people, people.term, course=drafts[0].entity_id, code="P")
        marked(people, people.students[0], section, "AB")
        picture = io.BytesIO()
        Image.new("RGB", (40, 20), "navy").save(picture, "PNG")
        logo.put(picture.getvalue(), by=people.a.member, origin=people.a.origin())
    response = Browser(people.a).get(
        at(people.students[0], "transcript-pdf"), {"to": "herself", "why": "asked"}
    )
    with pikepdf.open(io.BytesIO(response.content)) as pdf:
        assert len(pdf.pages[0].get_images()) == 1
    text = pypdfium2.PdfDocument(response.content)[0].get_textpage().get_text_range()
    for said in ("Hill School", "Abbott, Ada", "ΦΥΣ", "Physik für Łukasz", "GPA 4.00", "absent"):
        assert said in text


def test_what_no_font_can_print_is_marked_and_who_printed_is_told(people):
    with enter(people.school):
        drafts = creation("student", {"given_names": "Nadja \U00010600", "family_name": "نجيب"})
        people.a.enters(drafts, whole=True)
    office, pupil = Browser(people.a), drafts[0].entity_id
    printed = office.get(at(pupil, "transcript-pdf"), {"to": "herself", "why": "asked"})
    assert printed.content.startswith(b"%PDF")
    assert "could not be printed" in office.get(at(pupil)).content.decode()
    printed = office.get(at(people.students[0], "transcript-pdf"), {"to": "x", "why": "y"})
    assert printed.content.startswith(b"%PDF")
    assert "could not be printed" not in office.get(at(pupil)).content.decode()


def test_without_saying_for_whom_there_is_no_pdf(people):
    response = Browser(people.a).get(at(people.students[0], "transcript-pdf"), {"to": " "})
    assert response.status_code == 422
    assert response["Content-Type"].startswith("text/html")
    assert response.content.decode().count('class="errorlist"') == 2
    with enter(people.school):
        assert not AuditLog.objects.filter(event="export").exists()


# For scripts. -------------------------------------------------------------------------------------


def run(*given):
    out = io.StringIO()
    call_command("transcript", *given, stdout=out)
    return out.getvalue()


def test_the_command_prints_it_as_json_with_exact_amounts_and_is_written_down(people):
    with enter(people.school):
        people.stands("80")
        people.t1.types(people.marks[0], "13", reason="a slip")
    said = json.loads(run("101", "--school", "hill", "--json", "--to", "the ministry"))
    assert said["pupil"]["family_name"] == "Abbott"
    assert said["gpa"] == "4.00"
    assert said["terms"] == [
        {
            "name": "Autumn 2026",
            "starts_on": "2026-09-01",
            "ends_on": None,
            "courses": [
                {
                    "code": "BIO",
                    "title": "Biology",
                    "credits": "4",
                    "mark": "80",
                    "points": "4",
                    "repeated": False,
                }
            ],
            "credits_earned": "4",
            "gpa": "4.00",
        }
    ]
    with enter(people.school):
        event = AuditLog.objects.get(event="export")
        assert (event.user, event.metadata["to"]) == (None, "the ministry")
        assert [each.pupil_id for each in event.disclosures.all()] == people.students[:1]
    assert "  Biology BIO: 80, 4 points, 4 credits" in run("101", "--school", "hill")


def test_the_command_says_what_it_does_not_find(people):
    with pytest.raises(CommandError, match="has no pupil of the number '7'"):
        run("7", "--school", "hill")
    with pytest.raises(CommandError, match="there is no school 'hull'"):
        run("101", "--school", "hull")

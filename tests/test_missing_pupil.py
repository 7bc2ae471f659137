"""Adding a missing pupil: search, enrol, create, and another in place of a declined one."""

import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from changes import overlay, review
from changes.models import Change, ChangeSet
from changes.propose import creation
from grading.models import Enrollment
from students.models import Student
from tests.cast import only
from tests.pages import Browser, form_of, more_pupils, without_tokens, words_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def kim(people) -> uuid.UUID:
    """A pupil of the school who is in no class."""
    with enter(people.school):
        drafts = creation(
            "student",
            {
                "number": "412",
                "given_names": "Kim José",
                "family_name": "Núñez-Park",
                "birth_date": "2010-05-04",
                "year_level": "10",
            },
        )
        people.a.enters(drafts, whole=True)
        return drafts[0].entity_id


def url(name: str, people, *rest) -> str:
    return reverse(name, args=[people.section, *rest])


def search(person, people, query: str) -> str:
    response = Browser(person).get(url("missing-pupil", people), {"q": query})
    assert response.status_code == 200
    return response.content.decode()


def test_a_search_that_finds_too_many_says_that_there_are_others(people):
    more_pupils(people, 13)
    page = search(people.t1, people, "extra")
    assert "Nobody else found for" in page
    assert "Type more of the name to find others." in page
    assert "Type more of the name" not in search(people.t1, people, "zzzz")


def created_by(person) -> list[uuid.UUID]:
    with enter(person.school):
        return overlay.own_new("student", by=person.member)


def enrolled_by(person) -> list[overlay.Record]:
    with enter(person.school):
        ids = overlay.own_new("enrollment", by=person.member)
        return list(overlay.see("enrollment", ids, by=person.member).values())


NEW = {"family_name": "Ashdown", "given_names": "Wren", "key": "k1"}


# Searching. --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query", ["Kim", "park", "nunez", "Núñez-Park, Kim", "Parc Kim", "nunes", "412", "41", "josé"]
)
def test_a_pupil_is_found_by_any_part_of_name_or_number_spelt_somehow(people, kim, query):
    page = search(people.t1, people, query)
    assert "Núñez-Park, Kim José" in page
    assert "born 4 May 2010" in page
    assert "number 412" in page
    assert str(kim) in page


@pytest.mark.parametrize("query", ["", "   ", "zzzz", "%", "'; drop table", "\0", "x" * 5000])
def test_nonsense_finds_nobody_and_breaks_nothing(people, kim, query):
    assert str(kim) not in search(people.t1, people, query)


def test_who_is_in_the_class_already_is_named_and_not_offered(people):
    page = search(people.t1, people, "Abbott")
    assert "In this class already" in page
    assert str(people.students[0]) not in page


def test_ones_own_new_pupil_is_found_and_nobody_elses(people):
    with enter(people.school):
        new = people.t2.creates("student", family_name="Hidden", number="777")
    for query in ("Hidden", "777"):
        assert str(new) in search(people.t2, people, query)
        for other in (people.t1, people.a):
            page = search(other, people, query)
            assert str(new) not in page
            assert "Nobody found" in page


def test_another_school_finds_nobody(people, kim):
    path = url("missing-pupil", people)
    assert Browser(people.outsider).get(path, {"q": "Kim"}).status_code == 404


def test_htmx_gets_what_is_found_and_not_a_page(people, kim):
    response = Browser(people.t1).get(
        url("missing-pupil", people), {"q": "Kim"}, headers={"HX-Request": "true"}
    )
    assert "<html" not in response.content.decode()
    assert str(kim) in response.content.decode()


def test_the_search_costs_as_many_queries_in_a_large_school_as_in_a_small_one(people, kim):
    browser = Browser(people.t1)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            browser.get(url("missing-pupil", people), {"q": "Pupil Park"})
        return len(queries)

    with enter(people.school):
        people.t1.creates("student", family_name="Parker")
    cost()
    few = cost()
    more_pupils(people, 30)
    with enter(people.school):
        for n in range(5):
            people.t1.creates("student", family_name=f"Parker{n}")
    assert cost() == few


# Enrolling. --------------------------------------------------------------------------------------


def test_a_found_pupil_is_enrolled_for_its_author_and_their_mark_has_the_focus(people, kim):
    browser = Browser(people.t1)
    response = browser.send(url("enrol-pupil", people), {"pupil": str(kim), "key": "k1"})
    (record,) = enrolled_by(people.t1)
    assert response.status_code == 302
    assert response["Location"] == f"{url('sheet', people)}?pupil={record.id.hex}"
    page = browser.get(response["Location"]).content.decode()
    field = page.partition("autofocus")[0].rpartition("<input")[2]
    assert 'class="cell grade"' in field
    assert "Núñez-Park" in page
    assert "Núñez-Park" not in Browser(people.t2).get(url("sheet", people)).content.decode()


def test_a_double_click_enrols_once(people, kim):
    browser = Browser(people.t1)
    for _ in range(2):
        assert (
            browser.send(url("enrol-pupil", people), {"pupil": str(kim), "key": "k1"}).status_code
            == 302
        )
    assert len(enrolled_by(people.t1)) == 1


def test_who_is_in_the_class_is_not_enrolled_again(people):
    response = Browser(people.t1).send(
        url("enrol-pupil", people), {"pupil": str(people.students[0]), "key": "k1"}
    )
    assert response.status_code == 302
    assert enrolled_by(people.t1) == []


def test_nobody_enrols_a_pupil_they_cannot_know_of(people):
    with enter(people.school):
        hidden = people.t2.creates("student", family_name="Hidden")
    with enter(people.other_school):
        drafts = creation("student", {"family_name": "Elsewhere"})
        people.outsider.enters(drafts, whole=True)
    answers = [
        Browser(people.t1).send(url("enrol-pupil", people), {"pupil": pupil, "key": "k1"})
        for pupil in (str(hidden), str(drafts[0].entity_id), str(uuid.uuid4()), "x", "")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({without_tokens(answer) for answer in answers}) == 1
    assert enrolled_by(people.t1) == []


# Creating. ---------------------------------------------------------------------------------------


def test_a_new_pupil_and_their_place_are_one_change_set_that_only_its_author_sees(people):
    browser = Browser(people.t1)
    response = browser.send(
        url("new-pupil", people), {**NEW, "birth_date": "2011-02-03", "year_level": "10"}
    )
    assert response.status_code == 302
    (pupil,), (place,) = created_by(people.t1), enrolled_by(people.t1)
    with enter(people.school):
        assert ChangeSet.objects.filter(initiator_id=people.t1.user.pk).count() == 1
        assert not Student.objects.filter(pk=pupil).exists()
        assert people.t1.looks_at("student", pupil, "birth_date") == "2011-02-03"
        mark = only(people.t1.types(place.id, "71"))
        review.approve(
            review.with_prerequisites([mark.pk]),
            school=people.school,
            by=people.a.member,
            origin=people.a.origin(),
        )
        assert str(Student.objects.get(pk=pupil)) == "Ashdown, Wren"
        assert people.grade(place.id) == "71"


def test_a_double_click_creates_one_pupil_and_going_back_for_another_makes_two(people):
    browser = Browser(people.t1)
    for _ in range(2):
        assert browser.send(url("new-pupil", people), NEW).status_code == 302
    assert len(created_by(people.t1)) == 1
    assert (
        browser.send(
            url("new-pupil", people), {**NEW, "family_name": "Quirke", "given_names": "Aoife"}
        ).status_code
        == 302
    )
    assert len(created_by(people.t1)) == 2
    assert len(enrolled_by(people.t1)) == 2


def test_similar_pupils_are_shown_before_and_nothing_typed_is_lost(people, kim):
    browser = Browser(people.t1)
    typed = {"family_name": "Nunez Park", "given_names": "Kim", "home_group": "10B", "key": "k1"}
    response = browser.send(url("new-pupil", people), typed)
    page = response.content.decode()
    assert response.status_code == 422
    assert "Is it one of these?" in page
    assert str(kim) in page
    assert created_by(people.t1) == []
    form = form_of(page, url("new-pupil", people))
    assert form["family_name"] == "Nunez Park"
    assert form["home_group"] == "10B"
    assert browser.post(url("new-pupil", people), {**form, "sure": "yes"}).status_code == 302
    assert len(created_by(people.t1)) == 1


def test_who_has_the_same_number_or_is_in_the_class_is_among_the_similar(people):
    page = (
        Browser(people.t1)
        .send(url("new-pupil", people), {"family_name": "Else", "number": "101", "key": "k"})
        .content.decode()
    )
    assert "Abbott, Ada" in page
    at = f"{url('sheet', people)}?pupil={people.marks[0].hex}"
    assert f'href="{at}">in this class already' in page
    sheet = Browser(people.t1).get(at).content.decode()
    (focused,) = re.findall(r"<input [^>]*autofocus[^>]*>", sheet)
    assert 'name="grade-1"' in focused


def test_somebody_elses_new_pupil_is_not_among_the_similar(people):
    with enter(people.school):
        people.t2.creates("student", family_name="Ashdown", given_names="Wren", number="900")
    response = Browser(people.t1).send(url("new-pupil", people), {**NEW, "number": "900"})
    assert response.status_code == 302


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("family_name", "", "Type the family name"),
        ("family_name", "x" * 300, "too long"),
        ("family_name", "\u200b ", "nothing that can be seen"),
        ("given_names", "a\0b", "ull characters"),
        ("birth_date", "2010-02-30", "not a date"),
        ("birth_date", "1066-01-01", "cannot be right"),
        ("year_level", "x" * 50, "too long"),
    ],
)
def test_errors_stand_beside_their_fields_and_nothing_typed_is_lost(people, field, text, says):
    browser = Browser(people.t1)
    typed = {"family_name": "Zed", "home_group": "10B", "key": "k1", field: text}
    response = browser.send(url("new-pupil", people), typed)
    page = response.content.decode()
    assert response.status_code == 422
    error = page.partition('class="errorlist"')[2].partition("</ul>")[0]
    assert f'id="id_{field}_error"' in error
    assert says in error
    assert form_of(page, url("new-pupil", people))["home_group"] == "10B"
    assert created_by(people.t1) == []
    assert enrolled_by(people.t1) == []


def test_the_search_is_carried_over_to_the_form(people):
    def form(query: str) -> dict[str, str]:
        page = Browser(people.t1).get(url("new-pupil", people), {"q": query}).content.decode()
        return form_of(page, url("new-pupil", people))

    for query in ("Wren Ashdown", "Ashdown, Wren"):
        assert form(query)["family_name"] == "Ashdown"
        assert form(query)["given_names"] == "Wren"
    assert form("Mary Ann Ashdown")["given_names"] == "Mary Ann"
    assert form("412")["number"] == "412"


def test_another_school_creates_nobody_here(people):
    assert Browser(people.outsider).send(url("new-pupil", people), NEW).status_code == 404
    assert created_by(people.outsider) == []


def test_where_teachers_are_restricted_only_the_instructor_adds_pupils(people, kim):
    people.school.teachers_restricted = True
    people.school.save()
    assert Browser(people.v).send(url("new-pupil", people), NEW).status_code == 403
    assert Browser(people.t1).send(url("new-pupil", people), NEW).status_code == 302


def test_naughty_strings_survive_as_names_from_the_page_to_the_table_and_back(people, shared_data):
    path = shared_data / "naughty_strings" / "blns.txt"
    lines = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    browser = Browser(people.t1)
    kept: list[str] = []
    for n, line in enumerate(lines[::4]):
        response = browser.send(
            url("new-pupil", people), {"family_name": line, "key": f"k{n}", "sure": "yes"}
        )
        if response.status_code == 302:
            kept.append(line)
        else:
            error = response.content.decode().partition('class="errorlist"')[2]
            assert "too long" in error or "can be seen" in error or "Type the family" in error
    assert len(kept) > len(lines[::4]) * 0.95
    with enter(people.school):
        names = Change.objects.filter(field="family_name").proposed_by(people.t1.user.pk)
        assert sorted(names.values_list("value", flat=True)) == sorted(kept)
        people.a.approves(*Change.objects.proposed_by(people.t1.user.pk).open())
        stored = Student.objects.exclude(family_name__in=["Abbott", "Brown", "Carter"])
        assert sorted(stored.values_list("family_name", flat=True)) == sorted(kept)
    page = browser.get(url("sheet", people)).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


# A declined pupil. -------------------------------------------------------------------------------


@pytest.fixture
def declined(people) -> uuid.UUID:
    """T1's new pupil, marked, whom the office declined. Returns the enrolment."""
    with enter(people.school):
        new = people.t1.creates("student", family_name="Parks", given_names="Kim")
        place = people.t1.enrols(new, people.section)
        people.t1.types(place, "58")
        people.a.declines(*Change.objects.of("student", new).open(), reason="Is in already: 412")
        return place


def test_the_row_of_a_declined_pupil_says_so_and_why(people, declined):
    page = Browser(people.t1).get(url("sheet", people)).content.decode()
    assert "Blocked: the pupil was declined, because: Is in already: 412" in page
    assert "Parks, Kim" in page
    assert url("other-pupil", people, declined) in page
    assert "Parks" not in Browser(people.t2).get(url("sheet", people)).content.decode()


def test_the_place_moves_with_its_mark_to_another_pupil_in_one_step(people, declined, kim):
    browser = Browser(people.t1)
    path = url("other-pupil", people, declined)
    page = browser.get(path).content.decode()
    assert str(kim) in page  # the search begins with the declined pupil's name
    for _ in range(2):
        response = browser.send(path, {"pupil": str(kim), "key": "k1"})
        assert response.status_code == 302
    page = browser.get(url("sheet", people)).content.decode()
    assert "Blocked" not in page
    assert "Núñez-Park, Kim José" in page
    with enter(people.school):
        mark = Change.objects.of("enrollment", declined).filter(field="grade").open().get()
        review.approve(
            review.with_prerequisites([mark.pk]),
            school=people.school,
            by=people.a.member,
            origin=people.a.origin(),
        )
        enrollment = Enrollment.objects.get(pk=declined)
        assert (enrollment.student_id, enrollment.grade) == (kim, "58")
        assert people.is_equal()


def test_nobody_moves_it_to_who_is_in_the_class_or_to_somebody_they_cannot_know(people, declined):
    browser = Browser(people.t1)
    path = url("other-pupil", people, declined)
    with enter(people.school):
        hidden = people.t2.creates("student", family_name="Hidden")
    assert browser.send(path, {"pupil": str(hidden)}).status_code == 404
    response = browser.send(path, {"pupil": str(people.students[0])}, follow=True)
    assert "is in this class already" in response.content.decode()
    with enter(people.school):
        assert people.t1.looks_at("enrollment", declined, "student") != str(people.students[0])


def test_somebody_elses_place_and_one_that_stands_are_not_moved(people, declined, kim):
    for person in (people.t2, people.a, people.outsider):
        path = url("other-pupil", people, declined)
        assert Browser(person).get(path).status_code == 404
        assert Browser(person).send(path, {"pupil": str(kim)}).status_code == 404
    path = url("other-pupil", people, people.marks[0])
    assert Browser(people.t1).send(path, {"pupil": str(kim)}).status_code == 404


def test_an_enrolment_that_was_declined_stands_apart_with_its_reason_and_mark(people, kim):
    with enter(people.school):
        place = people.t1.enrols(kim, people.section)
        people.t1.types(place, "58")
        creating = Change.objects.of("enrollment", place).exclude(field="grade").open()
        people.a.declines(*creating, reason="She is in BIO-3")
    page = Browser(people.t1).get(url("sheet", people)).content.decode()
    apart = page.partition("<h2>Declined</h2>")[2]
    assert "Núñez-Park" in apart
    assert "She is in BIO-3" in apart
    assert "58" in words_of(apart)

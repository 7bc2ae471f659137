"""Changing the details of a pupil and of a class, provisionally, in a form of the registry's."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from accounts.models import AuditLog
from changes.models import Change
from students.models import Student
from tests.pages import Browser, form_of, without_tokens

pytestmark = pytest.mark.django_db


def pupil_path(people, mark: uuid.UUID | None = None) -> str:
    return reverse("pupil-details", args=[people.section, mark or people.marks[0]])


def opened(person, path: str) -> tuple[Browser, dict[str, str]]:
    """Open a form and return its fields, as a browser sends them untouched."""
    browser = Browser(person)
    response = browser.get(path)
    assert response.status_code == 200
    return browser, form_of(response.content.decode(), path)


def waiting(people, entity: uuid.UUID) -> dict[str, str | None]:
    with enter(people.school):
        changes = Change.objects.filter(entity_id=entity).open().order_by("id")
        return dict(changes.values_list("field", "value"))


def words(response) -> str:
    return " ".join(response.content.decode().split())


# Who. --------------------------------------------------------------------------------------------


def test_records_of_others_answer_like_unknown_ones(people):
    with enter(people.school):
        new = people.t2.creates("student", family_name="Hidden")
        theirs = people.t2.enrols(new, people.section)
    for method in ("get", "send"):
        browser = Browser(people.t1)
        known, unknown = (
            getattr(browser, method)(pupil_path(people, each)) for each in (theirs, uuid.uuid4())
        )
        assert (known.status_code, unknown.status_code) == (404, 404)
        assert without_tokens(known) == without_tokens(unknown)
        stranger = getattr(Browser(people.outsider), method)(pupil_path(people))
        assert stranger.status_code == 404


def test_any_teacher_proposes_and_the_look_at_anothers_class_is_written_down(people):
    browser, form = opened(people.v, pupil_path(people))
    browser.post(pupil_path(people), form | {"home_group": "10B"})
    assert waiting(people, people.students[0]) == {"home_group": "10B"}
    with enter(people.school):
        (row,) = AuditLog.objects.filter(event=AuditLog.Event.VIEW, user=people.v.user)
        assert row.detail == "class BIO-2"


def test_where_teachers_are_restricted_others_are_refused(people):
    people.school.teachers_restricted = True
    people.school.save()
    assert Browser(people.v).get(pupil_path(people)).status_code == 403
    assert Browser(people.v).send(pupil_path(people), {"home_group": "x"}).status_code == 403
    assert waiting(people, people.students[0]) == {}


# A pupil. ----------------------------------------------------------------------------------------


def test_only_what_was_changed_is_proposed_on_the_head_that_was_shown(people):
    path = pupil_path(people)
    browser, form = opened(people.t1, path)
    assert form["family_name"] == "Abbott"
    typed = form | {"family_name": "Abbot", "birth_date": "2010-05-04", "email": "ada@hill.example"}
    response = browser.post(path, typed)
    assert response.url == reverse("pupil-in-class", args=[people.section, people.marks[0]])
    assert waiting(people, people.students[0]) == {
        "family_name": "Abbot",
        "birth_date": "2010-05-04",
        "email": "ada@hill.example",
    }
    with enter(people.school):
        changes = Change.objects.filter(entity_id=people.students[0]).open()
        head = Change.objects.get(
            entity_id=people.students[0], field="family_name", status="approved"
        )
        assert changes.get(field="family_name").base_change_id == head.pk
        assert len({each.change_set_id for each in changes}) == 1
        assert people.t2.looks_at("student", people.students[0], "family_name") == "Abbott"
        people.a.approves(*changes)
        assert str(Student.objects.get(pk=people.students[0])) == "Abbot, Ada"


def test_a_form_sent_untouched_or_twice_saves_nothing_more(people):
    path = pupil_path(people)
    browser, form = opened(people.t1, path)
    page = browser.post(path, form, follow=True)
    assert "Nothing was changed" in words(page)
    for _ in range(2):
        browser.post(path, form | {"year_level": "10"})
    with enter(people.school):
        assert Change.objects.filter(entity_id=people.students[0], field="year_level").count() == 1


def test_what_is_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(people):
    path = pupil_path(people)
    browser, form = opened(people.t1, path)
    typed = form | {
        "birth_date": "1800-01-01",
        "email": "not an address",
        "home_group": "  10B ",
        "number": "x" * 100,
    }
    response = browser.post(path, typed)
    assert response.status_code == 422
    page = words(response)
    assert "Nothing was saved yet" in page
    assert "The year 1800 cannot be right." in page
    assert "is not an e-mail address" in page
    assert waiting(people, people.students[0]) == {}
    again = form_of(response.content.decode(), path)
    for name in ("birth_date", "email", "home_group", "number"):
        assert again[name] == typed[name]
        assert again[f"{name}-seen"] == form[f"{name}-seen"]
    right = {"birth_date": "2010-01-01", "email": "", "number": "412"}
    assert browser.post(path, again | right).status_code == 302
    assert waiting(people, people.students[0]) == {
        "birth_date": "2010-01-01",
        "home_group": "  10B ",
        "number": "412",
    }


def test_ones_own_waiting_value_is_in_the_field_and_says_so(people):
    with enter(people.school):
        people.t1.changes_cell("student", people.students[0], family_name="Abbot")
    browser, form = opened(people.t1, pupil_path(people))
    assert form["family_name"] == "Abbot"
    assert "“Abbott” stands until then." in words(browser.get(pupil_path(people)))
    _, theirs = opened(people.t2, pupil_path(people))
    assert theirs["family_name"] == "Abbott"


def test_typing_what_stands_over_ones_own_waiting_value_withdraws_it(people):
    path = pupil_path(people)
    with enter(people.school):
        people.t1.changes_cell("student", people.students[0], family_name="Abbot", home_group="10B")
    browser, form = opened(people.t1, path)
    typed = form | {"family_name": "Abbott", "home_group": "", "year_level": "10"}
    page = words(browser.post(path, typed, follow=True))
    assert "1 detail was saved and awaits approval." in page
    assert "2 details that waited are withdrawn: what stands is as you typed it." in page
    assert waiting(people, people.students[0]) == {"year_level": "10"}
    _, form = opened(people.t1, path)
    assert (form["family_name"], form["home_group"]) == ("Abbott", "")


def test_a_detail_cleared_of_an_own_new_pupil_is_withdrawn_and_the_pupil_stays(people):
    with enter(people.school):
        new = people.t1.creates("student", family_name="Ashdown", home_group="10B")
        place = people.t1.enrols(new, people.section)
    path = pupil_path(people, place)
    browser, form = opened(people.t1, path)
    page = words(browser.post(path, form | {"home_group": ""}, follow=True))
    assert "1 detail that waited is withdrawn" in page
    assert waiting(people, new) == {"exists": "true", "family_name": "Ashdown"}
    with enter(people.school):
        people.a.approves(*people.open_of(new))
        assert Student.objects.get(pk=new).home_group == ""


def approved(people, **values: str) -> None:
    with enter(people.school):
        changes = people.t2.changes_cell("student", people.students[0], **values).changes
        people.a.approves(*changes)


def test_a_value_that_changed_meanwhile_is_shown_beside_ones_own(people):
    path = pupil_path(people)
    browser, form = opened(people.t1, path)
    approved(people, family_name="Abbots")
    # While the form comes back for something else ...
    response = browser.post(path, form | {"family_name": "Abbot", "email": "x"})
    assert "Since you opened this page, “Abbots” came to stand here." in words(response)
    # ... and once it is saved.
    browser.post(path, form_of(response.content.decode(), path) | {"email": ""})
    page = browser.get(path)
    assert "You typed “Abbot”; by now “Abbots” stands." in words(page)
    # What was left alone is never put back.
    assert waiting(people, people.students[0]) == {"family_name": "Abbot"}
    # Insisting bases it on what stands now.
    browser.post(path, form_of(page.content.decode(), path) | {"family_name-mine": "on"})
    assert "“Abbots” stands until then." in words(browser.get(path))


def test_an_untouched_field_never_undoes_what_was_approved_meanwhile(people):
    path = pupil_path(people)
    browser, form = opened(people.t1, path)
    approved(people, family_name="Abbots")
    browser.post(path, form | {"home_group": "10B"})
    assert waiting(people, people.students[0]) == {"home_group": "10B"}


def test_a_pupil_of_ones_own_that_waits_is_corrected_too(people):
    with enter(people.school):
        new = people.t1.creates("student", family_name="Ashdwn")
        place = people.t1.enrols(new, people.section)
    path = pupil_path(people, place)
    browser, form = opened(people.t1, path)
    browser.post(path, form | {"family_name": "Ashdown"})
    assert waiting(people, new)["family_name"] == "Ashdown"


def test_a_text_of_two_lines_stays_one_of_two_lines(people):
    approved(people, home_group="10B\nnorth")
    path = pupil_path(people)
    browser, form = opened(people.t1, path)
    browser.post(path, form | {"year_level": "10"})
    assert waiting(people, people.students[0]) == {"year_level": "10"}


@pytest.mark.parametrize("text", ["\0", "\ud800".encode("utf-8", "surrogatepass"), "x" * 5000])
def test_text_that_cannot_be_kept_is_refused(people, text):
    path = pupil_path(people)
    browser, form = opened(people.t1, path)
    browser.post(path, form | {"given_names": text})
    assert set(waiting(people, people.students[0])) <= {"given_names"}
    assert browser.get(path).status_code == 200


def test_a_base_that_nobody_was_shown_is_refused(people):
    with enter(people.school):
        (theirs,) = people.t2.changes_cell("student", people.students[0], home_group="1").changes
    path = pupil_path(people)
    browser, form = opened(people.t1, path)
    answers = [
        browser.post(path, form | {"home_group": "2", "home_group-seen": f"{base.hex}."})
        for base in (theirs.pk, uuid.uuid4())
    ]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert all("This page is out of date." in words(answer) for answer in answers)


def test_the_form_costs_as_many_queries_however_much_waits(people):
    browser = Browser(people.t1)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(pupil_path(people)).status_code == 200
        return len(queries)

    cost()
    few = cost()
    with enter(people.school):
        people.t1.changes_cell(
            "student", people.students[0], home_group="1", year_level="2", email="a@b.example"
        )
    assert cost() == few


# A class. ----------------------------------------------------------------------------------------


def section_path(people) -> str:
    return reverse("section-details", args=[people.section])


def test_the_sheet_leads_to_the_details_of_the_class(people):
    sheet = Browser(people.t1).get(reverse("sheet", args=[people.section])).content.decode()
    assert f'href="{section_path(people)}"' in sheet


def test_each_detail_of_a_class_is_proposed_by_any_teacher_and_seen_by_them_alone(people):
    path = section_path(people)
    browser, form = opened(people.v, path)
    with enter(people.school):
        lab = people.v.creates("room", name="LAB 1")
    typed = {
        "room": str(lab),
        "schedule": "Mon 9:00",
        "delivery_mode": "hybrid",
        "capacity": "24",
        "instructor": str(people.t2.user.pk),
    }
    assert browser.post(path, form | typed).status_code == 302
    assert waiting(people, people.section) == typed
    page = words(browser.get(path))
    assert "“SCI 201” stands until then." in page
    assert "“T1 Teacher” stands until then." in page
    assert "“30” stands until then." in page
    theirs = words(Browser(people.t1).get(path))
    for secret in ("LAB 1", "Mon 9:00", "awaiting approval</span>"):
        assert secret not in theirs


def test_an_untouched_class_is_no_change(people):
    path = section_path(people)
    browser, form = opened(people.t1, path)
    same = {"room": str(people.room), "instructor": str(people.t1.user.pk), "delivery_mode": ""}
    assert "Nothing was changed" in words(browser.post(path, form | same, follow=True))
    assert waiting(people, people.section) == {}


def test_rooms_and_people_that_one_cannot_know_of_are_refused_alike(people):
    path = section_path(people)
    with enter(people.school):
        hidden = people.t2.creates("room", name="HIDDEN")
    people.b.member.is_active = False
    people.b.member.save()
    browser, form = opened(people.t1, path)
    page = browser.get(path).content.decode()
    assert "HIDDEN" not in page
    assert "B Admin" not in page
    assert "T2 Teacher" in page
    for field, values in (
        ("room", [hidden, uuid.uuid4()]),
        ("instructor", [people.b.user.pk, people.outsider.user.pk, uuid.uuid4()]),
    ):
        for value in values:
            response = browser.post(path, form | {field: str(value), "capacity": "24"})
            assert response.status_code == 422
            assert f"Choose the {field} from the list." in words(response)
            assert form_of(response.content.decode(), path)["capacity"] == "24"
    assert waiting(people, people.section) == {}


def test_a_capacity_that_is_no_number_is_explained_and_kept(people):
    path = section_path(people)
    browser, form = opened(people.t1, path)
    response = browser.post(path, form | {"capacity": "many", "delivery_mode": "by post"})
    page = words(response)
    assert "“many” is not a whole number" in page
    assert "“by post” is not one of" in page
    assert form_of(response.content.decode(), path)["capacity"] == "many"
    assert waiting(people, people.section) == {}


def test_the_details_of_the_class_of_another_school_are_not_found(people):
    for method in ("get", "send"):
        assert getattr(Browser(people.outsider), method)(section_path(people)).status_code == 404


def test_the_form_of_a_class_costs_as_many_queries_in_a_school_of_many_rooms(people):
    browser = Browser(people.t1)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(section_path(people)).status_code == 200
        return len(queries)

    with enter(people.school):
        people.t1.creates("room", name="R0")
    cost()
    few = cost()
    with enter(people.school):
        for n in range(1, 6):
            people.t1.creates("room", name=f"R{n}")
    assert cost() == few

"""The comment bank: what can be kept, how it is filled in, whose it is, and where it is offered."""

import uuid

import pytest
from django.urls import reverse

from accounts.in_school import enter
from changes.registry import Invalid
from grading import comment_bank
from grading.models import BankComment, GradingScale, GradingStep, Section
from tests.forms_of import Form
from tests.pages import Browser

pytestmark = pytest.mark.django_db


def kept(people, owner=None, text: str = "{name} reads well.", **more) -> BankComment:
    return BankComment.objects.create(
        school=people.school, owner=owner and owner.user, text=text, **more
    )


def texts(people) -> list[str]:
    with enter(people.school):
        return list(BankComment.objects.order_by("id").values_list("text", flat=True))


def page_of(person, path: str) -> str:
    response = Browser(person).get(path)
    assert response.status_code == 200
    return response.content.decode()


# Filling in. --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pronouns", "filled"),
    [
        ("she", "Ada can read. She likes her book, which suits her. Her pen."),
        ("he", "Ada can read. He likes his book, which suits him. His pen."),
        (
            "they",
            "Ada can read. They likes their book, which suits them. Their pen.",
        ),
        ("", "Ada can read. They likes their book, which suits them. Their pen."),
    ],
)
def test_name_and_pronouns_are_filled_in_and_unknown_ones_neutrally(pronouns, filled):
    text = "{name} can read. {They} likes {their} book, which suits {them}. {Their} pen."
    assert comment_bank.fill(text, name="Ada", pronouns=pronouns) == filled


def test_a_name_is_never_filled_in_itself():
    assert comment_bank.fill("{name} {they}", name="{they}", pronouns="she") == "{they} she"
    assert comment_bank.fill("{Them}", name="", pronouns="she") == "Her"


def test_the_first_given_name_is_what_a_comment_says():
    assert comment_bank.first_name("Ada Marie", "Abbott") == "Ada"
    assert comment_bank.first_name("Anne-Marie", "Abbott") == "Anne-Marie"
    assert comment_bank.first_name("", "Abbott") == "Abbott"
    assert comment_bank.first_name(" ", "") == ""


@pytest.mark.parametrize(
    ("comment", "template"),
    [
        ("Ada reads. Well done, Ada!", "{name} reads. Well done, {name}!"),
        ("Ada’s work", "{name}’s work"),
        ("Adapts; Ada-like; Adá; Nevada; anAda", "Adapts; Ada-like; Adá; Nevada; anAda"),
        ("ada", "ada"),
        ("(Ada)-", "({name})-"),
    ],
)
def test_a_pupil_s_name_becomes_the_placeholder_where_it_is_a_word(comment, template):
    assert comment_bank.with_placeholder(comment, "Ada") == template
    assert comment_bank.with_placeholder(comment, "") == comment


# What can be kept. --------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["{nmae}", "{Name}", "{they are}", "{", "}", "{}", "{name"])
def test_anything_else_in_braces_is_refused_with_what_can_be_written(other):
    with pytest.raises(Invalid) as refusal:
        comment_bank.read_text(f"Hello {other}", most=100)
    assert str(refusal.value) == (
        f"“{other}” is nothing that can be filled in. Write {{name}}, {{they}}, {{them}}, "
        "{their}, or with a capital {They}, {Them}, {Their}."
    )


def test_a_blank_text_and_one_that_is_too_long_are_refused():
    with pytest.raises(Invalid, match="no text"):
        comment_bank.read_text(" \n", most=100)
    with pytest.raises(Invalid, match="It has 101 characters"):
        comment_bank.read_text("x" * 101, most=100)
    assert comment_bank.read_text("e\u0301" * 100, most=100) == "e\u0301" * 100


@pytest.fixture
def letters(inside):
    scale = GradingScale.objects.create(school=inside.school, name="Letters", kind="letters")
    for label in ("A", "A-", "B"):
        GradingStep.objects.create(school=inside.school, scale=scale, label=label)
    return inside.t1.member


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("", ""),
        ("  ", ""),
        ("a,  B ,A", "A, B"),
        ("A-", "A-"),
        ("70 – 84", "70-84"),
        ("70 to 84, ab", "70-84, AB"),
        ("99.5", "99.5"),
    ],
)
def test_marks_are_read_as_they_are_typed_on_a_sheet(letters, typed, read):
    assert comment_bank.read_marks(typed, by=letters) == read


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("A-C", "“A-C” is no mark here"),
        ("A,,B", "“” is no mark here"),
        ("good", "“good” is no mark here"),
        ("80-60", "“80-60” begins above its end"),
    ],
)
def test_what_is_no_mark_is_refused_and_not_kept_in_vain(letters, typed, says):
    with pytest.raises(Invalid, match=says):
        comment_bank.read_marks(typed, by=letters)


@pytest.mark.parametrize(
    ("marks", "mark", "fits"),
    [
        ("", "74", True),
        ("A, B", "B", True),
        ("A, B", "C", False),
        ("A", "A-", False),
        ("70-84", "70", True),
        ("70-84", "84", True),
        ("70-84", "84.5", False),
        ("70-84, AB", "AB", True),
        ("74", "74.0", True),
        ("70-84", "NaN", False),
        ("70-84", None, True),
    ],
)
def test_a_comment_is_offered_at_the_marks_that_it_is_for(marks, mark, fits):
    assert comment_bank.is_for(marks, mark) is fits


# Whose. -------------------------------------------------------------------------------------------


def test_one_s_own_are_offered_before_the_school_s_and_nobody_else_s(inside):
    section = Section.objects.get(pk=inside.section)
    kept(inside, inside.t2, "of t2")
    kept(inside, inside.t1, "own")
    kept(inside, None, "of the school")
    kept(inside, inside.t1, "of the subject", course_id=section.course_id)
    kept(inside, inside.t1, "of another subject", course_id=uuid.uuid4())
    kept(inside, inside.t1, "for good marks", marks="80-100")

    def offered(mark, person=inside.t1):
        return [each.text for each in comment_bank.offered(section, mark, by=person.member)]

    assert offered("70") == ["of the subject", "own", "of the school"]
    assert offered("90") == ["for good marks", "of the subject", "own", "of the school"]
    assert offered("90", inside.a) == ["of the school"]


def test_a_teacher_adds_changes_and_removes_their_own(people):
    browser = Browser(people.t1)
    path = reverse("my-comments")
    form = Form(browser.get(path), "text")
    assert browser.post(path, form.data(text="{name} reads", marks="70-100")).status_code == 302
    assert "{name} reads" in page_of(people.t1, path)
    with enter(people.school):
        (row,) = BankComment.objects.all()
        course = Section.objects.get(pk=people.section).course
    assert (row.owner_id, row.marks, row.course_id) == (people.t1.user.pk, "70-100", None)
    at = reverse("my-comment", args=[row.pk])
    form = Form(browser.get(at), "text")
    assert form.data()["text"] == ["{name} reads"]
    browser.post(at, form.data(text="{They} reads", course=str(course.pk), marks=""))
    assert texts(people) == ["{They} reads"]
    assert course.title in page_of(people.t1, path)
    answer = browser.send(reverse("remove-comment", args=[row.pk]), follow=True)
    assert "Removed: “{They} reads”" in answer.content.decode()
    assert texts(people) == []


def test_what_cannot_be_kept_is_said_beside_its_field_and_stays_typed(people):
    browser = Browser(people.t1)
    path = reverse("my-comments")
    form = Form(browser.get(path), "text")
    answer = browser.post(path, form.data(text="Hello {you}", marks="excellent"))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "“{you}” is nothing that can be filled in" in page
    assert "“excellent” is no mark here" in page
    assert Form(answer, "text").data()["text"] == ["Hello {you}"]
    assert texts(people) == []


def test_nobody_sees_or_touches_what_a_teacher_keeps(people):
    with enter(people.school):
        row = kept(people, people.t1, "secret of t1")
    for person in (people.t2, people.a, people.outsider):
        assert "secret" not in page_of(person, reverse("my-comments"))
        for name in ("my-comment", "remove-comment"):
            path = reverse(name, args=[row.pk])
            assert Browser(person).send(path, {"text": "mine now"}).status_code in {404, 405}
    office = reverse("admin:grading_bankcomment_changelist")
    assert "secret" not in page_of(people.a, office)
    for name in ("change", "remove"):
        path = reverse(f"admin:grading_bankcomment_{name}", args=[row.pk])
        assert Browser(people.a).send(path, {"text": "mine now"}).status_code == 404
    assert texts(people) == ["secret of t1"]


def test_the_office_looks_after_the_school_s(people):
    browser = Browser(people.a)
    add = reverse("admin:grading_bankcomment_add")
    form = Form(browser.get(add), "text")
    assert browser.post(add, form.data(text="{name} {nmae}")).status_code == 422
    assert browser.post(add, form.data(text="{name} reads.")).status_code == 302
    with enter(people.school):
        (row,) = BankComment.objects.all()
    assert row.owner_id is None
    at = reverse("admin:grading_bankcomment_change", args=[row.pk])
    browser.post(at, Form(browser.get(at), "text").data(text="{name} writes."))
    assert "{name} writes." in page_of(people.t2, reverse("my-comments"))
    remove = reverse("admin:grading_bankcomment_remove", args=[row.pk])
    assert Browser(people.t1).send(remove).status_code == 403
    browser.get(remove)
    assert texts(people) == ["{name} writes."]
    browser.send(remove)
    assert texts(people) == []


def test_a_teacher_changes_none_of_the_school_s(people):
    with enter(people.school):
        row = kept(people, None, "of the school")
    for name in ("my-comment", "remove-comment"):
        assert Browser(people.t1).send(reverse(name, args=[row.pk])).status_code == 404
    assert texts(people) == ["of the school"]


def test_a_subject_that_is_gone_is_said_so(people):
    with enter(people.school):
        kept(people, people.t1, course_id=uuid.uuid4())
    assert "a subject that is gone" in page_of(people.t1, reverse("my-comments"))

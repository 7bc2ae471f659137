"""Pupils who are there twice, as the office finds, merges and parts them again."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import enter
from changes import deciding, flags, judgement
from changes.merge import CannotMerge, merge, rehearse_merge
from changes.models import Change, Decision, LedgerHead
from changes.propose import creation
from grading import duplicates, not_the_same
from grading.models import Enrollment, NotTheSame
from students.models import Programme, Student
from tests.cast import only, open_changes
from tests.pages import Browser, form_of, words_of
from tests.racing import race

LIST, MERGE, EXECUTE, NOT_THE_SAME = (
    reverse(f"admin:{name}") for name in ("duplicates", "merge", "merge_execute", "not_the_same")
)


@pytest.fixture
def twice(people):
    """T1 and T2 have each missed Imani and added her, spelt a little differently."""
    with enter(people.school):
        missed_twice(people)
    return people


def missed_twice(people):
    other_class = creation(
        "section",
        {"course": str(people.course), "term": str(people.term), "code": "BIO-9"}
        | {"scale": str(people.scale.pk), "instructor": str(people.t2.user.pk)},
    )
    people.a.enters(other_class, whole=True)
    people.other_class = other_class[0].entity_id
    details = {"given_names": "Imani", "birth_date": "2012-05-17", "home_group": "9B"}
    people.imani = people.t1.creates("student", family_name="Achterberg", **details)
    people.first = people.t1.enrols(people.imani, people.section)
    people.first_mark = only(people.t1.types(people.first, "74"))
    people.again = people.t2.creates("student", family_name="Achtenberg", **details)
    people.second = people.t2.enrols(people.again, people.other_class)
    people.second_mark = only(people.t2.types(people.second, "68"))


def pairs(pupil=None):
    return [({each.one, each.other}, each.because) for each in duplicates.suspected(pupil)]


def opens(browser, people, keep, other):
    response = browser.get(MERGE, {"keep": keep, "other": other})
    assert response.status_code == 200
    return response.content.decode()


def merges(browser, page, **more):
    return browser.send(EXECUTE, {**form_of(page, MERGE), **more})


# Finding them. ------------------------------------------------------------------------------------


def test_who_waits_twice_is_found_once_whoever_added_them(twice):
    people = twice
    with enter(people.school):
        assert pairs() == [
            (
                {people.imani, people.again},
                ("nearly the same name", "the same date of birth", "the same home group"),
            )
        ]
        (pair,) = duplicates.suspected()
        assert pair.one == people.imani


def test_who_waits_and_stands_already_is_found(inside):
    people = inside
    ada = people.t2.creates("student", family_name="Abbot", given_names="Ada")
    swapped = people.t2.creates("student", family_name="Ben", given_names="Brown")
    numbered = people.t2.creates("student", family_name="Zed", number="103")
    people.t2.creates("student", family_name="Nobody", given_names="Else")
    assert pairs() == [
        ({ada, people.students[0]}, ("nearly the same name",)),
        ({swapped, people.students[1]}, ("the same name",)),
        ({numbered, people.students[2]}, ("the same number, 103",)),
    ]


def test_names_somewhat_alike_are_told_only_of_who_was_born_on_one_day(inside):
    people = inside
    for number, born in enumerate(("2012-05-17", "2012-05-17", "2012-05-18")):
        name = ("Marchetti", "Markety", "Marketty")[number]
        people.t1.creates("student", family_name=name, given_names="Lia", birth_date=born)
    told = [because for _, because in pairs()]
    assert ("nearly the same name", "the same date of birth") in told
    assert all("the same date of birth" in each or "another" in " ".join(each) for each in told)


def test_two_who_both_stand_are_found_when_one_of_them_is_asked_about(inside):
    people = inside
    twin = people.t2.creates("student", family_name="Abbott", given_names="Ada")
    people.a.approves(*people.open_of(twin))
    assert pairs() == []
    assert pairs(people.students[0]) == [({twin, people.students[0]}, ("the same name",))]


def test_the_list_says_in_which_class_both_of_them_are(twice):
    people = twice
    browser = Browser(people.a)
    assert "both in" not in browser.get(LIST).content.decode()
    with enter(people.school):
        people.t2.enrols(people.again, people.section)
    for query in ({}, {"pupil": str(people.imani)}):
        page = browser.get(LIST, query).content.decode()
        assert "the same home group, both in BIO-2 Biology, Autumn 2026" in page
        assert page.count("both in") == 1


def test_a_withdrawn_or_declined_pupil_is_nobody_s_twin(twice):
    people = twice
    with enter(people.school):
        people.a.declines(*people.open_of(people.again))
        assert pairs() == []


# Noting that they are two. ------------------------------------------------------------------------


def notes(people, *pair, by=None):
    by = by or people.a
    return not_the_same.note(*pair, by=by.member, origin=by.origin())


def twin_flags(people):
    waiting = judgement.load(people.school, open_changes())
    marks = flags.marks_on(people.school, waiting, by=people.a.member)
    return [mark for some in marks.values() for mark in some if mark.flag is flags.Flag.TWIN]


def test_two_who_are_noted_as_two_are_told_no_more_neither_in_the_list_nor_in_the_queue(twice):
    people = twice
    with enter(people.school):
        assert (len(pairs()), len(twin_flags(people))) == (1, 2)
        assert notes(people, people.again, people.imani)
        assert not notes(people, people.imani, people.again, by=people.b)
        assert (pairs(), twin_flags(people)) == ([], [])
        people.a.approves(*people.open_of(people.imani))
        assert pairs() == []


@pytest.mark.parametrize(
    ("field", "text", "told"),
    [
        ("birth_date", "2012-05-18", True),
        ("given_names", "Imane", True),
        ("family_name", "Achtenberk", True),
        ("home_group", "9C", False),
    ],
)
def test_they_are_told_again_when_a_name_or_a_date_of_birth_changes(twice, field, text, told):
    people = twice
    with enter(people.school):
        notes(people, people.imani, people.again)
        people.t2.changes_cell("student", people.again, **{field: text})
        assert bool(pairs()) == told
        if told:
            assert notes(people, people.imani, people.again)
            assert pairs() == []


def test_another_pair_of_the_same_pupils_is_still_told(twice):
    people = twice
    with enter(people.school):
        notes(people, people.imani, people.again)
        third = people.v.creates("student", family_name="Achterberg", given_names="Imani")
        assert {frozenset(pair) for pair, _ in pairs()} == {
            frozenset((third, people.imani)),
            frozenset((third, people.again)),
        }


def test_the_office_notes_it_on_the_list_and_sees_who_did_when_it_asks_about_the_pupil(twice):
    people = twice
    browser = Browser(people.a)
    page = browser.get(LIST).content.decode()
    asked = browser.send(NOT_THE_SAME, form_of(page, NOT_THE_SAME)).content.decode()
    assert "Not the same pupil?" in asked
    with enter(people.school):
        assert not NotTheSame.objects.exists()
    answer = browser.send(NOT_THE_SAME, form_of(asked, NOT_THE_SAME), follow=True)
    said = answer.content.decode()
    assert "Noted: Achterberg, Imani and Achtenberg, Imani are two." in said
    assert "Nobody who waits is like anybody else." in said
    asked = browser.get(LIST, {"pupil": people.imani}).content.decode()
    assert "Noted as two by A Admin" in asked
    assert "Not the same" not in asked
    assert f'formaction="{NOT_THE_SAME}"' in opens(browser, people, people.imani, people.again)


def test_who_is_no_pupil_of_the_school_is_noted_with_nobody(twice):
    people = twice
    for sent in (
        {"keep": people.imani, "other": people.imani},
        {"keep": people.imani, "other": people.section},
        {"keep": "x", "other": people.again},
    ):
        assert Browser(people.a).send(NOT_THE_SAME, sent).status_code == 404
    sent = {"keep": people.imani, "other": people.again}
    assert Browser(people.outsider).send(NOT_THE_SAME, sent).status_code == 404
    assert Browser(people.t1).send(NOT_THE_SAME, sent).status_code == 403
    with enter(people.school):
        assert not NotTheSame.objects.exists()


# The pages. ---------------------------------------------------------------------------------------


def test_the_office_is_led_from_the_flag_and_from_the_list_to_the_two_beside_each_other(twice):
    people = twice
    browser = Browser(people.a)
    sheet = reverse("admin:review_sheet", args=["student", people.t2.user.pk])
    link = f"{LIST}?pupil={people.again}"
    assert link in browser.get(sheet).content.decode()
    with enter(people.school):
        for person, pupil, name in (
            (people.t1, people.imani, "Arts"),
            (people.t2, people.again, "Science"),
        ):
            programme = Programme.objects.create(school=people.school, name=name)
            person.changes_cell("student", pupil, programme=str(programme.pk))
    for at in (LIST, link):
        page = browser.get(at).content.decode()
        assert "Achterberg, Imani" in page
        assert "Achtenberg, Imani" in page
        assert f"?keep={people.imani}&amp;other={people.again}" in page
    page = opens(browser, people, people.imani, people.again)
    assert "2012-05-17" not in words_of(page)
    for told in (
        "Achterberg",
        "Achtenberg",
        "17 May 2012",
        "Arts",
        "Science",
        "BIO-2",
        "BIO-9",
        "74",
        "68",
    ):
        assert told in page
    assert "T1 Teacher" in page
    assert "T2 Teacher" in page


def test_one_decision_makes_them_one_and_another_parts_them_again(twice):
    people = twice
    browser = Browser(people.a)
    page = opens(browser, people, people.imani, people.again)
    listed = page.partition("Is approved with it")[2].partition("</table>")[0]
    assert "Achterberg, Imani" in listed
    assert "BIO-9" in listed
    assert "Stands now" not in listed
    done = merges(browser, page)
    with enter(people.school):
        decision = Decision.objects.get(kind="merge")
        assert done.url == reverse("admin:merged", args=[decision.number])
        assert Enrollment.objects.get(pk=people.second).student_id == people.imani
        assert Student.objects.get(pk=people.imani).family_name == "Achterberg"
        assert people.is_equal()
    told = browser.get(done.url).content.decode()
    assert "Achtenberg, Imani" in told
    assert "Stands now" not in told
    assert reverse("admin:unmerge", args=[decision.number]) in told
    assert f'href="{done.url}"' in browser.get(LIST).content.decode()
    # Another person of the office undoes it.
    browser = Browser(people.b)
    undo = reverse("admin:unmerge", args=[decision.number])
    page = browser.get(undo).content.decode()
    assert "Waits again" in page
    assert "is hidden until the pupil whom it belongs to is approved" in page
    form = form_of(page, reverse("admin:unmerge_execute", args=[decision.number]))
    undone = browser.send(
        reverse("admin:unmerge_execute", args=[decision.number]), {**form, "reason": "two girls"}
    )
    assert undone.url == done.url
    told = browser.get(done.url).content.decode()
    assert "This was undone." in told
    assert "two girls" in told
    with enter(people.school):
        assert {people.again, people.second} & {c.entity_id for c in Change.objects.open()} == {
            people.again,
            people.second,
        }
        assert not Student.objects.filter(pk=people.again).exists()
        assert people.is_equal()
    # Once more: nothing of it is left to undo.
    assert "it was undone already" in browser.get(undo).content.decode()
    at = reverse("admin:unmerge_execute", args=[decision.number])
    assert browser.send(at, {**form, "reason": "again"}).url == done.url  # it was sent twice
    assert browser.send(at, {**form, "reason": "again", "key": "new"}).status_code == 409
    with enter(people.school):
        assert Decision.objects.filter(kind="reinstate").count() == 1


def test_the_other_one_can_be_kept_unless_one_of_them_stands(twice):
    people = twice
    browser = Browser(people.a)
    swap = f"?keep={people.again}&amp;other={people.imani}"
    assert swap in opens(browser, people, people.imani, people.again)
    with enter(people.school):
        people.a.approves(*people.open_of(people.imani))
    assert swap not in opens(browser, people, people.imani, people.again)
    page = opens(browser, people, people.again, people.imani)
    assert "Keep the one that stands" in page
    assert "Same pupil: merge" not in page


def test_where_both_are_in_one_class_the_office_chooses_each_mark_and_comment(twice):
    people = twice
    with enter(people.school):
        third = people.t2.enrols(people.again, people.section)
        people.t2.types(third, "70")
        people.t2.types(third, "Quick.", field="comment")
        people.t1.types(people.first, "Tidy.", field="comment")
    browser = Browser(people.a)
    page = opens(browser, people, people.imani, people.again)
    assert "both are in this class" in page
    grade, comment = (f"pair-{people.first}.{field}" for field in ("grade", "comment"))
    assert page.count(f'name="{grade}"') == page.count(f'name="{comment}"') == 2
    form = form_of(page, MERGE)
    chosen = {grade: "other", comment: "kept", f"pair-{people.imani}.family_name": "kept"}
    # Whoever chooses something else than was shown is shown what it comes to, first.
    refused = browser.send(EXECUTE, {**form, **chosen})
    assert refused.status_code == 409
    assert "Other values are chosen now" in refused.content.decode()
    with enter(people.school):
        assert not Decision.objects.filter(kind="merge").exists()
    shown = browser.send(MERGE, {**form, **chosen}).content.decode()
    done = browser.send(EXECUTE, {**form_of(shown, MERGE), **chosen})
    assert done.status_code == 302
    with enter(people.school):
        kept = Enrollment.objects.get(pk=people.first)
        assert (kept.student_id, kept.grade, kept.comment) == (people.imani, "70", "")
        still = {c.value for c in people.open_of(people.first)}
        assert still == {"Tidy."}
        assert people.is_equal()


def test_a_mark_that_stands_waits_for_a_second_person_when_the_other_one_is_chosen(people):
    with enter(people.school):
        people.stands("60")
        twin = people.t2.creates("student", family_name="Abbott", given_names="Ada")
        theirs = people.t2.enrols(twin, people.section)
        people.t2.types(theirs, "70")
    browser = Browser(people.a)
    chosen = {f"pair-{people.marks[0]}.grade": "other"}
    shown = browser.send(
        MERGE, {"keep": str(people.students[0]), "other": str(twin), **chosen}
    ).content.decode()
    assert "Waits for a second person" in shown
    assert browser.send(EXECUTE, {**form_of(shown, MERGE), **chosen}).status_code == 302
    with enter(people.school):
        assert people.grade(people.marks[0]) == "60"
        (waiting,) = people.open_of(people.marks[0])
        assert (waiting.value, waiting.two_people) == ("70", True)


def test_what_came_meanwhile_is_shown_before_anything_is_done(twice):
    people = twice
    browser = Browser(people.a)
    page = opens(browser, people, people.imani, people.again)
    with enter(people.school):
        people.t2.enrols(people.again, people.section)
        before = open_changes()
    refused = merges(browser, page)
    assert refused.status_code == 409
    assert "Something has changed since this was shown" in refused.content.decode()
    with enter(people.school):
        assert open_changes() == before
    assert merges(browser, refused.content.decode()).status_code == 302


def test_a_merge_sent_twice_leads_to_what_was_done(twice):
    people = twice
    browser = Browser(people.a)
    page = opens(browser, people, people.imani, people.again)
    first, again = merges(browser, page), merges(browser, page)
    assert first.url == again.url
    assert browser.get(MERGE, {"keep": people.imani, "other": people.again}).url == first.url
    with enter(people.school):
        assert Decision.objects.filter(kind="merge").count() == 1


def test_why_they_cannot_be_merged_is_said(twice):
    people = twice
    with enter(people.school):
        section = people.t2.creates(
            "section", course=str(people.course), term=str(people.term), code="BIO-3"
        )
        people.t2.enrols(people.again, section)
    page = opens(Browser(people.a), people, people.imani, people.again)
    assert "They cannot be merged as it is" in page
    assert "is not approved" in page
    assert "Same pupil: merge" not in page


def test_nobody_is_merged_by_a_teacher_nor_found_from_another_school(twice):
    people = twice
    two = {"keep": str(people.imani), "other": str(people.again)}
    with enter(people.school):
        before = open_changes()
    for person, status in ((people.t1, 403), (people.outsider, 404)):
        browser = Browser(person)
        assert browser.get(MERGE, two).status_code == status
        assert browser.send(MERGE, two).status_code == status
        sent = {**two, "reason": "x", "token": "x"}
        assert browser.send(EXECUTE, sent).status_code == status
        assert browser.get(LIST, {"pupil": people.imani}).status_code == status
        assert b"Achterberg" not in browser.get(LIST).content
    with enter(people.school):
        assert open_changes() == before


@pytest.mark.parametrize(
    "sent",
    [{"keep": "x", "other": "y"}, {"keep": "\x00"}, {"pair-x.grade": "other"}, {"other": "1"}],
)
def test_what_no_page_sends_is_not_found(twice, sent):
    browser = Browser(twice.a)
    two = {"keep": str(twice.imani), "other": str(twice.again)}
    if "pair-x.grade" in sent:
        sent = {**two, **sent}
    assert browser.send(MERGE, sent).status_code == 404
    assert browser.send(EXECUTE, {**sent, "reason": "x", "token": "x"}).status_code == 404
    same = {"keep": str(twice.imani), "other": str(twice.imani)}
    assert browser.get(MERGE, same).status_code == 404


def statements(browser, path, data=None):
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(path, data).status_code == 200
    return len(queries)


def test_the_pages_cost_the_same_however_many_pupils_and_classes(twice):
    people = twice
    browser = Browser(people.a)
    two = {"keep": str(people.imani), "other": str(people.again)}
    statements(browser, LIST)
    few = statements(browser, LIST), statements(browser, MERGE, two)
    with enter(people.school):
        for number in range(10):
            name = f"Someone{number}"
            for teacher in (people.t1, people.t2):
                pupil = teacher.creates("student", family_name=name, given_names="Kim")
                teacher.types(teacher.enrols(pupil, people.section), "50")
        for number in range(6):
            drafts = creation(
                "section",
                {"course": str(people.course), "term": str(people.term), "code": f"X-{number}"}
                | {"scale": str(people.scale.pk)},
            )
            people.a.enters(drafts, whole=True)
            people.t2.types(people.t2.enrols(people.again, drafts[0].entity_id), "51")
    assert (statements(browser, LIST), statements(browser, MERGE, two)) == few


# Two of the office at once. -----------------------------------------------------------------------


def merging(people, person, keep, other):
    """Return a merge as somebody of the office confirms it who has seen what it does."""
    common = {
        "entity_type": "student",
        "school": people.school,
        "by": person.member,
        "origin": person.origin(),
    }
    with enter(people.school):
        token = rehearse_merge(other, keep, **common).token
    return lambda: merge(other, keep, token=token, **common)


@pytest.fixture
def twice_in_earnest(own_cast):
    people = own_cast
    with enter(people.school):
        missed_twice(people)
    return people


@pytest.mark.parametrize("way", ["the same way", "the other way"])
def test_of_two_who_merge_at_the_same_time_one_does_and_the_other_is_told(twice_in_earnest, way):
    people = twice_in_earnest
    two = (people.imani, people.again)
    others = two if way == "the same way" else two[::-1]
    first, second = race(
        people, merging(people, people.a, *two), merging(people, people.b, *others)
    )
    assert first.decision.kind == "merge"
    assert isinstance(second, CannotMerge), second
    with enter(people.school):
        assert Decision.objects.filter(kind="merge").count() == 1
        assert Enrollment.objects.get(pk=people.second).student_id == people.imani
        assert people.is_equal()


def test_without_the_school_s_lock_both_would_have_merged(twice_in_earnest, monkeypatch):
    """The race above is one: when nobody waits for the lock, the second does not see the first."""

    def without_waiting(school):
        return LedgerHead.objects.get(pk=school.pk)

    people = twice_in_earnest
    two = (people.imani, people.again)
    acts = merging(people, people.a, *two), merging(people, people.b, *two[::-1])
    monkeypatch.setattr(deciding, "lock", without_waiting)
    monkeypatch.setattr("changes.merge.lock_authors", lambda *_: None)
    _, second = race(people, *acts)
    assert not isinstance(second, CannotMerge)

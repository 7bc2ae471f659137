"""Report cards: what they say, when they are ready, how they are made and kept."""

import hashlib
import uuid

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditLog, Disclosure
from changes.propose import Draft, NothingSaved, creation
from changes.review import NotApproved
from grading import card_runs, card_scope, issuing, report_card
from grading.models import CardOfRun, CardRun, IssuedCard, Term
from grading.paper import press
from tests import pdf
from tests.cast import Cast


@pytest.fixture
def term(inside: Cast) -> Term:
    return Term.objects.get(pk=inside.term)


@pytest.fixture
def graded(inside: Cast, term: Term) -> Cast:
    """Every pupil has a mark and a comment that stand."""
    for enrollment, mark in zip(inside.marks, ("82", "55.5", "AB"), strict=True):
        inside.stand(enrollment, mark, by=inside.t1)
        comment = inside.t1.types(enrollment, f"Reads well, {mark}.", field="comment").changes
        inside.a.approves(*comment)
    return inside


def of(people: Cast, index: int, term: Term) -> report_card.Card:
    (card,) = report_card.cards([people.students[index]], term, school=people.school)
    return card


def ask(people: Cast, term: Term, *, key: str = "school", **options) -> CardRun:
    scope = card_scope.find(key, term)
    return card_runs.ask(scope, term, by=people.a.member, origin=people.a.origin(), **options)


def made(people: Cast, term: Term, **options) -> CardRun:
    """Ask for cards, and let the worker make them."""
    run = ask(people, term, **options)
    while card_runs.make_next(people.school):
        pass
    run.refresh_from_db()
    return run


def text_of(card: IssuedCard) -> str:
    return pdf.text_of(bytes(card.file))


# What a card says. --------------------------------------------------------------------------------


def test_it_says_what_stands(graded, term):
    graded.t1.changes_cell("student", graded.students[0], home_group="8B")
    graded.a.approves(*graded.open_of(graded.students[0]))
    card = of(graded, 0, term)
    assert card.is_ready
    assert card.said["school"] == "Hill School"
    assert card.said["pupil"] == "Ada Abbott"
    assert card.said["facts"] == [["Home group", "8B"]]
    assert card.said["courses"] == [
        {
            "title": "Biology",
            "teacher": str(graded.t1.user),
            "mark": "82",
            "comment": "Reads well, 82.",
        }
    ]


def test_what_waits_is_not_on_it_and_it_is_not_ready(graded, term):
    before = of(graded, 0, term)
    graded.t1.types(graded.marks[0], "99", reason="recounted")
    graded.t2.types(graded.marks[0], "sentinel", field="comment")
    graded.t1.changes_cell("student", graded.students[0], given_names="Sentinel")
    card = of(graded, 0, term)
    assert card.said == before.said
    assert card.lacking == (
        "2 changes await approval in Biology",
        "1 change awaits approval on the pupil’s record",
    )


def test_a_correction_approved_a_second_ago_is_on_it(graded, term):
    graded.stand(graded.marks[0], "91", by=graded.t2)
    assert of(graded, 0, term).said["courses"][0]["mark"] == "91"


def test_without_mark_and_comment_it_is_not_ready(inside, term):
    assert of(inside, 0, term).lacking == ("no mark in Biology", "no comment in Biology")
    inside.school.cards_need_comments = False
    assert of(inside, 0, term).lacking == ("no mark in Biology",)


def test_a_place_in_another_class_that_waits_keeps_it_from_being_ready(graded, term):
    section = creation(
        "section", {"course": str(graded.course), "term": str(graded.term), "code": "BIO-3"}
    )
    graded.a.enters(section, whole=True)
    graded.t2.enrols(graded.students[0], section[0].entity_id)
    assert of(graded, 0, term).lacking == ("1 change awaits approval for a place in a class",)
    assert of(graded, 1, term).is_ready


def test_who_is_in_no_class_of_the_term_has_no_card(inside, term):
    pupil = creation("student", {"given_names": "Dora", "family_name": "Dunn"})
    inside.a.enters(pupil, whole=True)
    (card,) = report_card.cards([pupil[0].entity_id], term, school=inside.school)
    assert card.lacking == ("in no class of this term",)


def test_codes_are_explained_and_the_average_is_shown_where_the_school_wants_it(graded, term):
    assert of(graded, 2, term).said["codes"] == [["AB", "absent"]]
    assert of(graded, 0, term).said["codes"] == []
    assert of(graded, 0, term).said["average"] == ""
    graded.school.cards_with_average = True
    assert of(graded, 0, term).said["average"] == "4.00"
    assert of(graded, 1, term).said["average"] == "2.00"
    assert of(graded, 2, term).said["average"] == ""


def test_a_pupil_who_left_the_class_has_no_mark_of_it_on_the_card(graded, term):
    graded.t1.changes_cell("enrollment", graded.marks[0], status="withdrawn")
    graded.a.approves(*graded.open_of(graded.marks[0]))
    assert of(graded, 0, term).said["courses"] == []


def remarks_on(person, pupil, people: Cast, text: str) -> uuid.UUID:
    return person.creates("remark", student=str(pupil), term=str(people.term), text=text)


def test_a_remark_is_on_it_once_it_is_approved(graded, term):
    ada = graded.students[0]
    remark = remarks_on(graded.t2, ada, graded, "A good term for Ada.")
    assert of(graded, 0, term).said["remark"] == ""
    assert of(graded, 0, term).lacking == ("1 change awaits approval in the remark",)
    assert of(graded, 1, term).is_ready
    graded.a.approves(*graded.open_of(remark))
    assert of(graded, 0, term).said["remark"] == "A good term for Ada."
    graded.t1.changes_cell("remark", remark, text="Sentinel")
    assert of(graded, 0, term).said["remark"] == "A good term for Ada."
    assert of(graded, 0, term).lacking == ("1 change awaits approval in the remark",)
    assert graded.is_equal()


def test_a_school_prints_remarks_or_none_or_waits_for_them(graded, term):
    ada, ben, cleo = graded.students
    graded.a.approves(*graded.open_of(remarks_on(graded.t2, ada, graded, "A good term.")))
    remarks_on(graded.t2, ben, graded, "Sentinel")
    assert [of(graded, each, term).is_ready for each in range(3)] == [True, False, True]
    graded.school.cards_remarks = "none"
    assert [of(graded, each, term).is_ready for each in range(3)] == [True, True, True]
    assert of(graded, 0, term).said["remark"] == ""
    graded.school.cards_remarks = "required"
    assert [of(graded, each, term).lacking for each in range(3)] == [
        (),
        ("no remark", "1 change awaits approval in the remark"),
        ("no remark",),
    ]
    graded.school.save()
    assert "no remark" in card_runs.result(made(graded, term)).left_out[1].because
    made(graded, term, with_blanks=True)
    card = IssuedCard.objects.get(pupil_id=cleo)
    assert card.blanks == 1
    assert "Remark No remark" in text_of(card)


def test_a_remark_is_reverted_with_what_its_author_did(graded, term):
    remark = remarks_on(graded.v, graded.students[0], graded, "Her niece wrote this.")
    graded.a.approves(*graded.open_of(remark))
    graded.b.reverts(graded.v)
    assert of(graded, 0, term).said["remark"] == ""
    assert graded.is_equal()


def test_a_pupil_has_one_remark_in_a_term(graded, term):
    first = remarks_on(graded.t1, graded.students[0], graded, "One.")
    second = remarks_on(graded.t2, graded.students[0], graded, "Two.")
    graded.a.approves(*graded.open_of(first))
    with pytest.raises(NotApproved):
        graded.a.approves(*graded.open_of(second))


def test_a_remark_keeps_to_the_schools_limit_the_window_and_own_pupils(graded, term):
    def refused(person) -> str:
        with pytest.raises(NothingSaved) as refusal:
            remarks_on(person, graded.students[0], graded, "Twelve chars")
        return next(each.refused for each in refusal.value.drafts if each.refused)

    graded.t2.member.school.comment_length = 5
    assert "12 characters" in refused(graded.t2)
    graded.t2.member.school.comment_length = 100
    graded.t2.member.school.teachers_restricted = True
    assert "own pupils" in refused(graded.t2)
    graded.t2.member.school.teachers_restricted = False
    graded.a.enters(
        [Draft(entity_type="term", entity_id=term.pk, field="marks_close_on", typed="2026-11-01")]
    )
    assert "closed" in refused(graded.t2)
    remarks_on(graded.b, graded.students[0], graded, "The office may.")


def test_any_number_of_cards_costs_the_same_number_of_statements(graded, term):
    def statements(count: int) -> int:
        with CaptureQueriesContext(
            connection,
        ) as found:
            report_card.cards(graded.students[:count], term, school=graded.school)
        return len(found)

    assert statements(1) == statements(3)


# Issuing. -----------------------------------------------------------------------------------------


def test_a_card_is_kept_as_it_was_issued(graded, term):
    run = made(graded, term)
    assert (run.handled, run.total) == (3, 3)
    assert run.finished_at
    card = IssuedCard.objects.get(pupil_id=graded.students[0])
    assert card.version == 1
    assert card.issued_by == graded.a.user
    assert card.file_digest == hashlib.sha256(bytes(card.file)).hexdigest()
    assert card.said_digest == report_card.digest(card.said)
    text = text_of(card)
    for words in ("Hill School", "Ada Abbott", "Biology", "82", "Reads well, 82.", "Autumn 2026"):
        assert words in text
    assert pdf.complaints(bytes(card.file)) == []


def test_what_is_not_ready_is_refused_with_what_is_missing(inside, term):
    inside.stand(inside.marks[0], "82", by=inside.t1)
    run = made(inside, term)
    left_out = {row.pupil: row.because for row in card_runs.result(run).left_out}
    assert left_out == {
        "Ada Abbott": ["no comment in Biology"],
        "Ben Brown": ["no mark in Biology", "no comment in Biology"],
        "Cleo Carter": ["no mark in Biology", "no comment in Biology"],
    }
    assert not IssuedCard.objects.exists()


def test_it_is_printed_anyway_by_choice_with_blanks_marked_and_provisional_nowhere(inside, term):
    inside.t1.types(inside.marks[0], "99")
    made(inside, term, with_blanks=True)
    card = IssuedCard.objects.get(pupil_id=inside.students[0])
    text = text_of(card)
    assert card.blanks == 2
    assert "No mark" in text
    assert "No comment" in text
    assert "99" not in text
    assert "rovisional" not in text


def test_asking_again_issues_nothing_while_the_cards_hold(graded, term):
    made(graded, term)
    run = made(graded, term)
    assert IssuedCard.objects.count() == 3
    result = card_runs.result(run)
    assert (result.new, result.held, result.left_out) == (0, 3, [])


def test_a_form_that_is_sent_twice_asks_once(graded, term):
    assert ask(
        graded,
        term,
        key="school",
    ) != ask(graded, term, key="school")
    scope = card_scope.find("school", term)
    one, two = (
        card_runs.ask(scope, term, by=graded.a.member, origin=graded.a.origin(), key="k")
        for _ in range(2)
    )
    assert one == two


def test_a_card_that_differs_is_issued_anew_only_with_a_reason_and_marked_amended(graded, term):
    made(graded, term)
    graded.stand(graded.marks[0], "91", by=graded.t2)
    run = made(graded, term)
    (left_out,) = card_runs.result(run).left_out
    assert left_out.because[0].startswith("differs from what was issued on ")
    made(graded, term, reason="a paper was found that had not been marked")
    first, second = IssuedCard.objects.filter(pupil_id=graded.students[0]).order_by("version")
    assert "91" not in text_of(first)
    assert "Amended report card" in text_of(second)
    assert "replaces the one issued on" in text_of(second)
    assert "91" in text_of(second)
    assert second.reason == "a paper was found that had not been marked"
    assert "a paper was found" not in text_of(second)
    assert IssuedCard.objects.filter(pupil_id=graded.students[1]).count() == 1


def test_a_name_that_no_font_can_print_is_named_and_holds_up_nobody(graded, term):
    graded.t1.changes_cell("student", graded.students[1], given_names="Ben \u0378")
    graded.a.approves(*graded.open_of(graded.students[1]))
    run = made(graded, term)
    result = card_runs.result(run)
    assert result.new == 3
    assert [(row.pupil, row.card.unprintable) for row in result.unprintable] == [
        ("Ben \u0378 Brown", "\u0378")
    ]


def test_a_card_that_lacks_characters_is_issued_anew_when_a_font_has_them(
    graded, term, monkeypatch
):
    graded.t1.changes_cell("student", graded.students[1], given_names="Ben \u0378")
    graded.a.approves(*graded.open_of(graded.students[1]))
    made(graded, term)
    made(graded, term)
    made(graded, term, reason="a font is installed, but not the right one")
    (lacking,) = IssuedCard.objects.exclude(unprintable="")
    assert lacking.unprintable_named == "U+0378"
    printing = press.Press._compile

    def with_a_font(self, layout, data, at):
        return printing(self, layout, press._replaced(data, {0x378: "o"}), at)

    monkeypatch.setattr(press.Press, "_compile", with_a_font)
    made(graded, term)
    assert IssuedCard.objects.count() == 3
    made(graded, term, reason="a font is installed")
    (amended,) = IssuedCard.objects.filter(version=2)
    assert (amended.pupil_id, amended.unprintable) == (graded.students[1], "")
    assert "Ben o Brown" in text_of(amended)


def test_making_them_is_in_the_audit_log_and_with_each_pupil(graded, term):
    made(graded, term)
    (row,) = AuditLog.objects.filter(detail__startswith="report cards made")
    assert row.user == graded.a.user
    pupils = Disclosure.objects.filter(event=row).values_list("pupil_id", flat=True)
    assert set(pupils) == set(graded.students)


# In the background. -------------------------------------------------------------------------------


def test_it_is_made_in_portions_and_a_worker_that_dies_loses_only_its_own(
    graded, term, monkeypatch
):
    monkeypatch.setattr(card_runs, "PORTION", 1)
    run = ask(graded, term)
    assert card_runs.make_next(graded.school)

    def dies(*args, **options):
        raise RuntimeError("killed")

    with monkeypatch.context() as broken:
        broken.setattr(card_runs.disclosures, "note", dies)
        with pytest.raises(RuntimeError):
            card_runs.make_next(graded.school)
    run.refresh_from_db()
    assert run.handled == 1
    assert IssuedCard.objects.count() == 1
    while card_runs.make_next(graded.school):
        pass
    assert IssuedCard.objects.count() == CardOfRun.objects.filter(run=run).count() == 3


def test_a_run_is_cancelled_between_two_portions_and_what_was_issued_stays(
    graded, term, monkeypatch
):
    monkeypatch.setattr(card_runs, "PORTION", 1)
    run = ask(graded, term)
    card_runs.make_next(graded.school)
    card_runs.cancel(run, at=graded.clock.tick())
    assert not card_runs.make_next(graded.school)
    assert IssuedCard.objects.count() == 1
    with pytest.raises(card_runs.NotUnderWay):
        card_runs.cancel(run, at=graded.clock.tick())


def test_a_run_of_somebody_who_is_not_of_the_office_any_more_ends(graded, term):
    run = ask(graded, term)
    graded.a.member.is_active = False
    graded.a.member.save()
    while card_runs.make_next(graded.school):
        pass
    run.refresh_from_db()
    assert run.cancelled_at
    assert not IssuedCard.objects.exists()


def test_a_teacher_may_not_ask(graded, term):
    scope = card_scope.find("school", term)
    with pytest.raises(card_runs.MayNotIssue):
        card_runs.ask(scope, term, by=graded.t1.member, origin=graded.t1.origin())


# Whose. -------------------------------------------------------------------------------------------


def test_a_scope_is_a_pupil_a_class_a_home_group_or_the_school(graded, term):
    for student, group in zip(graded.students, ("8B", "8A", "8B"), strict=True):
        graded.t1.changes_cell("student", student, home_group=group)
    graded.a.approves(*graded.open_of(*graded.students))
    ada, ben, cleo = graded.students

    def pupils(key: str) -> list[uuid.UUID]:
        return card_scope.find(key, term).pupil_ids

    assert pupils("school") == [ben, ada, cleo]
    assert pupils("group:8B") == [ada, cleo]
    assert pupils(f"class:{graded.section}") == [ben, ada, cleo]
    assert pupils(f"pupil:{cleo}") == [cleo]
    keys = {key for _, some in card_scope.choices(term) for key, _ in some}
    assert keys == {"school", "group:8A", "group:8B", f"class:{graded.section}"}
    for nobody in ("", "class:", "class:x", "group:", f"pupil:{graded.section}", "everybody"):
        with pytest.raises(card_scope.UnknownScope):
            card_scope.find(nobody, term)


def test_names_with_accents_are_printed_where_people_look_for_them(graded, term):
    for student, name in zip(graded.students, ("Łuć", "Zola", "Ångström"), strict=True):
        graded.t1.changes_cell("student", student, family_name=name)
    graded.a.approves(*graded.open_of(*graded.students))
    ada, ben, cleo = graded.students
    assert card_scope.find("school", term).pupil_ids == [cleo, ada, ben]


# The law. -----------------------------------------------------------------------------------------


def test_what_was_asked_for_never_changes_and_a_run_goes_forward(graded, term):
    run = made(graded, term)

    def refuses(query: str, match: str) -> None:
        with (
            pytest.raises(DatabaseError, match=match),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(query)

    refuses("update grading_cardrun set label = 'x'", "permission denied")
    refuses("update grading_cardrun set handled = 0", "goes forward")
    refuses("update grading_issuedcard set reason = 'x'", "permission denied")
    assert run.finished_at


def test_of_two_runs_that_issue_the_same_card_at_once_the_second_starts_over(
    graded, term, monkeypatch
):
    ask(graded, term)
    looking = issuing.latest
    looked: list[dict] = []

    def another_issues_them_meanwhile(*args, **options):
        found = looking(*args, **options)
        looked.append(found)
        if len(looked) == 1:
            by, at = graded.b.user, graded.clock.tick()
            issuing.issue(graded.students, term, school=graded.school, by=by, at=at)
        return found

    monkeypatch.setattr(issuing, "latest", another_issues_them_meanwhile)
    while card_runs.make_next(graded.school):
        pass
    assert len(looked) == 3  # the first time in vain, and the other's
    assert sorted(IssuedCard.objects.values_list("version", flat=True)) == [1, 1, 1]

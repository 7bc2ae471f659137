"""The mark sheet: who opens it, what it shows, what is saved and what is refused."""

import posixpath
import re
import uuid

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.in_school import SCHOOL_IN_SESSION, enter
from accounts.models import AuditLog, Membership
from changes.models import Change, ChangeSet
from changes.visible import shows
from grading.models import Enrollment, GradeCorrection
from tests.cast import judged, only, typed
from tests.pages import Browser, as_shown, form_of, more_pupils, without_tokens

pytestmark = pytest.mark.django_db


def path_of(people) -> str:
    return reverse("sheet", args=[people.section])


def page_of(person, people) -> str:
    response = Browser(person).get(path_of(people))
    assert response.status_code == 200
    return response.content.decode()


def words(text: str) -> str:
    return " ".join(text.split())


def waiting(people, field="grade") -> dict[uuid.UUID, str | None]:
    with enter(people.school):
        return dict(Change.objects.filter(field=field).open().values_list("entity_id", "value"))


# Who opens it. -----------------------------------------------------------------------------------


def test_nobody_opens_the_class_of_another_school_and_the_answer_tells_nothing(people):
    browser = Browser(people.outsider)
    real = browser.get(path_of(people))
    unknown = browser.get(reverse("sheet", args=[uuid.uuid4()]))
    assert real.status_code == unknown.status_code == 404
    assert without_tokens(real) == without_tokens(unknown)


@pytest.mark.parametrize("what", ["whole form", "cell"])
def test_nobody_saves_into_the_class_of_another_school(people, what):
    browser = Browser(people.outsider)
    if what == "cell":
        response = browser.cell(people.section, people.marks[0], "70")
    else:
        response = browser.send(
            path_of(people), {"row-1": people.marks[0].hex, "grade-1": "70", "grade-1-seen": "."}
        )
    assert response.status_code == 404
    assert waiting(people) == {}


def test_a_pupil_of_another_class_or_school_is_not_marked_through_this_one(people):
    browser = Browser(people.t1)
    unknown = browser.cell(people.section, uuid.uuid4(), "70")
    assert unknown.status_code == 422
    assert "no longer on this sheet" in unknown.content.decode()
    with enter(people.school):
        new = people.t2.creates("student", family_name="Hidden")
        theirs = people.t2.enrols(new, people.section)
    hidden = browser.cell(people.section, theirs, "70")
    assert without_tokens(hidden) == without_tokens(unknown)
    assert waiting(people) == {}


def test_opening_the_class_of_somebody_else_is_written_down_and_ones_own_is_not(people):
    page_of(people.t1, people)
    page = page_of(people.v, people)
    assert "not your own class" in page
    with enter(people.school):
        rows = AuditLog.objects.filter(event=AuditLog.Event.VIEW)
        assert [(row.user_id, row.detail) for row in rows] == [(people.v.user.pk, "class BIO-2")]
        assert rows[0].metadata["section"] == str(people.section)


def test_where_teachers_are_restricted_the_class_of_somebody_else_is_refused(people):
    people.school.teachers_restricted = True
    people.school.save()
    assert Browser(people.v).get(path_of(people)).status_code == 403
    assert Browser(people.v).cell(people.section, people.marks[0], "70").status_code == 403
    assert Browser(people.t1).get(path_of(people)).status_code == 200
    assert Browser(people.a).get(path_of(people)).status_code == 200


# What it shows. ----------------------------------------------------------------------------------


def test_it_names_pupils_fields_and_what_the_scale_takes(people):
    page = page_of(people.t1, people)
    assert "Mark of Abbott, Ada" in page
    assert "Comment on Carter, Cleo" in page
    assert "Marks: 0 to 100, or AB, EX" in page
    assert page.index("Abbott") < page.index("Brown") < page.index("Carter")


def test_each_state_is_said_in_words(people):
    with enter(people.school):
        people.t1.types(people.marks[0], "72")
        people.a.declines(only(people.t1.types(people.marks[1], "55")), reason="look again")
        people.t1.types(people.marks[2], "64")
        people.a.approves(only(people.v.types(people.marks[2], "46")))
        people.a.approves(only(people.t1.types(people.marks[0], "Good.", field="comment")))
    page = words(page_of(people.t1, people))
    assert '<span class="state waiting">awaiting approval</span>' in page
    assert "“55” was declined: look again" in page
    assert "The office’s newer value is “46”" in page
    assert '<span class="state approved">approved</span>' in page
    assert '<span class="state blank">blank</span>' in page


def test_nobody_else_sees_a_waiting_mark_or_comment(people):
    with enter(people.school):
        people.t1.types(people.marks[0], "67.3")
        people.t1.types(people.marks[0], "A secret so far.", field="comment")
        new = people.t1.creates("student", family_name="Ashdown")
        people.t1.enrols(new, people.section)
    for person in (people.t2, people.a):
        page = page_of(person, people)
        assert "67.3" not in page
        assert "secret" not in page
        assert "Ashdown" not in page
        assert "awaiting approval</span>" not in page
    mine = page_of(people.t1, people)
    assert "67.3" in mine
    assert "new, awaiting approval" in mine


def test_waitlisted_and_withdrawn_pupils_stand_apart(people):
    with enter(people.school):
        for mark, status in ((people.marks[0], "withdrawn"), (people.marks[1], "waitlisted")):
            people.a.approves(*people.t1.changes_cell("enrollment", mark, status=status).changes)
    page = page_of(people.t1, people)
    assert page.index("Carter") < page.index("Waiting for a place") < page.index("Brown")
    assert page.index("Brown") < page.index("<h2>Withdrawn</h2>") < page.index("Abbott")


def test_names_stand_in_the_order_of_the_alphabet_whatever_their_accents(people):
    with enter(people.school):
        for name in ("Zimmer", "Łukasik", "Čapek", "Ørsted", "Pugh"):
            people.t1.enrols(people.t1.creates("student", family_name=name), people.section)
    page = page_of(people.t1, people)
    names = ["Čapek", "Carter", "Łukasik", "Ørsted", "Pugh", "Zimmer"]
    assert sorted(names, key=page.index) == names


def test_a_closed_term_leaves_the_sheet_readable_and_says_so(people):
    with enter(people.school):
        drafts = people.a.changes_cell("term", people.term, marks_close_on="2026-11-10")
        people.b.approves(*drafts.changes)
    page = page_of(people.t1, people)
    assert "Marks for Autumn 2026 closed on 10 November 2026" in page
    assert "readonly" in page
    response = Browser(people.t1).cell(people.section, people.marks[0], "70")
    assert response.status_code == 422
    assert "closed on 10 November 2026" in response.content.decode()
    assert waiting(people) == {}
    assert "readonly" not in page_of(people.a, people)


def test_the_sheet_costs_as_many_queries_for_thirty_pupils_as_for_three(people):
    browser = Browser(people.t1)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(path_of(people)).status_code == 200
        return len(queries)

    cost()
    with enter(people.school):
        people.t1.types(people.marks[0], "70")
    few = cost()
    ids = more_pupils(people, 27)
    with enter(people.school):
        for each in ids:
            people.t1.types(each, "70")
            people.t1.types(each, "Well done.", field="comment")
    assert cost() == few


def test_sixty_pupils_in_every_state_weigh_less_than_a_hundred_kilobytes(people):
    ids = [*people.marks, *more_pupils(people, 57)]
    comment = "Works well, and asks good questions in every lesson."
    with enter(people.school):
        head = people.a.enters([typed(each, "60") for each in ids[:15]])
        assert head
        for n, each in enumerate(ids[15:]):
            change = only(people.t1.types(each, "70"))
            people.t1.types(each, comment, field="comment")
            if n % 3 == 0:
                people.a.declines(change, reason="Look at the second paper again, please.")
            elif n % 3 == 1:
                people.a.approves(only(people.v.types(each, "46")))
    page = page_of(people.t1, people)
    assert page.count("“70” was declined") == 15
    assert page.count("newer value") == 15
    assert page.count("awaiting approval</span>") == 15 + 45
    assert len(page.encode()) - page.count(comment) * len(comment) < 100_000


def test_the_scripts_of_the_sheet_stay_small(people):
    page = page_of(people.t1, people)
    # The panel beside a pupil comes after them.
    first = re.findall(r'<script type="module" src="/static/([^"]+)"', page)
    found: dict[str, str] = {}
    while first:
        name = first.pop()
        found[name] = (settings.BASE_DIR / "static" / name).read_text(encoding="utf-8")
        for beside in re.findall(r'from "([^"]+)"', found[name]):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), beside))
            if path not in found:
                first.append(path)
    assert {"schoolmarks.js", "sheet/main.js", "sheet/sending.js"} <= set(found)
    # What is said in comments is for who reads them, and is no code.
    code = re.sub(r"/\*.*?\*/|(?<=\s)//[^\n]*", "", "".join(found.values()), flags=re.DOTALL)
    assert len(code.encode()) < 30_000


# One cell. ---------------------------------------------------------------------------------------


def test_a_cell_is_saved_and_the_answer_is_its_state_alone(people):
    response = Browser(people.t1).cell(people.section, people.marks[0], "80.0 ")
    answer = response.content.decode()
    assert response.status_code == 200
    assert "awaiting approval" in answer
    assert 'data-saved="80"' in answer
    assert "<textarea" not in answer
    assert waiting(people) == {people.marks[0]: "80"}


def test_a_value_that_is_refused_is_not_saved_and_is_explained(people):
    response = Browser(people.t1).cell(people.section, people.marks[0], "101")
    assert response.status_code == 422
    answer = response.content.decode()
    assert "101 is out of bounds" in answer
    assert "data-refused" in answer
    assert waiting(people) == {}


def test_a_request_sent_twice_counts_once(people):
    browser = Browser(people.t1)
    for _ in range(2):
        response = browser.cell(people.section, people.marks[0], "70", key="k1")
        assert "awaiting approval" in response.content.decode()
    with enter(people.school):
        assert Change.objects.filter(field="grade").count() == 1


def test_new_text_under_an_old_key_is_saved_all_the_same(people):
    browser = Browser(people.t1)
    browser.cell(people.section, people.marks[0], "70", key="k1")
    browser.cell(people.section, people.marks[0], "75", key="k1")
    assert waiting(people) == {people.marks[0]: "75"}


def test_a_value_typed_again_is_a_confirmation_and_is_kept(people):
    with enter(people.school):
        head = only(people.t1.types(people.marks[0], "70"))
        people.a.approves(head)
    response = Browser(people.v).cell(people.section, people.marks[0], "70", base=head.pk)
    assert response.status_code == 200
    assert waiting(people) == {people.marks[0]: "70"}


def test_an_answer_brings_the_authoritative_head_and_never_ones_own_waiting_change(people):
    browser = Browser(people.t1)
    answer = browser.cell(people.section, people.marks[0], "70").content.decode()
    assert f'name="grade-1-seen" value="{as_shown("70")}"' in answer
    with enter(people.school):
        own = Change.objects.get(field="grade")
    response = browser.cell(people.section, people.marks[0], "71", base=own.pk)
    assert response.status_code == 422
    assert "out of date" in response.content.decode()


def test_a_mark_that_stands_asks_for_a_reason_before_it_changes(people):
    with enter(people.school):
        head = only(people.t1.types(people.marks[0], "60"))
        people.a.approves(head)
    browser = Browser(people.t1)
    response = browser.cell(people.section, people.marks[0], "65", base=head.pk)
    answer = response.content.decode()
    assert response.status_code == 422
    assert "Say why it changes" in answer
    assert 'name="grade-1-reason"' in answer
    assert waiting(people) == {}
    response = browser.cell(
        people.section, people.marks[0], "65", base=head.pk, reason="A page was overlooked"
    )
    assert response.status_code == 200
    assert "stands at 60 until then" in response.content.decode()
    with enter(people.school):
        correction = GradeCorrection.objects.get()
        assert (correction.old_grade, correction.new_grade) == ("60", "65")
        assert correction.reason == "A page was overlooked"


def test_a_newer_value_of_the_office_is_shown_and_typing_again_settles_it(people):
    browser = Browser(people.t1)
    with enter(people.school):
        people.t1.types(people.marks[0], "70", field="comment")
        newer = only(people.v.types(people.marks[0], "80", field="comment"))
        people.a.approves(newer)
    assert "The office’s newer value is “80”" in page_of(people.t1, people)
    answer = browser.cell(
        people.section, people.marks[0], "70", field="comment", base=newer.pk
    ).content.decode()
    assert "awaiting approval" in answer
    with enter(people.school):
        mine = Change.objects.filter(field="comment").open().get()
        assert judged(mine, people.school).refusal is None


@pytest.mark.parametrize("with_script", [True, False])
def test_one_insists_on_ones_own_value_against_the_offices_newer_one(people, with_script):
    with enter(people.school):
        people.t1.types(people.marks[0], "Mine.", field="comment")
        newer = only(people.v.types(people.marks[0], "Newer.", field="comment"))
        people.a.approves(newer)
    browser = Browser(people.t1)
    page = page_of(people.t1, people)
    assert 'name="comment-1-mine"' in page
    form = form_of(page, path_of(people)) | {"comment-1-mine": "on"}
    if with_script:
        path = reverse("save-cells", args=[people.section])
        cell = {name: form[name] for name in form if name.startswith(("row-1", "comment-1"))}
        school = {"school": form["school"]}
        response = browser.post(path, cell | school | {"person": str(people.t1.user.pk)})
        assert "awaiting approval" in response.content.decode()
    else:
        assert browser.post(path_of(people), form).status_code == 302
    with enter(people.school):
        mine = Change.objects.filter(field="comment").open().get()
        assert (mine.value, mine.base_change_id) == ("Mine.", newer.pk)
        assert judged(mine, people.school).refusal is None


def test_where_the_policy_says_so_the_instructors_first_mark_stands_at_once(people):
    people.school.first_grades = "stand"
    people.school.save()
    answer = Browser(people.t1).cell(people.section, people.marks[0], "70").content.decode()
    assert "approved" in answer
    with enter(people.school):
        assert people.grade(people.marks[0]) == "70"


@pytest.mark.parametrize("field", ["grade", "comment"])
def test_a_comment_or_mark_beyond_the_limit_is_refused_clearly(people, field):
    response = Browser(people.t1).cell(people.section, people.marks[0], "x" * 12_000, field=field)
    assert response.status_code == 422
    assert "12,000 characters" in response.content.decode() or field == "grade"
    assert waiting(people, field) == {}


def test_ten_megabytes_in_a_comment_are_refused_and_nothing_else_is_lost(people):
    browser = Browser(people.t1)
    browser.cell(people.section, people.marks[0], "70")
    browser.raise_request_exception = False
    response = browser.cell(people.section, people.marks[1], "x" * 10_000_000, field="comment")
    assert response.status_code == 400
    assert "too large" in response.content.decode()
    assert waiting(people) == {people.marks[0]: "70"}
    assert waiting(people, "comment") == {}


def test_a_cell_without_a_row_a_broken_id_and_a_nul_are_refused(people):
    browser = Browser(people.t1)
    headers = {"HX-Request": "true", "X-School": str(people.school.pk)}
    path = reverse("save-cells", args=[people.section])
    for data in ({}, {"row-1": "x", "grade-1": "7"}, {"row-²": "x"}, {"grade-1": "7"}):
        assert browser.post(path, data, headers=headers).status_code == 404
    assert browser.get(path).status_code == 405
    response = browser.cell(people.section, people.marks[0], "a\0b", field="comment")
    assert response.status_code == 422
    assert "NUL" in response.content.decode()


def test_signed_out_the_answer_is_for_the_page_and_not_in_place_of_the_field(people):
    browser = Browser(people.t1)
    browser.logout()
    response = browser.cell(people.section, people.marks[0], "70")
    assert response.status_code == 401
    assert "What you typed still stands on this page" in response.content.decode()
    assert waiting(people) == {}


def test_a_page_of_somebody_who_was_signed_in_before_saves_nothing(people):
    browser = Browser(people.t2)
    headers = {"HX-Request": "true", "X-School": str(people.school.pk)}
    data = {"row-1": people.marks[0].hex, "grade-1": "70", "grade-1-seen": "."}
    path = reverse("save-cells", args=[people.section])
    response = browser.post(path, data | {"person": str(people.t1.user.pk)}, headers=headers)
    assert response.status_code == 403
    assert "Somebody else is signed in" in response.content.decode()
    assert waiting(people) == {}
    response = browser.post(path, data | {"person": str(people.t2.user.pk)}, headers=headers)
    assert response.status_code == 200
    assert waiting(people) == {people.marks[0]: "70"}


def test_a_page_of_another_school_than_the_session_is_in_now_saves_nothing(people):
    browser = Browser(people.t1)
    session = browser.session
    with enter(people.other_school):
        Membership.objects.create(school=people.other_school, user=people.t1.user, role="teacher")
    session[SCHOOL_IN_SESSION] = str(people.other_school.pk)
    session.save()
    response = browser.cell(people.section, people.marks[0], "70")
    assert response.status_code == 409
    assert response["HX-Retarget"] == "#notices"
    assert waiting(people) == {}


# The whole form, without JavaScript. -------------------------------------------------------------


def test_without_javascript_the_form_saves_what_was_typed_and_nothing_else(people):
    with enter(people.school):
        people.a.approves(only(people.t1.types(people.marks[1], "55")))
        people.t1.types(people.marks[2], "A line\nand another\n\n", field="comment")
    browser = Browser(people.t1)
    form = form_of(page_of(people.t1, people), path_of(people))
    form["grade-1"] = "72"
    response = browser.post(path_of(people), form)
    assert response.status_code == 302
    assert waiting(people) == {people.marks[0]: "72"}
    with enter(people.school):
        assert Change.objects.filter(field="comment").count() == 1
    # Gone back to and sent again: nothing differs from what is seen.
    browser.post(path_of(people), form)
    with enter(people.school):
        assert Change.objects.filter(field="grade", value="72").count() == 1


def test_refused_cells_stay_as_typed_and_the_others_are_saved(people):
    with enter(people.school):
        people.a.approves(only(people.t1.types(people.marks[1], "55")))
    form = form_of(page_of(people.t1, people), path_of(people))
    form |= {"grade-1": "1000", "grade-2": "60", "grade-3": "81", "comment-3": "Lively."}
    response = Browser(people.t1).post(path_of(people), form)
    page = words(response.content.decode())
    assert response.status_code == 422
    assert "2 entries not saved" in page
    assert "2 entries were saved" in page
    assert 'value="1000"' in page
    assert page.count('aria-invalid="true"') == 2
    assert "1000 is out of bounds" in page
    assert 'name="grade-2-reason"' in page
    assert waiting(people) == {people.marks[2]: "81"}
    assert waiting(people, "comment") == {people.marks[2]: "Lively."}
    again = form_of(response.content.decode(), path_of(people))
    again |= {"grade-1": "100", "grade-2-reason": "misread"}
    assert Browser(people.t1).post(path_of(people), again).status_code == 302
    assert waiting(people) == {
        people.marks[0]: "100",
        people.marks[1]: "60",
        people.marks[2]: "81",
    }


def test_an_untouched_cell_never_undoes_what_was_approved_since_the_page_was_opened(people):
    form = form_of(page_of(people.t1, people), path_of(people))
    with enter(people.school):
        people.a.approves(only(people.v.types(people.marks[0], "80")))
    form["grade-2"] = "70"
    assert Browser(people.t1).post(path_of(people), form).status_code == 302
    assert waiting(people) == {people.marks[1]: "70"}


def test_text_for_a_pupil_who_left_the_class_meanwhile_is_given_back(people):
    form = form_of(page_of(people.t1, people), path_of(people))
    with enter(people.school):
        people.a.approves(
            *people.t1.changes_cell("enrollment", people.marks[0], status="withdrawn").changes
        )
    form |= {"comment-1": "Worked hard until the end.", "grade-2": "70"}
    response = Browser(people.t1).post(path_of(people), form)
    assert response.status_code == 422
    assert "Worked hard until the end." in response.content.decode()
    assert waiting(people) == {people.marks[1]: "70"}


def test_a_form_with_thousands_of_fields_is_refused(people):
    browser = Browser(people.t1)
    browser.raise_request_exception = False
    response = browser.send(path_of(people), {f"grade-{n}": "1" for n in range(2_100)})
    assert response.status_code == 400


def test_one_save_of_the_form_is_one_change_set(people):
    form = form_of(page_of(people.t1, people), path_of(people))
    form |= {f"grade-{n}": "70" for n in (1, 2, 3)}
    Browser(people.t1).post(path_of(people), form)
    with enter(people.school):
        assert ChangeSet.objects.filter(initiator_id=people.t1.user.pk).count() == 1


# Whatever people type. ---------------------------------------------------------------------------


def naughty(shared_data) -> list[str]:
    path = shared_data / "naughty_strings" / "blns.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_naughty_strings_survive_as_comments_from_the_page_to_the_table_and_back(
    people, shared_data
):
    lines = naughty(shared_data)
    ids = more_pupils(people, len(lines))
    browser = Browser(people.t1)
    # As a browser does: what is typed ends its lines with CR LF.
    texts = dict(zip(ids, (line.replace("\r", "\n") for line in lines), strict=True))
    # What shows nothing is no comment.
    wanted = {each: text for each, text in texts.items() if shows(text)}
    assert len(wanted) > 500
    with enter(people.school):
        numbers = {e.pk: e for e in Enrollment.objects.filter(pk__in=ids)}
    assert len(numbers) == len(lines)
    rows = list(texts.items())
    for start in range(0, len(rows), 200):
        form: dict[str, str] = {}
        for n, (each, text) in enumerate(rows[start : start + 200], 1):
            form |= {f"row-{n}": each.hex, f"comment-{n}": text, f"comment-{n}-seen": as_shown("")}
        response = browser.send(path_of(people), form)
        assert response.status_code == 302, form_of(response.content.decode())
    assert waiting(people, "comment") == wanted
    with enter(people.school):
        people.a.approves(*Change.objects.filter(field="comment").open())
        stored = dict(Enrollment.objects.filter(pk__in=ids).values_list("pk", "comment"))
    assert stored == {each: wanted.get(each, "") for each in ids}
    page = page_of(people.t1, people)
    assert "<script>alert" not in page
    shown = form_of(page, path_of(people))
    by_id = {uuid.UUID(shown[f"row-{n}"]): n for n in range(1, len(ids) + 4)}
    for each, text in wanted.items():
        assert shown[f"comment-{by_id[each]}"] == text.replace("\n", "\r\n")
    # Untouched, all of them: nothing is proposed.
    comments = {name: text for name, text in shown.items() if not name.startswith("grade")}
    assert browser.post(path_of(people), comments).status_code == 302
    assert waiting(people, "comment") == {}

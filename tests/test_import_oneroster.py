"""``manage.py import_oneroster``: into an empty installation, again, and into a school at work."""

import csv
import functools
import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.in_school import enter
from accounts.models import AuditLog, Membership, School, User
from accounts.origin import Origin
from changes import projector, revert, review
from changes.models import Change, ChangeSet, Decision
from changes.propose import Draft
from grading.management.commands.import_oneroster import Bar
from grading.models import (
    Course,
    CourseChangeHistory,
    Enrollment,
    GradeCorrection,
    GradingScale,
    Room,
    Section,
    Term,
)
from students.models import Student
from tests.small_roster import NUMBERED, SOUND, instead, plus, write, zipped

OFFICE = "office@school.example"


@pytest.fixture
def deliver(tmp_path):
    """Write the small delivery; named files replaced, added, or left out when None."""
    return functools.partial(write, tmp_path / "delivery")


@pytest.fixture(autouse=True)
def _database(db):
    """All of these need the database."""


def run(path, by=OFFICE, **options):
    """Import, and return what was said."""
    out = io.StringIO()
    call_command("import_oneroster", path, by=by, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


def refused(path, by=OFFICE, **options):
    """Import what must be refused, and return what was said."""
    before = counts()
    with pytest.raises(CommandError) as caught:
        run(path, by, **options)
    assert counts() == before
    assert caught.value.returncode == 1
    return str(caught.value)


def counts():
    """How much there is in the whole installation."""
    found = [School.objects.count(), User.objects.count(), Membership.objects.count()]
    for school in School.objects.order_by("id"):
        with enter(school):
            found += [Change.objects.count(), ChangeSet.objects.count(), AuditLog.objects.count()]
            found.append(GradingScale.objects.count())
    return found


def school(source_id="s1"):
    return School.objects.get(source_id=source_id)


def office_member(source_id="s1", email=OFFICE):
    return Membership.objects.get(school__source_id=source_id, user__email=email)


def another_office_person(source_id="s1"):
    user = User.objects.create_user("second@school.example")
    return Membership.objects.create(school=school(source_id), user=user, role="office")


def edit(record, **values):
    """Have the office change cells of a record by hand. Call inside the school."""
    kind = record._meta.model_name
    drafts = [
        Draft(entity_type=kind, entity_id=record.pk, field=f, typed=v) for f, v in values.items()
    ]
    entered = review.enter_directly(
        drafts, school=record.school, by=_office_of(record.school), origin=Origin(), whole=True
    )
    assert entered.outcome is not None


def edit_by_two(record, **values):
    """The same, of what one person does not change alone."""
    with pytest.raises(AssertionError):
        edit(record, **values)
    approve_as_second(record)


def approve_as_second(record):
    """Let another person of the office approve what waits of a record. Call inside the school."""
    user = User.objects.filter(email="second@schools.example").first()
    member, _ = Membership.objects.get_or_create(
        school=record.school,
        user=user or User.objects.create_user("second@schools.example"),
        defaults={"role": "office"},
    )
    waiting = [each.pk for each in Change.objects.filter(entity_id=record.pk).open()]
    review.approve(waiting, school=record.school, by=member, origin=Origin())


def _office_of(school):
    return (
        Membership.objects.select_related("user", "school")
        .filter(school=school, role="office")
        .order_by("id")[0]
    )


def mark_of(pupil):
    """The enrolment of a pupil of the first school. Call inside it."""
    return Enrollment.objects.get(student__source_id=pupil)


def all_equal():
    """Whether in each school the tables are the fold of the ledger."""
    for each in School.objects.all():
        with enter(each):
            if not projector.verify(each).equal:
                return False
    return True


# Into an empty installation


def test_an_empty_installation_gets_its_schools_and_their_first_office_person(deliver):
    said = run(deliver(), time_zone="Europe/London")
    assert "Hill School: made, with office@school.example as its office." in said
    assert "office@school.example has no password yet" in said
    assert [(s.name, s.slug, s.time_zone) for s in School.objects.order_by("source_id")] == [
        ("Hill School", "hill-school", "Europe/London"),
        ("Lake School", "lake-school", "Europe/London"),
    ]
    user = User.objects.get(email=OFFICE)
    assert not user.has_usable_password()
    assert {m.role for m in user.memberships.all()} == {"office"}
    assert all_equal()


def test_what_the_files_say_stands_in_the_tables(deliver):
    run(deliver({**instead("classes.csv", "k1,Biology 2", "k1,Biology 2")}))
    with enter(school()):
        section = Section.objects.select_related("course", "term", "scale", "instructor").get()
        assert (section.code, section.course.title, section.term.name) == (
            "BIO-2",
            "Biology",
            "Autumn",
        )
        assert section.instructor.email == "sweet@school.example"
        assert (section.scale.minimum, section.scale.maximum) == (0, 100)
        assert section.term.marks_close_on is None
        assert list(
            Enrollment.objects.order_by("student__family_name").values_list(
                "student__family_name", "grade", "comment", "status"
            )
        ) == [("Li", "EX", "", "enrolled"), ("Moreno", "80", "Well done", "enrolled")]


def test_a_school_gets_one_change_set_approved_by_who_imported(deliver):
    run(deliver())
    for source_id in ("s1", "s2"):
        with enter(school(source_id)):
            change_set = ChangeSet.objects.get()
            assert change_set.source == "import"
            assert change_set.initiator.email == OFFICE
            assert change_set.reason == "OneRoster import of delivery"
            assert Decision.objects.get().kind == "import"
            assert set(Change.objects.values_list("status", flat=True)) == {"approved"}
            assert not GradeCorrection.objects.exists()
            assert not CourseChangeHistory.objects.exists()


def test_teachers_are_users_without_a_password(deliver):
    said = run(deliver())
    assert "1 teacher" in said
    member = Membership.objects.get(user__email="sweet@school.example")
    assert (member.role, member.school, member.source_id) == ("teacher", school(), "a1")
    assert member.user.name == "Dora Sweet"
    assert not member.user.has_usable_password()
    with enter(school()):
        row = AuditLog.objects.get(event="people")
        assert row.metadata == {"members": [str(member.user_id)]}


def test_schools_that_share_a_term_get_a_copy_each(deliver):
    run(deliver(instead("classes.csv", "s2,t2", "s2,t1")))
    ids = set()
    for source_id in ("s1", "s2"):
        with enter(school(source_id)):
            term = Term.objects.get()
            assert (term.name, term.source_id) == ("Autumn", "t1")
            ids.add(term.pk)
    assert len(ids) == 2


def test_a_course_of_the_district_comes_into_the_school_that_gives_it(deliver):
    run(deliver())
    with enter(school("s2")):
        assert Course.objects.get().title == "Music"
    with enter(school("s1")):
        assert Course.objects.get().title == "Biology"


def test_a_location_becomes_a_room(deliver):
    content = SOUND["classes.csv"].splitlines()
    lines = [content[0] + ",location", content[1] + ",SCI 201 ", content[2] + ","]
    run(deliver({"classes.csv": "\n".join(lines)}))
    with enter(school()):
        assert Section.objects.get().room == Room.objects.get(name="SCI 201")


def test_repeated_and_missing_codes_do_not_stop_an_import(deliver):
    files = {
        **plus("courses.csv", "c3,Biology,BIO,s1", "c4,Art,,s1"),
        **plus("classes.csv", "k3,Biology 3,BIO-2,c1,s1,t1", "k4,Biology 4,,c1,s1,t1"),
    }
    run(deliver(files))
    with enter(school()):
        assert dict(Course.objects.values_list("source_id", "code")) == {
            "c1": "c1",
            "c3": "c3",
            "c4": "c4",
        }
        assert dict(Section.objects.values_list("source_id", "code")) == {
            "k1": "Biology 2",
            "k3": "Biology 3",
            "k4": "Biology 4",
        }


def test_a_scale_has_the_decimals_that_its_marks_need(deliver):
    run(deliver())
    with enter(school("s2")):
        scale = GradingScale.objects.get()
        assert (scale.name, scale.decimals) == ("0 to 10.5", 2)
        assert Enrollment.objects.get().grade == "7.25"
    with enter(school("s1")):
        assert GradingScale.objects.get().decimals == 0


def test_a_quiz_is_not_imported_as_a_grade_and_that_is_said(deliver):
    files = {
        **plus("lineItems.csv", "l3,Quiz,k1,q,t1,0,10"),
        **plus("results.csv", "q1,l3,p1,fully graded,3,,"),
    }
    said = run(deliver(files))
    assert "1 result not imported: they are not the final grade of a class." in said
    with enter(school()):
        assert mark_of("p1").grade == "80"


@pytest.mark.parametrize("status", ["partially graded", "submitted", "not submitted"])
def test_a_mark_that_is_not_final_yet_is_no_grade(deliver, status):
    run(deliver(instead("results.csv", "p1,fully graded", f"p1,{status}")))
    with enter(school()):
        assert mark_of("p1").grade is None
        assert mark_of("p1").comment == "Well done"


def test_middle_names_are_given_names(deliver):
    users = (
        SOUND["users.csv"].replace("givenName", "middleName,givenName").replace("Ana", "Rosa,Ana")
    )
    lines = [
        line
        if "Rosa" in line or "middleName" in line
        else line.replace(",student,", ",student,,").replace(",teacher,", ",teacher,,")
        for line in users.splitlines()
    ]
    run(deliver({"users.csv": "\n".join(lines)}))
    with enter(school()):
        assert Student.objects.get(source_id="p1").given_names == "Ana Rosa"
        assert Student.objects.get(source_id="p2").given_names == "Bo"


def texts_survive(path, texts):
    """Import each text as names and comment of a pupil; whether all of them stand verbatim."""
    users, enrollments, results = (
        io.StringIO(SOUND[name]) for name in ("users.csv", "enrollments.csv", "results.csv")
    )
    for stream in (users, enrollments, results):
        stream.seek(0, io.SEEK_END)
    for i, text in enumerate(texts):
        csv.writer(users).writerow([f"x{i}", "true", "s1", "student", text, text, "", ""])
        csv.writer(enrollments).writerow([f"x{i}", "k1", "s1", f"x{i}", "student", ""])
        csv.writer(results).writerow([f"x{i}", "l1", f"x{i}", "fully graded", "5", "", text])
    files = {"users.csv": users, "enrollments.csv": enrollments, "results.csv": results}
    run(zipped(path, {**SOUND, **{name: stream.getvalue() for name, stream in files.items()}}))
    with enter(school()):
        stands = {
            row[0]: row[1:]
            for row in Enrollment.objects.values_list(
                "student__source_id", "student__given_names", "student__family_name", "comment"
            )
        }
    return [text for i, text in enumerate(texts) if stands[f"x{i}"] != (text, text, text)]


def test_every_real_name_stands_verbatim(shared_data, tmp_path):
    with (shared_data / "names" / "names.csv").open(encoding="utf-8", newline="") as names:
        rows = list(csv.DictReader(names))
    texts = [name for row in rows for name in (row["givenName"], row["familyName"])]
    assert texts_survive(tmp_path / "names.zip", texts) == []


def test_every_hostile_string_stands_verbatim_or_is_refused_at_its_line(shared_data, tmp_path):
    folder = shared_data / "naughty_strings"
    texts = (folder / "blns.txt").read_bytes().decode().split("\n")
    texts = sorted({*texts, *json.loads((folder / "blns.json").read_text())})
    too_long_or_blank = [t for t in texts if len(t) > 200 or not t.strip()]
    left = [t for t in texts if t not in too_long_or_blank]
    # Signs such as the Arabic number sign are format characters, and are seen all the same.
    signs = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2"
    fit = [t for t in left if any((c.isprintable() and not c.isspace()) or c in signs for c in t)]
    assert len(fit) > 450
    for number, unfit in enumerate([too_long_or_blank, sorted(set(left) - set(fit))]):
        assert unfit
        with pytest.raises(CommandError) as caught:
            texts_survive(tmp_path / f"{number}.zip", unfit)
        said = str(caught.value).splitlines()
        places = [line for line in said if line.startswith("users.csv, line ")]
        assert len([line for line in places if "column givenName" in line]) == len(unfit)
    assert texts_survive(tmp_path / "fit.zip", fit) == []


# Again


def test_the_same_files_again_change_nothing(deliver):
    run(deliver())
    before = counts()
    said = run(deliver())
    assert said.splitlines() == [
        "Hill School: nothing to change.",
        "Lake School: nothing to change.",
    ]
    assert counts() == before


def test_a_changed_file_changes_just_that(deliver):
    run(deliver())
    said = run(deliver(instead("users.csv", "Bo,Li", "Bo,Lee")))
    assert said.splitlines() == [
        "Hill School:",
        "  changed: 1 pupil",
        "Lake School: nothing to change.",
    ]
    with enter(school()):
        latest = ChangeSet.objects.order_by("-received_at")[0]
        change = Change.objects.get(change_set=latest)
        assert (change.field, change.old_value, change.value) == ("family_name", "Li", "Lee")
        assert Student.objects.get(source_id="p2").family_name == "Lee"
    assert all_equal()


def test_a_pupil_who_is_new_in_the_file_is_added(deliver):
    run(deliver())
    files = {
        **plus("users.csv", "p4,true,s1,student,Di,Roe,,"),
        **plus("enrollments.csv", "e6,k1,s1,p4,student,"),
    }
    said = run(deliver(files))
    assert "  new: 1 pupil, 1 enrolment" in said
    assert said.count("changed") == 0


def test_a_class_that_gets_another_teacher_leaves_its_history(deliver):
    run(deliver())
    files = {
        **plus("users.csv", "a3,true,s1,teacher,Flo,Roe,roe@school.example,"),
        "enrollments.csv": SOUND["enrollments.csv"]
        .replace("p2,student", "p2,student")
        .replace("s1,a1,teacher", "s1,a3,teacher"),
    }
    run(deliver(files))
    with enter(school()):
        assert Section.objects.get().instructor.email == "roe@school.example"
        assert CourseChangeHistory.objects.get().field_name == "instructor_user_id"


WITHOUT_P2 = {
    name: "".join(line for line in SOUND[name].splitlines(keepends=True) if word not in line)
    for name, word in (("users.csv", "p2,"), ("enrollments.csv", ",p2,"), ("results.csv", ",p2,"))
}


def test_who_is_no_longer_in_a_class_is_withdrawn_and_keeps_record_and_mark(deliver):
    run(deliver())
    said = run(deliver(WITHOUT_P2), confirm_removals=True)
    assert "withdrawn: 1 enrolment" not in said
    assert "  1 change waits for a second person of the office: a mark stands there" in said
    assert "    Li, Bo in BIO-2: status enrolled -> withdrawn" in said
    assert "  no longer in the file, left as they are: 1 pupil" in said
    with enter(school()):
        assert Student.objects.filter(source_id="p2").exists()
        assert (mark_of("p2").status, mark_of("p2").grade) == ("enrolled", "EX")
        approve_as_second(mark_of("p2"))
        assert (mark_of("p2").status, mark_of("p2").grade) == ("withdrawn", "EX")
    assert "nothing to change" in run(deliver(WITHOUT_P2))
    assert all_equal()


def test_who_is_in_the_class_again_is_enrolled_again(deliver):
    run(deliver())
    run(deliver(WITHOUT_P2), confirm_removals=True)
    with enter(school()):
        approve_as_second(mark_of("p2"))
    run(deliver())
    with enter(school()):
        assert mark_of("p2").status == "enrolled"


def test_whom_a_person_withdrew_no_file_enrols_again(deliver):
    run(deliver())
    with enter(school()):
        edit_by_two(mark_of("p2"), status="withdrawn")
    assert "nothing to change" in run(deliver())
    with enter(school()):
        assert mark_of("p2").status == "withdrawn"


def test_whom_a_file_withdrew_and_a_person_put_back_stays_in_the_class(deliver):
    run(deliver())
    run(deliver(WITHOUT_P2), confirm_removals=True)
    with enter(school()):
        approve_as_second(mark_of("p2"))
        edit(mark_of("p2"), status="enrolled")
    assert "nothing to change" in run(deliver(WITHOUT_P2))
    with enter(school()):
        assert mark_of("p2").status == "enrolled"


def test_a_file_that_would_take_away_more_than_a_tenth_is_held(deliver):
    run(deliver())
    said = refused(deliver(WITHOUT_P2))
    assert said == (
        "Nothing was imported. Hill School: it would take 1 of 2 enrolments out of the classes "
        "that it lists, and 1 of 2 pupils out of all of these. That is more than a tenth: is the "
        "delivery complete? If it is, import it again with --confirm-removals."
    )
    with enter(school()):
        assert mark_of("p2").status == "enrolled"


def test_a_tenth_may_go_without_asking(deliver):
    users = [f"x{i},true,s1,student,Ana,Li{i},," for i in range(8)]
    enrolled = [f"x{i},k1,s1,x{i},student," for i in range(8)]
    run(deliver({**plus("users.csv", *users), **plus("enrollments.csv", *enrolled)}))
    said = run(deliver({**plus("users.csv", *users), **plus("enrollments.csv", *enrolled[1:])}))
    assert "  withdrawn: 1 enrolment" in said
    more = {**plus("users.csv", *users), **plus("enrollments.csv", *enrolled[2:])}
    assert "it would take 1 of 9 enrolments" in refused(deliver(more))


def test_classes_that_a_file_does_not_list_keep_their_pupils(deliver):
    run(deliver())
    gone = {
        name: "".join(line for line in SOUND[name].splitlines(keepends=True) if word not in line)
        for name, word in (
            ("classes.csv", "k1,"),
            ("enrollments.csv", "k1,"),
            ("lineItems.csv", "k1,"),
            ("results.csv", "l1,"),
        )
    }
    said = run(deliver(gone))
    assert "  no longer in the file, left as they are: 1 term, 1 class, 2 enrolments" in said
    with enter(school()):
        assert mark_of("p2").status == "enrolled"


def test_an_import_that_was_reverted_can_be_made_again(deliver):
    run(deliver())
    by = another_office_person()
    with enter(school()):
        revert.revert(
            revert.Criteria(account=User.objects.get(email=OFFICE).pk),
            school=school(),
            by=by,
            origin=Origin(),
            reason="the wrong file",
        )
        assert not Student.objects.exists()
    said = run(deliver())
    assert "  new: 1 term, 1 course, 1 class, 2 pupils, 2 enrolments" in said
    with enter(school()):
        assert mark_of("p1").grade == "80"
    assert all_equal()


# Into a school at work


def test_marks_with_new_decimals_get_a_new_version_of_the_scale(deliver):
    run(deliver())
    files = {
        **plus("users.csv", "p4,true,s1,student,Di,Roe,,"),
        **plus("enrollments.csv", "e6,k1,s1,p4,student,"),
        **plus("results.csv", "r4,l1,p4,fully graded,70.5,,"),
    }
    run(deliver(files))
    with enter(school()):
        assert str(Section.objects.get().scale) == "0 to 100 (version 2)"
        assert mark_of("p4").grade == "70.5"
        assert mark_of("p1").grade == "80"
        assert CourseChangeHistory.objects.get().field_name == "scale_id"
    assert "nothing to change" in run(deliver(files))
    assert all_equal()


def test_marks_beyond_the_former_bounds_are_read_by_the_new_ones(deliver):
    run(deliver())
    files = {
        **instead("lineItems.csv", "t1,0,100", "t1,0,120"),
        **plus("users.csv", "p4,true,s1,student,Di,Roe,,"),
        **plus("enrollments.csv", "e6,k1,s1,p4,student,"),
        **plus("results.csv", "r4,l1,p4,fully graded,115,,"),
    }
    run(deliver(files))
    with enter(school()):
        assert mark_of("p4").grade == "115"


def test_a_standing_mark_waits_for_a_second_person_and_is_reported(deliver):
    run(deliver())
    changed = {
        "results.csv": SOUND["results.csv"].replace(",80,", ",90,").replace("Well done", "Better")
    }
    said = run(deliver(changed))
    assert "  1 mark waits for a second person of the office: another mark stands there:" in said
    assert "    Ana Moreno in Biology 2: 80 -> 90" in said
    with enter(school()):
        assert mark_of("p1").grade == "80"
        assert mark_of("p1").comment == "Better"
        row = GradeCorrection.objects.get()
        assert (row.old_grade, row.new_grade, row.status) == ("80", "90", "pending")
        assert row.reason == "OneRoster import of delivery"
    before = counts()
    assert "nothing to change" in run(deliver(changed))
    assert counts() == before
    by = another_office_person()
    with enter(school()):
        waiting = Change.objects.open().get()
        review.approve([waiting.pk], school=school(), by=by, origin=Origin())
        assert mark_of("p1").grade == "90"
    assert "nothing to change" in run(deliver(changed))
    assert all_equal()


def test_a_mark_that_was_corrected_here_survives_the_old_file(deliver):
    run(deliver())
    by = another_office_person()
    with enter(school()):
        draft = Draft(
            entity_type="enrollment",
            entity_id=mark_of("p1").pk,
            field="grade",
            typed="85",
            reason="remarked",
        )
        entered = review.enter_directly(
            [draft], school=school(), by=office_member(), origin=Origin()
        )
        review.approve([j.id for j in entered.waiting], school=school(), by=by, origin=Origin())
    said = run(deliver())
    assert "1 value differs from the file since the last import; what stands here was kept." in said
    with enter(school()):
        assert mark_of("p1").grade == "85"
        assert not Change.objects.open().exists()


def test_a_name_that_was_corrected_here_stays_until_the_file_changes(deliver):
    run(deliver())
    with enter(school()):
        edit(Student.objects.get(source_id="p2"), family_name="Lee")
    run(deliver())
    with enter(school()):
        assert Student.objects.get(source_id="p2").family_name == "Lee"
    run(deliver(instead("users.csv", "Bo,Li", "Bo,Lie")))
    with enter(school()):
        assert Student.objects.get(source_id="p2").family_name == "Lie"


def test_a_mark_that_was_typed_before_the_first_file_said_one_waits(deliver):
    run(deliver(instead("results.csv", "p1,fully graded,80", "p1,not submitted,")))
    with enter(school()):
        edit(mark_of("p1"), grade="70")
    said = run(deliver())
    assert "    Ana Moreno in Biology 2: 70 -> 80" in said
    with enter(school()):
        assert mark_of("p1").grade == "70"


def test_a_pupil_who_was_deleted_here_does_not_come_back(deliver):
    path = deliver(instead("results.csv", "p2,exempt", "p2,not submitted"))
    run(path)
    with enter(school()):
        edit(mark_of("p2"), exists="false")
        edit(Student.objects.get(source_id="p2"), exists="false")
    before = counts()
    said = run(path)
    assert "2 records of the file were deleted here, and stay so." in said
    assert counts() == before


def test_an_enrolment_id_that_is_used_again_does_not_carry_the_mark_along(deliver):
    run(deliver())
    files = {
        **plus("classes.csv", "k3,Biology 3,BIO-3,c1,s1,t1"),
        **instead("enrollments.csv", "e1,k1,", "e1,k3,"),
        **instead("results.csv", "r1,l1,p1,fully graded,80,2025-12-19,Well done\n", ""),
    }
    said = run(deliver(files))
    with enter(school()):
        grades = dict(
            Enrollment.objects.filter(student__source_id="p1").values_list("section__code", "grade")
        )
        assert grades == {"BIO-2": "80", "BIO-3": None}
    assert "1 enrolment" in said
    assert all_equal()


def test_a_school_made_by_hand_is_recognised_by_its_name(people, deliver):
    said = run(
        deliver(
            {
                "users.csv": NUMBERED.replace(
                    "p3,true,s2,student,Cy,Ek,101", "p3,true,s2,student,Cy,Ek,7"
                )
            }
        ),
        by=people.a.user.email,
    )
    assert "Hill School: recognised by its name." in said
    assert "Lake School: made, with a.admin@hill.example as its office." in said
    people.school.refresh_from_db()
    assert people.school.source_id == "s1"


def test_a_pupil_known_by_number_keeps_their_record_and_marks(people, deliver):
    with enter(people.school):
        people.stands("64")
    run(deliver({"users.csv": NUMBERED}), by=people.a.user.email)
    with enter(people.school):
        pupil = Student.objects.get(number="101")
        assert pupil.pk == people.students[0]
        assert (pupil.source_id, pupil.given_names) == ("p1", "Ana")
        assert people.grade(people.marks[0]) == "64"
        assert people.is_equal()


def test_a_blank_in_the_file_takes_nothing_away_that_was_typed_here(deliver):
    run(deliver())
    with enter(school()):
        edit(Student.objects.get(source_id="p1"), email="ana@pupil.example")
        edit(mark_of("p2"), comment="Sang well")
    said = run(deliver(instead("users.csv", "Bo,Li", "Bo,Lee")))
    assert "since the last import" not in said
    with enter(school()):
        assert Student.objects.get(source_id="p1").email == "ana@pupil.example"
        assert mark_of("p2").comment == "Sang well"


def test_a_number_that_is_somebody_elses_is_refused_at_its_line(deliver):
    run(deliver({"users.csv": NUMBERED}))
    said = refused(deliver({"users.csv": NUMBERED.replace("Bo,Li,102", "Bo,Li,101")}))
    assert "users.csv, line 3, column identifier: " in said
    assert "number" in said


def test_two_new_pupils_with_one_number_are_refused_at_their_line(deliver):
    said = refused(deliver({"users.csv": NUMBERED.replace("Bo,Li,102", "Bo,Li,101")}))
    assert "column identifier: Another" in said
    assert said.splitlines()[0] == "Nothing was imported: 1 problem."


def test_a_school_of_this_name_with_another_roster_id_is_nobodys_guess(deliver):
    run(deliver())
    School.objects.filter(source_id="s1").update(source_id="other")
    assert "with another one" in refused(deliver())


# People


@pytest.mark.parametrize("role", ["teacher", None])
def test_only_the_office_of_each_school_imports(deliver, role):
    run(deliver())
    user = User.objects.create_user("someone@school.example")
    if role:
        for each in School.objects.all():
            Membership.objects.create(school=each, user=user, role=role)
    said = refused(deliver(), by=user.email)
    assert (
        said == "Nothing was imported. someone@school.example is not in the office of Hill School."
    )


def test_a_stranger_to_a_school_that_is_here_makes_no_account(deliver):
    run(deliver())
    refused(deliver(), by="stranger@school.example")


def test_the_office_of_one_school_does_not_import_into_the_other(deliver):
    run(deliver())
    user = User.objects.create_user("hill@office.example")
    Membership.objects.create(school=school("s1"), user=user, role="office")
    assert "not in the office of Lake School" in refused(deliver(), by=user.email)


def test_a_closed_account_imports_nothing(deliver):
    User.objects.create_user(OFFICE, is_active=False)
    assert "The account of office@school.example is closed." in refused(deliver())


def test_an_account_is_never_changed_by_a_file(deliver):
    run(deliver())
    said = run(deliver(instead("users.csv", "sweet@school.example", "niece@home.example")))
    assert "sweet@school.example is niece@home.example in the roster" in said
    member = Membership.objects.get(school=school(), source_id="a1")
    assert member.user.email == "sweet@school.example"
    assert not User.objects.filter(email="niece@home.example").exists()


def test_an_office_person_who_teaches_stays_in_the_office(deliver):
    run(deliver(instead("users.csv", "sweet@school.example", OFFICE)))
    member = office_member()
    assert (member.role, member.source_id) == ("office", "a1")
    with enter(school()):
        assert Section.objects.get().instructor == member.user


def test_a_teacher_of_two_schools_is_one_user(deliver):
    run(deliver(instead("users.csv", "a1,true,s1", 'a1,true,"s1,s2"')))
    user = User.objects.get(email="sweet@school.example")
    assert user.memberships.count() == 2


def test_a_teacher_who_is_disabled_in_the_file_gets_no_open_door(deliver):
    run(deliver(instead("users.csv", "a1,true", "a1,false")))
    assert not Membership.objects.get(source_id="a1").is_active
    assert "nothing to change" in run(deliver(instead("users.csv", "a1,true", "a1,false")))


def test_a_door_that_the_office_closed_stays_closed(deliver):
    run(deliver())
    Membership.objects.filter(source_id="a1").update(is_active=False)
    assert "the account stays closed" in run(deliver())
    assert not Membership.objects.get(source_id="a1").is_active


# What is refused


def test_bad_rows_are_reported_and_nothing_is_written(deliver):
    said = refused(deliver(plus("results.csv", "r4,l9,p1,exempt,,,")))
    assert said.splitlines() == [
        "Nothing was imported: 1 problem.",
        "",
        "results.csv, 1 in all:",
        "  1 times: the line item … is not in lineItems.csv",
        "",
        "results.csv, line 5, column lineItemSourcedId: the line item “l9” is not in lineItems.csv",
    ]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (instead("users.csv", "Bo,", "\u200b,"), "users.csv, line 3, column givenName: "),
        (
            instead("users.csv", "sweet@school.example", "sweet@-school.example"),
            "users.csv, line 5, column email: ",
        ),
        (
            instead("users.csv", "bo@pupil.example", "bo@-x.example"),
            "users.csv, line 3, column email: ",
        ),
        (instead("results.csv", "Well done", "x" * 2001), "results.csv, line 2, column comment: "),
        (instead("results.csv", "7.25", "7.2501"), "results.csv, line 4, column score: "),
        (instead("lineItems.csv", "t1,0,100", "t1,0,100000"), "lineItems.csv, line 2, "),
        (
            instead("academicSessions.csv", "2025-09-01,2025-12-19", "0025-09-01,2025-12-19"),
            "academicSessions.csv, line 3, column startDate: ",
        ),
    ],
)
def test_what_the_ledger_does_not_take_is_reported_at_its_line(deliver, change, place):
    assert place in refused(deliver(change))


def test_what_is_wrong_in_two_schools_is_reported_at_once(deliver):
    users = SOUND["users.csv"].replace("Bo,", "\u200b,").replace("Cy,", "\u200b,")
    said = refused(deliver({"users.csv": users}))
    assert "users.csv, line 3, column givenName" in said
    assert "users.csv, line 4, column givenName" in said


def test_a_wrong_address_or_time_zone_is_refused_before_anything_is_read(tmp_path):
    assert "is not an e-mail address" in refused(tmp_path, by="nobody")
    assert "--time-zone" in refused(tmp_path, time_zone="Europe/Atlantis")


def test_a_path_to_nothing_is_said_in_a_sentence(tmp_path):
    assert "there is no such folder or zip file" in refused(tmp_path / "nothing.zip")


# How it goes


def test_the_number_of_statements_does_not_grow_with_the_pupils(deliver):
    def statements(pupils):
        numbers = range(pupils)
        files = {
            **plus("users.csv", *(f"x{i},true,s1,student,Ana,Li{i},," for i in numbers)),
            **plus("enrollments.csv", *(f"x{i},k1,s1,x{i},student," for i in numbers)),
            **plus("results.csv", *(f"x{i},l1,x{i},fully graded,50,,Good" for i in numbers)),
        }
        with CaptureQueriesContext(connection) as captured:
            run(deliver(files))
        return len(captured)

    run(deliver())
    assert statements(3) == statements(203)


def test_a_bar_moves_on_a_terminal_and_lines_are_written_elsewhere():
    class Stream(io.StringIO):
        def __init__(self, terminal):
            super().__init__()
            self.terminal = terminal

        def isatty(self):
            return self.terminal

    terminal, log = Stream(True), Stream(False)
    for stream in (terminal, log):
        bar = Bar(OutputWrapper(stream))
        bar.step("Hill School: people", 1, 2)
        bar.end()
    assert terminal.getvalue().startswith("\r[###############...............] Hill School: people")
    assert "\n" not in terminal.getvalue()
    assert log.getvalue() == "Hill School: people (1 of 2)\n"


# Real input


def test_the_contoso_schools_are_imported_whole(shared_data):
    folder = shared_data / "contoso-oneroster"
    said = run(folder, by="office@contoso.example")
    assert (
        said.count("  new: 1 term, 10 courses, 25 classes, 100 pupils, 600 enrolments, 12 teachers")
        == 4
    )
    with (folder / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        wanted = {
            (row["lineItemSourcedId"].removeprefix("li-"), row["studentSourcedId"]): row["score"]
            for row in csv.DictReader(file)
        }
    stands = {}
    for each in School.objects.all():
        with enter(each):
            rows = Enrollment.objects.values_list(
                "section__source_id", "student__source_id", "grade"
            )
            stands |= {(section, student): grade for section, student, grade in rows}
    assert stands == wanted
    assert len(stands) == 2400
    assert all_equal()
    before = counts()
    assert run(folder, by="office@contoso.example").count("nothing to change") == 4
    assert counts() == before


def test_the_dirty_contoso_roster_changes_nothing(shared_data):
    said = refused(shared_data / "contoso-oneroster-dirty")
    assert said.startswith("Nothing was imported: 6,703 problems.")

"""Deltas of OneRoster: what has changed since a day goes out, and what a delta says is taken in."""

import datetime as dt

import pytest

from accounts.in_school import enter
from accounts.models import Membership
from accounts.origin import Origin
from changes import projector, revert, review
from changes.models import Change, ChangeSet
from changes.propose import Draft, creation
from grading.models import Enrollment, GradeCorrection, Section
from students.models import Student
from tests.cast import MONDAY
from tests.small_roster import SOUND, write
from tests.test_export_oneroster import (
    export,
    fill_with_oddities,
    forget,
    gets_programmes_of,
    rows_of,
    run,
)
from tests.test_import_oneroster import (
    OFFICE,
    all_equal,
    another_office_person,
    approve_as_second,
    edit,
    mark_of,
    refused,
    school,
)

TUESDAY = MONDAY + dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def _database(db):
    """All of these need the database."""


@pytest.fixture
def since(people, tmp_path):
    """Export what has changed since Tuesday, and return the files."""
    numbers = iter(range(100))

    def write_it(**options):
        return export("hill", tmp_path / f"delta{next(numbers)}", since=str(TUESDAY), **options)

    return write_it


def changed(files):
    """(status, sourcedId) of each row, by file; files without rows left out."""
    names = [name.removesuffix(".csv") for name in files if name != "manifest.csv"]
    found = {
        name: sorted((row["status"], key) for key, row in rows_of(files, name).items())
        for name in names
    }
    return {name: rows for name, rows in found.items() if rows}


# Going out


def test_a_delta_of_nothing_holds_headers_alone_and_says_that_it_is_a_delta(people, since):
    files = since()
    assert changed(files) == {}
    assert b"file.results,delta" in files["manifest.csv"]
    assert b"file.orgs,absent" in files["manifest.csv"]


def test_a_mark_that_was_approved_since_goes_out_with_the_instant_of_the_decision(people, since):
    with enter(people.school):
        people.stands("64")
        people.clock.now = TUESDAY
        change = people.stand(people.marks[1], "70", by=people.t1)
        decided_at = change.decision.decided_at
    (row,) = rows_of(since(), "results").values()
    assert row["sourcedId"] == f"mark:{people.marks[1]}"
    assert (row["status"], row["score"]) == ("active", "70")
    assert row["dateLastModified"] == decided_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_a_mark_that_was_reverted_goes_out_with_the_one_that_came_back(people, since):
    with enter(people.school):
        people.stands("64")
        people.stand(people.marks[0], "99", by=people.v)
        people.clock.now = TUESDAY
        people.b.reverts(people.v)
    (row,) = rows_of(since(), "results").values()
    assert (row["status"], row["score"]) == ("active", "64")


def test_a_mark_with_nothing_to_come_back_goes_out_as_to_be_deleted(people, since):
    with enter(people.school):
        people.stand(people.marks[0], "99", by=people.v)
        people.clock.now = TUESDAY
        people.b.reverts(people.v)
    assert changed(since()) == {"results": [("tobedeleted", f"mark:{people.marks[0]}")]}


def test_a_mark_that_is_as_it_was_in_the_end_does_not_go_out(people, since):
    with enter(people.school):
        people.stands("64")
        people.clock.now = TUESDAY
        people.stand(people.marks[0], "99", by=people.v)
        people.b.reverts(people.v)
    assert changed(since()) == {}


def test_what_vanished_with_its_parent_goes_out_as_to_be_deleted(people, since):
    with enter(people.school):
        pupil = creation("student", {"family_name": "Ghost", "birth_date": "2010-01-01"})
        enrolled = creation(
            "enrollment",
            {"student": str(pupil[0].entity_id), "section": str(people.section)},
        )
        people.a.enters(pupil, whole=True)
        change_set = ChangeSet.objects.latest("received_at").pk
        people.b.enters(enrolled, whole=True)
        people.clock.now = TUESDAY
        people.b.reverts(people.a, change_set=change_set, unticked=[])
        assert not Student.objects.filter(pk=pupil[0].entity_id).exists()
    student, enrollment = pupil[0].entity_id, enrolled[0].entity_id
    assert changed(since()) == {
        "users": [("tobedeleted", str(student))],
        "demographics": [("tobedeleted", str(student))],
        "enrollments": [("tobedeleted", str(enrollment))],
    }


def test_who_left_a_class_goes_out_as_to_be_deleted_from_it(people, since):
    with enter(people.school):
        people.stands("64")
        people.clock.now = TUESDAY
        draft = Draft(
            entity_type="enrollment",
            entity_id=people.marks[0],
            field="status",
            typed="withdrawn",
        )
        people.b.approves(*people.a.enters([draft], whole=True).saved.changes)
    assert changed(since()) == {
        "enrollments": [("tobedeleted", str(people.marks[0]))],
        "results": [("tobedeleted", f"mark:{people.marks[0]}")],
    }


def test_another_teacher_and_another_room_go_out_in_the_rows_that_name_them(people, since):
    with enter(people.school):
        people.clock.now = TUESDAY
        values = {"section": {"instructor": str(people.t2.user.pk)}, "room": {"name": "LAB 1"}}
        drafts = [
            Draft(entity_type=kind, entity_id=pk, field=name, typed=value)
            for (kind, cells), pk in zip(values.items(), (people.section, people.room), strict=True)
            for name, value in cells.items()
        ]
        people.a.enters(drafts, whole=True)
    files = since()
    section = people.section
    assert changed(files) == {
        "classes": [("active", str(section))],
        "users": [("active", str(people.t2.member.pk))],
        "enrollments": [
            ("active", f"teacher:{section}:{people.t2.member.pk}"),
            ("tobedeleted", f"teacher:{section}:{people.t1.member.pk}"),
        ],
    }
    assert rows_of(files, "classes")[str(section)]["location"] == "LAB 1"


def test_a_day_begins_by_the_schools_clock(people, tmp_path):
    people.school.time_zone = "Pacific/Auckland"
    people.school.save()
    with enter(people.school):
        people.clock.now = dt.datetime(2026, 11, 15, 10, 30, tzinfo=dt.UTC)  # Sunday, 23:30 there
        people.stands("64")
    assert changed(export("hill", tmp_path / "sunday", since="2026-11-15"))
    assert not changed(export("hill", tmp_path / "monday", since="2026-11-16"))


def test_a_copy_that_reads_each_delta_stays_the_same_as_the_school(people, tmp_path):
    """The copy stands in the same database, under another name; see forget()."""
    people.t2.user.name = "Cher"  # an account is never changed by a file
    people.t2.user.save()
    first = export("hill", tmp_path / "first")
    original = people.school
    with enter(original):
        people.clock.now = TUESDAY
        fill_with_oddities(people)
        people.stand(people.marks[0], "Well done", by=people.t1, field="comment")
        drafts = [
            Draft(
                entity_type="student",
                entity_id=people.students[0],
                field="family_name",
                typed="Åkerö",
            ),
            Draft(
                entity_type="enrollment",
                entity_id=people.marks[2],
                field="status",
                typed="withdrawn",
            ),
        ]
        people.a.enters(drafts, whole=True)
    export("hill", tmp_path / "delta", since=str(TUESDAY))
    wanted = export("hill", tmp_path / "wanted")
    assert wanted != first
    forget(original)
    run("import_oneroster", tmp_path / "first", by=OFFICE)
    copy = school(str(original.pk))
    assert gets_programmes_of(original, copy)
    run("import_oneroster", tmp_path / "delta", by=OFFICE)
    got = export(copy.slug, tmp_path / "got")
    for name in wanted:
        assert got[name] == wanted[name], name
    assert all_equal()


# Coming in


def delta_of(**files):
    """A delta with these files: name to rows under the header of the small delivery."""
    said = {"manifest.csv": "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\n"}
    for name in SOUND:
        mode = "delta" if name.removesuffix(".csv") in files else "absent"
        if name != "manifest.csv":
            said["manifest.csv"] += f"file.{name.removesuffix('.csv')},{mode}\n"
    for name, rows in files.items():
        header = "sourcedId,status,dateLastModified" + HEADER[name]
        said[f"{name}.csv"] = "\n".join([header, *rows, ""])
    return {**dict.fromkeys(SOUND), **said}


HEADER = {
    "users": ",enabledUser,orgSourcedIds,role,givenName,familyName,email,grades",
    "enrollments": ",classSourcedId,schoolSourcedId,userSourcedId,role,primary",
    "classes": ",title,classCode,courseSourcedId,schoolSourcedId,termSourcedIds",
    "courses": ",title,courseCode,orgSourcedId",
    "lineItems": ",title,classSourcedId,categorySourcedId,gradingPeriodSourcedId"
    ",resultValueMin,resultValueMax",
    "results": ",lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment",
}
AT = "2026-11-20T10:00:00.000Z"


@pytest.fixture
def deliver(tmp_path):
    """Import the small delivery; then write deltas of it."""
    run("import_oneroster", write(tmp_path / "delivery"), by=OFFICE)
    return lambda **files: write(tmp_path / "delta", delta_of(**files))


def takes(path, **options):
    return run("import_oneroster", path, by=OFFICE, **options)


def test_a_delta_changes_what_it_names_and_nothing_else(deliver):
    said = takes(deliver(users=[f"p2,active,{AT},true,s1,student,Bo,Lee,bo@pupil.example,10"]))
    assert said.splitlines() == [
        "Hill School:",
        "  changed: 1 pupil",
        "Lake School: nothing to change.",
    ]
    with enter(school()):
        assert Student.objects.get(source_id="p2").family_name == "Lee"
        assert Enrollment.objects.filter(status="enrolled").count() == 2
    assert all_equal()


def test_a_delta_may_point_at_what_only_the_school_has(deliver):
    said = takes(
        deliver(
            users=[f"p4,active,{AT},true,s1,student,Di,Roe,,10"],
            enrollments=[f"e9,active,{AT},k1,s1,p4,student,"],
        )
    )
    assert "  new: 1 pupil, 1 enrolment" in said
    with enter(school()):
        assert mark_of("p4").section.source_id == "k1"


def test_a_delta_that_points_at_nothing_is_refused_at_its_line(deliver):
    said = refused(deliver(enrollments=[f"e9,active,{AT},k7,s1,p1,student,"]))
    assert "enrollments.csv, line 2, column classSourcedId: the class “k7” is not in" in said


def test_who_is_to_be_deleted_from_a_class_is_withdrawn_and_keeps_the_mark(deliver):
    said = takes(deliver(enrollments=[f"e1,tobedeleted,{AT},,,,,"]))
    assert "  1 change waits for a second person of the office: a mark stands there" in said
    with enter(school()):
        assert (mark_of("p1").status, mark_of("p1").grade) == ("enrolled", "80")
        approve_as_second(mark_of("p1"))
        assert (mark_of("p1").status, mark_of("p1").grade) == ("withdrawn", "80")
    takes(deliver(enrollments=[f"e1,active,{AT},k1,s1,p1,student,"]))
    with enter(school()):
        assert mark_of("p1").status == "enrolled"
    assert all_equal()


def test_inactive_is_read_as_to_be_deleted_and_other_words_are_refused(deliver):
    assert "enrolled -> withdrawn" in takes(deliver(enrollments=[f"e1,inactive,{AT},,,,,"]))
    said = refused(deliver(enrollments=[f"e2,gone,{AT},k1,s1,p2,student,"]))
    assert "line 2, column status: “gone” is neither active nor tobedeleted" in said


def test_what_is_to_be_deleted_and_is_not_here_is_counted(deliver):
    assert "1 row to be deleted: not here anyway." in takes(
        deliver(enrollments=[f"e77,tobedeleted,{AT},,,,,"])
    )


def test_a_pupil_on_whom_nothing_hangs_is_deleted_and_may_come_again(deliver):
    takes(deliver(users=[f"p4,active,{AT},true,s1,student,Di,Roe,,10"]))
    said = takes(deliver(users=[f"p4,tobedeleted,{AT},,,,,,,"]))
    assert "  deleted: 1 pupil" in said
    with enter(school()):
        assert not Student.objects.filter(source_id="p4").exists()
    assert "new: 1 pupil" in takes(deliver(users=[f"p4,active,{AT},true,s1,student,Di,Roe,,10"]))


def test_a_pupil_with_a_mark_stays_and_that_is_said(deliver):
    said = takes(deliver(users=[f"p1,tobedeleted,{AT},,,,,,,"]))
    assert "  to be deleted, but something hangs on them: 1 pupil" in said
    with enter(school()):
        assert Student.objects.filter(source_id="p1").exists()


def test_a_result_that_is_to_be_deleted_waits_for_a_second_person(deliver):
    said = takes(deliver(results=[f"r1,tobedeleted,{AT},final:k1,p1,,,,"]))
    assert "1 mark waits for a second person of the office: another mark stands there:" in said
    with enter(school()):
        assert mark_of("p1").grade == "80"
        assert mark_of("p1").comment == ""
        row = GradeCorrection.objects.get()
        assert (row.old_grade, row.new_grade, row.status) == ("80", None, "pending")
    by = another_office_person()
    with enter(school()):
        review.approve([Change.objects.open().get().pk], school=school(), by=by, origin=Origin())
        assert mark_of("p1").grade is None


def test_a_mark_that_a_person_typed_is_no_files_to_delete(deliver):
    with enter(school()):
        edit(mark_of("p2"), comment="Sang well")
    takes(deliver(results=[f"mark:e2,tobedeleted,{AT},,,,,,"]))
    with enter(school()):
        assert mark_of("p2").comment == "Sang well"


def test_a_new_mark_by_a_delta_stands_where_none_did(deliver):
    takes(
        deliver(
            users=[f"p4,active,{AT},true,s1,student,Di,Roe,,10"],
            enrollments=[f"e9,active,{AT},k1,s1,p4,student,"],
            results=[f"r9,active,{AT},final:k1,p4,fully graded,55,2025-12-19,"],
        )
    )
    with enter(school()):
        assert mark_of("p4").grade == "55"


def test_a_class_gets_another_teacher_by_a_delta_and_none(deliver):
    takes(
        deliver(
            users=[f"a9,active,{AT},true,s1,teacher,Nia,New,new@school.example,"],
            enrollments=[f"e9,active,{AT},k1,s1,a9,teacher,true"],
        )
    )
    with enter(school()):
        assert Section.objects.get().instructor.email == "new@school.example"
        section = Section.objects.get()
        member = section.instructor.memberships.get().source_id
    takes(deliver(enrollments=[f"teacher:k1:{member},tobedeleted,{AT},,,,,"]))
    with enter(school()):
        assert Section.objects.get().instructor is None


def test_a_delta_is_an_ordinary_change_set_that_can_be_reverted(deliver):
    takes(deliver(enrollments=[f"e1,tobedeleted,{AT},,,,,"]))
    by = another_office_person()
    with enter(school()):
        change_set = ChangeSet.objects.latest("received_at")
        assert change_set.source == "import"
        criteria = revert.Criteria(account=change_set.initiator_id, change_set=change_set.pk)
        revert.revert(criteria, school=school(), by=by, origin=Origin(), reason="half a file")
        assert mark_of("p1").status == "enrolled"
        assert projector.verify(school()).equal


def test_a_teacher_who_is_to_be_deleted_keeps_the_account_and_that_is_said(deliver):
    said = takes(deliver(users=[f"a1,tobedeleted,{AT},,,,,,,"]))
    assert "sweet@school.example is to be deleted in the roster; the account stays open" in said
    assert Membership.objects.get(source_id="a1").is_active


def test_a_stranger_gets_no_school_by_a_delta(deliver):
    path = deliver(users=[f"p2,active,{AT},true,s1,student,Bo,Lee,,10"])
    said = refused(path, by="stranger@school.example")
    assert (
        "users.csv, line 2, column orgSourcedIds: the organisation “s1” is not in orgs.csv" in said
    )

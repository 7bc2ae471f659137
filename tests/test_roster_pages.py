"""The office's pages of rosters: what an upload would do, importing it as shown, exporting."""

import csv
import datetime as dt
import io
import re
import struct
import uuid
import zipfile

import psycopg
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.in_school import enter
from accounts.models import AuditLog, Disclosure, Membership, School
from changes.models import Change, ChangeSet, Decision
from changes.propose import creation
from grading.models import Enrollment, RosterUpload, Section
from grading.oneroster import progress, working
from students.models import Student
from tests.small_roster import SOUND, instead, plus, zipped
from tests.test_export_oneroster import told

START = "/office/grading/enrollment/roster/"


@pytest.fixture
def office(client, people):
    client.force_login(people.a.user)
    return client


@pytest.fixture
def upload(office, people, tmp_path):
    """Upload the small delivery with these files in place of its own; the page that answers."""

    def send(files=None, name="roster.zip"):
        content = {n: c for n, c in {**SOUND, **(files or {})}.items() if c is not None}
        path = zipped(tmp_path / name, content)
        return uploaded(office, people, SimpleUploadedFile(name, path.read_bytes()))

    return send


def uploaded(client, people, file):
    """Upload, let the worker look what it would change, and look at the page again."""
    return worked(client, people, post(client, people, "upload/", file=file))


def post(client, people, at, **values):
    """Send a form of the pages; the page that it leads to."""
    values.setdefault("school", people.school.pk)
    return client.post(at if at.startswith("/") else START + at, values, follow=True)


def text_of(page):
    words = re.sub(r"<[^>]+>", " ", page.content.decode())
    return re.sub(r"\s+", " ", words)


def token_on(page):
    return re.search(r'name="token" value="(\w+)"', page.content.decode())[1]


def confirm(client, people, page, **values):
    """Confirm what a page shows, have the worker import it, and look."""
    at = page.request["PATH_INFO"].removesuffix("import/") + "import/"
    page = post(client, people, at, token=values.pop("token", None) or token_on(page), **values)
    return worked(client, people, page) if page.status_code == 200 else page


def worked(client, people, page):
    """Let the worker do what is to do, and look at the page again."""
    assert "This page looks by itself" in text_of(page) or "is imported" in text_of(page)
    while working.work_next(people.school):
        pass
    return client.get(page.request["PATH_INFO"])


def test_an_upload_shows_what_would_change_and_changes_nothing(upload, people):
    with enter(people.school):
        before = people.tables(), Change.objects.count(), Decision.objects.count()
    page = upload()
    said = text_of(page)
    assert page.status_code == 200
    assert "Import this roster?" in said
    assert "2 pupils new" in said
    assert "Moreno, Ana" in said
    assert "users.csv, line 2" in said
    assert "1 school of the delivery left alone." in said
    with enter(people.school):
        assert (people.tables(), Change.objects.count(), Decision.objects.count()) == before
    assert School.objects.count() == 2


def test_what_was_shown_is_imported_as_one_change_set_that_can_be_reverted(upload, office, people):
    page = confirm(office, people, upload())
    assert "new: 1 term, 1 class, 2 pupils, 2 enrolments" in text_of(page)
    with enter(people.school):
        assert Section.objects.get(source_id="k1").instructor.email == "sweet@school.example"
        change_set = ChangeSet.objects.get(source="import")
        assert change_set.initiator == people.a.user
        assert str(change_set.ip) == "127.0.0.1"
        assert people.is_equal()
        assert bytes(RosterUpload.objects.get().content) == b""
    page = office.get(START)
    link = re.search(r'href="(/office/revert/preview/[^"]+)">Revert this', page.content.decode())[1]
    shown = office.get(link.replace("&amp;", "&"))
    assert "Moreno" in shown.content.decode()
    assert "Revert what is ticked" in shown.content.decode()


def test_a_second_click_imports_nothing_twice(upload, office, people):
    shown = upload()
    confirm(office, people, shown)
    page = confirm(office, people, shown)
    assert "This roster is imported" in text_of(page)
    with enter(people.school):
        assert ChangeSet.objects.filter(source="import").count() == 1
    upload()
    assert "nothing would change" in text_of(office.get(START))


def test_looking_and_importing_take_the_schools_lock_before_anything_else(office, people, tmp_path):
    """Those who decide take it so too, and nobody waits for the other for ever."""
    users = instead("users.csv", "sweet@school.example", people.t1.user.email)
    path = zipped(tmp_path / "roster.zip", {**SOUND, **users})
    post(office, people, "upload/", file=SimpleUploadedFile("r.zip", path.read_bytes()))
    with CaptureQueriesContext(connection) as looking:
        assert working.work_next(people.school)
    with CaptureQueriesContext(connection) as importing:
        call_command(
            "import_oneroster",
            path,
            by=people.a.user.email,
            stdout=io.StringIO(),
            stderr=io.StringIO(),
        )
    for queries in (looking, importing):
        held = [
            re.search(r'(?:from|into|update) "?(\w+)', each["sql"], re.IGNORECASE)[1]
            for each in queries
            if re.search("^ *(?:insert|update)|for (?:no key )?update", each["sql"], re.IGNORECASE)
        ]
        rest = [table for table in held if table != "grading_rosterupload"]
        assert rest[0] == "changes_ledgerhead"
        assert rest[-2:] == ["accounts_membership", "accounts_school"]  # keys, that others wait for
        assert "changes_change" in rest


def test_what_has_changed_since_it_was_shown_is_shown_again_and_not_done(upload, office, people):
    shown = upload()
    with enter(people.school):
        values = {"family_name": "Moreno", "given_names": "Rosa", "source_id": "p1"}
        people.a.enters(creation("student", values))
    again = confirm(office, people, shown)
    assert "It would do something else by now than what was confirmed" in text_of(again)
    with enter(people.school):
        assert not ChangeSet.objects.filter(source="import").exists()
    assert "given names: Rosa Ana" in text_of(again)
    assert "new: 1 term" in text_of(confirm(office, people, again))


def test_what_one_uploaded_another_imports_although_they_see_an_open_change_of_their_own(
    upload, office, people
):
    confirm(office, people, upload())
    with enter(people.school):
        bo = Student.objects.get(source_id="p2").pk
        people.b.changes_cell("student", bo, family_name="Lee")
    page = upload(instead("users.csv", "Bo,Li", "Bob,Lee"))
    assert "family name: Li Lee" in text_of(page)
    office.force_login(people.b.user)
    again = confirm(office, people, page)
    assert "It would do something else by now than what was confirmed" in text_of(again)
    assert "family name: Li Lee" not in text_of(again)
    looked = post(office, people, page.request["PATH_INFO"] + "look/")
    assert token_on(worked(office, people, looked)) == token_on(again)
    assert "This roster is imported" in text_of(confirm(office, people, again))


def test_what_somebody_uploaded_who_left_the_office_others_can_look_at(upload, office, people):
    Membership.objects.filter(pk=people.b.member.pk).update(role="teacher")
    kept = upload().request["PATH_INFO"]
    with enter(people.school):
        RosterUpload.objects.update(asked_by=people.b.user, uploaded_by=people.b.user, shown=None)
    page = worked(office, people, office.get(kept))
    assert "b.admin@hill.example is not in the office" in text_of(page)
    page = worked(office, people, post(office, people, kept + "look/"))
    assert "Import this roster?" in text_of(page)


def test_a_changed_name_and_a_mark_that_stands_are_shown_as_what_they_become(
    upload, office, people
):
    confirm(office, people, upload())
    results = instead("results.csv", "p1,fully graded,80", "p1,fully graded,90")
    said = text_of(upload({**results, **instead("users.csv", "Bo,Li", "Bo,Lee")}))
    assert "1 pupil changed" in said
    assert "family name: Li Lee" in said
    assert "mark: 80 90" in said
    assert "A mark stands here: a second person approves this." in said
    assert "changed: 1 pupil 1 mark waits for a second person of the office: another" in said
    assert "1 enrolment waits for a second person" in said
    assert "1 enrolment changed" not in said


def test_a_pupil_who_never_came_with_a_roster_is_counted_where_no_file_has_them(
    upload, office, people
):
    assert "3 pupils here are not in the files, and stay." in text_of(upload())
    exported = f"{people.students[0]},true,s1,student,Ada,Abbott,,"
    page = upload(plus("users.csv", exported))
    assert "2 pupils here are not in the files, and stay." in text_of(page)
    assert "2 pupils here are not in the files, and stay." in text_of(confirm(office, people, page))


def test_a_roster_that_takes_much_away_asks_for_a_tick(upload, office, people):
    confirm(office, people, upload())
    fewer = {
        "enrollments.csv": SOUND["enrollments.csv"].replace("e2,k1,s1,p2,student,\n", ""),
        "results.csv": SOUND["results.csv"].replace("r2,l1,p2,exempt,,,\n", ""),
    }
    page = upload(fewer)
    assert "it would take 1 of 2 enrolments out of the classes" in text_of(page)
    assert "A mark stands here: a second person approves this." in text_of(page)
    refused = confirm(office, people, page)
    assert refused.status_code == 422
    assert "Tick the box" in text_of(refused)
    done = confirm(office, people, page, removals="yes")
    assert "1 change waits for a second person of the office" in text_of(done)
    with enter(people.school):
        place = Enrollment.objects.get(source_id="e2")
        people.b.approves(*people.open_of(place.pk))
        place.refresh_from_db()
        assert place.status == "withdrawn"


def test_what_is_wrong_is_counted_by_kind_and_shown_at_its_line(upload):
    bad = [f"x{i},l9,p1,exempt,,," for i in range(300)]
    page = upload(plus("results.csv", *bad, "r9,l1,p2,exempt,,,"))
    said = text_of(page)
    assert "This roster cannot be imported" in said
    assert "results.csv the line item … is not in lineItems.csv 300" in said
    assert "results.csv, line 5, column lineItemSourcedId : the line item “l9” is not in" in said
    assert "And 500 more." in said
    assert "Import it" not in said


def test_what_several_problems_come_from_is_said_once_with_the_name(upload, office, people):
    confirm(office, people, upload())
    gone = 'p1,true,"d,s1",student,Ana,Moreno,,10\n'
    said = text_of(upload({"users.csv": SOUND["users.csv"].replace(gone, "")}))
    assert "2 problems." in said
    assert "the person “p1” is not in users.csv (Moreno, Ana, a pupil here): 2 problems" in said


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (instead("users.csv", "familyName", "surname"), "column familyName : the file has no"),
        ({"users.csv": SOUND["users.csv"].encode("utf-16")}, "the file is not UTF-8"),
        (plus("users.csv", "p1,true,s1,student,An,Other,,"), "“p1” stands in line 2 already"),
        (instead("users.csv", "Moreno", "=cmd()|' /C calc'!A0"), "=cmd()"),
        (instead("orgs.csv", "s1,,,Hill School", "s1,,,Hell School"), "of no school that goes by"),
        ({"manifest.csv": None}, "there is no manifest.csv"),
    ],
)
def test_hostile_files_get_a_clear_word(upload, files, words):
    page = upload(files)
    assert page.status_code == 200
    assert words in text_of(page).replace("&#x27;", "'")


def test_a_zip_bomb_and_what_is_no_zip_are_refused(office, people):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("manifest.csv", "users.csv", "orgs.csv"):
            with packed.open(name, "w") as stream:
                for _ in range(100):
                    stream.write(b"0" * 1024 * 1024)
    page = uploaded(office, people, SimpleUploadedFile("b.zip", bomb.getvalue()))
    assert "unpacked it would be 300 MB, more than the 256 MB that are read" in text_of(page)
    directory = b"PK\1\2".ljust(50, b"\0") * 30_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 30_000, 30_000, len(directory), 0, 0)
    crowd = SimpleUploadedFile("c.zip", directory + end)
    assert "the zip holds thousands of other files" in text_of(uploaded(office, people, crowd))
    directory = b"PK\1\2".ljust(100, b"\0")
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(directory), 0, 0)
    damaged = SimpleUploadedFile("d.zip", directory + end)
    assert "this zip file is damaged" in text_of(uploaded(office, people, damaged))
    page = post(office, people, "upload/", file=SimpleUploadedFile("x.zip", b"PK no"))
    assert page.status_code == 422
    said = "This is not a zip file, or it is damaged. Choose the zip file that your other system"
    assert said in text_of(page)
    page = post(office, people, "upload/", file=SimpleUploadedFile("x.exe", b"MZ"))
    assert page.status_code == 422
    assert "Choose one zip, or CSV files and nothing else." in text_of(page)
    assert "Choose a file first" in text_of(post(office, people, "upload/"))


def test_the_csv_files_themselves_can_be_uploaded(office, people):
    files = [SimpleUploadedFile(name, content.encode()) for name, content in SOUND.items()]
    page = uploaded(office, people, files)
    assert "2 pupils new" in text_of(page)
    assert "10 CSV files , uploaded" in text_of(page)


def test_a_delta_is_shown_and_imported_too(upload, office, people):
    confirm(office, people, upload())
    manifest = re.sub(r"(file\.\w+),bulk", r"\1,absent", SOUND["manifest.csv"])
    page = upload(
        {
            **dict.fromkeys(SOUND),
            "manifest.csv": manifest.replace("enrollments,absent", "enrollments,delta"),
            "enrollments.csv": SOUND["enrollments.csv"]
            .splitlines()[0]
            .replace("sourcedId,class", "sourcedId,status,class")
            + "\ne2,tobedeleted,,,,,\n",
        }
    )
    assert "A mark stands here: a second person approves this." in text_of(page)
    done = confirm(office, people, page)
    assert "1 change waits for a second person of the office" in text_of(done)


def test_the_worker_forgets_an_upload_after_a_day(upload, client, people):
    page = upload()
    call_command("work", once=True, stdout=io.StringIO())
    assert client.get(page.request["PATH_INFO"]).status_code == 200
    with enter(people.school):
        RosterUpload.objects.update(uploaded_at=timezone.now() - dt.timedelta(hours=25))
    call_command("work", once=True, stdout=io.StringIO())
    assert client.get(page.request["PATH_INFO"]).status_code == 404


def test_an_upload_shows_how_far_the_worker_is_and_then_the_whole_page(office, people, tmp_path):
    path = zipped(tmp_path / "roster.zip", SOUND)
    page = post(office, people, "upload/", file=SimpleUploadedFile("roster.zip", path.read_bytes()))
    at = page.request["PATH_INFO"]
    assert "Waiting for its turn" in text_of(page)
    assert "Meanwhile approving has to wait; typing marks has not." in text_of(page)
    assert "being looked at" in text_of(office.get(START))
    upload_id = uuid.UUID(at.rstrip("/").rpartition("/")[2])
    with enter(people.school):
        progress.say(upload_id, 4, 372_655, 57)
        with connection.cursor() as cursor:  # each request of a browser is a transaction of its own
            cursor.execute("select pg_stat_clear_snapshot()")
        part = office.get(at, headers={"HX-Request": "true"})
    said = "Step 4 of 4: writing, 57 % done, 372,655 values so far. Begun at"
    assert said in text_of(part)
    assert 'value="457" max="500"' in part.content.decode()
    assert "<h1" not in part.content.decode()
    working.work_next(people.school)
    assert office.get(at, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    assert "waits for you to import it" in text_of(office.get(START))
    token = token_on(office.get(at))
    other = post(office, people, at + "import/", token="of what was shown before")
    assert other.status_code == 409
    assert "It would do something else by now than what you saw." in text_of(other)
    again = post(office, people, at + "look/")
    assert "Looking what this roster would change" in text_of(again)
    School.objects.filter(pk=people.school.pk).update(first_grades=School.FirstGrades.STAND)
    assert "approving has to wait, and so has typing marks" in text_of(office.get(at))
    said = text_of(post(office, people, at + "import/", token=token))
    assert "It is just being looked at again; nothing was confirmed." in said
    assert "Import this roster?" in text_of(worked(office, people, again))


def test_what_stops_the_worker_is_tried_three_times_and_imports_nothing(
    upload, office, people, monkeypatch
):
    page = upload()

    def killed(*args, **options):
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patched:
        patched.setattr(working, "load", killed)
        post(office, people, page.request["PATH_INFO"] + "import/", token=token_on(page))
        for _ in range(working.MOST_ATTEMPTS):
            with pytest.raises(OperationalError):
                working.work_next(people.school)
        assert not working.work_next(people.school)
    page = office.get(page.request["PATH_INFO"])
    assert "Nothing was imported: the worker was stopped over it 3 times." in text_of(page)
    with enter(people.school):
        assert not ChangeSet.objects.filter(source="import").exists()
    assert "This roster is imported" in text_of(confirm(office, people, page))


def test_what_the_database_breaks_off_is_not_put_down_to_memory(
    upload, office, people, monkeypatch
):
    page = upload()

    def deadlocked(*args, **options):
        raise OperationalError("deadlock detected") from psycopg.errors.DeadlockDetected()

    monkeypatch.setattr(working, "load", deadlocked)
    post(office, people, page.request["PATH_INFO"] + "import/", token=token_on(page))
    for _ in range(working.MOST_ATTEMPTS - 1):
        with pytest.raises(OperationalError):
            working.work_next(people.school)
    said = text_of(worked(office, people, office.get(page.request["PATH_INFO"])))
    assert "Nothing was imported: others were at work in the school" in said
    assert "memory" not in said


def test_a_worker_that_fails_leaves_alone_what_another_has_done_since(
    upload, office, people, monkeypatch
):
    page = upload()
    post(office, people, page.request["PATH_INFO"] + "import/", token=token_on(page))

    def another_works(*args):
        monkeypatch.undo()
        assert working.work_next(people.school)

    monkeypatch.setattr(working, "tell", lambda *args, **options: 1 / 0)
    monkeypatch.setattr(working.logger, "exception", another_works)  # the row is free by then
    assert working.work_next(people.school)
    assert "This roster is imported" in text_of(office.get(page.request["PATH_INFO"]))


def test_a_mistake_of_the_program_is_said_and_not_tried_again(upload, office, people, monkeypatch):
    page = upload()
    with monkeypatch.context() as patched:
        patched.setattr(working, "tell", lambda *args, **options: 1 / 0)  # after all was written
        page = confirm(office, people, page)
    assert "Nothing was imported: this program made a mistake." in text_of(page)
    with enter(people.school):
        assert not ChangeSet.objects.filter(source="import").exists()


def test_who_has_left_the_office_after_confirming_imports_nothing(upload, office, people):
    page = upload()
    post(office, people, page.request["PATH_INFO"] + "import/", token=token_on(page))
    Membership.objects.filter(pk=people.a.member.pk).update(role="teacher")
    working.work_next(people.school)
    with enter(people.school):
        kept = RosterUpload.objects.get()
        assert (
            kept.failure
            == "Nothing was imported. a.admin@hill.example is not in the office of Hill School."
        )
        assert not ChangeSet.objects.filter(source="import").exists()


def test_all_problems_can_be_downloaded_and_none_is_a_formula(upload, client):
    page = upload(plus("users.csv", "=1+1,maybe,s1,student,Ana,Li,,"))
    answer = client.get(page.request["PATH_INFO"] + "problems.csv")
    assert answer["Content-Disposition"] == 'attachment; filename="roster problems.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert rows[0] == ["File", "Line", "Column", "What is wrong"]
    assert rows[1:] == [["users.csv", "7", "enabledUser", "“maybe” is neither true nor false"]]


def test_a_file_of_some_megabytes_is_taken_of_the_office_alone_and_a_huge_one_of_nobody(
    office, people, client
):
    def sent(size):
        file = SimpleUploadedFile("r.zip", bytes(size) + b"PK\5\6" + bytes(18))
        return client.post(
            START + "upload/", {"school": people.school.pk, "file": file}, follow=True
        )

    assert "Looking what this roster would change" in text_of(sent(5_000_000))
    assert "That is 33 MB, and 32 MB can be uploaded." in text_of(sent(33_000_000))
    client.force_login(people.t1.user)
    assert sent(5_000_000).status_code == 403
    client.logout()
    assert sent(5_000_000).status_code == 400


def test_an_upload_is_no_other_schools(upload, client, people):
    page = upload()
    client.force_login(people.outsider.user)
    assert client.get(page.request["PATH_INFO"]).status_code == 404


def test_looking_at_more_records_and_listing_more_uploads_cost_no_more_queries(upload, office):
    def queries(pupils):
        more = [f"x{i},true,s1,student,Ana,Li{i},," for i in range(pupils)]
        with CaptureQueriesContext(connection) as looked:
            page = upload(plus("users.csv", *more))
        assert f"{pupils + 2} pupils new" in text_of(page)
        with CaptureQueriesContext(connection) as listed:
            assert office.get(START).status_code == 200
        return len(looked), len(listed)

    queries(1)  # what is asked once
    assert queries(2) == queries(150)


def test_the_school_goes_out_as_a_zip_and_that_is_written_down(office, people):
    with enter(people.school):
        people.stands("64")
        people.t1.types(people.marks[1], "99")
    answer = post(office, people, "export/", to="the district", why="enrolment statistics")
    assert answer["Content-Disposition"] == 'attachment; filename="hill.zip"'
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    assert [score for (score,) in told(files, "results", "score").values()] == ["64"]
    with enter(people.school):
        row = AuditLog.objects.get(event="export")
        assert (row.user, row.metadata["to"]) == (people.a.user, "the district")
        assert row.metadata["why"] == "enrolment statistics"
        assert Disclosure.objects.filter(event=row).count() == 3


def test_who_gets_it_and_what_for_have_to_be_said(office, people):
    page = post(office, people, "export/")
    assert page.status_code == 422
    assert "Say who gets it." in text_of(page)
    assert "Say what for." in text_of(page)
    answer = post(office, people, "export/", to="x", why="y", since="2999-01-01")
    assert answer["Content-Disposition"].endswith('"hill-since-2999-01-01.zip"')


def test_the_page_is_reached_from_the_office_and_is_no_teachers(office, client, people):
    assert reverse("admin:roster") == START
    assert START in office.get("/office/").content.decode()
    client.force_login(people.t1.user)
    assert client.get(START).status_code == 403
    with enter(people.school):
        assert not Student.objects.filter(source_id="p1").exists()

"""Reading OneRoster 1.1: what is taken verbatim, and what is refused with which words."""

import csv
import functools
import io
import json
import random
import struct
import tracemalloc
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from grading.oneroster import archive
from grading.oneroster.finals import final_line_items
from grading.oneroster.problems import BadRoster, format_report
from grading.oneroster.reader import read_roster
from grading.oneroster.roster import Roster
from tests.small_roster import SOUND, instead, plus, write, zipped


@pytest.fixture
def deliver(tmp_path):
    """Write the small delivery; named files replaced, added, or left out when None."""
    return functools.partial(write, tmp_path / "delivery")


def refused(path: Path) -> list[str]:
    """What is said about a delivery that must not be read."""
    with pytest.raises(BadRoster) as caught:
        read_roster(path)
    return [str(problem) for problem in caught.value.problems]


# What is read


def test_a_sound_delivery_is_read_whole(deliver):
    roster = read_roster(deliver())
    assert [school.name for school in roster.schools] == ["Hill School", "Lake School"]
    assert roster.users["p1"].orgs == ("d", "s1")
    assert roster.sessions["t1"].start_on == date(2025, 9, 1)
    assert roster.results["r3"].score == Decimal("7.25")
    assert roster.results["r2"].status == "exempt"
    assert roster.enrollments["e3"].primary
    assert roster.line_items["l2"].maximum == Decimal("10.5")


def test_a_zip_reads_like_the_folder_it_was_made_from(deliver, tmp_path):
    assert read_roster(zipped(tmp_path / "roster.zip", SOUND)) == read_roster(deliver())


def test_a_zip_may_hold_its_files_in_one_folder_and_a_macs_extras(tmp_path):
    path = zipped(tmp_path / "roster.zip", SOUND, folder="export 2026/")
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("__MACOSX/export 2026/._users.csv", b"\0\0")
    assert len(read_roster(path).users) == 5


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(deliver, tmp_path):
    plain = read_roster(deliver())
    windows = {name: "\ufeff" + content.replace("\n", "\r\n") for name, content in SOUND.items()}
    assert read_roster(zipped(tmp_path / "windows.zip", windows)) == plain


def test_blank_lines_and_columns_in_another_order_change_nothing(deliver, tmp_path):
    turned = io.StringIO()
    writer = csv.writer(turned)
    for row in csv.reader(io.StringIO(SOUND["users.csv"])):
        writer.writerow(reversed(row))
        turned.write("\r\n,,,,,,,\r\n")
    again = read_roster(zipped(tmp_path / "turned.zip", {**SOUND, "users.csv": turned.getvalue()}))
    plain = read_roster(deliver())
    assert [(u.sourced_id, u.family_name, u.orgs) for u in again.users.values()] == [
        (u.sourced_id, u.family_name, u.orgs) for u in plain.users.values()
    ]


def test_fixed_values_are_read_in_any_case(deliver):
    roster = read_roster(deliver(instead("results.csv", "p2,exempt", "p2,Exempt")))
    assert roster.results["r2"].status == "exempt"


def test_marks_may_be_absent_from_a_roster(deliver):
    manifest = SOUND["manifest.csv"]
    for name in ("categories", "lineItems", "results"):
        manifest = manifest.replace(f"file.{name},bulk", f"file.{name},absent")
    left_out = dict.fromkeys(("categories.csv", "lineItems.csv", "results.csv"))
    roster = read_roster(deliver({"manifest.csv": manifest, **left_out}))
    assert not roster.results
    assert len(roster.enrollments) == 5


def test_metadata_columns_are_left_aside(deliver):
    roster = read_roster(
        deliver({"categories.csv": "sourcedId,title,metadata.colour\nf,Final,red\nq,Quiz,blue\n"})
    )
    assert roster.categories["f"].title == "Final"


def test_of_several_sessions_a_class_belongs_to_the_first_that_is_a_term(deliver):
    roster = read_roster(deliver())
    assert roster.classes["k1"].terms == ("y", "t1")
    assert roster.term_of(roster.classes["k1"]).sourced_id == "t1"


def test_of_several_sessions_none_of_them_a_term_the_first_counts(deliver):
    roster = read_roster(deliver(instead("classes.csv", '"y,t1"', "y")))
    assert roster.term_of(roster.classes["k1"]).sourced_id == "y"


# Which line item is the grade


def finals(roster: Roster) -> dict[str, str]:
    return {class_: item.sourced_id for class_, item in final_line_items(roster).items()}


def test_a_quiz_is_never_taken_for_the_grade(deliver):
    roster = read_roster(deliver(plus("lineItems.csv", "l3,Quiz 1,k1,q,t1,0,10")))
    assert finals(roster) == {"k1": "l1", "k2": "l2"}


def test_the_final_grade_may_be_known_by_its_category(deliver):
    lines = SOUND["lineItems.csv"].replace("Final,k1,f", "Autumn 2025,k1,f")
    roster = read_roster(deliver({"lineItems.csv": lines + "l3,Quiz 1,k1,q,t1,0,10\n"}))
    assert finals(roster)["k1"] == "l1"


def test_without_a_name_for_it_a_class_with_several_line_items_has_no_grade(deliver):
    lines = SOUND["lineItems.csv"].replace("Final,k1,f", "Autumn 2025,k1,q")
    roster = read_roster(deliver({"lineItems.csv": lines + "l3,Quiz 1,k1,q,t1,0,10\n"}))
    assert finals(roster) == {"k2": "l2"}


def test_of_two_final_grades_that_of_the_classs_term_counts(deliver):
    roster = read_roster(deliver(plus("lineItems.csv", "l3,Final Grade,k1,f,t2,0,100")))
    assert finals(roster)["k1"] == "l1"


# Text


def survivors(path: Path, texts: list[str]) -> tuple[list[str], list[str]]:
    """Each text delivered as given name, family name and comment of one pupil: those read back, and
    the reasons for the others."""
    users, enrollments, results = io.StringIO(), io.StringIO(), io.StringIO()
    for stream, name in (
        (users, "users.csv"),
        (enrollments, "enrollments.csv"),
        (results, "results.csv"),
    ):
        stream.write(SOUND[name])
    for i, text in enumerate(texts):
        csv.writer(users).writerow([f"x{i}", "true", "s1", "student", text, text, "", ""])
        csv.writer(enrollments).writerow([f"x{i}", "k1", "s1", f"x{i}", "student", ""])
        csv.writer(results).writerow([f"x{i}", "l1", f"x{i}", "fully graded", "5", "", text])
    files = {
        **SOUND,
        "users.csv": users.getvalue(),
        "enrollments.csv": enrollments.getvalue(),
        "results.csv": results.getvalue(),
    }
    try:
        roster = read_roster(zipped(path, files))
    except BadRoster as bad:
        return [], [problem.reason for problem in bad.problems]
    read = []
    for i, text in enumerate(texts):
        user, result = roster.users[f"x{i}"], roster.results[f"x{i}"]
        assert [user.given_name, user.family_name, result.comment] == [text] * 3
        read.append(text)
    return read, []


def test_every_real_name_survives_verbatim(shared_data, tmp_path):
    with (shared_data / "names" / "names.csv").open(encoding="utf-8", newline="") as names:
        texts = [
            name for row in csv.DictReader(names) for name in (row["givenName"], row["familyName"])
        ]
    assert len(texts) == 1200
    assert survivors(tmp_path / "names.zip", texts) == (texts, [])


def test_every_hostile_string_survives_verbatim_or_is_refused_with_a_reason(shared_data, tmp_path):
    lines = (shared_data / "naughty_strings" / "blns.txt").read_bytes().decode().split("\n")
    texts = lines + json.loads((shared_data / "naughty_strings" / "blns.json").read_text())
    fit = [text for text in texts if text.strip() and len(text) <= 200]
    assert len(fit) > 1000
    assert survivors(tmp_path / "fit.zip", fit) == (fit, [])
    for i, text in enumerate(set(texts) - set(fit)):
        _, reasons = survivors(tmp_path / f"{i}.zip", [text])
        assert set(reasons) <= {"is blank", f"has {len(text)} characters; at most 200 fit"}
        assert reasons


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nb", "a\rb", 'say "so"', "a,b", " a ", "=1+1", "a\u2028b\x0b\x1c\x85"]
)
def test_line_ends_quotation_marks_and_spaces_inside_a_value_stay_as_they_are(tmp_path, text):
    assert survivors(tmp_path / "text.zip", [text]) == ([text], [])


def test_a_nul_is_refused(deliver):
    said = refused(deliver(instead("users.csv", "Moreno", "Mor\0eno")))
    assert said == [
        "users.csv, line 2, column familyName: contains a NUL character: “Mor\\u0000eno”"
    ]


def test_a_lone_surrogate_cannot_arrive_as_utf_8(deliver):
    content = SOUND["users.csv"].encode().replace(b"Moreno", b"Mor\xed\xa0\x80eno")
    (said,) = refused(deliver({"users.csv": content}))
    assert said.startswith("users.csv, line 2, column familyName: is not UTF-8")
    said.encode("utf-8")


def test_another_encoding_is_refused_at_each_value_that_shows_it(deliver):
    content = SOUND["users.csv"].replace("Moreno", "Muñoz").replace("Ek", "Åkerö")
    said = refused(deliver({"users.csv": content.encode("cp1252")}))
    assert said == [
        "users.csv, line 2, column familyName: is not UTF-8, save the file as “CSV UTF-8”: “Muñoz”",
        "users.csv, line 4, column familyName: is not UTF-8, save the file as “CSV UTF-8”: “Åkerö”",
    ]


def test_utf_16_is_refused_in_one_sentence(deliver):
    said = refused(deliver({"users.csv": SOUND["users.csv"].encode("utf-16")}))
    assert said == ["users.csv, line 1: the file is not UTF-8; save it as “CSV UTF-8”"]


def test_an_over_long_value_is_refused(deliver):
    said = refused(deliver(instead("users.csv", "Moreno", "M" * 201)))
    assert said == ["users.csv, line 2, column familyName: has 201 characters; at most 200 fit"]


# The shape of a file


def test_a_row_that_is_too_short_or_too_long_is_refused(deliver):
    said = refused(deliver(plus("enrollments.csv", "e6,k1,s1,p3", "e7,k1,s1,p3,student,,,")))
    assert said == [
        "enrollments.csv, line 7: has 4 values where the header has 6",
        "enrollments.csv, line 8: has 8 values where the header has 6",
    ]


def test_a_line_number_counts_the_lines_inside_values(deliver):
    said = refused(
        deliver(
            {
                "results.csv": SOUND["results.csv"].replace(
                    "Well done", '"Well\r\ndone,\n\nreally"'
                )
                + "r4,nothing,p1,exempt,,,\n"
            }
        )
    )
    (line,) = said
    assert line.startswith("results.csv, line 8, column lineItemSourcedId: ")


def test_a_header_in_the_middle_of_a_file_is_one_problem(deliver):
    header = SOUND["results.csv"].splitlines()[0]
    said = refused(deliver(plus("results.csv", header, "id,li-id,student_id,fully graded,x,,")))
    assert said == [
        "results.csv, line 5: this is a header in the middle of the file",
        "results.csv, line 6: this is a header in the middle of the file",
    ]


def test_a_missing_column_is_named(deliver):
    said = refused(deliver(instead("users.csv", "familyName", "metadata.x")))
    assert said == ["users.csv, line 1, column familyName: the file has no column of this name"]


def test_a_column_in_the_wrong_case_is_not_silently_left_out(deliver):
    said = refused(deliver(instead("users.csv", ",email", ",Email")))
    assert said[0] == "users.csv, line 1, column Email: the column “Email” must be written “email”"


def test_an_unknown_column_is_refused(deliver):
    said = refused(deliver(instead("orgs.csv", "identifier", "nickname")))
    assert said == ["orgs.csv, line 1, column nickname: OneRoster 1.1 has no such column here"]


def test_a_repeated_column_is_refused(deliver):
    said = refused(deliver(instead("orgs.csv", "identifier", "name")))
    assert said == ["orgs.csv, line 1, column name: the file has two columns of this name"]


def test_semicolons_between_columns_are_recognised(deliver):
    said = refused(deliver({"orgs.csv": SOUND["orgs.csv"].replace(",", ";")}))
    assert said[0].startswith(
        "orgs.csv, line 1: the columns are not separated by commas: “sourcedId;"
    )


def test_an_empty_file_is_refused(deliver):
    assert refused(deliver({"courses.csv": ""})) == [
        "courses.csv: the file is empty; it must have a header at least"
    ]


def test_a_quotation_mark_that_is_never_closed_is_found_where_it_opens(deliver):
    said = refused(deliver(instead("courses.csv", "Biology", '"Biology')))
    assert said == ["courses.csv, line 2: a quotation mark is opened here and not closed"]
    said = refused(deliver(instead("users.csv", "Li", '"Li')))
    assert said == ["users.csv, line 3: a quotation mark opened here is only closed in line 4"]


def test_a_stray_quotation_mark_spoils_its_line_only(deliver):
    said = refused(deliver(instead("users.csv", ",Li,", ',"Li"x,')))
    assert said == [
        "users.csv, line 3: quotation marks are misplaced; one inside a value must be written twice"
    ]


def test_an_endless_line_is_refused(deliver):
    (said,) = refused(deliver(plus("users.csv", "x" * 300_000)))
    assert said == "users.csv, line 7: the line is longer than 200000 characters"


# The delivery


def test_nothing_at_the_path_is_said_plainly(tmp_path):
    assert refused(tmp_path / "nothing.zip") == ["nothing.zip: there is no such folder or zip file"]


def test_something_else_than_a_zip_is_said_plainly(tmp_path):
    path = tmp_path / "roster.zip"
    path.write_text("not a zip")
    assert refused(path) == ["roster.zip: this is neither a folder nor a sound zip file"]


def test_a_folder_without_a_manifest_is_not_oneroster(deliver):
    assert refused(deliver({"manifest.csv": None})) == [
        "delivery: there is no manifest.csv, so it is no OneRoster delivery"
    ]


def test_a_delta_is_refused_before_anything_else(deliver):
    said = refused(
        deliver({**instead("manifest.csv", "users,bulk", "users,delta"), "orgs.csv": ""})
    )
    assert said == [
        "manifest.csv, line 13: “users” is a delta (changes only); send the complete lists"
    ]


def test_another_version_is_refused(deliver):
    said = refused(deliver(instead("manifest.csv", "version,1.1", "version,1.0")))
    assert said == [
        "manifest.csv, line 3: oneroster.version is “1.0”, but only 1.1 and 1.2 can be read"
    ]


def test_a_file_that_the_manifest_promises_must_be_there(deliver):
    said = refused(deliver({"results.csv": None}))
    assert said == [
        "manifest.csv, line 12: says that “results.csv” is bulk, but there is no such file"
    ]


def test_a_file_in_the_wrong_case_is_pointed_out(deliver):
    said = refused(deliver({"lineItems.csv": None, "lineitems.csv": SOUND["lineItems.csv"]}))
    assert said == [
        "manifest.csv, line 10: there is “lineitems.csv”, but it must be called “lineItems.csv”"
    ]


def test_a_roster_needs_its_pupils(deliver):
    said = refused(deliver(instead("manifest.csv", "users,bulk", "users,absent")))
    assert said == [
        "manifest.csv, line 13: does not say that “users.csv” is bulk, but a roster needs it"
    ]


def test_a_file_that_the_manifest_denies_is_not_silently_skipped(deliver):
    said = refused(deliver(instead("manifest.csv", "results,bulk", "results,absent")))
    assert said == [
        "manifest.csv, line 12: does not say that “results.csv” is bulk, but the file is there"
    ]


def test_a_missing_file_does_not_make_every_reference_to_it_a_problem(deliver):
    assert len(refused(deliver({"users.csv": None}))) == 1


def test_a_zip_bomb_is_refused_unopened(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("manifest.csv", "orgs.csv", "users.csv"):
            with packed.open(name, "w") as stream:
                for _ in range(100):
                    stream.write(b"0" * 1024 * 1024)
    assert path.stat().st_size < 1024 * 1024
    tracemalloc.start()
    said = refused(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said == ["bomb.zip: unpacked it would be 300 MB, more than the 256 MB that are read"]
    assert peak < 5_000_000


@pytest.mark.parametrize("before", ["nothing", "no record", "record", "record elsewhere"])
def test_a_zip_with_a_huge_directory_is_refused_unread(tmp_path, before):
    entries = b"PK\1\2".ljust(50, b"\0") * 30_000
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(entries), 0)
    small = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 50, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(entries), 1)
    tail = {
        "nothing": b"",
        "no record": bytes(56) + locator,
        "record": wide + locator,
        "record elsewhere": wide + small + locator,
    }[before]
    said = 50 if before.startswith("record") else len(entries)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 30_000, 30_000, said, 0, 0)
    path = tmp_path / "crowd.zip"
    path.write_bytes(entries + tail + end)
    assert refused(path) == ["crowd.zip: the zip holds thousands of other files"]


def test_a_folder_that_is_too_big_is_refused_unread(deliver, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1024)
    (said,) = refused(deliver())
    assert said.startswith("delivery: unpacked it would be")


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path):
    path = zipped(tmp_path / "lie.zip", SOUND)
    data = bytearray(path.read_bytes())
    true = len(SOUND["users.csv"]).to_bytes(4, "little")
    assert data.count(true)
    path.write_bytes(data.replace(true, (20).to_bytes(4, "little")))
    assert "users.csv: the file is damaged and cannot be read to its end" in refused(path)


def test_a_damaged_zip_is_refused(tmp_path):
    path = zipped(tmp_path / "cut.zip", SOUND)
    data = path.read_bytes()
    broken = data.replace(data[300:340], bytes(40))
    path.write_bytes(broken)
    assert refused(path)
    path.write_bytes(data[: len(data) // 2])
    assert refused(path) == ["cut.zip: this is neither a folder nor a sound zip file"]


def test_no_damage_to_a_zip_shows_as_anything_but_a_refusal(tmp_path):
    sound = zipped(tmp_path / "sound.zip", SOUND).read_bytes()
    directory = sound.index(b"PK\x01\x02")
    path = tmp_path / "damaged.zip"
    chance = random.Random(1)  # noqa: S311 - the same damage in each run
    seen = set()
    for number in range(600):
        data = bytearray(sound)
        for _ in range(chance.choice([1, 2, 5])):
            # Every other time where the zip describes itself.
            data[chance.randrange(directory if number % 2 else 0, len(data))] = chance.randrange(
                256
            )
        path.write_bytes(data)
        try:
            read_roster(path)
        except BadRoster as bad:
            seen.add(format_report(bad).encode())
    assert len(seen) > 3


def test_a_zip_that_holds_a_file_twice_is_refused(tmp_path):
    path = zipped(tmp_path / "twice.zip", SOUND)
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("old/users.csv", SOUND["users.csv"])
    assert refused(path) == ["twice.zip: the zip holds “users.csv” more than once"]


def test_names_that_point_out_of_the_zip_lead_nowhere(tmp_path):
    path = zipped(tmp_path / "climb.zip", SOUND, folder="../../etc/")
    assert len(read_roster(path).users) == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["climb.zip"]


# Across files


@pytest.mark.parametrize(
    ("change", "place", "reason"),
    [
        (
            instead("courses.csv", "BIO,s1", "BIO,s9"),
            "courses.csv, line 2, column orgSourcedId",
            "the organisation “s9” is not in orgs.csv",
        ),
        (
            instead("classes.csv", "BIO-2,c1", "BIO-2,c9"),
            "classes.csv, line 2, column courseSourcedId",
            "the course “c9” is not in courses.csv",
        ),
        (
            instead("classes.csv", '"y,t1"', '"y,t9"'),
            "classes.csv, line 2, column termSourcedIds",
            "the session “t9” is not in academicSessions.csv",
        ),
        (
            instead("users.csv", '"d,s1"', '"s9,s1"'),
            "users.csv, line 2, column orgSourcedIds",
            "the organisation “s9” is not in orgs.csv",
        ),
        (
            plus("enrollments.csv", "e6,k9,s1,p2,student,"),
            "enrollments.csv, line 7, column classSourcedId",
            "the class “k9” is not in classes.csv",
        ),
        (
            plus("enrollments.csv", "e6,k1,s1,p9,student,"),
            "enrollments.csv, line 7, column userSourcedId",
            "the person “p9” is not in users.csv",
        ),
        (
            plus("lineItems.csv", "l3,Quiz,k9,q,t1,0,10"),
            "lineItems.csv, line 4, column classSourcedId",
            "the class “k9” is not in classes.csv",
        ),
        (
            plus("lineItems.csv", "l3,Quiz,k1,x,t1,0,10"),
            "lineItems.csv, line 4, column categorySourcedId",
            "the category “x” is not in categories.csv",
        ),
        (
            plus("results.csv", "r4,l9,p1,exempt,,,"),
            "results.csv, line 5, column lineItemSourcedId",
            "the line item “l9” is not in lineItems.csv",
        ),
        (
            plus("results.csv", "r4,l1,p9,exempt,,,"),
            "results.csv, line 5, column studentSourcedId",
            "the person “p9” is not in users.csv",
        ),
    ],
)
def test_a_reference_to_nothing_is_refused(deliver, change, place, reason):
    assert refused(deliver(change)) == [f"{place}: {reason}"]


@pytest.mark.parametrize(
    ("change", "place", "reason"),
    [
        (
            instead("academicSessions.csv", "2025-12-19", "19/12/2025"),
            "academicSessions.csv, line 3, column endDate",
            "“19/12/2025” is not a date written YYYY-MM-DD",
        ),
        (
            instead("academicSessions.csv", "2025-12-19", "2025-02-30"),
            "academicSessions.csv, line 3, column endDate",
            "“2025-02-30” is not a day of the calendar",
        ),
        (
            instead("academicSessions.csv", "2025-12-19", "2025-08-31"),
            "academicSessions.csv, line 3, column endDate",
            "ends before it starts on “2025-09-01”",
        ),
        (
            instead("academicSessions.csv", "2025-12-19", ""),
            "academicSessions.csv, line 3, column endDate",
            "is blank",
        ),
        (
            instead("results.csv", ",80,", ',"8,0",'),
            "results.csv, line 2, column score",
            "“8,0” is not a number, such as 75 or 7.5",
        ),
        (
            instead("results.csv", ",80,", ",NaN,"),
            "results.csv, line 2, column score",
            "“NaN” is not a number, such as 75 or 7.5",
        ),
        (
            instead("results.csv", ",80,", ",٨٠,"),
            "results.csv, line 2, column score",
            "“٨٠” is not a number, such as 75 or 7.5",
        ),
        (
            instead("results.csv", ",80,", ",101,"),
            "results.csv, line 2, column score",
            "“101” is not between “0” and “100”",
        ),
        (
            instead("results.csv", ",80,", ",,"),
            "results.csv, line 2, column score",
            "is blank although the result is fully graded",
        ),
        (
            instead("results.csv", "p1,fully graded", "p1,graded"),
            "results.csv, line 2, column scoreStatus",
            (
                "“graded” is not one of: "
                "exempt, fully graded, not submitted, partially graded, submitted"
            ),
        ),
        (
            plus("results.csv", "r1,l1,p3,exempt,,,"),
            "results.csv, line 5, column sourcedId",
            "“r1” stands in line 2 already",
        ),
        (
            plus("results.csv", "r4,l1,p1,exempt,,,"),
            "results.csv, line 5",
            "the pupil has a result of this line item in line 2",
        ),
        (
            plus("results.csv", "r4,l1,p3,exempt,,,"),
            "results.csv, line 5, column studentSourcedId",
            "“p3” is not a pupil of the class “k1”",
        ),
        (
            instead("lineItems.csv", "t1,0,100", "t1,100,100"),
            "lineItems.csv, line 2, column resultValueMax",
            "is not above the least value “100”",
        ),
        (
            instead("users.csv", "s1,teacher", "s1,teecher"),
            "users.csv, line 5, column role",
            (
                "“teecher” is not one of: administrator, aide, guardian, parent, proctor, "
                "relative, student, teacher"
            ),
        ),
        (
            instead("users.csv", "sweet@school.example", ""),
            "users.csv, line 5, column email",
            "is blank; a teacher needs it to sign in",
        ),
        (
            instead("users.csv", "sweet@school.example", "HILL@school.example"),
            "users.csv, line 6, column email",
            "“hill@school.example” is the address of the teacher in line 5 already",
        ),
        (
            instead("users.csv", "bo@pupil.example", "bo at pupil"),
            "users.csv, line 3, column email",
            "“bo at pupil” is not an e-mail address",
        ),
        (
            instead("users.csv", "Bo,", " ,"),
            "users.csv, line 3, column givenName",
            "is blank",
        ),
        (
            plus("users.csv", "p4,true,d,student,Di,Roe,,"),
            "users.csv, line 7, column orgSourcedIds",
            "the pupil is in no school and no class",
        ),
        (
            plus("users.csv", "p4,yes,s1,student,Di,Roe,,"),
            "users.csv, line 7, column enabledUser",
            "“yes” is neither true nor false",
        ),
        (
            plus("enrollments.csv", "e6,k1,s1,p1,student,"),
            "enrollments.csv, line 7",
            "the same person is in this class by line 2",
        ),
        (
            plus("enrollments.csv", "e6,k2,s2,p1,student,"),
            "enrollments.csv, line 7, column userSourcedId",
            "the class is in “s2”, a school that users.csv does not list for “p1”",
        ),
        (
            plus("enrollments.csv", "e6,k2,s1,p1,student,"),
            "enrollments.csv, line 7, column schoolSourcedId",
            "“s1” here, but the class is in “s2”",
        ),
        (
            plus("enrollments.csv", "e6,k1,s1,p2,teacher,"),
            "enrollments.csv, line 7, column role",
            "“teacher” here, but “student” in users.csv",
        ),
        (
            instead("classes.csv", "c1,s1", "c1,d"),
            "classes.csv, line 2, column schoolSourcedId",
            "“d” is not a school",
        ),
        (
            {"categories.csv": "sourcedId,status,title\nf,,Final\nq,tobedeleted,Quiz\n"},
            "categories.csv, line 3, column status",
            "“tobedeleted”: a bulk file lists only what there is",
        ),
        (
            plus("categories.csv", ",Oral"),
            "categories.csv, line 4, column sourcedId",
            "is blank",
        ),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(deliver, change, place, reason):
    assert f"{place}: {reason}" in refused(deliver(change))


def test_a_pupil_of_two_schools_may_be_in_classes_of_both(deliver):
    users = SOUND["users.csv"].replace('"d,s1"', '"s1,s2"')
    enrollments = SOUND["enrollments.csv"] + "e6,k2,s2,p1,student,\n"
    roster = read_roster(deliver({"users.csv": users, "enrollments.csv": enrollments}))
    assert roster.users["p1"].orgs == ("s1", "s2")


def test_a_person_listed_in_a_district_only_may_be_in_any_class(deliver):
    users = SOUND["users.csv"] + "p4,true,d,student,Di,Roe,,\n"
    enrollments = SOUND["enrollments.csv"] + "e6,k2,s2,p4,student,\n"
    assert "p4" in read_roster(deliver({"users.csv": users, "enrollments.csv": enrollments})).users


def test_a_row_that_is_wrong_itself_does_not_make_references_to_it_wrong(deliver):
    said = refused(deliver(instead("users.csv", "bo@pupil.example,10", "bo@pupil.example,10,x")))
    assert said == ["users.csv, line 3: has 9 values where the header has 8"]


def test_a_line_that_was_lost_does_not_make_references_to_it_wrong(deliver):
    said = refused(deliver(instead("users.csv", "Bo,", 'Bo,"L"i,')))
    assert len(said) == 1


def test_all_that_is_wrong_is_reported_at_once_in_the_order_of_the_files(deliver):
    said = refused(
        deliver(
            {
                **plus("results.csv", "r4,l9,p9,exempt,,,"),
                **plus("users.csv", "p4,maybe,s1,pupil,,,x,"),
                **instead("orgs.csv", "Lake School,school", "Lake School,scool"),
            }
        )
    )
    assert [line.split(":")[0] for line in said] == [
        "orgs.csv, line 4, column type",
        "users.csv, line 7, column enabledUser",
        "users.csv, line 7, column role",
        "users.csv, line 7, column givenName",
        "users.csv, line 7, column familyName",
        "results.csv, line 5, column lineItemSourcedId",
        "results.csv, line 5, column studentSourcedId",
    ]


# The report


def test_a_report_is_safe_to_print(deliver):
    with pytest.raises(BadRoster) as caught:
        read_roster(deliver(plus("orgs.csv", "x,,,\x1b[2J\u202e,sch\x07ool,,")))
    report = format_report(caught.value)
    assert "“sch\\u0007ool”" in report
    assert all(line.isprintable() for line in report.splitlines())


def test_a_report_shows_a_hundred_places_and_counts_the_rest(deliver):
    lines = [f"e{i},k9,s1,p1,student," for i in range(10, 2010)]
    with pytest.raises(BadRoster) as caught:
        read_roster(deliver({**plus("enrollments.csv", *lines), **plus("orgs.csv", "x,,,X,y,,")}))
    bad = caught.value
    assert bad.total == 2000 + 1999 + 1
    report = format_report(bad).splitlines()
    assert report[0] == "Nothing was imported: 4,000 problems."
    assert "  2,000 times: the class … is not in classes.csv" in report
    assert sum("line " in line and ": " in line for line in report if line[0:1] != " ") == 100
    assert report[-1] == "and 3,900 more."
    assert any(line.startswith("orgs.csv, line 5") for line in report)


def test_a_million_problems_are_counted_and_not_kept(deliver):
    lines = "".join(f"z{i},k9\n" for i in range(50_000))
    with pytest.raises(BadRoster) as caught:
        read_roster(deliver({"enrollments.csv": SOUND["enrollments.csv"] + lines}))
    assert caught.value.total == 50_000
    assert len(caught.value.problems) == 1_000


# Real input


def test_the_tidy_contoso_roster_is_read_whole(shared_data):
    roster = read_roster(shared_data / "contoso-oneroster")
    assert [len(rows) for rows in (roster.schools, roster.classes, roster.courses)] == [4, 100, 40]
    assert sum(user.role == "student" for user in roster.users.values()) == 400
    assert sum(user.role == "teacher" for user in roster.users.values()) == 48
    assert sum(row.role == "student" for row in roster.enrollments.values()) == 2400
    assert len(final_line_items(roster)) == 100
    scores = [result.score for result in roster.results.values() if result.score is not None]
    assert (len(scores), min(scores), max(scores)) == (2400, 55, 110)


def test_the_dirty_contoso_roster_is_refused_with_a_useful_report(shared_data):
    with pytest.raises(BadRoster) as caught:
        read_roster(shared_data / "contoso-oneroster-dirty")
    report = format_report(caught.value).splitlines()
    assert report[:9] == [
        "Nothing was imported: 6,703 problems.",
        "",
        "enrollments.csv, 2,500 in all:",
        "  2,500 times: the class … is not in classes.csv",
        "results.csv, 4,203 in all:",
        "  3 times: this is a header in the middle of the file",
        "  3,600 times: … stands in line … already",
        "  600 times: the line item … is not in lineItems.csv",
        "",
    ]
    assert "results.csv, line 1202: this is a header in the middle of the file" in report
    assert (
        "enrollments.csv, line 2, column classSourcedId: the class “sec1” is not in classes.csv"
        in report
    )
    assert len(report) == 9 + 100 + 1
    assert report[-1] == "and 6,603 more."


def test_sixty_thousand_rows_are_read_whole(tmp_path):
    results = [f"r{i + 9},l1,q{i},fully graded,{i % 100},2025-12-19,Good" for i in range(20_000)]
    enrollments = [f"e{i + 9},k1,s1,q{i},student," for i in range(20_000)]
    users = [f'q{i},true,"d,s1",student,Ana,Moreno,q{i}@pupil.example,10' for i in range(20_000)]
    path = zipped(
        tmp_path / "many.zip",
        {
            **SOUND,
            "users.csv": SOUND["users.csv"] + "\n".join(users),
            "enrollments.csv": SOUND["enrollments.csv"] + "\n".join(enrollments),
            "results.csv": SOUND["results.csv"] + "\n".join(results),
        },
    )
    roster = read_roster(path)
    assert len(roster.results) + len(roster.users) + len(roster.enrollments) > 60_000

"""``manage.py export_oneroster``: what is approved goes out, comes back the same, and goes out as
the same bytes again; a delta says what has changed since."""

import csv
import io
import zipfile

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.in_school import enter
from accounts.models import AuditLog, Disclosure, Membership, School
from changes import projector, registry
from changes.propose import Draft, creation
from grading.models import GradingScale, GradingStep
from grading.oneroster.headers import HEADERS
from students.models import Programme
from tests.small_roster import write

OFFICE = "office@school.example"


@pytest.fixture(autouse=True)
def _database(db):
    """All of these need the database."""


def run(command, *arguments, **options):
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


def export(slug, path, **options):
    """Export, and return the bytes of each file."""
    run("export_oneroster", slug, path, **options)
    return {file.name: file.read_bytes() for file in path.iterdir()}


def rows_of(files, name):
    """The rows of a file, by sourcedId."""
    rows = csv.DictReader(io.StringIO(files[f"{name}.csv"].decode(), newline=""))
    return {row["sourcedId"]: row for row in rows}


def told(files, name, *columns):
    return {key: tuple(row[c] for c in columns) for key, row in rows_of(files, name).items()}


def forget(*schools):
    """Let the installation know nothing of these schools and their people, as an empty one would:
    the rows stay, but go by other names. (A row of the ledger is never deleted.)"""
    for number, school in enumerate(schools):
        school.source_id = school.slug = f"gone-{number}"
        school.name = f"Gone {number}"
        school.save()
        for member in Membership.objects.filter(school=school).select_related("user"):
            member.user.email = f"gone{number}.{member.user.email}"
            member.user.save()


def cells_of(school):
    """All that the tables of a school say, without the ids of this installation."""
    names = {}
    said = {}
    with enter(school):
        for tracked in registry.in_order():
            if "source_id" not in tracked.fields:
                continue
            for row in tracked.model.objects.filter(school=school):
                names[row.pk] = row.source_id or str(row.pk)
                if tracked.entity_type == "room":
                    names[row.pk] = row.name
                cells = {}
                for field in tracked.fields.values():
                    value = getattr(row, field.name)
                    if field.name == "source_id":
                        value = names[row.pk]
                    elif field.name == "instructor":
                        value = value and (value.name, value.email.removeprefix("gone0."))
                    elif field.name == "scale":
                        value = value and facts(value)
                    elif field.name == "programme":
                        value = value and value.name
                    elif field.reference:
                        value = value and names[value.pk]
                    cells[field.name] = value
                if tracked.entity_type == "room":
                    cells.pop("source_id")
                said[tracked.entity_type, names[row.pk]] = cells
    return said


def facts(scale):
    steps = scale.steps.order_by("is_code", "label")
    return (
        *(scale.name, scale.version, scale.kind, scale.minimum, scale.maximum, scale.decimals),
        *((s.label, s.is_code, s.meaning, s.minimum, s.points) for s in steps),
    )


def gets_programmes_of(school, copy):
    """Let a copy of a school have its programmes, of which the files say the names alone."""
    with enter(school):
        names = list(Programme.objects.values_list("name", flat=True))
    with enter(copy):
        for name in names:
            Programme.objects.create(school=copy, name=name)
    return names


def imports_again(slug, tmp_path):
    """Export a school, forget it, import the files, export that: both exports."""
    school = School.objects.get(slug=slug)
    first = export(slug, tmp_path / "first")
    before = cells_of(school)
    forget(school)
    name = rows_of(first, "orgs").popitem()[1]["name"]
    said = run("import_oneroster", tmp_path / "first", by=OFFICE, time_zone=school.time_zone)
    copy = School.objects.get(name=name)
    assert copy != school
    for name in gets_programmes_of(school, copy):
        assert f"1 pupil is in the programme “{name}”, which is not here" in said
        run("import_oneroster", tmp_path / "first", by=OFFICE)
    assert cells_of(copy) == before
    with enter(copy):
        assert projector.verify(copy).equal
    return first, export(copy.slug, tmp_path / "second")


# All of it


def test_a_small_roster_goes_out_as_it_came_and_again_as_the_same_bytes(tmp_path):
    run("import_oneroster", write(tmp_path / "delivery"), by=OFFICE)
    first, second = imports_again("hill-school", tmp_path)
    assert first == second
    assert set(first) == {"manifest.csv", *(f"{name}.csv" for name in HEADERS)}
    assert told(first, "users", "role", "givenName", "familyName", "email", "grades") == {
        "p1": ("student", "Ana", "Moreno", "", "10"),
        "p2": ("student", "Bo", "Li", "bo@pupil.example", "10"),
        "a1": ("teacher", "Dora", "Sweet", "sweet@school.example", ""),
    }
    assert told(first, "results", "studentSourcedId", "scoreStatus", "score", "comment") == {
        "mark:e1": ("p1", "fully graded", "80", "Well done"),
        "mark:e2": ("p2", "exempt", "", ""),
    }
    dated = [row["status"] + row["dateLastModified"] for row in rows_of(first, "results").values()]
    assert dated == ["", ""]


def test_a_school_that_no_roster_made_goes_out_and_comes_back_whole(people, tmp_path):
    fill_with_oddities(people)
    first, second = imports_again("hill", tmp_path)
    assert first == second
    assert str(people.school.pk) in rows_of(first, "orgs")
    assert str(people.students[0]) in rows_of(first, "users")
    assert str(people.term) in rows_of(first, "academicSessions")


def fill_with_oddities(people):
    """All that a school can hold and OneRoster has no place for."""
    with enter(people.school):
        programme = Programme.objects.create(school=people.school, name="Science, “bilingual”")
        letters = GradingScale.objects.create(school=people.school, name="Letters", kind="letters")
        for label, points in (("A", "4.0"), ("B+", "3.3"), ("P", None)):
            GradingStep.objects.create(
                school=people.school, scale=letters, label=label, points=points
            )
        GradingStep.objects.create(
            school=people.school, scale=letters, label="W", meaning="withdrew", is_code=True
        )
        teacher = people.t2.user
        teacher.name = "Cher"
        teacher.save()
        term = creation("term", {"name": "Nobody’s term"})
        course = creation(
            "course",
            {"title": '=1+1, “quoted” "x"', "credits": "2.5", "subject_area": "Arts, Crafts"},
        )
        section = creation(
            "section",
            {
                "course": str(course[0].entity_id),
                "term": str(people.term),
                "scale": str(letters.pk),
                "instructor": str(teacher.pk),
                "delivery_mode": "online",
                "schedule": "Mon, Tue 9:00",
            },
        )
        bare = creation(
            "section", {"course": str(people.course), "term": str(people.term), "code": "Z"}
        )
        drafts = [*term, *course, *section, *bare]
        pupils = []
        for values, grade, comment in (
            ({"family_name": "Only"}, "A", "Zażółć\nline, two"),
            (
                {"given_names": " Anna  Maria", "family_name": "O’Neil", "year_level": "9,10"},
                "W",
                "",
            ),
            (
                {
                    "given_names": "李",
                    "family_name": "عمر",
                    "birth_date": "2010-02-28",
                    "pronouns": "they",
                    "guardian_email": "g@home.example",
                    "home_group": "9B",
                    "year_level": "9, 10",
                    "number": "0007",
                    "programme": str(programme.pk),
                },
                "P",
                "=cmd()",
            ),
            ({"given_names": "No", "family_name": "Mark"}, None, "A comment alone"),
        ):
            pupil = creation("student", values)
            enrolled = {
                "student": str(pupil[0].entity_id),
                "section": str(section[0].entity_id),
                "comment": comment,
            }
            if grade:
                enrolled["grade"] = grade
            pupils += [*pupil, *creation("enrollment", enrolled)]
        drafts += pupils
        people.a.enters(drafts, whole=True)
        people.stands("64.5")
        people.stand(people.marks[1], "AB", by=people.t1)
        people.stand(people.marks[2], "EX", by=people.t1)


def test_a_code_a_letter_and_a_number_each_go_out_with_the_status_of_the_standard(people, tmp_path):
    fill_with_oddities(people)
    results = rows_of(export("hill", tmp_path / "out"), "results").values()
    assert sorted((r["scoreStatus"], r["score"], r["metadata.grade"]) for r in results) == [
        ("exempt", "", "EX"),
        ("fully graded", "", "P"),
        ("fully graded", "4", "A"),
        ("fully graded", "64.5", ""),
        ("not submitted", "", ""),
        ("not submitted", "", "AB"),
        ("not submitted", "", "W"),
    ]


def test_text_goes_out_exactly_as_it_stands_also_what_a_spreadsheet_would_run(people, tmp_path):
    fill_with_oddities(people)
    files = export("hill", tmp_path / "out")
    assert {"=cmd()", "Zażółć\nline, two"} <= {
        row["comment"] for row in rows_of(files, "results").values()
    }
    assert not files["users.csv"].startswith(b"\xef\xbb\xbf")


def test_what_waits_for_approval_is_in_no_file(people, tmp_path):
    with enter(people.school):
        people.t1.types(people.marks[0], "99")
        people.t1.types(people.marks[0], "Sentinel", field="comment")
        people.t1.creates("student", family_name="Sentinel")
        people.v.changes_cell("section", people.section, code="SENTINEL")
    files = export("hill", tmp_path / "out")
    assert b"entinel" not in b"".join(files.values()).lower().replace(b"sentinel", b"entinel")
    assert rows_of(files, "results") == {}


def test_who_has_left_a_class_or_waits_for_it_is_no_pupil_of_it(people, tmp_path):
    with enter(people.school):
        drafts = [
            Draft(entity_type="enrollment", entity_id=pk, field="status", typed=status)
            for pk, status in zip(people.marks, ("withdrawn", "waitlisted"), strict=False)
        ]
        people.a.enters(drafts, whole=True)
    said = run("export_oneroster", "hill", tmp_path / "out.zip")
    assert "Not in the files: 2 places of pupils who have withdrawn from a class or wait" in said
    assert "rooms" not in said
    with zipfile.ZipFile(tmp_path / "out.zip") as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    rows = rows_of(files, "enrollments").values()
    assert [r["userSourcedId"] for r in rows if r["role"] == "student"] == [str(people.students[2])]


def test_a_zip_is_the_same_bytes_whenever_it_is_made(people, tmp_path):
    for name in ("one.zip", "two.zip"):
        run("export_oneroster", "hill", tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_the_files_come_back_into_their_own_school_without_a_change(people, tmp_path):
    fill_with_oddities(people)
    export("hill", tmp_path / "out")
    said = run("import_oneroster", tmp_path / "out", by=people.a.user.email)
    assert said == "Hill School: nothing to change.\n"


def test_an_export_is_written_down_at_each_pupil(people, tmp_path):
    run("export_oneroster", "hill", tmp_path / "out", to="the district")
    with enter(people.school):
        row = AuditLog.objects.get(event="export")
        assert (row.detail, row.metadata["to"]) == ("OneRoster export", "the district")
        assert row.metadata["enrollments"] == "4"
        assert set(Disclosure.objects.values_list("pupil_id", flat=True)) == set(people.students)


def test_an_earlier_export_is_replaced_and_other_files_are_not(people, tmp_path):
    export("hill", tmp_path / "out")
    export("hill", tmp_path / "out")
    (tmp_path / "out" / "letters.txt").write_text("mine")
    with pytest.raises(CommandError, match=r"holds other files, such as letters\.txt"):
        export("hill", tmp_path / "out")


def test_no_such_school_and_no_such_date_are_said(people, tmp_path):
    with pytest.raises(CommandError, match="There is no school 'hell'"):
        run("export_oneroster", "hell", tmp_path)
    with pytest.raises(CommandError, match="--since: 'yesterday' is not a date"):
        run("export_oneroster", "hill", tmp_path / "out", since="yesterday")


def test_the_number_of_statements_does_not_grow_with_the_school(people, tmp_path):
    def statements(path, **options):
        with CaptureQueriesContext(connection) as captured:
            export("hill", path, **options)
        return len([q for q in captured if not q["sql"].startswith(("FETCH", "DECLARE"))])

    few = statements(tmp_path / "a"), statements(tmp_path / "b", since="2026-11-01")
    fill_with_oddities(people)
    assert statements(tmp_path / "c") == few[0]
    assert statements(tmp_path / "d", since="2026-11-01") == few[1]


def one_contoso_school(shared_data, folder):
    """The delivery of the Contoso schools, cut down to the first of them."""
    source = shared_data / "contoso-oneroster"
    kept = {"sch0"}
    folder.mkdir()
    for name in ("orgs", "users", "courses", "classes", "enrollments", "lineItems", "results"):
        with (source / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
            header, *rows = csv.reader(file)
        places = [n for n, c in enumerate(header) if c in ("schoolSourcedId", "orgSourcedIds")]
        places += [n for n, c in enumerate(header) if c in ("orgSourcedId", "lineItemSourcedId")]
        places += [header.index("classSourcedId")] if name == "lineItems" else []
        own = [row for row in rows if row[places[0] if places else 0] in kept]
        kept |= {row[0] for row in own} if name != "users" else set()
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *own])
    for name in ("manifest", "academicSessions", "categories"):
        (folder / f"{name}.csv").write_bytes((source / f"{name}.csv").read_bytes())
    return folder


def test_a_contoso_school_goes_out_and_comes_back_as_the_same_bytes(shared_data, tmp_path):
    run("import_oneroster", one_contoso_school(shared_data, tmp_path / "sch0"), by=OFFICE)
    first, second = imports_again(School.objects.get(source_id="sch0").slug, tmp_path)
    assert first == second
    with (shared_data / "contoso-oneroster" / "results.csv").open(encoding="utf-8-sig") as file:
        wanted = {
            (row["lineItemSourcedId"].removeprefix("li-"), row["studentSourcedId"]): row["score"]
            for row in csv.DictReader(file)
        }
    sent = {
        (row["lineItemSourcedId"].removeprefix("final:"), row["studentSourcedId"]): row["score"]
        for row in rows_of(first, "results").values()
    }
    assert len(sent) == 600
    assert sent.items() <= wanted.items()

"""A mark sheet goes to a file and comes back, and nothing is saved that was not shown."""

import csv
import io
import zipfile

import pytest
import xlsxwriter
from axe_playwright_python.sync_playwright import Axe
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect
from python_calamine import CalamineWorkbook

from accounts.in_school import enter
from accounts.models import AuditLog
from changes.formulas import guarded, unguarded
from changes.models import Change, ChangeSet
from changes.propose import Draft
from grading.files import cells, table
from grading.models import Term
from tests.pages import Browser, form_of, more_pupils

HEAD = ["Number", "Name", "Mark", "Comment", "Id"]


def path(people, name="upload"):
    return reverse(name, args=[people.section])


def as_csv(*rows, delimiter=",", encoding="utf-8"):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(encoding)


def as_xlsx(*rows, **options):
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, **options})
    page = book.add_worksheet()
    for n, row in enumerate(rows):
        page.write_row(n, 0, row)
    book.close()
    return out.getvalue()


def upload(browser, people, data, name="marks.csv"):
    file = io.BytesIO(data)
    file.name = name
    return browser.send(path(people), {"file": file})


def confirm(browser, people, shown, **more):
    form = form_of(shown.content.decode(), path(people, "save-upload"))
    return browser.post(path(people, "save-upload"), {**form, **more})


def rows_of_csv(response):
    return list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def rows_of_xlsx(response):
    return CalamineWorkbook.from_filelike(io.BytesIO(response.content)).get_sheet_by_index(0)


def shown_items(response):
    return [
        (item.place, item.row.name, item.label, item.entry.cell.value, item.new)
        for item in response.context["preview"].items
    ]


def problems(response):
    return [(each.place, each.text) for each in response.context["preview"].problems]


# Download. ----------------------------------------------------------------------------------------


def test_an_outsider_downloads_and_uploads_nothing(people):
    browser = Browser(people.outsider)
    for name in ("xlsx", "csv", "upload"):
        assert browser.get(path(people, name)).status_code == 404
    assert upload(browser, people, as_csv(HEAD)).status_code == 404
    assert browser.send(path(people, "save-upload")).status_code == 404


def test_a_teacher_who_is_restricted_downloads_own_classes_only(people):
    people.school.teachers_restricted = True
    people.school.save()
    assert Browser(people.t2).get(path(people, "csv")).status_code == 403
    assert Browser(people.t1).get(path(people, "csv")).status_code == 200


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_download_is_what_its_author_sees_and_is_written_down(people, kind):
    with enter(people.school):
        people.t1.types(people.marks[0], "75.5")
        people.t1.types(people.marks[0], "Léa’s 2nd\nline", field="comment")
        people.t2.types(people.marks[1], "13")
    response = Browser(people.t1).get(path(people, kind))
    rows = rows_of_csv(response) if kind == "csv" else rows_of_xlsx(response).to_python()
    assert rows[0] == HEAD
    first = ["101", "Abbott, Ada", "75.5" if kind == "csv" else 75.5, "Léa’s 2nd\nline"]
    assert rows[1][:4] == first
    assert rows[2][:4] == ["102", "Brown, Ben", "", ""]
    assert response["Content-Disposition"] == f'attachment; filename="BIO-2 Autumn 2026.{kind}"'
    with enter(people.school):
        row = AuditLog.objects.get(event="export")
    assert (row.user, row.detail) == (people.t1.user, f"mark sheet of BIO-2 as {kind.upper()}")


def test_a_workbook_takes_no_text_for_a_formula_or_a_link(people):
    with enter(people.school):
        people.t1.types(people.marks[0], '=HYPERLINK("http://x.example")', field="comment")
        people.t1.types(people.marks[1], "http://x.example", field="comment")
    response = Browser(people.t1).get(path(people, "xlsx"))
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        page = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in page
    assert "<hyperlink" not in page
    assert 'hidden="1"' in page
    assert "<sheetProtection" in page


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "'=", "''-"])
@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_text_like_a_formula_is_made_harmless_and_comes_back_as_it_was(people, kind, start):
    with enter(people.school):
        people.t1.types(people.marks[0], f"{start}1+1", field="comment")
    browser = Browser(people.t1)
    file = browser.get(path(people, kind)).content
    assert f"'{start}1+1".encode() in file or kind == "xlsx"
    shown = upload(browser, people, file, f"marks.{kind}")
    assert shown_items(shown) == []
    # ... also in a file without the column that says what was there.
    lines = [row.texts.get("comment") for row in table.read(file).lines]
    assert lines[0] == f"{start}1+1"


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=20))
def test_what_is_guarded_comes_back(text):
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_negative_mark_stays_a_number():
    assert cells.guarded_mark("-5.5") == "-5.5"
    assert cells.guarded_mark("-") == "'-"
    assert cells.number_of("-5.5") == -5.5
    assert cells.number_of("07") is None


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_file_of_sixty_costs_as_many_queries_as_one_of_thirty(people, kind):
    browser = Browser(people.t1)

    def cost():
        with CaptureQueriesContext(connection) as there:
            file = browser.get(path(people, kind)).content
        lines = [
            [line.texts.get(c, "") for c in ("number", "name")] for line in table.read(file).lines
        ]
        with CaptureQueriesContext(connection) as back:
            shown = upload(
                browser, people, as_csv(HEAD[:4], *([*line, "5", "x"] for line in lines))
            )
        with CaptureQueriesContext(connection) as saved:
            confirm(browser, people, shown)
        return len(there), len(back), len(saved)

    more_pupils(people, 27)
    few = cost()
    with enter(people.school):
        for n in range(30):
            student = people.t1.creates("student", number=f"8{n:03}", family_name=f"New{n}")
            people.t1.enrols(student, people.section)
    assert cost() == few


# Upload. ------------------------------------------------------------------------------------------


def test_a_file_that_was_filled_in_is_shown_and_then_saved(people):
    browser = Browser(people.t1)
    rows = rows_of_xlsx(browser.get(path(people, "xlsx"))).to_python()
    rows[1][2], rows[2][2], rows[2][3] = 81.0, "AB", "was ill"
    with enter(people.school):
        before = Change.objects.count()
    shown = upload(browser, people, as_xlsx(*rows), "marks.xlsx")
    assert shown_items(shown) == [
        ("C2", "Abbott, Ada", "Mark", None, "81"),
        ("C3", "Brown, Ben", "Mark", None, "AB"),
        ("D3", "Brown, Ben", "Comment", None, "was ill"),
    ]
    assert "3 entries would be saved" in shown.content.decode()
    assert "an empty cell is not zero" in shown.content.decode()
    with enter(people.school):
        assert Change.objects.count() == before
    saved = confirm(browser, people, shown)
    assert (saved.status_code, saved.url) == (302, path(people, "sheet"))
    assert "3 entries of your file were saved" in browser.get(saved.url).content.decode()
    with enter(people.school):
        assert people.t1.sees(people.marks[0]) == "81"
        assert people.t1.sees(people.marks[1], "comment") == "was ill"
        assert people.t1.sees(people.marks[2]) is None
        assert people.t2.sees(people.marks[0]) is None


def test_saving_twice_counts_once(people):
    browser = Browser(people.t1)
    shown = upload(browser, people, as_csv(["Number", "Mark"], ["101", "80"]))
    with enter(people.school):
        before = ChangeSet.objects.count()
    for _ in range(2):
        assert confirm(browser, people, shown).status_code == 302
    with enter(people.school):
        assert ChangeSet.objects.count() == before + 1


def test_an_empty_cell_changes_nothing(people):
    with enter(people.school):
        people.t1.types(people.marks[0], "75")
    browser = Browser(people.t1)
    shown = upload(browser, people, as_csv(["Number", "Mark", "Comment"], ["101", "", " "]))
    assert shown_items(shown) == []
    assert "Nothing would be saved" in shown.content.decode()


def test_a_cell_in_which_nothing_can_be_seen_is_empty_and_clears_nothing(people):
    with enter(people.school):
        people.stand(people.marks[0], "Reads well.", by=people.t1, field="comment")
    file = as_csv(["Number", "Comment"], ["101", "\u200b\n"])
    shown = upload(Browser(people.t1), people, file)
    assert shown_items(shown) == []
    assert problems(shown) == []


def test_what_is_as_it_was_downloaded_is_nothing_that_was_typed(people):
    with enter(people.school):
        people.t1.types(people.marks[0], "75")
    browser = Browser(people.t1)
    file = browser.get(path(people, "csv")).content
    with enter(people.school):
        people.t1.types(people.marks[0], "90")
    assert shown_items(upload(browser, people, file)) == []


def test_bad_values_are_named_with_their_cell_in_the_words_of_the_sheet(people):
    rows = (["101", "180"], ["102", "eighty"], ["999", "50"], ["", "50"], ["103", "55"])
    shown = upload(Browser(people.t1), people, as_csv(["Number", "Mark"], *rows))
    found = dict(problems(shown))
    assert list(found) == ["B2", "B3", "A4", "A5"]
    assert found["B2"].startswith("180 is out of bounds")
    assert found["B3"].startswith("“eighty” is no mark here")
    assert found["A4"] == "Nobody in this class has the number “999”."
    assert [item[0] for item in shown_items(shown)] == ["B6"]


def test_two_rows_of_one_pupil_are_both_refused(people):
    rows = (["101", "80"], ["0101", "90"], ["102", "70"])
    shown = upload(Browser(people.t1), people, as_csv(["Number", "Mark"], *rows))
    text = "Rows 2 and 3 are of the same pupil. Leave one of them in the file."
    assert problems(shown) == [("row 2", text), ("row 3", text)]
    assert [item[0] for item in shown_items(shown)] == ["B4"]
    rows = (["101", "80"], ["0101", "90"], ["102", "70"], ["101", "60"])
    shown = upload(Browser(people.t1), people, as_csv(["Number", "Mark"], *rows))
    assert {text.partition(".")[0] for _, text in problems(shown)} == {
        "Rows 2, 3 and 5 are of the same pupil"
    }


def test_a_name_will_do_if_one_pupil_alone_has_it(people):
    with enter(people.school):
        for number in ("201", "202"):
            twin = people.t1.creates("student", number=number, family_name="Dunn", given_names="Di")
            people.t1.enrols(twin, people.section)
    rows = (["abbott, ada", "80"], ["Dunn, Di", "70"], ["Nobody", "60"])
    shown = upload(Browser(people.t1), people, as_csv(["Name", "Mark"], *rows))
    assert [item[1] for item in shown_items(shown)] == ["Abbott, Ada"]
    assert [text for _, text in problems(shown)] == [
        "Several pupils of this class have the name “Dunn, Di”.",
        "Nobody in this class has the name “Nobody”.",
    ]


def test_a_name_is_known_as_people_write_it_too_if_one_pupil_alone_has_it(people):
    with enter(people.school):
        for given, family in (
            ("Yara Sophie", "Zimmer"),
            ("Zoë", "de la Cruz"),
            ("Max", "Dunn"),
            ("Max Emil", "Dunn"),
        ):
            new = people.t1.creates("student", family_name=family, given_names=given)
            people.t1.enrols(new, people.section)
    rows = (
        ["Yara Zimmer", "61"],
        ["ZOE  DE LA CRUZ", "62"],
        ["Ada Abbott", "63"],
        ["Max Emil Dunn", "64"],
        ["Max Dunn", "65"],
        ["Dunn, Max", "66"],
        ["Sophie Zimmer", "67"],
    )
    shown = upload(Browser(people.t1), people, as_csv(["Name", "Mark"], *rows))
    assert {item[4]: item[1] for item in shown_items(shown)} == {
        "61": "Zimmer, Yara Sophie",
        "62": "de la Cruz, Zoë",
        "63": "Abbott, Ada",
        "64": "Dunn, Max Emil",
        "66": "Dunn, Max",
    }
    assert problems(shown) == [
        ("A6", "Several pupils of this class have the name “Max Dunn”."),
        ("A8", "Nobody in this class has the name “Sophie Zimmer”."),
    ]


def test_a_name_beside_a_number_may_be_written_either_way(people):
    rows = (["101", "Ada Abbott", "61"], ["102", "Ada Abbott", "62"])
    shown = upload(Browser(people.t1), people, as_csv(["Number", "Name", "Mark"], *rows))
    assert [item[1] for item in shown_items(shown)] == ["Abbott, Ada"]
    assert "the row says another name" in problems(shown)[0][1]


def test_what_the_office_has_by_now_is_shown_where_ones_own_value_hides_it(people):
    with enter(people.school):
        people.t1.types(people.marks[0], "75")
        people.stand(people.marks[0], "60", by=people.t2)  # meanwhile: it differs
        people.stand(people.marks[1], "50", by=people.t2)
        people.t1.types(people.marks[1], "55", reason="misread")
        people.t1.types(people.marks[2], "40")
    rows = (["101", "81"], ["102", "82"], ["103", "83"])
    shown = upload(Browser(people.t1), people, as_csv(["Number", "Mark"], *rows))
    page = " ".join(shown.content.decode().split())
    assert "“75” is yours and waits; by now “60” stands." in page
    assert "“55” is yours and waits; “50” stands." in page
    assert page.count("is yours and waits") == 2


def test_a_file_of_another_class_is_taken_for_nobody(people):
    browser = Browser(people.t1)
    other = "00000000000070008000000000000001.000000000000.000000000000"
    shown = upload(browser, people, as_csv(HEAD, ["101", "Abbott, Ada", "80", "", other]))
    assert shown_items(shown) == []
    assert "of another class" in problems(shown)[0][1]


def test_rows_sorted_apart_from_their_hidden_ids_are_refused(people):
    rows = rows_of_csv(Browser(people.t1).get(path(people, "csv")))
    rows[1][4], rows[2][4] = rows[2][4], rows[1][4]
    rows[1][2] = rows[2][2] = "50"
    shown = upload(Browser(people.t1), people, as_csv(*rows))
    assert shown_items(shown) == []
    assert [place for place, _ in problems(shown)] == ["E2", "E3"]


def test_a_mark_that_stands_asks_for_a_reason_once(people):
    with enter(people.school):
        people.stands("60")
    browser = Browser(people.t1)
    shown = upload(browser, people, as_csv(["Number", "Mark"], ["101", "65"], ["102", "70"]))
    assert shown_items(shown)[0] == ("B2", "Abbott, Ada", "Mark", "60", "65")
    assert 'name="reason"' in shown.content.decode()
    without = confirm(browser, people, shown, reason=" ")
    assert without.status_code == 422
    assert "Say why" in without.content.decode()
    with enter(people.school):
        assert people.t1.sees(people.marks[0]) == "60"
    assert confirm(browser, people, without, reason="added up wrong").status_code == 302
    with enter(people.school):
        assert people.t1.sees(people.marks[0]) == "65"
        assert people.t1.sees(people.marks[1]) == "70"
        assert Change.objects.get(value="65").two_people


def test_what_is_refused_by_then_is_named_and_the_rest_saved(people):
    browser = Browser(people.t1)
    shown = upload(browser, people, as_csv(["Number", "Mark"], ["101", "65"], ["102", "70"]))
    with enter(people.school):
        people.stand(people.marks[0], "60", by=people.t2)
    after = confirm(browser, people, shown)
    assert after.status_code == 422
    assert "1 entry of your file was saved" in after.content.decode()
    ((place, who),) = [(each.place, each.who) for each in after.context["not_saved"]]
    assert (place, who) == ("B2", "Abbott, Ada")
    with enter(people.school):
        assert people.t1.sees(people.marks[0]) == "60"
        assert people.t1.sees(people.marks[1]) == "70"


def test_a_preview_is_one_persons_and_one_classs_and_unaltered(people):
    browser = Browser(people.t1)
    shown = upload(browser, people, as_csv(["Number", "Mark"], ["101", "65"]))
    seal = form_of(shown.content.decode(), path(people, "save-upload"))["seal"]
    for who, sent in ((people.t2, seal), (people.t1, f"x{seal}"), (people.t1, "")):
        response = Browser(who).send(path(people, "save-upload"), {"seal": sent})
        assert response.status_code == 422
        assert "upload the file again" in response.content.decode()
    with enter(people.school):
        assert people.t1.sees(people.marks[0]) is None


def test_outside_the_terms_window_a_sheet_can_be_downloaded_only(people):
    browser = Browser(people.t1)
    shown = upload(browser, people, as_csv(["Number", "Mark"], ["101", "65"]))
    with enter(people.school):
        people.a.enters(
            [
                draft_of_term(people, "marks_open_on", "2026-01-01"),
                draft_of_term(people, "marks_close_on", "2026-01-02"),
            ]
        )
        assert Term.objects.get().marks_close_on
    assert browser.get(path(people, "csv")).status_code == 200
    page = browser.get(path(people)).content.decode()
    assert "closed on 02 January 2026" in page
    assert 'type="file"' not in page
    assert upload(browser, people, as_csv(["Number", "Mark"])).status_code == 422
    assert confirm(browser, people, shown).status_code == 422
    with enter(people.school):
        assert people.t1.sees(people.marks[0]) is None


def draft_of_term(people, field, value):
    return Draft(entity_type="term", entity_id=people.term, field=field, typed=value)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_a_file_is_looked_at_and_saved(site, page, width, tmp_path):
    people = site.people
    with site.inside():
        people.stands("60")
    page.set_viewport_size({"width": width, "height": 800})
    site.enter(page, people.t1, path(people, "sheet"))
    page.click("text=Upload")
    expect(page.locator("#file")).to_be_attached()
    assert Axe().run(page).violations_count == 0
    file = tmp_path / "marks.csv"
    rows = (["101", "65", "A long comment. " * 20], ["102", "180", ""], ["103", "AB", "ill"])
    file.write_bytes(as_csv(["Number", "Mark", "Comment"], *rows))
    page.set_input_files("#file", file)
    page.click("text=Show what would be saved")
    expect(page.locator("h1")).to_have_text("4 entries would be saved")
    assert Axe().run(page).violations_count == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("text=Save these 4 entries")  # the browser itself asks for the reason
    assert page.inner_text("h1") == "4 entries would be saved"
    page.fill("#reason", "added up wrong")
    page.click("text=Save these 4 entries")
    page.wait_for_url(f"{site.url}{path(people, 'sheet')}")
    expect(page.locator("main")).to_contain_text("4 entries of your file were saved")
    with site.inside():
        assert people.t1.sees(people.marks[0]) == "65"


# Encodings and kinds of files. --------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_csv_of_any_spreadsheet_is_read(people, delimiter, encoding):
    rows = (["Number", "Mark", "Comment"], ["101", "62,5", "Très bien; vraiment, Zoë"])
    data = as_csv(*rows, delimiter=delimiter, encoding=encoding)
    shown = upload(Browser(people.t1), people, data)
    assert [item[4] for item in shown_items(shown)] == ["62.5", "Très bien; vraiment, Zoë"]
    assert ("Windows-1252" in shown.content.decode()) == (encoding == "cp1252")


def test_the_line_in_which_excel_names_its_separator_is_a_row(people):
    data = b"sep=;\r\n" + as_csv(["Number", "Mark"], ["101", "60"], delimiter=";")
    shown = upload(Browser(people.t1), people, data)
    assert [item[0] for item in shown_items(shown)] == ["B3"]


def zip_of(**parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), part)
    return out.getvalue()


def with_page(data, change):
    """Return a workbook with another first sheet."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            part = old.read(entry)
            new.writestr(entry, change(part) if "sheet1" in entry.filename else part)
    return out.getvalue()


SOUND = as_xlsx(["Number", "Mark"], ["101", "60"])
SHARED = as_xlsx(["Number", "Comment", "x" * 30_000], *(["101", "x" * 30_000] for _ in range(9000)))
NOWHERE = with_page(
    SOUND,
    lambda part: part.replace(
        b"</sheetData>",
        b"<row>" + b"<c/>" * 9_999 + b"<c><v>1</v></c></row>" + b"<row/>" * 9_999 + b"</sheetData>",
    ),
)
FAR = with_page(SOUND, lambda part: part.replace(b'r="B2"', b'r="XFD1048576"'))
HOSTILE = {
    "nothing": (b"", "empty"),
    "spaces": (b" \n ", "empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "neither a workbook"),
    "a PDF": (b"%PDF-1.7\n\x81\x8d\x8f", "neither a workbook"),
    "half of UTF-16": (b"\xff\xfea", "neither a workbook"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "XLS"),
    "a damaged zip": (SOUND[: len(SOUND) // 2], "no workbook"),
    "a zip of something": (zip_of(a="b"), "no workbook"),
    "a workbook in name": (zip_of(xl__workbook_xml="<a>"), "no workbook"),
    "a zip bomb": (zip_of(xl__workbook_xml="x", xl__big="\0" * 30_000_000), "far larger"),
    "a cell far away": (FAR, "far outside"),
    "a cell that does not say how far away": (NOWHERE, "far outside"),
    "a text that thousands share": (SHARED, "far larger"),
    "rows without end": (as_csv(["Number", "Mark"], *(["1", "2"] for _ in range(100_000))), "rows"),
    "100,000 rows": (as_xlsx(["Number", "Mark"], *([1, 2] for _ in range(100_000))), "far larger"),
    "an open quotation": (b'Number,Mark\n101,"' + b"x" * 200_000, "quotation mark"),
    "no columns": (b"101,60\n102,70\n", "first row"),
    "columns twice": (b"Number,Mark,Mark\n101,60,70\n", "B and C are both called"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_sheet_is_refused_in_a_sentence(people, name):
    data, sentence = HOSTILE[name]
    assert len(data) < 2_500_000
    response = upload(Browser(people.t1), people, data)
    assert response.status_code == 422
    assert sentence in response.context["error"]
    assert response.context["error"] in response.content.decode().replace("&#x27;", "'")


def test_an_upload_without_a_file_says_so(people):
    response = Browser(people.t1).send(path(people))
    assert response.status_code == 422
    assert "Choose a file" in response.content.decode()


def test_the_value_of_a_formula_is_read_and_the_formula_never_shown(people):
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    page = book.add_worksheet()
    page.write_row(0, 0, ["Number", "Mark"])
    page.write_row(1, 0, ["101"])
    page.write_formula(1, 1, "=30+31", None, 61)
    book.close()
    shown = upload(Browser(people.t1), people, out.getvalue())
    assert [item[4] for item in shown_items(shown)] == ["61"]


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"NaN", b"1e300", b"x", b""])
def test_a_number_that_is_none_is_no_mark(people, number):
    data = with_page(
        as_xlsx(HEAD[:3], ["101", "", 61], ["102", "", 62]),
        lambda part: part.replace(b"<v>61<", b"<v>" + number + b"<"),
    )
    shown = upload(Browser(people.t1), people, data)
    if shown.status_code == 200:
        assert [item[4] for item in shown_items(shown)] == ["62"]
    else:
        assert "no workbook" in shown.context["error"]


@pytest.mark.parametrize(
    "text", ["a_x0041_b", "_x0000_", "a\u0001b", "a\r\nb", " a ", "\U0001f600", "&amp;<b>"]
)
@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_unusual_text_comes_back_as_nothing_new(people, kind, text):
    with enter(people.school):
        people.t1.types(people.marks[0], text, field="comment")
    browser = Browser(people.t1)
    shown = upload(browser, people, browser.get(path(people, kind)).content)
    assert (shown_items(shown), problems(shown)) == ([], [])


def test_the_sheet_of_a_large_class_is_no_hostile_file():
    rows = [[str(n), f"Pupil {n}", 50, "words " * 300, "x" * 60] for n in range(400)]
    assert len(table.read(as_xlsx(HEAD, *rows)).lines) == 400


def test_text_of_a_file_is_shown_and_never_run(people):
    script = "<script>alert(1)</script>"
    rows = (["101", script, script], [script, "5", ""])
    shown = upload(Browser(people.t1), people, as_csv(["Number", "Mark", "Comment"], *rows))
    assert "<script>alert" not in shown.content.decode()
    assert "&lt;script&gt;" in shown.content.decode()

"""What is printed is a tagged PDF that says what was typed, in every script there is a font for."""

import csv
import datetime as dt
import functools
import io
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pikepdf
import pytest

from grading.paper.binding import bind
from grading.paper.press import REPLACEMENT, NotPrinted, Paper, Press, _has_glyph
from tests import pdf

NOON = dt.datetime(2026, 12, 12, 12, tzinfo=dt.UTC)


def card(**changed):
    """The data of a report card, as grading/report_card.py makes it."""
    course = {
        "title": "Biology",
        "teacher": "Mrs S. Sweet",
        "mark": "82",
        "comment": "Ada reads well.",
    }
    return {
        "title": "Report card of Ada Abbott, Autumn 2026",
        "pupil": "Ada Abbott",
        "term": "Autumn 2026",
        "number": "101",
        "issued": "Issued on 12 December 2026",
        "school": "Hill School",
        "logo": None,
        "kind": "Report card",
        "facts": [["Home group", "8B"]],
        "replaces": "",
        "courses": [course | changed.pop("course", {})],
        "average": "",
        "average_rule": "",
        "remark": "",
        "codes": [],
    } | changed


@pytest.fixture(scope="module")
def press():
    with Press() as its:
        yield its


def test_it_is_tagged_has_a_title_and_a_language_and_its_tables_have_headers(press):
    codes = [["AB", "absent"]]
    printed = press.print("report_card", card(codes=codes), at=NOON).pdf
    assert pdf.complaints(printed) == []
    types = pdf.types_of(printed)
    assert types.count("H1") == 1
    assert types.count("TH") == 2
    with pikepdf.open(io.BytesIO(printed)) as document:
        assert str(document.Root.Lang) == "en"
        assert str(document.docinfo.Title) == "Report card of Ada Abbott, Autumn 2026"


def test_the_checker_complains_of_what_is_wrong(press):
    printed = press.print("report_card", card(), at=NOON).pdf

    def spoilt(spoil) -> list[str]:
        with pikepdf.open(io.BytesIO(printed)) as document:
            spoil(document)
            written = io.BytesIO()
            document.save(written)
        return [each.partition(":")[0] for each in pdf.complaints(written.getvalue())]

    def heading(document):
        next(e for e in pdf.elements(document) if str(e.S) == "/H1").S = pikepdf.Name.H3

    def header(document):
        del next(e for e in pdf.elements(document) if str(e.S) == "/TH").A

    def content(document):
        page = document.pages[0]
        page.Contents = document.make_stream(page.Contents.read_bytes() + b"\n0 0 5 5 re f")

    def language(document):
        del document.Root.Lang

    assert spoilt(heading) == ["PDFUA1-HEADING-NESTING-001", "14-003"]
    assert spoilt(header) == ["15-003"]  # of which the validator does not complain
    assert spoilt(content) == ["PDFUA1-CONTENT-TAGGING-001", "01-004"]
    assert {"PDFUA1-TEXT-LANGUAGE-001", "11-006"} <= set(spoilt(language))


def test_what_looks_like_markup_is_text(press):
    typed = (
        '#emph[x] $a^2$ *b* _c_ @d <e> \\ // /* ~ -- --- ... "f" \'g\' #include("house.typ") = h'
    )
    printed = press.print("report_card", card(course={"comment": typed}), at=NOON)
    assert typed in pdf.text_of(printed.pdf)


def test_a_layout_reads_no_file_that_the_press_does_not_know(press):
    with pytest.raises(NotPrinted):
        press.print("report_card", card(logo="../../etc/hostname"), at=NOON)


def test_white_space_of_any_kind_is_printed_as_blank(press):
    typed = "a\tb\x0bc\x85d\u2028e\u2029f"
    printed = press.print("report_card", card(course={"comment": typed}), at=NOON)
    assert printed.unprintable == ""
    assert "a b c d e f" in pdf.text_of(printed.pdf)


@pytest.mark.parametrize(
    "typed", ["Żółć Ādam Ñandú Ðǫrður", "Ελένη Παπαδοπούλου", "Иван Сергеевич Ґ", "محمد علي"]
)
def test_names_in_many_scripts_are_printed(press, typed):
    printed = press.print("report_card", card(pupil=typed), at=NOON)
    assert printed.unprintable == ""
    assert typed in pdf.text_of(printed.pdf)
    assert pdf.complaints(printed.pdf) == []


def test_a_character_without_a_glyph_is_marked_and_named_and_the_card_is_made(press):
    printed = press.print("report_card", card(pupil="Ada \u0378\U0001fbff Abbott"), at=NOON)
    assert printed.unprintable == "\u0378\U0001fbff"
    assert f"Ada {REPLACEMENT * 2} Abbott" in pdf.text_of(printed.pdf)
    assert pdf.complaints(printed.pdf) == []


def test_chinese_and_japanese_are_printed_where_a_font_is_installed_for_them(press):
    typed = "李小龍 山田たろう"
    if not all(map(_has_glyph, typed.replace(" ", ""))):
        pytest.skip("no font of this machine has Chinese and Japanese (such as fonts-noto-cjk)")
    printed = press.print("report_card", card(pupil=typed, course={"comment": typed}), at=NOON)
    assert printed.unprintable == ""
    assert pdf.text_of(printed.pdf).count(typed) == 3  # as heading, comment and foot
    assert pdf.complaints(printed.pdf) == []


def test_a_long_word_stays_on_the_page(press):
    printed = press.print("report_card", card(course={"comment": "W" * 300}), at=NOON).pdf
    document = pdf.pypdfium2.PdfDocument(printed)
    page = document[0]
    text = page.get_textpage()
    right = max(text.get_charbox(i)[2] for i in range(text.count_chars()))
    assert right < page.get_width() - 50
    document.close()


def test_a_course_stands_on_one_page_if_a_page_is_large_enough(press):
    course = card()["courses"][0]

    def pages(comment: str, count: int) -> list[str]:
        data = card(courses=[course | {"comment": f"{comment} End."} for _ in range(count)])
        with pikepdf.open(io.BytesIO(press.print("report_card", data, at=NOON).pdf)) as document:
            found = []
            for page in document.pages:
                alone = pikepdf.new()
                alone.pages.append(page)
                written = io.BytesIO()
                alone.save(written)
                found.append(pdf.text_of(written.getvalue()))
        return found

    for page in pages("She reads. " * 80, 9):
        assert page.count("Biology") == page.count("End.")
    assert len(pages("She reads. " * 900, 1)) == 2


def test_the_same_data_makes_the_same_bytes_from_any_thread(press):
    def make(_):
        return press.print("report_card", card(), at=NOON).pdf

    with ThreadPoolExecutor(3) as threads:
        assert len(set(threads.map(make, range(6)))) == 1


def test_many_are_bound_into_one_with_all_their_tags(press):
    long = card(pupil="Ben Brown", course={"comment": "He reads. " * 900})
    papers = [
        (each["pupil"], press.print("report_card", each, at=NOON).pdf)
        for each in (card(), long, card(pupil="Cleo Carter"))
    ]
    bound = b"".join(bind(papers, title="Report cards, Autumn 2026"))
    assert pdf.complaints(bound) == []
    assert pdf.types_of(bound) == [t for _, each in papers for t in pdf.types_of(each)]
    assert pdf.text_of(bound) == " ".join(pdf.text_of(each) for _, each in papers)
    with pikepdf.open(io.BytesIO(bound)) as document:
        assert len(document.pages) > 3
        with document.open_outline() as outline:
            assert [each.title for each in outline.root] == [
                "Ada Abbott",
                "Ben Brown",
                "Cleo Carter",
            ]


def test_what_papers_have_alike_is_bound_once_and_one_is_read_at_a_time(press):
    paper = press.print("report_card", card(), at=NOON).pdf
    read = []

    def papers(count: int) -> Iterator[tuple[str, bytes]]:
        for number in range(count):
            read.append(number)
            yield f"Ada (“{number}”) \\ Żółć", paper

    pieces = bind(papers(40), title="Cards <of> & Ada")
    next(pieces)  # the beginning
    next(pieces)
    assert read == [0]
    bound = b"".join(bind(papers(40), title="Cards <of> & Ada"))
    assert len(bound) < 5 * len(paper)  # their fonts, and their pages too
    assert pdf.complaints(bound) == []
    with pikepdf.open(io.BytesIO(bound)) as document:
        assert document.check_pdf_syntax() == []
        assert document.open_metadata()["dc:title"] == "Cards <of> & Ada"
        with document.open_outline() as outline:
            assert outline.root[39].title == "Ada (“39”) \\ Żółć"


# What was entered is what is read. ----------------------------------------------------------------


@functools.lru_cache
def bare(text: str) -> str:
    """Return a text without what is no shape of its own, and what a reader of PDFs may write
    otherwise: blanks, invisible characters, marks above and below letters, ligatures, and the
    replacements."""
    plain = unicodedata.normalize("NFKD", text).replace(REPLACEMENT, "")
    return "".join(each for each in plain if unicodedata.category(each)[0] not in "ZCM")


def shown(text: str, printed: Paper) -> str:
    """Return a text as it should be printed."""
    return text.translate(dict.fromkeys(map(ord, printed.unprintable), REPLACEMENT))


def is_read_in_another_order(text: str) -> bool:
    """Whether a reader of PDFs reads in the order of the page, which is not that of typing: what
    runs from the right, and marks that are heaped up over several lines."""
    marks = sum(unicodedata.category(each) == "Mn" for each in text)
    from_the_right = {"R", "AL", "RLO", "RLE", "RLI"}
    return 2 * marks > len(text) or bool(from_the_right & set(map(unicodedata.bidirectional, text)))


def printed_as(press: Press, texts: list[str], *, name: str) -> Iterator[tuple[str, Paper, str]]:
    """Print many texts, a card for each hundred; yield each with its card and the card's text."""
    for first in range(0, len(texts), 100):
        some = texts[first : first + 100]
        course = card()["courses"][0]
        paper = press.print(
            "report_card", card(courses=[course | {name: t} for t in some]), at=NOON
        )
        assert pdf.complaints(paper.pdf) == []
        read = pdf.text_of(paper.pdf)
        for text in some:
            yield text, paper, read


def test_real_names_in_six_scripts_are_read_as_they_were_entered(press, shared_data):
    with (shared_data / "names" / "names.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    locales = {f"{row['givenName']} {row['familyName']}": row["locale"] for row in rows}
    for name, paper, read in printed_as(press, list(locales), name="title"):
        assert shown(name, paper) in read
        if locales[name] not in ("zh", "ja"):  # for these a font may or may not be installed
            assert not set(name) & set(paper.unprintable), name


def test_hostile_texts_are_read_as_they_were_entered_as_far_as_they_can_be_printed(
    press, shared_data
):
    texts = json.loads((shared_data / "naughty_strings" / "blns.json").read_text("utf-8"))
    assert len(texts) > 500
    for text, paper, read in printed_as(press, texts, name="comment"):
        wanted, found = bare(shown(text, paper)), bare(read)
        if is_read_in_another_order(text):
            assert Counter(wanted) <= Counter(found), text
        else:
            assert wanted in found, text

"""The office's pages of report cards, the logo, and sending cards home."""

import io
import re
import uuid
import zipfile
from urllib.parse import urlencode

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

from accounts.in_school import enter
from accounts.models import AuditLog, OutboxMessage
from changes.propose import Draft, creation
from grading import card_mail, card_runs
from grading.models import CardRun, IssuedCard, Logo, Term
from grading.paper import press
from tests import pdf
from tests.cast import Cast
from tests.pages import Browser, form_of

CARDS = reverse("admin:cards")


@pytest.fixture
def graded(people: Cast) -> Cast:
    """Every pupil has a mark and a comment that stand; the first two have a guardian's address."""
    with enter(people.school):
        drafts = [
            Draft(entity_type="enrollment", entity_id=each, field=field, typed=text)
            for each in people.marks
            for field, text in (("grade", "82"), ("comment", "Reads well."))
        ]
        drafts += [
            Draft(
                entity_type="student",
                entity_id=each,
                field="guardian_email",
                typed="g@home.example",
            )
            for each in people.students[:2]
        ]
        people.a.enters(drafts)
    return people


@pytest.fixture
def office(graded: Cast) -> Browser:
    return Browser(graded.a)


def make(office: Browser, people: Cast, **data) -> CardRun:
    """Ask for cards on the page, and let the worker make them."""
    answer = office.send(
        reverse("admin:cards_make"), {"term": str(people.term), "of": "school", **data}
    )
    assert answer.status_code == 302, answer.content
    call_command("work", once=True, stdout=io.StringIO())
    with enter(people.school):
        return CardRun.objects.latest("asked_at")


def text(answer) -> str:
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def cards(people: Cast) -> list[IssuedCard]:
    with enter(people.school):
        return list(IssuedCard.objects.order_by("pupil", "version"))


def test_the_page_shows_how_far_each_card_is(office, graded):
    with enter(graded.school):
        graded.t1.types(graded.marks[1], "90.9", reason="recounted")
    make(office, graded, of=f"pupil:{graded.students[0]}")
    page = text(office.get(CARDS))
    assert '1<span class="visually-hidden"> issued' in page
    assert '1<span class="visually-hidden"> not ready' in page
    assert '1<span class="visually-hidden"> ready' in page
    assert "1 change awaits approval in Biology" in page
    assert "90.9" not in page
    only = text(office.get(CARDS, {"state": "lacking"}))
    assert '<span class="typed">Ben Brown' in only
    assert '<span class="typed">Ada Abbott' not in only


def test_looking_at_any_number_of_pupils_costs_the_same_number_of_statements(office, graded):
    def statements() -> int:
        with CaptureQueriesContext(connection) as found:
            text(office.get(CARDS))
        return len(found)

    before = statements()
    with enter(graded.school):
        for number in range(5):
            pupil = creation("student", {"given_names": "N", "family_name": f"New {number}"})
            place = {"student": str(pupil[0].entity_id), "section": str(graded.section)}
            graded.a.enters([*pupil, *creation("enrollment", place)], whole=True)
    assert statements() == before


def test_a_run_is_made_in_the_background_and_its_page_says_how_far_it_is(office, graded):
    answer = office.send(reverse("admin:cards_make"), {"term": str(graded.term), "of": "school"})
    page = text(office.get(answer.url))
    assert "0 of 3 done" in page
    assert 'hx-trigger="every 2s"' in page
    fragment = text(office.get(answer.url, headers={"HX-Request": "true"}))
    assert fragment.startswith('<div id="run-state"')
    call_command("work", once=True, stdout=io.StringIO())
    page = text(office.get(answer.url))
    assert "3 of 3 done; finished" in page
    assert "hx-trigger" not in page.partition("<h1>")[2]


def test_one_warning_names_the_pupils_whose_names_no_font_can_print(office, graded, monkeypatch):
    monkeypatch.setattr(press, "_has_glyph", lambda character: character not in "李\u0378")
    with enter(graded.school):
        for pupil in graded.students[:2]:
            graded.a.enters(
                [
                    Draft(
                        entity_type="student",
                        entity_id=pupil,
                        field="given_names",
                        typed="李 \u0378",
                    )
                ]
            )
    run = make(office, graded)
    page = text(office.get(reverse("admin:card_run", args=[run.pk])))
    assert page.count("Characters that no font has") == 1
    warning = page.partition("Characters that no font has")[2].partition("</ul>")[0]
    assert re.findall(r'typed">([^<]*)</span>: ([^<]*)<', warning) == [
        ("李 \u0378 Abbott", "李 (U+674E), U+0378"),
        ("李 \u0378 Brown", "李 (U+674E), U+0378"),
    ]


def test_it_can_be_cancelled_on_its_page(office, graded):
    at = office.send(reverse("admin:cards_make"), {"term": str(graded.term), "of": "school"}).url
    office.send(f"{at}cancel/")
    call_command("work", once=True, stdout=io.StringIO())
    assert "cancelled" in text(office.get(at))
    assert cards(graded) == []


def test_the_cards_of_a_run_come_as_one_pdf_or_in_a_zip_as_they_were_issued(office, graded):
    run = make(office, graded)
    issued = {bytes(card.file) for card in cards(graded)}
    zipped = b"".join(office.get(reverse("admin:card_run_zip", args=[run.pk])).streaming_content)
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        names = archive.namelist()
        assert {archive.read(name) for name in names} == issued
    assert names == ["0001 Ada Abbott.pdf", "0002 Ben Brown.pdf", "0003 Cleo Carter.pdf"]
    answer = office.get(reverse("admin:card_run_pdf", args=[run.pk]))
    assert answer["Content-Type"] == "application/pdf"
    bound = b"".join(answer.streaming_content)
    assert pdf.complaints(bound) == []
    assert pdf.types_of(bound).count("H1") == 3
    assert "all 3 in one PDF" in text(office.get(reverse("admin:card_run", args=[run.pk])))
    with enter(graded.school):
        events = AuditLog.objects.filter(event="export").values_list("detail", flat=True)
        assert "report cards as a zip: the whole school" in events
        assert "report cards as one PDF: the whole school" in events


def test_a_zip_takes_a_pupils_name_as_it_can(office, graded):
    with enter(graded.school):
        graded.a.enters(
            [
                Draft(
                    entity_type="student",
                    entity_id=graded.students[0],
                    field="given_names",
                    typed='../Żółć "x"\\n/',
                )
            ]
        )
    run = make(office, graded, of=f"pupil:{graded.students[0]}")
    zipped = b"".join(office.get(reverse("admin:card_run_zip", args=[run.pk])).streaming_content)
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        assert archive.namelist() == ["0001 Żółć -x--n- Abbott.pdf"]


def test_a_preview_is_marked_as_not_issued_and_written_down(office, graded):
    at = reverse("admin:card_preview", args=[graded.term, graded.students[0]])
    answer = office.get(at)
    assert "Preview: not issued" in pdf.text_of(answer.content)
    assert answer["Content-Disposition"].startswith("inline")
    assert cards(graded) == []
    with enter(graded.school):
        assert AuditLog.objects.filter(event="view", detail__startswith="preview of the").exists()


def test_an_issued_card_is_opened_byte_for_byte_and_that_is_written_down(office, graded):
    make(office, graded)
    card = cards(graded)[0]
    answer = office.get(reverse("admin:card_issued", args=[card.pk]))
    assert answer.content == bytes(card.file)
    with enter(graded.school):
        assert AuditLog.objects.filter(detail="report card of Ada Abbott opened, version 1")


def test_a_card_that_differs_is_listed_with_what_differs_and_issued_anew(office, graded):
    make(office, graded)
    with enter(graded.school):
        graded.stand(graded.marks[0], "91", by=graded.t2)
    assert "Ada Abbott" in text(office.get(CARDS, {"state": "differs"}))
    versions = reverse("admin:card_versions", args=[graded.term, graded.students[0]])
    page = text(office.get(versions))
    assert "Biology: mark" in page
    assert "<del>82</del> <ins>91</ins>" in page
    make(office, graded, reason="recounted")
    page = text(office.get(versions))
    assert "Version 2" in page
    assert "recounted" in page
    assert "The last one says what would be printed now." in page


def test_what_is_asked_for_by_hand_and_is_not_there_is_not_found(office, graded):
    for at in (f"{CARDS}?of=class:x", f"{CARDS}?of=%00", f"{CARDS}?of=group:"):
        assert office.get(at).status_code == 404
    other = Browser(graded.outsider)
    make(office, graded)
    card = cards(graded)[0]
    assert other.get(reverse("admin:card_issued", args=[card.pk])).status_code == 404


# The logo. ----------------------------------------------------------------------------------------


def picture(kind: str, size: tuple[int, int] = (300, 100), **options) -> SimpleUploadedFile:
    written = io.BytesIO()
    Image.new("RGB", size, (20, 90, 60)).save(written, kind, **options)
    return SimpleUploadedFile(f"logo.{kind.lower()}", written.getvalue())


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_logo_stands_on_the_cards(office, graded, kind):
    assert office.send(reverse("admin:logo"), {"file": picture(kind)}).status_code == 302
    assert text(office.get(reverse("admin:logo"))).count("The logo as it is now") == 1
    shown = office.get(reverse("admin:logo_picture"))
    assert Image.open(io.BytesIO(shown.content)).format == kind
    make(office, graded)
    card = bytes(cards(graded)[0].file)
    assert pdf.complaints(card) == []
    assert b"/Image" in card
    office.send(reverse("admin:logo"), {"remove": "yes"})
    assert office.get(reverse("admin:logo_picture")).status_code == 404


def test_nothing_but_the_pixels_of_a_logo_is_kept(office, graded):
    exif = Image.Exif()
    exif[0x010E] = "taken at somebody's home"
    office.send(reverse("admin:logo"), {"file": picture("JPEG", exif=exif)})
    with enter(graded.school):
        assert b"somebody" not in bytes(Logo.objects.get().image)


@pytest.mark.parametrize(
    ("file", "because"),
    [
        (SimpleUploadedFile("x.svg", b"<svg onload='alert(1)'/>"), "no PNG or JPEG"),
        (SimpleUploadedFile("x.png", b"\x89PNG\r\n\x1a\n broken"), "no PNG or JPEG"),
        (SimpleUploadedFile("x.png", b"x" * 200_001), "200 kB is the most"),
        (picture("PNG", (2001, 10)), "2001 by 10 pixels"),
        (picture("GIF"), "no PNG or JPEG"),
        (None, "Choose a file first."),
    ],
)
def test_what_cannot_be_a_logo_is_refused_and_says_why(office, graded, file, because):
    answer = office.send(reverse("admin:logo"), {"file": file} if file else {})
    assert answer.status_code == 422
    assert because in answer.content.decode()
    with enter(graded.school):
        assert not Logo.objects.exists()


# Home. --------------------------------------------------------------------------------------------


SEND, RELEASE = reverse("admin:cards_send"), reverse("admin:cards_release")


def send(office: Browser, people: Cast) -> None:
    """Confirm what the page says would be sent, and let it be sent."""
    page = office.get(SEND, {"term": str(people.term)})
    seen = page.context["outgoing"].digest
    assert office.send(SEND, {"term": str(people.term), "seen": seen}).status_code == 302
    call_command("work", once=True, stdout=io.StringIO())


def form(office: Browser, page: str, people: Cast) -> str:
    return text(office.get(page, {"term": str(people.term)}))


def write_to(people: Cast, pupil: uuid.UUID, address: str) -> None:
    with enter(people.school):
        people.a.enters(
            [Draft(entity_type="student", entity_id=pupil, field="guardian_email", typed=address)]
        )


def sent() -> list:
    return [each for each in mail.outbox if each.subject.startswith("Report card of")]


def test_nothing_is_sent_before_the_term_is_released(office, graded):
    make(office, graded)
    send(office, graded)
    assert mail.outbox == []
    assert "not released yet" in text(office.get(CARDS))
    office.send(reverse("admin:cards_release"), {"term": str(graded.term)})
    send(office, graded)
    assert len(mail.outbox) == 2


def test_before_it_is_released_and_sent_a_page_says_what_will_happen(office, graded):
    make(office, graded)
    page = form(office, RELEASE, graded)
    assert "sends nothing by itself" in page
    assert "<dt>guardians who get mail</dt><dd>1</dd>" in page
    assert "<dt>could be sent then</dt><dd>2</dd>" in page
    assert "Cleo Carter</a>" in page.partition("for want of an address")[2]
    assert "Send 2 cards" not in form(office, SEND, graded)
    # Who came from the cards of a class is told that it is about all, and comes back to the class.
    of_class = {"term": str(graded.term), "of": f"class:{graded.section}"}
    back = f"{CARDS}?{urlencode(of_class)}"
    assert "the whole school, not just" not in page
    page = office.get(RELEASE, of_class)
    assert "the whole school, not just" in text(page)
    assert page.context["back"] == back
    assert office.get(RELEASE, of_class | {"of": "class:x"}).status_code == 404
    assert office.send(RELEASE, form_of(page.content.decode(), RELEASE)).url == back
    assert "Send 2 cards by e-mail</button>" in form(office, SEND, graded)
    assert office.get(SEND).url == office.get(RELEASE).url == CARDS


def test_other_mail_than_was_confirmed_does_not_leave(office, graded):
    make(office, graded)
    office.send(RELEASE, {"term": str(graded.term)})
    seen = office.get(SEND, {"term": str(graded.term)}).context["outgoing"].digest
    write_to(graded, graded.students[0], "v@vale.example")
    answer = office.send(SEND, {"term": str(graded.term), "seen": seen})
    assert answer.status_code == 409
    assert "has changed since you saw it" in answer.content.decode()
    call_command("work", once=True, stdout=io.StringIO())
    assert mail.outbox == []


def test_a_guardian_gets_the_file_as_it_was_issued_once(office, graded):
    make(office, graded)
    office.send(reverse("admin:cards_release"), {"term": str(graded.term)})
    send(office, graded)
    send(office, graded)
    ada, ben = sorted(mail.outbox, key=lambda each: each.subject)
    assert ada.to == ["g@home.example"]
    assert ada.subject == "Report card of Ada Abbott, Autumn 2026"
    ((name, content, media_type),) = ada.attachments
    assert (name, media_type) == ("Ada Abbott.pdf", "application/pdf")
    assert content == bytes(cards(graded)[0].file)
    assert "Ben Brown" in ben.subject
    with enter(graded.school):
        (row,) = AuditLog.objects.filter(detail__startswith="report cards sent by e-mail")
        assert row.metadata["pupils"] == 2


def test_who_has_no_address_is_listed_and_can_be_sent_to_later(office, graded):
    make(office, graded)
    office.send(reverse("admin:cards_release"), {"term": str(graded.term)})
    send(office, graded)
    page = text(office.get(CARDS))
    assert "1 issued card of pupils without a guardian’s e-mail address" in page
    write_to(graded, graded.students[2], "c@home.example")
    send(office, graded)
    assert [each.to for each in mail.outbox[2:]] == [["c@home.example"]]


def test_a_card_that_differs_is_not_sent_and_the_amended_one_is(office, graded):
    make(office, graded)
    office.send(reverse("admin:cards_release"), {"term": str(graded.term)})
    with enter(graded.school):
        graded.stand(graded.marks[0], "91", by=graded.t2)
    assert "1 issued card that differs" in text(office.get(CARDS))
    send(office, graded)
    assert [each.subject for each in sent()] == ["Report card of Ben Brown, Autumn 2026"]
    make(office, graded, reason="recounted")
    send(office, graded)
    _, ada = sent()
    assert "It replaces the report card that was issued before" in ada.body
    assert ada.attachments[0][1] == bytes(cards(graded)[1].file)
    # One that was sent stays one that was sent, also when it differs from then on.
    with enter(graded.school):
        graded.stand(graded.marks[0], "92", by=graded.t2)
    page = form(office, SEND, graded)
    assert "<dt>sent before, of which 1 differs now</dt><dd>2</dd>" in page
    assert "Ada Abbott</a>" in page.partition("Not sent again, because")[2]
    assert "Not sent, because" not in page
    assert "1 sent card that differs" in text(office.get(CARDS))


def test_a_teacher_may_neither_release_nor_send(graded):
    with enter(graded.school):
        term = Term.objects.get(pk=graded.term)
        teacher = {"by": graded.t1.member, "origin": graded.t1.origin()}
        with pytest.raises(card_mail.MayNotSend):
            card_mail.release(term, **teacher)
        with pytest.raises(card_mail.MayNotSend):
            card_mail.send(term, seen="", **teacher)
        assert not OutboxMessage.objects.exists()
        assert not card_runs.make_next(graded.school)

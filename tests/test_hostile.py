"""The site as somebody hostile finds it.

What is tried on every page is made from the URL configuration: a new address is tried by each kind
of person, and one whose path needs an id that is not known here fails until it is said.
"""

import dataclasses
import io
import re
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse

from accounts.in_school import enter
from accounts.models import OutboxMessage, School
from changes.models import Change, ChangeSet, Decision, Exclusion
from grading.models import (
    BankComment,
    CardRelease,
    CardRun,
    Extension,
    HandIn,
    IssuedCard,
    Logo,
    NotTheSame,
    RosterUpload,
)
from students.models import Programme
from tests.cast import Cast, Person, make_person, only
from tests.pages import OUTSIDE_EVERY_SCHOOL, Browser, without_tokens
from tests.test_law import fill

OPEN_TO_ALL = OUTSIDE_EVERY_SCHOOL | {"admin:login"}

NOBODY = uuid.UUID("018f0000-0000-7000-8000-000000000000")


@dataclasses.dataclass(frozen=True)
class Page:
    """An address of the site. ``names_a_record``: it holds an id of a school."""

    name: str
    path: str
    names_a_record: bool

    @property
    def is_open(self) -> bool:
        return self.name in OPEN_TO_ALL

    @property
    def is_offices(self) -> bool:
        return self.name.startswith("admin:")


def addresses(
    resolver: Any = None, prefix: str = "", spaces: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Every address of the URL configuration, as (name, pattern)."""
    for entry in (resolver or get_resolver()).url_patterns:
        at = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from addresses(entry, at, (*spaces, *filter(None, [entry.namespace])))
        else:
            yield ":".join((*spaces, entry.name or "")), at


def pages(ids: dict[str, Any]) -> list[Page]:
    """Every page, with these ids in its path."""
    found = []
    for name, pattern in addresses():
        path = pattern.replace("^", "").replace("$", "").replace("(?P<url>.*)", "nowhere/")
        path = re.sub(r"\(\?P<(\w+)>[^()]*\)", r"<\1>", path)
        parts = re.findall(r"<(?:\w+:)?(\w+)>", path)
        for part in parts:
            # A KeyError here: say in ``ids_of`` which id this part of the new address takes.
            value = ids[f"{name} {part}"] if part == "object_id" else ids[part]
            path = re.sub(rf"<(?:\w+:)?{part}>", str(value), path)
        found.append(Page(name, f"/{path}", bool(parts) and name not in OPEN_TO_ALL))
    return found


def ids_of(people: Cast) -> dict[str, Any]:
    """Ids of the cast's school for every part of a path. Call inside it."""
    change = Change.objects.open().proposed_by(people.t1.user.pk).latest("id")
    ids: dict[str, Any] = {
        "section_id": people.section,
        "group": f"section-{people.section}",
        "author_id": people.t1.user.pk,
        "account_id": people.t1.user.pk,
        "enrollment_id": people.marks[0],
        "change_id": change.pk,
        "comment_id": BankComment.objects.get(owner=people.t1.user).pk,
        "change_set_id": change.change_set_id,
        "entity_type": "student",
        "entity_id": people.students[0],
        "student_id": people.students[0],
        "programme_id": Programme.objects.get().pk,
        "membership_id": people.t1.member.pk,
        "message_id": OutboxMessage.objects.values_list("pk", flat=True)[0],
        "term_id": people.term,
        "pupil_id": people.students[0],
        "run_id": CardRun.objects.latest("asked_at").pk,
        "card_id": IssuedCard.objects.latest("issued_at").pk,
        "number": Decision.objects.get(kind="revert").number,
        "upload_id": RosterUpload.objects.get(school=people.school).pk,
        "uidb36": "1",
        "key": "set-password",
    }
    for model, page in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change object_id"
        if model is not School:
            row = model._default_manager.filter(school=people.school).first()
            assert row is not None, f"no {model.__name__} to try {page} with"
            ids[name] = row.pk
    return ids


@pytest.fixture
def busy(people: Cast) -> Cast:
    with enter(people.school):
        fill(people)
        people.t1.types(people.marks[2], "55")
    return people


@pytest.fixture
def every_page(busy: Cast) -> list[Page]:
    with enter(busy.school):
        return pages(ids_of(busy))


def state(people: Cast) -> tuple[Any, ...]:
    """All that somebody could have changed in the cast's school."""
    with enter(people.school):
        return (
            people.tables(),
            [
                m.objects.count()
                for m in (Change, ChangeSet, Decision, Exclusion, Extension, HandIn, NotTheSame)
            ],
            [m.objects.count() for m in (CardRun, IssuedCard, CardRelease, Logo)],
            list(BankComment.objects.order_by("pk").values()),
            list(OutboxMessage.objects.order_by("pk").values()),
            Change.objects.exclude(status="provisional").count(),
            list(School.objects.order_by("pk").values()),
            sorted(
                people.school.memberships.values_list("user_id", "role", "is_active", "frozen_by")
            ),
            sorted(people.school.memberships.values_list("user_id", "user__password")),
        )


def turns_away(response: Any, page: Page, *statuses: int) -> bool:
    """Whether an answer says one of these, that the method is none of the page's, or where the
    form is that posts to it, which is a part of its own address."""
    if response.status_code == 302 and page.path != response.url:
        return page.path.startswith(response.url) or 302 in statuses
    return response.status_code in {405, *statuses}


SECRETS = ("Abbott", "Carter", "BIO-2", "t1.teacher", "Hill School")


def assert_tells_nothing(response: Any, page: Page) -> None:
    assert response.status_code < 500, page
    content = response.content
    if content.startswith(b"PK"):  # a workbook
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            content = b"".join(map(packed.read, packed.namelist()))
    text = content.decode()
    assert [secret for secret in SECRETS if secret in text] == [], page


def ask(client: Client, page: Page, school: School) -> list[Any]:
    """Look at a page, and post an empty form to it that says it was made for ``school``."""
    looked = client.get(page.path)
    if page.name == "account_logout":  # what comes after it would be asked by nobody
        return [looked]
    return [looked, client.post(page.path, headers={"X-School": str(school.pk)})]


# Who asks. ----------------------------------------------------------------------------------------


def test_an_anonymous_person_opens_nothing_of_a_school(busy, every_page):
    before = state(busy)
    for page in every_page:
        for response in ask(Client(), page, busy.school):
            assert_tells_nothing(response, page)
            assert page.is_open or turns_away(response, page, 302, 401), page
            if not page.is_open and response.status_code == 302:
                assert response.url.startswith(
                    ("/sign-in/?next=/", "/classes/", "/office/", "/my-changes/")
                ), page
    assert state(busy) == before


def test_a_teacher_opens_nothing_of_the_office(busy, every_page):
    before = state(busy)
    browser = Browser(busy.t1)
    for page in every_page:
        if page.is_offices and not page.is_open:
            for response in ask(browser, page, busy.school):
                assert response.status_code == 403, page
    assert state(busy) == before


@pytest.mark.parametrize("role", ["teacher", "office"])
def test_another_school_finds_no_record_of_this_one(busy, every_page, role):
    before = state(busy)
    stranger = make_person(
        "s.stranger@vale.example", role, school=busy.other_school, clock=busy.clock, ip="10.9.9.8"
    )
    browser = Browser(stranger)
    for page in every_page:
        for response in ask(browser, page, stranger.school):
            assert_tells_nothing(response, page)
            assert not page.names_a_record or turns_away(response, page, 403, 404), page
        # ... nor by saying that the form was made for this one.
        for response in ask(browser, page, busy.school)[1:]:
            assert_tells_nothing(response, page)
            assert page.is_open or turns_away(response, page, 403, 409), page
    assert state(busy) == before


def test_a_person_without_a_school_opens_nothing_of_one(busy, every_page):
    person = make_person(
        "left@hill.example", "office", school=busy.school, clock=busy.clock, ip="10.0.0.3"
    )
    browser = Browser(person)
    person.member.is_active = False
    person.member.save()
    for page in every_page:
        for response in ask(browser, page, busy.school):
            assert_tells_nothing(response, page)
            assert page.is_open or turns_away(response, page, 403), page


def test_no_form_is_taken_without_its_token(busy, every_page):
    before = state(busy)
    browser = Browser(busy.a)
    browser.handler.enforce_csrf_checks = True
    for page in every_page:
        for method in (browser.post, browser.put, browser.patch, browser.delete):
            response = method(page.path, headers={"X-School": str(busy.school.pk)})
            assert response.status_code == 403, page
    assert state(busy) == before


def test_no_page_takes_a_form_that_was_made_for_another_school(busy, every_page):
    before = state(busy)
    browser = Browser(busy.a)
    for page in every_page:
        if not page.is_open:
            for said in ({}, {"school": str(busy.other_school.pk)}, {"school": "\x00"}):
                assert browser.post(page.path, said).status_code in {405, 409}, page
    assert state(busy) == before


def test_an_id_that_exists_nowhere_is_not_found(busy):
    with enter(busy.school):
        ids = ids_of(busy)
    for nobody in (NOBODY, 2_000_000_000):
        unknown = dict.fromkeys(ids, nobody)
        browser = Browser(busy.a)
        for page in pages(unknown):
            if page.names_a_record:
                for response in ask(browser, page, busy.school):
                    assert turns_away(response, page, 403, 404), page


# Another teacher's provisional data. --------------------------------------------------------------


def what_is_seen(person: Person, every_page: list[Page], *queries: str) -> dict[str, str]:
    """Every page that a teacher can open, less what differs each time."""
    browser = Browser(person)
    seen = {}
    for page in every_page:
        if not page.is_offices and not page.is_open:
            for query in ("", *queries):
                response = browser.get(page.path + query)
                text = without_tokens(response) if response.content else ""
                text = re.sub(r'name="key" value="\w+"', "", text)
                seen[page.path + query] = f"{response.status_code} {text}"
    return seen


def test_what_a_colleague_proposes_changes_no_byte_of_what_a_teacher_sees(busy, every_page):
    queries = ("?q=Zyxwv", "?q=777", "?all", "?state=waiting", f"?class={busy.section}")
    before = what_is_seen(busy.t2, every_page, *queries)
    with enter(busy.school):
        pupil = busy.t1.creates(
            "student", number="777", family_name="Zyxwv", source_id="S-777", email="z@hill.example"
        )
        theirs = busy.t1.enrols(pupil, busy.section)
        busy.t1.types(theirs, "91")
        busy.t1.types(busy.marks[0], "13", reason="a slip")
        busy.t1.types(busy.marks[1], "secret", field="comment")
        busy.t1.changes_cell("section", busy.section, schedule="Sunday")
        change = Change.objects.filter(entity_id=pupil).latest("id")
    assert what_is_seen(busy.t2, every_page, *queries) == before
    browser = Browser(busy.t2)
    for pattern, theirs_is, nobodys in (
        ("withdraw", [change.pk], [NOBODY]),
        ("other-pupil", [busy.section, theirs], [busy.section, NOBODY]),
    ):
        for method in (browser.get, browser.send):
            known, unknown = (method(reverse(pattern, args=a)) for a in (theirs_is, nobodys))
            assert (known.status_code, unknown.status_code) == (404, 404)
            assert without_tokens(known) == without_tokens(unknown)


def test_typing_what_a_colleague_has_proposed_gets_the_answer_that_it_gets_otherwise(busy):
    """Numbers, roster ids and places in a class are judged when the office decides, not before."""

    def answers(person: Person, number: str) -> list[tuple[int, str]]:
        browser = Browser(person)
        sent = {"family_name": "Zyxwv", "number": number, "key": "k", "sure": "1"}
        created = browser.send(reverse("new-pupil", args=[busy.section]), sent)
        return [(created.status_code, re.sub("[0-9a-f]{32}", "", created.url))]

    with enter(busy.school):
        pupil = busy.t1.creates("student", number="777", family_name="Zyxwv")
        theirs = busy.t1.enrols(pupil, busy.section)
    assert answers(busy.t2, "777") == answers(busy.t2, "778")
    browser = Browser(busy.t2)
    enrol = reverse("enrol-pupil", args=[busy.section])
    assert browser.send(enrol, {"pupil": str(pupil)}).status_code == 404
    cells = [browser.cell(busy.section, each, "50") for each in (theirs, NOBODY)]
    assert [cell.status_code for cell in cells] == [422, 422]
    assert cells[0].content == cells[1].content
    with enter(busy.school):
        waiting = only(busy.t1.types(busy.marks[1], "44"))
    bases = [
        browser.cell(busy.section, busy.marks[1], "50", base=each) for each in (waiting.pk, NOBODY)
    ]
    assert [base.status_code for base in bases] == [422, 422]
    assert bases[0].content == bases[1].content


# What is sent. ------------------------------------------------------------------------------------

SCRIPT = "\"'></textarea></title><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}"


def test_text_of_every_kind_is_shown_and_never_run(busy, every_page):
    with enter(busy.school):
        pupil = busy.t1.creates(
            "student", number=SCRIPT[:60], family_name=SCRIPT, given_names=SCRIPT, home_group="<b>x"
        )
        theirs = busy.t1.enrols(pupil, busy.section)
        busy.a.approves(*busy.open_of(pupil, theirs))
        busy.t1.types(theirs, SCRIPT, field="comment")
        busy.t1.types(busy.marks[0], "12", reason=SCRIPT)
        busy.t1.changes_cell("section", busy.section, schedule=SCRIPT, code=SCRIPT[:60])
        busy.t1.changes_cell("course", busy.course, title=SCRIPT)
        busy.t1.changes_cell("room", busy.room, name=SCRIPT[:60])
        busy.t1.changes_cell("term", busy.term, name=SCRIPT[:60])
        about = (busy.section, busy.course, busy.room, busy.term)
        busy.a.approves(*busy.open_of(*about), reason=SCRIPT)
        declined = only(busy.t1.types(theirs, "1"))
        busy.a.declines(declined, reason=SCRIPT)
        busy.a.reverts(busy.t2, start=None, reason=SCRIPT)
        busy.t1.types(busy.marks[1], SCRIPT, field="comment")
    type(busy.t1.user).objects.filter(pk=busy.t1.user.pk).update(name=SCRIPT)
    School.objects.filter(pk=busy.school.pk).update(name=SCRIPT)
    shown = 0
    for person in (busy.a, busy.t1):
        browser = Browser(person)
        headers = {"User-Agent": SCRIPT}
        for page in every_page:
            answers = [
                browser.get(page.path + query, headers=headers) for query in ("", "?q=x\"'>")
            ]
            if not page.is_open:
                answers.append(browser.send(page.path, {"q": SCRIPT}, headers=headers))
            for response in answers:
                assert response.status_code < 500, page
                is_kept = response.get("Content-Disposition", "").startswith("attachment;")
                if is_kept or response.get("Content-Type", "") in ("application/pdf", "image/png"):
                    # A file is kept, or shown as what it is, and by no browser taken for a page.
                    assert response["X-Content-Type-Options"] == "nosniff", page
                    continue
                text = response.content.decode()
                assert "<script>alert" not in text, page
                assert "<img src=x" not in text, page
                shown += "&lt;script&gt;" in text
    assert shown > 30  # it was there to be run


def upload(size: int) -> io.BytesIO:
    file = io.BytesIO(b"x" * size)
    file.name = "a.bin"
    return file


@pytest.mark.parametrize("page", ["account_login", "account_reset_password", "classes"])
def test_a_large_file_is_refused_before_it_is_kept(db, page):
    response = Client().post(reverse(page), {"login": "a@b.example", "file": upload(3_000_000)})
    assert response.status_code == 400
    assert "too large" in response.content.decode()


@pytest.mark.parametrize("encoding", ["unicode_escape", "utf-7", "utf-16"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_text_is_read_as_utf_8_and_as_nothing_else(db, encoding, method):
    kind = f"multipart/form-data; boundary=x; charset={encoding}"
    path = "/sign-in/?next=/classes/%3Fq=a%5Cud800"
    response = Client().generic(method.upper(), path, b"--x--\r\n", content_type=kind)
    assert response.status_code == 400


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "no-such-encoding"])
def test_a_browser_that_says_its_encoding_is_heard(db, encoding):
    kind = f"text/plain; charset={encoding}"
    assert Client().get("/sign-in/", CONTENT_TYPE=kind).status_code == 200

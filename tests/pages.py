"""What the tests of pages share: going to a page signed in, and saving cells of a mark sheet."""

import re
import uuid
from html.parser import HTMLParser
from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.in_school import SCHOOL_IN_SESSION, enter
from changes.propose import creation
from grading.sheet import digest_of
from tests.cast import Cast, Person

OUTSIDE_EVERY_SCHOOL = {
    "home",
    "switch_school",
    "healthz",
    "favicon",
    "account_login",
    "signed_in_again",
    "account_inactive",
    "account_logout",
    "account_change_password",
    "account_set_password",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
}
"""Names of pages outside every school; they show nothing of one."""


class Browser(Client):
    """A signed-in browser without JavaScript: it knows the school that its pages were made for."""

    def __init__(self, person: Person) -> None:
        super().__init__()
        self.person = person
        self.force_login(person.user, backend="allauth.account.auth_backends.AuthenticationBackend")
        session = self.session
        session[SCHOOL_IN_SESSION] = str(person.school.pk)
        session.save()

    def send(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> Any:
        """Post a form of the person's school."""
        return self.post(path, {"school": str(self.person.school.pk), **(data or {})}, **options)

    def cell(
        self,
        section: uuid.UUID,
        enrollment: uuid.UUID,
        text: str,
        *,
        field: str = "grade",
        base: uuid.UUID | None = None,
        key: str = "",
        reason: str = "",
    ) -> Any:
        """Save one cell as the page's script does."""
        data = {
            "row-1": enrollment.hex,
            f"{field}-1": text,
            f"{field}-1-seen": f"{base.hex if base else ''}.",
            f"{field}-1-reason": reason,
            "key": key,
        }
        return self.post(
            reverse("save-cells", args=[section]),
            data,
            headers={
                "HX-Request": "true",
                "X-School": str(self.person.school.pk),
            },
        )


def form_of(page: str, at: str = "") -> dict[str, str]:
    """Return the fields of the form that posts to ``at``, as a browser sends them untouched."""

    class Fields(HTMLParser):
        inside = False
        area: str | None = None

        def __init__(self) -> None:
            super().__init__(convert_charrefs=True)
            self.found: dict[str, str] = {}

        def handle_starttag(self, tag: str, attributes: Any) -> None:
            given = dict(attributes)
            if tag == "form":
                self.inside = given.get("method") == "post" and (given.get("action") or "") == at
            name = given.get("name")
            kind = given.get("type")
            left_out = kind == "checkbox" or (kind == "radio" and "checked" not in given)
            if self.inside and name and tag == "input" and not left_out:
                self.found[name] = given.get("value") or ""
            if self.inside and name and tag == "textarea":
                self.area, self.found[name] = name, ""

        def handle_endtag(self, tag: str) -> None:
            if tag == "textarea" and self.area:
                # A browser drops the first line break, and sends each as CR LF.
                text = re.sub("^\n", "", self.found[self.area])
                self.found[self.area] = re.sub("\r\n|\r|\n", "\r\n", text)
                self.area = None
            if tag == "form":
                self.inside = False

        def handle_data(self, data: str) -> None:
            if self.area:
                self.found[self.area] += data

    # What a parser of HTML does before anything else.
    fields = Fields()
    fields.feed(re.sub("\r\n?", "\n", page))
    return fields.found


def without_tokens(response: Any) -> str:
    """Return a page without what differs each time."""
    text = response.content.decode(errors="backslashreplace")  # a workbook is no text
    return re.sub(r'("X-CSRFToken": |csrfmiddlewaretoken" value=)"\w+"', "", text)


def words_of(page: str) -> str:
    """Return what a page says: its text without tags, hence without random ids and tokens.

    A short text such as a mark is sought in this: the whole page holds "50" by chance, too.
    """
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def as_shown(text: str) -> str:
    """Return the digest by which a page says what it showed."""
    return f".{digest_of(text)}"


def more_pupils(people: Cast, count: int, section: uuid.UUID | None = None) -> list[uuid.UUID]:
    """Enrol further pupils and return their enrolments. Call outside the school or inside."""
    with enter(people.school):
        drafts, ids = [], []
        for n in range(count):
            student = creation(
                "student",
                {"number": f"9{n:04}", "given_names": f"Extra{n}", "family_name": f"Pupil{n}"},
            )
            enrollment = creation(
                "enrollment",
                {
                    "student": str(student[0].entity_id),
                    "section": str(section or people.section),
                    "status": "enrolled",  # also beyond the class's capacity
                },
            )
            drafts += student + enrollment
            ids.append(enrollment[0].entity_id)
        people.a.enters(drafts, whole=True)
        return ids

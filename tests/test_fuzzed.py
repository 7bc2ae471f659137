"""Every form of every page, sent with what nobody would type: an answer, never an error of ours.

The forms are read from the pages, and the pages from the URL configuration, so that a new one is
tried by itself. ``FUZZ=50 pytest tests/test_fuzzed.py`` tries more; a failure names its seed.
"""

import os
import random
from typing import Any
from urllib.parse import urlsplit

import pytest

from accounts.in_school import enter
from tests.cast import Cast, Person
from tests.forms_of import all_forms
from tests.pages import Browser
from tests.test_hostile import Page, busy, every_page

__all__ = ["busy", "every_page"]  # fixtures

TIMES = int(os.environ.get("FUZZ", "1"))
SEED = int(os.environ.get("FUZZ_SEED", "20261120"))

STRANGE = [
    *("", " ", "\x00", "a\x00b", "\ud800", "\u202e", "\U000e0041", "ﷺ" * 300, "A" * 20_000),
    *("0", "-1", "1e999", "NaN", "Infinity", "1_000", "٣", "9" * 400, "0x10", "1,5"),
    *("2026-02-30", "0000-00-00", "9999-12-31", "2026-11-20T25:61", "-2026-01-01", "10000-01-01"),
    *("None", "null", "undefined", "true", "[]", "{}", '{"a": 1}', "on", "../../etc/passwd"),
    *("018f0000-0000-7000-8000-000000000000", "00000000-0000-0000-0000-000000000000", "not-an-id"),
    *(
        "'; drop table changes_change; --",
        "%s",
        "%(x)s",
        "{0.__class__}",
        "=1+1",
        "<b>x",
        "\\",
        "&amp",
    ),
    *(
        "a@b",
        "@",
        "a@" + "b" * 300 + ".example",
        "http://[",
        "//evil.example/",
        "javascript:alert(1)",
    ),
]
"""Texts at which programs have stumbled."""


def spoilt(fields: list[tuple[str, str]], chance: random.Random) -> dict[str, list[str]]:
    """The fields of a form, one to three of them with something strange, missing or repeated."""
    sent: dict[str, list[str]] = {}
    for name, value in fields:
        sent.setdefault(name, []).append(value)
    for name in chance.sample(sorted(sent), min(len(sent), chance.randint(1, 3))):
        how = chance.randrange(8)
        if how == 0:
            del sent[name]
        elif how == 1:
            sent[name] = sent[name] * 2 + [chance.choice(STRANGE)]
        else:
            sent[name] = [chance.choice(STRANGE)]
    return {name: [v.encode("utf-8", "surrogatepass") for v in sent[name]] for name in sent}  # type: ignore[misc]


def fuzz(person: Person, pages: list[Page], chance: random.Random) -> tuple[int, list[str]]:
    """Send each form of each page spoilt. Return how many were sent, and what went wrong."""
    browser = Browser(person)
    browser.raise_request_exception = False
    sent, wrong = 0, []

    def note(response: Any, what: str) -> None:
        if response.status_code >= 500:
            error = response.exc_info[1] if getattr(response, "exc_info", None) else ""
            wrong.append(f"{what}: {response.status_code} {error!r}")

    for page in pages:
        if page.name == "account_logout":
            continue
        looked = browser.get(page.path)
        note(looked, page.path)
        if not looked.get("Content-Type", "").startswith("text/html"):
            continue
        for form in all_forms(looked.content.decode()):
            action = form["action"] or page.path
            where = urlsplit(action)
            fields = [(n, v) for n, v in form["fields"] + form["boxes"] if n]
            if where.netloc or not fields or "logout" in action or "sign-out" in action:
                continue
            for _ in range(TIMES):
                data = spoilt(fields, chance)
                send = browser.get if form["method"] == "get" else browser.post
                headers = {"X-School": str(person.school.pk)}
                response = send(where.path, data, headers=headers)
                note(response, f"{form['method']} {where.path} {data}"[:600])
                sent += 1
    return sent, wrong


@pytest.mark.parametrize("role", ["teacher", "office"])
def test_no_form_of_any_page_makes_the_site_stumble(busy: Cast, every_page: list[Page], role: str):
    person = {"teacher": busy.t1, "office": busy.a}[role]
    sent, wrong = fuzz(person, every_page, random.Random(f"{SEED} {role}"))  # noqa: S311
    assert wrong == [], f"with the seed {SEED}"
    assert sent >= 15 * TIMES
    with enter(busy.school):
        assert busy.is_equal()  # whatever was taken, the tables are what the ledger adds up to

"""How an installation starts, or refuses to, and what it tells browsers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connections

from accounts import checks

ROOT = Path(__file__).resolve().parent.parent
NAMES = (
    "DEBUG SECRET_KEY ALLOWED_HOSTS DATABASE_URL DATABASE_OWNER_URL TRUSTED_PROXIES INSECURE_HTTP "
    "DJANGO_ALLOW_ASYNC_UNSAFE"  # of the browser tests
    " DJANGO_ALLOW_ASYNC_UNSAFE"  # set for the browser's sake
)
SECRET = "a-long-random-text-for-nobody-but-this-test-0123456789"


def run(*arguments, **environment):
    """Run Python as on a server: with the given settings and no others of ours."""
    rest = {name: value for name, value in os.environ.items() if name not in NAMES.split()}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=rest | {"DJANGO_SETTINGS_MODULE": "schoolmarks.settings"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def production(**more):
    return {
        "SECRET_KEY": SECRET,
        "ALLOWED_HOSTS": "marks.school.example",
        "DATABASE_URL": os.environ.get("DATABASE_URL", "postgresql:///schoolmarks"),
    } | more


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL"]),
        ({"SECRET_KEY": SECRET}, ["ALLOWED_HOSTS", "DATABASE_URL"]),
        ({"SECRET_KEY": SECRET, "ALLOWED_HOSTS": "a.example"}, ["DATABASE_URL"]),
        ({"ALLOWED_HOSTS": "a.example", "DATABASE_URL": "postgresql:///x"}, ["SECRET_KEY"]),
    ],
)
def test_production_does_not_start_and_names_all_that_is_missing(given, missing):
    result = run("manage.py", "check", **given)
    assert result.returncode != 0
    last = result.stderr.strip().splitlines()[-1]
    assert f"does not start without {', '.join(missing)}." in last


@pytest.mark.parametrize("key", ["short", "only-for-development"])
def test_production_does_not_start_with_a_guessable_key(key):
    result = run("manage.py", "check", **production(SECRET_KEY=key))
    assert result.returncode != 0
    assert "shorter than 32 characters" in result.stderr


def test_a_developer_needs_to_set_nothing():
    assert run("manage.py", "check", DEBUG="1").returncode == 0


@pytest.mark.parametrize("spelling", ["0", "", "no", "False", "off"])
def test_debug_is_off_unless_it_is_plainly_on(spelling):
    result = run(
        "-c", "from schoolmarks.settings import DEBUG; print(DEBUG)", **production(DEBUG=spelling)
    )
    assert result.stdout == "False\n"


ASK = """
import json, django
django.setup()
from django.conf import settings
from django.test import Client
answer = Client(headers={"host": "marks.school.example"}).get("/healthz", secure=%s, **%s)
names = ["SESSION_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE",
         "CSRF_COOKIE_SECURE", "CSRF_COOKIE_SAMESITE"]
print(json.dumps({
    "status": answer.status_code,
    "headers": dict(answer.items()),
    "settings": {name: getattr(settings, name) for name in names},
}))
"""


def ask(*, secure=True, more=None, **environment):
    result = run("-c", ASK % (secure, more or {}), **production(**environment))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def database_url():
    if "DATABASE_URL" not in os.environ:
        pytest.skip("needs DATABASE_URL, as tools/with_postgres.py sets it")


def test_the_browser_is_told_to_be_strict(database_url):
    answer = ask()
    assert answer["status"] == 200
    headers = answer["headers"]
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    policy = dict(
        directive.strip().split(" ", 1)
        for directive in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert not any("unsafe" in sources or "*" in sources for sources in policy.values())


def test_cookies_travel_over_tls_and_only_to_us(database_url):
    assert ask()["settings"] == {
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "CSRF_COOKIE_SECURE": True,
        "CSRF_COOKIE_SAMESITE": "Lax",
    }


def test_without_a_proxy_of_ours_nobody_can_claim_to_have_come_by_tls(database_url):
    claim = {"headers": {"x-forwarded-proto": "https", "host": "marks.school.example"}}
    assert "Strict-Transport-Security" not in ask(secure=False, more=claim)["headers"]
    behind = ask(secure=False, more=claim, TRUSTED_PROXIES="1")
    assert behind["status"] == 200
    assert "Strict-Transport-Security" in behind["headers"]


def test_a_name_that_is_not_ours_is_refused(database_url):
    strange = {"headers": {"host": "evil.example"}}
    assert ask(more=strange)["status"] == 400


def test_django_finds_nothing_to_warn_of_in_production(database_url):
    owner = os.environ.get("DATABASE_OWNER_URL")
    if not owner:
        pytest.skip("one role serves and owns, which is warned of")
    result = run(
        "manage.py",
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        **production(DATABASE_OWNER_URL=owner),
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.django_db(databases=["default", "owner"])
def test_serving_with_the_role_that_owns_the_tables_is_warned_of(monkeypatch):
    if "owner" not in connections:
        pytest.skip("one role serves and owns, and is warned of in each case")
    assert checks.served_by_a_role_that_owns_nothing() == []
    monkeypatch.setattr(checks, "connection", connections["owner"])
    (warning,) = checks.served_by_a_role_that_owns_nothing()
    assert warning.id == "accounts.W001"

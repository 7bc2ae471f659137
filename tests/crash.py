"""``make crash``: the site under load, and its server and its database killed again and again.

Teachers save comments; somebody of the office approves, reverts and lifts. All of it goes through
the pages of a real server, and everybody sends what had no answer again, as browsers do. At moments
that nobody chose the server, the database, or both are ended as a power cut ends them. Afterwards
each save that was answered is there, none is there twice, no act of the office was done twice, the
tables are what the ledger adds up to, and the chain of decisions is whole.
"""

import argparse
import contextlib
import datetime as dt
import http.client
import io
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
import uuid
import zoneinfo
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
from postgres import kept

TOKEN = "c" * 32
LOST = (OSError, http.client.HTTPException)


class Power:
    """A database that keeps what it has committed, and can be cut off."""

    def __init__(self, folder: Path) -> None:
        self.data, self.log = folder / "postgres", folder / "postgres.log"

    def on(self) -> None:
        """Start the database; the environment and Django find it from here on."""
        self.running = kept(self.data, log=self.log)
        server = self.running.__enter__()
        self.pid = server.pid
        os.environ["DATABASE_URL"] = server.serving_url
        os.environ["DATABASE_OWNER_URL"] = server.owner_url

    def cut(self) -> None:
        """Kill the database with all its processes at once."""
        found = [self.pid, *_children(self.pid)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.off()

    def off(self) -> None:
        """End what is left of it."""
        self.running.__exit__(None, None, None)


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            text = stat.read_text()
            if int(text.rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


class Site:
    """The server, wherever it listens now. What it has to say goes to ``log``."""

    def __init__(self, log: Path) -> None:
        from tests.serving import Server

        self.make, self.log = Server, log
        self.up = threading.Event()
        self.over = threading.Event()

    def start(self) -> None:
        """Start a server on the database that is on."""
        database = urlsplit(os.environ["DATABASE_URL"]).path.lstrip("/")
        self.server = self.make(database, log=self.log)
        self.server.start()
        self.up.set()

    def kill(self) -> None:
        """Kill the server with its workers."""
        self.up.clear()
        self.server.kill()


class Answer:
    """What came back: as tests.forms_of reads a response."""

    def __init__(self, status: int, content: bytes, location: str) -> None:
        self.status, self.content, self.location = status, content, location


class Visitor(threading.Thread):
    """Somebody at work in a browser, until it is over; what has no answer is sent again."""

    def __init__(self, site: Site, person: Any, seed: int) -> None:
        super().__init__(name=person.user.email, daemon=True)
        from django.conf import settings

        from tests.pages import Browser

        self.site, self.person = site, person
        self.random = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        session = Browser(person).cookies[settings.SESSION_COOKIE_NAME].value
        cookies = {settings.SESSION_COOKIE_NAME: session, settings.CSRF_COOKIE_NAME: TOKEN}
        self.headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
            "X-CSRFToken": TOKEN,
            "X-School": str(person.school.pk),
        }
        self.answers = self.lost = 0
        self.trouble: str | None = None

    def run(self) -> None:
        try:
            while not self.site.over.is_set():
                self.act()
        except Exception as error:  # said by who waits for it
            self.trouble = f"{self.name}: {error!r}"
            raise

    def act(self) -> None:
        """Do one thing, whole."""
        raise NotImplementedError

    def ask(self, path: str, data: dict[str, Any] | None = None, **headers: str) -> Answer:
        """Send a request until it is answered. What the site says while it is going down, or
        without its database, is no answer."""
        while True:
            self.site.up.wait()
            with contextlib.suppress(*LOST):
                answer = self._ask(path, data, headers)
                if answer.status < 500:
                    self.answers += 1
                    return answer
            self.lost += 1
            time.sleep(0.1)

    def _ask(self, path: str, data: dict[str, Any] | None, headers: dict[str, str]) -> Answer:
        with contextlib.closing(
            http.client.HTTPConnection(self.site.server.address, timeout=30)
        ) as connection:
            if data is None:
                connection.request("GET", path, headers=self.headers | headers)
            else:
                kind = {"Content-Type": "application/x-www-form-urlencoded"}
                body = urlencode(data, doseq=True)
                connection.request("POST", path, body, self.headers | kind | headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), answer.headers.get("Location", ""))


class Teacher(Visitor):
    """Comments on pupils, one save after the other."""

    def __init__(self, site: Site, person: Any, seed: int, section: uuid.UUID, marks: Any) -> None:
        super().__init__(site, person, seed)
        self.path = f"/classes/{section}/cells/"
        self.marks = marks
        self.answered: list[str] = []

    def act(self) -> None:
        text = f"{self.name} says {len(self.answered)} {uuid.uuid4().hex}"
        mark = self.random.choice(self.marks)
        cell = {
            "row-1": mark.hex,
            "comment-1": text,
            "comment-1-seen": ".",
            "key": uuid.uuid4().hex,
        }
        answer = self.ask(self.path, cell, **{"HX-Request": "true"})
        if answer.status != 200:
            raise AssertionError(f"{answer.status}: {answer.content.decode()[:500]}")
        self.answered.append(text)


class Office(Visitor):
    """Approves what waits, reverts what an account has typed, and lifts that."""

    def __init__(self, site: Site, person: Any, seed: int, accounts: list[Any]) -> None:
        super().__init__(site, person, seed)
        self.accounts = accounts
        self.done: Counter[str] = Counter()
        self.keys: list[str] = []

    def act(self) -> None:
        self.random.choice([self.approve, self.approve, self.approve, self.revert, self.lift])()
        time.sleep(0.05)

    def approve(self) -> None:
        account = self.random.choice(self.accounts)
        path = re.search(
            rf"/office/review/of/[\w-]+/{account.user.pk}/", self._page("/office/review/")
        )
        if path is None:
            return
        waiting = re.findall(r'name="change" value="([0-9a-f -]+)"', self._page(path.group()))
        if not waiting:
            return
        # A few of them: one that its author types anew meanwhile would refuse them all.
        seen = self.random.sample(waiting, min(len(waiting), self.random.randint(1, 4)))
        sent = {"action": "approve", "seen": seen, "use": seen}
        self._decide("/office/review/decide/", sent, "approve")

    def revert(self) -> None:
        account = self.random.choice(self.accounts)
        # What the account types meanwhile would change the preview, and be refused.
        now = dt.datetime.now(zoneinfo.ZoneInfo(self.person.school.time_zone))
        window = {"start": f"{now:%Y-%m-%dT00:00}", "end": f"{now:%Y-%m-%dT%H:%M}"}
        asked = {"account": account.user.pk, "how": "typed", **window}
        self._confirm(f"/office/revert/preview/?{urlencode(asked)}", "revert")

    def lift(self) -> None:
        numbers = re.findall(r"/office/revert/(\d+)/", self._page("/office/revert/"))
        if numbers:
            number = self.random.choice(numbers)
            self._confirm(f"/office/revert/{number}/lift/", "lift")

    def _page(self, path: str) -> str:
        return self.ask(path).content.decode()

    def _confirm(self, path: str, what: str) -> None:
        from tests.forms_of import Form

        answer = self.ask(path)
        try:
            form = Form(answer, "token")
        except ValueError:  # nothing to do there
            return
        self._decide(form.action, form.data(reason="a power cut"), what)

    def _decide(self, path: str, sent: dict[str, Any], what: str) -> None:
        key = sent["key"] = uuid.uuid4().hex
        answer = self.ask(path, sent)
        if answer.status in (200, 302):
            self.done[what] += 1
            self.keys.append(key)
        else:  # the preview or the sheet has changed meanwhile: said, and looked at again
            self.done[f"{what} refused"] += 1


@contextlib.contextmanager
def school() -> Iterator[Any]:
    """The cast in a new school, with sixty pupils."""
    from django.core.management import call_command
    from django.test import override_settings

    from tests import cast
    from tests.pages import more_pupils

    call_command("migrate", verbosity=0)
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=hashers):
        people = cast.assemble()
        people.marks += more_pupils(people, 57)
        yield people


def reconnect() -> None:
    """Let Django find the database where it is now."""
    import dj_database_url
    from django.conf import settings
    from django.db import connections

    for alias, name in (("default", "DATABASE_URL"), ("owner", "DATABASE_OWNER_URL")):
        host = dj_database_url.parse(os.environ[name])["HOST"]
        settings.DATABASES[alias]["HOST"] = connections[alias].settings_dict["HOST"] = host
        connections[alias].close()


def judge(people: Any, teachers: list[Teacher], offices: list[Office]) -> dict[str, int]:
    """Compare what is in the database with what was answered. Raises AssertionError."""
    from django.core.management import call_command

    from accounts.in_school import enter
    from changes.models import Change, Decision

    with enter(people.school):
        there = Counter(Change.objects.filter(field="comment").values_list("value", flat=True))
        answered = {text for teacher in teachers for text in teacher.answered}
        missing, twice = answered - there.keys(), [t for t, n in there.items() if n > 1]
        assert not missing, f"{len(missing)} saves that were answered are not there: {missing}"
        assert not twice, f"{len(twice)} saves are there twice: {twice}"
        keys = Counter(
            Decision.objects.filter(idempotency_key__isnull=False).values_list(
                "idempotency_key", flat=True
            )
        )
        decided = {key for office in offices for key in office.keys}
        assert max(keys.values(), default=1) == 1
        assert decided <= keys.keys(), f"{len(decided - keys.keys())} acts were lost"
    call_command("verify_ledger", chain=True, stdout=io.StringIO())
    return {"saves": len(answered), "acts": len(decided)}


def play(kills: int, seed: int) -> None:
    """Kill ``kills`` times, and judge in between and at the end."""
    chance = random.Random(seed)  # noqa: S311 - as above
    with tempfile.TemporaryDirectory(prefix="schoolmarks-crash-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database may have to run as another user
        power = Power(folder)
        power.on()
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "schoolmarks.settings")
        os.environ["DEBUG"] = "1"
        django.setup()
        site = Site(folder / "site.log")
        try:
            with school() as people:
                thirds = [people.marks[n::3] for n in range(3)]
                accounts = [people.t1, people.t2, people.v]
                teachers = [
                    Teacher(site, person, seed + n, people.section, thirds[n])
                    for n, person in enumerate(accounts)
                ]
                offices = [Office(site, people.a, seed + 9, accounts)]
                site.start()
                everybody: list[Visitor] = [*teachers, *offices]
                for visitor in everybody:
                    visitor.start()
                for number in range(1, kills + 1):
                    _wait_until_at_work(everybody, chance.randint(1, 20))
                    time.sleep(chance.uniform(0, 0.2))
                    what = chance.choice(["server", "server", "database", "both"])
                    _kill(what, site, power)
                    troubles = [each.trouble for each in everybody if each.trouble]
                    assert not troubles, troubles
                    if number % 20 == 0 or number == kills:
                        print(f"{number} kills: {_said(everybody)}", flush=True)
                site.over.set()
                for visitor in everybody:
                    visitor.join(120)
                    assert not visitor.is_alive(), f"{visitor.name} has no answer"
                reconnect()
                judged = judge(people, teachers, offices)
                print(
                    f"{kills} kills: {judged['saves']} saves that were answered are there, each "
                    f"once; {judged['acts']} acts of the office were done, each once; the tables "
                    "equal the ledger, and the chain is whole."
                )
        finally:
            site.over.set()
            if hasattr(site, "server"):
                site.kill()
            power.off()


def _wait_until_at_work(everybody: list[Visitor], answers: int) -> None:
    """Wait for so many more answers, or until somebody has trouble."""
    wanted = sum(each.answers for each in everybody) + answers
    while sum(each.answers for each in everybody) < wanted:
        if any(each.trouble for each in everybody):
            return
        time.sleep(0.02)


def _kill(what: str, site: Site, power: Power) -> None:
    if what == "database":
        power.cut()
        time.sleep(0.3)  # pages are asked for that cannot be answered
        site.kill()  # the database will be somewhere else: its socket lies in a new folder
    else:
        site.kill()
    if what == "both":
        power.cut()
    if what != "server":
        power.on()
    site.start()


def _said(everybody: list[Visitor]) -> str:
    saves = sum(len(each.answered) for each in everybody if isinstance(each, Teacher))
    done: Counter[str] = Counter()
    for each in everybody:
        if isinstance(each, Office):
            done += each.done
    acts = ", ".join(f"{count} x {what}" for what, count in sorted(done.items()))
    lost = sum(each.lost for each in everybody)
    return f"{saves} saves; {acts or 'no acts'}; {lost} requests without an answer, sent again"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):  # what was started is stopped
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    print(f"seed {options.seed}")
    play(options.kills, options.seed)

"""Messages leave once, whatever dies on the way."""

import datetime as dt
import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from accounts import jobs, outbox
from accounts.in_school import enter
from accounts.models import OutboxMessage, School

ROOT = Path(__file__).resolve().parent.parent


def make_school(slug="hill"):
    return School.objects.create(name=f"The {slug} school", slug=slug)


def post(school, *keys, **facts):
    message = {"to": "parent@home.example", "subject": "A change", "body": "Room 4."} | facts
    with enter(school):
        outbox.post(
            [outbox.Message(key=key, **message) for key in keys], school=school, at=timezone.now()
        )


def waiting(school):
    with enter(school):
        return list(OutboxMessage.objects.order_by("key"))


def work():
    call_command("work", once=True, stdout=open(os.devnull, "w"))  # noqa: SIM115, PTH123


def keys_sent():
    return [message.subject for message in mail.outbox]


# In one transaction that is rolled back: what posting and sending mean.


@pytest.fixture
def school(db):
    return make_school()


def test_a_file_goes_along_as_it_is_when_the_message_leaves(school, monkeypatch):
    files = {"1": b"first"}
    monkeypatch.setitem(
        outbox.ATTACHMENTS,
        "letter",
        lambda which: outbox.Attachment("letter.txt", files[which], "application/pdf"),
    )
    post(school, "a", attachment="letter:1")
    post(school, "b", attachment="letter:gone")
    files["1"] = b"second"
    work()
    (sent,) = mail.outbox
    assert sent.attachments == [("letter.txt", b"second", "application/pdf")]
    with enter(school), pytest.raises(DatabaseError, match="never changes"):
        OutboxMessage.objects.filter(key="a").update(attachment="letter:2")
    assert [each.attempts for each in waiting(school)] == [1, 1]


def test_what_a_job_does_wrong_holds_up_no_mail(school, monkeypatch):
    def fails(school):
        raise RuntimeError

    monkeypatch.setattr(jobs, "JOBS", [fails, outbox.send_next])
    post(school, "a")
    work()
    assert keys_sent() == ["A change"]


def test_a_message_is_posted_in_the_transaction_and_leaves_afterwards(school):
    post(school, "decision-1")
    assert mail.outbox == []
    work()
    (message,) = mail.outbox
    assert (message.to, message.subject, message.body) == (
        ["parent@home.example"],
        "A change",
        "Room 4.",
    )
    (row,) = waiting(school)
    assert row.sent_at is not None
    assert row.attempts == 1


def test_the_same_key_is_posted_once(school):
    post(school, "decision-1", "decision-1")
    post(school, "decision-1", subject="Another")
    work()
    assert keys_sent() == ["A change"]


def test_two_schools_may_use_the_same_key(school):
    post(school, "decision-1")
    post(make_school("vale"), "decision-1")
    work()
    assert len(mail.outbox) == 2


def test_a_decision_that_is_rolled_back_sends_nothing(school):
    def decide():
        with enter(school):
            post(school, "decision-1")
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        decide()
    work()
    assert mail.outbox == []


def test_working_twice_sends_once(school):
    post(school, "decision-1")
    work()
    work()
    assert len(mail.outbox) == 1


def test_five_thousand_are_posted_a_thousand_at_a_time(school, django_assert_max_num_queries):
    with enter(school), django_assert_max_num_queries(5 + 2):  # and a savepoint around them
        outbox.post(
            (
                outbox.Message(key=f"k{n}", to="a@b.example", subject="s", body="b")
                for n in range(5000)
            ),
            school=school,
            at=timezone.now(),
        )


def test_a_line_break_in_a_subject_makes_no_header(school):
    post(school, "decision-1", subject="Room 4\r\nBcc: everyone@school.example", body="a\x00b")
    work()
    (message,) = mail.outbox
    assert message.subject == "Room 4 Bcc: everyone@school.example"
    assert message.recipients() == ["parent@home.example"]


def test_every_copy_of_a_message_carries_the_same_id(school):
    post(school, "decision-1")
    work()
    (row,) = waiting(school)
    with enter(school):  # as if the worker had died after the mail server's answer
        OutboxMessage.objects.update(sent_at=None)
    work()
    first, second = (message.message()["Message-ID"] for message in mail.outbox)
    assert first == second == f"<{row.id}@localhost>"


@pytest.fixture
def broken_mail(monkeypatch):
    """Mail to bad@home.example fails."""
    deliver = outbox._mail

    def fail(message):
        if message.to == "bad@home.example":
            raise OSError("no route to the mail server")
        deliver(message)

    monkeypatch.setattr(outbox, "_mail", fail)


def test_one_bad_message_does_not_hold_up_the_others(school, broken_mail):
    post(school, "a", to="bad@home.example")
    post(school, "b", to="good@home.example")
    work()
    assert [message.to for message in mail.outbox] == [["good@home.example"]]
    bad, good = waiting(school)
    assert good.sent_at is not None
    assert bad.sent_at is None
    assert bad.attempts == 1
    assert bad.last_error == "OSError: no route to the mail server"


def test_the_pauses_grow_and_after_ten_attempts_it_is_given_up(school, broken_mail):
    post(school, "a", to="bad@home.example")
    pauses = []
    for _ in range(outbox.ATTEMPTS):
        before = timezone.now()
        assert outbox.send_next(school)
        (row,) = waiting(school)
        pauses.append(round((row.due_at - before) / dt.timedelta(minutes=1)))
        assert not outbox.send_next(school)  # not due
        with enter(school):
            OutboxMessage.objects.update(due_at=before)
    assert pauses[:9] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    (row,) = waiting(school)
    assert row.given_up_at is not None
    work()
    assert waiting(school)[0].attempts == outbox.ATTEMPTS


def test_what_is_due_longest_leaves_first_and_what_is_not_due_stays(school):
    now = timezone.now()
    with enter(school):
        for key, minutes in (("new", 1), ("old", 60), ("later", -60)):
            outbox.post(
                [outbox.Message(key=key, to="a@b.example", subject=key, body="")],
                school=school,
                at=now - dt.timedelta(minutes=minutes),
            )
    work()
    assert keys_sent() == ["old", "new"]


def test_what_a_message_says_is_never_changed(school):
    post(school, "a", about="room 4")
    for changed in (
        {"body": "Room 5."},
        {"to": "else@home.example"},
        {"about": "room 5"},
        {"before": {"room": "4"}},
        {"created_at": timezone.now()},
    ):
        with pytest.raises(DatabaseError, match="never changes"), enter(school):
            OutboxMessage.objects.update(**changed)


def test_what_has_left_is_not_superseded(school):
    post(school, "a", about="room 4")
    work()
    with enter(school):
        assert outbox.take_back(["room 4"], school=school, at=timezone.now()) == {}
    with pytest.raises(DatabaseError, match="has left"), enter(school):
        OutboxMessage.objects.update(superseded_at=timezone.now())


def test_what_is_taken_back_is_not_sent_and_says_what_was_last_told(school):
    post(school, "a", about="room 4", before={"room": "2"})
    post(school, "b", about="room 4", before={"room": "3", "time": "9"})
    post(school, "c", about="room 5")
    with enter(school):
        told = outbox.take_back(["room 4"], school=school, at=timezone.now())
        assert outbox.take_back(["room 4"], school=school, at=timezone.now()) == {}
    assert told == {("room 4", "parent@home.example"): {"room": "2", "time": "9"}}
    work()
    assert len(mail.outbox) == 1
    assert [row.superseded_at is not None for row in waiting(school)] == [True, True, False]


def test_of_two_about_the_same_the_second_waits_for_the_first(school, monkeypatch):
    monkeypatch.setattr(outbox, "_mail", lambda message: 1 / 0)
    post(school, "first", about="room 4")
    assert outbox.send_next(school)
    monkeypatch.undo()
    post(school, "second", about="room 4")
    post(school, "other", about="room 4", to="else@home.example", subject="Else")
    work()
    assert keys_sent() == ["Else"]
    with enter(school):
        OutboxMessage.objects.update(due_at=timezone.now())
    work()
    assert keys_sent() == ["Else", "A change", "A change"]
    first, second, _ = sorted(waiting(school), key=lambda row: row.id)
    assert first.sent_at < second.sent_at


def test_sigterm_ends_a_worker_also_while_it_pauses(school, monkeypatch):
    pauses = []

    def sleep(seconds):
        assert pauses == []
        pauses.append(seconds)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr("accounts.management.commands.work.PAUSE", 3600)
    call_command("work")
    assert len(pauses) == 1


# With transactions that end, connections of their own, and processes that are killed.


def test_two_workers_do_not_send_the_same_message(own_database, monkeypatch):
    school = make_school()
    post(school, "decision-1", about="room 4")
    sending, go_on = threading.Event(), threading.Event()
    deliver = outbox._mail

    def slowly(message):
        sending.set()
        assert go_on.wait(60)
        deliver(message)

    monkeypatch.setattr(outbox, "_mail", slowly)
    results = []

    def worker():
        try:
            results.append(outbox.send_next(school))
        finally:
            connection.close()

    first = threading.Thread(target=worker)
    first.start()
    assert sending.wait(60)
    assert outbox.send_next(school) is False  # passes by what the other one holds
    with enter(school):  # nor is it waited for by a decision, or taken back
        assert outbox.take_back(["room 4"], school=school, at=timezone.now()) == {}
    post(school, "decision-2", about="room 4")
    assert outbox.send_next(school) is False
    go_on.set()
    first.join(60)
    assert results == [True]
    assert outbox.send_next(school) is True
    assert outbox.send_next(school) is False
    assert len(mail.outbox) == 2


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mail and keeps it; while ``silent`` is set it does not answer at the end of one."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), MailSession)
        self.offered, self.received = [], []
        self.silent = False
        self.asked = threading.Event()


class MailSession(socketserver.StreamRequestHandler):
    server: MailServer

    def say(self, text):
        self.wfile.write(f"{text}\r\n".encode())

    def handle(self):
        self.say("220 here")
        while line := self.rfile.readline():
            command = line.strip().upper()
            if command.startswith((b"EHLO", b"HELO")) or not command.startswith((b"DATA", b"QUIT")):
                self.say("250 yes")
            elif command == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("354 go on")
                body = b""
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    body += line.replace(b"\r\n", b"\n")
                self.server.offered.append(body.decode())
                self.server.asked.set()
                if self.server.silent:
                    self.rfile.read()  # until the other side hangs up
                    return
                self.server.received.append(body.decode())
                self.say("250 taken")


@pytest.fixture
def mail_server():
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def start_worker(database, port, *arguments):
    """A worker of its own, as a real installation has it."""
    environment = {
        **os.environ,
        "DEBUG": "1",
        "DATABASE_URL": os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{database}",
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(port),
        "MAIL_FROM": "marks@school.example",
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "work", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_worker_killed_while_mailing_loses_nothing(own_database, mail_server):
    school = make_school()
    post(school, "decision-1")
    port = mail_server.server_address[1]
    mail_server.silent = True
    worker = start_worker(own_database, port)
    assert mail_server.asked.wait(90)
    worker.kill()
    worker.communicate()
    (row,) = waiting(school)
    assert (row.sent_at, row.attempts) == (None, 0)

    mail_server.silent = False
    for _ in range(2):
        _out, errors = start_worker(own_database, port, "--once").communicate(timeout=120)
        assert errors == ""
    assert len(mail_server.received) == 1
    # The server had the first copy before the worker died: it knows the second by its name.
    names = [re.findall("(?m)^Message-ID: (.*)$", each) for each in mail_server.offered]
    assert names == [[f"<{row.id}@school.example>"]] * 2
    assert waiting(school)[0].sent_at is not None


def test_two_workers_share_what_waits_and_send_each_message_once(own_database, mail_server):
    school = make_school()
    subjects = {f"Message {n}" for n in range(40)}
    for subject in subjects:
        post(school, subject, subject=subject)
    workers = [
        start_worker(own_database, mail_server.server_address[1], "--once") for _ in range(2)
    ]
    for worker in workers:
        assert worker.communicate(timeout=120)[1] == ""
    sent = [re.findall("(?m)^Subject: (.*)$", each)[0] for each in mail_server.received]
    assert sorted(sent) == sorted(subjects)
    assert {row.attempts for row in waiting(school)} == {1}


def test_sigterm_stops_a_worker_between_two_messages(own_database, mail_server):
    school = make_school()
    worker = start_worker(own_database, mail_server.server_address[1])
    post(school, "decision-1")
    assert mail_server.asked.wait(90)
    worker.send_signal(signal.SIGTERM)
    _out, errors = worker.communicate(timeout=120)
    assert (worker.returncode, errors) == (0, "")
    assert len(mail_server.received) == 1
    assert waiting(school)[0].sent_at is not None

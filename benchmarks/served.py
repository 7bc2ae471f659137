"""The site as in production: gunicorn with threads, DEBUG off, static files collected."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from django.conf import settings
from django.test import Client

from accounts.in_school import SCHOOL_IN_SESSION
from accounts.models import Membership

from . import memory

TOKEN = "c" * 32  # of forms, which is its own proof where the cookie says the same
ROOT = Path(__file__).resolve().parent.parent


class NotServed(Exception):
    """The site does not answer as it should."""


@contextlib.contextmanager
def site(peaks: memory.Peaks) -> Iterator[tuple[str, int]]:
    """Serve on a port of the loopback that is free; yield host and port. In the end note what
    memory the server needed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gunicorn",
                "schoolmarks.wsgi",
                "--worker-class=gthread",
                "--threads=8",
                "--log-level=warning",
                f"--bind=fd://{listener.fileno()}",
            ],
            cwd=ROOT,
            env=dict(os.environ),
            pass_fds=[listener.fileno()],
        )
        try:
            _wait(process, port)
            yield "127.0.0.1", port
            peaks.note("the server", memory.peak_of_children(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise NotServed("gunicorn does not answer.")


def sign_in(member: Membership) -> str:
    """Make a session for a person, at work in their school; return the value of its cookie."""
    return browser(member).cookies["sessionid"].value


def browser(member: Membership) -> Client:
    """Return a signed-in browser without JavaScript, in this process."""
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(member.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    session = client.session
    session[SCHOOL_IN_SESSION] = str(member.school_id)
    session.save()
    return client


class Visitor:
    """Somebody who asks for pages over one connection, as a browser does."""

    def __init__(self, host: str, port: int, session: str = "", school: object = "") -> None:
        self.connection = http.client.HTTPConnection(host, port, timeout=120)
        cookies = {settings.SESSION_COOKIE_NAME: session, settings.CSRF_COOKIE_NAME: TOKEN}
        said = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self.headers = {"Cookie": said} if session else {}
        self.sending = {
            "Content-Type": "application/x-www-form-urlencoded",
            "HX-Request": "true",
            "X-CSRFToken": TOKEN,
            "X-School": str(school),
        }

    def get(self, path: str) -> bytes:
        """Return a page. Raises NotServed when the answer is no 200."""
        return self._ask("GET", path)

    def post(self, path: str, data: dict[str, str]) -> bytes:
        """Send what a page sends by itself, and return the answer. May be sent twice: the data
        must say that it is the same. Raises NotServed when the answer is no 200."""
        return self._ask("POST", path, urlencode(data), self.sending)

    def _ask(
        self, method: str, path: str, body: str | None = None, sending: dict[str, str] | None = None
    ) -> bytes:
        headers = self.headers | (sending or {})
        for attempt in (1, 2):  # a connection that was idle may have been closed
            try:
                self.connection.request(method, path, body, headers)
                response = self.connection.getresponse()
                break
            except (http.client.HTTPException, OSError):
                self.connection.close()
                if attempt == 2:
                    raise
        answer = response.read()
        if response.status != 200:
            raise NotServed(f"{path} answered {response.status}.")
        return answer

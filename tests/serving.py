"""The site in a process of its own, to be killed and started again."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent


class Server:
    """gunicorn on the database of one test. Ends with the block. ``log`` takes what it says."""

    def __init__(self, database: str, *, log: Path | None = None) -> None:
        self.log = log
        # Bound and not listening, it keeps the port from everybody but who allows it as this does.
        self.kept = socket.socket()
        self.kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.kept.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.kept.getsockname()[1]}"
        self.url = f"http://{self.address}"
        self.environment = dict(os.environ)
        for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
            if name in self.environment:
                parts = urlsplit(self.environment[name])
                self.environment[name] = urlunsplit(parts._replace(path=f"/{database}"))

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        self.kept.close()

    def start(self) -> None:
        """Start the server, and return when it answers."""
        command = ["-m", "gunicorn", "schoolmarks.wsgi", "--worker-class=gthread", "--threads=4"]
        with self.log.open("ab") if self.log else contextlib.nullcontext() as log:
            self.process = subprocess.Popen(
                [sys.executable, *command, "--log-level=error", f"--bind={self.address}"],
                cwd=ROOT,
                env=self.environment,
                stderr=log,
                process_group=0,
            )
        for _ in range(1200):
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"{self.url}/healthz", timeout=60) as answer,  # noqa: S310
            ):
                if answer.status == 200:
                    return
            time.sleep(0.1)
        raise AssertionError("gunicorn does not answer")

    def kill(self) -> None:
        """Kill the server with its workers, as a power cut does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()

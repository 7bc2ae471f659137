"""Make or bring up to date the virtual environment .venv; at once when nothing has changed.

Runs before anything is installed: standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "requirements-dev.txt"
STAMP = VENV / "requirements.sha256"  # of what was installed completely
LOG = VENV / "install.log"


class NoEnvironment(Exception):
    """Says in one sentence what happened and what to do."""


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one is told so
        version = ".".join(map(str, sys.version_info[:2]))
        print(
            f"This is Python {version} and schoolmarks needs 3.11 or newer: install one, or name "
            "it: make PYTHON=/path/to/python3.11 ...",
            file=sys.stderr,
        )
        return 1
    try:
        update()
    except NoEnvironment as error:
        print(error, file=sys.stderr)
        return 1
    except PermissionError as error:
        print(
            f"{error.filename} cannot be written by this user: run this as the user who made it, "
            "or remove the folder .venv.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def update() -> None:
    """Install what is not installed yet."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if installed(wanted):
        return
    VENV.mkdir(exist_ok=True)
    with (VENV / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two commands at once the second finds it done
        if installed(wanted):
            return
        print("Installing what schoolmarks needs into .venv (about a minute) ...", flush=True)
        if not (PYTHON.exists() and (VENV / "bin" / "pip").exists()):
            if not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
                raise NoEnvironment(
                    f"{sys.executable} cannot make virtual environments because its module "
                    "ensurepip is missing: install it (Debian and Ubuntu: apt-get install "
                    "python3-venv) and run this again."
                )
            run([sys.executable, "-m", "venv", str(VENV)])
        run([str(PYTHON), "-m", "pip", "install", "--require-hashes", "-r", str(REQUIREMENTS)])
        STAMP.write_text(wanted)


def installed(wanted: str) -> bool:
    return PYTHON.exists() and STAMP.is_file() and STAMP.read_text() == wanted


def run(command: list[str]) -> None:
    environ = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    with LOG.open("wb") as log:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, check=False
        )
    if done.returncode:
        raise NoEnvironment(explain(LOG.read_text(errors="replace")))


def explain(output: str) -> str:
    """Return one sentence for what pip or venv complained about."""
    where = f"the whole output is in {LOG.relative_to(ROOT)}"
    no_compiler = (
        "unable to execute",
        "No such file or directory: 'gcc'",
        "C compiler",
        "linker `",
    )
    if any(sign in output for sign in no_compiler):
        return (
            "A package has no ready-made build for this machine and there is no C compiler to make "
            "one: use Python 3.11 to 3.14 on Linux (glibc) or macOS, or install a compiler (Debian "
            f"and Ubuntu: apt-get install build-essential python3-dev); {where}."
        )
    errors = [line for line in output.splitlines() if line.lstrip().lower().startswith("error")]
    last = (errors or output.strip().splitlines() or ["no reason was given"])[-1].strip()
    return f"Installing the packages failed ({last}): {where}."


if __name__ == "__main__":
    sys.exit(main())

"""The environment of the libraries that the ledger is compared with: .bench/venv."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".bench" / "venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "benchmarks" / "requirements.txt"
STAMP = VENV / "requirements.sha256"  # of what was installed completely


class NoEnvironment(Exception):
    """Says in one sentence what happened and what to do."""


def is_there() -> bool:
    """Return whether the environment holds what is wanted."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    return PYTHON.exists() and STAMP.is_file() and STAMP.read_text() == wanted


def update() -> None:
    """Make the environment, or bring it up to date."""
    if is_there():
        return
    print("Installing what is compared with into .bench/venv ...", file=sys.stderr, flush=True)
    environ = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(REQUIREMENTS)]
    for command in ([sys.executable, "-m", "venv", str(VENV)], [str(PYTHON), *install]):
        if subprocess.run(command, env=environ, check=False).returncode:
            raise NoEnvironment("Installing failed, for the reason above.")
    STAMP.write_text(hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest())

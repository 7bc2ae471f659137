"""Imports point down: benchmarks -> schoolmarks -> grading -> students -> changes -> accounts."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP_DOWN = ["benchmarks", "schoolmarks", "grading", "students", "changes", "accounts"]
# The default of every primary key, which makemigrations writes into the migration.
IN_MIGRATIONS = {"accounts.ids"}


def imports(source: str) -> list[tuple[int, str]]:
    """Return line and name of every absolute import, also of those inside functions.

    A relative one stays inside its app.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.append((node.lineno, node.module))
    return sorted(found)


def complaints(path: str, source: str) -> list[str]:
    """Return a sentence for each import of the file that does not point down."""
    importer = path.split("/")[0]
    found = []
    for line, name in imports(source):
        app = name.split(".")[0]
        if app not in TOP_DOWN:
            continue
        if "/migrations/" in path:
            if name not in IN_MIGRATIONS:
                found.append(f"{path}:{line}: a migration imports {name}, which changes")
        elif app == "schoolmarks" and importer not in {"schoolmarks", "benchmarks"}:
            found.append(f"{path}:{line}: {importer} imports {name}: use django.conf.settings")
        elif TOP_DOWN.index(app) < TOP_DOWN.index(importer):
            found.append(f"{path}:{line}: {importer} imports {name}, which lies above it")
    return found


def test_imports_point_down():
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.py"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    paths = [p for p in sorted(set(listing)) if p.split("/")[0] in TOP_DOWN and (ROOT / p).exists()]
    assert {path.split("/")[0] for path in paths} == set(TOP_DOWN)
    found = [line for path in paths for line in complaints(path, (ROOT / path).read_text())]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        (
            "changes/propose.py",
            "def f():\n    from grading.models import Section\n",
            "changes/propose.py:2: changes imports grading.models, which lies above it",
        ),
        (
            "accounts/views.py",
            "import os, students\n",
            "accounts/views.py:1: accounts imports students, which lies above it",
        ),
        (
            "grading/views.py",
            "from schoolmarks import settings\n",
            "grading/views.py:1: grading imports schoolmarks: use django.conf.settings",
        ),
        (
            "schoolmarks/urls.py",
            "from benchmarks import school\n",
            "schoolmarks/urls.py:1: schoolmarks imports benchmarks, which lies above it",
        ),
        (
            "changes/migrations/0001_x.py",
            "from changes.models import Change\n",
            "changes/migrations/0001_x.py:1: a migration imports changes.models, which changes",
        ),
    ],
)
def test_an_import_that_points_up_is_found(path, source, complaint):
    assert complaints(path, source) == [complaint]


def test_an_import_that_points_down_is_not():
    assert complaints("grading/views.py", "from changes.propose import propose\n") == []

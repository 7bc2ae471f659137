"""No file of the repository names a package index or a path of the machine it was written on.

A lock or a listing made by a tool easily carries the index it was made with; whoever clones would
then install from there, or fail to.
"""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each with a letter in brackets where it would else match itself.
FORBIDDEN = {
    "an option that names a package index": "[i]ndex[-_]url",
    "an option that names a folder of packages": "[f]ind[-_]links",
    "the host of a package index": r"\b(?:pypi|pythonhosted|registry\.npmjs|yarnpkg)\.(?:org|com)",
    "where a package was downloaded from": r'"[r]esolved"\s*:',
    "a file on somebody's disk": "[f]ile:///",
    "a path of somebody's machine": r"(?<![\w.~-])/(?:work|root|home/[a-z]+|Users)/\w",
}
FORBIDDEN_NAMES = re.compile(r"(?:^|/)(?:uv\.lock|pylock[^/]*\.toml|pip\.conf|\.npmrc|\.pypirc)$")


def complaints(path: str, text: str) -> list[str]:
    """Return a sentence for each line of the file that must not be in a repository."""
    found = [f"{path}: a lock that names a package index"] if FORBIDDEN_NAMES.search(path) else []
    for number, line in enumerate(text.splitlines(), start=1):
        found += [
            f"{path}:{number}: {what}"
            for what, pattern in FORBIDDEN.items()
            if re.search(pattern, line, re.IGNORECASE)
        ]
    return found


def test_no_file_names_a_package_index_or_a_path_of_one_machine():
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    found = []
    for path in filter(None, listing.split("\0")):
        file = ROOT / path
        if file.is_file() and not file.is_symlink() and b"\0" not in file.read_bytes()[:8000]:
            found += complaints(path, file.read_text(errors="replace"))
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    "line",
    [
        "--extra-index" + "-url https://example.org/simple",
        "find" + "-links = wheels",
        "https://files.python" + "hosted.org/packages/x.whl",
        '  "reso' + 'lved": "https://example.org/x.tgz",',
        "@ file:" + "///opt/wheels/x.whl",
        "RUN = '/wo" + "rk/main/.venv/bin/python'",
        "see /ro" + "ot/schoolmarks",
    ],
)
def test_such_a_line_is_found(line):
    assert complaints("README.md", line)


def test_such_a_file_is_found():
    assert complaints("tools/uv" + ".lock", "")


def test_addresses_of_a_site_and_of_the_system_are_not():
    assert complaints("x.py", "https://docs.djangoproject.com/ /var/lib/x /tmp PORT=8000") == []

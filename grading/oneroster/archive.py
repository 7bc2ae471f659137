"""Opening a delivery: a folder or a zip, nothing of which is ever written to disk.

A zip is a stranger's file. What it would unpack to is added up from its directory and capped before
the first byte is unpacked; `zipfile` itself stops at the size that the directory promised, so a
directory that lies is caught by the checksum. Names in a zip are compared, never used as paths.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NoReturn, cast

from grading.oneroster.problems import FILES_IN_ORDER, Problems

MAX_BYTES = 256 * 1024 * 1024
"""Unpacked size of all files together; 100,000 pupils with six marks each need a quarter of it."""

NO_ZIP = (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error)
"""What opening a zip raises when it is none, or of a kind that nobody sends."""

DAMAGED = (*NO_ZIP, zlib.error, EOFError, OSError)
"""What reading a file of a delivery raises when its bytes are not what the directory promised."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An open delivery.

    name: as people know it. files: names of its CSV files. open: gives the bytes of one of them.
    """

    name: str
    files: frozenset[str]
    open: Callable[[str], BinaryIO]


@contextmanager
def open_delivery(
    path: Path, problems: Problems, file: BinaryIO | None = None
) -> Iterator[Delivery]:
    """Open the folder or zip at `path`, or the zip `file`, which `path` only names. Raises
    BadRoster when that is impossible or unwise."""
    with ExitStack() as stack:
        try:
            if file is not None:
                archive = stack.enter_context(zipfile.ZipFile(file))
                delivery = _zip(path.name, archive, problems)
            elif path.is_dir():
                delivery = _folder(path, problems)
            elif path.is_file():
                archive = stack.enter_context(zipfile.ZipFile(path))
                delivery = _zip(path.name, archive, problems)
            else:
                _refuse(problems, path.name, "there is no such folder or zip file")
        except NO_ZIP:
            _refuse(problems, path.name, "this is neither a folder nor a sound zip file")
        except OSError as error:
            _refuse(problems, path.name, "it cannot be read: {}", error.strerror or "unknown error")
        yield delivery


def _folder(path: Path, problems: Problems) -> Delivery:
    sizes: dict[str, int] = {}
    for name in FILES_IN_ORDER:
        file = path / name
        if not file.exists():
            continue
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe or a device would never end
            _refuse(problems, name, "this is not an ordinary file")
        sizes[name] = found.st_size
    _cap(path.name, sum(sizes.values()), problems)
    names = frozenset(sizes) | {entry.name for entry in path.glob("*.csv")}
    return Delivery(path.name, names, lambda name: (path / name).open("rb"))


def _zip(zip_name: str, archive: zipfile.ZipFile, problems: Problems) -> Delivery:
    """Files may stand at the top or, as some systems pack them, together in one folder."""
    entries: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for entry in archive.infolist():
        inside = PurePosixPath(entry.filename.replace("\\", "/"))
        if entry.filename.endswith("/") or inside.suffix != ".csv":
            continue
        if inside.parts[0] == "__MACOSX":
            continue
        if entry.flag_bits & 0x1:
            _refuse(problems, zip_name, "the zip is protected by a password; send it without one")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            _refuse(problems, zip_name, "the zip is packed in an unusual way; pack it as plain zip")
        if inside.name in entries:
            _refuse(problems, zip_name, "the zip holds {} more than once", inside.name)
        entries[inside.name] = entry
        folders.add(inside.parent)
    if len(folders) > 1:
        _refuse(problems, zip_name, "the files are spread over several folders of the zip")
    _cap(zip_name, sum(e.file_size for n, e in entries.items() if n in FILES_IN_ORDER), problems)
    return Delivery(
        zip_name, frozenset(entries), lambda name: cast(BinaryIO, archive.open(entries[name]))
    )


def _cap(name: str, size: int, problems: Problems) -> None:
    if size > MAX_BYTES:
        _refuse(
            problems,
            name,
            "unpacked it would be {} MB, more than the {} MB that are read",
            size // 1024**2,
            MAX_BYTES // 1024**2,
        )


def _refuse(problems: Problems, name: str, sentence: str, *values: str | int) -> NoReturn:
    problems.add(name, 0, "", sentence, *values)
    problems.refuse()

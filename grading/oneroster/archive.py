"""Opening a delivery: a folder or a zip, nothing of which is ever written to disk.

A zip is a stranger's file. Its directory is capped before it is read; what it would unpack to is
added up from there and capped before the first byte is unpacked; `zipfile` itself stops at the size
that the directory promised, so a directory that lies is caught by the checksum. Names in a zip are
compared, never used as paths.
"""

import io
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

MAX_DIRECTORY = 1024 * 1024
"""Bytes of a zip's directory: some 10,000 files, of which a delivery has twelve. `zipfile` makes an
object of each before anybody can look, 300 MB of them of a directory of 31 MB."""

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
    uploaded = file is not None
    with ExitStack() as stack:
        try:
            if file is None and path.is_file():
                file = stack.enter_context(path.open("rb"))
            if file is not None:
                if _directory_size(file) > MAX_DIRECTORY:
                    _refuse(problems, path.name, "the zip holds thousands of other files")
                archive = stack.enter_context(zipfile.ZipFile(file))
                delivery = _zip(path.name, archive, problems)
            elif path.is_dir():
                delivery = _folder(path, problems)
            else:
                _refuse(problems, path.name, "there is no such folder or zip file")
        except NO_ZIP:
            if uploaded:
                _refuse(problems, path.name, "this zip file is damaged")
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


def _directory_size(file: BinaryIO) -> int:
    """Return how large a zip says that its directory is, 0 if it says nothing. Looked for where
    `zipfile` looks. Source of the layout: PKWARE's APPNOTE.TXT, 4.3.14 to 4.3.16."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 22 - 0xFFFF - 76))  # the longest comment; both records of zip64
    tail = file.read()
    file.seek(0)
    end = len(tail) - 22
    if end < 0 or not (tail[end:].startswith(b"PK\5\6") and tail.endswith(b"\0\0")):
        end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        return 0
    locator = tail[max(0, end - 20) : end]
    if locator.startswith(b"PK\6\7"):
        # Right before the locator, or where that points: by Python's version the one or the other.
        file.seek(min(size, int.from_bytes(locator[8:16], "little")))
        records = tail[max(0, end - 76) : end], file.read(56)
        file.seek(0)
        # Without its signature it is no record, and the size in 32 bits counts.
        if sizes := [each[40:48] for each in records if each.startswith(b"PK\6\6")]:
            return max(int.from_bytes(each, "little") for each in sizes)
    return int.from_bytes(tail[end + 12 : end + 16], "little")


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

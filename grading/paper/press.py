"""Printing: a layout and the data of one pupil make a tagged PDF.

The data reaches the layout as JSON and never becomes part of its source, so that whatever
somebody typed prints as they typed it. The fonts are those of the machine (the layouts ask for
DejaVu Sans) and, where one lacks a character, any other that has it.

A character that no font has would be an empty box. It is printed as U+FFFD (a question mark in a
black diamond) instead, and ``Paper.unprintable`` names it, so that who prints can be told.
"""

import dataclasses
import datetime as dt
import functools
import json
import re
import tempfile
import threading
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import typst

LAYOUTS = Path(__file__).parent
STANDARDS: "list[typst.PDFStandard]" = ["ua-1", "a-2a"]
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
BLANKS = str.maketrans(
    {
        "\t": " ",
        **dict.fromkeys("\x1c\x1d\x1e\x1f", " "),
        **dict.fromkeys("\v\f\r\x85\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}", "\n"),
    }
)
"""White space that fonts have no glyph for."""

RARE = {
    "long-words": re.compile(r"\S{28}"),
    "letters-from-right": re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]"),
}
"""Texts for which a layout has rules that it does without elsewhere."""


class NotPrinted(Exception):
    """The layout could not be printed with this data. The message is the printer's own."""


@dataclasses.dataclass(frozen=True)
class Paper:
    """A printed PDF. ``unprintable``: the characters that no font has, each once."""

    pdf: bytes
    unprintable: str = ""


class Press:
    """Prints layouts; a context manager. One press may be used by several threads at once.

    ``files`` are what layouts show besides text, by name: ``{"logo.png": bytes}``.
    """

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        self._files = dict(files or {})
        self._of_thread = threading.local()

    def __enter__(self) -> Self:
        # A layout reads nothing outside of this folder.
        self._folder = tempfile.TemporaryDirectory(prefix="schoolmarks-press-")
        for layout in LAYOUTS.glob("*.typ"):
            Path(self._folder.name, layout.name).write_bytes(layout.read_bytes())
        for name, content in self._files.items():
            Path(self._folder.name, name).write_bytes(content)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def print(self, layout: str, data: Mapping[str, Any], *, at: dt.datetime) -> Paper:
        """Print ``layout`` ("report_card") with ``data``, which JSON can say.

        ``at`` is the instant that the file says it was made at: the same data, instant and fonts
        make the same bytes.

        Raises:
            NotPrinted: for another reason than a character that no font has.
        """
        data = _replaced(data, BLANKS)
        try:
            return Paper(self._compile(layout, data, at))
        except typst.TypstError as error:
            missing = "".join(each for each in _characters(data) if not _has_glyph(each))
            if not missing:
                raise NotPrinted(error.message) from error
        readable = _replaced(data, dict.fromkeys(map(ord, missing), REPLACEMENT))
        try:
            return Paper(self._compile(layout, readable, at), missing)
        except typst.TypstError as error:
            raise NotPrinted(error.message) from error

    def _compile(self, layout: str, data: Mapping[str, Any], at: dt.datetime) -> bytes:
        compiler = getattr(self._of_thread, "compiler", None)
        if compiler is None:
            compiler = typst.Compiler(root=self._folder.name, font_paths=_fonts())
            self._of_thread.compiler = compiler
        pdf = compiler.compile(
            input=str(Path(self._folder.name, f"{layout}.typ")),
            format="pdf",
            sys_inputs={"data": json.dumps(data), **_rare(data)},
            pdf_standards=STANDARDS,
            timestamp=int(at.timestamp()),
        )
        assert isinstance(pdf, bytes)  # noqa: S101 - without ``output`` it returns them
        return pdf


@functools.cache
def _fonts() -> typst.Fonts:
    """The machine's fonts, looked for once in a process."""
    return typst.Fonts()


@functools.lru_cache(maxsize=10_000)
def _has_glyph(character: str) -> bool:
    """Return whether some font shows a character."""
    try:
        typst.compile(
            b'#set document(title: "x")\n#set text(font: "DejaVu Sans")\n#sys.inputs.text',
            font_paths=_fonts(),
            sys_inputs={"text": character},
            pdf_standards=STANDARDS,
        )
    except typst.TypstError:
        return False
    return True


def _rare(data: Any) -> dict[str, str]:
    """Return what of rare texts is in the data, by the names that house.typ has for it."""
    return {name: "" for name, some in RARE.items() if any(map(some.search, _texts(data)))}


def _characters(data: Any) -> list[str]:
    """Return every character in the data that is not ASCII's, or is one of its controls, once."""
    found = dict.fromkeys(each for text in _texts(data) for each in text)
    return [each for each in found if not (" " <= each <= "~" or each == "\n")]


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for each in data.values():
            yield from _texts(each)
    elif isinstance(data, list | tuple):
        for each in data:
            yield from _texts(each)


def _replaced(data: Any, table: Mapping[int, str]) -> Any:
    """Return the data with characters of its texts replaced."""
    if isinstance(data, str):
        return data.translate(table)
    if isinstance(data, Mapping):
        return {key: _replaced(each, table) for key, each in data.items()}
    if isinstance(data, list | tuple):
        return [_replaced(each, table) for each in data]
    return data

"""Binding: many printed files become one, tags and all.

Each file's tags hang below their own element in the tags of the whole; what they are found by
(the numbers of the pages' content, the names of table headers) is told apart from the others'.
"""

import io
from collections.abc import Iterable
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, String


def bind(papers: Iterable[tuple[str, bytes]], *, title: str, language: str = "en") -> bytes:
    """Return one tagged PDF (PDF/UA-1) of all of these, each with its name among the bookmarks.

    The papers are those of the press, some fifty kilobytes each, and all of them are in memory
    until the whole is written: bind the pupils of a class, or a hundred, not thousands.
    """
    sources = []  # a page is read from its source only when the whole is written
    with pikepdf.new() as whole:
        tags = _Tags(whole)
        marks = []
        for name, pdf in papers:
            source = pikepdf.open(io.BytesIO(pdf))
            sources.append(source)
            first = len(whole.pages)
            whole.pages.extend(source.pages)
            tags.add(source, [page.obj for page in list(whole.pages)[first:]])
            marks.append(pikepdf.OutlineItem(name, first, "Fit"))
        whole.Root.StructTreeRoot = tags.root()
        whole.Root.Lang = String(language)
        whole.Root.MarkInfo = Dictionary(Marked=True)
        whole.Root.ViewerPreferences = Dictionary(DisplayDocTitle=True)
        with whole.open_outline() as outline:
            outline.root.extend(marks)
        with whole.open_metadata(set_pikepdf_as_editor=False) as metadata:
            metadata["dc:title"] = title
            metadata["dc:language"] = {language}
            metadata[f"{{{PDF_UA}}}part"] = "1"
        written = io.BytesIO()
        whole.save(written, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return written.getvalue()


PDF_UA = "http://www.aiim.org/pdfua/ns/id/"


class _Tags:
    """The tags of a whole: of each file its topmost elements, and where pages find them."""

    def __init__(self, whole: pikepdf.Pdf) -> None:
        self._whole = whole
        self._root = whole.make_indirect(Dictionary(Type=Name.StructTreeRoot))
        self._tops: list[Any] = []
        self._by_number: list[Any] = []
        self._by_id: dict[bytes, Any] = {}
        self._roles: dict[str, Any] = {}
        self._next_number = 0
        self._files = 0

    def add(self, source: pikepdf.Pdf, pages: list[Any]) -> None:
        """Take over the tags of a file whose pages stand in the whole by now."""
        its = self._whole.copy_foreign(source.Root.StructTreeRoot)
        for top in list(its.K):
            top.P = self._root
            self._tops.append(top)
            self._tell_apart(top)
        self._roles |= dict(its.get(Name.RoleMap, Dictionary()).items())
        entries = list(its.ParentTree.Nums)
        for number, element in zip(entries[::2], entries[1::2], strict=True):
            self._by_number += [int(number) + self._next_number, element]
        for page in pages:
            if Name.StructParents in page:
                page.StructParents = int(page.StructParents) + self._next_number
        self._next_number += int(its.ParentTreeNextKey)
        self._files += 1

    def root(self) -> Any:
        """Return the root of the tags. Call when every file is added."""
        names = [each for key in sorted(self._by_id) for each in (key, self._by_id[key])]
        self._root.K = Array(self._tops)
        self._root.ParentTree = Dictionary(Nums=Array(self._by_number))
        self._root.ParentTreeNextKey = self._next_number
        self._root.RoleMap = Dictionary(self._roles)
        if names:
            self._root.IDTree = Dictionary(Names=Array(names))
        return self._root

    def _tell_apart(self, element: Any) -> None:
        """Rename what this element and those below it are called by table cells."""
        if not isinstance(element, Dictionary) or Name.S not in element:
            return
        if Name.ID in element:
            element.ID = String(self._renamed(element.ID))
            self._by_id[bytes(element.ID)] = element
        attributes = element.get(Name.A, Array())
        for each in attributes if isinstance(attributes, Array) else [attributes]:
            if isinstance(each, Dictionary) and Name.Headers in each:
                each.Headers = Array([String(self._renamed(name)) for name in each.Headers])
        below = element.get(Name.K, Array())
        for each in below if isinstance(below, Array) else [below]:
            self._tell_apart(each)

    def _renamed(self, name: Any) -> str:
        return f"{self._files}-{name}"

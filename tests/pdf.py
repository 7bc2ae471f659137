"""Reading PDFs as tests do: their text, and what is wrong with them as PDF/UA.

Of PDF/UA-1 (ISO 14289-1) a validator says all that a machine can; beside it stands what of that
matters most for what our press makes, by the numbers of the Matterhorn Protocol, in the open.
"""

import io
from collections.abc import Iterator
from typing import Any

import pikepdf
import pypdfium2
from page import validate_pdf_bytes
from pikepdf import Array, Dictionary, Name

SHOWS = {"Tj", "TJ", "'", '"', "f", "f*", "F", "S", "s", "B", "B*", "b", "b*", "Do", "sh", "EI"}
TYPES = """
    Document Part Art Sect Div BlockQuote Caption TOC TOCI Index NonStruct Private P H H1 H2
    H3 H4 H5 H6 L LI Lbl LBody Table TR TH TD THead TBody TFoot Span Quote Note Reference
    BibEntry Code Link Annot Ruby Warichu Figure Formula Form
"""
STANDARD_TYPES = frozenset(TYPES.split())


def text_of(pdf: bytes) -> str:
    """Return the text of a PDF, page after page, with any white space as one space."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        found = [page.get_textpage().get_text_range() for page in document]
    finally:
        document.close()
    return " ".join(" ".join(found).split())


def elements(pdf: pikepdf.Pdf) -> Iterator[Any]:
    """Return every element of the tags, in the order in which they are read out."""

    def below(element: Any) -> Iterator[Any]:
        if isinstance(element, Dictionary) and Name.S in element:
            yield element
            for child in _listed(element.get(Name.K)):
                yield from below(child)

    for top in _listed(pdf.Root.StructTreeRoot.K):
        yield from below(top)


def types_of(pdf: bytes) -> list[str]:
    """Return the types of the elements of the tags: "H1", "Table" ..."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        return [str(element.S)[1:] for element in elements(document)]


def complaints(pdf: bytes) -> list[str]:
    """Return what is wrong with a PDF that says that it is PDF/UA-1: in the validator's words, and
    in ours."""
    report = validate_pdf_bytes(pdf, profile="ua1")
    of_validator = [f"{failure.rule_id}: {failure.message}" for failure in report.failures]
    with pikepdf.open(io.BytesIO(pdf)) as document:
        return [*of_validator, *_of_document(document), *_of_tags(document), *_of_pages(document)]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, Array) else [value]


def _entries(tree: Any, of: Name) -> Iterator[tuple[Any, Any]]:
    """Return what a tree of names or of numbers holds (ISO 32000-1, 7.9.6 and 7.9.7)."""
    if tree is None:
        return
    for kid in tree.get(Name.Kids, []):
        entries = list(_entries(kid, of))
        assert [entries[0][0], entries[-1][0]] == list(kid.Limits), "a reader would not find them"
        yield from entries
    listed = _listed(tree.get(of))
    yield from zip(listed[::2], listed[1::2], strict=True)


def _of_document(pdf: pikepdf.Pdf) -> Iterator[str]:
    root: Any = pdf.Root
    with pdf.open_metadata() as metadata:
        if metadata.get("{http://www.aiim.org/pdfua/ns/id/}part") != "1":
            yield "06-002: the metadata do not say PDF/UA-1"
        if not metadata.get("dc:title"):
            yield "06-003: no title"
    if not root.get(Name.ViewerPreferences, Dictionary()).get("/DisplayDocTitle"):
        yield "07-001: the window would not show the title"
    marked = root.get(Name.MarkInfo, Dictionary())
    if not marked.get("/Marked") or marked.get("/Suspects", False):
        yield "01-006: not marked as tagged"
    if not str(root.get(Name.Lang, "")):
        yield "11-006: no language"


def _of_tags(pdf: pikepdf.Pdf) -> Iterator[str]:
    root: Any = pdf.Root.StructTreeRoot
    roles = {str(role): str(to) for role, to in root.get(Name.RoleMap, Dictionary()).items()}
    names = list(_entries(root.get(Name.IDTree), Name.Names))
    named = {str(key): element for key, element in names}
    if [str(key) for key, _ in names] != sorted(named):
        yield "the names of elements are not in order, or one is there twice"
    level = 0
    for element in elements(pdf):
        kind = str(element.S)
        kind = roles.get(kind, kind)[1:]
        if kind not in STANDARD_TYPES:
            yield f"02-001: {kind} is no type of element"
        if kind == "Document":
            level = 0
        if kind[:1] == "H" and kind[1:].isdigit():
            if int(kind[1:]) > level + 1:
                yield f"14-003: {kind} follows a heading of level {level}"
            level = int(kind[1:])
        if kind == "Figure" and not str(element.get(Name.Alt, "")):
            yield "13-004: a picture without words"
        attributes = [each for each in _listed(element.get(Name.A)) if isinstance(each, Dictionary)]
        if kind == "TR" and any(str(c.S) not in ("/TH", "/TD") for c in _listed(element.K)):
            yield "09-004: something else than cells in a row"
        if kind == "TH" and not any(Name.Scope in each for each in attributes):
            yield "15-003: a header of which nobody knows what it heads"
        for each in attributes:
            for name in each.get(Name.Headers, []):
                if str(name) not in named or str(named[str(name)].S) != "/TH":
                    yield f"15-003: {name} is no header"


def _holds(element: Any, mcid: int, page: Any) -> bool:
    """Return whether an element of the tags is that of a content of a page."""
    for each in _listed(element.K):
        if isinstance(each, Dictionary):
            if each.get(Name.MCID) == mcid and each.get(Name.Pg, element.get(Name.Pg)) == page:
                return True
        elif each == mcid and element.get(Name.Pg) == page:
            return True
    return False


def _of_pages(pdf: pikepdf.Pdf) -> Iterator[str]:
    entries = _entries(pdf.Root.StructTreeRoot.ParentTree, Name.Nums)
    parents = {int(key): value for key, value in entries}
    for number, page in enumerate(pdf.pages, start=1):
        found = parents.get(int(page.obj.get(Name.StructParents, -1)))
        if found is None:
            yield f"page {number} is not found among the tags"
            continue
        open_marks: list[bool] = []
        instructions: list[Any] = list(pikepdf.parse_content_stream(page))
        for operands, operator in instructions:
            name = str(operator)
            if name in ("BDC", "BMC"):
                mcid = operands[1].get("/MCID") if name == "BDC" and len(operands) > 1 else None
                open_marks.append(mcid is not None or str(operands[0]) == "/Artifact")
                if mcid is not None and int(mcid) >= len(found):
                    yield f"01-005: content {mcid} of page {number} is not tagged"
                elif mcid is not None and not _holds(found[int(mcid)], int(mcid), page.obj):
                    yield f"01-005: the tags do not know content {mcid} of page {number}"
            elif name == "EMC":
                open_marks.pop()
            elif name in SHOWS and not any(open_marks):
                yield f"01-004: {name} on page {number} is neither tagged nor an artifact"
        for font in page.Resources.get(Name.Font, {}).values():
            if Name.ToUnicode not in font:
                yield f"10-001: a font of page {number} does not say what its glyphs mean"
            for each in font.get(Name.DescendantFonts, []):
                if not {"/FontFile2", "/FontFile3"} & set(each.FontDescriptor.keys()):
                    yield f"31-009: a font of page {number} is not embedded"

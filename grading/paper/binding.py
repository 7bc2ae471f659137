"""Binding: many printed files become one, tags and all, piece by piece.

The whole is written while the papers come in, and of each no more is kept than where its parts
stand: a thousand take no more memory than ten. Each paper's tags hang below the root of the tags of
the whole; what they are found by (the numbers of the pages' content, the names of table headers) is
told apart from the others'. What several papers carry alike, as a logo, is written once.

PDF 1.7 (ISO 32000-1): object streams 7.5.7, cross-reference streams 7.5.8, tags 14.7.
"""

import dataclasses
import hashlib
import io
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape

import pikepdf
from pikepdf import Dictionary, Name, Stream, String

CATALOG, PAGES, TAGS, BOOKMARKS, METADATA, FIRST_FREE = range(1, 7)
"""The numbers of the objects that the whole has once."""

TOKEN = re.compile(
    rb"/(?P<key>ID|Headers) (?P<names>\[[^\]]*\]|\((?:[^()\\]|\\.)*\)|<[0-9a-f]*>)"
    rb"|/(?P<parents>StructParents?) (?P<number>\d+)"
    rb"|\((?:[^()\\]|\\.)*\)"
    rb"|(?P<reference>\d+) 0 R",
    re.DOTALL,
)
"""In an object as qpdf writes it: what the whole says otherwise, and texts, which it does not."""

XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>
<pdfuaid:part>1</pdfuaid:part>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def bind(
    papers: Iterable[tuple[str, bytes]], *, title: str, language: str = "en"
) -> Iterator[bytes]:
    """Yield one tagged PDF (PDF/UA-1) of all of these papers of the press, each with its name among
    the bookmarks. One paper is read at a time, when it is written."""
    whole = _Whole()
    yield b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
    for name, pdf in papers:
        with pikepdf.open(io.BytesIO(pdf)) as source:
            _Paper(source, name, whole).write()
        yield whole.taken()
    whole.close(title, language)
    yield whole.taken()


@dataclasses.dataclass(frozen=True)
class _Bound:
    """What the whole keeps of a paper: numbers of objects, and its leaves of the trees by which
    tags are found."""

    name: str
    pages: int
    first_page: int
    count: int
    tops: list[int]
    by_number: int
    by_name: int | None


class _Whole:
    """The file that is written: where each of its objects stands, and what was not taken yet."""

    def __init__(self) -> None:
        self.next_page_number = 0
        self.papers: list[_Bound] = []
        self.roles: dict[str, str] = {}
        self._written = bytearray()
        self._taken = len(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        self._places = bytearray(7 * FIRST_FREE)
        self._alike: dict[bytes, int] = {}

    def taken(self) -> bytes:
        """Return what was written since this was last asked."""
        taken = bytes(self._written)
        self._taken += len(taken)
        self._written.clear()
        return taken

    def number(self) -> int:
        """Return the number of a new object."""
        self._places += bytes(7)
        return len(self._places) // 7 - 1

    def put(self, number: int, content: bytes) -> None:
        """Write an object."""
        self._place(number, 1, self._taken + len(self._written), 0)
        self._written += b"%d 0 obj\n%b\nendobj\n" % (number, content)

    def put_stream(self, facts: bytes, content: bytes) -> int:
        """Write a stream, or find the one that is the same; return its number. ``facts``: its
        dictionary."""
        digest = hashlib.sha256(facts + b"\n" + content).digest()
        if digest not in self._alike:
            self._alike[digest] = self.number()
            self.put(self._alike[digest], _stream(facts, content))
        return self._alike[digest]

    def put_packed(self, objects: list[tuple[int, bytes]]) -> None:
        """Write objects that are no streams, packed together."""
        its = self.number()
        index, at = [], 0
        for order, (number, content) in enumerate(objects):
            self._place(number, 2, its, order)
            index.append(b"%d %d" % (number, at))
            at += len(content) + 1
        head = b" ".join(index) + b"\n"
        body = b"\n".join(content for _, content in objects)
        facts = b"<< /Type /ObjStm /N %d /First %d >>" % (len(objects), len(head))
        self.put(its, _packed(facts, head + body))

    def close(self, title: str, language: str) -> None:
        """Write what the whole has once, and where everything stands."""
        papers = self.papers
        bookmarks = [self.number() for _ in papers]
        count = sum(each.count for each in papers)
        objects = [
            (
                CATALOG,
                b"<< /Type /Catalog /Pages %d 0 R /StructTreeRoot %d 0 R /Outlines %d 0 R "
                b"/Metadata %d 0 R /Lang %b /MarkInfo << /Marked true >> "
                b"/ViewerPreferences << /DisplayDocTitle true >> >>"
                % (PAGES, TAGS, BOOKMARKS, METADATA, String(language).unparse()),
            ),
            (
                PAGES,
                b"<< /Type /Pages /Count %d /Kids %b >>"
                % (count, _references(each.pages for each in papers)),
            ),
            (TAGS, self._tags()),
            (BOOKMARKS, _first_and_last(bookmarks)),
        ]
        for place, (number, paper) in enumerate(zip(bookmarks, papers, strict=True)):
            objects.append((number, _bookmark(paper, bookmarks, place)))
        self.put_packed(objects)
        xmp = XMP.format(title=escape(title), language=escape(language)).encode()
        facts = b"<< /Type /Metadata /Subtype /XML /Length %d >>" % len(xmp)
        self.put(METADATA, _stream(facts, xmp))
        its, start = self.number(), self._taken + len(self._written)
        self._place(its, 1, start, 0)
        struct.pack_into(">BIH", self._places, 0, 0, 0, 65535)
        facts = b"<< /Type /XRef /Size %d /W [ 1 4 2 ] /Root %d 0 R >>" % (its + 1, CATALOG)
        self.put(its, _packed(facts, bytes(self._places)))
        self._written += b"startxref\n%d\n%%%%EOF\n" % start

    def _tags(self) -> bytes:
        roles = b" ".join(f"{role} {to}".encode() for role, to in sorted(self.roles.items()))
        by_name = [each.by_name for each in self.papers if each.by_name]
        return b"<< /Type /StructTreeRoot /K %b /RoleMap << %b >> %b %b >>" % (
            _references(top for each in self.papers for top in each.tops),
            roles,
            b"/ParentTree << /Kids %b >> /ParentTreeNextKey %d"
            % (_references(each.by_number for each in self.papers), self.next_page_number),
            b"/IDTree << /Kids %b >>" % _references(by_name) if by_name else b"",
        )

    def _place(self, number: int, kind: int, where: int, order: int) -> None:
        struct.pack_into(">BIH", self._places, 7 * number, kind, where, order)


class _Paper:
    """A paper on its way into the whole. ``_numbers``: by what its objects are called in it, what
    they are called there."""

    def __init__(self, source: pikepdf.Pdf, name: str, whole: _Whole) -> None:
        self._source = source
        self._name = name
        self._whole = whole
        self._prefix = b"%06d-" % len(whole.papers)  # the leaves of names stand in their order
        self._shift = whole.next_page_number
        self._numbers = {b"%d" % source.Root.StructTreeRoot.objgen[0]: TAGS}
        self._waiting: list[tuple[int, Any]] = []

    def write(self) -> None:
        root: Any = self._source.Root
        tags = root.StructTreeRoot
        nums = list(tags.ParentTree.Nums)
        pages = self._number(root.Pages)
        bound = _Bound(
            name=self._name,
            pages=pages,
            first_page=self._number(self._source.pages[0].obj),
            count=len(self._source.pages),
            tops=[self._number(top) for top in _listed(tags.K)],
            by_number=self._whole.number(),
            by_name=self._whole.number() if Name.IDTree in tags else None,
        )
        keys = [self._shift + int(key) for key in nums[::2]]
        entries = [
            b"%d %b" % (key, self._told(element.unparse()))
            for key, element in zip(keys, nums[1::2], strict=True)
        ]
        leaves = [
            (
                bound.by_number,
                b"<< /Limits [ %d %d ] /Nums [ %b ] >>" % (keys[0], keys[-1], b" ".join(entries)),
            )
        ]
        if bound.by_name:
            leaves.append((bound.by_name, self._names(list(tags.IDTree.Names))))
        objects = []
        for number, element in self._waiting:  # which grows while what they refer to is found
            content = self._told(element.unparse(resolved=True))
            if number == pages:
                content = content.removesuffix(b">>") + b"/Parent %d 0 R >>" % PAGES
            objects.append((number, content))
        self._whole.put_packed([*objects, *leaves])
        self._whole.papers.append(bound)
        self._whole.next_page_number += int(tags.ParentTreeNextKey)
        roles = tags.get(Name.RoleMap, Dictionary())
        self._whole.roles |= {str(role): str(to) for role, to in roles.items()}

    def _names(self, names: list[Any]) -> bytes:
        said = [self._renamed(name.unparse()) for name in names[::2]]
        entries = [
            b"%b %b" % (name, self._told(element.unparse()))
            for name, element in zip(said, names[1::2], strict=True)
        ]
        return b"<< /Limits [ %b %b ] /Names [ %b ] >>" % (said[0], said[-1], b" ".join(entries))

    def _number(self, element: Any) -> int:
        """Return what an object of the paper is called in the whole, to which it comes by this."""
        its = b"%d" % element.objgen[0]
        if its not in self._numbers:
            if isinstance(element, Stream):
                facts = self._told(element.stream_dict.unparse(resolved=True))
                self._numbers[its] = self._whole.put_stream(facts, element.read_raw_bytes())
            else:
                self._numbers[its] = self._whole.number()
                self._waiting.append((self._numbers[its], element))
        return self._numbers[its]

    def _told(self, content: bytes) -> bytes:
        """Return an object of the paper as the whole says it."""
        return TOKEN.sub(self._token, content)

    def _token(self, found: re.Match[bytes]) -> bytes:
        if its := found["reference"]:
            known = self._numbers.get(its)
            return b"%d 0 R" % (known or self._number(self._source.get_object((int(its), 0))))
        if key := found["key"]:
            return b"/%b %b" % (key, NAME.sub(lambda each: self._renamed(each[0]), found["names"]))
        if parents := found["parents"]:
            return b"/%b %d" % (parents, self._shift + int(found["number"]))
        return found[0]

    def _renamed(self, name: bytes) -> bytes:
        prefix = self._prefix if name[:1] == b"(" else self._prefix.hex().encode()
        return name[:1] + prefix + name[1:]


NAME = re.compile(rb"\((?:[^()\\]|\\.)*\)|<[0-9a-f]*>", re.DOTALL)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, pikepdf.Array) else [value]


def _references(numbers: Iterable[int]) -> bytes:
    return b"[ %b ]" % b" ".join(b"%d 0 R" % each for each in numbers)


def _stream(facts: bytes, content: bytes) -> bytes:
    return b"%b\nstream\n%b\nendstream" % (facts, content)


def _packed(facts: bytes, content: bytes) -> bytes:
    packed = zlib.compress(content)
    its = b"/Filter /FlateDecode /Length %d >>" % len(packed)
    return _stream(facts.removesuffix(b">>") + its, packed)


def _first_and_last(bookmarks: list[int]) -> bytes:
    return b"<< /Type /Outlines /First %d 0 R /Last %d 0 R /Count %d >>" % (
        bookmarks[0],
        bookmarks[-1],
        len(bookmarks),
    )


def _bookmark(paper: _Bound, bookmarks: list[int], place: int) -> bytes:
    beside = b"/Prev %d 0 R " % bookmarks[place - 1] if place else b""
    if place + 1 < len(bookmarks):
        beside += b"/Next %d 0 R " % bookmarks[place + 1]
    return b"<< /Title %b /Parent %d 0 R %b/Dest [ %d 0 R /Fit ] >>" % (
        String(paper.name).unparse(),
        BOOKMARKS,
        beside,
        paper.first_page,
    )

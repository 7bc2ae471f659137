"""The cards of a run as files: each by itself in a zip, or all bound into one. However many there
are, no more than a few of them are in memory. Call inside a school."""

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from .models import CardOfRun, CardRun, IssuedCard
from .paper.binding import bind

AT_A_TIME = 25


def made(run: CardRun) -> list[CardOfRun]:
    """Return the cards of a run in printing order, without their files and without those that were
    erased by law. One statement."""
    rows = CardOfRun.objects.filter(school_id=run.school_id, run=run, card__isnull=False)
    rows = rows.exclude(card__file_digest="")
    return list(rows.select_related("card").defer("card__file", "card__said").order_by("place"))


def bound(rows: Sequence[CardOfRun], *, title: str) -> Iterator[bytes]:
    """Yield one PDF of the cards of a run, piece by piece."""
    return bind(_files(rows), title=title)


def zipped(rows: Sequence[CardOfRun]) -> Iterator[bytes]:
    """Yield a zip with each card by itself, as it was issued, piece by piece."""
    written = _Pieces()
    # Stored, not packed: what there is to pack in a PDF is packed already.
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for place, (name, pdf) in enumerate(_files(rows), start=1):
            archive.writestr(file_name(name, place), pdf)
            yield written.taken()
    yield written.taken()


def file_name(pupil: str, place: int | None = None) -> str:
    """Return a name that every system takes, in the order of printing where there is a place."""
    said = re.sub(r"[^\w .'’-]", "-", pupil).strip(" .-")[:80] or "card"
    return f"{place:04} {said}.pdf" if place else f"{said}.pdf"


def _files(rows: Sequence[CardOfRun]) -> Iterator[tuple[str, bytes]]:
    """Yield each card's pupil and file, reading a few files at a time."""
    for first in range(0, len(rows), AT_A_TIME):
        ids = [row.card_id for row in rows[first : first + AT_A_TIME] if row.card_id]
        found = IssuedCard.objects.filter(pk__in=ids).values_list("pk", "pupil", "file")
        files = {pk: (pupil, bytes(file)) for pk, pupil, file in found}
        yield from (files[each] for each in ids)


class _Pieces(io.RawIOBase):
    """A file that is written to and taken away from, and never goes back."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        before = len(self._written)
        self._written += content
        return len(self._written) - before

    def taken(self) -> bytes:
        """Return what was written since it was last asked."""
        taken = bytes(self._written)
        self._written.clear()
        return taken

"""Issuing report cards: printing them, and keeping each as it was issued. Call inside a school.

A card is issued once and holds while it says what would be said now. Then asking again issues
nothing. One of which another would be said now differs from what was issued: it can be issued anew,
amended, by who says why; the versions before it stay. So can one that lacks characters for which
there is a font by now.
"""

import dataclasses
import datetime as dt
import hashlib
import os
import uuid
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime

from accounts.models import School, User
from changes.erasure import ERASED

from . import logo, report_card
from .models import CardOfRun, IssuedCard, Term
from .paper.press import NotPrinted, Paper, Press
from .report_card import Card

SIDE_BY_SIDE = min(4, os.cpu_count() or 1)
"""How many cards are printed at a time: the printer leaves the other threads their turn."""

KEPT_AT_ONCE = 8
"""How many printed cards go into the database together."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a pupil's card: ``card`` holds, or ``because`` says why there is none."""

    pupil: str
    card: IssuedCard | None = None
    is_new: bool = False
    because: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Wanted:
    card: Card
    before: IssuedCard | None


def latest(
    term_id: uuid.UUID, *, school: School, pupil_ids: Collection[uuid.UUID] | None = None
) -> dict[uuid.UUID, IssuedCard]:
    """Return the last issued card of each pupil of a term, without its file. One statement."""
    found = IssuedCard.objects.filter(school=school, term_id=term_id)
    if pupil_ids is not None:
        found = found.filter(pupil_id__among=pupil_ids)
    rows = found.order_by("pupil_id", "-version").distinct("pupil_id")
    return {row.pupil_id: row for row in rows.select_related("issued_by").defer("file", "said")}


def why_not(card: Card, before: IssuedCard | None, *, with_blanks: bool, reason: str) -> list[str]:
    """Return why a card cannot be issued now, in words. ``before``: the one that was issued."""
    if not card.said["courses"]:
        return list(card.lacking)
    if before and before.said_digest != card.digest and not reason:
        on = date_format(localtime(before.issued_at), "j F Y")
        return [f"differs from what was issued on {on}: to issue it anew, say why"]
    return [] if with_blanks else list(card.lacking)


def issue(
    pupil_ids: Sequence[uuid.UUID],
    term: Term,
    *,
    school: School,
    by: User,
    at: dt.datetime,
    with_blanks: bool = False,
    reason: str = "",
) -> list[Outcome]:
    """Issue the cards of these pupils, as far as they can be issued, and return what became of
    each, in the order given. All of them are in memory at once: call for some fifty at a time.

    A pupil whose card cannot be printed holds up nobody else's.
    """
    before = latest(term.pk, school=school, pupil_ids=pupil_ids)
    found = {each.pupil_id: each for each in report_card.cards(pupil_ids, term, school=school)}
    outcomes: dict[uuid.UUID, Outcome] = {}
    wanted = []
    for pupil_id, card in found.items():
        last = before.get(pupil_id)
        if last and last.said_digest == card.digest and not (last.unprintable and reason):
            outcomes[pupil_id] = Outcome(card.pupil, last)
        elif because := why_not(card, last, with_blanks=with_blanks, reason=reason):
            outcomes[pupil_id] = Outcome(card.pupil, because=tuple(because))
        else:
            wanted.append(_Wanted(card, last))
    new: list[IssuedCard] = []
    for each, printed in zip(wanted, _print(wanted, school, at), strict=True):
        last = each.before
        if isinstance(printed, NotPrinted):
            because = [f"could not be printed: {printed}"]
            outcomes[each.card.pupil_id] = Outcome(each.card.pupil, because=tuple(because))
        elif last and _says_the_same(last, each.card, printed):
            outcomes[each.card.pupil_id] = Outcome(each.card.pupil, last)
        else:
            row = _row(each, printed, term, school, by, at, reason)
            new.append(row)
            outcomes[each.card.pupil_id] = Outcome(each.card.pupil, row, is_new=True)
        if len(new) == KEPT_AT_ONCE:  # while the next ones are printed
            IssuedCard.objects.bulk_create(new)
            new.clear()
    IssuedCard.objects.bulk_create(new)
    gone = Outcome("(a pupil who is gone)", because=("is not among the pupils any more",))
    return [outcomes.get(each, gone) for each in pupil_ids]


def preview(pupil_id: uuid.UUID, term: Term, *, school: School, at: dt.datetime) -> Paper | None:
    """Print the card of a pupil as it would be issued now, marked as not issued; None for a pupil
    who is not there. Raises NotPrinted."""
    for card in report_card.cards([pupil_id], term, school=school):
        its_logo = logo.of(school)
        with Press(logo.files(its_logo)) as press:
            data = _layout_data(card.said, its_logo, issued="Preview: not issued")
            return press.print("report_card", data, at=at)
    return None


def erase(pupil_ids: Collection[uuid.UUID]) -> None:
    """Empty the cards of pupils who are erased by law; that and when they were issued stays. Call
    where that may be done (``changes.erasure``)."""
    CardOfRun.objects.filter(card__pupil_id__among=pupil_ids).update(pupil=ERASED)
    IssuedCard.objects.filter(pupil_id__among=pupil_ids).update(
        file=b"", file_digest="", said={}, said_digest="", unprintable="", pupil=ERASED
    )


def print_card(press: Press, data: dict[str, Any], at: dt.datetime) -> Paper | NotPrinted:
    """Print one card, and return what went wrong rather than raise it."""
    try:
        return press.print("report_card", data, at=at)
    except NotPrinted as failure:
        return failure


def _says_the_same(last: IssuedCard, card: Card, printed: Paper) -> bool:
    """Return whether a card, printed anew because it lacked characters, lacks them still."""
    return last.said_digest == card.digest and last.unprintable == printed.unprintable


def _print(
    wanted: Sequence[_Wanted], school: School, at: dt.datetime
) -> Iterator[Paper | NotPrinted]:
    """Print cards, and yield them as they come, in the order given."""
    if not wanted:
        return
    its_logo = logo.of(school)
    day = date_format(localtime(at), "j F Y")
    data = []
    for each in wanted:
        replaces = ""
        if each.before:
            on = date_format(localtime(each.before.issued_at), "j F Y")
            replaces = f"Amended: this card replaces the one issued on {on}."
        data.append(
            _layout_data(each.card.said, its_logo, issued=f"Issued on {day}", replaces=replaces)
        )
    # The threads print and nothing else: none of them reads the database.
    with Press(logo.files(its_logo)) as press, ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        yield from threads.map(lambda each: print_card(press, each, at), data)


def _layout_data(
    said: dict[str, Any], its_logo: logo.Logo | None, *, issued: str, replaces: str = ""
) -> dict[str, Any]:
    kind = "Amended report card" if replaces else "Report card"
    return {
        **said,
        "kind": kind,
        "title": f"{kind} of {said['pupil']}, {said['term']}",
        "issued": issued,
        "replaces": replaces,
        "logo": logo.name(its_logo) if its_logo else None,
    }


def _row(
    each: _Wanted,
    printed: Paper,
    term: Term,
    school: School,
    by: User,
    at: dt.datetime,
    reason: str,
) -> IssuedCard:
    return IssuedCard(
        school=school,
        term_id=term.pk,
        pupil_id=each.card.pupil_id,
        version=each.before.version + 1 if each.before else 1,
        pupil=each.card.pupil,
        said=each.card.said,
        said_digest=each.card.digest,
        file=printed.pdf,
        file_digest=hashlib.sha256(printed.pdf).hexdigest(),
        blanks=each.card.blanks,
        unprintable=printed.unprintable,
        reason=reason if each.before else "",
        issued_by=by,
        issued_at=at,
    )

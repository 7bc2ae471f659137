"""Sending report cards to guardians by e-mail, once the office has released the term's. Call
inside a school.

What is sent is the file as it was issued. One card goes to one address once: asked again, only
what has been issued since, and addresses that have changed, are written to.
"""

import dataclasses
import hashlib
import uuid
from collections.abc import Sequence

from accounts import audit, disclosures
from accounts.in_school import Refused
from accounts.models import AuditLog, Membership, OutboxMessage, School
from accounts.origin import Origin
from accounts.outbox import Attachment, Message, post
from accounts.plain import plain
from students.models import Student

from . import issuing, report_card
from .card_files import file_name
from .models import CardRelease, IssuedCard, Term

KIND = "report-card"
"""What their files are called in the outbox."""


class MayNotSend(Refused):
    """Who asks is not of the office."""


class NotReleased(Exception):
    """The office has not released the cards of the term."""


class NotAsSeen(Exception):
    """What would be sent is not any more what was confirmed."""


@dataclasses.dataclass(frozen=True)
class Post:
    """The issued cards of a term: those ``to_send``, by the key of their message and the address;
    those that were ``sent`` there before, and of these the ``outdated``, which differ from what
    would be said now; those not sent before that differ, and those of pupils without an address,
    which are not sent."""

    to_send: Sequence[tuple[str, str, IssuedCard]]
    sent: Sequence[IssuedCard]
    outdated: Sequence[IssuedCard]
    differing: Sequence[IssuedCard]
    without_address: Sequence[IssuedCard]

    @property
    def addresses(self) -> int:
        """How many addresses are written to: brothers and sisters share one."""
        return len({address.lower() for _, address, _ in self.to_send})

    @property
    def issued(self) -> set[uuid.UUID]:
        """The pupils of whom a card is issued."""
        to_send = [card for _, _, card in self.to_send]
        some = (to_send, self.sent, self.differing, self.without_address)
        return {card.pupil_id for each in some for card in each}

    @property
    def digest(self) -> str:
        """What would be sent, and where to: it stands on the page on which that is confirmed."""
        keys = sorted(key for key, _, _ in self.to_send)
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def released(term: Term) -> CardRelease | None:
    """Return the release of the term's cards, or None."""
    found = CardRelease.objects.filter(school_id=term.school_id, term_id=term.pk)
    return found.select_related("released_by").first()


def release(term: Term, *, by: Membership, origin: Origin) -> CardRelease:
    """Let the cards of a term go out. Once is enough: asked again, the first release stands.

    Raises:
        MayNotSend: ``by`` is not of the office.
    """
    _check_office(by)
    found, is_new = CardRelease.objects.get_or_create(
        school=by.school,
        term_id=term.pk,
        defaults={"released_by": by.user, "released_at": origin.at},
    )
    if is_new:
        audit.record(
            AuditLog.Event.PEOPLE,
            origin=origin,
            school=by.school,
            user=by.user,
            detail=f"report cards released: {term}",
            metadata={"term": str(term.pk)},
        )
    return found


def outgoing(term: Term, *, school: School) -> Post:
    """Return which of the term's issued cards would be sent now. The number of statements does not
    grow with the cards."""
    issued = issuing.latest(term.pk, school=school)
    said = {card.pupil_id: card for card in report_card.cards(list(issued), term, school=school)}
    addresses = dict(
        Student.objects.filter(pk__among=list(issued)).values_list("pk", "guardian_email")
    )
    current, differing, without_address = [], [], []
    for pupil_id, card in sorted(issued.items(), key=lambda each: plain(each[1].pupil)):
        address = addresses.get(pupil_id, "")
        if pupil_id not in said or said[pupil_id].digest != card.said_digest:
            differing.append((_key(card, address), card))
        elif not address:
            without_address.append(card)
        else:
            current.append((_key(card, address), address, card))
    keys = [*(key for key, _, _ in current), *(key for key, _ in differing)]
    posted = OutboxMessage.objects.filter(school=school, key__in=keys)
    already = set(posted.values_list("key", flat=True))
    outdated = [card for key, card in differing if key in already]
    return Post(
        to_send=[each for each in current if each[0] not in already],
        sent=[*(card for key, _, card in current if key in already), *outdated],
        outdated=outdated,
        differing=[card for key, card in differing if key not in already],
        without_address=without_address,
    )


def send(term: Term, *, seen: str, by: Membership, origin: Origin) -> Post:
    """Write the messages that carry the term's cards, and return what was sent and what not.

    Args:
        seen: ``Post.digest`` of what was confirmed.

    Raises:
        MayNotSend: ``by`` is not of the office.
        NotReleased: the office has not released the term's cards.
        NotAsSeen: by now, other cards would be sent, or to other addresses.
    """
    _check_office(by)
    if not released(term):
        raise NotReleased(
            "The report cards of this term are not released yet. Release them first: then they can "
            "be sent."
        )
    found = outgoing(term, school=by.school)
    if found.to_send and found.digest != seen:
        raise NotAsSeen(
            "What would be sent has changed since you saw it: a card was issued, or an address "
            "changed. Nothing was sent. Look again, and confirm."
        )
    post(
        (
            Message(
                key=key,
                to=address,
                subject=f"Report card of {card.pupil}, {term}",
                body=_body(card, term, by.school),
                attachment=f"{KIND}:{card.pk}",
            )
            for key, address, card in found.to_send
        ),
        school=by.school,
        at=origin.at,
    )
    if found.to_send:
        disclosures.note(
            [card.pupil_id for _, _, card in found.to_send],
            what=f"report cards sent by e-mail: {term}",
            why="report cards of the term",
            to="the guardian, at the address of the pupil’s record",
            school=by.school,
            user=by.user,
            origin=origin,
            facts={"term": str(term.pk)},
        )
    return found


def file_of(which: str) -> Attachment:
    """Return the file that a message carries (``accounts.outbox.ATTACHMENTS``)."""
    card = IssuedCard.objects.get(pk=uuid.UUID(which))
    return Attachment(file_name(card.pupil), bytes(card.file), "application/pdf")


def _check_office(by: Membership) -> None:
    if not by.is_office:
        raise MayNotSend("Report cards are released and sent by the office.")


def _key(card: IssuedCard, address: str) -> str:
    return f"{KIND} {card.pk} {hashlib.sha256(address.lower().encode()).hexdigest()[:32]}"


def _body(card: IssuedCard, term: Term, school: School) -> str:
    amended = (
        "It replaces the report card that was issued before: that one no longer holds.\n\n"
        if card.version > 1
        else ""
    )
    return (
        f"The report card of {card.pupil} for {term} is attached to this message, as a PDF.\n\n"
        f"{amended}"
        f"If you have a question about it, ask the school.\n\n{school}\n"
    )

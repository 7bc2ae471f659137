"""Messages that leave after the transaction that wrote them.

``post`` writes rows in the transaction of the decision they tell about; ``manage.py work`` sends
them afterwards. A message may go out twice when the worker dies between the mail server's answer
and its commit; both copies carry the same Message-ID, by which mail programs know the second.

What a message says is never changed. One that has not left can be taken back (``take_back``) for
another that says in its place what is true by now.
"""

import dataclasses
import datetime as dt
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import InterfaceError, OperationalError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from . import audit
from .in_school import enter
from .models import AuditLog, Membership, OutboxMessage, School
from .origin import Origin

logger = logging.getLogger(__name__)

ATTEMPTS = 10  # the last one some nine hours after the first
FIRST_WAIT = dt.timedelta(minutes=1)
ANSWER_WITHIN = 30  # seconds; without a limit a silent mail server would hold a row for ever


class NotGivenUp(Exception):
    """The message is none that was given up."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Message:
    """``key`` makes it go out once: a second message with the same key is not written.

    ``about`` and ``before`` are for whoever takes it back: see ``OutboxMessage``. ``attachment`` is
    one of ``ATTACHMENTS`` and which of its files: "report-card:ID".
    """

    key: str
    to: str
    subject: str
    body: str
    attachment: str = ""
    about: str = ""
    before: Mapping[str, str | None] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Attachment:
    """A file that goes along with a message."""

    name: str
    content: bytes
    media_type: str


ATTACHMENTS: dict[str, Callable[[str], Attachment]] = {}
"""What gives the file of a message when it leaves, by the kind of file: called with which one,
inside the school. So no file stands in the outbox a second time."""


COMPOSERS: list[Callable[..., None]] = []
"""What writes messages because it is time, and not because somebody did something. Each is called
as ``compose(school, at=now)`` inside the school, again and again."""


def compose(school: School, *, at: dt.datetime) -> None:
    """Write what is due to be told in the school by now. Opens a transaction for each composer, so
    that what fails in one holds up neither the others nor what waits already."""
    for each in COMPOSERS:
        try:
            with enter(school):
                each(school, at=at)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("Nothing is composed by %s for %s", each.__module__, school)


def post(messages: Iterable[Message], *, school: School, at: dt.datetime) -> None:
    """Write messages to be sent once the transaction is committed. Call inside the school."""
    OutboxMessage.objects.bulk_create(
        (
            OutboxMessage(
                school=school,
                key=message.key,
                to=message.to,
                # A line break in a subject is a header of the sender's choice: mail refuses it.
                subject=" ".join(message.subject.replace("\x00", "").split())[:300],
                body=message.body.replace("\x00", ""),
                attachment=message.attachment,
                about=message.about,
                before=dict(message.before),
                created_at=at,
                due_at=at,
            )
            for message in messages
        ),
        batch_size=1000,
        ignore_conflicts=True,
    )


def take_back(
    about: Collection[str], *, school: School, at: dt.datetime
) -> dict[tuple[str, str], dict[str, str | None]]:
    """Supersede the messages about these things that have not left, those given up among them.

    Returns, by what it is about and to whom it was to go, what that reader was last told: the
    ``before`` of the message, or of the oldest where there are several. A message that a worker is
    sending at this moment counts as sent; what is posted now about the same waits for it. Call
    inside the school.
    """
    taken = list(
        OutboxMessage.objects.select_for_update(skip_locked=True)
        .filter(school=school, about__in=about, sent_at=None, superseded_at=None)
        .order_by("-id")
    )
    told: dict[tuple[str, str], dict[str, str | None]] = {}
    for message in taken:
        told[message.about, message.to] = told.get((message.about, message.to), {}) | message.before
    OutboxMessage.objects.filter(pk__in=[each.pk for each in taken]).update(superseded_at=at)
    return told


def send_next(school: School) -> bool:
    """Send the message of the school that is due longest. Return whether there was one.

    The row is locked while it is being sent, so that another worker passes it by; when this one
    dies, the database lets go of the row and it is sent again. Of two messages about the same to
    the same reader the later one waits until the first has left or is given up. Opens its own
    transaction.
    """
    with enter(school):
        now = timezone.now()
        message = (
            OutboxMessage.objects.select_for_update(skip_locked=True)
            .waiting()
            .filter(school=school, due_at__lte=now)
            .exclude(~Q(about=""), Exists(_first_about_the_same()))
            .order_by("due_at", "id")
            .first()
        )
        if message is None:
            return False
        message.attempts += 1
        try:
            _mail(message)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others leave
            _put_off(message, error)
        else:
            message.sent_at = timezone.now()
            message.last_error = ""
        message.save(update_fields=["attempts", "due_at", "sent_at", "given_up_at", "last_error"])
        return True


def send_again(message: OutboxMessage, *, by: Membership, origin: Origin) -> None:
    """Have the worker try a message anew that was given up. Call inside the school.

    Raises:
        NotGivenUp: it has left, still waits, or a later message took its place.
    """
    given_up = OutboxMessage.objects.given_up().filter(school=by.school, pk=message.pk)
    if not given_up.update(given_up_at=None, attempts=0, due_at=origin.at):
        raise NotGivenUp(
            "This message is not one that was given up: it has left, waits to be sent, or a later "
            "message took its place."
        )
    audit.record(
        AuditLog.Event.MAIL,
        origin=origin,
        school=by.school,
        user=by.user,
        detail=f"message to {message.to}: {message.subject}",
        metadata={"message": str(message.pk)},
    )


def _first_about_the_same() -> QuerySet[OutboxMessage]:
    return OutboxMessage.objects.waiting().filter(
        school_id=OuterRef("school_id"),
        about=OuterRef("about"),
        to=OuterRef("to"),
        pk__lt=OuterRef("pk"),
    )


def _mail(message: OutboxMessage) -> None:
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    mail = EmailMessage(
        subject=message.subject,
        body=message.body,
        to=[message.to],
        headers={
            "Message-ID": f"<{message.id}@{domain}>",
            "Auto-Submitted": "auto-generated",  # so that no absence note answers it
        },
        connection=get_connection(timeout=ANSWER_WITHIN),
    )
    if message.attachment:
        kind, _, which = message.attachment.partition(":")
        file = ATTACHMENTS[kind](which)
        mail.attach(file.name, file.content, file.media_type)
    mail.send()


def _put_off(message: OutboxMessage, error: Exception) -> None:
    message.last_error = f"{type(error).__name__}: {error}"[:2000].replace("\x00", "")
    if message.attempts >= ATTEMPTS:
        message.given_up_at = timezone.now()
        logger.error("Gave up on message %s: %s", message.id, message.last_error)
    else:
        message.due_at = timezone.now() + FIRST_WAIT * 2 ** (message.attempts - 1)
        logger.warning("Message %s was not sent: %s", message.id, message.last_error)

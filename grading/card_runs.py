"""Making report cards in the background: asked for by the office, made by ``manage.py work``.

A run is made portion by portion, each in a transaction of its own that holds the run's row. A
worker that dies loses its portion, and the next one begins it anew; two workers never make the
same one. Between two portions a run can be cancelled: what was issued by then stays issued.
"""

import dataclasses
import datetime as dt
import logging
import uuid

from django.db import IntegrityError
from django.utils import timezone

from accounts import disclosures
from accounts.in_school import Refused, enter
from accounts.models import Membership, School
from accounts.origin import Origin

from . import issuing
from .card_scope import Scope
from .issuing import Outcome
from .models import CardOfRun, CardRun, Term

logger = logging.getLogger(__name__)

PORTION = 40  # cards; some two megabytes, and a second or two until a run that is cancelled stops


class MayNotIssue(Refused):
    """Who asks is not of the office."""


class NobodyToPrint(Exception):
    """The scope has no pupils."""


class NotUnderWay(Exception):
    """The run is finished, or was cancelled."""


def ask(
    scope: Scope,
    term: Term,
    *,
    by: Membership,
    origin: Origin,
    with_blanks: bool = False,
    reason: str = "",
    key: str = "",
) -> CardRun:
    """Ask for the cards of a scope. ``key``: a form that is sent twice asks once. Call inside the
    school.

    Raises:
        MayNotIssue: ``by`` is not of the office.
        NobodyToPrint: there are no pupils in it.
    """
    if not by.is_office:
        raise MayNotIssue("Report cards are issued by the office.")
    if not scope.pupil_ids:
        raise NobodyToPrint("There is no pupil whose card could be made.")
    mine = CardRun.objects.filter(school=by.school, asked_by=by.user, idempotency_key=key)
    if key and (before := mine.first()):
        return before
    return CardRun.objects.create(
        school=by.school,
        term_id=term.pk,
        label=scope.label,
        pupil_ids=scope.pupil_ids,
        with_blanks=with_blanks,
        reason=reason.strip(),
        asked_by=by.user,
        asked_at=origin.at,
        ip=origin.ip,
        idempotency_key=key or None,
    )


def cancel(run: CardRun, *, at: object) -> None:
    """Make no more cards of a run. Waits for the portion at hand. Call inside the school.

    Raises:
        NotUnderWay: there is nothing left to cancel.
    """
    under_way = CardRun.objects.filter(
        school_id=run.school_id, pk=run.pk, finished_at=None, cancelled_at=None
    )
    if not under_way.update(cancelled_at=at):
        raise NotUnderWay("This run has ended: there is nothing left to cancel.")


def make_next(school: School, *, at: dt.datetime | None = None) -> bool:
    """Make the next portion of the school's oldest run, as of now where no other instant is given.
    Return whether there was one. Opens its own transaction."""
    try:
        with enter(school):
            run = (
                CardRun.objects.select_for_update(skip_locked=True, of=("self",))
                .filter(school=school, finished_at=None, cancelled_at=None)
                .select_related("asked_by")
                .order_by("asked_at", "id")
                .first()
            )
            if run is None:
                return False
            _make_portion(run, school, at or timezone.now())
    except IntegrityError as error:
        if "issuedcard_version" not in str(error):
            raise
        # Another run issued one of these cards meanwhile: seen, when the portion begins anew.
        logger.info("A portion of report cards of %s begins anew", school)
    return True


def _make_portion(run: CardRun, school: School, now: dt.datetime) -> None:
    asker = Membership.objects.filter(school=school, user_id=run.asked_by_id).first()
    if asker is None or not (asker.is_active and asker.is_office) or asker.is_frozen:
        run.cancelled_at = now
        run.save(update_fields=["cancelled_at"])
        return
    pupil_ids = run.pupil_ids[run.handled : run.handled + PORTION]
    outcomes = _outcomes(run, pupil_ids, school, now)
    CardOfRun.objects.bulk_create(
        CardOfRun(
            school=school,
            run=run,
            place=run.handled + index,
            pupil=each.pupil,
            card=each.card,
            is_new=each.is_new,
            because=list(each.because),
        )
        for index, each in enumerate(outcomes, start=1)
    )
    issued = [each.card.pupil_id for each in outcomes if each.card and each.is_new]
    if issued:
        disclosures.note(
            issued,
            what=f"report cards made: {run.label}",
            why="report cards of the term",
            to="",
            school=school,
            user=run.asked_by,
            origin=Origin(at=now, ip=run.ip),
            facts={"run": str(run.pk), "term": str(run.term_id)},
        )
    run.handled += len(pupil_ids)
    if run.handled >= run.total:
        run.finished_at = now
    run.save(update_fields=["handled", "finished_at"])


def _outcomes(
    run: CardRun, pupil_ids: list[uuid.UUID], school: School, at: dt.datetime
) -> list[Outcome]:
    term = Term.objects.filter(school=school, pk=run.term_id).first()
    if term is None:
        gone = Outcome("(a pupil)", because=("the term is not there any more",))
        return [gone for _ in pupil_ids]
    return issuing.issue(
        pupil_ids,
        term,
        school=school,
        by=run.asked_by,
        at=at,
        with_blanks=run.with_blanks,
        reason=run.reason,
    )


@dataclasses.dataclass(frozen=True)
class Result:
    """How far a run has come: ``new`` cards issued, ``held`` that had been issued and still hold,
    ``left_out`` with what is missing, ``unprintable`` with characters that no font has."""

    new: int
    held: int
    left_out: list[CardOfRun]
    unprintable: list[CardOfRun]

    @property
    def files(self) -> int:
        return self.new + self.held


def result(run: CardRun) -> Result:
    """Return how far a run has come. One statement."""
    rows = list(
        CardOfRun.objects.filter(school_id=run.school_id, run=run)
        .select_related("card")
        .defer("card__file", "card__said")
        .order_by("place")
    )
    return Result(
        new=sum(row.is_new for row in rows),
        held=sum(row.card is not None and not row.is_new for row in rows),
        left_out=[row for row in rows if row.card is None],
        unprintable=[row for row in rows if row.card is not None and row.card.unprintable],
    )

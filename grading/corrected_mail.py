"""Telling instructors that marks which stood in their classes have changed, whoever proposed it:
one message for each decision and class. What came of their own account is told apart, since it may
have been somebody else who sat there.

Mail lies in many places for long, so that it says how many, and names no pupil.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

from django.conf import settings
from django.db.models import Count
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import Membership
from accounts.outbox import Message, post
from changes import naming
from changes.deciding import Act
from changes.models import Decision

from .models import GradeCorrection, Section


def tell_instructors(act: Act) -> None:
    """Post what the grade corrections that ``act`` has written come to for each class. It goes
    whatever mail they have chosen: an intruder chooses too. Call inside the deciding act, once all
    has moved; the number of statements does not depend on the marks."""
    submitted = _by_class(act)
    if not submitted:
        return
    instructors = _instructors(act, {section_id for section_id, _ in submitted})
    counts: Counter[uuid.UUID] = Counter()
    own: Counter[uuid.UUID] = Counter()
    by_whom: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
    for (section_id, who), count in submitted.items():
        instructor = instructors.get(section_id)
        if instructor:
            counts[section_id] += count
            if who == instructor:
                own[section_id] += count
            elif who != act.user_id:
                by_whom[section_id].add(who)
    if not counts:
        return
    gone = _vanished(act, "section", "instructor").keys()
    told = _who_reads(act, {instructors[each] for each in counts})
    titles = naming.titles((("section", each) for each in counts), known_as=naming.ever_approved)
    names = naming.people(set().union(*by_whom.values()))
    now = timezone.localtime(act.origin.at)
    at = f"{date_format(now, 'l j F Y')} at {date_format(now, 'H:i')}"  # once: it takes long
    post(
        (
            _message(
                act,
                told[instructors[section_id]],
                section_id,
                titles[section_id],
                count=count,
                own=own[section_id],
                by=sorted(names[each] for each in by_whom[section_id]),
                stands=section_id not in gone,
                at=at,
            )
            for section_id, count in counts.items()
            if instructors[section_id] in told
        ),
        school=act.school,
        at=act.origin.at,
    )


def _by_class(act: Act) -> Counter[tuple[uuid.UUID, uuid.UUID]]:
    """Count the corrections that ``act`` has written by class, and by who submitted them. Of an
    enrolment that vanished in this act, the class is the one that it was in."""
    written = GradeCorrection.objects.filter(
        decision_id=act.id, status=GradeCorrection.Status.APPROVED
    )
    standing = written.values_list("enrollment__section_id", "submitted_by_id")
    counts = Counter({(its, who): n for its, who, n in standing.annotate(n=Count("pk"))})
    if gone := _vanished(act, "enrollment", "section"):
        some = written.filter(enrollment_id__among=list(gone))
        counts.update(
            (gone[each], who) for each, who in some.values_list("enrollment_id", "submitted_by_id")
        )
    return counts


def _instructors(act: Act, sections: Collection[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    rows = Section.objects.filter(pk__in=list(sections), instructor__isnull=False)
    found: dict[uuid.UUID, uuid.UUID] = dict(rows.values_list("pk", "instructor_id"))
    return _vanished(act, "section", "instructor") | found


def _vanished(act: Act, entity_type: str, field: str) -> dict[uuid.UUID, uuid.UUID]:
    return {
        move.entity_id: uuid.UUID(move.before)
        for move in act.moves
        if (move.entity_type, move.field) == (entity_type, field)
        and move.before is not None
        and move.after is None
    }


def _who_reads(act: Act, users: Iterable[uuid.UUID]) -> dict[uuid.UUID, Membership]:
    members = Membership.objects.filter(
        school=act.school,
        user_id__in=list(users),
        is_active=True,
        frozen_at=None,
        user__is_active=True,
    )
    return {member.user_id: member for member in members.select_related("user")}


def _message(
    act: Act,
    member: Membership,
    section_id: uuid.UUID,
    title: str,
    *,
    count: int,
    own: int,
    by: Collection[str],
    stands: bool,
    at: str,
) -> Message:
    marks = "1 mark" if count == 1 else f"{count} marks"
    changed = f"{marks} that stood {'has' if count == 1 else 'have'} changed"
    decider = act.by.user if act.by else "A rule of the school"
    did = {
        Decision.Kind.REVERT: "reverted what an account had done",
        Decision.Kind.REINSTATE: "lifted a revert",
    }.get(Decision.Kind(act.kind), "approved it")
    proposed = f" It was proposed by {' and '.join(by)}." if by else ""
    if own:
        which = "It" if own == count else f"{own} of them"
        verb = "was" if own == 1 or own == count else "were"
        how = "decided" if member.user_id == act.user_id else "proposed"
        proposed += f" {which} {verb} {how} with your own account: if it was not you, tell the "
        proposed += "office at once."
    link = f"{settings.SITE_URL}{reverse('sheet', args=[section_id])}"
    look = f"The class as it stands now: {link}\n" if stands else ""
    return Message(
        key=f"corrected {act.id} {section_id}",
        to=member.user.email,
        subject=f"{title}: {changed}",
        body=(
            f"Dear {member.user},\n\n"
            f"in your class {title} {changed}. {decider} {did} on {at}.{proposed}\n\n"
            f"{look}If it is not as it should be, tell the office.\n\n"
            f"{act.school}\n"
        ),
    )

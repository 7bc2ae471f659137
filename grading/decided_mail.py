"""What others decided about a person's changes, by mail: one message for each decision, or one a
day about those until the midnight before.

Mail lies in many places for long. So it says in numbers what was decided of each class, with the
reasons of what was declined, and names no pupil: those stand on the page that it links to.
"""

import datetime as dt
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from django.conf import settings
from django.db.models import Exists, F, OuterRef, QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.models import Membership, School
from accounts.outbox import Message, post
from changes import naming
from changes.groups import came_with_its_record
from changes.models import Change, Decision

from .models import Enrollment

FIRST_HOUR = 6
"""Of the school's day: nobody's telephone rings in the night."""

ELSEWHERE = "Details of pupils and other records"
"""What the changes that are of no class are called."""


def compose(school: School, *, at: dt.datetime) -> None:
    """Post what members are due to be told by ``at``, once. Call inside the school.

    Holds the memberships that it writes to; those that somebody else holds at this moment are left
    to the next time.
    """
    decisions = Decision.objects.order_by("-number").values_list("number", flat=True)
    _tell(Membership.Mail.AT_ONCE, school=school, until=decisions.first() or 0, at=at)
    now = timezone.localtime(at)
    if now.hour >= FIRST_HOUR:
        midnight = timezone.make_aware(dt.datetime.combine(now.date(), dt.time.min))
        until = decisions.filter(decided_at__lt=midnight).first() or 0
        _tell(Membership.Mail.DAILY, school=school, until=until, at=at)


def _tell(mail: Membership.Mail, *, school: School, until: int, at: dt.datetime) -> None:
    """Post what was decided up to a number to those who have chosen this mail."""
    behind = Membership.objects.filter(
        school=school,
        is_active=True,
        frozen_at=None,
        user__is_active=True,
        decided_by_mail=mail,
        decided_mailed__lt=until,
    )
    members = {
        member.user_id: member
        for member in behind.select_related("user").select_for_update(
            of=("self",), skip_locked=True
        )
    }
    if not members:
        return
    told: dict[tuple[uuid.UUID, int], list[Change]] = defaultdict(list)
    for change in _decided(school, list(members), until):
        decision = change.decision if mail == Membership.Mail.AT_ONCE else None
        told[change.author_id, decision.number if decision else until].append(change)
    about = _About([change for some in told.values() for change in some])
    post(
        (
            _message(members[user_id], changes, about, school=school, number=number)
            for (user_id, number), changes in told.items()
        ),
        school=school,
        at=at,
    )
    Membership.objects.filter(pk__in=[member.pk for member in members.values()]).update(
        decided_mailed=until
    )


def _decided(school: School, authors: Collection[uuid.UUID], until: int) -> QuerySet[Change]:
    """Return what others decided of these authors' changes and they were not mailed yet. A new
    record is one change, not one for each of its fields."""
    not_mailed = Membership.objects.filter(
        school_id=OuterRef("school_id"),
        user_id=OuterRef("author_id"),
        decided_mailed__lt=OuterRef("decision__number"),
    )
    return (
        Change.objects.filter(
            Exists(not_mailed),
            school=school,
            author_id__in=authors,
            decided_by__isnull=False,
            decision__number__lte=until,
        )
        .exclude(decided_by_id=F("author_id"))
        .exclude(came_with_its_record())
        .select_related("decision")
        .order_by("decision__number", "id")
    )


class _About:
    """Which class each change is of, and the names that its reason may hold."""

    def __init__(self, changes: Sequence[Change]) -> None:
        places = {c.entity_id for c in changes if c.entity_type == "enrollment"}
        self._section: dict[uuid.UUID, uuid.UUID] = {}
        self._student = {c.entity_id: c.entity_id for c in changes if c.entity_type == "student"}
        for place, section, student in Enrollment.objects.filter(pk__in=places).values_list(
            "pk", "section_id", "student_id"
        ):
            self._section[place], self._student[place] = section, student
        # An enrolment that was declined, or has gone since, is known to the ledger alone.
        gone = Change.objects.filter(
            entity_id__in=places - self._section.keys(),
            field__in=("section", "student"),
        )
        for change in gone.order_by("id"):
            if change.refers_to:
                known = self._section if change.field == "section" else self._student
                known[change.entity_id] = change.refers_to
        self._section |= {c.entity_id: c.entity_id for c in changes if c.entity_type == "section"}
        self._titles = naming.titles(
            [
                *(("section", each) for each in self._section.values()),
                *(("student", each) for each in self._student.values()),
            ]
        )

    def called(self, change: Change) -> str:
        section = self._section.get(change.entity_id)
        return self._titles[section] if section else ELSEWHERE

    def reason(self, change: Change) -> str:
        """Return why a change was declined, without the names of the pupil it is about."""
        reason = change.decision.reason if change.decision else ""
        student = self._student.get(change.entity_id)
        names = re.findall(r"[^\W\d_]{2,}", self._titles[student]) if student else []
        if not names:
            return reason
        return re.sub(rf"\b({'|'.join(names)})\b", "(name)", reason, flags=re.IGNORECASE)


def _message(
    member: Membership, changes: Sequence[Change], about: _About, *, school: School, number: int
) -> Message:
    classes: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        classes[about.called(change)].append(change)
    lines = []
    for called in sorted(classes, key=lambda each: (each == ELSEWHERE, each)):
        lines.append(f"{called}: {_counted(Counter(c.status for c in classes[called]))}")
        declined = [c for c in classes[called] if c.status == Change.Status.DECLINED]
        for reason, count in Counter(about.reason(c) for c in declined).items():
            lines.append(f"    declined{f' ({count})' if count > 1 else ''}: {reason}")
    link = f"{settings.SITE_URL}{reverse('decided')}"
    often = Membership.Mail(member.decided_by_mail).label
    return Message(
        key=f"decided {member.decided_by_mail} {number} {member.pk}",
        to=member.user.email,
        subject=f"Your changes: {_counted(Counter(c.status for c in changes))}",
        body=(
            f"Dear {member.user},\n\n"
            "the office has decided about your changes.\n\n"
            + "\n".join(lines)
            + f"\n\nWhich they are, and for which pupils: {link}\n"
            f"On the same page you choose how often you get this message; now it is {often}.\n\n"
            f"{school}\n"
        ),
    )


def _counted(statuses: Mapping[str, int]) -> str:
    """Return "12 approved, 1 declined"."""
    both = (Change.Status.APPROVED, Change.Status.DECLINED)
    return ", ".join(f"{statuses[each]} {each.label}" for each in both if statuses.get(each))

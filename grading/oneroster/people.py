"""The teachers of a roster as users of this installation, without a password until they set one.

A person is known by the roster id of their membership, else by their e-mail. What an account is
(its address, whether it is open, that somebody belongs to the office) is never changed by a file:
whoever writes rosters could otherwise take over the account of the head of the office.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts.models import Membership, School, User
from grading.oneroster.problems import Problems
from grading.oneroster.rows import User as Teacher
from grading.oneroster.split import Part


@dataclass(slots=True)
class People:
    """What became of the teachers of one school.

    user_ids: by sourcedId. made: members that are new to the school. adopted: those that were here
    without a roster id, and are to get it. kept: sentences about accounts that differ from the
    roster and were left as they are.
    """

    user_ids: dict[str, uuid.UUID] = field(default_factory=dict)
    made: list[Membership] = field(default_factory=list)
    adopted: list[Membership] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    gone: int = 0


def check_addresses(part: Part, problems: Problems) -> None:
    """Note every teacher's address that no mail could reach."""
    for teacher in part.teachers.values():
        if not teacher.line:
            continue
        try:
            validate_email(teacher.email)
        except ValidationError:
            problems.add(
                "users.csv", teacher.line, "email", "{} is not an e-mail address", teacher.email
            )


def bring_in(part: Part, school: School) -> People:
    """Make the users and memberships of a school's teachers that are missing. At most five
    statements. The roster ids of those that were here are left to `load`, which writes them last.

    Call inside a transaction that holds the school's row.
    """
    people = People()
    members = {
        m.user_id: m for m in Membership.objects.filter(school=school).select_related("user")
    }
    by_source = {m.source_id or str(m.pk): m for m in members.values()}
    users = _users(t for t in part.teachers.values() if t.sourced_id not in by_source)
    for teacher in part.teachers.values():
        email = teacher.email.lower()
        member = by_source.get(teacher.sourced_id)
        if member is None:
            user = users[email]
            member = members.get(user.pk)
            if member is None:
                member = Membership(
                    school=school,
                    user=user,
                    source_id=teacher.sourced_id,
                    is_active=teacher.enabled,
                )
                members[user.pk] = member
                people.made.append(member)
            elif member.source_id is None and str(member.pk) != teacher.sourced_id:
                member.source_id = teacher.sourced_id
                people.adopted.append(member)
        people.user_ids[teacher.sourced_id] = member.user_id
        people.kept += _differences(member, email, enabled=teacher.enabled)
    Membership.objects.bulk_create(people.made)
    people.gone = sum(
        m.is_active
        for source, m in by_source.items()
        if m.source_id and source not in part.teachers
    )
    return people


def _users(teachers: Iterable[Teacher]) -> dict[str, User]:
    """Return the users of these teachers by e-mail, lower case; who is not here yet is made.

    Another import may make the same person at the same moment, in another school: whoever comes
    second waits for the first, and takes that user. In the order of their addresses, so that no two
    imports wait for each other.
    """
    named = {teacher.email.lower(): teacher for teacher in teachers}
    users = {user.email: user for user in User.objects.filter(email__in=named)}
    new = sorted(named.keys() - users.keys())
    if not new:
        return users
    made = []
    for email in new:
        name = f"{named[email].given_name} {named[email].family_name}".strip()
        made.append(User(email=email, name=name[:200]))
        made[-1].set_unusable_password()
    User.objects.bulk_create(made, ignore_conflicts=True)
    return users | {user.email: user for user in User.objects.filter(email__in=new)}


def _differences(member: Membership, email: str, *, enabled: bool) -> list[str]:
    said = []
    if member.user.email != email:
        said.append(f"{member.user.email} is {email} in the roster; the account keeps its address")
    if member.is_active and not enabled:
        said.append(f"{email} is disabled in the roster; the account stays open")
    if enabled and not (member.is_active and member.user.is_active):
        said.append(f"{email} is enabled in the roster; the account stays closed")
    return said

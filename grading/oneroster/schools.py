"""Which school of this installation a school of the roster is, and who imports into it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count

from django.utils.text import slugify

from accounts.in_school import enter
from accounts.models import Membership, School, User
from changes.deciding import lock
from grading.oneroster.problems import shown
from grading.oneroster.split import Part


class MayNotImport(Exception):
    """Who imports is not in the office of a school that the roster names."""


class NotInIt(Exception):
    """The delivery says nothing of the school that is imported into."""


class Unclear(Exception):
    """It cannot be told which school of this installation a school of the roster is."""


@dataclass(frozen=True, slots=True)
class Target:
    """A part of the roster with its school here, and the office member who imports.

    made: the school is new. adopted: it was here already, and is to get its roster id (`load`).
    """

    part: Part
    school: School
    member: Membership
    made: bool
    adopted: bool


@dataclass(frozen=True, slots=True)
class Targets:
    """Where a roster goes. new_user: the account of who imports was made now."""

    each: list[Target]
    new_user: bool


def schools_of(email: str) -> list[School]:
    """Return the schools in whose office this person is."""
    members = Membership.objects.filter(
        user__email=email, user__is_active=True, is_active=True, role=Membership.Role.OFFICE
    )
    return [each.school for each in members.select_related("school").order_by("school_id")]


def find_or_make(
    parts: Iterable[Part], *, email: str, time_zone: str, only: School | None = None
) -> Targets:
    """Find the school of each part, or make it with `email` as its first office member.

    A school is known by its roster id. One that was made by hand has none: it is the same when its
    name, or the slug that this name gives, is the same. A school of that name with *another* roster
    id is neither surely this one nor surely another, so nobody guesses.

    Holds the locks of all schools, or of `only` one, to the end of the transaction, so that imports
    follow each other; taken before anything else, as whoever decides in a school takes them. Call
    inside a transaction.

    Raises:
        MayNotImport: `email` is no active office member of a school that is here already.
        Unclear: see above.
    """
    schools = School.objects.filter(pk=only.pk) if only else School.objects.all()
    for each in schools.order_by("id"):
        with enter(each):
            lock(each)
    here = list(schools.order_by("id"))  # as they are now that nobody else imports
    user = User.objects.filter(email=email).first()
    members = {
        member.school_id: member
        for member in Membership.objects.filter(user=user, is_active=True).select_related("user")
        if member.is_office and member.user.is_active
    }
    found = [(part, _find(part, here)) for part in parts]
    for _, school in found:
        if school is not None and school.pk not in members:
            raise MayNotImport(f"{email} is not in the office of {school.name}.")
    if user is not None and not user.is_active:
        raise MayNotImport(f"The account of {email} is closed. Open it again first.")
    new_user = user is None
    if user is None:
        user = User.objects.create_user(email)
    taken = {school.slug for school in here}
    targets = []
    for part, school in found:
        if school is None:
            targets.append(_make(part, user, time_zone, taken))
        else:
            adopted = school.source_id is None and str(school.pk) != part.school.sourced_id
            targets.append(Target(part, school, members[school.pk], made=False, adopted=adopted))
    return Targets(targets, new_user)


def narrow(parts: Sequence[Part], school: School) -> tuple[list[Part], int]:
    """Return the part of one school, and how many others the delivery has.

    Raises:
        NotInIt: it has none of this school.
        Unclear: see `find_or_make`.
    """
    own = [part for part in parts if _find(part, [school]) is not None]
    if not own:
        names = ", ".join(shown(part.school.name) for part in parts[:5]) or "no school"
        raise NotInIt(
            f"The delivery is of {names}, and of no school that goes by the name or the roster id "
            f"of {school.name}."
        )
    return own[:1], len(parts) - 1


def _find(part: Part, here: Sequence[School]) -> School | None:
    org = part.school
    by_id = next((school for school in here if _goes_by(school, org.sourced_id)), None)
    if by_id is not None:
        return by_id
    alike = [
        school
        for school in here
        if school.name.lower() == org.name.lower() or school.slug == slugify(org.name)
    ]
    if len(alike) > 1 or any(school.source_id for school in alike):
        raise Unclear(
            f"{org.name} has the roster id {shown(org.sourced_id)} in the file, but a school of "
            "this name is here already with another one. Give one of the two another name, or "
            "correct the roster id of the school here."
        )
    return alike[0] if alike else None


def _goes_by(school: School, sourced_id: str) -> bool:
    """Whether a file calls a school so: by its roster id, or without one by its own."""
    return sourced_id == (school.source_id or str(school.pk))


def _make(part: Part, user: User, time_zone: str, taken: set[str]) -> Target:
    org = part.school
    wish = slugify(org.name)[:70] or "school"
    slug = next(s for s in chain([wish], (f"{wish}-{n}" for n in count(2))) if s not in taken)
    taken.add(slug)
    school = School.objects.create(
        name=org.name, slug=slug, time_zone=time_zone, source_id=org.sourced_id
    )
    member = Membership.objects.create(school=school, user=user, role=Membership.Role.OFFICE)
    return Target(part, school, member, made=True, adopted=False)

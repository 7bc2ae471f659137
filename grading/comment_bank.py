"""The comment bank: sentences that somebody keeps for use at many pupils, with {name} and pronouns
in them. A teacher's own are theirs alone; the office keeps the school's, for everybody.

Configuration, not tracked by the ledger: what a comment says about a pupil is. Call inside a
school.
"""

import decimal
from collections.abc import Mapping

import regex
from django.db.models import OuterRef, Q, QuerySet, Subquery

from accounts.models import Membership
from changes.registry import Invalid

from .characters import characters
from .models import BankComment, Course, GradingStep, Section

_PRONOUNS = {
    "she": {"they": "she", "them": "her", "their": "her"},
    "he": {"they": "he", "them": "him", "their": "his"},
}
_NEUTRAL = {"they": "they", "them": "them", "their": "their"}
IN_WORDS = "{name}, {they}, {them}, {their}, or with a capital {They}, {Them}, {Their}"

_PLACEHOLDER = regex.compile(r"\{(name|[Tt]he(?:y|m|ir))\}")
_BRACE = regex.compile(r"\{[^{}]{0,40}\}?|\}")


# Filling in. --------------------------------------------------------------------------------------


def fill(text: str, *, name: str, pronouns: str) -> str:
    """Return a comment of the bank for one pupil. Pronouns that nobody knows are they, them and
    their; how a verb agrees with them is the writer's business."""
    words = _PRONOUNS.get(pronouns, _NEUTRAL)

    def word(match: "regex.Match[str]") -> str:
        placeholder = match[1]
        if placeholder == "name":
            return name
        filled = words[placeholder.lower()]
        return filled.capitalize() if placeholder[0].isupper() else filled

    return _PLACEHOLDER.sub(word, text)


def with_placeholder(text: str, name: str) -> str:
    """Return a comment about one pupil with {name} for the pupil's name, where it is a word of its
    own: "Ada’s essays" becomes "{name}’s essays", "Adaptable" stays."""
    if not name:
        return text
    part_of_word = r"[\p{L}\p{M}\p{N}]"
    whole = rf"(?<!{part_of_word}|-){regex.escape(name)}(?!{part_of_word}|-{part_of_word})"
    return regex.sub(whole, "{name}", text)


def first_name(given_names: str, family_name: str) -> str:
    """Return what a comment calls a pupil: the first given name of the record."""
    return next(iter([*given_names.split(), *family_name.split()]), "")


# What can be kept. --------------------------------------------------------------------------------


def read_text(typed: str, *, most: int) -> str:
    """Return a text for the bank. ``most``: the school's limit, in characters as a person counts
    them.

    Raises:
        Invalid: it is blank, too long, or has something else in braces than a placeholder.
    """
    text = typed.replace("\r\n", "\n").replace("\x00", "").strip()
    if not text:
        raise Invalid("There is no text in it. Type the comment.")
    if len(text) > most and (count := characters(text)) > most:
        raise Invalid(f"It has {count:,} characters; the school’s limit for comments is {most:,}.")
    if other := _BRACE.search(_PLACEHOLDER.sub("", text)):
        raise Invalid(f"“{other[0]}” is nothing that can be filled in. Write {IN_WORDS}.")
    return text


_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,3})?)"
_NUMBERS = regex.compile(rf"{_NUMBER}(?:\s*(?:-|\u2013|to)\s*{_NUMBER})?")


def read_marks(typed: str, *, by: Membership) -> str:
    """Return the marks that a comment is for: labels of the school's scales and numbers, such as
    "A, B" or "70-84"; "" for every mark.

    Marks as they are typed on a sheet, and not steps of one scale: a scale has versions, and the
    comment outlives them.

    Raises:
        Invalid: something in it is no mark of any scale of the school.
    """
    if not typed.strip():
        return ""
    steps = GradingStep.objects.filter(school_id=by.school_id)
    steps = steps.filter(Q(is_code=True) | Q(minimum=None))
    labels = {each.casefold(): each for each in steps.values_list("label", flat=True)}
    return ", ".join(dict.fromkeys(_mark(part.strip(), labels) for part in typed.split(",")))


def _mark(part: str, labels: Mapping[str, str]) -> str:
    if label := labels.get(part.casefold()):
        return label
    numbers = _NUMBERS.fullmatch(part)
    if numbers is None:
        raise Invalid(
            f"“{part[:20]}” is no mark here. Write marks with commas between them, such as A, B "
            "or 70-84."
        )
    least, most = numbers[1], numbers[2]
    if most is None:
        return least
    if decimal.Decimal(least) > decimal.Decimal(most):
        raise Invalid(f"“{part[:20]}” begins above its end. Write the smaller number first.")
    return f"{least}-{most}"


def is_for(marks: str, mark: str | None) -> bool:
    """Return whether a comment for these marks is for a pupil with this one; without a mark yet,
    any is."""
    if not marks or mark is None:
        return True
    return any(_covers(part, mark) for part in marks.split(", "))


def _covers(part: str, mark: str) -> bool:
    if part == mark:
        return True
    numbers = _NUMBERS.fullmatch(part)
    try:
        value = decimal.Decimal(mark)
    except decimal.InvalidOperation:
        return False
    if numbers is None or not value.is_finite():
        return False
    least = decimal.Decimal(numbers[1])
    return least <= value <= decimal.Decimal(numbers[2] or least)


# Whose. -------------------------------------------------------------------------------------------


def of_owner(by: Membership) -> QuerySet[BankComment]:
    """Return one's own, the newest first, each with the title of its course as ``subject``."""
    return _of(by).filter(owner_id=by.user_id)


def of_school(by: Membership) -> QuerySet[BankComment]:
    """Return the school's, likewise."""
    return _of(by).filter(owner=None)


def offered(section: Section, mark: str | None, *, by: Membership) -> list[BankComment]:
    """Return what ``by`` may use at a pupil of a class with this mark, their own first. One
    statement."""
    found = _of(by).filter(Q(owner_id=by.user_id) | Q(owner=None))
    found = found.filter(Q(course_id=None) | Q(course_id=section.course_id))
    fitting = [each for each in found if is_for(each.marks, mark)]
    return sorted(fitting, key=lambda each: each.owner_id is None)


def keep(text: str, *, by: Membership) -> BankComment:
    """Add a text to the own bank of ``by``, for every subject and mark; the same text once.

    Raises:
        Invalid: see ``read_text``.
    """
    text = read_text(text, most=by.school.comment_length)
    kept = of_owner(by).filter(text=text).first()
    return kept or BankComment.objects.create(school=by.school, owner=by.user, text=text)


def _of(by: Membership) -> QuerySet[BankComment]:
    course = Course.objects.filter(school_id=by.school_id, pk=OuterRef("course_id"))
    found = BankComment.objects.filter(school_id=by.school_id)
    return found.annotate(subject=Subquery(course.values("title")[:1])).order_by("-id")

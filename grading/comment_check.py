"""What should be looked at again in the comments of a class: warnings, which never block.

Pure functions: what a comment says is compared with the pupil whom it is about and with the other
comments of the class. Words are compared without case and accents.
"""

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import regex

from accounts.plain import plain


@dataclasses.dataclass(frozen=True)
class Written:
    """A comment and whom it is about. ``key`` is the caller's; ``pronouns``: "she", "he", "they",
    or "" where nobody knows them."""

    key: str
    given_names: str
    family_name: str
    pronouns: str
    comment: str


def warnings(written: Iterable[Written]) -> dict[str, list[str]]:
    """Return, by key, what a teacher should look at again, in sentences; a comment that raises no
    question has no entry.

    ``written``: one for each pupil of a class, also where the comment is blank: the others'
    comments may name that pupil. Takes time in proportion to the text.
    """
    everybody = list(written)
    named = _given_names(everybody)
    often = Counter(_same(each.comment) for each in everybody)
    found = {}
    for each in everybody:
        if each.comment.strip():
            text, left = _take_out_what_is_left(each.comment)
            own = _own_names(each)
            words = list(_words(text, named.keys() | own | _ALL_PRONOUNS))
            sentences = [
                *_still_there(left),
                *_other_pupils(each, words, own, named),
                *_other_pronouns(each, words),
                *_repeated(often[_same(each.comment)]),
            ]
            if sentences:
                found[each.key] = sentences
    return found


# The questions. -----------------------------------------------------------------------------------

_FROM_THREE = 3  # pupils with the same comment; twins may well share one
_SHORTEST = 3  # letters of a name that is looked for: "Al" and "Bo" are parts of too much else

# What people leave where a name or a word was to come.
_LEFT = regex.compile(
    r"""
      \{[^{}\n]{0,30}\}                               # {name}
    | \[[\p{L}][\p{L}\ /_'’-]{1,29}\] | <[\p{L}][\p{L}\ /_-]{1,29}>  # [Name], <first name>
    | _{3,} | \b(?:X{3,}|x{3,}|TODO|TBC|TBD)\b
    | \(s\)he\b | \bs/he\b
    | \b(?:she|he|her|him|his|hers|they|them|their)
        (?:\ ?/\ ?(?:she|he|hers|her|him|his|they|them|their))+\b      # he/she
    """,
    regex.VERBOSE | regex.IGNORECASE,
)

_PRONOUNS: Mapping[str, frozenset[str]] = {
    "she": frozenset({"she", "her", "hers", "herself"}),
    "he": frozenset({"he", "him", "his", "himself"}),
}
_ALL_PRONOUNS = frozenset().union(*_PRONOUNS.values())

# Given names that English uses otherwise too. Written with a capital inside a sentence they are
# taken for a name.
_ALSO_WORDS = frozenset(
    """
    amber angel april art august autumn basil bill bliss bob buddy can carol chance charity chase
    cherry christian clay cliff constance crystal daisy dale dawn dean destiny drew dusty earl
    ever faith fern flora frank gene ginger glen glory grace grant guy harmony hazel heath heather
    holly honor honour hope hunter iris ivory ivy jade jasmine jean jewel joy june justice king
    lance laurel lily long mark marina mason max may melody mercy merit merry miles misty noble
    norm olive opal page pansy parker pat patience pearl penny pierce piper poppy prince prudence
    raven ray red reed rich river rob robin rock rod rose rowan ruby rusty sage sandy scout
    serenity sienna skip sky sol song star sterling stone storm sue summer sun sunny tanner true
    unity verity victor viola violet wade ward will willow winter wren young
    """.split()  # noqa: SIM905 - one to a line they would fill three screens
)
_MONTHS = frozenset({"april", "august", "june", "may"})
_BEFORE_MONTHS = frozenset(
    "by during early from in last late mid next of past since this to until".split()  # noqa: SIM905 - likewise
)
_TITLES = frozenset({"dr", "miss", "mr", "mrs", "ms", "mx", "sir"})  # of grown-ups


def _still_there(left: Sequence[str]) -> Iterator[str]:
    for each in dict.fromkeys(left):
        yield f"“{each}” still stands in it. Put there what belongs there."


def _other_pupils(
    written: Written, words: "Sequence[_Word]", own: Collection[str], named: Mapping[str, str]
) -> Iterator[str]:
    if any(word.bare in own and word.could_be_a_name for word in words):
        return
    others = {named[word.bare] for word in words if word.bare in named and word.is_a_name}
    if others:
        first = next(iter(_parts(written.given_names)), "")
        unlike = f", and not {first}" if first else ""
        names = _in_words(sorted(others), "and")
        yield f"It names {names}{unlike}. Is it about the right pupil?"


def _other_pronouns(written: Written, words: "Sequence[_Word]") -> Iterator[str]:
    if not written.pronouns:
        return
    used = {word.bare for word in words}
    for pronouns, forms in _PRONOUNS.items():
        if pronouns != written.pronouns and (wrong := sorted(forms & used)):
            quoted = _in_words([f"“{each}”" for each in wrong], "and")
            yield f"It says {quoted}, and the pupil’s record says “{written.pronouns}”."


def _repeated(pupils: int) -> Iterator[str]:
    if pupils >= _FROM_THREE:
        yield f"{pupils} pupils of the class have this same comment."


def _take_out_what_is_left(comment: str) -> tuple[str, list[str]]:
    """Return a comment without what was left from a template, and that."""
    left = [match[0] for match in _LEFT.finditer(comment)]
    return (_LEFT.sub(" · ", comment) if left else comment), left


def _given_names(everybody: Iterable[Written]) -> dict[str, str]:
    """Return the given names of a class, by what they are compared by."""
    return {
        bare: part
        for each in everybody
        for part in _parts(each.given_names)
        if len(bare := _bare(part)) >= _SHORTEST
    }


def _own_names(written: Written) -> set[str]:
    """Return all that names a pupil: also one part of Anne-Marie, and the family name."""
    whole = [_bare(part) for part in _parts(f"{written.given_names} {written.family_name}")]
    return {*whole, *(part for each in whole for part in each.split("-"))}


# Words. -------------------------------------------------------------------------------------------

_WORD = regex.compile(r"[\p{L}\p{M}]+(?:['’\-\u2010\u2011][\p{L}\p{M}]+)*")
_WORD_OR_END = regex.compile(rf"{_WORD.pattern}|[.!?:;…\n\r•*]")
_ONE_WAY = str.maketrans({"’": "'", "\u2010": "-", "\u2011": "-"})
_ENDINGS = frozenset({"s", "d", "ll", "ve", "re", "m"})  # Ada's, she'd, he'll


class _Word(NamedTuple):
    """A word of a comment. ``bare``: without case, accents and what an apostrophe adds. ``after``:
    the bare word before it, "" for the first of a sentence."""

    text: str
    bare: str
    after: str

    @property
    def could_be_a_name(self) -> bool:
        capital = self.text[0].isupper() and not self.text.isupper()
        return capital or self.bare not in _ALSO_WORDS

    @property
    def is_a_name(self) -> bool:
        if self.after in _TITLES or (self.bare in _MONTHS and self.after in _BEFORE_MONTHS):
            return False
        return self.could_be_a_name and (self.after != "" or self.bare not in _ALSO_WORDS)


def _words(comment: str, wanted: Collection[str]) -> Iterator[_Word]:
    """Yield those words of a comment that are ``wanted``, by what they are compared by."""
    before = ""
    for text in _WORD_OR_END.findall(comment):
        if text[0].isalpha():
            bare = _bare(text)
            if bare in wanted:
                yield _Word(text, bare, before)
            before = bare
        elif before not in _TITLES:  # the stop of "Mr." ends no sentence
            before = ""


def _bare(word: str) -> str:
    if word.isascii():
        bare = word.lower()
        if "'" not in bare:
            return bare
    else:
        bare = plain(word).translate(_ONE_WAY)
    head, _, ending = bare.rpartition("'")
    return head if head and ending in _ENDINGS else bare


def _parts(names: str) -> list[str]:
    return _WORD.findall(names)


def _same(comment: str) -> str:
    return " ".join(comment.casefold().split())


def _in_words(words: Sequence[str], conjunction: str) -> str:
    *most, last = words
    return f"{', '.join(most)} {conjunction} {last}" if most else last

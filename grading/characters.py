"""Characters as a person counts them."""

import regex

_CHARACTER = regex.compile(r"\X")


def characters(text: str) -> int:
    """Return how many characters a person sees in a text: an accented letter, an emoji or a flag
    is one, whatever it is made of (extended grapheme clusters of Unicode, UAX #29)."""
    return sum(1 for _ in _CHARACTER.finditer(text))

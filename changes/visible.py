"""Whether a text shows anything at all."""

import regex

# Default_Ignorable_Code_Point is what Unicode itself says is not displayed (UAX #44). Beyond it
# and space: controls, noncharacters, the anchors of annotations, and the empty pattern of braille.
_SEEN = regex.compile(
    r"[^\s\p{Z}\p{Cc}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\uFFF9-\uFFFB\u2800]"
)


def shows(text: str) -> bool:
    """Return whether there is anything in a text that a person can see: a line break, a space or
    a joiner alone is nothing."""
    return _SEEN.search(text) is not None

"""What became of the words of a text: which stayed, which went, which came."""

import difflib
import re
from typing import NamedTuple

LONGEST = 1_000
"""Words up to which two texts are compared; finding the difference of n takes n times n steps."""

ALIKE = 0.3
"""The part of the words that must have stayed: of less, the two texts one after the other are
easier to read."""


class Part(NamedTuple):
    """A run of words, and what became of them: "same", "gone" or "new"."""

    became: str
    text: str


def compare(old: str, new: str) -> list[Part]:
    """Return a text's words and what became of each, in the order in which one reads them; an
    empty list where the texts are too short, too long or too different for that."""
    before, after = (re.findall(r"\s+|\S+", text) for text in (old, new))
    if min(len(before), len(after)) < 3 or max(len(before), len(after)) > LONGEST:
        return []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    parts = []
    for what, i, j, k, m in matcher.get_opcodes():
        if what == "equal":
            parts.append(Part("same", "".join(before[i:j])))
            continue
        if i < j:
            parts.append(Part("gone", "".join(before[i:j])))
        if k < m:
            parts.append(Part("new", "".join(after[k:m])))
    kept = sum(len(part.text) for part in parts if part.became == "same" and part.text.strip())
    return parts if kept >= ALIKE * max(len(old), len(new)) else []

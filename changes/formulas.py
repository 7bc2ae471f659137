"""Keeping a text in a file from being taken for a formula by a spreadsheet, so that reading it
gives the same text again.

A text that begins like a formula gets an apostrophe in front, and one that has apostrophes there
already gets one more, so that taking one away is exact.
"""

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if _is_risky(text) else text


def unguarded(text: str) -> str:
    """Return the text that ``guarded`` was given."""
    return text[1:] if text.startswith("'") and _is_risky(text) else text


def _is_risky(text: str) -> bool:
    return text.lstrip("'").startswith(_STARTS_A_FORMULA)

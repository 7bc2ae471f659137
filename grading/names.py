"""What pupils are called, as their author sees them."""

import unicodedata

from changes.overlay import Record

# Letters with a stroke and the like, which Unicode does not take apart.
_BARE = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "ħ": "h",
        "\u0131": "i",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
    }
)


def pupil_name(student: Record | None) -> str:
    """Return "Abbott, Ada", also of a pupil of one's own who was declined."""
    if student is None:
        return "(unknown pupil)"
    names = [last_known(student, field) or "" for field in ("family_name", "given_names")]
    return ", ".join(name for name in names if name) or "(no name)"


def last_known(record: Record, field: str) -> str | None:
    """Return what the author sees in a cell, or else what they last proposed there."""
    cell = record.cell(field)
    return cell.value if cell.value is not None else cell.mine.value if cell.mine else None


def plain(text: str) -> str:
    """Return a text without case, accents and strokes, for comparing and sorting: "Łuć" is luc."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in parts if not unicodedata.combining(each)).translate(_BARE)

"""Texts without case and accents, for comparing and sorting as people do."""

import unicodedata

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


def plain(text: str) -> str:
    """Return a text without case, accents and strokes, for comparing and sorting: "Łuć" is luc."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in parts if not unicodedata.combining(each)).translate(_BARE)

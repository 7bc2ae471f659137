"""What a browser says that it is, in words."""

import re

BROWSERS = (
    ("Edge", "Edg(e|A|iOS)?/"),
    ("Opera", "OPR/|Opera"),
    ("Samsung Internet", "SamsungBrowser/"),
    ("Firefox", "Firefox/|FxiOS/"),
    ("Chrome", "Chrome/|CriOS/|Chromium/"),
    ("Safari", "Safari/"),
)
"""In this order: nearly each of them also says that it is one of those after it."""

SYSTEMS = (
    ("an iPhone", "iPhone"),
    ("an iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("a Chromebook", "CrOS"),
    ("a Mac", "Macintosh"),
    ("Linux", "Linux"),
)


def in_words(user_agent: str) -> str:
    """Return for instance "Firefox on Windows": without versions, so that a browser that was
    updated is the same one; and of what is not known not a word, since whoever sends it chose it.
    """
    browser = _first(BROWSERS, user_agent) or "an unknown browser"
    system = _first(SYSTEMS, user_agent)
    return f"{browser} on {system}" if system else browser


def _first(known: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for name, sign in known if re.search(sign, user_agent)), None)

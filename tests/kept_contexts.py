"""Contexts of a browser, cleaned and lent again.

One of its own for each test would start two processes of Chromium, which takes a second: more than
most tests. In each a page of the site's host stays open, so that the pages of a test find its
process running.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

ARGUMENTS = ["--process-per-site"]
"""With these the browser is to be started."""


@dataclasses.dataclass(frozen=True)
class Kept:
    """A context, with the page that stays open."""

    context: BrowserContext
    stays: Page
    devtools: CDPSession

    @classmethod
    def make(cls, browser: Browser, options: dict[str, Any]) -> "Kept":
        context = browser.new_context(**options)
        stays = context.new_page()
        stays.route("**", lambda route: route.fulfill(body="", content_type="text/html"))
        stays.goto("http://127.0.0.1/")
        return cls(context, stays, context.new_cdp_session(stays))

    def clean(self) -> None:
        """Leave nothing of a test: no page, nothing signed in, stored or permitted."""
        for page in self.context.pages:
            if page != self.stays:
                page.close()
        self.context.set_offline(False)
        self.context.clear_cookies()
        self.context.clear_permissions()
        self.devtools.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})


_idle: WeakKeyDictionary[Browser, dict[str, list[Kept]]] = WeakKeyDictionary()


@contextlib.contextmanager
def lend(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """Lend a context with these options of ``new_context``. What else can be set on a context
    itself (scripts, routes, listeners) would stay: take one of your own for that."""
    idle = _idle.setdefault(browser, {}).setdefault(repr(sorted(options.items())), [])
    kept = idle.pop() if idle else Kept.make(browser, options)
    try:
        yield kept.context
    finally:
        kept.clean()
        idle.append(kept)

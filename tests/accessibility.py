"""What axe and a narrow screen object to on a page, in the dark on a phone and in the light on a
desk. A page is opened and used on the phone, and looked at on both: it need not be opened twice.
"""

import contextlib
from collections.abc import Iterator

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize

from tests.kept_contexts import lend

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 844}


@contextlib.contextmanager
def phone_in_the_dark(browser: Browser) -> Iterator[Page]:
    """Yield a page whose colours do not move: axe would see them half-way."""
    with lend(browser, viewport=PHONE, color_scheme="dark", reduced_motion="reduce") as context:
        yield context.new_page()


def objections(page: Page) -> str:
    """Return what is wrong with a page of ``phone_in_the_dark``, or nothing."""
    page.wait_for_load_state()  # after a click its first lines may be all that is there
    found = _of_view(page, "on a phone in the dark")
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="light")
    found += _of_view(page, "on a desk in the light")
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")
    return found


def _of_view(page: Page, view: str) -> str:
    results = Axe().run(page)
    found = f"{view}: {results.generate_report()}\n" if results.violations_count else ""
    root = "document.documentElement"
    width, room = page.evaluate(f"[{root}.scrollWidth, {root}.clientWidth]")
    return found + (f"{view}: {width} wide, and the screen {room}\n" if width > room else "")

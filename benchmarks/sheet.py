"""The mark sheet: how long its page takes, and how long until what was typed is saved."""

import statistics
from collections.abc import Callable

from playwright.sync_api import Page, sync_playwright

import chromium
from accounts.in_school import enter
from accounts.models import Membership

from . import school, served
from .report import Goal, Section, seconds
from .timing import Profile, medians, progress, where_it_goes

SIZES = (30, 60)


def measure(small: bool) -> Section:
    """Measure pages over HTTP and typing in a browser, both against gunicorn."""
    section = Section("sheet", "the mark sheet of a class")
    hill = school.found()
    sizes = (3, 5) if small else SIZES
    cells, blocks = (2, 1) if small else (15, 5)
    progress("making the classes")
    with enter(hill):
        its = school.furnish(hill)
        shown = school.classes(its, sizes)
        for each in shown:
            school.fill(its, each)
        typing = school.classes(its, [max(cells, sizes[1]), *[sizes[1]] * blocks])
    teacher, idle = served.sign_in(its.teacher), served.sign_in(its.idle)
    profile = _profile(shown[-1], its.teacher)
    with served.site(section.memory) as (host, port):
        progress("asking for pages")
        times = 5 if small else 60
        pages_of(section, host, port, teacher, idle, shown, times=times, limit=profile.limit)
        progress("typing in a browser")
        _typing(section, f"http://{host}:{port}", teacher, typing, cells=cells)
    largest = len(shown[-1].enrollments)
    section.says(f"Where the time of the sheet of {largest} goes: {profile}")
    return section


def pages_of(
    section: Section,
    host: str,
    port: int,
    teacher: str,
    idle: str,
    classes: list[school.SchoolClass],
    *,
    times: int,
    limit: str = "",
) -> None:
    """Ask for the sheets of these classes, and for trivial pages, in turns."""
    busy, nobody = served.Visitor(host, port, teacher), served.Visitor(host, port)
    plain = served.Visitor(host, port, idle)
    asking: dict[str, Callable[[], bytes]] = {
        "/healthz": lambda: nobody.get("/healthz"),
        "/my-changes/ of a teacher without any": lambda: plain.get("/my-changes/"),
    }
    for each in classes:
        path = f"/classes/{each.section}/"
        asking[f"sheet of {len(each.enrollments)}"] = lambda path=path: busy.get(path)  # type: ignore[misc]
    size = {name: len(ask()) for name, ask in asking.items()}  # and the first time is no measure
    took = medians(asking, times=times)
    trivial = took["/my-changes/ of a teacher without any"]
    section.says(
        "Pages, by gunicorn with one worker of 8 threads, DEBUG off, over the loopback, one after "
        f"the other, {times} times each, in turns. The trivial page is the list of one’s own "
        "changes of a teacher who has none: it passes the same door (session, membership, school) "
        "and stands in the same frame. In the classes every state of a cell occurs: blank, "
        "approved, waiting, a waiting correction, in conflict, declined, and a new, a waitlisted "
        "and a withdrawn pupil."
    )
    section.shows(
        ("page", "bytes", "time", "against the trivial page"),
        [
            (name, f"{size[name]:,}", seconds(time), f"{time / trivial:.2f} x")
            for name, time in took.items()
        ],
    )
    for each in classes:
        name = f"sheet of {len(each.enrollments)}"
        section.goals.append(Goal(f"the page of the {name}", took[name] / trivial, 4, limit=limit))


def _profile(of: school.SchoolClass, teacher: Membership) -> Profile:
    """Return where the time of a page goes, in this process."""
    client = served.browser(teacher)
    path = f"/classes/{of.section}/"
    if client.get(path).status_code != 200:
        raise served.NotServed(path)
    return where_it_goes(lambda: client.get(path))


# In the browser. ----------------------------------------------------------------------------------

# Called in the page: remembers the moment of a key, and resolves as soon as `done` holds. It looks
# whenever the page changes, so no polling adds to the time.
WATCH = """([key, done]) => {
  window.took = new Promise((resolve) => {
    let start = 0;
    const isDone = new Function("return " + done);
    const watcher = new MutationObserver(() => {
      if (start && isDone()) {
        watcher.disconnect();
        resolve(performance.now() - start);
      }
    });
    document.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() === key && !start) {
        start = performance.now();
      }
    }, {capture: true});
    watcher.observe(document.body, {subtree: true, childList: true, characterData: true});
  });
}"""


def _typing(
    section: Section, url: str, session: str, classes: list[school.SchoolClass], *, cells: int
) -> None:
    path = chromium.path()
    if path is None:
        section.says("Typing was not measured: there is no Chromium on this machine.")
        return
    first, *blocks = classes
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium.ARGUMENTS)
        context = browser.new_context()
        context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto(f"{url}/classes/{first.section}/")
        one = [type_one(page, n) for n in range(1, cells + 1)]
        many = []
        for each in blocks:
            page.goto(f"{url}/classes/{each.section}/")
            many.append(paste_block(page, len(each.enrollments)))
        browser.close()
    count = 2 * len(blocks[0].enrollments)
    _say_typing(section, statistics.median(one), statistics.median(many), count, one, many)


def _say_typing(
    section: Section, one: float, many: float, count: int, ones: list[float], manys: list[float]
) -> None:
    section.says(
        "Typing, in Chromium against the same server: from the press of Enter in a mark until the "
        "cell says “awaiting approval”; and from Control-V, of a block of two columns, until the "
        f"tally says that all {count} cells await approval and none is not yet saved, and each "
        "cell says so."
    )
    section.shows(
        ("what", "median", "fastest", "slowest", "times", "against one cell"),
        [
            (name, *(seconds(t) for t in (median, min(all_), max(all_))), f"{len(all_)}", against)
            for name, median, all_, against in (
                ("one cell", one, ones, "1 x"),
                (f"a pasted block of {count} cells", many, manys, f"{many / one:.1f} x"),
            )
        ],
    )
    section.goals.append(Goal(f"a pasted block of {count} cells, against one", many / one, 3))


def type_one(page: Page, n: int) -> float:
    """Type a mark into row ``n`` and press Enter; return the seconds until it awaits approval."""
    cell = page.locator(f'[name="grade-{n}"]')
    cell.click()
    page.keyboard.type("57")
    said = f'document.getElementById("grade-{n}-answer").textContent.includes("awaiting approval")'
    page.evaluate(WATCH, ["enter", said])
    page.keyboard.press("Enter")
    return float(page.evaluate("window.took")) / 1000


def paste_block(page: Page, pupils: int) -> float:
    """Paste a mark and a comment for each pupil; return the seconds until all await approval."""
    text = "\n".join(f"{40 + n % 60}\tHas worked steadily, see page {n}." for n in range(pupils))
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.locator('[name="grade-1"]').click()
    said = (
        'document.querySelector(".tally").textContent.replace(/\\s+/g, " ")'
        f'.includes(" {2 * pupils} awaiting approval 0 not yet saved")'
        ' && [...document.querySelectorAll("[data-sheet] .answer")]'
        f'.filter((each) => each.textContent.includes("awaiting approval")).length === {2 * pupils}'
    )
    page.evaluate(WATCH, ["v", said])
    page.keyboard.press("Control+v")
    return float(page.evaluate("window.took")) / 1000

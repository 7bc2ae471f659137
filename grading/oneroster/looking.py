"""What importing an upload would do, as a page shows it: counted in full, listed in part.

It is kept as JSON, so that it is worked out once, by the worker. Nothing here looks at the
database.
"""

import csv
import hashlib
import io
from collections.abc import Iterator
from typing import Any

from changes import registry
from changes.formulas import guarded
from grading.oneroster.problems import BadRoster, fair_share, printable
from grading.oneroster.report import NAMES, Report, tell
from grading.oneroster.told import DELETED, LISTED, NEW, WAITS, WITHDRAWS, Told

WORDS = {WITHDRAWS: "withdrawn", DELETED: "deleted", NEW: "new"}

Shown = dict[str, Any]
"""told: in numbers; groups: records, by type and by what
becomes of them; token: of exactly this, where there is anything to import; held: why somebody has
to say that it is meant; refusal, counts, problems, total: why it cannot be imported;
causes: what several of the problems come from (causes.py)."""


def of_report(report: Report, *, email: str, held: str = "") -> Shown:
    """Return what a rehearsed import has done."""
    changes = any(each.changed_anything for each in report.schools)
    return {
        "told": list(tell(report, email=email, listing=False)),  # the groups list the rest
        "groups": [group for each in report.schools for group in _groups(each.lines)],
        "token": token_of(report, email=email) if changes else "",
        "held": held,
    }


def of_refusal(words: str) -> Shown:
    """Return why a delivery is none for this school."""
    return {"refusal": printable(words)}


def of_problems(bad: BadRoster) -> Shown:
    """Return what is wrong with a delivery: every kind of problem with how often it is there, the
    most frequent first, and where they are, as far as that was kept."""
    counts = sorted(bad.counts.items(), key=lambda each: (-each[1], each[0]))
    return {
        "counts": [
            (printable(file), printable(kind), f"{count:,}") for (file, kind), count in counts
        ],
        "problems": [
            (printable(each.file), each.line, printable(each.column), each.reason, each.place)
            for each in bad.problems
        ],
        "listed": [(each.place, each.reason) for each in fair_share(bad.problems, LISTED)],
        "total": bad.total,
    }


def token_of(report: Report, *, email: str) -> str:
    """Return the digest of all that an import does, in words."""
    lines = [each.lines.digest for each in report.schools]
    told = list(tell(report, email=email))
    return hashlib.sha256(repr((lines, told)).encode("utf-8", "backslashreplace")).hexdigest()


def problems_as_csv(shown: Shown) -> bytes:
    """Return the problems for whoever puts them right, with the mark by which a spreadsheet knows
    UTF-8, and no text that it would take for a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["File", "Line", "Column", "What is wrong"])
    for file, line, column, reason, _ in shown["problems"]:
        writer.writerow([guarded(file), line or "", guarded(column), guarded(reason)])
    return out.getvalue().encode("utf-8-sig")


def _word(what: str, count: int) -> str:
    if what == WAITS:
        return f"{'waits' if count == 1 else 'wait'} for a second person"
    return WORDS.get(what, "changed")


def _groups(told: Told) -> Iterator[dict[str, Any]]:
    """Yield the records of one type that go one way, each type and way once."""
    order = {tracked.entity_type: n for n, tracked in enumerate(registry.in_order())}
    for entity_type, what in sorted(told.counts, key=lambda way: order[way[0]]):
        count = told.counts[entity_type, what]
        one, many = NAMES[entity_type]
        yield {
            "heading": f"{one if count == 1 else many} {_word(what, count)}",
            "what": what,
            "count": f"{count:,}",
            "more": f"{count - LISTED:,}" if count > LISTED else "",
            "lines": [
                {
                    "title": line.title,
                    "places": line.places,
                    "cells": [
                        {
                            "label": cell.label,
                            "before": cell.before,
                            "after": cell.after,
                            "waits": cell.waits,
                        }
                        for cell in line.cells
                    ],
                }
                for line in told.listed[entity_type, what]
            ],
        }

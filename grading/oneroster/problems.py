"""What is wrong with a roster, in words for the person who has to fix it."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NoReturn

FILES_IN_ORDER = (
    "manifest.csv",
    "orgs.csv",
    "academicSessions.csv",
    "courses.csv",
    "classes.csv",
    "users.csv",
    "roles.csv",
    "demographics.csv",
    "enrollments.csv",
    "categories.csv",
    "lineItems.csv",
    "results.csv",
)
"""Reading order and order of the report: a file points into files before it only."""

KEPT_PER_KIND = 1_000
"""Problems of one kind in one file that are kept; more are counted only. A file of a million bad
lines must not become a million objects, and nobody reads beyond the first pages."""

SHOWN_CHARACTERS = 60

_QUOTED = re.compile("“[^”]*”")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong at one place.

    file: name within the delivery, or the delivery's own name where it cannot be opened.
    line: physical line of that file, the header being 1; 0 means the file as a whole.
    column: name in the header; '' means the row as a whole.
    reason: a sentence. kind: that sentence without its values, so that like can be counted.
    """

    file: str
    line: int
    column: str
    reason: str
    kind: str

    @property
    def place(self) -> str:
        place = [shown(self.file, marks=False)]
        if self.line:
            place.append(f"line {self.line}")
        if self.column:
            place.append(f"column {shown(self.column, marks=False)}")
        return ", ".join(place)

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class BadRoster(Exception):
    """The delivery cannot be imported as it is; nothing of it was used.

    problems: by file and line, at most KEPT_PER_KIND of each kind. total: how many there are.
    counts: how many there are by (file, kind).
    """

    def __init__(
        self, problems: list[Problem], total: int, counts: Counter[tuple[str, str]]
    ) -> None:
        super().__init__(f"{total:,} problems, the first being: {problems[0]}")
        self.problems = problems
        self.total = total
        self.counts = counts


@dataclass(slots=True)
class Problems:
    """Collects problems while a delivery is read, so that one run reports all of them."""

    kept: list[Problem] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.counts.total()

    def add(self, file: str, line: int, column: str, sentence: str, *values: str | int) -> None:
        """Note a problem. sentence: words, with a {} for each of `values`."""
        kind = sentence.replace("{}", "…")
        self.counts[file, kind] += 1
        if self.counts[file, kind] <= KEPT_PER_KIND:
            reason = sentence.format(*(shown(v) if isinstance(v, str) else v for v in values))
            self.kept.append(Problem(file, line, column, reason, kind))

    def add_reason(self, file: str, line: int, column: str, reason: str) -> None:
        """Note a problem in words made elsewhere, with values between “quotation marks”."""
        words = _QUOTED.split(reason)
        values = [value[1:-1] for value in _QUOTED.findall(reason)]
        braces = {"{": "{{", "}": "}}"}
        sentence = "{}".join("".join(braces.get(c, c) for c in part) for part in words)
        self.add(file, line, column, sentence, *values)

    def refuse(self) -> NoReturn:
        """Raise BadRoster with all that was noted."""
        raise BadRoster(sorted(self.kept, key=_place), self.total, self.counts)


def shown(text: str, *, marks: bool = True) -> str:
    """`text` short and printable, between quotation marks unless told otherwise."""
    short = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    return f"“{printable(short)}”" if marks else printable(short)


def printable(text: str) -> str:
    """`text` safe to print.

    It comes from a stranger's file: control characters could rewrite the terminal, direction marks
    could reorder the sentence, and a lone surrogate cannot be encoded for printing at all.
    """
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def format_report(bad: BadRoster, limit: int = 100) -> str:
    """The report for people: how many problems of which kind, up to `limit` places, how many more.

    Each kind gets a fair share of the places, so that two thousand lines of one mistake do not hide
    the next; within that they stand in the order of the files and their lines.
    """
    places = fair_share(bad.problems, limit)
    problems = "1 problem" if bad.total == 1 else f"{bad.total:,} problems"
    parts = [f"Nothing was imported: {problems}.", ""]
    for file in sorted({file for file, _ in bad.counts}, key=_file_order):
        kinds = [(kind, n) for (of, kind), n in bad.counts.items() if of == file]
        parts.append(f"{shown(file, marks=False)}, {sum(n for _, n in kinds):,} in all:")
        parts += [f"  {n:,} times: {kind}" for kind, n in kinds]
    parts += ["", *map(str, places)]
    if bad.total > len(places):
        parts.append(f"and {bad.total - len(places):,} more.")
    return "\n".join(parts)


def fair_share(problems: list[Problem], limit: int) -> list[Problem]:
    """Return up to `limit` of the problems, some of each kind, in their order."""
    groups: dict[tuple[str, str], list[int]] = {}
    for i, problem in enumerate(problems):
        groups.setdefault((problem.file, problem.kind), []).append(i)
    chosen: list[int] = []
    waiting = len(groups)
    # Small groups first: what they leave of their share goes to the larger ones.
    for group in sorted(groups.values(), key=len):
        chosen += group[: (limit - len(chosen)) // waiting]
        waiting -= 1
    return [problems[i] for i in sorted(chosen)]


def _place(problem: Problem) -> tuple[int, str, int]:
    return (*_file_order(problem.file), problem.line)


def _file_order(file: str) -> tuple[int, str]:
    return (FILES_IN_ORDER.index(file) if file in FILES_IN_ORDER else -1, file)

"""The figures of a part, as a section of benchmarks/results.md."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from .memory import Peaks

RESULTS = Path(__file__).resolve().parent / "results.md"
HEAD = """\
# What was measured

Written by `make bench`. Times are medians; every ratio is of two times of the same run, since the
machine is no quiet one. The database is PostgreSQL as it comes, with fsync on.
"""


MEMORY = 300
GOALS = ("goal", "wanted", "measured", "met", "what limits it")


@dataclasses.dataclass(frozen=True)
class Goal:
    """A figure that must not exceed ``bound``, or where ``least`` is set not fall short of it;
    ``unit`` is what both are counted in, ``limit`` what was found to stand in the way."""

    what: str
    measured: float
    bound: float
    unit: str = "x"
    limit: str = ""
    least: bool = False

    @property
    def is_met(self) -> bool:
        return self.measured >= self.bound if self.least else self.measured <= self.bound

    @property
    def row(self) -> tuple[str, ...]:
        words = "at least" if self.least else "at most"
        return (
            self.what,
            f"{words} {figure(self.bound)} {self.unit}".strip(),
            f"{figure(self.measured)} {self.unit}".strip(),
            self._verdict,
            "" if self.is_met else self.limit.replace("|", "\\|"),
        )

    @property
    def _verdict(self) -> str:
        if self.is_met:
            return "yes"
        few, many = sorted([self.measured, self.bound])
        return f"no, by a factor of {figure(many / few)}" if few > 0 else "no"


@dataclasses.dataclass
class Section:
    """What one part found. ``parts`` are paragraphs and tables, in order; ``memory`` is what
    Python processes needed at most."""

    name: str
    title: str
    parts: list[str] = dataclasses.field(default_factory=list)
    goals: list[Goal] = dataclasses.field(default_factory=list)
    memory: Peaks = dataclasses.field(default_factory=Peaks)

    def says(self, text: str) -> None:
        """Add a paragraph."""
        self.parts.append(text)

    def shows(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table."""
        self.parts.append(table(head, rows))

    def text(self, circumstances: str) -> str:
        """Return the section as Markdown."""
        parts = [f"## {self.name}: {self.title}", f"*{circumstances}*", *self.parts]
        goals = list(self.goals)
        if self.memory:
            rows = [(whose, f"{megabytes:,.0f} MB") for whose, megabytes in self.memory.items()]
            parts.append(table(("memory of a Python process", "at most"), rows))
            largest = max(self.memory, key=lambda whose: self.memory[whose])
            most = self.memory[largest]
            goals.append(Goal("memory of a Python process", most, MEMORY, "MB", largest))
        if goals:
            parts.append(table(GOALS, [goal.row for goal in goals]))
        return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown; all columns but the first are aligned to the right."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(number: float) -> str:
    """Return a figure for people."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def seconds(time: float) -> str:
    """Return a time for people."""
    if time < 1:
        return f"{time * 1000:.3g} ms"
    return f"{time:.3g} s" if time < 100 else f"{time:.0f} s"


def put(section: str, name: str, order: Sequence[str], file: Path = RESULTS) -> None:
    """Put a section into the file, in the place of the one of that name, and the goals of all of
    them at the head."""
    text = file.read_text() if file.exists() else HEAD
    head, *others = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    sections = {each[3:].partition(":")[0]: each.strip() for each in others}
    sections[name] = section.strip()
    kept = [sections[each] for each in order if each in sections]
    file.write_text("\n\n".join([head.strip(), _all_goals(kept), *kept]) + "\n")


def _all_goals(sections: Sequence[str]) -> str:
    """Return the goals of these sections, as one. They are read from the sections, which may have
    been measured on other days."""
    rows = []
    for section in sections:
        name = section[3:].partition(":")[0]
        _, _, goals = section.partition("\n| goal |")
        lines = goals.splitlines()[2:]  # after the rest of the head, and the rule below it
        rows += [[name, *line.strip("| ").split(" | ")[:4]] for line in lines]
    return "## goals: what was wanted, and what was found\n\n" + table(("part", *GOALS[:4]), rows)

"""The figures of a part, as a section of benchmarks/results.md."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results.md"
HEAD = """\
# What was measured

Written by `make bench`. Times are medians; every ratio is of two times of the same run, since the
machine is no quiet one. The database is PostgreSQL as it comes, with fsync on.
"""


@dataclasses.dataclass(frozen=True)
class Goal:
    """A figure that must not exceed ``most``; ``unit`` is what both are counted in."""

    what: str
    measured: float
    most: float
    unit: str = "x"

    @property
    def is_met(self) -> bool:
        return self.measured <= self.most

    @property
    def row(self) -> tuple[str, ...]:
        verdict = "yes" if self.is_met else "no"
        if not self.is_met and self.most:
            verdict = f"no: {self.measured / self.most:.1f} times the goal"
        return (
            self.what,
            f"{self.most:g} {self.unit}",
            f"{self.measured:.3g} {self.unit}",
            verdict,
        )


@dataclasses.dataclass
class Section:
    """What one part found. ``parts`` are paragraphs and tables, in order."""

    name: str
    title: str
    parts: list[str] = dataclasses.field(default_factory=list)
    goals: list[Goal] = dataclasses.field(default_factory=list)

    def says(self, text: str) -> None:
        """Add a paragraph."""
        self.parts.append(text)

    def shows(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table."""
        self.parts.append(table(head, rows))

    def text(self, circumstances: str) -> str:
        """Return the section as Markdown."""
        parts = [f"## {self.name}: {self.title}", f"*{circumstances}*", *self.parts]
        if self.goals:
            head = ("goal", "at most", "measured", "met")
            parts.append(table(head, [goal.row for goal in self.goals]))
        return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown; all columns but the first are aligned to the right."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def seconds(time: float) -> str:
    """Return a time for people."""
    if time < 1:
        return f"{time * 1000:.3g} ms"
    return f"{time:.3g} s" if time < 100 else f"{time:.0f} s"


def put(section: str, name: str, order: Sequence[str], file: Path = RESULTS) -> None:
    """Put a section into the file, in the place of the one of that name."""
    text = file.read_text() if file.exists() else HEAD
    head, *others = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    sections = {each[3:].partition(":")[0]: each.strip() for each in others}
    sections[name] = section.strip()
    kept = [sections[each] for each in order if each in sections]
    file.write_text("\n\n".join([head.strip(), *kept]) + "\n")

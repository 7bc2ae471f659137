"""A term in which one account is misused, as plain data: what is typed, and what should stand when
all that the account typed is taken away. Needs no Django, so that all who are compared play it."""

import dataclasses
import random
from collections.abc import Iterable

FIELDS = ("grade", "comment")
Cell = tuple[int, str]


@dataclasses.dataclass(frozen=True)
class Edit:
    """One value typed into one cell of the table."""

    row: int
    field: str
    value: str
    misused: bool

    @property
    def cell(self) -> Cell:
        return self.row, self.field


@dataclasses.dataclass(frozen=True)
class Story:
    """The cells as they stand at first, and the edits in their order."""

    rows: int
    edits: list[Edit]

    @staticmethod
    def first(row: int, field: str) -> str:
        """Return what stands in a cell before the first edit."""
        return str(row % 101) if field == "grade" else f"Pupil {row} works well."

    def what_should_stand(self) -> dict[Cell, str]:
        """Return every cell as it would be had the account typed nothing."""
        cells = {(row, f): self.first(row, f) for row in range(self.rows) for f in FIELDS}
        for edit in self.edits:
            if not edit.misused:
                cells[edit.cell] = edit.value
        return cells

    def rounds(self) -> Iterable[list[Edit]]:
        """Return the edits in bundles, in their order, in each of which a cell occurs once."""
        bundles: list[list[Edit]] = []
        used: dict[Cell, int] = {}
        for edit in self.edits:
            number = used[edit.cell] = used.get(edit.cell, -1) + 1
            if number == len(bundles):
                bundles.append([])
            bundles[number].append(edit)
        return bundles


def tell(*, rows: int, misused: int, others: int) -> Story:
    """Return a story in which the account's edits lie anywhere among those of the others."""
    chance = random.Random(412)  # noqa: S311 - no secret: the same story each time
    whose = [True] * misused + [False] * others
    chance.shuffle(whose)
    edits = []
    for number, is_misused in enumerate(whose):
        row, field = chance.randrange(rows), chance.choice(FIELDS)
        value = str(chance.randrange(101)) if field == "grade" else f"Has typed {number} pages."
        edits.append(Edit(row, field, value, is_misused))
    return Story(rows, edits)

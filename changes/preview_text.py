"""A preview in words, line by line, as the commands print it. Call inside a school."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

from . import naming, registry
from .models import Change
from .projector import Move
from .registry import EXISTS, TRUE
from .revert import Kind, Line, Preview


def in_words(preview: Preview, *, with_ids: bool = False) -> Iterator[str]:
    """Say what an act would do, or did. The number of statements does not grow with the lines.
    ``with_ids``: with each line the id of its last change, by which it can be left out."""
    words = _Words(preview)
    # What leaves or comes back to the queue is told below, with its value and its author.
    told = [line for line in preview.lines if line.kind not in (Kind.WITHHELD, Kind.WAITS_AGAIN)]
    yield from (f"  {words.of_line(line)}{_id(line.changes) if with_ids else ''}" for line in told)
    about = {change for line in preview.lines for change in line.changes.split()}
    records = {move.entity_id for move in preview.consequences if move.field == EXISTS}
    records |= {line.entity_id for line in preview.lines if line.is_record and line.ticked}
    besides = [m for m in preview.consequences if m.field == EXISTS or m.entity_id not in records]
    for heading, lines in (
        ("Besides", [words.of_move(move) for move in besides]),
        (
            "Clashes: leave one line of each out, or change the other record first",
            [words.of_clash(clash.entity_ids, str(clash)) for clash in preview.clashes],
        ),
        (
            "Please check: approved, typed over a value that falls",
            words.of(preview.please_check),
        ),
        ("Waits, typed over a value that falls", words.of(preview.based_on)),
        (
            "Leaves the queue",
            [
                f"{said}{_id(str(change)) if with_ids and str(change) in about else ''}"
                for said, change in zip(words.of(preview.leaving), preview.leaving, strict=True)
            ],
        ),
        ("Returns to the queue", words.of(preview.returning)),
        ("Was declined, and stays so", words.of(preview.declined)),
        ("Will be written", preview.effects),
    ):
        if lines:
            yield f"{heading}:"
            yield from (f"  {line}" for line in lines)


class _Words:
    """The names of everything that a preview shows."""

    def __init__(self, preview: Preview) -> None:
        shown = {
            *preview.please_check,
            *preview.based_on,
            *preview.leaving,
            *preview.returning,
            *preview.declined,
        }
        self._changes = Change.objects.in_bulk(shown)
        cells: list[Line | Move | Change] = [
            *preview.lines,
            *preview.consequences,
            *self._changes.values(),
        ]
        self._titles = naming.titles(
            [
                *((cell.entity_type, cell.entity_id) for cell in cells),
                *((c.entity_type, each) for c in preview.clashes for each in c.entity_ids),
            ]
        )
        self._values = naming.value_texts(
            (cell.entity_type, cell.field, value) for cell in cells for value in _values_of(cell)
        )
        self._people = naming.people(
            [
                *(change.author_id for change in self._changes.values()),
                *(author for line in preview.lines for author in line.others),
            ]
        )

    def of_line(self, line: Line) -> str:
        title = self._titles[line.entity_id]
        if line.kind == Kind.KEPT:
            what = title if line.is_record else f"{title}: {_label(line.entity_type, line.field)}"
            return f"{what}: kept{_because(self._on_top(line.others))}"
        if line.is_record and line.kind in (Kind.VANISHES, Kind.RETURNS):
            word = "vanishes" if line.kind == Kind.VANISHES else "comes back"
            return f"{title}: {word}{_with(self._on_top(line.others))}"
        if line.kind in (Kind.FALLS_BACK, Kind.COMES_BACK):
            return self.of_move(line)
        if line.is_record:
            return f"{title}: {line.kind.value}"
        stands = self._values[line.entity_type, line.field, line.after]
        label = _label(line.entity_type, line.field)
        return f"{title}: {label} stays {stands}, {line.kind.value}"

    def of_move(self, move: Line | Move) -> str:
        title = self._titles[move.entity_id]
        if move.field == EXISTS:
            return f"{title}: {'comes back' if move.after == TRUE else 'vanishes'}"
        before, after = (
            self._values[move.entity_type, move.field, value] for value in (move.before, move.after)
        )
        return f"{title}: {_label(move.entity_type, move.field)} {before} -> {after}"

    def of_clash(self, entity_ids: Iterable[uuid.UUID], sentence: str) -> str:
        return f"{sentence}: {', '.join(self._titles[each] for each in entity_ids)}"

    def of(self, change_ids: Sequence[uuid.UUID]) -> list[str]:
        return [self._of_change(self._changes[each]) for each in change_ids]

    def _of_change(self, change: Change) -> str:
        title, author = self._titles[change.entity_id], self._people[change.author_id]
        value = self._values[change.entity_type, change.field, change.value]
        if change.kind == Change.Kind.WITHDRAW:
            return f"{title}: {_label(change.entity_type, change.field)} withdrawn, by {author}"
        if change.field == EXISTS:
            return f"{title}: {value}, by {author}"
        return f"{title}: {_label(change.entity_type, change.field)} {value}, by {author}"

    def _on_top(self, others: Mapping[uuid.UUID, int]) -> str:
        counted = sorted((self._people[author], count) for author, count in others.items())
        return ", ".join(f"{count} by {author}" for author, count in counted)


def _id(changes: str) -> str:
    return f" [{changes.split()[-1]}]"


def _because(on_top: str) -> str:
    return f", since others built on it (changes: {on_top})" if on_top else ""


def _with(on_top: str) -> str:
    return f", and what was built on it with it (changes: {on_top})" if on_top else ""


def _values_of(cell: Line | Move | Change) -> tuple[str | None, ...]:
    return (cell.value,) if isinstance(cell, Change) else (cell.before, cell.after)


def _label(entity_type: str, field: str) -> str:
    return "record" if field == EXISTS else registry.get(entity_type).field(field).label

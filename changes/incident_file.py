"""The account of a revert as CSV: all of it, however many changes, in batches of few statements."""

import csv
import datetime as dt
import io
from collections.abc import Iterable, Iterator, Sequence

from django.utils.timezone import localtime

from .formulas import guarded
from .incident import Account, Excluded
from .models import Change

COLUMNS = (
    "Part",
    "Record",
    "Field",
    "From",
    "To",
    "When",
    "Who",
    "From the address",
    "State",
    "Note",
)
BATCH = 5000


def as_csv(account: Account, facts: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    """Yield the account as CSV, with the mark by which a spreadsheet knows UTF-8. Times are those
    of the school's clocks, with their offset.

    Args:
        facts: who decided what and why, each with what it is called.
    """
    yield _lines([COLUMNS]).encode("utf-8-sig")
    yield _rows(_decision(account, facts))
    ids = list(account.changes().values_list("pk", flat=True))
    restored: set[tuple[object, str]] = set()
    moved_on: set[tuple[object, str]] = set()
    for start in range(0, len(ids), BATCH):
        some = account.changes().filter(pk__among=ids[start : start + BATCH])
        told = account.excluded(list(some), with_effects=False)
        yield _rows(_excluded(each) for each in told)
        yield _rows(_restored(told, restored))
        yield _rows(_now(told, moved_on))
    yield _rows(("with it", m.title, m.field, m.before, m.after) for m in account.consequences())
    for part, changes in (
        ("please check", account.to_check()),
        ("returned to the queue", account.returned()),
    ):
        yield _rows(
            (part, o.title, o.field, o.old, o.new, *_sent(o.change))
            for o in account.others(list(changes))
        )


def _decision(account: Account, facts: Iterable[tuple[str, str]]) -> Iterator[Sequence[str]]:
    for label, value in facts:
        yield "decision", "", label, "", value
    for words in account.left_behind():
        yield "decision", "", "Written", "", words
    for lift in account.lifts():
        changes = f"{lift.count} change{'' if lift.count == 1 else 's'}"
        when, who = at(lift.decided_at), str(lift.decided_by)
        yield "lifted", "", f"decision {lift.number}", "", changes, when, who, "", "", lift.reason
    for told in account.told():
        yield "told", told.of, "", "", "", at(told.at) if told.at else "", told.who, "", told.how


def _excluded(each: Excluded) -> Sequence[str]:
    lift = each.lifted_by
    note = f"lifted by decision {lift.number}" if lift else ""
    old, new = each.old, each.new
    return ("excluded", each.title, each.field, old, new, *_sent(each.change), each.was, note)


def _restored(
    told: Iterable[Excluded], already: set[tuple[object, str]]
) -> Iterator[Sequence[str]]:
    """Yield each cell that moved once, though several changes of it were excluded."""
    for each in told:
        cell = (each.change.entity_id, each.change.field)
        if each.moved and cell not in already:
            already.add(cell)
            yield "restored", each.title, each.field, each.before, each.after


def _now(told: Iterable[Excluded], already: set[tuple[object, str]]) -> Iterator[Sequence[str]]:
    """Yield each cell once in which something else stands by now than with the revert."""
    for each in told:
        cell = (each.change.entity_id, each.change.field)
        if each.now and cell not in already:
            already.add(cell)
            yield "stands now", each.title, each.field, each.after, each.now


def _sent(change: Change) -> tuple[str, str, str]:
    return at(change.change_set.received_at), str(change.author), change.change_set.ip or ""


def at(instant: dt.datetime) -> str:
    """Return what the school's clocks showed, with their offset."""
    return localtime(instant).isoformat(sep=" ", timespec="seconds")


def _rows(rows: Iterable[Sequence[str]]) -> bytes:
    width = len(COLUMNS)
    return _lines(
        [guarded(text) for text in (*row, *[""] * (width - len(row)))] for row in rows
    ).encode()


def _lines(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue()

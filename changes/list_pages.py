"""A list of the office as a file: as it is filtered and sorted on its page, every row of it."""

import datetime as dt
import decimal
import html
import re
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from accounts.disclosures import disclosed
from accounts.in_school import MemberRequest
from accounts.office import OfficeAdmin

from . import list_file
from .list_file import Cell
from .persons import persons
from .registry import Tracked

MOST_ROWS = 100_000
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,5})(\.\d{0,5}[1-9])?", re.ASCII)


@require_safe
def as_file(request: MemberRequest, page: OfficeAdmin, kind: str) -> HttpResponseBase:
    """The list of ``page`` as CSV or XLSX, written down in the audit log and at each pupil."""
    back = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
    try:
        changelist = page.get_changelist_instance(request)
    except IncorrectLookupParameters:
        return redirect(f"{back}?e=1")
    if changelist.result_count > MOST_ROWS:
        messages.error(
            request,
            f"This list has {changelist.result_count:,} rows, and a file takes {MOST_ROWS:,}. "
            "Choose some of them by the filters, and download those.",
        )
        return redirect(f"{back}?{request.GET.urlencode()}")
    headings, rows = _table(page, changelist)
    disclosed(
        request,
        persons(_records(page, rows)),
        what=f"list of {page.heading.lower()} as {kind.upper()}",
        why="works in the office",
        facts={
            "rows": len(rows),
            "filters": {name: value for name, value in request.GET.items() if value},
        },
    )
    content = list_file.write(kind, headings, (cells for _, cells in rows))
    said = re.sub(r"[^\w .-]", "-", page.heading).strip(" .-").lower()
    name = content_disposition_header(True, f"{said}.{kind}") or "attachment"
    return HttpResponse(content, list_file.TYPES[kind], headers={"Content-Disposition": name})


def _table(page: OfficeAdmin, changelist: Any) -> tuple[list[str], list[tuple[Any, list[Cell]]]]:
    """Return the headings, and each row with its cells."""
    tracked: Tracked | None = getattr(page, "tracked", None)
    if tracked is not None:
        fields = list(tracked.fields.values())
        named = [each.name for each in fields if each.reference]
        found = changelist.queryset.select_related(*named)
        besides: tuple[str, ...] = getattr(page, "also_in_file", ())
        headings = [each.label for each in fields]
        headings += [str(label_for_field(name, page.model, page)) for name in besides]
        return headings, [
            (
                row,
                [_cell(getattr(row, each.name), each.name) for each in fields]
                + [_looked_up(page, row, name) for name in besides],
            )
            for row in found[:MOST_ROWS]
        ]
    names = [name for name in changelist.list_display if name != "action_checkbox"]
    headings = [str(label_for_field(name, page.model, page)) or "record" for name in names]
    found = list(changelist.queryset[:MOST_ROWS])
    titles = page.names_of(found)
    for row in found:
        row.called = titles[row.pk]
    return headings, [(row, [_looked_up(page, row, name) for name in names]) for row in found]


def _looked_up(page: OfficeAdmin, row: Any, name: Any) -> Cell:
    field, _, value = lookup_field(name, row, page)
    choices = dict(getattr(field, "flatchoices", ()) or ())
    return _cell(choices.get(value, value) if choices else value, str(name))


def _cell(value: Any, name: str) -> Cell:
    """Return a value as a file has it: a mark that is a number is one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | decimal.Decimal):
        return value
    if isinstance(value, dt.datetime):
        return timezone.localtime(value).isoformat(sep=" ", timespec="seconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, SafeString):
        return html.unescape(strip_tags(value))
    text = str(value)
    if name == "grade" and _NUMBER.fullmatch(text):
        return decimal.Decimal(text)
    return text


def _records(page: OfficeAdmin, rows: Sequence[tuple[Any, Any]]) -> Iterable[tuple[str, uuid.UUID]]:
    """Return the records of the ledger that the rows tell of, as (entity type, id)."""
    tracked: Tracked | None = getattr(page, "tracked", None)
    for row, _ in rows:
        if tracked is not None:
            yield tracked.entity_type, row.pk
        elif hasattr(row, "entity_type"):
            yield row.entity_type, row.entity_id
        elif hasattr(row, "enrollment_id"):
            yield "enrollment", row.enrollment_id

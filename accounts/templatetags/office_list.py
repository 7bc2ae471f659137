"""The office's lists on a phone, where each row becomes a card."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django import template
from django.contrib.admin import site
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

register = template.Library()


@register.filter
def labelled(items: Iterable[str], headers: Iterable[Mapping[str, Any]]) -> Iterator[SafeString]:
    """Give each cell of a row, as Django's admin writes it, the name of its column; a card has no
    head row, and leaves out what is empty.

    Args:
        items: the ``<th>`` and ``<td>`` of a row.
        headers: the ``result_headers`` of the same list.
    """
    for item, header in zip(items, headers, strict=True):
        label = format_html(' data-label="{}"', capfirst(header["text"]))
        cell = item.replace("<td", f"<td{label}", 1)
        if item.endswith(f">{site.empty_value_display}</td>"):
            cell = cell.replace(' class="', ' class="blank ', 1)
        yield mark_safe(cell)  # noqa: S308 - Django's own cell, and a label that is escaped

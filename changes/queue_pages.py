"""The pages on which the office sees what waits: all of it in groups, and one group as a sheet."""

import dataclasses
import uuid
import zoneinfo
from collections.abc import Sequence

from django import forms
from django.core.paginator import Paginator
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest
from accounts.models import Membership
from accounts.plain import plain

from . import groups, judgement, naming, registry
from .flags import Flag
from .groups import Beside, Item
from .queue import Line, lines_of

GROUPS_ON_A_PAGE = 40
RECORDS_ON_A_PAGE = 200

ANY, NONE = "any", "none"


class Filters(forms.Form):
    """What of the queue is looked at. The choices are those of what waits."""

    sought = forms.CharField(label="Pupil or number", required=False, max_length=100)
    teacher = forms.ChoiceField(label="Who", required=False)
    group = forms.ChoiceField(label="Class", required=False)
    kind = forms.ChoiceField(label="What", required=False)
    flag = forms.ChoiceField(label="Flag", required=False)
    since = forms.DateField(
        label="Sent from", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label="Until, included", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, data: QueryDict, *, items: Sequence[Item], by: Membership) -> None:
        super().__init__(data)
        self.items, self.by = items, by
        people = naming.people({item.author_id for item in items})
        labels = {item.group.key: item.group.label for item in items}
        worn = {mark.flag for item in items for mark in item.marks}
        for name, choices in (
            ("teacher", sorted(((str(pk), who) for pk, who in people.items()), key=_second)),
            ("group", sorted(labels.items(), key=_second)),
            ("kind", groups.kinds(items)),
            (
                "flag",
                [
                    (ANY, "any flag"),
                    (NONE, "ordinary, without a flag"),
                    *((flag.value, flag.label) for flag in Flag if flag in worn),
                ],
            ),
        ):
            field = self.fields[name]
            field.choices = [("", "all"), *choices]  # type: ignore[attr-defined]
            field.error_messages["invalid_choice"] = "Nothing of this waits any more."

    def chosen(self) -> list[Item]:
        """Return the items that the filters let through: none, where one is not understood."""
        if not self.is_valid():
            return []
        wanted = self.cleaned_data
        zone = zoneinfo.ZoneInfo(self.by.school.time_zone)
        found = [
            item
            for item in self.items
            if wanted["teacher"] in ("", str(item.author_id))
            and wanted["group"] in ("", item.group.key)
            and wanted["kind"] in ("", item.kind)
            and wears(item, wanted["flag"])
            and (not wanted["since"] or item.received_at.astimezone(zone).date() >= wanted["since"])
            and (not wanted["until"] or item.received_at.astimezone(zone).date() <= wanted["until"])
        ]
        return groups.about(found, wanted["sought"]) if wanted["sought"] else found

    @property
    def are_set(self) -> bool:
        return any(self.data.get(name) for name in self.fields)


def _second(pair: tuple[str, str]) -> str:
    return plain(pair[1])


def wears(item: Item, flag: str) -> bool:
    """Return whether a filter by flag lets an item through. "" lets everything through."""
    if flag in (ANY, NONE):
        return item.is_ordinary == (flag == NONE)
    return not flag or flag in {mark.flag for mark in item.marks}


@require_safe
def queue(request: MemberRequest) -> HttpResponseBase:
    """What waits, by group and author, with how much of it is ordinary."""
    items = groups.waiting(by=request.member)
    filters = Filters(request.GET, items=items, by=request.member)
    chosen = filters.chosen()
    page = Paginator(groups.heaps(chosen), GROUPS_ON_A_PAGE).get_page(request.GET.get("page"))
    asked = request.GET.copy()
    asked.pop("page", None)
    ordinary = [item for item in chosen if item.is_ordinary]
    just_flagged = asked.copy()
    just_flagged["flag"] = ANY
    context = {
        "filters": filters,
        "nothing_waits": not items,
        "held": groups.held(request.member.school),
        "page": page,
        "rest_of_query": asked.urlencode(),
        "ordinary": ids_of(ordinary),
        "count": len(ordinary),
        "flagged": len(chosen) - len(ordinary),
        "just_flagged": just_flagged.urlencode(),
        "flag": request.GET.get("flag", "") if filters.is_valid() else "",
    }
    return TemplateResponse(request, "changes/queue.html", context)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A record on a sheet, with what waits of it and what it was before."""

    title: str
    lines: Sequence[Line]
    earlier: Sequence[tuple[str, str]]
    stands: bool

    @property
    def is_flagged(self) -> bool:
        return any(line.marks for line in self.lines)


@require_safe
def sheet(request: MemberRequest, group: str, author_id: uuid.UUID) -> HttpResponseBase:
    """What waits in one group by one author, record by record."""
    member = get_object_or_404(
        Membership.objects.select_related("user"), school=request.member.school, user_id=author_id
    )
    here = in_group(group, author_id, by=request.member)
    flag = request.GET.get("flag", "")
    chosen = [item for item in here if wears(item, flag)]
    rows, beside = _rows(chosen, by=request.member)
    page = Paginator(rows, RECORDS_ON_A_PAGE).get_page(request.GET.get("page"))
    ordinary = [line for row in page for line in row.lines if not line.marks]
    heap = groups.heaps(here)[0] if here else None
    context = {
        "heap": heap,
        "author": member.user,
        "held": member if member.is_frozen else None,
        "page": page,
        "rows": list(page),
        "rest_of_query": f"flag={flag}" if flag in (ANY, NONE, *Flag.values) else "",
        "flag": flag,
        "flag_label": Flag(flag).label if flag in Flag.values else "",
        "beside": beside,
        "ordinary": " ".join(line.ids for line in ordinary),
        "count": len(ordinary),
        "group": group,
        "author_id": author_id,
        "key": uuid.uuid4().hex,
        "tick": request.GET.get("tick", ""),
    }
    return TemplateResponse(request, "changes/sheet.html", context)


def in_group(group: str, author_id: uuid.UUID, *, by: Membership) -> list[Item]:
    """Return what waits of one author in a group."""
    return groups.waiting(by=by, author_id=author_id, group=group)


def ids_of(items: Sequence[Item]) -> str:
    """Return the changes of items as one form field carries them."""
    return " ".join(str(change.id) for item in items for change in item.changes)


def _rows(items: Sequence[Item], *, by: Membership) -> tuple[list[Row], list[Beside]]:
    judged = [change for item in items for change in item.changes]
    marks = {item.changes[0].id: item.marks for item in items}
    found = []
    for tracked in registry.in_order():
        some = [change for change in judged if change.entity_type == tracked.entity_type]
        beside = tracked.rules.beside(some) if some else None
        if beside:
            found.append(beside)
    names = {each: name for beside in found for each, name in beside.names.items()}
    earlier = {each: some for beside in found for each, some in beside.earlier.items()}
    by_record: dict[uuid.UUID, list[Line]] = {}
    for line in lines_of(judged, marks=marks):
        by_record.setdefault(line.first.entity_id, []).append(line)
    absent = {
        entity_id
        for tracked in registry.in_order()
        for entity_id in judgement.not_standing(
            by.school,
            tracked.entity_type,
            {j.entity_id for j in judged if j.entity_type == tracked.entity_type},
        )
    }
    rows = [
        Row(
            title=names.get(entity_id, some[0].title),
            lines=sorted(some, key=_place_of_field),
            earlier=earlier.get(entity_id, ()),
            stands=entity_id not in absent,
        )
        for entity_id, some in by_record.items()
    ]
    return sorted(rows, key=lambda row: plain(row.title)), found


def _place_of_field(line: Line) -> int:
    fields = list(registry.get(line.first.entity_type).fields)
    return fields.index(line.first.field) if line.first.field in fields else -1

"""The office's pages of what happened to a record, and of what was done in a session."""

import datetime as dt
import re
import uuid
import zoneinfo
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import F
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.text import get_text_list
from django.views.decorators.http import require_safe

from accounts.disclosures import disclosed
from accounts.in_school import MemberRequest
from accounts.plain import plain

from . import naming, registry, timeline
from .models import Change, ChangeQuerySet, ChangeSet
from .persons import persons
from .registry import EXISTS, Tracked
from .timeline import Became, Entry

MOST_BESIDES = 50
"""Decisions, and exports, that the page of a session lists."""

CHANGES_ON_A_PAGE = 50

STATES = {
    "waiting": ("awaiting approval", [Became.WAITING]),
    "held": ("held, since the account is frozen", [Became.HELD]),
    "approved": ("approved", [Became.APPROVED, Became.REPLACED]),
    "declined": ("declined", [Became.DECLINED]),
    "set-aside": (
        "superseded or withdrawn",
        [Became.SUPERSEDED, Became.WITHDRAWN, Became.WITHDRAWAL],
    ),
    "excluded": ("excluded by a revert", [Became.EXCLUDED]),
}
"""By which words a filter finds what became of changes."""

BADGES = {
    Became.WAITING: "waiting",
    Became.HELD: "withheld",
    Became.SUPERSEDED: "replaced",
    Became.WITHDRAWN: "replaced",
    Became.WITHDRAWAL: "",
    Became.APPROVED: "approved",
    Became.REPLACED: "approved",
    Became.DECLINED: "declined",
    Became.EXCLUDED: "withheld",
}
"""How each looks."""


class Filters(forms.Form):
    """What of a timeline is looked at."""

    record = forms.ChoiceField(label="Record", required=False)
    field = forms.ChoiceField(label="Field", required=False)
    author = forms.ChoiceField(label="Who", required=False)
    state = forms.ChoiceField(
        label="What became of it",
        required=False,
        choices=[("", "all"), *((name, words) for name, (words, _) in STATES.items())],
    )
    since = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label="Until, included", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, data: QueryDict, *, changes: ChangeQuerySet, zone: str) -> None:
        super().__init__(data)
        self.changes, self.zone = changes, zoneinfo.ZoneInfo(zone)
        there = sorted(
            set(changes.order_by().values_list("entity_type", "field", "author_id").distinct())
        )
        types = [
            each for each in registry.in_order() if each.entity_type in {row[0] for row in there}
        ]
        people = naming.people({row[2] for row in there})
        fields = {(entity_type, field) for entity_type, field, _ in there}
        for name, choices in (
            ("record", [(each.entity_type, each.label) for each in types]),
            ("field", _fields(types, fields)),
            (
                "author",
                sorted(((str(pk), who) for pk, who in people.items()), key=lambda p: plain(p[1])),
            ),
        ):
            self.fields[name].choices = [("", "all"), *choices]  # type: ignore[attr-defined]
            self.fields[name].error_messages["invalid_choice"] = "Nothing here is of this."
        if len(types) < 2:
            del self.fields["record"]

    def chosen(self) -> ChangeQuerySet:
        """Return the changes that the filters let through: none, where one is not understood."""
        if not self.is_valid():
            return self.changes.none()
        wanted, found = self.cleaned_data, self.changes
        if wanted.get("record"):
            found = found.filter(entity_type=wanted["record"])
        if wanted["field"]:
            entity_type, _, field = wanted["field"].partition(".")
            found = found.filter(entity_type=entity_type, field=field)
        if wanted["author"]:
            found = found.filter(author_id=wanted["author"])
        if wanted["state"]:
            found = found.filter(became__in=STATES[wanted["state"]][1])  # type: ignore[misc]
        if wanted["since"]:
            found = found.filter(change_set__received_at__gte=self._midnight(wanted["since"]))
        if wanted["until"] and wanted["until"] < dt.date.max:
            end = self._midnight(wanted["until"] + dt.timedelta(days=1))
            found = found.filter(change_set__received_at__lt=end)
        return found

    def _midnight(self, day: dt.date) -> dt.datetime:
        return dt.datetime.combine(day, dt.time(), tzinfo=self.zone)

    @property
    def are_set(self) -> bool:
        return any(self.data.get(name) for name in self.fields)


def _fields(types: Sequence[Tracked], there: set[tuple[str, str]]) -> list[tuple[str, str]]:
    def words(tracked: Tracked, name: str, label: str) -> str:
        return label if len(types) == 1 else f"{tracked.label}: {label}"

    return [
        (f"{tracked.entity_type}.{name}", words(tracked, name, label))
        for tracked in types
        for name, label in [
            (EXISTS, "added or deleted"),
            *((each.name, each.label) for each in tracked.fields.values()),
        ]
        if (tracked.entity_type, name) in there
    ]


@require_safe
def of_record(request: MemberRequest, entity_type: str, entity_id: uuid.UUID) -> HttpResponseBase:
    """Everything that happened to a record, and to those that belong to it."""
    try:
        tracked = registry.get(entity_type)
    except registry.UnknownName:
        raise Http404 from None
    its = Change.objects.filter(
        school=request.member.school, entity_type=entity_type, entity_id=entity_id
    )
    if not its.exists():
        raise Http404
    title = naming.titles([(entity_type, entity_id)])[entity_id]
    with_it = get_text_list(
        [f"{each.label}s" for each, _ in timeline.dependents(entity_type)], "and"
    )
    context = {
        "title": title,
        "label": tracked.label,
        "with_it": with_it,
        "belongs_to": _belongs_to_with_parents(tracked, its),
        "subject": ("record", entity_type, entity_id),
    }
    changes = timeline.of_record(request.member.school, entity_type, entity_id)
    if "csv" not in request.GET:
        context |= _way_up(tracked, entity_id)
    return _page(request, changes, context)


@require_safe
def of_session(request: MemberRequest, change_set_id: uuid.UUID) -> HttpResponseBase:
    """Everything that was sent in the session of a save."""
    change_set = get_object_or_404(
        ChangeSet.objects.select_related("initiator"),
        school=request.member.school,
        pk=change_set_id,
    )
    decisions, exports = timeline.besides_in_session(change_set)
    context = {
        "title": f"{change_set.initiator}: {'a session' if change_set.session else 'a save'}",
        "change_set": change_set,
        "decisions": decisions[:MOST_BESIDES],
        "exports": exports[:MOST_BESIDES],
        "subject": ("session", "", change_set_id),
    }
    return _page(request, timeline.of_session(change_set), context)


def _page(
    request: MemberRequest, changes: ChangeQuerySet, context: dict[str, Any]
) -> HttpResponseBase:
    filters = Filters(request.GET, changes=changes, zone=request.member.school.time_zone)
    chosen = filters.chosen()
    if "csv" in request.GET:
        return _as_file(request, chosen, context)
    page = Paginator(chosen, CHANGES_ON_A_PAGE).get_page(request.GET.get("page"))
    asked = request.GET.copy()
    asked.pop("page", None)
    context |= {
        "filters": filters,
        "page": page,
        "entries": with_badges(timeline.entries(list(page))),
        "rest_of_query": asked.urlencode(),
    }
    return TemplateResponse(request, "changes/timeline.html", context)


def with_badges(told: Sequence[Entry]) -> list[tuple[Entry, str]]:
    """Return entries as the table of a page takes them: each with how its state looks."""
    return [(each, BADGES[each.became]) for each in told]


def _as_file(
    request: MemberRequest, chosen: ChangeQuerySet, context: dict[str, Any]
) -> HttpResponse:
    changes = list(chosen)
    told = timeline.entries(changes)
    what, entity_type, pk = context["subject"]
    asked = {name: value for name, value in request.GET.items() if value and name != "csv"}
    disclosed(
        request,
        persons((each.entity_type, each.entity_id) for each in changes),
        what=f"timeline of {context['title']} as CSV",
        why="works in the office",
        facts={what: str(pk), "type": entity_type, "changes": len(told), "filters": asked},
    )
    said = re.sub(r"[^\w .-]", "-", f"timeline {context['title']}").strip(" .-")
    name = content_disposition_header(True, f"{said}.csv") or "attachment"
    return HttpResponse(
        timeline.as_csv(told), "text/csv; charset=utf-8", headers={"Content-Disposition": name}
    )


def _way_up(tracked: Tracked, entity_id: uuid.UUID) -> dict[str, str]:
    """Return the list that a record stands in, and its own page while it stands."""
    model = tracked.model
    page = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    stands = model._default_manager.filter(pk=entity_id).exists()
    return {
        "heading": admin.site._registry[model].heading,  # type: ignore[attr-defined]
        "list_url": f"{page}_changelist",
        "record_url": reverse(f"{page}_change", args=[entity_id]) if stands else "",
    }


def _belongs_to_with_parents(
    tracked: Tracked, its: ChangeQuerySet
) -> list[tuple[str, str, uuid.UUID, str]]:
    """The same, and what those cannot be without: the term of the class that a mark is of."""
    found = _belongs_to(tracked, its)
    for _, _, pk, entity_type in list(found):
        parent = registry.get(entity_type)
        required = {each.label for each in parent.required}
        theirs = Change.objects.filter(entity_type=entity_type, entity_id=pk)
        found += [each for each in _belongs_to(parent, theirs) if each[0] in required]
    return found


def _belongs_to(tracked: Tracked, its: ChangeQuerySet) -> list[tuple[str, str, uuid.UUID, str]]:
    """Return the tracked records that a record names by now, or did at last: (label, title, id,
    type)."""
    fields = [each for each in tracked.fields.values() if each.references_entity]
    rows = its.filter(field__in=[each.name for each in fields]).not_excluded()
    rows = rows.order_by(F("position").asc(nulls_first=True), "id")
    named = {name: pk for name, pk in rows.values_list("field", "refers_to") if pk}
    types = {
        each.name: each.reference.entity_type
        for each in fields
        if each.reference and each.reference.entity_type and each.name in named
    }
    titles = naming.titles((types[name], named[name]) for name in types)
    labels = {each.name: each.label for each in fields}
    return [(labels[name], titles[named[name]], named[name], types[name]) for name in types]

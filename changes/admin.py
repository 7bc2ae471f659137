"""The ledger and its decisions, to look things up. Nothing of it is ever edited."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.timezone import localtime

from accounts.models import School
from accounts.office import OfficeAdmin
from accounts.plain import Plain, plain

from . import criteria_words, naming, record_pages, registry, timeline, timeline_pages
from .models import Change, ChangeSet, Decision
from .registry import EXISTS


class TrackedAdmin(OfficeAdmin):
    """A table that the projector writes: the approved state that everybody reads, under the names
    that the registry gives its fields. Editing a record, and adding one where that is done here
    (``may_add``), goes through the ledger."""

    lead = "As the approved changes add up."
    may_add: ClassVar[bool] = False
    also_in_file: ClassVar[tuple[str, ...]] = ()
    """Columns of the list that are no fields of the record, and stand in its file too."""

    def __init__(self, model: type[models.Model], site: admin.AdminSite) -> None:
        super().__init__(model, site)
        self._columns = {name: self._column(name) for name in map(str, self.list_display)}

    @property
    def tracked(self) -> registry.Tracked:
        return registry.get(self.model._meta.model_name or "")

    def names_of(self, rows: Iterable[Any]) -> dict[Any, str]:
        return dict(naming.titles((self.tracked.entity_type, row.pk) for row in rows))

    def choices_of(self, field: registry.Field, school: School) -> dict[str, str]:
        """Return what can be chosen for a reference that is edited, as id and name."""
        entity_type = field.reference.entity_type if field.reference else None
        if entity_type is None:
            return {}
        model = registry.get(entity_type).model
        ids = model._default_manager.filter(school=school).values_list("pk", flat=True)
        titles = naming.titles((entity_type, each) for each in ids)
        return sorted_by_name({str(pk): title for pk, title in titles.items()})

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.edit_view)
        name = f"{self.model._meta.app_label}_{self.model._meta.model_name}_edit"
        return [path("<uuid:entity_id>/edit/", view, name=name), *super().get_urls()]

    def edit_view(self, request: Any, entity_id: uuid.UUID) -> HttpResponseBase:
        choices = self._choices(request.member.school)
        return record_pages.edit(request, self.model, entity_id, choices, self.heading)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_add

    def add_view(self, request: Any, *args: Any, **options: Any) -> HttpResponse:
        if not self.may_add:
            raise PermissionDenied
        choices = self._choices(request.member.school)
        return record_pages.add(request, self.model, choices, self.heading)

    def _choices(self, school: School) -> dict[str, dict[str, str]]:
        fields = [each for each in self.tracked.fields.values() if each.reference]
        return {each.name: self.choices_of(each, school) for each in fields}

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return list(self._columns.values())

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> list[Any]:
        links = self.list_display_links or self.list_display[:1]
        return [self._columns[str(name)] for name in links or ()]

    def get_form(self, request: Any, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        labels = {each.name: each.label for each in self.tracked.fields.values()}
        return super().get_form(request, obj, change, **{"labels": labels, **kwargs})

    def render_change_form(
        self, request: Any, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add what waits on the record, of everybody."""
        row = kwargs["obj"]
        entity_type = self.tracked.entity_type
        waiting = timeline.of_record(request.member.school, entity_type, row.pk).filter(
            entity_id=row.pk,
            became__in=[timeline.Became.WAITING, timeline.Became.HELD],  # type: ignore[misc]
        )
        context["entity_type"] = entity_type
        context["edit_url"] = reverse(
            f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}_edit", args=[row.pk]
        )
        context["entries"] = timeline_pages.with_badges(timeline.entries(list(waiting)))
        return super().render_change_form(request, context, *args, **kwargs)

    def _column(self, name: str) -> Any:
        """Return a column of the list under its label; one that is no field stays as it is."""
        field = self.tracked.fields.get(name)
        if field is None:
            return name

        by = Plain(name) if name in self.found_by else name

        @admin.display(description=field.label, ordering=by, empty_value="-")
        def show(row: Any) -> Any:
            value = getattr(row, name)
            return None if value == "" else value

        return show


def sorted_by_name(names: Mapping[str, str]) -> dict[str, str]:
    """Return names by id, in the order in which people look for them."""
    return dict(sorted(names.items(), key=lambda each: (plain(each[1]), each[0])))


@admin.register(ChangeSet)
class ChangeSetAdmin(OfficeAdmin):
    heading = "Change sets"
    lead = "One for each save by one person."
    group = "The record, as kept"
    list_display = ("received_at", "who", "address", "way", "reason")
    list_filter = ("source", "received_at")
    list_select_related = ("initiator",)
    search_fields = ("initiator__name", "initiator__email", "=ip")
    fields = ("who", "received_at", "address", "browser", "way", "reason", "what")
    readonly_fields = ("who", "address", "browser", "way", "what")
    ordering = ("-received_at", "-id")

    def names_of(self, rows: Iterable[ChangeSet]) -> dict[Any, str]:
        return {
            row.pk: f"{row.initiator}, {date_format(localtime(row.received_at), 'j M Y, H:i')}"
            for row in rows
        }

    @admin.display(description="who", ordering="initiator__name")
    def who(self, row: ChangeSet) -> Any:
        return row.initiator

    @admin.display(description="how", ordering="source")
    def way(self, row: ChangeSet) -> str:
        return row.way

    @admin.display(description="session")
    def what(self, row: ChangeSet) -> str:
        at = reverse("admin:timeline_session", args=[row.pk])
        return format_html('<a href="{}">What was done in it</a>', at)


class TypeOfRecord(admin.SimpleListFilter):
    """Of what kind of record a change is, by the names that people know."""

    title = "record"
    parameter_name = "entity_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(each.entity_type, each.label) for each in registry.in_order()]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        return queryset.filter(entity_type=self.value()) if self.value() else queryset


@admin.register(Change)
class ChangeAdmin(OfficeAdmin):
    heading = "Changes"
    lead = "Every value that anybody proposed, and what became of it."
    group = "The record, as kept"
    list_display = ("received_at", "author", "called", "what", "becomes", "became", "decision")
    list_filter = ("status", TypeOfRecord, "kind", "change_set__received_at")
    list_select_related = ("change_set", "author", "decision")
    search_fields = ("author__name", "author__email", "=entity_id")
    fields = (
        "record",
        "what",
        "becomes",
        "author",
        "save",
        "became",
        "position",
        "decision",
        "decided_by",
        "again",
    )
    readonly_fields = ("record", "what", "becomes", "save", "became", "again")
    ordering = ("-id",)

    def names_of(self, rows: Iterable[Change]) -> dict[Any, str]:
        rows = list(rows)
        titles = naming.titles((row.entity_type, row.entity_id) for row in rows)
        texts = naming.value_texts(
            (row.entity_type, row.field, value)
            for row in rows
            for value in (row.old_value, row.value)
        )
        became = timeline.became(row.pk for row in rows)
        for row in rows:
            row.came_to = became[row.pk]  # type: ignore[attr-defined]
            key = (row.entity_type, row.field)
            row.texts = (texts[*key, row.old_value], texts[*key, row.value])  # type: ignore[attr-defined]
        return {row.pk: titles[row.entity_id] for row in rows}

    @admin.display(description="received", ordering="change_set__received_at")
    def received_at(self, row: Change) -> Any:
        return row.change_set.received_at

    @admin.display(description="record")
    def called(self, row: Any) -> str:
        return row.called

    @admin.display(description="record")
    def record(self, row: Change) -> str:
        at = reverse("admin:timeline", args=[row.entity_type, row.entity_id])
        return format_html('<a href="{}">{}</a>', at, self.names_of([row])[row.pk])

    @admin.display(description="sent")
    def save(self, row: Change) -> str:
        sent = row.change_set
        at = reverse("admin:changes_changeset_change", args=[sent.pk])
        when = date_format(localtime(sent.received_at), "j M Y, H:i")
        origin = f"from {sent.ip}, {sent.way}" if sent.ip else sent.way
        return format_html('<a href="{}">{}</a>, {}', at, when, origin)

    @admin.display(description="proposed again after it was declined")
    def again(self, row: Change) -> str:
        return "yes" if row.reopens_id else "no"

    @admin.display(description="field")
    def what(self, row: Change) -> str:
        tracked = registry.get(row.entity_type)
        return tracked.label if row.field == EXISTS else tracked.field(row.field).label

    @admin.display(description="what became of it")
    def became(self, row: Any) -> str:
        if not hasattr(row, "came_to"):
            self.names_of([row])
        return row.came_to

    @admin.display(description="from and to")
    def becomes(self, row: Any) -> str:
        if row.kind == Change.Kind.WITHDRAW:
            return "withdrawn"
        if not hasattr(row, "texts"):
            self.names_of([row])
        before, after = row.texts
        if row.field == EXISTS:
            return after
        return format_html('<span class="change"><del>{}</del> <ins>{}</ins></span>', before, after)


@admin.register(Decision)
class DecisionAdmin(OfficeAdmin):
    heading = "Decisions"
    lead = "What was approved, declined, reverted and lifted: by whom, from where, and why."
    group = "The record, as kept"
    list_display = ("number", "kind", "decided_by", "rule", "decided_at", "address", "reason")
    list_filter = ("kind", "decided_at")
    list_select_related = ("decided_by",)
    search_fields = ("=number", "decided_by__name", "decided_by__email", "reason")
    fields = (
        "number",
        "kind",
        "decided_by",
        "rule",
        "decided_at",
        "address",
        "browser",
        "reason",
        "about",
        "undoes",
    )
    readonly_fields = ("address", "browser", "about")
    ordering = ("-number",)

    @admin.display(description="what it was about")
    def about(self, row: Decision) -> str:
        """What a revert was asked to exclude, and the way to its account."""
        said = format_html_join("\n", "{}: {}", criteria_words.in_words(row.criteria)) or "-"
        if row.kind != Decision.Kind.REVERT:
            return said
        at = reverse("admin:reverted", args=[row.number])
        return format_html('{}\n<a href="{}">What it excluded, and what stands</a>', said, at)

"""The ledger and its decisions, to look things up. Nothing of it is ever edited."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpResponse
from django.utils.html import format_html

from accounts.office import OfficeAdmin

from . import naming, registry
from .models import Change, ChangeSet, Decision
from .registry import EXISTS


class TrackedAdmin(OfficeAdmin):
    """A table that the projector writes: the approved state that everybody reads."""

    lead = "As the approved changes add up. Changes are proposed on the pages of the classes."

    def names_of(self, rows: Iterable[Any]) -> dict[Any, str]:
        entity_type = self.model._meta.model_name or ""
        return dict(naming.titles((entity_type, row.pk) for row in rows))

    def changeform_view(
        self,
        request: Any,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        extra = {"entity_type": self.model._meta.model_name, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, extra)


@admin.register(ChangeSet)
class ChangeSetAdmin(OfficeAdmin):
    heading = "Change sets"
    lead = "One for each save by one person."
    group = "Ledger"
    list_display = ("received_at", "initiator", "ip", "source", "reason")
    list_filter = ("source", "received_at")
    list_select_related = ("initiator",)
    search_fields = ("initiator__name", "initiator__email", "=ip")
    exclude = ("school", "idempotency_key")
    ordering = ("-received_at", "-id")


@admin.register(Change)
class ChangeAdmin(OfficeAdmin):
    heading = "Changes"
    lead = "Every value that anybody proposed, and what became of it."
    group = "Ledger"
    list_display = ("received_at", "author", "called", "what", "becomes", "status", "decision")
    list_filter = ("status", "entity_type", "kind", "change_set__received_at")
    list_select_related = ("change_set", "author", "decision")
    search_fields = ("author__name", "author__email", "=entity_id")
    ordering = ("-id",)

    def names_of(self, rows: Iterable[Change]) -> dict[Any, str]:
        rows = list(rows)
        titles = naming.titles((row.entity_type, row.entity_id) for row in rows)
        texts = naming.value_texts(
            (row.entity_type, row.field, value)
            for row in rows
            for value in (row.old_value, row.value)
        )
        for row in rows:
            key = (row.entity_type, row.field)
            row.texts = (texts[*key, row.old_value], texts[*key, row.value])  # type: ignore[attr-defined]
        return {row.pk: titles[row.entity_id] for row in rows}

    @admin.display(description="received", ordering="change_set__received_at")
    def received_at(self, row: Change) -> Any:
        return row.change_set.received_at

    @admin.display(description="record")
    def called(self, row: Any) -> str:
        return row.called

    @admin.display(description="field")
    def what(self, row: Change) -> str:
        tracked = registry.get(row.entity_type)
        return tracked.label if row.field == EXISTS else tracked.field(row.field).label

    @admin.display(description="from and to")
    def becomes(self, row: Any) -> str:
        if row.kind == Change.Kind.WITHDRAW:
            return "withdrawn"
        before, after = row.texts
        if row.field == EXISTS:
            return after
        return format_html('<span class="change"><del>{}</del> <ins>{}</ins></span>', before, after)


@admin.register(Decision)
class DecisionAdmin(OfficeAdmin):
    heading = "Decisions"
    lead = "What was approved, declined, reverted and lifted: by whom, from where, and why."
    group = "Ledger"
    list_display = ("number", "kind", "decided_by", "rule", "decided_at", "ip", "reason")
    list_filter = ("kind", "decided_at")
    list_select_related = ("decided_by",)
    search_fields = ("=number", "decided_by__name", "decided_by__email", "reason")
    exclude = ("school", "idempotency_key")
    ordering = ("-number",)

"""What all pages of Django's admin have in common here: one school, read-only unless they say so.

Every request for one went through the office's door (``in_school``), so these classes ask for no
permission of Django's; they say what exists to be done at all.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.views.main import ChangeList
from django.db import DataError, transaction
from django.db.models import Model, Q, QuerySet, TextField, Value
from django.db.models.functions import Coalesce, Concat
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html

from . import device
from .plain import Plain, plain


class OfficeList(ChangeList):
    """A list that is filtered by its own filters alone.

    Django takes any lookup on any column from the address, regular expressions among them.
    """

    def get_filters(self, request: HttpRequest) -> Any:
        found = super().get_filters(request)
        _specs, _has_filters, left_over, *_ = found
        if left_over:
            raise DisallowedModelAdminLookup(f"No filter of this list asks for {list(left_over)}.")
        return found


class OfficeAdmin(admin.ModelAdmin):
    """A list of rows of the school, and a page for each; no adding, changing or deleting.

    ``heading`` is what the office calls them, ``group`` the part of the start page they stand in.
    """

    heading: ClassVar[str] = ""
    group: ClassVar[str] = "Records"
    lead: ClassVar[str] = ""
    found_by: ClassVar[tuple[str, ...]] = ()
    """Columns that a search finds however case and accents are typed: Muller finds Müller."""
    actions = None
    exclude: ClassVar[tuple[str, ...]] = ("school",)
    list_per_page = 50
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return True

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: Any) -> QuerySet[Any]:
        """Return the rows of the school: row-level security says the same, for most tables."""
        return super().get_queryset(request).filter(school=request.member.school)

    def get_urls(self) -> list[URLPattern]:
        """Keep the list, the page, and the form to add; the rest of Django's would be refused."""
        kept = ("_changelist", "_add", "_change")
        return [url for url in super().get_urls() if (url.name or "").endswith(kept)]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find a name as the pages write it too ("Almeida, Noor"), and one of ``found_by`` also
        without its accents."""
        found, many = super().get_search_results(request, queryset, search_term.replace(",", " "))
        words = plain(search_term.replace(",", " ").replace("\x00", "")).split()
        if not self.found_by or not words:
            return found, many
        text = {"output_field": TextField()}
        names = [Coalesce(each, Value(""), **text) for each in self.found_by]
        between = [part for each in names for part in (Value(" "), each)]
        spelt = queryset.order_by().alias(plainly=Plain(Concat(Value(""), *between, **text)))
        for word in words:
            spelt = spelt.filter(plainly__contains=word)
        same = Q(pk__in=found.order_by().values("pk")) | Q(pk__in=spelt.values("pk"))
        return queryset.filter(same), many

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return OfficeList

    def names_of(self, rows: Iterable[Any]) -> dict[Any, str]:
        """Return what people call these rows, by primary key."""
        return {row.pk: str(row) for row in rows}

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Give each row of the page its name, all of them in one go."""
        try:
            with transaction.atomic():  # what comes instead reads the database too
                changelist = super().get_changelist_instance(request)
                rows = list(changelist.result_list)
        except DataError as unreadable:  # a NUL in a filter's value, for one
            raise DisallowedModelAdminLookup("A filter's value is none.") from unreadable
        names = self.names_of(rows)
        for row in rows:
            row.called = names[row.pk]
        changelist.result_list = rows
        return changelist

    @admin.display(description="from the address", ordering="ip")
    def address(self, row: Any) -> Any:
        return row.ip

    @admin.display(description="with")
    def browser(self, row: Any) -> str:
        """With which browser, in words, and what it says of itself."""
        if not row.user_agent:
            return ""
        return format_html(
            '{}<span class="state-note">{}</span>', device.in_words(row.user_agent), row.user_agent
        )

    @admin.display(description="")
    def called(self, row: Any) -> str:
        return row.called

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"title": self.heading, "lead": self.lead, **(extra_context or {})}
        return super().changelist_view(request, extra)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if object_id else None
        if object_id and row is None:
            raise Http404
        name = self.names_of([row])[row.pk] if row else ""
        extra = {"heading": self.heading, "called": name, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, extra)

    # Django's own log would keep pupils' names outside the school's row-level security.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return None

"""The office's pages, as a site of Django's admin. Its one door is ``in_school``."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.db.models import Min
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.views.decorators.cache import never_cache
from django.views.generic import RedirectView

from accounts import substitute
from accounts.in_school import in_school
from accounts.models import Membership, OutboxMessage
from accounts.office import OfficeAdmin

from . import (
    activity_pages,
    declined_pages,
    incident_pages,
    list_file,
    list_pages,
    queue_pages,
    revert_pages,
    review_pages,
    timeline_pages,
)
from .groups import items_among, not_held
from .incident import past_reverts

# Sign-in, sign-out and passwords are allauth's, once for everybody; the rest serves widgets and
# lists that no page here has.
NOT_OURS = {
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "autocomplete",
    "jsi18n",
    "view_on_site",
    "app_list",
}
GROUPS = {
    "Records": "",
    "The record, as kept": "Row by row, to look something up. What is to be done stands in Review, "
    "Corrections and Revert.",
    "People and policy": "",
}
"""The parts of the start page that are lists, each with what is said of it."""


class OfficeSite(AdminSite):
    """The admin of one school's office."""

    site_header = site_title = "Office"
    index_title = "Office"
    enable_nav_sidebar = False

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take our own pages only: other packages register users, groups and addresses, of every
        school there is."""
        if issubclass(admin_class or ModelAdmin, OfficeAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the door was passed."""
        member: Membership | None = getattr(request, "member", None)
        return member is not None and member.is_office

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Return ``view`` behind the office's door."""
        return in_school(role=Membership.Role.OFFICE)(never_cache(view))

    def substitutes_view(self, view: Any) -> Any:
        """Return ``view`` behind the door that an office of one person shares with the substitute
        whom it has named; the view keeps to what a substitute decides on."""
        door = in_school(role=Membership.Role.OFFICE, or_substitute=True)
        return door(never_cache(view))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        views: dict[str, tuple[str, Callable[..., Any]]] = {
            "login": ("login/", RedirectView.as_view(pattern_name="admin:index")),
            "review": ("review/", queue_pages.queue),
            "review_sheet": ("review/of/<slug:group>/<uuid:author_id>/", queue_pages.sheet),
            "approve_ordinary": ("review/ordinary/", review_pages.approve_ordinary),
            "another_value": (
                "review/instead/<uuid:change_id>/",
                review_pages.another_value,
            ),
            "change_set": ("review/<uuid:change_set_id>/", review_pages.change_set),
            "activity": ("activity/<uuid:account_id>/", activity_pages.of_account),
            "activity_from": ("activity/", activity_pages.from_address),
            "timeline_session": (
                "timeline/session/<uuid:change_set_id>/",
                timeline_pages.of_session,
            ),
            "timeline": (
                "timeline/<slug:entity_type>/<uuid:entity_id>/",
                timeline_pages.of_record,
            ),
            "revert": ("revert/", revert_pages.start),
            "revert_preview": ("revert/preview/", revert_pages.preview),
            "revert_execute": ("revert/execute/", revert_pages.execute),
            "reverted": ("revert/<int:number>/", incident_pages.result),
            "declined": ("declined/", declined_pages.listed),
            "reopen": ("declined/reopen/", declined_pages.reopen),
            "lift_preview": ("revert/<int:number>/lift/", revert_pages.lift_preview),
            "lift_execute": ("revert/<int:number>/lift/execute/", revert_pages.lift_execute),
        }
        own = [
            path("review/confirm/", self.substitutes_view(review_pages.confirm), name="confirm"),
            path("review/decide/", self.substitutes_view(review_pages.decide), name="decide"),
            *(path(at, self.admin_view(view), name=name) for name, (at, view) in views.items()),
        ]
        djangos = [u for u in super().get_urls() if getattr(u, "name", None) not in NOT_OURS]
        return [*own, *self._files(), *djangos]

    def _files(self) -> list[URLPattern]:
        """Each list as a file, of every kind."""
        return [
            path(
                f"{model._meta.app_label}/{model._meta.model_name}/list.{kind}",
                self.admin_view(partial(list_pages.as_file, page=page, kind=kind)),
                name=f"{_name(model)}_{kind}",
            )
            for model, page in self._registry.items()
            if isinstance(page, OfficeAdmin) and page.list_display != ("__str__",)
            for kind in list_file.TYPES
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add nothing: the pages share the site's frame, which asks the request."""
        return {}

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """What waits, and the way to everything else."""
        waiting = not_held(request.member.school)  # type: ignore[attr-defined]
        pages = [(model, page) for model, page in self._registry.items()]
        groups = [
            (
                group,
                lead,
                [
                    (page.heading, reverse(f"admin:{_name(model)}_changelist"))
                    for model, page in pages
                    if isinstance(page, OfficeAdmin) and page.group == group
                ],
            )
            for group, lead in GROUPS.items()
        ]
        context = {
            "title": self.index_title,
            "groups": groups,
            "waiting": items_among(waiting).count(),
            "oldest": waiting.aggregate(at=Min("change_set__received_at"))["at"],
            "given_up": OutboxMessage.objects.given_up().count(),
            "substitute": substitute.in_force(request.member.school),  # type: ignore[attr-defined]
            "in_force": past_reverts().filter(in_force__gt=0).count(),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/index.html", context)


def _name(model: Any) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"

"""The office's pages of programmes: what it takes to finish, and who would not."""

from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime

from accounts.office import OfficeAdmin
from students.models import Programme

from . import programme_pages, programmes
from .programme_form import ProgrammeForm
from .scales import plain


@admin.register(Programme)
class ProgrammeAdmin(OfficeAdmin):
    heading = "Programmes"
    lead = "What it takes to finish. Which programme a pupil is in stands in the pupil’s record."
    list_display = ("name", "credits_in_all", "in_areas", "named_courses", "lowest_gpa", "retired")
    search_fields = ("name",)
    ordering = ("name", "id")

    def has_add_permission(self, request: Any) -> bool:
        return True

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        own = [
            path("unfinished/", guarded(programme_pages.unfinished), name="unfinished"),
            path(
                "<uuid:programme_id>/pupils/",
                guarded(programme_pages.pupils),
                name="programme_pupils",
            ),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: Any, extra_context: Any = None) -> HttpResponse:
        lead = format_html(
            '{} <a href="{}">Who would not finish.</a>', self.lead, reverse("admin:unfinished")
        )
        return super().changelist_view(request, {"lead": lead, **(extra_context or {})})

    @admin.display(description="credits", ordering="credits")
    def credits_in_all(self, row: Programme) -> Decimal | None:
        return Decimal(plain(row.credits)) if row.credits else None

    @admin.display(description="credits in areas")
    def in_areas(self, row: Programme) -> str:
        return ", ".join(f"{area} {its}" for area, its in row.areas.items())

    @admin.display(description="named courses")
    def named_courses(self, row: Programme) -> int:
        return len(row.courses)

    @admin.display(description="lowest GPA", ordering="least_gpa")
    def lowest_gpa(self, row: Programme) -> Decimal | None:
        return None if row.least_gpa is None else Decimal(plain(row.least_gpa))

    @admin.display(description="retired", ordering="retired_at")
    def retired(self, row: Programme) -> str:
        day = row.retired_at and date_format(localtime(row.retired_at), "j M Y")
        return f"since {day}" if day else ""

    def add_view(self, request: Any, *args: Any, **options: Any) -> HttpResponse:
        return self._form(request, Programme(school=request.member.school), "Add a programme")

    def change_view(self, request: Any, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        found = self.get_object(request, object_id)
        if found is None:
            raise Http404
        return self._form(request, found, "Change a programme")

    def _form(self, request: Any, programme: Programme, title: str) -> HttpResponse:
        form = ProgrammeForm(programme, request.POST or None, school=request.member.school)
        if form.is_valid():
            values = form.values()
            try:
                with transaction.atomic():
                    programmes.save(programme, values, by=request.member, origin=request.origin)
            except IntegrityError:  # somebody else took the name after the form had looked
                form.add_error("name", f"There is a programme “{values['name']}” already.")
            else:
                messages.success(
                    request, f"The programme “{programme}” is saved. It counts from now on."
                )
                return redirect("admin:students_programme_changelist")
        context = {
            "form": form,
            "title": title,
            "button": "Save",
            "back": (self.heading, "admin:students_programme_changelist"),
        }
        if not programme._state.adding:
            at = reverse("admin:programme_pupils", args=[programme.pk])
            link = format_html('<a href="{}">by year level, and put more in</a>', at)
            context["facts"] = [("Pupils in it", link)]
        status = 422 if form.errors else 200
        return TemplateResponse(request, "admin/form.html", context, status=status)

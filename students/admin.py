"""Pupils, for the office to look up."""

from django.contrib import admin
from django.urls import URLPattern, path

from accounts.models import School
from accounts.plain import Plain
from changes import registry
from changes.admin import TrackedAdmin, sorted_by_name

from . import disclosure_pages
from .models import Programme, Student


@admin.register(Student)
class StudentAdmin(TrackedAdmin):
    heading = "Pupils"
    may_add = True
    list_display = (
        "family_name",
        "given_names",
        "number",
        "birth_date",
        "year_level",
        "home_group",
    )
    list_select_related = ("programme",)
    list_display_links = ("family_name", "given_names")
    list_filter = ("year_level", "home_group", "programme")
    search_fields = ("family_name", "given_names", "=number", "email")
    found_by = ("family_name", "given_names")
    ordering = (Plain("family_name"), Plain("given_names"), "id")

    def choices_of(self, field: registry.Field, school: School) -> dict[str, str]:
        if field.name == "programme":
            programmes = Programme.objects.filter(school=school, retired_at=None)
            return sorted_by_name({str(each.pk): each.name for each in programmes})
        return super().choices_of(field, school)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(disclosure_pages.of_pupil)
        return [path("<uuid:student_id>/disclosed/", view, name="disclosed"), *super().get_urls()]

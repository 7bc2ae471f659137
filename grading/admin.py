"""Terms, classes, marks and what decisions left behind, for the office to look up."""

import uuid
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from accounts.models import Membership, School
from accounts.office import OfficeAdmin
from accounts.plain import Plain
from changes import naming, registry
from changes.admin import TrackedAdmin, sorted_by_name
from students.models import Student

from . import (
    board_pages,
    card_pages,
    comment_bank,
    correction_pages,
    correction_states,
    duplicate_pages,
    extension_pages,
    extensions,
    logo_pages,
    policy,
    programme_admin,  # noqa: F401 - it registers its pages
    roster_pages,
    section_report_pages,
    waiting_list_pages,
)
from .comment_bank_form import BankCommentForm
from .models import (
    BankComment,
    Course,
    CourseChangeHistory,
    Enrollment,
    Extension,
    GradeCorrection,
    GradingScale,
    HandIn,
    Remark,
    Room,
    Section,
    Term,
)
from .scales import plain
from .section_rules import FIELD_NAMES


@admin.register(Term)
class TermAdmin(TrackedAdmin):
    heading = "Terms"
    may_add = True
    list_display = ("name", "starts_on", "ends_on", "marks_open_on", "marks_close_on")
    search_fields = ("name",)
    ordering = ("-starts_on", "name", "id")

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, tuple[str, Callable[..., Any]]] = {
            "cards": ("", card_pages.of_term),
            "cards_make": ("make/", card_pages.make),
            "cards_release": ("release/", card_pages.release),
            "cards_send": ("send/", card_pages.send),
            "card_preview": ("preview/<uuid:term_id>/<uuid:pupil_id>/", card_pages.preview),
            "card_versions": ("of/<uuid:term_id>/<uuid:pupil_id>/", card_pages.versions),
            "card_issued": ("issued/<uuid:card_id>/", card_pages.issued),
            "card_run": ("runs/<uuid:run_id>/", card_pages.run),
            "card_run_cancel": ("runs/<uuid:run_id>/cancel/", card_pages.cancel),
            "card_run_zip": ("runs/<uuid:run_id>/cards.zip", card_pages.as_zip),
            "card_run_pdf": ("runs/<uuid:run_id>/cards.pdf", card_pages.as_pdf),
        }
        guarded = self.admin_site.admin_view
        own = [path(f"cards/{at}", guarded(view), name=name) for name, (at, view) in views.items()]
        return [*own, *super().get_urls()]


@admin.register(Course)
class CourseAdmin(TrackedAdmin):
    heading = "Courses"
    may_add = True
    list_display = ("code", "title", "credits")
    list_display_links = ("code", "title")
    search_fields = ("code", "title")
    ordering = ("code", "title", "id")


@admin.register(Room)
class RoomAdmin(TrackedAdmin):
    heading = "Rooms"
    may_add = True
    list_display = ("name",)
    search_fields = ("name",)
    ordering = ("name", "id")


@admin.register(Section)
class SectionAdmin(TrackedAdmin):
    heading = "Sections"
    may_add = True
    list_display = ("code", "course", "term", "instructor", "room", "capacity", "delivery_mode")
    list_display_links = ("code", "course")
    list_filter = ("term", "delivery_mode")
    list_select_related = ("course", "term", "instructor", "room", "scale")
    search_fields = ("code", "course__code", "course__title", "instructor__name")
    ordering = ("-term__starts_on", "code", "id")
    readonly_fields = ("marks_until", "changed")

    def names_of(self, rows: Iterable[Section]) -> dict[Any, str]:
        some = list(rows)
        titles = super().names_of(some)
        return {row.pk: f"{titles[row.pk]}, {row.term}" for row in some}

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        own = [
            path("board/", guarded(board_pages.of_term), name="board"),
            path("board/remind/", guarded(board_pages.remind), name="board_remind"),
            path("waiting/", guarded(waiting_list_pages.waiting), name="waiting_list"),
            path("waiting/give/", guarded(waiting_list_pages.give_place), name="give_place"),
            path(
                "<uuid:section_id>/extend/",
                guarded(extension_pages.of_class),
                name="grading_section_extend",
            ),
            path(
                "<uuid:section_id>/changed/",
                guarded(section_report_pages.of_section),
                name="grading_section_changed",
            ),
        ]
        return [*own, *super().get_urls()]

    def choices_of(self, field: registry.Field, school: School) -> dict[str, str]:
        if field.name == "instructor":
            members = Membership.objects.filter(
                school=school, is_active=True, user__is_active=True
            ).select_related("user")
            return sorted_by_name({str(each.user_id): str(each.user) for each in members})
        if field.name == "scale":
            scales = GradingScale.objects.filter(school=school, retired_at=None)
            return sorted_by_name({str(each.pk): str(each) for each in scales})
        return super().choices_of(field, school)

    def changelist_view(self, request: Any, extra_context: Any = None) -> HttpResponse:
        lead = format_html(
            '{} <a href="{}">Who waits for a place.</a>', self.lead, reverse("admin:waiting_list")
        )
        return super().changelist_view(request, {"lead": lead, **(extra_context or {})})

    @admin.display(description="marks can be entered until")
    def marks_until(self, row: Section) -> str:
        closes_on = extensions.closing(row.term, extensions.until_of(row))
        until = extension_pages.day(closes_on, "any day")
        at = reverse("admin:grading_section_extend", args=[row.pk])
        return format_html('{} <a href="{}">Extend for this class</a>', until, at)

    @admin.display(description="history")
    def changed(self, row: Section) -> str:
        at = reverse("admin:grading_section_changed", args=[row.pk])
        return format_html('<a href="{}">How it has changed</a>', at)


@admin.register(Enrollment)
class EnrollmentAdmin(TrackedAdmin):
    heading = "Enrolments and marks"
    list_display = ("student", "section", "term", "status", "grade", "short_comment")
    list_display_links = ("student", "section")
    list_filter = ("status", "section__term")
    list_select_related = ("student", "section__term")
    search_fields = (
        "student__family_name",
        "student__given_names",
        "=student__number",
        "section__code",
    )
    found_by = ("student__family_name", "student__given_names", "section__code")
    ordering = (
        "-section__term__starts_on",
        "section__code",
        Plain("student__family_name"),
        Plain("student__given_names"),
        "id",
    )
    also_in_file = ("term",)

    def names_of(self, rows: Iterable[Enrollment]) -> dict[Any, str]:
        some = list(rows)
        titles = super().names_of(some)
        return {row.pk: f"{titles[row.pk]}, {row.section.term}" for row in some}

    @admin.display(description="term", ordering="section__term__starts_on")
    def term(self, row: Enrollment) -> str:
        return str(row.section.term)

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        at = "duplicates/"
        own = [
            path(at, guarded(duplicate_pages.listed), name="duplicates"),
            path(f"{at}not-the-same/", guarded(duplicate_pages.not_same), name="not_the_same"),
            path("roster/", guarded(roster_pages.start), name="roster"),
            path("roster/upload/", guarded(roster_pages.upload), name="roster_upload"),
            path("roster/export/", guarded(roster_pages.export), name="roster_export"),
            path("roster/<uuid:upload_id>/", guarded(roster_pages.preview), name="roster_preview"),
            path(
                "roster/<uuid:upload_id>/import/", guarded(roster_pages.take), name="roster_import"
            ),
            path(
                "roster/<uuid:upload_id>/look/",
                guarded(roster_pages.look_again),
                name="roster_look_again",
            ),
            path(
                "roster/<uuid:upload_id>/problems.csv",
                guarded(roster_pages.problems),
                name="roster_problems",
            ),
            path(f"{at}merge/", guarded(duplicate_pages.compare), name="merge"),
            path(f"{at}merge/execute/", guarded(duplicate_pages.execute), name="merge_execute"),
            path(f"{at}<int:number>/", guarded(duplicate_pages.merged), name="merged"),
            path(f"{at}<int:number>/undo/", guarded(duplicate_pages.unmerge), name="unmerge"),
            path(
                f"{at}<int:number>/undo/execute/",
                guarded(duplicate_pages.unmerge_execute),
                name="unmerge_execute",
            ),
        ]
        return [*own, *super().get_urls()]

    def choices_of(self, field: registry.Field, school: School) -> dict[str, str]:
        if field.name == "student":
            pupils = Student.objects.filter(school=school)
            return sorted_by_name(
                {str(each.pk): f"{each} ({each.number or 'no number'})" for each in pupils}
            )
        if field.name == "section":
            sections = Section.objects.filter(school=school).select_related("course", "term")
            return sorted_by_name(
                {str(each.pk): f"{each} {each.course.title}, {each.term}" for each in sections}
            )
        return super().choices_of(field, school)

    @admin.display(description="comment")
    def short_comment(self, row: Enrollment) -> str:
        return row.comment if len(row.comment) <= 80 else f"{row.comment[:79]}…"


@admin.register(Remark)
class RemarkAdmin(TrackedAdmin):
    heading = "Remarks on terms"
    list_display = ("student", "term", "short_text")
    list_display_links = ("student",)
    list_filter = ("term",)
    list_select_related = ("student", "term")
    search_fields = ("student__family_name", "student__given_names", "=student__number")
    found_by = ("student__family_name", "student__given_names")
    ordering = (
        "-term__starts_on",
        Plain("student__family_name"),
        Plain("student__given_names"),
        "id",
    )

    @admin.display(description="remark")
    def short_text(self, row: Remark) -> str:
        return row.text if len(row.text) <= 80 else f"{row.text[:79]}…"


@admin.register(GradeCorrection)
class GradeCorrectionAdmin(OfficeAdmin):
    heading = "Grade corrections, as kept"
    group = "The record, as kept"
    lead = "Every change of a mark that stood: who asked and why, who decided and when."
    list_display = (
        "submitted_at",
        "enrollment_called",
        "old_grade",
        "new_grade",
        "kind",
        "reason",
        "submitted_by",
        "state",
        "approved_by",
    )
    list_filter = ("status", "kind", "submitted_at")
    list_select_related = ("submitted_by", "approved_by")
    search_fields = ("reason", "submitted_by__name", "submitted_by__email")
    ordering = ("-submitted_at", "-id")
    fields = (
        "enrollment_called",
        "kind",
        "old_grade",
        "new_grade",
        "reason",
        "submitted_by",
        "submitted_at",
        "state",
        "approved_by",
        "approved_at",
        "decision",
    )
    readonly_fields = ("enrollment_called", "state")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.substitutes_view(correction_pages.listed)  # type: ignore[attr-defined]
        return [path("asked/", view, name="corrections"), *super().get_urls()]

    def get_queryset(self, request: Any) -> QuerySet[Any]:
        return correction_states.with_state(super().get_queryset(request))

    @admin.display(description="state")
    def state(self, row: Any) -> str:
        return correction_states.in_words(row)

    def names_of(self, rows: Any) -> dict[Any, str]:
        return _names(rows, "enrollment")

    @admin.display(description="enrolment")
    def enrollment_called(self, row: Any) -> str:
        return getattr(row, "called", None) or self.names_of([row])[row.pk]


def _section_fields() -> dict[str, str]:
    """Return what people call the fields of a section, by their names in its history."""
    tracked = registry.get("section")
    return {column: tracked.field(name).label for name, column in FIELD_NAMES.items()}


class FieldOfSection(admin.SimpleListFilter):
    """Which field of a section changed."""

    title = "field"
    parameter_name = "field_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return sorted(_section_fields().items(), key=lambda each: each[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(field_name=self.value()) if self.value() else queryset


@admin.register(CourseChangeHistory)
class CourseChangeHistoryAdmin(OfficeAdmin):
    heading = "History of sections"
    group = "The record, as kept"
    list_display = (
        "changed_at",
        "section_called",
        "field_called",
        "reads_before",
        "reads_after",
        "changed_by",
        "decision",
    )
    list_filter = (FieldOfSection, "changed_at")
    list_select_related = ("changed_by", "decision")
    search_fields = ("changed_by__name", "changed_by__email")
    ordering = ("-changed_at", "-id")
    fields = (
        "section_called",
        "field_called",
        "reads_before",
        "reads_after",
        "changed_by",
        "changed_at",
        "decision",
    )
    readonly_fields = ("section_called", "field_called", "reads_before", "reads_after")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(section_report_pages.report)
        return [path("report/", view, name="section_report"), *super().get_urls()]

    def changelist_view(self, request: Any, extra_context: Any = None) -> HttpResponse:
        lead = format_html(
            "One row for each field of a section that changed. "
            '<a href="{}">Ask by term, date and direction, and download.</a>',
            reverse("admin:section_report"),
        )
        return super().changelist_view(request, {"lead": lead, **(extra_context or {})})

    def names_of(self, rows: Any) -> dict[Any, str]:
        rows = list(rows)
        fields = {column: name for name, column in FIELD_NAMES.items()}
        texts = naming.value_texts(
            ("section", fields[row.field_name], value)
            for row in rows
            for value in (row.old_value, row.new_value)
        )
        for row in rows:
            name = fields[row.field_name]
            row.before = texts["section", name, row.old_value]
            row.after = texts["section", name, row.new_value]
        return _names(rows, "section")

    @admin.display(description="section")
    def section_called(self, row: Any) -> str:
        return self._named(row).called

    @admin.display(description="field", ordering="field_name")
    def field_called(self, row: CourseChangeHistory) -> str:
        return _section_fields()[row.field_name]

    @admin.display(description="from")
    def reads_before(self, row: Any) -> str:
        return self._named(row).before

    @admin.display(description="to")
    def reads_after(self, row: Any) -> str:
        return self._named(row).after

    def _named(self, row: Any) -> Any:
        if not hasattr(row, "called"):
            row.called = self.names_of([row])[row.pk]
        return row


@admin.register(HandIn)
class HandInAdmin(OfficeAdmin):
    heading = "Classes handed in"
    lead = "Who told that the marks of a class are complete; without a mark were those confirmed."
    list_display = ("handed_in_at", "section_called", "handed_in_by", "without_a_mark")
    list_filter = ("handed_in_at",)
    list_select_related = ("handed_in_by",)
    search_fields = ("handed_in_by__name", "handed_in_by__email")
    ordering = ("-handed_in_at", "-id")
    fields = ("section_called", "handed_in_by", "handed_in_at", "address", "without_a_mark")
    readonly_fields = ("section_called", "address", "without_a_mark")

    def names_of(self, rows: Any) -> dict[Any, str]:
        return _names(rows, "section")

    @admin.display(description="class")
    def section_called(self, row: Any) -> str:
        return getattr(row, "called", None) or self.names_of([row])[row.pk]

    @admin.display(description="without a mark")
    def without_a_mark(self, row: Any) -> int:
        return row.blank


@admin.register(Extension)
class ExtensionAdmin(OfficeAdmin):
    heading = "Extensions"
    lead = (
        "Until when marks can be entered: of single classes, or of every class that somebody "
        "teaches in a term. The latest of each counts."
    )
    list_display = ("granted_at", "holds_for", "until", "granted_by", "reason")
    list_filter = ("granted_at",)
    list_select_related = ("granted_by", "instructor")
    search_fields = ("reason", "granted_by__name", "granted_by__email", "instructor__name")
    ordering = ("-granted_at", "-id")
    fields = ("holds_for", "until", "granted_by", "granted_at", "reason")
    readonly_fields = ("holds_for",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(extension_pages.of_instructor)
        at = "instructor/<uuid:membership_id>/"
        return [path(at, view, name="grading_extension_instructor"), *super().get_urls()]

    def names_of(self, rows: Any) -> dict[Any, str]:
        rows = list(rows)
        titles = naming.titles(
            ("section", row.section_id) if row.section_id else ("term", row.term_id) for row in rows
        )
        return {
            row.pk: titles[row.section_id]
            if row.section_id
            else f"every class of {row.instructor} in {titles[row.term_id]}"
            for row in rows
        }

    @admin.display(description="for")
    def holds_for(self, row: Any) -> str:
        return getattr(row, "called", None) or self.names_of([row])[row.pk]


def _names(rows: Any, entity_type: str) -> dict[Any, str]:
    """Name rows by the record that they tell of, which may have vanished since."""
    ids = {row.pk: getattr(row, f"{entity_type}_id") for row in rows}
    titles = naming.titles((entity_type, each) for each in ids.values())
    return {row: titles[entity_id] for row, entity_id in ids.items()}


@admin.register(GradingScale)
class GradingScaleAdmin(OfficeAdmin):
    heading = "Grading scales"
    lead = "How marks are written. A scale is never changed: marks were checked against it."
    list_display = ("name", "version", "kind", "least", "most", "decimals", "steps_in_words")
    list_filter = ("kind",)
    search_fields = ("name",)
    ordering = ("name", "-version")
    readonly_fields = ("steps_in_words",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("steps")

    @admin.display(description="minimum", ordering="minimum")
    def least(self, row: GradingScale) -> Decimal | None:
        return None if row.minimum is None else Decimal(plain(row.minimum))

    @admin.display(description="maximum", ordering="maximum")
    def most(self, row: GradingScale) -> Decimal | None:
        return None if row.maximum is None else Decimal(plain(row.maximum))

    @admin.display(description="steps and codes")
    def steps_in_words(self, row: GradingScale) -> str:
        steps = sorted(row.steps.all(), key=lambda s: (s.is_code, -(s.points or 0), s.label))
        return ", ".join(
            f"{step.label} ({step.meaning})" if step.meaning else step.label for step in steps
        )


@admin.register(BankComment)
class BankCommentAdmin(OfficeAdmin):
    heading = "The school’s comments"
    lead = (
        "Texts that every teacher can insert at their pupils, with name and pronouns filled in. "
        "What teachers keep for themselves is not here: nobody else sees it."
    )
    list_display = ("comment", "subject", "marks")
    search_fields = ("text", "marks")
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def get_queryset(self, request: Any) -> QuerySet[Any]:
        return comment_bank.of_school(request.member)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.remove_view)
        own = path("<uuid:comment_id>/remove/", view, name="grading_bankcomment_remove")
        return [own, *super().get_urls()]

    @admin.display(description="comment", ordering="text")
    def comment(self, row: BankComment) -> str:
        return str(row)

    @admin.display(description="subject")
    def subject(self, row: Any) -> str:
        return (row.subject or "(gone)") if row.course_id else "every subject"

    def add_view(self, request: Any, *args: Any, **options: Any) -> HttpResponse:
        new = BankComment(school=request.member.school)
        return self._form(request, new, "Add a comment", "admin/form.html")

    def change_view(self, request: Any, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        found = self.get_object(request, object_id)
        if found is None:
            raise Http404
        return self._form(request, found, "Change a comment", "grading/bank_comment.html")

    def remove_view(self, request: Any, comment_id: uuid.UUID) -> HttpResponse:
        found = get_object_or_404(self.get_queryset(request), pk=comment_id)
        if request.method == "POST":
            found.delete()
            messages.success(request, f"Removed: “{found}”")
        return redirect("admin:grading_bankcomment_changelist")

    def _form(self, request: Any, comment: BankComment, title: str, template: str) -> HttpResponse:
        form = BankCommentForm(comment, request.POST or None, by=request.member)
        if form.is_valid():
            form.save()
            messages.success(request, "The comment is saved. Every teacher is offered it.")
            return redirect("admin:grading_bankcomment_changelist")
        back = (self.heading, "admin:grading_bankcomment_changelist")
        context = {"form": form, "title": title, "button": "Save", "back": back}
        context["comment"] = comment
        return TemplateResponse(request, template, context, status=422 if form.errors else 200)


@admin.register(School)
class PolicyAdmin(OfficeAdmin):
    """The one page of the school's policy, in place of a list of schools."""

    heading = "School policy"
    group = "People and policy"

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path("", guarded(self.changelist_view), name="accounts_school_changelist"),
            path("logo/", guarded(logo_pages.page), name="logo"),
            path("logo/picture/", guarded(logo_pages.picture), name="logo_picture"),
        ]

    def changelist_view(self, request: Any, extra_context: Any = None) -> HttpResponse:
        school = School.objects.get(pk=request.member.school_id)
        form = policy.PolicyForm(request.POST or None, instance=school)
        if form.is_valid():
            policy.save(form, by=request.member, origin=request.origin)
            messages.success(request, "The policy is saved. It counts from now on.")
            return redirect("admin:accounts_school_changelist")
        context = {"form": form, "title": self.heading, "button": "Save"}
        status = 422 if form.errors else 200
        return TemplateResponse(request, "grading/policy.html", context, status=status)

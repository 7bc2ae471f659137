"""The school's people, the audit log, and what was sent by mail."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.timezone import localtime

from . import freezing, new_password, outbox, people, substitute
from .in_school import MemberRequest
from .models import AuditLog, Membership, OutboxMessage, User
from .office import OfficeAdmin
from .plain import Plain


class PersonForm(forms.Form):
    """Who joins the school, by e-mail."""

    email = forms.EmailField(label="E-mail", max_length=254)
    name = forms.CharField(
        label="Name",
        max_length=200,
        help_text="As colleagues know them. Somebody who has an account already keeps its name.",
    )
    role = forms.ChoiceField(choices=Membership.Role.choices)


class MembershipForm(forms.Form):
    """What a member may do. Somebody who leaves is deactivated: what they did keeps its author."""

    role = forms.ChoiceField(choices=Membership.Role.choices)
    is_active = forms.BooleanField(
        label="Active",
        required=False,
        help_text="Without the tick the person is refused from their next click on. What they did "
        "stays, under their name.",
    )


@admin.register(Membership)
class PeopleAdmin(OfficeAdmin):
    heading = "People"
    lead = "Who teaches here, and who is the office. Nobody is deleted: who leaves is deactivated."
    group = "People and policy"
    list_display = ("name", "email", "role", "is_active", "frozen_at")
    list_display_links = ("name", "email")
    list_filter = ("role", "is_active")
    list_select_related = ("user",)
    search_fields = ("user__name", "user__email")
    found_by = ("user__name",)
    ordering = (Plain("user__name"), "user__email")

    def has_add_permission(self, request: Any) -> bool:
        return True

    def names_of(self, rows: Any) -> dict[Any, str]:
        return {row.pk: str(row.user) for row in rows}

    @admin.display(description="name", ordering=Plain("user__name"))
    def name(self, row: Membership) -> str:
        return str(row.user)

    @admin.display(description="e-mail", ordering="user__email")
    def email(self, row: Membership) -> str:
        return row.user.email

    def get_urls(self) -> list[URLPattern]:
        acts = {
            "freeze": self.freeze_view,
            "unfreeze": self.unfreeze_view,
            "new-password": self.new_password_view,
            "name-substitute": self.name_substitute_view,
            "end-substitute": self.end_substitute_view,
        }
        own = [
            path(
                f"<uuid:membership_id>/{act}/",
                self.admin_site.admin_view(view),
                name=f"accounts_membership_{act.replace('-', '_')}",
            )
            for act, view in acts.items()
        ]
        return [*own, *super().get_urls()]

    def add_view(self, request: Any, *args: Any, **options: Any) -> HttpResponse:
        form = PersonForm(request.POST or None, initial={"role": Membership.Role.TEACHER})
        if form.is_valid():
            try:
                member = people.add(
                    **form.cleaned_data,
                    school=request.member.school,
                    by=request.member,
                    origin=request.origin,
                )
            except people.MayNotJoin as refusal:
                form.add_error("email", str(refusal))
            else:
                messages.success(
                    request,
                    f"{member.user} is among the people of {member.school} now. Without a password "
                    "yet, they set one by “Forgotten your password” on the sign-in page.",
                )
                return redirect("admin:accounts_membership_changelist")
        return _form(request, form, title="Add a person", button="Add")

    def change_view(self, request: Any, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        member: Membership | None = self.get_object(request, object_id)
        if member is None:
            raise Http404
        initial = {"role": member.role, "is_active": member.is_active}
        form = MembershipForm(request.POST or None, initial=initial)
        if form.is_valid():
            try:
                people.change(member, **form.cleaned_data, by=request.member, origin=request.origin)
            except people.LastOfOffice as refusal:
                form.add_error(
                    None if form.cleaned_data["is_active"] else "is_active", str(refusal)
                )
            else:
                messages.success(request, f"Saved: {member}.")
                return redirect("admin:accounts_membership_changelist")
        facts = [("E-mail", member.user.email)]
        return _form(
            request,
            form,
            "accounts/person.html",
            title=str(member.user),
            button="Save",
            facts=facts,
            person=member,
            substitute=substitute.in_force(request.member.school),
            may_name=substitute.why_not(member, by=request.member) is None,
        )

    def freeze_view(self, request: Any, membership_id: uuid.UUID) -> HttpResponse:
        member = self._person(request, membership_id)
        if request.method == "POST":
            reason = request.POST.get("reason", "").replace("\x00", "").strip()
            if not reason:
                messages.error(request, "Say why, and freeze again: nothing was done yet.")
                return redirect("admin:accounts_membership_change", membership_id)
            try:
                freezing.freeze(member, by=request.member, origin=request.origin, reason=reason)
            except freezing.MayNotFreeze as refusal:
                messages.error(request, str(refusal))
            else:
                messages.success(
                    request,
                    f"The account of {member.user} is frozen: it saves nothing more here.",
                )
        return redirect("admin:accounts_membership_change", membership_id)

    def unfreeze_view(self, request: Any, membership_id: uuid.UUID) -> HttpResponse:
        member = self._person(request, membership_id)
        if request.method == "POST":
            try:
                done = freezing.unfreeze(member, by=request.member, origin=request.origin)
            except freezing.MayNotFreeze as refusal:
                messages.error(request, str(refusal))
            else:
                if done:
                    self._after_unfreezing(request, member)
                else:
                    messages.info(request, "The account was not frozen any more: nothing changed.")
        return redirect("admin:accounts_membership_change", membership_id)

    def _after_unfreezing(self, request: Any, member: Membership) -> None:
        again = (
            f"The account of {member.user} can be used again. What was held awaits approval now."
        )
        if "force" in request.POST:
            messages.success(request, again)
            self._force(request, member)
        else:
            messages.success(
                request,
                f"{again} Its password is the one it had, and whoever is signed in with it still "
                "is.",
            )

    def name_substitute_view(self, request: Any, membership_id: uuid.UUID) -> HttpResponse:
        member = self._person(request, membership_id)
        if request.method == "POST":
            try:
                people.name_substitute(member, by=request.member, origin=request.origin)
            except substitute.MayNotName as refusal:
                messages.error(request, str(refusal))
            else:
                messages.success(
                    request,
                    f"{member.user} approves corrections of marks from now on. Tell them: they "
                    "find the list under “Corrections”.",
                )
        return redirect("admin:accounts_membership_change", membership_id)

    def end_substitute_view(self, request: Any, membership_id: uuid.UUID) -> HttpResponse:
        member = self._person(request, membership_id)
        if (
            request.method == "POST"
            and member.school.substitute_id == member.pk
            and substitute.end(member.school, by=request.member, origin=request.origin)
        ):
            messages.success(request, f"{member.user} approves no corrections any more.")
        return redirect("admin:accounts_membership_change", membership_id)

    def new_password_view(self, request: Any, membership_id: uuid.UUID) -> HttpResponse:
        member = self._person(request, membership_id)
        if request.method == "POST":
            self._force(request, member)
        return redirect("admin:accounts_membership_change", membership_id)

    def _force(self, request: Any, member: Membership) -> None:
        try:
            new_password.force(member, by=request.member, origin=request.origin)
        except new_password.MayNotForce as refusal:
            messages.error(request, str(refusal))
        else:
            # Not before: a mail server that is away must not keep the old password in use.
            transaction.on_commit(lambda: _send_link(request, member.user))

    def _person(self, request: Any, membership_id: uuid.UUID) -> Membership:
        rows = self.get_queryset(request).select_related("user", "school")
        return get_object_or_404(rows, pk=membership_id)


def _send_link(request: MemberRequest, user: User) -> None:
    done = f"{user} is signed out everywhere, and the password of the account is gone."
    if new_password.send_link(user, request):
        messages.success(request, f"{done} A link to set a new one was sent to {user.email}.")
    else:
        messages.warning(
            request,
            f"{done} The mail with the link could not be sent: tell them to ask for it by "
            "“Forgotten your password” on the sign-in page.",
        )


def _form(
    request: MemberRequest, form: forms.Form, template: str = "admin/form.html", **context: Any
) -> HttpResponse:
    back = ("People", "admin:accounts_membership_changelist")
    return TemplateResponse(
        request,
        template,
        {"form": form, "back": back, **context},
        status=422 if form.errors else 200,
    )


_AN_ID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")


def _facts(metadata: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Put in words what was written down with an event; ids say nothing to who reads it."""
    for name, value in metadata.items():
        if isinstance(value, dict) and value.keys() == {"from", "to"}:
            yield _spaced(name), f"{_said(value['from'])} → {_said(value['to'])}"
        elif isinstance(value, dict):
            yield from _facts(value)
        elif text := _said(value):
            yield _spaced(name), text


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(filter(None, map(_said, value))) if value else "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "nothing" if value in (None, "") else str(value)
    return "" if _AN_ID.fullmatch(text) else text


@admin.register(AuditLog)
class AuditLogAdmin(OfficeAdmin):
    heading = "Audit log"
    lead = "Sign-ins, refusals, decisions, exports, changes of people and policy: only added to."
    group = "The record, as kept"
    list_display = ("at", "event", "user", "address", "detail")
    list_filter = ("event", "at")
    list_select_related = ("user",)
    search_fields = ("user__name", "user__email", "=ip", "detail")
    ordering = ("-at", "-id")
    fields = ("event", "user", "at", "address", "browser", "detail", "facts")
    readonly_fields = ("address", "browser", "facts")

    def names_of(self, rows: Any) -> dict[Any, str]:
        return {
            row.pk: f"{row.get_event_display()}, {date_format(localtime(row.at), 'j M Y, H:i')}"
            for row in rows
        }

    @admin.display(description="written down with it")
    def facts(self, row: AuditLog) -> str:
        return format_html_join("\n", "{}: {}", _facts(row.metadata))


class StateOfMessage(admin.SimpleListFilter):
    """How far a message has come."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("waiting", "waits to be sent"),
            ("sent", "sent"),
            ("given-up", "given up"),
            ("superseded", "superseded"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "waiting":
                return queryset.waiting()  # type: ignore[attr-defined]
            case "sent":
                return queryset.filter(sent_at__isnull=False)
            case "given-up":
                return queryset.given_up()  # type: ignore[attr-defined]
            case "superseded":
                return queryset.filter(superseded_at__isnull=False)
        return queryset


@admin.register(OutboxMessage)
class MessageAdmin(OfficeAdmin):
    heading = "Messages"
    lead = "What left by mail or waits to, and what the mail server would not take."
    group = "People and policy"
    list_display = ("created_at", "to", "subject", "state")
    list_display_links = ("to", "subject")
    list_filter = (StateOfMessage, "created_at")
    search_fields = ("to", "subject")
    ordering = ("-created_at", "-id")
    fields = ("to", "subject", "body", "created_at", "state", "attempts", "last_error")
    readonly_fields = ("state",)
    change_form_template = "accounts/message.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.send_again_view)
        own = path("<uuid:message_id>/again/", view, name="accounts_outboxmessage_again")
        return [own, *super().get_urls()]

    @admin.display(description="state")
    def state(self, row: OutboxMessage) -> str:
        return row.state

    def send_again_view(self, request: Any, message_id: uuid.UUID) -> HttpResponse:
        message = get_object_or_404(self.get_queryset(request), pk=message_id)
        if request.method == "POST":
            try:
                outbox.send_again(message, by=request.member, origin=request.origin)
            except outbox.NotGivenUp as refusal:
                messages.error(request, str(refusal))
            else:
                messages.success(request, f"The message to {message.to} is sent again now.")
        return redirect("admin:accounts_outboxmessage_change", message_id)

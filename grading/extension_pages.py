"""The office's pages on which the marks window is extended: for a class, and for an instructor."""

import datetime as dt
import uuid

from django import forms
from django.contrib import messages
from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html

from accounts.in_school import MemberRequest
from accounts.models import Membership, User

from . import extensions
from .access import access_section
from .class_list import current_term
from .models import Section, Term

Facts = list[tuple[str, str]]


def of_class(request: MemberRequest, section_id: uuid.UUID) -> HttpResponse:
    """Let marks of one class be entered until a date."""
    section = access_section(request.member, section_id)
    form = extensions.ExtensionForm(request.POST or None)
    if form.is_valid():
        by, origin = request.member, request.origin
        extensions.extend(section, **form.cleaned_data, by=by, origin=origin)
        closes_on = extensions.closing(section.term, extensions.until_of(section))
        messages.success(
            request, f"Marks of {section} can be entered until {day(closes_on, 'any day')}."
        )
        return redirect("admin:grading_section_change", section.pk)
    back = ("Sections", "admin:grading_section_changelist")
    via = (str(section), reverse("admin:grading_section_change", args=[section.pk]))
    return _page(request, form, "Extend the marks window", _facts_of_class(section), back, via)


def of_instructor(request: MemberRequest, membership_id: uuid.UUID) -> HttpResponse:
    """Let marks of every class that one person teaches in a term be entered until a date."""
    mine = request.member
    member = get_object_or_404(
        Membership.objects.select_related("user"), school_id=mine.school_id, pk=membership_id
    )
    terms = Term.objects.filter(school_id=mine.school_id)
    terms = terms.order_by(F("starts_on").desc(nulls_last=True), "id")
    now = current_term(list(terms), timezone.localdate())
    form = extensions.InstructorExtensionForm(
        request.POST or None, terms=terms, initial={"term": now}
    )
    if form.is_valid():
        extensions.extend_for_instructor(
            member.user, **form.cleaned_data, by=mine, origin=request.origin
        )
        term = form.cleaned_data["term"]
        until = day(extensions.closing(term, form.cleaned_data["until"]), "any day")
        messages.success(
            request, f"Marks of {member.user}’s classes in {term} can be entered until {until}."
        )
        return redirect("admin:grading_extension_instructor", member.pk)
    extended = extensions.of_instructor(member.user)
    facts = [("For", f"every class that {member.user} teaches in the term")]
    for term in terms:
        if term.pk in extended:
            closes, until = day(term.marks_close_on, "no date"), day(extended[term.pk])
            facts.append((str(term), f"closes on {closes}, extended until {until}"))
    back = ("People", "admin:accounts_membership_changelist")
    via = (str(member.user), reverse("admin:accounts_membership_change", args=[member.pk]))
    return _page(request, form, f"Extend the marks window for {member.user}", facts, back, via)


def day(date: dt.date | None, otherwise: str = "") -> str:
    """Return a date as the office's pages write it."""
    return date_format(date, "j F Y") if date else otherwise


def _facts_of_class(section: Section) -> Facts:
    facts = [
        ("Class", f"{section}: {section.course.title}, {section.term}"),
        ("The term’s marks close on", day(section.term.marks_close_on, "no date")),
        (
            "Extended for this class until",
            day(extensions.of_section_alone(section), "not extended"),
        ),
    ]
    if section.instructor:
        facts.append(_fact_of_its_instructor(section, section.instructor))
    return facts


def _fact_of_its_instructor(section: Section, instructor: User) -> tuple[str, str]:
    until = extensions.of_instructor(instructor).get(section.term_id)
    member = Membership.objects.get(school_id=section.school_id, user=instructor)
    link = format_html(
        '{}. <a href="{}">Extend for every class of {}</a>',
        day(until, "not extended"),
        reverse("admin:grading_extension_instructor", args=[member.pk]),
        instructor,
    )
    return f"Extended for {instructor} until", link


def _page(
    request: MemberRequest,
    form: forms.Form,
    title: str,
    facts: Facts,
    back: tuple[str, str],
    via: tuple[str, str],
) -> HttpResponse:
    context = {
        "form": form,
        "title": title,
        "button": "Extend",
        "back": back,
        "via": via,
        "facts": facts,
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "admin/form.html", context, status=status)

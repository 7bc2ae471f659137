"""The office's page of who waits for a place in a class."""

import uuid

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest
from accounts.posting import posted_or_back_to
from changes.review import NotApproved

from . import waiting_list
from .models import Enrollment, Section


@require_safe
def waiting(request: MemberRequest) -> HttpResponse:
    """Every class that pupils wait for, those with a free place first."""
    found = waiting_list.lists(Section.objects.filter(school=request.member.school))
    found.sort(key=lambda each: not each.has_a_place)
    context = {"lists": found, "title": "Who waits for a place"}
    return TemplateResponse(request, "grading/waiting_list.html", context)


@posted_or_back_to("admin:waiting_list")
def give_place(request: MemberRequest) -> HttpResponseBase:
    """Give a free place to the first who waits."""
    try:
        enrollment_id = uuid.UUID(request.POST.get("enrollment", ""))
    except ValueError:
        return redirect("admin:waiting_list")
    enrollment = get_object_or_404(
        Enrollment.objects.select_related("student", "section"), pk=enrollment_id
    )
    try:
        told = waiting_list.give_place(enrollment, by=request.member, origin=request.origin)
    except (waiting_list.NoPlaceToGive, NotApproved) as refusal:
        messages.error(request, str(refusal))
    else:
        how = (
            "They are told by mail." if told else "No e-mail address is known: tell them yourself."
        )
        messages.success(
            request, f"{enrollment.student} has a place in {enrollment.section}. {how}"
        )
    return redirect("admin:waiting_list")

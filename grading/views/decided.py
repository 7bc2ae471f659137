"""What was decided about one's changes, and which marks, comments and details of one's classes a
revert moved: looking at it, having seen it, and being mailed."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest, in_school
from accounts.models import Membership
from accounts.posting import posted_or_back_to
from grading import decided, mail_choice, moved_details, moved_marks, own_changes

PER_PAGE = 50
NEWEST_MOVED = 20


@require_safe
@in_school()
def decided_page(request: MemberRequest) -> HttpResponse:
    """The newest decision first, with those that are new, and the choice of mail."""
    member = request.member
    page = Paginator(decided.of(member), PER_PAGE).get_page(request.GET.get("page"))
    lines = own_changes.lines(list(page), by=member)
    found = list(moved_marks.of_classes_of(member)[: NEWEST_MOVED + 1])
    newest = moved_marks.lines(found[:NEWEST_MOVED], member=member)
    restored = list(moved_details.of_classes_of(member)[: NEWEST_MOVED + 1])
    details = moved_details.lines(restored[:NEWEST_MOVED], member=member)
    decisions = [line.change.decision for line in lines]
    decisions += [line.correction.decision for line in newest]
    decisions += [line.decision for line in details]
    numbers = [decision.number for decision in decisions if decision]
    context = {
        "page": page,
        "lines": lines,
        "moved": newest,
        "more_moved": len(found) > NEWEST_MOVED,
        "details": details,
        "more_details": len(restored) > NEWEST_MOVED,
        "until": max(numbers, default=0),
        "mails": Membership.Mail.choices,
        "mail": member.decided_by_mail,
    }
    return TemplateResponse(request, "grading/decided.html", context)


@require_safe
@in_school()
def moved_page(request: MemberRequest) -> HttpResponse:
    """All marks of one's classes that a revert, or lifting one, has moved."""
    found = moved_marks.of_classes_of(request.member)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    moved = moved_marks.lines(list(page), member=request.member)
    return TemplateResponse(request, "grading/moved.html", {"page": page, "moved": moved})


@require_safe
@in_school()
def details_page(request: MemberRequest) -> HttpResponse:
    """All comments and details of one's classes that a revert, or lifting one, has moved."""
    found = moved_details.of_classes_of(request.member)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    details = moved_details.lines(list(page), member=request.member)
    context = {"page": page, "details": details}
    return TemplateResponse(request, "grading/moved_details.html", context)


@posted_or_back_to("decided")
@in_school()
def seen(request: MemberRequest) -> HttpResponse:
    """Note what was on the page: what was decided meanwhile stays new."""
    until = request.POST.get("until", "")
    if until.isascii() and until.isdigit() and len(until) < 10:
        decided.see(request.member, int(until))
    return redirect("decided")


@posted_or_back_to("decided")
@in_school()
def mail(request: MemberRequest) -> HttpResponse:
    """Choose how often one is mailed."""
    choice = request.POST.get("mail")
    if choice in Membership.Mail.values:
        mail_choice.choose(request.member, Membership.Mail(choice), origin=request.origin)
        label = Membership.Mail(choice).label
        messages.success(request, f"Saved. What is decided about your changes is mailed: {label}.")
    else:
        messages.error(request, "Choose one of the three, then save. Nothing has changed.")
    return redirect("decided")

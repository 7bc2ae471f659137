"""My classes: what is to be marked, and how far it is."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest, in_school
from grading import class_list
from grading.access import is_restricted
from grading.extensions import closing
from grading.mark_rules import closed_because


@require_safe
@in_school()
def start(request: MemberRequest) -> HttpResponse:
    """Lead a person to where their work is: the office to its own pages, unless they teach too."""
    member = request.member
    teaches = class_list.teaches(member)
    return redirect("admin:index" if member.is_office and not teaches else "classes")


@require_safe
@in_school()
def classes(request: MemberRequest) -> HttpResponse:
    member, now = request.member, timezone.now()
    terms = class_list.terms(member)
    by_id = {str(term.pk): term for term in terms}
    term = by_id.get(request.GET.get("term", "")) or class_list.current_term(
        terms, timezone.localdate(now)
    )
    whole_school = "all" in request.GET and not is_restricted(member)
    sections = list(class_list.sections(member, term, whole_school=whole_school))
    progress = class_list.progress(sections, by=member)
    closed = closed_because(term, member.school, now)
    still_open = sum(
        closed_because(term, member.school, now, extended_until=its.extended_until) is None
        for its in progress.values()
    )
    context = {
        "terms": terms,
        "term": term,
        "closed": None if sections and still_open == len(sections) else closed,
        "still_open": still_open,
        "whole_school": whole_school,
        "may_see_all": not is_restricted(member),
        "classes": [
            (section, its, closing(term, its.extended_until))
            for section, its in ((each, progress[each.pk]) for each in sections)
        ],
        "missing": sum(each.missing for each in progress.values()),
    }
    return TemplateResponse(request, "grading/classes.html", context)

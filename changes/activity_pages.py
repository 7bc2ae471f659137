"""The office's pages of what was done with an account, and of who came from an address."""

import ipaddress
import itertools
import uuid
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from accounts.in_school import MemberRequest
from accounts.models import Membership

from . import naming
from .activity import Day, Reverted, Session, Sessions, reverted
from .unusual import Sign, unusual

SESSIONS_ON_A_PAGE = 50


@require_safe
def of_account(request: MemberRequest, account_id: uuid.UUID) -> HttpResponseBase:
    """What was done from each sign-in of an account."""
    school = request.member.school
    person = get_object_or_404(
        Membership.objects.select_related("user"), school=school, user_id=account_id
    )
    sessions = Sessions(school, account=account_id)
    return _page(request, sessions, {"person": person, "title": str(person.user)})


@require_safe
def from_address(request: MemberRequest) -> HttpResponseBase:
    """Who came from an address."""
    typed = request.GET.get("ip", "").strip()
    try:
        ip = str(ipaddress.ip_address(typed)) if typed else None
    except ValueError:
        trouble = f"“{typed[:60]}” is no IP address, such as 203.0.113.7."
        return _page(request, None, {"typed": typed, "trouble": trouble}, status=422)
    sessions = Sessions(request.member.school, ip=ip) if ip else None
    return _page(request, sessions, {"typed": ip or "", "ip": ip})


def _page(
    request: MemberRequest,
    sessions: Sessions | None,
    context: dict[str, Any],
    status: int = 200,
) -> HttpResponseBase:
    if sessions is not None:
        pages: Paginator[Session] = Paginator(sessions, SESSIONS_ON_A_PAGE)  # type: ignore[arg-type]
        page = pages.get_page(request.GET.get("page"))
        asked = request.GET.copy()
        asked.pop("page", None)
        context |= {
            "page": page,
            "rest_of_query": asked.urlencode(),
            "days": _by_day(request, list(page)),
        }
    return TemplateResponse(request, "changes/activity.html", context, status=status)


Listed = tuple[Session, str, list[Sign], list[Reverted]]


def _by_day(request: MemberRequest, sessions: list[Session]) -> list[tuple[Day, list[Listed]]]:
    """Return sessions with whose they are, what is unusual in them, and what of them is excluded,
    day by day."""
    people = naming.people(each.user_id for each in sessions)
    why = unusual(request.member.school, sessions)
    gone = reverted(sessions)
    listed = [
        (each, people.get(each.user_id, "somebody"), its, its_gone)
        for each, its, its_gone in zip(sessions, why, gone, strict=True)
    ]
    return [(day, list(some)) for day, some in itertools.groupby(listed, lambda row: row[0].day)]

"""The only door into a school: one request, one transaction, one school.

``enter(school)`` opens a transaction in which row-level security shows the rows of that school
and no others; commands, the worker and tests use it directly. ``@in_school`` does the same for a
view, after finding the member that asks. Whatever was written inside disappears when the view
raises or answers with a status of 500 and above: a middleware could not do that, because Django
has turned the exception into a response by then.
"""

import contextlib
import functools
import tempfile
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.http import urlencode

from . import audit, held, substitute
from .models import AuditLog, Membership, School
from .origin import Origin, origin_of

SCHOOL_IN_SESSION = "school"
View = Callable[..., HttpResponseBase]


class Refused(PermissionDenied):
    """The person may not do this. The message is for them; the refusal goes to the audit log."""


class Frozen(Refused):
    """The office of the school has frozen the account."""

    def __init__(self, school: School) -> None:
        super().__init__(
            f"The office of {school} has frozen your account. Nothing was saved. Ask the office: "
            "it tells you why, and can unfreeze the account. What you have typed into a page stays "
            "there while the page is open."
        )


class MemberRequest(HttpRequest):
    """A request that went through ``in_school``."""

    member: Membership
    origin: Origin


@contextlib.contextmanager
def enter(school: School) -> Iterator[School]:
    """Run the block inside ``school``: one transaction that sees the rows of that school alone.

    May be nested, also for another school; the outer one is restored. An exception rolls back.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select current_setting('schoolmarks.school', true)")
        outer = cursor.fetchone()[0] or ""
        cursor.execute("select set_config('schoolmarks.school', %s, true)", [str(school.pk)])
        with timezone.override(zoneinfo.ZoneInfo(school.time_zone)):
            yield school
        # A rollback puts the old setting back by itself, and takes no more commands.
        if not connection.needs_rollback:
            cursor.execute("select set_config('schoolmarks.school', %s, true)", [outer])


def memberships_of(request: HttpRequest) -> list[Membership]:
    """Return the active memberships of who is signed in, by the name of the school."""
    if not request.user.is_authenticated:
        return []
    return list(
        Membership.objects.select_related("school", "user")
        .filter(user_id=request.user.pk, is_active=True)
        .order_by("school__name", "id")
    )


def current_membership(request: HttpRequest) -> Membership | None:
    """Return the membership that the session is at work in, or None for a person without one."""
    memberships = memberships_of(request)
    chosen = request.session.get(SCHOOL_IN_SESSION)
    usable = [each for each in memberships if not each.is_frozen] or memberships
    member = next(
        (each for each in memberships if str(each.school_id) == chosen),
        usable[0] if usable else None,
    )
    # For the page's menu, which offers to switch, without asking again.
    request.other_schools = [each.school for each in memberships if each != member]  # type: ignore[attr-defined]
    return member


def school_of_form(request: HttpRequest) -> str | None:
    """Return the id of the school that a POST was rendered for, as its page says it."""
    return request.headers.get("X-School") or request.POST.get("school")


def in_school(
    role: Membership.Role | None = None, *, or_substitute: bool = False
) -> Callable[[View], View]:
    """Decorate a view that belongs to a school.

    The view gets ``request.member`` (Membership with school and user) and ``request.origin``.
    Anonymous people are sent to sign in; people without the role (office includes teacher), whose
    account is frozen, a POST rendered for another school, and a view that raises ``Refused`` or
    ``PermissionDenied`` answer 403 or 409 and leave a row in the audit log, written after the
    rollback. ``or_substitute``: the substitute whom an office of one person has named has the role
    too; the view says on what.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def inner(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_sign_in(request)
            member = current_membership(request)
            if member is None:
                return render(request, "accounts/no_school.html", status=403)
            request.member = member
            request.origin = origin_of(request)
            try:
                _check(request, member, role, or_substitute=or_substitute)
                with enter(member.school):
                    response = _finish(view(request, *args, **kwargs))
                    if response.status_code >= 500:
                        transaction.set_rollback(True)
                # Not no-store, with which a browser that goes back forgets what was typed.
                patch_cache_control(response, private=True, no_cache=True)
                return response
            except PermissionDenied as refusal:
                reason = str(refusal) or "You may not open this page."
                _record_refusal(request, member, reason)
                status = 409 if isinstance(refusal, WrongSchool) else 403
                return refusal_page(request, reason, status=status)
            except Http404:
                _record_refusal(request, member, f"not found: {request.path}")
                raise

        inner.belongs_to_school = True  # type: ignore[attr-defined]
        return inner

    return decorate


class WrongSchool(Refused):
    """A page of one school was sent while the session is at work in another."""


def _check(
    request: HttpRequest, member: Membership, role: Membership.Role | None, *, or_substitute: bool
) -> None:
    if member.is_frozen:
        raise Frozen(member.school)
    may = member.is_office or (or_substitute and substitute.stands_in(member))
    if role == Membership.Role.OFFICE and not may:
        raise Refused(
            "This page is for the office. Ask the office to do it, or to change your role."
        )
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        rendered_for = school_of_form(request)
        if rendered_for != str(member.school_id):
            raise WrongSchool(
                "This page belongs to another school than the one you are in now "
                f"({member.school}). Nothing was saved, and nothing that you typed is lost: go "
                "back to the page, choose its school again, and save."
            )


def _to_sign_in(request: HttpRequest) -> HttpResponseBase:
    response: HttpResponseBase = redirect_to_login(request.get_full_path())
    if request.headers.get("HX-Request"):
        # A fragment must not be replaced by a sign-in page: the page stays, with what was typed.
        # Where the page's own person, and nobody else, goes on after signing in on it.
        page = {"school": school_of_form(request) or "", "person": request.POST.get("person", "")}
        back = f"{reverse('signed_in_again')}?{urlencode(page)}"
        response = render(request, "accounts/signed_out.html", {"next": back}, status=401)
    elif request.method == "POST":
        response = held.sign_in_page(request)
    return response


def _finish(response: Any) -> HttpResponseBase:
    """Render and read a response to its end, while the transaction that it reads from is open."""
    if hasattr(response, "render") and not response.is_rendered:
        response = response.render()
    if response.streaming:
        spool = tempfile.SpooledTemporaryFile(max_size=2_000_000)  # noqa: SIM115 - closed by the response
        for chunk in response.streaming_content:
            spool.write(chunk)
        spool.seek(0)
        response.streaming_content = iter(lambda: spool.read(65536), b"")
        response._resource_closers.append(spool.close)
    return response


def refusal_page(request: Any, reason: str, *, status: int = 403) -> HttpResponse:
    """Return the page that says why, or what of it stands among the notices of a page."""
    response = render(request, "accounts/refused.html", {"reason": reason}, status=status)
    # In a page of htmx it must not take the place of a field with what somebody typed there.
    response["HX-Retarget"], response["HX-Reswap"] = "#notices", "innerHTML"
    return response


def _record_refusal(request: Any, member: Membership, reason: str) -> None:
    with enter(member.school):
        audit.record(
            AuditLog.Event.REFUSAL,
            origin=request.origin,
            school=member.school,
            user=member.user,
            detail=reason,
            metadata={"path": request.path[:500].replace("\x00", ""), "method": request.method},
        )


def as_uuid(text: str | None) -> uuid.UUID:
    """Return the UUID that ``text`` spells. Raises Http404 for anything else."""
    try:
        return uuid.UUID(text or "")
    except ValueError as error:
        raise Http404 from error

"""The start page, the choice of school, and the answer to "are you alive"."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import Error, connection
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from .in_school import SCHOOL_IN_SESSION, as_uuid, memberships_of


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return redirect(settings.LOGIN_REDIRECT_URL)


@require_POST
@login_required
def switch_school(request: HttpRequest) -> HttpResponse:
    """Go to work in another of one's schools. Pages of the former one are refused from now on."""
    wanted = as_uuid(request.POST.get("to"))
    if wanted not in {membership.school_id for membership in memberships_of(request)}:
        raise Http404
    request.session[SCHOOL_IN_SESSION] = str(wanted)
    return redirect(settings.LOGIN_REDIRECT_URL)


@require_safe
@login_required
@never_cache
def signed_in_again(request: HttpRequest) -> HttpResponse:
    """Where a sign-in that was done without leaving a page ends: back in the page's school. Who is
    not the ``person`` of the page is led away from it: it shows what somebody else typed."""
    if request.GET.get("school") in {str(each.school_id) for each in memberships_of(request)}:
        request.session[SCHOOL_IN_SESSION] = request.GET["school"]
    response = render(request, "accounts/signed_in_again.html")
    person = request.GET.get("person") or str(request.user.pk)
    # For the page, which then sends what it holds.
    response["HX-Trigger"] = "signed-in" if person == str(request.user.pk) else "somebody-else"
    return response


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Lead to the icon who looks for it at the root, as browsers do that show a file of ours."""
    return redirect(static("schoolmarks.svg"))


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database answers, else 503. Says nothing else to anybody."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except Error:
        return HttpResponse("database does not answer\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")

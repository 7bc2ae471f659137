"""What somebody sends while they are signed out: nothing of it is saved, and nothing is lost.

A form that is sent after the session has ended is answered by a page that lists what was typed and
lets its author sign in. What was typed travels in that page, signed and never kept on the server;
after signing in it is shown once more, in the name of who signed in, and one button sends it to
where it was going. Passwords and files do not travel.
"""

import re

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control

from .forms import SignInForm

SALT = "accounts.held"
VALID_FOR = 12 * 60 * 60  # seconds: as long as a session
_LEFT_OUT = re.compile(r"csrfmiddlewaretoken|.*password.*", re.IGNORECASE | re.DOTALL)
_FOR_THE_SITE = re.compile(r"school|key|base|back|next|seal|token|seen", re.ASCII)
_NO_WORDS = re.compile(r"[0-9a-f-]{32,36}|(?:[0-9a-f]{32})?\.[0-9a-f]{12}", re.ASCII)

Fields = list[tuple[str, str]]


def sign_in_page(request: HttpRequest) -> HttpResponse:
    """Answer a form that was sent by nobody who is signed in: 401, and where to sign in."""
    fields = [
        (name, value)
        for name, values in request.POST.lists()
        if not _LEFT_OUT.fullmatch(name)
        for value in values
    ]
    path = request.get_full_path()
    # What was chosen from a disk cannot travel: the file has to be chosen again.
    held = "" if request.FILES else signing.dumps([path, fields], salt=SALT, compress=True)
    context = {
        "form": SignInForm(request=request, initial={"held": held}),
        "next": path,
        "typed": _typed(fields),
        "has_files": bool(request.FILES),
    }
    return _page(request, "accounts/signed_out_page.html", context, status=401)


def opened(held: str) -> tuple[str, Fields] | None:
    """Return where a form was going and what it held; None if ``held`` is nothing that this site
    wrote, or too old."""
    try:
        path, fields = signing.loads(held, salt=SALT, max_age=VALID_FOR)
    except signing.BadSignature:
        return None
    return path, [(name, value) for name, value in fields]


def send_again_page(request: HttpRequest, path: str, fields: Fields) -> HttpResponse:
    """Show who has just signed in what was typed before, to be sent in their name."""
    context: dict[str, object] = {"path": path, "fields": fields, "typed": _typed(fields)}
    return _page(request, "accounts/send_again.html", context, status=200)


def _page(
    request: HttpRequest, template: str, context: dict[str, object], *, status: int
) -> HttpResponse:
    response = render(request, template, context, status=status)
    # Not no-store, with which a browser that goes back forgets the page.
    patch_cache_control(response, private=True, no_cache=True)
    return response


def _typed(fields: Fields) -> Fields:
    """Return what a person reads of a form: no ids and no digests, and nothing blank."""
    return [
        (re.sub(r"[-_]+", " ", name), value)
        for name, value in fields
        if value.strip() and not _FOR_THE_SITE.fullmatch(name) and not _NO_WORDS.fullmatch(value)
    ]

"""Refusing what none of our pages sends."""

import codecs
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import HttpRequest, HttpResponseBase

Answer = Callable[[HttpRequest], HttpResponseBase]


class RefuseWhatNoPageSends:
    """Answer 400 to another encoding than UTF-8, and to more than Django's limit in any form.

    Django reads text in whatever encoding a request names, ``unicode_escape`` too, and so lets in
    halves of characters that no database keeps. Its limit leaves out files: anybody, before signing
    in, could fill the disk with one that no page asks for. A page that asks for one says how much
    it takes (``posting.takes_up_to``), of people who are signed in.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.encoding and codecs.lookup(request.encoding).name != "utf-8":
            raise BadRequest("Only UTF-8 is read.")
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, *args: Any) -> None:
        """Look at the length before anything reads the body: CSRF protection is the first to."""
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:  # nothing will be read of it
            length = 0
        if length <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return
        if length > getattr(view, "most_bytes", 0) or not request.user.is_authenticated:
            raise RequestDataTooBig("The request is larger than any page's.")

"""Refusing what none of our pages sends."""

import codecs
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import HttpRequest, HttpResponseBase

Answer = Callable[[HttpRequest], HttpResponseBase]


def refuse_what_no_page_sends(get_response: Answer) -> Answer:
    """Answer 400 to another encoding than UTF-8, and to more than Django's limit in any form.

    Django reads text in whatever encoding a request names, ``unicode_escape`` too, and so lets in
    halves of characters that no database keeps. Its limit leaves out files: anybody, before signing
    in, could fill the disk with one that no page asks for.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.encoding and codecs.lookup(request.encoding).name != "utf-8":
            raise BadRequest("Only UTF-8 is read.")
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:  # nothing will be read of it
            length = 0
        if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig("The request is larger than any page's.")
        return get_response(request)

    return middleware

"""Addresses that are there to be posted to."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

View = Callable[..., HttpResponseBase]


def posted_or_back_to(page: str) -> Callable[[View], View]:
    """Take a POST; lead who only looks, after signing in anew say, to the page with the form."""

    def decorate(view: View) -> View:
        @wraps(view)
        def posted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method != "POST":
                return redirect(page, *args, **kwargs)
            return view(request, *args, **kwargs)

        return require_http_methods(["GET", "HEAD", "POST"])(posted)

    return decorate


def takes_up_to(most_bytes: int) -> Callable[[View], View]:
    """Let a page take more than others of people who are signed in: a file. Put it outermost of
    the view's decorators; whoever wraps the view keeps its attributes."""

    def decorate(view: View) -> View:
        view.most_bytes = most_bytes  # type: ignore[attr-defined]
        return view

    return decorate

"""What every template knows: the school at work in, and the others one could switch to."""

from typing import Any

from django.http import HttpRequest

from . import substitute


def school(request: HttpRequest) -> dict[str, Any]:
    """Add ``member``, ``school`` and ``other_schools`` to what went through ``in_school``, and
    whether the member ``stands_in`` for an office of one person."""
    member = getattr(request, "member", None)
    return {
        "member": member,
        "school": member.school if member else None,
        "stands_in": member is not None and substitute.stands_in(member),
        "other_schools": getattr(request, "other_schools", []),
    }

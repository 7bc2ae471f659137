"""What every template knows: the school at work in, and the others one could switch to."""

from typing import Any

from django.http import HttpRequest


def school(request: HttpRequest) -> dict[str, Any]:
    """Add ``member``, ``school`` and ``other_schools`` to what went through ``in_school``."""
    member = getattr(request, "member", None)
    return {
        "member": member,
        "school": member.school if member else None,
        "other_schools": getattr(request, "other_schools", []),
    }

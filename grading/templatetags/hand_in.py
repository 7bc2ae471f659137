"""What a page says of a class that was handed in."""

from typing import Any

from django import template

from grading.hand_in import latest
from grading.models import Section

register = template.Library()


@register.inclusion_tag("grading/hand_in_state.html", takes_context=True)
def hand_in_state(context: dict[str, Any], section: Section) -> dict[str, Any]:
    """Say when a class was handed in, and by whom; nothing of one that was not. On a page with its
    ``sheet``, that typing goes on only where it does."""
    member = context["request"].member
    return {
        "handed_in": latest([section.pk], by=member).get(section.pk),
        "is_locked": "sheet" in context and context["sheet"].is_locked,
    }

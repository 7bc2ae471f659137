"""What a page says of a class whose marks window the office has extended."""

from typing import Any

from django import template

from grading.extensions import closing, until_of
from grading.models import Section

register = template.Library()


@register.inclusion_tag("grading/extension_state.html")
def extension_state(section: Section) -> dict[str, Any]:
    """Say until when a class is open longer than its term; nothing of one that is not."""
    closes_on = closing(section.term, until_of(section))
    return {"until": closes_on if closes_on != section.term.marks_close_on else None}

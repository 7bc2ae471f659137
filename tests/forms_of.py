"""Sending the forms of a page as a browser without scripts sends them."""

from html.parser import HTMLParser
from typing import Any

BOXES = {"checkbox", "radio"}


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.select = ""
        self.area: list[Any] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        name = given.get("name") or ""
        if tag == "form":
            method = (given.get("method") or "get").lower()
            self.forms.append(
                {"action": given.get("action"), "method": method, "fields": [], "boxes": []}
            )
        if not self.forms:
            return
        fields = self.forms[-1]["fields"]
        if tag == "input" and name:
            kind, value = given.get("type", "text"), given.get("value") or ""
            if kind == "checkbox":
                self.forms[-1]["boxes"].append((name, value))
            if kind not in BOXES or "checked" in given:
                fields.append([name, value])
        elif tag == "select":
            self.select = name
        elif tag == "option" and "selected" in given:
            fields.append([self.select, given.get("value") or ""])
        elif tag == "textarea":
            self.area = [name, ""]
            fields.append(self.area)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self.area:
            self.area[1] = self.area[1].removeprefix("\n")  # as HTML reads it
            self.area = None

    def handle_data(self, data: str) -> None:
        if self.area:
            self.area[1] += data


def all_forms(page: str) -> list[dict[str, Any]]:
    """Return the forms of a page: ``action``, ``method``, ``fields`` as they are, and ``boxes``."""
    parser = _Forms()
    parser.feed(page)
    return parser.forms


class Form:
    """The form of a page whose fields include ``holds``."""

    def __init__(self, response: Any, holds: str) -> None:
        forms = all_forms(response.content.decode())
        (found,) = [f for f in forms if any(n == holds for n, _ in f["fields"] + f["boxes"])]
        self.action: str = found["action"]
        self.fields: list[list[str]] = found["fields"]
        self.boxes: list[tuple[str, str]] = found["boxes"]

    def data(self, **more: Any) -> dict[str, list[str]]:
        """Return what would be sent; ``more`` replaces fields (a list sends several)."""
        sent: dict[str, list[str]] = {}
        for name, value in self.fields:
            sent.setdefault(name, []).append(value)
        for name, value in more.items():
            sent[name] = list(value) if isinstance(value, list) else [value]
        return sent

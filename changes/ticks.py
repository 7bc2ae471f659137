"""What of a preview is ticked, as it travels in the form from page to page.

Of 52,000 lines a page shows some; what was ticked or unticked on others is carried along, and of
all the rest the default holds. A group of lines can be unticked at once.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Self

from django.http import QueryDict

IN_GROUPS = "group:"
Groups = Callable[[Collection[str]], Mapping[str, str]]


class Ticks:
    """What a person ticked and unticked: lines by their keys, groups as "group:" and their key.

    ``carried`` are such keys, each after "+" or "-", as ``str`` of this writes them; ``clicked``
    are those whose box came back otherwise than it was shown.
    """

    def __init__(
        self,
        carried: Iterable[str] = (),
        clicked: Mapping[str, bool] | None = None,
        *,
        groups: Groups,
    ) -> None:
        self.chosen = {each[1:]: each[0] == "+" for each in carried if each[0] in "+-"}
        self.clicked = clicked or {}
        self.groups = groups

    @classmethod
    def of(cls, sent: QueryDict, *, groups: Groups) -> Self:
        """Return what a form sends: "chosen" is carried, "boxes" says what was shown, and "tick"
        has the keys of the boxes that are ticked."""
        ticked = set(sent.getlist("tick"))
        shown = {each[1:]: each[0] == "+" for each in sent.get("boxes", "").split()}
        clicked = {key: key in ticked for key, was in shown.items() if was != (key in ticked)}
        return cls(sent.get("chosen", "").split(), clicked, groups=groups)

    def __str__(self) -> str:
        return " ".join(f"{'+' if on else '-'}{key}" for key, on in sorted(self.chosen.items()))

    def unticked(self, keys: Collection[str], default: Collection[str]) -> set[str]:
        """Return which of these lines are not ticked; ``default`` are those that are not unless
        somebody ticks them. To tick a group brings its lines back to the default."""
        clicks = {each: on for each, on in self.clicked.items() if each.startswith(IN_GROUPS)}
        if clicks or any(each.startswith(IN_GROUPS) for each in self.chosen):
            group_of = {key: IN_GROUPS + group for key, group in self.groups(keys).items()}
        else:
            group_of = {}
        # A click on a group is about all of its lines, whatever was said of each before.
        self.chosen = {k: on for k, on in self.chosen.items() if group_of.get(k) not in clicks}
        for each, on in self.clicked.items():
            if on and each in clicks:
                self.chosen.pop(each, None)
            else:
                self.chosen[each] = on
        self.clicked = {}
        return {
            key
            for key in keys
            if not self.chosen.get(
                key, key not in default and self.chosen.get(group_of.get(key, ""), True)
            )
        }


def digest(unticked: Iterable[str]) -> str:
    """Return what stands for the lines that are not ticked, for the page to send back."""
    return hashlib.sha256("\n".join(sorted(unticked)).encode()).hexdigest()

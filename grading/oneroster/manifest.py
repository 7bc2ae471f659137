"""manifest.csv: which version a delivery is, and for each file whether and how it is there."""

from dataclasses import dataclass

from grading.oneroster.archive import DAMAGED, Delivery
from grading.oneroster.problems import FILES_IN_ORDER, Problems
from grading.oneroster.records import Records

FILE = "manifest.csv"
VERSIONS = ("1.1", "1.2")
NEEDED = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")
"""Without these there is no complete roster. Marks (lineItems, results) and the rest may be
absent."""
LATER = "roles"
"""Version 1.2 has what people are in a file of its own, and needs it."""

Properties = dict[str, tuple[str, int]]
"""Value and line by property name."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a delivery says of itself. modes: `bulk` or `delta` of each file that is to be read."""

    version: str
    modes: dict[str, str]

    @property
    def partial(self) -> bool:
        """Whether it lists changes, so that what it does not name stays as it is."""
        return "delta" in self.modes.values()


def read_manifest(delivery: Delivery, problems: Problems, *, deltas: bool) -> Manifest:
    """Read what a delivery says of itself.

    Raises BadRoster at once when this is no OneRoster of a version that can be read, or a delta and
    `deltas` is off: nothing else is worth reporting then. A file that is not as the manifest says
    is noted, and the others are still read.
    """
    if FILE not in delivery.files:
        problems.add(
            delivery.name, 0, "", "there is no manifest.csv, so it is no OneRoster delivery"
        )
        problems.refuse()
    said = _properties(delivery, problems)
    version, line = said.get("oneroster.version", ("", 0))
    if version not in VERSIONS:
        problems.add(
            FILE, line, "", "oneroster.version is {}, but only 1.1 and 1.2 can be read", version
        )
    names = _names(version)
    partial = any(said.get(f"file.{name}", ("", 0))[0] == "delta" for name in names)
    if partial and not deltas:
        for name in names:
            mode, line = said.get(f"file.{name}", ("", 0))
            if mode == "delta":
                problems.add(
                    FILE, line, "", "{} is a delta (changes only); send the complete lists", name
                )
    if problems.total:
        problems.refuse()
    needed = () if partial else (*NEEDED, *((LATER,) if version == "1.2" else ()))
    modes = {name: _mode(name, said, delivery, needed, problems) for name in names}
    return Manifest(version, {name: mode for name, mode in modes.items() if mode})


def _names(version: str) -> list[str]:
    names = [file.removesuffix(".csv") for file in FILES_IN_ORDER if file != FILE]
    return [name for name in names if version == "1.2" or name != LATER]


def _properties(delivery: Delivery, problems: Problems) -> Properties:
    said: Properties = {}
    try:
        with delivery.open(FILE) as binary:
            for line, cells in Records(binary, FILE, problems):
                if len(cells) != 2:
                    problems.add(
                        FILE, line, "", "has {} values instead of a name and a value", len(cells)
                    )
                elif cells[0] in said:
                    problems.add(
                        FILE, line, "", "{} stands in line {} already", cells[0], said[cells[0]][1]
                    )
                else:
                    said[cells[0]] = (cells[1].strip().lower(), line)
    except DAMAGED:
        problems.add(FILE, 0, "", "the file is damaged and cannot be read to its end")
    return said


def _mode(
    name: str, said: Properties, delivery: Delivery, needed: tuple[str, ...], problems: Problems
) -> str:
    """`bulk` or `delta` of a file that is there as the manifest says; else ''."""
    mode, line = said.get(f"file.{name}", ("", 0))
    file = f"{name}.csv"
    listed = mode in ("bulk", "delta")
    if listed and file in delivery.files:
        return mode
    alike = next((other for other in delivery.files if other.lower() == file.lower()), None)
    if listed and alike:
        problems.add(FILE, line, "", "there is {}, but it must be called {}", alike, file)
    elif listed:
        problems.add(FILE, line, "", f"says that {{}} is {mode}, but there is no such file", file)
    elif mode not in ("", "absent"):
        problems.add(
            FILE, line, "", "{} is {}, which is neither bulk nor delta nor absent", file, mode
        )
    elif name in needed:
        problems.add(FILE, line, "", "does not say that {} is bulk, but a roster needs it", file)
    elif alike:
        problems.add(FILE, line, "", "does not say that {} is bulk, but the file is there", file)
    return ""

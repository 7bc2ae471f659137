"""manifest.csv: which version a delivery is, and for each file whether and how it is there."""

from grading.oneroster.archive import DAMAGED, Delivery
from grading.oneroster.problems import FILES_IN_ORDER, Problems
from grading.oneroster.records import Records

FILE = "manifest.csv"
NEEDED = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")
"""Without these there is no roster. Marks (lineItems, results) and categories may be absent."""

Properties = dict[str, tuple[str, int]]
"""Value and line by property name."""


def read_manifest(delivery: Delivery, problems: Problems) -> frozenset[str]:
    """The names, without .csv, of the files to be read.

    Raises BadRoster at once when this is not OneRoster 1.1 or is a delta: nothing else is worth
    reporting then. A file that is not as the manifest says is noted, and the others are still read.
    """
    if FILE not in delivery.files:
        problems.add(
            delivery.name, 0, "", "there is no manifest.csv, so it is no OneRoster delivery"
        )
        problems.refuse()
    said = _properties(delivery, problems)
    version, line = said.get("oneroster.version", ("", 0))
    if version != "1.1":
        problems.add(FILE, line, "", "oneroster.version is {}, but only 1.1 can be read", version)
    for name in _names():
        mode, line = said.get(f"file.{name}", ("", 0))
        if mode == "delta":
            problems.add(
                FILE, line, "", "{} is a delta (changes only); send the complete lists", name
            )
    if problems.total:
        problems.refuse()
    return frozenset(name for name in _names() if _is_there(name, said, delivery, problems))


def _names() -> list[str]:
    return [file.removesuffix(".csv") for file in FILES_IN_ORDER if file != FILE]


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


def _is_there(name: str, said: Properties, delivery: Delivery, problems: Problems) -> bool:
    mode, line = said.get(f"file.{name}", ("", 0))
    file = f"{name}.csv"
    if mode == "bulk" and file in delivery.files:
        return True
    alike = next((other for other in delivery.files if other.lower() == file.lower()), None)
    if mode == "bulk" and alike:
        problems.add(FILE, line, "", "there is {}, but it must be called {}", alike, file)
    elif mode == "bulk":
        problems.add(FILE, line, "", "says that {} is bulk, but there is no such file", file)
    elif mode not in ("", "absent"):
        problems.add(FILE, line, "", "{} is {}, which is neither bulk nor absent", file, mode)
    elif name in NEEDED:
        problems.add(FILE, line, "", "does not say that {} is bulk, but a roster needs it", file)
    elif alike:
        problems.add(FILE, line, "", "does not say that {} is bulk, but the file is there", file)
    return False

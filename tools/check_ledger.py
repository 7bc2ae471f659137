"""Check a ledger that ``manage.py export_ledger`` wrote: python check_ledger.py FILE [PUBLISHED]

Needs Python and nothing else, so that whoever doubts can read all of it. PUBLISHED is a file with
lines that ``manage.py publish_digest`` printed or mailed ("schoolmarks digest hill 42 1f0c..."):
the ledger must still hold these digests, and end with none before them.

What is checked. Every change and every decision has a commitment: SHA-256 over a salt and its
facts. The digest of a decision is SHA-256 over the digest of the one before and its own row, in
which its commitment stands and a SHA-256 over a line for each change that it decided and each that
it excluded. Ends with status 1 when anything does not fit.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PUBLISHED = re.compile(r"^schoolmarks digest ([\w-]+) (\d+) ([0-9a-f]{64})\b", re.MULTILINE)


def canonical(facts: dict[str, Any]) -> bytes:
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


class Ledger:
    """The ledger as far as it was read. ``wrong`` says what does not fit."""

    def __init__(self, published: dict[int, str]) -> None:
        self.published = published
        self.commitments: dict[str, str] = {}
        self.decided: dict[str, int] = {}
        self.before = bytes(32).hex()
        self.number = 0
        self.erased = 0
        self.ended = False

    def read(self, line: dict[str, Any]) -> Iterator[str]:
        if self.ended:
            yield "Lines come after the end."
        if "change" in line:
            yield from self.change(line)
        elif "decision" in line:
            yield from self.decision(line)
        elif "head" in line:
            yield from self.head(line)

    def opens(self, line: dict[str, Any], commitment: str) -> bool:
        """Whether a commitment is one to these facts. Without a salt nobody can say."""
        if "salt" not in line:
            self.erased += 1
            return True
        return sha256(bytes.fromhex(line["salt"]), canonical(line["facts"])) == commitment

    def change(self, line: dict[str, Any]) -> Iterator[str]:
        name = line["change"]
        if name in self.commitments:
            yield f"Change {name} is there twice."
        self.commitments[name] = line["commitment"]
        if line["facts"]["id"] != name or not self.opens(line, line["commitment"]):
            yield f"Change {name} says something else than what was sealed."

    def decision(self, line: dict[str, Any]) -> Iterator[str]:
        row, lines = line["row"], line["lines"]
        self.number += 1
        if (line["decision"], row["number"]) != (self.number, self.number):
            yield f"Decision {line['decision']} stands where {self.number} is due."
            self.number = line["decision"]
        if sha256("".join(f"{each}\n" for each in lines).encode()) != row["rows"]:
            yield f"Decision {self.number} stamped other rows than those that were sealed."
        if "commitment" in row and not self.opens(line, row["commitment"]):
            yield f"Decision {self.number} says something else than what was sealed."
        for words in (each.split() for each in lines):
            if words[0] != "change":
                if words[1] not in self.commitments:
                    yield f"Decision {self.number} is about a change that is missing: {words[1]}."
                continue
            if self.commitments.get(words[1]) != words[-1]:
                yield f"Change {words[1]} of decision {self.number} is missing, or another one."
            if words[1] in self.decided:
                yield f"Change {words[1]} was decided twice."
            self.decided[words[1]] = self.number
        if sha256(bytes.fromhex(self.before), canonical(row)) != line["digest"]:
            yield f"Decision {self.number} does not follow from the one before."
        self.before = line["digest"]
        if self.published.pop(self.number, self.before) != self.before:
            yield f"Decision {self.number} has another digest than the one that was published."

    def head(self, line: dict[str, Any]) -> Iterator[str]:
        self.ended = True
        if (line["head"], line["digest"]) != (self.number, self.before):
            yield "The last decisions are missing, or were put in."

    def end(self) -> Iterator[str]:
        if not self.ended:
            yield "The file breaks off."
        for number in sorted(self.published):
            yield f"Decision {number} was published, and is missing."


def check(lines: Iterator[str], published: dict[str, dict[int, str]]) -> int:
    """Print what does not fit, and how much was read. Return the status to end with."""
    first = json.loads(next(lines))
    ledger = Ledger(published.get(first["school"], {}))
    compared, wrong = len(ledger.published), 0
    for line in lines:
        for word in ledger.read(json.loads(line)):
            print(word)
            wrong += 1
    for word in ledger.end():
        print(word)
        wrong += 1
    print(
        f"{first['name']}: {len(ledger.commitments)} changes, {ledger.number} decisions, "
        f"{ledger.erased} of them without their salt (erased); {compared} published digests. "
        + (f"{wrong} things do not fit." if wrong else "Everything fits.")
    )
    return 1 if wrong else 0


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        print(__doc__)
        return 2
    published: dict[str, dict[int, str]] = {}
    for path in arguments[1:]:
        for slug, number, digest in PUBLISHED.findall(Path(path).read_text()):
            published.setdefault(slug, {})[int(number)] = digest
    with Path(arguments[0]).open(encoding="utf-8") as file:
        return check(iter(file), published)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The most memory that a Python process of ours ever had."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

PROCESSES = Path("/proc")


def peak(pid: int | str = "self") -> float | None:
    """Return the most megabytes that a process had in memory at once, since it began or since
    ``forget``; None where the system does not tell (Linux does, see proc_pid_status(5), VmHWM).

    Not by getrusage: what it says of a process begins with what the one had that started it.
    """
    with contextlib.suppress(OSError):
        for line in (PROCESSES / str(pid) / "status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return int(value.split()[0]) / 1024
    return None


def peak_of_children(pid: int) -> float | None:
    """Return the same of the largest process that this one has started and that still runs."""
    found = []
    with contextlib.suppress(OSError):
        children = PROCESSES / str(pid) / "task" / str(pid) / "children"
        found = [peak(child) for child in children.read_text().split()]
    return max((each for each in found if each is not None), default=None)


def forget() -> None:
    """Let the peak of this process begin anew with what it has now (proc_pid_clear_refs(5))."""
    with contextlib.suppress(OSError):
        (PROCESSES / "self" / "clear_refs").write_text("5")


class Peaks(dict[str, float]):
    """Who needed how much, in megabytes."""

    def note(self, whose: str, megabytes: float | None) -> None:
        """Note a peak, if it is known and the highest of this name."""
        if megabytes is not None:
            self[whose] = max(megabytes, self.get(whose, 0))

    @contextlib.contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Note the peak of this process while the block runs."""
        forget()
        yield
        self.note(what, peak())
        forget()

"""Running one part: `python -m benchmarks.part sheet --into FILE [--small | --large]`, in the
environment that `python -m benchmarks` makes."""

import argparse
import gc
import importlib
import signal
import sys
from pathlib import Path

import django
from django.db import connection

from . import memory
from .timing import circumstances


def main() -> None:
    """Measure a part and write its section."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    parser = argparse.ArgumentParser()
    parser.add_argument("part")
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--small", action="store_true", help="tiny sizes will do")
    parser.add_argument("--large", action="store_true", help="a size more, where there is one")
    options = parser.parse_args()
    django.setup()
    measure = importlib.import_module(f"benchmarks.{options.part}").measure
    gc.collect()
    gc.freeze()  # as wsgi.py does
    section = measure(options.small, large=True) if options.large else measure(options.small)
    section.memory.note("what measures, otherwise", memory.peak())
    with connection.cursor() as cursor:
        cursor.execute("show server_version")
        version = cursor.fetchone()[0].split()[0]
    options.into.write_text(section.text(circumstances(version)))


if __name__ == "__main__":
    main()

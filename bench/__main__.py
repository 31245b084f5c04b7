"""Costs and times of the three programs: `python -m bench [SECTION ...]` measures them and writes bench/RESULTS.md.

What each section measured is kept in bench/results.json, so one may be measured again without the others. All take half
an hour on a machine that does nothing else.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone

import boto3
import botocore

from bench import labelling, stats
from bench.book import Book, keep

SECTIONS: dict[str, Callable[[Book], None]] = {
    "peers": stats.peers,
    "ids": stats.ids,
    "servers": stats.servers,
    "scaling": stats.scaling,
    "requests": stats.requests,
    "index": stats.index,
    "start": stats.start,
    "prompt": stats.prompt,
    "keys": labelling.keys,
    "previews": labelling.previews,
    "report": labelling.report,
}


def machine() -> str:
    """Return when and on what the measurements are made."""
    with open("/proc/cpuinfo") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    cpu = models[0] if models else platform.processor()
    versions = f"Python {platform.python_version()}, boto3 {boto3.__version__}, botocore {botocore.__version__}"
    load = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"
    return f"{datetime.now(timezone.utc):%Y-%m-%d}; {cpu}, {load}; {versions}."


def main() -> int:
    names = sys.argv[1:] or list(SECTIONS)
    if unknown := set(names) - set(SECTIONS):
        print(f"There is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}.", file=sys.stderr)
        return 2
    for name in names:
        start, book = time.monotonic(), Book(machine())
        print(f"\n# {name}: {book.machine}")
        SECTIONS[name](book)
        book.machine = f"{book.machine[:-1]}; in {time.monotonic() - start:.0f} s."
        keep(name, book, list(SECTIONS))
    return 0


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a program compiles its modules once, not at each start
    sys.exit(main())

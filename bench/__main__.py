"""Costs and times of the three programs: `python -m bench [SECTION ...]` measures them and writes bench/RESULTS.md.

What each section found is kept in bench/results.json, so that one may be measured again without the others.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone

from bench import client, growth, labeller, parts, peers, scaling, server, upload, write_up
from bench.book import Book, markdown
from bench.write_up import GOALS

SECTIONS: dict[str, Callable[[Book], None]] = {
    "peers": peers.peers, "parts": parts.parts, "servers": server.servers, "flat": server.flat,
    "requests": growth.requests, "scaling": scaling.scaling, "trickle": server.trickle, "latency": server.latency,
    "client": client.client, "clients": client.clients,
    "keys": labeller.keys, "rounds": labeller.rounds, "decode": labeller.decode, "writes": labeller.writes,
    "labels": growth.labels, "report": growth.report, "upload": upload.upload,
}  # fmt: skip


def machine() -> str:
    """Return what the measurements were made on."""
    import boto3
    import botocore

    cpu = platform.processor()
    with open("/proc/cpuinfo") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d}; {models[0] if models else cpu}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f} at the start; Python {platform.python_version()}, boto3 {boto3.__version__}, "
        f"botocore {botocore.__version__}."
    )


def main() -> int:
    names = sys.argv[1:] or list(SECTIONS)
    if unknown := set(names) - set(SECTIONS):
        print(f"There is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}.", file=sys.stderr)
        return 2
    for name in names:
        start, book = time.monotonic(), Book(machine())
        print(f"\n# {name}: {book.machine}")
        SECTIONS[name](book)
        print(f"\n{time.monotonic() - start:.0f} s\n{markdown(GOALS, book.goals)}", flush=True)
        write_up.keep(name, book, list(SECTIONS))
    return 0


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a program compiles its modules once, not at each start
    sys.exit(main())

"""Costs and times of the three programs: `python -m bench [SECTION ...]`; all of them write bench/RESULTS.md."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from bench import client, draw, labeller, parts, peers, scaling, server
from bench.book import Book, markdown

BENCH = Path(__file__).resolve().parent
SECTIONS: dict[str, Callable[[Book], None]] = {
    "peers": peers.peers, "parts": parts.parts, "servers": server.servers, "flat": server.flat,
    "scaling": scaling.scaling, "trickle": server.trickle, "latency": server.latency,
    "client": client.client, "clients": client.clients,
    "keys": labeller.keys, "rounds": labeller.rounds, "decode": labeller.decode, "writes": labeller.writes,
    "upload": labeller.upload,
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


def plot_scaling(book: Book) -> None:
    plot = draw.lines(
        "What the log takes", "servers", "requests a second", book.plots["scaling"], lambda power: f"{10**power:,}"
    )
    (BENCH / "scaling.svg").write_text(plot)


def main() -> int:
    names = sys.argv[1:] or list(SECTIONS)
    if unknown := set(names) - set(SECTIONS):
        print(f"There is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}.", file=sys.stderr)
        return 2
    book, start, head = Book(), time.monotonic(), machine()
    print(head)
    for name in names:
        SECTIONS[name](book)
    goals = markdown(["goal", "", "measured", "reached"], book.goals)
    print(f"\n## Goals\n\n{goals}\n\n{time.monotonic() - start:.0f} s")
    if names == list(SECTIONS):
        about = (
            "AWS is a stand-in on this machine (`bench/standin.py`): no TLS, no throttling; a call takes the given "
            "time there and back. Prices are those of `lab2/aws/pricing.py`."
        )
        parts = ["# Results of `make bench`", head, about, "## Goals", goals, *book.parts,
                 "![Bytes put per request](bytes.svg)", "![Calls and dollars](cost.svg)",
                 "![Requests a second as servers are added](scaling.svg)"]  # fmt: skip
        (BENCH / "RESULTS.md").write_text("\n\n".join(parts) + "\n")
        up = "bytes put to S3 per request"
        bytes_ = draw.lines("What a log costs as it grows", "requests in the day's log", up, book.plots["bytes"])
        (BENCH / "bytes.svg").write_text(bytes_)
        plot_scaling(book)
        names = ["calls per million requests", "dollars per million requests"]
        (BENCH / "cost.svg").write_text(draw.bars("A million requests", book.plots["cost"], names))
    return 0


if __name__ == "__main__":
    sys.exit(main())

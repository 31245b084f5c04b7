"""Costs and times of the three programs: `python -m bench [SECTION ...]` measures them and writes bench/RESULTS.md.

What each section found is kept in bench/results.json, so that one may be measured again without the others.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench import client, draw, growth, labeller, parts, peers, scaling, server, upload
from bench.book import Book, markdown

BENCH = Path(__file__).resolve().parent
RESULTS = BENCH / "results.json"
GOALS = ["goal", "", "measured", "reached"]
PLOTS: dict[str, tuple[str, str, Any]] = {  # title, and what the axes or the bars are
    "cost": ("A million requests", "", ["calls per million requests", "dollars per million requests"]),
    "bytes": ("What a log costs as it grows", "requests in the day's log", "bytes put to S3 per request"),
    "scaling": ("What the log takes", "servers", "requests a second"),
    "requests": ("What a request costs as there are more", "requests", "per request"),
    "labels": ("What a label costs as there are more", "rows in the label file", "per label"),
}
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
    for name in names:
        start, book = time.monotonic(), Book(machine())
        print(f"\n# {name}: {book.machine}")
        SECTIONS[name](book)
        print(f"\n{time.monotonic() - start:.0f} s\n{markdown(GOALS, book.goals)}", flush=True)
        found = results() | {name: vars(book)}
        RESULTS.write_text(json.dumps({each: found[each] for each in SECTIONS if each in found}, indent=1) + "\n")
        write_up(results())
    return 0


def results() -> dict[str, Any]:
    """Return what the sections found when each was measured last."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def write_up(found: dict[str, Any]) -> None:
    """Write RESULTS.md and its plots."""
    goals = [goal for section in found.values() for goal in section["goals"]]
    text = [
        "# Results of `make bench`",
        "AWS is a stand-in on this machine (`bench/standin.py`) unless it is said to be far: no TLS, no throttling; a "
        "call takes the given time there and back. Prices are those of `lab2/aws/pricing.py`. Other programs shared the "
        "machine: compare ratios within one section, not times. Each section says when it was measured.",
        "## Goals",
        markdown(GOALS, goals),
    ]
    for section in found.values():
        heading, *rest = section["parts"]
        text += [heading, f"*{section['machine']}*", *rest]
        text += [f"![{PLOTS[name][0]}]({name}.svg)" for name in section["plots"]]
        for name, lines in section["plots"].items():
            title, across, up = PLOTS[name]
            plot = draw.bars(title, lines, up) if name == "cost" else draw.lines(title, across, up, lines)
            (BENCH / f"{name}.svg").write_text(plot)
    (BENCH / "RESULTS.md").write_text("\n\n".join(text) + "\n")


if __name__ == "__main__":
    sys.exit(main())

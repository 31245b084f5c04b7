"""What was measured, written down: bench/results.json, RESULTS.md and its plots, and what the documentation quotes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bench import draw, quotes
from bench.book import Book, markdown
from bench.standin import ROOT

BENCH = ROOT / "bench"
RESULTS = BENCH / "results.json"
GOALS = ["goal", "", "measured", "reached"]
PLOTS: dict[str, tuple[str, str, Any]] = {  # title, and what the axes or the bars are
    "cost": ("A million requests", "", ["calls per million requests", "dollars per million requests"]),
    "bytes": ("What a log costs as it grows", "requests in the day's log", "bytes put to S3 per request"),
    "scaling": ("What the log takes", "servers", "requests a second"),
    "requests": ("What a request costs as there are more", "requests", "per request"),
    "labels": ("What a label costs as there are more", "rows in the label file", "per label"),
}


def keep(name: str, book: Book, order: Sequence[str]) -> None:
    """Keep what a section found, beside what the others found when they were measured last; write everything."""
    found = results() | {name: vars(book)}
    RESULTS.write_text(json.dumps({each: found[each] for each in order if each in found}, indent=1) + "\n")
    write_up(results())


def results() -> dict[str, Any]:
    """Return what the sections found when each was measured last."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def write_up(found: dict[str, Any]) -> None:
    """Write RESULTS.md and its plots, and what the documentation quotes."""
    (BENCH / "RESULTS.md").write_text(as_markdown(found))
    for section in found.values():
        for name, lines in section["plots"].items():
            title, across, up = PLOTS[name]
            unit = None if name == "bytes" else lambda power: f"{10.0**power:,.6g}"
            plot = draw.bars(title, lines, up) if name == "cost" else draw.lines(title, across, up, lines, unit)
            (BENCH / f"{name}.svg").write_text(plot)
    for page in quotes.PAGES:
        page.write_text(quotes.refreshed(page.read_text(), found))


def as_markdown(found: dict[str, Any]) -> str:
    """Return the text of RESULTS.md."""
    goals = [goal for section in found.values() for goal in section["goals"]]
    text = [
        "# Results of `make bench`",
        "AWS is a stand-in on this machine (`bench/standin.py`) unless it is said to be far: no TLS, no throttling; a "
        "call takes the given time there and back. Prices are those of `lab2/aws/pricing.py`. Other programs share the "
        "machine: compare ratios within one section, not times. Each section says when it was measured.",
        "## Goals",
        markdown(GOALS, goals),
    ]
    for section in found.values():
        heading, *rest = section["parts"]
        text += [heading, f"*{section['machine']}*", *rest]
        text += [f"![{PLOTS[name][0]}]({name}.svg)" for name in section["plots"]]
    return "\n\n".join(text) + "\n"

"""What was measured: paragraphs, tables and goals; kept in results.json, shown in RESULTS.md, quoted by the docs.

A page quotes what was measured of a goal between marks, `<!-- bench: GOAL -->…<!-- end -->`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from bench.standin import ROOT

RESULTS = ROOT / "bench" / "results.json"
REPORT = ROOT / "bench" / "RESULTS.md"
QUOTING = ROOT / "docs" / "explanation" / "costs.md"
MARK = re.compile(r"(<!-- bench: (.+?) -->).*?(<!-- end -->)", re.DOTALL)
INTRODUCTION = """\
# Results of `make bench`

AWS is a stand-in on this machine (`bench/standin.py`): no TLS, no throttling; a call takes the given time there and
back. Prices are those of `lab2/aws/pricing.py`. Other programs share the machine: compare ratios within one section,
not times. `python -m bench SECTION` measures one section again.

## Goals
"""


class Book:
    """What one section measured."""

    def __init__(self, machine: str) -> None:
        self.machine = machine  # and when
        self.parts: list[str] = []
        self.goals: list[list[str]] = []

    def say(self, *parts: str) -> None:
        """Add paragraphs."""
        for part in parts:
            print(f"\n{part}", flush=True)
        self.parts += parts

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.say(markdown(heads, rows))

    def goal(self, what: str, value: float, bound: float, unit: str = "", least: bool = False) -> None:
        """Note a value that should be at most, or at `least`, a bound."""
        reached = value >= bound if least else value <= bound
        wanted = f"{'at least' if least else 'at most'} {bound:g} {unit}".rstrip()
        self.goals.append([what, wanted, f"{short(value)} {unit}".rstrip(), "yes" if reached else "**no**"])


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    marks = ["---", *["--:"] * (len(heads) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, marks, *rows))


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def results() -> dict[str, Any]:
    """Return what each section measured when it ran last."""
    return json.loads(RESULTS.read_text())


def keep(name: str, book: Book, order: Sequence[str]) -> None:
    """Keep what a section measured beside the others' last results, and write all of them down."""
    found = results() | {name: vars(book)}
    found = {each: found[each] for each in order if each in found}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    REPORT.write_text(as_markdown(found))
    QUOTING.write_text(refreshed(QUOTING.read_text(), found))


def as_markdown(found: dict[str, Any]) -> str:
    """Return the text of RESULTS.md."""
    goals = [goal for section in found.values() for goal in section["goals"]]
    text = [INTRODUCTION.rstrip("\n"), markdown(["goal", "", "measured", "reached"], goals)]
    for section in found.values():
        heading, *rest = section["parts"]
        text += [heading, f"*{section['machine']}*", *rest]
    return "\n\n".join(text) + "\n"


def refreshed(text: str, found: dict[str, Any]) -> str:
    """Return a page with what it quotes as it was measured last; KeyError if there is no such goal."""
    goals = {what: measured for section in found.values() for what, _, measured, _ in section["goals"]}
    return MARK.sub(lambda match: f"{match[1]}{goals[match[2]]}{match[3]}", text)

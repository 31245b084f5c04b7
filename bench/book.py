"""What was measured, as it is written down: paragraphs, tables, goals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Book:
    """What was measured: paragraphs and tables of Markdown, the goals, the figures that the plots are of."""

    def __init__(self, machine: str) -> None:
        self.machine = machine  # and when
        self.parts: list[str] = []
        self.goals: list[list[str]] = []
        self.plots: dict[str, Any] = {}

    def say(self, *parts: str) -> None:
        for part in parts:
            print(f"\n{part}", flush=True)
        self.parts += parts

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.say(markdown(heads, rows))

    def goal(self, what: str, value: float, most: float, unit: str = "", least: bool = False) -> None:
        """Note a goal: at most (or at `least`) so much."""
        reached = value >= most if least else value <= most
        bound = f"{'at least' if least else 'at most'} {most:g} {unit}".rstrip()
        self.goals.append([what, bound, f"{short(value)} {unit}".rstrip(), "yes" if reached else "**no**"])


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    marks = ["---", *["--:"] * (len(heads) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, marks, *rows))


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3g}"

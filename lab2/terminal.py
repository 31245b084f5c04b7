"""What strangers wrote, made safe to print."""

from __future__ import annotations

import sys


def printable(text: str) -> str:
    """Return the text with every character that a terminal could obey, or can't show, written out as an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class Progress:
    """Context of a bar on a terminal's stderr, called with how many of `total` are done; no bar elsewhere."""

    def __init__(self, total: int, unit: str) -> None:
        self.total, self.unit = total, unit
        self.shown = sys.stderr.isatty() and total > 0
        self._drawn = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __call__(self, done: int) -> None:
        if self.shown:
            filled = 20 * done // self.total
            bar = "#" * filled + "." * (20 - filled)
            print(f"\r[{bar}] {done:,}/{self.total:,} {self.unit}\x1b[K", end="", file=sys.stderr, flush=True)
            self._drawn = True

"""Text for terminals: untrusted text made safe to print, aligned tables, a progress bar."""

from __future__ import annotations

import io
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO

JOINERS = "\u200c\u200d"  # many scripts and emoji are spelt with them
_SHOWN = JOINERS + "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
FORMULA_STARTS = tuple("=+-@\t\r")
SILENT_S = 0.5  # after which work shows that it is under way
PACE_S = 30  # whose pace says how long the rest takes

_quiet = False


def be_quiet() -> None:
    """From now on print results, questions, warnings and errors only: no remarks, no progress."""
    global _quiet
    _quiet = True


def remark(sentence: str, stream: TextIO | None = None) -> None:
    """Print a remark on stderr, or on `stream`: it is no result, question, warning or error, and left out if quiet."""
    if not _quiet:
        print(sentence, file=stream or sys.stderr, flush=True)


def escape_unencodable() -> None:
    """Let stdout and stderr write characters that their encoding lacks (ASCII, Windows code pages) as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    """Return the text with escapes for all characters that a terminal would obey or can't show.

    These are control characters, line ends, changes of direction, and what Unicode does not define. Letters, marks,
    emoji and spaces of all widths are left as they are.
    """
    return "".join(char if is_shown(char) else ascii(char)[1:-1] for char in text)


def is_shown(char: str) -> bool:
    return char.isprintable() or char in _SHOWN


def counted(count: int, what: str) -> str:
    """Return a count and what is counted: 1 file, 2,000 files."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def harmless_cell(cell: str) -> str:
    """Return a CSV cell with a ' before it if a spreadsheet would take it for a formula."""
    return f"'{cell}" if cell.lstrip("'").startswith(FORMULA_STARTS) else cell


def column_widths(rows: Iterable[Sequence[str]]) -> list[int]:
    """Return the width of each column, which is that of its longest cell."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def align(cells: Sequence[str], widths: Sequence[int], gap: int = 2) -> str:
    """Return a line of cells, aligned to the right."""
    return (" " * gap).join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def draws_over(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that can overwrite a line and show colours."""
    unknown = "" if sys.platform == "win32" else "dumb"
    return stream.isatty() and os.environ.get("TERM", unknown) != "dumb"


class Progress:
    """Context of a progress bar on a terminal's stderr, for work that takes more than a moment.

    It is called with how many are done, and estimates the time left from the pace of the last half minute.
    """

    def __init__(self, total: int, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.unit = unit
        self.clock = clock
        self._due = clock() + SILENT_S if draws_over(sys.stderr) and not _quiet else float("inf")
        self._drawn = False
        self._past = deque[tuple[float, int]](maxlen=PACE_S + 1)  # (time, how many were done), once a second

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __call__(self, done: int) -> None:
        now = self.clock()
        if self.total and now > self._due:
            counts = f" {done:,} of {counted(self.total, self.unit)}{self._left(now, done)}"
            width = max(1, min(40, shutil.get_terminal_size().columns - len(counts) - 3))
            filled = width * done // self.total
            bar = "#" * filled + "." * (width - filled)
            self._drawn = True  # before: Ctrl-C may end the print when the bar is on the screen
            print(f"\r[{bar}]{counts}\x1b[K", end="", file=sys.stderr, flush=True)

    def _left(self, now: float, done: int) -> str:
        if not self._past or now - self._past[-1][0] >= 1:
            self._past.append((now, done))
        since, before = self._past[0]
        if now - since < 2 or done == before:
            return ""
        return f", {duration((self.total - done) * (now - since) / (done - before))} left"


def duration(seconds: float) -> str:
    """Return a time in one unit, rounded up: 45 s, 12 min, 3 h."""
    for size, unit in ((1, "s"), (60, "min")):
        if (count := -(-seconds // size)) < 100:
            return f"{count:.0f} {unit}"
    return f"{-(-seconds // 3600):.0f} h"

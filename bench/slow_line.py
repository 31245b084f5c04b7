"""Previews on a slow line: this labeller beside the last one that had none."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from bench.book import Book
from bench.desktop import Desktop, desktop
from bench.far import account, emulated, far
from bench.installed import earlier
from bench.labeller import labelled, ms, part
from bench.standin import ROOT
from bench.upload import run, write_photos

BEFORE = "f0af646"  # the last commit without previews
TRIP_S = 0.05
RATE_BITS = 20e6  # a second
PHOTOS, UPLOADS, ROUNDS, QUALITY = 5, 2, 3, 96
OURS, THEIRS = "hotdog.py", f"hotdog.py without previews ({BEFORE})"


class Turn(NamedTuple):
    """What one of the programs took in one turn."""

    uploads_s: list[float]
    firsts_s: list[float]  # to the first picture of each round
    nexts_s: list[float]  # from each key to the next picture
    bytes_a_label: float  # both ways, with all that the program asks for from its start on


def previews(book: Book, turns: int = 4) -> None:
    """Uploads and rounds of photos, with previews and as it was without."""
    programs = {OURS: ROOT, THEIRS: earlier(BEFORE)}
    found: dict[str, list[Turn]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "photos"
        size = write_photos(folder, PHOTOS, QUALITY)
        with emulated() as (url, emulator), desktop(emulator) as screen:
            for number in range(turns):
                for name, program in sorted(programs.items(), reverse=bool(number % 2)):
                    found[name].append(turn(url, emulator, screen, program / "hotdog.py", folder))
    book.say(
        "## Previews on a slow line",
        f"{PHOTOS} photos of 12 megapixels and {size / PHOTOS / 1e6:.1f} MB are uploaded twice, and labelled in "
        f"{ROUNDS} rounds; S3 is {TRIP_S * 1000:.0f} ms away, on a line of {RATE_BITS / 1e6:.0f} Mbit/s. {turns} "
        "turns, each with both programs, one and the other first by turns; medians, and / before: the median of the "
        "turns' own ratios. First: from the choice in the menu to the first picture. Bytes: of bodies, both ways, from "
        "the program's start on.",
    )
    ratios = {
        "first": ratio([statistics.median(each.firsts_s) for each in found[OURS]],
                       [statistics.median(each.firsts_s) for each in found[THEIRS]]),
        "bytes": ratio([each.bytes_a_label for each in found[OURS]], [each.bytes_a_label for each in found[THEIRS]]),
        "upload": ratio([statistics.median(each.uploads_s) for each in found[OURS]],
                        [statistics.median(each.uploads_s) for each in found[THEIRS]]),
    }  # fmt: skip
    rows = []
    p95s = []
    for name, each in found.items():
        firsts = [seconds for turn in each for seconds in turn.firsts_s]
        nexts = [seconds for turn in each for seconds in turn.nexts_s]
        p95s.append(part(nexts, 0.95))
        rows.append([
            name, ms(firsts, 0.5), f"{statistics.median(turn.bytes_a_label for turn in each):,.0f}", ms(nexts, 0.5),
            ms(nexts, 0.95), f"{statistics.median(seconds for turn in each for seconds in turn.uploads_s):.1f}",
        ])  # fmt: skip
    rows.append([
        "/ before", f"{ratios['first']:.3f}", f"{ratios['bytes']:.3f}", "", f"{p95s[0] / p95s[1]:.2f}",
        f"{ratios['upload']:.3f}",
    ])  # fmt: skip
    book.table(["", "first p50 ms", "bytes a label", "key p50 ms", "key p95 ms", "upload s"], rows)
    book.goal("previews, slow line: first picture, times that before", ratios["first"], 0.25)
    book.goal("previews, slow line: bytes a label, times those before", ratios["bytes"], 0.1)
    book.goal("previews, slow line: key to next picture p95, times that before", p95s[0] / p95s[1], 1.1)
    book.goal("previews, slow line: upload, times that before", ratios["upload"], 1.1)


def turn(url: str, home: Path, screen: Desktop, program: Path, folder: Path) -> Turn:
    """Upload with one program, each time in an account of its own, and label in the last one."""
    command = [sys.executable, str(program), "upload", str(folder)]
    uploads_s: list[float] = []
    for _ in range(UPLOADS - 1):
        with account(url, home) as world, far(world, trip=TRIP_S, rate=RATE_BITS / 8):
            world.env["LAB2_BUCKET"] = world.aws.bucket  # the earlier one knows no bucket of a namespace
            uploads_s.append(run(command, world.env).wall)
    with account(url, home) as world, far(world, trip=TRIP_S, rate=RATE_BITS / 8) as line:
        world.env["LAB2_BUCKET"] = world.aws.bucket
        uploads_s.append(run(command, world.env).wall)
        before = line.received + line.sent.total()
        firsts, nexts, _ = labelled(world, screen, ROUNDS, str(program))
        if not firsts:
            sys.exit(f"{program} has shown no picture.")
        used = line.received + line.sent.total() - before
        return Turn(uploads_s, firsts, nexts, used / (4 * len(firsts)))


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the turns' ratios."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))

"""server.py beside other servers that do the same job, in one run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.book import Book
from bench.installed import installed
from bench.measure import Run, answered, medians
from bench.server import NEAR, SERVER
from bench.standin import standing_in

YARDSTICK, OURS = "aiobotocore, all overlapped, log not shared", "server.py"


@dataclass(frozen=True)
class Peer:
    """A server to compare: its name, the arguments of Python (or the program), the requests it gets in a turn."""

    name: str
    command: Sequence[str]
    requests: int


def peers(book: Book, requests: int = 20_000, times: int = 3) -> None:
    """All servers side by side, near and far."""
    programs = installed("aiobotocore")
    rows = [
        Peer(YARDSTICK, [str(programs / "python"), "-m", "bench.overlapped"], requests),
        Peer("bare sockets, signed, nothing checked", ["-m", "bench.bare_sockets"], requests),
        Peer(OURS, SERVER, requests),
    ]
    book.say(
        "## Under load",
        f"Requests wait on the queue and one process answers them. {times} turns: "
        "in each, all have one run after the other. Rate: from the first request to the last answer; beside that of "
        "aiobotocore in the same turn, the median turn and the lowest and highest. CPU: of the server's process, "
        "without its start, median. Memory: RSS at most. Stand-in: the share of the time in which the stand-in for AWS "
        "was busy.",
    )
    for delay in (0.0, NEAR):
        with standing_in(delay) as standin:
            turns = [{peer.name: answered(standin, peer.command, peer.requests) for peer in rows} for _ in range(times)]
        tell(book, delay, turns)


def tell(book: Book, delay: float, turns: Sequence[dict[str, Run]]) -> None:
    """Write the table and the goals of the turns at one distance."""
    names = list(turns[0])
    figures = {name: medians([turn[name] for turn in turns]) for name in names}
    ratios = {name: [turn[name].rate / turn[YARDSTICK].rate for turn in turns] for name in names}
    book.say(f"### AWS {delay * 1000:.0f} ms away")
    book.table(
        ["", "requests", "requests/s", "/ aiobotocore", "lowest to highest", "CPU ms/request", "calls/request",
         "$/million", "memory MB", "stand-in"],
        [
            [name, f"{turns[0][name].requests:,}", f"{row['rate']:,.0f}", f"{statistics.median(ratios[name]):.2f}",
             f"{min(ratios[name]):.2f} to {max(ratios[name]):.2f}", f"{row['cpu']:.3f}", f"{row['calls']:.3f}",
             f"{row['dollars']:.2f}", f"{row['memory']:.0f}", f"{row['standin']:.0%}"]
            for name, row in figures.items()
        ],
    )  # fmt: skip
    ours, where = figures[OURS], f"{delay * 1000:.0f} ms away"
    book.goal(f"{where}, times aiobotocore's rate", statistics.median(ratios[OURS]), 1.25, least=True)
    book.goal(f"{where}, CPU per request", ours["cpu"], 0.20, "ms")
    if delay:
        book.goal(f"{where}, calls a request", ours["calls"], 0.3015)  # 0.301 to three digits
        book.goal(f"{where}, dollars a million requests", ours["dollars"], 0.15)
        book.goal(f"{where}, memory", ours["memory"], 80, "MB")

"""What server.py costs, beside the loops that others write."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from simulation.scaling import LIGHT, LOADED, simulate

from bench.book import Book
from bench.measure import answered, dollars, environment, medians, of_client, some_series, working
from bench.standin import StandIn, standing_in
from lab2.aws.session import AwsSession
from lab2.stats.client.connection import connect
from lab2.stats.protocol import new_id

SERVER = ["server.py"]
MONTH = 30 * 86_400  # seconds
NEAR = 0.010  # seconds to AWS and back
FAR = 0.100


def servers(book: Book, each: int = 20_000, times: int = 3) -> None:
    """Several servers on one log."""
    book.say(
        "## Several servers on one log",
        f"{each:,} requests for each server, {FAR * 1000:.0f} ms away, so that the servers wait for AWS and not for "
        f"this machine's {os.cpu_count()} cores; the median of {times} turns.",
    )
    with standing_in(FAR) as standin:
        numbers = (1, 2, 4)
        turns = [{number: answered(standin, SERVER, each * number, number) for number in numbers} for _ in range(times)]
    figures = {number: medians([turn[number] for turn in turns]) for number in numbers}
    ratios = {number: [turn[number].rate / turn[1].rate for turn in turns] for number in numbers}
    book.table(
        ["servers", "requests/s", "/ one server", "lowest to highest", "calls/request", "$/million", "CPU ms/request",
         "stand-in"],
        [
            [str(number), f"{row['rate']:,.0f}", f"{statistics.median(ratios[number]):.2f}",
             f"{min(ratios[number]):.2f} to {max(ratios[number]):.2f}", f"{row['calls']:.3f}", f"{row['dollars']:.2f}",
             f"{row['cpu']:.2f}", f"{row['standin']:.0%}"]
            for number, row in figures.items()
        ],
    )  # fmt: skip
    book.goal("two servers, times the requests of one", statistics.median(ratios[2]), 1.9, least=True)
    book.goal("four servers, times the requests of one", statistics.median(ratios[4]), 3.5, least=True)
    book.goal("four servers, calls a request", figures[4]["calls"], 0.33)


def scaling(book: Book, sizes: Sequence[int] = (1, 2, 4, 10, 30, 100, 1_000)) -> None:
    """The log as servers are added, by the simulation of the tests."""
    book.say(
        "## What limits the log as servers are added",
        "Simulated by a virtual clock: the log's own code on an S3 in memory, 100 ms a call, 3,500 PUTs a second. Two "
        "minutes, after two in which the servers find their pace. Wait: from a request's receive until it is durable.",
    )
    for load in (LOADED, LIGHT):
        book.say(f"### Each server is offered {load.rate:,.0f} requests a second")
        rows, calls = [], {}
        for servers in sizes:
            figures = simulate(servers, load, *((60.0, 60.0) if servers > 100 else ()))
            calls[servers] = load.sqs + figures.calls_a_request
            rows.append([
                f"{servers:,}", f"{figures.logged / figures.seconds:,.0f}", f"{figures.calls_a_request:.4f}",
                f"{figures.dollars:.3f}", f"{figures.conflicts / figures.segments:.1f}", f"{figures.wait(0.95):.1f}",
            ])  # fmt: skip
        book.table(
            ["servers", "requests/s", "S3 calls/request", "S3 $/million", "conflicts/segment", "wait p95 s"], rows
        )
        book.goal(f"calls a request at 100 {load.name} servers, times those at one", calls[100] / calls[1], 1.3)


def trickle(book: Book, seconds: int = 60) -> None:
    """One request a second, and none."""
    book.say(
        "## A trickle, and nothing", f"One request a second for {seconds} s, then none for {seconds} s; 10 ms away."
    )
    with standing_in(NEAR) as standin, aws_at(standin), ExitStack() as stack:
        connection = connect(AwsSession(connections=24), "bench", False, stack)
        with working(standin, SERVER):
            time.sleep(5)
            standin.ask("forget")
            for number in range(seconds):
                connection.send([(new_id(), some_series())])
                time.sleep(max(0.0, number + 1 - standin.ask("stats")["seconds"]))
            time.sleep(1.5)
            busy = standin.ask("stats")["calls"]
            busy = {name: count for name, count in busy.items() if name not in of_client(busy)}
            standin.ask("forget")
            time.sleep(seconds)
            times = standin.ask("stats")["receives"]
    calls = sum(busy.values()) / seconds
    idle = (len(times) - 1) / (times[-1] - times[0])
    month = idle * MONTH * dollars({"ReceiveMessage lab2": 1})
    book.table(
        ["", "calls", "dollars"],
        [
            [
                "one request a second",
                f"{calls:.2f} a request",
                f"{dollars(busy) / seconds * 1e6:.2f} a million requests",
            ],
            ["idle", f"{idle:.3f} a second", f"{month:.3f} a month of 30 days"],
        ],
    )
    book.say(
        "By operation, at a trickle: " + ", ".join(f"{name} {count}" for name, count in sorted(busy.items())) + "."
    )
    book.goal("calls a request at one request a second", calls, 4)
    book.goal("a month of an idle server", month, 0.25, "$")


@contextmanager
def aws_at(standin: StandIn) -> Iterator[None]:
    """The stand-in as this process's AWS."""
    with patch.dict(os.environ, environment(standin), clear=True):
        yield

"""What server.py costs, beside the loops that others write."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from typing import Any
from unittest.mock import patch

from bench.book import Book
from bench.measure import answered, dollars, environment, medians, of_client, some_series, working
from bench.standin import S3, StandIn, standing_in
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Outgoing
from lab2.stats.client.connection import Connection, connect
from lab2.stats.protocol import answer_request, encode_answer, encode_request, new_id
from lab2.stats.server.log.row import encode_row
from lab2.stats.server.log.segments import RequestLog

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


def flat(book: Book) -> None:
    """Bytes put as the log grows."""
    book.say(
        "## Bytes put as the log grows",
        "Under load, by server.py. At a trickle, one request a write, the log's own code with an S3 in memory: "
        "86,400 is one request a second for a day. The whole log in one object: computed from the mean row.",
    )
    load, trickle = [], trickled((500, 8_000, 86_400, 100_000))
    row = trickle[100_000][1] / 100_000
    with standing_in(0) as standin:
        for requests in (500, 8_000, 100_000):
            load.append((requests, answered(standin, SERVER, requests).figures["bytes"]))
    under_load = dict(load)
    sizes = sorted(trickle)
    book.table(
        ["requests in the log", "under load: B/request", "trickle: B/request", "trickle: MB", "one object: MB"],
        [
            [f"{size:,}", f"{under_load[size]:,.0f}" if size in under_load else "",
             f"{trickle[size][0] / size:,.0f}", f"{trickle[size][0] / 1e6:,.0f}",
             f"{row * size * (size + 1) / 2 / 1e6:,.0f}"]
            for size in sizes
        ],
    )  # fmt: skip
    book.say(
        "The bound at every size: a write sends at most what the last object holds, which is below 16 KiB, and the new "
        f"rows ({row:,.0f} bytes each here). At a trickle that is 8 KiB and a row on average."
    )
    book.goal("bytes put a request under load, at any size", max(under_load.values()), 16 * 1024, "B")
    book.goal("bytes put a request at a trickle, at any size", max(put / n for n, (put, _) in trickle.items()),
              16 * 1024 + row, "B")  # fmt: skip
    book.goal("a day of one request a second puts", trickle[86_400][0] / 1e9, 1, "GB")
    book.plots["bytes"] = {
        "one object, rewritten for each request": [(n, row * (n + 1) / 2) for n in (500, 100_000)],
        "server.py, one request at a time": [(n, put / n) for n, (put, _) in sorted(trickle.items())],
        "server.py under load": load,
    }


class Memory:
    """The part of a boto3 client for S3 that an AppendObject writes with, over objects in memory; counts bytes put."""

    def __init__(self) -> None:
        self.s3, self.put = S3(), 0

    def put_object(self, Key: str, Body: bytes, IfMatch: str = "", IfNoneMatch: str = "", **_: Any) -> dict[str, str]:
        self.put += len(Body)
        conditions = {"if-match": IfMatch, "if-none-match": IfNoneMatch}
        return {"ETag": self.s3.put(Key, Body, {name: value for name, value in conditions.items() if value})}

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        return {}

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return []


def trickled(sizes: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Append so many rows one by one; return at each of the sizes the bytes put and the bytes of the rows."""
    memory = Memory()
    log, now, rows, at = RequestLog(memory, "bucket", "2026-11-24"), datetime.now(timezone.utc), 0, {}
    for number in range(1, max(sizes) + 1):
        id, body = new_id(), encode_request(some_series())
        row = encode_row(id, "somebody@somewhere", body, encode_answer(answer_request(id, body)), now)
        log.append([row], since=time.time())
        rows += len(row) + 1
        if number in sizes:
            at[number] = memory.put, rows
    return at


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


def latency(book: Book, times: int = 40) -> None:
    """A single request on an idle system, beside the calls that it needs."""
    with standing_in(NEAR) as standin, aws_at(standin), ExitStack() as stack:
        aws = AwsSession(connections=24)
        connection = connect(aws, "bench", False, stack)
        calls = [sequence(aws) for _ in range(times)]
        with working(standin, SERVER):
            taken = []
            for _ in range(times):
                time.sleep(random.uniform(0.5, 1.5))
                taken.append(ask_once(connection))
    total, median = statistics.median(calls), statistics.median(taken)
    book.say("## Latency", f"A single request and its answer on an idle system 10 ms away, {times} times.")
    book.table(
        ["", "median ms", "slowest ms"],
        [
            ["send, receive, log, answer, receive, one after another", f"{total * 1e3:.1f}", f"{max(calls) * 1e3:.1f}"],
            ["client and server", f"{median * 1e3:.1f}", f"{max(taken) * 1e3:.1f}"],
        ],
    )
    book.goal("latency, times the sum of its calls", median / total, 1.3)


def ask_once(connection: Connection) -> float:
    start, id = time.perf_counter(), connection.run.new_id()
    connection.send([(id, some_series())])
    while True:
        received = connection.receive(1)
        taken = time.perf_counter() - start
        connection.delete(received)
        if any(found.answer and found.answer.id == id for found in received):
            return taken


def sequence(aws: AwsSession) -> float:
    """Return the seconds of the calls that must follow one another, made by hand."""
    s3, queue = aws.s3, aws.queue("lab2_dead")
    s3.list_objects_v2(Bucket="lab2")  # the connection is there
    start = time.perf_counter()
    queue.send([Outgoing("[3, 5.5]", {"id": "x"})])
    requests = queue.receive()
    s3.put_object(Bucket="lab2", Key="sequence", Body=300 * b"x")
    queue.send([Outgoing("{}", {"id": "x"})])
    answers = queue.receive()
    taken = time.perf_counter() - start
    queue.delete(requests + answers)
    return taken

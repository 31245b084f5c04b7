"""What server.py and client.py cost, and how fast they are, beside others."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from functools import partial
from itertools import count
from statistics import median

from simulation.scaling import LIGHT, LOADED, simulate
from support.venvs import venv_with

from bench import measure
from bench.bare_sockets import rows_and_answers
from bench.book import Book
from bench.measure import BEFORE, SERVER, Contest, Figures, answered, encode_entries, working
from bench.standin import ROOT, StandIn, standing_in
from lab2.stats.protocol import new_id
from lab2.stats.server.log.index import LogIndex
from lab2.stats.server.log.segments import Segment

NEAR_S = 0.010  # to AWS and back
FAR_S = 0.100
OURS, AIO, SOCKETS = "server.py", "aiobotocore, all overlapped, log not shared", "bare sockets, signed, nothing checked"
COLUMNS = {"rate": ",.0f", "cpu": ".3f", "calls": ".3f", "dollars": ".2f", "memory": ".0f", "standin": ".0%"}
HEADS = ["", "requests/s", "CPU ms/request", "calls/request", "$/million", "memory MB", "stand-in"]
TOLD = (
    "Rate: from when the requests are there to the last answer; beside another's in the same turn, the median "
    "(lowest to highest). CPU: of the server's process, without its start. Memory: RSS at most. Stand-in: the share "
    "of the time in which the stand-in for AWS was busy."
)


def peers(book: Book, requests: int = 20_000, times: int = 3) -> None:
    """The server beside the build before, and others that do the same job."""
    aiobotocore = venv_with(ROOT / ".bench" / "aiobotocore", "aiobotocore")
    commands = {
        AIO: [str(aiobotocore), "-m", "bench.overlapped"],
        SOCKETS: ["-m", "bench.bare_sockets"],
        BEFORE: [str(measure.earlier(BEFORE) / "server.py")],
        OURS: SERVER,
    }
    book.say(
        "## Under load",
        f"{requests:,} requests wait on the queue and one process answers them. {times} turns: in each, all have one "
        f"run after the other. {BEFORE} is an earlier build of the server. {TOLD}",
    )
    for delay_s in (0.0, NEAR_S):
        with standing_in(delay_s) as standin:
            ways = {name: partial(answered, standin, command, requests) for name, command in commands.items()}
            found = Contest.between(ways, times)
        where = f"{delay_s * 1000:.0f} ms away"
        book.say(f"### AWS {where}")
        book.table([*HEADS, "rate / aiobotocore", f"rate / {BEFORE}"], found.rows(COLUMNS, "rate", AIO, BEFORE))
        book.goal(f"{where}, times the rate of {BEFORE}", found.ratio(OURS, BEFORE, "rate"), 2, least=True)
        book.goal(f"{where}, times the CPU of {BEFORE}", found.ratio(OURS, BEFORE, "cpu"), 0.5)
        book.goal(f"{where}, times aiobotocore's rate", found.ratio(OURS, AIO, "rate"), 1.25, least=True)
        book.goal(f"{where}, CPU per request", found.median(OURS, "cpu"), 0.20, "ms")
        if delay_s:
            book.goal(f"{where}, calls a request", found.median(OURS, "calls"), 0.3015)  # 0.301 to three digits
            book.goal(f"{where}, dollars a million requests", found.median(OURS, "dollars"), 0.15)
            book.goal(f"{where}, memory", found.median(OURS, "memory"), 80, "MB")


def ids(book: Book, requests: int = 20_000, times: int = 3) -> None:
    """Requests whose ids are of three forms."""
    orders = count(random.randrange(10**9))
    own, foreign = "our client's", {"a UUID": lambda: str(uuid.uuid4()), "an order number": lambda: str(next(orders))}
    with standing_in(NEAR_S) as standin:
        ways = {
            form: partial(answered, standin, SERVER, requests, make_id=make)
            for form, make in ({own: new_id} | foreign).items()
        }
        found = Contest.between(ways, times)
    book.say("## Ids of any form", f"{requests:,} requests with ids of one form, 10 ms away; {times} turns. {TOLD}")
    book.table([*HEADS, "rate / our client's"], found.rows(COLUMNS, "rate", own))
    for form in foreign:
        book.goal(f"id {form}: rate beside our client's", found.ratio(form, own, "rate"), 0.95, least=True)
        book.goal(f"id {form}: calls a request", found.median(form, "calls"), 0.305)
        book.goal(f"id {form}: dollars a million requests", found.median(form, "dollars"), 0.15)


def servers(book: Book, each: int = 20_000, times: int = 2) -> None:
    """Several servers on one log."""
    with standing_in(FAR_S) as standin:
        ways = {f"{number}": partial(answered, standin, SERVER, each * number, number) for number in (1, 2, 4)}
        found = Contest.between(ways, times)
    book.say(
        "## Several servers on one log",
        f"{each:,} requests for each server, {FAR_S * 1000:.0f} ms away, so that the servers wait for AWS and not for "
        f"this machine's {os.cpu_count()} cores; {times} turns.",
    )
    book.table(["servers", *HEADS[1:], "rate / one server"], found.rows(COLUMNS, "rate", "1"))
    book.goal("two servers, times the requests of one", found.ratio("2", "1", "rate"), 1.9, least=True)
    book.goal("four servers, times the requests of one", found.ratio("4", "1", "rate"), 3.5, least=True)
    book.goal("four servers, calls a request", found.median("4", "calls"), 0.33)


def scaling(book: Book, sizes: Sequence[int] = (1, 2, 4, 10, 30, 100)) -> None:
    """The log as servers are added, by the simulation of the tests."""
    book.say(
        "## What limits the log as servers are added",
        "Simulated by a virtual clock: the log's own code on an S3 in memory, 100 ms a call, 3,500 PUTs a second. Two "
        "minutes, after two in which the servers find their pace. Wait: from a request's receive until it is durable.",
    )
    for load in (LOADED, LIGHT):
        book.say(f"### Each server is offered {load.rate:,.0f} requests a second")
        rows, calls = [], {}
        for number in sizes:
            seen = simulate(number, load)
            calls[number] = load.sqs + seen.calls_a_request
            rate, costs = seen.logged / seen.seconds, f"{seen.calls_a_request:.4f} {seen.dollars:.3f}".split()
            rows.append([f"{number:,}", f"{rate:,.0f}", *costs, f"{seen.conflicts / seen.segments:.1f}"])
            rows[-1].append(f"{seen.wait(0.95):.1f}")
        heads = ["servers", "requests/s", "S3 calls/request", "S3 $/million", "conflicts/segment", "wait p95 s"]
        book.table(heads, rows)
        times = calls[sizes[-1]] / calls[sizes[0]]
        book.goal(f"calls a request at 100 {load.name} servers, times those at one", times, 1.3)


def requests(book: Book, sizes: Sequence[int] = (1_000, 10_000, 100_000, 1_000_000)) -> None:
    """Calls, bytes, processor time and memory a request as the log grows."""
    with standing_in(0) as standin:
        found = Contest([{f"{size:,}": answered(standin, SERVER, size) for size in sizes}])
    least, before, most = (f"{sizes[at]:,}" for at in (0, -2, -1))
    book.say("## Growth: requests", "So many requests wait and one server answers them, AWS 0 ms away.")
    columns = {"calls": ".3f", "bytes": ",.0f", "cpu": ".3f", "memory": ".0f"}
    heads = ["requests", "calls/request", "B put/request", "CPU ms/request", "memory MB", f"CPU / that of {before}"]
    book.table(heads, found.rows(columns, "cpu", before))
    book.goal(f"calls a request, {most} of them", found.median(most, "calls"), 0.301)
    book.goal("calls a request, the most to the fewest requests", found.ratio(most, least, "calls"), 1.05)
    book.goal(f"CPU a request, {most} to {before}", found.ratio(most, before, "cpu"), 1.1)


def index(book: Book, sizes: Sequence[int] = (100_000, 1_000_000, 10_000_000), segment: int = 50) -> None:
    """Bytes, and processor time to add and to find a row, as the index of one day grows; rows are added to it alone."""
    logged, numbers, added, rows, costs = LogIndex(), count(1), 0, [], []
    for size in sizes:
        batches = [[f"{random.getrandbits(80):020x}" for _ in range(segment)] for _ in range(min(2_000, size // 100))]
        while added < size - len(batches) * segment:
            logged.add(Segment("2026-11-23", next(numbers)), [f"{added + row}" for row in range(segment)])
            added += segment
        started = time.process_time()
        for batch in batches:
            logged.add(Segment("2026-11-23", next(numbers)), batch)
        between = time.process_time()
        assert all(logged.find(batch, 0.0) for batch in batches)
        cost = (between - started, time.process_time() - between)
        added += len(batches) * segment
        costs.append([seconds / len(batches) / segment * 1e6 for seconds in cost])
        rows.append([f"{added:,}", f"{logged.bytes / added:.1f}", *(f"{each:.1f}" for each in costs[-1])])
    book.say("## Growth: the index", "Rows of one day are added to the index that a server keeps on its disk.")
    book.table(["rows", "B/row", "CPU µs to add one", "CPU µs to find one"], rows)
    book.goal("bytes of index a row", logged.bytes / added, 32, "B")
    for what, before, last in zip(("add", "find"), *costs[-2:], strict=True):
        book.goal(f"CPU to {what} a row, {sizes[-1]:,} to {sizes[-2]:,}", last / before, 1.3)


def start(book: Book, segments: int = 100_000, times: int = 3) -> None:
    """The start of a server late in a day."""
    none, quiet, busy = (
        "none",
        f"{segments:,} segments, the last an hour ago",
        f"{segments:,} segments, the last just now",
    )
    logs = {none: (0, 0), quiet: (segments, 3600), busy: (segments, 0)}
    with standing_in(0) as standin:
        found = Contest.between({name: partial(started, standin, *log) for name, log in logs.items()}, times)
    book.say(
        "## A start late in the day",
        "So many segments of 50 rows were written today in 24 hours, and a server starts, AWS 0 ms away, until a "
        "request of our client's is answered. For that it reads what the last quarter of an hour has written.",
    )
    columns = {"lists": ".0f", "gets": ",.0f", "cpu": ".2f", "memory": ".0f"}
    book.table(["segments", "LISTs", "GETs", "CPU s", "memory MB", "CPU / none"], found.rows(columns, "cpu", none))
    book.goal(f"a start at {segments:,} segments: LISTs", found.median(busy, "lists"), 25)
    for log in (quiet, busy):
        more = median(turn[log]["cpu"] - turn[none]["cpu"] for turn in found.turns)
        book.goal(f"a start at {log}: CPU beyond that at none", more, 1, "s")


def started(standin: StandIn, segments: int, age_s: int) -> Figures:
    """Start a server on a log of so many segments, the last so old; return what it takes until its first answer."""
    messages = [entry | {"Body": entry["MessageBody"]} for entry in json.loads(encode_entries(50, new_id))]
    standin.ask("reset")
    standin.ask("segments", b"%d %d %b" % (segments, age_s, rows_and_answers(messages)[0]))
    with working(standin, SERVER) as (server,):
        standin.ask("fill", encode_entries(1, new_id))
        calls = measure.wait_for_answers(standin, 1)["calls"]
        figures = {"cpu": measure.cpu_time(server.pid), "memory": measure.peak_memory(server.pid)}
        return figures | {"lists": calls.get("ListObjectsV2", 0), "gets": calls.get("GetObject", 0)}


def prompt(book: Book, times: int = 15) -> None:
    """From the start of a program to the first thing that it says."""
    bare, ours = "an interpreter that prints one line", "client.py"
    commands = {bare: ["-c", "print('Number 1 of')"], BEFORE: [str(measure.earlier(BEFORE) / ours)], ours: [ours]}
    with standing_in(NEAR_S) as standin:
        ways = {name: partial(first_said, standin, command) for name, command in commands.items()}
        found = Contest.between(ways, times)
    book.say("## The first prompt", f"From the start of the program to its first words; {times} turns.")
    book.table(["", "ms", "/ interpreter", f"/ {BEFORE}"], found.rows({"ms": ".0f"}, "ms", bare, BEFORE))
    book.goal(
        "first prompt after the interpreter's own start", found.median(ours, "ms") - found.median(bare, "ms"), 50, "ms"
    )
    book.goal(f"first prompt, times that of {BEFORE}", found.ratio(ours, BEFORE, "ms"), 1.15)


def first_said(standin: StandIn, command: Sequence[str]) -> Figures:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    began, said = time.perf_counter(), b""
    with subprocess.Popen([sys.executable, *command], env=measure.environment(standin), cwd=ROOT, **pipes) as process:
        while b"Number 1 of" not in said:
            said += os.read(process.stdout.fileno(), 4096) or b"Number 1 of"
        seconds = time.perf_counter() - began
        process.kill()
    return {"ms": seconds * 1000}

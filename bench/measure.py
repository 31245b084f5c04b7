"""Runs a program against the stand-in and measures it: calls, dollars, bytes, time, processor time."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from bench.standin import ROOT, StandIn
from lab2.aws.pricing import price
from lab2.stats.protocol import encode_request, new_id

PATIENCE = 300.0  # seconds, and one more for each thousand requests
FILL = 50_000  # requests that the stand-in takes at once
TICKS = os.sysconf("SC_CLK_TCK")
S3_OPERATIONS = ("PutObject", "GetObject", "HeadObject", "DeleteObject", "ListObjectsV2")

Calls = Mapping[str, int]  # by operation and queue, as the stand-in counts them


@dataclass(frozen=True)
class Run:
    """What it took to answer so many requests."""

    requests: int
    seconds: float  # from the first request to the last answer
    calls: Calls
    sent: Calls  # bytes
    cpu: float  # seconds of the program
    memory: float  # MB of the largest of the processes, at most
    standin: float  # share of the time in which the stand-in was busy

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def figures(self) -> dict[str, float]:
        """Return calls and bytes put per request, dollars per million, requests per second, ms of CPU, MB."""
        return {
            "calls": sum(self.calls.values()) / self.requests,
            "dollars": dollars(self.calls) / self.requests * 1e6,
            "rate": self.rate,
            "cpu": self.cpu / self.requests * 1000,
            "bytes": self.sent.get("PutObject", 0) / self.requests,
            "memory": self.memory,
            "standin": self.standin,
        }


def dollars(calls: Calls) -> float:
    """Return what calls cost."""
    names = [(name.partition(" ")[0], number) for name, number in calls.items()]
    return sum(price("s3" if name in S3_OPERATIONS else "sqs", name) * number for name, number in names) / 1e6


def medians(runs: Sequence[Run]) -> dict[str, float]:
    return {name: statistics.median(run.figures[name] for run in runs) for name in runs[0].figures}


def environment(standin: StandIn) -> dict[str, str]:
    """Return the environment in which programs find the stand-in, and nothing else of AWS."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAB2_"))}
    return env | {
        "AWS_ENDPOINT_URL": standin.url,
        "LAB2_STORE": "aws",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def until(claim: Callable[[], Any], pause: float = 0.05, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not claim():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {patience:.0f} s")
        time.sleep(pause)


@contextmanager
def working(standin: StandIn, command: Sequence[str], processes: int = 1) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many processes of a server, which are polling; `command` is the arguments of Python."""
    started: list[subprocess.Popen[bytes]] = []
    argv = list(command) if command[0].startswith("/") else [sys.executable, *command]
    with ExitStack() as stack:
        for number in range(1, processes + 1):
            standin.ask("forget")
            process = subprocess.Popen(argv, env=environment(standin), cwd=ROOT, stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            started.append(process)
            until(lambda: standin.ask("stats")["receives"])  # a poll of this one, or of another if it is slow
            if processes > 1 and number == processes:
                time.sleep(1)
        yield started


def answered(standin: StandIn, command: Sequence[str], requests: int, processes: int = 1, reset: bool = True) -> Run:
    """Let servers that wait answer so many requests that are there at once."""
    if reset:
        standin.ask("reset")
    first, *further = [encode_entries(min(FILL, requests - done)) for done in range(0, requests, FILL)]
    with working(standin, command, processes) as workers:
        before = standin.ask("stats")
        cpu = sum(cpu_time(worker.pid) for worker in workers)
        standin.ask("fill", first)
        for body in further:
            standin.ask("fill-further", body)
        counts: dict[str, Any] = {}

        def done() -> bool:
            counts.update(standin.ask("stats"))
            return all(
                int(counts[what][queue]) - before[what][queue] >= requests
                for what, queue in (("deleted", "lab2"), ("queue_sent", "lab2_1"))
            )

        until(done, max(0.05, requests / 1e6), PATIENCE + requests / 1000)
        cpu = sum(cpu_time(worker.pid) for worker in workers) - cpu
        memory = max(peak_memory(worker.pid) for worker in workers)
    seconds = counts["last_sent"]["lab2_1"] - counts["started"]
    return Run(requests, seconds, counts["calls"], counts["sent"], cpu, memory, counts["cpu"] / counts["seconds"])


def encode_entries(requests: int) -> bytes:
    """Return so many requests as the stand-in's `fill` takes them."""
    import json

    client = {"DataType": "String", "StringValue": "somebody@somewhere"}
    return json.dumps([
        {
            "MessageBody": encode_request(some_series()),
            "MessageAttributes": {"id": {"DataType": "String", "StringValue": new_id()}, "client": client},
        }
        for _ in range(requests)
    ]).encode()  # fmt: skip


def some_series() -> list[float]:
    return [round(random.uniform(0, 1000), random.randint(0, 3)) for _ in range(random.randint(1, 10))]


def cpu_time(pid: int) -> float:
    """Return the seconds of processor time that a process has taken so far."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_memory(pid: int) -> float:
    """Return the most memory (RSS) that a process has had so far, in MB."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def of_client(calls: Calls) -> Counter[str]:
    """Return the calls that clients make, without those of servers."""
    mine = Counter[str]()
    for name, number in calls.items():
        operation, _, queue = name.partition(" ")
        sending = operation.startswith("Send")
        if (
            operation in ("CreateQueue", "ListQueues")
            or (queue == "lab2" and sending)
            or (queue.startswith("lab2_1") and not sending)
        ):
            mine[name] = number
    return mine

"""Runs programs against the stand-in and measures them: calls, dollars, bytes, time, processor time, memory."""

from __future__ import annotations

import io
import json
import os
import random
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.world import until

from bench.standin import ROOT, StandIn
from lab2.aws.pricing import price
from lab2.stats.protocol import encode_request, new_id

PATIENCE_S = 300.0  # and one more for each thousand requests
FILL = 50_000  # requests that the stand-in takes at once
TICKS = os.sysconf("SC_CLK_TCK")
SERVER = ["server.py"]
BEFORE = "f0af646"  # the build to compare with: requests, labels and pictures as they were then
S3_OPERATIONS = ("PutObject", "GetObject", "HeadObject", "DeleteObject", "ListObjectsV2")

Figures = dict[str, float]


# ---- programs ---------------------------------------------------------------------------------


def earlier(commit: str) -> Path:
    """Return the folder of an earlier version, in `.bench/`; the clone must reach back to it."""
    home = ROOT / ".bench" / commit
    if not home.exists():
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(home, filter="data")
    return home


def environment(standin: StandIn) -> dict[str, str]:
    """Return the environment in which programs find the stand-in, and nothing else of AWS."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAB2_"))}
    region = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), "us-east-1")
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "bench")
    files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    ours = {"AWS_ENDPOINT_URL": standin.url, "LAB2_STORE": "aws", "LAB2_BUCKET": "lab2", "PYTHONUNBUFFERED": "1"}
    return env | region | keys | files | ours


def run(command: Sequence[str], env: Mapping[str, str]) -> Figures:
    """Run a program to its end; return its seconds, its seconds of processor time, and its most MB of memory."""
    started, before = time.monotonic(), os.times()
    process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL)
    memory = 0.0
    while process.poll() is None:
        with suppress(OSError, StopIteration):  # it has just ended
            memory = peak_memory(process.pid)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}.")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall": time.monotonic() - started, "cpu": cpu, "memory": memory}


@contextmanager
def working(standin: StandIn, command: Sequence[str], processes: int = 1) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many processes of a server, which are polling; `command` is the arguments of Python, or a program's."""
    argv = list(command) if command[0].endswith("python") else [sys.executable, *command]
    with ExitStack() as stack:
        started: list[subprocess.Popen[bytes]] = []
        for _ in range(processes):
            standin.ask("forget")
            process = subprocess.Popen(argv, env=environment(standin), cwd=ROOT, stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            started.append(process)
            # A poll of this one, or of another if it is slow.
            until(lambda: "ReceiveMessage lab2" in standin.ask("stats")["calls"], PATIENCE_S)
        time.sleep(processes > 1)
        yield started


def answered(
    standin: StandIn, command: Sequence[str], requests: int, processes: int = 1, make_id: Callable[[], str] = new_id
) -> Figures:
    """Let servers that wait answer so many requests that are there at once; return what a request took."""
    standin.ask("reset")
    bodies = [encode_entries(min(FILL, requests - done), make_id) for done in range(0, requests, FILL)]
    with working(standin, command, processes) as workers:
        cpu = sum(cpu_time(worker.pid) for worker in workers)
        standin.ask("forget")
        for body in bodies:
            standin.ask("fill", body)
        stats = wait_for_answers(standin, requests)
        cpu = sum(cpu_time(worker.pid) for worker in workers) - cpu
        memory = max(peak_memory(worker.pid) for worker in workers)
    seconds = stats["last_sent"]["lab2_1"] - stats["filled"]
    return {
        "requests": requests,
        "rate": requests / seconds,
        "calls": sum(stats["calls"].values()) / requests,
        "dollars": dollars(stats["calls"]) / requests * 1e6,
        "bytes": stats["sent"].get("PutObject", 0) / requests,
        "cpu": cpu / requests * 1000,  # ms
        "memory": memory,
        "standin": stats["cpu"] / stats["seconds"],
    }


def wait_for_answers(standin: StandIn, requests: int) -> dict[str, Any]:
    """Return the stand-in's counts as soon as so many requests since its reset are answered and deleted."""
    stats: dict[str, Any] = {}

    def done() -> bool:
        stats.update(standin.ask("stats"))
        return min(stats["deleted"]["lab2"], stats["queue_sent"]["lab2_1"]) >= requests

    until(done, PATIENCE_S + requests / 1000)
    return stats


def encode_entries(requests: int, make_id: Callable[[], str]) -> bytes:
    """Return so many requests as the stand-in's `fill` takes them."""

    def entry() -> dict[str, Any]:
        series = [round(random.uniform(0, 1000), random.randint(0, 3)) for _ in range(random.randint(1, 10))]
        texts = {"id": make_id(), "client": "somebody@somewhere"}
        attributes = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
        return {"MessageBody": encode_request(series), "MessageAttributes": attributes}

    return json.dumps([entry() for _ in range(requests)]).encode()


# ---- figures ----------------------------------------------------------------------------------


def dollars(calls: Mapping[str, int]) -> float:
    """Return what calls cost."""
    names = [(name.partition(" ")[0], number) for name, number in calls.items()]
    return sum(price("s3" if name in S3_OPERATIONS else "sqs", name) * number for name, number in names) / 1e6


def cpu_time(pid: int) -> float:
    """Return the seconds of processor time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_memory(pid: int) -> float:
    """Return the most memory (RSS) that a process has had so far, in MB."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


@dataclass
class Contest:
    """Several ways to do one thing side by side: in each turn all have one run after the other, in turns backwards."""

    turns: list[dict[str, Figures]]

    @staticmethod
    def between(ways: Mapping[str, Callable[[], Figures]], times: int) -> Contest:
        found: list[dict[str, Figures]] = []
        for number in range(times):
            names = sorted(ways, key=list(ways).index, reverse=bool(number % 2))
            found.append({name: ways[name]() for name in names})
        return Contest([{name: turn[name] for name in ways} for turn in found])

    def median(self, name: str, figure: str) -> float:
        return statistics.median(turn[name][figure] for turn in self.turns)

    def ratios(self, name: str, base: str, figure: str) -> list[float]:
        return sorted(turn[name][figure] / turn[base][figure] for turn in self.turns)

    def ratio(self, name: str, base: str, figure: str) -> float:
        """Return the median of the turns' own ratios."""
        return statistics.median(self.ratios(name, base, figure))

    def rows(self, columns: Mapping[str, str], figure: str, *bases: str) -> list[list[str]]:
        """Return a row for each: medians in the formats of `columns`, and `figure` / each base (lowest to highest)."""
        rows = []
        for name in self.turns[0]:
            ratios = [self.ratios(name, base, figure) for base in bases]
            beside = [f"{statistics.median(each):.2f} ({each[0]:.2f} to {each[-1]:.2f})" for each in ratios]
            rows.append([name, *(format(self.median(name, what), form) for what, form in columns.items()), *beside])
        return rows

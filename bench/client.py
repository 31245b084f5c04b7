"""What client.py costs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.book import Book
from bench.measure import environment, of_client, some_series, working
from bench.server import NEAR, SERVER
from bench.standin import ROOT, StandIn, standing_in


def client(book: Book, messages: int = 10_000) -> None:
    """A file of messages, and the first prompt."""
    with standing_in(NEAR) as standin, tempfile.TemporaryDirectory() as home:
        path = write_series(home, messages)
        with working(standin, SERVER):
            standin.ask("forget")
            seconds, _ = run_clients(standin, [["file", path]])
            stats = standin.ask("stats")
        calls = sum(of_client(stats["calls"]).values()) / messages
        bare, prompt = first_prompts(standin)
    book.say("## Client", f"`client.py file` with {messages:,} messages, and one server, 10 ms away:")
    book.table(
        ["", ""],
        [
            ["calls per message", f"{calls:.3f}"],
            ["messages per second, start included", f"{messages / seconds:,.0f}"],
            ["first prompt, median ms from the start", f"{prompt * 1e3:.0f}"],
            ["an interpreter that prints one line, ms", f"{bare * 1e3:.0f}"],
        ],
    )
    book.goal("client file, calls a message", calls, 0.33)
    book.goal("first prompt after the interpreter's own start", (prompt - bare) * 1e3, 50, "ms")


def run_clients(standin: StandIn, arguments: Sequence[Sequence[str]], limit: float = 600.0) -> tuple[float, int]:
    """Run clients at once until all have ended or time is up; return the seconds and the number of answers shown."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        processes, shown = [], 0
        for at, each in enumerate(arguments):
            with open(f"{home}/{at}", "wb") as output:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, "-u", "client.py", *each, "--output", "json"],
                        env=environment(standin), cwd=ROOT,
                        stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL,
                    )
                )  # fmt: skip
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, start + limit - time.perf_counter()))
            process.kill()
            process.wait()
        seconds = time.perf_counter() - start
        for at in range(len(arguments)):
            shown += Path(home, str(at)).read_bytes().count(b"\n")
    return seconds, shown


def first_prompts(standin: StandIn, times: int = 20) -> tuple[float, float]:
    """Return the median seconds to the first output of a bare interpreter, and to the client's first prompt."""
    commands = (["-c", "print('Number 1 of')"], ["client.py"])
    env = environment(standin)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # what Python has compiled is kept, as on anybody's machine
    taken: list[list[float]] = [[], []]
    for _ in range(times):
        for command, seconds in zip(commands, taken, strict=True):
            start = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, *command], env=env, cwd=ROOT,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            assert process.stdout
            said = b""
            while b"Number 1 of" not in said:
                said += os.read(process.stdout.fileno(), 4096) or b"Number 1 of"
            seconds.append(time.perf_counter() - start)
            process.kill()
            process.communicate()
    return statistics.median(taken[0]), statistics.median(taken[1])


def clients(book: Book, each: int = 100, limit: float = 600.0) -> None:
    """Many clients at once, with one queue of answers and with a queue each."""
    book.say(
        "## Many clients",
        f"Each sends a file of {each} messages, all at once, one server, 10 ms away; stopped after {limit:.0f} s. A "
        "client leaves after a minute without an answer of its own; its next run shows the rest.",
    )
    rows = []
    with standing_in(NEAR) as standin, tempfile.TemporaryDirectory() as home:
        path = write_series(home, each)
        for number in (2, 20):
            for name, flags in (("one queue for all", []), ("`--private-answers`", ["--private-answers"])):
                standin.ask("reset")
                with working(standin, SERVER):
                    standin.ask("forget")
                    arguments = [["file", path, "--client", f"client{at}", *flags] for at in range(number)]
                    seconds, shown = run_clients(standin, arguments, limit)
                    calls = standin.ask("stats")["calls"]
                mine = sum(of_client(calls).values())
                ended = f"{seconds:.1f}"
                rows.append([str(number), name, f"{shown / number / each:.1%}", f"{mine / max(1, shown):.2f}", ended])
    ours, private = rows[-2:]
    book.goal("twenty clients, times the time with private queues", float(ours[4]) / float(private[4]), 2)
    book.goal("twenty clients, client's calls an answer", float(ours[3]), 0.5)
    book.table(["clients", "answers come on", "shown", "client's calls/answer", "last answer after, s"], rows)


def write_series(home: str, count: int) -> str:
    """Write a file of so many messages; return its path."""
    path = Path(home) / "series.txt"
    path.write_text("".join(" ".join(map(str, some_series())) + "\n" for _ in range(count)))
    return str(path)

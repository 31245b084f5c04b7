"""What client.py costs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
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
            started = time.perf_counter()
            command = [sys.executable, "client.py", "file", path, "--output", "json"]
            subprocess.run(command, env=environment(standin), cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
            seconds = time.perf_counter() - started
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


def write_series(home: str, count: int) -> str:
    """Write a file of so many messages; return its path."""
    path = Path(home) / "series.txt"
    path.write_text("".join(" ".join(map(str, some_series())) + "\n" for _ in range(count)))
    return str(path)

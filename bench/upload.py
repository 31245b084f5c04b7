"""What an upload costs, beside programs that put files into S3 without looking at them."""

from __future__ import annotations

import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bench.book import Book
from bench.far import TRIP, account, emulated, far
from bench.installed import installed
from bench.labeller import photo
from bench.measure import environment, peak_memory
from bench.standin import ROOT, standing_in

OURS, AWS, LOOP = "hotdog.py upload", "aws s3 cp --recursive", "put_object in a loop"
PUT_ALL = """
import os, sys, boto3
s3 = boto3.client("s3")
for file in os.scandir(sys.argv[1]):
    with open(file, "rb") as body:
        s3.put_object(Bucket="lab2", Key=f"u/{file.name}", Body=body)
"""


def upload(book: Book, count: int = 300, times: int = 3) -> None:
    """A folder of photos, to S3 on this machine and to S3 far away."""
    aws = shutil.which("aws") or ((programs := installed("awscli")) and str(programs / "aws"))
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "photos"
        size = write_photos(folder, count)
        commands = {
            OURS: [sys.executable, "hotdog.py", "upload", str(folder)],
            LOOP: [sys.executable, "-c", PUT_ALL, str(folder)],
        }
        if aws:
            commands[AWS] = [aws, "s3", "cp", "--recursive", "--quiet", str(folder), "s3://lab2/u/"]
        book.say(
            "## Upload",
            f"{count} photos of 12 megapixels and {size / count / 1e6:.1f} MB, all different, from the start of the "
            f"program to its end. On this machine: the stand-in, {times} turns, medians; beside the loop in the same "
            "turn, the median turn and the lowest and highest. hotdog.py asks for each file whether its picture is "
            "there and decodes it; of its processor time that is most. Again: the same command once more. Far: "
            f"{TRIP * 1000:.0f} ms away, on a line of 100 Mbit/s, once. CPU with the children's; memory of the largest "
            "process.",
        )
        if not aws:
            book.say("The AWS CLI could not be installed: its row is left out.")
        turns = []
        for _ in range(times):
            turn = {}
            for name, command in commands.items():
                with standing_in(0) as standin:
                    env = environment(standin) | {"HOME": home, "LAB2_BUCKET": "lab2"}
                    turn[name] = run(command, env)
                    if name == OURS:
                        turn["hotdog.py upload, again"] = run(command, env)
            turns.append(turn)
        away = uploaded_far(folder, commands)
    rows = []
    for name in turns[0]:
        ratios = [turn[name].wall / turn[LOOP].wall for turn in turns]
        wall, cpu, memory = (statistics.median(values) for values in zip(*(turn[name] for turn in turns), strict=True))
        rows.append([
            name, f"{wall:.1f}", f"{size / 1e6 / wall:.0f}", f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}", f"{cpu / count * 1e3:.1f}", f"{memory:.0f}",
            f"{away[name]:.1f}" if name in away else "",
        ])  # fmt: skip
        if name == OURS:
            book.goal("upload on this machine, times the loop's time", statistics.median(ratios), 1.2)
    book.table(["", "wall s", "MB/s", "/ loop", "lowest to highest", "CPU ms/photo", "memory MB", "far: s"], rows)
    if aws:
        book.goal("upload, far, times the time of aws s3 cp", away[OURS] / away[AWS], 1.2)


class Used(NamedTuple):
    """What a program took: seconds, seconds of the processor, and MB of its largest process at most."""

    wall: float
    cpu: float
    memory: float


def uploaded_far(folder: Path, commands: dict[str, list[str]]) -> dict[str, float]:
    """Return the seconds that programs take to upload a folder to S3 far away."""
    taken = {}
    with emulated() as (url, home):
        for name in (OURS, AWS):
            if name in commands:
                with account(url, home) as world, far(world, rate=100e6 / 8):
                    command = [word.replace("s3://lab2", f"s3://{world.aws.bucket}") for word in commands[name]]
                    taken[name] = run(command, world.env).wall
    return taken


def write_photos(folder: Path, count: int, quality: int = 92) -> int:
    """Write photos that differ in a comment and are of a few kinds; return the bytes of all."""
    folder.mkdir()
    kinds = [photo(number, 4000, 3000, quality) for number in range(4)]
    for number in range(count):
        data = kinds[number % len(kinds)]
        comment = b"%d " % number + bytes(number)  # no two are of one size, as real ones hardly are
        segment = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
        (folder / f"IMG_{number:04}.jpg").write_bytes(data[:2] + segment + data[2:])
    return sum(path.stat().st_size for path in folder.iterdir())


def run(command: Sequence[str], env: dict[str, str]) -> Used:
    """Run a program to its end; its children's time counts too."""
    started, before = time.monotonic(), os.times()
    process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL)
    memory = 0.0
    while process.poll() is None:
        with suppress(OSError, StopIteration):  # it has just ended
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            memory = max([memory, *map(peak_memory, (process.pid, *map(int, children)))])
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    assert process.returncode == 0, command
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Used(time.monotonic() - started, cpu, memory)

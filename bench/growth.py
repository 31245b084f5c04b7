"""What a request, a label and a report cost as there are more of them."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone

from bench.book import Book
from bench.measure import answered, environment
from bench.server import SERVER, aws_at
from bench.standin import StandIn, standing_in
from bench.upload import run
from lab2.aws.resources import IMAGE_PREFIX, LABEL_KEY
from lab2.aws.session import AwsSession
from lab2.labelling.labels.csv_dialect import HEADER
from lab2.labelling.labels.label import Label
from lab2.labelling.labels.label_file import LabelFile
from lab2.labelling.labels.timestamps import Clock

LABELS = 20  # appended at each length of the file


def requests(book: Book, sizes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)) -> None:
    """Calls, bytes, processor time and memory a request as the log grows."""
    rows, figures = [], {}
    with standing_in(0) as standin:
        for size in sizes:
            found = figures[size] = answered(standin, SERVER, size).figures
            rows.append([
                f"{size:,}", f"{found['calls']:.3f}", f"{found['bytes']:,.0f}", f"{found['cpu']:.3f}",
                f"{found['memory']:.0f}",
            ])  # fmt: skip
    last, before = (figures[size] for size in (sizes[-1], sizes[-2]))
    times = ", ".join(f"{name} {last[name] / before[name]:.3f}" for name in ("calls", "bytes", "cpu"))
    book.say(
        "## Growth: requests",
        "So many requests wait and one server answers them, AWS 0 ms away. What one costs at "
        f"{sizes[-1]:,}, times that at {sizes[-2]:,}: {times}.",
    )
    book.table(["requests", "calls/request", "B put/request", "CPU ms/request", "memory MB"], rows)
    book.goal(f"calls a request, {sizes[-1]:,} of them", last["calls"], 0.301)
    book.goal("calls a request, the most to the fewest requests", last["calls"] / figures[sizes[0]]["calls"], 1.05)


def labels(book: Book, sizes: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)) -> None:
    """Calls, bytes and processor time to append a label, by the length of the file."""
    costs: dict[int, dict[str, float]] = {}
    with standing_in(0) as standin, aws_at(standin):
        for size in sizes:
            costs[size] = appended(standin, size)
    book.say(
        "## Growth: labels",
        f"One label appended at a time, {LABELS} of them, to a file of so many rows; bytes are those of bodies. "
        "S3 copies what it has of a file of 5 MiB or more, in four calls; a smaller one is sent whole, in one.",
    )
    book.table(
        ["rows", "calls/label", "B sent/label", "CPU ms/label"],
        [
            [f"{size:,}", f"{cost['calls']:.2f}", f"{cost['bytes']:,.0f}", f"{cost['cpu']:.2f}"]
            for size, cost in costs.items()
        ],
    )
    book.goal(f"bytes sent a label at {sizes[-1]:,} rows", costs[sizes[-1]]["bytes"], 1_000, "B")


def appended(standin: StandIn, size: int) -> dict[str, float]:
    """Append labels one at a time to a file of so many rows; return what one cost."""
    aws, clock = AwsSession("lab2"), Clock()
    aws.s3.put_object(Bucket="lab2", Key=LABEL_KEY, Body=label_file(size, pictures=size))
    file = LabelFile(aws)
    file.refresh()
    standin.ask("forget")
    started = time.process_time()
    for number in range(LABELS):
        file.append([Label(f"{number:012x}-new.jpg", "1", "ada", clock.stamp(), "0.85")])
    cpu = time.process_time() - started
    stats = standin.ask("stats")
    return {
        "calls": sum(stats["calls"].values()) / LABELS,
        "bytes": sum(stats["sent"].values()) / LABELS,
        "cpu": cpu / LABELS * 1000,
    }


def report(book: Book, sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000), pictures: int = 10_000) -> None:
    """A report over many labels."""
    rows = []
    with standing_in(0) as standin, tempfile.TemporaryDirectory() as home, aws_at(standin):
        s3 = AwsSession("lab2").s3
        for name in names(pictures):
            s3.put_object(Bucket="lab2", Key=f"{IMAGE_PREFIX}{name}", Body=b"x")
        for size in sizes:
            body = label_file(size, pictures)
            s3.put_object(Bucket="lab2", Key=LABEL_KEY, Body=body)
            env = environment(standin) | {"HOME": home, "LAB2_BUCKET": "lab2"}
            used = run([sys.executable, "hotdog.py", "report"], env)
            figures = len(body) / 1e6, used.wall, used.cpu
            rows.append([f"{size:,}", *(f"{figure:.1f}" for figure in figures), f"{used.memory:.0f}"])
    book.say("## A report", f"`hotdog.py report` on labels of {pictures:,} pictures, S3 0 ms away, start included.")
    book.table(["labels", "MB", "wall s", "CPU s", "memory MB"], rows)
    book.goal("memory of a report on a million labels", used.memory, 512, "MB")


def names(pictures: int) -> list[str]:
    chance = random.Random(pictures)
    return [f"{chance.getrandbits(48):012x}-IMG_{number:04}.jpg" for number in range(pictures)]


def label_file(rows: int, pictures: int) -> bytes:
    """Return a label file of so many rows, by as many people as it takes."""
    images, start = names(pictures), datetime(2026, 11, 1, tzinfo=timezone.utc)
    lines = [HEADER]
    for number in range(rows):
        stamp = (start + timedelta(milliseconds=977 * number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        person = number // pictures
        lines.append(f"{images[number % pictures]},{number * 7 % 3 % 2},annotator {person},{stamp},0.{number % 100:02}")
    return "\n".join([*lines, ""]).encode()

"""How long a person waits for hotdog.py, and what labels, pictures and reports cost."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
from support.world import until

from bench.book import Book
from bench.measure import BEFORE, Contest, Figures, earlier, environment, run
from bench.screen import Blank, Screen, screen
from bench.standin import ROOT, StandIn, standing_in
from lab2.aws.resources import IMAGE_PREFIX, LABEL_KEY
from lab2.aws.session import AwsSession
from lab2.labelling.labels.csv_dialect import HEADER
from lab2.labelling.labels.timestamps import format_time

TRIP_S = 0.1  # to S3 and back
FAST_BITS = 10e9  # a second
SLOW_TRIP_S, SLOW_BITS = 0.05, 20e6
SEEN_S = 1.0  # for which a picture is looked at before its key; one that comes with the window does not count
LONGEST_FIRST_S = 30.0  # until the first picture of a round is there, over a slow line too
OURS = "hotdog.py"
PANDAS = f"""
import boto3, pandas
labels = pandas.read_csv(boto3.client("s3").get_object(Bucket="lab2", Key="{LABEL_KEY}")["Body"])
labels = labels.sort_values("timestamp", kind="stable").drop_duplicates(["image", "annotator"], keep="last")
votes = pandas.crosstab(labels["image"], labels["label"])
print((votes[1] > votes[0]).sum(), (votes[1] < votes[0]).sum(), (votes[1] == votes[0]).sum())
print(labels["annotator"].value_counts().to_string())
"""


@dataclass
class Person:
    """Somebody who labels rounds of four pictures in a window, with the seconds that took."""

    screen: Screen
    env: dict[str, str]
    program: Path = ROOT / "hotdog.py"
    firsts_s: list[float] = field(default_factory=list)  # from the menu to each round's first picture
    nexts_s: list[float] = field(default_factory=list)  # from each key to the next picture
    blank: int = 0  # windows that stayed so, and were opened again

    def label(self, rounds: int) -> Person:
        empty = self.screen.look()
        while len(self.firsts_s) < rounds:
            command = [sys.executable, str(self.program), "--display", "window"]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            env = self.env | {"DISPLAY": self.screen.display}
            with subprocess.Popen(command, env=env, cwd=ROOT, text=True, **pipes) as program:
                next(line for line in program.stdout if "quit" in line)
                time.sleep(3)  # for what begins behind the menu to be done
                try:
                    while len(self.firsts_s) < rounds:
                        chosen = time.monotonic()
                        program.stdin.write("2\n")
                        program.stdin.flush()
                        self._answer_four(empty, chosen)
                        time.sleep(0.5)  # for the labels to be safe, and the menu
                except Blank:
                    self.blank += 1
                program.kill()
            until(lambda: self.screen.look() == empty)
            if self.blank == 3:
                sys.exit(f"{self.program} has shown no picture three times.")
        return self

    def _answer_four(self, empty: bytes, chosen: float) -> None:
        came, shown = self.screen.next(empty, LONGEST_FIRST_S)
        first_s, times = came - chosen, []
        for _ in range(3):
            time.sleep(SEEN_S)
            pressed = self.screen.press("1")
            came, shown = self.screen.next(shown)
            times.append(came - pressed)
        while self.screen.look() != empty:  # a key that comes too soon on a busy machine is none
            time.sleep(SEEN_S)
            self.screen.press("0")
        self.firsts_s.append(first_s)
        self.nexts_s += times


def part(seconds: Sequence[float], share: float) -> float:
    """Return the milliseconds that this share of them do not exceed."""
    return 1000 * sorted(seconds)[round(share * (len(seconds) - 1))]


def photo(number: int, width: int, height: int, quality: int = 85) -> bytes:
    """Return a JPEG that takes about as many bytes as a photo of this size, another for each number."""
    chance = np.random.default_rng(number)
    shapes = cv2.resize(chance.integers(0, 256, (13, 20, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    grain = cv2.resize(chance.integers(0, 40, (height // 2, width // 2, 1), np.uint8), (width, height))
    _, data = cv2.imencode(".jpg", cv2.add(shapes, cv2.merge([grain] * 3)), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


@contextmanager
def account(standin: StandIn) -> Iterator[dict[str, str]]:
    """An empty AWS, for this process too; yields the environment of somebody with an empty home."""
    standin.ask("reset")
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        env = environment(standin) | {"HOME": home}
        with patch.dict(os.environ, env, clear=True):
            yield env


def keys(book: Book, rounds: Sequence[int] = (12, 8)) -> None:
    """From a key to the next picture on the screen."""
    rows, found = [], []
    kinds = {"1": [photo(i, 1200, 800) for i in range(8)], "24": [photo(i, 6000, 4000) for i in range(5)]}
    with standing_in(TRIP_S, FAST_BITS) as standin, screen() as shown:
        for (what, photos), number in zip(kinds.items(), rounds, strict=True):
            with account(standin) as env:
                for place, data in enumerate(photos):
                    AwsSession().s3.put_object(Bucket="lab2", Key=f"{IMAGE_PREFIX}{place:012x}-photo.jpg", Body=data)
                found.append(Person(shown, env).label(number))
            firsts, nexts, blank = found[-1].firsts_s, found[-1].nexts_s, found[-1].blank
            times = [f"{each:.1f}" for each in (part(nexts, 0.5), part(nexts, 0.95), part(firsts, 0.5))]
            rows.append(
                [f"{what}-megapixel JPEGs of {len(photos[0]) / 1e6:.1f} MB", str(len(nexts)), *times, str(blank)]
            )
    book.say(
        "## Labelling: from a key to the next picture",
        f"Real keys into a real window, S3 {TRIP_S * 1000:.0f} ms away, each picture looked at for {SEEN_S} s; the "
        "clock stops when the next picture is all on the screen. First: from the choice in the menu to the first "
        "picture. Blank: windows that stayed so, and were opened again.",
    )
    book.table(["", "keys", "p50 ms", "p95 ms", "first p50 ms", "blank"], rows)
    book.goal("key to next picture, p95", max(part(each.nexts_s, 0.95) for each in found), 20, "ms")
    small, large = (part(each.nexts_s, 0.5) for each in found)
    book.goal("key to next picture, 24 megapixels, times that of 1", large / small, 1.3)


def previews(book: Book, times: int = 3, photos: int = 5, rounds: int = 3) -> None:
    """Uploads and rounds of photos on a slow line, with previews and as it was without."""
    with tempfile.TemporaryDirectory() as home, standing_in(SLOW_TRIP_S, SLOW_BITS) as standin, screen() as shown:
        for number in range(photos):
            (Path(home) / f"IMG_{number:04}.jpg").write_bytes(photo(number, 4000, 3000, quality=96))
        size = sum(path.stat().st_size for path in Path(home).iterdir()) / photos
        programs = {OURS: ROOT / "hotdog.py", BEFORE: earlier(BEFORE) / "hotdog.py"}
        ways = {
            name: partial(uploaded_and_labelled, standin, shown, path, home, rounds) for name, path in programs.items()
        }
        found = Contest.between(ways, times)
    book.say(
        "## Previews on a slow line",
        f"{photos} photos of 12 megapixels and {size / 1e6:.1f} MB are uploaded, and labelled in {rounds} rounds; S3 "
        f"is {SLOW_TRIP_S * 1000:.0f} ms away, on a line of {SLOW_BITS / 1e6:.0f} Mbit/s. {times} turns; {BEFORE} is "
        "the last version without previews. First: from the choice in the menu to the first picture. Bytes: of bodies, "
        "both ways, from the program's start on.",
    )
    columns = {"first": ",.0f", "bytes": ",.0f", "next": ".1f", "p95": ".1f", "upload": ".1f"}
    heads = ["", "first p50 ms", "bytes a label", "key p50 ms", "key p95 ms", "upload s", f"first / {BEFORE}"]
    book.table(heads, found.rows(columns, "first", BEFORE))
    book.goal("previews, slow line: first picture, times that before", found.ratio(OURS, BEFORE, "first"), 0.25)
    book.goal("previews, slow line: bytes a label, times those before", found.ratio(OURS, BEFORE, "bytes"), 0.1)
    p95 = found.median(OURS, "p95") / found.median(BEFORE, "p95")
    book.goal("previews, slow line: key to next picture p95, times that before", p95, 1.1)
    book.goal("previews, slow line: upload, times that before", found.ratio(OURS, BEFORE, "upload"), 1.1)


def uploaded_and_labelled(standin: StandIn, shown: Screen, program: Path, folder: str, rounds: int) -> Figures:
    """Upload photos with one program, and label them."""
    with account(standin) as env:
        upload = run([sys.executable, str(program), "upload", folder], env)["wall"]
        standin.ask("forget")
        person = Person(shown, env, program).label(rounds)
        stats = standin.ask("stats")
    return {
        "upload": upload,
        "bytes": (stats["received"] + sum(stats["sent"].values())) / (4 * rounds),
        "first": part(person.firsts_s, 0.5),
        "next": part(person.nexts_s, 0.5),
        "p95": part(person.nexts_s, 0.95),
    }


def report(
    book: Book, sizes: Sequence[int] = (10_000, 100_000, 1_000_000), pictures: int = 10_000, times: int = 3
) -> None:
    """A report on labels, beside a script that everybody writes."""
    rows = []
    with standing_in(0) as standin, account(standin) as env:
        s3 = AwsSession().s3
        for name in names(pictures):
            s3.put_object(Bucket="lab2", Key=f"{IMAGE_PREFIX}{name}", Body=b"x")
        commands = {"hotdog.py report": ["hotdog.py", "report"], "pandas": ["-c", PANDAS]}
        ours, pandas = commands
        ways = {name: partial(run, [sys.executable, *command], env) for name, command in commands.items()}
        for size in sizes:
            s3.put_object(Bucket="lab2", Key=LABEL_KEY, Body=label_file(size, pictures))
            found = Contest.between(ways, times)
            columns = {"wall": ".1f", "cpu": ".1f", "memory": ".0f"}
            rows += [[f"{size:,}", *row] for row in found.rows(columns, "wall", pandas)]
    book.say(
        "## A report",
        f"`hotdog.py report` on labels of {pictures:,} pictures, which it lists, and a script with pandas that reads "
        "the labels, takes the last one of each picture and annotator, and counts majorities and annotators. S3 0 ms "
        f"away, start included; {times} turns.",
    )
    book.table(["labels", "", "wall s", "CPU s", "memory MB", "wall / pandas"], rows)
    book.goal("a report on a million labels: time, times pandas'", found.ratio(ours, pandas, "wall"), 1)
    book.goal("memory of a report on a million labels", found.median(ours, "memory"), 150, "MB")


def names(pictures: int) -> list[str]:
    chance = random.Random(pictures)
    return [f"{chance.getrandbits(48):012x}-IMG_{number:04}.jpg" for number in range(pictures)]


def label_file(rows: int, pictures: int) -> bytes:
    """Return a label file of so many rows, by as many people as it takes."""
    images, start = names(pictures), datetime(2026, 11, 1, tzinfo=timezone.utc)
    lines = [HEADER]
    for number in range(rows):
        image, person = images[number % pictures], f"annotator {number // pictures}"
        stamp = format_time(start + timedelta(milliseconds=977 * number))
        lines.append(f"{image},{number * 7 % 3 % 2},{person},{stamp},0.{number % 100:02}")
    return "\n".join([*lines, ""]).encode()

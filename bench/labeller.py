"""What hotdog.py costs, beside the script everybody writes and `aws s3 cp`; S3 is 100 ms away."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np

from bench.book import Book
from bench.desktop import Blank, Desktop, desktop
from bench.far import ENVIRONMENT, TRIP, World, account, connected, emulated, far
from bench.measure import until
from bench.standin import ROOT
from lab2.aws.resources import IMAGE_PREFIX, LABEL_KEY
from lab2.aws.session import AwsSession
from lab2.labelling.labels.csv_dialect import HEADER
from lab2.labelling.labels.label import Label
from lab2.labelling.labels.outbox import Outbox
from lab2.labelling.labels.timestamps import Clock
from lab2.labelling.pictures.decoding import decode as decoding

SEEN = 0.4  # seconds that a picture is looked at before its key
SCRIPT = ROOT / "bench" / "script_everybody_writes.py"
OURS, THEIRS = "hotdog.py", "the script everybody writes"
AWS = "aws s3 cp --recursive"


# ---- keys -------------------------------------------------------------------------------------


def keys(book: Book) -> None:
    """From a key to the next picture on the screen."""
    book.say(
        "## Labelling: from a key to the next picture",
        f"Real keys into a real window, S3 {TRIP * 1000:.0f} ms away, each picture looked at for {SEEN} s; the clock "
        "stops when the next picture is all on the screen. The script: cv2.imshow, waitKey, GET and PUT of the CSV "
        "between pictures. First: from the choice in the menu, or the start of the script, to the first picture. "
        "Blank: windows that stayed so, and were opened again.",
    )
    small, large = [photo(i, 1200, 800) for i in range(8)], [photo(i, 6000, 4000) for i in range(5)]
    rows, medians, slowest = [], [], 0.0
    with emulated() as (url, home), desktop(home) as screen:
        for what, photos, rounds in (("1", small, 21), ("24", large, 12)):
            firsts, nexts, blank = {}, {}, {}
            for who, measure in ((OURS, labelled), (THEIRS, scripted)):
                with account(url, home) as world, far(world):
                    fill(world.aws, photos)
                    times = rounds if measure is labelled else 3
                    firsts[who], nexts[who], blank[who] = measure(world, screen, times)
            for who in nexts:
                rows.append([
                    f"{who}, {what}-megapixel JPEGs of {len(photos[0]) / 1e6:.1f} MB", str(len(nexts[who])),
                    ms(nexts[who], 0.5), ms(nexts[who], 0.95), f"{part(nexts[who], 0.5) / part(nexts[OURS], 0.5):.2f}",
                    ms(firsts[who], 0.5), str(blank[who]),
                ])  # fmt: skip
            medians.append(part(nexts[OURS], 0.5))
            slowest = max(slowest, part(nexts[OURS], 0.95))
    book.table(["", "keys", "p50 ms", "p95 ms", "p50 / hotdog.py", "first p50 ms", "blank"], rows)
    book.goal("key to next picture, p95", slowest * 1000, 20, "ms")
    book.goal("key to next picture, 24 megapixels, times that of 1", medians[1] / medians[0], 1.3)


def labelled(world: World, screen: Desktop, rounds: int) -> tuple[list[float], list[float], int]:
    """Label rounds in the window; return the seconds to each first and each next picture, and how many stayed blank."""
    empty = screen.look()
    firsts: list[float] = []
    nexts: list[float] = []
    blank = 0
    while len(firsts) < rounds and blank < 3:
        program = world.start("hotdog.py", "--display", "window", env={"DISPLAY": screen.display})
        assert program.stdin
        time.sleep(3)  # the menu is there, and what it begins behind it is done
        try:
            while len(firsts) < rounds:
                started = time.monotonic()
                program.stdin.write("2\n")
                program.stdin.flush()
                answer_four(screen, empty, started, firsts, nexts)
                until(lambda: screen.look() == empty)
                time.sleep(0.5)  # for the labels to be safe, and the menu
        except Blank:
            blank += 1
        program.kill()
        until(lambda: screen.look() == empty)
    return firsts, nexts, blank


def scripted(world: World, screen: Desktop, rounds: int) -> tuple[list[float], list[float], int]:
    """Label as many pictures with the script everybody writes."""
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=LABEL_KEY, Body=b"image,label\n")
    empty = screen.look()
    firsts: list[float] = []
    nexts: list[float] = []
    blank = 0
    for _ in range(rounds):
        started = time.monotonic()
        program = world.start(str(SCRIPT), world.aws.bucket, "4", env={"DISPLAY": screen.display})
        try:
            answer_four(screen, empty, started, firsts, nexts)
            program.wait(10)
        except Blank:
            blank += 1
            program.kill()
        until(lambda: screen.look() == empty)
    return firsts, nexts, blank


def answer_four(screen: Desktop, empty: bytes, started: float, firsts: list[float], nexts: list[float]) -> None:
    """Look at four pictures and answer each; note how long the first took, and each next one after its key."""
    came, shown = screen.next(empty)
    first, times = came - started, []
    for _ in range(3):
        time.sleep(SEEN)
        pressed = screen.press("1")
        came, shown = screen.next(shown)
        times.append(came - pressed)
    time.sleep(SEEN)
    screen.press("0")
    firsts.append(first)
    nexts += times


# ---- rounds -----------------------------------------------------------------------------------


def rounds(book: Book) -> None:
    """Calls and round trips from the menu to the first picture, and LISTs in a round."""
    book.say(
        "## Labelling: a round",
        "Two rounds of the same program, in the terminal. Trips: from the choice in the menu to the first picture, in "
        f"round trips of {TRIP * 1000:.0f} ms. The calls are those of the round until then.",
    )
    rows, trips, lists = [], [], []
    with emulated() as (url, home):
        for count in (10, 10_000, 200_000):
            with account(url, home) as world, far(world, images=count, picture=photo(0, 600, 400)) as proxy:
                program = world.start("hotdog.py")
                assert program.stdin
                time.sleep(3)
                behind = sequence(proxy.order)
                for turn in ("first", "second"):
                    proxy.reset()
                    started = time.monotonic()
                    program.stdin.write("2\n")
                    program.stdin.flush()
                    listen(program, "Picture 1 of 4")
                    trips.append((time.monotonic() - started) / TRIP)
                    calls = sequence(proxy.order)
                    program.stdin.write("1\n" * 4)
                    program.stdin.flush()
                    listen(program, "safe in S3")
                    time.sleep(0.3)
                    lists.append(proxy.listed)
                    rows.append([f"{count:,}, {turn}", f"{trips[-1]:.1f}", str(lists[-1]), calls, behind])
    book.table(["images, round", "trips", "LISTs of images", "calls", "calls behind the menu"], rows)
    book.goal("menu to first picture, round trips", max(trips), 4)
    book.goal("LISTs a round, at 10 to 200,000 images", max(lists), 1)


def listen(program: subprocess.Popen[str], words: str) -> None:
    """Read what the program prints up to a line with these words."""
    assert program.stdout
    for line in program.stdout:
        if words in line:
            return
    raise AssertionError(program.communicate())


def sequence(names: Sequence[str]) -> str:
    counts: Counter[str] = Counter(names)
    return ", ".join(f"{count} {name}" if count > 1 else name for name, count in counts.items())


# ---- decode -----------------------------------------------------------------------------------


def decode(book: Book) -> None:
    """Milliseconds to decode a JPEG to the size of the window."""
    rows = []
    box = 960, 640
    for what, width, height in (("1-megapixel", 1200, 833), ("24-megapixel", 6000, 4000)):
        data = photo(1, width, height)
        reduced = [timed(lambda: decoding.decode(data, *box)) for _ in range(7)]  # noqa: B023
        with patch.object(decoding, "_reduction", lambda _: cv2.IMREAD_COLOR):
            whole = [timed(lambda: decoding.decode(data, *box)) for _ in range(5)]  # noqa: B023
        ratio = part(whole, 0.5) / part(reduced, 0.5)
        rows.append([f"{what} JPEG of {len(data) / 1e6:.1f} MB", ms(reduced, 0.5), ms(whole, 0.5), f"{ratio:.2f}"])
    book.say("## Labelling: decoding", "A JPEG to the size of the window; reduced, as hotdog.py does it, and whole.")
    book.table(["", "reduced ms", "whole ms", "whole / reduced"], rows)


# ---- writes -----------------------------------------------------------------------------------


def writes(book: Book) -> None:
    """Calls and bytes that a label costs, by the length of the file and the number of people."""
    slow = 10e6 / 8  # bytes a second
    alone = [(rows, 1, 0.5, float("inf")) for rows in (100, 10_000, 200_000)]
    alone += [
        (size // len(row(0)), 1, 1.0, slow) for size in (10**5, 5 * 10**5, 10**6, 25 * 10**5, 5 * 10**6, 6 * 10**6)
    ]
    together = [(rows, 16, 1.0, float("inf")) for rows in (100, 10_000, 200_000)]
    together += [(10**6 // len(row(0)), 16, 1.0, slow)]
    with emulated() as (url, home):
        with ThreadPoolExecutor(len(alone)) as threads:
            costs = dict(zip(alone, threads.map(lambda case: saving(url, home, *case), alone), strict=True))
        with ThreadPoolExecutor(2) as threads:
            costs |= zip(together, threads.map(lambda case: saving(url, home, *case), together), strict=True)
    book.say(
        "## Labelling: what a label costs",
        "By the length of underbase.csv and the number of people, each of whom gives a label a second (alone on a fast "
        f"line, two); S3 {TRIP * 1000:.0f} ms away. / whole: bytes sent beside those of the script everybody writes, "
        "which sends the whole file for each label. Waiting: labels of one person that were not in S3 yet, at most. "
        "Keep: how long the labeller waits for a label to be kept, p95. Safe: from the last label until all are in S3.",
    )
    rows = []
    for case in sorted(costs, key=lambda case: (-case[3], case[0], case[1])):
        length, people, _, rate = case
        cost = costs[case]
        rows.append([
            f"{length:,}", f"{cost.size / 1e6:.2f}", "10 Mbit/s" if rate == slow else "fast", str(people),
            f"{cost.calls:.2f}", f"{cost.sent:,.0f}", f"{cost.sent / cost.size:.3f}", f"{cost.received:,.0f}",
            str(cost.most), f"{cost.keep * 1e3:.1f}", f"{cost.last:.1f}",
        ])  # fmt: skip
    book.table(
        ["rows", "MB", "line", "people", "calls/label", "B sent/label", "/ whole", "B received/label", "waiting",
         "keep ms", "safe s"],
        rows,
    )  # fmt: skip
    for length, people, most in ((100, 1, 10_000), (100, 16, 28_000), (200_000, 1, 1_000), (200_000, 16, 1_000)):
        cost = costs[length, people, 0.5 if people == 1 else 1.0, float("inf")]
        who = "one person" if people == 1 else f"{people} people"
        book.goal(f"bytes sent a label at {length:,} rows, {who}", cost.sent, most, "B")


@dataclass
class Cost:
    """What labels cost: each in calls and bytes; how many waited at most; seconds to keep one, at p95,
    and until the last was safe."""

    size: int
    labels: int
    calls: float
    sent: float
    received: float
    most: int
    keep: float
    last: float


def saving(url: str, home: Path, rows: int, people: int, pace: float, rate: float) -> Cost:
    """Keep ten labels (five of each of many people), one every `pace` seconds, in a file of so many rows."""
    labels = 10 if people == 1 else 5
    with account(url, home) as world, far(world, rate=rate) as proxy:
        body = f"{HEADER}\n".encode() + b"".join(map(row, range(rows)))
        world.aws.s3.put_object(Bucket=world.aws.bucket, Key=LABEL_KEY, Body=body)
        with ENVIRONMENT, patch.dict(os.environ, world.env):
            aws = connected(2 * people)
        keepers = [Outbox(aws, world.home / str(number), print) for number in range(people)]
        keeps: list[float] = []
        waiting, last = [0], [0.0]

        def work(number: int) -> None:
            outbox, clock = keepers[number], Clock()
            ready.wait()
            time.sleep(random.uniform(0, pace))
            for at in range(labels):
                label = Label(f"{at:012x}-{number}.jpg", "1", f"person {number}", clock.stamp(), "0.50")
                keeps.append(timed(lambda: outbox.keep(label)))  # noqa: B023 - it is called here and now
                time.sleep(pace)
                waiting.append(outbox.waiting)
            ended = time.monotonic()
            until(lambda: not outbox.waiting)
            last.append(time.monotonic() - ended)

        for outbox in keepers:
            outbox._label_file.refresh()  # what the first label of each does besides
        ready = threading.Barrier(people, action=proxy.reset)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(people)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for outbox in keepers:
            outbox.close()
        count = people * labels
        found = world.aws.s3.get_object(Bucket=world.aws.bucket, Key=LABEL_KEY)["Body"].read()
        assert found.count(b"\n") == 1 + rows + count, "a label is lost, or twice"
        calls, sent = sum(proxy.calls.values()), sum(proxy.sent.values())
        keeps.sort()
        return Cost(len(body), count, calls / count, sent / count, proxy.received / count, max(waiting),
                    keeps[95 * len(keeps) // 100], max(last))  # fmt: skip


def row(number: int) -> bytes:
    return b"%012x-IMG_%04d.jpg,%d,annotator,2026-11-23T00:00:00.000Z,0.85\n" % (number, number % 9999, number % 2)


# ---- parts ------------------------------------------------------------------------------------


def photo(number: int, width: int, height: int, quality: int = 85) -> bytes:
    """Return a JPEG that takes about as many bytes as a photo of this size, another for each number."""
    chance = np.random.default_rng(number)
    shapes = cv2.resize(chance.integers(0, 256, (13, 20, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    grain = cv2.resize(chance.integers(0, 40, (height // 2, width // 2, 1), np.uint8), (width, height))
    return cv2.imencode(".jpg", cv2.add(shapes, cv2.merge([grain] * 3)), [cv2.IMWRITE_JPEG_QUALITY, quality])[
        1
    ].tobytes()


def fill(aws: AwsSession, photos: Sequence[bytes]) -> None:
    for number, data in enumerate(photos):
        aws.s3.put_object(Bucket=aws.bucket, Key=f"{IMAGE_PREFIX}{number:012x}-photo.jpg", Body=data)


def timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def part(seconds: Sequence[float], share: float) -> float:
    """Return the seconds that this share of them do not exceed; nan where there are none."""
    return sorted(seconds)[round(share * (len(seconds) - 1))] if seconds else float("nan")


def ms(seconds: Sequence[float], share: float) -> str:
    return f"{1000 * part(seconds, share):,.1f}"

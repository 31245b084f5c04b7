"""How long a person waits for hotdog.py; S3 is 100 ms away."""

from __future__ import annotations

import time
from collections.abc import Sequence

import cv2
import numpy as np

from bench.book import Book
from bench.desktop import Blank, Desktop, desktop
from bench.far import TRIP, World, account, emulated, far
from bench.measure import until
from lab2.aws.resources import IMAGE_PREFIX
from lab2.aws.session import AwsSession

SEEN = 1.0  # seconds that a picture is looked at before its key; one that comes with the window does not count
LONGEST_FIRST_S = 30.0  # until the first picture of a round is there, over a slow line too


def keys(book: Book) -> None:
    """From a key to the next picture on the screen."""
    book.say(
        "## Labelling: from a key to the next picture",
        f"Real keys into a real window, S3 {TRIP * 1000:.0f} ms away, each picture looked at for {SEEN} s; the clock "
        "stops when the next picture is all on the screen. First: from the choice in the menu to the first picture. "
        "Blank: windows that stayed so, and were opened again.",
    )
    small, large = [photo(i, 1200, 800) for i in range(8)], [photo(i, 6000, 4000) for i in range(5)]
    rows, medians, slowest = [], [], 0.0
    with emulated() as (url, home), desktop(home) as screen:
        for what, photos, rounds in (("1", small, 21), ("24", large, 12)):
            with account(url, home) as world, far(world):
                fill(world.aws, photos)
                firsts, nexts, blank = labelled(world, screen, rounds)
            rows.append([
                f"{what}-megapixel JPEGs of {len(photos[0]) / 1e6:.1f} MB", str(len(nexts)), ms(nexts, 0.5),
                ms(nexts, 0.95), ms(firsts, 0.5), str(blank),
            ])  # fmt: skip
            medians.append(part(nexts, 0.5))
            slowest = max(slowest, part(nexts, 0.95))
    book.table(["", "keys", "p50 ms", "p95 ms", "first p50 ms", "blank"], rows)
    book.goal("key to next picture, p95", slowest * 1000, 20, "ms")
    book.goal("key to next picture, 24 megapixels, times that of 1", medians[1] / medians[0], 1.3)


def labelled(
    world: World, screen: Desktop, rounds: int, program_path: str = "hotdog.py"
) -> tuple[list[float], list[float], int]:
    """Label rounds in the window; return the seconds to each first and each next picture, and how many stayed blank."""
    empty = screen.look()
    firsts: list[float] = []
    nexts: list[float] = []
    blank = 0
    while len(firsts) < rounds and blank < 3:
        program = world.start(program_path, "--display", "window", env={"DISPLAY": screen.display})
        assert program.stdin and program.stdout
        for line in program.stdout:
            if "quit" in line:
                break
        time.sleep(3)  # for what begins behind the menu to be done
        try:
            while len(firsts) < rounds:
                started = time.monotonic()
                program.stdin.write("2\n")
                program.stdin.flush()
                answer_four(screen, empty, started, firsts, nexts)
                time.sleep(0.5)  # for the labels to be safe, and the menu
        except Blank:
            blank += 1
        program.kill()
        until(lambda: screen.look() == empty)
    return firsts, nexts, blank


def answer_four(screen: Desktop, empty: bytes, started: float, firsts: list[float], nexts: list[float]) -> None:
    """Look at four pictures and answer each; note how long the first took, and each next one after its key."""
    came, shown = screen.next(empty, LONGEST_FIRST_S)
    first, times = came - started, []
    for _ in range(3):
        time.sleep(SEEN)
        pressed = screen.press("1")
        came, shown = screen.next(shown)
        times.append(came - pressed)
    while screen.look() != empty:  # a key that comes too soon on a busy machine is none
        time.sleep(SEEN)
        screen.press("0")
    firsts.append(first)
    nexts += times


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


def part(seconds: Sequence[float], share: float) -> float:
    """Return the seconds that this share of them do not exceed; nan where there are none."""
    return sorted(seconds)[round(share * (len(seconds) - 1))] if seconds else float("nan")


def ms(seconds: Sequence[float], share: float) -> str:
    return f"{1000 * part(seconds, share):,.1f}"

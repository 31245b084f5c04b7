"""What the labeller costs: `python -m bench.labeller [keys rounds decode writes upload]` prints Markdown tables."""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from conftest import World, start_emulator, until  # noqa: E402 - found through the lines above
from proxy import Call, Proxy  # noqa: E402

from lab2 import decoder, local  # noqa: E402
from lab2.keeper import Keeper  # noqa: E402
from lab2.labels import HEADER, Clock, Label  # noqa: E402
from lab2.settings import IMAGES, LABELS, Cloud  # noqa: E402

TRIP = 0.1  # seconds to S3 and back
SETUP = 2  # round trips before the first call on a new connection: TCP and TLS 1.3
PACKET = 65_536  # bytes of one call on a shared line before it is another's turn
SEEN = 0.4  # seconds that a picture is looked at before its key
ENVIRONMENT = threading.Lock()  # held by who changes it
SCRIPT = ROOT / "bench" / "script_everybody_writes.py"

Reply = tuple[int, dict[str, str], bytes]


# ---- the places it is measured in -------------------------------------------------------------


@dataclass
class Far(Proxy):
    """AWS at a distance: a call takes `trip` seconds and its bytes at `rate` a second; `images` that don't exist."""

    trip: float = TRIP
    rate: float = float("inf")
    shared: bool = False  # whether all connections share this rate
    images: int = 0  # more than none: so many images are listed, and each is `picture`
    picture: bytes = b""
    connections: int = 0
    received: int = 0
    order: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._line, self._free = threading.Lock(), 0.0
        finish = self._server.finish_request

        def connect(request: Any, address: Any) -> None:
            self.connections += 1
            time.sleep(SETUP * self.trip)
            finish(request, address)

        self._server.finish_request = connect  # type: ignore[method-assign]
        self.names = sorted(f"{random.getrandbits(48):012x}-photo.jpg" for _ in range(self.images))

    def reset(self) -> None:
        self.calls.clear()
        self.sent.clear()
        self.order.clear()
        self.connections = self.received = 0

    def _forward(self, call: Call) -> Reply:
        self.order.append(call.operation)
        time.sleep(self.trip)
        self._send(len(call.body))
        reply = (self._imagined(call) if self.images else None) or super()._forward(call)
        self.received += len(reply[2])
        time.sleep(len(reply[2]) / self.rate)
        return reply

    def _send(self, size: int) -> None:
        """Return when so many bytes are through the line; on a shared one, packets of all calls take turns."""
        if not self.shared:
            return time.sleep(size / self.rate)
        for at in range(0, size, PACKET):
            with self._line:
                self._free = max(self._free, time.monotonic()) + min(PACKET, size - at) / self.rate
                through = self._free
            time.sleep(max(0.0, through - time.monotonic()))
        return None

    def _imagined(self, call: Call) -> Reply | None:
        query = parse_qs(urlsplit(call.path).query)
        if call.operation == "GetObject" and f"/{IMAGES}" in call.path:
            return 200, {"ETag": '"0"', "Content-Type": "image/jpeg"}, self.picture
        if call.operation != "ListObjectsV2" or query["prefix"] != [IMAGES]:
            return None
        after = query.get("start-after", [""])[0].removeprefix(IMAGES)
        first = bisect_right(self.names, after)
        end = first + int(query["max-keys"][0])
        size = f"<Size>{len(self.picture)}</Size>"
        entries = "".join(f"<Contents><Key>{IMAGES}{name}</Key>{size}</Contents>" for name in self.names[first:end])
        more = str(end < len(self.names)).lower()
        text = f"<ListBucketResult><IsTruncated>{more}</IsTruncated>{entries}</ListBucketResult>"
        return 200, {"Content-Type": "application/xml"}, text.encode()


@contextmanager
def account(url: str, home: Path) -> Iterator[World]:
    """A new account on the emulator, with aws.yaml deployed; what was started in it is killed at the end."""
    folder = Path(tempfile.mkdtemp(dir=home))
    environment = {
        "AWS_ENDPOINT_URL": url, "AWS_REGION": local.REGION, "AWS_DEFAULT_REGION": local.REGION,
        "AWS_ACCESS_KEY_ID": f"{random.randrange(1, 10**12):012}", "AWS_SECRET_ACCESS_KEY": "bench",
        "HOME": str(folder), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    with ENVIRONMENT, patch.dict(os.environ, environment):
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "LAB2_BUCKET"):
            os.environ.pop(name, None)
        local.deploy((ROOT / "aws.yaml").read_text())
        world = World(dict(os.environ), folder)
        world.cloud = connected()
    try:
        yield world
    finally:
        for process in world.processes:
            process.kill()
            process.communicate()


def connected(connections: int = 10) -> Cloud:
    """Return the cloud of the environment as it is now."""
    cloud = Cloud(connections=connections)
    assert cloud.bucket and cloud.s3
    return cloud


@contextmanager
def far(world: World, **settings: Any) -> Iterator[Far]:
    """Context in which AWS is far away from the programs of this world."""
    proxy = Far(world.env["AWS_ENDPOINT_URL"], **settings)
    try:
        with patch.dict(world.env, AWS_ENDPOINT_URL=proxy.url):
            yield proxy
    finally:
        proxy.close()


class Blank(Exception):
    """No picture came: the window has been opened and stays blank."""


@dataclass
class Desktop:
    """A screen of its own, looked at through its frame buffer, with keys that are pressed through XTEST."""

    display: str
    pixels: mmap.mmap

    def __post_init__(self) -> None:
        head = struct.unpack(">25I", self.pixels[:100])
        self._start, self._stride = head[0] + 12 * head[19], head[12]
        self._x11, self._xtest = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
        self._x11.XOpenDisplay.restype = ctypes.c_void_p
        self._connection = ctypes.c_void_p(self._x11.XOpenDisplay(self.display.encode()))

    def press(self, key: str) -> float:
        """Press and release a key; return when it went down."""
        code = self._x11.XKeysymToKeycode(self._connection, ctypes.c_ulong(ord(key)))
        now = time.monotonic()
        for down in (1, 0):
            self._xtest.XTestFakeKeyEvent(self._connection, code, down, ctypes.c_ulong(0))
        self._x11.XFlush(self._connection)
        return now

    def look(self) -> bytes:
        """Return some rows of where the picture is."""
        rows = (self._start + y * self._stride for y in range(120, 660, 45))
        return b"".join(self.pixels[row + 4 * 120 : row + 4 * 960] for row in rows)

    def next(self, shown: bytes, patience: float = 5.0) -> tuple[float, bytes]:
        """Wait for another picture than that shown; return when it was all there, and what it looks like."""
        deadline, changed, now = time.monotonic() + patience, 0.0, shown
        while now == shown or len(set(now)) < 32 or time.monotonic() < changed + 0.05:  # few colours: still empty
            if time.monotonic() > deadline:
                raise Blank
            time.sleep(0.0005)
            if (seen := self.look()) != now:
                now, changed = seen, time.monotonic()
        return changed, now


@contextmanager
def desktop(home: Path) -> Iterator[Desktop]:
    folder = Path(tempfile.mkdtemp(dir=home))
    ours, theirs = os.pipe()
    command = ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1280x900x24", "-fbdir", str(folder), "-nolisten",
               "tcp"]  # fmt: skip
    screen = subprocess.Popen(command, pass_fds=[theirs], stderr=subprocess.DEVNULL)
    os.close(theirs)
    with open(ours) as number:
        display = f":{number.readline().strip()}"
    manager = subprocess.Popen(["openbox"], env=os.environ | {"DISPLAY": display}, stderr=subprocess.DEVNULL)
    try:
        with open(folder / "Xvfb_screen0", "rb") as file:
            time.sleep(1)  # for openbox to manage what comes
            yield Desktop(display, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    finally:
        for process in (manager, screen):
            process.terminate()
            process.wait(10)


# ---- keys -------------------------------------------------------------------------------------


def keys(url: str, home: Path) -> str:
    """From a key to the next picture on the screen, S3 being 100 ms away."""
    small, large = [photo(i, 1200, 800) for i in range(8)], [photo(i, 6000, 4000) for i in range(5)]
    lines = []
    with desktop(home) as screen:
        for what, photos, rounds in (("1-megapixel", small, 21), ("24-megapixel", large, 5)):
            for who, measure in (("hotdog.py", labelled), ("the script everybody writes", scripted)):
                with account(url, home) as world, far(world):
                    fill(world.cloud, photos)
                    firsts, nexts, blank = measure(world, screen, rounds if measure is labelled else 3)
                    name = f"{who}, {what} JPEGs of {len(photos[0]) / 1e6:.1f} MB"
                    times = (ms(nexts, 0.5), ms(nexts, 0.95), ms(firsts, 0.5))
                    lines.append((name, len(nexts), *times, blank))
    head = ("", "keys", "p50", "p95", "choice to first picture, p50", "windows that stayed blank")
    return table("From a key to the next picture", head, lines)


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
    world.cloud.s3.put_object(Bucket=world.cloud.bucket, Key=LABELS, Body=b"image,label\n")
    empty = screen.look()
    firsts: list[float] = []
    nexts: list[float] = []
    blank = 0
    for _ in range(rounds):
        started = time.monotonic()
        program = world.start(str(SCRIPT), world.cloud.bucket, "4", env={"DISPLAY": screen.display})
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


def rounds(url: str, home: Path) -> str:
    """Calls and round trips from the menu to the first picture, and LISTs in a round."""
    lines = []
    for count in (10, 10_000, 200_000):
        with account(url, home) as world, far(world, images=count, picture=photo(0, 600, 400)) as proxy:
            program = world.start("hotdog.py")
            assert program.stdin
            time.sleep(3)
            behind = ", ".join(proxy.order)
            for turn in ("first", "second"):
                proxy.reset()
                started = time.monotonic()
                program.stdin.write("2\n")
                program.stdin.flush()
                listen(program, "Picture 1 of 4")
                took = time.monotonic() - started
                lines.append((f"{count:,}", turn, behind, f"{took / TRIP:.1f}", sequence(proxy.order),
                              proxy.calls["ListObjectsV2"]))  # fmt: skip
                program.stdin.write("1\n" * 4)
                program.stdin.flush()
                listen(program, "safe in S3")
                time.sleep(0.3)
    head = ("images", "round", "calls behind the menu", "round trips to first picture", "calls in the round by then",
            "LISTs")  # fmt: skip
    return table("Rounds (LIST and GET of images answered by a stand-in)", head, lines)


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


def decode(url: str, home: Path) -> str:
    """Seconds to decode a JPEG to the size of the window."""
    lines = []
    box = 960, 640
    for what, width, height in (("1-megapixel", 1200, 833), ("24-megapixel", 6000, 4000)):
        data = photo(1, width, height)
        reduced = [timed(lambda: decoder.decode(data, *box)) for _ in range(7)]  # noqa: B023
        with patch.object(decoder, "_jpeg_flags", lambda *_: cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION):
            whole = [timed(lambda: decoder.decode(data, *box)) for _ in range(5)]  # noqa: B023
        lines.append((f"{what} JPEG of {len(data) / 1e6:.1f} MB", ms(reduced, 0.5), ms(whole, 0.5)))
    return table("Decoding to the size of the window", ("", "reduced, as hotdog.py does", "whole"), lines)


# ---- writes -----------------------------------------------------------------------------------


def writes(url: str, home: Path) -> str:
    """Calls and bytes that a label costs, by the length of the file and the number of people."""
    slow = 10e6 / 8  # bytes a second
    alone = [(rows, 1, 0.5, float("inf")) for rows in (100, 10_000, 200_000)]
    alone += [
        (size // len(row(0)), 1, 1.0, slow) for size in (10**5, 5 * 10**5, 10**6, 25 * 10**5, 5 * 10**6, 6 * 10**6)
    ]
    together = [(rows, 16, 1.0, float("inf")) for rows in (100, 10_000, 200_000)]
    together += [(10**6 // len(row(0)), 16, 1.0, slow)]
    with ThreadPoolExecutor(len(alone)) as threads:
        costs = dict(zip(alone, threads.map(lambda case: saving(url, home, *case), alone), strict=True))
    with ThreadPoolExecutor(2) as threads:
        costs |= zip(together, threads.map(lambda case: saving(url, home, *case), together), strict=True)
    lines = []
    for case in sorted(costs, key=lambda case: (-case[3], case[0], case[1])):
        rows, people, pace, rate = case
        cost = costs[case]
        lines.append(("10 Mbit/s" if rate == slow else "any", f"{rows:,}", f"{cost.size / 1e6:.2f} MB", people,
                      f"{pace} s", cost.labels, f"{cost.calls:.2f}", f"{cost.sent:,.0f}", f"{cost.received:,.0f}",
                      cost.most, f"{cost.keep * 1e3:.1f} ms", f"{cost.last:.1f} s"))  # fmt: skip
    head = ("line", "rows", "size", "people", "each labels every", "labels", "calls a label", "bytes sent a label",
            "bytes received a label", "most waiting, of one person", "the labeller waits, p95",
            "all safe after the last")  # fmt: skip
    return table("Writing labels, S3 100 ms away", head, lines)


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
        world.cloud.s3.put_object(Bucket=world.cloud.bucket, Key=LABELS, Body=body)
        with ENVIRONMENT, patch.dict(os.environ, world.env):
            cloud = connected(2 * people)
        keepers = [Keeper(cloud, world.home / str(number), print) for number in range(people)]
        keeps: list[float] = []
        waiting, last = [0], [0.0]

        def work(number: int) -> None:
            keeper, clock = keepers[number], Clock()
            ready.wait()
            time.sleep(random.uniform(0, pace))
            for at in range(labels):
                label = Label(f"{at:012x}-{number}.jpg", "1", f"person {number}", clock.stamp(), "0.50")
                keeps.append(timed(lambda: keeper.keep(label)))  # noqa: B023 - it is called here and now
                time.sleep(pace)
                waiting.append(keeper.waiting)
            ended = time.monotonic()
            until(lambda: not keeper.waiting, 120)
            last.append(time.monotonic() - ended)

        for keeper in keepers:
            keeper._file.catch_up()  # what the first label of each does besides
        ready = threading.Barrier(people, action=proxy.reset)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(people)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for keeper in keepers:
            keeper.close()
        count = people * labels
        found = world.cloud.s3.get_object(Bucket=world.cloud.bucket, Key=LABELS)["Body"].read()
        assert found.count(b"\n") == 1 + rows + count, "a label is lost, or twice"
        calls, sent = sum(proxy.calls.values()), sum(proxy.sent.values())
        keeps.sort()
        return Cost(len(body), count, calls / count, sent / count, proxy.received / count, max(waiting),
                    keeps[95 * len(keeps) // 100], max(last))  # fmt: skip


def row(number: int) -> bytes:
    return b"%012x-IMG_%04d.jpg,%d,annotator,2026-11-23T00:00:00.000Z,0.85\n" % (number, number % 9999, number % 2)


# ---- upload -----------------------------------------------------------------------------------


def upload(url: str, home: Path) -> str:
    """A folder of photos, beside `aws s3 cp --recursive`."""
    folder = home / "photos"
    folder.mkdir()
    count = 60
    for number in range(count):
        (folder / f"IMG_{number:04}.jpg").write_bytes(photo(number, 4000, 3000, 92))
    size = sum(path.stat().st_size for path in folder.iterdir())
    aws = aws_cli(home)
    lines = []
    for what, settings in (("on this machine", None), ("100 ms away, 100 Mbit/s", {"rate": 100e6 / 8, "shared": True})):
        for who in 2 * ("hotdog.py upload", "aws s3 cp --recursive"):
            with account(url, home) as world, ExitStack() as stack:
                if settings:
                    stack.enter_context(far(world, **settings))
                command = (
                    [sys.executable, str(ROOT / "hotdog.py"), "upload", str(folder)]
                    if who.startswith("hotdog")
                    else [aws, "s3", "cp", "--recursive", "--quiet", str(folder), f"s3://{world.cloud.bucket}/u/"]
                )
                wall, cpu = run(command, world.env)
                lines.append((what, who, f"{wall:.1f} s", f"{cpu:.1f} s", f"{size / 1e6 / wall:.0f} MB/s"))
                for key in world.objects(""):  # the emulator keeps them in memory
                    world.cloud.s3.delete_object(Bucket=world.cloud.bucket, Key=key)
    title = f"Upload of {count} photos, {size / 1e6:.0f} MB, twice"
    return table(title, ("S3", "", "wall", "CPU", "throughput"), lines)


def aws_cli(home: Path) -> str:
    """Return an AWS CLI: the one of this machine, or else one that is installed for now."""
    if found := shutil.which("aws"):
        return found
    subprocess.run([sys.executable, "-m", "venv", str(home / "aws")], check=True)
    subprocess.run([str(home / "aws/bin/pip"), "install", "--quiet", "awscli"], check=True, stderr=subprocess.DEVNULL)
    return str(home / "aws/bin/aws")


def run(command: Sequence[str], env: dict[str, str]) -> tuple[float, float]:
    """Run a program; return its seconds and those of CPU time, its children's too."""
    started = time.monotonic()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.monotonic() - started, used.ru_utime + used.ru_stime


# ---- parts ------------------------------------------------------------------------------------


def photo(number: int, width: int, height: int, quality: int = 85) -> bytes:
    """Return a JPEG that takes about as many bytes as a photo of this size, another for each number."""
    chance = np.random.default_rng(number)
    shapes = cv2.resize(chance.integers(0, 256, (13, 20, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    grain = cv2.resize(chance.integers(0, 40, (height // 2, width // 2, 1), np.uint8), (width, height))
    return cv2.imencode(".jpg", cv2.add(shapes, cv2.merge([grain] * 3)), [cv2.IMWRITE_JPEG_QUALITY, quality])[
        1
    ].tobytes()


def fill(cloud: Cloud, photos: Sequence[bytes]) -> None:
    for number, data in enumerate(photos):
        cloud.s3.put_object(Bucket=cloud.bucket, Key=f"{IMAGES}{number:012x}-photo.jpg", Body=data)


def timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def ms(seconds: Sequence[float], share: float) -> str:
    if not seconds:
        return "-"
    return f"{1000 * sorted(seconds)[round(share * (len(seconds) - 1))]:,.1f} ms"


def table(title: str, head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return f"### {title}\n\n" + "".join(f"| {' | '.join(map(str, cells))} |\n" for cells in rows) + "\n"


SECTIONS = {"keys": keys, "rounds": rounds, "decode": decode, "writes": writes, "upload": upload}


def tables(names: Sequence[str] = tuple(SECTIONS)) -> str:
    """Return the tables of the sections, in Markdown."""
    sys.setswitchinterval(0.0005)  # the proxy must not keep the clock waiting
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        emulator, url = start_emulator(Path(folder))
        try:
            return "".join(SECTIONS[name](url, Path(folder)) for name in names)
        finally:
            emulator.terminate()
            emulator.wait(10)


if __name__ == "__main__":
    print(tables(sys.argv[1:] or tuple(SECTIONS)))

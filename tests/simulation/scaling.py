"""What limits the log as servers are added: RequestLog on the simulated S3, by a virtual clock.

Each server is a greenlet that does with its requests what `Server` does: log what waits in one write, pause, again. A
call to S3 takes a tenth of a second on average and 3,500 PUTs a second are accepted, as AWS documents it; SQS gives as
fast as a server takes. So what is seen is the contention for the log, and nothing of this machine.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import greenlet
from botocore.exceptions import ClientError
from simulation.fakes import S3, Bucket

from lab2.aws.pricing import price
from lab2.aws.s3.whole_objects import WholeObjects
from lab2.stats.server.log import request_log, segments
from lab2.stats.server.log.request_log import RequestLog
from lab2.stats.server.log.row import Closing, LoggedRow, LogRow, decode_line
from lab2.stats.server.log.segments import Segment
from lab2.stats.server.pacing import MAX_HELD

NOON = 1_795_521_600.0
CALL = 0.1  # seconds, of which FLOOR always and the rest by chance
FLOOR = 0.06
PUTS_A_SECOND = 3_500  # that a prefix takes
ROW = 336  # bytes
SCALE = 16  # a row is so much smaller here, and so is a segment: copying bytes is what takes this machine's time
OPERATIONS = {"put": "PutObject", "get": "GetObject", "list": "ListObjectsV2"}


class Clock:
    """Virtual time. `step`, `sleep` and `monotonic` are what the code under test waits by and looks at."""

    calm, actor = True, None  # what else the S3 of tests/simulation asks its world

    def __init__(self, seed: int) -> None:
        self.now, self.chance = NOON, random.Random(seed)
        random.seed(seed)  # for the backoff of the real classes
        self._due: list[tuple[float, int, Any]] = []
        self._number = 0
        self._hub = greenlet.getcurrent()
        self.beside = False  # whether the calls that follow are made beside one that took its time already

    def start(self, work: Callable[[], None], at: float) -> None:
        self._wake(greenlet.greenlet(work, self._hub), at)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, sleeper = heapq.heappop(self._due)
            sleeper.switch()
        self.now = end

    def sleep(self, seconds: float) -> None:
        self._wake(greenlet.getcurrent(), self.now + seconds)
        self._hub.switch()

    def step(self, *_: object) -> None:
        """Half of a call."""
        if not self.beside:
            self.sleep(FLOOR / 2 + self.chance.expovariate(2 / (CALL - FLOOR)))

    def monotonic(self) -> float:
        return self.now

    def note(self, *_: object) -> None: ...

    def _wake(self, sleeper: Any, at: float) -> None:
        self._number += 1
        heapq.heappush(self._due, (at, self._number, sleeper))

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """ThreadPoolExecutor(8).map: of eight calls at once the first takes time, and the others none."""
        for number, item in enumerate(items):
            self.beside = number % 8 > 0
            result = work(item)
            self.beside = False
            yield result


class CountingS3(S3):
    """Counts the calls and the conflicts; says SlowDown to more PUTs than a prefix takes."""

    def __init__(self, clock: Clock, bucket: Bucket) -> None:
        super().__init__(clock, bucket, faults=0.0)  # type: ignore[arg-type]
        self.calls: Counter[str] = Counter()
        self.puts: deque[float] = deque()  # when those of the last second came
        self.conflicts_met = 0

    def call(self, operation: str, effect: Callable[[], Any], conditional: bool = False) -> Any:
        self.calls[operation] += 1
        while operation == "put" and self._too_many():  # SlowDown, after which boto3 tries again
            self.calls[operation] += 1
            self.world.sleep(self.world.chance.random())  # type: ignore[attr-defined]
        try:
            return super().call(operation, effect, conditional)
        except ClientError as refused:
            self.conflicts_met += refused.response["Error"]["Code"] == "PreconditionFailed"
            raise

    def _too_many(self) -> bool:
        while self.puts and self.puts[0] <= self.world.now - 1:
            self.puts.popleft()
        if len(self.puts) >= PUTS_A_SECOND:
            return True
        self.puts.append(self.world.now)
        return False


class Index:
    """A LogIndex in memory, which is faster, for a log on which no request comes twice."""

    def add(self, segment: Segment, ids: Sequence[str]) -> None: ...

    def find(self, ids: Iterable[str], since: float) -> dict[Segment, list[str]]:
        return {}

    def forget_idle(self, open_day: str) -> None:
        return None


class Row(LogRow):
    """A row `id padding`, which is faster to decode; without the seal of the segment before."""

    def line(self, run: str, number: int) -> bytes:
        return self.head + b"\n"


def decode(line: bytes) -> LoggedRow | Closing | None:
    return decode_line(line) or (LoggedRow(line.partition(b" ")[0].decode(), "", "", 0) if line else None)


def decode_lines(body: bytes) -> Iterator[LoggedRow | Closing]:
    yield from filter(None, map(decode, body.split(b"\n")))


@dataclass(frozen=True)
class Load:
    """What each server is offered: `rate` requests a second, `batch` in a receive; whether its queue is `deep`.

    `sqs` is the calls of a request to receive, answer and delete it.
    """

    name: str
    rate: float
    batch: int
    deep: bool
    sqs: float


LOADED = Load("loaded", 700, 10, deep=True, sqs=0.3)  # as much as a server does that is 100 ms away
LIGHT = Load("light", 10, 1, deep=False, sqs=1.2)  # received one by one, answered and deleted by tens


@dataclass
class Figures:
    """What was seen of so many servers, once they had found their pace."""

    seconds: float
    logged: int = 0  # requests
    segments: int = 0
    conflicts: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    waits: list[tuple[float, int]] = field(default_factory=list)  # seconds until logged, and how many took so long

    @property
    def calls_a_request(self) -> float:
        """Return the calls to S3."""
        return sum(self.calls.values()) / self.logged

    @property
    def dollars(self) -> float:
        """Return what the calls to S3 of a million requests cost."""
        return sum(price("s3", OPERATIONS[name]) * made for name, made in self.calls.items()) / self.logged

    def wait(self, share: float) -> float:
        """Return the seconds within which a share of the requests was logged."""
        left = share * sum(requests for _, requests in self.waits)
        for seconds, requests in sorted(self.waits):
            left -= requests
            if left <= 0:
                return seconds
        raise ValueError("nothing was logged")


class LoggingServer:
    """The log's part of a server: requests come, wait, and are logged together."""

    def __init__(self, name: str, clock: Clock, log: RequestLog, load: Load, figures: Figures) -> None:
        self.name, self.clock, self.log, self.load, self.figures = name, clock, log, load, figures
        self.waiting: list[float] = []  # when each receive came
        self.held = 0
        self.next = clock.now + self._pause()

    def run(self) -> None:
        for number in count():
            while not self._receive():
                self.clock.sleep(self.next - self.clock.now)
            came, self.waiting = self.waiting, []
            requests = len(came) * self.load.batch
            # One row stands for all of these requests.
            id = f"{self.name}-{number}"
            row = Row(id, "", f"{id} ".encode().ljust(requests * ROW // SCALE, b"."))
            self.log.append([row], since=self.clock.now)
            self._receive()
            self.held -= requests
            self.figures.logged += requests
            self.figures.waits += [(self.clock.now - at, self.load.batch) for at in came]
            self.clock.sleep(max(self.log.turn, self.log.gather if self.load.deep else 0.0))

    def _receive(self) -> bool:
        """Receive what has come by now, as far as back-pressure lets it; tell whether any request waits."""
        while self.next <= self.clock.now:
            if self.held >= MAX_HELD:
                self.next = self.clock.now
                break
            self.waiting.append(self.next)
            self.held += self.load.batch
            self.next += self._pause()
        return bool(self.waiting)

    def _pause(self) -> float:
        return self.clock.chance.expovariate(self.load.rate / self.load.batch)


@contextmanager
def virtual(clock: Clock) -> Iterator[None]:
    """The log with the virtual clock, and smaller by SCALE."""
    pool = SimpleNamespace(map=clock.map)
    with (
        patch.object(segments, "ThreadPoolExecutor", lambda _: nullcontext(pool)),
        patch.multiple(
            request_log,
            time=clock,
            LogIndex=Index,
            decode_line=decode,
            decode_lines=decode_lines,
            link=lambda line, _: line,
            SEALED_BYTES=request_log.SEALED_BYTES // SCALE,
            MAX_WRITE_BYTES=request_log.MAX_WRITE_BYTES // SCALE,
        ),
        patch("lab2.aws.s3.append_object.time", clock),
    ):
        yield


def simulate(servers: int, load: Load, seconds: float = 120.0, warm_up: float = 120.0, seed: int = 1) -> Figures:
    """Return what is seen in so many seconds of servers under a load, after they found their pace."""
    clock, bucket, figures = Clock(seed), Bucket(), Figures(seconds)
    s3 = CountingS3(clock, bucket)

    def serve(name: str) -> None:
        LoggingServer(name, clock, RequestLog(WholeObjects(s3, "bucket"), lambda: clock.now), load, figures).run()

    with virtual(clock):
        for number in range(servers):
            clock.start(lambda name=f"{number}": serve(name), NOON + clock.chance.random())
        clock.run(warm_up)
        before = len(bucket.objects)
        s3.calls.clear()
        s3.conflicts_met = figures.logged = 0
        figures.waits.clear()
        clock.run(seconds)
    figures.calls, figures.conflicts, figures.segments = s3.calls, s3.conflicts_met, len(bucket.objects) - before
    ids = [row.partition(b" ")[0] for stored in bucket.objects.values() for row in stored.body.splitlines()]
    assert len(ids) == len(set(ids)), "a request is logged twice"
    return figures

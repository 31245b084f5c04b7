"""Servers in a simulated world: the real Server with its order of effects, RequestLog, LogIndex, AppendObject.

Requests are sent once or again under one id, minutes to two days later, around midnight; clocks of servers and senders
are wrong; ids say their time, their date, or nothing, or there is none. What must hold: every id is logged once,
every request is answered, each time with what is logged; days follow one another as their closing rows say, with
nothing behind such a row; and the rows of each run of a server are numbered without a gap.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

from botocore.exceptions import BotoCoreError, ClientError
from simulation.fakes import S3, SQS, Bucket, Queues
from simulation.schedule import SKEW, World

from lab2.aws.resources import ANSWER_QUEUE, LOG_PREFIX, REQUEST_QUEUE
from lab2.aws.s3.whole_objects import WholeObjects
from lab2.aws.sqs.message_queue import Message, Outgoing, Queue
from lab2.stats.server.log.row import is_closing
from lab2.stats.server.log.window import WINDOW_S
from lab2.stats.server.service import Server

T = TypeVar("T")

SEALED_BYTES = 500  # instead of 16 KiB
PAGE_KEYS, PROBE_KEYS, STEP = 4, 2, 3  # instead of 1,000, 10 and 8


class Requests:
    """One schedule."""

    def __init__(self, seed: int) -> None:
        self.world, self.bucket = World(seed), Bucket()
        chance = self.chance = self.world.chance
        self.queues: Queues = {REQUEST_QUEUE: {}, ANSWER_QUEUE: {}}
        self.faults = chance.choice((0.0, 0.1, 0.25, 0.5))
        self.sent: dict[str, str] = {}  # id of every message, by its MessageId
        self.unsent = chance.randint(3, 12)
        self.ids: dict[str, float] = {}  # when an id was made, or first sent
        self.sender = SQS(self.world, self.queues, 0.0)
        self.skews: dict[str, float] = defaultdict(lambda: chance.uniform(-SKEW, SKEW))  # of the servers' clocks

    def clock(self) -> float:
        """Return what the clock of the machine shows whose turn it is."""
        actor = self.world.actor
        return self.world.now + (self.skews[actor.name.partition(".")[0]] if actor else 0.0)

    def server(self, faults: float) -> Server:
        s3, sqs = S3(self.world, self.bucket, faults), SQS(self.world, self.queues, faults)
        aws: Any = SimpleNamespace(
            s3=s3,
            sqs=sqs,
            bucket="bucket",
            store_is_aws=True,
            whole_objects=WholeObjects(s3, "bucket"),
            check_bucket=lambda _: None,
            queue_url=str,
            queue_at=lambda url: Queue(sqs, url),
            event_loop_queue=lambda url: AtOnce(Queue(sqs, url)),
        )
        while True:
            with suppress(ClientError, BotoCoreError):
                server = Server(aws, self.clock)
                break
        return server

    def run(self) -> list[str]:
        """Run the schedule; return what does not hold."""
        world, chance = self.world, self.chance
        for _ in range(2):
            self.send()
        for number in range(chance.randint(2, 3)):
            self.start(f"server {number}.0")
        deaths = chance.choice((0.0, 0.01, 0.05))
        world.run(deaths, [self.send, self.send, self.pass_time], self.start_again)
        while self.unsent:  # and some to servers that are started later
            self.send()
            self.pass_time()
        world.run(0.0, [self.pass_time], lambda _: None)
        self.serve(0.0, rounds=0)
        world.settle()
        world.now += 3_600.0
        self.serve(0.0, rounds=0)
        return self.violations()

    def start(self, name: str) -> None:
        self.world.start(name, lambda: self.serve(self.faults, rounds=self.chance.randint(2, 12)))

    def start_again(self, name: str) -> None:
        program, _, life = name.rpartition(".")
        if int(life) < 4:
            self.start(f"{program}.{int(life) + 1}")

    def pass_time(self) -> None:
        self.world.now += self.chance.choice((1.0, 61.0, 61.0, 1_000.0, 20_000.0, 90_000.0))

    def serve(self, faults: float, rounds: int) -> None:
        """What a server does: receives, and takes each step with all that waits for it; 0 rounds: until all is done."""
        server = self.server(faults)
        workers: list[Waiting] = [server.stages.log, server.stages.answer, server._delete]  # type: ignore[list-item]
        turn = 0
        while turn < rounds if rounds else self.queues[REQUEST_QUEUE] or any(worker.items for worker in workers):
            turn += 1
            if not rounds:
                self.world.now += 61.0
            with suppress(ClientError, BotoCoreError):
                finish(server._receive(False))
            for worker in workers:
                worker.turn(self.chance.random() < 0.9)
        for worker in workers * 3:
            worker.turn(True)

    def send(self) -> None:
        """Send a request, perhaps again under an id that was used before, perhaps with other numbers."""
        chance, world = self.chance, self.world
        if not self.unsent:
            return
        self.unsent -= 1
        made = world.now + chance.uniform(-SKEW, SKEW)  # by the sender's clock
        number = len(self.ids)
        stamp = datetime.fromtimestamp(made, timezone.utc)
        id = chance.choice((f"{stamp:%Y-%m-%dT%H:%M:%SZ}-{number}", f"{stamp:%Y-%m-%d}-{number}", f"id {number}", ""))
        again = [id for id, first in self.ids.items() if world.now - first < WINDOW_S]
        if again and chance.random() < 0.6:
            id = chance.choice(again)
        elif id:
            self.ids[id] = world.now
        before = set(self.queues[REQUEST_QUEUE])
        self.sender.put(REQUEST_QUEUE, f"[{chance.randint(1, 3)}]", {"id": id} if id else {})
        (message,) = self.queues[REQUEST_QUEUE].keys() - before
        self.sent[message] = id or message
        world.note("sent", id or message, message)

    def violations(self) -> list[str]:
        found = [f"not answered: {id}" for message, id in self.sent.items() if message in self.queues[REQUEST_QUEUE]]
        logged: dict[str, list[Any]] = defaultdict(list)
        runs: dict[str, list[int]] = defaultdict(list)
        for key, stored in self.bucket.objects.items():
            if key.startswith(LOG_PREFIX):
                for row in map(json.loads, stored.body.splitlines()):
                    if not is_closing(row):
                        logged[row["id"]].append(row["answer"])
                        runs[row["run"]].append(row["row"])
        answers: dict[str, set[str]] = defaultdict(set)
        for answer in self.queues[ANSWER_QUEUE].values():
            answers[json.loads(answer.body)["id"]].add(answer.body)
        for id in sorted(set(self.sent.values())):
            if len(logged[id]) != 1:
                found.append(f"logged {len(logged[id])} times: {id}")
            elif answers[id] != {json.dumps(logged[id][0])}:
                found.append(f"answered {answers[id]}, logged {logged[id][0]}")
        found += [
            f"rows of run {run}: {rows}" for run, rows in runs.items() if sorted(rows) != [*range(1, len(rows) + 1)]
        ]
        found += self.forks()
        for message, count in Counter(logged).items():
            if message not in self.sent.values():
                found.append(f"logged and never sent: {message} {count}")
        return found

    def forks(self) -> list[str]:
        """Return what is wrong with the chain of the days: each is closed once, at its end, for the next one."""
        rows: dict[str, list[Any]] = defaultdict(list)
        for key, stored in sorted(self.bucket.objects.items()):
            rows[key.split("/")[1]] += map(json.loads, stored.body.splitlines())
        starts = rows.pop("start.jsonl", [])
        days = sorted(rows)
        next_day = starts[0]["next"] if starts else days[0]
        found = []
        for day in days:
            closings = [row for row in rows[day] if is_closing(row)]
            if day != next_day or closings != rows[day][-1:] * (day != days[-1]):
                found.append(f"{day} follows {next_day}, closed by {closings}")
            next_day = closings[0]["next"] if closings else ""
        return found


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never waits for its event loop: each call here gives way by itself."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


class AtOnce:
    """An EventLoopQueue's place: the calls of a queue, as coroutines."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    async def receive(self, wait: int, visibility: int) -> list[Message]:
        return self.queue.receive(wait, visibility)

    async def send(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        return self.queue.send(messages)

    async def delete(self, messages: Sequence[Message]) -> list[Message]:
        return self.queue.delete(messages)


async def at_once(work: Callable[[], T]) -> T:
    return work()


async def step(*_: object) -> bool:
    current[0].world.step()
    return False


class Waiting:
    """A Stage's place: items wait until the schedule gives it a turn; what fails is tried again."""

    def __init__(
        self, _: object, work: Callable[[list[Any]], Coroutine[Any, Any, Any]], *__: object, size: int, **___: object
    ) -> None:
        self.work, self.size, self.items = work, size, []  # type: ignore[var-annotated]
        self.outages = SimpleNamespace(tries=0)

    def put(self, items: Iterable[Any]) -> None:
        self.items += items

    def turn(self, due: bool) -> None:
        if not due or not self.items:
            return
        batch, self.items = self.items[: self.size], self.items[self.size :]
        again = batch
        with suppress(ClientError, BotoCoreError):
            again = finish(self.work(batch))
        self.items = [*again, *self.items]


class InTurn:
    """A ThreadPoolExecutor's place."""

    def __init__(self, _: int) -> None: ...

    def __enter__(self) -> InTurn:
        return self

    def __exit__(self, *_: object) -> None: ...

    map = staticmethod(map)


class Clock(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.fromtimestamp(current[0].world.now, tz)


class ServerTime:
    """The module `time` for the log of a server."""

    monotonic = staticmethod(lambda: current[0].world.now)

    @staticmethod
    def sleep(_: float) -> None:
        current[0].world.step()


current: list[Requests] = []


@contextmanager
def simulated() -> Iterator[None]:
    """Small segments, no threads, and the clock of the world."""
    with ExitStack() as patches:
        for target, value in {
            "lab2.stats.server.log.request_log.SEALED_BYTES": SEALED_BYTES,
            "lab2.stats.server.log.request_log.time": ServerTime,
            "lab2.stats.server.log.index.time": ServerTime,
            "lab2.stats.server.log.segments.PAGE_KEYS": PAGE_KEYS,
            "lab2.stats.server.log.segments.PROBE_KEYS": PROBE_KEYS,
            "lab2.stats.server.log.segments.STEP": STEP,
            "lab2.stats.server.log.segments.ThreadPoolExecutor": InTurn,
            "lab2.stats.server.service.Stage": Waiting,
            "lab2.stats.server.pacing.wait": step,
            "lab2.stats.server.stages.Stage": Waiting,
            "lab2.stats.server.stages.in_thread": at_once,
            "lab2.stats.server.stages.datetime": Clock,
        }.items():
            patches.enter_context(patch(target, value))
        yield


def simulate(seed: int, folder: Path) -> tuple[list[str], list[str]]:
    """Run the schedule of a seed; return what does not hold, and what happened."""
    schedule = Requests(seed)
    current[:] = [schedule]
    return schedule.run(), schedule.world.trace

"""A stage of the server's event loop: items wait for it, batches of them are worked on, what fails is tried again."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from lab2.aws.retry import OutageReporter, is_outage
from lab2.aws.workers import Outcome
from lab2.errors import TryLater
from lab2.stats.server.pacing import wait

T = TypeVar("T")


class Stage(Generic[T]):
    """Up to `tasks` tasks that each hand up to `size` waiting items of one key to `work`, oldest key first.

    `work` returns the items to be done again. In an outage all of them are, after a pause that grows. Any other error
    is one item's: the batch is halved until that item is alone, and the rest goes on. The item is handed to `reject`.

    Fewer than `unit` items (0: than `size`) wait `linger_s` for more, as does what is over whole units. With one task,
    whatever arrives while it works goes into the next batch together.
    """

    def __init__(
        self,
        outages: OutageReporter,
        work: Callable[[list[T]], Awaitable[Sequence[T]]],
        reject: Callable[[T, BaseException], None],
        *,
        size: int,
        tasks: int = 1,
        linger_s: float = 0.0,
        unit: int = 0,
        key: Callable[[T], Hashable] = lambda item: None,
    ) -> None:
        self.outages = outages
        self.work = work
        self.reject = reject
        self.size = size
        self.tasks = tasks
        self.linger_s = linger_s
        self.unit = unit or size
        self.key = key
        self._waiting: defaultdict[Hashable, deque[T]] = defaultdict(deque)
        self._oldest = 0.0  # when the item that waits longest came, roughly (the loop's seconds)
        self._working: set[asyncio.Task[None]] = set()
        self._lingering: asyncio.TimerHandle | None = None
        self._hurry = False
        self._closed = asyncio.Event()

    def put(self, items: Iterable[T]) -> None:
        """Add items; closed, it takes none."""
        if self._closed.is_set():
            return
        if not self._waiting:
            self._oldest = asyncio.get_running_loop().time()
        for item in items:
            self._waiting[self.key(item)].append(item)
        self._begin()

    async def flush(self) -> None:
        """Work without lingering until nothing is left."""
        self._hurry = True
        self._begin()
        while self._working:
            await asyncio.wait(self._working)
        self._hurry = False

    def close(self) -> None:
        """Drop what waits; what is under way is finished, and tried no more."""
        self._closed.set()
        self._waiting.clear()

    def _begin(self) -> None:
        """Start tasks for what is due."""
        loop = asyncio.get_running_loop()
        while self._waiting and len(self._working) < self.tasks:
            left_s = self._oldest + self.linger_s - loop.time()
            if left_s > 0 and not self._hurry and len(next(iter(self._waiting.values()))) < self.unit:
                if self._lingering:
                    self._lingering.cancel()
                self._lingering = loop.call_later(left_s, self._begin)
                return
            task = loop.create_task(self._process(self._take()))
            self._working.add(task)
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._begin()

    def _take(self) -> list[T]:
        """Return the next batch, of one key."""
        key = next(iter(self._waiting))
        items = self._waiting.pop(key)
        count = min(self.size, len(items))
        over = count % self.unit if self.linger_s and count > self.unit and not self._hurry else 0
        batch = [items.popleft() for _ in range(count - over)]
        if items:
            self._waiting[key] = items  # to the back: every key has its turn
        self._oldest = asyncio.get_running_loop().time()
        return batch

    async def _process(self, batch: list[T]) -> None:
        outcome: Outcome[T] = Outcome()
        started = asyncio.get_running_loop().time()
        await self._attempt(batch, outcome)
        if outcome.error:
            await wait(self._closed, self.outages.record_failure(outcome.error, started))
        elif outcome.halved and not outcome.rejected:
            self.outages.record_recovery(outcome.halved)
        elif outcome.rejected < len(batch):
            self.outages.record_success(started)
        if outcome.again and not self._closed.is_set():
            self._waiting[self.key(outcome.again[0])].extendleft(reversed(outcome.again))

    async def _attempt(self, batch: list[T], outcome: Outcome[T]) -> None:
        """Work on the batch, in halves where one item is at fault."""
        try:
            if again := await self.work(batch):
                outcome.put_off(again, TryLater("AWS rejected part of a batch."))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if is_outage(error):
                outcome.put_off(batch, error)
            elif len(batch) > 1:
                outcome.halved = error
                await self._attempt(batch[: len(batch) // 2], outcome)
                await self._attempt(batch[len(batch) // 2 :], outcome)
            else:
                await self._reject(batch[0], error, outcome)

    async def _reject(self, item: T, error: BaseException, outcome: Outcome[T]) -> None:
        await wait(self._closed, self.outages.record_rejection())
        try:
            self.reject(item, error)
            outcome.rejected += 1
        except Exception as another:
            outcome.put_off([item], another)

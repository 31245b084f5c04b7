"""Work in threads: `BatchWorker` for items in batches, `BackgroundTask` for one result that is needed later.

Both handle failures the same way. An outage is waited for. An item that can't be worked on is set aside, and the others
go on. An error never ends a thread unseen: it goes to the reporter, to `reject`, or to the caller of `get`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lab2.aws.retry import OutageReporter, is_outage
from lab2.errors import TryLater

T = TypeVar("T")


@dataclass(slots=True)
class Outcome(Generic[T]):
    """What became of a batch."""

    again: list[T] = field(default_factory=list)  # items to be done again ...
    error: BaseException | None = None  # ... because of this
    halved: BaseException | None = None  # why it was worked on in halves
    rejected: int = 0  # items that were set aside

    def put_off(self, items: Sequence[T], error: BaseException) -> None:
        self.again += items
        self.error = self.error or error


class BatchWorker(Generic[T]):
    """Up to `threads` threads that each hand up to `size` waiting items to `work`.

    `work` returns the items to be done again. In an outage all of them are, after a pause that grows. Any other error
    is one item's: the batch is halved until that item is alone, and the rest goes on. The item is handed to `reject`;
    without `reject` it is done again too. Nothing that `work` raises ends a thread.

    Fewer than `size` items wait `linger` seconds for more. With one thread, whatever arrives while it
    works goes into the next batch together.
    """

    def __init__(
        self,
        outages: OutageReporter,
        work: Callable[[list[T]], Sequence[T] | None],
        size: int,
        threads: int = 1,
        linger: float = 0.0,
        reject: Callable[[T, BaseException], None] | None = None,
    ) -> None:
        self.outages = outages
        self.work = work
        self.size = size
        self.threads = threads
        self.linger = linger  # seconds
        self.reject = reject
        self._waiting: deque[T] = deque()
        self._oldest = 0.0  # when the item that waits longest came, roughly
        self._threads = 0
        self._idle = 0  # of them
        self._working = 0  # the others
        self._hurry = False
        # Apart, so that a call for one is not heard by another: workers, and those who wait for the end.
        lock = threading.RLock()
        self._change = threading.Condition(lock)
        self._empty = threading.Condition(lock)
        self._closed = threading.Event()

    def put(self, items: Iterable[T]) -> None:
        """Add items; never blocks."""
        with self._change:
            if not self._waiting:
                self._oldest = time.monotonic()
            self._waiting.extend(items)
            self._wake()

    def flush(self, timeout: float | None = None) -> bool:
        """Work without lingering until nothing is left; False where that took longer than `timeout` seconds."""
        with self._change:
            self._hurry = True
            self._change.notify_all()
            done = self._empty.wait_for(lambda: not self._waiting and not self._working, timeout)
            self._hurry = False
            return done

    def close(self) -> list[T]:
        """End the threads, each after the batch it has; return what was still waiting."""
        with self._change:
            self._closed.set()
            rest = list(self._waiting)
            self._waiting.clear()
            self._change.notify_all()
            if not self._working:
                self._empty.notify_all()
            return rest

    def __len__(self) -> int:
        """The number of items waiting, without those at work."""
        return len(self._waiting)

    def _wake(self) -> None:
        needed = min(-(-len(self._waiting) // self.size), self.threads - self._working)
        for _ in range(needed - self._idle):
            if self._threads < self.threads:
                self._threads += 1
                self._idle += 1
                threading.Thread(target=self._run, name=self.outages.what, daemon=True).start()
        self._change.notify(needed)

    def _run(self) -> None:
        try:
            while batch := self._take():
                self._process(batch)
        finally:  # as nothing raises, it was closed; but if this thread dies after all, another one takes over
            with self._change:
                self._threads -= 1
                self._idle -= 1
                self._wake()

    def _process(self, batch: list[T]) -> None:
        outcome = Outcome[T]()
        started = time.monotonic()
        try:
            self._attempt(batch, outcome)
            if outcome.error:
                self._closed.wait(self.outages.record_failure(outcome.error, started))
            elif outcome.halved and not outcome.rejected:
                self.outages.record_recovery(outcome.halved)
            elif outcome.rejected < len(batch):
                self.outages.record_success(started)
        finally:
            self._done(outcome.again)

    def _attempt(self, batch: list[T], outcome: Outcome[T]) -> None:
        """Work on the batch, in halves where one item is at fault."""
        try:
            if again := self.work(batch):
                outcome.put_off(again, TryLater("AWS rejected part of a batch."))
        except BaseException as error:
            if is_outage(error):
                outcome.put_off(batch, error)
            elif len(batch) > 1:
                outcome.halved = error
                self._attempt(batch[: len(batch) // 2], outcome)
                self._attempt(batch[len(batch) // 2 :], outcome)
            elif self.reject:
                self._reject(batch, error, outcome)
            else:
                outcome.put_off(batch, error)

    def _reject(self, batch: list[T], error: BaseException, outcome: Outcome[T]) -> None:
        assert self.reject
        self._closed.wait(self.outages.record_rejection())
        try:
            self.reject(batch[0], error)
            outcome.rejected += 1
        except BaseException as another:
            outcome.put_off(batch, another)

    def _take(self) -> list[T]:
        """Return the next batch; [] where the worker was closed."""
        with self._change:
            while not self._closed.is_set():
                if self._waiting and (left := self._still_lingering()) <= 0:
                    break
                self._change.wait(left if self._waiting else None)
            if self._closed.is_set():
                return []
            self._idle -= 1
            self._working += 1
            batch = [self._waiting.popleft() for _ in range(min(self.size, len(self._waiting)))]
            self._oldest = time.monotonic()
            return batch

    def _still_lingering(self) -> float:
        full = len(self._waiting) >= self.size
        return 0.0 if full or self._hurry else self._oldest + self.linger - time.monotonic()

    def _done(self, again: Sequence[T]) -> None:
        with self._change:
            self._idle += 1
            self._working -= 1
            if again and not self._closed.is_set():
                self._waiting.extendleft(reversed(again))
                self._wake()
            if not self._waiting and not self._working:
                self._empty.notify_all()


class BackgroundTask(Generic[T]):
    """The result of `work`, which runs in a thread that ends with the program, whatever it is at."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._failed = False
        self._start()

    def get(self) -> T:
        """Return the result, or raise what `work` raised; asked again after that, it works again."""
        if self._failed:
            self._start()
        while not self.done(0.5):  # on Windows no Ctrl-C is heard before a wait is over
            pass
        try:
            return self.future.result()
        except Exception:
            self._failed = True
            raise

    def done(self, timeout: float = 0.0) -> bool:
        """Return whether the work is done, well or not, within `timeout` seconds."""
        return bool(wait([self.future], timeout).done)

    def failed(self) -> bool:
        """Return whether the work is done and has failed."""
        return self.future.done() and self.future.exception() is not None

    def result(self) -> T | None:
        """Return the result if there is one by now."""
        return self.future.result() if self.future.done() and not self.future.exception() else None

    def _start(self) -> None:
        self._failed = False
        self.future: Future[T] = Future()
        threading.Thread(target=self._run, args=(self.future,), daemon=True).start()

    def _run(self, future: Future[T]) -> None:
        future.set_running_or_notify_cancel()  # from now on nobody can cancel it
        try:
            future.set_result(self._work())
        except BaseException as error:
            future.set_exception(error)

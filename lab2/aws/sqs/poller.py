"""Adaptive long polling: one thread stays on a queue, more join while the queue is deep."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from lab2.aws.retry import OutageReporter
from lab2.aws.sqs.message_queue import BATCH


class QuickReceives:
    """Tells receives that find their messages at once from those that wait for them, by how long each takes."""

    def __init__(self) -> None:
        self._quickest_s = 0.1  # of a receive that does not wait, roughly: two round trips to begin with

    def note(self, took_s: float) -> bool:
        """Note a receive; return whether it did not wait."""
        self._quickest_s = min(took_s, 1.02 * self._quickest_s)  # which follows a network that gets slower
        return took_s <= 2 * self._quickest_s


class Poller:
    """Threads that call `receive` until stopped. `receive(patient)` returns how many messages came.

    The first thread is `patient`: it stays, and pauses for `pause` seconds after a receive of at most `few` messages.
    The others come one at a time while the queue is deep, `max_threads` in all, and go after one of at most `few`.
    The queue is deep where a receive comes back full, or two in a row find messages at once: SQS may give one to four
    messages though more are there. Nothing that `receive` raises ends a thread.
    """

    def __init__(
        self,
        receive: Callable[[bool], int],
        outages: OutageReporter,
        *,
        max_threads: int,
        pause: float,
        few: int = 0,
    ) -> None:
        self.receive = receive
        self.outages = outages
        self.max_threads = max_threads
        self.pause = pause  # seconds
        self.few = few
        self._threads: set[threading.Thread] = set()
        self._quick_receives = QuickReceives()
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def start(self, patient: bool = True) -> None:
        """Start the first thread; one that is not `patient` goes like the others when it finds few messages."""
        self._start_thread(patient)

    @property
    def running(self) -> bool:
        return bool(self._threads)

    def stop(self) -> None:
        """Start no more receives. Those that are open go on, for messages may be on their way in them."""
        self._stopped.set()

    def join(self, timeout: float = math.inf) -> None:
        """Return when all threads have ended, or after so many seconds; call it after `stop`."""
        deadline = time.monotonic() + timeout
        with self._lock:  # a thread that another one is just starting can't be joined yet
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, min(deadline - time.monotonic(), threading.TIMEOUT_MAX)))

    def _start_thread(self, patient: bool = False) -> None:
        with self._lock:
            if len(self._threads) < self.max_threads and not self._stopped.is_set():
                thread = threading.Thread(target=self._run, args=(patient,), name=self.outages.what, daemon=True)
                self._threads.add(thread)
                thread.start()

    def _run(self, patient: bool) -> None:
        deep = False
        try:
            while not self._stopped.is_set():
                started = time.monotonic()
                try:
                    count = self.receive(patient)
                except BaseException as error:  # the thread stays: nobody else would receive
                    self._stopped.wait(self.outages.record_failure(error, started))
                    continue
                self.outages.record_success(started)
                was_deep = deep
                deep = count == BATCH or (count > 0 and self._quick_receives.note(time.monotonic() - started))
                if count == BATCH or (deep and was_deep):
                    self._start_thread()
                if count <= self.few:
                    if not patient:
                        break
                    self._stopped.wait(self.pause)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

"""Answers are received in a thread, so that those to a run that lives never wait on the queue while its user types."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from lab2.aws.failures import user_errors
from lab2.aws.resources import ANSWER_QUEUE
from lab2.aws.retry import OutageReporter
from lab2.aws.sqs.message_queue import batches
from lab2.aws.sqs.poller import Poller
from lab2.errors import UserError, internal_error
from lab2.stats.client.connection import Connection
from lab2.stats.client.inbox import ReceivedAnswer

PAUSE = 0.05  # seconds after a receive that brought nothing: the next one finds more
STEP_BACK = 1.0  # the same for a listener, which stands in the way of the runs that wait for what it met
IDLE = 1.0  # seconds between looks at whether anything is to be received


class Receiver:
    """Receives while this run waits for answers, or `always`; while neither, looks once a minute for earlier ones.

    `poll` is how many seconds a receive waits. `arrived` is told, in the thread, what came.
    """

    def __init__(
        self,
        connection: Connection,
        outages: OutageReporter,
        arrived: Callable[[list[ReceivedAnswer]], object],
        always: bool = False,
        look: bool = False,
    ) -> None:
        self.connection, self.arrived, self.always = connection, arrived, always
        self.poll = 1
        self._received: list[ReceivedAnswer] = []
        self._shown: list[ReceivedAnswer] = []  # answers that are still to be deleted
        self._change = threading.Condition()
        self._wake = threading.Event()
        self._first = look  # for what there is at the start, before anything is sent
        pause = STEP_BACK if always else PAUSE
        self._poller = Poller(self._receive, outages, max_threads=1, pause=pause, ready=self._ready)
        self._poller.start()

    def wake(self) -> None:
        """Receive at once: something has been sent."""
        self._wake.set()

    def take(self, seconds: float) -> list[ReceivedAnswer]:
        """Return what has come and was not taken, waiting up to so many seconds for something."""
        with self._change:
            self._change.wait_for(lambda: self._received, seconds)
            received, self._received = self._received, []
        return received

    def delete(self, shown: Sequence[ReceivedAnswer]) -> None:
        """Delete answers that have been shown, and those that could not be deleted before; UserError where it fails."""
        self._shown += shown
        try:
            with user_errors(f"queue {ANSWER_QUEUE}"):
                for batch in list(batches(self._shown)):
                    again = self.connection.delete(batch)
                    self._shown = [found for found in self._shown if found not in batch or found in again]
        except UserError:
            raise
        except Exception as error:
            raise UserError(internal_error(error)) from error

    def stop(self) -> None:
        """Return when nothing more is received: what came to an open receive would be hidden from the next run."""
        self._poller.stop()
        self._wake.set()
        self._poller.join()

    def abandon(self) -> None:
        """Receive no more. What came and was not taken comes again when its lease runs out."""
        self._poller.stop()
        self._wake.set()

    @property
    def _wanted(self) -> bool:
        return self.always or bool(self.connection.run.waiting)

    def _ready(self) -> bool:
        if not self._wanted:
            self._wake.wait(IDLE)
            self._wake.clear()
        return self._wanted or self._first or self.connection.more or self.connection.look_is_due

    def _receive(self, patient: bool) -> int:
        received = self.connection.receive(self.poll if self._wanted else 0)
        self._first = False
        if received:
            with self._change:
                self._received += received
                self._change.notify_all()
            self.arrived(received)
        return len(received)

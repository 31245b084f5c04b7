"""The connection is made in the background, so that the first prompt does not wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf

from lab2.errors import UserError

# What is imported up there is all that the first prompt waits for.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from lab2.stats.client.connection import Connection

TICK = 0.5  # seconds
HEAD_START = 0.01  # seconds for the first prompt before the imports behind it take the processor


class BackgroundConnection:
    """Connects in a thread, through outages; what no waiting can mend is its `problem`.

    `connected` is given the connection, `say` a sentence when an outage begins and ends, `failed` the problem: all in
    the thread.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        connected: Callable[[Connection], object],
        say: Callable[[str], None],
        failed: Callable[[BaseException], object],
    ) -> None:
        self.connect, self.connected, self.say, self.failed = connect, connected, say, failed
        self.problem: BaseException | None = None
        self._connection: Connection | None = None
        self._outage: UserError | None = None  # why it is not there yet
        self._imported, self._tried, self._done = threading.Event(), threading.Event(), threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Timer(HEAD_START, self._run)
        self._thread.daemon = True
        self._thread.start()

    def connection(self, patience: float = inf) -> Connection:
        """Return the connection as soon as it is there; its problem is raised, or an outage longer than `patience`.

        `patience` is in seconds from the end of the first try.
        """
        _wait(self._tried)
        _wait(self._done, patience)
        if self.problem:
            raise self.problem
        if not self._connection:
            raise self._outage or UserError("AWS has not answered yet.")
        return self._connection

    def wait_for_imports(self) -> None:
        """Return when the thread has imported what the client needs.

        Python lets two threads that import what the other is importing see half a module: only one may import.
        """
        _wait(self._imported)

    def settle(self) -> None:
        """Stop trying; return when what the connecting has started can be undone."""
        self._stopped.set()
        self._thread.join(10)

    def _run(self) -> None:
        try:
            from lab2.aws.retry import OutageReporter, persist
            from lab2.stats.client import batch, receiver  # noqa: F401 - with it all that the main thread uses later

            self._imported.set()
            self._connection = persist(self._try, OutageReporter("Connecting", self.say), wait=self._stopped.wait)
            self.connected(self._connection)
        except BaseException as problem:  # for whoever asks for the connection
            self.problem = problem
            self.failed(problem)
        finally:
            for event in (self._imported, self._done, self._tried):
                event.set()

    def _try(self) -> Connection:
        try:
            return self.connect()
        except UserError as outage:
            self._outage = outage
            self._tried.set()
            raise


def _wait(event: threading.Event, patience: float = inf) -> None:
    """Wait in small parts, for on Windows no Ctrl-C is heard before a wait is over."""
    deadline = time.monotonic() + patience
    while (left := deadline - time.monotonic()) > 0 and not event.wait(min(left, TICK)):
        pass

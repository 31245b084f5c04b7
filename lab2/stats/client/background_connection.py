"""The connection is made in the background, so that the first prompt does not wait for it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from lab2.errors import UserError

# What is imported up there is all that the first prompt waits for.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from lab2.stats.client.connection import Connection

HEAD_START = 0.01  # seconds for the first prompt before the imports behind it take the processor


class BackgroundConnection:
    """Connects in a thread; a failure is said at once, by `interrupt`, and raised where the link is needed."""

    def __init__(self, connect: Callable[[], Connection], connected: Callable[[Connection], object]) -> None:
        self.connect, self.connected = connect, connected
        self.problem: UserError | None = None
        self._connection: Connection | None = None
        self._imported = threading.Event()
        self._thread = threading.Timer(HEAD_START, self._connect)
        self._thread.daemon = True
        self._thread.start()

    def connection(self) -> Connection:
        """Return the connection as soon as it is there; UserError where it can't be had."""
        self._thread.join()
        if self.problem:
            raise self.problem
        assert self._connection
        return self._connection

    def wait_for_imports(self) -> None:
        """Return when the thread has imported what the client needs.

        Python lets two threads that import what the other is importing see half a module: only one may import.
        """
        self._imported.wait()

    def settle(self) -> None:
        """Wait until the connecting is over, so that what it started can be stopped."""
        self._thread.join(10)

    def _connect(self) -> None:
        from lab2.stats.client import batch, receiver  # noqa: F401 - and with it all that the main thread uses later

        self._imported.set()
        try:
            self._connection = self.connect()
            self.connected(self._connection)
        except UserError as problem:
            self.problem = problem
            os.kill(os.getpid(), signal.SIGUSR1)

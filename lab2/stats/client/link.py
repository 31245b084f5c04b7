"""The thread behind the dialogue: it connects, so that the first prompt need not wait for that, then receives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lab2.errors import UserError
from lab2.stats.client.events import Arrived, Connected, Events, NotConnected, NotReceiving, Said
from lab2.stats.client.requests import Requests

if TYPE_CHECKING:
    from lab2.aws.retry import OutageReporter
    from lab2.stats.client.connection import Connection
    from lab2.stats.client.exchange import Exchange

HEAD_START_S = 0.01  # of the first prompt over the imports in the background
TICK_S = 0.5  # the longest wait in one piece: on Windows, Ctrl-C is not noticed during a wait
PAUSE_S = 0.05  # after a receive without answers: the next one finds more
STEP_BACK_S = 1.0  # the same for a listener, which is in the way of runs that wait for the answers it received
LISTENERS_POLL_S = 5  # of a long poll; Ctrl-C in one may hide an answer for a while
IDLE_S = 1.0  # between two checks whether there is anything to receive


class Link:
    """Connects, through outages, then receives while this run waits for answers, or all the time if `listening`.

    While nothing is outstanding, it looks for answers to earlier runs once a minute; `greeting`: at once, too. It
    reports everything to `events`.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        requests: Requests,
        events: Events,
        form: str,
        listening: bool,
        greeting: bool,
    ) -> None:
        self.connect = connect
        self.requests = requests
        self.events = events
        self.form = form
        self.listening = listening
        self.problem: BaseException | None = None  # why there will be no connection
        self.tried = threading.Event()  # the first attempt has ended
        self.done = threading.Event()  # there is a connection, or a problem
        self.failing = False  # the last receive has failed
        self._poll_s = LISTENERS_POLL_S if listening else 1
        self._look = greeting
        self._receives = listening or greeting
        self._exchange: Exchange | None = None
        self._outage: UserError | None = None  # why there is no connection yet
        self._imported = threading.Event()
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Timer(HEAD_START_S, self._run)
        self._thread.daemon = True
        self._thread.start()

    def exchange(self) -> Exchange:
        """Return the connection; raise its problem, or the outage if it is not there yet."""
        if self.problem:
            raise self.problem
        if not self._exchange:
            raise self._outage or UserError("AWS has not answered yet.")
        return self._exchange

    @property
    def connected(self) -> bool:
        return self._exchange is not None

    @property
    def crowded_at(self) -> float:
        """When others' answers last came instead of ours (monotonic seconds), 0 if there is no connection."""
        return self._exchange.connection.crowded_at if self._exchange else 0.0

    def wait_for_imports(self) -> None:
        """Return when the thread has imported what the client needs.

        If two threads import each other's modules, Python lets them see half a module: only one may import.
        """
        while not self._imported.wait(TICK_S):
            pass

    def start_receiving(self) -> None:
        if not self._receives:
            self._receives = True
            self._wake.set()

    def poll(self, poll_s: int) -> None:
        """Let each receive wait up to `poll_s` seconds; make the next one at once, because something was sent."""
        self.failing = False
        self._poll_s = poll_s
        self._wake.set()

    def stop_receiving(self) -> None:
        """Stop receiving; return when no receive is open, for what that got would be hidden from the next run."""
        self._stopped.set()
        self._wake.set()
        while self._thread.is_alive():
            self._thread.join(TICK_S)

    def settle(self) -> None:
        """Stop; return when the attempt to connect is over, so that it can be cleaned up."""
        self._stopped.set()
        self._wake.set()
        self.done.wait(10)

    def _run(self) -> None:
        try:
            # The seam: this thread imports what takes long.
            from lab2.aws.retry import OutageReporter, persist
            from lab2.stats.client.exchange import Exchange

            self._imported.set()
            outages = OutageReporter("Connecting", self._say)
            connection = persist(self._try, outages, wait=self._stopped.wait)
            self._exchange = Exchange(connection, self.form, self.listening)
        except BaseException as problem:  # `exchange` raises it
            self.problem = problem
            self.events.put(NotConnected(problem))
        finally:
            self._imported.set()
            self.done.set()
            self.tried.set()
            self.events.put(Connected())
        if self._exchange:
            outages = OutageReporter("Listening", self._say, self._give_up)
            self._receive_until_stopped(self._exchange.connection, outages)

    def _try(self) -> Connection:
        try:
            return self.connect()
        except UserError as outage:
            self._outage = outage
            self.tried.set()
            self.events.put(Connected())
            raise

    def _receive_until_stopped(self, connection: Connection, outages: OutageReporter) -> None:
        """Receive. No error of a receive ends the thread, for nobody else would receive."""
        pause_s = STEP_BACK_S if self.listening else PAUSE_S
        while not self._stopped.is_set():
            wanted = self._receives and (self.listening or self.requests.are_waiting)
            if not wanted:
                self._wake.wait(IDLE_S)
                self._wake.clear()
                if not self._receives or not (
                    self._look or self.requests.are_waiting or connection.more or connection.look_is_due
                ):
                    continue
            started = time.monotonic()
            try:
                received = connection.receive(self._poll_s if wanted else 0)
            except BaseException as error:
                self.failing = True
                self._stopped.wait(outages.record_failure(error, started))
                continue
            self.failing = False
            outages.record_success(started)
            self._look = False
            if received:
                self.events.put(Arrived(received))
            else:
                self._stopped.wait(pause_s)

    def _say(self, sentence: str) -> None:
        self.events.put(Said(sentence))

    def _give_up(self, reason: UserError) -> None:
        self.events.put(NotReceiving(reason))

"""The requests of a run, each with its state: one object that all threads of the client share."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from enum import Enum

from lab2.stats.client.run import Run

OVERDUE_S = 30.0  # without any answer on the queue, even to others, after which ours have probably been taken


class State(Enum):
    """The state of a request."""

    UNSENT = "certainly not on the queue: not passed to SQS, or refused by it"
    ASKED = "passed to SQS, which may have accepted it"
    LOST = "asked, but its answer may have gone to another run: to be asked again"
    RECEIVED = "its answer is here"
    SHOWN = "its answer has been printed"


class Request:
    """A series of numbers to be summarised. Only `Requests` changes it."""

    def __init__(self, id: str, name: str, numbers: list[float]) -> None:
        self.id = id
        self.name = name  # for the user: the number of a message, the line of a file
        self.numbers = numbers
        self.state = State.UNSENT
        self.first_sent = 0.0  # seconds since 1970; 0 if it was never passed to SQS
        self.may_be_there = False  # an attempt to send it succeeded, or failed in a way that leaves this open
        self.refusal = ""  # why SQS will never accept it, in a sentence


class Requests:
    """The requests of one run. Thread-safe.

    A request is *waiting* if it was asked and its answer has not come, *unanswered* if its answer has not been shown.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._lock = threading.RLock()
        self._all: dict[str, Request] = {}
        self._ids: dict[State, set[str]] = {state: set() for state in State}
        self._on_shared: set[str] = set()  # ids of those whose answers come on the shared queue

    def add(self, numbers: list[float], name: str = "") -> Request:
        """Return a new request; it is named by its number unless it has another name."""
        with self._lock:
            request = Request(self.run.new_id(), name or str(len(self._all) + 1), numbers)
            self._all[request.id] = request
            self._ids[State.UNSENT].add(request.id)
            return request

    def get(self, id: str) -> Request | None:
        return self._all.get(id)

    # ---- for the sender --------------------------------------------------------------------------

    def handed_over(self, batch: Iterable[Request], on_shared: bool, now: float) -> None:
        """Record requests before they are passed to SQS, for one that seems to fail may be answered.

        `now` is in seconds since 1970.
        """
        with self._lock:
            for request in batch:
                request.first_sent = request.first_sent or now
                if on_shared:
                    self._on_shared.add(request.id)
                if request.state is State.UNSENT:
                    self._move(request, State.ASKED)

    def reached(self, batch: Iterable[Request]) -> None:
        """Record that an attempt to send these succeeded, or may have."""
        for request in batch:
            request.may_be_there = True

    def refused(self, request: Request, why: str = "") -> None:
        """Record that SQS did not accept a request this time; with the sentence `why` if it never will."""
        with self._lock:
            request.refusal = why
            if not request.may_be_there:
                self._move(request, State.UNSENT)

    def answered_on_shared(self, request: Request) -> bool:
        return request.id in self._on_shared

    # ---- for the receiver ------------------------------------------------------------------------

    def received(self, ids: Iterable[str]) -> None:
        self._advance(ids, State.RECEIVED)

    def shown(self, ids: Iterable[str]) -> None:
        self._advance(ids, State.SHOWN)

    def missed(self, since: float, now: float, longest: float, retention: float) -> None:
        """Record that nothing was received from `since` to `now` (both seconds since 1970).

        What waited for more than `longest` seconds of that may be lost; what was sent `retention` seconds ago is gone.
        """
        with self._lock:
            for id in list(self._ids[State.ASKED]):
                sent = self._all[id].first_sent
                if now - max(since, sent) > longest and now - sent < retention:
                    self._move(self._all[id], State.LOST)

    def asked_again(self, batch: Iterable[Request]) -> None:
        with self._lock:
            for request in batch:
                if request.state is State.LOST:
                    self._move(request, State.ASKED)

    # ---- for all ---------------------------------------------------------------------------------

    @property
    def lost(self) -> list[Request]:
        with self._lock:
            return [self._all[id] for id in self._ids[State.LOST]]

    @property
    def are_waiting(self) -> bool:
        return bool(self._ids[State.ASKED] or self._ids[State.LOST])

    @property
    def unanswered(self) -> list[Request]:
        """Those whose answers have not been shown, in the order in which they were added."""
        open = (State.ASKED, State.LOST, State.RECEIVED)
        with self._lock:
            return [request for request in self._all.values() if request.state in open]

    def wait_on_shared(self) -> bool:
        """Return whether answers are outstanding that come on the shared queue."""
        with self._lock:
            return not (self._on_shared.isdisjoint(self._ids[State.ASKED] | self._ids[State.LOST]))

    def wait_on_shared_only(self) -> bool:
        with self._lock:
            return self._ids[State.ASKED] | self._ids[State.LOST] <= self._on_shared

    def _advance(self, ids: Iterable[str], state: State) -> None:
        with self._lock:
            for id in ids:
                request = self._all.get(id)
                if request and request.state is not State.SHOWN:
                    self._move(request, state)

    def _move(self, request: Request, state: State) -> None:
        self._ids[request.state].discard(request.id)
        self._ids[state].add(request.id)
        request.state = state


def names(requests: Sequence[Request], most: int = 20) -> str:
    """Return the names of the requests, of the first `most` only."""
    return ", ".join(request.name for request in requests[:most]) + " ..." * (len(requests) > most)

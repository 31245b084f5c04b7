"""Transient errors: exponential backoff with jitter, and one report for each outage."""

from __future__ import annotations

import math
import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, TypeVar

from lab2.aws.failures import FOREVER_S, SETTINGS_S, explain, failure_of
from lab2.errors import TryLater, UserError, internal_error

T = TypeVar("T")

LONGEST_PAUSE_S = 20.0  # between two attempts during an outage
FEW_REJECTIONS = 10  # in a row; after more it is not the items that are at fault


class OutageReporter:
    """Reports an outage once when it begins and once when it ends, and paces the attempts between.

    The sentences go to `say`, or else to stderr. A permanent error, such as denied access, goes to `give_up` as a
    UserError once it has lasted; without `give_up` the attempts go on.
    """

    def __init__(
        self, what: str, say: Callable[[str], None] | None = None, give_up: Callable[[UserError], None] | None = None
    ) -> None:
        self.what = what
        self.say = say or _print
        self.give_up = give_up
        self.tries = 0  # attempts that failed since the last success
        self.since = 0.0  # when the first of them failed; like the next three, in monotonic seconds
        self.rejections = 0  # items given up in a row
        self._last_failure = -math.inf
        self._recovered = -math.inf  # when the last outage ended
        self._permanent_since = math.inf  # when a permanent error first came
        self._lock = threading.Lock()

    @property
    def failing(self) -> bool:
        return self.tries > 0 or self.rejections > FEW_REJECTIONS

    def record_failure(self, error: BaseException, started: float = math.inf) -> float:
        """Record a failure; return the seconds to pause before the next attempt.

        What was `started` (monotonic seconds) before the outage ended may still fail: that is no new outage.
        """
        now = time.monotonic()
        with self._lock:
            if started < self._recovered:
                return backoff(1, 0.25, LONGEST_PAUSE_S, least=0.5)
            self.tries += 1
            self._last_failure = now
            if self.tries == 1:
                self.since = now
                self._say(f"{self.what} fails; retrying: {describe(error)}")
            patience = _patience_s(error)
            self._permanent_since = min(self._permanent_since, now) if patience < FOREVER_S else math.inf
            pause = backoff(self.tries, 0.25, LONGEST_PAUSE_S, least=0.5)
            left = FOREVER_S if patience == FOREVER_S else self._permanent_since + patience - now
        if self.give_up and left <= 0:
            self.give_up(UserError(f"{self.what} fails: {describe(error)}"))
        return min(pause, left) if left > 0 else pause

    def record_rejection(self) -> float:
        """Record that one item was given up; return the seconds to pause before the next item.

        The first few in a row are poison messages. After that this machine or program must be at fault, and waits:
        a full disk is not to send every message to the dead-letter queue.
        """
        with self._lock:
            self.rejections += 1
            over = self.rejections - FEW_REJECTIONS
            return backoff(over, 0.25, LONGEST_PAUSE_S, least=0.5) if over > 0 else 0.0

    def record_recovery(self, error: BaseException) -> None:
        """Record an error that did not recur when the same items were tried in parts."""
        self._say(f"{self.what} failed once, then worked: {describe(error)}")
        self.record_success()

    def record_success(self, started: float = math.inf) -> None:
        """Record a success, which ends an outage unless it was `started` (monotonic seconds) before the last failure.

        With several threads, calls that were under way when the outage began may still succeed.
        """
        if self.tries or self.rejections:
            with self._lock:
                if started < self._last_failure:
                    return
                if self.tries:
                    self._recovered = time.monotonic()
                    self._say(f"{self.what} works again after {self._recovered - self.since:.0f} s")
                self.tries = self.rejections = 0
                self._permanent_since = math.inf

    def _say(self, line: str) -> None:
        try:
            self.say(line)
        except Exception as error:
            with suppress(OSError, ValueError):  # the reader of our output has gone: no reason to stop
                print(f"{line} ({internal_error(error)})", file=sys.stderr, flush=True)


def persist(
    work: Callable[[], T],
    outages: OutageReporter,
    patience: float = math.inf,
    wait: Callable[[float], object] = time.sleep,
) -> T:
    """Return the result of `work`, which is repeated for up to `patience` seconds on transient errors.

    Raises permanent errors at once, and the last transient one at the end, or as soon as `wait` returns true.
    """
    deadline = time.monotonic() + patience
    while True:
        started = time.monotonic()
        try:
            result = work()
        except Exception as error:
            if not is_transient(error) or (left := deadline - time.monotonic()) <= 0:
                raise
            if wait(min(left, outages.record_failure(error, started))):
                raise
        else:
            outages.record_success(started)
            return result


def give_up(reason: UserError) -> NoReturn:
    """Raise a permanent error: what an OutageReporter of the main thread does with it."""
    raise reason


def is_transient(error: BaseException) -> bool:
    """Return whether the error is a transient one of AWS or the network, or a UserError about such an error."""
    if isinstance(error, TryLater):
        return True
    failure = failure_of(_cause(error))
    return failure is not None and failure.patience_s == FOREVER_S


def is_outage(error: BaseException) -> bool:
    """Return whether AWS or the network is at fault, and not an item or our code."""
    return isinstance(error, UserError) or explain(error) is not None


def backoff(attempt: int, base: float, longest: float, least: float = 0.0) -> float:
    """Return the seconds to wait after a failed attempt (1, 2, ...): exponential backoff with jitter.

    A random share, between `least` and 1, of `base` doubled at each attempt, but of `longest` at most. `least` 0 is
    full jitter: clients that failed together spread out evenly.
    """
    return random.uniform(least, 1.0) * min(longest, base * 2.0 ** min(attempt, 32))


def conflict_backoff(attempt: int, took: float = 0.0) -> float:
    """Return the seconds to wait after a conditional write was refused, so that the writers don't meet again.

    The longer a write `took` (seconds), the longer it has to keep out of others' way.
    """
    return backoff(attempt, 0.01, 1.0) + backoff(attempt, took, 4 * took)


def _cause(error: BaseException) -> BaseException:
    """Return the AWS error behind a UserError, or the error itself."""
    return error.__cause__ if isinstance(error, UserError) and error.__cause__ else error


def _patience_s(error: BaseException) -> float:
    """Return the seconds for which trying again may help."""
    if failure := failure_of(_cause(error)):
        return failure.patience_s
    is_for_the_user = isinstance(error, UserError) and not isinstance(error, TryLater)
    return SETTINGS_S if is_for_the_user else FOREVER_S


def describe(error: BaseException) -> str:
    """Return a sentence on any error; for an unexpected one it names the file with the traceback."""
    return str(error) if isinstance(error, UserError) else explain(error) or internal_error(error)


def _print(line: str) -> None:
    print(f"{line}\n", end="", file=sys.stderr, flush=True)  # in one write: several threads may print

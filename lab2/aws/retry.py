"""Failures that pass: exponential backoff with jitter, and an outage reported once."""

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

LONGEST_PAUSE_S = 20.0  # between two tries while AWS is away
FEW_REJECTIONS = 10  # in a row; after more of them it is not the items that are at fault


class OutageReporter:
    """Says what fails once, when it starts, and once more when it works again; paces the tries between.

    `say` is given the sentences; without it they go to stderr. `give_up` is called with a UserError once an error has
    lasted that no waiting can mend, such as a denied access; without it the tries go on.
    """

    def __init__(
        self, what: str, say: Callable[[str], None] | None = None, give_up: Callable[[UserError], None] | None = None
    ) -> None:
        self.what = what
        self.say = say or _print
        self.give_up = give_up
        self.tries = 0  # that have failed since it last worked
        self.since = 0.0  # when the first of them failed; this and the next three are monotonic seconds
        self.rejections = 0  # items given up in a row
        self._last_failure = -math.inf
        self._recovered = -math.inf  # when the last outage ended
        self._hopeless_since = math.inf  # when an error came that no waiting can mend
        self._lock = threading.Lock()

    @property
    def failing(self) -> bool:
        return self.tries > 0 or self.rejections > FEW_REJECTIONS

    def is_outage(self, error: BaseException) -> bool:
        return is_outage(error)

    def record_failure(self, error: BaseException, started: float = math.inf) -> float:
        """Note a failure; return the seconds to pause before the next try.

        What was `started` (monotonic seconds) before an outage ended may still fail of it: that is no new outage.
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
            self._hopeless_since = min(self._hopeless_since, now) if patience < FOREVER_S else math.inf
            pause = backoff(self.tries, 0.25, LONGEST_PAUSE_S, least=0.5)
            left = FOREVER_S if patience == FOREVER_S else self._hopeless_since + patience - now
        if self.give_up and left <= 0:
            self.give_up(UserError(f"{self.what} fails: {describe(error)}"))
        return min(pause, left) if left > 0 else pause

    def record_rejection(self) -> float:
        """Note that one item was given up; return the seconds to pause before the next one is.

        The first few in a row are at fault themselves. Then it must be this machine or program: it waits, so that
        a full disk does not send every message to the dead letters.
        """
        with self._lock:
            self.rejections += 1
            over = self.rejections - FEW_REJECTIONS
            return backoff(over, 0.25, LONGEST_PAUSE_S, least=0.5) if over > 0 else 0.0

    def record_recovery(self, error: BaseException) -> None:
        """Note an error that did not come again when the same items were tried in parts."""
        self._say(f"{self.what} failed once, then worked: {describe(error)}")
        self.record_success()

    def record_success(self, started: float = math.inf) -> None:
        """Note that it works again, unless what worked was `started` (monotonic seconds) before the last failure.

        If several threads work, what was under way when AWS went away may still succeed.
        """
        if self.tries or self.rejections:
            with self._lock:
                if started < self._last_failure:
                    return
                if self.tries:
                    self._recovered = time.monotonic()
                    self._say(f"{self.what} works again after {self._recovered - self.since:.0f} s")
                self.tries = self.rejections = 0
                self._hopeless_since = math.inf

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
    """Return the result of `work`, which is tried again for `patience` seconds while AWS fails for a while.

    Raises at once what no waiting can mend, and at the end the last UserError. A `wait` that returns true ends it too.
    """
    deadline = time.monotonic() + patience
    while True:
        started = time.monotonic()
        try:
            result = work()
        except Exception as error:
            if not is_passing(error) or (left := deadline - time.monotonic()) <= 0:
                raise
            if wait(min(left, outages.record_failure(error, started))):
                raise
        else:
            outages.record_success(started)
            return result


def give_up(reason: UserError) -> NoReturn:
    """What an OutageReporter of the main thread does with an error that no waiting can mend: raise it."""
    raise reason


def is_passing(error: BaseException) -> bool:
    """Return whether the error is AWS's or the network's, or a UserError about one, and waiting may mend it."""
    if isinstance(error, TryLater):
        return True
    failure = failure_of(_cause(error))
    return failure is not None and failure.patience_s == FOREVER_S


def is_outage(error: BaseException) -> bool:
    """Return whether the error is AWS's or the network's, and not that of one item or of our code."""
    return isinstance(error, UserError) or explain(error) is not None


def backoff(attempt: int, base: float, longest: float, least: float = 0.0) -> float:
    """Return the seconds to wait after a failed attempt (1, 2, ...): exponential backoff with jitter.

    It is a random share, from `least` to 1, of `base` doubled at each attempt, `longest` at most. With `least` 0 it is
    full jitter: clients that failed together spread out evenly.
    """
    return random.uniform(least, 1.0) * min(longest, base * 2.0 ** min(attempt, 32))


def conflict_backoff(attempt: int, took: float = 0.0) -> float:
    """Return the seconds to wait after a conditional write was refused, so that writers who met don't meet again.

    The longer a write `took` (seconds), the longer others are in its way.
    """
    return backoff(attempt, 0.01, 1.0) + backoff(attempt, took, 4 * took)


def _cause(error: BaseException) -> BaseException:
    """Return the error of AWS that a UserError is about, or the error itself."""
    return error.__cause__ if isinstance(error, UserError) and error.__cause__ else error


def _patience_s(error: BaseException) -> float:
    """Return the seconds for which trying again may help."""
    if failure := failure_of(_cause(error)):
        return failure.patience_s
    is_for_the_user = isinstance(error, UserError) and not isinstance(error, TryLater)
    return SETTINGS_S if is_for_the_user else FOREVER_S


def describe(error: BaseException) -> str:
    """Return a sentence on any error. The traceback of one that nobody foresaw is in the file that it names."""
    return str(error) if isinstance(error, UserError) else explain(error) or internal_error(error)


def _print(line: str) -> None:
    print(f"{line}\n", end="", file=sys.stderr, flush=True)  # in one piece: several threads may say something

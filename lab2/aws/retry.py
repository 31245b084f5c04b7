"""Failures that pass: exponential backoff with jitter, and an outage reported once."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable

from lab2.aws.errors import explain
from lab2.errors import UserError

LONGEST_PAUSE = 20.0  # seconds between two tries while AWS is away


class OutageReporter:
    """Says what fails once, when it starts, and once more when it works again; paces the tries between."""

    def __init__(self, what: str, say: Callable[[str], None] | None = None) -> None:
        self.what, self.say = what, say or (lambda line: print(line, file=sys.stderr, flush=True))
        self.tries = 0
        self.since = 0.0
        self._lock = threading.Lock()

    def record_failure(self, error: Exception) -> float:
        """Note a failure; return the seconds to pause. An error that is not AWS's doing is raised again."""
        sentence = str(error) if isinstance(error, UserError) else explain(error)
        if sentence is None:
            raise error
        with self._lock:
            self.tries += 1
            if self.tries == 1:
                self.since = time.monotonic()
                self.say(f"{self.what} fails, will go on trying: {sentence}")
            return backoff(self.tries, 0.25, LONGEST_PAUSE, least=0.5)

    def record_success(self) -> None:
        if self.tries:
            with self._lock:
                if self.tries:
                    self.say(f"{self.what} works again after {time.monotonic() - self.since:.0f} s")
                self.tries = 0


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

"""How fast requests come: where many do, it is worth a moment to log and answer them together."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

MEMORY = 1.0  # seconds after which what has come counts for a third
GATHER = 0.2  # seconds for which the next ones are waited for ...
WORTH = 4  # ... where so many are to be expected in that time


class Arrivals:
    """The requests that come a second, as an exponential average. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.rate, self._at = 0.0, clock()
        self._lock = threading.Lock()

    def note(self, count: int) -> float:
        """Note that so many have just come; return the seconds to wait for more of them."""
        with self._lock:
            now = self.clock()
            self.rate = self.rate * math.exp((self._at - now) / MEMORY) + count / MEMORY
            self._at = now
            return GATHER if self.rate * GATHER >= WORTH else 0.0

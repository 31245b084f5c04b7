"""When the server receives, writes and ends: all its waiting, in seconds.

    a poll waits up to POLL_S  ── messages ──▶  linger: GATHER_S if requests come often, else none
    then rests for PAUSE_S                      log write
                                                rest: log.turn_s, so that other servers have theirs;
                                                then until log.gather_s are over, while requests keep coming
    stop ──▶ open polls end: LAST_POLL_S ──▶ stages end: LAST_WORK_S ──▶ the rest is released: LAST_EFFORT_S

While a queue is deep, up to MAX_POLLERS poll without a rest; what is not logged yet holds them back at MAX_HELD.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress

# An idle poll of 4 s and a pause cost 25 cents a month, and a stopped server is gone within 5 s: a poll must not be
# cut off, for a message may be on its way in it.
POLL_S = 4
PAUSE_S = 0.15
DRAINING_POLL_S = 1  # of a server that ends when no request is left
MAX_POLLERS = 8
MAX_HELD = 4_000  # requests in hand
BACK_PRESSURE_S = 0.05  # between two looks whether requests may be received again

# Since the stop, and in all, for what is in hand when the server is stopped and AWS is away.
LAST_POLL_S = 8.0
LAST_WORK_S = 20.0
LAST_EFFORT_S = 25.0

HEARTBEAT_S = 60.0

MEMORY_S = 1.0  # after which what has come counts for a third
GATHER_S = 0.2  # between two writes under load, and for which the next requests are waited for ...
WORTH_WAITING_FOR = 4  # ... if so many are to be expected in that time


class Arrivals:
    """The requests that come a second, as an exponential average."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.rate = 0.0
        self._at = clock()

    def note(self, count: int) -> float:
        """Note that so many have just come; return the seconds to wait for more of them."""
        now = self.clock()
        self.rate = self.rate * math.exp((self._at - now) / MEMORY_S) + count / MEMORY_S
        self._at = now
        return GATHER_S if self.rate * GATHER_S >= WORTH_WAITING_FOR else 0.0


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event for so many seconds at most; return whether it has come."""
    if seconds > 0:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()

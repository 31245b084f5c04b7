"""Whether the disk will hold the log's index: a sentence before it is too late."""

from __future__ import annotations

import time
from collections.abc import Callable

from lab2.stats.server.log.window import WINDOW_S

KEPT_S = WINDOW_S + 86_400  # for which a row is in the index at most: its whole day is
MEGABYTE = 1e6


class DiskWatch:
    """What the index of the log takes, and what is left for it, once a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._at = clock()
        self._used = 0
        self._warned = False

    def look(self, used: int, free: int) -> str:
        """Return a warning if at the present rate the index will not fit; '' if it will, or was warned of before.

        `used` and `free` are bytes.
        """
        now = self.clock()
        growth = (used - self._used) / max(now - self._at, 1e-3)
        self._at = now
        self._used = used
        short = growth > 0 and free < growth * KEPT_S - used
        warning = ""
        if short and not self._warned:
            warning = (
                f"The temporary folder has {free / MEGABYTE:,.0f} MB left for the log's index, which fills them in "
                f"{free / growth / 3600:,.1f} h at the present rate; then nothing is received. Make room, or start the "
                "server with TMPDIR set to a larger folder."
            )
        self._warned = short
        return warning

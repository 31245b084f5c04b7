"""The server's line a minute: what a monitor wants, in the words of `server.py status`, from what the server knows."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from lab2 import __version__
from lab2.aws.resources import DEAD_LETTER_QUEUE, REQUEST_QUEUE
from lab2.aws.session import AwsSession
from lab2.errors import UserError
from lab2.stats.server.monitor.status import Depth, depth_at
from lab2.terminal import counted


class Heartbeat:
    """What a server saw since its last line. It costs two calls a line: how many messages wait, and dead letters."""

    def __init__(self, aws: AwsSession, clock: Callable[[], float] = time.time) -> None:
        self.aws = aws
        self.clock = clock
        self._urls: dict[str, str] = {}
        self._since = clock()
        self._requests = 0
        self._oldest = 0.0
        self._today = 0
        self._last = ""

    def received(self, sent: list[float]) -> None:
        """Note messages that were received, by when each was sent (epoch seconds)."""
        if sent:
            self._oldest = max(self._oldest, self.clock() - min(sent))

    def logged(self, count: int) -> None:
        """Note that so many requests were logged just now."""
        self._requests += count
        before = self._last
        self._last = self._stamp()
        self._today = count + (self._today if before[:10] == self._last[:10] else 0)

    def depths(self) -> tuple[Depth | None, Depth | None]:
        """Return how many requests and dead letters there are; None if AWS does not say."""
        return self._depth(REQUEST_QUEUE), self._depth(DEAD_LETTER_QUEUE)

    def fields(self, work: Depth | None, dead: Depth | None) -> dict[str, Any]:
        """Return the state since the last call, with these depths of the queues; None for what is not known."""
        now = self.clock()
        minutes = max(now - self._since, 1e-3) / 60
        requests = self._requests
        oldest = self._oldest
        self._since = now
        self._requests = 0
        self._oldest = 0.0
        return {
            "waiting": work and work.waiting,
            "in_flight": work and work.in_flight,
            "oldest_seconds": round(oldest, 1),
            "dead_letters": dead and dead.waiting + dead.in_flight,
            "requests_today": self._today if self._last[:10] == self._stamp()[:10] else 0,
            "requests_per_minute": round(requests / minutes, 1),
            "last_request": self._last or None,
            "version": __version__,
        }

    def _stamp(self) -> str:
        return f"{datetime.fromtimestamp(self.clock(), timezone.utc):%Y-%m-%dT%H:%M:%SZ}"

    def _depth(self, queue: str) -> Depth | None:
        """Return the depth of a queue, None in an outage, which is reported by those who work on the queue."""
        with suppress(UserError):
            if queue not in self._urls:
                self._urls[queue] = self.aws.queue_url(queue)
            return depth_at(self.aws, self._urls[queue])
        return None


def as_text(fields: dict[str, Any]) -> str:
    """Return the fields as words of a line, with a question mark for what is not known."""
    shown = {name: "?" if value is None else value for name, value in fields.items()}
    dead = "? dead letters" if fields["dead_letters"] is None else counted(fields["dead_letters"], "dead letter")
    today = counted(fields["requests_today"], "request")
    return (
        f"{{waiting}} waiting, {{in_flight}} in flight, oldest {{oldest_seconds}} s, {dead}, {today} today, "
        "{requests_per_minute} a minute, last {last_request}, version {version}"
    ).format_map(shown)

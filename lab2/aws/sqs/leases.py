"""Leases: messages that are ours until their visibility timeout runs out, and their renewal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from lab2.aws.sqs.message_queue import Message, Queue, batches


class Leases:
    """The messages of one queue that are in hand, each invisible to others for `timeout` seconds at a time.

    Thread-safe. Raises what botocore raises.
    """

    def __init__(self, queue: Queue, timeout: int) -> None:
        self.queue = queue
        self.timeout = timeout  # seconds
        self._held: dict[str, tuple[Message, float]] = {}  # by message id: as last received, when the lease runs out
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, id: str) -> bool:
        return id in self._held

    def __getitem__(self, id: str) -> Message:
        """Return the message with the receipt handle that counts: that of its last receive."""
        return self._held[id][0]

    def hold(self, messages: Iterable[Message], since: float | None = None) -> None:
        """Hold messages received at `since` (monotonic seconds; None: now)."""
        until = (time.monotonic() if since is None else since) + self.timeout
        with self._lock:
            self._held.update((message.id, (message, until)) for message in messages)

    def release(self, messages: Iterable[Message]) -> None:
        """Hold these messages no longer: they are deleted, or somebody else's."""
        with self._lock:
            for message in messages:
                self._held.pop(message.id, None)

    def renew(self) -> None:
        """Once a lease has less than a third of its time left, renew all that have less than two thirds, in batches."""
        now = time.monotonic()
        with self._lock:  # each is renewed by one thread
            held = list(self._held.values())
            if min((until for _, until in held), default=now + self.timeout) > now + self.timeout / 3:
                return
            due = [message for message, until in held if until < now + self.timeout * 2 / 3]
            self._held.update((message.id, (message, now + self.timeout)) for message in due)
        for batch in batches(due):
            held_still = [each for each in batch if each.id in self._held]  # what was given back is not hidden again
            try:
                if held_still:
                    self.queue.change_visibility(held_still, self.timeout)
            except Exception:
                with self._lock:  # so that the next renewal tries them again
                    self._held.update((each.id, (each, now)) for each in batch if each.id in self._held)
                raise

    def give_back(self) -> None:
        """Make all messages visible to others at once."""
        with self._lock:
            messages = [message for message, _ in self._held.values()]
            self._held.clear()
        for batch in batches(messages):
            self.queue.change_visibility(batch, 0)

"""What SQS on AWS does and an emulator does not, all of it documented: a proxy adds it to what the emulator replies.

    LAB2_AWS_HABITS=null,short-receives pytest -m "not long" tests/cli

runs the ordinary tests with these habits; `all` stands for every one. `make queues` runs each in turn.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterable
from typing import Any

NAMES = ("null", "short-receives", "empty-polls", "redelivery", "stale-attributes")

_ABSENT = {
    "ListQueues": ("QueueUrls",),
    "ReceiveMessage": ("Messages",),
    "SendMessageBatch": ("Successful", "Failed"),
    "DeleteMessageBatch": ("Successful", "Failed"),
    "ChangeMessageVisibilityBatch": ("Successful", "Failed"),
}
_ABSENT_IN_MESSAGE = ("Attributes", "MessageAttributes")
_STALE = 60.0  # seconds for which queue attributes may lag


class Habits:
    """The named habits of SQS; thread-safe, the same for a seed as long as calls come one after another."""

    def __init__(self, names: Iterable[str] = (), seed: int = 0) -> None:
        self.names = set(NAMES) if "all" in names else set(names)
        assert self.names <= set(NAMES), self.names
        self._dice = random.Random(seed)
        self._attributes: dict[str, tuple[float, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    @classmethod
    def of_environment(cls) -> Habits:
        return cls(filter(None, os.environ.get("LAB2_AWS_HABITS", "").split(",")))

    def ask(self, operation: str, fields: dict[str, Any]) -> None:
        """Change the fields of a call on its way to the emulator."""
        if operation != "ReceiveMessage":
            return
        with self._lock:
            if "short-receives" in self.names:  # one to four messages, though more are there
                fields["MaxNumberOfMessages"] = min(fields.get("MaxNumberOfMessages", 1), self._dice.randint(1, 4))
            if "redelivery" in self.names and self._dice.random() < 0.2:  # at-least-once delivery: again, and soon
                fields["VisibilityTimeout"] = min(fields.get("VisibilityTimeout", 30), 1)

    def finds_nothing(self, operation: str, fields: dict[str, Any]) -> bool:
        """Tell whether this receive is a short poll that asks servers which have none of the messages."""
        if operation != "ReceiveMessage" or fields.get("WaitTimeSeconds") or "empty-polls" not in self.names:
            return False
        with self._lock:
            return self._dice.random() < 0.7

    def reply(self, operation: str, asked: dict[str, Any], fields: dict[str, Any]) -> None:
        """Change the fields of a reply of the emulator."""
        if "stale-attributes" in self.names and operation == "GetQueueAttributes":
            key = json.dumps(asked, sort_keys=True)
            with self._lock:
                since, attributes = self._attributes.setdefault(key, (time.monotonic(), dict(fields)))
                if time.monotonic() - since > _STALE:
                    self._attributes[key] = time.monotonic(), dict(fields)
                else:
                    fields.update(attributes)
        if "null" in self.names:  # an absent list is null
            for name in _ABSENT.get(operation, ()):
                fields[name] = fields.get(name) or None
            for message in fields.get("Messages") or ():
                for name in _ABSENT_IN_MESSAGE:
                    message[name] = message.get(name) or None

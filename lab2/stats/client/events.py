"""What the threads of the client tell the dialogue. The dialogue alone prints, when it has a moment for it."""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING

from lab2.errors import UserError

if TYPE_CHECKING:
    from lab2.stats.client.inbox import ReceivedAnswer


class Said:
    """A sentence for the user: an outage has begun or ended."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence


class Connected:
    """There is a connection, or the first try to get one has failed: whoever waits may look."""


class NotConnected:
    """There will be no connection, because of a `problem` that waiting does not solve."""

    def __init__(self, problem: BaseException) -> None:
        self.problem = problem


class NotReceiving:
    """No answer can be received, for a `reason` that waiting does not remove."""

    def __init__(self, reason: UserError) -> None:
        self.reason = reason


class Arrived:
    """Answers have been received. They are ours until they are deleted, or their lease ends."""

    def __init__(self, received: Sequence[ReceivedAnswer]) -> None:
        self.received = received


Event = Said | Connected | NotConnected | NotReceiving | Arrived
Events = SimpleQueue[Event]

"""Events from the client's threads to the dialogue, which alone prints, when the user can be interrupted.

Plain classes: four named tuples take 3 ms to define, for which the first prompt would wait.
"""

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
    """There is a connection, or the first attempt has failed: whoever waits may check."""


class NotConnected:
    """There will be no connection, because of a permanent `problem`."""

    def __init__(self, problem: BaseException) -> None:
        self.problem = problem


class NotReceiving:
    """No answers can be received, for a permanent `reason`."""

    def __init__(self, reason: UserError) -> None:
        self.reason = reason


class Arrived:
    """Answers have been received. They are ours until they are deleted or their lease ends."""

    def __init__(self, received: Sequence[ReceivedAnswer]) -> None:
        self.received = received


Event = Said | Connected | NotConnected | NotReceiving | Arrived
Events = SimpleQueue[Event]

"""Events from the client's threads to the dialogue, which alone prints, when the user can be interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from lab2.errors import UserError

if TYPE_CHECKING:
    from lab2.stats.client.inbox import ReceivedAnswer


class Said(NamedTuple):
    """A sentence for the user: an outage has begun or ended."""

    sentence: str


class Connected:
    """There is a connection, or the first attempt has failed: whoever waits may check."""


class NotConnected(NamedTuple):
    """There will be no connection, because of a permanent `problem`."""

    problem: BaseException


class NotReceiving(NamedTuple):
    """No answers can be received, for a permanent `reason`."""

    reason: UserError


class Arrived(NamedTuple):
    """Answers have been received. They are ours until they are deleted or their lease ends."""

    received: Sequence[ReceivedAnswer]


Event = Said | Connected | NotConnected | NotReceiving | Arrived
Events = SimpleQueue[Event]

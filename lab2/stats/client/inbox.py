"""Our answers on a queue: told from those of other clients, deduplicated, and deleted after they have been shown."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lab2.aws.leases import Leases
from lab2.aws.sqs import Message, Queue
from lab2.errors import InvalidInput
from lab2.stats.protocol import Answer, decode_answer

# Seconds in which an answer is shown and deleted, or renewed; after that our next run receives it.
ANSWER_VISIBILITY_TIMEOUT = 30
OFTEN = 10  # receives of an answer by us alone after which its owner is probably not here
MAX_MET = 10_000  # messages of others whose receives are counted
STALE = 300.0  # seconds after which whoever has not come for an answer is not in a hurry
ABANDONED = 3600.0  # seconds after which anybody may delete an answer


@dataclass(frozen=True, slots=True)
class ReceivedAnswer:
    """An answer as it came: None for a message to us that is no answer."""

    message: Message
    answer: Answer | None


class Inbox:
    """Our answers on one queue. Raises what botocore raises."""

    def __init__(self, queue: Queue, client: str, private: bool = False) -> None:
        self.queue, self.client, self.private = queue, client, private
        self._first: dict[str, str] = {}  # the message in which an answer was returned, by the answer's id
        self._leases = Leases(queue, ANSWER_VISIBILITY_TIMEOUT)  # the messages returned and not deleted yet
        self._met: Counter[str] = Counter()  # how often we received a message of somebody else's

    def receive(self, wait: int) -> list[ReceivedAnswer]:
        """Return answers of ours that were not returned before, waiting up to `wait` seconds for any message.

        What belongs to others is released for them, what nobody wants is deleted, what is not deleted yet stays ours.
        """
        self._leases.renew()
        now = time.monotonic()
        ours: dict[str, ReceivedAnswer] = {}
        others: list[Message] = []
        useless: list[Message] = []
        for message in self.queue.receive(wait, self._leases.timeout):
            found = _read(message)
            id = found.answer.id if found.answer else message.id
            if not self._is_ours(message):
                abandoned = message.sent < time.time() - ABANDONED
                (useless if abandoned else others).append(message)
            elif message.id in self._leases:
                self._leases.hold([message], now)  # its lease ran out before it was deleted: this receipt counts now
            elif id in self._first or id in ours:
                useless.append(message)  # a copy
            else:
                ours[id] = found
        if useless:
            self.queue.delete(useless)
        if others:
            if len(self._met) > MAX_MET:
                self._met.clear()
            self._met.update(message.id for message in others)
            met = min(self._met[message.id] for message in others)
            self.queue.change_visibility(
                others, hiding_seconds(time.time() - max(message.sent for message in others), met)
            )
        # Only now: what is lost to an error above comes back, and must not count as a copy then.
        for id, found in ours.items():
            self._first[id] = found.message.id
            self._leases.hold([found.message], now)
        return list(ours.values())

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        """Delete up to ten messages whose answers have been shown; return those to try again."""
        failed = {message.id for message in self.queue.delete([self._leases[message.id] for message in messages])}
        self._leases.release(message for message in messages if message.id not in failed)
        return [message for message in messages if message.id in failed]

    def _is_ours(self, message: Message) -> bool:
        return self.private or message.attributes.get("client", self.client) == self.client


def hiding_seconds(age: float, met: int) -> int:
    """Return the seconds to hide an answer of somebody else's, sent `age` seconds ago and received `met` times by us.

    Not none: another poll of ours may be open, and would get it before its owner does. Longer only for one that
    nobody seems to come for, many of which must not stand before ours: among n clients it is the n-th receive that
    meets the owner, so neither a few receives nor an age of seconds says that.
    """
    return 30 if age > STALE else random.choice((1, 2)) * (1 if met < OFTEN else 4)


def _read(message: Message) -> ReceivedAnswer:
    try:
        return ReceivedAnswer(message, decode_answer(message.body))
    except InvalidInput:
        return ReceivedAnswer(message, None)

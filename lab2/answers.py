"""The answers on a queue that are ours: found among those of others, each once, deleted when they have been shown."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass

from lab2.messages import Answer, Refused, decode_answer
from lab2.queues import Message, Queue, batches

LEASE = 30  # seconds to show an answer and delete it; then it is there again for our next run
ABANDONED = 3600.0  # seconds after which anybody may delete an answer


@dataclass(frozen=True, slots=True)
class Arrival:
    """An answer as it came: None for a message to us that is no answer."""

    message: Message
    answer: Answer | None


class Inbox:
    """Our answers on one queue. Raises what botocore raises."""

    def __init__(self, queue: Queue, client: str, private: bool = False) -> None:
        self.queue, self.client, self.private = queue, client, private
        self._seen: set[str] = set()

    def receive(self, wait: int) -> list[Arrival]:
        """Return answers of ours that were not returned before, waiting up to `wait` seconds for any message.

        What belongs to others is released for them, what nobody wants is deleted.
        """
        ours: list[Arrival] = []
        new: set[str] = set()
        others: list[Message] = []
        useless: list[Message] = []
        for message in self.queue.receive(wait, LEASE):
            if not self._is_ours(message):
                abandoned = message.sent < time.time() - ABANDONED
                (useless if abandoned else others).append(message)
            elif (answer := (arrival := _read(message)).answer) and (answer.id in self._seen or answer.id in new):
                useless.append(message)
            else:
                ours.append(arrival)
                if answer:
                    new.add(answer.id)
        self.delete(useless)
        for hidden in batches(others):
            self.queue.hide(hidden, _pause(min(message.sent for message in hidden)))
        self._seen |= new  # only now: what is lost to an error above comes back, and must not count as a second copy
        return ours

    def delete(self, messages: Iterable[Message]) -> None:
        """Delete messages; those that SQS does not delete come back, and are known then."""
        for batch in batches(messages):
            self.queue.delete(batch)

    def _is_ours(self, message: Message) -> bool:
        return self.private or message.attributes.get("client", self.client) == self.client


def _pause(sent: float) -> int:
    """Return the seconds to hide an answer of somebody else's that was sent then.

    At least one or two: another poll of ours may be open, and would get it before its owner does. The older
    it is, the longer, for whoever has not come by now is not in a hurry, and a thousand of them must not
    stand before ours.
    """
    return max(random.choice((1, 2)), min(30, int((time.time() - sent) / 4)))


def _read(message: Message) -> Arrival:
    try:
        return Arrival(message, decode_answer(message.body))
    except Refused:
        return Arrival(message, None)

"""The answers on a queue that are ours: found among those of others, each once, deleted when they have been shown."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lab2.aws.sqs import Message, Queue, batches
from lab2.errors import InvalidInput
from lab2.stats.protocol import Answer, decode_answer

ANSWER_VISIBILITY_TIMEOUT = (
    30  # seconds in which an answer is shown and deleted, or renewed; then it is there again for our next run
)
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
        self._open: dict[str, Message] = {}  # the messages returned and not deleted yet, as last received
        self._until: dict[str, float] = {}  # when their leases run out, or a little before
        self._met: Counter[str] = Counter()  # how often we received a message of somebody else's
        self._lock = threading.Lock()

    def receive(self, wait: int) -> list[ReceivedAnswer]:
        """Return answers of ours that were not returned before, waiting up to `wait` seconds for any message.

        What belongs to others is released for them, what nobody wants is deleted, what is not deleted yet stays ours.
        """
        self._renew()
        until = time.monotonic() + ANSWER_VISIBILITY_TIMEOUT
        ours: dict[str, ReceivedAnswer] = {}
        others: list[Message] = []
        useless: list[Message] = []
        for message in self.queue.receive(wait, ANSWER_VISIBILITY_TIMEOUT):
            found = _read(message)
            id = found.answer.id if found.answer else message.id
            if not self._is_ours(message):
                abandoned = message.sent < time.time() - ABANDONED
                (useless if abandoned else others).append(message)
            elif message.id in self._open:
                self._hold(message, until)  # its lease ran out before it was deleted: this receipt counts now
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
            self._hold(found.message, until)
        return list(ours.values())

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        """Delete up to ten messages whose answers have been shown; return those to try again."""
        failed = self.queue.delete([self._open[message.id] for message in messages])
        again = {message.id for message in failed}
        with self._lock:
            for message in messages:
                if message.id not in again:
                    del self._open[message.id], self._until[message.id]
        return [message for message in messages if message.id in again]

    def _hold(self, message: Message, until: float) -> None:
        with self._lock:
            self._open[message.id], self._until[message.id] = message, until

    def _renew(self) -> None:
        """Renew the leases that run out before long, many together; one that is missed comes back."""
        now = time.monotonic()
        with self._lock:  # each is renewed by one thread
            if min(self._until.values(), default=now + ANSWER_VISIBILITY_TIMEOUT) > now + ANSWER_VISIBILITY_TIMEOUT / 3:
                return
            due = [
                self._open[id] for id, until in self._until.items() if until < now + ANSWER_VISIBILITY_TIMEOUT * 2 / 3
            ]
            self._until.update((message.id, now + ANSWER_VISIBILITY_TIMEOUT) for message in due)
        for batch in batches(due):
            self.queue.change_visibility(batch, ANSWER_VISIBILITY_TIMEOUT)

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

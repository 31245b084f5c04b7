"""The answers on a queue that this run shows: told from those of others, deduplicated, deleted when shown."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab2.aws.sqs.leases import Leases
from lab2.aws.sqs.message_queue import Message, Queue
from lab2.aws.timing import ANSWER_VISIBILITY_S
from lab2.errors import InvalidInput
from lab2.stats.client.run import Run, run_of
from lab2.stats.protocol import Answer, decode_answer

# Receives of somebody else's answer by us alone: until the first its owner is probably here and gets it next, from the
# second on the owner is probably not here.
FEW_RECEIVES = 5
MANY_RECEIVES = 10
MAX_MET = 10_000  # messages of others whose receives are counted
# After so long an answer to our client name is ours, if this machine does not know the run that asked for it. A live
# run receives all the time while it waits; an answer that it received and could not show is back after a lease.
TAKEOVER_S = 90.0
STALE_S = 300.0  # after which an answer that nobody has fetched is not urgent


@dataclass(frozen=True, slots=True)
class ReceivedAnswer:
    """An answer as it came: None for a message to us that is no answer. `earlier`: this run did not ask for it."""

    message: Message
    answer: Answer | None
    inbox: Inbox
    earlier: bool


class Inbox:
    """The answers on one queue that this run shows. Raises what botocore raises.

    They are those to its own requests, and those of its name that no live run waits for. `private`: it is this run's
    own queue, and all that comes is for it. `listening`: answers to requests of other programs are shown at once, too,
    for no run of ours will ask for them. `failed` is told of a message whose handling fails, once; it keeps no
    other one back, and comes again when its lease runs out.
    """

    def __init__(
        self,
        queue: Queue,
        client: str,
        run: Run,
        failed: Callable[[Exception], object],
        private: bool = False,
        listening: bool = False,
    ) -> None:
        self.queue = queue
        self.client = client
        self.run = run
        self.failed = failed
        self.private = private
        self.listening = listening
        self.leases = Leases(queue, ANSWER_VISIBILITY_S)  # the messages returned and not deleted yet
        self.sifted = 0  # receives of answers of others ...
        self.sifted_at = -math.inf  # ... and when the last one was (monotonic seconds)
        self._first: dict[str, str] = {}  # the message in which an answer was returned, by the answer's id
        self._met: Counter[str] = Counter()  # how often we received a message of somebody else's
        self._failing: set[str] = set()  # messages whose handling failed

    def receive(self, wait: int) -> list[ReceivedAnswer]:
        """Return answers for us that were not returned before, waiting up to `wait` seconds for any message.

        What belongs to others is released for them, a copy is deleted, what is not deleted yet stays ours.
        """
        self.leases.renew()
        now = time.monotonic()
        ours: dict[str, ReceivedAnswer] = {}
        others: list[Message] = []
        useless: list[Message] = []
        for message in self.queue.receive(wait, self.leases.timeout):
            try:
                answer = _read(message)
                id = answer.id if answer else message.id
                if message.id in self.leases:
                    self.leases.hold([message], now)  # its lease ran out before it was deleted: this receipt counts now
                elif answer and not self._is_for_us(message, id):
                    others.append(message)
                elif id in self._first or id in ours:
                    useless.append(message)  # a copy
                else:
                    ours[id] = ReceivedAnswer(message, answer, self, earlier=run_of(id) != self.run.id)
            except Exception as error:
                if message.id not in self._failing:
                    self._failing.add(message.id)
                    self.failed(error)
        if useless:
            self.queue.delete(useless)
        if others:
            self._release(others)
        # Only now: what is lost to an error above comes back, and must not count as a copy then.
        for id, found in ours.items():
            self._first[id] = found.message.id
            self.leases.hold([found.message], now)
        return list(ours.values())

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        """Delete up to ten messages whose answers have been shown; return those to try again."""
        failed = {message.id for message in self.queue.delete([self.leases[message.id] for message in messages])}
        self.leases.release(message for message in messages if message.id not in failed)
        return [message for message in messages if message.id in failed]

    def _release(self, others: Sequence[Message]) -> None:
        """Make others' answers visible again, now or soon."""
        if len(self._met) > MAX_MET:
            self._met.clear()
        self._met.update(message.id for message in others)
        self.sifted += len(others)
        self.sifted_at = time.monotonic()
        now = time.time()
        hidden: dict[bool, list[int]] = {}
        batch: dict[bool, list[Message]] = {}
        for message in others:
            seconds = hiding_seconds(now - message.sent, self._met[message.id])
            batch.setdefault(seconds > 0, []).append(message)
            hidden.setdefault(seconds > 0, []).append(seconds)
        for key, messages in batch.items():
            self.queue.change_visibility(messages, min(hidden[key]))

    def _is_for_us(self, message: Message, id: str) -> bool:
        """Return whether we show an answer: it is to this run, or of our name and no live run waits for it."""
        run = run_of(id)
        if self.private or run == self.run.id:
            return True
        if message.attributes.get("client", self.client) != self.client:
            return False
        if run is None and self.listening:
            return True
        lives = self.run.lives(run) if run else None
        if lives is None and "client" in message.attributes:
            return message.sent < time.time() - TAKEOVER_S
        return not lives


def hiding_seconds(age: float, met: int) -> int:
    """Return the seconds to hide an answer of somebody else's, sent `age` seconds ago and received `met` times by us.

    None at first: among n clients it is the n-th receive that meets the owner, and one that is hidden for a second each
    time would need n seconds. Then some, for nobody seems to come for it, and many such must not stand before ours.
    """
    if age > STALE_S:
        return 30
    return 0 if met <= FEW_RECEIVES else random.choice((1, 2)) * (1 if met < MANY_RECEIVES else 4)


def _read(message: Message) -> Answer | None:
    try:
        return decode_answer(message.body)
    except InvalidInput:
        return None

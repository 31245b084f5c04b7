"""The answers on a queue that this run shows: separated from others', deduplicated, deleted when shown."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab2.aws.sqs.leases import Leases
from lab2.aws.sqs.message_queue import Message, Queue
from lab2.aws.timeouts import ANSWER_VISIBILITY_S
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
    """An answer as received; None for a message that is no answer. `earlier`: it is not to a request of this run."""

    message: Message
    answer: Answer | None
    inbox: Inbox
    earlier: bool


class Inbox:
    """The answers on one queue that this run shows. Raises what botocore raises.

    Those are the answers to its own requests, and answers to its client name that no live run waits for. `private`: the
    queue is this run's own, and everything on it is ours. `listening`: answers to other programs' requests are shown at
    once, too, for no run of ours waits for them. `failed` gets the error of a message whose handling fails, once; the
    message holds up no other, and comes again when its lease ends.
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
        self.leases = Leases(queue, ANSWER_VISIBILITY_S)  # messages that were returned and are not deleted yet
        self.sifted = 0  # receives of others' answers ...
        self.sifted_at = -math.inf  # ... and when the last one was (monotonic seconds)
        self._first: dict[str, str] = {}  # answer's id → the message that it was returned from
        self._met: Counter[str] = Counter()  # how often we received a message of somebody else
        self._failing: set[str] = set()  # messages whose handling failed

    def receive(self, wait: int) -> list[ReceivedAnswer]:
        """Return new answers for us, waiting up to `wait` seconds for any message.

        Others' answers are released, copies are deleted, and the leases of what is not deleted yet are renewed.
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
                    self.leases.hold([message], now)  # its lease ended before it was deleted: the new receipt counts
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
        # Not before: what an error above has lost comes back, and must not count as a copy then.
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
        seconds = {message.id: hiding_seconds(now - message.sent, self._met[message.id]) for message in others}
        released = [message for message in others if seconds[message.id] == 0]
        hidden = [message for message in others if seconds[message.id] > 0]
        for batch in filter(None, (released, hidden)):
            self.queue.change_visibility(batch, min(seconds[message.id] for message in batch))

    def _is_for_us(self, message: Message, id: str) -> bool:
        """Return whether we show an answer: it is to this run, or to our client name and no live run waits for it."""
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
    """Return the seconds to hide somebody else's answer, sent `age` seconds ago and received `met` times by us.

    At first 0: among n clients about the n-th receive is the owner's, and hiding the answer for a second each time
    would take n seconds. Later more, for the owner seems to be gone, and many such answers would delay ours.
    """
    if age > STALE_S:
        return 30
    return 0 if met <= FEW_RECEIVES else random.choice((1, 2)) * (1 if met < MANY_RECEIVES else 4)


def _read(message: Message) -> Answer | None:
    try:
        return decode_answer(message.body)
    except InvalidInput:
        return None

"""The answering side without a machine: AWS Lambda hands over batches of requests and deletes those that were answered.

A function's process serves one batch at a time. Between two it may be frozen for as long as AWS likes, or ended: what
it knows of the log is only ever a start for the next conditional write. What is not answered in time is delivered
again, and what was logged of it then gets the logged answer. Work that is merely slow, as reading a long log at the
start is, goes on with the next batch: the event loop stands still between two.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from lab2.aws.resources import ANSWER_QUEUE, LOG_PREFIX
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Message
from lab2.errors import UserError
from lab2.events import log_event
from lab2.stats.server.log.request_log import RequestLog
from lab2.stats.server.stages import Request, Stages
from lab2.terminal import counted


class Function:
    """The stages that a process keeps from one batch to the next, with what they know of the log."""

    def __init__(self, aws: AwsSession) -> None:
        self.aws = aws
        self.answers = aws.queue_url(ANSWER_QUEUE)
        aws.check_bucket(LOG_PREFIX)
        self._loop = asyncio.new_event_loop()
        self._stages: Stages | None = None
        self._waiting: set[str] = set()  # receipts of the messages in hand ...
        self._set_aside: set[str] = set()  # ... and of those that can't be handled
        self._failure: UserError | None = None  # why none can
        self._settled = asyncio.Event()  # nothing is in hand, or none can be handled

    def handle(self, messages: Sequence[Message], patience_s: float) -> list[Message]:
        """Log and answer these messages; return those that come back, as they were not answered within `patience_s`."""
        return self._loop.run_until_complete(self._handle(messages, patience_s))

    async def _handle(self, messages: Sequence[Message], patience_s: float) -> list[Message]:
        self._waiting = {message.receipt for message in messages}
        self._set_aside = set()
        self._failure = None
        self._settled.clear()
        self._stages = stages = self._stages or Stages(
            self.aws, self.answers, self._answered, self._let_go, self._give_up, _go_on
        )
        stages.put(messages)
        self._look()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._settled.wait(), patience_s)
        late = self._waiting
        left = late | self._set_aside
        self._waiting = set()
        if late and (self._failure or stages.failing):  # what waits would be more with every batch
            stages.close()
            self._stages = None
        if late:
            reason = str(self._failure) if self._failure else f"not answered within {patience_s:.0f} s"
            sentence = f"{counted(len(late), 'request')} will be delivered again: {reason}"
            log_event("not_answered", sentence, logging.ERROR, requests=len(late))
        return [message for message in messages if message.receipt in left]

    def _answered(self, requests: Sequence[Request]) -> None:
        self._waiting.difference_update(request.message.receipt for request in requests)
        self._look()

    def _let_go(self, message: Message) -> None:
        if message.receipt in self._waiting:
            self._waiting.remove(message.receipt)
            self._set_aside.add(message.receipt)
        self._look()

    def _give_up(self, reason: UserError) -> None:
        self._failure = reason
        self._look()

    def _look(self) -> None:
        if not self._waiting or self._failure:
            self._settled.set()


async def _go_on(log: RequestLog, rows: int) -> None:
    """Don't wait after a write: a function is paid by the second, and its batches are gathered already."""

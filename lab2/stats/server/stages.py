"""What becomes of each request, in a server's loop or a function of AWS Lambda: it is read, logged, answered.

Who receives the requests also deletes them, once they are handed to `done`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial

from lab2.aws.failures import MISSING_QUEUE_CODES, error_code
from lab2.aws.resources import ANSWER_QUEUE, DEAD_LETTER_QUEUE
from lab2.aws.retry import OutageReporter, is_outage, is_transient
from lab2.aws.session import AwsSession
from lab2.aws.sqs.event_loop import in_thread
from lab2.aws.sqs.message_queue import BATCH, Message, Outgoing
from lab2.errors import UserError, internal_error
from lab2.events import log_event, log_outage
from lab2.stats.protocol import MAX_CHARACTERS, answer_request, encode_answer
from lab2.stats.server.log.index import NoRoom
from lab2.stats.server.log.request_log import RequestLog
from lab2.stats.server.log.row import LogRow, encode_row
from lab2.stats.server.log.window import first_logged, first_sent
from lab2.stats.server.stage import Stage
from lab2.terminal import counted, printable

MAX_WRITTEN = 4_000  # requests in one write to the log
MAX_RECEIVES = 5  # of a request, as aws.yaml has it
MAX_REFUSALS = 3  # of an answer by a private queue; then the shared queue gets it
APPEARS_WITHIN_S = 5.0  # within which a new queue can be used; AWS says one
MAX_NAME = 200  # characters of an id or a client
_NAME = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff]{{1,{MAX_NAME}}}")
_PRIVATE_QUEUE = re.compile(re.escape(ANSWER_QUEUE) + r"-[A-Za-z0-9_-]{1,70}")


@dataclass(slots=True, eq=False)
class Request:
    """A request in hand: its message, the queue that its answer goes to, the row to log, the answer."""

    message: Message
    id: str
    client: str  # '' if it has no name
    reply_to: str
    since: float  # before which it was not logged (epoch seconds)
    row: LogRow
    answer: str
    missing_since: float = 0.0  # when its private queue was first found missing (monotonic seconds)
    refusals: int = 0  # of the answer by its private queue

    @property
    def outgoing(self) -> Outgoing:
        return Outgoing(self.answer, {"id": self.id, "client": self.client} if self.client else {"id": self.id})


class Stages:
    """Two stages that every request goes through in an event loop: log, answer.

    `done` is given requests that are answered, `let_go` a message that can't be handled, and `give_up` why none can.
    `after_write` is called with the log and the number of rows just written, and may wait before the next.
    """

    def __init__(
        self,
        aws: AwsSession,
        answers: str,
        done: Callable[[Sequence[Request]], None],
        let_go: Callable[[Message], None],
        give_up: Callable[[UserError], None],
        after_write: Callable[[RequestLog, int], Awaitable[None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.aws = aws
        self.answers = answers  # URL of the shared answer queue
        self.done = done
        self.let_go = let_go
        self.after_write = after_write
        self.clock = clock  # seconds since 1970
        self.answered = 0
        self.hurried = False  # nobody waits for a private queue to appear
        self.request_log: RequestLog | None = None  # opened with the first requests, and again after a bug
        self.log = Stage(
            OutageReporter("Logging", log_outage, give_up), self._write, self.reject, size=MAX_WRITTEN, unit=BATCH
        )
        self.answer = Stage(
            OutageReporter("Answering", log_outage, give_up),
            self._send,
            self.reject,
            size=BATCH,
            tasks=16,
            key=lambda request: request.reply_to,
        )

    @property
    def failing(self) -> bool:
        """Whether the last try to log or to answer failed."""
        return self.log.outages.tries > 0 or self.answer.outages.tries > 0

    def put(self, messages: Sequence[Message]) -> None:
        """Read messages and hand them to the log; never blocks."""
        now = datetime.now(timezone.utc)
        requests = []
        for message in messages:
            try:
                requests.append(self._read(message, now))
            except Exception as error:
                self._fail(message, message.attributes.get("id", message.id), error)
        self.log.put(requests)

    def reject(self, request: Request, error: BaseException) -> None:
        """Set a request aside whose handling fails: the others go on."""
        self._fail(request.message, request.id, error)

    def close(self) -> None:
        """Drop what waits; what is under way is finished."""
        self.log.close()
        self.answer.close()

    def _read(self, message: Message, now: datetime) -> Request:
        attributes = message.attributes
        id = attributes.get("id", "")
        own_id = not _is_name(id)
        if own_id:
            id = message.id
        client = attributes.get("client", "")
        if not _is_name(client):
            client = ""
        reply_to = self.answers
        if _PRIVATE_QUEUE.fullmatch(attributes.get("reply_to", "")):
            reply_to = self.answers[: -len(ANSWER_QUEUE)] + attributes["reply_to"]
        answer = encode_answer(answer_request(id, message.body))
        # A body too long to be a request is cut in the log, but stays too long: it is refused alike when verified.
        row = encode_row(id, client, message.body[: MAX_CHARACTERS + 1], answer, now, message.sender)
        sent = first_sent(message.sent, attributes.get("sent", ""))
        since = first_logged(id, sent, own_id)
        return Request(message.without_body(), id, client, reply_to, since, row, answer)

    async def _write(self, requests: list[Request]) -> list[Request]:
        """Log the requests; what was logged at an earlier delivery gets the answer that was logged."""
        rows = [request.row for request in requests]
        since = min(request.since for request in requests)
        log, answers = await in_thread(partial(self._append, rows, since))
        for request, answer in zip(requests, answers, strict=True):
            request.answer = answer
        self.answer.put(requests)
        await self.after_write(log, len(requests))
        return []

    def _append(self, rows: list[LogRow], since: float) -> tuple[RequestLog, list[str]]:
        """Log rows, in one thread at a time; return the log, and the answer that it has for each."""
        self.request_log = log = self.request_log or self._open_log()
        try:
            return log, log.append(rows, since)
        except BaseException as error:
            if isinstance(error, NoRoom) or not is_outage(error):  # what it knows may be half the truth
                self.request_log = None
            raise

    def _open_log(self) -> RequestLog:
        return RequestLog(self.aws.whole_objects, self.clock, in_parts=self.aws.store_is_aws)

    async def _send(self, requests: list[Request]) -> list[Request]:
        to = requests[0].reply_to
        failed = answers = [request.outgoing for request in requests]
        try:
            failed = await self.aws.event_loop_queue(to).send(answers)
        except Exception as error:
            if to == self.answers or not error_code(error) or is_transient(error):
                raise
            if error_code(error) in MISSING_QUEUE_CODES:
                if self._may_appear(requests):
                    return []
                for request in requests:
                    request.refusals = MAX_REFUSALS
                queue = to.rpartition("/")[2]
                sentence = f"{queue} does not exist; sent to {ANSWER_QUEUE} instead: {counted(len(requests), 'answer')}"
                log_event("private_queue_missing", sentence, queue=queue, answers=len(requests))
        again = [request for request, answer in zip(requests, answers, strict=True) if answer in failed]
        if to != self.answers:  # it may be set up to take nothing: no task waits for it
            for request in again:
                request.refusals += 1
                if request.refusals >= MAX_REFUSALS:  # the client has gone; its next run looks here
                    request.reply_to = self.answers
            self.answer.put(again)
        self.answered += len(requests) - len(again)
        self.done([request for request in requests if request not in again])
        return again if to == self.answers else []

    def _may_appear(self, requests: list[Request]) -> bool:
        """Return whether a missing private queue may be so new that SQS does not know it; then it is tried again."""
        now = time.monotonic()
        for request in requests:
            request.missing_since = request.missing_since or now
        if self.hurried or now - min(request.missing_since for request in requests) > APPEARS_WITHIN_S:
            return False
        asyncio.get_running_loop().call_later(APPEARS_WITHIN_S / 10, self.answer.put, requests)  # no task waits
        return True

    def _fail(self, message: Message, id: str, error: BaseException) -> None:
        self.let_go(message)
        sentence = (
            f"Request {printable(id)[:200]} failed, receive {message.receives} of {MAX_RECEIVES} "
            f"before it goes to {DEAD_LETTER_QUEUE}: {internal_error(error)}"
        )
        log_event("request_failed", sentence, logging.ERROR, id=id, receives=message.receives)


def _is_name(text: str) -> bool:
    """Return whether this can be an id or a client, which are echoed as attributes."""
    if text.isascii() and text.isprintable():  # as nearly all are
        return 0 < len(text) <= MAX_NAME
    return bool(_NAME.fullmatch(text))

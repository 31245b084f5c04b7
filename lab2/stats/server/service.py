"""The answering side: receive, log, answer, delete.

SQS, with its at-least-once delivery, is the write-ahead log: a request is deleted after it was answered, and answered
after it was logged. What is not logged yet holds back the polling (back-pressure). A graceful shutdown finishes the
requests in hand. A request whose handling fails is set aside and the others go on: it comes back after its visibility
timeout, and after five receives it is a poison message, which SQS moves to the dead-letter queue. During an outage the
server waits.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from lab2.aws.failures import MISSING_QUEUE_CODES, error_code
from lab2.aws.pricing import Meter
from lab2.aws.resources import ANSWER_QUEUE, DEAD_LETTER_QUEUE, LOG_PREFIX, REQUEST_QUEUE
from lab2.aws.retry import OutageReporter, describe, is_outage, is_passing
from lab2.aws.session import AwsSession
from lab2.aws.sqs.leases import Leases
from lab2.aws.sqs.message_queue import BATCH, Message, Outgoing
from lab2.aws.sqs.poller import Poller
from lab2.aws.timing import REQUEST_VISIBILITY_S as REQUEST_VISIBILITY_TIMEOUT
from lab2.errors import UserError, internal_error
from lab2.events import log_event, log_outage
from lab2.stats.protocol import MAX_CHARACTERS, answer_request, encode_answer
from lab2.stats.server.log.index import NoRoom, free_bytes
from lab2.stats.server.log.request_log import RequestLog
from lab2.stats.server.log.row import LogRow, encode_row
from lab2.stats.server.log.window import first_logged, first_sent
from lab2.stats.server.monitor.disk import DiskWatch
from lab2.stats.server.monitor.heartbeat import Heartbeat, as_text
from lab2.stats.server.monitor.metrics import embedded_metrics
from lab2.stats.server.pacing import Arrivals
from lab2.terminal import counted, printable
from lab2.workers import BackgroundTask, BatchWorker, PeriodicTask

# An idle poll of 4 s and a pause cost 25 cents a month, and a stopped server is gone within 5 s: a poll must
# not be cut off, for a message may be on its way in it.
POLL, PAUSE = 4, 0.15
MAX_RECEIVES = 5  # of a request, as aws.yaml has it
MAX_POLLERS = 8
MAX_HELD = 4_000  # requests in hand: what is not logged yet holds the pollers back
MAX_REFUSED = 3  # times that a private queue is asked to take an answer; then the shared queue gets it
APPEARS_WITHIN = 5.0  # seconds within which a new queue can be used; AWS says one
# Seconds for what is in hand when the server is stopped and AWS is away: for polls that are open, then with them for
# what they brought, then with both for the release of the rest.
LAST_POLL, LAST_WORK, LAST_EFFORT = 8.0, 20.0, 25.0
HEARTBEAT = 60.0
_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")  # an id or client that is echoed
_PRIVATE_QUEUE = re.compile(re.escape(ANSWER_QUEUE) + r"-[A-Za-z0-9_-]{1,70}")


@dataclass(slots=True, eq=False)
class Request:
    """A request in hand: its message, the queue that its answer goes to, the row to log, the answer."""

    message: Message
    id: str
    client: str | None
    reply_to: str
    since: float  # before which it was not logged (epoch seconds)
    row: LogRow
    answer: str
    missing_since: float = 0.0  # when its private queue was first found missing (monotonic seconds)
    refused: int = 0  # times that its private queue did not take the answer

    @property
    def outgoing(self) -> Outgoing:
        return Outgoing(self.answer, {"id": self.id} | ({"client": self.client} if self.client else {}))


class Server:
    """A poller, and three workers that every request goes through: log, answer, delete."""

    def __init__(self, aws: AwsSession, clock: Callable[[], float] = time.time) -> None:
        self.aws = aws
        self.clock = clock  # seconds since 1970
        self.requests = aws.queue(REQUEST_QUEUE)
        self.answers = aws.queue_url(ANSWER_QUEUE)
        aws.check_bucket(LOG_PREFIX)
        self.heartbeat = Heartbeat(aws)
        self.meter = Meter()
        self.meter.watch(aws.sqs)
        self.meter.watch(aws.s3)
        self.stopping = threading.Event()
        self.draining = self.stop_requested = False
        self.received = 0
        self.answered = 0
        self.writes = 0
        self._counting = threading.Lock()  # for several threads receive, and several answer
        self._disk = DiskWatch()
        self.last_poll = time.monotonic()
        self._request_log: RequestLog | None = None  # opened with the first requests, and again after a bug
        self._leases = Leases(self.requests, REQUEST_VISIBILITY_TIMEOUT)  # the requests in hand
        self._failure: UserError | None = None  # why the server can't go on
        self._arrivals = Arrivals()
        self._log = BatchWorker(self._outages("Logging"), self._write, size=MAX_HELD, unit=BATCH, reject=self._reject)
        self._answer = BatchWorker(
            self._outages("Answering"), self._send, size=BATCH, threads=16, key=lambda request: request.reply_to,
            reject=self._reject,
        )  # fmt: skip
        self._delete = BatchWorker(
            self._outages("Deleting"), self._forget, size=BATCH, threads=8, linger=1.0, reject=self._reject
        )
        self._poller = Poller(
            self._receive, self._outages("Receiving"), max_threads=MAX_POLLERS, pause=PAUSE, ready=self._ready
        )
        # Requests that are in hand for long must not be received by somebody else meanwhile.
        self._renewals = PeriodicTask(
            self._leases.renew, self._outages("Renewing leases"), interval=REQUEST_VISIBILITY_TIMEOUT / 6
        )
        # A thread of its own: a stop must not wait for a call that hangs.
        self._beats = PeriodicTask(self._beat, self._outages("Heartbeat"), interval=HEARTBEAT)

    def run(self, drain: bool = False) -> None:
        """Serve until asked to stop, or with `drain` until no request is left; UserError where it can't go on."""
        self.draining = drain
        self._poller.start(patient=not drain)
        self._renewals.start()
        self._beats.start()
        # In short waits: a signal leaves a flag, and on Windows it is not heard before a wait is over.
        while not self.stop_requested and not self.stopping.wait(0.5 if not drain else 0.05):
            if drain and not self._poller.running:
                break
        self._finish()
        if self._failure:
            raise self._failure

    def report(self) -> str:
        """Return counts so far, calls per request and what a million such requests would cost."""
        done = [counted(self.received, "request"), counted(self.answered, "answer"), counted(self.writes, "log write")]
        line = f"{', '.join(done)}, {len(self._leases):,} in hand; {counted(self.meter.total, 'API call')}"
        if self.received:
            line += (f", {self.meter.total / self.received:.2f} a request, "
                     f"${self.meter.dollars / self.received * 1e6:.2f} a million requests")  # fmt: skip
        return line

    def counts(self) -> dict[str, int | float]:
        """Return the numbers of the report for machines."""
        log = self._request_log
        return {"requests": self.received, "answers": self.answered, "log_writes": self.writes,
                "in_hand": len(self._leases), "api_calls": self.meter.total, "dollars": round(self.meter.dollars, 6),
                "index_bytes": log.index.bytes if log else 0, "free_bytes": free_bytes(),
                "last_poll_seconds": round(time.monotonic() - self.last_poll, 1)}  # fmt: skip

    def _beat(self) -> None:
        fields = self.heartbeat.fields() | self.counts()
        free = f"{fields['free_bytes'] / 1e9:,.1f} GB free for the index"
        last = f"last poll {fields['last_poll_seconds']:.0f} s ago"
        sentence = f"{as_text(fields)}; {self.report()}; {free}; {last}"
        log_event("heartbeat", sentence, **fields, **embedded_metrics(fields, time.time()))
        if warning := self._disk.look(fields["index_bytes"], fields["free_bytes"]):
            log_event("disk_filling", warning, logging.WARNING)

    def _ready(self) -> bool:
        """Back-pressure: what can't be logged is not received, for receives count towards the dead-letter queue."""
        return len(self._leases) < MAX_HELD and not (len(self._leases) and self._log.outages.failing)

    def _receive(self, patient: bool) -> int:
        messages = self.requests.receive(POLL if patient else 1, REQUEST_VISIBILITY_TIMEOUT)
        self.last_poll = time.monotonic()
        self._leases.hold(messages)
        with self._counting:
            self.received += len(messages)
            self.heartbeat.received([message.sent for message in messages])
        now = datetime.now(timezone.utc)
        requests, failures = [], []
        for message in messages:
            try:
                requests.append(self._read(message, now))
            except Exception as error:
                failures.append((message, error))
        self._log.linger = self._arrivals.note(len(messages))
        self._log.put(requests)
        for message, reason in failures:
            self._let_go(message, message.attributes.get("id", message.id), reason)
        return len(messages)

    def _read(self, message: Message, now: datetime) -> Request:
        attributes = message.attributes
        id = attributes["id"] if _NAME.fullmatch(attributes.get("id", "")) else message.id
        client = attributes["client"] if _NAME.fullmatch(attributes.get("client", "")) else None
        reply_to = self.answers
        if _PRIVATE_QUEUE.fullmatch(attributes.get("reply_to", "")):
            reply_to = self.answers[: -len(ANSWER_QUEUE)] + attributes["reply_to"]
        answer = encode_answer(answer_request(id, message.body))
        # A body too long to be a request is cut in the log, but stays too long: it is refused alike when verified.
        row = encode_row(id, client or "", message.body[: MAX_CHARACTERS + 1], answer, now)
        sent = first_sent(message.sent, attributes.get("sent", ""))
        since = first_logged(id, sent, id == message.id)
        message = message._replace(body="", attributes={})  # a megabyte of somebody's is not kept
        return Request(message, id, client, reply_to, since, row, answer)

    def _write(self, requests: list[Request]) -> None:
        """Log the requests; what was logged at an earlier delivery gets the answer that was logged."""
        self._request_log = log = self._request_log or self._open_log()
        try:
            answers = log.append([request.row for request in requests], min(request.since for request in requests))
        except BaseException as error:
            if isinstance(error, NoRoom) or not is_outage(error):  # what it knows may be half the truth
                self._request_log = None
            raise
        self.writes += 1
        self.heartbeat.logged(len(requests))
        for request, answer in zip(requests, answers, strict=True):
            request.answer = answer
        self._answer.put(requests)
        self.stopping.wait(log.turn)
        # While requests keep coming, those of the pause are logged together.
        self._poller.shallow.wait(max(0.0, log.gather - log.turn))

    def _open_log(self) -> RequestLog:
        return RequestLog(self.aws.s3, self.aws.bucket, self.clock, in_parts=self.aws.store_is_aws)

    def _send(self, requests: list[Request]) -> list[Request]:
        to = requests[0].reply_to
        failed = answers = [request.outgoing for request in requests]
        try:
            failed = self.aws.queue_at(to).send(answers)
        except Exception as error:
            if to == self.answers or not error_code(error) or is_passing(error):
                raise
            if error_code(error) in MISSING_QUEUE_CODES:
                if self._may_appear(requests):
                    return []
                for request in requests:
                    request.refused = MAX_REFUSED
                queue = to.rpartition("/")[2]
                sentence = f"{queue} does not exist; sent to {ANSWER_QUEUE} instead: {counted(len(requests), 'answer')}"
                log_event("private_queue_missing", sentence, queue=queue, answers=len(requests))
        again = [request for request, answer in zip(requests, answers, strict=True) if answer in failed]
        if to != self.answers:  # it may be set up to take nothing: no thread waits for it
            for request in again:
                request.refused += 1
                if request.refused >= MAX_REFUSED:  # the client has gone; its next run looks here
                    request.reply_to = self.answers
            self._answer.put(again)
        with self._counting:
            self.answered += len(requests) - len(again)
        self._delete.put(request for request in requests if request not in again)
        return again if to == self.answers else []

    def _may_appear(self, requests: list[Request]) -> bool:
        """Tell whether a missing private queue may be so new that SQS does not know it yet; then it is tried again."""
        now = time.monotonic()
        for request in requests:
            request.missing_since = request.missing_since or now
        ending = self.draining or self.stopping.is_set()
        if ending or now - min(request.missing_since for request in requests) > APPEARS_WITHIN:
            return False
        retry = threading.Timer(APPEARS_WITHIN / 10, self._answer.put, [requests])  # no thread of the worker waits
        retry.daemon = True
        retry.start()
        return True

    def _forget(self, requests: list[Request]) -> list[Request]:
        failed = self.requests.delete([request.message for request in requests])
        self._leases.release(request.message for request in requests if request.message not in failed)
        return [request for request in requests if request.message in failed]

    def _reject(self, request: Request, error: BaseException) -> None:
        self._let_go(request.message, request.id, error)

    def _let_go(self, message: Message, id: str, error: BaseException) -> None:
        """Hold a message no longer that can't be handled: it comes back after its visibility timeout."""
        self._leases.release([message])
        sentence = (f"Request {printable(id)[:200]} failed, receive {message.receives} of {MAX_RECEIVES} "
                    f"before it goes to {DEAD_LETTER_QUEUE}: {internal_error(error)}")  # fmt: skip
        log_event("request_failed", sentence, logging.ERROR, id=id, receives=message.receives)

    def _outages(self, what: str) -> OutageReporter:
        return OutageReporter(what, log_outage, self._give_up)

    def _give_up(self, reason: UserError) -> None:
        self._failure = self._failure or reason
        self.stopping.set()

    def _finish(self) -> None:
        """Finish what is in hand, and release what can't be finished."""
        started = time.monotonic()

        def left(effort: float) -> float:
            return max(0.0, started + effort - time.monotonic())

        self.stopping.set()
        self._poller.stop()
        self._poller.join(left(LAST_POLL))  # one that hangs is left alone: SQS delivers again what comes in it
        self._poller.shallow.set()
        for worker in (self._log, self._answer, self._delete):
            worker.flush(left(LAST_WORK))
            worker.close()
        self._renewals.stop(left(LAST_WORK))  # one that ends after the release would hide its messages once more
        self._beats.stop()
        release = BackgroundTask(self._leases.give_back)
        if not release.done(left(LAST_EFFORT)):
            reason = "SQS does not answer"
        elif error := release.future.exception():
            reason = describe(error)
        else:
            return
        sentence = f"Requests in hand were not released; SQS delivers them again within a minute: {reason}"
        log_event("not_released", sentence, logging.WARNING)

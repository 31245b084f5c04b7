"""The answering side: receive, log, answer, delete.

SQS, with its at-least-once delivery, is the write-ahead log: a request is deleted after it was answered, and answered
after it was logged. What is not logged yet holds back the polling (back-pressure). A graceful shutdown finishes the
requests in hand. A request whose handling fails is set aside and the others go on: it comes back after its visibility
timeout, and after five receives it is a poison message, which SQS moves to the dead-letter queue. During an outage the
server waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from lab2.aws.pricing import Meter
from lab2.aws.resources import ANSWER_QUEUE, LOG_PREFIX, REQUEST_QUEUE
from lab2.aws.retry import OutageReporter, describe
from lab2.aws.session import AwsSession
from lab2.aws.sqs.leases import Leases
from lab2.aws.sqs.message_queue import BATCH, Message
from lab2.aws.sqs.poller import Poller
from lab2.aws.timing import REQUEST_VISIBILITY_S as REQUEST_VISIBILITY_TIMEOUT
from lab2.errors import UserError
from lab2.events import log_event, log_outage
from lab2.stats.server.log.index import free_bytes
from lab2.stats.server.log.request_log import RequestLog
from lab2.stats.server.monitor.disk import DiskWatch
from lab2.stats.server.monitor.heartbeat import Heartbeat, as_text
from lab2.stats.server.monitor.metrics import embedded_metrics
from lab2.stats.server.pacing import Arrivals
from lab2.stats.server.stages import Request, Stages
from lab2.terminal import counted
from lab2.workers import BackgroundTask, BatchWorker, PeriodicTask

# An idle poll of 4 s and a pause cost 25 cents a month, and a stopped server is gone within 5 s: a poll must
# not be cut off, for a message may be on its way in it.
POLL, PAUSE = 4, 0.15
MAX_POLLERS = 8
MAX_HELD = 4_000  # requests in hand: what is not logged yet holds the pollers back
# Seconds for what is in hand when the server is stopped and AWS is away: for polls that are open, then with them for
# what they brought, then with both for the release of the rest.
LAST_POLL, LAST_WORK, LAST_EFFORT = 8.0, 20.0, 25.0
HEARTBEAT = 60.0


class Server:
    """A poller, the stages that every request goes through, and a worker that deletes it."""

    def __init__(self, aws: AwsSession, clock: Callable[[], float] = time.time) -> None:
        self.aws = aws
        self.requests = aws.queue(REQUEST_QUEUE)
        aws.check_bucket(LOG_PREFIX)
        self.heartbeat = Heartbeat(aws)
        self.meter = Meter()
        self.meter.watch(aws.sqs)
        self.meter.watch(aws.s3)
        self.stopping = threading.Event()
        self.stop_requested = False
        self.received = 0
        self.writes = 0
        self._counting = threading.Lock()  # for several threads receive
        self._disk = DiskWatch()
        self.last_poll = time.monotonic()
        self._leases = Leases(self.requests, REQUEST_VISIBILITY_TIMEOUT)  # the requests in hand
        self._failure: UserError | None = None  # why the server can't go on
        self._arrivals = Arrivals()
        self.stages = Stages(
            aws, aws.queue_url(ANSWER_QUEUE), self._answered, self._let_go, self._give_up, self._pause, clock
        )
        self._delete = BatchWorker(
            self._outages("Deleting"), self._forget, size=BATCH, threads=8, linger=1.0, reject=self.stages.reject
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
        self.stages.hurried = drain
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
        done = [
            counted(self.received, "request"),
            counted(self.stages.answered, "answer"),
            counted(self.writes, "log write"),
        ]
        line = f"{', '.join(done)}, {len(self._leases):,} in hand; {counted(self.meter.total, 'API call')}"
        if self.received:
            line += (f", {self.meter.total / self.received:.2f} a request, "
                     f"${self.meter.dollars / self.received * 1e6:.2f} a million requests")  # fmt: skip
        return line

    def counts(self) -> dict[str, int | float]:
        """Return the numbers of the report for machines."""
        log = self.stages.request_log
        return {"requests": self.received, "answers": self.stages.answered, "log_writes": self.writes,
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
        return len(self._leases) < MAX_HELD and not (len(self._leases) and self.stages.log.outages.failing)

    def _receive(self, patient: bool) -> int:
        messages = self.requests.receive(POLL if patient else 1, REQUEST_VISIBILITY_TIMEOUT)
        self.last_poll = time.monotonic()
        self._leases.hold(messages)
        with self._counting:
            self.received += len(messages)
            self.heartbeat.received([message.sent for message in messages])
        self.stages.log.linger = self._arrivals.note(len(messages))
        self.stages.put(messages)
        return len(messages)

    def _pause(self, log: RequestLog, rows: int) -> None:
        """Note that the log was written, and wait before the next write."""
        self.writes += 1
        self.heartbeat.logged(rows)
        self.stopping.wait(log.turn)
        # While requests keep coming, those of the pause are logged together.
        self._poller.shallow.wait(max(0.0, log.gather - log.turn))

    def _answered(self, requests: Sequence[Request]) -> None:
        self._delete.put(requests)

    def _let_go(self, message: Message) -> None:
        """Hold a message no longer that can't be handled: it comes back after its visibility timeout."""
        self._leases.release([message])

    def _forget(self, requests: list[Request]) -> list[Request]:
        failed = self.requests.delete([request.message for request in requests])
        self._leases.release(request.message for request in requests if request.message not in failed)
        return [request for request in requests if request.message in failed]

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
        self.stages.hurried = True
        self._poller.stop()
        self._poller.join(left(LAST_POLL))  # one that hangs is left alone: SQS delivers again what comes in it
        self._poller.shallow.set()
        for worker in (self.stages.log, self.stages.answer, self._delete):
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

"""The answering side as one event loop: receive, log, answer, delete.

SQS, with its at-least-once delivery, is the write-ahead log: a request is deleted after it was answered, and answered
after it was logged. What is not logged yet holds back the polling (back-pressure). A graceful shutdown finishes the
requests in hand. A request whose handling fails is set aside and the others go on: it comes back after its visibility
timeout, and after five receives it is a poison message, which SQS moves to the dead-letter queue. During an outage the
server waits.

The loop has one thread, so that what it knows needs no locks. What would hold it up runs in threads: boto3's calls, and
with them each write to the log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from lab2.aws.pricing import Meter
from lab2.aws.resources import ANSWER_QUEUE, LOG_PREFIX, REQUEST_QUEUE
from lab2.aws.retry import OutageReporter, describe
from lab2.aws.session import AwsSession
from lab2.aws.sqs.event_loop import in_thread
from lab2.aws.sqs.leases import Leases
from lab2.aws.sqs.message_queue import BATCH, Message
from lab2.aws.sqs.poller import QuickReceives
from lab2.aws.timeouts import REQUEST_VISIBILITY_S
from lab2.errors import UserError
from lab2.events import log_event, log_outage
from lab2.stats.server import pacing
from lab2.stats.server.log.index import free_bytes
from lab2.stats.server.log.request_log import RequestLog
from lab2.stats.server.monitor.disk import DiskWatch
from lab2.stats.server.monitor.heartbeat import Heartbeat, as_text
from lab2.stats.server.monitor.metrics import embedded_metrics
from lab2.stats.server.stage import Stage
from lab2.stats.server.stages import Request, Stages
from lab2.terminal import counted


class Server:
    """Polls, the stages that every request goes through, and its deletion."""

    def __init__(self, aws: AwsSession, clock: Callable[[], float] = time.time) -> None:
        self.aws = aws
        url = aws.queue_url(REQUEST_QUEUE)
        self.requests = aws.event_loop_queue(url)
        aws.check_bucket(LOG_PREFIX)
        self.heartbeat = Heartbeat(aws)
        self.meter = Meter()
        self.meter.watch(aws.sqs)
        self.meter.watch(aws.s3)
        self.stop_requested = False
        self.received = 0
        self.writes = 0
        self.last_poll = time.monotonic()
        self.stages = Stages(
            aws, aws.queue_url(ANSWER_QUEUE), self._answered, self._let_go, self._give_up, self._after_write, clock
        )
        self._delete = Stage(
            self._outages("Deleting"), self._forget, self.stages.reject, size=BATCH, tasks=8, linger_s=1.0
        )
        self._leases = Leases(aws.queue_at(url), REQUEST_VISIBILITY_S)  # the requests in hand
        self._arrivals = pacing.Arrivals()
        self._disk = DiskWatch()
        self._failure: UserError | None = None  # why the server can't go on
        self._pollers: set[asyncio.Task[None]] = set()
        self._receiving = self._outages("Receiving")
        self._quick_receives = QuickReceives()
        self._shallow = asyncio.Event()  # the queue is, as far as the last receive says
        self._stopping = asyncio.Event()  # nothing more is received
        self._finished = asyncio.Event()  # nothing is in hand

    def run(self, drain: bool = False) -> None:
        """Serve until asked to stop, or with `drain` until no request is left; UserError where it can't go on."""
        asyncio.run(self._serve(drain))
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
            calls = f"{self.meter.total / self.received:.2f} a request"
            line += f", {calls}, ${self.meter.dollars / self.received * 1e6:.2f} a million requests"
        return line

    def counts(self) -> dict[str, int | float]:
        """Return the numbers of the report for machines."""
        log = self.stages.request_log
        return {
            "requests": self.received,
            "answers": self.stages.answered,
            "log_writes": self.writes,
            "in_hand": len(self._leases),
            "api_calls": self.meter.total,
            "dollars": round(self.meter.dollars, 6),
            "index_bytes": log.index.bytes if log else 0,
            "free_bytes": free_bytes(),
            "last_poll_seconds": round(time.monotonic() - self.last_poll, 1),
        }

    async def _serve(self, drain: bool) -> None:
        self.stages.hurried = drain
        self._add_poller(patient=not drain)
        # Requests that are in hand for long must not be received by somebody else meanwhile.
        renewing = asyncio.create_task(
            self._repeat(partial(in_thread, self._leases.renew), "Renewing leases", REQUEST_VISIBILITY_S / 6)
        )
        beating = asyncio.create_task(self._repeat(self._beat, "Heartbeat", pacing.HEARTBEAT_S))
        # In short waits: a signal leaves a flag.
        while not self.stop_requested and not self._stopping.is_set() and (self._pollers or not drain):
            await pacing.wait(self._stopping, 0.05 if drain else 0.5)
        await self._finish(renewing)
        beating.cancel()

    # ---- Receiving ----------------------------------------------------------------------------------------------

    def _add_poller(self, patient: bool) -> None:
        if len(self._pollers) < pacing.MAX_POLLERS and not self._stopping.is_set():
            poller = asyncio.create_task(self._poll(patient))
            self._pollers.add(poller)
            poller.add_done_callback(self._pollers.discard)

    async def _poll(self, patient: bool) -> None:
        """Receive until stopped. The first poller is `patient`: it stays; others go when they find nothing.

        They come one at a time while the queue is deep: a receive comes back full, or two in a row find messages at
        once, for SQS may give one to four messages though more are there.
        """
        deep = False
        while not self._stopping.is_set():
            if not self._ready():
                await pacing.wait(self._stopping, pacing.BACK_PRESSURE_S)
                continue
            started = time.monotonic()
            try:
                count = await self._receive(patient)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # the poller stays: nobody else would receive
                await pacing.wait(self._stopping, self._receiving.record_failure(error, started))
                continue
            self._receiving.record_success(started)
            was_deep = deep
            deep = count == BATCH or (count > 0 and self._quick_receives.note(time.monotonic() - started))
            if deep:
                self._shallow.clear()
            else:
                self._shallow.set()
            if count == BATCH or (deep and was_deep):
                self._add_poller(patient=False)
            if count == 0:
                if not patient:
                    return
                await pacing.wait(self._stopping, pacing.PAUSE_S)

    def _ready(self) -> bool:
        """Back-pressure: what can't be logged is not received, for receives count towards the dead-letter queue."""
        return len(self._leases) < pacing.MAX_HELD and not (len(self._leases) and self.stages.log.outages.failing)

    async def _receive(self, patient: bool) -> int:
        wait_s = pacing.POLL_S if patient else pacing.DRAINING_POLL_S
        messages = await self.requests.receive(wait_s, REQUEST_VISIBILITY_S)
        self.last_poll = time.monotonic()
        self._leases.hold([message.without_body() for message in messages])
        self.received += len(messages)
        self.heartbeat.received([message.sent for message in messages])
        self.stages.log.linger_s = self._arrivals.note(len(messages))
        self.stages.put(messages)
        return len(messages)

    # ---- What the stages hand over ------------------------------------------------------------------------------

    async def _after_write(self, log: RequestLog, rows: int) -> None:
        """Note that the log was written, and wait before the next write."""
        self.writes += 1
        self.heartbeat.logged(rows)
        await pacing.wait(self._stopping, log.turn)
        # While requests keep coming, those of the pause are logged together.
        await pacing.wait(self._shallow, log.gather - log.turn)

    def _answered(self, requests: Sequence[Request]) -> None:
        self._delete.put(requests)

    def _let_go(self, message: Message) -> None:
        """Hold a message no longer that can't be handled: it comes back after its visibility timeout."""
        self._leases.release([message])

    async def _forget(self, requests: list[Request]) -> list[Request]:
        failed = await self.requests.delete([request.message for request in requests])
        self._leases.release(request.message for request in requests if request.message not in failed)
        return [request for request in requests if request.message in failed]

    def _outages(self, what: str) -> OutageReporter:
        return OutageReporter(what, log_outage, self._give_up)

    def _give_up(self, reason: UserError) -> None:
        self._failure = self._failure or reason
        self._stopping.set()

    # ---- Beside them --------------------------------------------------------------------------------------------

    async def _repeat(self, work: Callable[[], Awaitable[object]], what: str, interval_s: float) -> None:
        """Do `work` every `interval_s` seconds until nothing is in hand."""
        outages = self._outages(what)
        pause_s = interval_s
        while not await pacing.wait(self._finished, pause_s):
            pause_s = interval_s
            try:
                await work()
                outages.record_success()
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                pause_s = outages.record_failure(error)

    async def _beat(self) -> None:
        depths = await in_thread(self.heartbeat.depths)
        fields = self.heartbeat.fields(*depths) | self.counts()
        await in_thread(partial(self._log_beat, fields))  # whose reader may not read

    def _log_beat(self, fields: dict[str, Any]) -> None:
        free = f"{fields['free_bytes'] / 1e9:,.1f} GB free for the index"
        last = f"last poll {fields['last_poll_seconds']:.0f} s ago"
        sentence = f"{as_text(fields)}; {self.report()}; {free}; {last}"
        log_event("heartbeat", sentence, **fields, **embedded_metrics(fields, time.time()))
        if warning := self._disk.look(fields["index_bytes"], fields["free_bytes"]):
            log_event("disk_filling", warning, logging.WARNING)

    # ---- The end ------------------------------------------------------------------------------------------------

    async def _finish(self, renewing: asyncio.Task[None]) -> None:
        """Finish what is in hand, and release what can't be finished."""
        started = time.monotonic()

        def left(effort_s: float) -> float:
            return max(0.0, started + effort_s - time.monotonic())

        self._stopping.set()
        self.stages.hurried = True
        if self._pollers:  # one that hangs is left alone: SQS delivers again what comes in it
            await asyncio.wait(self._pollers, timeout=left(pacing.LAST_POLL_S))
        self._shallow.set()
        for stage in (self.stages.log, self.stages.answer, self._delete):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stage.flush(), left(pacing.LAST_WORK_S))
            stage.close()
        self._finished.set()
        # A renewal that ends after the release would hide its messages once more.
        await asyncio.wait([renewing], timeout=left(pacing.LAST_WORK_S))
        try:
            await asyncio.wait_for(in_thread(self._leases.give_back), left(pacing.LAST_EFFORT_S))
        except asyncio.TimeoutError:
            self._log_not_released("SQS does not answer")
        except Exception as error:
            self._log_not_released(describe(error))

    def _log_not_released(self, reason: str) -> None:
        sentence = f"Requests in hand were not released; SQS delivers them again within a minute: {reason}"
        log_event("not_released", sentence, logging.WARNING)

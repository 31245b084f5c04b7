"""The queues that one run of a client uses: one for its requests, one or two for its answers."""

from __future__ import annotations

import re
import threading
import time
from calendar import timegm
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from queue import Empty, SimpleQueue

from lab2.aws.failures import MISSING_QUEUE_CODES, error_code, user_errors, was_refused
from lab2.aws.resources import ANSWER_QUEUE, REQUEST_QUEUE
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Outgoing, batches
from lab2.errors import UserError
from lab2.stats.client.inbox import Inbox, ReceivedAnswer
from lab2.stats.client.requests import Request, Requests
from lab2.stats.client.run import Run, runs_folder
from lab2.stats.protocol import encode_request

CONNECTIONS = 24
CHECK_INTERVAL_S = 60.0  # between two looks for answers to runs that have died
SHORT_CHECK_INTERVAL_S = 20.0  # if there are private queues of other runs: what is in them may be ours soon
MANY_OF_OTHERS = 20  # receives of others' answers, after which a run asks for its own on a private queue
QUIET_S = 5.0  # without an answer on our own queue, after which one may have gone to the shared queue
MAX_EARLIER = 100  # answers to earlier runs that are held at once
RETENTION_S = 86_400  # for which an answer stays on a private queue, as on the shared one
LEFTOVER_S = 5 * RETENTION_S  # after which nothing comes to the private queue of a run: its requests last 4 days
# Without a receive for so long, as when the network is away or the machine sleeps, another run may have taken our
# answers for those of a dead one (TAKEOVER_S): we ask again.
CUT_OFF_S = 60.0
USABLE_S = 60.0  # that a new queue may take until it can be used


class Connection:
    """The request queue, the shared answer queue, and this run's own if it has one.

    `send` raises UserError, `receive` and `delete` what botocore raises. Thread-safe.
    """

    def __init__(self, aws: AwsSession, client: str, requests: Requests, listening: bool = False) -> None:
        self.aws = aws
        self.client = client
        self.requests = requests
        self.run = requests.run
        self.own: Inbox | None = None  # this run's private queue
        self.reply_to = ""  # its name, as soon as it can be used
        self.more = False  # the last receive brought answers to earlier runs: there may be more
        self._received_at = time.time()  # when we last received, by the wall clock: it keeps running during suspend
        self._queue = aws.queue(REQUEST_QUEUE)
        queues = aws.queue_urls(ANSWER_QUEUE)
        self.can_list = queues is not None  # if the policy allows it
        shared = (queues or {}).get(ANSWER_QUEUE) or aws.queue_url(ANSWER_QUEUE)
        # Errors that came along with answers. The answers are shown first; the next `receive` raises an error.
        self._put_off: SimpleQueue[Exception] = SimpleQueue()
        self._inbox = partial(Inbox, client=client, run=self.run, failed=self._put_off.put, listening=listening)
        self.shared = self._inbox(aws.queue_at(shared))
        self._prefix = f"{ANSWER_QUEUE}-{re.sub(r'[^A-Za-z0-9_-]', '-', client)[:40]}-"
        self._left: dict[str, Inbox] = {}  # private queues of other runs of our name
        self._looking = threading.Lock()
        self._next_look = self._next_list = time.monotonic() + CHECK_INTERVAL_S
        self._note_queues(queues or {})
        if self._left:
            self._next_look = 0.0

    @property
    def look_is_due(self) -> bool:
        return time.monotonic() >= self._next_look

    @property
    def crowded_at(self) -> float:
        """When others' answers last came instead of ours (monotonic seconds)."""
        return self.shared.sifted_at

    @property
    def answers_stay(self) -> bool:
        """Return whether the next run can show answers that this one does not wait for."""
        return not self.reply_to or self.can_list

    def send(self, batch: Sequence[Request]) -> list[Request]:
        """Send up to ten requests; return those to try again. UserError if the call fails.

        A request that SQS will never accept is not tried again: its `refusal` says why.
        """
        if self.shared.sifted >= MANY_OF_OTHERS and not self.reply_to and self.can_list:
            try:
                self.open_own_queue()
            except UserError:
                self.shared.sifted = 0  # try again later
        group = re.sub(r"[^!-~]", "_", self.client)[:128]  # the characters that SQS allows
        outgoing = []
        for request in batch:  # one that is sent again is answered on the same queue as before, and not on two
            attributes = {"id": request.id, "client": self.client}
            if self.reply_to and not self.requests.answered_on_shared(request):
                attributes["reply_to"] = self.reply_to
            outgoing.append(Outgoing(encode_request(request.numbers), attributes, group))
        self.requests.handed_over(batch, on_shared=not self.reply_to, now=time.time())
        try:
            with user_errors(f"queue {REQUEST_QUEUE}"):
                refusals = self._queue.try_send(outgoing)
        except Exception as error:
            if was_refused(error.__cause__ or error):
                for request in batch:
                    self.requests.refused(request)
            else:  # SQS may have it
                self.requests.reached(batch)
            raise
        again = []
        for request, refusal in zip(batch, refusals, strict=True):
            if refusal is None or not refusal.code:  # SQS has it, or may have it
                self.requests.reached([request])
            if refusal:
                self.requests.refused(request, refusal.sentence if refusal.permanent else "")
                if not request.refusal:
                    again.append(request)
        return again

    def receive(self, wait_s: int) -> list[ReceivedAnswer]:
        """Return answers to show, waiting up to `wait_s` seconds; once a minute, look for those to dead runs."""
        inbox = self.own if self.own and self.reply_to else self.shared
        if inbox is self.own and self.requests.wait_on_shared():
            # Some were sent before we had a queue of our own. A short look at the shared one may miss an answer that
            # others keep releasing, so we wait there as soon as nothing else is outstanding.
            if self.requests.wait_on_shared_only():
                inbox = self.shared
            else:
                self._next_look = 0.0
        with suppress(Empty):
            raise self._put_off.get_nowait()
        self._ask_again()
        if found := self._look():
            return found
        received = inbox.receive(wait_s)
        if inbox is self.own:
            if not received:
                self._next_look = min(self._next_look, time.monotonic() + QUIET_S)
        else:
            self._expect_more(received)
        self._note(received)
        now, before = time.time(), self._received_at
        self._received_at = now
        if now - before > CUT_OFF_S:
            self.requests.missed(before, now, CUT_OFF_S, RETENTION_S)
        return received

    def delete(self, received: Sequence[ReceivedAnswer]) -> list[ReceivedAnswer]:
        """Delete up to ten answers that have been shown; return those that are to be tried again."""
        again = []
        for inbox in dict.fromkeys(found.inbox for found in received):
            failed = inbox.delete([found.message for found in received if found.inbox is inbox])
            again += [found for found in received if found.message in failed]
        return again

    def open_own_queue(self) -> None:
        """Have further requests answered on a private queue; UserError if none can be created."""
        name = self._prefix + f"{time.strftime('%Y%m%d', time.gmtime())}-{self.run.id}"
        with user_errors(f"a private queue {name}"):
            created = self.aws.sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": str(RETENTION_S)})
            self.own = self._inbox(self.aws.queue_at(created["QueueUrl"]), private=True)
            deadline = time.monotonic() + USABLE_S
            while True:
                try:
                    self.own.queue.receive()
                    break
                except Exception as error:  # it may take a second or more until a new queue can be used
                    if error_code(error) not in MISSING_QUEUE_CODES or time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)
        self.reply_to = name
        self._next_look = 0.0

    def close(self) -> None:
        """End the run; delete the private queue, unless it has or will have answers that the next run can show."""
        outstanding = bool(
            self.requests.are_waiting or any(len(inbox.leases) for inbox in (self.own, self.shared) if inbox)
        )
        if self.own and not (outstanding and self.can_list):
            with suppress(UserError), user_errors("a private queue"):
                self.aws.sqs.delete_queue(QueueUrl=self.own.queue.url)
        self.run.end(outstanding)

    def _note(self, received: Sequence[ReceivedAnswer]) -> None:
        self.requests.received(found.answer.id for found in received if found.answer)

    def _ask_again(self) -> None:
        """Send requests again whose answers we may have lost; by their ids they get the logged answers."""
        for batch in list(batches(self.requests.lost)):
            again = self.send(batch)
            self.requests.asked_again(request for request in batch if request not in again)

    def _look(self) -> list[ReceivedAnswer]:
        """Return answers to dead runs, from queues that we don't receive from all the time."""
        if not self.look_is_due or not self._looking.acquire(blocking=False):
            return []
        try:
            now = time.monotonic()
            if now >= self._next_list and self.can_list:
                self._next_list = now + CHECK_INTERVAL_S
                self._note_queues(self.aws.queue_urls(self._prefix) or {})
            found: list[ReceivedAnswer] = []
            for inbox in [*([self.shared] if self.reply_to else []), *self._left.values()]:
                try:
                    found += self._receive_left(inbox)
                except Exception as error:
                    if not found:
                        raise
                    self._put_off.put(error)
            self._note(found)
            self._expect_more(found)
            self._next_look = 0.0 if self.more else now + (SHORT_CHECK_INTERVAL_S if self._left else CHECK_INTERVAL_S)
            return found
        finally:
            self._looking.release()

    def _expect_more(self, received: Sequence[ReceivedAnswer]) -> None:
        held = sum(len(inbox.leases) for inbox in (self.shared, *self._left.values()))
        self.more = any(found.earlier for found in received) and held < MAX_EARLIER

    def _receive_left(self, inbox: Inbox) -> list[ReceivedAnswer]:
        name = inbox.queue.url.rpartition("/")[2]
        try:
            found = inbox.receive(0)
            if not found and name in self._left and not len(inbox.leases) and _days_ago(name) > LEFTOVER_S:
                del self._left[name]
                self.aws.sqs.delete_queue(QueueUrl=inbox.queue.url)
            return found
        except Exception as error:
            if error_code(error) not in MISSING_QUEUE_CODES or inbox is self.shared:
                raise
            self._left.pop(name, None)  # its run has ended and deleted it
            return []

    def _note_queues(self, queues: dict[str, str]) -> None:
        """Remember the private queues of dead runs of our name."""
        for name, url in queues.items():
            run = re.fullmatch(re.escape(self._prefix) + r"\d{8}-([0-9a-f]{20})", name)
            if run and name not in self._left and not self.run.lives(run[1]):
                self._left[name] = self._inbox(self.aws.queue_at(url))


def connect(
    aws: AwsSession,
    client: str,
    private: bool,
    stack: ExitStack,
    requests: Requests | None = None,
    listening: bool = False,
) -> Connection:
    """Return the connection of a client; UserError if AWS, credentials or a queue are missing.

    `stack` cleans up at the end: the lock of the run, the private answer queue.
    """
    requests = requests or Requests(Run())
    with suppress(UserError):  # no home: other runs won't know that this one is alive
        requests.run.begin(runs_folder())
    connection = Connection(aws, client, requests, listening)
    stack.callback(connection.close)
    if private:
        connection.open_own_queue()
    return connection


def _days_ago(name: str) -> float:
    """Return the seconds since the day in the name of a private queue."""
    return time.time() - timegm(time.strptime(name.rsplit("-", 2)[1], "%Y%m%d"))

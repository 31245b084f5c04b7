"""The queues as one run of a client sees them: requests go to one, its answers come from another or two."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from queue import Empty, SimpleQueue

from lab2.aws.failures import MISSING_QUEUE_CODES, error_code, user_errors
from lab2.aws.resources import ANSWER_QUEUE, REQUEST_QUEUE
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Outgoing, batches
from lab2.errors import UserError
from lab2.stats.client.inbox import Inbox, ReceivedAnswer
from lab2.stats.client.run import Run, runs_folder
from lab2.stats.protocol import encode_request

Series = tuple[str, list[float]]  # the id of a request and its numbers

CONNECTIONS = 24
LOOK = 60.0  # seconds between looks for answers to runs that have died
LOOK_SOON = 20.0  # the same while private queues of other runs are there: what is in them may be ours soon
SIFTED = 20  # receives of others' answers after which a run has the next ones sent to a private queue
QUIET = 5.0  # seconds without an answer on our own queue after which one may have gone to the shared queue
MAX_EARLIER = 100  # answers to earlier runs that are held at once
RETENTION = 86_400  # seconds for which an answer stays on a private queue, as on the shared one
FORGOTTEN = 5 * RETENTION  # seconds after which nothing comes to the private queue of a run: its requests last 4 days
# Seconds without a receive, as where the network is away or the machine sleeps, after which another run may have taken
# our answers for those of a dead one (TAKEOVER): we ask again.
CUT_OFF = 60.0
USABLE = 60.0  # seconds that a new queue may take until it can be used


class Connection:
    """The request queue, the shared answer queue, and this run's own if it has one.

    `send` raises UserError, `receive` and `delete` what botocore raises. Thread-safe.
    """

    def __init__(self, aws: AwsSession, client: str, run: Run) -> None:
        self.aws, self.client, self.run = aws, client, run
        self.own: Inbox | None = None  # this run's private queue
        self.reply_to = ""  # its name, as soon as it can be used
        self._on_shared: set[str] = set()  # ids of requests whose answers come on the shared queue
        self._asked: dict[str, tuple[list[float], float]] = {}  # numbers of open requests; when they were first sent
        self._received_at = time.time()  # when we last received, by the clock that goes on while the machine sleeps
        self._lost: set[str] = set()  # ids of requests whose answers another run may have shown
        self.more = False  # the last look found answers to earlier runs: there may be more
        self.requests = aws.queue(REQUEST_QUEUE)
        queues = aws.queue_urls(ANSWER_QUEUE)
        self.can_list = queues is not None  # a template of 1.0 does not let clients list queues
        shared = (queues or {}).get(ANSWER_QUEUE) or aws.queue_url(ANSWER_QUEUE)
        # Errors that came beside answers, which are shown first: the next `receive` raises one.
        self._put_off: SimpleQueue[Exception] = SimpleQueue()
        self._inbox = partial(Inbox, client=client, run=run, failed=self._put_off.put)
        self.shared = self._inbox(aws.queue_at(shared))
        self._prefix = f"{ANSWER_QUEUE}-{re.sub(r'[^A-Za-z0-9_-]', '-', client)[:40]}-"
        self._left: dict[str, Inbox] = {}  # private queues of other runs of our name
        self._looking = threading.Lock()
        self._next_look = self._next_list = time.monotonic() + LOOK
        if self._note(queues or {}):
            self._next_look = 0.0

    @property
    def look_is_due(self) -> bool:
        return time.monotonic() >= self._next_look

    @property
    def answers_stay(self) -> bool:
        """Tell whether the next run finds the answers that this one does not wait for."""
        return not self.reply_to or self.can_list

    def send(self, batch: Sequence[Series]) -> list[Series]:
        """Send up to ten requests; return those that SQS did not take. UserError where SQS can't be asked."""
        if self.shared.sifted >= SIFTED and not self.reply_to and self.can_list:
            self._move()
        group = re.sub(r"[^!-~]", "_", self.client)[:128]  # what SQS allows in the name of a group
        private = {"reply_to": self.reply_to} if self.reply_to else {}
        outgoing = []
        for id, numbers in batch:  # one that is sent again is answered where it was: not on two queues
            attributes = {"id": id, "client": self.client} | ({} if id in self._on_shared else private)
            outgoing.append(Outgoing(encode_request(numbers), attributes, group))
        ids = [id for id, _ in batch]
        for id, numbers in batch:
            self._asked.setdefault(id, (numbers, time.time()))
        if not self.reply_to:
            self._on_shared.update(ids)
        self.run.waiting.update(ids)  # before it is sent: one that seems to fail may be answered
        with user_errors(f"queue {REQUEST_QUEUE}"):
            failed = self.requests.send(outgoing)
        return [series for series, message in zip(batch, outgoing, strict=True) if message in failed]

    def receive(self, wait: int) -> list[ReceivedAnswer]:
        """Return answers for this run, waiting up to `wait` seconds; once a minute those to dead runs elsewhere."""
        inbox = self.own if self.own and self.reply_to else self.shared
        if inbox is self.own and not self._on_shared.isdisjoint(self.run.waiting):
            # Some were sent before we had a queue of our own. A look at the shared one is too short to meet an answer
            # that others keep releasing, so we wait there as soon as nothing else is to come.
            if self.run.waiting <= self._on_shared:
                inbox = self.shared
            else:
                self._next_look = 0.0
        self._raise_put_off()
        self._ask_again()
        if found := self._look():
            return found
        received = inbox.receive(wait)
        if inbox is self.own:
            if not received:
                self._next_look = min(self._next_look, time.monotonic() + QUIET)
        else:
            self._expect_more(received)
        self._note_time(received)
        return received

    def delete(self, received: Sequence[ReceivedAnswer]) -> list[ReceivedAnswer]:
        """Delete up to ten answers that have been shown; return those to try again."""
        again = []
        for inbox in dict.fromkeys(found.inbox for found in received):
            failed = inbox.delete([found.message for found in received if found.inbox is inbox])
            again += [found for found in received if found.message in failed]
        return again

    def open_own_queue(self) -> None:
        """Let the server answer further requests on a private queue; UserError where none can be made."""
        name = self._prefix + f"{time.strftime('%Y%m%d', time.gmtime())}-{self.run.id}"
        with user_errors(f"a private queue {name}"):
            created = self.aws.sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": str(RETENTION)})
            self.own = self._inbox(self.aws.queue_at(created["QueueUrl"]), private=True)
            deadline = time.monotonic() + USABLE
            while True:
                try:
                    self.own.queue.receive()
                    break
                except Exception as error:  # a second or more may pass until a new queue is known everywhere
                    if error_code(error) not in MISSING_QUEUE_CODES or time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)
        self.reply_to = name
        self._next_look = 0.0

    def close(self) -> None:
        """End the run; delete the private queue, unless something is or will be in it that the next run can show."""
        outstanding = bool(self.run.waiting or any(len(inbox.leases) for inbox in (self.own, self.shared) if inbox))
        if self.own and not (outstanding and self.can_list):
            with suppress(UserError), user_errors("a private queue"):
                self.aws.sqs.delete_queue(QueueUrl=self.own.queue.url)
        self.run.end(outstanding)

    def _move(self) -> None:
        """Open a private queue because the shared one is crowded; where none can be had, stay there."""
        try:
            self.open_own_queue()
        except UserError:
            self.shared.sifted = 0  # try again later

    def _note_time(self, received: Sequence[ReceivedAnswer]) -> None:
        """Note that we have just received, and which answers we may have missed since the last time."""
        for found in received:
            if found.answer:
                self._asked.pop(found.answer.id, None)
        now, before = time.time(), self._received_at
        self._received_at = now
        if now - before > CUT_OFF:
            for id, (_, sent) in list(self._asked.items()):
                if now - max(before, sent) > CUT_OFF and now - sent < RETENTION and id in self.run.waiting:
                    self._lost.add(id)

    def _ask_again(self) -> None:
        """Send requests again whose answers may be lost to us, under their ids: the server answers what is logged."""
        for batch in list(batches(self._lost & self._asked.keys() & self.run.waiting)):
            # Other threads receive meanwhile, and forget what has been answered.
            again = [(id, asked[0]) for id in batch if (asked := self._asked.get(id))]
            failed = [id for id, _ in self.send(again)] if again else []
            self._lost.difference_update(set(batch) - set(failed))

    def _raise_put_off(self) -> None:
        with suppress(Empty):
            raise self._put_off.get_nowait()

    def _look(self) -> list[ReceivedAnswer]:
        """Return what runs that have died left on queues that we don't receive from all the time."""
        if not self.look_is_due or not self._looking.acquire(blocking=False):
            return []
        try:
            now = time.monotonic()
            if now >= self._next_list and self.can_list:
                self._next_list = now + LOOK
                self._note(self.aws.queue_urls(self._prefix) or {})
            found: list[ReceivedAnswer] = []
            for inbox in [*([self.shared] if self.reply_to else []), *self._left.values()]:
                try:
                    found += self._glance(inbox)
                except Exception as error:
                    if not found:
                        raise
                    self._put_off.put(error)
            self._expect_more(found)
            self._next_look = 0.0 if self.more else now + (LOOK_SOON if self._left else LOOK)
            return found
        finally:
            self._looking.release()

    def _expect_more(self, received: Sequence[ReceivedAnswer]) -> None:
        held = sum(len(inbox.leases) for inbox in (self.shared, *self._left.values()))
        self.more = any(found.earlier for found in received) and held < MAX_EARLIER

    def _glance(self, inbox: Inbox) -> list[ReceivedAnswer]:
        name = inbox.queue.url.rpartition("/")[2]
        try:
            found = inbox.receive(0)
            if not found and name in self._left and not len(inbox.leases) and _days_ago(name) > FORGOTTEN:
                del self._left[name]
                self.aws.sqs.delete_queue(QueueUrl=inbox.queue.url)
            return found
        except Exception as error:
            if error_code(error) not in MISSING_QUEUE_CODES or inbox is self.shared:
                raise
            self._left.pop(name, None)  # its run has ended, and deleted it
            return []

    def _note(self, queues: dict[str, str]) -> bool:
        """Note the private queues of other runs of our name; tell whether there are any."""
        for name, url in queues.items():
            run = re.fullmatch(re.escape(self._prefix) + r"\d{8}-([0-9a-f]{20})", name)
            if run and name not in self._left and not self.run.lives(run[1]):
                self._left[name] = self._inbox(self.aws.queue_at(url))
        return bool(self._left)


def connect(aws: AwsSession, client: str, private: bool, stack: ExitStack, run: Run | None = None) -> Connection:
    """Return the connection of a client; UserError where AWS, credentials or a queue are missing.

    What must be undone at the end is left to `stack`: the lock of the run, a private answer queue.
    """
    run = run or Run()
    run.begin(runs_folder())
    connection = Connection(aws, client, run)
    stack.callback(connection.close)
    if private:
        connection.open_own_queue()
    return connection


def _days_ago(name: str) -> float:
    """Return the seconds since the day in the name of a private queue."""
    from calendar import timegm

    return time.time() - timegm(time.strptime(name.rsplit("-", 2)[1], "%Y%m%d"))

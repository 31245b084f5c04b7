"""Thousands of requests at once: sent in full batches, answered in any order, printed in the order of the file."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from lab2.aws.failures import user_errors
from lab2.aws.resources import ANSWER_QUEUE
from lab2.aws.retry import OutageReporter
from lab2.aws.sqs.message_queue import BATCH
from lab2.aws.sqs.poller import Poller
from lab2.aws.workers import BatchWorker
from lab2.errors import UserError
from lab2.stats.client.connection import Connection
from lab2.stats.client.inbox import ReceivedAnswer
from lab2.stats.client.logged import Logged, look_in_log, why_in_log
from lab2.stats.client.output import EARLIER, AnswerLines, print_table
from lab2.stats.client.requests import Request, names
from lab2.stats.client.series_file import SeriesFile
from lab2.stats.protocol import Answer
from lab2.terminal import Progress, counted, remark

MAX_RECEIVERS = 8
PAUSE_S = 0.05  # after a receive: the next one finds more
# A file with so many requests or more gets its answers on a private queue. All are sent before the first answer comes,
# too early to know whether others receive, too; two more calls are few for so many requests.
MANY_REQUESTS = 50


class BatchRequest:
    """Many requests under way, each a named series."""

    def __init__(self, connection: Connection, series: Sequence[tuple[str, list[float]]]) -> None:
        self.connection = connection
        self.requests = [connection.requests.add(numbers, name) for name, numbers in series]
        self.sent = 0  # requests
        self.received = 0  # answers to them
        self.earlier = 0  # answers to earlier runs that were shown
        self._earlier: list[ReceivedAnswer] = []  # those that are not shown yet
        self._answers: dict[str, ReceivedAnswer] = {}
        self._open = {request.id for request in self.requests}
        self.from_log: list[Request] = []  # those whose answers did not come, and are in the log
        self._logged: Logged | None = None
        self._failure: UserError | None = None  # why nothing more can be sent or received
        self._change = threading.Condition()
        self._poller = Poller(
            self._receive,
            OutageReporter("Receiving", give_up=self._give_up),
            max_threads=MAX_RECEIVERS,
            pause=PAUSE_S,
            few=BATCH - 1,
        )
        self._send = BatchWorker(OutageReporter("Sending", give_up=self._give_up), self._send_batch, BATCH, threads=8)
        self._delete: BatchWorker[ReceivedAnswer] = BatchWorker(
            OutageReporter("Deleting"), connection.delete, BATCH, threads=4, linger=1.0
        )

    def answers(self, patience: float, progress: Callable[[], object]) -> Iterator[Answer | None]:
        """Send all; yield the answers in the order of the requests, None once none has come for `patience` seconds.

        An answer is deleted when the next one is asked for: it has been shown by then. UserError on a permanent error.
        """
        self._send.put(self.requests)
        self._poller.start()
        deadline = time.monotonic() + patience
        for request in self.requests:
            id = request.id
            while id not in self._answers and not request.refusal and time.monotonic() < deadline:
                before = self.received, self.sent
                with self._change:
                    self._change.wait(0.1)
                progress()
                if self._failure and id not in self._answers:
                    raise self._failure
                if (self.received, self.sent) != before:
                    deadline = time.monotonic() + patience
            if found := self._answers.pop(id, None):
                yield found.answer
                self._delete.put([found])
            else:
                yield None if request.refusal else self._from_log(request)

    def _from_log(self, request: Request) -> Answer | None:
        if self._logged is None:
            waiting = [each for each in self.requests if each.id in self._open and not each.refusal]
            self._logged = look_in_log(self.connection.aws, waiting) or Logged({}, more=False)
        answer = self._logged.answers.get(request.id)
        if answer:
            self.from_log.append(request)
            self._open.discard(request.id)
        return answer

    def show_earlier(self) -> None:
        """Print the answers to earlier runs that have come, on stderr."""
        with self._change:
            earlier = self._earlier
            self._earlier = []
        if earlier:
            print_table([(EARLIER, found.answer) for found in earlier if found.answer], sys.stderr)
            self.earlier += len(earlier)
            self._delete.put(earlier)

    def collect_earlier(self) -> None:
        """Receive and print the remaining answers to earlier runs, if any have come."""
        with suppress(UserError), user_errors(f"queue {ANSWER_QUEUE}"):  # the next run receives what is left
            while self.connection.more:
                self._receive(patient=False)
                self.show_earlier()

    def close(self) -> None:
        """Delete what has been shown, and stop.

        It waits for an open poll, for what that receives would be hidden from the next run.
        """
        self._poller.stop()
        self._send.close()
        self._poller.join()
        self._delete.flush(10)
        self._delete.close()

    def _give_up(self, reason: UserError) -> None:
        self._failure = self._failure or reason

    def _send_batch(self, batch: list[Request]) -> list[Request]:
        again = self.connection.send(batch)
        with self._change:
            self.sent += sum(not request.refusal for request in batch) - len(again)
            self._change.notify_all()
        return again

    def _receive(self, patient: bool) -> int:
        received = self.connection.receive(1 if patient else 0)
        with self._change:
            self._keep(received)
            self._change.notify_all()
        return len(received)

    def _keep(self, received: Iterable[ReceivedAnswer]) -> None:
        for found in received:
            if found.earlier:
                self._earlier.append(found)
            elif found.answer and found.answer.id in self._open:
                self._open.discard(found.answer.id)
                self._answers[found.answer.id] = found
                self.received += 1
        if not self._open:
            self._poller.stop()


def send_file(connect: Callable[[], Connection], file: SeriesFile, form: str, patience: float) -> int:
    """Send a message for each line of a file, print the answers in the order of the lines; return the exit code."""
    for note in file.notes:
        remark(note)
    for number, reason in file.refused.items():
        print(f"Line {number} was not sent: {reason}.", file=sys.stderr)
    good = [(str(number), numbers) for number, numbers in file.series.items()]
    connection = connect()
    if len(good) >= MANY_REQUESTS and connection.can_list and not connection.own:
        with suppress(UserError):  # then on the shared queue
            connection.open_own_queue()
    batch = BatchRequest(connection, good)
    lines = AnswerLines(form, good)
    missing: list[Request] = []
    try:
        with Progress(len(good), "answer") as progress:

            def tick() -> None:
                progress(batch.received)
                batch.show_earlier()

            for request, answer in zip(batch.requests, batch.answers(patience, tick), strict=True):
                if answer:
                    lines.write(request.name, answer)
                else:
                    missing.append(request)
        batch.collect_earlier()
    finally:
        batch.show_earlier()
        batch.close()
        if batch.earlier:
            print(f"Found {counted(batch.earlier, 'answer')} to earlier runs.", file=sys.stderr)
        if batch.from_log:
            why = why_in_log(batch.connection.crowded_at)
            print(f"Line {names(batch.from_log)}: the answer is from the log, because {why}.", file=sys.stderr)
        refused = [request for request in missing if request.refusal]
        for request in refused:
            print(f"Line {request.name} was not sent: {request.refusal}.", file=sys.stderr)
        if unanswered := [request for request in missing if not request.refusal]:
            print(f"Not answered yet: line {names(unanswered)}.", file=sys.stderr)
        rejected = len(file.refused) + len(refused)
        remark(f"{batch.sent:,} sent, {batch.received + len(batch.from_log):,} answered, {rejected:,} rejected.")
    return 1 if file.refused or missing else 0

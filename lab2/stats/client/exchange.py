"""What the dialogue does with its connection: sends requests, prints answers, deletes what is printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lab2.aws.failures import user_errors
from lab2.aws.resources import ANSWER_QUEUE
from lab2.aws.retry import OutageReporter, give_up, persist
from lab2.aws.sqs.message_queue import batches
from lab2.errors import TryLater, UserError, internal_error
from lab2.stats.client.connection import Connection
from lab2.stats.client.inbox import ReceivedAnswer
from lab2.stats.client.logged import Logged, look_in_log, why_in_log
from lab2.stats.client.output import AnswerRow, AnswerWriter
from lab2.stats.client.requests import Request, names


class Exchange:
    """One connection, whose answers are printed in a `form`. For the main thread."""

    def __init__(self, connection: Connection, form: str, listening: bool) -> None:
        self.connection = connection
        self._writer = AnswerWriter(form, listening)
        self._deleting = OutageReporter("Deleting", give_up=give_up)
        self._printed: list[ReceivedAnswer] = []  # answers that are not deleted yet

    def send(self, request: Request, patience_s: float) -> None:
        """Send a request, through outages of up to `patience_s` seconds; UserError if that fails."""

        def send() -> None:
            if self.connection.send([request]):
                raise TryLater("SQS did not take the message. Try again in a minute.")

        persist(send, OutageReporter("Sending"), patience_s)
        if request.refusal:
            raise UserError(request.refusal)

    def print_logged(self, requests: Sequence[Request]) -> Logged | None:
        """Print outstanding answers that are in the log; return what the log has, None if it can't be read.

        What is printed counts as shown.
        """
        logged = look_in_log(self.connection.aws, requests)
        if logged and logged.answers:
            found = [request for request in requests if request.id in logged.answers]
            why = why_in_log(self.connection.crowded_at)
            print(f"Message {names(found)}: the answer is shown from the log, because {why}.", file=sys.stderr)
            self.print([(request.name, logged.answers[request.id]) for request in found])
            self.connection.requests.shown(logged.answers)
        return logged

    def print(self, rows: Sequence[AnswerRow]) -> None:
        self._writer.write(rows)

    def delete(self, printed: Sequence[ReceivedAnswer]) -> float:
        """Delete answers that have been printed, and those that could not be deleted before.

        Return the seconds to pause, 0 on success; UserError on a permanent error.
        """
        self._printed += printed
        try:
            with user_errors(f"queue {ANSWER_QUEUE}"):
                for batch in list(batches(self._printed)):
                    again = self.connection.delete(batch)
                    self._printed = [found for found in self._printed if found not in batch or found in again]
        except UserError as problem:
            return self._deleting.record_failure(problem)
        except Exception as error:
            return self._deleting.record_failure(UserError(internal_error(error)))
        self._deleting.record_success()
        return 0.0

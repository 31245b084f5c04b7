"""Both queues as a client sees them: requests go to one, its answers come from the other."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from lab2.aws.errors import user_errors
from lab2.aws.resources import ANSWER_QUEUE, REQUEST_QUEUE
from lab2.aws.session import AwsSession
from lab2.aws.sqs import Outgoing, Queue
from lab2.errors import UserError
from lab2.stats.client.inbox import Inbox
from lab2.stats.protocol import encode_request

Series = tuple[str, list[float]]  # the id of a request and its numbers

CONNECTIONS = 24


@dataclass(frozen=True)
class Connection:
    requests: Queue
    inbox: Inbox
    client: str
    reply_to: str | None = None

    def send(self, batch: Sequence[Series]) -> list[Series]:
        """Send up to ten requests; return those that SQS did not take. UserError where SQS can't be asked."""
        attributes = {"client": self.client} | ({"reply_to": self.reply_to} if self.reply_to else {})
        group = re.sub(r"[^!-~]", "_", self.client)[:128]  # what SQS allows in the name of a group
        outgoing = [Outgoing(encode_request(numbers), {"id": id} | attributes, group) for id, numbers in batch]
        with user_errors(f"queue {REQUEST_QUEUE}"):
            failed = self.requests.send(outgoing)
        return [series for series, message in zip(batch, outgoing, strict=True) if message in failed]


def connect(aws: AwsSession, client: str, private: bool, stack: ExitStack) -> Connection:
    """Return the connection of a client; UserError where AWS, credentials or a queue are missing.

    What must be undone at the end is left to `stack`: a private answer queue.
    """
    requests = Queue(aws.sqs, aws.queue_url(REQUEST_QUEUE))
    if not private:
        return Connection(requests, Inbox(Queue(aws.sqs, aws.queue_url(ANSWER_QUEUE)), client), client)
    name = f"{ANSWER_QUEUE}-{re.sub(r'[^A-Za-z0-9_-]', '-', client)[:50]}-{os.urandom(5).hex()}"
    with user_errors(f"a private queue {name}"):
        # If we are killed and never delete it: what is in it is gone after an hour.
        url = aws.sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": "3600"})["QueueUrl"]

    def delete() -> None:
        with suppress(UserError), user_errors(f"queue {name}"):
            aws.sqs.delete_queue(QueueUrl=url)

    stack.callback(delete)
    return Connection(requests, Inbox(Queue(aws.sqs, url), client, private=True), client, reply_to=name)

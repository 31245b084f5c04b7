"""The handler of AWS Lambda: answers the requests of the queue lab2 that an event source mapping hands over.

It names those that are to be delivered again (partial batch response); the mapping deletes the others.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html (read in 2026)
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import boto3  # noqa: F401 - here it costs the first request no time: Lambda gives imports a processor of their own

from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Message
from lab2.cli import logs
from lab2.stats.server.function import Function

RESERVE_S = 1.0  # of the time-out, left for the reply
CONNECTIONS = 24


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a batch of requests; return which are to be delivered again. UserError if none can be answered."""
    started = time.monotonic()
    messages = [_message(record) for record in event["Records"]]
    patience_s = context.get_remaining_time_in_millis() / 1000 - RESERVE_S
    function = _function()
    left = function.handle(messages, patience_s - (time.monotonic() - started))
    return {"batchItemFailures": [{"itemIdentifier": message.id} for message in left]}


@lru_cache
def _function() -> Function:
    """Return what this process keeps from one batch to the next."""
    logs.set_up(form="json")
    return Function(AwsSession(connections=CONNECTIONS))


def _message(record: dict[str, Any]) -> Message:
    """Return a record of the event as the message that it is."""
    values = record["messageAttributes"].items()
    attributes = {name: value["stringValue"] for name, value in values if value.get("stringValue") is not None}
    system = record["attributes"]
    return Message(
        record["messageId"],
        record["receiptHandle"],
        record["body"],
        attributes,
        sent=int(system["SentTimestamp"]) / 1000,
        receives=int(system["ApproximateReceiveCount"]),
        sender=system.get("SenderId", ""),
    )

"""The AWS Lambda handler: answers the requests on the queue lab2 that an event source mapping passes to it.

It returns those to be delivered again (partial batch response); the mapping deletes the others.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html (read in 2026)
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import boto3  # noqa: F401 - now, and not in the first request: Lambda gives imports more CPU

from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Message
from lab2.cli import logs
from lab2.stats.server.function import Function

RESERVE_S = 1.0  # of the timeout, kept for the reply
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
    """Return the function, which is kept from one batch to the next."""
    logs.set_up(form="json")
    return Function(AwsSession(connections=CONNECTIONS))


def _message(record: dict[str, Any]) -> Message:
    """Return the message in a record of the event."""
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

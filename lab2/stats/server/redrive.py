"""Dead letters put back on the request queue, once the cause is fixed.

SQS's own redrive (StartMessageMoveTask) makes new messages of them, with a new MessageId and time: a request that has
no `id` would become another one, and be logged a second time. So they are moved by hand here: each is sent with its
old MessageId as its `id`, then deleted. One that is on both queues, because this was killed in between, is one request.
It may be in the log already: the attribute `sent` (seconds since 1970) says since when a server has to look for it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lab2.aws.failures import user_errors
from lab2.aws.resources import DEAD_LETTER_QUEUE, REQUEST_QUEUE
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import BATCH
from lab2.errors import UserError
from lab2.terminal import counted

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageTypeDef, SendMessageBatchRequestEntryTypeDef

MAX_ATTRIBUTES = 10  # of a message
MAX_EMPTY_POLLS = 3  # until it is believed that the queue is empty: a poll may miss messages
POLL_S = 2
MAX_BATCH_BYTES = 2**20  # bodies and attributes of all messages of a SendMessageBatch, as of one (SQS quotas, 2025)


def redrive(aws: AwsSession) -> int:
    """Move all dead letters to the request queue; return how many. UserError if AWS refuses some."""
    dead, requests = aws.queue_url(DEAD_LETTER_QUEUE), aws.queue_url(REQUEST_QUEUE)
    moved = empty = 0
    with user_errors(f"queue {DEAD_LETTER_QUEUE}"):
        while empty < MAX_EMPTY_POLLS:
            messages = (
                aws.sqs.receive_message(
                    QueueUrl=dead,
                    MaxNumberOfMessages=BATCH,
                    WaitTimeSeconds=POLL_S,
                    MessageAttributeNames=["All"],
                    MessageSystemAttributeNames=["MessageGroupId", "SentTimestamp"],
                ).get("Messages")
                or []
            )
            empty = 0 if messages else empty + 1
            if messages:
                for batch in _batches(messages):
                    moved += _move(aws, batch, dead, requests)
    return moved


def _batches(messages: list[MessageTypeDef]) -> Iterator[list[MessageTypeDef]]:
    """Yield the messages in batches that SQS takes: of one mebibyte at most, each at least of one message."""
    batch: list[MessageTypeDef] = []
    size = 0
    for message in messages:
        own = _size(message)
        if batch and size + own > MAX_BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += own
    yield batch


def _size(message: MessageTypeDef) -> int:
    """Return what a message counts for: the bytes of its body and of its attributes' names, types and values."""
    size = len(message["Body"].encode())
    for name, value in (_entry("", message).get("MessageAttributes") or {}).items():
        content: Any = value.get("BinaryValue") or value.get("StringValue", "").encode()
        size += len(name.encode()) + len(value["DataType"]) + len(content)
    return size


def _move(aws: AwsSession, messages: list[MessageTypeDef], dead: str, requests: str) -> int:
    """Send up to ten messages to one queue and delete them from the other; return how many."""
    reply = aws.sqs.send_message_batch(
        QueueUrl=requests, Entries=[_entry(str(number), message) for number, message in enumerate(messages)]
    )
    sent = [messages[int(entry["Id"])] for entry in reply.get("Successful") or ()]
    if sent:  # only now: a message that is on both queues is one request, and one that is on neither is lost
        aws.sqs.delete_message_batch(
            QueueUrl=dead,
            Entries=[{"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]} for number, each in enumerate(sent)],
        )
    if failed := reply.get("Failed"):
        raise UserError(
            f"{REQUEST_QUEUE} did not accept {counted(len(failed), 'dead letter')}: {failed[0]['Code']}. Nothing is "
            f"lost: what was not accepted is still on {DEAD_LETTER_QUEUE}. Run redrive again in a minute."
        )
    return len(sent)


def _entry(number: str, message: MessageTypeDef) -> SendMessageBatchRequestEntryTypeDef:
    """Return a message as it was, with an `id` that names the same request as before."""
    given = message.get("MessageAttributes") or {}
    attributes: dict[str, Any] = {name: _sent(value) for name, value in given.items()}
    system: Mapping[Any, str] = message.get("Attributes") or {}
    known = {"id": message["MessageId"]}
    if "SentTimestamp" in system:
        known["sent"] = f"{int(system['SentTimestamp']) / 1000:.3f}"
    for name, value in known.items():
        if name not in attributes and len(attributes) < MAX_ATTRIBUTES:
            attributes[name] = {"DataType": "String", "StringValue": value}
    entry: SendMessageBatchRequestEntryTypeDef = {
        "Id": number,
        "MessageBody": message["Body"],
        "MessageAttributes": attributes,
    }
    if group := system.get("MessageGroupId"):
        entry["MessageGroupId"] = group
    return entry


def _sent(value: Any) -> dict[str, Any]:
    """Return the value of an attribute as it is sent: bytes, which the short way of a receive leaves in Base64."""
    if isinstance(binary := value.get("BinaryValue"), str):
        return {"DataType": value["DataType"], "BinaryValue": base64.b64decode(binary)}
    return dict(value)

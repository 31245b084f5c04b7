"""An SQS queue in batches: receive (long polling), send, delete, release. What SQS did not confirm is handed back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        DeleteMessageBatchRequestEntryTypeDef,
        MessageAttributeValueTypeDef,
        MessageTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

    from lab2.aws.sqs.transport import SqsTransport

BATCH = 10  # SQS takes and gives at most ten messages a call

T = TypeVar("T")


class Message(NamedTuple):
    """A message as received: `sent` in seconds since 1970, `receives` counts this time too."""

    id: str
    receipt: str
    body: str
    attributes: dict[str, str]
    sent: float
    receives: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send; `group` is whose it is, so that a fair queue serves everybody in turn."""

    body: str
    attributes: dict[str, str] = field(default_factory=dict)
    group: str = ""


class Queue:
    """One queue. Every method raises what botocore raises; batches are of ten at most."""

    def __init__(self, sqs: SQSClient | SqsTransport, url: str) -> None:
        self.sqs, self.url = sqs, url

    def receive(self, wait: int = 0, visibility: int | None = None) -> list[Message]:
        """Return up to ten messages, waiting up to `wait` seconds (20 at most) for the first.

        Nobody else sees them for `visibility` seconds (None: as the queue is set).
        """
        visible: Any = {} if visibility is None else {"VisibilityTimeout": visibility}
        reply = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=wait, MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            **visible,
        )  # fmt: skip
        return [_message(entry) for entry in reply.get("Messages") or ()]

    def send(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        """Send up to ten messages; return those that SQS did not take."""
        entries = [_entry(str(position), message) for position, message in enumerate(messages)]
        return _failed(messages, self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries))

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        """Delete up to ten messages; return those to try again. One whose receipt is invalid is gone or came back."""
        entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
            {"Id": str(position), "ReceiptHandle": message.receipt} for position, message in enumerate(messages)
        ]
        reply = self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
        invalid = {int(entry["Id"]) for entry in reply.get("Failed") or () if entry.get("SenderFault")}
        return _failed(messages, reply, invalid)

    def change_visibility(self, messages: Sequence[Message], seconds: int) -> list[Message]:
        """Hide up to ten messages from everybody for `seconds` from now (0: release them); return those not hidden."""
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {"Id": str(position), "ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
            for position, message in enumerate(messages)
        ]
        return _failed(messages, self.sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=entries))


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield the items in lists of that size, the last one shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _entry(id: str, message: Outgoing) -> SendMessageBatchRequestEntryTypeDef:
    attributes: dict[str, MessageAttributeValueTypeDef] = {
        name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()
    }
    entry: SendMessageBatchRequestEntryTypeDef = {
        "Id": id, "MessageBody": message.body, "MessageAttributes": attributes
    }  # fmt: skip
    if message.group:
        entry["MessageGroupId"] = message.group
    return entry


def _message(entry: MessageTypeDef) -> Message:
    system: Mapping[Any, str] = entry.get("Attributes") or {}
    values = (entry.get("MessageAttributes") or {}).items()
    attributes = {name: value["StringValue"] for name, value in values if "StringValue" in value}
    return Message(
        entry["MessageId"], entry["ReceiptHandle"], entry["Body"], attributes,
        int(system.get("SentTimestamp", 0)) / 1000, int(system.get("ApproximateReceiveCount", 1)),
    )  # fmt: skip


def _failed(entries: Sequence[T], reply: Mapping[str, Any], settled: Set[int] = frozenset()) -> list[T]:
    """Return the entries that the reply does not confirm. Ids are positions: SQS may give one message twice."""
    done = settled | {int(entry["Id"]) for entry in reply.get("Successful") or ()}
    return [entry for position, entry in enumerate(entries) if position not in done]

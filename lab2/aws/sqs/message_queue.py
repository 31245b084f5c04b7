"""An SQS queue in batches: receive (long polling), send, delete, release. What SQS did not confirm is handed back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from botocore.exceptions import ClientError

from lab2.aws.failures import error_code, is_refused_input, was_refused

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageTypeDef

    from lab2.aws.sqs.transport import SqsTransport

BATCH = 10  # SQS takes and gives at most ten messages a call
INVALID_RECEIPT_CODES = {"ReceiptHandleIsInvalid", "InvalidParameterValue"}  # the message is not ours any more

_SYSTEM_ATTRIBUTES: Any = ["SentTimestamp", "ApproximateReceiveCount", "SenderId"]

T = TypeVar("T")


class Message(NamedTuple):
    """A message as received: `sent` in seconds since 1970, `receives` counts this time too.

    `sender` is who sent it, as IAM knows them; '' if the service does not say.
    """

    id: str
    receipt: str
    body: str
    attributes: dict[str, str]
    sent: float
    receives: int
    sender: str = ""

    def without_body(self) -> Message:
        """Return what is needed to hold and delete it: a megabyte of somebody's need not be kept."""
        return Message(self.id, self.receipt, "", {}, self.sent, self.receives, self.sender)


class Outgoing(NamedTuple):
    """A message to send; `group` is whose it is, so that a fair queue serves everybody in turn."""

    body: str
    attributes: Mapping[str, str] = MappingProxyType({})
    group: str = ""


class Refusal(NamedTuple):
    """What SQS says of an entry that it did not take; no code if it says nothing, and may have taken it."""

    code: str
    message: str
    sender_fault: bool

    @property
    def permanent(self) -> bool:
        """Whether it will never take this entry."""
        return self.sender_fault and "Throttl" not in self.code

    @property
    def sentence(self) -> str:
        return f"SQS refused the message: {self.code}: {self.message}".rstrip(": ")


class Queue:
    """One queue. Every method raises what botocore raises; batches are of ten at most."""

    def __init__(self, sqs: SQSClient | SqsTransport, url: str) -> None:
        self.sqs = sqs
        self.url = url

    def receive(self, wait: int = 0, visibility: int | None = None) -> list[Message]:
        """Return up to ten messages, waiting up to `wait` seconds (20 at most) for the first.

        Nobody else sees them for `visibility` seconds (None: as the queue is set). A message that the reply holds
        twice, which at-least-once delivery allows, is returned once, with its last receipt.
        """
        return received(self.sqs.receive_message(**receive_fields(self.url, wait, visibility)))

    def send(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        """Send up to ten messages; return those that SQS did not take."""
        return [message for message, refusal in zip(messages, self.try_send(messages), strict=True) if refusal]

    def try_send(self, messages: Sequence[Outgoing]) -> list[Refusal | None]:
        """Send up to ten messages; return what SQS says of each that it did not take, None for the others."""
        if not messages:
            return []
        try:
            reply: Any = self.sqs.send_message_batch(**send_fields(self.url, messages))
        except ClientError as error:
            if not may_be_one_entry(error):
                raise
            if len(messages) > 1:
                return [refusal for message in messages for refusal in self.try_send([message])]
            return [Refusal(error_code(error), str(error.response["Error"].get("Message", "")), True)]
        return refusals(messages, reply)

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        """Delete up to ten messages; return those to try again. One whose receipt is invalid is gone or came back."""
        batch = each_receipt_once(messages)
        if not batch:
            return []
        try:
            reply: Any = self.sqs.delete_message_batch(**delete_fields(self.url, batch))
        except Exception as error:
            if not is_refused_input(error):
                raise
            if len(batch) > 1:  # perhaps one entry is at fault
                return [left for message in batch for left in self.delete([message])]
            return [] if error_code(error) in INVALID_RECEIPT_CODES else batch
        return not_deleted(batch, reply)

    def change_visibility(self, messages: Sequence[Message], seconds: int) -> list[Message]:
        """Hide up to ten messages from everybody for `seconds` from now (0: release them); return those not hidden."""
        batch = each_receipt_once(messages)
        if not batch:
            return []
        entries: Any = [entry | {"VisibilityTimeout": seconds} for entry in _receipts(batch)]
        try:
            reply: Any = self.sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)
        except Exception as error:
            if not is_refused_input(error):
                raise
            if len(batch) > 1:  # perhaps one entry is at fault
                return [left for message in batch for left in self.change_visibility([message], seconds)]
            return batch
        return _unconfirmed(batch, reply)


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield the items in lists of that size, the last one shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


# ---- What calls are made of, and what their replies say; here for callers with threads and without ------------


def receive_fields(url: str, wait: int, visibility: int | None) -> dict[str, Any]:
    """Return the fields of ReceiveMessage."""
    visible = {} if visibility is None else {"VisibilityTimeout": visibility}
    return {
        "QueueUrl": url,
        "MaxNumberOfMessages": BATCH,
        "WaitTimeSeconds": wait,
        "MessageAttributeNames": ["All"],
        "AttributeNames": _SYSTEM_ATTRIBUTES,  # the former name of the next one, the only one that some servers know
        "MessageSystemAttributeNames": _SYSTEM_ATTRIBUTES,
        **visible,
    }


def received(reply: Mapping[str, Any]) -> list[Message]:
    """Return the messages in a reply of ReceiveMessage, each once."""
    now = time.time()
    return list({entry["MessageId"]: _message(entry, now) for entry in reply.get("Messages") or ()}.values())


def send_fields(url: str, messages: Sequence[Outgoing]) -> dict[str, Any]:
    """Return the fields of SendMessageBatch."""
    return {"QueueUrl": url, "Entries": [_sent_entry(position, message) for position, message in enumerate(messages)]}


def refusals(messages: Sequence[Outgoing], reply: Mapping[str, Any]) -> list[Refusal | None]:
    """Return what a reply of SendMessageBatch says of each message that SQS did not take, None for the others."""
    found: list[Refusal | None] = [Refusal("", "", False)] * len(messages)
    for entry in reply.get("Failed") or ():
        said = Refusal(entry.get("Code", ""), entry.get("Message", ""), bool(entry.get("SenderFault")))
        found[int(entry["Id"])] = said
    for taken in reply.get("Successful") or ():
        found[int(taken["Id"])] = None
    return found


def may_be_one_entry(error: BaseException) -> bool:
    """Return whether a batch was surely not sent, perhaps because of one entry: the others go alone."""
    return is_refused_input(error) and was_refused(error)


def delete_fields(url: str, batch: Sequence[Message]) -> dict[str, Any]:
    """Return the fields of DeleteMessageBatch."""
    return {"QueueUrl": url, "Entries": _receipts(batch)}


def not_deleted(batch: Sequence[Message], reply: Mapping[str, Any]) -> list[Message]:
    """Return the messages to try again, by a reply of DeleteMessageBatch: what SQS refuses for good is settled."""
    settled = {int(entry["Id"]) for entry in reply.get("Failed") or () if entry.get("SenderFault")}
    return _unconfirmed(batch, reply, settled)


def each_receipt_once(messages: Sequence[Message]) -> list[Message]:
    return list({message.receipt: message for message in messages}.values())


def _unconfirmed(batch: Sequence[Message], reply: Mapping[str, Any], settled: Set[int] = frozenset()) -> list[Message]:
    done = settled | {int(entry["Id"]) for entry in reply.get("Successful") or ()}
    return [message for position, message in enumerate(batch) if position not in done]


def _sent_entry(position: int, message: Outgoing) -> dict[str, Any]:
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()}
    entry = {"Id": str(position), "MessageBody": message.body, "MessageAttributes": attributes}
    return entry | {"MessageGroupId": message.group} if message.group else entry


def _receipts(batch: Sequence[Message]) -> list[dict[str, Any]]:
    return [{"Id": str(position), "ReceiptHandle": message.receipt} for position, message in enumerate(batch)]


def _message(entry: MessageTypeDef, now: float) -> Message:
    """Return a message as received; if the server does not say when it was sent, that is `now`."""
    system: Mapping[Any, str] = entry.get("Attributes") or {}
    values = (entry.get("MessageAttributes") or {}).items()
    attributes = {name: value["StringValue"] for name, value in values if "StringValue" in value}
    sent = int(system["SentTimestamp"]) / 1000 if "SentTimestamp" in system else now
    receives = int(system.get("ApproximateReceiveCount", 1))
    sender = system.get("SenderId", "")
    return Message(entry["MessageId"], entry["ReceiptHandle"], entry["Body"], attributes, sent, receives, sender)

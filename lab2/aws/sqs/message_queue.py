"""An SQS queue in batches: receive (long polling), send, delete, release. What SQS did not confirm is handed back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
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


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send; `group` is whose it is, so that a fair queue serves everybody in turn."""

    body: str
    attributes: dict[str, str] = field(default_factory=dict)
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
        visible: Any = {} if visibility is None else {"VisibilityTimeout": visibility}
        reply = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=wait, MessageAttributeNames=["All"],
            AttributeNames=_SYSTEM_ATTRIBUTES,  # the former name of the next one, the only one that some servers know
            MessageSystemAttributeNames=_SYSTEM_ATTRIBUTES, **visible,
        )  # fmt: skip
        now = time.time()
        return list({entry["MessageId"]: _message(entry, now) for entry in reply.get("Messages") or ()}.values())

    def send(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        """Send up to ten messages; return those that SQS did not take."""
        return [message for message, refusal in zip(messages, self.try_send(messages), strict=True) if refusal]

    def try_send(self, messages: Sequence[Outgoing]) -> list[Refusal | None]:
        """Send up to ten messages; return what SQS says of each that it did not take, None for the others."""
        if not messages:
            return []
        entries: Any = [{"Id": str(position)} | _sent_fields(message) for position, message in enumerate(messages)]
        try:
            reply = self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)
        except ClientError as error:
            if not (is_refused_input(error) and was_refused(error)):
                raise
            if len(messages) > 1:  # perhaps one entry is at fault
                return [refusal for message in messages for refusal in self.try_send([message])]
            return [Refusal(error_code(error), str(error.response["Error"].get("Message", "")), True)]
        refusals: list[Refusal | None] = [Refusal("", "", False)] * len(messages)
        for entry in reply.get("Failed") or ():
            said = Refusal(entry.get("Code", ""), entry.get("Message", ""), bool(entry.get("SenderFault")))
            refusals[int(entry["Id"])] = said
        for taken in reply.get("Successful") or ():
            refusals[int(taken["Id"])] = None
        return refusals

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        """Delete up to ten messages; return those to try again. One whose receipt is invalid is gone or came back."""
        return self._in_batch(self.sqs.delete_message_batch, messages, _receipt, is_ours=False)

    def change_visibility(self, messages: Sequence[Message], seconds: int) -> list[Message]:
        """Hide up to ten messages from everybody for `seconds` from now (0: release them); return those not hidden."""

        def fields(message: Message) -> dict[str, Any]:
            return _receipt(message) | {"VisibilityTimeout": seconds}

        return self._in_batch(self.sqs.change_message_visibility_batch, messages, fields)

    def _in_batch(
        self, operation: Any, items: Sequence[T], fields: Callable[[T], dict[str, Any]], is_ours: bool = True
    ) -> list[T]:
        """Carry out an operation on up to ten items; return those that SQS did not confirm.

        Each receipt is named once. What SQS refuses for good is settled if the messages need not be ours any more.
        """
        unique = {item.receipt if isinstance(item, Message) else position: item for position, item in enumerate(items)}
        batch = list(unique.values())
        if not batch:
            return []
        entries = [{"Id": str(position)} | fields(item) for position, item in enumerate(batch)]
        try:
            reply = operation(QueueUrl=self.url, Entries=entries)
        except Exception as error:
            if not is_refused_input(error):
                raise
            if len(batch) > 1:  # perhaps one entry is at fault
                return [left for item in batch for left in self._in_batch(operation, [item], fields, is_ours)]
            return batch if is_ours or error_code(error) not in INVALID_RECEIPT_CODES else []
        done = {int(entry["Id"]) for entry in reply.get("Successful") or ()}
        if not is_ours:
            done |= {int(entry["Id"]) for entry in reply.get("Failed") or () if entry.get("SenderFault")}
        return [item for position, item in enumerate(batch) if position not in done]


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield the items in lists of that size, the last one shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _sent_fields(message: Outgoing) -> dict[str, Any]:
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()}
    group = {"MessageGroupId": message.group} if message.group else {}
    return {"MessageBody": message.body, "MessageAttributes": attributes} | group


def _receipt(message: Message) -> dict[str, Any]:
    return {"ReceiptHandle": message.receipt}


def _message(entry: MessageTypeDef, now: float) -> Message:
    """Return a message as received; if the server does not say when it was sent, that is `now`."""
    system: Mapping[Any, str] = entry.get("Attributes") or {}
    values = (entry.get("MessageAttributes") or {}).items()
    attributes = {name: value["StringValue"] for name, value in values if "StringValue" in value}
    sent = int(system["SentTimestamp"]) / 1000 if "SentTimestamp" in system else now
    receives = int(system.get("ApproximateReceiveCount", 1))
    sender = system.get("SenderId", "")
    return Message(entry["MessageId"], entry["ReceiptHandle"], entry["Body"], attributes, sent, receives, sender)

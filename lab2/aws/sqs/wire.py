"""What travels for the four hot SQS calls: requests of AWS JSON 1.0, signed, and their responses.

A call of botocore costs about a millisecond of processor time, for it is ready for every service, protocol and
signature. These calls have one shape: a POST to the endpoint's root, whose response says how long it is.
"""

from __future__ import annotations

import hashlib
import json
from http.client import UnknownProtocol
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lab2.aws.call_log import log_left_to_boto3, log_reply
from lab2.aws.connections import Response, host_of
from lab2.aws.signature import signed_request

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from types_boto3_sqs import SQSClient

OPERATIONS = {
    "receive_message": "ReceiveMessage",
    "send_message_batch": "SendMessageBatch",
    "delete_message_batch": "DeleteMessageBatch",
    "change_message_visibility_batch": "ChangeMessageVisibilityBatch",
}

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Unusual(Exception):
    """A response that has no reply to take: boto3 makes the call again, and says what is wrong."""


class Wire:
    """Requests to the endpoint of a boto3 client, and what their responses say."""

    def __init__(self, client: SQSClient, user_agent: str, ca_bundle: str | None) -> None:
        self.client = client
        self.ca_bundle = ca_bundle  # None: that of botocore
        self.endpoint = urlsplit(client.meta.endpoint_url)  # dual-stack or FIPS where botocore was told so
        self._region = client.meta.region_name
        self._path = self.endpoint.path or "/"  # as boto3 asks for it: a gateway may have SQS below a path
        self._unsigned = {"content-type": "application/x-amz-json-1.0", "user-agent": user_agent}

    def request(self, method: str, fields: dict[str, Any], credentials: ReadOnlyCredentials) -> bytes:
        """Return the request of a client's method, with its headers and signature."""
        operation = OPERATIONS[method]
        # As botocore announces its own calls: what counts them counts these too.
        self.client.meta.events.emit(f"before-send.sqs.{operation}", request=None)
        return signed_request(
            "POST",
            self._path,
            _encode(fields).encode(),
            headers={"host": host_of(self.endpoint), "x-amz-target": f"AmazonSQS.{operation}"},
            unsigned=self._unsigned,
            service="sqs",
            region=self._region,
            credentials=credentials,
        )

    def reply(self, method: str, fields: dict[str, Any], response: Response) -> dict[str, Any]:
        """Return the reply in a response; raises Unusual, or whatever a reply that makes no sense leads to."""
        request_id = response.headers.get("x-amzn-requestid", "unknown")
        log_reply("sqs", OPERATIONS[method], response.status, request_id)
        if response.status != 200:
            raise Unusual(f"HTTP {response.status}")
        reply: dict[str, Any] = json.loads(response.body)
        if not _is_intact(method, fields, reply):
            raise Unusual("a message was damaged on its way")
        return reply


def left_to_boto3(method: str, problem: Exception) -> bool:
    """Log why a call is left to boto3; return whether SQS may have carried it out all the same."""
    if isinstance(problem, UnknownProtocol):
        reason = f"no response as SQS sends them, {problem!r}"
    else:
        reason = str(problem) if isinstance(problem, Unusual) else repr(problem)
    log_left_to_boto3("sqs", OPERATIONS[method], reason)
    return not isinstance(problem, (Unusual, UnknownProtocol))


def _is_intact(method: str, fields: dict[str, Any], reply: dict[str, Any]) -> bool:
    """Return whether each body is what was sent, by the MD5 that SQS gives: one that is not comes back later.

    Other queue servers leave the MD5 out.
    """
    if method == "receive_message":
        return all(map(_is_intact_message, reply.get("Messages") or ()))
    if method == "send_message_batch":
        bodies = {entry["Id"]: entry["MessageBody"] for entry in fields["Entries"]}
        return all(_fits(entry.get("MD5OfMessageBody"), bodies[entry["Id"]]) for entry in reply.get("Successful") or ())
    return isinstance(reply, dict)


def _is_intact_message(message: dict[str, Any]) -> bool:
    return bool(message["MessageId"] and message["ReceiptHandle"] and _fits(message.get("MD5OfBody"), message["Body"]))


def _fits(md5: str | None, text: str) -> bool:
    return md5 is None or md5 == hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

"""What travels for the four hot SQS calls: requests of AWS JSON 1.0, signed, and their responses.

A call of botocore costs about a millisecond of processor time, for it is ready for every service, protocol and
signature. These calls have one shape: a POST to the endpoint's root, whose response says how long it is. Signature
Version 4 of one shape is a few lines; a test compares it with botocore's.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html (read in 2026)
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from functools import lru_cache
from http.client import HTTPException, UnknownProtocol
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from botocore.httpsession import get_cert_path
from urllib3.util import create_urllib3_context

from lab2.aws.call_log import log_left_to_boto3, log_reply

if TYPE_CHECKING:
    import ssl

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


class Response(NamedTuple):
    """A response of HTTP: its status, its headers by name in lower case, its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the service closes the connection after it."""
        return self.headers.get("connection", "").lower() == "close"


class Wire:
    """Requests to the endpoint of a boto3 client, and what their responses say."""

    def __init__(self, client: SQSClient, user_agent: str, ca_bundle: str | None) -> None:
        self.client = client
        self._ca_bundle = ca_bundle  # None: that of botocore
        self.endpoint = urlsplit(client.meta.endpoint_url)  # dual-stack or FIPS where botocore was told so
        self._region = client.meta.region_name
        self._path = self.endpoint.path or "/"  # as boto3 asks for it: a gateway may have SQS below a path
        self._host = self.endpoint.netloc
        self._unsigned = f"content-type:application/x-amz-json-1.0\nuser-agent:{user_agent}\n"

    def request(self, method: str, fields: dict[str, Any], credentials: ReadOnlyCredentials) -> bytes:
        """Return the request of a client's method, with its headers and signature."""
        operation = OPERATIONS[method]
        # As botocore announces its own calls: what counts them counts these too.
        self.client.meta.events.emit(f"before-send.sqs.{operation}", request=None)
        body = _encode(fields).encode()
        digest = hashlib.sha256(body).hexdigest()
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        token = f"x-amz-security-token:{credentials.token}\n" if credentials.token else ""
        # As they are signed: in order, in lower case, without spaces. They are sent so too.
        headers = (
            f"host:{self._host}\nx-amz-content-sha256:{digest}\nx-amz-date:{now}\n{token}"
            f"x-amz-target:AmazonSQS.{operation}\n"
        )
        names = f"host;x-amz-content-sha256;x-amz-date;{'x-amz-security-token;' if token else ''}x-amz-target"
        canonical = f"POST\n{self._path}\n\n{headers}\n{names}\n{digest}"
        scope = f"{now[:8]}/{self._region}/sqs/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(_signing_key(credentials.secret_key, scope), text.encode(), "sha256").hex()
        return (
            f"POST {self._path} HTTP/1.1\n{headers}authorization:AWS4-HMAC-SHA256 "
            f"Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}\n"
            f"{self._unsigned}content-length:{len(body)}\n\n"
        ).replace("\n", "\r\n").encode() + body

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

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS settings of a connection to the endpoint, as botocore has them; None if it has no TLS."""
        if self.endpoint.scheme != "https":
            return None
        context = create_urllib3_context()
        context.check_hostname = True
        context.load_verify_locations(self._ca_bundle or get_cert_path(True))
        return context


def left_to_boto3(method: str, problem: Exception) -> bool:
    """Log why a call is left to boto3; return whether SQS may have carried it out all the same."""
    if isinstance(problem, UnknownProtocol):
        reason = f"no response as SQS sends them, {problem!r}"
    else:
        reason = str(problem) if isinstance(problem, Unusual) else repr(problem)
    log_left_to_boto3("sqs", OPERATIONS[method], reason)
    return not isinstance(problem, (Unusual, UnknownProtocol))


def parse_response(data: bytes | bytearray) -> Response | None:
    """Return the response of HTTP/1.1 with a Content-Length, as SQS sends them; None if more of it is to come.

    http.client takes several times as long: it reads headers as those of an email, through three layers of files.
    Raises ValueError where it is garbled, HTTPException where it is of another kind: UnknownProtocol where it is no
    error's, so that the service's next response would be of that kind too.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    status, *lines = data[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in [line.partition(":") for line in lines]}
    if not status.startswith("HTTP/1.1 ") or "content-length" not in headers or "transfer-encoding" in headers:
        raise _another_kind(status)
    whole = end + 4 + int(headers["content-length"])
    if len(data) < whole:
        return None
    if len(data) > whole:
        raise _another_kind(f"{status}, and more after its end")
    return Response(int(status[9:12]), headers, bytes(data[end + 4 :]))


def _another_kind(status: str) -> HTTPException:
    return UnknownProtocol(status) if status[9:10] in ("1", "2") else HTTPException(status)


@lru_cache(maxsize=8)
def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


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

"""The four hot SQS calls over keep-alive connections of our own, signed by botocore's public SigV4Auth.

Most of a server's processor time was botocore's, which is ready for every service, protocol and signature. SQS speaks
AWS JSON 1.0: a POST to the endpoint's root, whose response says how long it is. Here that is one send and mostly one
receive on a connection of the standard library's http.client; each wait of a thread in the kernel hands Python's lock
to another thread, often on another core, and urllib3 has more of them. Anything unusual is left to the boto3 client,
which makes that call as if for the first time, with its retries and its errors: an HTTP error, a throttle, a
connection that fails, a network with a proxy. A service whose responses are of another kind than those of SQS gets
all its calls from boto3, the first one twice. `LAB2_TRANSPORT=boto3` leaves every call to it. With --verbose, each
call that is left to boto3 is said.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection, UnknownProtocol
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import get_cert_path
from urllib3.util import create_urllib3_context, wait_for_read

from lab2.aws.call_log import log_left_to_boto3, log_reply
from lab2.aws.timing import CONNECT_TIMEOUT_S, READ_TIMEOUT_S

if TYPE_CHECKING:
    import socket

    from botocore.credentials import Credentials, ReadOnlyCredentials
    from types_boto3_sqs import SQSClient

FRESH_S = 1.0  # within which a connection is used again without a look whether SQS has closed it

_encode = json.JSONEncoder(separators=(",", ":")).encode


class SqsTransport:
    """Calls that take and return what those of the boto3 client of the same names do. Thread-safe.

    Where it is not `direct`, boto3 makes all of them.
    """

    def __init__(
        self, client: SQSClient, credentials: Credentials, user_agent: str, direct: bool, ca_bundle: str | None
    ) -> None:
        self.client, self._credentials = client, credentials
        self._endpoint = client.meta.endpoint_url  # dual-stack or FIPS where botocore was told so
        self._host = urlsplit(self._endpoint).netloc
        self._unsigned_headers = {"Content-Type": "application/x-amz-json-1.0", "User-Agent": user_agent}
        self._connections = _Connections(self._endpoint, ca_bundle) if direct else None

    def receive_message(self, **fields: Any) -> dict[str, Any]:
        return self._call("ReceiveMessage", self.client.receive_message, fields, _intact_messages)

    def send_message_batch(self, **fields: Any) -> dict[str, Any]:
        return self._call("SendMessageBatch", self.client.send_message_batch, fields, _sent_intact)

    def delete_message_batch(self, **fields: Any) -> dict[str, Any]:
        return self._call("DeleteMessageBatch", self.client.delete_message_batch, fields)

    def change_message_visibility_batch(self, **fields: Any) -> dict[str, Any]:
        return self._call("ChangeMessageVisibilityBatch", self.client.change_message_visibility_batch, fields)

    def _call(
        self,
        operation: str,
        by_boto3: Callable[..., Any],
        fields: dict[str, Any],
        check: Callable[[dict[str, Any], dict[str, Any]], bool] = lambda asked, reply: True,
    ) -> dict[str, Any]:
        """Return the reply of SQS. What `check` finds damaged on the way, like what fails, is asked again by boto3."""
        in_doubt = False
        if connections := self._connections:
            try:
                headers, body = self.signed(operation, fields)
                # As botocore announces its own calls: what counts them counts these too.
                self.client.meta.events.emit(f"before-send.sqs.{operation}", request=None)
                response = connections.post(headers, body)
                log_reply("sqs", operation, response.status, response.headers.get("x-amzn-requestid", "unknown"))
                if response.status == 200:
                    reply: dict[str, Any] = json.loads(response.body)
                    if check(fields, reply):
                        return reply
                reason = f"HTTP {response.status}" if response.status != 200 else "a message was damaged on its way"
            except UnknownProtocol as error:
                self._connections, reason = None, f"no response as SQS sends them, {error!r}"
            except Exception as error:  # boto3 meets the cause again, and says it
                in_doubt, reason = True, repr(error)
            log_left_to_boto3("sqs", operation, reason)
        try:
            result: dict[str, Any] = by_boto3(**fields)
            return result
        except ClientError as error:
            if in_doubt:  # ours was a try too, of which nobody knows what became
                error.response["ResponseMetadata"]["RetryAttempts"] = 1
            raise

    def signed(self, operation: str, fields: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a call; botocore works out only what it must: host and digest are given."""
        body = _encode(fields).encode()
        request = AWSRequest("POST", self._endpoint, {
            "Host": self._host,
            "X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest(),
            "X-Amz-Target": f"AmazonSQS.{operation}",
        })  # fmt: skip
        _Signer(self._credentials.get_frozen_credentials(), self.client.meta.region_name).add_auth(request)
        return {**dict(request.headers.items()), **self._unsigned_headers}, body


class _Connections:
    """Keep-alive connections to an endpoint, one for each call that is under way at once. Thread-safe."""

    def __init__(self, endpoint: str, ca_bundle: str | None) -> None:
        self._to = urlsplit(endpoint)
        self._path = self._to.path or "/"  # as boto3 asks for it: a gateway may have SQS below a path
        self._free: deque[tuple[HTTPConnection, float]] = deque()  # and when it was last used (monotonic seconds)
        self._tls = create_urllib3_context() if self._to.scheme == "https" else None
        if self._tls:
            self._tls.check_hostname = True
            self._tls.load_verify_locations(ca_bundle or get_cert_path(True))

    def post(self, headers: Mapping[str, str], body: bytes) -> _Response:
        """Make a call once; raises OSError, HTTPException or ValueError."""
        connection = self._take()
        try:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = f"POST {self._path} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
            connection.send(head.encode() + body)  # in one piece; HTTPConnection.request would send two
            response = _read_response(connection.sock)
        except BaseException:
            connection.close()
            raise
        if response.headers.get("connection", "").lower() == "close":
            connection.close()
        else:
            self._free.append((connection, time.monotonic()))
        return response

    def _take(self) -> HTTPConnection:
        """Return a connection that is open, the one that was used last: those that are not needed grow old."""
        while self._free:
            try:
                connection, used = self._free.pop()
            except IndexError:  # another thread took it
                break
            if time.monotonic() - used < FRESH_S or not wait_for_read(connection.sock, 0):
                return connection
            connection.close()
        connection = self._new()
        connection.connect()
        connection.sock.settimeout(READ_TIMEOUT_S)
        return connection

    def _new(self) -> HTTPConnection:
        host = self._to.hostname or ""
        if self._tls:
            return HTTPSConnection(host, self._to.port, timeout=CONNECT_TIMEOUT_S, context=self._tls)
        return HTTPConnection(host, self._to.port, timeout=CONNECT_TIMEOUT_S)


class _Response(NamedTuple):
    status: int
    headers: dict[str, str]  # by name in lower case
    body: bytes


def _read_response(sock: socket.socket) -> _Response:
    """Read a response of HTTP/1.1 with a Content-Length, as SQS sends them.

    http.client takes several times as long: it reads headers as those of an email, through three layers of files.
    Raises OSError where the response breaks off, ValueError where it is garbled, HTTPException where it is of another
    kind: UnknownProtocol where it is no error's, so that the service's next response would be of that kind too.
    """
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _some(sock)
    status, *lines = data[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if not status.startswith("HTTP/1.1 ") or "content-length" not in headers or "transfer-encoding" in headers:
        raise _another_kind(status)
    body, length = data[end + 4 :], int(headers["content-length"])
    while len(body) < length:
        body += _some(sock)
    if len(body) > length:
        raise _another_kind(f"{status}, and more after its end")
    return _Response(int(status[9:12]), headers, body)


def _some(sock: socket.socket) -> bytes:
    if data := sock.recv(1 << 16):
        return data
    raise ConnectionError("closed before the end of a response")


def _another_kind(status: str) -> HTTPException:
    return UnknownProtocol(status) if status[9:10] in ("1", "2") else HTTPException(status)


class _Signer(SigV4Auth):
    """Signature Version 4 whose signing key is made once a day and credential, and not at each call."""

    def __init__(self, credentials: ReadOnlyCredentials, region: str) -> None:
        super().__init__(credentials, "sqs", region)
        self.region = region

    def signature(self, string_to_sign: str, request: AWSRequest) -> str:
        key = _signing_key(self.credentials.secret_key, request.context["timestamp"][:8], self.region)
        return hmac.digest(key, string_to_sign.encode(), "sha256").hex()


@lru_cache(maxsize=8)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "sqs", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def is_proxied(url: str) -> bool:
    """Return whether the environment has a proxy for this URL, as botocore and urllib read it."""
    parts = urlsplit(url)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")


def _intact_messages(asked: dict[str, Any], reply: dict[str, Any]) -> bool:
    """Return whether each body is what was sent, by the MD5 that SQS gives: one that is not comes back later.

    Other queue servers leave the MD5 out.
    """
    return all(map(_is_intact, reply.get("Messages") or ()))


def _is_intact(message: dict[str, Any]) -> bool:
    md5 = _md5(message["Body"])
    return bool(message["MessageId"] and message["ReceiptHandle"] and message.get("MD5OfBody", md5) == md5)


def _sent_intact(asked: dict[str, Any], reply: dict[str, Any]) -> bool:
    bodies = {entry["Id"]: entry["MessageBody"] for entry in asked["Entries"]}
    sent = reply.get("Successful") or ()
    return all(entry.get("MD5OfMessageBody", md5) == md5 for entry in sent for md5 in [_md5(bodies[entry["Id"]])])


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

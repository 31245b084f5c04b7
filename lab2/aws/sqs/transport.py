"""The four hot SQS calls over keep-alive connections of our own, for programs with threads.

A call is one send and mostly one receive on a connection of the standard library's http.client: each wait of a thread
in the kernel hands Python's lock to another thread, often on another core, and urllib3 has more of them. Anything
unusual is left to the boto3 client, which makes that call as if for the first time, with its retries and its errors: an
HTTP error, a throttle, a connection that fails, a network with a proxy. A service whose responses are of another kind
than those of SQS gets all its calls from boto3, the first one twice. `LAB2_TRANSPORT=boto3` leaves every call to it.
With --verbose, each call that is left to boto3 is said.
"""

from __future__ import annotations

import time
from collections import deque
from http.client import HTTPConnection, HTTPSConnection, UnknownProtocol
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from botocore.exceptions import ClientError
from urllib3.util import wait_for_read

from lab2.aws.sqs.wire import Response, Wire, left_to_boto3, parse_response
from lab2.aws.timeouts import CONNECT_TIMEOUT_S, READ_TIMEOUT_S

if TYPE_CHECKING:
    import socket

    from botocore.credentials import Credentials

FRESH_S = 1.0  # within which a connection is used again without a look whether SQS has closed it


class SqsTransport:
    """Calls that take and return what those of the boto3 client of the same names do. Thread-safe.

    Where it is not `direct`, boto3 makes all of them.
    """

    def __init__(self, wire: Wire, credentials: Credentials, direct: bool) -> None:
        self.wire = wire
        self._credentials = credentials
        self._connections = Connections(wire) if direct else None

    def receive_message(self, **fields: Any) -> dict[str, Any]:
        return self._call("receive_message", fields)

    def send_message_batch(self, **fields: Any) -> dict[str, Any]:
        return self._call("send_message_batch", fields)

    def delete_message_batch(self, **fields: Any) -> dict[str, Any]:
        return self._call("delete_message_batch", fields)

    def change_message_visibility_batch(self, **fields: Any) -> dict[str, Any]:
        return self._call("change_message_visibility_batch", fields)

    def _call(self, method: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the reply of SQS. What is damaged on the way, like what fails, is asked again by boto3."""
        in_doubt = False
        if connections := self._connections:
            try:
                request = self.wire.request(method, fields, self._credentials.get_frozen_credentials())
                return self.wire.reply(method, fields, connections.post(request))
            except Exception as problem:  # boto3 meets the cause again, and says it
                in_doubt = left_to_boto3(method, problem)
                if isinstance(problem, UnknownProtocol):
                    self._connections = None
        return call_by_boto3(self.wire.client, method, fields, in_doubt)


def call_by_boto3(client: Any, method: str, fields: dict[str, Any], in_doubt: bool) -> dict[str, Any]:
    """Return the reply to a call that boto3 makes; `in_doubt` says that a try of ours may have been carried out."""
    try:
        reply: dict[str, Any] = getattr(client, method)(**fields)
        return reply
    except ClientError as error:
        if in_doubt:
            error.response["ResponseMetadata"]["RetryAttempts"] = 1
        raise


class Connections:
    """Keep-alive connections to an endpoint, one for each call that is under way at once. Thread-safe."""

    def __init__(self, wire: Wire) -> None:
        self._to = wire.endpoint
        self._tls = wire.tls()
        self._free: deque[tuple[HTTPConnection, float]] = deque()  # and when it was last used (monotonic seconds)

    def post(self, request: bytes) -> Response:
        """Make a call once; raises OSError, HTTPException or ValueError."""
        connection = self._take()
        try:
            connection.send(request)  # in one piece; HTTPConnection.request would send two
            response = _read_response(connection.sock)
        except BaseException:
            connection.close()
            raise
        if response.closes:
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


def _read_response(sock: socket.socket) -> Response:
    """Read a response; raises OSError where it breaks off, and what `parse_response` raises."""
    data = b""
    while True:
        if not (some := sock.recv(1 << 16)):
            raise ConnectionError("closed before the end of a response")
        data += some
        if response := parse_response(data):
            return response


def is_proxied(url: str) -> bool:
    """Return whether the environment has a proxy for this URL, as botocore and urllib read it."""
    parts = urlsplit(url)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")

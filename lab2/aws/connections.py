"""Keep-alive connections of our own, and responses of HTTP as AWS sends them.

A call is one send and mostly one receive. Each wait of a thread in the kernel hands Python's lock to another thread,
often on another core; urllib3 has more of them.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from http.client import HTTPConnection, HTTPException, HTTPSConnection, UnknownProtocol
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from botocore.httpsession import get_cert_path
from urllib3.util import create_urllib3_context, wait_for_read

from lab2.aws.timeouts import CONNECT_TIMEOUT_S, READ_TIMEOUT_S

if TYPE_CHECKING:
    import socket

FRESH_S = 1.0  # within which a connection is used again without a look whether the service has closed it


class Response(NamedTuple):
    """A response of HTTP: its status, its headers by name in lower case, its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the service closes the connection after it."""
        return self.headers.get("connection", "").lower() == "close"


class Connections:
    """Keep-alive connections to an endpoint, one for each call that is under way at once. Thread-safe."""

    def __init__(self, endpoint: SplitResult, ca_bundle: str | None) -> None:
        self._to = endpoint
        self._tls = tls_to(endpoint, ca_bundle)
        self._free: deque[tuple[HTTPConnection, float]] = deque()  # and when it was last used (monotonic seconds)

    def call(self, request: bytes) -> Response:
        """Make a request once; raises OSError, HTTPException or ValueError."""
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


def parse_response(data: bytes | bytearray) -> Response | None:
    """Return the response of HTTP/1.1 with a Content-Length, as AWS sends them; None if more of it is to come.

    http.client takes several times as long: it reads headers as those of an email, through three layers of files.
    Raises ValueError if it is garbled, HTTPException if it is of another kind; that is UnknownProtocol unless the
    response is an error, for then the service's next response will be of that kind, too.
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


def host_of(endpoint: SplitResult) -> str:
    """Return the Host header of requests to an endpoint."""
    return endpoint.netloc.rpartition("@")[2]


def tls_to(endpoint: SplitResult, ca_bundle: str | None) -> ssl.SSLContext | None:
    """Return the TLS settings of a connection, as botocore has them; None if the endpoint has no TLS.

    `ca_bundle` is a file of certificates, None: those of botocore.
    """
    if endpoint.scheme != "https":
        return None
    context = create_urllib3_context()
    context.check_hostname = True
    context.load_verify_locations(ca_bundle or get_cert_path(True))
    return context


def is_proxied(url: str) -> bool:
    """Return whether the environment has a proxy for this URL, as botocore and urllib read it."""
    parts = urlsplit(url)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")

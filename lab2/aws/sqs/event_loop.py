"""The hot calls of SQS in an event loop: one thread, many calls under way, no locks.

What is unusual is left to the boto3 client, in a thread of its own, as `transport` leaves it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from functools import partial
from http.client import UnknownProtocol
from typing import TYPE_CHECKING, Any, TypeVar, cast

from botocore.exceptions import ClientError
from urllib3.util import wait_for_read

from lab2.aws.connections import FRESH_S, Response, parse_response, tls_to
from lab2.aws.failures import is_refused_input
from lab2.aws.sqs.message_queue import (
    Message,
    Outgoing,
    Queue,
    delete_fields,
    each_receipt_once,
    may_be_one_entry,
    not_deleted,
    receive_fields,
    received,
    refusals,
    send_fields,
)
from lab2.aws.sqs.transport import call_by_boto3
from lab2.aws.sqs.wire import Wire, left_to_boto3
from lab2.aws.timeouts import CONNECT_TIMEOUT_S, READ_TIMEOUT_S
from lab2.aws.workers import BackgroundTask
from lab2.errors import TryLater

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Return the result of `work`, which runs in a thread that ends with the program, whatever it is at.

    TryLater if this machine has no thread for it.
    """

    def result() -> T:
        try:
            return work()
        except StopIteration as error:  # which no future takes before Python 3.12: its call would never end
            raise RuntimeError("StopIteration") from error

    try:
        thread = BackgroundTask(result)
    except RuntimeError as error:
        raise TryLater(f"This machine has no room for a thread more: {error}.") from error
    return await asyncio.wrap_future(thread.future)


class EventLoopQueue:
    """One queue. Every method raises what botocore raises; batches are of ten at most. As `Queue` has it."""

    def __init__(self, transport: EventLoopTransport, url: str) -> None:
        self.transport = transport
        self.url = url
        self._by_boto3 = Queue(transport.wire.client, url)  # in a thread: for batches with an entry at fault

    async def receive(self, wait: int, visibility: int | None) -> list[Message]:
        return received(await self.transport.call("receive_message", receive_fields(self.url, wait, visibility)))

    async def send(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        if not messages:
            return []
        try:
            reply = await self.transport.call("send_message_batch", send_fields(self.url, messages))
        except ClientError as error:
            if not may_be_one_entry(error):
                raise
            return await in_thread(partial(self._by_boto3.send, messages))
        return [message for message, refusal in zip(messages, refusals(messages, reply), strict=True) if refusal]

    async def delete(self, messages: Sequence[Message]) -> list[Message]:
        batch = each_receipt_once(messages)
        if not batch:
            return []
        try:
            reply = await self.transport.call("delete_message_batch", delete_fields(self.url, batch))
        except ClientError as error:
            if not is_refused_input(error):
                raise
            return await in_thread(partial(self._by_boto3.delete, batch))
        return not_deleted(batch, reply)


class EventLoopTransport:
    """Calls by the names of the boto3 client's methods. Where it is not `direct`, boto3 makes all of them."""

    def __init__(self, wire: Wire, credentials: Credentials, direct: bool) -> None:
        self.wire = wire
        self._credentials = credentials
        # Whether botocore would fetch others now, which takes time; None if these never expire.
        self._is_refresh_needed: Callable[[], bool] | None = getattr(credentials, "refresh_needed", None)
        self._direct = direct
        self._tls = tls_to(wire.endpoint, wire.ca_bundle) if direct else None
        self._free: list[_Connection] = []

    async def call(self, method: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the reply of SQS. What is damaged on the way, like what fails, is asked again by boto3."""
        in_doubt = False
        if self._direct:
            try:
                request = self.wire.request(method, fields, await self._signing_credentials())
                return self.wire.reply(method, fields, await self._post(request))
            except Exception as problem:  # boto3 meets the cause again, and says it
                in_doubt = left_to_boto3(method, problem)
                if isinstance(problem, UnknownProtocol):
                    self._direct = False
        return await in_thread(partial(call_by_boto3, self.wire.client, method, fields, in_doubt))

    async def _signing_credentials(self) -> ReadOnlyCredentials:
        if self._is_refresh_needed and self._is_refresh_needed():
            return await in_thread(self._credentials.get_frozen_credentials)
        return self._credentials.get_frozen_credentials()

    async def _post(self, request: bytes) -> Response:
        """Make a call once; raises OSError, HTTPException or ValueError."""
        connection = self._take() or await self._connect()
        try:
            response = await connection.post(request)
        except BaseException:
            connection.close()
            raise
        if response.closes:
            connection.close()
        else:
            self._free.append(connection)
        return response

    def _take(self) -> _Connection | None:
        """Return a connection that is open, the one that was used last: those that are not needed grow old."""
        while self._free:
            connection = self._free.pop()
            if connection.can_be_used():
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        host = self.wire.endpoint.hostname or ""
        port = self.wire.endpoint.port or (443 if self._tls else 80)
        # Names are looked up in a thread that nobody waits for at the end, as they are not by asyncio.
        sock = await in_thread(partial(socket.create_connection, (host, port), CONNECT_TIMEOUT_S))
        sock.setblocking(False)
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection,
            sock=sock,
            ssl=self._tls,
            server_hostname=host if self._tls else None,
            ssl_handshake_timeout=CONNECT_TIMEOUT_S if self._tls else None,
        )
        return connection


class _Connection(asyncio.Protocol):
    """A keep-alive connection, for one call at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None  # None: closed
        self._response: asyncio.Future[Response] | None = None  # of the call under way
        self._data = b""  # of it so far
        self._used = 0.0  # when a call ended (monotonic seconds)

    async def post(self, request: bytes) -> Response:
        if self._transport is None:
            raise ConnectionError("closed")
        self._response = self._loop.create_future()
        late = self._loop.call_later(READ_TIMEOUT_S, self._fail, TimeoutError("no response"))
        self._transport.write(request)
        try:
            return await self._response
        finally:
            late.cancel()
            self._response = None
            self._used = self._loop.time()

    def can_be_used(self) -> bool:
        """Return whether the service has not closed it, as far as is known here."""
        if self._transport is None or self._data:
            return False
        sock = self._transport.get_extra_info("socket")
        return self._loop.time() - self._used < FRESH_S or not wait_for_read(sock, 0)

    def close(self) -> None:
        if self._transport:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._response is None or self._response.done():
            return  # nobody has asked for it: the connection is not used again
        try:
            response = parse_response(self._data)
        except Exception as problem:
            self._fail(problem)
            return
        if response:
            self._data = b""
            self._response.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(exc or ConnectionError("closed before the end of a response"))

    def _fail(self, problem: Exception) -> None:
        if self._response and not self._response.done():
            self._response.set_exception(problem)

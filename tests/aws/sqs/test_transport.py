"""The fast path of SQS calls: signed as botocore signs, and left to boto3 where anything is unusual."""

from __future__ import annotations

import ast
import asyncio
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from http.client import HTTPException, UnknownProtocol
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from support.listener import Listener
from support.proxy import Call, Fault, Proxy
from support.queues import kind_of_queue  # noqa: F401 - every test is run with both
from support.signatures import check_signature
from support.world import ROOT, World, until

from lab2.aws import connections
from lab2.aws.connections import Connections, Response
from lab2.aws.pricing import Meter
from lab2.aws.session import AwsSession
from lab2.aws.sqs import event_loop
from lab2.aws.sqs.event_loop import EventLoopTransport
from lab2.aws.sqs.message_queue import Outgoing
from lab2.aws.sqs.wire import Wire
from lab2.events import LOGGER

BODIES = ["[3, 5.5]", "[]", "é\x7f\u2028"]


@pytest.fixture(autouse=True)
def fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast path is what is tested here, also where all other tests are run without it (`make queues`)."""
    monkeypatch.delenv("LAB2_TRANSPORT", raising=False)


def created(aws: AwsSession) -> list[object]:
    """Return a list that grows by every request that botocore itself makes and signs."""
    made: list[object] = []
    aws.sqs.meta.events.register("request-created.sqs", lambda request, **_: made.append(request))
    return made


@pytest.mark.parametrize("token", ["", "a-session's-token=="])
@pytest.mark.parametrize("body", BODIES)
def test_a_call_has_the_signature_that_botocore_would_give_it(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, token: str, body: str
) -> None:
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    sent: list[Call] = []
    queue = World(proxied.env, proxied.home).queue("lab2")
    proxy.on("SendMessageBatch", Fault(), only=lambda call: sent.append(call) or True)
    assert queue.send([Outgoing(body, {"id": "1"})]) == []
    (call,) = sent
    check_signature(call, proxy.url + "/", proxied, token, SigV4Auth, "sqs")
    assert ("X-Amz-Security-Token" in call.headers) == bool(token)


def test_calls_that_go_well_need_nothing_more_of_botocore(world: World) -> None:
    queue = world.queue("lab2")
    made, meter = created(world.aws), Meter()
    meter.watch(world.aws.sqs)
    assert queue.send([Outgoing(body) for body in BODIES[:2]]) == []
    messages = queue.receive()
    assert [message.body for message in messages] == BODIES[:2]
    assert queue.delete(messages) == []
    assert made == []
    assert meter.total == 3  # and they are counted


@pytest.mark.parametrize(
    "fault", [Fault(refuse=(503, "SlowDown")), Fault(cut=True), Fault(lost=True), Fault(torn=True)], ids=repr
)
def test_what_does_not_go_well_is_botocore_s_from_there(proxied: World, proxy: Proxy, fault: Fault) -> None:
    queue = proxied.queue("lab2")
    made = created(proxied.aws)
    proxy.on("SendMessageBatch", fault)
    assert queue.send([Outgoing("[1]")]) == []
    assert proxy.calls["SendMessageBatch"] == 1 + len(made) == 2


def test_an_error_is_botocore_s(world: World) -> None:
    with pytest.raises(ClientError, match=r"NonExistentQueue|QueueDoesNotExist"):
        world.aws.sqs.get_queue_url(QueueName="missing")


def test_boto3_alone_does_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB2_TRANSPORT", "boto3")
    made = created(world.aws)
    queue = world.queue("lab2")
    assert queue.send([Outgoing("[1]")]) == []
    assert queue.delete(queue.receive()) == []
    assert len(made) == 1 + 3  # GetQueueUrl and these


def test_a_message_that_was_damaged_on_the_way_is_received_again(proxied: World, proxy: Proxy) -> None:
    queue = proxied.queue("lab2")
    queue.send([Outgoing("[1]")])
    damaged: list[object] = []

    def damage(fields: dict[str, Any]) -> None:
        if not damaged:
            damaged.append(fields["Messages"])
            fields["Messages"][0]["Body"] = "[7]"

    proxy.edit_reply("ReceiveMessage", damage)
    assert queue.receive(visibility=1) == []
    assert damaged
    assert [message.body for message in until(lambda: queue.receive(wait=1))] == ["[1]"]


WHOLE = b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: 1\r\ncontent-length: 2\r\n\r\n{}"


REQUEST = b"POST / HTTP/1.1\r\nHost: sqs\r\nContent-Length: 2\r\n\r\n{}"


class Responder(Listener):
    """A service that reads one call on each connection, sends a response piece by piece and closes the connection.

    The first call gets the first response, and so on; further ones get the last. `calls` counts the calls; `closed` is
    set when a connection was closed.
    """

    def __init__(self, *responses: Iterable[bytes]) -> None:
        self.calls = 0
        self.closed = threading.Event()
        self._responses = responses
        super().__init__()

    def handle(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        asked = b""
        while not asked.endswith(b"}"):
            asked += (some := connection.recv(1000))
            if not some:
                break
        self.asked = asked
        response = self._responses[min(self.calls, len(self._responses) - 1)]
        self.calls += 1
        for piece in response:
            connection.sendall(piece)
        connection.close()
        self.closed.set()


Post = Callable[[bytes], Response]


@pytest.fixture
def connect(kind_of_queue: str) -> Iterator[Callable[[Responder], Post]]:  # noqa: F811 - it is the fixture
    """How a transport of this kind makes a call to a service."""
    loop = asyncio.new_event_loop()

    def connected(service: Responder) -> Post:
        client: Any = SimpleNamespace(meta=SimpleNamespace(endpoint_url=service.url, region_name="us-east-1"))
        wire = Wire(client, "test", None)
        if kind_of_queue == "threads":
            return Connections(wire.endpoint, None).call
        transport = EventLoopTransport(wire, Credentials("a", "b"), direct=True)
        return lambda request: loop.run_until_complete(transport._post(request))

    yield connected
    loop.close()


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
def test_a_connection_that_was_closed_since_its_last_call_is_not_used_again(
    close: bytes, connect: Callable[[Responder], Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (connections, event_loop):
        monkeypatch.setattr(module, "FRESH_S", 60.0 if close else 0.0)
    with closing(Responder([WHOLE.replace(b"x-amzn", close + b"x-amzn")])) as service:
        post = connect(service)
        for _ in range(2):
            response = post(REQUEST)
            assert (response.status, response.body) == (200, b"{}")
            assert service.closed.wait(20)


def test_a_response_that_comes_byte_by_byte_is_read(connect: Callable[[Responder], Post]) -> None:
    with closing(Responder([bytes([byte]) for byte in WHOLE])) as service:
        response = connect(service)(REQUEST)
    assert response == (200, {"x-amzn-requestid": "1", "content-length": "2"}, b"{}")


CHUNKED = b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
BROKEN: dict[str, tuple[bytes, type[Exception]]] = {
    "nothing": (b"", ConnectionError),
    "in the head": (WHOLE[:30], ConnectionError),
    "in the body": (WHOLE[:-1], ConnectionError),
    "no number": (WHOLE.replace(b": 2", b": two"), ValueError),
    "no status": (WHOLE.replace(b"200 OK", b"fine"), ValueError),
    "an error's page": (b"HTTP/1.1 503 Busy\r\n" + CHUNKED, HTTPException),
}


@pytest.mark.parametrize(("sent", "error"), BROKEN.values(), ids=BROKEN)
def test_a_response_that_is_broken_is_an_error_of_its_call_alone(
    sent: bytes, error: type[Exception], connect: Callable[[Responder], Post]
) -> None:
    with closing(Responder([sent], [WHOLE])) as service:
        post = connect(service)
        with pytest.raises(error) as caught:
            post(REQUEST)
        assert not isinstance(caught.value, UnknownProtocol)  # after which boto3 would make all calls
        assert post(REQUEST).body == b"{}"


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"Messages": [1]}', b'{"Messages": [{"Body": ""}]}', b"\xff"])
def test_a_reply_that_makes_no_sense_is_asked_again(body: bytes, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with closing(Responder([odd], [WHOLE.replace(b"x-amzn", b"Connection: close\r\nx-amzn")])) as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", service.url)
        queue = World(world.env, world.home).aws.queue_at(f"{service.url}/1/lab2")
        assert queue.receive() == []
        assert queue.receive() == []
        assert service.calls == 2 + 1


@pytest.mark.parametrize("path", ["/aws", "/aws/"])
def test_a_path_in_the_endpoint_is_kept_as_boto3_keeps_it(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    with closing(Responder([WHOLE.replace(b"x-amzn", b"Connection: close\r\nx-amzn")])) as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"{service.url}{path}")
        aws = World(world.env, world.home).aws
        assert aws.queue_at(f"{service.url}/aws/1/lab2").receive() == []
        ours = service.asked
        aws.sqs.receive_message(QueueUrl=f"{service.url}/aws/1/lab2")
        assert ours.split(b" HTTP")[0] == service.asked.split(b" HTTP")[0] == f"POST {path}".encode()
        assert service.calls == 2


def test_a_message_without_an_md5_is_taken(proxied: World, proxy: Proxy) -> None:
    made = created(proxied.aws)
    queue = proxied.queue("lab2")

    def leave_out(fields: dict[str, Any]) -> None:
        for entry in (*fields.get("Messages", ()), *fields.get("Successful", ())):
            entry.pop("MD5OfBody", None)
            entry.pop("MD5OfMessageBody", None)

    proxy.edit_reply("ReceiveMessage", leave_out)
    proxy.edit_reply("SendMessageBatch", leave_out)
    assert queue.send([Outgoing("[1]")]) == []
    assert [message.body for message in queue.receive()] == ["[1]"]
    assert len(made) == 1  # GetQueueUrl: nothing was asked again


ANOTHER_KIND = {
    "chunked": b"HTTP/1.1 200 OK\r\n" + CHUNKED,
    "chunked, with a length": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + CHUNKED,
    "until closed": b"HTTP/1.1 200 OK\r\n\r\n{}",
    "old": WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE.replace(b"x-amzn", b"Connection: close\r\nx-amzn"),
}


@pytest.mark.parametrize("sent", ANOTHER_KIND.values(), ids=ANOTHER_KIND)
def test_a_service_whose_responses_are_of_another_kind_gets_its_calls_from_boto3(
    sent: bytes, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    caplog.set_level(logging.DEBUG, LOGGER.name)
    with closing(Responder([sent])) as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", service.url)
        aws = World(world.env, world.home).aws
        made = created(aws)
        for _ in range(3):
            assert aws.queue_at(f"{service.url}/1/lab2").receive() == []
        assert (len(made), service.calls) == (3, 4)
    assert sum("sqs ReceiveMessage again, by boto3: " in line for line in caplog.messages) == 1


def test_bytes_after_a_response_end_its_connection(connect: Callable[[Responder], Post]) -> None:
    with closing(Responder([WHOLE + WHOLE], [WHOLE])) as service:
        post = connect(service)
        with pytest.raises(UnknownProtocol):
            post(REQUEST)
        assert post(REQUEST).body == b"{}"


def test_nothing_private_of_a_library_is_touched() -> None:
    nodes = [node for path in (ROOT / "lab2").rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    ours = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    ours |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    ours |= {node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr)}
    assert used - ours <= {"_asdict", "_exit", "_fields", "_replace"}  # public by their documentation

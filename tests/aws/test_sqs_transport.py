"""The fast path of SQS calls: signed as botocore signs, and left to boto3 where anything is unusual."""

from __future__ import annotations

import ast
import re
import socket
import threading
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPException, UnknownProtocol
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from support.proxy import Call, Fault, Proxy
from support.world import ROOT, World, until

from lab2.aws import sqs_transport
from lab2.aws.pricing import Meter
from lab2.aws.session import AwsSession
from lab2.aws.sqs import Outgoing

BODIES = ["[3, 5.5]", "[]", "é\x7f\u2028"]


@pytest.fixture(autouse=True)
def fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast path is what is tested here, also where all other tests are run without it (`make boto3`)."""
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
    given = call.headers["Authorization"]
    names = given.partition("SignedHeaders=")[2].partition(",")[0]
    signed = {name: value for name, value in call.headers.items() if name.lower() in names.split(";")}
    again = AWSRequest("POST", proxy.url + "/", signed, call.body)
    again.context["timestamp"] = call.headers["X-Amz-Date"]
    credentials = Credentials(proxied.env["AWS_ACCESS_KEY_ID"], proxied.env["AWS_SECRET_ACCESS_KEY"], token or None)
    botocore = SigV4Auth(credentials, "sqs", proxied.aws.region)
    text = botocore.string_to_sign(again, botocore.canonical_request(again))
    assert given.endswith(f"Signature={botocore.signature(text, again)}")
    assert f"Credential={botocore.scope(again)}," in given
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


class Responder:
    """A service that reads a call on each of its connections, sends it the given pieces, one at a time, and closes it.

    `calls` has the bodies; `closed` is set when a connection was closed.
    """

    def __init__(self, *pieces: bytes) -> None:
        self.calls: list[bytes] = []
        self.closed = threading.Event()
        self._pieces = pieces
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._respond, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _respond(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                asked = b""
                while not asked.endswith(b"}"):
                    asked += connection.recv(1000)
                self.calls.append(asked.partition(b"\r\n\r\n")[2])
                for piece in self._pieces:
                    connection.sendall(piece)
            self.closed.set()


def responses(pieces: Sequence[bytes], number: int) -> list[sqs_transport._Response]:
    """Return the responses to so many calls, each of which waits until the connection of the last one was closed."""
    with closing(Responder(*pieces)) as service:
        connections = sqs_transport._Connections(service.url, None)
        made = []
        for _ in range(number):
            made.append(connections.post({"Host": "sqs"}, b"{}"))
            assert service.closed.wait(20)
        return made


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
def test_a_connection_that_was_closed_since_its_last_call_is_not_used_again(
    close: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqs_transport, "FRESH", 60.0 if close else 0.0)
    made = responses([WHOLE.replace(b"x-amzn", close + b"x-amzn")], number=2)
    assert [(response.status, response.body) for response in made] == [(200, b"{}")] * 2


def test_a_response_that_comes_byte_by_byte_is_read() -> None:
    (response,) = responses([bytes([byte]) for byte in WHOLE], number=1)
    assert response == (200, {"x-amzn-requestid": "1", "content-length": "2"}, b"{}")


BROKEN = {
    "nothing": b"",
    "in the head": WHOLE[:30],
    "in the body": WHOLE[:-1],
    "more than one": WHOLE + WHOLE,
    "no number": WHOLE.replace(b": 2", b": two"),
    "no status": WHOLE.replace(b"200 OK", b"fine"),
    "interim": b"HTTP/1.1 102 Processing\r\n\r\n" + WHOLE,
    "a page": b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_a_response_that_is_broken_is_an_error_of_its_call_alone(sent: bytes) -> None:
    with pytest.raises((OSError, ValueError, HTTPException)) as caught:
        responses([sent], number=1)
    assert not isinstance(caught.value, UnknownProtocol)  # after which boto3 would make all calls


UNLIKE_SQS = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "until closed": b"HTTP/1.1 200 OK\r\n\r\n{}",
    "old": WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("sent", UNLIKE_SQS.values(), ids=UNLIKE_SQS)
def test_a_service_that_does_not_respond_like_sqs_gets_its_calls_from_boto3(
    sent: bytes, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Responder(sent)) as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", service.url)
        aws = World(world.env, world.home).aws
        made = created(aws)
        for _ in range(3):
            assert aws.queue_at(f"{service.url}/1/lab2").receive() == []
        assert (len(made), len(service.calls)) == (3, 4)


def test_nothing_private_of_a_library_is_touched() -> None:
    nodes = [node for path in (ROOT / "lab2").rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    ours = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    ours |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    ours |= {node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr)}
    assert used - ours <= {"_exit", "_replace"}  # public by their documentation

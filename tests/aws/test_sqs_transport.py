"""The fast path of SQS calls: signed as botocore signs, and left to boto3 where anything is unusual."""

from __future__ import annotations

import ast
import re
import socket
import threading
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


REPLIES = [
    b"Content-Length: 2\r\n\r\n{}",
    b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    b"Connection: close\r\n\r\n{}",
]


@pytest.mark.parametrize("reply", REPLIES)
def test_a_connection_that_was_closed_since_its_last_call_is_not_used_again(
    reply: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqs_transport, "FRESH", 0.0)
    closed = threading.Event()

    def answer_each_on_a_connection_of_its_own() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                asked = b""
                while not asked.endswith(b"\r\n\r\n{}"):
                    asked += connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + reply)
            closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer_each_on_a_connection_of_its_own, daemon=True).start()
        connections = sqs_transport._Connections(f"http://127.0.0.1:{listener.getsockname()[1]}", None)
        for _ in range(2):
            response, data = connections.post({"Host": "sqs"}, b"{}")
            assert (response.status, data) == (200, b"{}")
            assert closed.wait(20)


def test_nothing_private_of_a_library_is_touched() -> None:
    nodes = [node for path in (ROOT / "lab2").rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    ours = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    ours |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    ours |= {node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr)}
    assert used - ours <= {"_exit", "_replace"}  # public by their documentation

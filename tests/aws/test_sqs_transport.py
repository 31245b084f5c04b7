"""The short way of SQS calls: signed as botocore signs, and left to botocore where it does not lead on."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from support.proxy import Fault, Proxy
from support.world import World

from lab2.aws.pricing import Meter
from lab2.aws.session import AwsSession
from lab2.aws.sqs import Outgoing

BODIES = ["[3, 5.5]", "[]", "é\x7f\u2028"]


def created(aws: AwsSession) -> list[object]:
    """Return a list that grows by every request that botocore itself makes and signs."""
    made: list[object] = []
    aws.sqs.meta.events.register("request-created.sqs", lambda request, **_: made.append(request))
    return made


@pytest.mark.parametrize("token", ["", "a-session's-token=="])
@pytest.mark.parametrize("body", BODIES)
def test_a_call_bears_the_signature_that_botocore_would_give_it(
    world: World, monkeypatch: pytest.MonkeyPatch, token: str, body: str
) -> None:
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    queue = World(world.env, world.home).queue("lab2")
    sent: list[Any] = []
    queue.sqs.meta.events.register("before-send.sqs", lambda request, **_: sent.append(request))
    queue.send([Outgoing(body, {"id": "1"})])
    (request,) = sent
    ours = dict(request.headers)
    again = AWSRequest(request.method, request.url, {**ours}, request.body)
    again.context["timestamp"] = ours["X-Amz-Date"]
    given = ours.pop("Authorization")
    del again.headers["Authorization"]
    credentials = Credentials(world.env["AWS_ACCESS_KEY_ID"], world.env["AWS_SECRET_ACCESS_KEY"], token or None)
    botocore = SigV4Auth(credentials, "sqs", world.aws.region)
    text = botocore.string_to_sign(again, botocore.canonical_request(again))
    assert given.endswith(f"Signature={botocore.signature(text, again)}")
    names = botocore.signed_headers(botocore.headers_to_sign(again))
    assert f"Credential={botocore.scope(again)}, SignedHeaders={names}," in given
    assert ("X-Amz-Security-Token" in ours) == bool(token)


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

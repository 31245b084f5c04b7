"""Objects read over connections of our own: signed as botocore signs, and left to boto3 where anything is unusual."""

from __future__ import annotations

import pytest
from botocore.auth import S3SigV4Auth
from botocore.exceptions import ClientError
from support.proxy import ALWAYS, Call, Fault, Proxy
from support.signatures import check_signature
from support.world import World

from lab2.aws.pricing import Meter

KEY = "log/2026-11-23/00000001.jsonl"
BODIES = {KEY: b"\r\n\r\n\x00\xff" * 50_000, "log/2026-11-23/00000002.jsonl": b""}
PAGE = (200, {"Content-Type": "text/html"}, b"<html>Sign in</html>")
FILE = (200, PAGE[1] | {"ETag": '"5f3c"'}, PAGE[2])  # as web servers send what lies on their disk


@pytest.fixture(autouse=True)
def fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what is tested here, also where all other tests are run without it (`make queues`)."""
    monkeypatch.delenv("LAB2_TRANSPORT", raising=False)


def filled(world: World) -> list[object]:
    """Put the objects; return a list that grows by every GET that botocore itself makes."""
    made: list[object] = []
    for key, body in BODIES.items():
        world.aws.s3.put_object(Bucket=world.aws.bucket, Key=key, Body=body)
    world.aws.whole_objects.get(KEY)
    world.aws.s3.meta.events.register("request-created.s3.GetObject", lambda request, **_: made.append(request))
    return made


def read(world: World) -> dict[str, bytes]:
    return {key: world.aws.whole_objects.get(key) for key in BODIES}


def test_gets_that_go_well_need_nothing_of_botocore(world: World) -> None:
    made, meter = filled(world), Meter()
    meter.watch(world.aws.s3)
    assert read(world) == BODIES
    assert made == []
    assert meter.total == 2  # and they are counted


@pytest.mark.parametrize("token", ["", "a-session's-token=="])
def test_a_get_has_the_signature_that_botocore_would_give_it(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    filled(proxied)
    sent: list[Call] = []
    proxy.on("GetObject", Fault(), only=lambda call: sent.append(call) or True)
    assert read(proxied) == BODIES
    for call in sent:
        names = check_signature(call, proxy.url + call.path, proxied, token, S3SigV4Auth, "s3")
        assert "x-amz-expected-bucket-owner" in names  # as boto3 is told to send it
        assert ("x-amz-security-token" in names) == bool(token)
        assert call.headers["Accept-Encoding"] == "identity"  # without it a proxy may compress


@pytest.mark.parametrize(
    "fault",
    [Fault(refuse=(503, "SlowDown")), Fault(cut=True), Fault(torn=True), Fault(instead=PAGE), Fault(instead=FILE)],
    ids=repr,
)
def test_what_does_not_go_well_is_botocore_s_from_there(proxied: World, proxy: Proxy, fault: Fault) -> None:
    made = filled(proxied)
    proxy.on("GetObject", fault)
    assert read(proxied) == BODIES
    assert (proxy.calls["GetObject"], len(made)) == (4, 1)


@pytest.mark.parametrize("folder", ["%41", "a?b", "a b", "a\tb", "é"])
def test_a_key_that_a_url_spells_otherwise_is_botocore_s(world: World, folder: str) -> None:
    for key in ("log/A/1.jsonl", "log/a", f"log/{folder}/1.jsonl"):
        world.aws.s3.put_object(Bucket=world.aws.bucket, Key=key, Body=key.encode())
    made = filled(world)
    assert world.aws.whole_objects.get(f"log/{folder}/1.jsonl") == f"log/{folder}/1.jsonl".encode()
    assert read(world) == BODIES
    assert len(made) == 1


def test_a_missing_object_is_botocore_s_error(world: World) -> None:
    with pytest.raises(ClientError, match="NoSuchKey"):
        world.aws.whole_objects.get("log/2026-11-23/00000009.jsonl")


def test_a_store_that_refuses_what_is_asked_for_is_not_asked_twice_again(proxied: World, proxy: Proxy) -> None:
    made = filled(proxied)
    is_ours = Fault(refuse=(400, "AuthorizationHeaderMalformed"))
    proxy.on("GetObject", is_ours, times=ALWAYS, only=lambda call: "Amz-Sdk-Invocation-Id" not in call.headers)
    assert read(proxied) == BODIES
    assert (proxy.calls["GetObject"], len(made)) == (4, 2)


def test_boto3_alone_does_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB2_TRANSPORT", "boto3")
    made = filled(world)
    assert read(world) == BODIES
    assert len(made) == 2

"""Against AWS the ordinary variables hold: proxies, CA bundles, dual-stack and FIPS endpoints, on the fast path too."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from support.listener import Listener
from support.proxy import Proxy
from support.world import PATIENCE, World

from lab2.aws.session import AwsSession
from lab2.errors import UserError


class Tunnel(Listener):
    """An HTTP proxy that writes down where it is asked to lead, and leads nowhere."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__()

    def handle(self, connection: socket.socket) -> None:
        self.asked.append(connection.recv(1000).decode().split()[1])
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.fixture
def tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tunnel]:
    tunnel = Tunnel()
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "NO_PROXY", "no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HTTPS_PROXY": tunnel.url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
                        "AWS_REGION": "us-east-2", "HOME": str(tmp_path)}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    yield tunnel
    tunnel.close()


@pytest.mark.parametrize(
    ("variables", "sqs", "s3"),
    [
        ({}, "sqs.us-east-2.amazonaws.com", "lab2-1.s3.us-east-2.amazonaws.com"),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "sqs-fips.us-east-2.amazonaws.com",
         "lab2-1.s3-fips.us-east-2.amazonaws.com"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "sqs.us-east-2.api.aws",
         "lab2-1.s3.dualstack.us-east-2.amazonaws.com"),
        ({"AWS_REGION": "cn-north-1"}, "sqs.cn-north-1.amazonaws.com.cn", "lab2-1.s3.cn-north-1.amazonaws.com.cn"),
    ],
    ids=["plain", "FIPS", "dual-stack", "China"],
)  # fmt: skip
def test_every_call_goes_where_botocore_s_switches_say_and_through_the_proxy(
    tunnel: Tunnel, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sqs: str, s3: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    aws = AwsSession("lab2-1")
    with pytest.raises(UserError, match="proxy"):
        aws.queue_url("lab2")  # the fast path first, then botocore
    assert len(tunnel.asked) > 1 and set(tunnel.asked) == {f"{sqs}:443"}
    tunnel.asked.clear()
    with pytest.raises(UserError, match="proxy"):
        aws.check_bucket("log/")
    assert set(tunnel.asked) == {f"{s3}:443"}


@pytest.fixture
def secure(world: World, emulator: str, tmp_path: Path) -> Iterator[Proxy]:
    """The emulator behind TLS, with a certificate of an authority of its own: ca.pem in the world's home."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    proxy = Proxy(emulator, tls=context)
    world.env["AWS_ENDPOINT_URL"] = proxy.url
    yield proxy
    proxy.close()


def test_everything_works_over_tls_with_a_ca_bundle_of_one_s_own(world: World, secure: Proxy) -> None:
    world.env["AWS_CA_BUNDLE"] = str(world.home / "ca.pem")
    server = world.start("server.py")
    assert server.stdout and "Serving" in server.stdout.readline()
    client = world.start("client.py", "3", "5.5", "8")
    output, errors = client.communicate(timeout=PATIENCE)
    assert " 5.5 " in output and errors == ""
    assert secure.calls["SendMessageBatch"] and secure.calls["PutObject"]


def test_a_certificate_that_nobody_vouches_for_is_a_sentence(world: World, secure: Proxy) -> None:
    for bundle in ({}, {"AWS_CA_BUNDLE": "/nowhere"}):
        client = world.start("client.py", "3", env=bundle)
        output, errors = client.communicate(timeout=PATIENCE)
        assert client.returncode == 2 and output == "" and "Traceback" not in errors
        assert "AWS_CA_BUNDLE" in errors.split("\n")[0]
    assert not secure.calls


def test_an_endpoint_may_have_an_ipv6_address(world: World, emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        proxy = Proxy(emulator, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    aws = AwsSession()
    assert aws.queue_url("lab2") and aws.check_bucket("log/") is None
    assert aws.sqs.meta.endpoint_url.startswith("http://[::1]:") and proxy.calls["GetQueueUrl"] == 1
    proxy.close()

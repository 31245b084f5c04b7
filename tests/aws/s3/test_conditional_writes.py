"""A store that is not AWS's is asked whether it honours conditions, and nothing is entrusted to one that does not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from support.codec import Rows
from support.faults import first_always
from support.proxy import ALWAYS, Fault, Proxy
from support.world import PATIENCE, World, until

from lab2.aws.resources import LABEL_KEY
from lab2.aws.s3.append_object import AppendObject
from lab2.aws.s3.stored_object import COPY_FROM_BYTES, LARGEST_WHOLE_BYTES
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Outgoing
from lab2.errors import UserError
from lab2.labelling.labels.label_row import Label
from lab2.labelling.labels.outbox import Outbox

IGNORED = [("If-Match", "If-None-Match"), ("If-Match",), ("If-None-Match",)]


@pytest.fixture
def elsewhere(proxied: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose store is not known to be AWS's."""
    monkeypatch.delenv("LAB2_STORE")
    del proxied.env["LAB2_STORE"]
    proxied.aws = AwsSession()
    return proxied


@pytest.mark.parametrize("ignored", first_always(IGNORED))
def test_a_server_leaves_requests_on_the_queue_if_the_store_ignores_a_condition(
    elsewhere: World, proxy: Proxy, ignored: tuple[str, ...]
) -> None:
    proxy.ignore(*ignored)
    elsewhere.queue("lab2").send([Outgoing("[1]")])
    server = elsewhere.start("server.py", "--drain")
    _, said = server.communicate(timeout=PATIENCE)
    assert server.returncode == 2 and said.count("\n") == 1
    assert f"ignores {' and '.join(sorted(ignored, reverse=True))}, so" in said
    assert elsewhere.depth("lab2") == (1, 0) and elsewhere.objects("") == {}


def test_labels_stay_on_disk_if_the_store_ignores_a_condition(elsewhere: World, proxy: Proxy, tmp_path: Path) -> None:
    proxy.ignore("If-Match")
    said: list[str] = []
    outbox = Outbox(elsewhere.aws, tmp_path / "state", said.append)
    outbox.keep(Label("a.jpg", "1", "ada", "2026-11-23T12:00:00.000Z"))
    until(lambda: said)
    assert outbox.waiting == 1 and "ignores If-Match, so" in said[0]
    calls = proxy.calls.total()
    until(lambda: outbox._saving.outages.tries > 1)
    assert proxy.calls.total() == calls  # it is not asked again
    outbox.close()
    assert elsewhere.objects("") == {}


def test_a_store_that_honours_conditions_is_asked_by_four_calls_at_most_and_no_key_stays(
    elsewhere: World, proxy: Proxy
) -> None:
    assert elsewhere.aws.bucket  # asks who we are
    before = proxy.calls.total()
    for _ in range(2):
        elsewhere.aws.check_conditional_writes("log/")
    assert proxy.calls.total() - before <= 4
    assert elsewhere.objects("") == {}


def test_a_store_that_fails_on_an_empty_object_is_asked_all_the_same(elsewhere: World, proxy: Proxy) -> None:
    """Such as fauxqs 2.4.1, which answers 500."""
    proxy.ignore("If-Match")
    proxy.on("PutObject", Fault(refuse=(500, "InternalError")), times=ALWAYS, only=lambda call: not call.body)
    with pytest.raises(UserError, match="ignores If-Match"):
        elsewhere.aws.check_conditional_writes("log/")


def test_who_may_not_write_the_key_that_is_asked_by_trusts_the_store(elsewhere: World, proxy: Proxy) -> None:
    proxy.on("PutObject", Fault(refuse=(403, "AccessDenied")), times=ALWAYS)
    elsewhere.aws.check_conditional_writes("log/")


def test_a_store_that_is_away_is_asked_again(elsewhere: World, proxy: Proxy) -> None:
    proxy.ignore("If-Match")
    rule = proxy.on("PutObject", Fault(refuse=(503, "SlowDown")), times=ALWAYS)
    with pytest.raises(UserError, match="SlowDown"):
        elsewhere.aws.check_conditional_writes("log/")
    proxy.forget(rule)
    with pytest.raises(UserError, match="ignores If-Match"):
        elsewhere.aws.check_conditional_writes("log/")


@pytest.mark.parametrize(
    ("url", "is_aws"),
    [
        ("https://s3.eu-west-3.amazonaws.com", True),
        ("https://bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", True),
        ("https://s3.dualstack.eu-west-3.api.aws", True),
        ("https://amazonaws.com.example.org", False),
        ("https://fakeamazonaws.com", False),
        ("http://127.0.0.1:9000", False),
    ],
)
def test_aws_is_known_by_its_domains(world: World, monkeypatch: pytest.MonkeyPatch, url: str, is_aws: bool) -> None:
    monkeypatch.delenv("LAB2_STORE")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    assert AwsSession().store_is_aws == is_aws


def test_on_another_store_a_large_object_is_put_whole_so_that_one_writer_wins(elsewhere: World, proxy: Proxy) -> None:
    """Such as moto 5.2.5, which does not look at the conditions of uploads in parts."""

    body = b"x" * 99 + b"\n"
    body *= COPY_FROM_BYTES // 100 + 1
    elsewhere.aws.s3.put_object(Bucket=elsewhere.aws.bucket, Key=LABEL_KEY, Body=body)

    def write(writer: int) -> None:
        log = AppendObject(elsewhere.aws.stored_object(LABEL_KEY), Rows())
        for number in range(2):
            log.append([b"%d-%d" % (writer, number)])

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(write, range(3)))
    after = elsewhere.objects(LABEL_KEY)[LABEL_KEY]
    assert after.startswith(body)
    assert sorted(after[len(body) :].split()) == sorted(b"%d-%d" % (who, n) for who in range(3) for n in range(2))
    assert not any(operation in proxy.calls for operation in ("CreateMultipartUpload", "UploadPartCopy"))


def test_on_another_store_a_write_that_somebody_overwrote_in_a_race_is_made_again(
    elsewhere: World, proxy: Proxy, emulator: str
) -> None:
    """As moto 5.2.5, which looks at the condition of a PUT before it has read its body."""
    log = AppendObject(elsewhere.aws.stored_object(LABEL_KEY), Rows())
    log.append([b"before"])
    rival = boto3.client("s3", endpoint_url=emulator)

    def overwrite() -> None:
        rival.put_object(Bucket=elsewhere.aws.bucket, Key=LABEL_KEY, Body=b"before\nrival\n")

    proxy.on("PutObject", Fault(after=overwrite))
    log.append([b"ours"])
    assert elsewhere.objects(LABEL_KEY) == {LABEL_KEY: b"before\nrival\nours\n"}


def test_on_another_store_an_object_ends_at_a_size_and_nothing_is_lost(
    elsewhere: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab2.aws.s3.stored_object.LARGEST_WHOLE_BYTES", 1_000)
    log = AppendObject(elsewhere.aws.stored_object(LABEL_KEY), Rows())
    log.append([b"x" * 1_000])
    with pytest.raises(UserError, match="has reached"):
        log.append([b"y"])
    assert elsewhere.objects(LABEL_KEY) == {LABEL_KEY: b"x" * 1_000 + b"\n"}
    assert LARGEST_WHOLE_BYTES > COPY_FROM_BYTES

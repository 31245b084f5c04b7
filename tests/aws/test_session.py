"""An account and region as boto3 clients."""

from __future__ import annotations

from datetime import timezone
from typing import Any

import boto3
import pytest
from botocore.utils import parse_timestamp
from support.proxy import ALWAYS, Fault, Proxy
from support.world import World

from lab2.aws.session import OLDEST_BOTO3, AwsSession, time_of_reply
from lab2.errors import UserError


@pytest.mark.parametrize("version", ["1.9.253", "1.35.99"])
def test_a_boto3_that_is_too_old_is_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(boto3, "__version__", version)
    with pytest.raises(UserError, match=f"boto3 {version} is too old. Try: pip install --upgrade"):
        assert AwsSession().s3
    monkeypatch.setattr(boto3, "__version__", ".".join(map(str, OLDEST_BOTO3)) + ".0")
    assert AwsSession().s3


def test_who_may_not_ask_for_a_bucket_finds_the_one_that_is_there(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role may ask for neither bucket, or a network's policy may allow no other name than that of its own."""
    monkeypatch.setenv("LAB2_STORE", "aws")
    monkeypatch.delenv("LAB2_BUCKET", raising=False)
    shared = AwsSession().bucket
    assert not shared.endswith("-an")
    denied = Fault(refuse=(403, "AccessDenied"))
    proxy.on("HeadObject", denied, times=ALWAYS, only=lambda call: call.path.rstrip("/").endswith("-an"))
    assert AwsSession().bucket == shared
    AwsSession().s3.delete_bucket(Bucket=shared)
    assert AwsSession().bucket == f"{shared}-an"


@pytest.mark.parametrize(
    "text",
    ["2026-11-29T09:00:00.000Z", "2026-11-29T09:00:00Z", "20261129T090000Z", "2026-11-29T09:00:00.000+02:00",
     "Sun, 29 Nov 2026 09:00:00 GMT", 1_795_942_800, "1795942800", "1795942800.5"],
)  # fmt: skip
def test_a_time_is_what_botocore_reads(text: Any) -> None:
    assert time_of_reply(text) == parse_timestamp(text)


def test_the_times_of_a_list_are_read_without_dateutil(world: World) -> None:
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key="underbase/a")
    (entry,) = AwsSession().s3.list_objects_v2(Bucket=world.aws.bucket, Prefix="underbase/a")["Contents"]
    assert entry["LastModified"].tzinfo is timezone.utc

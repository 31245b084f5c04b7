"""An account and region as boto3 clients."""

from __future__ import annotations

import boto3
import pytest
from support.proxy import ALWAYS, Fault, Proxy
from support.world import World

from lab2.aws.session import OLDEST_BOTO3, AwsSession
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

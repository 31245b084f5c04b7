"""An account and region as boto3 clients."""

from __future__ import annotations

import boto3
import pytest
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

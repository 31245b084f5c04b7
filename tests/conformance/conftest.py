"""Where the suite runs: the emulator of all tests, or wherever `make conformance` leads it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest
from support.world import ROOT

from lab2.aws.session import AwsSession
from lab2.errors import UserError
from lab2.local.emulator import REGION

STACK = {"StackName": "lab2-conformance"}
# No identities: whoever runs this has all rights that it needs. The bucket is another than that of a stack in use.
TEMPLATE = (ROOT / "aws.yaml").read_text().replace("BucketName: !Sub lab2-", "BucketName: !Sub lab2-conformance-")
ELSEWHERE = os.environ.get("LAB2_CONFORMANCE")  # set by tools/conformance.py: AWS is where the environment says
PATIENCE: Any = {"Delay": 1, "MaxAttempts": 600}


@pytest.fixture(scope="module")
def aws(emulator: str) -> Iterator[AwsSession]:
    """An account with a scratch stack, which is taken down at the end with all that is in it."""
    with pytest.MonkeyPatch.context() as patch:
        if not ELSEWHERE:
            account = f"{random.SystemRandom().randrange(1, 10**12):012}"
            for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"):
                patch.delenv(name, raising=False)
            for name, value in {"AWS_ENDPOINT_URL": emulator, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": account,
                                "AWS_SECRET_ACCESS_KEY": "test"}.items():  # fmt: skip
                patch.setenv(name, value)
        patch.delenv("LAB2_BUCKET", raising=False)
        admin = AwsSession()
        with suppress(UserError):
            pytest.exit(f"{admin.queue_url('lab2')} exists: choose an account or a region where lab2 is not deployed.")
        try:
            bucket = deploy(admin)
            patch.setenv("LAB2_BUCKET", bucket)
            yield AwsSession(connections=32)
        finally:
            take_down(admin, bucket)


def deploy(admin: AwsSession) -> str:
    """Deploy the scratch stack; return the name of its bucket."""
    stacks = admin.cloudformation
    no_identities: Any = [{"ParameterKey": "CreateIdentities", "ParameterValue": "no"}]
    stacks.create_stack(**STACK, TemplateBody=TEMPLATE, Parameters=no_identities)
    stacks.get_waiter("stack_create_complete").wait(**STACK, WaiterConfig=PATIENCE)
    (stack,) = stacks.describe_stacks(**STACK)["Stacks"]
    (bucket,) = [output["OutputValue"] for output in stack["Outputs"] if output["OutputKey"] == "Bucket"]
    with suppress(admin.s3.exceptions.ClientError):  # it is there, unless S3 and CloudFormation are not of one house
        admin.s3.create_bucket(Bucket=bucket)
    return bucket


def take_down(admin: AwsSession, bucket: str) -> None:
    """Delete the stack, and the bucket with all versions of all objects."""
    scratch = boto3.Session(region_name=admin.region).resource("s3", config=admin.s3.meta.config).Bucket(bucket)
    scratch.object_versions.delete()
    scratch.objects.delete()
    admin.cloudformation.delete_stack(**STACK)
    admin.cloudformation.get_waiter("stack_delete_complete").wait(**STACK, WaiterConfig=PATIENCE)
    with suppress(admin.s3.exceptions.ClientError):  # an emulator may have deleted it with the stack
        scratch.delete()

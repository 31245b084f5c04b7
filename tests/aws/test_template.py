"""aws.yaml: what is deployed, and that each program can do its whole job under its own policy and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from support.world import PATIENCE, ROOT, World, start_emulator

from lab2.aws.session import AwsSession
from lab2.local import emulator

TEMPLATE = (ROOT / "aws.yaml").read_text()
ACCOUNT = "123456789012"
BUCKET = f"lab2-{ACCOUNT}-{emulator.REGION}"
ROLE = f"lab2-server-{emulator.REGION}"  # of the server's machines


def test_queues_are_encrypted_and_dead_letters_kept(world: World) -> None:
    def attributes(name: str) -> dict[str, str]:
        reply = world.aws.sqs.get_queue_attributes(QueueUrl=world.aws.queue_url(name), AttributeNames=["All"])
        return dict(reply["Attributes"])

    requests, answers, dead = map(attributes, ("lab2", "lab2_1", "lab2_dead"))
    for queue in (requests, answers, dead):
        assert queue["SqsManagedSseEnabled"] == "true"
    assert json.loads(requests["RedrivePolicy"]) == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 5}
    assert int(dead["MessageRetentionPeriod"]) == 14 * 86_400
    assert int(answers["MessageRetentionPeriod"]) == 86_400


def test_the_bucket_is_private_encrypted_versioned_and_cleans_up(world: World) -> None:
    s3, bucket = world.aws.s3, {"Bucket": world.aws.bucket}
    assert all(s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(**bucket)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    # The emulator deploys no lifecycle rules; that they are written down is all that can be tested here.
    assert "NoncurrentVersionExpiration: { NoncurrentDays: 1 }" in TEMPLATE
    assert "AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 }" in TEMPLATE
    assert "Prefix: log/\n              ExpirationInDays: !Ref LogRetentionDays\n" in TEMPLATE
    tls, blind = json.loads(s3.get_bucket_policy(**bucket)["Policy"])["Statement"]
    assert tls["Effect"] == "Deny" and tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert blind["Effect"] == "Deny" and blind["Principal"] == "*" and blind["Action"] == "s3:PutObject"
    assert [arn.rpartition(":")[2].partition("/")[2] for arn in blind["Resource"]] == ["log/*", "underbase*"]


def test_a_blind_overwrite_is_denied_to_whoever_writes(world: World) -> None:
    """The emulator does not know these condition keys, so only that they are written down is tested."""
    for program in ("Server", "Labeller"):
        policy = TEMPLATE.partition(f"  {program}Policy:\n")[2].partition("  # ----")[0].partition("Type: AWS::IAM")[2]
        assert "Sid: NeverOverwriteBlindly" in policy
        assert '"Null": { s3:if-match: "true", s3:if-none-match: "true" }' in policy


@dataclass
class Guarded:
    """An emulator that enforces policies; `env` is how a user finds it, who has the policy of one program."""

    url: str
    home: Path
    policies: dict[str, str]

    def user(self, program: str, *more: str) -> dict[str, str]:
        """Return the environment of a user of that name, who has the program's policy, and more of them."""
        iam = self.admin().client("iam")
        iam.create_user(UserName=program)
        for policy in (program, *more):
            iam.attach_user_policy(UserName=program, PolicyArn=self.policies[f"{policy}Policy"])
        key = iam.create_access_key(UserName=program)["AccessKey"]
        return os.environ | {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def admin(self) -> boto3.Session:
        return boto3.Session(ACCOUNT, "test", region_name=emulator.REGION)


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    process, url = start_emulator(tmp_path, AUTH="true")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in {"AWS_ENDPOINT_URL": url, "AWS_REGION": emulator.REGION, "AWS_ACCESS_KEY_ID": ACCOUNT,
                        "AWS_SECRET_ACCESS_KEY": "test"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    # The emulator speaks no TLS, and asks for a permission of its own for batches, which AWS counts as single calls.
    template = TEMPLATE.replace('{ Bool: { aws:SecureTransport: "false" } }', '{ Bool: { aws:SecureTransport: "no" } }')
    assert template != TEMPLATE
    assert "${!aws:username}" in template  # which it does not know either
    template = template.replace("${!aws:username}", "PrivateAnswers")
    for action in ("SendMessage", "DeleteMessage", "ChangeMessageVisibility"):
        template = template.replace(f"sqs:{action}", f"sqs:{action}, sqs:{action}Batch")
    emulator.deploy(AwsSession(), template)
    admin = boto3.Session(ACCOUNT, "test", region_name=emulator.REGION)
    (stack,) = admin.client("cloudformation").describe_stacks(StackName="lab2")["Stacks"]
    policies = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    (role,) = admin.client("iam").list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
    yield Guarded(url, tmp_path, policies | {"ServerPolicy": role["PolicyArn"]})
    process.terminate()
    process.wait(PATIENCE)


def run(env: dict[str, str], program: str, *args: str, typed: str = "") -> str:
    """Run a program to its end; return what it printed."""
    process = subprocess.run(
        [sys.executable, ROOT / program, *args], env=env, input=typed, capture_output=True, text=True, timeout=PATIENCE
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def refused(call: Callable[..., Any], **arguments: Any) -> bool:
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")
    return False


def clients(env: dict[str, str]) -> tuple[Any, Any]:
    session = boto3.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=emulator.REGION)
    return session.client("sqs"), session.client("s3")


@pytest.mark.long
def test_client_and_server_do_their_job_under_their_policies_and_nothing_else(guarded: Guarded) -> None:
    client, server = guarded.user("Client"), guarded.user("Server")
    queue = f"{guarded.url}/{ACCOUNT}/".__add__
    service = subprocess.Popen([sys.executable, ROOT / "server.py"], env=server, stdout=subprocess.DEVNULL)
    try:
        assert " 5.5 " in run(client, "client.py", "3", "5.5", "8")
        series = guarded.home / "series.txt"
        series.write_text("3 5.5 8\n" * 60)  # so many that they would have a private queue if that were allowed
        assert run(client, "client.py", "file", str(series)).count(" 5.5 ") >= 60
        listener = guarded.user("PrivateAnswers", "Client")
        mine = ["--private-answers", "--client", "PrivateAnswers"]
        assert " 5.5 " in run(listener, "client.py", *mine, "3", "5.5", "8")
        # Left by a run that was killed.
        guarded.admin().client("sqs").create_queue(QueueName="lab2_1-PrivateAnswers-x")
        guarded.admin().client("sqs").create_queue(QueueName="lab2_1-ada-x")
    finally:
        service.terminate()
        assert service.wait(PATIENCE) == 0
    assert "62 rows: 62 correct" in run(server, "server.py", "verify")

    iam = guarded.admin().client("iam")
    allowed = {  # to the server's machines, besides what the server does: a shell, and no parameter of the account
        action
        for policy in iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
        for statement in iam.get_role_policy(RoleName=ROLE, PolicyName=policy)["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    }
    channels = {f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data")}
    assert allowed == channels | {"ssm:UpdateInstanceInformation"}

    sqs, s3 = clients(client)
    assert refused(sqs.receive_message, QueueUrl=queue("lab2"))
    assert refused(sqs.purge_queue, QueueUrl=queue("lab2_1"))
    assert refused(sqs.receive_message, QueueUrl=queue("lab2_dead"))
    assert refused(sqs.create_queue, QueueName="mine")
    assert refused(sqs.delete_queue, QueueUrl=queue("lab2_1"))
    assert refused(sqs.receive_message, QueueUrl=queue("lab2_1-ada-x"))
    assert refused(s3.list_objects_v2, Bucket=BUCKET, Prefix="log/")
    for key in ("underbase.csv", "underbase-previews/x"):
        assert refused(s3.get_object, Bucket=BUCKET, Key=key)

    sqs, _ = clients(listener)
    assert refused(sqs.create_queue, QueueName="lab2_1-ada-y")
    assert refused(sqs.receive_message, QueueUrl=queue("lab2_1-ada-x"))
    assert not refused(sqs.receive_message, QueueUrl=queue("lab2_1-PrivateAnswers-x"))

    sqs, s3 = clients(server)
    assert refused(sqs.send_message, QueueUrl=queue("lab2"), MessageBody="[1]")
    assert refused(sqs.send_message, QueueUrl=queue("lab2_dead"), MessageBody="[1]")
    assert refused(sqs.receive_message, QueueUrl=queue("lab2_1"))
    assert refused(s3.get_object, Bucket=BUCKET, Key="underbase/x")
    for key in ("underbase/x", "underbase-previews/x", "underbase.csv"):
        assert refused(s3.put_object, Bucket=BUCKET, Key=key, Body=b"", IfNoneMatch="*")
    assert refused(s3.list_objects_v2, Bucket=BUCKET, Prefix="underbase/")
    assert refused(s3.delete_object, Bucket=BUCKET, Key="log/2026-11-23/00000001.jsonl")


@pytest.mark.long
def test_the_labeller_does_its_job_under_its_policy_and_nothing_else(guarded: Guarded) -> None:
    labeller = guarded.user("Labeller")
    run(labeller, "hotdog.py", "upload", str(ROOT / "underbase"))
    run(labeller, "hotdog.py", "label", typed="1\n0\n1\n0\n")
    labels = AwsSession().s3.get_object(Bucket=BUCKET, Key="underbase.csv")["Body"].read().splitlines()
    assert len(labels) == 5

    sqs, s3 = clients(labeller)
    image = s3.list_objects_v2(Bucket=BUCKET, Prefix="underbase/")["Contents"][0]["Key"]
    preview = {"Bucket": BUCKET, "Key": "underbase-previews/x"}
    s3.put_object(**preview, Body=b"preview", IfNoneMatch="*")
    assert s3.get_object(**preview)["Body"].read() == b"preview"
    assert refused(s3.delete_object, **preview)
    assert refused(s3.delete_object, Bucket=BUCKET, Key=image)
    assert refused(s3.list_objects_v2, Bucket=BUCKET, Prefix="log/")
    assert refused(s3.get_object, Bucket=BUCKET, Key="log/2026-11-23/00000001.jsonl")
    assert refused(s3.put_object, Bucket=BUCKET, Key="log/x", Body=b"", IfNoneMatch="*")
    assert refused(sqs.get_queue_url, QueueName="lab2")

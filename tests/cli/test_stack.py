"""`python -m lab2 deploy`, `doctor` and `destroy`, on an account of the emulator."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.world import PATIENCE, ROOT, start, start_emulator

from lab2.aws import stack
from lab2.aws.session import AwsSession
from lab2.errors import UserError

sys.path.append(str(ROOT / "tools"))

Lab2 = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def emulator_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process, url = start_emulator(tmp_path_factory.mktemp("emulator"), SERVICES="")  # all that it has
    yield url
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture
def lab2(emulator_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab2:
    """Run `python -m lab2` in an account of its own, in which there is no stack."""
    account = f"{abs(hash(request.node.name)) % 10**12:012}"
    settings = {"AWS_ENDPOINT_URL": emulator_url, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": account,
                "AWS_SECRET_ACCESS_KEY": "test", "HOME": str(tmp_path)}  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LAB2_BUCKET", raising=False)

    def call(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        program = start(["-m", "lab2", *arguments], os.environ, ROOT)
        output, errors = program.communicate(typed, timeout=PATIENCE)
        assert program.returncode is not None
        return subprocess.CompletedProcess(arguments, program.returncode, output, errors)

    return call


def test_a_stack_is_deployed_found_well_and_deleted_and_the_bucket_stays(lab2: Lab2) -> None:
    ill = lab2("doctor")
    assert ill.returncode == 1 and "NOT  stack: There is none. Deploy it with: python -m lab2 deploy" in ill.stdout
    assert "NOT  queue lab2: " in ill.stdout and "ok   credentials: " in ill.stdout

    refused = lab2("deploy", typed="n\n")
    assert refused.returncode == 0 and "Add     Requests  (AWS::SQS::Queue)" in refused.stdout
    assert refused.stdout.endswith("Nothing was changed.\n")
    assert stack.Stack(AwsSession()).status() == ""

    deployed = lab2("deploy", typed="y\n")
    assert deployed.returncode == 0, deployed.stderr
    bucket = AwsSession().bucket
    assert f"Bucket: {bucket}\n" in deployed.stdout
    assert "Requests: create complete\n" in deployed.stderr

    well = lab2("doctor")
    assert (well.returncode, well.stderr) == (0, "")
    assert all(line.startswith("ok   ") for line in well.stdout.splitlines())
    assert f"bucket: {bucket}, of this account" in well.stdout

    again = lab2("deploy", "--yes", "CreateIdentities=no")
    assert again.returncode == 0, again.stderr
    assert stack.Stack(AwsSession()).parameters()["CreateIdentities"] == "no"
    assert lab2("deploy", "--yes").returncode == 0
    assert stack.Stack(AwsSession()).parameters()["CreateIdentities"] == "no"  # what is not named stays

    gone = lab2("destroy", "--yes")
    assert gone.returncode == 0 and f"still in the bucket {bucket}" in gone.stdout
    AwsSession().s3.head_bucket(Bucket=bucket)
    assert lab2("destroy").stdout == "There is no stack lab2 in us-east-1.\n"


@pytest.mark.long
def test_a_new_stack_has_a_bucket_that_only_this_account_can_have_and_another_stack_keeps_its_own(
    lab2: Lab2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator knows no namespaces; which name is deployed, found and kept does not depend on that."""
    monkeypatch.setenv("LAB2_STORE", "aws")
    account = os.environ["AWS_ACCESS_KEY_ID"]
    shared, own = f"lab2-{account}-us-east-1", f"lab2-{account}-us-east-1-an"
    assert AwsSession().bucket == shared
    for _ in range(2):  # the second stack takes over what the first one left
        deployed = lab2("deploy", "--yes")
        assert deployed.returncode == 0, deployed.stderr
        assert f"Bucket: {own}\n" in deployed.stdout
        assert AwsSession().bucket == own
        assert stack.Stack(AwsSession()).parameters()["BucketNamespace"] == "account-regional"
        assert lab2("destroy", "--yes").returncode == 0
    AwsSession().s3.delete_bucket(Bucket=own)

    assert f"Bucket: {shared}\n" in lab2("deploy", "--yes", "BucketNamespace=global").stdout
    again = lab2("deploy", "--yes", "CreateIdentities=no")
    assert f"Bucket: {shared}\n" in again.stdout and AwsSession().bucket == shared
    monkeypatch.setenv("AWS_REGION", "me-south-1")
    assert f"Bucket: lab2-{account}-me-south-1\n" in lab2("deploy", "--yes").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["LogRetentionDays=7"], "LogRetentionDays"),
        (["Nonsense=1"], "The template has no parameter Nonsense. It has: AlarmEmail, "),
        (["CreateIdentities=perhaps"], "'perhaps' is not in AllowedValues"),
        (["Servers"], "Servers is not a parameter. Write NAME=VALUE, like Servers=2."),
        ([], "Nobody is there to answer. Give --yes to go on without a question."),
        (["--local"], "--local needs no stack of its own"),
    ],
)
def test_what_can_not_be_deployed_is_a_sentence(lab2: Lab2, arguments: list[str], sentence: str) -> None:
    done = lab2("deploy", *arguments)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr


def test_why_a_deployment_failed_is_told_by_its_first_event(lab2: Lab2, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resource that waits a second for a signal that nobody sends."""
    waiting = """
  Handle:
    Type: AWS::CloudFormation::WaitConditionHandle
  Signal:
    Type: AWS::CloudFormation::WaitCondition
    Properties: { Handle: !Ref Handle, Timeout: "1" }
"""
    template = (ROOT / "aws.yaml").read_text().replace("\nResources:\n", f"\nResources:{waiting}", 1)
    made = stack.Stack(AwsSession(), poll_s=0.05)
    change_set, _ = made.plan(template, {})
    with pytest.raises(UserError, match=r"^The stack was not changed as planned \(\w+\)\. Signal: "):
        list(made.execute(change_set))

"""The life of the stack: deployed, failed, taken down and deployed again, as docs/how-to/deploy.md says."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from base64 import b64decode
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from support.world import PATIENCE, ROOT, World, start_emulator, until

from lab2.aws.session import AwsSession
from lab2.stats.server.monitor.metrics import NAMESPACE, UNITS

TEMPLATE = (ROOT / "aws.yaml").read_text()
PAGE = (ROOT / "docs" / "how-to" / "deploy.md").read_text()
STACK: dict[str, Any] = {"StackName": "lab2"}
REQUEST: dict[str, Any] = STACK | {"TemplateBody": TEMPLATE, "Capabilities": ["CAPABILITY_NAMED_IAM"]}


@pytest.fixture
def empty(world: World, monkeypatch: pytest.MonkeyPatch) -> AwsSession:
    """An account in which nothing is deployed."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"{random.SystemRandom().randrange(1, 10**12):012}")
    return AwsSession()


def status(aws: AwsSession) -> str:
    """Return the status of the stack once it has one that lasts; 'gone' where there is no stack."""

    def settled() -> str:
        try:
            (stack,) = aws.cloudformation.describe_stacks(**STACK)["Stacks"]
        except aws.cloudformation.exceptions.ClientError:
            return "gone"
        state = str(stack["StackStatus"])
        return "" if state.endswith("_IN_PROGRESS") else "gone" if state == "DELETE_COMPLETE" else state

    return str(until(settled))


def outputs(aws: AwsSession) -> set[str]:
    (stack,) = aws.cloudformation.describe_stacks(**STACK)["Stacks"]
    return {output["OutputKey"] for output in stack["Outputs"]}


def buckets(aws: AwsSession) -> list[str]:
    return [bucket["Name"] for bucket in aws.s3.list_buckets()["Buckets"]]


def take_down(aws: AwsSession) -> None:
    aws.cloudformation.delete_stack(**STACK)
    assert status(aws) == "gone"


def test_a_bucket_that_was_kept_is_used_again(empty: AwsSession) -> None:
    empty.cloudformation.create_stack(**REQUEST)
    assert status(empty) == "CREATE_COMPLETE"
    empty.s3.put_object(Bucket=empty.bucket, Key="underbase.csv", Body=b"image,label\n")
    take_down(empty)
    assert buckets(empty) == [empty.bucket]
    empty.cloudformation.create_stack(**REQUEST)
    assert status(empty) not in ("CREATE_COMPLETE", "gone")  # the bucket is in the way
    take_down(empty)
    assert subprocess.run([sys.executable, "-m", "lab2", "deploy", "--yes"], cwd=ROOT, timeout=PATIENCE).returncode == 0
    assert status(empty).endswith("_COMPLETE") and "ROLLBACK" not in status(empty)
    assert empty.queue_url("lab2_dead")
    with suppress(empty.cloudformation.exceptions.ClientError):  # that there is nothing to update
        empty.cloudformation.update_stack(**REQUEST)  # from now on aws.yaml itself will do
    assert status(empty).endswith("_COMPLETE") and "ROLLBACK" not in status(empty)
    assert empty.s3.get_object(Bucket=empty.bucket, Key="underbase.csv")["Body"].read() == b"image,label\n"


def test_a_bucket_that_was_emptied_and_deleted_is_in_nobody_s_way(empty: AwsSession) -> None:
    empty.cloudformation.create_stack(**REQUEST)
    assert status(empty) == "CREATE_COMPLETE"
    for body in (b"1", b"2"):
        empty.s3.put_object(Bucket=empty.bucket, Key="underbase.csv", Body=body)  # two versions
    take_down(empty)
    boto3.Session(region_name="us-east-1").resource("s3").Bucket(empty.bucket).object_versions.delete()
    empty.s3.delete_bucket(Bucket=empty.bucket)
    empty.cloudformation.create_stack(**REQUEST)
    assert status(empty) == "CREATE_COMPLETE"


def test_a_first_deployment_that_fails_leaves_no_bucket_behind(empty: AwsSession) -> None:
    broken = TEMPLATE.replace(
        "      InstanceProfileName: ", "      Path: !GetAtt Bucket.Nothing\n      InstanceProfileName: "
    )
    assert broken != TEMPLATE
    empty.cloudformation.create_stack(**REQUEST | {"TemplateBody": broken})
    assert status(empty) == "ROLLBACK_COMPLETE"
    assert buckets(empty) == []
    take_down(empty)
    empty.cloudformation.create_stack(**REQUEST)
    assert status(empty) == "CREATE_COMPLETE"


def with_parameters(**values: str) -> dict[str, Any]:
    return REQUEST | {"Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]}


def test_identities_are_made_unless_the_account_forbids_it(empty: AwsSession) -> None:
    identities = {"ClientPolicy", "ServerPolicy", "LabellerPolicy", "ServerProfile"}
    empty.cloudformation.create_stack(**with_parameters(CreateIdentities="no"))
    assert status(empty) == "CREATE_COMPLETE"
    iam = boto3.Session(region_name="us-east-1").client("iam")
    assert iam.list_policies(Scope="Local")["Policies"] == iam.list_roles()["Roles"] == []
    assert empty.queue_url("lab2") and buckets(empty) == [empty.bucket]
    assert outputs(empty) == {"Bucket", "RequestQueue", "AnswerQueue", "DeadLetterQueue"}
    empty.cloudformation.update_stack(**with_parameters(CreateIdentities="yes"))
    assert status(empty) == "UPDATE_COMPLETE" and identities <= outputs(empty)


def test_machines_and_alarms_come_and_go_with_their_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator keeps group, launch template, policy and alarms, but starts no machine and scales nothing."""
    process, url = start_emulator(tmp_path, SERVICES="")  # all that it has
    try:
        for name, value in {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "123456789012",
                            "AWS_SECRET_ACCESS_KEY": "test"}.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        aws, session = AwsSession(), boto3.Session(region_name="us-east-1")
        scaling, ec2, cloudwatch = (session.client(name) for name in ("autoscaling", "ec2", "cloudwatch"))

        def alarms() -> set[str]:
            return {alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}

        aws.cloudformation.create_stack(**REQUEST)
        assert status(aws) == "CREATE_COMPLETE"
        assert scaling.describe_auto_scaling_groups()["AutoScalingGroups"] == [] and alarms() == set()

        network = {"Vpc": ec2.describe_vpcs()["Vpcs"][0]["VpcId"]}
        subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]][:2]
        network["Subnets"] = ",".join(subnets)
        aws.cloudformation.update_stack(**with_parameters(Servers="2", AlarmEmail="me@example.org", **network))
        assert status(aws) == "UPDATE_COMPLETE"
        (group,) = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        assert (group["MinSize"], group["MaxSize"]) == (1, 2)
        assert group["VPCZoneIdentifier"] == network["Subnets"]
        (version,) = ec2.describe_launch_template_versions(
            LaunchTemplateId=group["LaunchTemplate"]["LaunchTemplateId"], Versions=[group["LaunchTemplate"]["Version"]]
        )["LaunchTemplateVersions"]
        machine = version["LaunchTemplateData"]
        assert machine["InstanceType"] == "t4g.micro" and machine["MetadataOptions"]["HttpTokens"] == "required"
        assert machine["IamInstanceProfile"]["Arn"].endswith("/lab2-server-us-east-1")
        assert machine["InstanceInitiatedShutdownBehavior"] == "terminate"
        assert f"s3://{aws.bucket}/deploy " in b64decode(machine["UserData"]).decode()
        (ports,) = ec2.describe_security_groups(GroupIds=machine["NetworkInterfaces"][0]["Groups"])["SecurityGroups"]
        assert ports["IpPermissions"] == []
        (policy,) = scaling.describe_policies(AutoScalingGroupName=group["AutoScalingGroupName"])["ScalingPolicies"]
        metrics = policy["TargetTrackingConfiguration"]["CustomizedMetricSpecification"]["Metrics"]
        assert [each["Id"] for each in metrics if each["ReturnData"]] == ["backlog"]
        assert alarms() == {"lab2-dead-letters", "lab2-dead-letters-expire", "lab2-old-requests", "lab2-no-machine",
                            "lab2-silent-servers", "lab2-late-requests"}  # fmt: skip
        (page,) = cloudwatch.list_dashboards()["DashboardEntries"]
        body = json.loads(cloudwatch.get_dashboard(DashboardName=page["DashboardName"])["DashboardBody"])
        shown = [metric for widget in body["widgets"] for metric in widget["properties"]["metrics"]]
        assert ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "lab2"] in shown
        assert {name for namespace, name, *_ in shown if namespace == NAMESPACE} <= UNITS.keys()
        (group,) = session.client("logs").describe_log_groups()["logGroups"]
        assert (group["logGroupName"], group["retentionInDays"]) == ("/lab2/server", 30)
        (subscription,) = session.client("sns").list_subscriptions()["Subscriptions"]
        assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "me@example.org")

        aws.cloudformation.update_stack(**REQUEST)
        assert status(aws) == "UPDATE_COMPLETE"
        assert scaling.describe_auto_scaling_groups()["AutoScalingGroups"] == [] and alarms() == set()
        with pytest.raises(ClientError, match="CreateIdentities=yes"):
            aws.cloudformation.update_stack(**with_parameters(Servers="2", CreateIdentities="no", **network))
        with pytest.raises(ClientError, match="Vpc"):
            aws.cloudformation.update_stack(**with_parameters(Servers="2"))
    finally:
        process.terminate()
        process.wait(PATIENCE)

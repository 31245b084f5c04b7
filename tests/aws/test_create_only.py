"""What CloudFormation can't change in a resource that exists: it makes another one, and a queue loses its messages."""

from __future__ import annotations

import json
from typing import Any

from support.world import template

# As they are deployed. A new resource gets a line; a line that changes replaces somebody's resource.
DEPLOYED = {
    "Requests.QueueName": "lab2",
    "Answers.QueueName": "lab2_1",
    "DeadLetters.QueueName": "lab2_dead",
    "Bucket.BucketName": '{"Fn::If": ["OwnNamespace", {"Fn::Sub": "lab2-${AWS::AccountId}-${AWS::Region}-an"}, '
    '{"Fn::Sub": "lab2-${AWS::AccountId}-${AWS::Region}"}]}',
    "Bucket.BucketNamespace": '{"Fn::If": ["OwnNamespace", "account-regional", {"Ref": "AWS::NoValue"}]}',
    "BucketPolicy.Bucket": '{"Ref": "Bucket"}',
    "ClientPolicy.ManagedPolicyName": '{"Fn::Sub": "lab2-client-${AWS::Region}"}',
    "ClientPolicy.Description": "Send requests, receive answers, keep a private answer queue.",
    "PrivateAnswersPolicy.ManagedPolicyName": '{"Fn::Sub": "lab2-private-answers-${AWS::Region}"}',
    "PrivateAnswersPolicy.Description": "Keep private answer queues named after the own IAM user, "
    "which nobody else with this policy can read.",
    "ServerPolicy.ManagedPolicyName": '{"Fn::Sub": "lab2-server-${AWS::Region}"}',
    "ServerPolicy.Description": "Receive requests, append to the log, send answers.",
    "LabellerPolicy.ManagedPolicyName": '{"Fn::Sub": "lab2-labeller-${AWS::Region}"}',
    "LabellerPolicy.Description": "Upload and read images, append labels.",
    "ServerRole.RoleName": '{"Fn::Sub": "lab2-server-${AWS::Region}"}',
    "ServerProfile.InstanceProfileName": '{"Fn::Sub": "lab2-server-${AWS::Region}"}',
    "MachineLog.LogGroupName": "/lab2/server",
    "NoOpenPort.GroupDescription": "lab2 server machines - nothing comes in",
    "NoOpenPort.VpcId": '{"Fn::If": ["InVpc", {"Ref": "Vpc"}, {"Ref": "AWS::NoValue"}]}',
    "Machine.LaunchTemplateName": "lab2-server",
    "Machines.AutoScalingGroupName": "lab2-server",
    "Backlog.AutoScalingGroupName": '{"Ref": "Machines"}',
    "FunctionLog.LogGroupName": "/aws/lambda/lab2-server",
    "OwnRoleOfFunction.RoleName": '{"Fn::Sub": "lab2-function-${AWS::Region}"}',
    "ServerFunction.FunctionName": "lab2-server",
    "FunctionRequests.EventSourceArn": '{"Fn::GetAtt": ["Requests", "Arn"]}',
    "AlarmTopic.TopicName": "lab2-alarms",
    "DeadLettersAlarm.AlarmName": "lab2-dead-letters",
    "OldRequestsAlarm.AlarmName": "lab2-old-requests",
    "ExpiringDeadLettersAlarm.AlarmName": "lab2-dead-letters-expire",
    "NoMachineAlarm.AlarmName": "lab2-no-machine",
    "SilentServersAlarm.AlarmName": "lab2-silent-servers",
    "LateRequestsAlarm.AlarmName": "lab2-late-requests",
    "FailedLaunches.Name": "lab2-failed-launches",
    "FailingFunctionAlarm.AlarmName": "lab2-function-fails",
    "Dashboard.DashboardName": '{"Fn::Sub": "lab2-${AWS::Region}"}',
}


def test_properties_that_can_not_be_changed_stay_as_they_are_deployed() -> None:
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # takes a second: not while tests are collected

    found: dict[str, Any] = {}
    for name, resource in json.loads(template())["Resources"].items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
        for path in schema.get("createOnlyProperties", ()):
            property, *inner = path.removeprefix("/properties/").split("/")
            if not inner and property in resource.get("Properties", {}):
                value = resource["Properties"][property]
                found[f"{name}.{property}"] = value if isinstance(value, str) else json.dumps(value)
    assert found == DEPLOYED

"""The CloudFormation stack of everything on AWS: planned as a change set, executed, watched, deleted."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab2.aws.failures import user_errors
from lab2.aws.session import AwsSession
from lab2.errors import UserError

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import ParameterTypeDef, StackEventTypeDef

STACK = "lab2"
POLL_S = 2.0  # between two questions to CloudFormation
PLAN_TIMEOUT_S = 300.0
STACK_TIMEOUT_S = 3600.0  # a fleet takes minutes; CloudFormation itself gives up within the hour
UNCHANGED = ("didn't contain changes", "No updates are to be performed")  # its words if there is nothing to do
DEPLOYED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
ABSENT = "REVIEW_IN_PROGRESS"  # a stack that never had more than a change set
FIRST_DEPLOYMENT_FAILED = "ROLLBACK_COMPLETE"  # an empty stack, which can only be deleted


@dataclass(frozen=True, slots=True)
class Change:
    """What a deployment would do to one resource: `action` is Add, Modify or Remove."""

    action: str
    resource: str
    type: str
    replaces: bool  # a new one takes its place

    def __str__(self) -> str:
        return f"{self.action:<6}  {self.resource}  ({self.type}){'  REPLACED' if self.replaces else ''}"


class Stack:
    """The stack of one account and region. Methods raise UserError if CloudFormation refuses."""

    def __init__(self, aws: AwsSession, poll_s: float = POLL_S) -> None:
        self.cloudformation = aws.cloudformation
        self.poll_s = poll_s

    def status(self) -> str:
        """Return CloudFormation's status of the stack, '' if there is none."""
        with user_errors(f"stack {STACK}"):
            stack = self._describe()
        return str(stack["StackStatus"]) if stack else ""

    def outputs(self) -> dict[str, str]:
        """Return the outputs of the stack, such as the name of the bucket."""
        stack = self._describe() or {}
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}

    def parameters(self) -> dict[str, str]:
        """Return the values that the stack's parameters have."""
        stack = self._describe() or {}
        return {each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", ())}

    def plan(self, template: str, parameters: Mapping[str, str]) -> tuple[str, list[Change]]:
        """Return a change set and its changes; ("", []) if there is nothing to do.

        In a stack that exists, parameters that are not given keep their values. A new stack imports resources that
        exist under the names in the template, such as a bucket that was kept.
        """
        with user_errors(f"stack {STACK}"):
            exists = self.status() not in ("", ABSENT)
            summary = self.cloudformation.get_template_summary(TemplateBody=template)
            known = {each["ParameterKey"] for each in summary["Parameters"]}
            if unknown := sorted(parameters.keys() - known):
                raise UserError(f"The template has no parameter {unknown[0]}. It has: {', '.join(sorted(known))}.")
            name = f"deploy-{uuid.uuid4()}"
            arguments: list[ParameterTypeDef] = [
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ]
            kept = self.parameters().keys() & known - parameters.keys() if exists else set()
            arguments += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)]
            self.cloudformation.create_change_set(
                StackName=STACK,
                ChangeSetName=name,
                ChangeSetType="UPDATE" if exists else "CREATE",
                TemplateBody=template,
                Parameters=arguments,
                Capabilities=["CAPABILITY_NAMED_IAM"],
                ImportExistingResources=not exists,
                DisableValidation=not exists,  # it takes what is to be imported for a conflict of names
            )
            return self._planned(name)

    def discard(self, change_set: str) -> None:
        """Delete a change set that is not wanted, and the stack if that has nothing else."""
        with user_errors(f"stack {STACK}"):
            self.cloudformation.delete_change_set(StackName=STACK, ChangeSetName=change_set)
            if self.status() == ABSENT:
                self.cloudformation.delete_stack(StackName=STACK)

    def execute(self, change_set: str) -> Iterator[str]:
        """Execute a change set; yield a line for each resource that is done. UserError if it fails."""
        with user_errors(f"stack {STACK}"):
            seen = {event["EventId"] for event in self._events()}
            self.cloudformation.execute_change_set(StackName=STACK, ChangeSetName=change_set)
            yield from self._watch(seen, DEPLOYED)

    def delete(self) -> Iterator[str]:
        """Delete the stack, but keep the bucket; yield a line for each resource that is deleted."""
        with user_errors(f"stack {STACK}"):
            seen = {event["EventId"] for event in self._events()}
            self.cloudformation.delete_stack(StackName=STACK)
            yield from self._watch(seen, ("DELETE_COMPLETE", ""))

    def _describe(self) -> Any:
        try:
            return self.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        except self.cloudformation.exceptions.ClientError as reply:
            if "does not exist" in str(reply):
                return None
            raise

    def _planned(self, name: str) -> tuple[str, list[Change]]:
        """Wait for a change set; return its name and its changes."""
        deadline = time.monotonic() + PLAN_TIMEOUT_S
        while True:
            reply = self.cloudformation.describe_change_set(StackName=STACK, ChangeSetName=name)
            reason = str(reply.get("StatusReason", ""))
            if reply["Status"] == "CREATE_COMPLETE":
                return name, [_change(each["ResourceChange"]) for each in reply.get("Changes", ())]
            if reply["Status"] == "FAILED":
                self.cloudformation.delete_change_set(StackName=STACK, ChangeSetName=name)
                if any(sentence in reason for sentence in UNCHANGED):
                    return "", []
                raise UserError(f"CloudFormation refuses this deployment: {reason.rstrip('.')}.")
            if time.monotonic() > deadline:
                raise UserError("CloudFormation has not planned the deployment within five minutes. Try again.")
            time.sleep(self.poll_s)

    def _watch(self, seen: set[str], done: tuple[str, ...]) -> Iterator[str]:
        """Yield a line for each resource that is done or has failed, until the stack is; UserError if it fails.

        `seen` are the ids of earlier deployments' events.
        """
        failures: list[str] = []
        deadline = time.monotonic() + STACK_TIMEOUT_S
        while True:
            status = self.status()
            for event in self._events():
                if event["EventId"] in seen:
                    continue
                seen.add(event["EventId"])
                state = event.get("ResourceStatus", "")
                if state.endswith("_FAILED"):
                    failures.append(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', state)}")
                if state.endswith(("_COMPLETE", "_FAILED")) and event["LogicalResourceId"] != STACK:
                    yield f"{event['LogicalResourceId']}: {state.lower().replace('_', ' ')}"
            if status in done:
                return
            if not status.endswith("_IN_PROGRESS"):
                # The first failure is the cause; those after it were cancelled because of it.
                cause = failures[0] if failures else status
                raise UserError(f"The stack was not changed as planned ({status}). {cause.rstrip('.')}.")
            if time.monotonic() > deadline:
                raise UserError(f"The stack is still {status} after an hour. Look at its events in CloudFormation.")
            time.sleep(self.poll_s)

    def _events(self) -> list[StackEventTypeDef]:
        """Return the stack's events, the oldest first; none once the stack is gone."""
        try:
            events = self.cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
        except self.cloudformation.exceptions.ClientError:
            return []
        return events[::-1]


def _change(resource: Any) -> Change:
    return Change(
        str(resource.get("Action", "")),
        str(resource.get("LogicalResourceId", "")),
        str(resource.get("ResourceType", "")),
        resource.get("Replacement") == "True",
    )

"""The small world of a test: an AWS account of its own on the emulator, a real process spoken to over HTTP."""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from support import fork_server

from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Message, Queue
from lab2.local.emulator import REGION

ROOT = Path(__file__).resolve().parents[2]
Program = subprocess.Popen[str] | fork_server.Forked
PATIENCE = 60  # seconds that something expected may take on a busy machine


def until(claim: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Return what `claim` returns as soon as that is true; fail after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (value := claim()):
        if time.monotonic() > deadline:
            pytest.fail(f"still not so after {patience} s")
        time.sleep(0.05)
    return value


def tries_of_a_refused_call() -> int:
    """Return how often a hot call of SQS is made that is refused: the transport leaves it to boto3 to make again."""
    return 1 if os.environ.get("LAB2_TRANSPORT") == "boto3" else 2


def start(command: Sequence[str], env: Mapping[str, str], home: Path, **options: Any) -> Program:
    """Start a program, given as to Python: forked if it can be; its streams are pipes, if not said otherwise."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if options.keys() <= streams.keys() and (forked := fork_server.start(command, env, home, **(streams | options))):
        return forked
    return subprocess.Popen([sys.executable, *command], env=env, cwd=home, text=True, **(streams | options))


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return ports, all different, that nobody has now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]


@functools.cache
def template() -> str:
    """Return aws.yaml as JSON: each test deploys it, which takes the emulator a fifth of the processor time of YAML."""
    return json.dumps(yaml.load((ROOT / "aws.yaml").read_text(), _Template))


class _Template(yaml.CSafeLoader):
    """Reads YAML as CloudFormation does: `!Sub text` is {"Fn::Sub": "text"}, and a date is text."""


def _function(loader: yaml.CSafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    value = (
        loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node, deep=True)
        if isinstance(node, yaml.SequenceNode)
        else loader.construct_mapping(node, deep=True)
    )
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Template.add_multi_constructor("!", _function)
_Template.add_constructor("tag:yaml.org,2002:timestamp", yaml.CSafeLoader.construct_scalar)


def deploy(url: str, account: str) -> None:
    """Deploy aws.yaml in an account by bare calls: a client of boto3 takes longer than the emulator."""
    scope = f"Credential={account}/20260101/{REGION}/cloudformation/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"}

    def call(**fields: str) -> str:
        body = urlencode(fields | {"StackName": "lab2"}).encode()
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=PATIENCE) as reply:
            return str(reply.read().decode())

    call(Action="CreateStack", TemplateBody=template(), **{"Capabilities.member.1": "CAPABILITY_NAMED_IAM"})
    until(lambda: "<StackStatus>CREATE_COMPLETE<" in call(Action="DescribeStacks"))


def start_emulator(home: Path, **environment: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start an emulator that keeps nothing; return its process and its URL."""
    for _ in range(3):
        process, url = _start_emulator(home, free_port(), environment)
        until(lambda: process.poll() is not None or _is_healthy(url))  # noqa: B023
        if process.poll() is None:
            return process, url
    pytest.fail((home / "emulator.log").read_text())  # it is not that another program took the port meanwhile


def _start_emulator(home: Path, port: int, environment: dict[str, str]) -> tuple[subprocess.Popen[bytes], str]:
    settings = {"BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0",
                "GATEWAY_PORT": str(port), "TMPDIR": str(home), "LOG_LEVEL": "WARNING",
                "S3_DATA_DIR": str(home / "s3"), "STATE_DIR": str(home / "state"),
                "SERVICES": "sqs,s3,sts,iam,cloudformation,cloudwatch"}  # fmt: skip
    with (home / "emulator.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env=os.environ | settings | environment,
            cwd=home,
            stdout=log,
            stderr=log,
        )
    return process, f"http://127.0.0.1:{port}"


def _is_healthy(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{url}/_ministack/health", timeout=5):
        return True
    return False


@dataclass
class World:
    """An AWS account with aws.yaml deployed and nothing in it; `env` is how programs find it."""

    env: dict[str, str]
    home: Path
    aws: AwsSession = field(default_factory=AwsSession)
    processes: list[Program] = field(default_factory=list)

    def queue(self, name: str) -> Queue:
        return self.aws.queue(name)

    def drain(self, name: str) -> list[Message]:
        """Receive and delete all that is visible in a queue now."""
        queue, messages = self.queue(name), []
        while batch := queue.receive():
            assert queue.delete(batch) == []
            messages += batch
        return messages

    def depth(self, name: str) -> tuple[int, int]:
        """Return how many messages of a queue are visible and how many are invisible."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        reply = self.aws.sqs.get_queue_attributes(QueueUrl=self.aws.queue_url(name), AttributeNames=names)
        return int(reply["Attributes"][names[0]]), int(reply["Attributes"][names[1]])

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Return the objects of the bucket whose keys start with `prefix`, in the order of their keys."""
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self.aws.bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return {key: self.aws.s3.get_object(Bucket=self.aws.bucket, Key=key)["Body"].read() for key in keys}

    def start(self, program: str, *args: str, env: dict[str, str] | None = None, **options: Any) -> Program:
        """Start a program of the project in this world; it is killed at the end of the test if it still runs."""
        process = start([str(ROOT / program), *args], self.env | (env or {}), self.home, **options)
        self.processes.append(process)
        return process

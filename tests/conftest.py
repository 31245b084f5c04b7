"""The small world of a test: an AWS account of its own on the emulator, a real process spoken to over HTTP."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from proxy import Proxy  # noqa: E402 - found through the line above

from lab2 import local  # noqa: E402 - found through the line above
from lab2.queues import Message, Queue  # noqa: E402
from lab2.settings import LABELS, Cloud  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" has it ignored, by what we start too

PATIENCE = 30  # seconds that something expected may take on a busy machine


def until(claim: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Return what `claim` returns as soon as that is true; fail after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (value := claim()):
        if time.monotonic() > deadline:
            pytest.fail(f"still not so after {patience} s")
        time.sleep(0.02)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_emulator(home: Path, **environment: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start an emulator that keeps nothing; return its process and its URL."""
    port = free_port()
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(home), "LOG_LEVEL": "WARNING",
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
    url = f"http://127.0.0.1:{port}"

    def healthy() -> bool:
        assert process.poll() is None, (home / "emulator.log").read_text()
        with suppress(OSError), urllib.request.urlopen(f"{url}/_ministack/health", timeout=5):
            return True
        return False

    until(healthy)
    return process, url


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an emulator that all tests share; each `world` is an account of its own in it."""
    process, url = start_emulator(tmp_path_factory.mktemp("emulator"))
    yield url
    process.terminate()
    process.wait(PATIENCE)


@dataclass
class World:
    """An AWS account with aws.yaml deployed and nothing in it; `env` is how programs find it."""

    env: dict[str, str]
    home: Path
    cloud: Cloud = field(default_factory=Cloud)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def queue(self, name: str) -> Queue:
        return Queue(self.cloud.sqs, self.cloud.queue_url(name))

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
        reply = self.cloud.sqs.get_queue_attributes(QueueUrl=self.cloud.queue_url(name), AttributeNames=names)
        return int(reply["Attributes"][names[0]]), int(reply["Attributes"][names[1]])

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Return the objects of the bucket whose keys start with `prefix`, in the order of their keys."""
        pages = self.cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=self.cloud.bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return {key: self.cloud.s3.get_object(Bucket=self.cloud.bucket, Key=key)["Body"].read() for key in keys}

    def start(
        self, program: str, *args: str, env: dict[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a program of the project in this world; it is killed at the end of the test if it still runs."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [sys.executable, str(ROOT / program), *args], env=self.env | (env or {}), cwd=self.home, text=True,
            **(streams | options),
        )  # fmt: skip
        self.processes.append(process)
        return process


@pytest.fixture
def server(world: World) -> subprocess.Popen[str]:
    """A server that is listening."""
    process = world.start("server.py")
    assert process.stdout
    process.stdout.readline()
    return process


@pytest.fixture
def samples(world: World) -> World:
    """A world with the sample pictures and without any label."""
    local.fill(world.cloud)
    world.cloud.s3.delete_object(Bucket=world.cloud.bucket, Key=LABELS)
    return world


@pytest.fixture
def proxy(emulator: str) -> Iterator[Proxy]:
    proxy = Proxy(emulator)
    yield proxy
    proxy.close()


@pytest.fixture
def proxied(world: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose programs, and whose test, speak to AWS through the `proxy`."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    world.env["AWS_ENDPOINT_URL"] = proxy.url
    world.cloud = Cloud()
    return world


@pytest.fixture
def world(emulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    account = f"{random.SystemRandom().randrange(1, 10**12):012}"
    aws = {"AWS_ENDPOINT_URL": emulator, "AWS_REGION": local.REGION, "AWS_ACCESS_KEY_ID": account,
           "AWS_SECRET_ACCESS_KEY": "test"}  # fmt: skip
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "LAB2_BUCKET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (aws | {"HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}).items():
        monkeypatch.setenv(name, value)
    local.deploy((ROOT / "aws.yaml").read_text())
    world = World(dict(os.environ), tmp_path)
    yield world
    for process in world.processes:
        if process.poll() is None:
            process.kill()
        process.communicate()

"""AWS at a distance: accounts on the emulator, behind a proxy that takes the time of the way and of the line."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support.proxy import Call, Proxy
from support.world import World, start_emulator

from bench.standin import ROOT
from lab2.aws.session import AwsSession
from lab2.local import emulator

TRIP = 0.1  # seconds to S3 and back
SETUP = 2  # round trips before the first call on a new connection: TCP and TLS 1.3
PACKET = 65_536  # bytes of one call on a shared line before it is another's turn
ENVIRONMENT = threading.Lock()  # held by who changes it

Reply = tuple[int, dict[str, str], bytes]


@contextmanager
def emulated() -> Iterator[tuple[str, Path]]:
    """An emulator of its own: its URL, and a folder that is gone afterwards."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)  # the proxy must not keep the clock waiting
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        emulator, url = start_emulator(Path(home))
        try:
            yield url, Path(home)
        finally:
            emulator.terminate()
            emulator.wait(10)
            sys.setswitchinterval(interval)


@dataclass
class Far(Proxy):
    """AWS at a distance: a call takes `trip` seconds, and its bytes pass one line at `rate` a second."""

    trip: float = TRIP
    rate: float = float("inf")
    received: int = 0  # bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        self._line, self._free = threading.Lock(), 0.0
        finish = self._server.finish_request

        def connect(request: Any, address: Any) -> None:
            time.sleep(SETUP * self.trip)
            finish(request, address)

        self._server.finish_request = connect  # type: ignore[method-assign]

    def _forward(self, call: Call) -> Reply:
        time.sleep(self.trip)
        self._pass(len(call.body))
        reply = super()._forward(call)
        self.received += len(reply[2])
        self._pass(len(reply[2]))
        return reply

    def _pass(self, size: int) -> None:
        """Return when so many bytes are through the line; packets of all calls take turns."""
        for at in range(0, size, PACKET):
            with self._line:
                self._free = max(self._free, time.monotonic()) + min(PACKET, size - at) / self.rate
                through = self._free
            time.sleep(max(0.0, through - time.monotonic()))


@contextmanager
def account(url: str, home: Path) -> Iterator[World]:
    """A new account on the emulator, with aws.yaml deployed; what was started in it is killed at the end."""
    folder = Path(tempfile.mkdtemp(dir=home))
    environment = {
        "AWS_ENDPOINT_URL": url, "AWS_REGION": emulator.REGION, "AWS_DEFAULT_REGION": emulator.REGION,
        "AWS_ACCESS_KEY_ID": f"{random.randrange(1, 10**12):012}", "AWS_SECRET_ACCESS_KEY": "bench",
        "LAB2_STORE": "aws", "HOME": str(folder), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    with ENVIRONMENT, patch.dict(os.environ, environment):
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "LAB2_BUCKET"):
            os.environ.pop(name, None)
        emulator.deploy(AwsSession(), (ROOT / "aws.yaml").read_text())
        world = World(dict(os.environ), folder)
        world.aws = connected()
    try:
        yield world
    finally:
        for process in world.processes:
            process.kill()
            process.communicate()


def connected(connections: int = 10) -> AwsSession:
    """Return the aws of the environment as it is now."""
    aws = AwsSession(connections=connections)
    assert aws.bucket and aws.s3
    return aws


@contextmanager
def far(world: World, **settings: Any) -> Iterator[Far]:
    """Context in which AWS is far away from the programs of this world."""
    proxy = Far(world.env["AWS_ENDPOINT_URL"], **settings)
    try:
        with patch.dict(world.env, AWS_ENDPOINT_URL=proxy.url):
            yield proxy
    finally:
        proxy.close()

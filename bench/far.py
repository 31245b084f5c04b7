"""AWS at a distance: accounts on the emulator, behind a proxy that takes the time of the way and of the line."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from bench.standin import ROOT

sys.path[:0] = [str(ROOT / "tests")]

from support.proxy import Call, Proxy  # noqa: E402
from support.world import World, start_emulator  # noqa: E402 - found through the line above

from lab2.aws.resources import IMAGE_PREFIX  # noqa: E402
from lab2.aws.session import AwsSession  # noqa: E402
from lab2.local import emulator  # noqa: E402

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
    """AWS at a distance: a call takes `trip` seconds and its bytes at `rate` a second; `images` that don't exist."""

    trip: float = TRIP
    rate: float = float("inf")
    shared: bool = False  # whether all connections share this rate
    images: int = 0  # more than none: so many images are listed, and each is `picture`
    picture: bytes = b""
    listed: int = 0  # pages of these
    connections: int = 0
    received: int = 0
    order: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._line, self._free = threading.Lock(), 0.0
        finish = self._server.finish_request

        def connect(request: Any, address: Any) -> None:
            self.connections += 1
            time.sleep(SETUP * self.trip)
            finish(request, address)

        self._server.finish_request = connect  # type: ignore[method-assign]
        self.names = sorted(f"{random.getrandbits(48):012x}-photo.jpg" for _ in range(self.images))

    def reset(self) -> None:
        self.calls.clear()
        self.sent.clear()
        self.order.clear()
        self.connections = self.received = self.listed = 0

    def _forward(self, call: Call) -> Reply:
        self.order.append(call.operation)
        time.sleep(self.trip)
        self._send(len(call.body))
        reply = (self._imagined(call) if self.images else None) or super()._forward(call)
        self.received += len(reply[2])
        time.sleep(len(reply[2]) / self.rate)
        return reply

    def _send(self, size: int) -> None:
        """Return when so many bytes are through the line; on a shared one, packets of all calls take turns."""
        if not self.shared:
            return time.sleep(size / self.rate)
        for at in range(0, size, PACKET):
            with self._line:
                self._free = max(self._free, time.monotonic()) + min(PACKET, size - at) / self.rate
                through = self._free
            time.sleep(max(0.0, through - time.monotonic()))
        return None

    def _imagined(self, call: Call) -> Reply | None:
        query = parse_qs(urlsplit(call.path).query)
        if call.operation == "GetObject" and f"/{IMAGE_PREFIX}" in call.path:
            return 200, {"ETag": '"0"', "Content-Type": "image/jpeg"}, self.picture
        if call.operation != "ListObjectsV2" or query["prefix"] != [IMAGE_PREFIX]:
            return None
        self.listed += 1
        after = query.get("start-after", [""])[0].removeprefix(IMAGE_PREFIX)
        first = bisect_right(self.names, after)
        end = first + int(query["max-keys"][0])
        size = f"<Size>{len(self.picture)}</Size>"
        entries = "".join(
            f"<Contents><Key>{IMAGE_PREFIX}{name}</Key>{size}</Contents>" for name in self.names[first:end]
        )
        more = str(end < len(self.names)).lower()
        text = f"<ListBucketResult><IsTruncated>{more}</IsTruncated>{entries}</ListBucketResult>"
        return 200, {"Content-Type": "application/xml"}, text.encode()


@contextmanager
def account(url: str, home: Path) -> Iterator[World]:
    """A new account on the emulator, with aws.yaml deployed; what was started in it is killed at the end."""
    folder = Path(tempfile.mkdtemp(dir=home))
    environment = {
        "AWS_ENDPOINT_URL": url, "AWS_REGION": emulator.REGION, "AWS_DEFAULT_REGION": emulator.REGION,
        "AWS_ACCESS_KEY_ID": f"{random.randrange(1, 10**12):012}", "AWS_SECRET_ACCESS_KEY": "bench",
        "HOME": str(folder), "PYTHONUNBUFFERED": "1",
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

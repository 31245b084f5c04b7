"""The server's line a minute, in the words of `server.py status`."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from support.proxy import ALWAYS, Fault, Proxy
from support.world import World

from lab2 import __version__
from lab2.aws.sqs.message_queue import Outgoing
from lab2.stats.server import pacing, service
from lab2.stats.server.monitor.heartbeat import Heartbeat, as_text
from lab2.stats.server.monitor.status import QUEUES, Depth, LogStatus, Status
from lab2.stats.server.service import Server


def test_a_line_has_what_the_server_saw_since_the_last_one_for_two_calls(proxied: World, proxy: Proxy) -> None:
    now = 1_800_000_000.0  # 2027-01-15
    heartbeat = Heartbeat(proxied.aws, lambda: now)
    proxied.queue("lab2").send([Outgoing("[1]"), Outgoing("[2]")])
    proxied.queue("lab2_dead").send([Outgoing("[3]")])
    heartbeat.received([now - 7.5, now - 3])
    heartbeat.logged(12)
    now += 120
    assert heartbeat.fields(*heartbeat.depths()) == {
        "waiting": 2, "in_flight": 0, "oldest_seconds": 7.5, "dead_letters": 1,
        "requests_today": 12, "requests_per_minute": 6.0,
        "last_request": "2027-01-15T08:00:00Z", "version": __version__,
    }  # fmt: skip
    proxy.calls.clear()
    now += 60
    told = heartbeat.fields(*heartbeat.depths())
    assert (told["oldest_seconds"], told["requests_per_minute"], told["last_request"]) == (
        0.0, 0.0, "2027-01-15T08:00:00Z"
    )  # fmt: skip
    assert proxy.calls == {"GetQueueAttributes": 2}
    queues = {name: Depth(0, 0) for name in QUEUES}
    status = json.loads(Status(datetime.now(timezone.utc), queues, None, [], LogStatus("2027-01-15")).as_json())
    assert told.keys() <= {*status, *status["queues"]["lab2"], "version"}  # the words are those of status
    proxy.on("GetQueueAttributes", Fault(refuse=(403, "AccessDenied")), times=ALWAYS)
    assert heartbeat.fields(*heartbeat.depths())["waiting"] is None
    assert as_text(told | {"waiting": None}) == (
        "? waiting, 0 in flight, oldest 0.0 s, 1 dead letter, 12 requests today, 0.0 a minute, "
        f"last 2027-01-15T08:00:00Z, version {__version__}"
    )
    heartbeat.logged(1)
    now += 86_400
    assert heartbeat.fields(*heartbeat.depths())["requests_today"] == 0
    heartbeat.logged(2)
    assert heartbeat.fields(*heartbeat.depths())["requests_today"] == 2


def test_a_server_says_it_each_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def log_event(name: str, line: str, **fields: object) -> None:
        said.append(line)
        assert name == "heartbeat" and str(fields["requests_per_minute"]) in line and "last_poll_seconds" in fields
        if ", last 20" in line:
            server.stop_requested = True

    monkeypatch.setattr(pacing, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(service, "log_event", log_event)
    world.queue("lab2").send([Outgoing("[1]")])
    server = Server(world.aws)
    server.run()
    line = next(line for line in said if ", last 20" in line)
    assert line.startswith("0 waiting, ") and f"version {__version__}; 1 request, " in line

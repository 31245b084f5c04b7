"""The heartbeat as metrics: lines of the log in CloudWatch's embedded metric format."""

from __future__ import annotations

import json
import signal

import pytest
from support.world import PATIENCE, World

from lab2.stats.server.monitor.metrics import UNITS, embedded_metrics


def test_what_is_not_known_is_no_metric() -> None:
    fields = {"waiting": 3, "dead_letters": None, "oldest_seconds": 0.0, "version": "1"}
    (directive,) = embedded_metrics(fields, 1.5)["_aws"]["CloudWatchMetrics"]
    assert [metric["Name"] for metric in directive["Metrics"]] == ["waiting", "oldest_seconds"]
    assert embedded_metrics(fields, 1.5)["_aws"]["Timestamp"] == 1500


@pytest.mark.long
def test_a_heartbeat_has_every_metric_as_a_number_beside_its_directive(world: World) -> None:
    server = world.start("server.py", "--log-format", "json")
    assert server.stdout
    try:
        beat = next(event for line in server.stdout if (event := json.loads(line))["event"] == "heartbeat")
        (directive,) = beat["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "lab2" and directive["Dimensions"] == [[]]
        names = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
        assert names == UNITS
        assert all(isinstance(beat[name], (int, float)) for name in names)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE)

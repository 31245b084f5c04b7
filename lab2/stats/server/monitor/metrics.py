"""The heartbeat as metrics of CloudWatch: CloudWatch Logs makes metrics of log lines in its embedded metric format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMESPACE = "lab2"
# What of the heartbeat is a metric, in the units of CloudWatch. Each costs $0.30 a month and server's group (2026-11).
UNITS = {
    "waiting": "Count",
    "oldest_seconds": "Seconds",
    "dead_letters": "Count",
    "requests_per_minute": "Count",
    "in_hand": "Count",
    "last_poll_seconds": "Seconds",
    "free_bytes": "Bytes",
}


def embedded_metrics(fields: Mapping[str, Any], epoch_s: float) -> dict[str, Any]:
    """Return the field `_aws` that makes metrics of a log line's other fields; without those that are not known.

    Source: "Specification: Embedded metric format" of the CloudWatch user guide.
    """
    known = [{"Name": name, "Unit": unit} for name, unit in UNITS.items() if fields.get(name) is not None]
    directive = {"Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": known}
    return {"_aws": {"Timestamp": round(epoch_s * 1000), "CloudWatchMetrics": [directive]}}

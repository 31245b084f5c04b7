"""The service seen from outside: is every row of the log right, and what is waiting where?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from lab2.aws.errors import explained
from lab2.aws.resources import ANSWERS, DEAD_LETTERS, LOG, REQUESTS
from lab2.aws.session import Cloud
from lab2.aws.sqs import Queue
from lab2.errors import Problem
from lab2.stats.protocol import answer_request, encode_answer
from lab2.stats.server.request_log import bodies, objects
from lab2.terminal import printable

Row = dict[str, Any]


def verify(cloud: Cloud, day: str = "") -> int:
    """Print every row of the log of a day ('': of all days) that is wrong, twice or torn; return how many."""
    found: Counter[str] = Counter()
    seen: set[str] = set()
    for place, row in read_log(cloud, day):
        fault = _fault(row, seen)
        found[fault] += 1
        if fault:
            print(f"{printable(place)}: {fault}")
    if not found:
        raise Problem(
            f"There is no log under s3://{cloud.bucket}/{LOG}{day}. Days are written like 2026-11-23, in UTC."
        )
    faults = ", ".join(f"{found[fault]:,} {fault}" for fault in ("wrong", "twice", "torn"))
    print(f"{found.total():,} rows: {found['']:,} right, {faults}")
    return found.total() - found[""]


def status(cloud: Cloud, now: datetime) -> str:
    """Return a screen on the queues, the dead letters and today's log."""
    lines = [f"{'queue':<10} {'waiting':>9} {'in work':>9}"]
    for name in (REQUESTS, ANSWERS, DEAD_LETTERS):
        waiting, working = _depth(cloud, name)
        lines.append(f"{name:<10} {waiting:>9,} {working:>9,}")
    lines.append(f"Oldest request: {_oldest(cloud, now)}")
    for message in Queue(cloud.sqs, cloud.queue_url(DEAD_LETTERS)).receive(visibility=0):  # a look, no more
        lines.append(f"Dead letter {message.id}: {printable(message.body)[:60]}")
    day = f"{now.astimezone(timezone.utc):%Y-%m-%d}"
    rows = [row for _, row in read_log(cloud, day) if row]
    lines.append(f"Log of {day}: {len(rows):,} requests")
    if rows:
        hour_ago = f"{now.astimezone(timezone.utc) - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"
        lately = sum(str(row.get("time", "")) >= hour_ago for row in rows)
        lines[-1] += f", {lately:,} of them in the last hour"
        lines.append(f"Last: {printable(json.dumps(rows[-1]))[:200]}")
    return "\n".join(lines)


def read_log(cloud: Cloud, day: str = "") -> Iterator[tuple[str, Row | None]]:
    """Yield every row of a day ('': of all days) as (object and line number, fields); None where it is torn."""

    with explained(f"the log in bucket {cloud.bucket}"):
        entries = list(objects(cloud.s3, cloud.bucket, f"{LOG}{day}"))
        for entry, content in zip(entries, bodies(cloud.s3, cloud.bucket, entries), strict=True):
            for number, line in enumerate(content.splitlines(), 1):
                yield f"{entry['Key']}:{number}", _fields(line)


def _fields(line: bytes) -> Row | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _fault(row: Row | None, seen: set[str]) -> str:
    """Return what is wrong with a row, '' for nothing; `seen` are the ids of the rows before it."""
    if not row or not all(isinstance(row.get(name), str) for name in ("time", "id", "client", "request")):
        return "torn"
    if row["id"] in seen:
        return "twice"
    seen.add(row["id"])
    right = json.loads(encode_answer(answer_request(row["id"], row["request"])))
    return "" if row.get("answer") == right else "wrong"


def _depth(cloud: Cloud, name: str) -> tuple[int, int]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = cloud.queue_url(name)
    with explained(f"queue {name}"):
        values = cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(values[names[0]]), int(values[names[1]])


def _oldest(cloud: Cloud, now: datetime) -> str:
    """Say how old the oldest request is. Only CloudWatch knows: receiving it to see would count against it."""
    with explained("the age of the oldest request in CloudWatch"):
        points = cloud.cloudwatch.get_metric_statistics(
            Namespace="AWS/SQS", MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": REQUESTS}],
            StartTime=now - timedelta(minutes=10), EndTime=now, Period=60, Statistics=["Maximum"],
        )["Datapoints"]  # fmt: skip
    if not points:
        return "CloudWatch does not say (it does so for queues in use, on AWS)"
    return f"{max(points, key=lambda point: point['Timestamp'])['Maximum']:,.0f} s"

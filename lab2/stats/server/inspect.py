"""The service seen from outside: is every row of the log right, and what is waiting where?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from lab2.aws.errors import user_errors
from lab2.aws.resources import ANSWER_QUEUE, DEAD_LETTER_QUEUE, LOG_PREFIX, REQUEST_QUEUE
from lab2.aws.session import AwsSession
from lab2.aws.sqs import Message, batches
from lab2.errors import UserError
from lab2.stats.protocol import answer_request, encode_answer
from lab2.stats.server.request_log import bodies, objects
from lab2.terminal import align, column_widths, printable

if TYPE_CHECKING:
    from types_boto3_sqs.literals import QueueAttributeNameType

MAX_DEAD_LETTERS = 50  # to show
LOOK_TIME = 10  # seconds in which all are received, so that no receive finds the same ones again
LOOKS = 5  # receives that find nothing new before dead letters that SQS counts are given up

LogFields = dict[str, Any]


def verify(aws: AwsSession, day: str = "") -> int:
    """Print every row of the log of a day ('': of all days) that is wrong, twice or torn; return how many."""
    found: Counter[str] = Counter()
    seen: set[str] = set()
    for place, row in read_log(aws, day):
        fault = _fault(row, seen)
        found[fault] += 1
        if fault:
            print(f"{printable(place)}: {fault}")
    if not found:
        raise UserError(
            f"There is no log under s3://{aws.bucket}/{LOG_PREFIX}{day}. Days are written like 2026-11-23, in UTC."
        )
    faults = ", ".join(f"{found[fault]:,} {fault}" for fault in ("wrong", "twice", "torn"))
    print(f"{found.total():,} rows: {found['']:,} right, {faults}")
    return found.total() - found[""]


def status(aws: AwsSession, now: datetime) -> str:
    """Return a screen on the queues, the dead letters and today's log."""
    rows = [("queue", "waiting", "in work")]
    depths = {name: _depth(aws, name) for name in (REQUEST_QUEUE, ANSWER_QUEUE, DEAD_LETTER_QUEUE)}
    rows += [(name, f"{waiting:,}", f"{working:,}") for name, (waiting, working) in depths.items()]
    lines = [align(row, column_widths(rows)) for row in rows]
    lines.append("SQS counts approximately, up to a minute late.")
    lines.append(f"Oldest request: {_oldest(aws, now)}")
    dead = _dead_letters(aws, depths[DEAD_LETTER_QUEUE][0])
    for message in dead[:MAX_DEAD_LETTERS]:
        id = message.attributes.get("id", message.id)
        lines.append(f"Dead letter {printable(id)[:60]}: {printable(message.body)[:60]}")
    if dead:
        lines.append("Why they failed is in the server's log, by id. Put them back after a fix: server.py redrive")
    day = f"{now.astimezone(timezone.utc):%Y-%m-%d}"
    logged = [row for _, row in read_log(aws, day) if row]
    lines.append(f"Log of {day}: {len(logged):,} requests")
    if logged:
        hour_ago = f"{now.astimezone(timezone.utc) - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"
        lately = sum(str(row.get("time", "")) >= hour_ago for row in logged)
        lines[-1] += f", {lately:,} of them in the last hour"
        lines.append(f"Last: {printable(json.dumps(logged[-1]))[:200]}")
    return "\n".join(lines)


def _dead_letters(aws: AwsSession, expected: int) -> list[Message]:
    """Return dead letters: all that long polls find until nothing new comes. Then they are visible to others again.

    A receive may miss messages that are there, so some more are made where SQS counts more than were found.
    """
    queue = aws.queue(DEAD_LETTER_QUEUE)
    found: dict[str, Message] = {}
    misses = 0
    with user_errors(f"queue {DEAD_LETTER_QUEUE}"):
        while len(found) < MAX_DEAD_LETTERS:
            known = len(found)
            found.update((message.id, message) for message in queue.receive(wait=1, visibility=LOOK_TIME))
            misses = misses + 1 if len(found) == known else 0
            if misses >= (LOOKS if len(found) < expected else 1):
                break
        for batch in batches(found.values()):
            queue.change_visibility(batch, 0)
    return list(found.values())


def read_log(aws: AwsSession, day: str = "") -> Iterator[tuple[str, LogFields | None]]:
    """Yield every row of a day ('': of all days) as (object and line number, fields); None where it is torn."""

    with user_errors(f"the log in bucket {aws.bucket}"):
        entries = list(objects(aws.s3, aws.bucket, f"{LOG_PREFIX}{day}"))
        for entry, content in zip(entries, bodies(aws.s3, aws.bucket, entries), strict=True):
            for number, line in enumerate(content.splitlines(), 1):
                yield f"{entry['Key']}:{number}", _fields(line)


def _fields(line: bytes) -> LogFields | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _fault(row: LogFields | None, seen: set[str]) -> str:
    """Return what is wrong with a row, '' for nothing; `seen` are the ids of the rows before it."""
    if not row or not all(isinstance(row.get(name), str) for name in ("time", "id", "client", "request")):
        return "torn"
    if row["id"] in seen:
        return "twice"
    seen.add(row["id"])
    right = json.loads(encode_answer(answer_request(row["id"], row["request"])))
    return "" if row.get("answer") == right else "wrong"


def _depth(aws: AwsSession, name: str) -> tuple[int, int]:
    names: list[QueueAttributeNameType] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = aws.queue_url(name)
    with user_errors(f"queue {name}"):
        values = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(values[names[0]]), int(values[names[1]])


def _oldest(aws: AwsSession, now: datetime) -> str:
    """Say how old the oldest request is. Only CloudWatch knows: receiving it to see would count against it."""
    with user_errors("the age of the oldest request in CloudWatch"):
        points = aws.cloudwatch.get_metric_statistics(
            Namespace="AWS/SQS", MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": REQUEST_QUEUE}],
            StartTime=now - timedelta(minutes=10), EndTime=now, Period=60, Statistics=["Maximum"],
        )["Datapoints"]  # fmt: skip
    if not points:
        return "not known (CloudWatch reports it only for active queues on AWS)"
    return f"{max(points, key=lambda point: point['Timestamp'])['Maximum']:,.0f} s"

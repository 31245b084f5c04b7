"""The service seen from outside: what waits on which queue, what was logged, which servers write, what is a problem."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lab2.aws.failures import user_errors
from lab2.aws.resources import ANSWER_QUEUE, DEAD_LETTER_QUEUE, LOG_PREFIX, REQUEST_QUEUE
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Message, batches
from lab2.errors import UserError
from lab2.stats.server.log.reader import LogFields, day_of, read_segments
from lab2.stats.server.log.row import timestamp
from lab2.stats.server.log.segments import objects
from lab2.terminal import align, column_widths, counted, printable

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import ObjectTypeDef
    from types_boto3_sqs.literals import QueueAttributeNameType

QUEUES = (REQUEST_QUEUE, ANSWER_QUEUE, DEAD_LETTER_QUEUE)
OLD_S = 300  # a request that waits for longer is a problem
MAX_DEAD_LETTERS = 50  # to show
LOOK_S = 10  # in which all are received, so that no receive finds the same ones again
MAX_EMPTY_RECEIVES = 5  # receives that find nothing new before dead letters that SQS counts are given up
MAX_BYTES = 2 * 2**20  # of the log that are read, the newest: 10,000 rows or so
OLD_SERVER = "before 1.1"  # which did not write its version
LATELY = timedelta(hours=1)
RATE = timedelta(minutes=5)  # over which the rate is the mean


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages of a queue wait, and how many were received and not deleted yet; SQS counts approximately."""

    waiting: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class LogStatus:
    """What was logged today and lately. Numbers are `estimated` from sizes if there is more than is read."""

    day: str
    requests: int = 0
    last_hour: int = 0
    per_minute: float = 0.0  # the mean of the last five minutes
    estimated: bool = False
    last: LogFields | None = None
    servers: dict[str, str] = field(default_factory=dict)  # version → time of its last row, of the last hour


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the service. `oldest` is the age of the oldest request in seconds, None if it is not known."""

    now: datetime
    queues: dict[str, Depth]
    oldest: float | None
    dead_letters: list[Message]
    log: LogStatus
    oldest_unknown: str = ""  # why CloudWatch could not be asked

    @classmethod
    def from_aws(cls, aws: AwsSession, now: datetime) -> Status:
        """Return the status; UserError if AWS fails."""
        queues = {name: depth_at(aws, aws.queue_url(name)) for name in QUEUES}
        dead = _dead_letters(aws, queues[DEAD_LETTER_QUEUE].waiting)
        oldest, unknown = None, ""
        try:
            oldest = _oldest(aws, now)
        except UserError as problem:  # a policy without CloudWatch, or a store that has none: the rest is known
            unknown = str(problem)
        return cls(now, queues, oldest, dead, log_status(aws, now), unknown)

    @property
    def dead_letter_count(self) -> int:
        dead = self.queues[DEAD_LETTER_QUEUE]
        return max(len(self.dead_letters), dead.waiting + dead.in_flight)

    @property
    def problems(self) -> list[str]:
        """What a person should look after, in sentences; none when all is well."""
        found = []
        if count := self.dead_letter_count:
            found.append(f"{counted(count, 'dead letter')} on {DEAD_LETTER_QUEUE}.")
        if self.oldest is not None and self.oldest > OLD_S:
            found.append(
                f"The oldest request on {REQUEST_QUEUE} has waited for {self.oldest:,.0f} s. Is a server running?"
            )
        return found

    def as_json(self) -> str:
        """Return what a monitor wants as a JSON object of one line."""
        log = self.log
        fields = {
            "time": timestamp(self.now),
            "healthy": not self.problems,
            "problems": self.problems,
            "queues": {name: asdict(depth) for name, depth in self.queues.items()},
            "oldest_seconds": self.oldest,
            "dead_letters": self.dead_letter_count,
            "day": log.day,
            "requests_today": log.requests,
            "requests_last_hour": log.last_hour,
            "requests_per_minute": round(log.per_minute, 2),
            "estimated": log.estimated,
            "last_request": log.last and log.last.get("time"),
            "servers": [{"version": version, "last_request": last} for version, last in log.servers.items()],
        }
        return json.dumps(fields)

    def as_text(self) -> str:
        """Return a screen for people."""
        rows = [("queue", "waiting", "in flight")]
        rows += [(name, f"{depth.waiting:,}", f"{depth.in_flight:,}") for name, depth in self.queues.items()]
        lines = [align(row, column_widths(rows)) for row in rows]
        lines.append("SQS counts approximately, up to a minute late.")
        age = f"not known ({self.oldest_unknown or 'CloudWatch reports it only for active queues on AWS'})"
        lines.append(f"Oldest request: {age if self.oldest is None else f'{self.oldest:,.0f} s'}")
        for message in self.dead_letters[:MAX_DEAD_LETTERS]:
            id = message.attributes.get("id", message.id)
            lines.append(f"Dead letter {printable(id)[:60]}: {printable(message.body)[:60]}")
        if self.dead_letters:
            lines.append("Why they failed is in the server's log, by id. Put them back after a fix: server.py redrive")
        log, about = self.log, "about " * self.log.estimated
        lines.append(f"Log of {log.day}: {about}{counted(log.requests, 'request')}")
        if log.last:
            lines[-1] += f"; {about}{log.last_hour:,} in the last hour, {log.per_minute:,.1f} a minute now"
            lines.append(f"Last: {printable(json.dumps(log.last))[:200]}")
        for version, last in log.servers.items():
            lines.append(f"Server {printable(version)[:40]} last wrote at {printable(last)[:40]}")
        lines += [f"Problem: {problem}" for problem in self.problems]
        return "\n".join(lines)


def log_status(aws: AwsSession, now: datetime) -> LogStatus:
    """Return the state of the log, from a LIST of today's segments and the newest two megabytes of them."""
    days = sorted({day_of(now - LATELY), day_of(now)})
    with user_errors(f"bucket {aws.bucket}"):
        entries = [entry for day in days for entry in objects(aws.s3, aws.bucket, f"{LOG_PREFIX}{day}/")]
        unread, newest = _newest(entries)
        lines = [line for line in read_segments(aws, newest) if line.fields]
    rows = sorted((line.fields for line in lines if line.fields), key=_time)
    rows_a_byte = len(rows) / max(1, _size(newest))
    today = f"{LOG_PREFIX}{days[-1]}/"

    def since(time: datetime) -> int:
        known = sum(_time(row) >= timestamp(time) for row in rows)
        return known + round(rows_a_byte * _size(entry for entry in unread if entry["LastModified"] >= time))

    return LogStatus(
        days[-1],
        sum(line.place.startswith(today) for line in lines)
        + round(rows_a_byte * _size(entry for entry in unread if entry["Key"].startswith(today))),
        since(now - LATELY),
        since(now - RATE) / (RATE / timedelta(minutes=1)),
        bool(unread),
        rows[-1] if rows else None,
        {str(row.get("server", OLD_SERVER)): _time(row) for row in rows if _time(row) >= timestamp(now - LATELY)},
    )


def _newest(entries: list[ObjectTypeDef]) -> tuple[list[ObjectTypeDef], list[ObjectTypeDef]]:
    """Return the segments that are not read, and the newest, which are."""
    size, count = 0, 0
    for entry in reversed(entries):
        size += entry["Size"]
        if count and size > MAX_BYTES:
            break
        count += 1
    return entries[: len(entries) - count], entries[len(entries) - count :]


def _size(entries: Iterable[ObjectTypeDef]) -> int:
    return sum(entry["Size"] for entry in entries)


def _time(row: LogFields) -> str:
    return str(row.get("time", ""))


def _dead_letters(aws: AwsSession, expected: int) -> list[Message]:
    """Return dead letters: all that long polls find until nothing new comes. Then they are visible to others again.

    A receive may miss messages that are there, so some more are made if SQS counts more than were found.
    """
    queue = aws.queue(DEAD_LETTER_QUEUE)
    found: dict[str, Message] = {}
    misses = 0
    with user_errors(f"queue {DEAD_LETTER_QUEUE}"):
        while len(found) < MAX_DEAD_LETTERS:
            known = len(found)
            found.update((message.id, message) for message in queue.receive(wait=1, visibility=LOOK_S))
            misses = misses + 1 if len(found) == known else 0
            if misses >= (MAX_EMPTY_RECEIVES if len(found) < expected else 1):
                break
        for batch in batches(found.values()):
            queue.change_visibility(batch, 0)
    return list(found.values())


def depth_at(aws: AwsSession, url: str) -> Depth:
    """Return the depth of a queue; UserError if AWS fails."""
    names: list[QueueAttributeNameType] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    with user_errors(f"queue {url.rpartition('/')[2]}"):
        values = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return Depth(int(values[names[0]]), int(values[names[1]]))


def _oldest(aws: AwsSession, now: datetime) -> float | None:
    """Return the age of the oldest request in seconds, None if it is not known.

    Only CloudWatch knows, and only of active queues on AWS: receiving it to see would count against it.
    """
    with user_errors("the age of the oldest request in CloudWatch"):
        points = aws.cloudwatch.get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": REQUEST_QUEUE}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
    return max(points, key=lambda point: point["Timestamp"])["Maximum"] if points else None

"""The log as its readers see it: the rows of a day in order, and those that are added from now on.

A follower makes one LIST of each day it watches and one ranged GET for each segment that has grown. It looks at today
every 5 seconds, and every minute at the two days before, to which a server that starts again after an outage may still
add. That is 14 calls a minute while nothing comes, 12 more while rows trickle in, and under load one for each 16 KiB:
half a cent an hour.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from lab2.aws.failures import error_code, user_errors
from lab2.aws.resources import LOG_PREFIX
from lab2.aws.retry import OutageReporter, persist
from lab2.aws.s3.find_key import is_missing
from lab2.aws.s3.stored_object import RANGE_CODES
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import batches
from lab2.errors import UserError
from lab2.stats.server.log.row import is_closing
from lab2.stats.server.log.segments import SEALED_BYTES, bodies, is_day, objects

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import ObjectTypeDef

LOOK_INTERVAL_S = 5.0  # between two looks at today's log
SEGMENTS_AT_ONCE = 64  # read in one go, a megabyte of ordinary ones
DAYS_BACK = 2  # days before today to which a server may still add
LOOKS_PER_LATE_LOOK = 12  # looks at today for each one at the days before

LogFields = dict[str, Any]


class LogLine(NamedTuple):
    """A line of the log: its object, with its number if that is known; its fields, None if it is truncated."""

    place: str
    fields: LogFields | None


def check_day(day: str) -> str:
    """Return the day; UserError unless it is written like 2026-11-23."""
    if is_day(day):
        return day
    raise UserError(f"{day} is not a day. Days are written like 2026-11-23, in UTC.")


def day_of(now: datetime, days_ago: int = 0) -> str:
    """Return the day (UTC) of a time, or the one so many days before."""
    return f"{now.astimezone(timezone.utc) - timedelta(days=days_ago):%Y-%m-%d}"


def read_log(aws: AwsSession, day: str = "") -> Iterator[LogLine]:
    """Yield every line of the log of a day ('': of all days), in the order in which they were logged."""
    for key, body in read_bodies(aws, day):
        yield from lines_of(key, body)


def read_bodies(aws: AwsSession, day: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield the key and the bytes of every segment of a day ('': of all days), in their order."""
    with user_errors(f"bucket {aws.bucket}"):
        keys = [entry["Key"] for entry in objects(aws.s3, aws.bucket, f"{LOG_PREFIX}{day}")]
        yield from bodies(aws.whole_objects, keys)


def read_segments(aws: AwsSession, entries: list[ObjectTypeDef]) -> Iterator[LogLine]:
    """Yield every line of these segments; raises what botocore raises."""
    for key, body in bodies(aws.whole_objects, [entry["Key"] for entry in entries]):
        yield from lines_of(key, body)


def lines_of(key: str, body: bytes) -> Iterator[LogLine]:
    """Yield the lines of a segment but the one that closes the day."""
    for number, line in enumerate(body.splitlines(), 1):
        if not is_closing(fields := decode_fields(line)):
            yield LogLine(f"{key}:{number}", fields)


def decode_fields(line: bytes) -> LogFields | None:
    """Return the fields in a line of the log; None if it is truncated."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def follow_log(
    aws: AwsSession,
    day: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[LogLine]:
    """Yield the lines of the log from a day on ('': from today on), and then those that are added, without end.

    Lines that a server adds to the two days before are among them. An outage is waited for.
    """
    today = day_of(now())
    first = min(day or today, today)
    ages = (datetime.strptime(today, "%Y-%m-%d") - datetime.strptime(first, "%Y-%m-%d")).days
    tails = {
        since: DayTail(aws, since) for since in (day_of(now(), ago) for ago in range(max(ages, DAYS_BACK), -1, -1))
    }
    outages = OutageReporter("Reading the log")
    for tail in tails.values():
        if tail.day < first:
            persist(tail.skip, outages)
        else:
            yield from _added(tail, outages)
    for look in count(1):
        sleep(LOOK_INTERVAL_S)
        today = day_of(now())
        if today not in tails:
            tails[today] = DayTail(aws, today)
        for old in sorted(tails)[: -DAYS_BACK - 1]:
            del tails[old]
        for tail in tails.values():
            if tail.day >= today or look % LOOKS_PER_LATE_LOOK == 0:
                yield from _added(tail, outages)


def _added(tail: DayTail, outages: OutageReporter) -> Iterator[LogLine]:
    for some in batches(persist(tail.grown, outages), SEGMENTS_AT_ONCE):
        yield from persist(partial(tail.read, some), outages)


class DayTail:
    """The end of one day's log: what was added to it since it was last read."""

    def __init__(self, aws: AwsSession, day: str) -> None:
        self.aws = aws
        self.day = day
        self._after = ""  # the key up to which all segments are sealed and read
        self._read: dict[str, int] = {}  # bytes that were read of the segments behind it

    def grown(self) -> list[ObjectTypeDef]:
        """Return the segments that have more than was read of them; UserError if AWS fails."""
        prefix = f"{LOG_PREFIX}{self.day}/"
        with user_errors(f"bucket {self.aws.bucket}"):
            entries = list(objects(self.aws.s3, self.aws.bucket, prefix, self._after))
        for entry in entries:
            if entry["Size"] < self._read.get(entry["Key"], 0):  # an administrator removed rows
                self._read[entry["Key"]] = entry["Size"]
        for entry in takewhile(lambda entry: SEALED_BYTES <= entry["Size"] <= self._read.get(entry["Key"], 0), entries):
            self._after = entry["Key"]
            del self._read[entry["Key"]]
        return [
            entry for entry in entries if entry["Key"] > self._after and entry["Size"] > self._read.get(entry["Key"], 0)
        ]

    def read(self, grown: Sequence[ObjectTypeDef]) -> list[LogLine]:
        """Return the lines that were added to these segments; UserError if AWS fails, which counts none as read."""
        with user_errors(f"bucket {self.aws.bucket}"), ThreadPoolExecutor(8) as threads:
            parts = list(threads.map(self._part, grown))
        lines = []
        for entry, part in zip(grown, parts, strict=True):
            self._read[entry["Key"]] = self._read.get(entry["Key"], 0) + len(part)
            found = (decode_fields(line) for line in part.splitlines())
            lines += [LogLine(entry["Key"], fields) for fields in found if not is_closing(fields)]
        return lines

    def skip(self) -> None:
        """Count everything that is there as read."""
        self._read.update((entry["Key"], entry["Size"]) for entry in self.grown())

    def _part(self, entry: ObjectTypeDef) -> bytes:
        """Return the whole lines behind what was read of a segment; of a sealed one, all that is there."""
        span = f"bytes={self._read.get(entry['Key'], 0)}-"
        try:
            part: bytes = self.aws.s3.get_object(Bucket=self.aws.bucket, Key=entry["Key"], Range=span)["Body"].read()
        except Exception as error:
            if error_code(error) in RANGE_CODES or is_missing(self.aws.s3, self.aws.bucket, entry["Key"], error):
                return b""  # an administrator has just removed rows, or all of it
            raise
        return part if entry["Size"] >= SEALED_BYTES else part[: part.rfind(b"\n") + 1]

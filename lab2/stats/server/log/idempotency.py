"""The idempotency window: in which log, and how far back, another request of the same id is looked for.

Requests of one id (the idempotency key) within 48 hours are one request. A log is kept for each day, so they must go
into the log of one day, on whichever side of midnight they are sent, and a server that was just started must know its
rows. The id itself says both where it starts with the time at which it was made, as our client's do: that costs no
call. An id with a date costs the reading of that day's log, once for each start of a server. Any other id costs one
PUT: the first server that meets it files it under a day, by a conditional write, and all others find that there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import lru_cache
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from lab2.aws.failures import DENIED_CODES, error_code
from lab2.aws.resources import ID_PREFIX
from lab2.aws.retry import conflict_backoff
from lab2.aws.s3.append_object import CONFLICT_CODES
from lab2.aws.s3.find_key import is_missing

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

DAY = 86_400  # seconds
DAYS_BACK, DAYS_AHEAD = 2, 1  # how far the day of an id may be from the day on which the message was sent
CLOCK_ERROR = 15 * 60  # seconds that a clock may be wrong: AWS refuses requests that are signed by a worse one
MAX_DENIED = 3  # times that an id can't be read before that is an error

_TIMED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class Place(NamedTuple):
    """Where a request belongs: the day of its log, and the time (epoch seconds) before which its id was not logged."""

    day: str
    since: float


def place_of(id: str, message_id: str, sent: float) -> Place | None:
    """Return the place of a request, the same at every delivery, None where only `IdFile` knows it.

    `sent` is when its message was sent, in epoch seconds.
    """
    if id == message_id:  # no other message has it
        return Place(_date(sent), sent - CLOCK_ERROR)
    if not _is_near(id[:10], sent):
        return None
    if _TIMED.match(id):
        try:
            made = datetime.fromisoformat(f"{id[:19]}+00:00").timestamp()
        except ValueError:
            made = float("inf")
        if made <= sent + CLOCK_ERROR:
            return Place(id[:10], min(made, sent) - CLOCK_ERROR)
    return Place(id[:10], 0.0)


class IdFile:
    """The days of ids that have no date, in the bucket: a small object each, `ids/<SHA-256>`, gone after days."""

    def __init__(self, s3: S3Client, bucket: str, sleep: Callable[[float], object] = time.sleep) -> None:
        self.s3, self.bucket, self.sleep = s3, bucket, sleep

    def places(self, requests: Collection[tuple[str, float]]) -> list[Place]:
        """Return the places of (id, sent), in their order; raises what botocore raises."""
        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(lambda request: self.place(*request), requests))

    def place(self, id: str, sent: float) -> Place:
        """Return the place of a request, which the first message of its id within the window decides."""
        key = f"{ID_PREFIX}{sha256(id.encode()).hexdigest()}"
        day, etag = _date(sent), None
        for attempt in count(1):
            try:
                if etag is None:
                    self.s3.put_object(Bucket=self.bucket, Key=key, Body=day.encode(), IfNoneMatch="*")
                else:
                    self.s3.put_object(Bucket=self.bucket, Key=key, Body=day.encode(), IfMatch=etag)
                return Place(day, sent - CLOCK_ERROR)
            except ClientError as error:
                if error_code(error) in DENIED_CODES:  # by the stack of 1.0: only requests of one day are found again
                    return Place(_date(sent), sent - CLOCK_ERROR)
                if error_code(error) not in CONFLICT_CODES:
                    raise
            try:
                reply = self.s3.get_object(Bucket=self.bucket, Key=key)
                filed, etag = reply["Body"].read(10).decode("ascii", "replace"), reply["ETag"]
                if _is_near(filed, sent):
                    return Place(filed, reply["LastModified"].timestamp() - CLOCK_ERROR)
            except ClientError as error:
                # Refused for another reason, or removed meanwhile. AWS says 403 for a missing key, which another server
                # may put before a LIST can tell: access is denied only if the 403 persists.
                if not is_missing(self.s3, self.bucket, key, error) and attempt > MAX_DENIED:
                    raise
                etag = None
            self.sleep(conflict_backoff(attempt))
        raise AssertionError("count has no end")


def _is_near(day: str, sent: float) -> bool:
    """Tell whether a day (ISO 8601) is one that a message of this time may belong to."""
    return day in _days_near(int(sent // DAY))


@lru_cache
def _days_near(day: int) -> set[str]:
    return {_date_of_day(day + days) for days in range(-DAYS_BACK, DAYS_AHEAD + 1)}


def _date(time: float) -> str:
    return _date_of_day(int(time // DAY))


@lru_cache
def _date_of_day(day: int) -> str:
    return f"{datetime.fromtimestamp(day * DAY, timezone.utc):%Y-%m-%d}"

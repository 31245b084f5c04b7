"""The segments of the log, `log/<day>/<number>.jsonl`: names, which there are, when they were written, their bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from lab2.aws.resources import LOG_PREFIX
from lab2.aws.s3.find_key import is_missing, list_page
from lab2.aws.s3.whole_objects import WholeObjects
from lab2.aws.sqs.message_queue import batches

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectTypeDef

SEALED_BYTES = 16 * 2**10  # from which on a segment is sealed
PAGE_KEYS = 1_000  # that one LIST gives at most
PROBE_KEYS = 10  # asked for to see whether there is a segment: a stranger's object may be among them
STEP = 8  # how many times further each look for a day's end goes

_KEY = re.compile(re.escape(LOG_PREFIX) + r"([^/]+)/([0-9]{8})\.jsonl")


class Segment(NamedTuple):
    """A segment: its day (UTC, like 2026-11-23) and its number in it, from 1."""

    day: str
    number: int

    @property
    def key(self) -> str:
        return f"{LOG_PREFIX}{self.day}/{self.number:08}.jsonl"

    @property
    def next(self) -> Segment:
        """The one after it on the same day."""
        return Segment(self.day, self.number + 1)


def segment_of(key: str) -> Segment:
    """Return the segment that has this key."""
    match = _KEY.fullmatch(key)
    if not match:
        raise ValueError(f"{key} is no segment")
    return Segment(match[1], int(match[2]))


def seal(body: bytes) -> str:
    """Return the SHA-256 of a segment to which nothing is added any more; the first line of the next one has it."""
    return hashlib.sha256(body).hexdigest()


def date_of(time: float) -> str:
    """Return the day (UTC) of a time in epoch seconds."""
    return f"{datetime.fromtimestamp(time, timezone.utc):%Y-%m-%d}"


class Listing:
    """Which segments are in the bucket. Raises what botocore raises."""

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self.s3 = s3
        self.bucket = bucket

    def days(self) -> list[str]:
        """Return the days that the log has, oldest first: one LIST for a thousand of them."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=LOG_PREFIX, Delimiter="/")
        found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ())]
        return sorted(filter(is_day, (prefix.removeprefix(LOG_PREFIX).rstrip("/") for prefix in found)))

    def last(self, day: str) -> ObjectTypeDef | None:
        """Return the entry of a day's last segment, None if it has none.

        A day of up to 1,000 segments costs one LIST, one of 100,000 costs 14: bisection by "is there one behind?".
        """
        page, more = self._page(day, 0, PAGE_KEYS)
        if not more:
            return page[-1] if page else None
        low = segment_of(page[-1]["Key"]).number  # there is one behind `low`, and none behind `high`
        while self._exists_after(day, STEP * low):
            low *= STEP
        high = STEP * low
        while high - low > PAGE_KEYS:
            middle = (low + high) // 2
            if self._exists_after(day, middle):
                low = middle
            else:
                high = middle
        rest = self.after(Segment(day, low))
        return rest[-1] if rest else None

    def first_written(self, last: Segment, since: float) -> int:
        """Return the number of the first segment of a day up to `last` that was written at `since` or later.

        `last.number + 1` if there is none. An old one that an administrator has written again can only make it less.
        """
        low, high = 0, max(0, last.number - PAGE_KEYS)  # all up to `low` are older; the one behind `high` is not
        behind = self._behind(Segment(last.day, high))
        first = next(behind, None)
        if high and first and _written(first) >= since:
            while high - low >= PAGE_KEYS:
                middle = (low + high) // 2
                probe, _ = self._page(last.day, middle, PROBE_KEYS)
                if probe and _written(probe[0]) < since:
                    low = middle
                else:
                    high = middle
            behind = self._behind(Segment(last.day, low))
            first = next(behind, None)
        entries = chain([first] if first else [], behind)
        found = (segment_of(each["Key"]).number for each in entries if _written(each) >= since)
        return min(next(found, last.number + 1), last.number + 1)

    def after(self, segment: Segment) -> list[ObjectTypeDef]:
        """Return the entries of all segments of the day behind this one, in order."""
        return list(self._behind(segment))

    def _behind(self, segment: Segment) -> Iterator[ObjectTypeDef]:
        return objects(self.s3, self.bucket, f"{LOG_PREFIX}{segment.day}/", segment.key)

    def _exists_after(self, day: str, number: int) -> bool:
        page, _ = self._page(day, number, PROBE_KEYS)
        return bool(page)

    def _page(self, day: str, after: int, count: int) -> tuple[list[ObjectTypeDef], bool]:
        """Return the entries of up to `count` segments of a day behind this number, and whether there are more.

        There are none only if no more follow: a page may hold nothing but strangers' objects.
        """
        key = Segment(day, after).key
        while True:
            entries, more = list_page(self.s3, self.bucket, f"{LOG_PREFIX}{day}/", key, count)
            page = [entry for entry in entries if _KEY.fullmatch(entry["Key"])]
            if page or not (more and entries):
                return page, more
            key = entries[-1]["Key"]


def is_day(text: str) -> bool:
    """Return whether this is a day as the log names it."""
    try:
        return f"{datetime.strptime(text, '%Y-%m-%d'):%Y-%m-%d}" == text
    except ValueError:
        return False


def objects(s3: S3Client, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectTypeDef]:
    """Yield the entries (Key, Size, LastModified) of a prefix's segments, in the order of keys, after `after`.

    Other objects, like the folders that the AWS console makes, are skipped.
    """
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, StartAfter=after):
        yield from (entry for entry in page.get("Contents", ()) if _KEY.fullmatch(entry["Key"]))


def bodies(stored: WholeObjects, keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield these keys with the bytes of their objects, in order; eight are read at a time, and few are held."""

    def body(key: str) -> bytes:
        try:
            return stored.get(key)
        except ClientError as error:
            if is_missing(stored.s3, stored.bucket, key, error):  # an administrator has just deleted it
                return b""
            raise

    with ThreadPoolExecutor(8) as threads:
        for some in batches(keys, 64):
            yield from zip(some, threads.map(body, some), strict=True)


def _written(entry: ObjectTypeDef) -> float:
    return entry["LastModified"].timestamp()

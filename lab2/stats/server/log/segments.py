"""The log of requests and answers: each request has one row, in a segment `log/<day>/<number>.jsonl`.

A day is a series of small segments and not one object: an append sends the whole object again, so one request a second
would send 700 GB for a day's log of 17 MB. A segment of 16 KiB or more is sealed: no writer appends to it again, which
each of them can tell from its size. A writer of segment n has therefore read everything in the segments before it, and
a row that is in none of them is not logged.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, takewhile
from typing import TYPE_CHECKING

from lab2.aws.resources import LOG_PREFIX
from lab2.aws.retry import conflict_backoff
from lab2.aws.s3.append_object import AppendObject, Outcome
from lab2.aws.s3.stored_object import StoredObject
from lab2.aws.sqs.message_queue import batches
from lab2.stats.server.log.index import LogIndex
from lab2.stats.server.log.row import LogRow

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectTypeDef

SEALED_BYTES = 16 * 2**10  # bytes
MAX_WRITE_BYTES = 4 * 2**20  # of rows in one write: every segment stays small enough for AppendObject to read it whole
GATHER, LONGEST = 0.15, 1.0  # seconds between our writes under load, and what a slow write counts as at most
TURN = 3  # times of a write that each other server needs, conflicts included
LONGEST_TURN = 30.0  # seconds

_KEY = re.compile(re.escape(LOG_PREFIX) + r"[^/]+/[0-9]{8}\.jsonl")


class RequestLog:
    """The log of one day (UTC). One thread appends to it. `logged` indexes the rows that were read or written."""

    def __init__(self, s3: S3Client, bucket: str, day: str) -> None:
        self.s3, self.bucket, self.prefix, self.logged = s3, bucket, f"{LOG_PREFIX}{day}/", LogIndex()
        self._others = 0.0  # estimate of how many other servers append: the conflicts of one append, forgotten slowly
        self._older = list(objects(s3, bucket, self.prefix))  # not read yet; oldest first
        self._number = self._number_of(self._older.pop()) if self._older else 1
        self._object = self._open()
        self._object.refresh()

    def append(self, rows: Sequence[LogRow], since: float) -> None:
        """Return when all rows are durable, each once; none of their ids was logged before `since` (epoch seconds)."""
        self._read_back(since)
        self._refused = 0
        if self._others >= 1:
            self._refresh()  # they have very likely written since our last append
        for portion in _portions(rows):
            self._append(portion)
        self._others = max(self._others, self._refused) if self._refused else 0.9 * self._others

    @property
    def gather(self) -> float:
        """The seconds to wait under load, so that the rows of many requests go into one write (group commit).

        A write costs 12 times a receive.
        """
        return max(GATHER, min(LONGEST, 3 * self._object.took))

    @property
    def turn(self) -> float:
        """The seconds to wait before the next append, so that other servers have their turn.

        One that met a conflict needs two calls, and must not be late every time. The more servers there are, the more
        rows each gathers for a write, which is why more servers don't make more calls a request.
        """
        return min(LONGEST_TURN, (1 + TURN * self._others) * min(LONGEST, self._object.took))

    def _append(self, rows: Sequence[LogRow]) -> None:
        for attempt in count(1):
            if self._object.size >= SEALED_BYTES:
                self._start(self._number + 1)
            if self._object.try_append(rows) is Outcome.DURABLE:
                return
            self._refused += 1
            if self._object.size >= SEALED_BYTES:
                if attempt > 1:  # the next segment may be new: once, a PUT finds out sooner than a LIST
                    self._refresh()
            else:
                time.sleep(conflict_backoff(attempt))

    def _refresh(self) -> None:
        """Read what others have written to segments newer than ours, and continue with the newest."""
        newer = (
            []
            if self._object.size < SEALED_BYTES
            else list(objects(self.s3, self.bucket, self.prefix, self._object.store.key))
        )
        if not newer:
            return
        is_sealed = newer[-1]["Size"] >= SEALED_BYTES
        self._read(newer if is_sealed else newer[:-1])  # first: what can't be read must not count as known
        self._start(self._number_of(newer[-1]) + is_sealed)
        if not is_sealed:
            self._object.refresh(exists=True)

    def _start(self, number: int) -> None:
        """Continue with a new segment, at first on the assumption that nobody has written to it."""
        self._number = number
        self._object = self._open()
        self._object.assume_new()

    def _open(self) -> AppendObject[LogRow]:
        return AppendObject(StoredObject(self.s3, self.bucket, f"{self.prefix}{self._number:08}.jsonl"), self.logged)

    def _number_of(self, entry: ObjectTypeDef) -> int:
        return int(entry["Key"].removeprefix(self.prefix)[:8])

    def _read_back(self, since: float) -> None:
        """Read the rows of all segments that were written at `since` (epoch seconds) or later."""
        recent = list(takewhile(lambda entry: entry["LastModified"].timestamp() >= since, reversed(self._older)))
        self._read(recent)
        del self._older[len(self._older) - len(recent) :]  # only now: what can't be read yet is not known

    def _read(self, entries: Sequence[ObjectTypeDef]) -> None:
        """Read the rows of these segments."""
        for body in bodies(self.s3, self.bucket, entries):
            self.logged.add(body)


def objects(s3: S3Client, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectTypeDef]:
    """Yield the entries (Key, Size, LastModified) of a prefix's segments, in the order of keys, after `after`.

    Other objects, like the folders that the AWS console makes, are skipped.
    """
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, StartAfter=after):
        yield from (entry for entry in page.get("Contents", ()) if _KEY.fullmatch(entry["Key"]))


def bodies(s3: S3Client, bucket: str, entries: Sequence[ObjectTypeDef]) -> Iterator[bytes]:
    """Yield the bytes of these segments in their order; eight are read at a time, and few are held."""

    def body(entry: ObjectTypeDef) -> bytes:
        content: bytes = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        return content

    with ThreadPoolExecutor(8) as threads:
        for some in batches(entries, 64):
            yield from threads.map(body, some)


def _portions(rows: Sequence[LogRow]) -> Iterator[list[LogRow]]:
    portion: list[LogRow] = []
    size = 0
    for row in rows:
        if portion and size + len(row) > MAX_WRITE_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += len(row)
    yield portion

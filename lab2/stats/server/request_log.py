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

from lab2.aws.append_object import AppendObject
from lab2.aws.resources import LOG_PREFIX
from lab2.aws.retry import conflict_backoff
from lab2.stats.server.log_index import LogIndex

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectTypeDef

SEALED_BYTES = 16 * 2**10  # bytes
MAX_WRITE_BYTES = (
    4 * 2**20
)  # bytes of rows in one write: no object gets so large that an AppendObject does not read it whole
GATHER, LONGEST = 0.15, 1.0  # seconds between our writes under load, for each server that writes
MAX_OTHERS = 8  # servers that are waited for; whoever was idle for long finds more objects than that

_KEY = re.compile(re.escape(LOG_PREFIX) + r"[^/]+/[0-9]{8}\.jsonl")


class RequestLog:
    """The log of one day (UTC). One thread appends to it. `logged` are the rows that are known of it."""

    def __init__(self, s3: S3Client, bucket: str, day: str) -> None:
        self.s3, self.bucket, self.prefix, self.logged = s3, bucket, f"{LOG_PREFIX}{day}/", LogIndex()
        self._others = 0.0  # how many other servers there seem to be, by how often they were first
        self._older = list(objects(s3, bucket, self.prefix))  # not read yet; oldest first
        self._number = self._number_of(self._older.pop()) if self._older else 1
        self._object = self._open()
        self._object.refresh()

    def append(self, rows: Sequence[bytes], since: float) -> None:
        """Return when all rows are durable, each once; none of their ids was logged before `since` (epoch seconds)."""
        self._read_back(since)
        self._refused = 0
        if self._others >= 1:
            self._refresh()  # they have surely written since our last append
        for portion in _portions(rows):
            self._append(portion)
        self._others = min(MAX_OTHERS, self._others + self._refused if self._refused else 0.8 * self._others)

    @property
    def pause(self) -> float:
        """The seconds to leave before the next append under load.

        Rows that gather meanwhile go into one write, which costs 12 times a receive. Where other servers write too it
        is their turn: whoever was refused needs two calls to write, which must not be too late every time.
        """
        return (1 + self._others) * max(GATHER, min(LONGEST, 3 * self._object.took))

    def _append(self, rows: Sequence[bytes]) -> None:
        for attempt in count(1):
            if self._object.size >= SEALED_BYTES:
                self._start(self._number + 1)
            if self._object.try_append(rows):
                return
            if self._object.size >= SEALED_BYTES:
                self._refused += 1
                if attempt > 1:  # the next one may be free: once, a PUT finds out sooner than a LIST
                    self._refresh()
            else:
                time.sleep(conflict_backoff(attempt))

    def _refresh(self) -> None:
        """Know what others have written to objects that are newer than ours, and go on at the newest."""
        newer = (
            []
            if self._object.size < SEALED_BYTES
            else list(objects(self.s3, self.bucket, self.prefix, self._object.key))
        )
        if not newer:
            return
        is_full = newer[-1]["Size"] >= SEALED_BYTES
        self._read(newer if is_full else newer[:-1])  # first of all: what can't be read must not count as known
        self._start(self._number_of(newer[-1]) + is_full)
        if not is_full:
            self._object.refresh(exists=True)

    def _start(self, number: int) -> None:
        """Go on with a new object, which is first tried as if nobody had written to it yet."""
        self._number = number
        self._object = self._open()
        self._object.known = True

    def _open(self) -> AppendObject:
        return AppendObject(self.s3, self.bucket, f"{self.prefix}{self._number:08}.jsonl", self.logged)

    def _number_of(self, entry: ObjectTypeDef) -> int:
        return int(entry["Key"].removeprefix(self.prefix)[:8])

    def _read_back(self, since: float) -> None:
        """Know the rows of all objects that were written to at `since` or later."""
        recent = list(takewhile(lambda entry: entry["LastModified"].timestamp() >= since, reversed(self._older)))
        self._read(recent)
        del self._older[len(self._older) - len(recent) :]  # only now: what can't be read yet is not known

    def _read(self, entries: Sequence[ObjectTypeDef]) -> None:
        """Know the rows of these objects."""
        for body in bodies(self.s3, self.bucket, entries):
            self.logged.add(body.splitlines())


def objects(s3: S3Client, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectTypeDef]:
    """Yield the entries (Key, Size, LastModified) of the log's objects under a prefix, by key, those behind `after`.

    What somebody else has put there, like the folders that the console makes, is passed over.
    """
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, StartAfter=after):
        yield from (entry for entry in page.get("Contents", ()) if _KEY.fullmatch(entry["Key"]))


def bodies(s3: S3Client, bucket: str, entries: Sequence[ObjectTypeDef]) -> Iterator[bytes]:
    """Yield the bytes of these objects in their order, read several at a time."""

    def body(entry: ObjectTypeDef) -> bytes:
        content: bytes = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        return content

    with ThreadPoolExecutor(8) as threads:
        yield from threads.map(body, entries)


def _portions(rows: Sequence[bytes]) -> Iterator[list[bytes]]:
    portion: list[bytes] = []
    size = 0
    for row in rows:
        if portion and size + len(row) > MAX_WRITE_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += len(row)
    yield portion

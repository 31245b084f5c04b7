"""The log of requests and answers: a row a request, once, in `log/<day>/<number>.jsonl`.

A day is a row of small objects and not one: an append sends the whole object, so a day of one request a second
would send 700 GB for a log of 17 MB. An object of 16 KiB or more is full: nobody appends to it
again, by a rule that every writer reads off the object itself. So whoever writes object n has seen all that
is in the objects before it, and a row that is missing there is missing everywhere.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

from lab2.appendlog import AppendLog, jitter
from lab2.settings import LOG

FULL = 16 * 2**10  # bytes
MOST = 4 * 2**20  # bytes of rows in one write: no object gets so large that an AppendLog does not read it whole
RESENT = 15 * 60  # seconds within which a client may send one request twice

_KEY = re.compile(re.escape(LOG) + r"[^/]+/[0-9]{8}\.jsonl")


class Row(bytes):
    """A row of the log: a JSON line without its end, that knows the id of its request and the answer's body."""

    id: str
    answer: str


def encode_row(id: str, client: str, request: str, answer: str, now: datetime) -> Row:
    """Return the row of a request and the body of its answer."""
    stamp = now.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = json.dumps({"time": stamp, "id": id, "client": client, "request": request})
    row = Row(f'{fields[:-1]}, "answer": {answer}}}'.encode())
    row.id, row.answer = id, answer
    return row


def decode_row(line: bytes) -> Row | None:
    """Return the row in a line of the log; None where somebody else wrote it."""
    try:
        fields = json.loads(line)
        row = Row(line)
        row.id, row.answer = str(fields["id"]), json.dumps(fields["answer"])
        row.id.encode()  # half a surrogate pair is no id of ours, and sqlite does not take it
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return row


def day_of(id: str, sent: float) -> str:
    """Return the day (UTC, ISO 8601) of the log that a request belongs to, the same at every delivery.

    It is the day that the id starts with, where that is believable; else the day the message was `sent`.
    """
    day = datetime.fromtimestamp(sent, timezone.utc)
    near = {f"{day + timedelta(days=days):%Y-%m-%d}" for days in (-1, 0, 1)}
    return id[:10] if id[:10] in near else f"{day:%Y-%m-%d}"


class Logged:
    """The answers that are logged, by request id, in a temporary file: memory stays flat however many."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute("CREATE TABLE logged (id TEXT PRIMARY KEY, answer TEXT) WITHOUT ROWID")
        self._lock = threading.Lock()

    def add(self, rows: Sequence[bytes]) -> None:
        with self._lock:
            self._rows.execute("BEGIN")
            self._rows.executemany(
                "INSERT OR IGNORE INTO logged VALUES (?, ?)", [(row.id, row.answer) for row in _decoded(rows)]
            )
            self._rows.execute("COMMIT")

    def missing(self, rows: Sequence[bytes]) -> list[bytes]:
        first: dict[str, Row] = {}
        for row in _decoded(rows):
            first.setdefault(row.id, row)
        return [row for row in first.values() if self.answer(row.id) is None]

    def answer(self, id: str) -> str | None:
        """Return the body of the answer that is logged for a request, None where there is none."""
        with self._lock:
            found = self._rows.execute("SELECT answer FROM logged WHERE id = ?", (id,)).fetchone()
        return str(found[0]) if found else None


class DayLog:
    """The log of one day (UTC). One thread appends to it."""

    def __init__(self, s3: Any, bucket: str, day: str, logged: Logged) -> None:
        self.s3, self.bucket, self.prefix, self.logged = s3, bucket, f"{LOG}{day}/", logged
        self._older = list(objects(s3, bucket, self.prefix))  # not read yet; oldest first
        self._number = int(self._older.pop()["Key"].removeprefix(self.prefix)[:8]) if self._older else 1
        self._object = self._open(known=False)
        self._object.catch_up()

    def append(self, rows: Sequence[bytes], since: float) -> None:
        """Return when all rows are durable, each once; `since` is when the oldest of them was sent."""
        self._read_back(since - RESENT)
        for portion in _portions(rows):
            self._append(portion)

    def _append(self, rows: Sequence[bytes]) -> None:
        for attempt in count(1):
            while self._object.size >= FULL:
                self._number += 1
                self._object = self._open(known=True)
            if self._object.try_append(rows):
                return
            time.sleep(jitter(attempt))

    def _open(self, known: bool) -> AppendLog:
        log = AppendLog(self.s3, self.bucket, f"{self.prefix}{self._number:08}.jsonl", self.logged)
        log.known = known  # a new object is first tried as if it were not there yet
        return log

    def _read_back(self, since: float) -> None:
        """Know the rows of all objects that were written to at `since` or later."""
        recent = []
        while self._older and self._older[-1]["LastModified"].timestamp() >= since:
            recent.append(self._older.pop()["Key"])
        if recent:
            with ThreadPoolExecutor(8) as threads:
                for body in threads.map(self._body, recent):
                    self.logged.add(body.splitlines())

    def _body(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body


def objects(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield the entries (Key, Size, LastModified) of all objects of the log under a prefix, in the order of their keys.

    What somebody else has put there, like the folders that the console makes, is passed over.
    """
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (entry for entry in page.get("Contents", ()) if _KEY.fullmatch(entry["Key"]))


def _portions(rows: Sequence[bytes]) -> Iterator[list[bytes]]:
    portion: list[bytes] = []
    size = 0
    for row in rows:
        if portion and size + len(row) > MOST:
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += len(row)
    yield portion


def _decoded(rows: Sequence[bytes]) -> list[Row]:
    decoded = (row if isinstance(row, Row) else decode_row(row) for row in rows)
    return [row for row in decoded if row is not None]

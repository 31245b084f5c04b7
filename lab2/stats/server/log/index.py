"""Deduplication: in which segment an id (the idempotency key) may be logged. Some 25 bytes a row, on the disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b

from lab2.aws.sqs.message_queue import batches
from lab2.errors import TryLater
from lab2.stats.server.log.segments import Segment
from lab2.stats.server.log.window import day_ends

ROWS_PER_STATEMENT = 100  # at each one Python lets another thread go first
PAGE_BYTES = 4_096
CACHE_KIB = 2_000  # of memory for a day
IDLE_S = 3_600.0  # after which a day that nobody asked for is forgotten
DIGEST_BYTES = 8  # what SQLite keeps as one integer


class NoRoom(TryLater):
    """The temporary folder is full or missing: an outage of this machine."""


class DayIndex:
    """The ids in the segments of one day, as digests with the segment's number, in a temporary file of SQLite's.

    Two ids may have one digest: what is found may be logged, what is not found isn't.
    """

    def __init__(self, day: str) -> None:
        self.day = day
        self.ends = day_ends(day)
        self.asked = time.monotonic()
        self.bytes = 0  # on the disk
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")  # after an error the whole index is thrown away
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._db.execute(
            "CREATE TABLE logged (digest INTEGER, number INTEGER, PRIMARY KEY (digest, number)) WITHOUT ROWID"
        )

    def add(self, digests: Iterable[int], number: int) -> None:
        self._db.execute("BEGIN")
        for some in batches(digests, ROWS_PER_STATEMENT):
            self._db.execute(_insertion(len(some)), [number, *some])
        self._db.execute("COMMIT")
        self.bytes = PAGE_BYTES * int(self._db.execute("PRAGMA page_count").fetchone()[0])

    def find(self, digests: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Yield (digest, number of a segment) for what may be logged."""
        self.asked = time.monotonic()
        for some in batches(digests, ROWS_PER_STATEMENT):
            yield from self._db.execute(_search(len(some)), some)

    def close(self) -> None:
        self._db.close()


class LogIndex:
    """The days that are read, each with its own file, so that a day that is done with gives its disk back.

    Raises NoRoom if the temporary folder is full or missing; what the index knows is then half the truth.
    """

    def __init__(self) -> None:
        self._days: dict[str, DayIndex] = {}
        with _room():
            # SQLite looks for a folder in another order than Python, whose folder is the one that users can set.
            os.environ["SQLITE_TMPDIR"] = tempfile.gettempdir()
            with tempfile.TemporaryFile() as file:
                file.write(b"x")

    def add(self, segment: Segment, ids: Sequence[str]) -> None:
        """Note the ids in a segment."""
        if not ids:
            return
        with _room():
            if segment.day not in self._days:
                self._days[segment.day] = DayIndex(segment.day)
            self._days[segment.day].add(map(_digest, ids), segment.number)

    def find(self, ids: Iterable[str], since: float) -> dict[Segment, list[str]]:
        """Return the segments, written at `since` (epoch seconds) or later, in which some of the ids may be."""
        by_digest = {_digest(id): id for id in ids}
        found: dict[Segment, list[str]] = defaultdict(list)
        with _room():
            for day in self._days.values():
                if day.ends >= since:
                    for digest, number in day.find(by_digest):
                        found[Segment(day.day, number)].append(by_digest[digest])
        return found

    def forget_idle(self, open_day: str) -> DayIndex | None:
        """Forget the oldest day before the open one if nobody asked for it lately, and return it."""
        day = min(self._days, default=open_day)
        if day >= open_day or time.monotonic() - self._days[day].asked < IDLE_S:
            return None
        oldest = self._days.pop(day)
        oldest.close()
        return oldest

    @property
    def bytes(self) -> int:
        """What the index takes on the disk."""
        return sum(day.bytes for day in list(self._days.values()))


def free_bytes() -> int:
    """Return how much is free in the folder of the index; 0 if there is none."""
    try:
        return shutil.disk_usage(tempfile.gettempdir()).free
    except OSError:
        return 0


@lru_cache
def _insertion(rows: int) -> str:
    """Return the statement that adds so many digests (?2, ?3 ...) of one segment (?1)."""
    return f"INSERT OR IGNORE INTO logged VALUES {', '.join(f'(?{place}, ?1)' for place in range(2, rows + 2))}"


@lru_cache
def _search(digests: int) -> str:
    return f"SELECT digest, number FROM logged WHERE digest IN ({', '.join(['?'] * digests)})"


def _digest(id: str) -> int:
    return int.from_bytes(blake2b(id.encode(), digest_size=DIGEST_BYTES).digest(), "big", signed=True)


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        folder = tempfile.tempdir or "that this machine has"
        raise NoRoom(
            f"The log's index can't be written in the temporary folder {folder}: {error}. Nothing is received until "
            "there is room; to use another folder, start the server with TMPDIR set."
        ) from error

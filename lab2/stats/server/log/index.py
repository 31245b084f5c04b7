"""Deduplication: which requests are logged, and with which answer, by request id (the idempotency key)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from itertools import chain

from lab2.aws.sqs.message_queue import batches
from lab2.stats.server.log.row import LogRow, decode_row, decode_rows

ROWS_PER_STATEMENT = 100  # rows a statement of sqlite: at each one Python lets another thread go first


class LogIndex:
    """The rows that are logged, by request id, in a temporary file: memory stays flat however many."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute("PRAGMA cache_size = -500")  # KiB of cache for a day's log
        self._rows.execute("CREATE TABLE logged (id TEXT PRIMARY KEY, row BLOB)")
        self._lock = threading.Lock()

    def add(self, body: bytes) -> None:
        self._insert(decode_rows(body.split(b"\n")))

    def replace(self, body: bytes) -> None:
        self.add(body)  # the log has many objects: what was in another one still counts

    def wrote(self, rows: Sequence[LogRow]) -> None:
        self._insert(rows)

    def encode(self, rows: Sequence[LogRow], size: int, end: bytes) -> bytes:
        return (b"\n" if size and not end.endswith(b"\n") else b"") + b"".join(row + b"\n" for row in rows)

    def missing(self, rows: Sequence[LogRow]) -> list[LogRow]:
        first = _first(rows)
        known: set[str] = set()
        for ids in batches(first, ROWS_PER_STATEMENT):
            known.update(self._select("id IN {}", ids))
        return [row for id, row in first.items() if id not in known]

    def _insert(self, rows: Sequence[LogRow]) -> None:
        with self._lock:
            self._rows.execute("BEGIN")
            with self._rows:
                for some in batches(rows, ROWS_PER_STATEMENT):
                    values = ", ".join(["(?, ?)"] * len(some))
                    pairs = [value for row in some for value in (row.id, row)]
                    self._rows.execute(f"INSERT OR IGNORE INTO logged VALUES {values}", pairs)

    def earlier(self, rows: Sequence[LogRow]) -> list[str | None]:
        """Return for each row the answer that another row gave its request before, None where this one is logged.

        All requests are logged: where not by another row, by the first one of these.
        """
        logged: dict[str, bytes] = dict(_first(rows))
        for some in batches(list(logged.items()), ROWS_PER_STATEMENT):
            logged.update(self._select("id IN {} AND row NOT IN {}", *zip(*some, strict=True)))
        others = (decode_row(logged[row.id]) if logged[row.id] != row else None for row in rows)
        return [other.answer if other else None for other in others]

    def _select(self, where: str, *lists: Sequence[str | bytes]) -> dict[str, bytes]:
        """Return the logged rows, by id, that meet a condition; each {} in it stands for a list of values."""
        marks = (f"({', '.join('?' * len(values))})" for values in lists)
        sql = f"SELECT id, row FROM logged WHERE {where.format(*marks)}"
        with self._lock:
            return dict(self._rows.execute(sql, list(chain.from_iterable(lists))))


def _first(rows: Sequence[LogRow]) -> dict[str, LogRow]:
    """Return the first row of each request, by id, in their order."""
    first: dict[str, LogRow] = {}
    for row in rows:
        first.setdefault(row.id, row)
    return first

"""Deduplication: which requests are logged, and with which answer, by request id (the idempotency key)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from itertools import chain

from lab2.aws.sqs.message_queue import batches
from lab2.stats.server.log.row import LogRow, _decoded, decode_row

ROWS_PER_STATEMENT = 100  # rows a statement of sqlite: at each one Python lets another thread go first


class LogIndex:
    """The rows that are logged, by request id, in a temporary file: memory stays flat however many."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute("PRAGMA cache_size = -500")  # KiB of cache for a day's log
        self._rows.execute("CREATE TABLE logged (id TEXT PRIMARY KEY, row BLOB)")
        self._lock = threading.Lock()

    def add(self, rows: Sequence[bytes]) -> None:
        with self._lock:
            self._rows.execute("BEGIN")
            with self._rows:
                for some in batches(_decoded(rows), ROWS_PER_STATEMENT):
                    values = ", ".join(["(?, ?)"] * len(some))
                    pairs = [value for row in some for value in (row.id, row)]
                    self._rows.execute(f"INSERT OR IGNORE INTO logged VALUES {values}", pairs)

    def replace(self, rows: Sequence[bytes]) -> None:
        self.add(rows)  # the log has many objects: what was in another one still counts

    def missing(self, rows: Sequence[bytes]) -> list[bytes]:
        first = _first(_decoded(rows))
        known: set[str] = set()
        for ids in batches(first, ROWS_PER_STATEMENT):
            known.update(self._select("id IN {}", ids))
        return [row for id, row in first.items() if id not in known]

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

"""The plainest codec of an AppendObject: lines behind a header, in a set."""

from __future__ import annotations

from collections.abc import Sequence


class Rows:
    """A codec of lines, behind a header."""

    def __init__(self, header: bytes = b"") -> None:
        self.header = header
        self.rows: dict[bytes, None] = {}

    def replace(self, body: bytes) -> None:
        self.rows = {}
        self.add(body)

    def add(self, body: bytes) -> None:
        self.wrote([row for row in body.split(b"\n") if row])

    def wrote(self, rows: Sequence[bytes]) -> None:
        self.rows.update(dict.fromkeys(rows))

    def missing(self, rows: Sequence[bytes]) -> list[bytes]:
        return [row for row in dict.fromkeys(rows) if row not in self.rows]

    def encode(self, rows: Sequence[bytes], size: int, end: bytes) -> bytes:
        before = self.header if not size else b"" if end.endswith(b"\n") else b"\n"
        return before + b"".join(row + b"\n" for row in rows)

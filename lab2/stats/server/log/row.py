"""A row of the request log: a JSON line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import lru_cache

from lab2 import __version__

_SERVER = f'"server": {json.dumps(__version__)}'


class LogRow(bytes):
    """A row of the log: a JSON line without its end, that knows the id of its request."""

    id: str

    @property
    def answer(self) -> str:
        """The body of the answer."""
        return json.dumps(json.loads(self)["answer"])


def encode_row(id: str, client: str, request: str, answer: str, now: datetime) -> LogRow:
    """Return the row of a request; `answer` is the body of its answer."""
    head = f'"time": "{timestamp(now)}", "id": {json.dumps(id)}, "client": {json.dumps(client)}'
    row = LogRow(f'{{{head}, "request": {json.dumps(request)}, "answer": {answer}, {_SERVER}}}'.encode())
    row.id = id
    return row


@lru_cache
def timestamp(now: datetime) -> str:
    """Return a time as the log has it: UTC, to the millisecond."""
    return now.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def decode_row(line: bytes) -> LogRow | None:
    """Return the row in a line of the log; None where somebody else wrote it."""
    try:
        fields = json.loads(line)
        row = LogRow(line)
        row.id = str(fields["id"])
        row.id.encode()  # half a surrogate pair is no id of ours, and sqlite does not take it
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return row if "answer" in fields else None


def decode_rows(lines: Sequence[bytes]) -> list[LogRow]:
    """Return the rows in lines of the log, without those that somebody else wrote."""
    return [row for row in map(decode_row, lines) if row is not None]

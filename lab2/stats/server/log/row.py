"""The lines of the request log: a row for each request, and a last one that closes a day. Encoded and decoded here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import lru_cache
from typing import NamedTuple

from lab2 import __version__
from lab2.stats.server.log.segments import is_day

VERSION = 1  # of a line

_encode = json.JSONEncoder().encode
# How a row starts whose id JSON writes as it is: ASCII that can be printed, without quotes and backslashes.
_START = re.compile(rb'\{"v": %d, "time": "[^"\\]*", "id": "([ -!#-\[\]-~]+)", ' % VERSION)
_SERVER = f'"server": {json.dumps(__version__)}'


class LogRow(NamedTuple):
    """A request and its answer, ready to be logged."""

    id: str
    answer: str  # the body of the answer
    head: bytes  # the line as far as it is known before it is written

    def line(self, run: str, number: int) -> bytes:
        """Return the line: the row of this number that this run of a server writes."""
        return b'%b, "run": "%b", "row": %d}\n' % (self.head, run.encode(), number)


class LoggedRow(NamedTuple):
    """What the log says of a request, and which run of a server wrote it, as its row of which number."""

    id: str
    answer: str
    run: str
    number: int


class Closing(NamedTuple):
    """The last line of a day: the log goes on in the `next` day. '' is the day before the first one."""

    day: str
    next: str

    def line(self) -> bytes:
        return f'{{"v": {VERSION}, "closed": "{self.day}", "next": "{self.next}", {_SERVER}}}\n'.encode()


def encode_row(id: str, client: str, request: str, answer: str, now: datetime, sender: str = "") -> LogRow:
    """Return the row of a request that was received at `now`; `answer` is the body of its answer.

    `sender` is who sent it, as SQS says; unlike `client`, which the sender may choose.
    """
    head = f'"v": {VERSION}, "time": "{timestamp(now)}", "id": {_encode(id)}, "client": {_encode(client)}'
    head += f', "sender": {_encode(sender)}' if sender else ""
    return LogRow(id, answer, f'{{{head}, "request": {_encode(request)}, "answer": {answer}, {_SERVER}'.encode())


def link(line: bytes, previous: str) -> bytes:
    """Return the first line of a segment, with the seal of the segment before it."""
    return b'%b, "previous": "%b"}\n' % (line.removesuffix(b"}\n"), previous.encode())


def quick_id(line: bytes) -> str:
    """Return the id in a line that starts and ends as a row of this version, '' for any other.

    It takes a tenth of the time of `decode_line`. A line with an id may still be one that no server wrote.
    """
    match = _START.match(line)
    return match[1].decode() if match and line.endswith(b"}") else ""


def decode_line(line: bytes) -> LoggedRow | Closing | None:
    """Return what a line says, None if no server wrote it."""
    try:
        fields = json.loads(line)
        if is_closing(fields):
            return Closing(str(fields["closed"]), str(fields["next"]))
        id = str(fields["id"])
        id.encode()  # half a surrogate pair is no id of ours
        number = fields.get("row")
        return LoggedRow(
            id, json.dumps(fields["answer"]), str(fields.get("run", "")), number if isinstance(number, int) else 0
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def decode_lines(body: bytes) -> Iterator[LoggedRow | Closing]:
    """Yield what the lines of a segment say, without those that no server wrote."""
    for line in body.split(b"\n"):
        if decoded := decode_line(line):
            yield decoded


def is_closing(fields: object) -> bool:
    """Return whether these are the fields of a line that closes a day."""
    if not isinstance(fields, dict) or "id" in fields:
        return False
    closed, next_day = fields.get("closed"), fields.get("next")
    return isinstance(closed, str) and isinstance(next_day, str) and is_day(next_day) and closed < next_day


def is_erased(fields: object) -> bool:
    """Return whether an administrator has erased what these fields of a line said (docs/how-to/erase-data.md)."""
    return isinstance(fields, dict) and fields.get("erased") is True and "id" not in fields


@lru_cache
def timestamp(now: datetime) -> str:
    """Return a time as the log has it: UTC, to the millisecond."""
    return now.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

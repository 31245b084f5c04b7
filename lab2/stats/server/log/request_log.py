"""The log of requests and answers: one sequence of small segments, to whose end each request is added once.

A day's log is not one object: an append sends the whole object again, so one request a second would send 700 GB for a
day's log of 17 MB. A segment of 16 KiB or more is sealed, and a day ends with a row that closes it and names the next
day: no writer appends behind either. Who writes a segment has therefore read everything since it opened the log, and a
request that is in none of that, and in nothing written since it may have been logged first, is not logged.
docs/decisions/one-log-sequence.md has the corners.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from lab2.aws.resources import LOG_PREFIX
from lab2.aws.retry import conflict_backoff
from lab2.aws.s3.append_object import AppendObject, Outcome
from lab2.aws.s3.stored_object import StoredObject
from lab2.aws.s3.whole_objects import WholeObjects
from lab2.stats.server.log.index import LogIndex
from lab2.stats.server.log.row import Closing, LoggedRow, LogRow, decode_line, decode_lines, link, quick_id
from lab2.stats.server.log.segments import SEALED_BYTES, Listing, Segment, bodies, date_of, seal, segment_of
from lab2.stats.server.pacing import GATHER_S

MAX_WRITE_BYTES = 4 * 2**20  # of rows in one write: every segment stays small enough for AppendObject to read it whole
LONGEST_S = 1.0  # that a slow write counts as at most
TURN = 3  # times of a write that each other server needs, conflicts included
LONGEST_TURN_S = 30.0

Item = LogRow | Closing


class RequestLog:
    """The end of the sequence, and the index of what was read and written. One thread uses it.

    After an error that is not AWS's it may know half the truth: open another one.
    """

    def __init__(self, objects: WholeObjects, clock: Callable[[], float] = time.time, in_parts: bool = True) -> None:
        self.objects = objects
        self.clock = clock  # seconds since 1970
        self.in_parts = in_parts  # as StoredObject has it: not so, each write is read back
        self.index = LogIndex()
        self.run = f"{random.getrandbits(48):012x}"
        self.written = 0  # rows that this run has in the log
        self._listing = Listing(objects.s3, objects.bucket)
        self._others = 0.0  # estimate of how many other servers append: the conflicts of one append, forgotten slowly
        self._wanted: set[str] = set()  # ids of the requests in hand ...
        self._logged: dict[str, str] = {}  # ... and the answers that the log has for them
        self._known_since = math.inf  # what was written from then on is in the index (epoch seconds)
        self._unread: list[Segment] = []  # the last segment of each day that is not read from there on back
        self._open_end()

    def append(self, rows: Sequence[LogRow], since: float) -> list[str]:
        """Log each request once; return the answer that the log has for it when all are durable.

        None of them was logged before `since` (epoch seconds). Raises what botocore raises, and NoRoom.
        """
        self._forget_idle()
        self._read_back(since)
        self._refused = 0
        self._wanted = {row.id for row in rows}
        self._logged = {}
        if self._others >= 1:
            self._refresh()  # they have very likely written since our last append
        self._look_up(since)
        for portion in _portions(rows):
            self._append(portion)
        self._others = max(self._others, self._refused) if self._refused else 0.9 * self._others
        return [self._logged[row.id] for row in rows]

    @property
    def gather(self) -> float:
        """The seconds to wait under load, so that the rows of many requests go into one write (group commit).

        A write costs 12 times a receive.
        """
        return max(GATHER_S, min(LONGEST_S, 3 * self._object.took))

    @property
    def turn(self) -> float:
        """The seconds to wait before the next append, so that other servers have their turn.

        One that met a conflict needs two calls, and must not be late every time. The more servers there are, the more
        rows each gathers for a write, which is why more servers don't make more calls a request.
        """
        return min(LONGEST_TURN_S, (1 + TURN * self._others) * min(LONGEST_S, self._object.took))

    # ---- the end of the sequence ------------------------------------------------------------------

    def _open_end(self) -> None:
        days = self._listing.days()
        if not days:
            self._begin()
            return
        last = self._listing.last(days[-1])
        self._unread = [Segment(day, 0) for day in days[:-1]]
        self._go_to(segment_of(last["Key"]) if last else Segment(days[-1], 1))
        self._object.refresh(exists=last is not None)
        if self._segment.number > 1:
            self._unread.append(Segment(self._segment.day, self._segment.number - 1))

    def _begin(self) -> None:
        """Begin the sequence: one conditional write says which day is the first."""
        start = _SegmentCodec(self, Segment("", 1))
        AppendObject(self._stored(f"{LOG_PREFIX}start.jsonl"), start).append([Closing("", date_of(self.clock()))])
        self._go_to(Segment(start.next_day, 1))
        self._object.refresh()

    def _append(self, rows: Sequence[LogRow]) -> None:
        for attempt in count(1):
            self._go_on()
            today = date_of(self.clock())
            is_over = self._segment.day < today and bool(self.missing(rows))
            outcome = self._object.try_append([Closing(self._segment.day, today)] if is_over else rows)
            if outcome is Outcome.CONFLICT:
                self._refused += 1
                if not self._is_complete:
                    time.sleep(conflict_backoff(attempt))
                elif attempt > 1:  # the next segment may be new: once, a PUT finds out sooner than a LIST
                    self._refresh()
            elif not is_over:
                return

    @property
    def _is_complete(self) -> bool:
        """Whether nothing may be added to the segment any more."""
        return self._object.size >= SEALED_BYTES or self._codec.next_day != ""

    def _go_on(self) -> None:
        """Continue behind a segment that is complete, on the assumption that nobody has written there yet."""
        if self._is_complete:
            self._go_to(self._following(), seal(self._object.start(self._object.size)))

    def _following(self) -> Segment:
        return Segment(self._codec.next_day, 1) if self._codec.next_day else self._segment.next

    def _go_to(self, segment: Segment, previous: str = "") -> None:
        """Continue with a segment; `previous` is the seal of the one before it, '' if that was not read."""
        self._segment = segment
        self._codec = _SegmentCodec(self, segment, previous)
        self._object = AppendObject(self._stored(segment.key), self._codec)
        self._object.assume_new()

    def _stored(self, key: str) -> StoredObject:
        return StoredObject(self.objects.s3, self.objects.bucket, key, self.in_parts)

    def _refresh(self) -> None:
        """Read what others have written to newer segments than ours, and continue with the newest."""
        while self._is_complete:
            following = self._following()
            newer = self._listing.after(Segment(following.day, following.number - 1))
            if not newer:
                return
            is_sealed = newer[-1]["Size"] >= SEALED_BYTES
            next_day, body = "", b""
            for segment, body in self._bodies([each["Key"] for each in (newer if is_sealed else newer[:-1])]):
                next_day = self.learn(segment, body)  # first: what can't be read must not count as known
            last = segment_of(newer[-1]["Key"])
            if is_sealed:
                self._go_to(Segment(next_day, 1) if next_day else last.next, seal(body))
                return
            self._go_to(last)
            self._object.refresh(exists=True)

    # ---- what is known ----------------------------------------------------------------------------

    def learn(self, segment: Segment, body: bytes) -> str:
        """Note what was read of a segment; return the day that a closing row in it names, '' if there is none."""
        next_day = ""
        ids = []
        run = self.run.encode()
        for line in body.split(b"\n"):
            id = quick_id(line)
            if id and id not in self._wanted and run not in line:
                ids.append(id)  # perhaps it is no row, and then a look at it later says so
                continue
            decoded = decode_line(line)
            if isinstance(decoded, Closing):
                next_day = decoded.next
            elif decoded:
                ids.append(decoded.id)
                if decoded.id in self._wanted:
                    self._logged.setdefault(decoded.id, decoded.answer)
                if decoded.run == self.run:
                    self.written = max(self.written, decoded.number)
        self.index.add(segment, ids)
        return next_day

    def wrote(self, segment: Segment, rows: Sequence[LogRow]) -> None:
        """Note rows of ours that are durable now."""
        self.index.add(segment, [row.id for row in rows])
        self.written += len(rows)
        self._logged.update((row.id, row.answer) for row in rows)

    def forget(self, rows: Sequence[LogRow]) -> None:
        """Forget that rows of ours were written: perhaps the store has lost them. Those of earlier appends count on."""
        lost = [row.id for row in rows if self._logged.pop(row.id, None)]
        self.written -= len(lost)

    def missing(self, rows: Sequence[LogRow]) -> list[LogRow]:
        """Return the rows whose requests are not logged, each request's first one."""
        first: dict[str, LogRow] = {}
        for row in rows:
            if row.id not in self._logged:
                first.setdefault(row.id, row)
        return list(first.values())

    def _look_up(self, since: float) -> None:
        """Read the answers of the requests in hand that are logged already."""
        for _, body in self._bodies([segment.key for segment in sorted(self.index.find(self._wanted, since))]):
            for line in decode_lines(body):
                if isinstance(line, LoggedRow) and line.id in self._wanted:
                    self._logged.setdefault(line.id, line.answer)

    def _read_back(self, since: float) -> None:
        """Read what was written at `since` (epoch seconds) or later and before what is known."""
        while since < self._known_since and self._unread:
            last = self._unread[-1]
            if last.number == 0:  # a whole day, whose end is not looked up yet
                entry = self._listing.last(last.day)
                last = segment_of(entry["Key"]) if entry else last
            first = self._listing.first_written(last, since) if last.number else 1
            for segment, body in self._bodies([Segment(last.day, n).key for n in range(first, last.number + 1)]):
                self.learn(segment, body)
            if first > 1:
                self._unread[-1] = Segment(last.day, first - 1)
                break
            self._unread.pop()
        self._known_since = min(self._known_since, since)

    def _forget_idle(self) -> None:
        """Forget a day that nobody asked for; it is read back if somebody does."""
        if day := self.index.forget_idle(self._segment.day):
            if self._unread and self._unread[-1].day == day.day:
                self._unread.pop()
            self._unread.append(Segment(day.day, 0))
            self._known_since = max(self._known_since, day.ends)

    def _bodies(self, keys: Sequence[str]) -> Iterator[tuple[Segment, bytes]]:
        for key, body in bodies(self.objects, keys):
            yield segment_of(key), body


class _SegmentCodec:
    """The lines of one segment, for AppendObject: what is read and written of it goes to the log."""

    def __init__(self, log: RequestLog, segment: Segment, previous: str = "") -> None:
        self.log = log
        self.segment = segment
        self.previous = previous  # the seal of the segment before
        self.next_day = ""  # as a closing row in the segment says
        self._written: list[LogRow] = []  # by us

    def replace(self, body: bytes) -> None:
        self.log.forget(self._written)
        self.next_day = self.log.learn(self.segment, body)

    def add(self, body: bytes) -> None:
        self.next_day = self.log.learn(self.segment, body) or self.next_day

    def wrote(self, items: Sequence[Item]) -> None:
        for closing in _closings(items):
            self.next_day = closing.next
        self._written += _rows(items)
        self.log.wrote(self.segment, _rows(items))

    def missing(self, items: Sequence[Item]) -> list[Item]:
        closings = [] if self.next_day else _closings(items)
        return [*closings, *self.log.missing(_rows(items))]

    def encode(self, items: Sequence[Item], size: int, end: bytes) -> bytes:
        end_line = b"\n" if size and not end.endswith(b"\n") else b""
        rows = [row.line(self.log.run, number) for number, row in enumerate(_rows(items), self.log.written + 1)]
        lines = [*rows, *(closing.line() for closing in _closings(items))]
        if not size and self.previous:
            lines[0] = link(lines[0], self.previous)
        return b"".join([end_line, *lines])


def _rows(items: Sequence[Item]) -> list[LogRow]:
    return [item for item in items if isinstance(item, LogRow)]


def _closings(items: Sequence[Item]) -> list[Closing]:
    return [item for item in items if isinstance(item, Closing)]


def _portions(rows: Sequence[LogRow]) -> Iterator[list[LogRow]]:
    portion: list[LogRow] = []
    size = 0
    for row in rows:
        if portion and size + len(row.head) > MAX_WRITE_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += len(row.head)
    yield portion

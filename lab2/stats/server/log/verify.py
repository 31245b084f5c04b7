"""Is the log as the servers wrote it? Answers are computed once more, rows counted, seals of segments compared."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

from lab2.aws.resources import LOG_PREFIX
from lab2.aws.session import AwsSession
from lab2.errors import UserError
from lab2.stats.protocol import answer_request, encode_answer
from lab2.stats.server.log.reader import LogFields, LogLine, decode_fields, lines_of, read_bodies
from lab2.stats.server.log.row import is_erased
from lab2.stats.server.log.segments import seal
from lab2.terminal import counted, printable

FAULTS = ("wrong", "duplicate", "truncated", "missing")


def verify(aws: AwsSession, day: str = "") -> int:
    """Print every row of the log of a day ('': of all days) that is wrong, duplicate, truncated or missing.

    Return how many such rows and changed segments there are. Each run of a server numbers its rows from 1: a number
    that is not there is a row that the store has lost. Of a single day only what is missing between two rows of a run
    is known.
    """
    rows, chain, runs = _Rows(), _Chain(), _Runs(whole=not day)
    for key, body in read_bodies(aws, day):
        lines = list(lines_of(key, body))
        chain.check(key, body, lines)
        runs.count(lines)
        rows.check(lines)
    if not chain.before:
        raise UserError(
            f"There is no log under s3://{aws.bucket}/{LOG_PREFIX}{day}. Days are written like 2026-11-23, in UTC."
        )
    found = rows.found
    total = found.total()
    found["missing"] = runs.missing()
    faults = ", ".join(f"{found[fault]:,} {fault}" for fault in FAULTS)
    print(f"{counted(total, 'row')}: {found['']:,} correct, {faults}")
    if chain.changed:
        print(f"{counted(chain.changed, 'segment')} not as sealed by a server")
    return found.total() - found[""] + chain.changed


class _Rows:
    """The rows, each by itself: `found` has how many have which fault, and under '' how many have none."""

    def __init__(self) -> None:
        self.found = Counter[str]()
        self._ids = set[str]()

    def check(self, lines: list[LogLine]) -> None:
        for place, row in lines:
            if is_erased(row):
                continue
            fault = self._fault(row)
            self.found[fault] += 1
            if fault:
                print(f"{printable(place)}: {fault}")

    def _fault(self, row: LogFields | None) -> str:
        if not row or not all(isinstance(row.get(name), str) for name in ("time", "id", "client", "request")):
            return "truncated"
        if row["id"] in self._ids:
            return "duplicate"
        self._ids.add(row["id"])
        right = json.loads(encode_answer(answer_request(row["id"], row["request"])))
        return "" if row.get("answer") == right else "wrong"


class _Runs:
    """The numbers of the rows that each run of a server wrote, from 1 if the `whole` log is read."""

    def __init__(self, whole: bool) -> None:
        self._whole = whole
        self._numbers = defaultdict[str, set[int]](set)

    def count(self, lines: list[LogLine]) -> None:
        for _, row in lines:
            if row and isinstance(number := row.get("row"), int):
                self._numbers[str(row.get("run"))].add(number)

    def missing(self) -> int:
        """Print which runs lack rows; return how many rows."""
        total = 0
        for run, present in self._numbers.items():
            first = 1 if self._whole else min(present)
            if missing := max(present) + 1 - first - len(present):
                total += missing
                rows = counted(missing, "row")
                print(f"{rows} that a server wrote (run {printable(run)}) missing: the store lost them")
        return total


class _Chain:
    """The segments: the first line of each has the seal of the one before (hash chain)."""

    def __init__(self) -> None:
        self.changed = 0
        self.before = ""  # the key of the segment before
        self._seal = ""
        self._is_erased = False  # whether an administrator erased rows in it, which changes it

    def check(self, key: str, body: bytes, lines: list[LogLine]) -> None:
        first = decode_fields(body.partition(b"\n")[0]) or {}
        if self.before and first.get("previous", self._seal) != self._seal and not self._is_erased:
            self.changed += 1
            print(f"{printable(self.before)}: changed since a server sealed it, or what came next is missing")
        self.before = key
        self._seal = seal(body)
        self._is_erased = any(is_erased(fields) for _, fields in lines)

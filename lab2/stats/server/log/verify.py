"""Is every row of the log right, and is each there? Answers are computed once more, and every server's rows counted."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

from lab2.aws.resources import LOG_PREFIX
from lab2.aws.session import AwsSession
from lab2.errors import UserError
from lab2.stats.protocol import answer_request, encode_answer
from lab2.stats.server.log.reader import LogFields, read_log
from lab2.stats.server.log.row import is_erased
from lab2.terminal import counted, printable

FAULTS = ("wrong", "duplicate", "truncated", "missing")


def verify(aws: AwsSession, day: str = "") -> int:
    """Print every row of the log of a day ('': of all days) that is wrong, duplicate, truncated or missing.

    Return how many. Each run of a server numbers its rows from 1: a number that is not there is a row that the store
    has lost. Of a single day only what is missing between two of a run's rows is known.
    """
    found: Counter[str] = Counter()
    seen: set[str] = set()
    numbers: dict[str, set[int]] = defaultdict(set)
    for place, row in read_log(aws, day):
        if row and isinstance(number := row.get("row"), int):
            numbers[str(row.get("run"))].add(number)
        if not is_erased(row):
            fault = _fault(row, seen)
            found[fault] += 1
            if fault:
                print(f"{printable(place)}: {fault}")
    if not found and not numbers:
        raise UserError(
            f"There is no log under s3://{aws.bucket}/{LOG_PREFIX}{day}. Days are written like 2026-11-23, in UTC."
        )
    rows = found.total()
    for run, present in numbers.items():
        first = min(present) if day else 1
        if missing := max(present) + 1 - first - len(present):
            found["missing"] += missing
            print(f"{counted(missing, 'row')} that a server wrote (run {printable(run)}) missing: the store lost them")
    faults = ", ".join(f"{found[fault]:,} {fault}" for fault in FAULTS)
    print(f"{counted(rows, 'row')}: {found['']:,} correct, {faults}")
    return found.total() - found[""]


def _fault(row: LogFields | None, seen: set[str]) -> str:
    """Return what is wrong with a row, '' for nothing; `seen` are the ids of the rows before it."""
    if not row or not all(isinstance(row.get(name), str) for name in ("time", "id", "client", "request")):
        return "truncated"
    if row["id"] in seen:
        return "duplicate"
    seen.add(row["id"])
    right = json.loads(encode_answer(answer_request(row["id"], row["request"])))
    return "" if row.get("answer") == right else "wrong"

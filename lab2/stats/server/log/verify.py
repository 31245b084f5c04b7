"""Is every row of the log right? Every answer is computed once more."""

from __future__ import annotations

import json
from collections import Counter

from lab2.aws.resources import LOG_PREFIX
from lab2.aws.session import AwsSession
from lab2.errors import UserError
from lab2.stats.protocol import answer_request, encode_answer
from lab2.stats.server.log.reader import LogFields, read_log
from lab2.terminal import counted, printable


def verify(aws: AwsSession, day: str = "") -> int:
    """Print every row of the log of a day ('': of all days) that is wrong, twice or torn; return how many."""
    found: Counter[str] = Counter()
    seen: set[str] = set()
    for place, row in read_log(aws, day):
        fault = _fault(row, seen)
        found[fault] += 1
        if fault:
            print(f"{printable(place)}: {fault}")
    if not found:
        raise UserError(
            f"There is no log under s3://{aws.bucket}/{LOG_PREFIX}{day}. Days are written like 2026-11-23, in UTC."
        )
    faults = ", ".join(f"{found[fault]:,} {fault}" for fault in ("wrong", "twice", "torn"))
    print(f"{counted(found.total(), 'row')}: {found['']:,} right, {faults}")
    return found.total() - found[""]


def _fault(row: LogFields | None, seen: set[str]) -> str:
    """Return what is wrong with a row, '' for nothing; `seen` are the ids of the rows before it."""
    if not row or not all(isinstance(row.get(name), str) for name in ("time", "id", "client", "request")):
        return "torn"
    if row["id"] in seen:
        return "twice"
    seen.add(row["id"])
    right = json.loads(encode_answer(answer_request(row["id"], row["request"])))
    return "" if row.get("answer") == right else "wrong"

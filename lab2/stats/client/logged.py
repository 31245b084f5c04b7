"""Answers that are in the log but did not come: another program may take them from the answer queue."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from lab2.aws.failures import user_errors
from lab2.aws.resources import ANSWER_QUEUE, LOG_PREFIX
from lab2.aws.session import AwsSession
from lab2.errors import InvalidInput, UserError
from lab2.stats.client.requests import OVERDUE_S, Request
from lab2.stats.protocol import Answer, decode_answer_fields
from lab2.stats.server.log.reader import day_of, read_segments
from lab2.stats.server.log.segments import objects

TAKEN = f"another program reads the queue {ANSWER_QUEUE} and takes answers that are not its own"
CROWDED = f"the queue {ANSWER_QUEUE} is full of answers to others"
MAX_SKEW_S = 900.0  # by which clocks may differ
SETTLED_S = 5.0  # for which an answer may be on its way after its row was written
MAX_SEGMENTS = 64  # of the end of the log that are read


class Logged(NamedTuple):
    """What the log has."""

    answers: dict[str, Answer]  # by id: those that should have come by now
    more: bool  # others are on their way


def look_in_log(aws: AwsSession, requests: Sequence[Request]) -> Logged | None:
    """Return what the log has of these requests; None if it can't be read, perhaps for lack of permissions."""
    times = [request.first_sent for request in requests]
    days = sorted({day_of(datetime.fromtimestamp(seconds, timezone.utc)) for seconds in (*times, time.time())})
    answers: dict[str, Answer] = {}
    more = False
    try:
        with user_errors("the log"):
            entries = [entry for day in days for entry in objects(aws.s3, aws.bucket, f"{LOG_PREFIX}{day}/")]
            entries = [entry for entry in entries if entry["LastModified"].timestamp() > min(times) - MAX_SKEW_S]
            ids = {request.id for request in requests}
            for line in read_segments(aws, entries[-MAX_SEGMENTS:]):
                fields = line.fields or {}
                if fields.get("id") in ids:
                    if _age_s(fields.get("time")) < SETTLED_S:
                        more = True
                    else:
                        answers[fields["id"]] = decode_answer_fields(fields.get("answer"))
    except (UserError, InvalidInput):
        return None
    return Logged(answers, more)


def why_in_log(crowded_at: float) -> str:
    """Return why a logged answer has not come; others' answers last came at `crowded_at` (monotonic seconds)."""
    return CROWDED if time.monotonic() - crowded_at < OVERDUE_S else TAKEN


def _age_s(timestamp: object) -> float:
    try:
        return time.time() - datetime.fromisoformat(str(timestamp).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0

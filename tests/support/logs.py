"""Rows in the log as a server writes them, on any day that is not before the last one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from support.world import World

from lab2.stats.server.log.request_log import RequestLog
from lab2.stats.server.log.row import Closing, LogRow


def log_of(world: World, day: str) -> RequestLog:
    """Return the log as a server has it that was started at noon of a day."""
    noon = datetime.strptime(day, "%Y-%m-%d").replace(hour=12, tzinfo=timezone.utc).timestamp()
    return RequestLog(world.aws.whole_objects, lambda: noon)


def log_rows(world: World, day: str, rows: Sequence[LogRow]) -> None:
    """Have a server that was just started log these rows, in one write."""
    log_of(world, day).append(rows, since=0.0)


def begin_log(world: World, days_ago: int = 0) -> None:
    """Have a log whose first day is today, or so many days ago, and has no row yet."""
    day = f"{datetime.now(timezone.utc) - timedelta(days=days_ago):%Y-%m-%d}"
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key="log/start.jsonl", Body=Closing("", day).line())

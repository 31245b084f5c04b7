"""The idempotency window: how far back a request is looked for by its id."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

WINDOW_S = 48 * 3600  # within which requests of one id are one request, however the id looks
CLOCK_ERROR_S = 15 * 60  # that a clock may be wrong: AWS refuses requests that are signed by a worse one
RETENTION_S = 14 * 86_400  # for which SQS keeps a message at most

_TIMED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def first_logged(id: str, sent: float, own: bool) -> float:
    """Return the time (epoch seconds) before which a request was not logged, to be looked for since then.

    `sent` is when its message was sent; `own` says that no other message can have its id. An id that starts with the
    time (UTC) at which it was made, as our client's do, says itself how far back to look.
    """
    if own:
        return sent - CLOCK_ERROR_S
    made = _made(id[:20])
    if made is not None and sent - WINDOW_S <= made <= sent + CLOCK_ERROR_S:
        return min(made, sent) - CLOCK_ERROR_S
    return sent - WINDOW_S - CLOCK_ERROR_S


def first_sent(sent: float, attribute: str) -> float:
    """Return when a request was first sent, as the `sent` attribute of a dead letter put back says; or `sent`."""
    if not attribute:
        return sent
    try:
        first = float(attribute)
    except ValueError:
        return sent
    return first if sent - RETENTION_S <= first <= sent else sent


def day_ends(day: str) -> float:
    """Return the time (epoch seconds) by which all writes to a day had begun, whatever the servers' clocks showed."""
    midnight = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=timezone.utc) + timedelta(days=1)
    return midnight.timestamp() + 2 * CLOCK_ERROR_S


@lru_cache
def _made(start: str) -> float | None:
    """Return the time that the start of an id says, None if it says none; many ids are of one second."""
    if not _TIMED.fullmatch(start):
        return None
    try:
        return datetime.fromisoformat(f"{start[:19]}+00:00").timestamp()
    except ValueError:
        return None

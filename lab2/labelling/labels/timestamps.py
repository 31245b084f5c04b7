"""Timestamps of labels: how we write them, and how other programs do."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

BEFORE_ALL = datetime.min.replace(tzinfo=timezone.utc)

_CLOCK = r"(?P<hour>\d{1,2}):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
_ZONE = r"(?P<zone>Z|UTC|GMT|(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>\d\d)(?::?\d\d)?)?)"
_FORMS = [
    re.compile(rf"{date}(?:(?:T|,? +){_CLOCK} *(?P<half>[AP]\.?M\.?)? *{_ZONE}?)?", re.ASCII | re.IGNORECASE)
    for date in (
        r"(?P<year>\d{4})(?P<mark>[-/.]?)(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
        r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})",
        r"(?P<first>\d{1,2})(?P<mark>[-/])(?P<then>\d{1,2})(?P=mark)(?P<year>\d{4})",
    )
]


def parse_time(text: str) -> datetime | None:
    """Return a timestamp as a time in UTC; None if it is none, or ambiguous.

    It may have any form that programs write: ISO 8601 with up to nine digits of a second and any form of offset
    (without one it is UTC), or a spreadsheet's day and month, if the numbers make their order clear.
    """
    for form in _FORMS:
        if match := form.fullmatch(text.strip()):
            try:
                return _time_of(match.groupdict())
            except (ValueError, OverflowError):
                return None
    return None


def _time_of(part: dict[str, str | None]) -> datetime | None:
    number = {name: int(text) for name, text in part.items() if text and text.isdecimal()}
    if "first" in number:
        first, then = number["first"], number["then"]
        if first <= 12 and then <= 12 and first != then:
            return None  # day and month, or month and day?
        number["day"], number["month"] = (first, then) if then <= 12 else (then, first)
    hour = number.get("hour", 0)
    if half := part["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (half[0] in "pP")
    microsecond = int((part["fraction"] or "")[:6].ljust(6, "0"))
    time = datetime(
        number["year"],
        number["month"],
        number["day"],
        hour,
        number.get("minute", 0),
        number.get("second", 0),
        microsecond,
        timezone.utc,
    )
    offset = timedelta(hours=number.get("hours", 0), minutes=number.get("minutes", 0))
    return time + offset if part["sign"] == "-" else time - offset


def format_time(time: datetime) -> str:
    """Return a time as a timestamp of the label file: ISO 8601 in UTC with milliseconds."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Clock:
    """Timestamps that never repeat, so that image, annotator and timestamp identify a row."""

    def __init__(self) -> None:
        self._last = BEFORE_ALL

    def stamp(self) -> str:
        """Return the time now, or a millisecond after the last stamp if that is later."""
        now = datetime.now(timezone.utc)
        self._last = max(now, self._last + timedelta(milliseconds=1))
        return format_time(self._last)

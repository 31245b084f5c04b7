"""A label: a person's judgement of an image."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone


@dataclass(frozen=True, slots=True)
class Label:
    """A judgement: `label` is 1 for a hot dog, else 0; `timestamp` is ISO 8601 in UTC to the ms; `seconds` it took."""

    image: str
    label: str
    annotator: str = ""
    timestamp: str = ""
    seconds: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.image, self.annotator, self.timestamp


Votes = dict[str, dict[str, Label]]  # image → annotator → the label that counts


class Clock:
    """Time stamps that are never the same twice, so that each row is its own identity."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=timezone.utc)

    def stamp(self) -> str:
        now = datetime.now(timezone.utc)
        self._last = max(now, self._last + timedelta(milliseconds=1))
        return self._last.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def count_labels(count: int) -> str:
    return f"{count:,} label{'s' * (count != 1)}"


def clean_name(name: str) -> str:
    """Return a person's name as it may stand in a row: one line, no control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in name).split())[:100]

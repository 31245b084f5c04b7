"""What somebody should check in a label file: rows that can't be read, and names that a program has changed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

from lab2.aws.resources import LABEL_KEY
from lab2.labelling.labels.choices import BY_VALUE
from lab2.labelling.labels.label_row import Label
from lab2.terminal import printable

MAX_NAMED = 10  # rows that are named by their lines
MAX_EXAMPLE_LENGTH = 60  # characters of a row that are shown

_MISSING = {"na", "n/a", "nan", "<na>", "#n/a", "#na", "null", "none", "nil"}  # to pandas, R and DuckDB
_TRUTHS = {"t": "true", "true": "true", "yes": "true", "f": "false", "false": "false", "no": "false"}
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|january|february|march|april|june|july|august)"
_DATE = re.compile(
    rf"\d{{1,4}}[-/.]\d{{1,2}}([-/.]\d{{1,4}})?|\d{{1,4}}[-/. ]?{_MONTH}([-/. ]?\d{{1,4}})?|{_MONTH}[-/. ]?\d{{1,4}}",
    re.ASCII | re.IGNORECASE,
)
_OUR_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_OUR_SECONDS = re.compile(r"(\d+\.\d\d)?", re.ASCII)


@cache  # asked for each row of a file, with few names
def is_changeable(name: str) -> bool:
    """Return whether spreadsheets or data frames take a name for a number, a date, a truth value or a missing one."""
    word = name.casefold()
    return word in _MISSING or word in _TRUTHS or bool(_NUMBER.fullmatch(word) or _DATE.fullmatch(word))


def same_to_a_spreadsheet(names: Iterable[str]) -> list[list[str]]:
    """Return the groups of different names that a spreadsheet turns into the same number or truth value."""
    groups: dict[str | float, list[str]] = {}
    for name in sorted(names):
        if word := _TRUTHS.get(name.casefold()):
            groups.setdefault(word, []).append(name)
        elif _NUMBER.fullmatch(name):
            with suppress(ValueError):
                groups.setdefault(float(name.replace(",", ".")), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


@dataclass
class Rows:
    """The rows that a sentence is about: how many, the first line numbers, and an example."""

    count: int = 0
    lines: list[int] = field(default_factory=list)
    example: str = ""

    def add(self, line: int, example: str) -> None:
        if not self:
            self.example = printable(example[:MAX_EXAMPLE_LENGTH])
        self.count += 1
        if self.count <= MAX_NAMED:
            self.lines.append(line)

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        more = f" and {self.count - MAX_NAMED:,} more" if self.count > MAX_NAMED else ""
        return f"line{'s' * (self.count > 1)} {', '.join(map(str, self.lines))}{more}"

    def verb(self, one: str, several: str) -> str:
        """Return the form of a verb for this number of rows."""
        return one if self.count == 1 else several


@dataclass
class Doubts:
    """The doubtful rows of a label file, and the names of all annotators in it."""

    annotators: set[str] = field(default_factory=set)
    unclear: Rows = field(default_factory=Rows)
    untimed: Rows = field(default_factory=Rows)
    tied: Rows = field(default_factory=Rows)
    nameless: Rows = field(default_factory=Rows)
    changed: Rows = field(default_factory=Rows)

    def note(self, line: int, label: Label, is_tied: bool = False) -> None:
        """Take in a row that was understood; `is_tied`: a row above has the same time and another label."""
        name = label.annotator
        self.annotators.add(name)
        if label.timestamp and not label.time:
            self.untimed.add(line, label.timestamp)
        if is_tied and not _OUR_TIME.fullmatch(label.timestamp):
            self.tied.add(line, label.timestamp)
        if not name:
            self.nameless.add(line, label.image)
        elif is_changeable(name) and not (
            _OUR_TIME.fullmatch(label.timestamp) and _OUR_SECONDS.fullmatch(label.seconds)
        ):
            self.changed.add(line, name)

    def sentences(self) -> list[str]:
        """Return a sentence for each kind of doubt that there is."""
        found = []
        if rows := self.unclear:
            found.append(
                f"{rows} can't be understood and {rows.verb('is', 'are')} not counted ({rows.example}). "
                f"A row needs an image and a label, {' or '.join(BY_VALUE)}."
            )
        if rows := self.untimed:
            found.append(
                f"the time of {rows} can't be read ({rows.example}), so {rows.verb('it counts', 'they count')} as "
                "being as new as the newest row above. Write times like 2026-11-28T09:00:00Z."
            )
        if rows := self.tied:
            found.append(
                f"{rows} {rows.verb('has', 'have')} the same time ({rows.example}) as another label of the same "
                "picture and annotator, so the lower row counts. Another program may have shortened times and sorted "
                "rows."
            )
        if rows := self.nameless:
            found.append(f"{rows} {rows.verb('has', 'have')} no annotator; labels without one count as one person's.")
        if rows := self.changed:
            found.append(
                f"another program saved {rows} and may have changed the annotator's name ({rows.example}), as "
                "spreadsheets make 12 of 0012. Compare it with an older version of the file."
            )
        for group in same_to_a_spreadsheet(self.annotators):
            names = " and ".join(map(printable, group[:3]))
            found.append(f"{names} count as different annotators. If they are one, a spreadsheet changed the name.")
        return [f"{LABEL_KEY}: {sentence}" for sentence in found]

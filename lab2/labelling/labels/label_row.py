"""A label, which is one annotator's judgement of an image; which labels count."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lab2.labelling.labels.choices import WITHDRAWN
from lab2.labelling.labels.timestamps import BEFORE_ALL, parse_time
from lab2.terminal import is_shown


@dataclass(frozen=True, slots=True)
class Label:
    """A judgement: `label` is the value of a choice, `timestamp` ISO 8601 in UTC with ms, `seconds` what it took."""

    image: str
    label: str
    annotator: str = ""
    timestamp: str = ""
    seconds: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.image, self.annotator, self.timestamp

    @property
    def time(self) -> datetime | None:
        """The timestamp as a time in UTC; None if it is missing or can't be read."""
        return parse_time(self.timestamp)

    @property
    def duration(self) -> float | None:
        """The seconds that the picture was on the screen, None if that is not a number."""
        text = self.seconds.replace(",", ".")  # Excel saves a decimal comma in many locales
        return float(text) if text.replace(".", "", 1).isdecimal() else None


Votes = dict[str, dict[str, Label]]  # image → annotator → the label that counts


class LabelOrder:
    """Which label of an image and annotator counts: the one with the latest timestamp; of equal ones, the later row.

    So a label that was given offline and sent later is not taken for the newest. A row without a readable timestamp,
    such as one typed into a spreadsheet, counts as being as new as the newest row above it.
    """

    def __init__(self) -> None:
        self._newest = BEFORE_ALL
        self._assumed: dict[tuple[str, str], datetime] = {}  # (image, annotator) → time of a label without one

    def count(self, votes: Votes, label: Label) -> bool:
        """Enter the next row of the file into `votes` if it counts; return whether that is only because it is lower."""
        known = label.time
        time = known or self._newest
        self._newest = max(self._newest, time)
        pair = label.image, label.annotator
        given = votes.setdefault(label.image, {})
        earlier = given.get(label.annotator)
        if earlier and time < (earlier.time or self._assumed[pair]):
            return False
        given[label.annotator] = label
        if known is None:
            self._assumed[pair] = time
            return False
        return earlier is not None and known == earlier.time and label.label != earlier.label


def without_withdrawn(votes: Votes) -> Votes:
    """Return the votes without the labels that their annotators took back."""
    return {
        image: {name: label for name, label in labels.items() if label.label != WITHDRAWN}
        for image, labels in votes.items()
    }


def by_image(votes: Votes, images: Iterable[str]) -> Votes:
    """Return the votes under the names of the images; under their own names if there is no such image."""
    labelled = list(votes)
    names = names_in_bucket(labelled, set(images))
    if names == labelled:
        return votes
    found: Votes = {}
    for name, labels in zip(names, votes.values(), strict=True):
        given = found.setdefault(name, {})
        for annotator, label in labels.items():
            if annotator not in given or (label.time or BEFORE_ALL) >= (given[annotator].time or BEFORE_ALL):
                given[annotator] = label
    return found


def names_in_bucket(labelled: list[str], names: set[str]) -> list[str]:
    """Return the names of labelled images, each as in the bucket.

    Spreadsheets and Macs may compose or decompose accents in the label file, and drop spaces around a name. If no image
    has exactly that name, the one that differs only in these ways is meant.
    """
    if names.issuperset(labelled):
        return labelled
    alike = {plain_name(name): name for name in names}
    return [name if name in names else alike.get(plain_name(name), name) for name in labelled]


def plain_name(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def clean_name(name: str) -> str:
    """Return a name for a row: one line of at most 100 printable characters, accents composed."""
    shown = "".join(char if is_shown(char) else " " for char in unicodedata.normalize("NFC", name))
    return " ".join(shown.split())[:100].strip()

"""A label: a person's judgement of an image."""

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
    """A judgement: `label` is a choice's value; `timestamp` is ISO 8601 in UTC with ms; `seconds` what it took."""

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
        """The time in the timestamp, in UTC; None if that is missing or can't be read."""
        return parse_time(self.timestamp)

    @property
    def duration(self) -> float | None:
        """The seconds that the picture was on the screen, None if they are not a number."""
        text = self.seconds.replace(",", ".")  # Excel saves a decimal comma in many locales
        return float(text) if text.replace(".", "", 1).isdecimal() else None


Votes = dict[str, dict[str, Label]]  # image → annotator → the label that counts


class LabelOrder:
    """Which label of an image and annotator counts: the one with the latest timestamp, of equal ones the later row.

    A label that was made offline and sent later is thus never mistaken for the newest. A row without a readable
    timestamp, such as one that was typed into a spreadsheet, counts as being as new as the newest row above it.
    """

    def __init__(self) -> None:
        self._newest = BEFORE_ALL
        self._assumed: dict[tuple[str, str], datetime] = {}  # (image, annotator) → time of a label without one

    def count(self, votes: Votes, label: Label) -> bool:
        """Enter the next row of the file into `votes` if it counts; return whether only its place says that it does."""
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
    """Return the votes under the names that the images have.

    A label file that went through a spreadsheet or a Mac may write a name with composed or decomposed accents, and
    without the spaces round it; if no image has the very name, the one that differs in this only is meant.
    """
    exact = set(images)
    if votes.keys() <= exact:
        return votes
    alike = {plain_name(name): name for name in exact}
    found: Votes = {}
    for image, labels in votes.items():
        name = image if image in exact else alike.get(plain_name(image), image)
        given = found.setdefault(name, {})
        for annotator, label in labels.items():
            if annotator not in given or (label.time or BEFORE_ALL) >= (given[annotator].time or BEFORE_ALL):
                given[annotator] = label
    return found


def plain_name(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def clean_name(name: str) -> str:
    """Return a person's name fit for a row: one line of at most 100 shown characters, accents composed."""
    shown = "".join(char if is_shown(char) else " " for char in unicodedata.normalize("NFC", name))
    return " ".join(shown.split())[:100].strip()

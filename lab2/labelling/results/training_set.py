"""Which pictures make a training set: the label that the votes give each, its split, and its file name."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from lab2.errors import UserError
from lab2.labelling.labels.choices import CHOICES
from lab2.labelling.labels.label import Label, Votes, by_image
from lab2.labelling.pictures.image_store import Image, named_digest
from lab2.labelling.results.report import Verdict, verdict_of
from lab2.terminal import is_shown

TIED = "tied"
CLASS_OF = {None: TIED} | {choice.value: choice.folder for choice in CHOICES}
CLASSES = tuple(choice.folder for choice in CHOICES)
TIES = ("skip", "first", "folder")
SPLITS = ("train", "validation", "test")

MAX_NAME_BYTES = 180  # of a file name, below what any file system takes
_NOT_ON_WINDOWS = '<>:"/\\|?*'
_LAST = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Example:
    """A picture of the training set: its class, the labels given, and the share of them that agree with the majority.

    `names` are the file names that it may have: the first one if its content is what the name in the bucket says.
    """

    image: Image
    label: str
    given: tuple[Label, ...]
    agreement: float
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The examples, in the order of their images, and how many pictures are left out for which reason."""

    examples: list[Example]
    ties: int
    few_votes: int
    gone: int

    @classmethod
    def of(cls, images: Iterable[Image], votes: Votes, min_votes: int = 1, ties: str = "skip") -> TrainingSet:
        """Return the training set of the images with so many votes; `ties` says what becomes of those with a tie."""
        images = sorted(images, key=lambda image: image.name)
        votes = by_image(votes, (image.name for image in images))
        own_names = Counter(_folded(safe_name(image.name)) for image in images)
        verdicts = {image: verdict_of(image.name, votes.get(image.name, {}).values()) for image in images}
        enough = [image for image in images if verdicts[image].labels >= max(1, min_votes)]
        examples = []
        for image in enough:
            label, given = verdicts[image].majority, tuple(votes[image.name].values())
            if label is None and ties == "first":
                label = min(given, key=lambda label: label.time or _LAST).label
            if label is not None or ties == "folder":
                examples.append(_example(image, verdicts[image], CLASS_OF[label], given, own_names))
        return cls(
            examples, len(enough) - len(examples), len(images) - len(enough),
            len(votes.keys() - {image.name for image in images}),
        )  # fmt: skip


class Split:
    """Shares of a training set: which part a picture is in is up to its content alone, whatever else is in the set.

    So a picture stays in its part when labels or pictures are added, and copies of one picture are in one part.
    """

    def __init__(self, text: str = "") -> None:
        """Read percentages like 80/10/10 (train, validation, test) or 80/20 (train, test); '' is one part."""
        try:
            shares = [int(share) for share in text.split("/")] if text else []
        except ValueError:
            shares = [-1]
        if shares and (not 2 <= len(shares) <= 3 or min(shares) < 0 or sum(shares) != 100):
            raise UserError(f"{text} is not a split. Give two or three percentages that add up to 100, like 80/10/10.")
        names = SPLITS if len(shares) == 3 else (SPLITS[0], SPLITS[2])
        self.parts = [(name, share) for name, share in zip(names, shares, strict=False) if share] or [("", 100)]

    def of(self, digest: str) -> str:
        """Return the part of a picture by the first 12 hex digits of its SHA-256; '' where there is one part."""
        place = int(digest[:12], 16) * 100 / 16**12
        for name, share in self.parts:
            if place < share:
                return name
            place -= share
        return self.parts[-1][0]


def safe_name(name: str) -> str:
    """Return the name without what some system can't have in a file name: separators, control characters, length.

    The end is kept, since the suffix says what kind of picture it is.
    """
    name = "".join(
        char if is_shown(char) and char not in _NOT_ON_WINDOWS else "_" for char in unicodedata.normalize("NFC", name)
    ).rstrip(". ")
    return name.encode("utf-8", "replace")[-MAX_NAME_BYTES:].decode("utf-8", "ignore")


def is_exported_name(file_name: str) -> bool:
    """Return whether a file name is of the forms that export gives; no other file of its folders is touched."""
    return bool(named_digest(file_name.removeprefix("key-")))


def _example(image: Image, verdict: Verdict, label: str, given: tuple[Label, ...], own_names: Counter[str]) -> Example:
    own = safe_name(image.name)
    key = hashlib.sha256(image.name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    by_key = f"key-{key}-{own}"
    is_ours = named_digest(own) and own == image.name and own_names[_folded(own)] == 1
    agreement = max(verdict.votes) / verdict.labels
    return Example(image, label, given, agreement, (own, by_key) if is_ours else (by_key,))


def _folded(name: str) -> str:
    """Return the same for names that Windows and macOS take for the same."""
    return unicodedata.normalize("NFC", name.casefold())

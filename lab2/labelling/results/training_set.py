"""The pictures of a training set: the label of each by its votes, its split, and its file name."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import PurePath

from lab2.errors import UserError
from lab2.labelling.labels.choices import CHOICES
from lab2.labelling.labels.label_row import Label, Votes, by_image
from lab2.labelling.pictures.image_store import Image, named_digest
from lab2.labelling.results.report import verdict_of

TIED = "tied"
CLASS_OF = {None: TIED} | {choice.value: choice.folder for choice in CHOICES}
CLASSES = tuple(choice.folder for choice in CHOICES)
TIES = ("skip", "first", "folder")
SPLITS = ("train", "validation", "test")

# Other suffixes may mean something else to a loader.
_SUFFIXES = set(
    ".jpg .jpeg .jpe .jfif .png .apng .gif .webp .bmp .dib .tif .tiff .avif .ppm .pgm .pbm .pnm .pam .jp2".split()  # noqa: SIM905
)
_EXPORTED = re.compile(r"([0-9a-f]{12})(?:-([0-9a-f]{12}))?(\.[a-z0-9]{1,5})?")
_LAST = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Example:
    """A picture of the training set: its class, the labels given, and the share of them that agree with the majority.

    `key` tells its file from others. It is the digest of the content if the name in the bucket has that: see
    `ExportedName`.
    """

    image: Image
    label: str
    given: tuple[Label, ...]
    agreement: float
    key: str


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The examples, in the order of their images, and how many pictures are left out for each reason."""

    examples: list[Example]
    ties: int
    few_votes: int
    gone: int

    @classmethod
    def from_votes(cls, images: Iterable[Image], votes: Votes, min_votes: int = 1, ties: str = "skip") -> TrainingSet:
        """Return the training set of the images with at least so many votes; `ties`: what to do with ties."""
        images = sorted(images, key=lambda image: image.name)
        votes = by_image(votes, (image.name for image in images))
        digests = Counter(named_digest(image.name) for image in images)
        verdicts = {image: verdict_of(image.name, votes.get(image.name, {}).values()) for image in images}
        enough = [image for image in images if verdicts[image].labels >= max(1, min_votes)]
        examples = []
        for image in enough:
            verdict = verdicts[image]
            given = tuple(votes[image.name].values())
            label = verdict.majority
            if label is None and ties == "first":
                label = min(given, key=lambda label: label.time or _LAST).label
            if label is not None or ties == "folder":
                agreement = max(verdict.votes) / verdict.labels
                examples.append(Example(image, CLASS_OF[label], given, agreement, _key(image.name, digests)))
        return cls(
            examples,
            len(enough) - len(examples),
            len(images) - len(enough),
            len(votes.keys() - {image.name for image in images}),
        )


class Split:
    """The parts of a training set: a picture's part depends on its content only, not on the rest of the set.

    So it does not change when labels or pictures are added, and copies of a picture are in the same part.
    """

    def __init__(self, text: str = "") -> None:
        """Parse percentages like 80/10/10 (train, validation, test) or 80/20 (train, test); '' is a single part."""
        try:
            shares = [int(share) for share in text.split("/")] if text else []
        except ValueError:
            shares = [-1]
        if shares and (not 2 <= len(shares) <= 3 or min(shares) < 0 or sum(shares) != 100):
            raise UserError(f"{text} is not a split. Give two or three percentages that add up to 100, like 80/10/10.")
        names = SPLITS if len(shares) == 3 else (SPLITS[0], SPLITS[2])
        self.parts = [(name, share) for name, share in zip(names, shares, strict=False) if share] or [("", 100)]

    def part_of(self, digest: str) -> str:
        """Return the part of a picture with this SHA-256, of which 12 hex digits count; '' for a single part."""
        place = int(digest[:12], 16) * 100 / 16**12
        for name, share in self.parts:
            if place < share:
                return name
            place -= share
        return self.parts[-1][0]


@dataclass(frozen=True, slots=True)
class ExportedName:
    """The file name of an exported picture: the digest of its content, its key if that is another one, a suffix.

    It has nothing of the original name: to Hugging Face's `datasets` a word like "test" in a path is a split, and not
    every system allows every name.
    """

    content: str
    key: str
    suffix: str

    @classmethod
    def parse(cls, name: str) -> ExportedName | None:
        """Return the parts of a file name, None if export gives no such names: it never touches such a file."""
        match = _EXPORTED.fullmatch(name)
        return cls(match[1], match[2] or match[1], match[3] or "") if match else None

    def __str__(self) -> str:
        return self.content + (f"-{self.key}" if self.key != self.content else "") + self.suffix


def suffix_of(name: str) -> str:
    """Return the suffix of a picture's name in lower case, '' if it is not one of a picture."""
    suffix = PurePath(name.lower()).suffix
    return suffix if suffix in _SUFFIXES else ""


def _key(name: str, digests: Counter[str]) -> str:
    """Return the digest in the name of a picture if no other name has it, else a digest of the name."""
    named = named_digest(name)
    if named and digests[named] == 1:
        return named
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]

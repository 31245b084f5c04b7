"""The report: who labelled and how far they agree, the votes on each image, the labels that are still needed."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from lab2.labelling.labels.choices import BY_VALUE, CHOICES, majority
from lab2.labelling.labels.csv_dialect import csv_row
from lab2.labelling.labels.label_row import Label, Votes, by_image
from lab2.labelling.pictures.image_store import original_name
from lab2.labelling.results.agreement import compared_with_others, fleiss_kappa, krippendorff_alpha
from lab2.terminal import align, column_widths, printable

if TYPE_CHECKING:  # numpy is imported for a large label file only
    from lab2.labelling.labels.columns import Columns

ENOUGH_LABELS = 3  # images with so many labels or more are counted as "3+"
MAX_DISPUTED = 10  # images that the report names
# The report names annotators who agree with the others on less than this share of at least so many images.
FEW_AGREE = 0.6
MIN_COMPARED = 10


@dataclass(frozen=True, slots=True)
class Annotator:
    """What one annotator did: the number of images labelled, and the median seconds of a label (None: not known).

    The annotator agreed with the majority of the others on `agreed` of the `compared` images that have one.
    """

    name: str
    labels: int
    seconds: float | None
    agreed: int = 0
    compared: int = 0

    @property
    def share(self) -> float | None:
        """Return the share of agreement from 0 to 1, None if there is nothing to compare."""
        return self.agreed / self.compared if self.compared else None

    @property
    def disagrees(self) -> bool:
        """Return whether somebody should look at the labels of this annotator."""
        return self.share is not None and self.share < FEW_AGREE and self.compared >= MIN_COMPARED


@dataclass(frozen=True, slots=True)
class Verdict:
    """The votes on one image: how many for each of CHOICES, in their order."""

    image: str
    votes: tuple[int, ...]

    @property
    def labels(self) -> int:
        return sum(self.votes)

    @property
    def majority(self) -> str | None:
        """Return the value of the choice with more votes than any other, None for a tie or no votes."""
        return majority(dict(zip(BY_VALUE, self.votes, strict=True)))

    @property
    def dispute(self) -> float:
        """Return the share of votes that are not for the leading choice: 0 to 1 - 1 / choices."""
        return 1 - max(self.votes) / self.labels if self.labels else 0.0

    def by_class(self) -> dict[str, int]:
        """Return the votes for each class, as named in JSON and CSV."""
        return {choice.folder: votes for choice, votes in zip(CHOICES, self.votes, strict=True)}


@dataclass(frozen=True, slots=True)
class Report:
    """The votes on the images in the bucket, most disputed first, and what each annotator did."""

    annotators: list[Annotator]
    verdicts: list[Verdict]
    kappa: float | None
    alpha: float | None

    @property
    def unanimous(self) -> bool:
        """Return whether all labels of pictures with several are the same: then no coefficient is defined."""
        shared = [verdict.votes for verdict in self.verdicts if verdict.labels > 1]
        return bool(shared) and sum(any(column) for column in zip(*shared, strict=True)) == 1

    @classmethod
    def from_votes(cls, images: Iterable[str], votes: Votes) -> Report:
        """Return the report on images with these votes."""
        images = list(images)
        votes = by_image(votes, images)
        verdicts = [verdict_of(image, votes.get(image, {}).values()) for image in images]
        given: dict[str, list[Label]] = {}
        for labels in votes.values():
            for label in labels.values():
                given.setdefault(label.annotator, []).append(label)
        agreed, compared = compared_with_others(
            {name: label.label for name, label in votes.get(image, {}).items()} for image in images
        )
        annotators = [
            Annotator(name, len(labels), _median_seconds(labels), agreed[name], compared[name])
            for name, labels in given.items()
        ]
        return cls._on(annotators, verdicts)

    @classmethod
    def from_columns(cls, images: Iterable[str], columns: Columns) -> Report:
        """Return the report on images with the labels in columns: what `from_votes` returns for the same labels."""
        votes, annotators = columns.tally(images)
        verdicts = [Verdict(image, tuple(counts)) for image, counts in votes.items()]
        return cls._on([Annotator(*each) for each in annotators], verdicts)

    @classmethod
    def _on(cls, annotators: list[Annotator], verdicts: list[Verdict]) -> Report:
        verdicts.sort(key=lambda verdict: (-verdict.dispute, -verdict.labels, verdict.image))
        annotators.sort(key=lambda annotator: (-annotator.labels, annotator.name))
        counts = [verdict.votes for verdict in verdicts]
        return cls(annotators, verdicts, fleiss_kappa(counts), krippendorff_alpha(counts))

    @property
    def disputed(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.dispute]

    def coverage(self) -> dict[str, int]:
        """Return how many images have 0, 1, 2, and 3 or more labels."""
        counts = Counter(min(verdict.labels, ENOUGH_LABELS) for verdict in self.verdicts)
        return {f"{labels}{'+' * (labels == ENOUGH_LABELS)}": counts[labels] for labels in range(ENOUGH_LABELS + 1)}

    def needed(self) -> dict[str, int]:
        """Return how many labels are missing until each image has 1, 2, and 3."""
        return {
            str(enough): sum(max(0, enough - verdict.labels) for verdict in self.verdicts)
            for enough in range(1, ENOUGH_LABELS + 1)
        }

    def as_csv(self) -> str:
        """Return the votes as CSV with a header, a line for each image."""
        header = ("image", *(choice.folder for choice in CHOICES), "majority")
        rows = ((printable(each.image), *each.votes, each.majority) for each in self.verdicts)
        return "\n".join(map(csv_row, (header, *rows)))

    def as_json(self) -> str:
        return json.dumps(
            {
                "annotators": [
                    {
                        "name": each.name,
                        "labels": each.labels,
                        "seconds": each.seconds,
                        "agreement": each.share,
                        "compared": each.compared,
                        "disagrees": each.disagrees,
                    }
                    for each in self.annotators
                ],
                "coverage": self.coverage(),
                "needed": self.needed(),
                "kappa": self.kappa,
                "alpha": self.alpha,
                "images": [
                    {"image": verdict.image} | verdict.by_class() | {"majority": verdict.majority}
                    for verdict in self.verdicts
                ],
            },
            indent=1,
        )

    def _coefficient(self, value: float | None) -> str:
        if value is not None:
            return f"{value:.2f}"
        if self.unanimous:
            return "not defined (all shared labels are the same)"
        return "not known (no picture has two labels)"

    def as_text(self, width: int) -> str:
        """Return the report in lines of at most `width` columns."""
        won = Counter(verdict.majority for verdict in self.verdicts if verdict.labels)
        titles = [choice.title for choice in CHOICES]
        blocks: list[list[Sequence[object]]] = [
            [("labels", *self.coverage()), ("pictures", *self.coverage().values())],
            [("labels wanted each", *self.needed()), ("labels missing", *self.needed().values())],
            [("majority", *titles, "tied"), ("pictures", *(won[choice.value] for choice in CHOICES), won[None])],
            [("labels", "seconds", "agrees", "annotator")] + [_person(each) for each in self.annotators],
        ]
        if self.disputed:
            blocks.append(
                [(*titles, "most disputed")]
                + [(*each.votes, printable(original_name(each.image))) for each in self.disputed[:MAX_DISPUTED]]
            )
        lines = [line for block in blocks for line in (*_aligned(block), "")]
        for each in self.annotators:
            if each.disagrees:
                lines += textwrap.wrap(f"Look at the labels of {_name(each)}: {_share(each)} agree.", width)
        if any(each.disagrees for each in self.annotators):
            lines.append("")
        lines.append(f"agreement (Fleiss' kappa): {self._coefficient(self.kappa)}")
        lines.append(f"agreement (Krippendorff's alpha): {self._coefficient(self.alpha)}")
        return "\n".join(line if len(line) <= width else f"{line[: width - 1]}…" for line in lines)


def _person(each: Annotator) -> tuple[object, ...]:
    seconds = "" if each.seconds is None else f"{each.seconds:.1f}"
    return each.labels, seconds, _share(each), _name(each)


def _share(each: Annotator) -> str:
    return "" if each.share is None else f"{each.share:.0%} of {each.compared:,}"


def _name(each: Annotator) -> str:
    return printable(each.name) or "(nobody)"


def verdict_of(image: str, labels: Iterable[Label]) -> Verdict:
    """Return the verdict of these labels on an image."""
    counts = Counter(label.label for label in labels)
    return Verdict(image, tuple(counts[choice.value] for choice in CHOICES))


def _median_seconds(labels: Iterable[Label]) -> float | None:
    known = [seconds for label in labels if (seconds := label.duration) is not None]
    return median(known) if known else None


def _aligned(rows: Sequence[Sequence[object]]) -> list[str]:
    """Return rows as lines, with columns aligned to the right, but a last one of text to the left."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = column_widths(cells)
    if not isinstance(rows[-1][-1], int):
        widths[-1] = 0
    return [align(row, widths, gap=3) for row in cells]

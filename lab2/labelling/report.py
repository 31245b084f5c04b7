"""The report: who labelled, the votes and the majority of each image, the agreement, the most disputed images."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from lab2.labelling.agreement import fleiss_kappa
from lab2.labelling.image_store import original_name
from lab2.labelling.label import Label, Votes, by_image
from lab2.terminal import align, column_widths, printable

ENOUGH_LABELS = 3  # an image with so many labels or more is counted as "3+"
MAX_DISPUTED = 10  # images that the report names


@dataclass(frozen=True, slots=True)
class Annotator:
    """What one person did: the number of images labelled, and the median seconds a label took (None: not known)."""

    name: str
    labels: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The votes on one image."""

    image: str
    hot_dog: int
    not_hot_dog: int

    @property
    def labels(self) -> int:
        return self.hot_dog + self.not_hot_dog

    @property
    def majority(self) -> str | None:
        """Return "1" or "0", or None for a tie."""
        if self.hot_dog == self.not_hot_dog:
            return None
        return "1" if self.hot_dog > self.not_hot_dog else "0"

    @property
    def dispute(self) -> float:
        """Return the minority's share of the votes: 0 to 0.5."""
        return min(self.hot_dog, self.not_hot_dog) / max(1, self.labels)


@dataclass(frozen=True, slots=True)
class Report:
    """The votes on the images in the bucket, most disputed first, and what each annotator did."""

    annotators: list[Annotator]
    verdicts: list[Verdict]
    kappa: float | None

    @classmethod
    def of(cls, images: Iterable[str], votes: Votes) -> Report:
        images = list(images)
        votes = by_image(votes, images)
        verdicts = [_verdict(image, votes.get(image, {}).values()) for image in images]
        verdicts.sort(key=lambda verdict: (-verdict.dispute, -verdict.labels, verdict.image))
        given: dict[str, list[Label]] = {}
        for labels in votes.values():
            for label in labels.values():
                given.setdefault(label.annotator, []).append(label)
        annotators = [Annotator(name, len(labels), _median_seconds(labels)) for name, labels in given.items()]
        annotators.sort(key=lambda annotator: (-annotator.labels, annotator.name))
        return cls(annotators, verdicts, fleiss_kappa([(verdict.hot_dog, verdict.labels) for verdict in verdicts]))

    @property
    def disputed(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.dispute]

    def coverage(self) -> dict[str, int]:
        """Return how many images have 0, 1, 2, and 3 or more labels."""
        counts = Counter(min(verdict.labels, ENOUGH_LABELS) for verdict in self.verdicts)
        return {f"{labels}{'+' * (labels == ENOUGH_LABELS)}": counts[labels] for labels in range(ENOUGH_LABELS + 1)}

    def as_json(self) -> str:
        return json.dumps(
            {
                "annotators": [asdict(annotator) for annotator in self.annotators],
                "coverage": self.coverage(),
                "kappa": self.kappa,
                "images": [asdict(verdict) | {"majority": verdict.majority} for verdict in self.verdicts],
            },
            indent=1,
        )

    def as_text(self, width: int) -> str:
        """Return the report in lines of at most `width` columns."""
        majority = Counter(verdict.majority for verdict in self.verdicts if verdict.labels)
        blocks: list[list[Sequence[object]]] = [
            [("labels", *self.coverage()), ("pictures", *self.coverage().values())],
            [("majority", "hot dog", "not", "tied"), ("pictures", majority["1"], majority["0"], majority[None])],
            [("labels", "seconds", "annotator")]
            + [
                (each.labels, "" if each.seconds is None else f"{each.seconds:.1f}", printable(each.name) or "(nobody)")
                for each in self.annotators
            ],
        ]
        if self.disputed:
            blocks.append(
                [("hot dog", "not", "most disputed")]
                + [
                    (each.hot_dog, each.not_hot_dog, printable(original_name(each.image)))
                    for each in self.disputed[:MAX_DISPUTED]
                ]
            )
        agreement = "not known until two people label the same picture" if self.kappa is None else f"{self.kappa:.2f}"
        lines = [line for block in blocks for line in (*_aligned(block, width), "")]
        return "\n".join([*lines, f"agreement (Fleiss' kappa): {agreement}"])


def _verdict(image: str, labels: Iterable[Label]) -> Verdict:
    counts = Counter(label.label for label in labels)
    return Verdict(image, counts["1"], counts["0"])


def _median_seconds(labels: Iterable[Label]) -> float | None:
    seconds = [label.seconds.replace(",", ".") for label in labels]  # Excel saves a decimal comma in many locales
    known = [float(each) for each in seconds if each.replace(".", "", 1).isdecimal()]
    return median(known) if known else None


def _aligned(rows: Sequence[Sequence[object]], width: int) -> list[str]:
    """Return rows as lines with columns to the right, a last one that starts with text to the left."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = column_widths(cells)
    if not isinstance(rows[-1][-1], int):
        widths[-1] = 0
    lines = [align(row, widths, gap=3) for row in cells]
    return [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]

"""Inter-annotator agreement: Fleiss' kappa, Krippendorff's alpha, and each annotator against the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


def fleiss_kappa(images: Sequence[tuple[int, int]]) -> float | None:
    """Return the agreement on images given as (votes for 1, all votes): 1 is perfect, 0 is what chance would give.

    None if no image has two votes, or if all votes are the same, which makes chance agreement 1. The number of
    votes may differ between images: J. L. Fleiss and J. Cuzick, "The reliability of dichotomous judgments: unequal
    numbers of judges per subject", Applied Psychological Measurement 3 (1979), 537-542. With equal numbers it is the
    kappa of J. L. Fleiss, Psychological Bulletin 76 (1971), 378-382.
    """
    images = [(ones, votes) for ones, votes in images if votes]
    pairs = sum(votes - 1 for _, votes in images)
    share = sum(ones for ones, _ in images) / max(1, sum(votes for _, votes in images))
    if not pairs or share in (0, 1):
        return None
    disagreement = sum(ones * (votes - ones) / votes for ones, votes in images) / pairs
    return 1 - disagreement / (share * (1 - share))


def krippendorff_alpha(images: Sequence[tuple[int, int]]) -> float | None:
    """Return the agreement on images given as (votes for 1, all votes): 1 is perfect, 0 is what chance would give.

    For nominal data with missing values, so annotators may label different subsets; images with one vote don't count.
    None if there are no others, or if all their votes are the same: K. Krippendorff, "Computing Krippendorff's
    Alpha-Reliability" (2011), https://repository.upenn.edu/asc_papers/43.
    """
    images = [(ones, votes) for ones, votes in images if votes > 1]
    ones, votes = sum(ones for ones, _ in images), sum(votes for _, votes in images)
    if ones in (0, votes):
        return None
    observed = sum(ones * (votes - ones) / (votes - 1) for ones, votes in images)
    return 1 - (votes - 1) * observed / (ones * (votes - ones))


@dataclass(frozen=True, slots=True)
class Comparison:
    """How often an annotator judged like the majority of the others: `agreed` of so many pictures `compared`."""

    agreed: int = 0
    compared: int = 0

    @property
    def share(self) -> float | None:
        """Return the share from 0 to 1, None where there is nothing to compare."""
        return self.agreed / self.compared if self.compared else None


def compared_with_others(images: Iterable[Mapping[str, str]]) -> dict[str, Comparison]:
    """Return each annotator's comparison with the majority of the others, without the annotator's own vote.

    An image is given as annotator → label. One on which the others are tied, or nobody else voted, does not count.
    """
    agreed, compared = Counter[str](), Counter[str]()
    for votes in images:
        counts = Counter(votes.values())
        leads = {label: (count - 1) - (len(votes) - count) for label, count in counts.items()}  # without one's own
        for annotator, label in votes.items():
            agreed[annotator] += leads[label] > 0
            compared[annotator] += leads[label] != 0
    return {annotator: Comparison(agreed[annotator], compared[annotator]) for annotator in compared}

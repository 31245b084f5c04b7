"""Inter-annotator agreement: Fleiss' kappa, Krippendorff's alpha, and each annotator against the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from lab2.labelling.labels.choices import majority


def fleiss_kappa(images: Iterable[Sequence[int]]) -> float | None:
    """Return the agreement on images, each given as its votes for each choice: 1 is perfect, 0 is chance.

    None if no image has two votes, or if all votes are the same, which makes chance agreement 1. The number of votes
    may differ between images, as in J. L. Fleiss, B. Levin, M. C. Paik, "Statistical Methods for Rates and
    Proportions", 3rd ed. (2003), 18.3. With equal numbers it is the kappa of J. L. Fleiss, Psychological Bulletin 76
    (1971), 378-382.
    """
    voted = [(sum(counts), counts) for counts in images if any(counts)]
    pairs = sum(votes - 1 for votes, _ in voted)
    totals: list[int] = [sum(column) for column in zip(*(counts for _, counts in voted), strict=True)]
    chance = _differing(sum(totals), totals) / max(1, sum(totals) * sum(totals))
    if not pairs or not chance:
        return None
    return 1 - sum(_differing(votes, counts) / votes for votes, counts in voted) / pairs / chance


def krippendorff_alpha(images: Iterable[Sequence[int]]) -> float | None:
    """Return the agreement on images, each given as its votes for each choice: 1 is perfect, 0 is chance.

    For nominal data with missing values: annotators may label different subsets; images with one vote don't count.
    None if there are no others, or if all their votes are the same: K. Krippendorff, "Computing Krippendorff's
    Alpha-Reliability" (2011), https://repository.upenn.edu/asc_papers/43.
    """
    shared = [(sum(counts), counts) for counts in images if sum(counts) > 1]
    totals: list[int] = [sum(column) for column in zip(*(counts for _, counts in shared), strict=True)]
    expected = _differing(sum(totals), totals)
    if not expected:
        return None
    observed = sum(_differing(votes, counts) / (votes - 1) for votes, counts in shared)
    return 1 - (sum(totals) - 1) * observed / expected


def _differing(votes: int, counts: Iterable[int]) -> int:
    """Return how many ordered pairs of votes are for different choices."""
    return sum(count * (votes - count) for count in counts)


def compared_with_others(images: Iterable[Mapping[str, str]]) -> tuple[Counter[str], Counter[str]]:
    """Return how often each annotator agreed with the majority of the others, and on how many images they had one.

    An image is given as annotator → label.
    """
    agreed, compared = Counter[str](), Counter[str]()
    for votes in images:
        verdicts = {label: _compare(label, Counter(votes.values())) for label in set(votes.values())}
        for annotator, label in votes.items():
            agrees = verdicts[label]
            agreed[annotator] += agrees is True
            compared[annotator] += agrees is not None
    return agreed, compared


def _compare(label: str, counts: Counter[str]) -> bool | None:
    """Return whether a vote for `label` agrees with the majority of the others; None if they have none."""
    others = counts - Counter([label])
    leader = majority(others)
    return None if leader is None else leader == label

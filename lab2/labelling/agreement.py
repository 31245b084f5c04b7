"""Inter-annotator agreement: Fleiss' kappa."""

from __future__ import annotations

from collections.abc import Sequence


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

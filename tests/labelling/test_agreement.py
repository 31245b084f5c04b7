"""How far annotators agree: Fleiss' kappa, also where images have unequal numbers of votes."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab2.labelling.agreement import fleiss_kappa


def fleiss_1971(images: list[tuple[int, int]]) -> Fraction:
    """Kappa as Fleiss defined it in 1971, for the same number of votes on each image."""
    pairs = [Fraction(x * (x - 1) + (n - x) * (n - x - 1), n * (n - 1)) for x, n in images]
    ones = Fraction(sum(x for x, _ in images), sum(n for _, n in images))
    observed, chance = sum(pairs) / len(pairs), ones**2 + (1 - ones) ** 2
    return (observed - chance) / (1 - chance)


@given(st.integers(2, 9).flatmap(lambda n: st.lists(st.tuples(st.integers(0, n), st.just(n)), min_size=1)))
def test_with_equal_numbers_of_votes_kappa_is_that_of_fleiss_1971(images: list[tuple[int, int]]) -> None:
    if 0 < sum(x for x, _ in images) < sum(n for _, n in images):
        assert fleiss_kappa(images) == pytest.approx(float(fleiss_1971(images)))
    else:
        assert fleiss_kappa(images) is None


def test_kappa_with_uneven_numbers_of_votes() -> None:
    # By hand: shares of 4/7 and 3/7; x(n-x)/n are 0, 2/3, 0 and 0 over 1 + 2 + 0 + 0 pairs.
    assert fleiss_kappa([(2, 2), (1, 3), (0, 1), (1, 1)]) == pytest.approx(1 - (2 / 3 / 3) / (12 / 49))
    assert fleiss_kappa([(2, 2), (0, 3), (1, 1)]) == 1
    assert fleiss_kappa([(1, 1), (0, 1)]) is None
    assert fleiss_kappa([]) is None
